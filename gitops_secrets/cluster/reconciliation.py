"""What to do next, as a state machine: what is seen in the cluster goes in, what to ask of it comes out.

A target is something that has to become ready: a unit, a source, a store, an ExternalSecret, a workload. Each is nudged (applied, asked to reconcile,
synced, or refreshed) the moment all that it needs is ready and it is not, because none of their controllers watches what its objects need: Flux looks again
after 30 s or a whole interval, Argo CD gives up a revision that failed some times, External Secrets Operator backs off for up to 7 min. No clock, no network,
no thread in here: time comes with the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gitops_secrets.cluster import argo, flux
from gitops_secrets.cluster.argo import is_application
from gitops_secrets.cluster.live import Live, at, commit_of, condition, live_id
from gitops_secrets.cluster.run import Action, Event, Nudge, Phase, Refused, Seen, Target, Tick, View, Wanted
from gitops_secrets.cluster.status import MISSING, Health, Status, is_about, status_of
from gitops_secrets.cluster.windows import denial
from gitops_secrets.model.ids import ResourceId

# What Flux does by itself gets this long before it is asked: a new object or artifact starts a reconciliation anyhow, and a second one costs as much again.
_GRACE: Final = 10.0
# A sync to an older commit may still end by itself.
_OLD_OPERATION: Final = 20.0
# kustomize-controller may look at its cache before the readiness that we saw has arrived there.
_CACHE_LAG: Final = 0.3
_FIRST_RETRY: Final = 5.0
_LONGEST_RETRY: Final = 60.0
_DEPENDENCY: Final = "DependencyNotReady"
# What the status of an Application comes to where it was tried.
_TROUBLE: Final = frozenset({"SyncFailed", "SyncError", "ComparisonError", "UnknownError", "Degraded"})


@dataclass(slots=True)
class _Node:
    target: Target
    live: Live | None = None
    known: bool = False
    status: Status = MISSING
    ready: bool = False
    seen_at: float = 0.0  # when its status last changed
    open_needs: int = 0
    needs_met_at: float | None = None
    nudged_at: float | None = None
    nudges: int = 0  # since its needs were met
    token: str = ""
    first: bool = True  # never nudged in this run
    first_seen_at: float = 0.0
    refused: bool = False
    syncs: int = 0  # since its needs were met

    @property
    def is_applied_by_us(self) -> bool:
        """Would a nudge apply it now? What a unit outside of the repository applies from git is only asked."""
        if self.live is None:
            return self.known and (self.target.creatable or self.target.nudge is Nudge.APPLY)
        return self.target.nudge is Nudge.APPLY and not is_applied_by_engine(self.live)


class Reconciliation:
    """One run towards a set of targets.

    Feed it with `handle`, do what it returns, and again at `wake_at`, until `is_done` or `is_stuck`.
    """

    def __init__(self, targets: Iterable[Target], wanted: Wanted, run: str, started: datetime | None = None) -> None:
        self._nodes = {target.id: _Node(target) for target in targets}
        self._wanted = wanted
        self._run = run
        self._started = started  # None: what hangs on the time of day is left to others
        self._now = 0.0
        self._dependents: dict[ResourceId, list[ResourceId]] = {}
        self._hopeful: dict[ResourceId, list[ResourceId]] = {}
        self._followers: dict[ResourceId, list[ResourceId]] = {}  # by source, parent and project
        for node in self._nodes.values():
            node.open_needs = len(node.target.needs)
            for need in node.target.needs:
                self._dependents.setdefault(need, []).append(node.target.id)
            for hope in node.target.hopes:
                self._hopeful.setdefault(hope, []).append(node.target.id)
            for leader in (node.target.source, node.target.parent, node.target.project):
                if leader is not None:
                    self._followers.setdefault(leader, []).append(node.target.id)
            if not node.target.needs:
                node.needs_met_at = 0.0
        self._unready = {node.target.id for node in self._nodes.values() if node.target.goal}
        self._tokens = 0

        self._touched = dict.fromkeys(self._nodes)

    # What it answers

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that this run is about."""
        return tuple(node.target for node in self._nodes.values())

    def is_known(self, id: ResourceId) -> bool:
        """Has it been looked at?"""
        return self._nodes[id].known

    def changes(self) -> tuple[View, ...]:
        """What may be different since this was asked last."""
        touched, self._touched = self._touched, {}
        return tuple(self.view(id) for id in touched)

    @property
    def is_done(self) -> bool:
        """Is every goal ready?"""
        return not self._unready

    @property
    def is_stuck(self) -> bool:
        """Can none of the goals that are left become ready without a change from outside?"""
        if not self._unready or any(not self._nodes[id].known for id in self._unready):
            return False
        hopeless = self._hopeless()
        return all(id in hopeless for id in self._unready)

    def view(self, id: ResourceId) -> View:
        """What is known of one target."""
        node = self._nodes[id]
        words = (None if node.ready else self._denial(node)) or node.status.words
        return View(id, self._phase(node), words, tuple(sorted(self._open(node))), node.target.goal)

    def wake_at(self) -> float | None:
        """When something is to be done though nothing happens; None: never."""
        return min((due for node in self._nodes.values() if (due := self._due(node)) is not None), default=None)

    # What happens

    def handle(self, event: Event) -> list[Action]:
        """What to do now. Never nudges a target before all that it needs is ready."""
        self._now = event.now
        if isinstance(event, Tick):
            return [action for id in list(self._nodes) for action in self._nudge(id, event.now)]
        id = live_id(event.live) if isinstance(event, Seen) else event.id
        node = self._nodes.get(id)
        if node is None:
            return []
        if isinstance(event, Refused):
            node.refused = True
            node.status = Status(Health.MISSING if node.live is None else Health.IN_PROGRESS, "Refused", event.message)
            self._touched[id] = None
            return []
        self._observe(node, event.live if isinstance(event, Seen) else None, event.now)
        changed = self._changed(id, event.now)
        self._touched.update(dict.fromkeys(changed))
        return [action for each in changed for action in self._nudge(each, event.now)]

    def _observe(self, node: _Node, live: Live | None, now: float) -> None:
        previous = node.status
        if not node.known:
            node.first_seen_at = now
        node.live, node.known = live, True
        node.status = status_of(live, node.target.row)
        if live is not None:
            node.refused = False
        if node.status != previous:
            node.seen_at = now

    def _changed(self, id: ResourceId, now: float) -> list[ResourceId]:
        """Judges a target anew, and all whose readiness hangs on it; the ones to look at for a nudge."""
        touched: dict[ResourceId, None] = {}
        pending, seen = [id], {id}
        while pending:
            current = pending.pop()
            touched[current] = None
            self._judge(self._nodes[current], now, touched)
            followers = [follower for follower in self._followers.get(current, ()) if follower not in seen]
            seen.update(followers)
            pending += followers
        return list(touched)

    def _judge(self, node: _Node, now: float, touched: dict[ResourceId, None]) -> None:
        ready = self._is_ready(node)
        if ready == node.ready:
            return
        node.ready = ready
        if node.target.goal:
            (self._unready.discard if ready else self._unready.add)(node.target.id)
        for id in self._dependents.get(node.target.id, ()):
            dependent = self._nodes[id]
            dependent.open_needs += -1 if ready else 1
            dependent.needs_met_at = None if dependent.open_needs else now
            dependent.nudges = dependent.syncs = 0
            touched.setdefault(id)
        for id in self._hopeful.get(node.target.id, ()) if ready else ():
            hopeful = self._nodes[id]
            if hopeful.needs_met_at is not None:
                hopeful.needs_met_at, hopeful.nudges = now, 0
                touched.setdefault(id)

    def _nudge(self, id: ResourceId, now: float) -> Iterator[Action]:
        node = self._nodes[id]
        due = self._due(node)
        if due is None or due > now:
            return
        nudge = node.target.nudge
        if node.is_applied_by_us and (node.first or node.refused or node.live is None):
            nudge = Nudge.APPLY
        elif nudge is Nudge.APPLY:
            nudge = Nudge.REQUEST
        if nudge is Nudge.REQUEST and is_application(id) and not node.first and node.live is not None and self._is_compared(node):
            nudge = Nudge.SYNC if argo.wants_sync(node.live) else Nudge.REQUEST
        if is_application(id) and node.live is not None and not node.first and (self._is_superseded(node.live) or argo.is_backing_off(node.live)):
            nudge = Nudge.END
        self._tokens += 1
        node.token = f"{self._run}.{self._tokens}"
        node.nudged_at = now
        node.nudges += 1
        node.first = False
        node.syncs += nudge is Nudge.SYNC
        yield Action(id, nudge, node.token, _patch(nudge, node.live, node.token))

    def _due(self, node: _Node) -> float | None:
        """When a target is to be nudged; None: not unless something changes."""
        met, nudge = node.needs_met_at, node.target.nudge
        if met is None or nudge is Nudge.NONE or node.status.health is Health.TERMINATING:
            return None
        if node.refused:
            return None if node.nudged_at is None else node.nudged_at + _backoff(node.nudges, _FIRST_RETRY)
        if node.is_applied_by_us and node.first:
            # Also where it is there: it may not be what the repository says.
            return met
        if node.live is None or node.status.health is Health.SUSPENDED or at(node.live, "spec", "suspend") is True:
            return None
        at_once = node.target.is_source or node.target.refresh or is_application(node.target.id)
        if node.first and not node.ready and at_once and not self._is_kept(node):
            return met
        if node.ready or self._is_kept(node):
            return None
        return self._next_sync(node, met) if is_application(node.target.id) else self._next_try(node, met)

    def _next_sync(self, node: _Node, met: float) -> float | None:
        """When an Application is compared anew, or synced, as the case may be."""
        assert node.live is not None
        since = max(met, node.nudged_at or 0.0)
        if self._is_superseded(node.live):
            return max(since, node.seen_at) + _OLD_OPERATION
        if argo.is_backing_off(node.live) and node.seen_at <= max(met, node.first_seen_at):
            # It failed before it could succeed: sooner than its next try is one of our own.
            return since
        if argo.is_working(node.live):
            return None
        if not self._is_compared(node):
            return since + _backoff(node.nudges, _FIRST_RETRY)
        if not argo.wants_sync(node.live):
            # Its health may be that of a moment that has passed: Argo CD looks again after two minutes.
            return max(since, node.seen_at) + _backoff(node.nudges, _GRACE)
        if argo.is_in_vain(node.live) or self._denial(node) is not None:
            return None
        if argo.syncs_itself(node.live):
            return max(since, node.seen_at) + _GRACE
        return since + _backoff(node.syncs, _FIRST_RETRY) if node.syncs else met

    def _is_superseded(self, live: Live) -> bool:
        return argo.is_superseded(live, self._wanted.behind)

    def _is_compared(self, node: _Node) -> bool:
        """Does the sync status of an Application tell of the wanted commit?"""
        return node.live is not None and argo.is_compared(node.live) and self._is_at_commit(node, node.live)

    def _is_at_commit(self, node: _Node, live: Live) -> bool:
        asked = node.target.nudge is Nudge.NONE or (not node.first and argo.is_handled(live, node.token)) or node.syncs > 0
        return argo.is_at(live, self._wanted.commit, self._wanted.behind, asked=asked)

    def _denial(self, node: _Node) -> str | None:
        """Why a sync window holds an Application back that has to be synced."""
        project = self._nodes.get(node.target.project) if node.target.project is not None else None
        if project is None or node.live is None or self._started is None or not argo.wants_sync(node.live):
            return None
        return denial(project.live, node.live, self._started + timedelta(seconds=self._now))

    def _next_try(self, node: _Node, met: float) -> float | None:
        assert node.live is not None
        if node.target.is_source:
            # Asked at the start, in any case; again while it is behind the commit.
            return node.nudged_at + _backoff(node.nudges, _FIRST_RETRY) if node.nudged_at is not None and _settled(node) else None
        if not _is_failing(node):
            # Flux takes up what is new by itself; an operator looks at a new object at once.
            if node.target.nudge is Nudge.REFRESH or _is_working(node.live):
                return None
            return max(met, node.seen_at, node.nudged_at or 0.0) + _backoff(node.nudges + 1, _GRACE)
        first = _CACHE_LAG if node.status.reason == _DEPENDENCY else _FIRST_RETRY
        if node.nudges == 0:
            # What failed before it could succeed is asked at once, what failed all the same is given time.
            ready_to_go = max(met, node.first_seen_at)
            return ready_to_go if node.seen_at <= ready_to_go else node.seen_at + first
        assert node.nudged_at is not None
        return node.nudged_at + _backoff(node.nudges, first)

    def _is_kept(self, node: _Node) -> bool:
        """Must it stay as it is: was it in sync once, and would a refresh make something new of it?"""
        return node.target.fresh_only and bool(at(node.live, "status", "refreshTime"))

    # Judging

    def _is_ready(self, node: _Node) -> bool:
        target = node.target
        if node.live is not None and target.is_source:
            # What is fetched stays usable while the next look is under way, or fails.
            return self._has_arrived(node)
        if node.live is None or not node.status.is_ready:
            return False
        if node.is_applied_by_us and node.first:
            return False
        if target.refresh and not self._is_kept(node) and node.target.nudge is Nudge.REFRESH:
            return not node.first
        if is_application(target.id):
            return self._is_at_commit(node, node.live)
        source = self._nodes.get(target.source) if target.source is not None else None
        if source is not None:
            return source.ready and flux.applied_revision(node.live) == flux.artifact_of(source.live)
        parent = self._nodes.get(target.parent) if target.parent is not None else None
        return parent is None or parent.target.source is None or self._has_applied(parent)

    def _has_arrived(self, node: _Node) -> bool:
        """Is the artifact of a source that of the wanted commit, or a newer one?"""
        revision = flux.artifact_of(node.live)
        if not revision:
            return False
        commit = commit_of(revision)
        if commit == self._wanted.commit:
            return True
        # Who only watches has not asked for a newer one, and takes what there is.
        asked = node.target.nudge is Nudge.NONE or (not node.first and node.live is not None and flux.is_handled(node.live, node.token))
        return asked and commit not in self._wanted.behind

    def _has_applied(self, node: _Node) -> bool:
        """Has a unit applied what its source has now? It may still be waiting for that to be healthy."""
        source = self._nodes.get(node.target.source) if node.target.source is not None else None
        if source is None or node.live is None:
            return node.ready
        if not source.ready:
            return False
        return flux.artifact_of(source.live) in (flux.applied_revision(node.live), flux.checked_revision(node.live))

    def _open(self, node: _Node) -> Iterator[ResourceId]:
        for need in node.target.needs:
            other = self._nodes.get(need)
            if other is None or not other.ready:
                yield need

    def _phase(self, node: _Node) -> Phase:
        if not node.known:
            return Phase.UNKNOWN if not node.open_needs else Phase.BLOCKED
        if node.ready:
            return Phase.READY
        if (node.open_needs or node.status.reason == _DEPENDENCY) and (node.live is None or not _is_working(node.live)):
            return Phase.BLOCKED
        if node.refused:
            return Phase.FAILING
        if node.live is None:
            return Phase.MISSING
        if at(node.live, "spec", "suspend") is True or self._denial(node) is not None:
            return Phase.SUSPENDED
        return Phase.FAILING if _is_failing(node) else Phase.PROGRESSING

    def _hopeless(self) -> Set[ResourceId]:
        """Targets that nothing but a change from outside helps: given up, suspended, in a circle, or in need of such a one."""
        possible = {id for id, node in self._nodes.items() if node.ready}
        pending = list(possible)
        waiting = {id: node.open_needs for id, node in self._nodes.items()}

        def admit(id: ResourceId) -> None:
            node = self._nodes[id]
            # What is not there comes with the unit that applies it.
            is_apart = node.live is not None or node.target.parent is None or node.target.parent not in self._nodes
            if id not in possible and not waiting[id] and not self._is_given_up(node) and (is_apart or node.target.parent in possible):
                possible.add(id)
                pending.append(id)

        for id in self._nodes:
            admit(id)
        while pending:
            current = pending.pop()
            for follower in self._followers.get(current, ()):
                admit(follower)
            for dependent in self._dependents.get(current, ()):
                if not self._nodes[current].ready:
                    waiting[dependent] -= 1
                admit(dependent)
        return self._nodes.keys() - possible

    def _is_given_up(self, node: _Node) -> bool:
        if node.live is None:
            return node.known and not node.target.brought
        if at(node.live, "spec", "suspend") is True or node.status.health is Health.SUSPENDED or self._denial(node) is not None:
            return True
        if is_application(node.target.id) and argo.is_in_vain(node.live):
            return True
        if node.status.health is Health.FAILED:
            return node.nudges > 0 or node.target.nudge is Nudge.NONE
        return node.nudges > 1 and flux.is_final(node.status)


