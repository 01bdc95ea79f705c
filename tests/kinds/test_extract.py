"""Facts of single resources: tables of cases by family, and what holds for every kind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.paths import ITEMS, VALUES, field_of, find, parse_path
from gitops_secrets.kinds.rows import REASONS, Reference
from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import parse_documents
from gitops_secrets.model.facts import Confidence, Effect, Facts, Healing, KindNeed, ObjectNeed, Provision, Requirement, Resource, When
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_text
from gitops_secrets.syntax.yaml import parse

TABLE = default_table()
FILE = "a.yaml"
CASES = Path(__file__).parent / "cases"


def resource_of(data: MappingNode) -> Resource:
    group, version = split_api_version(as_text(data["apiVersion"]))
    metadata = as_mapping(data["metadata"])
    namespace = as_text(metadata.get("namespace")) if TABLE.is_namespaced(group, data["kind"]) is not False else ""
    return Resource(ResourceId(group, data["kind"], namespace, as_text(metadata.get("name"))), version, data, metadata.place("name"))


def resource(text: str) -> Resource:
    data = parse_documents(text, FILE, DEFAULT_LIMITS).documents[0]
    assert isinstance(data, MappingNode)
    return resource_of(data)


def facts(text: str) -> Facts:
    return facts_of(resource(text), TABLE)


def cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.yaml")):
        for case in parse(path.read_bytes(), path.name, DEFAULT_LIMITS).documents[0]:
            yield pytest.param(case["manifest"], case["facts"], id=f"{path.stem}: {case['name']}")


def requirement_text(requirement: Requirement) -> str:
    key = getattr(requirement.need, "key", None)
    marks = [
        "optional" if requirement.optional else "",
        "soft" if requirement.soft else "",
        requirement.healing.value if requirement.healing is not Healing.PROMPT else "",
        "referent" if requirement.referent else "",
        f"namespace of {requirement.namespace_of_chart}" if requirement.namespace_of_chart else "",
        requirement.confidence.value if requirement.confidence is not Confidence.CERTAIN else "",
        requirement.effect.value if requirement.effect is not Effect.READY else "",
    ]
    need = str(requirement.need) + (f" key {key}" if key and isinstance(requirement.need, ObjectNeed) else "")
    return " ".join(["needs", requirement.reason, need, "at", f"{requirement.field}:{requirement.place.line}", *filter(None, marks)])


def provision_text(provision: Provision) -> str:
    version = f" {provision.provides.version}" if isinstance(provision.provides, KindNeed) and provision.provides.version else ""
    keys = f" with {' '.join(sorted(provision.keys))}" if provision.keys is not None else ""
    marks = ["" if provision.owns else "merged", "" if provision.ready_signal else "unproven"]
    return " ".join(["makes" if provision.when is When.LATER else "is", f"{provision.provides}{version}{keys}", *filter(None, marks)])


def said(found: Facts) -> list[str]:
    """All facts but those that every resource has: itself, its namespace, its definition."""
    needs = [
        requirement_text(each) for each in found.requirements if each.reason not in ("namespace", "custom-resource-definition") or each.effect is Effect.READY
    ]
    return needs + [provision_text(each) for each in found.provisions[1:]] + [f"opaque in {each.namespace or 'any namespace'}" for each in found.opaque]


@pytest.mark.parametrize(("manifest", "expected"), list(cases()))
def test_a_kind_needs_and_makes_what_its_manifest_says(manifest: str, expected: str | None) -> None:
    actual = said(facts(manifest))

    assert (expected or "").splitlines() == actual


def test_a_namespaced_object_needs_its_namespace_and_a_custom_resource_its_definition() -> None:
    found = facts("kind: Thing\napiVersion: a.example.com/v1beta1\nmetadata:\n  name: one\n  namespace: apps\n")

    assert [
        Requirement(
            ResourceId("a.example.com", "Thing", "apps", "one"),
            ObjectNeed(ResourceId("", "Namespace", "", "apps")),
            Effect.APPLY,
            "namespace",
            "metadata.namespace",
            Place(FILE, 5, 3),
        ),
        Requirement(
            ResourceId("a.example.com", "Thing", "apps", "one"),
            KindNeed("a.example.com", "Thing", "v1beta1", "things"),
            Effect.APPLY,
            "custom-resource-definition",
            "apiVersion",
            Place(FILE, 2, 1),
        ),
    ] == list(found.requirements)


def test_an_object_whose_namespace_an_overlay_sets_stands_at_its_name() -> None:
    one = resource("kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: one\n")
    moved = Resource(one.id._replace(namespace="apps"), one.version, one.data, one.place)

    assert [Place(FILE, 4, 3)] == [each.place for each in facts_of(moved, TABLE).requirements]


def test_a_cluster_scoped_object_needs_no_namespace() -> None:
    assert facts("kind: Namespace\napiVersion: v1\nmetadata: {name: apps}\n").requirements == ()


def test_an_object_provides_itself_with_its_labels() -> None:
    found = facts("kind: Namespace\napiVersion: v1\nmetadata: {name: apps, labels: {team: b, area: a, odd: 1}}\n")

    assert found.provisions[0].labels == (("area", "a"), ("team", "b"))
    assert (When.NOW, ObjectNeed(ResourceId("", "Namespace", "", "apps"))) == (found.provisions[0].when, found.provisions[0].provides)


@pytest.mark.parametrize(
    ("manifest", "keys"),
    [
        ("{kind: Secret, apiVersion: v1, metadata: {name: a, namespace: b}, data: {x: eA==}, stringData: {y: z}}", {"x", "y"}),
        ("{kind: ConfigMap, apiVersion: v1, metadata: {name: a, namespace: b}, data: {x: y}, binaryData: {z: eA==}}", {"x", "z"}),
        ("{kind: Secret, apiVersion: v1, metadata: {name: a, namespace: b}}", set()),
        (
            "{kind: Secret, apiVersion: v1, type: kubernetes.io/service-account-token, metadata: {name: a, namespace: b}}",
            {"token", "ca.crt", "namespace"},
        ),
        ("{kind: Secret, apiVersion: v1, metadata: {name: a, namespace: b, annotations: {fluxcd.controlplane.io/copyFrom: c/d}}}", None),
        ("{kind: Service, apiVersion: v1, metadata: {name: a, namespace: b}}", None),
    ],
)
def test_secrets_and_config_maps_provide_their_keys(manifest: str, keys: set[str] | None) -> None:
    assert keys == facts(manifest).provisions[0].keys


def test_an_unknown_custom_resource_may_make_things_in_its_namespace_only() -> None:
    found = facts("{kind: Thing, apiVersion: a.example.com/v1, metadata: {name: one, namespace: apps}}")

    assert [each.thing for each in found.opaque] == ["Thing.a.example.com/apps/one"]
    assert {"apps"} == {each.namespace for each in found.opaque}
    assert ("", "Secret") in (found.opaque[0].kinds or ())


def test_a_secret_value_is_in_no_fact() -> None:
    text = "{kind: Secret, apiVersion: v1, metadata: {name: a, namespace: b}, stringData: {password: hunter2}, data: {token: aHVudGVyMg==}}"
    found = facts_of(resource_of(parse(text, FILE, DEFAULT_LIMITS).documents[0]), TABLE)

    assert "hunter2" not in repr(found)
    assert "aHVudGVyMg==" not in repr(found)


def rows_with_references() -> Iterator[Any]:
    for row in TABLE.rows():
        if row.references:
            yield pytest.param(row.group, row.kind, id=f"{row.group}/{row.kind}")


def manifest_for(group: str, kind: str, reference: Reference) -> MappingNode:
    """A manifest with nothing in it but one reference, its siblings filled in."""
    root = MappingNode(FILE, 1)
    root.put("apiVersion", f"{group}/v1" if group else "v1", 1)
    root.put("kind", kind, 1)
    metadata = MappingNode(FILE, 1)
    metadata.put("name", "one", 1)
    if TABLE.is_namespaced(group, kind) is not False:
        metadata.put("namespace", "apps", 1)
    root.put("metadata", metadata, 1)
    node: Any = root
    for step, following in zip(reference.path, (*reference.path[1:], None), strict=True):
        child: Any = SequenceNode(FILE, 1) if following == ITEMS else MappingNode(FILE, 1) if following is not None else "target"
        if reference.labels and following is None:
            child = MappingNode(FILE, 1)
            child.put("team", "a", 1)
        if step == ITEMS:
            node.add(child, 5)
        elif step in node:
            child = node[step]
        else:
            node.put("any" if step == VALUES else step, child, 7)
        if following is None and isinstance(node, MappingNode):
            fill_siblings(node, reference)
        node = child
    for condition in reference.conditions:
        assert condition.sibling, "only conditions on siblings are filled in"
    return root


def fill_siblings(node: MappingNode, reference: Reference) -> None:
    if reference.kind_field is not None and reference.kinds:
        node.put(reference.kind_field, min(reference.kinds), 1)
    if reference.namespace_field is not None and not reference.foreign_refused:
        node.put(reference.namespace_field, "elsewhere", 1)
    if reference.key_field is not None:
        node.put(reference.key_field, "password", 1)
    for condition in reference.conditions:
        node.put(condition.path[0], "set", 1)


@pytest.mark.parametrize(("group", "kind"), list(rows_with_references()))
def test_every_reference_of_the_table_is_found_where_it_is_written(group: str, kind: str) -> None:
    row = TABLE.row(group, kind)
    assert row is not None
    for reference in row.references:
        found = facts_of(resource_of(manifest_for(group, kind, reference)), TABLE).requirements
        skipped = (
            TABLE.is_namespaced(group, kind) is False
            and reference.namespace_field is not None
            and reference.without_namespace == "skip"
            and reference.namespace is None
            and reference.foreign_refused
        )
        field = field_of(*(0 if step == ITEMS else "any" if step == VALUES else step for step in reference.path))
        at = [each for each in found if each.field == field]

        assert skipped or at, f"{reference.path}: nothing found"
        assert skipped or reference.reason in {each.reason for each in at}
        assert {Place(FILE, 1, 5 if reference.path[-1] == ITEMS else 7)} >= {each.place for each in at}


def test_every_reason_is_in_the_public_list() -> None:
    reasons = {reference.reason for row in TABLE.rows() for reference in row.references}

    assert set() == reasons - REASONS


@pytest.mark.parametrize("kind", ["SecretStore", "ClusterSecretStore"])
def test_every_credential_of_a_store_follows_its_rule_for_a_missing_namespace(kind: str) -> None:
    row = TABLE.row("external-secrets.io", kind)
    assert row is not None
    for reference in row.references:
        data = manifest_for("external-secrets.io", kind, reference)
        found = [each for each in facts_of(resource_of(data), TABLE).requirements if each.reason in ("store-credential", "service-account")]
        namespace = "apps" if kind == "SecretStore" else ""
        expected = [(namespace, kind == "ClusterSecretStore")] if kind == "SecretStore" or reference.without_namespace != "skip" else []

        assert expected == [(each.need.id.namespace, each.referent) for each in found if isinstance(each.need, ObjectNeed)], reference.path
        for holder in list(find(data, reference.path)):
            if isinstance(holder.parent, MappingNode):
                holder.parent.put("namespace", "vault", 1)
        found = [each for each in facts_of(resource_of(data), TABLE).requirements if each.reason in ("store-credential", "service-account")]
        # A SecretStore may not name another namespace.
        expected = [] if kind == "SecretStore" else [("vault", False)]

        assert expected == [(each.need.id.namespace, each.referent) for each in found if isinstance(each.need, ObjectNeed)], reference.path


def all_manifests() -> list[MappingNode]:
    return [
        parse_documents(case["manifest"], FILE, DEFAULT_LIMITS).documents[0]
        for path in sorted(CASES.glob("*.yaml"))
        for case in parse(path.read_bytes(), path.name, DEFAULT_LIMITS).documents[0]
    ]


MANIFESTS = all_manifests()
ODD = st.sampled_from([None, True, 0, -1, 1.5, "", "text", "a/b/c", float("inf"), SequenceNode(FILE, 1), MappingNode(FILE, 1)])


def nodes_of(value: Any) -> Iterator[Any]:
    if isinstance(value, MappingNode | SequenceNode):
        yield value
        for child in value.values() if isinstance(value, MappingNode) else value:
            yield from nodes_of(child)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_fields_of_a_wrong_type_never_raise(data: st.DataObject) -> None:
    manifest = copy.deepcopy(data.draw(st.sampled_from(MANIFESTS)))
    one = resource_of(manifest)
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(st.sampled_from(list(nodes_of(manifest))))
        if node:
            step = data.draw(st.sampled_from(list(node) if isinstance(node, MappingNode) else list(range(len(node)))))
            node[step] = data.draw(ODD)
    found = facts_of(Resource(one.id, one.version, manifest, one.place), TABLE)

    assert found.provisions
    assert {each.reason for each in found.requirements} <= REASONS


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MANIFESTS))
def test_places_are_true(manifest: MappingNode) -> None:
    steps: dict[Place, set[str]] = {}
    for node in nodes_of(manifest):
        for step in node if isinstance(node, MappingNode) else range(len(node)):
            steps.setdefault(node.place(step), set()).add(field_of(step))
    for requirement in facts_of(resource_of(manifest), TABLE).requirements:
        assert any(requirement.field.endswith(step) for step in steps[requirement.place]), requirement.field


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("spec.tls[].secretName", ("spec", "tls", "[]", "secretName")),
        ('metadata.annotations["a.b/c"]', ("metadata", "annotations", "a.b/c")),
        ("*.name", ("*", "name")),
        ("credentials[]", ("credentials", "[]")),
    ],
)
def test_a_path_is_read_into_its_steps(text: str, path: tuple[str, ...]) -> None:
    assert path == parse_path(text)


@pytest.mark.parametrize("text", ["", ".a", "a..b", "a[0]", "a.", 'a["b'])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        parse_path(text)


def test_a_text_within_an_object_is_read_as_deep_as_the_limits_of_the_run_allow() -> None:
    manifest = resource(
        "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: db, namespace: shop}\n"
        "spec:\n  provider: aws\n  parameters:\n    objects: |\n      - {objectName: prod/db, jmesPath: [[[[x]]]]}\n"
    )

    assert [requirement.reason for requirement in facts_of(manifest, default_table()).requirements if requirement.reason == "secret"] == ["secret"]
    assert "secret" not in {each.reason for each in facts_of(manifest, default_table().within(Limits(yaml_depth=3))).requirements}
