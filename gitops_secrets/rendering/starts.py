"""Entry points as files announce them: bootstraps, FluxInstances, and groups of Flux objects that nothing applies."""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from gitops_secrets.manifests.expressions import known_parts
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_text
from gitops_secrets.model.reach import reachable
from gitops_secrets.rendering.flux_version import instance_version
from gitops_secrets.rendering.objects import FLUX_NAMESPACE, ScopeOf, to_resource
from gitops_secrets.rendering.units import KUSTOMIZE_GROUP, OPERATOR_GROUP, SOURCE_GROUP, is_kustomization, source_of, to_unit, written_path
from gitops_secrets.repository.tree import Tree, join
from gitops_secrets.syntax.pattern import compile_pattern

_ROOT_PATHS = frozenset({"", ".", "./"})


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """Where a cluster starts. `path` names it: the directory that it syncs, or the folder of its objects."""

    file: str
    path: str
    engine: str  # flux, none
    roots: tuple[Resource, ...] = ()  # Flux Kustomizations
    source: ResourceId | None = None
    url: str = ""
    source_spec: MappingNode = field(default_factory=MappingNode)  # where the source stands beside the roots
    given: tuple[Resource, ...] = ()
    bootstrapped: bool = True
    flux_version: str | None = None  # if it says so itself
    stray: bool = False  # nobody runs it, as far as the repository tells


def bootstraps(documents: Sequence[tuple[str, MappingNode]], scope_of: ScopeOf) -> list[EntryPoint]:
    found = []
    by_file: dict[str, list[MappingNode]] = {}
    for file, document in documents:
        by_file.setdefault(file, []).append(document)
    for file, nodes in sorted(by_file.items()):
        for node in nodes:
            instance = _instance(node)
            if instance is not None:
                found.append(_from_instance(file, *instance))
        found.extend(_from_sync(file, nodes, scope_of))
    return found


def _from_sync(file: str, nodes: Sequence[MappingNode], scope_of: ScopeOf) -> list[EntryPoint]:
    """What `flux bootstrap` writes: a Kustomization beside its source in gotk-sync.yaml, both called flux-system. All that sync one source are one start."""
    resources = [resource for node in nodes if (resource := to_resource(node, scope_of, FLUX_NAMESPACE)) is not None]
    sources = {(resource.id.namespace, resource.id.name): resource for resource in resources if resource.id.group == SOURCE_GROUP}
    roots: dict[ResourceId, list[Resource]] = {}
    for resource in resources:
        source = source_of(resource) if is_kustomization(resource) else None
        declared = sources.get((source.namespace, source.name)) if source else None
        if source is None or declared is None or declared.id != source:
            continue
        if file.rpartition("/")[2] != "gotk-sync.yaml" and not resource.id.name == source.name == FLUX_NAMESPACE:
            # A tenant's repository is often set up in the same way; only that of the platform itself is called flux-system.
            continue
        roots.setdefault(source, []).append(resource)
    return [_synced(file, sources[source.namespace, source.name], found) for source, found in roots.items()]


def _synced(file: str, source: Resource, roots: Sequence[Resource]) -> EntryPoint:
    paths = [written_path(root.data) for root in roots]
    # The one that applies this file, if one does, is what the others are part of.
    path = next((path for path in paths if file.startswith(f"{path}/")), paths[0])
    spec = source.spec
    return EntryPoint(file, path, "flux", tuple(roots), source.id, as_text(spec.get("url")), spec)


def _instance(node: MappingNode) -> tuple[MappingNode, str] | None:
    """The spec of a FluxInstance with a `sync`, written as such or as values of its chart, and the namespace of the instance."""
    group, _ = split_api_version(as_text(node.get("apiVersion")))
    if group == OPERATOR_GROUP and node.get("kind") == "FluxInstance":
        instance = as_mapping(node.get("spec"))
    elif node.get("kind") == "HelmRelease":
        instance = as_mapping(as_mapping(as_mapping(node.get("spec")).get("values")).get("instance"))
    elif "kind" not in node:
        instance = as_mapping(node.get("instance"))
    else:
        return None
    if not as_text(as_mapping(instance.get("sync")).get("path")):
        return None
    # The chart makes its FluxInstance in the namespace of the release.
    target = as_text(as_mapping(node.get("spec")).get("targetNamespace")) if node.get("kind") == "HelmRelease" else ""
    return instance, target or as_text(as_mapping(node.get("metadata")).get("namespace")) or FLUX_NAMESPACE


