"""The dependency graph of one cluster: resources, units, and why each edge is there. Immutable."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, TypeVar

from gitops_secrets.model.facts import UNBUILT, KindNeed, ObjectNeed, Opaque, Provision, Requirement
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.results import Cluster, Dependency, Unit
from gitops_secrets.syntax.nearest import Names

if TYPE_CHECKING:
    from gitops_secrets.graph.programs import Program

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ResourceEdge:
    """A requirement met by a provision. `provider_unit` is None for what is there before the engine starts."""

    requirement: Requirement
    provision: Provision
    consumer_unit: ResourceId
    provider_unit: ResourceId | None
    # The same thing is also installed before the engine starts, so nothing waits for `provision` at bring-up.
    before: Provision | None
    # Units that bring the same thing as well: being ordered after one of them is as good.
    alternatives: tuple[ResourceId, ...] = ()
    is_alternative: bool = False


@dataclass(frozen=True, slots=True)
class UnitEdge:
    """All that one unit needs of another. `declared` is the `dependsOn` entry, if one is written."""

    consumer: ResourceId
    provider: ResourceId
    declared: Dependency | None
    reasons: tuple[ResourceEdge, ...]


@dataclass(frozen=True, slots=True)
class Unmet:
    """A requirement that nothing in the repository meets. `possible` names what opaque thing may do it all the same."""

    requirement: Requirement
    unit: ResourceId
    possible: Opaque | None = None
    other_versions: tuple[Provision, ...] = ()  # provisions of the kind in versions that were not asked for
    missing_key: Provision | None = None  # the object is there, with known keys, and without the one asked for


@dataclass(frozen=True)
class Graph:
    """What depends on what in one cluster."""

    cluster: Cluster
    units: Mapping[ResourceId, Unit]
    unit_of: Mapping[ResourceId, ResourceId]  # resource to the unit that applies it
    provisions: Mapping[ResourceId, tuple[Provision, ...]]  # by the object that they bring
    resource_edges: tuple[ResourceEdge, ...]
    unit_edges: tuple[UnitEdge, ...]
    unmet: tuple[Unmet, ...]
    opaque: tuple[Opaque, ...]
    remote_keys: tuple[Requirement, ...]  # what stores are asked for: met at the provider, not in the cluster

    def may_be_made_by(self, target: ResourceId, besides: str = "", unit: ResourceId | None = None) -> Opaque | None:
        """The opaque thing that may make an object there; `besides` is the id of one that can't, since it needs the object itself; `unit` who lacks it.

        A chart makes namespaced objects only in its release namespace, and no Namespace unless the catalogue says so. What knows nothing of this platform
        makes none of its units, sources and stores, but those that it is told to by name.
        """
        is_arrangement = _is_arrangement(target)
        for opaque in self._makers_beside(target):
            if opaque.thing == besides or not (opaque.names is None or not target.name or any(name in target.name for name in opaque.names)):
                continue
            if opaque.foreign and is_arrangement and target.name not in opaque.words:
                continue
            if opaque.broken_unit is None or (unit is not None and opaque.broken_unit in self._awaited_by(unit)):
                return opaque
        return None

    def _makers_beside(self, target: ResourceId) -> Sequence[Opaque]:
        """The opaque things that may make objects of the kind of `target` where it is, whatever their names."""
        makers = self._makers.get(target[:3])
        if makers is None:
            kind, is_arrangement = target.group_kind, _is_arrangement(target)
            makers = self._makers[target[:3]] = [
                opaque
                for opaque in self._opaque_in(target)
                if (opaque.kinds is None or kind in opaque.kinds) and not (opaque.foreign and is_arrangement and not opaque.words)
            ]
        return makers

    @cached_property
    def _makers(self) -> dict[tuple[str, str, str], Sequence[Opaque]]:
        """What was found for `may_be_made_by` so far: many units miss things of one kind."""
        return {}

    def _opaque_in(self, target: ResourceId) -> Iterable[Opaque]:
        """Opaque things that make objects where `target` is, in their order."""
        anywhere = self._opaque_by_namespace.get(None, ())
        if target.namespace:
            return (opaque for _, opaque in heapq.merge(anywhere, self._opaque_by_namespace.get(target.namespace, ()), key=itemgetter(0)))
        if target.group_kind == ("", "Namespace"):
            return (opaque for _, opaque in anywhere)
        return self.opaque

    @cached_property
    def _opaque_by_namespace(self) -> Mapping[str | None, Sequence[tuple[int, Opaque]]]:
        found: dict[str | None, list[tuple[int, Opaque]]] = {}
        for position, opaque in enumerate(self.opaque):
            found.setdefault(opaque.namespace, []).append((position, opaque))
        return found

    def _awaited_by(self, unit: ResourceId) -> set[ResourceId]:
        """`unit` and what is written to come before it: its ancestors, what they and it depend on, and what those apply."""
        pending = [(unit, False), *((ancestor, False) for ancestor in self.ancestors(unit))]
        found: set[ResourceId] = set()
        while pending:
            current, with_children = pending.pop()
            if current not in found:
                found.add(current)
                pending += [(target, True) for target in self.dependencies.get(current, ())]
                pending += [(child, True) for child in self.children.get(current, ()) if with_children]
        return found

    @cached_property
    def asked_of_outside(self) -> Mapping[ResourceId, tuple[Requirement, ...]]:
        """What nobody in the repository brings, with who asks for it: objects that somebody makes by hand, or that are there before the engine."""
        found: dict[ResourceId, list[Requirement]] = {}
        before = (edge.requirement for edge in self.resource_edges if edge.before is not None)
        for requirement in (*(unmet.requirement for unmet in self.unmet), *before):
            if isinstance(requirement.need, ObjectNeed):
                found.setdefault(requirement.need.id, []).append(requirement)
        return {id: tuple(asking) for id, asking in found.items()}

    @cached_property
    def broken(self) -> frozenset[ResourceId]:
        """Units that do not build: their engine applies nothing of them, and takes nothing away."""
        said = {problem.subject for problem in self.cluster.problems if problem.rule in UNBUILT}
        opaque = {opaque.broken_unit for opaque in self.opaque}
        return frozenset(id for id in self.units if id in opaque or str(id) in said)

    @cached_property
    def _objects(self) -> tuple[ResourceId, ...]:
        return tuple(sorted(self.provisions))

    @cached_property
    def objects_by_kind(self) -> Mapping[tuple[str, str], tuple[ResourceId, ...]]:
        """Everything that somebody brings, sorted, by group and kind."""
        return grouped(self._objects, itemgetter(0, 1))

    @cached_property
    def objects_by_namespace(self) -> Mapping[tuple[str, str, str], tuple[ResourceId, ...]]:
        """The same by group, kind and namespace."""
        return grouped(self._objects, itemgetter(0, 1, 2))

    def names_beside(self, target: ResourceId) -> Names:
        """The names of what has the kind and the namespace of `target`."""
        return self._names(target[:3], self.objects_by_namespace.get(target[:3], ()))

    def names_of_units(self, kind: str) -> Names:
        """The names of the units of a kind."""
        return self._names(kind, self.units_by_kind.get(kind, ()))

    def _names(self, key: Hashable, ids: Iterable[ResourceId]) -> Names:
        known = self._known_names.get(key)
        if known is None:
            known = self._known_names[key] = Names(id.name for id in ids)
        return known

    @cached_property
    def _known_names(self) -> dict[Hashable, Names]:
        return {}

    @cached_property
    def objects_by_name(self) -> Mapping[tuple[str, str, str], tuple[ResourceId, ...]]:
        """The same by group, kind and name."""
        return grouped(self._objects, itemgetter(0, 1, 3))

    @cached_property
    def objects_named_by_variables(self) -> Mapping[tuple[str, str, str], tuple[ResourceId, ...]]:
        """Those with a variable in their name that nothing put in, by group, kind and namespace."""
        return grouped((id for id in self._objects if "${" in id.name), itemgetter(0, 1, 2))

    @cached_property
    def units_by_name(self) -> Mapping[str, tuple[ResourceId, ...]]:
        """The units, sorted, by name."""
        return grouped(sorted(self.units), attrgetter("name"))

    @cached_property
    def units_by_kind(self) -> Mapping[str, tuple[ResourceId, ...]]:
        """The units, sorted, by kind."""
        return grouped(sorted(self.units), attrgetter("kind"))

    @cached_property
    def unmet_by_object(self) -> Mapping[ResourceId, tuple[Unmet, ...]]:
        """Requirements that nothing meets, by the object that is required."""
        return grouped((entry for entry in self.unmet if isinstance(entry.requirement.need, ObjectNeed)), _required)

    @cached_property
    def required(self) -> frozenset[ResourceId]:
        """The objects that are required, and that somebody brings."""
        return frozenset(edge.requirement.need.id for edge in self.resource_edges if isinstance(edge.requirement.need, ObjectNeed))

    @cached_property
    def names_brought(self) -> frozenset[str]:
        """What somebody brings, as findings name it."""
        return frozenset(map(str, self.provisions))

    @cached_property
    def brought_by_units(self) -> Mapping[str, Provision]:
        """What is required, and how a unit brings it, by how findings name it."""
        return {str(edge.requirement.need): edge.provision for edge in reversed(self.resource_edges) if edge.provider_unit is not None}

    @cached_property
    def groups_brought_by_units(self) -> frozenset[str]:
        """The groups of kinds that are required, and that a unit brings."""
        needs = (edge.requirement.need for edge in self.resource_edges if edge.provider_unit is not None)
        return frozenset(need.group for need in needs if isinstance(need, KindNeed))

    @cached_property
    def dependents(self) -> Mapping[ResourceId, tuple[ResourceId, ...]]:
        """The units whose `dependsOn` names something, by what it names, whether it is there or not."""
        written = ((dependency.target, unit.id) for unit in self.units.values() for dependency in unit.depends_on)
        return {target: tuple(unit for _, unit in pairs) for target, pairs in grouped(dict.fromkeys(written), itemgetter(0)).items()}

    @cached_property
    def lacking(self) -> int:
        """How many times something is named that nothing in the repository brings."""
        return len(self.unmet) + sum(len(units) for target, units in self.dependents.items() if target not in self.units)

    @cached_property
    def programs(self) -> tuple[Program, ...]:
        """What runs once or at times, and may make objects that no manifest has."""
        from gitops_secrets.graph.programs import programs_in

        return tuple(programs_in(applied.resource for applied in self.cluster.resources))

    @cached_property
    def api_versions(self) -> Mapping[ResourceId, str]:
        """The `apiVersion` of every object of the cluster that has a manifest."""
        return {applied.resource.id: applied.resource.api_version for applied in self.cluster.resources}

    @cached_property
    def external(self) -> tuple[ResourceEdge, ...]:
        """Edges to what is installed before the engine starts."""
        return tuple(edge for edge in self.resource_edges if edge.provider_unit is None or edge.before is not None)

    @cached_property
    def children(self) -> Mapping[ResourceId, tuple[ResourceId, ...]]:
        """Units by the unit that applies them."""
        parents = {unit.id: unit.parent for unit in self.units.values() if unit.parent is not None}
        return grouped(sorted(parents), parents.__getitem__)

    def ancestors(self, unit: ResourceId) -> tuple[ResourceId, ...]:
        """The unit that applies `unit`, the one that applies that, and so on."""
        found: list[ResourceId] = []
        parent = self.units[unit].parent if unit in self.units else None
        while parent is not None and parent not in found and parent in self.units:
            found.append(parent)
            parent = self.units[parent].parent
        return tuple(found)

    @cached_property
    def dependencies(self) -> Mapping[ResourceId, tuple[ResourceId, ...]]:
        """Declared dependencies that exist, by unit."""
        return {unit.id: tuple(dependency.target for dependency in unit.depends_on if dependency.target in self.units) for unit in self.units.values()}

    def upstream(self, resource: ResourceId) -> tuple[ResourceEdge, ...]:
        """Every edge on a way from `resource` to what it needs, nearest first."""
        return self._walk(resource, self._edges_from, lambda edge: edge.provision.resource)

    def downstream(self, resource: ResourceId) -> tuple[ResourceEdge, ...]:
        """Every edge on a way from what needs `resource` to it, nearest first."""
        return self._walk(resource, self._edges_to, lambda edge: edge.requirement.resource)

    def _walk(
        self, start: ResourceId, edges: Mapping[ResourceId, Sequence[ResourceEdge]], follow: Callable[[ResourceEdge], ResourceId]
    ) -> tuple[ResourceEdge, ...]:
        found: list[ResourceEdge] = []
        seen, level = {start}, [start]
        while level:
            following: list[ResourceId] = []
            for node in level:
                for edge in edges.get(node, ()):
                    found.append(edge)
                    target = follow(edge)
                    if target not in seen:
                        seen.add(target)
                        following.append(target)
            level = following
        return tuple(found)

    @cached_property
    def _edges_from(self) -> Mapping[ResourceId, Sequence[ResourceEdge]]:
        return grouped(self.resource_edges, lambda edge: edge.requirement.resource)

    @cached_property
    def _edges_to(self) -> Mapping[ResourceId, Sequence[ResourceEdge]]:
        return grouped(self.resource_edges, lambda edge: edge.provision.resource)


def comes_with_platform(provision: Provision) -> bool:
    """Does Kubernetes or the engine itself bring it? Then nobody has to be told."""
    return provision.resource.group == "" and provision.resource.kind in ("Kubernetes", "Flux", "Argo")


def _is_arrangement(target: ResourceId) -> bool:
    """Is it an object with which people arrange their own platform, and that charts for everybody don't have?"""
    return (
        target.group.endswith(".toolkit.fluxcd.io")
        or target.group_kind in {("external-secrets.io", "SecretStore"), ("external-secrets.io", "ClusterSecretStore")}
        or (target.group == "argoproj.io" and target.kind in {"Application", "ApplicationSet", "AppProject"})
    )


def _required(entry: Unmet) -> ResourceId:
    assert isinstance(entry.requirement.need, ObjectNeed)
    return entry.requirement.need.id


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, tuple[Item, ...]]:
    """The items of each key, in their order."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return {name: tuple(group) for name, group in groups.items()}
