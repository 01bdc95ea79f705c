"""What a Flux Kustomization makes of its directory: what is built, and what is applied of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gitops_secrets.manifests.substitute import is_substituted, substitute
from gitops_secrets.model.facts import Problem, Resource
from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_text
from gitops_secrets.rendering.expansion import State
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.rendering.objects import FLUX_NAMESPACE, place_of_field, with_common_metadata
from gitops_secrets.repository.tree import Tree

# Fields of a Flux Kustomization that kustomize-controller merges into the kustomization.yaml that it builds (fluxcd/pkg/kustomize, Generator).
_MERGED_FIELDS = {
    "targetNamespace": "namespace",
    "patches": "patches",
    "images": "images",
    "components": "components",
    "namePrefix": "namePrefix",
    "nameSuffix": "nameSuffix",
}


def objects_of(build: Build, unit: Resource, variables: Mapping[str, str | None] | None, state: State, *, complete: bool) -> tuple[Resource, ...]:
    """What kustomize-controller applies of a build: with common metadata, decrypted, with variables put in."""
    metadata = as_mapping(_spec(unit).get("commonMetadata"))
    nodes = []
    for node in build.resources:
        if metadata:
            node = with_common_metadata(node, metadata)
        if "sops" in node:
            node = node.copy()
            node.remove("sops")
        if variables is not None and is_substituted(node):
            node = _substituted(node, variables, str(unit.id), state, complete=complete)
        nodes.append(node)
    return tuple(state.to_resources(nodes, unit.id, default_namespace))


def _substituted(node: MappingNode, variables: Mapping[str, str | None], owner: str, state: State, *, complete: bool) -> MappingNode:
    result = substitute(node, variables, complete=complete, budget=state.loader.budget)
    if result.error is not None:
        state.problems.append(replace(result.error, subject=owner))
    for name, place in result.undefined:
        state.problems.append(Problem(f"{owner} builds an object with ${{{name}}}, which nothing defines", place, "undefined-variable", owner, name))
    return result.node


def default_namespace(node: MappingNode) -> str:
    """Where kustomize-controller applies an object that names no namespace."""
    return FLUX_NAMESPACE if ".toolkit.fluxcd.io/" in as_text(node.get("apiVersion")) else "default"


def build_directory(builder: Builder, tree: Tree, path: str, resource: Resource | None = None) -> Build:
    """What Flux builds of a directory: its kustomization, or one over all YAML below where it has none, with the fields of `resource` merged in."""
    extra = _merged_fields(_spec(resource)) if resource is not None else None
    if find_kustomization(tree, path) is not None:
        return builder.build(path, extra=extra)
    place = place_of_field(resource.data, "spec", "path") if resource is not None else MappingNode(path, 0).place()
    return builder.build(path, extra=extra, kustomization=generated_kustomization(tree, path, MappingNode(place.file, 0), place_line=place.line))


def generated_kustomization(tree: Tree, path: str, node: MappingNode, place_line: int) -> MappingNode:
    """The kustomization that Flux makes for a directory without one: every YAML file below it; a directory with one of its own stands for itself."""
    mark = place_line << 16 | 1
    resources = SequenceNode(node.file, mark)
    pending = [""]
    while pending:
        relative = pending.pop()
        directory = "/".join(part for part in (path, relative) if part)
        for name in tree.children(directory):
            child = f"{relative}/{name}" if relative else name
            full = f"{path}/{child}" if path else child
            if tree.is_directory(full):
                if find_kustomization(tree, full) is not None:
                    resources.add(child, mark)
                else:
                    pending.append(child)
            elif name.endswith((".yaml", ".yml")):
                resources.add(child, mark)
    resources.sort()
    node.put("apiVersion", "kustomize.config.k8s.io/v1beta1", mark)
    node.put("kind", "Kustomization", mark)
    node.put("resources", resources, mark)
    return node


def shape_of(kustomization: Resource) -> Resource:
    """A Flux Kustomization with nothing in it but what shapes its build: see `build_directory` and `objects_of`."""
    spec = _spec(kustomization)
    data, shape = MappingNode(kustomization.data.file, kustomization.data.mark), MappingNode(spec.file, spec.mark)
    for field in ("path", "commonMetadata", *_MERGED_FIELDS):
        if field in spec:
            shape.put(field, spec[field], spec.marks.get(field, spec.mark))
    data.put("spec", shape, kustomization.data.marks.get("spec", data.mark))
    return replace(kustomization, data=data)


def _merged_fields(spec: MappingNode) -> MappingNode | None:
    extra = MappingNode(spec.file, spec.mark)
    for field, target in _MERGED_FIELDS.items():
        if spec.get(field):
            extra.put(target, spec[field], spec.place(field))
    return extra or None


def _spec(resource: Resource | None) -> MappingNode:
    return resource.spec if resource is not None else MappingNode()