def _from_instance(file: str, instance: MappingNode, namespace: str) -> EntryPoint:
    """Flux Operator makes a source and a Kustomization, both of the name of the instance's namespace unless `sync.name` says otherwise."""
    sync = as_mapping(instance.get("sync"))
    name = as_text(sync.get("name")) or namespace
    kind = as_text(sync.get("kind")) or "GitRepository"
    at = sync.place("path")
    mark = sync.marks["path"]
    source = MappingNode(file, sync.mark)
    source.put("kind", kind, mark)
    source.put("name", name, mark)
    spec = MappingNode(file, sync.mark)
    spec.put("path", sync["path"], mark)
    spec.put("sourceRef", source, mark)
    spec.put("prune", True, mark)
    spec.put("interval", as_text(sync.get("interval")) or "1m", mark)
    metadata = MappingNode(file, sync.mark)
    metadata.put("name", name, mark)
    metadata.put("namespace", namespace, mark)
    node = MappingNode(file, sync.mark)
    for key, value in (("apiVersion", f"{KUSTOMIZE_GROUP}/v1"), ("kind", "Kustomization"), ("metadata", metadata), ("spec", spec)):
        node.put(key, value, mark)
    resource = Resource(ResourceId(KUSTOMIZE_GROUP, "Kustomization", namespace, name), "v1", node, at)
    path = join("", as_text(sync["path"]).lstrip("/")) or ""
    source_id = ResourceId(SOURCE_GROUP, kind, namespace, name)
    return EntryPoint(file, path, "flux", (resource,), source_id, as_text(sync.get("url")), flux_version=instance_version(instance))


def instantiated(entry: EntryPoint, tree: Tree) -> list[EntryPoint]:
    """One entry point for each directory that fits a path with variables (`clusters/${CLUSTER}/flux`): who applies the instance fills them in."""
    if "${" not in entry.path:
        return [entry]
    if not any(known.strip("/") for known in known_parts(entry.path)):
        # Nothing is known of where it leads.
        return []
    fitting = [""]
    for segment in entry.path.split("/"):
        name = compile_pattern("[^/]+".join(map(re.escape, known_parts(segment))))
        fitting = [f"{above}/{child}".lstrip("/") for above in fitting for child in tree.children(above) if name.matches(child)]
    return [_at(entry, path) for path in fitting if tree.is_directory(path)] or [entry]


def _at(entry: EntryPoint, path: str) -> EntryPoint:
    roots = []
    for root in entry.roots:
        spec = root.spec.copy()
        spec.put("path", path, spec.marks["path"])
        data = root.data.copy()
        data.put("spec", spec, data.marks["spec"])
        roots.append(replace(root, data=data))
    return replace(entry, path=path, roots=tuple(roots))


def by_folder(pairs: Sequence[tuple[str, Resource]]) -> list[tuple[str, list[tuple[str, Resource]]]]:
    """One group for each folder directly below the deepest folder common to all; one in all if they lie in one folder.

    A folder with two objects of one id is several clusters, and grouped again by its own folders.
    """
    folders = [file.rpartition("/")[0] for file, _ in pairs]
    common = common_folder(pairs)
    groups: dict[str, list[tuple[str, Resource]]] = {}
    for (file, resource), folder in zip(pairs, folders, strict=True):
        below = folder[len(common) :].strip("/").partition("/")[0]
        groups.setdefault("/".join(part for part in (common, below) if part), []).append((file, resource))
    found = []
    for folder, group in sorted(groups.items()):
        is_mixed = len({resource.id for _, resource in group}) < len(group)
        found.extend(by_folder(group) if is_mixed and len(groups) > 1 else [(folder, group)])
    return found


