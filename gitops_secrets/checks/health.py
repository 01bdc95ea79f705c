"""Rules about what Ready proves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule, reached
from gitops_secrets.checks.evidence import delay, evidence
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place, as_mapping
from gitops_secrets.model.results import HealthExpression, Unit
from gitops_secrets.ordering.gates import Gate, GateKind, expression_weakness
from gitops_secrets.ordering.order import OrderedEdge


class DependencyNotGated(Rule):
    """A unit is Ready before what others need of it is there.

    What it does: reports an ordered pair of units whose first one proves nothing: Ready of a Kustomization means applied, so the HelmRelease in it may
    still be installing. Also: a release that doesn't wait for its own objects, and CRDs that a controller registers only at run time.

    Why it matters: the dependent goes as soon as it sees Ready, and is refused for a whole interval when the chart is slow. It works by luck when the
    thing is there within the first 30 s.

    Example: before, `spec: {path: ./operator}`; after, `spec: {path: ./operator, wait: true}`.

    Options: none.
    """

    id = "dependency-not-gated"
    fixable = True
    symptoms = ("no matches for kind", "failed calling webhook")
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        for edge, gates in _unproven_edges(context, misread=False):
            gate = gates[0]
            unproven = _unproven(gate, context.graph.units[remedies.gating_unit(edge, gate)])
            message = f"{edge.provider} is Ready before {edge.consumer} can use it: {unproven}"
            yield self.finding(
                message,
                _gate_place(edge, gate, context.graph.units),
                edge.consumer,
                other=edge.provider,
                related=evidence(gate.edge for gate in gates),
                field="spec.wait",
                cause=f"{edge.provider}: {unproven}",
                retried=(gate.edge.requirement.reason for gate in gates),
                remedy=remedies.gate(edge, gates, context.graph, context.graph.api_versions),
            )


class MisreadHealthCheck(Rule):
    """A health check takes an object for ready that is not.

    What it does: reports an ordered pair whose provider waits on a kind that plain kstatus misreads (those of External Secrets Operator, SealedSecret,
    Argo CD's Application), without a `healthCheckExprs` entry for it; as a note, expressions that may be true too early.

    Why it matters: such an object counts as ready while it has no status at all, so the dependent starts before the operator has looked: each time when
    the operator is down or busy.

    Example: before, `wait: true`; after, `wait: true` with a `healthCheckExprs` entry whose `current` asks for the Ready condition.

    Options: none.
    """

    id = "misread-health-check"
    fixable = True
    symptoms = ("SecretSyncedError",)
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        for edge, gates in _unproven_edges(context, misread=True):
            checked = gates[0].checked
            row = context.table.row(*checked.group_kind)
            advice = f"; add healthCheckExprs for it: current: {row.healthy_expression}" if row and row.healthy_expression else ""
            message = f"{edge.provider} takes {checked} for ready before its operator has looked at it, and {edge.consumer} starts then{advice}"
            yield self.finding(
                message,
                _gate_place(edge, gates[0], context.graph.units),
                edge.consumer,
                other=edge.provider,
                related=evidence(gate.edge for gate in gates),
                field="spec.healthCheckExprs",
                cause=f"{edge.provider} takes {checked.kind} for ready before its operator has looked at it{advice}",
                retried=(gate.edge.requirement.reason for gate in gates),
                remedy=remedies.read_health(edge, gates, context.graph, context.table, context.graph.api_versions),
            )
        for unit in context.cluster.units:
            for expression in unit.health_expressions:
                yield from self._too_early(unit, expression)

    def _too_early(self, unit: Unit, expression: HealthExpression) -> Iterator[Finding]:
        weakness = expression_weakness(expression)
        if weakness is not None:
            message = f"the health expression of {unit.id} for {expression.kind} {weakness}"
            yield self.finding(message, expression.place, unit.id, severity=Severity.NOTE, field=f"spec.healthCheckExprs.{expression.kind}")


def _unproven_edges(context: Context, *, misread: bool) -> Iterator[tuple[OrderedEdge, list[Gate]]]:
    """Written edges whose provider proves too little, with the gates that don't hold: misread ones or the others.

    An edge is left out where a unit that its consumer comes after shows the same: what mends that mends both. Of what applies the consumer itself only its
    own objects count: it can't wait for its other children, since this one waits for it.
    """
    missing = {(entry.edge.consumer, entry.edge.provider) for entry in context.plan.missing}
    found = []
    for edge in context.plan.edges:
        gates = [gate for gate in edge.unbacked_gates if (gate.kind is GateKind.MISREAD) is misread]
        if edge.provider in context.graph.ancestors(edge.consumer):
            gates = [gate for gate in gates if gate.edge.provider_unit == edge.provider]
        if gates and context.graph.units[edge.provider].sync is None and (edge.consumer, edge.provider) not in missing and _is_written(edge, context):
            found.append((edge, gates))
    behind = {edge.consumer: reached(edge.consumer, context.graph) for edge, _ in found}
    shown: dict[ResourceId, dict[ResourceId, set[ResourceId]]] = {}
    for edge, gates in sorted(found, key=lambda entry: (len(behind[entry[0].consumer]), entry[0].consumer)):
        known = shown.setdefault(edge.provider, {})
        covered = {checked for consumer in behind[edge.consumer] & known.keys() for checked in known[consumer]}
        checked = {gate.checked for gate in gates}
        if not checked <= covered:
            known[edge.consumer] = checked
    for edge, gates in found:
        if edge.consumer in shown[edge.provider]:
            yield edge, gates


def _is_written(edge: OrderedEdge, context: Context) -> bool:
    """Does the written order put the provider first, directly or through others?"""
    return edge.edge.declared is not None or edge.provider in reached(edge.consumer, context.graph)


def _unproven(gate: Gate, unit: Unit) -> str:
    checked, late = gate.checked, delay(gate.edge.requirement)
    if gate.kind is GateKind.RUNTIME:
        if checked == gate.edge.provision.resource:
            return f"{checked} being Ready is no proof of it ({gate.edge.provision.note}); {late}"
        # A Kustomization with `wait` looks at what it applies, and ignores its healthChecks.
        instead = " instead of wait" if unit.wait else ""
        return f"{gate.edge.provision.resource} registers {checked} only once it runs; {late}; list that under healthChecks{instead}"
    if gate.kind is GateKind.NOT_WAITING:
        return f"{checked} doesn't wait for its own objects; {late}; remove disableWait"
    return f"it neither waits nor checks the health of {checked}; {late}; set wait: true, or list that under healthChecks"


def _gate_place(edge: OrderedEdge, gate: Gate, units: Mapping[ResourceId, Unit]) -> Place:
    """Where the gate would be written: at the field that says otherwise, else at the unit."""
    if gate.kind is GateKind.NOT_WAITING and gate.checked in units:
        spec = units[gate.checked].spec
        actions = [as_mapping(spec.get(action)) for action in ("install", "upgrade")]
        return next((action.place("disableWait") for action in actions if "disableWait" in action), gate.place)
    spec = units[remedies.gating_unit(edge, gate)].spec
    fields = ("healthCheckExprs", "wait") if gate.kind is GateKind.MISREAD else ("healthChecks", "wait")
    return next((spec.place(field) for field in fields if field in spec), gate.place)


class InertHealthCheck(Rule):
    """A health check that never runs.

    What it does: reports `healthCheckExprs` on a Kustomization with neither `wait` nor `healthChecks`.

    Why it matters: expressions only say how to read what is waited for. Nothing is, so the unit is Ready once applied, whatever they say.

    Example: before, `healthCheckExprs: […]`; after, `wait: true` beside it.

    Options: none.
    """

    id = "inert-health-check"
    fixable = True
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        for unit in context.cluster.units:
            if unit.id.kind == "Kustomization" and unit.health_expressions and not unit.wait and not unit.health_checks:
                fault = "healthCheckExprs but neither wait nor healthChecks: they never run, and it is Ready once applied; set wait: true"
                place = unit.health_expressions[0].place
                yield self.finding(f"{unit.id} has {fault}", place, unit.id, field="spec.healthCheckExprs", cause=fault, remedy=remedies.wait(unit))
