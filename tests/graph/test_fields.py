from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.graph.fields import field_changes
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.syntax.yaml import parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "b", "a\nb"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "kind", "x"]), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["spec", "metadata", "password"]), VALUES, max_size=3)


def node(value: dict[str, Any] | str) -> MappingNode:
    (document,) = parse(value if isinstance(value, str) else json.dumps(value), "a.yaml").documents
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
    ],
)
def test_what_may_be_a_secret_is_never_shown(field: str) -> None:
    found = field_changes(node(field.replace("VALUE", "before")), node(field.replace("VALUE", "after")))

    assert {(change.before, change.after) for change in found} == {("***", "***")}


@pytest.mark.parametrize("field", ["{data: [{secretKey: VALUE, remoteRef: {key: a}}]}", "{env: [{name: REGION, value: VALUE}]}", "{secretName: VALUE}"])
def test_names_of_keys_and_secrets_are_shown(field: str) -> None:
    found = field_changes(node(field.replace("VALUE", "before")), node(field.replace("VALUE", "after")))

    assert [(change.before, change.after) for change in found] == [("before", "after")]
