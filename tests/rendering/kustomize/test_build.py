"""What a build says about itself: where every field is edited, what is wrong and where, what it read, and that it changes nothing that it was given."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from gitops_secrets.manifests.load import Loader, parse_documents
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.repository.tree import MemoryTree

CANARY = "canary-1f0c"
CONFIG_MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}}\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: app
        image: nginx:1
        envFrom:
        - configMapRef:
            name: settings
"""


def builder(files: dict[str, str]) -> Builder:
    return Builder(Loader(MemoryTree({path: dedent(content) for path, content in files.items()})))


def build(directory: str = "", **files: str) -> Build:
    return builder({path.replace("__", "/").replace("_yaml", ".yaml"): content for path, content in files.items()}).build(directory)


def at(node: Any, *path: str | int) -> tuple[Any, str]:
    """The value at a path, and where it is edited."""
    place = Place("", 0, 0)
    for part in path:
        place = node.place(part)
        node = node[part]
    return node, str(place)


def fields(text: str, file: str = "cluster/apps.yaml") -> MappingNode:
    document = parse_documents(dedent(text), file, DEFAULT_LIMITS).documents[0]
    assert isinstance(document, MappingNode)
    return document


def problems(result: Build) -> list[str]:
    return [f"{problem.place} {problem.rule}: {problem.message}" for problem in result.problems]


# Where a field is edited


def test_a_field_nobody_changed_is_edited_in_its_manifest() -> None:
    (resource,) = build(kustomization_yaml="resources: [d.yaml]", d_yaml=DEPLOYMENT).resources

    assert at(resource, "spec", "template", "spec", "containers", 0, "image") == ("nginx:1", "d.yaml:11")


def test_a_namespace_is_edited_where_the_kustomization_states_it() -> None:
    (resource,) = build(kustomization_yaml="resources: [d.yaml]\nnamespace: shop\n", d_yaml=DEPLOYMENT).resources

    assert at(resource, "metadata", "namespace") == ("shop", "kustomization.yaml:2")


def test_a_prefixed_name_is_edited_where_it_is_written() -> None:
    (resource,) = build(kustomization_yaml="resources: [d.yaml]\nnamePrefix: p-\nnameSuffix: -s\n", d_yaml=DEPLOYMENT).resources

    assert at(resource, "metadata", "name") == ("p-web-s", "d.yaml:4")


def test_a_followed_reference_is_edited_where_it_is_written() -> None:
    result = build(kustomization_yaml="resources: [d.yaml]\nconfigMapGenerator: [{name: settings, literals: [a=b]}]\n", d_yaml=DEPLOYMENT)
    name, place = at(result.resources[1], "spec", "template", "spec", "containers", 0, "envFrom", 0, "configMapRef", "name")

    assert (name.startswith("settings-"), place) == (True, "d.yaml:14")


def test_a_generated_key_is_edited_at_its_entry() -> None:
    kustomization = """\
    configMapGenerator:
    - name: settings
      literals:
      - a=b
      files:
      - x.txt
    """
    (resource,) = builder({"kustomization.yaml": kustomization, "x.txt": "text"}).build("").resources

    assert at(resource, "data", "a") == ("b", "kustomization.yaml:4")
    assert at(resource, "data", "x.txt") == ("text", "kustomization.yaml:6")
    assert at(resource, "metadata", "name")[1] == "kustomization.yaml:2"


def test_what_a_patch_file_sets_is_edited_in_the_patch_file() -> None:
    patch = """\
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 3
      template:
        spec:
          containers:
          - name: app
            image: nginx:2
          - name: side
    """
    (resource,) = builder({"kustomization.yaml": "resources: [d.yaml]\npatches: [{path: p.yaml}]", "d.yaml": DEPLOYMENT, "p.yaml": patch}).build("").resources

    assert at(resource, "spec", "replicas") == (3, "p.yaml:5")
    assert at(resource, "spec", "template", "spec", "containers", 0, "image") == ("nginx:2", "p.yaml:10")
    assert at(resource, "spec", "template", "spec", "containers", 0, "envFrom")[1] == "d.yaml:12"
    assert at(resource, "spec", "template", "spec", "containers", 1, "name") == ("side", "p.yaml:11")


