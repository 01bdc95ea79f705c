"""What is Ready before a unit is applied, as bit sets: one bit for each unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import reduce
from itertools import chain
from operator import or_

from gitops_secrets.graph.graph import Graph
from gitops_secrets.graph.loops import layers
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.reach import reachable
from gitops_secrets.ordering.waves import earlier

_Work = Generator["_Work", int, int]


class Readiness:
    """What the written order of the units of a graph, or any other, guarantees."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        # What much depends on comes first: a set of units takes as many bits as its last one has.
        needed = Counter(edge.provider for edge in graph.unit_edges)
        self.numbers = {unit: number for number, unit in enumerate(sorted(graph.units, key=lambda unit: (-needed[unit], unit)))}
        self.earlier = earlier(graph)

    def before(self, depends_on: Mapping[ResourceId, Sequence[ResourceId]]) -> dict[ResourceId, int]:
        """Ready before a unit is applied: what it depends on, what that guarantees and waits for; and what its parent waited for before it was applied."""
        guaranteed: dict[ResourceId, int] = {}
        awaited: dict[ResourceId, int] = {}
        open_units: set[ResourceId] = set()

        def visit(unit: ResourceId) -> _Work:
            if unit in guaranteed:
                return guaranteed[unit]
            if unit in open_units or unit not in self._graph.units:
                return 0
            open_units.add(unit)
            bits = 0
            parent = self._graph.units[unit].parent
            if parent is not None:
                bits |= yield visit(parent)
            for target in (*depends_on.get(unit, ()), *self.earlier.get(unit, ())):
                bits |= 1 << self.numbers[target]
                bits |= guaranteed[target] if target in guaranteed else (yield visit(target))
                bits |= awaited[target] if target in awaited else (yield wait_of(target))
            open_units.discard(unit)
            guaranteed[unit] = bits
            return bits

        def wait_of(unit: ResourceId) -> _Work:
            """Units whose Ready is part of the Ready of `unit`."""
            if unit in awaited:
                return awaited[unit]
            awaited[unit] = 0
            bits = 0
            for child in self._awaited_children(unit):
                bits |= 1 << self.numbers[child]
                bits |= yield wait_of(child)
                bits |= yield visit(child)
            awaited[unit] = bits
            return bits

        for unit in sorted(self._graph.units, key=lambda unit: (len(self._graph.ancestors(unit)), unit)):
            _worked_out(visit(unit))
        return guaranteed

    def along_with(self, unit: ResourceId) -> int:
        """Ready once a unit is: those that it waits for, and that these wait for."""
        bits = 0
        for child in reachable(self._awaited_children(unit), self._awaited_children) - {unit}:
            bits |= 1 << self.numbers[child]
        return bits

    def _awaited_children(self, unit: ResourceId) -> Iterable[ResourceId]:
        found = self._graph.units[unit]
        if unit.kind == "HelmRelease":
            return ()
        if found.wait or found.sync is not None:
            return self._graph.children.get(unit, ())
        return [check.target for check in found.health_checks if check.target in self._graph.units and check.target != unit]


def _worked_out(work: _Work) -> int:
    """What work comes to that yields the work whose result it needs: a chain may have more units than Python takes calls in one another."""
    pending = [work]
    result: int | None = None
    while pending:
        try:
            further = next(pending[-1]) if result is None else pending[-1].send(result)
        except StopIteration as done:
            pending.pop()
            result = done.value
        else:
            pending.append(further)
            result = None
    assert result is not None  # the last one has ended
    return result


def implied(depends_on: Mapping[ResourceId, Sequence[ResourceId]]) -> frozenset[tuple[ResourceId, ResourceId]]:
    """Dependencies of units that are also reached from others of the same unit, without coming back to it."""
    found: set[tuple[ResourceId, ResourceId]] = set()
    ordered, left = layers(depends_on)
    numbers = {unit: number for number, unit in enumerate(chain.from_iterable(ordered))}
    reached: dict[ResourceId, int] = {}
    for unit in numbers:
        targets = depends_on[unit]
        beyond = reduce(or_, (reached[target] for target in targets), 0)
        found.update((unit, target) for target in targets if beyond >> numbers[target] & 1)
        reached[unit] = reduce(or_, (1 << numbers[target] for target in targets), beyond)
    for unit in left:
        found.update((unit, target) for target in depends_on[unit] if _has_detour(unit, target, depends_on))
    return frozenset(found)


def _has_detour(unit: ResourceId, target: ResourceId, depends_on: Mapping[ResourceId, Sequence[ResourceId]]) -> bool:
    others = set(depends_on[unit]) - {unit, target}
    return target in reachable(others, lambda each: () if each == unit else depends_on[each])
