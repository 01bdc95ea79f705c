"""Does a unit being Ready prove that what others need of it is there?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Effect, KindNeed, ObjectNeed, Provision, Release, When
from gitops_secrets.model.ids import BUILT_IN_GROUPS, ResourceId, crd_id
from gitops_secrets.model.nodes import Place, as_text
from gitops_secrets.model.results import HealthExpression, Unit
from gitops_secrets.model.workloads import ROLLED_OUT
from gitops_secrets.ordering.waves import has_health

_AWAITED = frozenset(
    {*(kind for _, kind in ROLLED_OUT), *"APIService CustomResourceDefinition Job PersistentVolumeClaim Pod PodDisruptionBudget ReplicaSet Service".split()}
)
# Groups whose objects have no condition that kstatus knows (Ready, Reconciling, Stalled), if they have a status at all.
_UNCONDITIONED = frozenset({"gateway.networking.k8s.io", "traefik.io", "traefik.containo.us"})


class GateKind(Enum):
    """What proves, or fails to prove, that a thing is there once its unit is Ready."""

    APPLIED = "applied"  # the manifest is the thing: applied is there
    BEFORE = "before"  # there before the engine starts
    WAIT = "wait"  # the unit waits on all it applies
    HEALTH_CHECK = "health check"  # the unit checks just this object
    NONE = "none"  # Ready means applied, no more
    RUNTIME = "run time"  # made by a running controller: no object of the unit proves it
    MISREAD = "misread"  # waited for, but plain kstatus takes it for ready at once
    NOT_WAITING = "not waiting"  # the release itself doesn't wait for its objects
    NO_HEALTH = "no health"  # Argo CD does not know the health of its kind: fine once applied


@dataclass(frozen=True, slots=True)
class Gate:
    """How one reason of an edge is gated. `checked` is the object whose health would prove it, `expression` what reads its health."""

    edge: ResourceEdge
    kind: GateKind
    checked: ResourceId
    place: Place
    expression: HealthExpression | None = None

    @property
    def backs(self) -> bool:
        """Is it proven?"""
        return self.kind in (GateKind.APPLIED, GateKind.BEFORE, GateKind.WAIT, GateKind.HEALTH_CHECK)

    @property
    def weakness(self) -> str | None:
        """Why the expression may be true too early, if it may."""
        if self.expression is None or not self.backs:
            return None
        return expression_weakness(self.expression)


def gate_of(edge: ResourceEdge, unit: Unit, graph: Graph, table: KindTable) -> Gate:
    """The gate of one reason: `unit` is the one that applies what provides it."""
    checked = edge.provision.resource
    if edge.provider_unit is None or edge.before is not None:
        return Gate(edge, GateKind.BEFORE, checked, unit.place)
    if not needs_health(edge, table):
        return Gate(edge, GateKind.APPLIED, checked, unit.place)
    crd = _needed_crd(edge)
    if unit.sync is not None:
        return _health_gate(edge, unit, graph, crd)
    if crd is not None and checks(unit, crd):
        return Gate(edge, GateKind.HEALTH_CHECK, crd, unit.place)
    if not edge.provision.ready_signal and not _follows_soon_enough(edge):
        return Gate(edge, GateKind.RUNTIME, crd or checked, unit.place)
    if checked == unit.id:
        # Between two releases of one Kustomization: the release is the unit.
        return Gate(edge, GateKind.WAIT if unit.wait else GateKind.NOT_WAITING, checked, unit.place)
    if not unit.wait:
        installed = _checked_object(edge, unit, graph)
        if installed is not None:
            return Gate(edge, GateKind.HEALTH_CHECK, installed, unit.place)
        if not checks(unit, checked):
            return Gate(edge, GateKind.NONE, checked, unit.place)
    release = graph.units.get(checked)
    if release is not None and checked.kind == "HelmRelease" and not release.wait:
        return Gate(edge, GateKind.NOT_WAITING, checked, release.place)
    expression = next((entry for entry in unit.health_expressions if (entry.group, entry.kind) == checked.group_kind), None)
    row = table.row(*checked.group_kind)
    if row is not None and row.misread_by_kstatus and expression is None:
        return Gate(edge, GateKind.MISREAD, checked, unit.place)
    return Gate(edge, GateKind.WAIT if unit.wait else GateKind.HEALTH_CHECK, checked, unit.place, expression)


def is_awaited(target: ResourceId) -> bool:
    """Can an object keep a unit that waits from being Ready? Of the built-in kinds kstatus knows these; all others count as ready once applied."""
    if target.group in _UNCONDITIONED:
        return False
    return target.group not in BUILT_IN_GROUPS or target.kind in _AWAITED


def _health_gate(edge: ResourceEdge, unit: Unit, graph: Graph, crd: ResourceId | None) -> Gate:
    """An Application is healthy when all that it applies is, as far as Argo CD knows the health of it."""
    checked = edge.provision.resource
    if not edge.provision.ready_signal:
        return Gate(edge, GateKind.RUNTIME, crd or checked, unit.place)
    if checked == unit.id or has_health(checked, graph.cluster):
        return Gate(edge, GateKind.WAIT, checked, unit.place)
    return Gate(edge, GateKind.NO_HEALTH, checked, unit.place)


def checks(unit: Unit, target: ResourceId) -> bool:
    """Does a unit list `target` under its health checks? Of a cluster-scoped object the namespace doesn't count."""
    return any(check.target == target or (not target.namespace and check.target._replace(namespace="") == target) for check in unit.health_checks)


