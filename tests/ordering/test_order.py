"""The order is sound and minimal, and adding it never closes a cycle: laws over generated clusters, checked against a simulated bring-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.graph.build import build
from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.facts import Effect, Facts, ObjectNeed, Provision, Requirement, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Cluster, Dependency, Unit
from gitops_secrets.ordering.order import Plan, plan

PLACE = Place("clusters/test/units.yaml", 1, 1)


def unit_id(number: int) -> ResourceId:
    return ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", f"u{number:02}")


def thing(number: int) -> ResourceId:
    """What unit `number` brings and others may need."""
    return ResourceId("", "ConfigMap", "default", f"c{number:02}")


def planned(needs: Mapping[int, Iterable[int]], declared: Mapping[int, Iterable[int]], parents: Mapping[int, int], count: int) -> Plan:
    units = []
    for number in range(count):
        dependencies = tuple(Dependency(unit_id(target), PLACE) for target in declared.get(number, ()))
        parent = unit_id(parents[number]) if number in parents else None
        units.append(Unit(unit_id(number), PLACE, parent=parent, depends_on=dependencies))
    facts = []
    for number in range(count):
        requirements = tuple(
            Requirement(thing(number), ObjectNeed(thing(target)), Effect.APPLY, "named-object", f"spec.needs[{target}]", PLACE)
            for target in needs.get(number, ())
        )
        provision = Provision(thing(number), ObjectNeed(thing(number)), When.NOW, PLACE)
        facts.append((unit_id(number), Facts(requirements, (provision,))))
    return plan(build(Cluster("test", "clusters/test", "flux", tuple(units), ()), facts), default_table())


def failures(needs: Mapping[int, Iterable[int]], depends_on: Mapping[ResourceId, Sequence[ResourceId]], parents: Mapping[int, int], count: int) -> set[int]:
    """Units that may fail on an empty cluster: something that they need may come after them, in some order that `depends_on` allows.

    A unit may start once all it depends on are done and its parent is; so what may come after it is everything that it does not wait for, directly or
    through what those wait for.
    """
    failed = set()
    for number in range(count):
        waited, pending = set(), [unit_id(number)]
        while pending:
            unit = pending.pop()
            own = int(unit.name[1:])
            following = list(depends_on.get(unit, ()))
            if own in parents:
                # The parent was applied, so all it depends on is done; it may itself not be Ready yet, but what it applies is there.
                pending.append(unit_id(parents[own]))
            for target in following:
                if target not in waited:
                    waited.add(target)
                    pending.append(target)
        ancestors = set()
        above = number
        while above in parents:
            above = parents[above]
            ancestors.add(above)
        if any(unit_id(target) not in waited and target not in ancestors for target in needs.get(number, ())):
            failed.add(number)
    return failed


@st.composite
def clusters(draw: st.DrawFn) -> tuple[dict[int, set[int]], dict[int, set[int]], int]:
    """Units whose needs and declared dependencies only point to lower numbers: no cycles."""
    count = draw(st.integers(1, 7))
    needs: dict[int, set[int]] = {}
    declared: dict[int, set[int]] = {}
    for number in range(1, count):
        needs[number] = draw(st.sets(st.integers(0, number - 1), max_size=3))
        declared[number] = draw(st.sets(st.integers(0, number - 1), max_size=2))
    return needs, declared, count


@given(clusters())
@settings(max_examples=200, deadline=None)
def test_with_the_missing_edges_no_unit_fails_on_an_empty_cluster(cluster: tuple[dict[int, set[int]], dict[int, set[int]], int]) -> None:
    needs, declared, count = cluster

    result = planned(needs, declared, {}, count)

    assert failures(needs, result.depends_on, {}, count) == set()


@given(clusters())
@settings(max_examples=200, deadline=None)
def test_each_missing_edge_is_needed(cluster: tuple[dict[int, set[int]], dict[int, set[int]], int]) -> None:
    needs, declared, count = cluster
    result = planned(needs, declared, {}, count)

    for entry in result.missing:
        without = {
            unit: [target for target in targets if (unit, target) != (entry.edge.consumer, entry.edge.provider)] for unit, targets in result.depends_on.items()
        }

        assert failures(needs, without, {}, count), f"{entry.edge.consumer} -> {entry.edge.provider} is not needed"


@given(clusters())
@settings(max_examples=100, deadline=None)
def test_a_plan_without_anything_missing_stays_as_it_is(cluster: tuple[dict[int, set[int]], dict[int, set[int]], int]) -> None:
    needs, declared, count = cluster
    first = planned(needs, declared, {}, count)
    written = {int(unit.name[1:]): {int(target.name[1:]) for target in targets} for unit, targets in first.depends_on.items()}

    second = planned(needs, written, {}, count)

    assert second.missing == ()
    assert second.cycles == ()


@given(clusters())
@settings(max_examples=100, deadline=None)
def test_levels_put_every_dependency_first(cluster: tuple[dict[int, set[int]], dict[int, set[int]], int]) -> None:
    needs, declared, count = cluster
    result = planned(needs, declared, {}, count)

    level = {unit: number for number, units in enumerate(result.levels) for unit in units}

    assert all(level[target] < level[unit] for unit, targets in result.depends_on.items() for target in targets)


@given(clusters())
@settings(max_examples=60, deadline=None)
def test_written_edges_never_change_what_is_inferred(cluster: tuple[dict[int, set[int]], dict[int, set[int]], int]) -> None:
    needs, declared, count = cluster

    with_edges = planned(needs, declared, {}, count)
    without = planned(needs, {}, {}, count)

    def inferred(result: Plan) -> list[tuple[ResourceId, ResourceId]]:
        return [(edge.consumer, edge.provider) for edge in result.edges if edge.inferred]

    assert inferred(with_edges) == inferred(without)


def test_a_dependency_of_the_parent_counts_for_the_child() -> None:
    result = planned({2: {0}}, {1: {0}}, {2: 1}, 3)

    assert result.missing == ()


def test_a_need_of_what_the_parent_brings_is_no_edge() -> None:
    result = planned({1: {0}}, {}, {1: 0}, 2)

    assert result.edges == ()


def test_depending_on_a_parent_that_waits_counts_for_its_children() -> None:
    parent = Unit(unit_id(0), PLACE, wait=True)
    child = Unit(unit_id(1), PLACE, parent=unit_id(0))
    consumer = Unit(unit_id(2), PLACE, depends_on=(Dependency(unit_id(0), PLACE),))
    requirement = Requirement(thing(2), ObjectNeed(thing(1)), Effect.APPLY, "named-object", "spec.needs", PLACE)
    facts = [
        (unit_id(1), Facts((), (Provision(thing(1), ObjectNeed(thing(1)), When.NOW, PLACE),))),
        (unit_id(2), Facts((requirement,))),
    ]

    result = plan(build(Cluster("test", "clusters/test", "flux", (parent, child, consumer), ()), facts), default_table())

    assert result.missing == ()
    # The written edge to the parent stands for what its child brings.
    assert [(edge.consumer, edge.provider, edge.inferred) for edge in result.edges] == [
        (unit_id(2), unit_id(0), True),
        (unit_id(2), unit_id(1), True),
    ]


def test_a_written_cycle_is_reported_as_its_shortest_loop() -> None:
    result = planned({0: {1}}, {0: {1}, 1: {2, 0}, 2: {1}}, {}, 3)

    assert [cycle.units for cycle in result.cycles] == [(unit_id(0), unit_id(1))]
    assert result.cycles[0].cut is not None
    assert (result.cycles[0].cut.consumer, result.cycles[0].cut.provider) == (unit_id(1), unit_id(0))


def test_units_that_need_each_other_without_a_cycle_of_resources_are_split() -> None:
    # a1 needs b1, b2 needs a2: two of the resources could go first.
    def resource(name: str) -> ResourceId:
        return ResourceId("", "ConfigMap", "default", name)

    def brings(name: str) -> Provision:
        return Provision(resource(name), ObjectNeed(resource(name)), When.NOW, PLACE)

    def needs(name: str, other: str) -> Requirement:
        return Requirement(resource(name), ObjectNeed(resource(other)), Effect.APPLY, "named-object", "spec.needs", PLACE)

    facts = [
        (unit_id(0), Facts((needs("a1", "b1"),), (brings("a1"),))),
        (unit_id(0), Facts((), (brings("a2"),))),
        (unit_id(1), Facts((), (brings("b1"),))),
        (unit_id(1), Facts((needs("b2", "a2"),), (brings("b2"),))),
    ]

    result = plan(build(Cluster("test", "clusters/test", "flux", (Unit(unit_id(0), PLACE), Unit(unit_id(1), PLACE)), ()), facts), default_table())

    assert result.cycles == ()
    assert [split.unit for split in result.splits] == [unit_id(0)]
    assert result.missing == ()


def test_admission_by_a_webhook_closes_no_loop() -> None:
    # a needs b; an object of b is admitted by the webhook of a, which refuses nothing before it is there.
    a, b = (ResourceId("", "ConfigMap", "default", name) for name in "ab")
    webhook = ResourceId("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "a")
    facts = [
        (
            unit_id(0),
            Facts(
                (Requirement(a, ObjectNeed(b), Effect.APPLY, "named-object", "spec.needs", PLACE),),
                (Provision(a, ObjectNeed(a), When.NOW, PLACE), Provision(a, ObjectNeed(webhook), When.LATER, PLACE)),
            ),
        ),
        (
            unit_id(1),
            Facts((Requirement(b, ObjectNeed(webhook), Effect.APPLY, "webhook", "apiVersion", PLACE),), (Provision(b, ObjectNeed(b), When.NOW, PLACE),)),
        ),
    ]

    result = plan(build(Cluster("test", "clusters/test", "flux", (Unit(unit_id(0), PLACE), Unit(unit_id(1), PLACE)), ()), facts), default_table())

    assert (result.cycles, result.splits) == ((), ())
    assert [(entry.edge.consumer, entry.edge.provider) for entry in result.missing] == [(unit_id(0), unit_id(1))]
    assert result.levels == ((unit_id(1),), (unit_id(0),))
