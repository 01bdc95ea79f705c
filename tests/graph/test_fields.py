from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.graph.fields import field_changes
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.syntax.yaml import parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "b", "a\nb"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "kind", "x"]), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["spec", "metadata", "password"]), VALUES, max_size=3)


def node(value: dict[str, Any] | str) -> MappingNode:
    (document,) = parse(value if isinstance(value, str) else json.dumps(value), "a.yaml", DEFAULT_LIMITS).documents
    assert isinstance(document, MappingNode)
    return document


def unordered(value: Any) -> Any:
    """A value without the order of its lists, which tells nothing."""
    if isinstance(value, dict):
        return {key: unordered(each) for key, each in value.items()}
    return sorted(map(repr, map(unordered, value))) if isinstance(value, list) else value


def changes(before: str, after: str) -> list[tuple[str, str | None, str | None]]:
    return [(change.field, change.before, change.after) for change in field_changes(node(before), node(after))]


@given(OBJECTS, OBJECTS)
def test_what_is_equal_has_no_changes_and_what_differs_has_some(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = field_changes(node(before), node(after))

    assert field_changes(node(before), node(before)) == ()
    assert bool(found) or unordered(before) == unordered(after)


def test_false_in_a_list_is_not_zero() -> None:
    assert changes("spec: [{on: false}]", "spec: [{on: 0}]") == [("spec[0].on", "false", "0")]


@given(OBJECTS)
def test_what_is_added_as_a_whole_is_what_is_removed_as_a_whole(value: dict[str, Any]) -> None:
    added, removed = field_changes(node({}), node(value)), field_changes(node(value), node({}))

    assert [(change.field, change.after) for change in added] == [(change.field, change.before) for change in removed]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a: {b: 1}", "a: {b: 2}", [("a.b", "1", "2")]),
        ("a: {}", "a: {b: on}", [("a.b", None, "on")]),
        ("a: [{name: x, v: 1}, {name: y, v: 2}]", "a: [{name: y, v: 3}]", [("a[0].v", "2", "3"), ("a[0].name", "x", None), ("a[0].v", "1", None)]),
        ("a: [{name: x, v: 1}]", "a: [{name: y, v: 1}]", [("a[0].name", "x", "y")]),
        ("a: [x, y]", "a: [y, z]", [("a[1]", None, "z"), ("a[0]", "x", None)]),
        ("a: 1", "a: {b: 1}", [("a", "1", None), ("a.b", None, "1")]),
        ("a: true", "a: 'true'", [("a", "true", "true")]),
    ],
)
def test_fields_are_named_as_in_the_json_and_items_matched_by_name(before: str, after: str, expected: list[tuple[str, str | None, str | None]]) -> None:
    assert changes(before, after) == expected


@pytest.mark.parametrize(
    "field",
    [
        "{adminPassword: VALUE}",
        "{values: {clientSecret: VALUE}}",
        "{auth: {api_key: VALUE}}",
        "{env: [{name: DB_PASSWORD, value: VALUE}]}",
        "{patches: [{patch: VALUE}]}",
        "{ops: [{op: replace, path: /data/key, value: VALUE}]}",
        "{script: 'VALUE\n\n  second line'}",
        "{minio: {secretKey: VALUE}}",
        "{spec: {postBuild: {substitute: {REGION: VALUE}}}}",
        "{spec: {inputs: [{tenant: VALUE}]}}",
        "{spec: {defaultValues: {tenant: VALUE}}}",
        "{spec: {values: {secrets: {db: VALUE}}}}",
        "{spec: {values: {admin: {password: {value: VALUE}}}}}",
        "{spec: {values: {secret: {stringData: {key: VALUE}}}}}",
        "{spec: {source: {helm: {values: 'key: VALUE'}}}}",
        "{spec: {source: {helm: {valuesObject: {tokens: [VALUE]}}}}}",
        "{spec: {target: {template: {templateFrom: [{literal: VALUE}]}}}}",
        "{spec: {provider: {fake: {data: [{key: a, value: VALUE}]}}}}",
        "{args: ['--admin-password=VALUE']}",
        "{args: ['--dsn VALUE://user:VALUE@host']}",
    ],
)
def test_what_may_be_a_secret_is_never_shown(field: str) -> None:
    found = field_changes(node(field.replace("VALUE", "before")), node(field.replace("VALUE", "after")))

    assert {side for change in found for side in (change.before, change.after)} - {None} == {"***"}


def test_a_number_may_be_a_secret_too() -> None:
    assert changes("{password: 1, replicas: 1, automountServiceAccountToken: true}", "{password: 2, replicas: 2, automountServiceAccountToken: false}") == [
        ("password", "***", "***"),
        ("replicas", "1", "2"),
        ("automountServiceAccountToken", "true", "false"),
    ]


def test_what_a_selector_names_is_shown() -> None:
    before, after = (f"{{spec: {{matchExpressions: [{{key: zone, operator: In, values: [{zone}]}}]}}}}" for zone in "ab")

    assert changes(before, after) == [("spec.matchExpressions[0].values[0]", None, "b"), ("spec.matchExpressions[0].values[0]", "a", None)]


@pytest.mark.parametrize(
    "field",
    [
        "{data: [{secretKey: VALUE, remoteRef: {key: a}}]}",
        "{env: [{name: REGION, value: VALUE}]}",
        "{secretName: VALUE}",
        "{spec: {values: {auth: {existingSecret: VALUE}}}}",
        "{spec: {values: {secret: {name: VALUE}, region: VALUE}}}",
        "{spec: {volumes: [{secret: {secretName: VALUE}}]}}",
        "{valueFrom: {secretKeyRef: {name: VALUE, key: VALUE}}}",
        "{command: '--secret-name=VALUE --tokens-file VALUE'}",
    ],
)
def test_names_of_keys_and_secrets_are_shown(field: str) -> None:
    found = field_changes(node(field.replace("VALUE", "before")), node(field.replace("VALUE", "after")))

    assert {side for change in found for side in (change.before, change.after)} & {None, "***"} == set()
