"""From many symptoms to their roots: the graph is walked from everything that is not well to what it hangs on, as far as that is not well either."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gitops_secrets.cluster.argo import is_application
from gitops_secrets.cluster.explanations import Words, explain
from gitops_secrets.cluster.live import Live, LiveEvent, at, condition, text
from gitops_secrets.cluster.status import Health, Status, status_of
from gitops_secrets.cluster.verify import Observed
from gitops_secrets.graph.loops import shortest_cycles
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Effect
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import Cause, Verdict
from gitops_secrets.ordering.order import Plan

_CHECKING: Final = re.compile(r"Running health checks(?: for revision (?P<revision>\S+))?(?: with a timeout of (?P<timeout>\S+))?")
# kustomize-controller's default for --concurrent.
_WORKERS: Final = 4
_NO_MATCH: Final = re.compile(r'no matches for kind "(?P<kind>[^"]+)" in version "(?P<version>[^"]+)"')
_OUTSIDE: Final = frozenset({"HealthCheckFailed", "Progressing", "ProgressingWithRetry", "HealthCheckCanceled", ""})
_QUOTED_EVENTS: Final = 3
# kustomize-controller's words where a dependency was there and not ready yet.
_WAITED: Final = "' is not ready"
_NOT_SEEN: Final = "its controller has not looked at it"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a diagnosis rests on besides the graph."""

    observed: Observed
    verdicts: tuple[Verdict, ...]
    events: Mapping[ResourceId, tuple[LiveEvent, ...]] = field(default_factory=dict)
    unread: Mapping[ResourceId, str] = field(default_factory=dict)  # why events could not be read
    served: Mapping[tuple[str, str], str] = field(default_factory=dict)  # version in which a kind is served, by group and kind


