"""Is every secret there, and everything that brings or reads it as it should be? A pure function over what was observed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from gitops_secrets.cluster import argo, flux
from gitops_secrets.cluster.argo import project_of
from gitops_secrets.cluster.live import Live, at, commit_of, condition, is_true, items, mapping, moment, text
from gitops_secrets.cluster.port import SecretFacts
from gitops_secrets.cluster.run import Wanted
from gitops_secrets.cluster.status import Health, Status, status_of
from gitops_secrets.cluster.windows import denial
from gitops_secrets.graph.graph import Graph
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import ObjectNeed
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.results import Unit
from gitops_secrets.model.verdicts import Complaint, Verdict
from gitops_secrets.model.workloads import ROLLED_OUT, WORKLOADS
from gitops_secrets.rendering.objects import seconds

ESO_GROUP: Final = "external-secrets.io"
EXTERNAL_SECRET: Final = (ESO_GROUP, "ExternalSecret")
_OWNING: Final = frozenset({"", "Owner"})
_DEFAULT_INTERVAL: Final = 3600.0
# An operator that is busy is late; one that is down is not there for longer.
_LATE: Final = timedelta(minutes=2)
_FIRST_WRITES: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Observed:
    """A cluster at one moment, as far as it matters."""

    now: datetime
    live: Mapping[ResourceId, Live]  # what is not in here is not there
    secrets: Mapping[ResourceId, SecretFacts] | None = None  # None: Secrets were not to be read
    pods: Mapping[ResourceId, tuple[Live, ...]] = field(default_factory=dict)  # by workload
    unreadable: Mapping[ResourceId, str] = field(default_factory=dict)  # what a permission is missing for
    unknown: Mapping[ResourceId, str] = field(default_factory=dict)  # workloads whose pods may not be looked at


@dataclass(frozen=True, slots=True)
class Wishes:
    """What has to be true of one Secret: who asks for it, and for which of its keys."""

    consumers: tuple[ResourceId, ...]
    keys: Mapping[str, tuple[ResourceId, ...]]


def wishes_of(graph: Graph) -> dict[ResourceId, Wishes]:
    """Every Secret that somebody in the graph can't do without."""
    consumers: dict[ResourceId, dict[ResourceId, None]] = {}
    keys: dict[ResourceId, dict[str, dict[ResourceId, None]]] = {}
    requirements = (edge.requirement for edge in graph.resource_edges if not edge.is_alternative)
    for requirement in (*requirements, *(unmet.requirement for unmet in graph.unmet)):
        need = requirement.need
        if isinstance(need, ObjectNeed) and need.id.group_kind == ("", "Secret") and not requirement.optional:
            consumers.setdefault(need.id, {})[requirement.resource] = None
            if need.key is not None:
                keys.setdefault(need.id, {}).setdefault(need.key, {})[requirement.resource] = None
    return {
        secret: Wishes(tuple(sorted(asking)), {key: tuple(sorted(who)) for key, who in sorted(keys.get(secret, {}).items())})
        for secret, asking in sorted(consumers.items())
    }


def secret_of(external_secret: ResourceId, live: Live) -> ResourceId | None:
    """The Secret that an ExternalSecret writes; None where it writes none, or something else."""
    target = mapping(live, "spec", "target")
    if text(target, "creationPolicy") == "None" or (target.get("manifest") and text(target, "manifest", "kind") != "Secret"):
        return None
    return ResourceId("", "Secret", external_secret.namespace, text(target, "name") or external_secret.name)


def children_of(live: Live) -> Iterator[ResourceId]:
    """The ExternalSecrets that a ClusterExternalSecret has made."""
    name = text(live, "status", "externalSecretName") or text(live, "spec", "externalSecretName") or text(live, "metadata", "name")
    for namespace in items(live, "status", "provisionedNamespaces"):
        if isinstance(namespace, str):
            yield ResourceId(*EXTERNAL_SECRET, namespace, name)


def names_made_for_all(graph: Graph) -> frozenset[str]:
    """The names of Secrets that ClusterExternalSecrets make, each in namespaces that only the cluster knows."""
    found = set()
    for applied in graph.cluster.resources:
        if applied.resource.id.kind == "ClusterExternalSecret":
            spec = mapping(applied.resource.data, "spec")
            found.add(text(spec, "externalSecretSpec", "target", "name") or text(spec, "externalSecretName") or applied.resource.id.name)
    return frozenset(found)


