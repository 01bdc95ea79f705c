from __future__ import annotations

import sys
from itertools import pairwise
from types import MappingProxyType

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.graph.build import build
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Effect, Facts, ObjectNeed, Provision, Requirement, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import AppliedResource, Cluster, Dependency, Unit
from gitops_secrets.ordering.delay import REQUEUE_SECONDS, Delay, planned_delay, present_delay
from gitops_secrets.ordering.order import Plan, plan

PLACE = Place("units.yaml", 1, 1)
NO_ROWS = KindTable(MappingProxyType({}), MappingProxyType({}))


def unit_id(name: str) -> ResourceId:
    return ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", name)


def unit(name: str, *after: str, parent: str | None = None, wait: bool = False, interval: float | None = 600, retry: float | None = None) -> Unit:
    depends_on = tuple(Dependency(unit_id(target), PLACE) for target in after)
    parent_id = None if parent is None else unit_id(parent)
    return Unit(unit_id(name), PLACE, parent_id, name, depends_on, wait=wait, interval=interval, retry_interval=retry)


def planned(*units: Unit, needs: tuple[tuple[str, str], ...] = ()) -> Plan:
    """The plan of units; `needs` are pairs of units where an object of the first is refused without one of the second."""
    things = {entry.id: ResourceId("", "ConfigMap", "default", entry.id.name) for entry in units}
    facts = [(entry.id, Facts(provisions=(Provision(things[entry.id], ObjectNeed(things[entry.id]), When.NOW, PLACE),))) for entry in units]
    for consumer, provider in needs:
        need = ObjectNeed(things[unit_id(provider)])
        requirement = Requirement(things[unit_id(consumer)], need, Effect.APPLY, "config-map", "spec.x", PLACE)
        facts.append((unit_id(consumer), Facts(requirements=(requirement,))))
    resources: tuple[AppliedResource, ...] = ()
    return plan(build(Cluster("test", "units.yaml", "flux", units, resources), facts), NO_ROWS)


def chain(*names: str) -> tuple[ResourceId, ...]:
    return tuple(map(unit_id, names))


def test_nothing_that_waits_costs_nothing() -> None:
    assert planned_delay(planned(unit("a"), unit("b"))).seconds == 0


def test_no_units_cost_nothing() -> None:
    assert planned_delay(planned()) == Delay(0, ())


def test_each_level_of_a_chain_costs_a_requeue() -> None:
    found = planned_delay(planned(unit("a"), unit("b", "a"), unit("c", "b"), unit("d", "c"), unit("e", "d")))

    assert found == Delay(4 * REQUEUE_SECONDS, chain("a", "b", "c", "d", "e"))


def test_the_longest_of_several_chains_counts() -> None:
    found = planned_delay(planned(unit("a"), unit("b", "a"), unit("c", "b", "a"), unit("z", "a")))

    assert found == Delay(60, chain("a", "b", "c"))


def test_a_child_starts_no_sooner_than_its_parent() -> None:
    found = planned_delay(planned(unit("a"), unit("parent", "a"), unit("child", parent="parent"), unit("last", "child")))

    assert found == Delay(60, chain("a", "parent", "child", "last"))


def test_a_unit_that_waits_is_ready_only_once_its_children_are() -> None:
    units = (unit("a"), unit("parent", wait=True), unit("child", "a", parent="parent"), unit("last", "parent"))

    assert planned_delay(planned(*units)) == Delay(60, chain("a", "child", "last"))


def test_an_edge_that_nobody_wrote_costs_a_whole_interval() -> None:
    found = planned(unit("a"), unit("b", interval=600), needs=(("b", "a"),))

    assert (present_delay(found), planned_delay(found)) == (Delay(600, chain("a", "b")), Delay(30, chain("a", "b")))


def test_an_edge_that_nobody_wrote_costs_the_retry_interval_where_there_is_one() -> None:
    assert present_delay(planned(unit("a"), unit("b", retry=120), needs=(("b", "a"),))).seconds == 120


def test_a_chain_may_have_more_units_than_python_takes_calls_in_one_another() -> None:
    names = [f"{number:04}" for number in range(2_000)]
    units = [unit(name, *following) for name, *following in pairwise(names)]
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    try:
        found = planned(*units, unit(names[-1]))
    finally:
        sys.setrecursionlimit(before)

    assert planned_delay(found) == Delay(1_999 * REQUEUE_SECONDS, chain(*reversed(names)))


def test_a_cycle_is_no_endless_delay() -> None:
    assert present_delay(planned(unit("a", "b"), unit("b", "a"), unit("c", "a"))).seconds < 4 * REQUEUE_SECONDS


def test_a_long_chain_does_not_exhaust_the_stack() -> None:
    units = [unit("u0000"), *(unit(f"u{number:04}", f"u{number - 1:04}") for number in range(1, 300))]

    assert planned_delay(planned(*units)).seconds == 299 * REQUEUE_SECONDS


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=14))
def test_the_chain_is_as_long_as_it_costs(pairs: list[tuple[int, int]]) -> None:
    after: dict[int, set[str]] = {number: set() for number in range(8)}
    for first, second in pairs:
        if first != second:
            after[max(first, second)].add(f"u{min(first, second)}")
    found = planned_delay(planned(*(unit(f"u{number}", *sorted(names)) for number, names in after.items())))

    assert found.seconds == (len(found.chain) - 1) * REQUEUE_SECONDS