def common_folder(pairs: Sequence[tuple[str, Resource]]) -> str:
    """The deepest folder that all files lie in or below."""
    folders = [file.rpartition("/")[0] for file, _ in pairs]
    return os.path.commonpath(folders) if folders and all(folders) else ""


def entry_points_of(folder: str, pairs: Sequence[tuple[str, Resource]]) -> list[EntryPoint]:
    """Two objects of one id never share an entry point: the second one starts another, named after its own folder or file."""
    layers: list[dict[ResourceId, tuple[str, Resource]]] = []
    for file, resource in pairs:
        layer = next((layer for layer in layers if resource.id not in layer), None)
        if layer is None:
            layer = {}
            layers.append(layer)
        layer[resource.id] = (file, resource)
    entries = []
    for index, layer in enumerate(layers):
        files = sorted({file for file, _ in layer.values()})
        roots = tuple(resource for _, resource in layer.values())
        path = folder if index == 0 else _own_path(files[0], folder)
        # Most roots of an entry point read its own repository; one that builds a root folder may well read another.
        sources = [unit.source for root in roots if (unit := to_unit(root, None)).source is not None and written_path(root.data) not in _ROOT_PATHS]
        source = max(sorted(set(sources), key=str), key=sources.count) if sources else None
        entries.append(EntryPoint(files[0] if len(files) == 1 else folder or ".", path, "flux", roots, source))
    return entries


def _own_path(file: str, folder: str) -> str:
    own = file.rpartition("/")[0]
    return own if own not in ("", folder) else file.rpartition(".")[0]


def entry_point_of(path: str, documents: Iterable[object], scope_of: ScopeOf) -> EntryPoint | None:
    """An entry point whose roots are all Flux Kustomizations among `documents`, and whose other objects are there beside them; None without any."""
    nodes = (document for document in documents if isinstance(document, MappingNode))
    resources = [resource for node in nodes if (resource := to_resource(node, scope_of, FLUX_NAMESPACE)) is not None]
    roots = [resource for resource in resources if is_kustomization(resource) and source_of(resource) is not None]
    if not roots:
        return None
    given = tuple(resource for resource in resources if not is_kustomization(resource))
    return replace(entry_points_of(path, [(path, root) for root in roots])[0], path=path, given=given)


def superseded(ids: Mapping[Place, ResourceId], reaches: Mapping[Place, Set[Place]]) -> set[Place]:
    """Places of objects that apply another one of their own id, which keeps applying itself: a template of it, or what was applied by hand once."""
    return {place for place, others in reaches.items() if any(other != place and ids[other] == ids[place] and other in reaches[other] for other in others)}


def unreached(reaches: Mapping[Place, Set[Place]]) -> set[Place]:
    """Places that no other one reaches; of those that only reach each other in a circle, the first."""
    reached_by: dict[Place, set[Place]] = {place: set() for place in reaches}
    for start in reaches:
        for place in reachable([start], reaches.__getitem__) - {start}:
            reached_by[place].add(start)
    roots = {place for place, others in reached_by.items() if not others}
    covered = set(roots)
    for place in sorted(reaches):
        if place in covered or reached_by[place] & roots:
            continue
        if not any(other < place and place in reached_by[other] for other in reached_by[place]):
            roots.add(place)
    return roots


def switched_off(roots: Mapping[Place, str], built: Mapping[Place, Collection[str]]) -> dict[Place, Place]:
    """Roots whose own file lies below a directory that another root builds, which leaves it out: their owner took them off the list. With that other one.

    `roots` are files by place, `built` the directories that a root and all that it reaches build. Who is switched off switches nobody else off.
    """
    builders: dict[str, set[Place]] = {}
    for place, directories in built.items():
        for directory in directories:
            builders.setdefault(directory, set()).add(place)
    left_out_by = {
        place: sorted({other for directory in _directories_above(file) for other in builders.get(directory, ())} - {place}) for place, file in roots.items()
    }
    by = {place: next((other for other in others if not left_out_by[other]), None) for place, others in left_out_by.items()}
    return {place: other for place, other in by.items() if other is not None}


def _directories_above(file: str) -> Iterator[str]:
    while "/" in file:
        file = file.rpartition("/")[0]
        yield file