def is_applied_by_engine(live: Live) -> bool:
    """Does kustomize-controller or Argo CD apply this object from git?"""
    return flux.is_applied_by_flux(live) or argo.is_applied_by_argo(live)


def _patch(nudge: Nudge, live: Live | None, token: str) -> Mapping[str, Any]:
    if live is None or nudge not in (Nudge.SYNC, Nudge.END):
        return {}
    return argo.sync_request(live, token) if nudge is Nudge.SYNC else argo.end_request(live)


def _backoff(attempts: int, first: float) -> float:
    return min(first * 2.0 ** max(attempts - 1, 0), _LONGEST_RETRY)


def _settled(node: _Node) -> bool:
    return node.live is not None and not _is_working(node.live)


def _is_working(live: Live) -> bool:
    """Is its controller at it right now? Those of External Secrets Operator and of workloads don't say so."""
    return argo.is_working(live) if live_id(live).group == argo.GROUP else flux.is_working(live)


def _is_failing(node: _Node) -> bool:
    """Was its present generation tried, and did it fail?"""
    if node.live is None or _is_working(node.live):
        return False
    if node.status.health is Health.FAILED:
        return True
    if is_application(node.target.id):
        return node.status.reason in _TROUBLE
    type_ = "Ready"
    if node.target.row is not None and node.target.row.readiness is not None:
        type_ = node.target.row.readiness.condition or type_
    found = condition(node.live, type_)
    return found is not None and found.status == "False" and is_about(found, node.live)
