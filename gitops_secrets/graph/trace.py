"""The chain through one thing, both ways: from the key at the provider over store, ExternalSecret and Secret to the workload and its unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from gitops_secrets.graph.graph import Graph, ResourceEdge, UnitEdge, Unmet, comes_with_platform
from gitops_secrets.model.facts import Effect, KindNeed, ObjectNeed, Provision, RemoteNeed, Requirement
from gitops_secrets.model.ids import ResourceId, crd_id
from gitops_secrets.model.nodes import Place


class Relation(Enum):
    """What the end of a link is to its beginning."""

    NEEDS = "needs"
    MADE_BY = "made by"
    READS = "reads"  # a key at the provider
    NEEDED_BY = "needed by"
    MAKES = "makes"
    READ_THROUGH = "read through"  # from a key to the store
    APPLIED_BY = "applied by"  # from what nothing else needs to its unit
    DEPENDS_ON = "depends on"  # from a unit to another one, as written or as inferred
    AWAITED_BY = "awaited by"


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain, and what follows from there. `place` is where the manifest says so."""

    thing: str
    relation: Relation
    place: Place
    unit: ResourceId | None = None  # that applies `thing`
    reason: str = ""
    effect: Effect | None = None
    field: str = ""
    optional: bool = False
    met: bool = True
    again: bool = False  # `links` stand where the thing came first
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterTrace:
    """The chain in one cluster. `place` and `unit` are those of the thing, if the repository holds a manifest of it."""

    cluster: str
    place: Place | None
    unit: ResourceId | None
    upstream: tuple[Link, ...]
    downstream: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The chain through `thing` in every cluster that knows it."""

    thing: str
    clusters: tuple[ClusterTrace, ...]


def things(graph: Graph) -> Iterator[ResourceId]:
    """Every object that the graph knows of: applied, brought or only needed; with repetitions."""
    yield from graph.unit_of
    yield from graph.units
    for target, provisions in graph.provisions.items():
        if not all(comes_with_platform(provision) for provision in provisions):
            yield target
    for edge in graph.resource_edges:
        if not comes_with_platform(edge.provision):
            yield _needed(edge)
            yield edge.provision.resource
    for entry in graph.unmet:
        if isinstance(entry.requirement.need, ObjectNeed):
            yield entry.requirement.need.id
        elif isinstance(entry.requirement.need, KindNeed):
            yield crd_id(entry.requirement.need.group, entry.requirement.need.plural)


def remote_keys(graph: Graph) -> Iterator[RemoteNeed]:
    """Every key at a provider that something reads; with repetitions."""
    for requirement in graph.remote_keys:
        if isinstance(requirement.need, RemoteNeed):
            yield requirement.need


def trace_object(graph: Graph, thing: ResourceId) -> ClusterTrace:
    """The chain through an object."""
    walk = _Walk(graph)
    return ClusterTrace(graph.cluster.name, walk.places.get(thing), graph.unit_of.get(thing), walk.upstream(thing), walk.downstream(thing))


def trace_key(graph: Graph, keys: Iterable[RemoteNeed]) -> ClusterTrace:
    """The chain from keys at a provider: through which store, into what."""
    return ClusterTrace(graph.cluster.name, None, None, (), _Walk(graph).from_keys(frozenset(keys)))


class _Walk:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.places = {applied.resource.id: applied.resource.place for applied in reversed(graph.cluster.resources)}
        self.places.update((unit.id, unit.place) for unit in graph.cluster.units if unit.id not in self.places)
        self.needs: dict[ResourceId, list[ResourceEdge]] = {}
        self.consumers: dict[ResourceId, list[ResourceEdge]] = {}
        self.makes: dict[ResourceId, dict[ResourceId, Provision]] = {}
        self.makers: dict[ResourceId, dict[ResourceId, Provision]] = {}
        self.unit_edges_from: dict[ResourceId, list[UnitEdge]] = {}
        self.unit_edges_to: dict[ResourceId, list[UnitEdge]] = {}
        for unit_edge in graph.unit_edges:
            self.unit_edges_from.setdefault(unit_edge.consumer, []).append(unit_edge)
            self.unit_edges_to.setdefault(unit_edge.provider, []).append(unit_edge)
        self.unmet: dict[ResourceId, list[Unmet]] = {}
        self.reads: dict[ResourceId, list[Requirement]] = {}
        for edge in graph.resource_edges:
            if not comes_with_platform(edge.provision):
                self.needs.setdefault(edge.requirement.resource, []).append(edge)
                self.consumers.setdefault(_needed(edge), []).append(edge)
                self._add_maker(_needed(edge), edge.provision)
        for target, provisions in graph.provisions.items():
            for provision in provisions:
                if not comes_with_platform(provision):
                    self._add_maker(target, provision)
        for entry in graph.unmet:
            self.unmet.setdefault(entry.requirement.resource, []).append(entry)
        for requirement in graph.remote_keys:
            self.reads.setdefault(requirement.resource, []).append(requirement)

    def _add_maker(self, target: ResourceId, provision: Provision) -> None:
        if provision.resource != target:
            self.makes.setdefault(provision.resource, {}).setdefault(target, provision)
            self.makers.setdefault(target, {}).setdefault(provision.resource, provision)

    # What a thing needs

    def upstream(self, thing: ResourceId) -> tuple[Link, ...]:
        return self._up(thing, {thing})

    def _up(self, thing: ResourceId, seen: set[ResourceId]) -> tuple[Link, ...]:
        steps: list[tuple[ResourceId | None, Link]] = []
        for maker, provision in self.makers.get(thing, {}).items():
            steps.append((maker, Link(str(maker), Relation.MADE_BY, provision.place, self.graph.unit_of.get(maker))))
        for edge in self.needs.get(thing, ()):
            target = _needed(edge)
            steps.append((target, self._link(target, Relation.NEEDS, edge.requirement)))
        for entry in self.unmet.get(thing, ()):
            steps.append((None, replace(self._link(entry.requirement.need, Relation.NEEDS, entry.requirement), met=False)))
        for unit_edge in self.unit_edges_from.get(thing, ()):
            steps.append((unit_edge.provider, self._unit_link(unit_edge.provider, Relation.DEPENDS_ON, unit_edge)))
        reads = self._reads(thing)
        links = [
            # A key belongs below the store that it is read through.
            replace(link, links=(*reads.pop(target, ()), *link.links)) if target is not None else link
            for target, link in self._expanded(steps, self._up, seen)
        ]
        for remaining in reads.values():
            links.extend(remaining)
        return tuple(links)

    def _reads(self, thing: ResourceId) -> dict[ResourceId, tuple[Link, ...]]:
        """Keys at providers that a thing reads, by store."""
        found: dict[ResourceId, list[Link]] = {}
        for requirement in self.reads.get(thing, ()):
            if isinstance(requirement.need, RemoteNeed):
                found.setdefault(requirement.need.store, []).append(self._link(requirement.need, Relation.READS, requirement))
        return {store: tuple(sorted(links, key=_order)) for store, links in found.items()}

    # What needs a thing

    def downstream(self, thing: ResourceId) -> tuple[Link, ...]:
        return self._down(thing, {thing})

    def from_keys(self, keys: frozenset[RemoteNeed]) -> tuple[Link, ...]:
        readers: dict[ResourceId, list[Requirement]] = {}
        for requirement in self.graph.remote_keys:
            if isinstance(requirement.need, RemoteNeed) and requirement.need in keys:
                readers.setdefault(requirement.need.store, []).append(requirement)
        seen: set[ResourceId] = set()
        links = []
        for store, requirements in sorted(readers.items(), key=lambda item: str(item[0])):
            steps: list[tuple[ResourceId | None, Link]] = [
                (requirement.resource, self._link(requirement.resource, Relation.NEEDED_BY, requirement)) for requirement in requirements
            ]
            below = tuple(link for _, link in self._expanded(steps, self._down, seen))
            place = self.places.get(store, requirements[0].place)
            links.append(Link(str(store), Relation.READ_THROUGH, place, self.graph.unit_of.get(store), met=store in self.places, links=below))
        return tuple(links)

    def _down(self, thing: ResourceId, seen: set[ResourceId]) -> tuple[Link, ...]:
        steps: list[tuple[ResourceId | None, Link]] = []
        for target, provision in self.makes.get(thing, {}).items():
            steps.append((target, Link(str(target), Relation.MAKES, provision.place, self.graph.unit_of.get(target))))
        for edge in self.consumers.get(thing, ()):
            consumer = edge.requirement.resource
            if consumer != thing:
                steps.append((consumer, self._link(consumer, Relation.NEEDED_BY, edge.requirement)))
        for unit_edge in self.unit_edges_to.get(thing, ()):
            steps.append((unit_edge.consumer, self._unit_link(unit_edge.consumer, Relation.AWAITED_BY, unit_edge)))
        unit = self.graph.unit_of.get(thing)
        if not steps and unit is not None and unit != thing:
            return (Link(str(unit), Relation.APPLIED_BY, self.graph.units[unit].place, self.graph.unit_of.get(unit)),)
        return tuple(link for _, link in self._expanded(steps, self._down, seen))

    def _link(self, thing: object, relation: Relation, requirement: Requirement) -> Link:
        return Link(
            str(thing),
            relation,
            requirement.place,
            self.graph.unit_of.get(thing) if isinstance(thing, ResourceId) else None,
            requirement.reason,
            requirement.effect,
            requirement.field,
            requirement.optional,
        )

    def _unit_link(self, unit: ResourceId, relation: Relation, edge: UnitEdge) -> Link:
        first = edge.reasons[0].requirement if edge.reasons else None
        if edge.declared is not None:
            return Link(str(unit), relation, edge.declared.place, self.graph.unit_of.get(unit), first.reason if first else "", field="spec.dependsOn")
        assert first is not None  # an edge is written, or has a reason
        return replace(self._link(unit, relation, first), optional=False)

    def _expanded(self, steps: Sequence[tuple[ResourceId | None, Link]], walk: _Walker, seen: set[ResourceId]) -> Iterator[tuple[ResourceId | None, Link]]:
        """Links in their order, each with what follows; a thing that was met before is not followed again."""
        for target, link in sorted(steps, key=lambda step: _order(step[1])):
            if target is None:
                yield target, link
            elif target in seen:
                yield target, replace(link, again=True)
            else:
                seen.add(target)
                yield target, replace(link, links=walk(target, seen))


_Walker = Callable[[ResourceId, set[ResourceId]], tuple[Link, ...]]


def _order(link: Link) -> tuple[object, ...]:
    return link.thing, link.place, link.relation.value, link.field


def _needed(edge: ResourceEdge) -> ResourceId:
    """The object that an edge is about; for a selection the one that was selected."""
    need = edge.requirement.need
    if isinstance(need, ObjectNeed):
        return need.id
    if isinstance(need, KindNeed):
        return crd_id(need.group, need.plural)
    return edge.provision.resource
