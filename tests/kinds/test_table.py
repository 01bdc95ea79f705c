"""The table of kinds: the rows of the package, and those of users."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import pytest

from gitops_secrets.errors import UsageError
from gitops_secrets.kinds.compile import EXTRACTOR_NAMES
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.extractors import EXTRACTORS
from gitops_secrets.kinds.table import FAMILIES, default_table, table_with
from gitops_secrets.model.facts import Healing, ObjectNeed, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.syntax.yaml import parse

TABLE = default_table()


def test_the_families_are_the_files_that_are_there() -> None:
    files = {entry.name for entry in resources.files("gitops_secrets.kinds").iterdir() if entry.name.endswith(".yaml")}

    assert files - {"charts.yaml"} == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_files_of_the_table_are_clean_yaml(family: str) -> None:
    assert parse(resources.files("gitops_secrets.kinds").joinpath(family).read_bytes(), family, DEFAULT_LIMITS).problems == ()


def test_the_names_of_extractors_are_those_that_are_there() -> None:
    assert sorted(EXTRACTORS) == list(EXTRACTOR_NAMES)


def test_every_row_compiles_and_custom_kinds_tell_their_scope() -> None:
    without_scope = [f"{row.group}/{row.kind}" for row in TABLE.rows() if row.namespaced is None]

    assert without_scope == []


def test_a_row_tells_what_gates_need() -> None:
    row = TABLE.row("external-secrets.io", "ExternalSecret")

    assert row is not None
    assert (row.healing, row.webhook, row.misread_by_kstatus, row.soft) == (Healing.SLOW, True, True, False)
    assert row.healthy_expression is not None
    assert "status.syncedResourceVersion.startsWith(string(metadata.generation) + '-')" in row.healthy_expression


@pytest.mark.parametrize(
    ("group", "kind", "misread"),
    [
        ("external-secrets.io", "ClusterSecretStore", True),
        ("bitnami.com", "SealedSecret", True),
        ("argoproj.io", "Application", True),
        ("kubernetes-client.io", "ExternalSecret", True),
        ("cert-manager.io", "Certificate", False),
        ("helm.toolkit.fluxcd.io", "HelmRelease", False),
    ],
)
def test_kstatus_misreads_only_kinds_of_eso_sealed_secrets_argo_and_kes(group: str, kind: str, misread: bool) -> None:
    row = TABLE.row(group, kind)

    assert row is not None
    assert misread == row.misread_by_kstatus


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor", "PrometheusRule", "Probe"])
def test_nothing_waits_for_monitors(kind: str) -> None:
    row = TABLE.row("monitoring.coreos.com", kind)

    assert row is not None
    assert row.soft


@pytest.mark.parametrize(
    ("group", "kind", "plural"),
    [
        ("gateway.networking.k8s.io", "Gateway", "gateways"),
        ("networking.istio.io", "Gateway", "gateways"),
        ("generators.external-secrets.io", "SSHKey", "sshkeys"),
        ("k8s.cni.cncf.io", "NetworkAttachmentDefinition", "network-attachment-definitions"),
        ("dragonflydb.io", "Dragonfly", "dragonflies"),
        ("a.example.com", "Policy", "policies"),
        ("", "Endpoints", "endpoints"),
        ("networking.k8s.io", "Ingress", "ingresses"),
    ],
)
def test_a_plural_comes_from_the_table_or_is_guessed(group: str, kind: str, plural: str) -> None:
    assert plural == TABLE.plural(group, kind)


@pytest.mark.parametrize(
    ("group", "kind", "namespaced"),
    [
        ("", "Secret", True),
        ("rbac.authorization.k8s.io", "ClusterRole", False),
        ("external-secrets.io", "ClusterSecretStore", False),
        ("cert-manager.io", "Issuer", True),
        ("a.example.com", "Thing", None),
    ],
)
def test_scope_is_built_in_or_from_the_table_or_not_known(group: str, kind: str, namespaced: bool | None) -> None:
    assert namespaced is TABLE.is_namespaced(group, kind)


def test_no_rows_of_users_are_the_default_table() -> None:
    assert TABLE is table_with([])


def thing(text: str, group: str = "a.example.com") -> Resource:
    data = parse(text, "a.yaml", DEFAULT_LIMITS).documents[0]
    assert isinstance(data, MappingNode)
    return Resource(ResourceId(group, data["kind"], "apps", "one"), "v1", data, data.place("kind"))


def test_a_row_of_a_user_makes_a_kind_known() -> None:
    table = table_with(
        [
            {
                "kind": "a.example.com/Thing",
                "scope": "namespaced",
                "needs": [{"at": "spec.auth.secretName", "to": "Secret", "key": "token"}],
                "makes": [{"kind": "Service", "name": "{name}-api"}],
            }
        ]
    )
    found = facts_of(thing("{kind: Thing, spec: {auth: {secretName: credentials}}}"), table)

    assert ObjectNeed(ResourceId("", "Secret", "apps", "credentials"), "token") in [each.need for each in found.requirements]
    assert ObjectNeed(ResourceId("", "Service", "apps", "one-api")) in [each.provides for each in found.provisions]
    assert found.opaque == ()


def test_a_row_of_a_user_adds_to_one_of_the_package() -> None:
    table = table_with([{"kind": "external-secrets.io/ExternalSecret", "healing": "never", "needs": [{"at": "spec.extra", "to": "ConfigMap"}]}])
    found = facts_of(thing("{kind: ExternalSecret, spec: {extra: settings, secretStoreRef: {name: aws}}}", "external-secrets.io"), table)
    reasons = [(each.reason, each.healing) for each in found.requirements[2:]]

    assert reasons == [("config-map", Healing.NEVER), ("secret-store", Healing.NEVER)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "kinds[0]: kind: the value is not `group/Kind`"),
        ({"kind": "a/b/c"}, "kinds[0] (a/b/c): kind: `a/b/c` is not `group/Kind`"),
        ({"kind": "a.io/B", "colour": 1}, "kinds[0] (a.io/B): colour: no such field"),
        ({"kind": "a.io/B", "scope": "galaxy"}, "kinds[0] (a.io/B): scope: `galaxy` is none of cluster, namespaced"),
        ({"kind": "a.io/B", "healing": "fast"}, "healing: `fast` is none of never, prompt, slow"),
        ({"kind": "a.io/B", "soft": "yes"}, "soft: must be true or false"),
        ({"kind": "a.io/B", "needs": "spec.x"}, "needs: must be a list"),
        ({"kind": "a.io/B", "needs": ["spec.x"]}, "needs[0]: must be a mapping"),
        ({"kind": "a.io/B", "needs": [{"at": "spec.x"}]}, "needs[0].to: the value is not `group/Kind`"),
        ({"kind": "a.io/B", "needs": [{"to": "Secret"}]}, "needs[0].at: must be a text"),
        ({"kind": "a.io/B", "needs": [{"at": "spec..x", "to": "Secret"}]}, "needs[0].at: `spec..x` is not a path"),
        ({"kind": "a.io/B", "needs": [{"at": "spec.x", "to": "Secret", "reason": "magic"}]}, "needs[0].reason: `magic` is none of"),
        ({"kind": "a.io/B", "needs": [{"at": "spec.x", "to": "Secret", "effect": "boom"}]}, "needs[0].effect: `boom` is none of"),
        ({"kind": "a.io/B", "needs": [{"at": "spec.x", "to": "Secret", "keyField": "k"}]}, "needs[0].keyField: no such field"),
        ({"kind": "a.io/B", "makes": [{"kind": "Secret"}]}, "makes[0]: needs `name` or `at`"),
        ({"kind": "a.io/B", "makes": [{"kind": "Secret", "name": "x", "keys": 3}]}, "makes[0].keys: must be a text or a list of texts"),
        ({"kind": "a.io/B", "use": {"no-shape": "spec"}}, "use.no-shape: no shape of this name"),
        ({"kind": "a.io/B", "extract": "everything"}, "extract: `everything` is none of"),
    ],
)
def test_a_wrong_row_names_the_row_and_the_field(row: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        table_with([row])

    assert message in str(caught.value)
