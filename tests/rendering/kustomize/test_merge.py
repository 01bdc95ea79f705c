"""Strategic merge on its own: laws that hold for any resource and patch."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.rendering.kustomize.json_patch import apply_operations, read_operations
from gitops_secrets.rendering.kustomize.merge import Walk, merge
from gitops_secrets.rendering.kustomize.schema import built_in
from gitops_secrets.syntax.budget import Budget
from gitops_secrets.syntax.yaml import parse

VALUES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
SPECS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def node(kind: str, spec: Any) -> MappingNode:
    document = parse(json.dumps({"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}), "a.yaml", DEFAULT_LIMITS).documents[0]
    assert isinstance(document, MappingNode)
    return document


def written(node: MappingNode, key: str) -> bool:
    return True


@settings(max_examples=50, deadline=None)
@given(spec=SPECS)
def test_an_object_merged_with_itself_is_itself(spec: Any) -> None:
    resource = node("Thing", spec)

    assert merge(resource, node("Thing", spec), built_in(), Walk(written, Budget())) == resource


@settings(max_examples=50, deadline=None)
@given(spec=SPECS)
def test_an_empty_patch_changes_nothing_and_copies_nothing(spec: Any) -> None:
    resource = node("Thing", spec)

    assert merge(resource, MappingNode(), built_in(), Walk(written, Budget())) is resource


@settings(max_examples=50, deadline=None)
@given(spec=SPECS, added=VALUES)
def test_what_a_json_patch_adds_it_can_remove(spec: Any, added: Any) -> None:
    resource = node("Thing", spec)
    patch = parse(json.dumps([{"op": "add", "path": "/spec/new", "value": added}, {"op": "remove", "path": "/spec/new"}]), "p.yaml", DEFAULT_LIMITS).documents[
        0
    ]

    assert apply_operations(resource, read_operations(patch), Budget()) == resource
