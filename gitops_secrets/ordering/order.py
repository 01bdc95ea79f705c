"""Graph to plan: which edges order, what is not written or not backed, and the fewest `dependsOn` that make the order sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import chain
from operator import attrgetter, or_

from gitops_secrets.graph.graph import Graph, ResourceEdge, UnitEdge, grouped
from gitops_secrets.graph.loops import layers, on_loops, shortest_cycles, shortest_way
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Confidence, Effect, Healing, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.reach import reachable
from gitops_secrets.model.results import Unit
from gitops_secrets.ordering.gates import Gate, checks, gate_of, is_awaited
from gitops_secrets.ordering.readiness import Readiness, implied


@dataclass(frozen=True, slots=True)
class OrderedEdge:
    """An edge between units, judged."""

    edge: UnitEdge
    ordering: tuple[ResourceEdge, ...]  # the reasons that order
    gates: tuple[Gate, ...]  # one for each reason, in their order
    redundant: bool  # another path of declared edges leads there

    @property
    def consumer(self) -> ResourceId:
        return self.edge.consumer

    @property
    def provider(self) -> ResourceId:
        return self.edge.provider

    @property
    def inferred(self) -> bool:
        """Does some resource of the consumer require something of the provider?"""
        return bool(self.edge.reasons)

    @property
    def orders(self) -> bool:
        """Must the provider be there first?"""
        return bool(self.ordering)

    @property
    def backed(self) -> bool | None:
        """Does the provider being Ready imply that what is required is there? None where nothing is."""
        return all(gate.backs for gate in self.gates) if self.edge.reasons else None

    @property
    def unbacked_gates(self) -> tuple[Gate, ...]:
        """Gates of ordering reasons that prove nothing."""
        ordering = set(map(id, self.ordering))
        return tuple(gate for gate in self.gates if not gate.backs and id(gate.edge) in ordering)


@dataclass(frozen=True, slots=True)
class MissingEdge:
    """An ordering edge that nobody wrote; `implied` are others that writing it makes true as well."""

    edge: OrderedEdge
    implied: tuple[OrderedEdge, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """A unit that can never be applied: what it brings later is needed to apply the rest of it."""

    unit: ResourceId
    edges: tuple[ResourceEdge, ...]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Units that wait for each other: each step is the edge from a unit to the next one, the last leads back to the first."""

    units: tuple[ResourceId, ...]
    steps: tuple[OrderedEdge, ...]
    declared: bool  # every step is written

    @property
    def cut(self) -> OrderedEdge | None:
        """Where to cut it: a written step without a reason, if there is one."""
        return next((step for step in self.steps if step.edge.declared is not None and not step.inferred), None)


@dataclass(frozen=True)
class Order:
    """What the units of a cluster wait for, and should wait for."""

    graph: Graph
    edges: tuple[OrderedEdge, ...]
    missing: tuple[MissingEdge, ...]  # the fewest edges to write that say all that order, and that nothing written guarantees


@dataclass(frozen=True)
class Plan(Order):
    """The order of one cluster, and what has none."""

    unwritten: tuple[OrderedEdge, ...]  # that order, and that nothing written guarantees
    late: tuple[Cycle, ...]  # loops that begin with an edge which is not to be written for their sake: what needs that is late, and heals
    splits: tuple[Split, ...]
    cycles: tuple[Cycle, ...]
    # What `dependsOn` of each unit should say: what is written, and what is missing.
    depends_on: Mapping[ResourceId, tuple[ResourceId, ...]]
    levels: tuple[tuple[ResourceId, ...], ...]  # units that can start together, first ones first

    @cached_property
    def missing_of(self) -> Mapping[ResourceId, tuple[MissingEdge, ...]]:
        """Edges that nobody wrote, by consumer."""
        found: dict[ResourceId, list[MissingEdge]] = {}
        for entry in self.missing:
            found.setdefault(entry.edge.consumer, []).append(entry)
        return {consumer: tuple(entries) for consumer, entries in found.items()}

    @cached_property
    def by_pair(self) -> Mapping[tuple[ResourceId, ResourceId], OrderedEdge]:
        """Edges by consumer and provider."""
        return {(edge.consumer, edge.provider): edge for edge in self.edges}