def health_check(target: ResourceId, versions: Mapping[ResourceId, str]) -> dict[str, str]:
    """An entry of `healthChecks`; `versions` are those of rendered objects."""
    default = "apiextensions.k8s.io/v1" if target.kind == "CustomResourceDefinition" else f"{target.group}/v1".lstrip("/")
    check = {"apiVersion": versions.get(target, default), "kind": target.kind, "name": target.name}
    return {**check, "namespace": target.namespace} if target.namespace else check


def needs_health(edge: ResourceEdge, table: KindTable) -> bool:
    """Is applying the provider not enough: does the thing come later, or is it only useful once Ready?"""
    provision = edge.provision
    if provision.when is When.LATER:
        return True
    if edge.requirement.effect is Effect.APPLY or not isinstance(provision.provides, ObjectNeed):
        return False
    group, kind = provision.provides.id.group, provision.provides.id.kind
    if group in BUILT_IN_GROUPS or group == "source.toolkit.fluxcd.io":
        return False
    row = table.row(group, kind)
    return row is not None and (row.misread_by_kstatus or row.healthy_expression is not None)


def expression_weakness(expression: HealthExpression) -> str | None:
    """Why a CEL expression may be true before the object is: on an empty list, or for an older generation (measured: domain facts in docs/)."""
    text = expression.current
    if ".all(" in text and ".exists(" not in text:
        return "is true on an empty list of conditions; use exists(...)"
    if (expression.group, expression.kind) == ("external-secrets.io", "ExternalSecret") and "syncedResourceVersion" not in text:
        return "does not look at the generation, so an edited ExternalSecret counts as ready with its old Secret"
    return None


def _follows_soon_enough(edge: ResourceEdge) -> bool:
    """An object that the controller of a release makes in the seconds after its start, for a consumer that has minutes to get ready."""
    is_object = isinstance(edge.provision.provides, ObjectNeed)
    return is_object and edge.provision.resource.kind == "HelmRelease" and edge.requirement.effect is not Effect.APPLY


def shown_by(edge: ResourceEdge) -> ResourceId:
    """The object whose health shows that what is needed is there: the definition of a kind, else what brings it."""
    return _needed_crd(edge) or edge.provision.resource


def _needed_crd(edge: ResourceEdge) -> ResourceId | None:
    """The definition that is needed, by the plural of who brings it: that of the requirement may be a guess."""
    provides = edge.provision.provides
    return crd_id(provides.group, provides.plural) if isinstance(provides, KindNeed) else None


def _checked_object(edge: ResourceEdge, unit: Unit, graph: Graph) -> ResourceId | None:
    """The object under a unit's health checks that shows that a release is installed: Helm applies all of a chart before one thing of it is healthy."""
    if edge.provision.resource.kind != "HelmRelease":
        return None
    targets = (check.target for check in unit.health_checks)
    return next((target for target in targets if target not in graph.unit_of and _shows(target, edge.provision, graph)), None)


def _shows(target: ResourceId, provision: Provision, graph: Graph) -> bool:
    """Is `target` of the release that brings something? Which of its workloads answers for a webhook is another matter (`Provision.workload`)."""
    if target.group_kind in ROLLED_OUT:
        release = _release_of(target, graph.cluster.releases)
        return release is not None and release.resource == provision.resource and provision.workload in target.name
    if target.group in BUILT_IN_GROUPS or provision.workload:
        return False
    return any(made.resource == provision.resource for made in graph.provisions.get(target, ()))


def _release_of(workload: ResourceId, releases: Iterable[Release]) -> Release | None:
    """The release that made a workload, by its name: charts put that of the release or their own into it. The longest that fits counts."""
    fitting = [
        (len(name), release)
        for release in releases
        if release.namespace == workload.namespace
        for name in (release.name, release.chart, as_text(release.values.get("fullnameOverride")))
        if name and name in workload.name
    ]
    return max(fitting, key=lambda entry: entry[0])[1] if fitting else None
