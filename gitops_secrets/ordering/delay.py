"""How long a bring-up may idle: the time between a thing being there and its consumer looking again.

Flux does not watch dependencies. A Kustomization whose dependency is not Ready is looked at again after `--requeue-dependency`, 30 s as shipped; units
that were woken together look at the same moments, so each level of a chain costs a whole requeue (measured: 121 s for four edges). One that is refused,
because nobody wrote the dependency or it proves nothing, is tried again only after its `retryInterval`, which defaults to its whole `interval`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.results import Unit
from gitops_secrets.ordering.order import OrderedEdge, Plan
from gitops_secrets.ordering.waves import longest_retry

REQUEUE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Delay:
    """The worst case of one cluster: `chain` are the units that wait for each other, the first one first."""

    seconds: float
    chain: tuple[ResourceId, ...]


def delay_of(edge: OrderedEdge, plan: Plan) -> float | None:
    """Seconds for which the consumer of an edge may idle, as the repository stands. None where it does not tell, or nothing waits."""
    if edge.edge.declared is not None and not edge.unbacked_gates:
        return REQUEUE_SECONDS
    if not edge.orders:
        return None
    return retry_seconds(plan.graph.units[edge.consumer])


def retry_seconds(unit: Unit) -> float | None:
    """Seconds until a refused unit is tried again; None where its manifest does not tell."""
    if unit.sync is not None:
        return longest_retry(unit)
    return unit.retry_interval if unit.retry_interval is not None else unit.interval


def planned_delay(plan: Plan) -> Delay:
    """The worst case once every missing edge is written and gated."""
    return _Longest(plan, plan.depends_on, lambda consumer, provider: REQUEUE_SECONDS).delay()


def present_delay(plan: Plan) -> Delay:
    """The worst case as the repository stands: an edge that is not written, or proves nothing, costs a whole retry."""
    waits: dict[ResourceId, list[ResourceId]] = {unit: list(targets) for unit, targets in plan.graph.dependencies.items()}
    # What others imply is waited for already.
    unwritten = {id(edge) for missing in plan.missing for edge in (missing.edge, *missing.implied)}
    for edge in plan.edges:
        if id(edge) in unwritten:
            waits.setdefault(edge.consumer, []).append(edge.provider)

    def cost(consumer: ResourceId, provider: ResourceId) -> float:
        edge = plan.by_pair.get((consumer, provider))
        return REQUEUE_SECONDS if edge is None else delay_of(edge, plan) or REQUEUE_SECONDS

    return _Longest(plan, waits, cost).delay()


class _Way(NamedTuple):
    """The longest way to a unit, by its last step: written out, the ways to all units of a chain would take the square of its length."""

    seconds: float
    unit: ResourceId
    before: _Way | None = None

    def chain(self) -> tuple[ResourceId, ...]:
        """Its units, the first one first."""
        found = []
        way: _Way | None = self
        while way is not None:
            found.append(way.unit)
            way = way.before
        return tuple(reversed(found))


class _Longest:
    """The longest way through what waits for what. What lies on a cycle never starts, and is not counted."""

    def __init__(self, plan: Plan, waits: Mapping[ResourceId, Iterable[ResourceId]], cost: Callable[[ResourceId, ResourceId], float]) -> None:
        self.plan = plan
        self.units = plan.graph.units
        self.waits = waits
        self.cost = cost
        self.starts: dict[ResourceId, _Way] = {}
        self.open: set[ResourceId] = set()

    def delay(self) -> Delay:
        # In the order of the levels nearly everything that is asked for is known already, so the recursion stays shallow.
        found = [way for level in self.plan.levels for unit in level if (way := self._start(unit)) is not None]
        seconds = max((way.seconds for way in found), default=0.0)
        return Delay(seconds, min((way.chain() for way in found if way.seconds == seconds), default=()))

    def _start(self, unit: ResourceId) -> _Way | None:
        """When a unit is applied: after its parent, and after what it depends on is Ready and it has looked again. None while that is asked for."""
        if unit in self.starts:
            return self.starts[unit]
        if unit in self.open:
            return None
        self.open.add(unit)
        best = _Way(0, unit)
        parent = self.units[unit].parent
        if parent is not None and parent in self.units:
            began = self._start(parent)
            if began is not None and began.seconds > 0:
                best = _Way(began.seconds, unit, began)
        for target in self.waits.get(unit, ()):
            if target in self.units:
                ready = self._ready(target)
                seconds = (0 if ready is None else ready.seconds) + self.cost(unit, target)
                if seconds > best.seconds:
                    best = _Way(seconds, unit, ready)
        self.open.discard(unit)
        self.starts[unit] = best
        return best

    def _ready(self, unit: ResourceId) -> _Way | None:
        """When a unit is Ready: once it is applied, and with `wait` once its children are Ready."""
        best = self._start(unit)
        if self.units[unit].wait and unit not in self.open:
            self.open.add(unit)
            for child in self.plan.graph.children.get(unit, ()):
                if child not in self.open:
                    ready = self._ready(child)
                    if ready is not None and (best is None or ready.seconds > best.seconds):
                        best = ready
            self.open.discard(unit)
        return best