def orders(edge: ResourceEdge, graph: Graph, table: KindTable) -> bool:
    """Must the provider be there before the consumer is applied? See docs/architecture.md, "What the order must guarantee"."""
    requirement = edge.requirement
    if edge.provider_unit is None or edge.before is not None or edge.is_alternative:
        return False
    if requirement.optional or requirement.soft or requirement.effect is Effect.ROTATE or requirement.confidence is Confidence.POSSIBLE:
        return False
    row = table.row(requirement.resource.group, requirement.resource.kind)
    if row is not None and row.soft:
        return False
    if requirement.effect is Effect.APPLY or requirement.healing is not Healing.PROMPT:
        return True
    unit = graph.units[edge.consumer_unit]
    return (unit.wait and is_awaited(requirement.resource)) or checks(unit, requirement.resource)


def order(graph: Graph, table: KindTable) -> Order:
    """As `plan`, of a graph that knows the edges between units alone."""
    return _Planner(graph, table).order()


def plan(graph: Graph, table: KindTable) -> Plan:
    """The plan of a graph. A pure function: same graph, same plan."""
    return _Planner(graph, table).plan()


class _Planner:
    def __init__(self, graph: Graph, table: KindTable) -> None:
        self.graph = graph
        self.table = table
        self.readiness = Readiness(graph)
        self.declared = {unit: tuple(dict.fromkeys(targets)) for unit, targets in graph.dependencies.items()}

        before = self.readiness.before(self.declared)
        self.implied = implied(self.declared)
        self.edges = tuple(self._judge(edge) for edge in graph.unit_edges)
        self.needed = [edge for edge in self.edges if edge.orders and not self._guarantees(before, edge)]
        self.cycles = self._cycles()

    def order(self) -> Order:
        return Order(self.graph, self.edges, self._reduced(self._addable(self._decided())))

    def plan(self) -> Plan:
        decided = self._decided()
        addable = self._addable(decided)
        missing = self._reduced(addable)
        depends_on = self._written_and(missing)
        return Plan(
            graph=self.graph,
            edges=self.edges,
            missing=missing,
            unwritten=tuple(self.needed),
            late=tuple(self._late(decided, addable)),
            splits=self._splits() + self._cyclic_splits(),
            cycles=tuple(cycle for cycle in self.cycles if cycle.declared or self._is_resource_cycle(cycle)),
            depends_on=depends_on,
            levels=self._levels(depends_on),
        )

    def _judge(self, edge: UnitEdge) -> OrderedEdge:
        return OrderedEdge(
            edge=edge,
            ordering=tuple(reason for reason in edge.reasons if orders(reason, self.graph, self.table)),
            gates=tuple(gate_of(reason, self._gating_unit(edge, reason), self.graph, self.table) for reason in edge.reasons),
            redundant=edge.declared is not None and (edge.consumer, edge.provider) in self.implied,
        )

    def _gating_unit(self, edge: UnitEdge, reason: ResourceEdge) -> Unit:
        """The unit whose Ready has to prove a reason: between releases the release, else the unit that applies what provides it."""
        applying = reason.provider_unit
        return self.graph.units[edge.provider if applying is None or edge.provider.kind != applying.kind else applying]

    def _guarantees(self, guaranteed: Mapping[ResourceId, int], edge: OrderedEdge) -> bool:
        ready, numbers = guaranteed[edge.consumer], self.readiness.numbers
        if ready >> numbers[edge.provider] & 1:
            return True
        if all(any(ready >> numbers[other] & 1 for other in reason.alternatives) for reason in edge.ordering):
            return True
        return self._releases_wait(edge)

    def _releases_wait(self, edge: OrderedEdge) -> bool:
        """For what a chart needs, `dependsOn` between the HelmReleases counts too."""
        for reason in edge.ordering:
            consumer, provider = reason.requirement.resource, reason.provision.resource
            if consumer.kind != "HelmRelease" or provider not in self.declared.get(consumer, ()):
                return False
        return bool(edge.ordering)

    # The fewest edges to add

    def _reduced(self, needed: Sequence[OrderedEdge]) -> tuple[MissingEdge, ...]:
        """Of the needed edges those that the others don't imply; an implied one stands with the first that implies it."""
        extended = {unit: list(targets) for unit, targets in self.declared.items()}
        for edge in needed:
            extended.setdefault(edge.consumer, []).append(edge.provider)
        everything = self.readiness.before(extended)
        ready_with = {unit: everything[unit] | self.readiness.along_with(unit) for unit in dict.fromkeys(chain.from_iterable(extended.values()))}
        kept: list[OrderedEdge] = []
        implied_by: dict[int, list[OrderedEdge]] = {}
        for consumer, edges in grouped(needed, attrgetter("consumer")).items():
            own = {self.readiness.numbers[edge.provider]: edge for edge in edges}
            inherited = reduce(or_, (everything[parent] for parent in self.graph.ancestors(consumer)), 0)
            via = self._first_to_imply(own, extended[consumer], ready_with)
            for number, edge in own.items():
                if number in via:
                    implied_by.setdefault(id(own.get(via[number])), []).append(edge)
                elif not inherited >> number & 1:
                    kept.append(edge)
        return tuple(MissingEdge(edge, tuple(implied_by.get(id(edge), ()))) for edge in kept)

    def _first_to_imply(self, wanted: Iterable[int], targets: Iterable[ResourceId], ready_with: Mapping[ResourceId, int]) -> dict[int, int]:
        """Of the units wanted, by number, those that another of `targets` guarantees, with the first that does."""
        open_bits = sum(1 << number for number in wanted)
        found: dict[int, int] = {}
        for target in targets:
            number = self.readiness.numbers[target]
            bits = ready_with[target] & open_bits & ~(1 << number)
            open_bits ^= bits
            while bits:
                lowest = bits & -bits
                found[lowest.bit_length() - 1] = number
                bits ^= lowest
        return found

    def _written_and(self, missing: Iterable[MissingEdge]) -> dict[ResourceId, tuple[ResourceId, ...]]:
        result = {unit: list(targets) for unit, targets in self.declared.items()}
        for entry in missing:
            result[entry.edge.consumer].append(entry.edge.provider)
        return {unit: tuple(targets) for unit, targets in result.items()}

    # What can't be ordered

    def _splits(self) -> tuple[Split, ...]:
        found: dict[ResourceId, list[ResourceEdge]] = {}
        for edge in self.graph.resource_edges:
            if edge.provider_unit is None or edge.before is not None or not orders(edge, self.graph, self.table):
                continue
            # Argo CD applies the waves of an Application one after the other.
            if edge.requirement.effect is not Effect.APPLY or _only_admits(edge) or self.graph.units[edge.consumer_unit].sync is not None:
                continue
            inside = edge.provider_unit == edge.consumer_unit and edge.provision.when is When.LATER
            # What a child brings is applied after the whole of its parent.
            below = edge.provider_unit != edge.consumer_unit and edge.consumer_unit in self.graph.ancestors(edge.provider_unit)
            if inside or below:
                found.setdefault(edge.consumer_unit, []).append(edge)
        return tuple(Split(unit, tuple(edges)) for unit, edges in sorted(found.items()))

    def _decided(self) -> list[OrderedEdge]:
        """The needed edges but for those of what needs a split, which has no right order yet."""
        undecided = {(step.consumer, step.provider) for cycle in self.cycles for step in cycle.steps if not cycle.declared}
        return [edge for edge in self.needed if (edge.consumer, edge.provider) not in undecided]

    def _late(self, needed: Sequence[OrderedEdge], addable: Sequence[OrderedEdge]) -> Iterator[Cycle]:
        added = {(edge.consumer, edge.provider) for edge in addable}
        left_out = [edge for edge in needed if (edge.consumer, edge.provider) not in added]
        following = {unit: list(targets) for unit, targets in self.declared.items()} if left_out else {}
        for consumer, provider in sorted(added) if left_out else ():
            following[consumer].append(provider)
        for edge in left_out:
            way = shortest_way(edge.provider, edge.consumer, following)
            steps = _steps((edge.consumer, *way[:-1]), self._pairs) if way is not None else ()
            if steps and not self._is_met_in_time(steps) and not all(map(_only_admits, edge.ordering)):
                yield Cycle(tuple(step.consumer for step in steps), steps, declared=False)

    def _addable(self, needed: Sequence[OrderedEdge]) -> list[OrderedEdge]:
        """Needed edges that close no cycle, with what is written and with each other; what refuses comes before what is only late."""
        all_targets = {unit: set(targets) for unit, targets in self.declared.items()}
        for edge in needed:
            all_targets.setdefault(edge.consumer, set()).add(edge.provider)
        knotted = on_loops(all_targets)
        following = {unit: knotted.intersection(self.declared.get(unit, ())) for unit in knotted}
        addable = []
        for edge in sorted(needed, key=lambda edge: not self._blocks(edge)):
            if edge.consumer in knotted and edge.provider in knotted:
                if edge.consumer in reachable([edge.provider], following.__getitem__):
                    continue
                following[edge.consumer].add(edge.provider)
            addable.append(edge)
        return sorted(addable, key=lambda edge: (edge.consumer, edge.provider))

    def _blocks(self, edge: OrderedEdge) -> bool:
        """Does the consumer stay unready until the provider is there? One that is merely late heals, whatever waits for what."""
        if edge.edge.declared is not None:
            return True
        return any(
            reason.requirement.effect is Effect.APPLY
            or self.graph.units[reason.consumer_unit].wait
            or checks(self.graph.units[reason.consumer_unit], reason.requirement.resource)
            for reason in edge.ordering
            if not _only_admits(reason)
        )

    def _cycles(self) -> tuple[Cycle, ...]:
        pairs = self._pairs
        declared = [pair for pair, edge in pairs.items() if edge.edge.declared is not None]
        found = [Cycle(units, _steps(units, pairs), declared=True) for units in shortest_cycles(declared)]
        on_declared = {unit for cycle in found for unit in cycle.units}
        extended = declared + [(edge.consumer, edge.provider) for edge in self.needed if self._blocks(edge)]
        for units in shortest_cycles(extended):
            if not on_declared & set(units) and not self._is_met_in_time(_steps(units, pairs)):
                steps = _steps(units, pairs)
                found.append(Cycle(units, steps, declared=all(step.edge.declared is not None for step in steps)))
        return tuple(found)

    @cached_property
    def _pairs(self) -> Mapping[tuple[ResourceId, ResourceId], OrderedEdge]:
        return {(edge.consumer, edge.provider): edge for edge in self.edges}

    def _is_met_in_time(self, steps: Sequence[OrderedEdge]) -> bool:
        """Does one of the units get what it needs from the next, although that is refused as well?

        Flux applies the Namespaces and definitions of a unit before it tries the rest, unless what is written in `dependsOn` keeps it from being tried.
        """
        return any(
            step.edge.declared is None and following.edge.declared is None and step.provider.kind == "Kustomization" and all(map(_comes_first, step.ordering))
            for step, following in zip(steps, (*steps[1:], steps[0]), strict=True)
        )

    def _is_resource_cycle(self, cycle: Cycle) -> bool:
        """Do the resources themselves wait for each other, so that no split of the units helps?"""
        resources = [(reason.requirement.resource, reason.provision.resource) for step in cycle.steps for reason in step.ordering if not _only_admits(reason)]
        inner = [(edge.requirement.resource, edge.provision.resource) for unit in cycle.units for edge in self._inner_edges.get(unit, ())]
        return bool(shortest_cycles(resources + inner))

    @cached_property
    def _inner_edges(self) -> Mapping[ResourceId, Sequence[ResourceEdge]]:
        """What resources of a unit need of others of the same, by unit."""
        inner = (
            edge
            for edge in self.graph.resource_edges
            if edge.provider_unit == edge.consumer_unit and edge.requirement.resource != edge.provision.resource and not _only_admits(edge)
        )
        return grouped(inner, attrgetter("consumer_unit"))

    def _cyclic_splits(self) -> tuple[Split, ...]:
        reasons = (
            tuple(reason for step in cycle.steps for reason in sorted(step.ordering, key=_rank)[:1])
            for cycle in self.cycles
            if not cycle.declared and not self._is_resource_cycle(cycle)
        )
        return tuple(Split(edges[0].consumer_unit, edges) for edges in reasons)

    # Levels

    def _levels(self, depends_on: Mapping[ResourceId, Sequence[ResourceId]]) -> tuple[tuple[ResourceId, ...], ...]:
        """Units by the longest way to what needs nothing. Cycles and what hangs on them come last, together."""
        waits = {unit: set(targets) for unit, targets in depends_on.items() if unit in self.graph.units}
        for found in self.graph.units.values():
            if found.parent is not None and found.parent in self.graph.units:
                waits.setdefault(found.id, set()).add(found.parent)
            waits.setdefault(found.id, set()).update(self.readiness.earlier.get(found.id, ()))
        ordered, left = layers({unit: waits.get(unit, ()) for unit in self.graph.units})
        return tuple(tuple(sorted(level)) for level in (*ordered, left) if level)


def _comes_first(edge: ResourceEdge) -> bool:
    """Is it a manifest of the first stage that kustomize-controller applies?"""
    return edge.provision.when is When.NOW and edge.provision.resource.kind in ("Namespace", "CustomResourceDefinition")


def _only_admits(edge: ResourceEdge) -> bool:
    """Is it about admission? A webhook that is not registered yet refuses nothing, so it can't be what keeps its own registration from coming."""
    return edge.requirement.reason == "webhook"


def _rank(edge: ResourceEdge) -> tuple[bool, bool]:
    """What is refused is the best reason why units can't do without each other, admission the worst."""
    return _only_admits(edge), edge.requirement.effect is not Effect.APPLY


def _steps(units: Sequence[ResourceId], pairs: Mapping[tuple[ResourceId, ResourceId], OrderedEdge]) -> tuple[OrderedEdge, ...]:
    return tuple(pairs[unit, units[(index + 1) % len(units)]] for index, unit in enumerate(units))
