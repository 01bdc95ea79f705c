"""Children of a ClusterExternalSecret, and the namespaces that it selects."""

from __future__ import annotations

import pytest

from gitops_secrets.kinds.external_secret import LabelledNamespace, Namespaces, expand_cluster_external_secret
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.facts import ObjectNeed, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode, Place
from gitops_secrets.syntax.yaml import parse

NAMESPACES = (
    LabelledNamespace("apps", (("registry", "yes"), ("team", "a"))),
    LabelledNamespace("jobs", (("registry", "no"),)),
    LabelledNamespace("plain"),
)


def cluster_external_secret(spec: str) -> Resource:
    text = f"kind: ClusterExternalSecret\napiVersion: external-secrets.io/v1\nmetadata:\n  name: registry\nspec:\n{spec}"
    data = parse(text, "ces.yaml", DEFAULT_LIMITS).documents[0]
    assert isinstance(data, MappingNode)
    return Resource(ResourceId("external-secrets.io", "ClusterExternalSecret", "", "registry"), "v1", data, data["metadata"].place("name"))


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ("namespaceSelectors: [{matchLabels: {registry: 'yes'}}]", ["apps"]),
        ("namespaceSelectors: [{matchLabels: {registry: 'yes'}}, {matchLabels: {registry: 'no'}}]", ["apps", "jobs"]),
        ("namespaceSelectors: [{matchLabels: {registry: 'yes', team: b}}]", []),
        ("namespaceSelectors: [{matchExpressions: [{key: registry, operator: Exists}]}]", ["apps", "jobs"]),
        ("namespaceSelectors: [{matchExpressions: [{key: registry, operator: DoesNotExist}]}]", ["plain"]),
        ("namespaceSelectors: [{matchExpressions: [{key: registry, operator: In, values: ['no', maybe]}]}]", ["jobs"]),
        ("namespaceSelectors: [{matchExpressions: [{key: registry, operator: NotIn, values: ['no']}]}]", ["apps", "plain"]),
        ("namespaceSelectors: [{matchExpressions: [{key: registry, operator: Nonsense}]}]", []),
        ("namespaceSelectors: [{matchLabels: {kubernetes.io/metadata.name: plain}}]", ["plain"]),
        ("namespaceSelector: {matchLabels: {team: a}}", ["apps"]),
        ("namespaceSelectors: [{}]", ["apps", "jobs", "plain"]),
        ("namespaces: [plain]", ["plain"]),
        ("namespaceSelectors: text", []),
        ("externalSecretName: x", []),
    ],
)
def test_a_child_is_made_in_each_namespace_that_is_selected(selectors: str, expected: list[str]) -> None:
    children = expand_cluster_external_secret(cluster_external_secret(f"  {selectors}"), Namespaces(NAMESPACES))

    assert expected == [child.id.namespace for child in children]


def test_a_child_has_the_spec_and_the_metadata_that_are_written_for_it() -> None:
    spec = """\
  externalSecretName: child
  externalSecretMetadata:
    labels: {a: b}
  namespaces: [apps]
  externalSecretSpec:
    secretStoreRef: {kind: ClusterSecretStore, name: aws}
    data: [{secretKey: token, remoteRef: {key: registry}}]
"""
    (child,) = expand_cluster_external_secret(cluster_external_secret(spec), Namespaces(NAMESPACES))
    found = facts_of(child, default_table())

    assert ResourceId("external-secrets.io", "ExternalSecret", "apps", "child") == child.id
    assert found.provisions[0].labels == (("a", "b"),)
    assert {frozenset({"token"})} == {each.keys for each in found.provisions if each.provides == ObjectNeed(ResourceId("", "Secret", "apps", "child"))}


def test_fields_of_a_child_stand_where_a_person_edits_them() -> None:
    spec = "  namespaces: [apps]\n  externalSecretSpec:\n    secretStoreRef:\n      kind: ClusterSecretStore\n      name: aws\n"
    (child,) = expand_cluster_external_secret(cluster_external_secret(spec), Namespaces(NAMESPACES))
    places = {each.reason: each.place for each in facts_of(child, default_table()).requirements}

    assert Place("ces.yaml", 10, 7) == places["secret-store"]
    assert Place("ces.yaml", 4, 3) == child.place