def test_what_an_inline_patch_sets_is_edited_in_the_line_of_the_patch() -> None:
    kustomization = """\
    resources: [d.yaml]
    patches:
    - target: {kind: Deployment}
      patch: |
        - op: replace
          path: /spec/replicas
          value: 3
    - patch: |-
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: web
          labels:
            tier: front
    """
    (resource,) = builder({"kustomization.yaml": kustomization, "d.yaml": DEPLOYMENT}).build("").resources

    assert at(resource, "spec", "replicas") == (3, "kustomization.yaml:7")
    assert resource["metadata"]["labels"].place("tier") == Place("kustomization.yaml", 14, 9)


def test_what_a_quoted_patch_sets_is_edited_at_the_patch() -> None:
    kustomization = """\
    resources: [d.yaml]
    patches:
    - target: {kind: Deployment}
      patch: "- {op: replace, path: /spec/replicas,\\n   value: 3}"
    """
    (resource,) = builder({"kustomization.yaml": kustomization, "d.yaml": DEPLOYMENT}).build("").resources

    assert at(resource, "spec", "replicas") == (3, "kustomization.yaml:4")


def test_labels_images_and_replicas_are_edited_in_the_kustomization() -> None:
    kustomization = """\
    resources: [d.yaml]
    commonLabels:
      app: shop
    images:
    - name: nginx
      newTag: "2"
    replicas:
    - name: web
      count: 5
    """
    (resource,) = builder({"kustomization.yaml": kustomization, "d.yaml": DEPLOYMENT}).build("").resources

    assert at(resource, "spec", "selector", "matchLabels", "app") == ("shop", "kustomization.yaml:3")
    assert at(resource, "spec", "template", "spec", "containers", 0, "image") == ("nginx:2", "kustomization.yaml:6")
    assert at(resource, "spec", "replicas") == (5, "kustomization.yaml:9")


def test_a_replaced_value_is_edited_at_its_source() -> None:
    kustomization = """\
    resources: [d.yaml, c.yaml]
    replacements:
    - source: {kind: ConfigMap, fieldPath: data.a}
      targets: [{select: {kind: Deployment}, fieldPaths: [spec.paused], options: {create: true}}]
    """
    result = builder({"kustomization.yaml": kustomization, "d.yaml": DEPLOYMENT, "c.yaml": CONFIG_MAP}).build("")

    assert at(result.resources[1], "spec", "paused") == ("b", "c.yaml:1")


# What is wrong, and where


def test_a_missing_resource_is_refused_at_its_entry_with_the_nearest_name() -> None:
    result = build(kustomization_yaml="resources:\n- c.yaml\n- deploy.yml\n", deploy_yaml=DEPLOYMENT, c_yaml=CONFIG_MAP)

    assert problems(result) == ["kustomization.yaml:3 build-failed: deploy.yml is not there; did you mean deploy.yaml?"]
    assert result.failed
    assert [resource["kind"] for resource in result.resources] == ["ConfigMap"]


@pytest.mark.parametrize("entry", ["../../elsewhere", "/etc/hosts"])
def test_a_path_out_of_the_repository_is_refused(entry: str) -> None:
    result = build("app", app__kustomization_yaml=f"resources: [{entry}]")

    assert problems(result) == [f"app/kustomization.yaml:1 build-failed: {entry} is outside of the repository"]


def test_a_directory_without_kustomization_is_refused() -> None:
    result = build("app", app__c_yaml=CONFIG_MAP)

    assert (result.resources, result.failed, result.inputs) == ((), True, frozenset({"app/"}))


def test_a_problem_of_a_base_stands_in_the_base() -> None:
    result = build("overlay", overlay__kustomization_yaml="resources: [../base]", base__kustomization_yaml="resources: [x.yaml]")

    assert problems(result) == ["base/kustomization.yaml:1 build-failed: x.yaml is not there"]


