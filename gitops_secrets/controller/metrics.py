"""What a controller counts, for Prometheus. The door of prometheus_client.

Names stand in docs/controller.md and are part of the interface. Labels are bounded by the repository; what is counted up has no names of objects in it.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from gitops_secrets import __version__
from gitops_secrets.controller.standing import Standing, conditions_of
from gitops_secrets.model.ids import ResourceId

_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_STATES = ("True", "False", "Unknown")
_UNITS = frozenset({"Kustomization", "HelmRelease"})


class Metrics:
    """Everything that `/metrics` shows."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        Gauge("gitops_secrets_build_info", "Which version runs.", ["version"], registry=registry).labels(__version__).set(1)
        self._leader = Gauge("gitops_secrets_leader", "1 in the replica that acts.", registry=registry)
        self._ready = Gauge("gitops_secrets_ready", "The condition Ready: 1 for the one status that it has.", ["status"], registry=registry)
        self._revision = Gauge("gitops_secrets_revision_info", "The revision that was last attempted.", ["revision"], registry=registry)
        self._objects = Gauge("gitops_secrets_objects", "Objects that were judged.", ["kind", "state"], registry=registry)
        self._unit = Gauge("gitops_secrets_unit_ready", "1 for a unit that is as it should be, else 0.", ["kind", "namespace", "name"], registry=registry)
        self._causes = Gauge("gitops_secrets_causes", "Roots of what is not as it should be.", registry=registry)
        self._findings = Gauge("gitops_secrets_findings", "Findings of `check` in the artifact.", ["rule", "severity"], registry=registry)
        self._artifacts = Counter("gitops_secrets_artifacts", "Artifacts that were taken up.", registry=registry)
        self._requests = Counter("gitops_secrets_requests", "Requests to reconcile.", ["kind"], registry=registry)
        self._failures = Counter("gitops_secrets_failures", "Times that it ceased to be as it should be.", ["reason"], registry=registry)
        self._reconcile = Histogram(
            "gitops_secrets_reconcile_duration_seconds", "From an artifact to all being as it should be.", buckets=_SECONDS, registry=registry
        )
        self._verify = Histogram("gitops_secrets_verify_duration_seconds", "One look at the whole.", buckets=_SECONDS, registry=registry)
        self._failing = False

    def leads(self, is_leader: bool) -> None:
        """Whether this replica acts."""
        self._leader.set(is_leader)

    def took_up(self, revision: str) -> None:
        """An artifact came."""
        self._artifacts.inc()
        self._revision.clear()
        self._revision.labels(revision).set(1)

    def found(self, findings: Mapping[tuple[str, str], int]) -> None:
        """What `check` says of the artifact."""
        self._findings.clear()
        for (rule, severity), number in findings.items():
            self._findings.labels(rule, severity).set(number)

    def asked(self, id: ResourceId) -> None:
        """Flux was asked to reconcile something."""
        self._requests.labels(id.kind).inc()

    def verified(self, seconds: float) -> None:
        """A look at the whole took so long."""
        self._verify.observe(seconds)

    def reconciled(self, seconds: float) -> None:
        """An artifact took so long to be there."""
        self._reconcile.observe(seconds)

    def stands(self, standing: Standing) -> None:
        """How it stands now."""
        ready = conditions_of(standing)[0]
        for status in _STATES:
            self._ready.labels(status).set(status == ready.status)
        if ready.status == "False" and not self._failing:
            self._failures.labels(ready.reason).inc()
        self._failing = ready.status == "False"
        if standing.verification is None:
            return
        self._causes.set(len(standing.causes))
        verdicts = standing.verification.verdicts
        self._count((verdict.id.kind, "ready" if verdict.is_well else "not-ready") for verdict in verdicts)
        self._unit.clear()
        for verdict in verdicts:
            if verdict.id.kind in _UNITS:
                self._unit.labels(verdict.id.kind, verdict.id.namespace, verdict.id.name).set(verdict.is_well)

    def _count(self, states: Iterable[tuple[str, str]]) -> None:
        counted = Tally(states)
        self._objects.clear()
        for kind in sorted({kind for kind, _ in counted}):
            for state in ("ready", "not-ready"):
                self._objects.labels(kind, state).set(counted[kind, state])

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """Content type and text: OpenMetrics for who accepts it, else Prometheus' own."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)
