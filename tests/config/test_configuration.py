from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.config import Configuration, Ignore, SourceSetting, configuration_schema, load_configuration
from gitops_secrets.config.configuration import BootstrapChart, ClusterSetting, RuleSetting
from gitops_secrets.errors import UsageError
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import Place

FILE = ".gitops-secrets.yaml"
WHOLE = b"""\
clusters:
  production: {path: ./clusters/production/, engine: flux}
  staging:
    path: clusters/staging
sources:
  GitRepository/flux-system/other: {path: ../other}
  OCIRepository/flux-system/apps:
    external: true
bootstrap:
  paths: [bootstrap/helmfile.yaml, bootstrap/base]
  charts:
    - cilium
    - {name: external-secrets, repository: https://charts.external-secrets.io, version: "2.0", namespace: eso}
  kinds: [external-secrets.io/ClusterSecretStore]
  objects: [Secret/external-secrets/token]
accept-retry: [secret-store, namespace]
kinds:
  - {kind: example.org/Thing, scope: namespaced}
rules:
  duplicate-key: off
  missing-key: {severity: note, paths: [apps/**]}
ignore:
  - rule: missing-secret
    subject: Deployment/web/*
    path: apps/web
    reason: made by hand
"""


def load(text: str) -> Configuration:
    return load_configuration(text.encode(), FILE, DEFAULT_LIMITS)


def test_a_whole_configuration() -> None:
    configuration = load_configuration(WHOLE, FILE, DEFAULT_LIMITS)

    assert configuration.clusters["production"] == ClusterSetting("clusters/production", "flux", Place(FILE, 2, 3))
    assert configuration.clusters["staging"] == ClusterSetting("clusters/staging", None, Place(FILE, 3, 3))
    assert configuration.sources["GitRepository/flux-system/other"] == SourceSetting("../other", False, Place(FILE, 6, 3))
    assert configuration.sources["OCIRepository/flux-system/apps"].external
    assert [named.text for named in configuration.bootstrap.paths] == ["bootstrap/helmfile.yaml", "bootstrap/base"]
    assert configuration.bootstrap.charts == (
        BootstrapChart("cilium", "", "", "", "cilium", Place(FILE, 12, 7)),
        BootstrapChart("external-secrets", "https://charts.external-secrets.io", "2.0", "eso", "external-secrets", Place(FILE, 13, 8)),
    )
    assert [named.text for named in configuration.bootstrap.kinds] == ["external-secrets.io/ClusterSecretStore"]
    assert [named.text for named in configuration.bootstrap.objects] == ["Secret/external-secrets/token"]
    assert configuration.accept_retry == frozenset({"secret-store", "namespace"})
    assert configuration.kinds == ({"kind": "example.org/Thing", "scope": "namespaced"},)
    assert configuration.rules["duplicate-key"] == RuleSetting("off", (), Place(FILE, 20, 3))
    assert configuration.rules["missing-key"] == RuleSetting("note", ("apps/**",), Place(FILE, 21, 3))
    assert configuration.ignore == (Ignore("missing-secret", "Deployment/web/*", "apps/web", "made by hand", Place(FILE, 23, 5)),)


@pytest.mark.parametrize("text", [b"", b"# nothing yet\n", b"---\n", b"{}", b"rules:\nignore:\n"])
def test_nothing_is_the_default(text: bytes) -> None:
    assert load_configuration(text, FILE, DEFAULT_LIMITS) == Configuration()


def test_bootstrap_may_be_a_list_of_paths() -> None:
    assert [named.text for named in load("bootstrap: [a, b]").bootstrap.paths] == ["a", "b"]