def test_components_in_a_circle_are_refused() -> None:
    component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../{}]\n"
    result = build(
        "app",
        app__kustomization_yaml="components: [../a]",
        a__kustomization_yaml=component.format("b"),
        b__kustomization_yaml=component.format("a"),
    )

    assert problems(result) == ["b/kustomization.yaml:3 build-failed: cycle: ../a contains the kustomization that includes it"]


def test_a_base_that_is_a_cycle_only_for_one_of_two_is_refused_only_there() -> None:
    shared = builder(
        {"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a/deep]", "a/deep/kustomization.yaml": "resources: [../../b]"}
    )

    assert shared.build("b").failed
    assert shared.build("a").failed


def test_a_patch_that_matches_nothing_is_told_but_no_failure() -> None:
    kustomization = """\
    resources: [d.yaml]
    patches:
    - path: p.yaml
      target:
        kind: StatefulSet
    """
    patch = "- {op: remove, path: /spec}"
    result = builder({"kustomization.yaml": kustomization, "d.yaml": DEPLOYMENT, "p.yaml": patch}).build("")

    assert problems(result) == ["kustomization.yaml:5 patch-matches-nothing: the patch matches nothing: there is no resource with kind StatefulSet"]
    assert not result.failed


def test_a_json_patch_that_does_not_apply_is_refused_in_its_line() -> None:
    kustomization = """\
    resources: [d.yaml]
    patches:
    - target: {kind: Deployment}
      patch: |
        - op: add
          path: /spec/paused
          value: true
        - op: add
          path: /spec/not/there
          value: 1
    """
    result = builder({"kustomization.yaml": kustomization, "d.yaml": DEPLOYMENT}).build("")

    assert problems(result) == ["kustomization.yaml:8 build-failed: Deployment.v1.apps/web.[noNs]: add /spec/not/there: what lies above it is not there"]


def test_what_is_elsewhere_is_opaque_and_nothing_is_judged_by_it() -> None:
    kustomization = """\
    resources:
    - https://example.com/install.yaml
    - github.com/owner/repository//deploy?ref=v1
    - git@example.com:owner/repository.git
    - d.yaml
    patches:
    - path: p.yaml
    - target: {name: from-elsewhere}
      path: p.yaml
    configMapGenerator:
    - name: c
      files: [https://example.com/c.json]
    """
    patch = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: from-elsewhere}}"
    result = builder({"kustomization.yaml": kustomization, "d.yaml": DEPLOYMENT, "p.yaml": patch}).build("")

    assert [(opaque.thing, opaque.why, opaque.place.line) for opaque in result.opaque] == [
        ("https://example.com/install.yaml", "remote base, not fetched", 2),
        ("github.com/owner/repository//deploy?ref=v1", "remote base, not fetched", 3),
        ("git@example.com:owner/repository.git", "remote base, not fetched", 4),
        ("https://example.com/c.json", "remote file, not fetched", 12),
    ]
    assert (problems(result), result.failed) == ([], False)


def test_a_patch_that_is_elsewhere_may_bring_what_a_later_one_changes() -> None:
    kustomization = """\
    resources: [d.yaml]
    patches:
    - path: https://example.com/sidecar.yaml
      target: {kind: Deployment}
    - target: {kind: Deployment}
      patch: |-
        - {op: replace, path: /spec/template/spec/containers/0/env/2, value: {name: A, value: b}}
    """
    result = builder({"kustomization.yaml": kustomization, "d.yaml": DEPLOYMENT}).build("")

    assert (problems(result), result.failed) == ([], False)


@pytest.mark.parametrize("directory", ["base", "overlay"])
def test_a_schema_that_is_elsewhere_is_not_fetched_and_ends_no_build(directory: str) -> None:
    files = {
        "overlay/kustomization.yaml": "resources: [../base]\n",
        "base/kustomization.yaml": "resources: [c.yaml]\nopenapi: {path: 'https://example.com/schema.json'}\n",
        "base/c.yaml": CONFIG_MAP,
    }
    result = builder(files).build(directory)

    assert (problems(result), [resource["metadata"]["name"] for resource in result.resources]) == ([], ["c"])


