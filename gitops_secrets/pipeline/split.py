"""Splits a Flux Kustomization that can't be applied as one: what the API server refuses at first goes into a directory and a Kustomization of its own.

What is applied stays the same, object for object; where that can't be had by moving files and list entries alone, there is no split, and it says why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import KindNeed
from gitops_secrets.model.findings import Edit
from gitops_secrets.model.ids import ResourceId, crd_id
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence
from gitops_secrets.model.results import Unit
from gitops_secrets.ordering.gates import health_check
from gitops_secrets.ordering.order import orders
from gitops_secrets.pipeline.scan import Analysis, ClusterAnalysis, Repository
from gitops_secrets.rendering.flux_build import generated_kustomization
from gitops_secrets.rendering.kustomize import Builder, find_kustomization
from gitops_secrets.repository.tree import Tree, UnreadableError, join
from gitops_secrets.syntax.editor import Lines
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.spans import Kind, UneditableError, YamlText
from gitops_secrets.syntax.splice import add_key, add_sequence_items, apply_edits, document_at, remove_item, remove_key, set_scalar
from gitops_secrets.syntax.written import write_scalar
from gitops_secrets.syntax.yaml import parse

SUFFIX = "-config"
# Fields of a kustomization that mean the same for each part of it. Whatever else stands there has to do with the part that stays alone.
_CARRIED = ("apiVersion", "kind", "namespace", "labels", "commonLabels", "commonAnnotations")


@dataclass(frozen=True, slots=True)
class SplitChange:
    """The files of a split: None for one that goes."""

    description: str
    contents: Mapping[str, str | None]


class _UnsplittableError(Exception):
    """Says why there is no split."""


def split(repository: Repository, analysis: Analysis, subject: str) -> SplitChange | str:
    """The split of the unit with the id `subject`, or why there is none."""
    for cluster in analysis.clusters:
        for found in cluster.plan.splits:
            if str(found.unit) == subject:
                unit = cluster.graph.units[found.unit]
                try:
                    return _Splitter(repository, cluster, unit, _twins(unit, analysis)).split()
                except _UnsplittableError as reason:
                    return str(reason)
                except (UneditableError, UnreadableError, UnicodeDecodeError) as error:
                    return f"its files can't be edited: {error}"
    return "no cluster has to split it"


def _twins(unit: Unit, analysis: Analysis) -> list[Unit]:
    """All Kustomizations that build the same directory, in any cluster: it is split for all of them. What stands last in a file comes first."""
    found = {other.place: other for cluster in analysis.clusters for other in cluster.graph.units.values() if other.path == unit.path}
    return [found[place] for place in sorted(found, reverse=True) if found[place].id.kind == "Kustomization"]


class _Splitter:
    def __init__(self, repository: Repository, cluster: ClusterAnalysis, unit: Unit, twins: Sequence[Unit]) -> None:
        self.repository = repository
        self.tree: Tree = repository.tree
        self.limits: Limits = repository.loader.limits
        self.graph: Graph = cluster.graph
        self.table: KindTable = repository.table
        self.unit = unit
        self.twins = twins
        self.refused = [edge for found in cluster.plan.splits if found.unit == unit.id for edge in found.edges]

    def split(self) -> SplitChange:
        unit = self.unit
        if unit.id.kind != "Kustomization":
            raise _UnsplittableError("only a Kustomization of Flux can be split so that Flux keeps the order")
        if not unit.path:
            raise _UnsplittableError("it builds the root of the repository, which has no directory beside it")
        if any(problem.rule == "build-failed" and problem.subject == str(unit.id) for problem in self.graph.cluster.problems):
            raise _UnsplittableError("it does not build as it is")
        directory, name = unit.path + SUFFIX, unit.id.name + SUFFIX
        if self.tree.is_directory(directory) or self.tree.is_file(directory):
            raise _UnsplittableError(f"{directory} is there already")
        if unit.id._replace(name=name) in self.graph.units:
            raise _UnsplittableError(f"there is a {name} already")
        moved = self._moved()
        entries = self._entries(moved)
        contents: dict[str, str | None] = {}
        self._move(entries, directory, contents)
        moving = frozenset(contents)
        for twin in self.twins:
            file = twin.place.file
            if file in moving:
                raise _UnsplittableError(f"{file} holds the Kustomization itself")
            contents[file] = self._units(contents.get(file) or self.tree.read(file).decode(), twin, directory)
        kinds = ", ".join(sorted({resource.kind for resource in moved}))
        return SplitChange(f"move {kinds} of {unit.id} to {directory}, applied by a Kustomization {name} that depends on it", contents)

    # What moves

    def _moved(self) -> frozenset[ResourceId]:
        """What is refused at first, and what in turn needs that."""
        if any(not self._is_inside(edge) for edge in self.refused):
            raise _UnsplittableError("what it needs is brought by a unit that it applies itself")
        moved = {edge.requirement.resource for edge in self.refused}
        inside = [edge for edge in self.graph.resource_edges if self._is_inside(edge) and orders(edge, self.graph, self.table)]
        while True:
            more = {edge.requirement.resource for edge in inside if edge.provision.resource in moved} - moved
            if not more:
                break
            moved |= more
        if moved & {edge.provision.resource for edge in self.refused}:
            raise _UnsplittableError("its objects need each other, whichever comes first")
        return frozenset(moved)

    def _is_inside(self, edge: ResourceEdge) -> bool:
        return edge.provider_unit == edge.consumer_unit == self.unit.id

    def _entries(self, moved: frozenset[ResourceId]) -> list[str]:
        """The entries of the kustomization that hold just what moves."""
        places = {applied.resource.place: applied.resource.id for applied in self.graph.cluster.resources if applied.unit == self.unit.id}
        entries, found = [], set()
        for entry, target in self._listed():
            objects = {places[place] for place in self._places(target, places) if place in places}
            if objects & moved and objects - moved:
                stays, goes = min(objects - moved), min(objects & moved)
                raise _UnsplittableError(f"{target} holds both {goes}, which has to move, and {stays}, which has to stay")
            if objects and objects <= moved:
                entries.append(entry)
                found |= objects
        missing = sorted(set(moved) - found)
        if missing:
            raise _UnsplittableError(f"{missing[0]} is in none of the files that {self.unit.path} lists")
        return entries

    def _listed(self) -> Iterable[tuple[str, str]]:
        for entry in (*as_sequence(self._kustomization().get("resources")), *as_sequence(self._kustomization().get("bases"))):
            target = join(self.unit.path or "", entry) if isinstance(entry, str) else None
            if target is not None:
                yield entry, target

    def _kustomization(self) -> MappingNode:
        """The kustomization of the directory, or what Flux makes up for one without."""
        path = self.unit.path or ""
        file = find_kustomization(self.tree, path)
        if file is None:
            return generated_kustomization(self.tree, path, MappingNode(path, 0), place_line=1)
        return as_mapping(self.repository.loader.load(file).first)

    def _places(self, target: str, places: Iterable[Place]) -> set[Place]:
        """Where the objects of a file or directory are named."""
        if self.tree.is_file(target):
            return {place for place in places if place.file == target}
        build = Builder(self.repository.loader).build(target)
        return {as_mapping(node.get("metadata")).place("name") for node in build.resources}

    # What is written

    def _move(self, entries: Sequence[str], directory: str, contents: dict[str, str | None]) -> None:
        path = self.unit.path or ""
        file = find_kustomization(self.tree, path)
        listed = []
        for entry in entries:
            source = join(path, entry) or ""
            if source.startswith(path + "/") and self.tree.is_file(source):
                contents[source] = None
                contents[f"{directory}/{source[len(path) + 1 :]}"] = self.tree.read(source).decode()
                listed.append(source[len(path) + 1 :])
            elif file is None:
                raise _UnsplittableError(f"{source} has a kustomization of its own, which {path} takes in by itself")
            else:
                # A directory stays where it is.
                listed.append(entry if entry.startswith("../") else f"../{path.rpartition('/')[2]}/{entry.removeprefix('./')}")
        node = self._kustomization()
        kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        kustomization |= {field: node[field] for field in _CARRIED if field in node}
        contents[f"{directory}/kustomization.yaml"] = dump({**kustomization, "resources": listed})
        if file is not None:
            contents[file] = self._without(file, set(entries))

    def _without(self, file: str, entries: Collection[str]) -> str:
        text = self.tree.read(file).decode()
        for field in ("resources", "bases"):
            values = as_sequence(as_mapping(parse(text, file, self.limits).first).get(field))
            for index in reversed([index for index, value in enumerate(values) if value in entries]):
                text = apply_edits(text, remove_item(YamlText(text, self.limits), file, 0, (field, index)))
        return text

    def _units(self, text: str, unit: Unit, directory: str) -> str:
        """The file of a Flux Kustomization with the second one after it: the same, but for its name, path and what it depends on."""
        index = document_at(YamlText(text, self.limits), unit.place.line)
        waits = all(edge.provision.ready_signal for edge in self.refused) and not unit.health_checks
        return _gated(_beside(text, index, unit, directory, self.limits), index, unit, None if waits else self._gates(), self.limits)

    def _gates(self) -> list[dict[str, str]]:
        """Health checks for what the second unit needs of the first."""
        versions = {applied.resource.id: applied.resource.api_version for applied in self.graph.cluster.resources}
        return [health_check(target, versions) for target in sorted({_proof(edge) for edge in self.refused})]


def _without_name_aliases(text: str, file: str, limits: Limits) -> str:
    """A document with the name spelled out where an alias stands for it: labels stay as they are when the name changes."""
    root = YamlText(text, limits).spans[0]
    metadata = next((value for key, value in root.entries if key.value == "metadata"), None)
    name = next((value for key, value in metadata.entries if key.value == "name"), None) if metadata is not None else None
    if name is None or not name.anchor:
        return text
    lines = Lines(text)
    aliases = [span for span in root.walk() if span.kind is Kind.ALIAS and span.anchor == name.anchor]
    return apply_edits(text, [Edit(file, lines.position(span.start), lines.position(span.end), write_scalar(name.value)) for span in aliases])


def _proof(edge: ResourceEdge) -> ResourceId:
    """The object whose health proves that what is needed is there."""
    need = edge.requirement.need
    return crd_id(need.group, need.plural) if isinstance(need, KindNeed) and not edge.provision.ready_signal else edge.provision.resource


def _beside(text: str, index: int, unit: Unit, directory: str, limits: Limits) -> str:
    """A text with a second Kustomization after the document that holds the first."""
    file = unit.place.file
    source = YamlText(text, limits)
    written = as_mapping(source.documents[index])
    spec = as_mapping(written.get("spec"))
    if as_mapping(written.get("metadata")).get("name") != unit.id.name or "path" not in spec:
        raise _UnsplittableError("its name or path is written elsewhere, by a patch or variable")
    spans, body = source.spans, source.body
    newline = "\r\n" if "\r\n" in body else "\n"
    second = _without_name_aliases(body[spans[index].start : spans[index].end].rstrip() + newline, file, limits)
    steps: list[tuple[Any, ...]] = [(set_scalar, ("metadata", "name"), unit.id.name + SUFFIX), (set_scalar, ("spec", "path"), _like(spec["path"], directory))]
    for field in ("healthChecks", "healthCheckExprs", "dependsOn"):
        if field in spec:
            steps.append((remove_key, ("spec", field)))
    steps.append((add_sequence_items, ("spec", "dependsOn"), [{"name": unit.id.name}]))
    for change, path, *values in steps:
        second = apply_edits(second, change(YamlText(second, limits), file, 0, path, *values))
    line_end = body.find("\n", spans[index].end)
    at = Lines(body).position(len(body) if line_end < 0 else line_end + 1)
    before = newline if line_end < 0 else ""
    return apply_edits(text, [Edit(file, at, at, f"{before}---{newline}{second}")])


def _gated(text: str, index: int, unit: Unit, checks: Sequence[dict[str, str]] | None, limits: Limits) -> str:
    """Makes the first unit Ready only once what the second one needs of it is there: by these health checks, or by waiting."""
    if unit.wait:
        return text
    file, source = unit.place.file, YamlText(text, limits)
    if checks is None:
        spec = as_mapping(as_mapping(source.documents[index]).get("spec"))
        if "wait" in spec:
            return apply_edits(text, set_scalar(source, file, index, ("spec", "wait"), True))
        return apply_edits(text, add_key(source, file, index, ("spec",), "wait", True))
    known = {(check.target.kind, check.target.namespace, check.target.name) for check in unit.health_checks}
    items = [check for check in checks if (check["kind"], check.get("namespace", ""), check["name"]) not in known]
    return apply_edits(text, add_sequence_items(source, file, index, ("spec", "healthChecks"), items))


def _like(written: object, directory: str) -> str:
    """A directory as the path of the first unit is written."""
    return f"./{directory}" if str(written).startswith("./") else directory