@pytest.mark.parametrize(("text", "every", "store"), [("{}", False, False), ("accept-retry: true", True, True), ("accept-retry: [secret-store]", False, True)])
def test_which_edges_may_heal_by_retry(text: str, every: bool, store: bool) -> None:
    configuration = load(text)

    assert (configuration.accepts_retry("namespace"), configuration.accepts_retry("secret-store")) == (every, store)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", f"{FILE}:1: unknown key 'a', known are: accept-retry, bootstrap, clusters, destinations, ignore, kinds, rules, sources"),
        ("\nrule: {}\n", f"{FILE}:2: unknown key 'rule', did you mean 'rules'?"),
        ("clusters:\n  a:\n    pth: x\n", f"{FILE}:3: unknown key 'pth' in clusters.a, did you mean 'path'?"),
        ("clusters:\n  a: {engine: flux}\n", f"{FILE}:2: clusters.a needs 'path'"),
        ("clusters:\n  a: {path: 5}\n", f"{FILE}:2: clusters.a.path must be text, not a number"),
        ("clusters:\n  a: {path: x, engine: Flux}\n", f"{FILE}:2: clusters.a.engine is 'Flux', did you mean 'flux'?"),
        ("clusters: [a]\n", f"{FILE}:1: clusters must be a mapping, not a list"),
        ("clusters: {a: }\n", f"{FILE}:1: clusters.a must be a mapping, not nothing"),
        ("sources: {a/b/c: {}}\n", f"{FILE}:1: sources.a/b/c needs either 'path' or 'external: true'"),
        ("sources: {a/b/c: {external: true, path: x}}\n", f"{FILE}:1: sources.a/b/c needs either 'path' or 'external: true'"),
        (
            "sources:\n  other: {external: true}\n",
            f"{FILE}:2: sources are named kind/namespace/name, as in GitRepository/flux-system/other, or by their url, not 'other'",
        ),
        ("bootstrap: true\n", f"{FILE}:1: bootstrap must be a list or a mapping, not true or false"),
        ("bootstrap:\n- a\n- {b: c}\n", f"{FILE}:3: bootstrap[1] must be text, not a mapping"),
        ("bootstrap:\n  charts:\n  - {nam: x}\n", f"{FILE}:3: unknown key 'nam' in bootstrap.charts[0], did you mean 'name'?"),
        ("accept-retry: sometimes\n", f"{FILE}:1: accept-retry must be true or false or a list, not text"),
        ("rules:\n  missing-key: of\n", f"{FILE}:2: rules.missing-key is 'of', did you mean 'off'?"),
        ("ignore:\n- rule: x\n", f"{FILE}:2: ignore[0] needs 'reason'"),
        ("ignore:\n- rule: x\n  reason: ''\n", f"{FILE}:3: ignore[0].reason is empty"),
        ("- a\n", f"{FILE}:1: the configuration must be a mapping"),
        ("a: [\n", f"{FILE}:2: did not find expected node content"),
        ("rules: {}\nrules: {}\n", f"{FILE}:2: duplicate key 'rules'"),
        ("rules: {}\n---\nrules: {}\n", f"{FILE}: the configuration is one YAML document, not 2"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(text)

    assert str(caught.value) == message


def test_the_schema_describes_every_field_of_the_configuration() -> None:
    fields = {field.replace("_", "-") for field in Configuration.__slots__}

    assert set(configuration_schema()["properties"]) == fields


def values_of(rules: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What the schema allows, as JSON values."""
    if "anyOf" in rules:
        return st.one_of([values_of(option) for option in rules["anyOf"]])
    if "enum" in rules:
        return st.sampled_from(rules["enum"])
    kind = rules["type"]
    if kind == "boolean":
        return st.booleans()
    if kind == "string":
        return st.sampled_from(["a/b/c", "x", "./y"])
    if kind == "array":
        return st.lists(values_of(rules["items"]), max_size=2)
    required = rules.get("required", [])
    known = {key: values_of(value) for key, value in rules.get("properties", {}).items()}
    if known:
        return st.fixed_dictionaries({key: known[key] for key in required}, optional={key: value for key, value in known.items() if key not in required})
    others = rules.get("additionalProperties", True)
    return st.just({"kind": "X"}) if others is True else st.dictionaries(st.just("a/b/c"), values_of(others), max_size=1)


def is_decided(value: dict[str, Any]) -> bool:
    return all((source.get("external", False)) != ("path" in source) for source in value.get("sources", {}).values())


@given(values_of(configuration_schema()).filter(is_decided))
@settings(max_examples=60, deadline=None)
def test_whatever_the_schema_allows_is_read(value: dict[str, Any]) -> None:
    configuration = load(json.dumps(value))

    assert set(configuration.rules) == set(value.get("rules", {}))
    assert len(configuration.ignore) == len(value.get("ignore", []))


words = st.sampled_from([*configuration_schema()["properties"], "a/b/c", "path", "rule"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@given(anything)
@settings(max_examples=150, deadline=None)
def test_anything_else_is_refused_with_a_place(value: Any) -> None:
    try:
        load(json.dumps(value))
    except UsageError as error:
        assert str(error).startswith(FILE)  # noqa: PT017