def test_charts_and_plugins_are_opaque() -> None:
    kustomization = """\
    resources: [c.yaml]
    helmCharts:
    - name: redis
    transformers: [t.yaml]
    """
    transformer = "{apiVersion: example.com/v1, kind: Magic, metadata: {name: wand}}"
    result = builder({"kustomization.yaml": kustomization, "c.yaml": CONFIG_MAP, "t.yaml": transformer}).build("")

    assert [opaque.thing for opaque in result.opaque] == ["chart redis", "Magic wand"]


def test_broken_yaml_is_told_with_its_place() -> None:
    result = build(kustomization_yaml="resources: [a.yaml, c.yaml]", a_yaml="a: b\n c: d\n", c_yaml=CONFIG_MAP)

    assert [(problem.rule, str(problem.place)) for problem in result.problems] == [("invalid-yaml", "a.yaml:2")]
    assert (result.failed, len(result.resources)) == (True, 1)


# Secrets


def test_no_secret_value_leaves_a_build() -> None:
    kustomization = f"""\
    resources: [s.yaml, c.yaml]
    secretGenerator:
    - name: generated
      literals: [a={CANARY}]
      files: [s.txt]
    - name: broken
      literals: ["{CANARY}"]
    patches:
    - target: {{kind: Secret}}
      patch: |
        - {{op: add, path: /data/patched, value: {CANARY}}}
    - target: {{kind: Secret, name: s}}
      patch: |
        apiVersion: v1
        kind: Any
        metadata: {{name: any}}
        stringData: {{merged: {CANARY}}}
    replacements:
    - source: {{kind: Secret, name: generated, fieldPath: data.a}}
      targets: [{{select: {{kind: ConfigMap}}, fieldPaths: [data.a]}}]
    """
    secret = f"{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, data: {{x: {CANARY}}}}}"
    result = builder({"kustomization.yaml": kustomization, "s.yaml": secret, "s.txt": CANARY, "c.yaml": CONFIG_MAP}).build("")

    assert CANARY not in repr(result)
    assert [list(resource.get("data", ())) for resource in result.resources] == [["a"], ["a", "s.txt", "patched"], ["x", "patched"]]
    assert result.resources[0]["data"]["a"] == "***"


def test_a_generator_whose_file_is_missing_fails_and_its_secret_is_known_by_name_and_key() -> None:
    result = build(kustomization_yaml="secretGenerator: [{name: s, files: [a=missing.txt]}]\ngeneratorOptions: {disableNameSuffixHash: true}\n")

    assert result.failed
    assert [(node["metadata"]["name"], list(node["data"])) for node in result.resources] == [("s", ["a"])]


def test_the_hash_of_a_secret_is_that_of_its_hidden_values() -> None:
    names = [build(kustomization_yaml=f"secretGenerator: [{{name: s, literals: [a={value}]}}]").resources[0]["metadata"]["name"] for value in ("b", "c")]

    assert names == ["s-k695gkmbtk", "s-f9m77dtd4d"]


# What Flux adds


def test_fields_of_flux_are_merged_into_the_root() -> None:
    files = {"app/kustomization.yaml": "resources: [d.yaml]\nnamespace: own\nimages: [{name: nginx, newTag: '2'}]\n", "app/d.yaml": DEPLOYMENT}
    extra = fields(
        """\
        namespace: target
        images: [{name: nginx, newTag: "3"}]
        patches:
        - target: {kind: Deployment}
          patch: |
            - op: replace
              path: /spec/replicas
              value: 7
        """
    )
    (resource,) = builder({**files, "cluster/apps.yaml": ""}).build("app", extra=extra).resources

    assert at(resource, "metadata", "namespace") == ("target", "cluster/apps.yaml:1")
    assert at(resource, "spec", "template", "spec", "containers", 0, "image") == ("nginx:3", "cluster/apps.yaml:2")
    assert at(resource, "spec", "replicas")[0] == 7
    assert at(resource, "spec", "replicas")[1].startswith("cluster/apps.yaml:")


