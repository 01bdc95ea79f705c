from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.rendering.objects import place_of_field, reference, seconds, to_resource
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.yaml import parse


def node(text: str) -> MappingNode:
    found: MappingNode = parse(text, "a.yaml", DEFAULT_LIMITS).documents[0]
    return found


def named(manifest: Any) -> str | None:
    resource = to_resource(node(dump(manifest)), default_table().is_namespaced, "default")
    return str(resource.id) if resource is not None else None


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}, "Secret/default/a"),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}}, "Secret/b/a"),
        ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "b"}}, "Namespace//a"),
        ({"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "a", "namespace": "b"}}, "ClusterSecretStore//a"),
        ({"apiVersion": "example.org/v1", "kind": "Unknown", "metadata": {"name": "a"}}, "Unknown.example.org//a"),
        ({"apiVersion": "example.org/v1", "kind": "Unknown", "metadata": {"name": "a", "namespace": "b"}}, "Unknown.example.org/b/a"),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": 7}}, "Secret/default/7"),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ["a"]}}, None),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": "a"}, None),
        ({"apiVersion": "v1", "kind": ["Secret"], "metadata": {"name": "a"}}, None),
        ({"apiVersion": 1, "kind": "Secret", "metadata": {"name": "a"}}, None),
        ({"kind": "Secret", "metadata": {"name": "a"}}, None),
        ({}, None),
    ],
)
def test_an_object_is_named_as_the_api_server_would(manifest: Any, expected: str | None) -> None:
    assert named(manifest) == expected


def test_the_place_of_an_object_is_that_of_its_name() -> None:
    resource = to_resource(node("kind: Secret\napiVersion: v1\nmetadata:\n  labels: {}\n  name: a\n"), default_table().is_namespaced, "default")

    assert resource is not None
    assert (str(resource.place), resource.place.column, resource.api_version) == ("a.yaml:5", 3, "v1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1h30m", 5400.0), ("90s", 90.0), ("1.5m", 90.0), ("500ms", 0.5), ("0s", 0.0), ("1m 30s", None), ("10", None), ("m", None), ("", None), ("1h-", None)],
)
def test_durations_are_read_as_go_does(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("value", [None, 600, True, [], {}])
def test_what_is_no_text_is_no_duration(value: object) -> None:
    assert seconds(value) is None


@settings(max_examples=50)
@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_the_sum_of_its_parts(hours: int, minutes: int, rest: int) -> None:
    assert seconds(f"{hours}h{minutes}m{rest}s") == hours * 3600 + minutes * 60 + rest


def test_a_reference_without_a_name_names_nothing() -> None:
    assert reference(node("{kind: Secret}"), "apps", "") is None
    assert str(reference(node("{name: a}"), "apps", "", "Secret")) == "Secret/apps/a"
    assert str(reference(node("{name: a, namespace: b, kind: ConfigMap}"), "apps", "", "Secret")) == "ConfigMap/b/a"


def test_the_place_of_a_field_is_that_of_its_deepest_part_that_is_there() -> None:
    manifest = node("spec:\n  source:\n    name: a\n  text: b\n")

    assert [
        place_of_field(manifest, *path).line for path in (("spec", "source", "name"), ("spec", "source", "kind"), ("spec", "text", "more"), ("other",))
    ] == [
        3,
        2,
        4,
        1,
    ]
