"""Two plans of one cluster: beside what changes in the graph, what has to go in which order, and what a bring-up waits longer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from gitops_secrets.graph.changes import Difference, EdgeChange, Fate
from gitops_secrets.graph.difference import difference
from gitops_secrets.graph.unseen import Files
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.ordering.delay import Delay, present_delay
from gitops_secrets.ordering.order import OrderedEdge, Plan
from gitops_secrets.ordering.teardown import Hold, teardown

Pair = tuple[ResourceId, ResourceId]


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """What a change does to one cluster."""

    graph: Difference
    # What goes must go in these steps, each once the one before is gone: one commit for each.
    removal: tuple[tuple[ResourceId, ...], ...]
    holds: tuple[Hold, ...]  # operators that go, and the objects that they have to outlive
    delays: tuple[Delay, Delay]  # worst case of a bring-up, before and after
    ordering: frozenset[Pair]  # consumers and providers that have to wait for each other, before or after
    unwritten: frozenset[Pair]  # those of them that do not, for all that is written after the change

    @property
    def fate(self) -> Fate | None:
        """Does the cluster itself come or go?"""
        if self.graph.before is None:
            return Fate.ADDED
        return Fate.REMOVED if self.graph.after is None else None

    @property
    def edges(self) -> tuple[EdgeChange, ...]:
        """Those of the edges that are written, or order something: for the others nothing has to wait."""
        return tuple(edge for edge in self.graph.edges if any(edge.written) or (edge.consumer, edge.provider) in self.ordering)

    @property
    def added_seconds(self) -> int:
        """By how much longer a bring-up may idle."""
        return round(self.delays[1].seconds - self.delays[0].seconds)

    @property
    def is_empty(self) -> bool:
        """Does the change do nothing to the cluster?"""
        return self.fate is None and self.graph.is_empty and not self.added_seconds


def plan_difference(before: Plan | None, after: Plan | None, table: KindTable, files: Files | None = None) -> PlanDifference:
    """What lies between two plans of one cluster, None for one that is not there. A pure function; `files` as in `difference`."""
    found = difference(before.graph if before is not None else None, after.graph if after is not None else None, files)
    holds = tuple(_holds(before, after, found, table))
    unwritten = frozenset((edge.consumer, edge.provider) for edge in _unwritten(after))
    # What can't be built any more runs on as it was, and nobody waits less for it; what builds again may have been waited for before.
    first, second = (before, before) if found.unseen.held else (after, after) if found.unseen.revealed else (before, after)
    delays = (_delay(first), _delay(second))
    return PlanDifference(found, _removal(found, before, holds), holds, delays, _ordering(before) | _ordering(after), unwritten)


def _ordering(plan: Plan | None) -> frozenset[Pair]:
    return frozenset((edge.consumer, edge.provider) for edge in plan.edges if edge.orders) if plan is not None else frozenset()


def _unwritten(plan: Plan | None) -> Iterator[OrderedEdge]:
    for missing in plan.missing if plan is not None else ():
        yield from (missing.edge, *missing.implied)


def _delay(plan: Plan | None) -> Delay:
    return Delay(0, ()) if plan is None else present_delay(plan)


def _holds(before: Plan | None, after: Plan | None, found: Difference, table: KindTable) -> Iterator[Hold]:
    """Operators that go although objects with their finalizer are there, and nobody else takes it off."""
    gone = _removed(found)
    if before is None or after is None or not gone:
        return
    served = {resource.id for hold in teardown(after, table).holds for resource in hold.objects}
    for hold in teardown(before, table).holds:
        objects = tuple(resource for resource in hold.objects if resource.id not in served)
        if hold.operator in gone and objects:
            yield replace(hold, objects=objects)


def _removed(found: Difference) -> set[ResourceId]:
    return {change.id for change in (*found.resources, *found.units) if change.fate is Fate.REMOVED}


def _removal(found: Difference, before: Plan | None, holds: Iterable[Hold]) -> tuple[tuple[ResourceId, ...], ...]:
    """In which steps things go, where one of them needs another: consumers, then what they need."""
    earlier: dict[ResourceId, set[ResourceId]] = {}
    removed = _removed(found)
    for prune in found.prunes:
        if prune.provider in removed:
            earlier.setdefault(prune.provider, set()).update(consumer.resource for consumer in prune.consumers)
    for hold in holds:
        earlier.setdefault(hold.operator, set()).update(resource.id for resource in hold.objects)
    gone = {change.id for change in found.units if change.fate is Fate.REMOVED}
    for unit in gone if before is not None and found.after is not None else ():
        for target in before.depends_on.get(unit, ()) if before is not None else ():
            if target in gone:
                earlier.setdefault(target, set()).add(unit)
    return _steps(earlier)


def _steps(earlier: Mapping[ResourceId, set[ResourceId]]) -> tuple[tuple[ResourceId, ...], ...]:
    sorter = TopologicalSorter({id: others - {id} for id, others in earlier.items()})
    try:
        sorter.prepare()
    except CycleError:
        return ()  # what needs each other goes at once
    steps = []
    while sorter.is_active():
        step = tuple(sorted(sorter.get_ready()))
        sorter.done(*step)
        steps.append(step)
    return tuple(steps)
