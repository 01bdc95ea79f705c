"""Laws of the evaluator: nothing that a repository holds raises, places are true, what is shared stays as it was."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode, SequenceNode
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.rendering.kustomize.kustomization import SHAPE
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.yaml import parse

WORDS = st.sampled_from(
    [
        *("a", "web", "ConfigMap", "Deployment", "Secret", "v1", "apps/v1", "a.yaml", "base", "../x", "(", "*", "", "a=b", "https://x/y", "-1", "0"),
        *("spec/replicas", "metadata.name", "spec.containers.[name=a].image", "spec/containers[]/image", "$(X)", "nginx:1", "merge", "[a=b]"),
        "- op: add\n  path: /a/b\n  value: 1",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: 1}}",
        "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: a}\npatch: x",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.just(1.5) | WORDS
KEYS = st.sampled_from(["name", "kind", "metadata", "spec", "$patch", "labels", "annotations", "path", "value", "items", "data", "containers", "image"])
JUNK = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)


def shaped(shape: Any) -> st.SearchStrategy[Any]:
    """Values of a shape of the kustomization, now and then of another one."""
    if isinstance(shape, dict):
        fitting: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional={key: shaped(value) for key, value in shape.items()})
    elif isinstance(shape, tuple):
        fitting = st.lists(shaped(shape[0]), max_size=2)
    else:
        fitting = {
            "text": WORDS,
            "texts": st.dictionaries(KEYS, WORDS, max_size=2),
            "boolean": st.booleans(),
            "integer": st.integers(-2, 3),
            "any": JUNK,
        }[shape]
    return st.integers(0, 15).flatmap(lambda roll: JUNK if roll == 0 else fitting)


KUSTOMIZATIONS = st.fixed_dictionaries(
    {"resources": st.just(["a.yaml", "base"])}, optional={key: shaped(shape) for key, shape in SHAPE.items() if key != "resources"}
)
RESOURCES = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from(["v1", "apps/v1", "rbac.authorization.k8s.io/v1"]),
        "kind": st.sampled_from(["ConfigMap", "Deployment", "Secret", "RoleBinding", "Thing", "ThingList", "Namespace"]),
        "metadata": st.fixed_dictionaries({"name": st.sampled_from(["a", "web"])}, optional={"namespace": WORDS, "labels": JUNK, "annotations": JUNK}) | JUNK,
    },
    optional={"spec": JUNK, "data": JUNK, "subjects": JUNK, "roleRef": JUNK, "items": JUNK},
)


def files(kustomization: Any, resources: list[Any]) -> dict[str, str]:
    return {
        "kustomization.yaml": json.dumps(kustomization, indent=1),
        "a.yaml": "\n---\n".join(json.dumps(resource, indent=1) for resource in resources),
        "base/kustomization.yaml": "resources: [b.yaml]\nnamePrefix: p-\nnamespace: space\n",
        "base/b.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: b}}",
    }


def scalars(node: Any) -> Any:
    """Every plain value with the place of its key or item."""
    if isinstance(node, MappingNode):
        for key, value in node.items():
            if isinstance(value, MappingNode | SequenceNode):
                yield from scalars(value)
            else:
                yield key, value, node.place(key)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node):
            if isinstance(value, MappingNode | SequenceNode):
                yield from scalars(value)
            else:
                yield index, value, node.place(index)


@settings(max_examples=60, deadline=None)
@given(kustomization=KUSTOMIZATIONS, resources=st.lists(RESOURCES, max_size=3))
def test_nothing_in_a_repository_raises_and_every_failure_is_told(kustomization: Any, resources: list[Any]) -> None:
    result = Builder(Loader(MemoryTree(files(kustomization, resources)))).build("")

    assert not result.failed or result.problems
    assert all(problem.place.line > 0 for problem in result.problems)


@settings(max_examples=40, deadline=None)
@given(extra=st.dictionaries(st.sampled_from(["namespace", "namePrefix", "images", "patches", "components"]), JUNK), resources=st.lists(RESOURCES, max_size=3))
def test_nothing_in_the_fields_of_flux_raises(extra: Any, resources: list[Any]) -> None:
    fields = parse(json.dumps(extra), "cluster/apps.yaml", DEFAULT_LIMITS).documents[0]
    contents = files({"resources": ["a.yaml", "base"]}, resources)

    assert Builder(Loader(MemoryTree(contents))).build("", extra=fields).inputs


@settings(max_examples=25, deadline=None)
@given(kustomization=KUSTOMIZATIONS, resources=st.lists(RESOURCES, max_size=3))
def test_a_build_leaves_the_documents_it_read_as_they_were(kustomization: Any, resources: list[Any]) -> None:
    contents = files(kustomization, resources)
    loader = Loader(MemoryTree(contents))
    before = {path: repr(loader.load(path)) for path in contents}
    builder = Builder(loader)
    first = repr(builder.build(""))

    assert {path: repr(loader.load(path)) for path in contents} == before
    assert repr(Builder(loader).build("")) == first


@settings(max_examples=25, deadline=None)
@given(data=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["x", "y: z", "'", '"', "1", "yes"]), max_size=4), patch=st.booleans())
def test_every_value_is_written_where_its_place_says(data: dict[str, str], patch: bool) -> None:
    written = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}, indent=1)
    contents = {
        "kustomization.yaml": "resources:\n- a.yaml\n"
        + ("patches:\n- patch: |-\n" + "".join(f"    {line}\n" for line in written.split("\n")) if patch else ""),
        "a.yaml": json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"z": "old"}}, indent=2),
    }
    (resource,) = Builder(Loader(MemoryTree(contents))).build("").resources

    for key, _, place in scalars(resource):
        line = contents[place.file].split("\n")[place.line - 1]
        assert line[place.column - 1 :].startswith(json.dumps(key))
