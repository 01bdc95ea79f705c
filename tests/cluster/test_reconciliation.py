"""What a run does next: single decisions by table, and the laws of whole runs against an engine made of the measured behaviour of Flux."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.cluster.live import Live
from gitops_secrets.cluster.reconciliation import Reconciliation
from gitops_secrets.cluster.run import Action, Gone, Nudge, Phase, Seen, Target, Tick, Wanted
from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.ids import ResourceId

SOURCE = ResourceId("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "flux-system")
STORE = ResourceId("external-secrets.io", "ClusterSecretStore", "", "aws")
SECRET = ResourceId("external-secrets.io", "ExternalSecret", "weather", "api")


def unit_id(name: str) -> ResourceId:
    return ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", name)


def unit(name: str, *needs: ResourceId, nudge: Nudge = Nudge.REQUEST) -> Target:
    return Target(unit_id(name), nudge, frozenset({SOURCE, *needs}), source=SOURCE)


def source(**fields: Any) -> Target:
    return Target(SOURCE, Nudge.REQUEST, is_source=True, **fields)


def refreshed(id: ResourceId, *needs: ResourceId, **fields: Any) -> Target:
    return Target(id, Nudge.REFRESH, frozenset(needs), default_table().row(id.group, id.kind), **fields)


def live(id: ResourceId, *conditions: tuple[str, str, str], suspend: bool = False, requested: str = "", **status: Any) -> Live:
    return {
        "apiVersion": f"{id.group}/v1",
        "kind": id.kind,
        "metadata": {"name": id.name, "namespace": id.namespace, "generation": 1, "annotations": {"reconcile.fluxcd.io/requestedAt": requested}},
        "spec": {"suspend": suspend},
        "status": {"conditions": [{"type": type_, "status": value, "reason": reason} for type_, value, reason in conditions]} | status,
    }


def git(commit: str, **fields: Any) -> Live:
    return live(SOURCE, ("Ready", "True", "Succeeded"), observedGeneration=1, artifact={"revision": f"main@sha1:{commit}"}, **fields)


def kustomization(name: str, commit: str, reason: str = "ReconciliationSucceeded", **fields: Any) -> Live:
    status = "True" if reason == "ReconciliationSucceeded" else "False"
    return live(unit_id(name), ("Ready", status, reason), observedGeneration=1, lastAppliedRevision=f"main@sha1:{commit}", **fields)


def run(*targets: Target, commit: str | None = "new", behind: Iterable[str] = ("old",)) -> Reconciliation:
    return Reconciliation(targets, Wanted(commit, frozenset(behind)), "run")


def nudged(actions: Iterable[Action]) -> list[ResourceId]:
    return [action.id for action in actions]


def test_a_source_is_asked_as_soon_as_it_is_seen() -> None:
    assert nudged(run(source()).handle(Seen(git("old"), 0.0))) == [SOURCE]


def test_a_unit_is_asked_the_moment_what_it_needs_is_ready_at_the_commit() -> None:
    machine = run(source(), unit("a"), unit("b", unit_id("a")))
    machine.handle(Seen(git("new"), 0.0))
    machine.handle(Seen(kustomization("a", "old"), 0.1))
    waiting = machine.handle(Seen(kustomization("b", "old", "DependencyNotReady"), 0.2))
    freed = machine.handle(Seen(kustomization("a", "new"), 2.0))

    assert (nudged(waiting), nudged(freed)) == ([], [unit_id("b")])


def test_a_unit_that_is_there_already_is_left_alone() -> None:
    machine = run(source(), unit("a"))
    machine.handle(Seen(git("new"), 0.0))

    assert machine.handle(Seen(kustomization("a", "new"), 0.1)) == []
    assert machine.is_done


def test_a_unit_at_work_is_left_alone() -> None:
    machine = run(source(), unit("a"))
    machine.handle(Seen(git("new"), 0.0))
    working = live(unit_id("a"), ("Reconciling", "True", "Progressing"), ("Ready", "Unknown", "Progressing"), observedGeneration=1)

    assert machine.handle(Seen(working, 0.1)) == []


def test_a_unit_that_missed_the_event_of_a_new_artifact_is_asked_after_some_seconds() -> None:
    machine = run(source(), unit("a"))
    machine.handle(Seen(git("new"), 0.0))
    machine.handle(Seen(kustomization("a", "old"), 0.1))

    assert nudged(machine.handle(Tick(9.9))) == []
    assert nudged(machine.handle(Tick(10.2))) == [unit_id("a")]


def test_a_dependency_that_flux_has_not_seen_yet_is_asked_about_again_soon() -> None:
    machine = run(source(), unit("a"), unit("b", unit_id("a")))
    machine.handle(Seen(git("new"), 0.0))
    machine.handle(Seen(kustomization("b", "old", "DependencyNotReady"), 0.1))
    machine.handle(Seen(kustomization("a", "new"), 1.0))

    assert nudged(machine.handle(Tick(1.4))) == [unit_id("b")]


def test_a_refused_unit_is_asked_the_moment_its_kind_is_served() -> None:
    definition = ResourceId("apiextensions.k8s.io", "CustomResourceDefinition", "", "things.example.com")
    machine = run(source(), unit("a", definition), Target(definition, Nudge.NONE, goal=False))
    machine.handle(Seen(git("new"), 0.0))
    machine.handle(Gone(definition, 0.0))
    machine.handle(Seen(kustomization("a", "old", "ReconciliationFailed"), 0.5))
    served = live(definition, ("Established", "True", ""))

    assert nudged(machine.handle(Seen(served, 7.0))) == [unit_id("a")]


def test_a_refused_unit_is_asked_the_moment_a_definition_is_served_that_nobody_was_known_to_bring() -> None:
    definition = ResourceId("apiextensions.k8s.io", "CustomResourceDefinition", "", "widgets.example.org")
    hopeful = Target(unit_id("a"), Nudge.REQUEST, frozenset({SOURCE}), source=SOURCE, hopes=frozenset({definition}))
    machine = run(source(), hopeful, Target(definition, Nudge.NONE, goal=False, brought=False))
    machine.handle(Gone(definition, 0.0))
    machine.handle(Seen(git("new"), 0.0))
    first = machine.handle(Seen(kustomization("a", "new", "ReconciliationFailed"), 0.1))
    again = machine.handle(Seen(kustomization("a", "new", "ReconciliationFailed"), 0.2))
    stuck = machine.is_stuck
    served = machine.handle(Seen(live(definition, ("Established", "True", "")), 3.0))

    assert (nudged(first), nudged(again), stuck) == ([unit_id("a")], [], False)
    assert nudged(served) == [unit_id("a")]


def test_a_newer_artifact_counts_as_arrived_once_it_was_fetched_anew() -> None:
    machine = run(source(), unit("a"))
    (asked,) = machine.handle(Seen(git("newest"), 0.0))
    before = machine.view(SOURCE).phase
    machine.handle(Seen(git("newest", requested=asked.token, lastHandledReconcileAt=asked.token), 0.5))

    assert (before, machine.view(SOURCE).phase) == (Phase.PROGRESSING, Phase.READY)


def test_an_older_artifact_does_not() -> None:
    machine = run(source())
    (asked,) = machine.handle(Seen(git("old"), 0.0))
    machine.handle(Seen(git("old", requested=asked.token, lastHandledReconcileAt=asked.token), 0.5))

    assert machine.view(SOURCE).phase is Phase.PROGRESSING
    assert nudged(machine.handle(Tick(6.0))) == [SOURCE]


def test_an_external_secret_is_refreshed_the_moment_its_store_is_ready() -> None:
    machine = run(refreshed(STORE), refreshed(SECRET, STORE))
    machine.handle(Seen(live(SECRET, ("Ready", "False", "SecretSyncedError")), 0.0))

    assert nudged(machine.handle(Seen(live(STORE, ("Ready", "True", "Valid")), 240.0))) == [SECRET]


def test_a_new_external_secret_is_left_to_its_operator() -> None:
    machine = run(refreshed(STORE), refreshed(SECRET, STORE))
    machine.handle(Seen(live(STORE, ("Ready", "True", "Valid")), 0.0))

    assert machine.handle(Seen(live(SECRET), 1.0)) == []


def test_a_generated_password_is_never_made_anew() -> None:
    machine = run(refreshed(STORE), refreshed(SECRET, STORE, fresh_only=True, refresh=True))
    machine.handle(Seen(live(SECRET, ("Ready", "False", "SecretSyncedError"), refreshTime="2026-01-01T00:00:00Z"), 0.0))

    assert machine.handle(Seen(live(STORE, ("Ready", "True", "Valid")), 1.0)) == []


def test_a_forced_refresh_comes_once_also_where_all_is_well() -> None:
    machine = run(refreshed(SECRET, refresh=True))
    well = live(SECRET, ("Ready", "True", "SecretSynced"), syncedResourceVersion="1-a")
    first, second = machine.handle(Seen(well, 0.0)), machine.handle(Seen(well, 1.0))

    assert (nudged(first), nudged(second)) == ([SECRET], [])


def test_a_suspended_unit_is_not_asked_and_what_needs_it_is_stuck() -> None:
    machine = run(source(), unit("a"), unit("b", unit_id("a")))
    machine.handle(Seen(git("new"), 0.0))
    machine.handle(Seen(kustomization("b", "old", "DependencyNotReady"), 0.1))
    actions = machine.handle(Seen(kustomization("a", "old", suspend=True), 0.1))

    assert (actions, machine.is_stuck, machine.view(unit_id("a")).phase) == ([], True, Phase.SUSPENDED)


def test_units_that_wait_for_each_other_are_stuck() -> None:
    machine = run(source(), unit("a", unit_id("b")), unit("b", unit_id("a")))
    machine.handle(Seen(git("new"), 0.0))
    for name in "ab":
        machine.handle(Seen(kustomization(name, "old", "DependencyNotReady"), 0.1))

    assert machine.is_stuck


def test_what_is_still_being_tried_is_not_stuck() -> None:
    machine = run(source(), unit("a"))
    machine.handle(Seen(git("new"), 0.0))
    machine.handle(Seen(kustomization("a", "old", "HealthCheckFailed"), 0.1))

    assert not machine.is_stuck


def test_a_child_of_a_waiting_parent_counts_once_the_parent_has_applied_the_commit() -> None:
    release = ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "op", "op")
    machine = run(source(), unit("a"), Target(release, Nudge.REQUEST, parent=unit_id("a")))
    machine.handle(Seen(git("new"), 0.0))
    machine.handle(Seen(live(release, ("Ready", "True", "InstallSucceeded"), observedGeneration=1), 0.1))
    machine.handle(Seen(kustomization("a", "old"), 0.2))
    before = machine.view(release).phase
    checking = live(unit_id("a"), ("Reconciling", "True", "Progressing"), observedGeneration=1, lastAppliedRevision="main@sha1:old")
    checking["status"]["conditions"][0]["message"] = "Running health checks for revision main@sha1:new with a timeout of 9m30s"
    machine.handle(Seen(checking, 0.3))

    assert (before, machine.view(release).phase) == (Phase.PROGRESSING, Phase.READY)


class Engine:
    """Units and a source, as Flux treats them. A new artifact has every unit looked at once; one whose dependencies are not ready waits until it is asked."""

    def __init__(self, needs: dict[str, set[str]], work: dict[str, float], *, there: bool) -> None:
        self.needs, self.work, self.there = needs, work, there
        self.ready: dict[str, float] = {}
        self.asked: list[tuple[str, float]] = []
        self.events: list[tuple[float, int, Live | ResourceId | str]] = []
        self.count = 0
        self.at(0.0, git("old"))
        for name in needs:
            self.at(0.0, kustomization(name, "old") if there else unit_id(name))

    def at(self, time: float, event: Live | ResourceId | str) -> None:
        """An object is to be seen then; an id: that it is not there; a name: Flux looks at that unit."""
        self.count += 1
        heapq.heappush(self.events, (time, self.count, event))

    def act(self, action: Action, now: float) -> None:
        if action.id == SOURCE:
            self.at(now + 0.5, git("new", requested=action.token, lastHandledReconcileAt=action.token))
            for name in self.needs if self.there else ():
                self.at(now + 0.5, name)
            return
        self.asked.append((action.id.name, now))
        self.look(action.id.name, now)

    def look(self, name: str, now: float) -> None:
        if any(self.ready.get(need, float("inf")) > now for need in self.needs[name]):
            self.at(now, kustomization(name, "old", "DependencyNotReady"))
        elif name not in self.ready:
            self.ready[name] = now + self.work[name]
            self.at(now, live(unit_id(name), ("Reconciling", "True", "Progressing"), observedGeneration=1))
            self.at(self.ready[name], kustomization(name, "new"))

    def play(self, machine: Reconciliation) -> float:
        now = 0.0
        for _ in range(10_000):
            if machine.is_done or machine.is_stuck:
                return now
            due, wake = (self.events[0][0] if self.events else None), machine.wake_at()
            assert due is not None or wake is not None, "a run that is neither done nor stuck has something to wait for"
            if wake is None or (due is not None and due <= wake):
                now, _, event = heapq.heappop(self.events)
                if isinstance(event, str):
                    self.look(event, now)
                    continue
                actions = machine.handle(Gone(event, now) if isinstance(event, ResourceId) else Seen(event, now))
            else:
                now = max(now, wake)
                actions = machine.handle(Tick(now))
            for action in actions:
                self.act(action, now)
        raise AssertionError("the run never ends")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, set[str]], dict[str, float]]:
    names = [f"u{number}" for number in range(draw(st.integers(1, 8)))]
    needs = {name: set(draw(st.lists(st.sampled_from(names[:index]), max_size=3)) if index else []) for index, name in enumerate(names)}
    return needs, {name: draw(st.sampled_from([0.2, 1.0, 7.0, 45.0])) for name in names}


def machine_for(needs: dict[str, set[str]], nudge: Nudge) -> Reconciliation:
    return run(source(), *(unit(name, *map(unit_id, targets), nudge=nudge) for name, targets in needs.items()))


@settings(max_examples=60, deadline=None)
@given(graphs(), st.sampled_from([Nudge.APPLY, Nudge.REQUEST]))
def test_a_run_keeps_the_order_ends_and_takes_no_longer_than_the_longest_chain(graph: tuple[dict[str, set[str]], dict[str, float]], nudge: Nudge) -> None:
    needs, work = graph
    engine = Engine(needs, work, there=nudge is Nudge.REQUEST)
    took = engine.play(machine_for(needs, nudge))
    longest: dict[str, float] = {}
    for name in needs:
        longest[name] = work[name] + max((longest[need] for need in needs[name]), default=0.0)

    assert all(engine.ready[need] <= when for name, when in engine.asked for need in needs[name])
    # Half a second for the source.
    assert took <= max(longest.values()) + 0.6


@settings(max_examples=40, deadline=None)
@given(graphs(), st.data())
def test_a_run_that_cannot_succeed_ends_too_and_does_all_that_can_be_done(graph: tuple[dict[str, set[str]], dict[str, float]], data: st.DataObject) -> None:
    needs, work = graph
    first, second = data.draw(st.sampled_from(sorted(needs))), data.draw(st.sampled_from(sorted(needs)))
    needs = needs | {first: needs[first] | {second}, second: needs[second] | {first}}
    engine = Engine(needs, work, there=True)
    machine = machine_for(needs, Nudge.REQUEST)
    engine.play(machine)
    behind = set(_reaching(needs, first))

    assert machine.is_stuck
    assert set(engine.ready) == set(needs) - behind


def _reaching(needs: dict[str, set[str]], target: str) -> Iterator[str]:
    found = {target}
    while True:
        more = {name for name, targets in needs.items() if targets & found} - found
        if not more:
            return iter(found)
        found |= more