class Diagnosis:
    """Where a cluster hangs."""

    def __init__(self, plan: Plan, table: KindTable, evidence: Evidence) -> None:
        self.plan, self.graph, self.table = plan, plan.graph, table
        self.evidence = evidence
        self.live = evidence.observed.live
        self.unwell = {verdict.id: verdict for verdict in evidence.verdicts if not verdict.is_well}
        self.needs: dict[ResourceId, list[ResourceId]] = {}
        self.uses: dict[ResourceId, list[ResourceId]] = {}  # of these, what it needs once it is accepted
        self.content: dict[ResourceId, list[ResourceId]] = {}
        for edge in self.graph.resource_edges:
            if edge.before is None and edge.provider_unit is not None and edge.requirement.effect is not Effect.ROTATE and not edge.is_alternative:
                self.needs.setdefault(edge.requirement.resource, []).append(edge.provision.resource)
                if edge.requirement.effect is Effect.READY:
                    self.uses.setdefault(edge.requirement.resource, []).append(edge.provision.resource)
        for id, asking in self.graph.asked_of_outside.items():
            for requirement in asking:
                if not requirement.optional and requirement.effect is not Effect.ROTATE:
                    self.needs.setdefault(requirement.resource, []).append(id)
                    if requirement.effect is Effect.READY:
                        self.uses.setdefault(requirement.resource, []).append(id)
        written = ((unit, target) for unit, targets in self.graph.dependencies.items() for target in targets)
        # Units that wait for each other, with the first of their circle.
        self.circles = {unit: circle[0] for circle in shortest_cycles(written) for unit in circle}
        for id, unit in self.graph.unit_of.items():
            self.content.setdefault(unit, []).append(id)
        self.busy = sorted(id for id, live in self.live.items() if id.kind == "Kustomization" and _is_checking(live))
        self.queued = self._queue()
        # What has one cause, each with the first of its kind.
        self.alike = dict.fromkeys(self.queued, self.queued[0]) if self.queued else {}
        for id in sorted(self.unwell):
            if self._status(id).health is Health.TERMINATING:
                self.alike[id] = next((first for first in self.alike.values() if first.group_kind == id.group_kind), id)

    def _queue(self) -> list[ResourceId]:
        """Units that no worker is free for."""
        if len(self.busy) < _WORKERS:
            return []
        return sorted(id for id in self.unwell if id.kind == "Kustomization" and id in self.live and not self._was_tried(id))

    @property
    def roots(self) -> tuple[ResourceId, ...]:
        """What is not well though nothing that it hangs on is; the first on each circle counts as one. Their events are worth to be read."""
        return tuple(sorted({root for id in self.unwell for root in self._roots_of(id)}))

    def causes(self) -> tuple[Cause, ...]:
        """The roots, that with most behind it first; units that can't even be tried come before all, since no other will be."""
        affected: dict[ResourceId, set[ResourceId]] = {}
        for id in self.unwell:
            for root in self._roots_of(id):
                affected.setdefault(root, set()).add(id)
        words = {root: self._words(root) for root in affected}
        firsts: dict[tuple[str, tuple[ResourceId, ...], str], ResourceId] = {}
        for root in sorted(words):
            if words[root].is_of_store:
                first = firsts.setdefault((root.kind, self._stores(root), words[root].title), root)
                affected[first] |= affected[root] if first == root else affected.pop(root)
        causes = [self._cause(root, words[root], tuple(sorted(hanging - {root}))) for root, hanging in affected.items()]
        return tuple(sorted(causes, key=lambda cause: (cause.subject not in self.queued, -len(cause.affected), cause.subject)))

    # The walk

    def _roots_of(self, start: ResourceId) -> set[ResourceId]:
        roots, pending, seen = set(), [start], {start}
        while pending:
            current = pending.pop()
            blamed = [id for id in dict.fromkeys(self._blamed(current)) if id in self.unwell and id != current]
            if not blamed or (current in self.circles and self.circles[current] == current):
                roots.add(current)
            for id in blamed:
                if id not in seen:
                    seen.add(id)
                    pending.append(id)
        # On a circle that no manifest tells of, everything blames something else.
        return roots or {min(seen)}

    def _status(self, id: ResourceId) -> Status:
        return status_of(self.live.get(id), self.table.row(*id.group_kind))

    def _blamed(self, id: ResourceId) -> Iterator[ResourceId]:
        """What the trouble of an object may come from."""
        circle = self.circles.get(id)
        if circle is not None and circle != id:
            yield circle
            return
        if id in self.alike:
            yield self.alike[id]
            return
        if id in self.evidence.observed.unreadable:
            return
        if id not in self.live:
            yield from self._unapplied(id)
            return
        if id in self.graph.units and id.kind == "Kustomization":
            yield from self._blamed_by_unit(id)
            return
        if id in self.graph.units and is_application(id):
            yield from self._blamed_by_application(id)
            return
        # Once it is accepted, and somebody has looked at it, what brought its definition has no part in it.
        yield from (self.needs if self._status(id).reason == "NoStatus" else self.uses).get(id, ())
        if id in self.graph.units:
            yield from self.graph.dependencies.get(id, ())

    def _unapplied(self, id: ResourceId) -> Iterator[ResourceId]:
        """What keeps something away that is not there: whoever applies or makes it."""
        unit = self.graph.unit_of.get(id)
        if unit is not None and unit != id:
            yield unit
            return
        if id in self.graph.units:
            # Applied by this tool, once what comes first is ready.
            yield from self.graph.dependencies.get(id, ())
        for provision in self.graph.provisions.get(id, ()):
            yield provision.resource

    def _blamed_by_unit(self, id: ResourceId) -> Iterator[ResourceId]:
        unit, status = self.graph.units[id], self._status(id)
        if at(self.live[id], "spec", "suspend") is True:
            return
        if unit.source is not None:
            yield unit.source
        if status.reason == "DependencyNotReady" or not self._was_tried(id):
            yield from (dependencies := self.graph.dependencies.get(id, ()))
            if _WAITED in status.message and not any(dependency in self.unwell for dependency in dependencies):
                # What it waited for is ready by now; at its next try it meets what its content needs.
                yield from (need for each in self.content.get(id, ()) for need in self.needs.get(each, ()))
            return
        yield from self.needs.get(id, ())
        content = self.content.get(id, ())
        if status.reason in _OUTSIDE or status.is_ready:
            yield from (each for each in content if each in self.live)
            yield from (check.target for check in unit.health_checks)
            return
        for each in content:
            if each not in self.live:
                yield from self._outer_needs(each, id)

    def _blamed_by_application(self, id: ResourceId) -> Iterator[ResourceId]:
        """What it holds, as far as that is there; of what is not, whatever it waits for elsewhere."""
        yield from self.needs.get(id, ())
        for each in self.content.get(id, ()):
            if each in self.live:
                yield each
            else:
                yield from self._outer_needs(each, id)

    def _outer_needs(self, id: ResourceId, unit: ResourceId) -> Iterator[ResourceId]:
        """What an object of a refused unit needs of others: the unit that brings it, or what is not well in there."""
        for need in self.needs.get(id, ()):
            provider = self.graph.unit_of.get(need)
            if provider is not None and provider != unit:
                yield need
                yield provider

    def _was_tried(self, id: ResourceId) -> bool:
        return condition(self.live[id], "Ready") is not None

    # What it comes to

    def _words(self, root: ResourceId) -> Words:
        status = self._status(root)
        return (
            self._circle(root)
            or self._by_state(root, self.live.get(root), status)
            or self._not_served(root, status)
            or explain(root.kind, (*(event.message for event in self._warnings(root)), status.words))
            or self._plainly(self.unwell[root], status)
        )

    def _warnings(self, root: ResourceId) -> list[LiveEvent]:
        return [event for event in self.evidence.events.get(root, ()) if event.warning]

    def _stores(self, id: ResourceId) -> tuple[ResourceId, ...]:
        return tuple(need for need in self.needs.get(id, ()) if need.kind in ("SecretStore", "ClusterSecretStore"))

    def _cause(self, root: ResourceId, words: Words, affected: tuple[ResourceId, ...]) -> Cause:
        live, status = self.live.get(root), self._status(root)
        evidence = [f"status: {status.words}"] if live is not None and status.words else []
        evidence += [f"event: {event.reason}: {event.message}" for event in _distinct(self._warnings(root))]
        if root in self.evidence.unread:
            evidence.append(f"its events can't be read: {self.evidence.unread[root]}")
        return Cause(root, f"{root}: {words.title}", tuple(evidence), words.meaning, words.advice, affected, self.unwell[root].place)

    def _circle(self, root: ResourceId) -> Words | None:
        if root not in self.circles:
            return None
        cycle = next(cycle for cycle in self.plan.cycles if root in cycle.units) if any(root in each.units for each in self.plan.cycles) else None
        members = [id for id, first in self.circles.items() if first == root]
        units = cycle.units if cycle is not None else tuple(members)
        way = " → ".join(unit.name for unit in (*units, units[0]))
        cut = cycle.cut if cycle is not None else None
        return Words(
            f"units wait for each other: {way}",
            "no status says so; and Flux then drops the events of new commits for every unit of that source",
            f"cut {cut.consumer.name} → {cut.provider.name}, which nothing needs"
            if cut is not None
            else "cut one of these dependsOn; what both need goes into a third unit",
        )

    def _by_state(self, root: ResourceId, live: Live | None, status: Status) -> Words | None:
        """Causes that stand in no message."""
        if root in self.evidence.observed.unreadable:
            return Words(
                f"it may not be read: {self.evidence.observed.unreadable[root]}",
                "whether it is there, and what its state is, can't be said",
                "grant the permission: docs/reconcile.md and docs/controller.md say what each is for",
            )
        if live is None:
            return self._absent(root)
        if at(live, "spec", "suspend") is True:
            return Words(
                "it is suspended",
                "a suspended object does nothing; what depends on it and has the same source waits from the next commit on",
                f"resume it: flux resume {_flux_noun(root)} {root.name} -n {root.namespace}",
            )
        if status.health is Health.TERMINATING:
            return Words(
                "it is being deleted, and a finalizer holds it",
                f"whoever has to take the finalizer off is gone or stuck: {status.message}; its unit may say Ready all the same",
                "bring its operator back until it is gone; else take the finalizer off by hand",
            )
        held = next((complaint for complaint in self.unwell[root].complaints if complaint.word == "sync-window"), None)
        if held is not None:
            return Words("a sync window holds it back", held.message, "wait for the window, or let who owns the project change it")
        if status.reason == "NoStatus":
            return self._unseen(root)
        if root.kind == "Kustomization" and not self._was_tried(root):
            return self._queued(root)
        return self._stuck(live)

    def _stuck(self, live: Live) -> Words | None:
        """A unit that waits for what its own status does not name."""
        reconciling = condition(live, "Reconciling")
        checking = _CHECKING.search(reconciling.message) if reconciling is not None and reconciling.status == "True" else None
        if checking is None or checking["revision"] is None:
            return None
        branch, _, commit = checking["revision"].rpartition(":")
        return Words(
            f"it waits for its health checks at revision {branch}:{commit[:12]}",
            f"it takes up no newer revision before they have passed or its timeout of {checking['timeout'] or '5m'} is over, also one that repairs them",
            "look at what its wait or healthChecks name; a shorter timeout ends such a wait sooner",
        )

    def _absent(self, root: ResourceId) -> Words:
        unit = self.graph.unit_of.get(root)
        if unit is not None and unit not in self.unwell and unit in self.live:
            return Words(
                "it is not there, though its unit is Ready",
                f"{unit} has applied what the repository says, and it was deleted since, or the unit is told to leave it alone",
                "reconcile the unit; look for kustomize.toolkit.fluxcd.io annotations on the object",
            )
        if root.group_kind == ("", "Secret"):
            return Words("it is not there", "nothing in the repository makes it", "create it, or correct the name where it is asked for")
        return Words("it is not there", "nothing has applied it", "apply the entry point: gitops-secrets reconcile does")

    def _unseen(self, root: ResourceId) -> Words:
        of_class = next((found for id in (root, *self._stores(root)) if (found := text(self.live.get(id), "spec", "controller"))), "")
        if of_class:
            return Words(
                f"{_NOT_SEEN}: it belongs to controller class {of_class!r}",
                "an operator passes over stores of another class, and over all that use them, without a word",
                "take spec.controller out of the store, or start the operator with that --controller-class",
            )
        return Words(
            _NOT_SEEN,
            "an operator looks at a new object within a second: it is not running, busy, or does not look at this namespace",
            "look at the operator's pods and log; its Deployment may say Available all the same",
            is_of_store=True,
        )

    def _queued(self, root: ResourceId) -> Words:
        if root in self.queued:
            return Words(
                "no worker of kustomize-controller is free for it",
                f"{len(self.busy)} units wait for their health checks, each with one of the {_WORKERS} workers: {', '.join(id.name for id in self.busy[:4])}",
                "repair these, give them a shorter timeout, or raise --concurrent",
            )
        return Words(
            _NOT_SEEN, "kustomize-controller takes up a new unit within a second: it is not running, or busy", "look at kustomize-controller and its log"
        )

    def _not_served(self, root: ResourceId, status: Status) -> Words | None:
        """A kind that is not served, by what is known of it."""
        found = _NO_MATCH.search(status.words)
        if found is None:
            return None
        kind, api_version = found["kind"], found["version"]
        group = api_version.rpartition("/")[0]
        there = self.evidence.served.get((group, kind))
        if there is not None and there != api_version.rpartition("/")[2]:
            return Words(
                f"{kind} is not served as {api_version}, only as {group}/{there}",
                "the definition is there, in another version: the message reads as if it were missing",
                f"write apiVersion: {group}/{there}",
            )
        if there is not None:
            return Words(
                f"it was refused before {kind} was served, and not tried since",
                "a unit that was refused is tried again after retryInterval, by default the whole interval",
                "reconcile it; write the dependsOn that is missing: gitops-secrets fix",
            )
        split = next((split for split in self.plan.splits if split.unit == root), None)
        if split is not None:
            edge = split.edges[0]
            return Words(
                f"it holds both {edge.requirement.resource} and what brings its definition, {edge.provision.resource}",
                "Flux checks all of a unit before it applies any of it, so this one can never be applied",
                "put them into units of their own: gitops-secrets fix --split",
            )
        return None

    def _plainly(self, verdict: Verdict, status: Status) -> Words:
        first = verdict.complaints[0].message.split("\n", 1)[0]
        return Words(
            first,
            f"its controller says no more than: {status.words}" if status.words else "its status says no more",
            "look at its events, and at the log of its controller",
        )


