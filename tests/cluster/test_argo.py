"""Applications: what is asked of Argo CD next, what a sync window holds back, what is judged well."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.cluster import argo
from gitops_secrets.cluster.diagnose import Diagnosis, Evidence
from gitops_secrets.cluster.live import Live
from gitops_secrets.cluster.reconciliation import Reconciliation
from gitops_secrets.cluster.run import Action, Nudge, Phase, Seen, Target, Tick, Wanted
from gitops_secrets.cluster.status import Health, status_of
from gitops_secrets.cluster.targets import targets_of
from gitops_secrets.cluster.verify import Judge, Observed
from gitops_secrets.cluster.windows import denial
from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.pipeline.scan import ClusterAnalysis, analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree

OLD, NEW, NEWER = "0" * 40, "1" * 40, "2" * 40
STARTED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PROJECT = ResourceId("argoproj.io", "AppProject", "argocd", "platform")
AUTOMATED = {"automated": {"prune": True}}


def application_id(name: str) -> ResourceId:
    return ResourceId("argoproj.io", "Application", "argocd", name)


def application(
    name: str,
    revision: str,
    sync: str = "Synced",
    health: str = "Healthy",
    *,
    operation: tuple[str, str] | None = None,
    policy: Any = None,
    annotations: dict[str, str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    source = {"repoURL": "https://git.example.org/platform", "path": name, "targetRevision": "main"}
    status: dict[str, Any] = {"sync": {"status": sync, "revision": revision, "comparedTo": {"source": source}}, "health": {"status": health}}
    if operation is not None:
        status["operationState"] = {"phase": operation[0], "syncResult": {"revision": operation[1]}, "message": "one or more objects failed to apply"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "resourceVersion": "7", "annotations": annotations or {}},
        "spec": {"source": source, "project": "platform", "destination": {"namespace": name}, **({"syncPolicy": policy} if policy else {})},
        "status": status,
        **fields,
    }


def refreshed(action: Action, *state: Any, **fields: Any) -> dict[str, Any]:
    """The Application once the controller has taken the refresh up."""
    return application(action.id.name, *state, annotations={argo.REQUESTED_AT: action.token}, **fields)


def target(name: str, *needs: ResourceId, **fields: Any) -> Target:
    return Target(application_id(name), Nudge.REQUEST, frozenset(needs), **fields)


def run(*targets: Target) -> Reconciliation:
    return Reconciliation(targets, Wanted(NEW, frozenset({OLD})), "run", STARTED)


def nudges(actions: Iterable[Action]) -> list[tuple[ResourceId, Nudge]]:
    return [(action.id, action.nudge) for action in actions]


def project(*windows: dict[str, Any]) -> Live:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "platform", "namespace": "argocd"},
        "spec": {"syncWindows": list(windows)},
    }


# What is asked next


def test_an_application_behind_the_commit_is_refreshed_and_then_synced() -> None:
    machine = run(target("a"))
    (refresh,) = machine.handle(Seen(application("a", OLD), 0.0))
    waiting = machine.handle(Seen(application("a", OLD, annotations={"argocd.argoproj.io/refresh": "normal"}), 0.1))
    (sync,) = machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync"), 1.0))
    machine.handle(Seen(application("a", NEW, operation=("Succeeded", NEW)), 3.0))

    assert (refresh.nudge, waiting, sync.nudge, machine.is_done) == (Nudge.REQUEST, [], Nudge.SYNC, True)


def test_a_sync_is_to_the_revision_that_was_compared_and_as_the_policy_says() -> None:
    policy = {"syncOptions": ["ServerSideApply=true"], "retry": {"limit": 2}}
    patch = argo.sync_request(application("a", NEW, "OutOfSync", policy=policy), "token")

    assert patch == {
        "metadata": {"resourceVersion": "7"},
        "operation": {
            "sync": {"prune": False, "revision": NEW, "syncOptions": ["ServerSideApply=true"]},
            "initiatedBy": {"username": "gitops-secrets"},
            "info": [{"name": "gitops-secrets", "value": "token"}],
            "retry": {"limit": 2},
        },
    }


def test_one_that_syncs_itself_is_left_alone_until_it_has_failed() -> None:
    machine = run(target("a"))
    (refresh,) = machine.handle(Seen(application("a", OLD, policy=AUTOMATED), 0.0))
    itself = machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync", policy=AUTOMATED), 1.0))
    working = machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync", policy=AUTOMATED, operation=("Running", NEW)), 1.1))
    failed = machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync", policy=AUTOMATED, operation=("Failed", NEW)), 9.0))

    assert (itself, working, nudges(failed)) == ([], [], [(application_id("a"), Nudge.SYNC)])


def test_what_failed_again_is_given_more_time_with_every_try() -> None:
    machine = run(target("a"))
    (refresh,) = machine.handle(Seen(application("a", NEW, "OutOfSync"), 0.0))
    machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync"), 1.0))
    machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync", operation=("Failed", NEW)), 2.0))
    first = machine.wake_at()
    (again,) = machine.handle(Tick(first or 0.0))
    machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync", operation=("Failed", NEW)), 7.0))

    assert (first, again.nudge, machine.wake_at(), machine.view(application_id("a")).phase) == (6.0, Nudge.SYNC, 16.0, Phase.FAILING)


def test_an_application_waits_for_what_it_needs_and_is_refreshed_at_once_then() -> None:
    machine = run(target("operator"), target("stores", application_id("operator")))
    machine.handle(Seen(application("stores", NEW, "OutOfSync", operation=("Failed", NEW)), 0.0))
    machine.handle(Seen(application("operator", NEW, "Synced", "Progressing"), 0.1))
    freed = machine.handle(Seen(application("operator", NEW), 5.0))

    assert nudges(freed) == [(application_id("stores"), Nudge.REQUEST)]


def test_a_newer_commit_counts_once_it_was_asked_for() -> None:
    machine = run(target("a"))
    (refresh,) = machine.handle(Seen(application("a", NEWER), 0.0))
    before = machine.is_done
    machine.handle(Seen(refreshed(refresh, NEWER), 1.0))

    assert (before, machine.is_done) == (False, True)


@pytest.mark.parametrize(
    ("compared_at", "policy", "is_stuck"), [("12:00:05", None, True), ("11:59:00", None, False), ("12:00:05", {"automated": {"selfHeal": True}}, False)]
)
def test_a_run_ends_at_what_was_found_out_of_sync_after_a_sync_that_went_well(compared_at: str, policy: Any, is_stuck: bool) -> None:
    machine = run(target("a"))
    (refresh,) = machine.handle(Seen(application("a", NEW, "OutOfSync"), 0.0))
    machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync"), 1.0))
    synced = refreshed(refresh, NEW, "OutOfSync", operation=("Succeeded", NEW), policy=policy)
    synced["status"]["operationState"]["finishedAt"] = "2026-11-22T12:00:00Z"
    synced["status"]["reconciledAt"] = f"2026-11-22T{compared_at}Z"
    machine.handle(Seen(synced, 2.0))

    assert (machine.is_stuck, machine.wake_at() is None) == (is_stuck, is_stuck)


def test_what_a_window_denies_is_said_and_not_asked_for() -> None:
    machine = run(target("a", PROJECT, project=PROJECT), Target(PROJECT, Nudge.NONE, goal=False))
    machine.handle(Seen(project({"kind": "deny", "schedule": "0 11 * * *", "duration": "2h", "applications": ["*"]}), 0.0))
    (refresh,) = machine.handle(Seen(application("a", OLD), 0.0))
    held = machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync"), 1.0))
    view = machine.view(application_id("a"))

    assert (held, machine.wake_at(), machine.is_stuck, view.phase) == ([], None, True, Phase.SUSPENDED)
    assert view.words == "the window 'deny 0 11 * * *' for 2h of AppProject/argocd/platform denies it"


def test_an_application_that_argo_cd_itself_applies_is_not_applied_again() -> None:
    root = Target(application_id("root"), Nudge.APPLY, creatable=True)
    free = run(root).handle(Seen(application("root", NEW), 0.0))
    tracked = run(root).handle(Seen(application("root", OLD, annotations={"argocd.argoproj.io/tracking-id": "x"}), 0.0))

    assert (nudges(free), nudges(tracked)) == ([(root.id, Nudge.APPLY)], [(root.id, Nudge.REQUEST)])


def test_a_sync_to_an_older_commit_that_does_not_end_is_ended() -> None:
    machine = run(target("a"))
    (refresh,) = machine.handle(Seen(application("a", OLD, "OutOfSync", operation=("Running", OLD)), 0.0))
    machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync", operation=("Running", OLD)), 1.0))
    (end,) = machine.handle(Tick(21.0))
    (sync,) = machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync", operation=("Failed", OLD)), 22.0))

    assert (end.nudge, end.patch["status"], sync.nudge) == (Nudge.END, {"operationState": {"phase": "Terminating"}}, Nudge.SYNC)


def test_a_sync_that_backs_off_is_not_waited_for_once_what_it_needs_is_there() -> None:
    machine = run(target("operator"), target("stores", application_id("operator")))
    backing_off = application("stores", NEW, "OutOfSync", operation=("Running", NEW))
    backing_off["status"]["operationState"]["finishedAt"] = "2026-11-22T12:00:00Z"
    machine.handle(Seen(backing_off, 0.0))
    (refresh,) = machine.handle(Seen(application("operator", NEW), 5.0))
    (end,) = machine.handle(Tick(5.1))
    (sync,) = machine.handle(Seen(refreshed(refresh, NEW, "OutOfSync", operation=("Failed", NEW)), 6.0))

    assert (refresh.nudge, end.nudge, sync.nudge) == (Nudge.REQUEST, Nudge.END, Nudge.SYNC)


# Whole runs


class ArgoCd:
    """Applications as Argo CD treats them. At a new commit those that sync themselves are tried once, whatever they need; all else happens when asked."""

    def __init__(self, needs: dict[str, set[str]], work: dict[str, float], automated: set[str]) -> None:
        self.needs, self.work, self.automated = needs, work, automated
        self.ready: dict[str, float] = {}
        self.failed: dict[str, float] = {}
        self.tokens: dict[str, tuple[float, str]] = {}  # of refreshes, from when on they are done
        self.asked: list[tuple[str, float]] = []
        self.events: list[tuple[float, str]] = [(0.0, name) for name in sorted(needs)]
        for name in sorted(automated):
            self.sync(0.0, name)

    def look(self, when: float, name: str) -> None:
        heapq.heappush(self.events, (when, name))

    def live(self, name: str, now: float) -> Live:
        done_at, token = self.tokens.get(name, (inf, ""))
        state: tuple[Any, ...] = (OLD, "Synced", "Healthy") if done_at > now else (NEW, "OutOfSync", "Healthy")
        phase = None
        for ended, how in ((self.failed.get(name), "Failed"), (self.ready.get(name), "Succeeded")):
            if ended is not None:
                phase = how if ended <= now else "Running"
                state = (NEW, "Synced", "Healthy") if phase == "Succeeded" else (NEW, "OutOfSync", "Degraded")
        fields = {"policy": AUTOMATED if name in self.automated else None, "annotations": {argo.REQUESTED_AT: token if done_at <= now else ""}}
        return application(name, *state, operation=phase and (phase, NEW), **fields)

    def act(self, action: Action, now: float) -> None:
        self.asked.append((action.id.name, now))
        if action.nudge is Nudge.SYNC:
            self.sync(now, action.id.name)
        else:
            self.tokens[action.id.name] = now + 0.5, action.token
            self.look(now + 0.5, action.id.name)

    def sync(self, now: float, name: str) -> None:
        met = all(self.ready.get(need, inf) <= now for need in self.needs[name])
        ended = (self.ready if met else self.failed)[name] = now + (self.work[name] if met else 0.2)
        self.look(now, name)
        self.look(ended, name)

    def play(self, machine: Reconciliation) -> float:
        now = 0.0
        for _ in range(2_000):
            if machine.is_done:
                return now
            wake = machine.wake_at()
            if self.events and (wake is None or self.events[0][0] <= wake):
                now, name = heapq.heappop(self.events)
                actions = machine.handle(Seen(self.live(name, now), now))
            else:
                assert wake is not None, "a run that is not done has something to wait for"
                now = max(now, wake)
                actions = machine.handle(Tick(now))
            for action in actions:
                self.act(action, now)
        raise AssertionError("the run never ends")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, set[str]], dict[str, float], set[str]]:
    names = [f"a{number}" for number in range(draw(st.integers(1, 6)))]
    needs = {name: set(draw(st.lists(st.sampled_from(names[:index]), max_size=3)) if index else []) for index, name in enumerate(names)}
    return needs, {name: draw(st.sampled_from([0.3, 1.0, 7.0])) for name in names}, set(draw(st.lists(st.sampled_from(names))))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_a_run_keeps_the_order_and_takes_no_longer_than_the_longest_chain(graph: tuple[dict[str, set[str]], dict[str, float], set[str]]) -> None:
    needs, work, automated = graph
    engine = ArgoCd(needs, work, automated)
    took = engine.play(run(*(target(name, *map(application_id, targets)) for name, targets in needs.items())))
    longest: dict[str, float] = {}
    for name in needs:
        # Half a second for the refresh of each.
        longest[name] = work[name] + 0.6 + max((longest[need] for need in needs[name]), default=0.0)

    assert all(engine.ready[need] <= when for name, when in engine.asked for need in needs[name])
    assert took <= max(longest.values()) + 0.4


# Windows


@pytest.mark.parametrize(
    ("windows", "is_denied"),
    [
        ([], False),
        ([{"kind": "deny", "schedule": "0 11 * * *", "duration": "2h", "applications": ["*"]}], True),
        ([{"kind": "deny", "schedule": "0 11 * * *", "duration": "2h", "applications": ["*"], "manualSync": True}], False),
        ([{"kind": "deny", "schedule": "0 11 * * *", "duration": "30m", "applications": ["*"]}], False),
        ([{"kind": "deny", "schedule": "0 11 * * *", "duration": "2h", "applications": ["b*"]}], False),
        ([{"kind": "deny", "schedule": "0 11 * * *", "duration": "2h", "namespaces": ["a"]}], True),
        ([{"kind": "deny", "schedule": "0 11 * * *", "duration": "2h", "applications": ["a"], "namespaces": ["b"], "andOperator": True}], False),
        ([{"kind": "deny", "schedule": "0 6 * * *", "duration": "2h", "applications": ["*"], "timeZone": "America/New_York"}], True),
        ([{"kind": "deny", "schedule": "never", "duration": "2h", "applications": ["*"]}], True),
        ([{"kind": "allow", "schedule": "0 22 * * *", "duration": "1h", "applications": ["*"]}], True),
        ([{"kind": "allow", "schedule": "0 22 * * *", "duration": "1h", "applications": ["*"], "manualSync": True}], False),
        ([{"kind": "allow", "schedule": "0 11 * * ?", "duration": "2h", "applications": ["*"]}], False),
    ],
)
def test_windows_deny_as_argo_cd_judges_them(windows: list[dict[str, Any]], is_denied: bool) -> None:
    assert (denial(project(*windows), application("a", NEW), STARTED) is not None) is is_denied


# Status


@pytest.mark.parametrize(
    ("live", "health", "reason"),
    [
        (application("a", NEW), Health.CURRENT, ""),
        (application("a", NEW, "OutOfSync"), Health.IN_PROGRESS, "OutOfSync"),
        (application("a", NEW, health="Degraded"), Health.IN_PROGRESS, "Degraded"),
        (application("a", NEW, operation=("Running", NEW)), Health.IN_PROGRESS, "Working"),
        (application("a", NEW, operation=("Failed", NEW)), Health.IN_PROGRESS, "SyncFailed"),
        (application("a", NEW, operation=("Failed", OLD)), Health.CURRENT, ""),
        (application("a", NEW, annotations={"argocd.argoproj.io/skip-reconcile": "true"}), Health.SUSPENDED, "Skipped"),
        (application("a", NEW, spec={"source": {"path": "elsewhere"}}), Health.IN_PROGRESS, "NotCompared"),
    ],
)
def test_an_application_is_well_when_synced_healthy_and_done(live: Live, health: Health, reason: str) -> None:
    status = status_of(live, default_table().row("argoproj.io", "Application"))

    assert (status.health, status.reason) == (health, reason)


# Of a repository


def manifest(name: str, wave: int = 0) -> str:
    return f"""
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd, annotations: {{argocd.argoproj.io/sync-wave: "{wave}"}}}}
spec:
  project: platform
  source: {{repoURL: https://git.example.org/platform, path: {name}, targetRevision: main}}
  destination: {{server: https://kubernetes.default.svc, namespace: {name}}}
---
"""


FILES = {
    "root.yaml": manifest("apps"),
    "apps/all.yaml": manifest("operator") + manifest("stores", 1),
    "operator/definition.yaml": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: clustersecretstores.external-secrets.io}
spec: {group: external-secrets.io, names: {kind: ClusterSecretStore, plural: clustersecretstores}, scope: Cluster, versions: [{name: v1, served: true}]}
""",
    "stores/store.yaml": """
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-central-1}}}
""",
}


def platform() -> ClusterAnalysis:
    (cluster,) = analyse(repository_of(MemoryTree(FILES))).clusters
    return cluster


def test_a_root_is_applied_and_its_children_are_asked_once_what_they_need_is_there() -> None:
    targets = {found.id: found for found in targets_of(platform().plan, default_table())}
    definition = ResourceId("apiextensions.k8s.io", "CustomResourceDefinition", "", "clustersecretstores.external-secrets.io")
    root, stores = targets[application_id("apps")], targets[application_id("stores")]

    assert (root.nudge, root.creatable, root.needs) == (Nudge.APPLY, True, {PROJECT})
    assert (stores.nudge, stores.creatable, stores.needs) == (Nudge.REQUEST, False, {PROJECT, definition})


def test_an_application_waits_for_what_flux_brings() -> None:
    kustomization = """
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: NAME, namespace: flux-system}
spec: {interval: 10m, path: ./NAME, prune: true, wait: true, sourceRef: {kind: GitRepository, name: flux-system}}
---
"""
    source = """
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: "https://git.example.org/platform"}
---
"""
    units = source + kustomization.replace("NAME", "flux-system").replace("./flux-system", "./cluster")
    files = {
        "cluster/flux-system/gotk-sync.yaml": units,
        "cluster/units.yaml": kustomization.replace("NAME", "operator") + kustomization.replace("NAME", "apps"),
        "apps/stores.yaml": manifest("stores"),
    }
    kept = {path: text for path, text in FILES.items() if path.startswith(("operator/", "stores/"))}
    (cluster,) = analyse(repository_of(MemoryTree(files | kept))).clusters
    targets = {found.id: found for found in targets_of(cluster.plan, default_table())}
    definition = ResourceId("apiextensions.k8s.io", "CustomResourceDefinition", "", "clustersecretstores.external-secrets.io")

    assert definition in targets[application_id("stores")].needs


def test_an_application_that_waits_for_what_it_holds_is_not_the_root() -> None:
    store = ResourceId("external-secrets.io", "ClusterSecretStore", "", "aws")
    broken = {"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "aws"}}
    broken["status"] = {"conditions": [{"type": "Ready", "status": "False", "reason": "InvalidProviderConfig", "message": "unable to create client"}]}
    live = {application_id("apps"): application("apps", NEW, health="Progressing"), application_id("operator"): application("operator", NEW)}
    live |= {application_id("stores"): application("stores", NEW, health="Degraded"), store: broken, PROJECT: project()}
    observed, cluster = Observed(STARTED, live), platform()
    verdicts = Judge(cluster.graph, default_table(), observed, Wanted(NEW, frozenset({OLD}))).verdicts()
    causes = Diagnosis(cluster.plan, default_table(), Evidence(observed, verdicts)).causes()

    assert [(cause.subject, cause.affected) for cause in causes] == [(store, (application_id("apps"), application_id("stores")))]


def test_a_window_that_holds_an_application_back_is_told() -> None:
    closed = project({"kind": "deny", "schedule": "0 11 * * *", "duration": "2h", "applications": ["stores"]})
    live = {application_id(name): application(name, NEW) for name in ("apps", "operator")}
    live |= {application_id("stores"): application("stores", OLD, "OutOfSync"), PROJECT: closed}
    observed = Observed(STARTED, live)
    verdicts = Judge(platform().graph, default_table(), observed, Wanted(NEW, frozenset({OLD}))).verdicts()
    causes = Diagnosis(platform().plan, default_table(), Evidence(observed, verdicts)).causes()
    complaints = {verdict.id.name: [complaint.word for complaint in verdict.complaints] for verdict in verdicts}

    assert complaints == {"apps": [], "aws": ["missing"], "operator": [], "stores": ["not-ready", "old-revision", "sync-window"]}
    assert "Application/argocd/stores: a sync window holds it back" in [cause.title for cause in causes]