def test_a_directory_without_file_is_built_from_a_generated_one() -> None:
    generated = fields("resources: [d.yaml]\n", "app/kustomization.yaml")
    result = builder({"app/d.yaml": DEPLOYMENT}).build("app", kustomization=generated)

    assert ([resource["metadata"]["name"] for resource in result.resources], result.failed) == (["web"], False)


# Sharing


def test_a_build_names_every_file_and_directory_that_it_read() -> None:
    result = build(
        "overlay",
        overlay__kustomization_yaml="resources: [../base]\ncomponents: [../part]\nconfigMapGenerator: [{name: a, files: [x.yaml]}]",
        overlay__x_yaml="",
        base__kustomization_yaml="resources: [c.yaml]",
        base__c_yaml=CONFIG_MAP,
        part__kustomization_yaml="apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]",
        part__p_yaml="- {op: add, path: /data/x, value: x}",
        other__c_yaml=CONFIG_MAP,
    )

    assert sorted(result.inputs) == [
        "base/",
        "base/c.yaml",
        "base/kustomization.yaml",
        "overlay/",
        "overlay/kustomization.yaml",
        "overlay/x.yaml",
        "part/",
        "part/kustomization.yaml",
        "part/p.yaml",
    ]


def test_a_shared_base_is_not_changed_by_those_who_include_it() -> None:
    shared = builder(
        {
            "base/kustomization.yaml": "resources: [d.yaml]\nconfigMapGenerator: [{name: settings, literals: [a=b]}]",
            "base/d.yaml": DEPLOYMENT,
            "a/kustomization.yaml": "resources: [../base]\nnamespace: a\nnamePrefix: a-\ncommonLabels: {x: a}\nreplicas: [{name: web, count: 9}]",
            "b/kustomization.yaml": "resources: [../base]\nnameSuffix: -b\nimages: [{name: nginx, newTag: b}]",
        }
    )
    before = repr(shared.build("base"))
    first = repr(shared.build("a"))
    second = repr(shared.build("b"))

    assert repr(shared.build("base")) == before
    assert (repr(shared.build("a")), repr(shared.build("b"))) == (first, second)


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_kustomization_is_found_by_each_of_its_names(name: str) -> None:
    tree = MemoryTree({f"app/{name}": "", "other/x.yaml": ""})

    assert find_kustomization(tree, "app") == f"app/{name}"
    assert find_kustomization(tree, "other") is None


def test_lists_and_mappings_keep_a_mark_for_every_entry() -> None:
    result = build(kustomization_yaml="resources: [d.yaml]\ncommonLabels: {a: b}\nnamespace: n2\nimages: [{name: nginx, newTag: '2'}]", d_yaml=DEPLOYMENT)

    def check(node: Any) -> None:
        if isinstance(node, MappingNode):
            assert set(node.marks) >= set(node)
        if isinstance(node, SequenceNode):
            assert len(node.marks) == len(node)
        if isinstance(node, MappingNode | SequenceNode):
            for child in node.values() if isinstance(node, MappingNode) else node:
                check(child)

    for resource in result.resources:
        check(resource)


def test_flux_minds_neither_an_unknown_field_nor_an_empty_file_in_the_directory_it_builds() -> None:
    files = {"app/kustomization.yaml": "resources: [d.yaml]\nconfig: 1\n", "app/d.yaml": DEPLOYMENT, "empty/kustomization.yaml": "kind: Kustomization\n"}
    shared = builder(files)

    assert [shared.build(directory).failed for directory in ("app", "empty")] == [True, True]
    assert [shared.build(directory, extra=fields("{}")).failed for directory in ("app", "empty")] == [False, False]