def events_wanted(diagnosis: Diagnosis, observed: Observed) -> tuple[ResourceId, ...]:
    """Roots whose events are to be read: those that are there."""
    return tuple(root for root in diagnosis.roots if root in observed.live)


def kinds_in_question(diagnosis: Diagnosis) -> tuple[tuple[str, str], ...]:
    """Kinds that something was refused for."""
    found = set()
    for root in diagnosis.roots:
        match = _NO_MATCH.search(diagnosis._status(root).words)
        if match is not None:
            found.add((match["version"].rpartition("/")[0], match["kind"]))
    return tuple(sorted(found))


def _distinct(events: Iterable[LiveEvent]) -> list[LiveEvent]:
    by_message: dict[str, LiveEvent] = {}
    for event in events:
        by_message.setdefault(event.message, event)
    return list(by_message.values())[:_QUOTED_EVENTS]


def _is_checking(live: Live) -> bool:
    reconciling = condition(live, "Reconciling")
    return reconciling is not None and reconciling.status == "True" and _CHECKING.search(reconciling.message) is not None


def _flux_noun(id: ResourceId) -> str:
    return {"GitRepository": "source git", "OCIRepository": "source oci", "Bucket": "source bucket", "HelmRepository": "source helm"}.get(
        id.kind, id.kind.lower()
    )