def is_only_looked_at(verdict: Verdict, observed: Observed) -> bool:
    """Is nothing wrong but that a controller is looking at the object anew? It may be as well after it as it was before."""
    live = observed.live.get(verdict.id)
    ready = condition(live, "Ready") if live is not None else None
    return (
        live is not None
        and [complaint.word for complaint in verdict.complaints] == ["not-ready"]
        and is_true(live, "Reconciling")
        and (ready is None or ready.status == "Unknown")
    )


class Judge:
    """Judges all that a graph says should be in a cluster."""

    def __init__(self, graph: Graph, table: KindTable, observed: Observed, wanted: Wanted) -> None:
        self.graph = graph
        self.table = table
        self.observed = observed
        self.wanted = wanted
        self.wishes = wishes_of(graph)
        self.makes: dict[ResourceId, list[ResourceId]] = {}  # wished Secrets, by who makes them
        for secret in self.wishes:
            for provision in graph.provisions.get(secret, ()):
                self.makes.setdefault(provision.resource, []).append(secret)
        self.readers = {consumer for wish in self.wishes.values() for consumer in wish.consumers}
        self.environments = secrets_in_environments(graph)
        self.places = {applied.resource.id: applied.resource.place for applied in graph.cluster.resources} | {
            unit.id: unit.place for unit in graph.units.values()
        }
        self.remote = {unit.id for unit in graph.units.values() if unit.remote}

    def verdicts(self) -> tuple[Verdict, ...]:
        """On sources, units, stores, whatever makes Secrets, the Secrets, and their readers; sorted."""
        found: dict[ResourceId, Verdict] = {}
        for verdict in self._all():
            found.setdefault(verdict.id, verdict)
        return tuple(found[id] for id in sorted(found))

    def status(self, id: ResourceId) -> Status:
        """The status of an object."""
        return status_of(self.observed.live.get(id), self.table.row(*id.group_kind))

    def _all(self) -> Iterator[Verdict]:
        units = [unit for unit in self.graph.units.values() if not unit.is_overlay]
        for source in sorted({unit.source for unit in units if unit.source is not None}):
            verdict = self._verdict(source, self._source(source))
            yield replace(verdict, remarks=tuple(self._superseded(source)))
        for unit in units:
            if self.graph.cluster.is_applied_from(unit) or any(parent in self.remote for parent in self.graph.ancestors(unit.id)):
                continue
            yield self._verdict(unit.id, self._unit(unit.id, unit.source) if unit.sync is None else self._application(unit))
        made: set[ResourceId] = set()
        for applied in self.graph.cluster.resources:
            id = applied.resource.id
            row = self.table.row(*id.group_kind)
            if applied.unit in self.remote or id in self.graph.units:
                continue
            if row is not None and row.readiness is not None:
                made.update(self.makes.get(id, ()))
                yield self._verdict(id, self._maker(id))
                if id.kind == "ClusterExternalSecret" and id in self.observed.live:
                    for child in children_of(self.observed.live[id]):
                        made.update(self._secret_of_child(child))
                        yield self._verdict(child, self._maker(child), id)
            elif id.group_kind in WORKLOADS and id in self.readers:
                yield self._workload(id)
        for secret, wish in self.wishes.items():
            if secret not in made and self.observed.secrets is not None and not all(self._is_remote(consumer) for consumer in wish.consumers):
                yield self._verdict(secret, self._content(secret, "", None))
        for id, message in self.observed.unreadable.items():
            if id.kind == "HelmRepository":
                # It is only looked at to explain what hangs on it.
                yield Verdict(id, (), (f"it can't be read: {message}",), self.graph.unit_of.get(id), self.places.get(id))

    def _is_remote(self, id: ResourceId) -> bool:
        return self.graph.unit_of.get(id) in self.remote

    def _verdict(self, id: ResourceId, complaints: Iterable[Complaint], parent: ResourceId | None = None) -> Verdict:
        if id in self.observed.unreadable:
            return Verdict(id, (Complaint("not-readable", self.observed.unreadable[id]),), (), self.graph.unit_of.get(id), self.places.get(id))
        known = parent or id
        return Verdict(id, tuple(complaints), (), self.graph.unit_of.get(known), self.places.get(known))

    # Argo CD

    def _application(self, unit: Unit) -> Iterator[Complaint]:
        yield from self._ready(unit.id)
        live = self.observed.live.get(unit.id)
        if live is None:
            return
        old = argo.is_behind(live, self.wanted.behind)
        if old is not None:
            yield Complaint("old-revision", f"it is compared with {old[:12]}, not yet with {(self.wanted.commit or '')[:12]}")
        project = project_of(unit, self.graph)
        denied = denial(self.observed.live.get(project), live, self.observed.now) if project is not None and argo.wants_sync(live) else None
        if denied is not None:
            yield Complaint("sync-window", f"it can't be synced now: {denied}")

    # Flux

    def _source(self, id: ResourceId) -> Iterator[Complaint]:
        yield from self._ready(id)
        revision = flux.artifact_of(self.observed.live.get(id))
        if revision and commit_of(revision) in self.wanted.behind:
            yield Complaint("old-revision", f"it is at {_short(revision)}, not yet at {(self.wanted.commit or '')[:12]}")

    def _superseded(self, id: ResourceId) -> Iterator[str]:
        """Is a source of what was read at a newer commit?"""
        revision = flux.artifact_of(self.observed.live.get(id))
        is_ours = any(unit.source == id and unit.path is not None for unit in self.graph.units.values())
        if revision and is_ours and self.wanted.commit is not None and commit_of(revision) not in {self.wanted.commit, *self.wanted.behind}:
            yield f"{self.wanted.commit[:12]} is superseded by {_short(revision)}"

    def _unit(self, id: ResourceId, source: ResourceId | None) -> Iterator[Complaint]:
        live = self.observed.live.get(id)
        yield from self._ready(id)
        if live is None or source is None:
            return
        artifact = flux.artifact_of(self.observed.live.get(source))
        applied = flux.applied_revision(live)
        if artifact and applied != artifact:
            yield Complaint("old-revision", f"it has applied {_short(applied) or 'nothing'}; {source.name} is at {_short(artifact)}")

    def _ready(self, id: ResourceId) -> Iterator[Complaint]:
        status = self.status(id)
        if at(self.observed.live.get(id), "spec", "suspend") is True:
            yield Complaint("suspended", "it is suspended, so nothing changes")
        elif status.health is Health.MISSING:
            yield Complaint("missing", "it is not in the cluster")
        elif status.health is Health.TERMINATING:
            yield Complaint("terminating", f"it is being deleted: {status.message}" if status.message else "it is being deleted")
        elif status.health is Health.FAILED:
            yield Complaint("stalled", status.words)
        elif not status.is_ready:
            yield Complaint("not-ready", status.words or "it is not ready")

    # Makers of Secrets

    def _secret_of_child(self, id: ResourceId) -> Iterator[ResourceId]:
        live = self.observed.live.get(id)
        secret = secret_of(id, live) if live is not None else None
        if secret is not None:
            yield secret

    def _maker(self, id: ResourceId) -> Iterator[Complaint]:
        yield from self._ready(id)
        live = self.observed.live.get(id)
        if live is None:
            return
        if id.group_kind == EXTERNAL_SECRET:
            yield from self._in_sync(live)
            secret = secret_of(id, live)
            if secret is not None and self.observed.secrets is not None:
                yield from self._content(secret, text(live, "spec", "target", "creationPolicy"), id)
        elif id.kind == "SealedSecret" and self.observed.secrets is not None:
            yield from self._content(ResourceId("", "Secret", id.namespace, id.name), "", id)

    def _in_sync(self, live: Live) -> Iterator[Complaint]:
        """Was it read from the provider since the commit, or within its interval?"""
        refreshed = moment(text(live, "status", "refreshTime"))
        policy = text(live, "spec", "refreshPolicy")
        interval = seconds(text(live, "spec", "refreshInterval")) if text(live, "spec", "refreshInterval") else _DEFAULT_INTERVAL
        if refreshed is None:
            yield Complaint("out-of-sync", "it was never read from the provider")
        elif policy not in ("CreatedOnce", "OnChange") and interval and (self.wanted.made is None or refreshed < self.wanted.made):
            late = self.observed.now - refreshed - timedelta(seconds=interval)
            if late > _LATE:
                yield Complaint(
                    "out-of-sync", f"it was last read at {refreshed:%Y-%m-%d %H:%M:%S}, and is to be read every {text(live, 'spec', 'refreshInterval') or '1h'}"
                )

    def _content(self, secret: ResourceId, policy: str, maker: ResourceId | None) -> Iterator[Complaint]:
        """Is the Secret there, its maker's own, with all keys that it should have?"""
        assert self.observed.secrets is not None
        if secret in self.observed.unreadable:
            yield Complaint("not-readable", self.observed.unreadable[secret])
            return
        facts = self.observed.secrets.get(secret)
        named = "it" if maker is None else str(secret)
        if facts is None:
            yield Complaint("secret-missing", f"{named} is not there")
            return
        if maker is not None and policy in _OWNING and (maker.kind, maker.name) not in facts.owners:
            owner = " ".join(facts.owners[0]) if facts.owners else "nobody"
            yield Complaint("secret-owner", f"{secret} is owned by {owner}, not by {maker.kind} {maker.name}")
        asked = self.wishes[secret].keys if secret in self.wishes else {}
        made = {key for provision in self.graph.provisions.get(secret, ()) if provision.resource == maker for key in provision.keys or ()}
        for key in sorted({*asked, *made} - facts.keys):
            who = asked.get(key, ())
            yield Complaint("key-missing", f"{named} has no key {key!r}" + (f", which {who[0]} asks for" if who else ""))

    # Readers

    def _workload(self, id: ResourceId) -> Verdict:
        verdict = self._verdict(id, [*self._ready(id)])
        live = self.observed.live.get(id)
        stale = list(self._stale(id)) if live is not None and id.group_kind in ROLLED_OUT else []
        if id in self.observed.unknown:
            return replace(verdict, remarks=(f"whether it has been restarted is not known: {self.observed.unknown[id]}",))
        if not stale:
            return verdict
        if live is not None and any(name.partition("/")[0].endswith("reloader.stakater.com") for name in mapping(live, "metadata", "annotations")):
            return Verdict(id, verdict.complaints, tuple(f"{told}; a reloader is to restart it" for told in stale), verdict.unit, verdict.place)
        return Verdict(id, (*verdict.complaints, *(Complaint("stale-pods", told) for told in stale)), verdict.remarks, verdict.unit, verdict.place)

    def _stale(self, id: ResourceId) -> Iterator[str]:
        """Secrets in the environment that were written after the oldest pod started."""
        pods = self.observed.pods.get(id, ())
        started = [found for pod in pods if (found := moment(text(pod, "status", "startTime"))) is not None]
        if not started or self.observed.secrets is None:
            return
        for secret in self.environments.get(id, ()):
            facts = self.observed.secrets.get(secret)
            # No container starts without its Secret, so the first version of one is in every pod, however early that was made.
            if facts is None or facts.changed is None or facts.created is None or facts.changed - facts.created < _FIRST_WRITES:
                continue
            if min(started) < facts.changed:
                yield f"{secret} was written at {facts.changed:%H:%M:%S}, after its pods started"


def secrets_in_environments(graph: Graph) -> dict[ResourceId, tuple[ResourceId, ...]]:
    """What each workload reads into its environment at start, and never again; sorted."""
    found: dict[ResourceId, set[ResourceId]] = {}
    for edge in graph.resource_edges:
        requirement = edge.requirement
        if requirement.reason == "secret" and ".env" in requirement.field and isinstance(requirement.need, ObjectNeed):
            found.setdefault(requirement.resource, set()).add(requirement.need.id)
    return {workload: tuple(sorted(found[workload])) for workload in sorted(found)}


def _short(revision: str) -> str:
    """A revision with as much of its commit as people read."""
    branch, at_sign, digest = revision.rpartition("@")
    algorithm, _, commit = digest.rpartition(":")
    return f"{branch}{at_sign}{algorithm}:{commit[:12]}" if commit and algorithm else revision
