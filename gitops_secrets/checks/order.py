"""Rules about the order between units: what is not written, can't work, or proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule, closest, did_you_mean, doubt, unless
from gitops_secrets.checks.evidence import delay, delay_in, evidence, sentence, worst
from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.model.facts import Confidence, KindNeed
from gitops_secrets.model.ids import ResourceId, kind_text
from gitops_secrets.model.nodes import Place, as_mapping
from gitops_secrets.model.results import Dependency, Finding, HealthExpression, Related, Severity, Unit
from gitops_secrets.ordering.gates import Gate, GateKind, expression_weakness
from gitops_secrets.ordering.order import Cycle, OrderedEdge, Split


class MissingDependsOn(Rule):
    """A unit may be applied before what it requires is there.

    What it does: reports each pair of units where resources of the first need something of the second, with an effect that must be ordered, and no
    `dependsOn` path says so. Only the edges that remain after reduction are named; those that they imply stand in the evidence.

    Why it matters: the API server refuses what comes too early (`no matches for kind`, `namespaces "x" not found`), and Flux tries again only after the
    whole `retryInterval`, which defaults to the whole `interval`; an ExternalSecret that met no store backs off for minutes.

    Example: before, `spec: {path: ./stores}`; after, `spec: {path: ./stores, dependsOn: [{name: external-secrets}]}`.

    Options: `accept-retry` in the configuration turns edges that heal by retry into notes.
    """

    id = "missing-depends-on"
    fixable = True
    symptoms = ("no matches for kind", 'namespaces "x" not found', "could not get SecretStore", "SecretSyncedError")
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        graph = context.graph
        for entry in context.plan.missing:
            edge = entry.edge
            unit = graph.units[edge.consumer]
            related = list(evidence(edge.edge.reasons))
            for implied in entry.implied:
                related.extend(evidence(implied.ordering[:1]))
            requirement = worst(edge.ordering)
            message = f"{edge.consumer} needs {edge.provider} first, and no dependsOn says so: {sentence(edge.ordering[0])}; {delay_in(requirement, unit)}"
            confidence = Confidence.LIKELY if all(_is_likely(reason.provision.confidence) for reason in edge.ordering) else Confidence.CERTAIN
            yield self.finding(
                message,
                order_place(unit),
                edge.consumer,
                other=edge.provider,
                confidence=confidence,
                related=related,
                field="spec.dependsOn",
                cause=f"{_thing(edge)}, and no dependsOn puts {edge.provider} first; {delay(requirement)}",
                retried=(reason.requirement.reason for reason in edge.ordering),
                remedy=remedies.add_dependency(unit, edge.provider),
            )


def order_place(unit: Unit) -> Place:
    """Where a person would write what a unit depends on: at its `dependsOn`, or at the unit where it has none."""
    spec = as_mapping(unit.data.get("spec"))
    return spec.place("dependsOn") if "dependsOn" in spec else unit.place


def _is_likely(confidence: Confidence) -> bool:
    return confidence is not Confidence.CERTAIN


def _thing(edge: OrderedEdge) -> str:
    """What consumers need of a provider, in words that are equal for all who need the same."""
    first = edge.ordering[0]
    if first.requirement.reason == "custom-resource-definition":
        return f"the kinds that {first.provision.resource} brings"
    if first.requirement.reason == "webhook":
        return f"the webhook of {first.provision.resource}, which admits what they apply"
    made = "" if str(first.requirement.need) == str(first.provision.resource) else f", made by {first.provision.resource}"
    return f"{first.requirement.need}{made}"


class DanglingDependsOn(Rule):
    """`dependsOn` names something that is not there.

    What it does: reports each entry of `dependsOn` that no unit of the cluster matches, with what was probably meant: the same name in another
    namespace, an object of the other kind, a similar name.

    Why it matters: the unit stays at `DependencyNotReady` for ever; nothing of it is applied. A Kustomization can only depend on Kustomizations, a
    HelmRelease only on HelmReleases.

    Example: before, `dependsOn: [{name: external-secret}]`; after, `dependsOn: [{name: external-secrets}]`.

    Options: none.
    """

    id = "dangling-depends-on"
    fixable = True
    symptoms = ("DependencyNotReady", "dependency 'x' not found")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        graph = context.graph
        for unit in context.cluster.units:
            for dependency in unit.depends_on:
                if dependency.target in graph.units or (unit.id.kind == "ResourceSet" and _may_be_there(dependency.target, graph)):
                    continue
                target = dependency.target
                opaque = graph.may_be_made_by(target, str(unit.id))
                fault = f"{target}, which is not there{_meant(dependency, context)}; it never gets past DependencyNotReady{unless(opaque)}"
                yield self.finding(
                    f"{unit.id} depends on {fault}",
                    dependency.place,
                    unit.id,
                    other=target,
                    confidence=doubt(opaque),
                    field="spec.dependsOn",
                    cause=f"dependsOn names {fault}",
                    remedy=remedies.redirect_dependency(unit, dependency, _only_meant(dependency, context), graph),
                )


def _may_be_there(target: ResourceId, graph: Graph) -> bool:
    """A ResourceSet depends on objects of any kind; definitions come with charts and with Flux itself, and not by their names."""
    return target in graph.unit_of or target in graph.provisions or target.kind == "CustomResourceDefinition"


def _meant(dependency: Dependency, context: Context) -> str:
    target, units = dependency.target, context.graph.units
    elsewhere = sorted(unit for unit in units if unit.kind == target.kind and unit.name == target.name)
    if elsewhere:
        return f" ({elsewhere[0]} is: the namespace is {elsewhere[0].namespace})"
    other = sorted(unit for unit in units if unit.kind != target.kind and unit.name == target.name)
    if other:
        holder = units[other[0]].parent
        instead = f"; depend on {holder}, which applies it" if holder is not None and holder.kind == target.kind else ""
        return f" ({other[0]} is, but a {target.kind} can't depend on a {other[0].kind}{instead})"
    return did_you_mean(closest(target.name, (unit.name for unit in units if unit.kind == target.kind)))


def _only_meant(dependency: Dependency, context: Context) -> ResourceId | None:
    """The unit that an entry was meant to name, if it can be no other."""
    target, units = dependency.target, context.graph.units
    found = [unit for unit in units if unit.kind == target.kind and unit.name == target.name]
    if not found:
        holders = {units[unit].parent for unit in units if unit.kind != target.kind and unit.name == target.name}
        found = [holder for holder in holders if holder is not None and holder.kind == target.kind]
        if not holders:
            name = remedies.slip(target.name, (unit.name for unit in units if unit.kind == target.kind))
            found = [unit for unit in units if unit.kind == target.kind and unit.name == name]
    return found[0] if len(found) == 1 else None


class RedundantDependsOn(Rule):
    """`dependsOn` says what other entries already imply.

    What it does: names entries that lead nowhere that the unit's other dependencies don't lead to, whether or not something requires them; and entries that
    stand there twice.

    Why it matters: nothing breaks. Each entry is one more thing to keep right.

    Example: before, `dependsOn: [{name: stores}, {name: operator}]` where stores depends on operator; after, `dependsOn: [{name: stores}]`.

    Options: none.
    """

    id = "redundant-depends-on"
    severity = Severity.NOTE

    def check(self, context: Context) -> Iterator[Finding]:
        for edge in context.plan.edges:
            declared = edge.edge.declared
            if declared is not None and edge.redundant:
                itself = "" if edge.inferred else ", and needs nothing of it itself"
                message = f"{edge.consumer} depends on {edge.provider} through others already{itself}; the entry can go"
                cause = "dependsOn entries that others imply can go"
                yield self.finding(message, declared.place, edge.consumer, other=edge.provider, field="spec.dependsOn", cause=cause)
        for unit in context.cluster.units:
            seen: set[ResourceId] = set()
            for dependency in unit.depends_on:
                if dependency.target in seen:
                    message = f"{unit.id} depends on {dependency.target} twice; the entry can go"
                    cause = "dependsOn entries that stand there twice can go"
                    yield self.finding(message, dependency.place, unit.id, other=dependency.target, field="spec.dependsOn", cause=cause)
                seen.add(dependency.target)


class DependencyCycle(Rule):
    """Units wait for each other.

    What it does: reports the shortest loop of `dependsOn`, and a loop of resources that no order can satisfy, each step with its evidence, and where it
    can be cut: first at a step that nothing requires.

    Why it matters: none of them is ever applied. Flux also drops every event trigger of the source that they share: units that have nothing to do with
    the loop stay at the old revision until their interval, and no status names the cause.

    Example: before, `a` depends on `b` and `b` on `a`; after, only `b` on `a`.

    Options: none.
    """

    id = "dependency-cycle"
    fixable = True
    symptoms = ("DependencyNotReady", "circular dependency detected", "failed to sort dependencies for revision change")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        for cycle in context.plan.cycles:
            if any(_only_admits(step.ordering) for step in cycle.steps if step.edge.declared is None):
                continue
            related = [related for step in cycle.steps for related in _step(step)]
            start = (cycle.cut or cycle.steps[0]).edge.declared
            place = start.place if start is not None else context.graph.units[cycle.units[0]].place
            remedy = remedies.cut(cycle)
            yield self.finding(_loop(cycle), place, cycle.units[0], other=cycle.units[-1], related=related, field="spec.dependsOn", remedy=remedy)


def _only_admits(edges: Sequence[ResourceEdge]) -> bool:
    """Is it all about admission? A webhook refuses while it starts up; before that it isn't there, and refuses nothing."""
    return bool(edges) and all(edge.requirement.reason == "webhook" for edge in edges)


def _loop(cycle: Cycle) -> str:
    first, cut = cycle.units[0], cycle.cut
    # kustomize-controller gives up sorting what a source event wakes once there is a loop among it (fluxcd/kustomize-controller#1712).
    others = ", and no unit of their source sees a commit before its interval" if first.kind == "Kustomization" else ""
    if len(cycle.units) == 1:
        return f"{first} depends on itself; it is never applied{others.replace('their', 'its')}; remove the entry"
    advice = f"; cut it at {cut.consumer} → {cut.provider}, which nothing requires" if cut is not None else ""
    return f"units wait for each other: {' → '.join(map(str, (*cycle.units, first)))}; none of them is ever applied{others}{advice}"


def _step(step: OrderedEdge) -> list[Related]:
    if step.edge.declared is not None:
        why = f": {sentence(step.edge.reasons[0])}" if step.inferred else ", and nothing in the repository requires it"
        return [Related(f"{step.consumer} depends on {step.provider}{why}", step.edge.declared.place)]
    return list(evidence(step.ordering[:1]))


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


def _unproven_edges(context: Context, *, misread: bool) -> Iterator[tuple[OrderedEdge, list[Gate]]]:
    """Written edges whose provider proves too little, with the gates that don't hold: misread ones or the others.

    An edge that leads there through others is left out where one that is written shows the same: what mends that mends both.
    """
    missing = {(entry.edge.consumer, entry.edge.provider) for entry in context.plan.missing}
    found = []
    for edge in context.plan.edges:
        gates = [gate for gate in edge.unbacked_gates if (gate.kind is GateKind.MISREAD) is misread]
        if gates and (edge.consumer, edge.provider) not in missing and _is_written(edge, context):
            found.append((edge, gates))
    shown = {(edge.provider, gate.checked) for edge, gates in found if edge.edge.declared is not None for gate in gates}
    for edge, gates in found:
        if edge.edge.declared is not None or any((edge.provider, gate.checked) not in shown for gate in gates):
            yield edge, gates


def _is_written(edge: OrderedEdge, context: Context) -> bool:
    """Does the written order put the provider first, directly or through others?"""
    if edge.edge.declared is not None:
        return True
    pending, seen = list(context.graph.dependencies.get(edge.consumer, ())), set()
    while pending:
        unit = pending.pop()
        if unit == edge.provider:
            return True
        if unit not in seen:
            seen.add(unit)
            pending.extend(context.graph.dependencies.get(unit, ()))
    return False


def _unproven(gate: Gate, unit: Unit) -> str:
    checked, late = gate.checked, delay(gate.edge.requirement)
    if gate.kind is GateKind.RUNTIME:
        # A Kustomization with `wait` looks at what it applies, and ignores its healthChecks.
        instead = " instead of wait" if unit.wait else ""
        return f"{gate.edge.provision.resource} registers {checked} only once it runs; {late}; list that under healthChecks{instead}"
    if gate.kind is GateKind.NOT_WAITING:
        return f"{checked} doesn't wait for its own objects; {late}; remove disableWait"
    return f"it neither waits nor checks the health of {checked}; {late}; set wait: true, or list that under healthChecks"


def _gate_place(edge: OrderedEdge, gate: Gate, units: Mapping[ResourceId, Unit]) -> Place:
    """Where the gate would be written: at the field that says otherwise, else at the unit."""
    if gate.kind is GateKind.NOT_WAITING and gate.checked in units:
        spec = as_mapping(units[gate.checked].data.get("spec"))
        actions = [as_mapping(spec.get(action)) for action in ("install", "upgrade")]
        return next((action.place("disableWait") for action in actions if "disableWait" in action), gate.place)
    spec = as_mapping(units[remedies.gating_unit(edge, gate)].data.get("spec"))
    fields = ("healthCheckExprs", "wait") if gate.kind is GateKind.MISREAD else ("healthChecks", "wait")
    return next((spec.place(field) for field in fields if field in spec), gate.place)


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
            row = context.table.row(checked.group, checked.kind)
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


class UnitNeedsSplit(Rule):
    """A unit can never be applied: it holds an operator and what needs that operator's kinds.

    What it does: reports a unit with a resource that the API server refuses until something that the same unit brings only later is there: the
    ClusterSecretStore next to the HelmRelease that brings its CRD.

    Why it matters: Flux dry-runs a unit as a whole before it applies anything but Namespaces and CRDs, so the HelmRelease is never applied, the CRD never
    comes, and each retry meets the same wall.

    Example: before, one Kustomization over operator and stores; after, one for the operator with `wait: true`, one for the stores that depends on it.

    Options: none.
    """

    id = "unit-needs-split"
    symptoms = ("no matches for kind", "dry-run failed", 'namespaces "x" not found')
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        for split in context.plan.splits:
            if _is_mutual(split, context.graph):
                if not any(_only_admits([edge]) for edge in split.edges):
                    yield self._mutual(split)
                continue
            earlier = _earlier(split.unit, context.graph)
            for provider, edges in _by_provider(split).items():
                first = edges[0]
                if _only_admits(edges):
                    continue
                consumers = sorted({edge.requirement.resource for edge in edges})
                more = f" and {len(consumers) - 1} more" if len(consumers) > 1 else ""
                below = first.provider_unit != split.unit
                be, what, own = ("are", "them", "their") if more else ("is", "it", "its")
                where = f", and {first.provider_unit} applies that only after this unit" if below else ", and that is applied with this unit or not at all"
                if earlier is not None:
                    where += f", unless {earlier} has brought it before (its content is not in the repository)"
                retry = "" if split.unit.kind == "Overlay" else "; each retry meets the same wall"
                message = (
                    f"{split.unit} can never be applied: {first.requirement.resource}{more} {be} refused until {provider} has brought {_brought(first)}{where}"
                    f"{retry}; move {what} into a unit of {own} own that depends on {first.provider_unit if below else 'this one'}"
                )
                confidence = Confidence.POSSIBLE if earlier is not None else first.provision.confidence
                yield self.finding(message, first.requirement.place, split.unit, other=provider, confidence=confidence, related=evidence(edges))

    def _mutual(self, split: Split) -> Finding:
        units = " and ".join(sorted({str(edge.consumer_unit) for edge in split.edges}))
        message = f"{units} need something of each other, so that no dependsOn can be right: {'; '.join(map(sentence, split.edges[:2]))}; split one of them"
        first, related = split.edges[0], evidence(split.edges)
        return self.finding(message, first.requirement.place, split.unit, other=first.provider_unit, confidence=Confidence.LIKELY, related=related)


def _earlier(unit: ResourceId, graph: Graph) -> ResourceId | None:
    """A unit of unknown content that is there before another one: among what that depends on, or what is applied with it."""
    pending, seen = [*graph.dependencies.get(unit, ()), *graph.ancestors(unit)], {unit}
    while pending:
        found = pending.pop()
        if found in seen:
            continue
        seen.add(found)
        if found.kind == "Kustomization" and graph.units[found].opaque is not None:
            return found
        before = graph.dependencies.get(found, ())
        below = () if unit in graph.children.get(found, ()) else graph.children.get(found, ())
        pending += [*before, *below]
    return None


def _is_mutual(split: Split, graph: Graph) -> bool:
    """Is it about several units that need each other, not about one and what it or its descendants bring?"""
    first = split.edges[0]
    return first.provider_unit is not None and first.provider_unit != split.unit and split.unit not in graph.ancestors(first.provider_unit)


def _by_provider(split: Split) -> dict[ResourceId, list[ResourceEdge]]:
    found: dict[ResourceId, list[ResourceEdge]] = {}
    for edge in split.edges:
        found.setdefault(edge.provision.resource, []).append(edge)
    return found


def _brought(edge: ResourceEdge) -> str:
    need = edge.requirement.need
    return f"the kind {kind_text(need.group, need.kind)}" if isinstance(need, KindNeed) else str(need)


class ParentWaitsForChild(Rule):
    """A parent waits for a child that waits for the parent.

    What it does: reports a Kustomization that depends on the one that applies it, while that one waits for it.

    Why it matters: the parent is Ready only once its child is, the child starts only once the parent is Ready: neither ever is.

    Example: before, a child with `dependsOn` on its parent, which has `wait: true`; after, no `dependsOn`: the child exists only once the parent is applied.

    Options: none.
    """

    id = "parent-waits-for-child"
    symptoms = ("DependencyNotReady", "HealthCheckFailed", "timeout waiting for")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        graph = context.graph
        for unit in context.cluster.units:
            for dependency in unit.depends_on:
                for ancestor in graph.ancestors(unit.id):
                    if dependency.target == ancestor and _waits_on(ancestor, unit.id, context):
                        message = f"{unit.id} depends on {ancestor}, which applies it and waits for it: neither is ever Ready; remove the entry"
                        yield self.finding(message, dependency.place, unit.id, other=ancestor, field="spec.dependsOn")


def _waits_on(ancestor: ResourceId, unit: ResourceId, context: Context) -> bool:
    """Does each one on the way down wait for the next?"""
    graph = context.graph
    chain = [unit, *graph.ancestors(unit)]
    for child, parent in pairwise(chain):
        found = graph.units[parent]
        if not found.wait and all(check.target != child for check in found.health_checks):
            return False
        if parent == ancestor:
            return True
    return False


class SuspendedDependency(Rule):
    """A unit depends on one that is suspended.

    What it does: reports `dependsOn` on a unit with `suspend: true` that has the same source.

    Why it matters: nothing happens until the next commit; then the dependent stays at `revision is not up to date` until somebody resumes the other one.

    Example: before, a dependency with `suspend: true`; after, resumed, or the edge removed.

    Options: none.
    """

    id = "suspended-dependency"
    symptoms = ("DependencyNotReady", "revision is not up to date")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        units = context.graph.units
        for unit in context.cluster.units:
            for dependency in unit.depends_on:
                target = units.get(dependency.target)
                if target is not None and target.suspended and not unit.suspended and target.source == unit.source:
                    fault = f"{target.id}, which is suspended: from the next commit on it is held back; resume that, or remove the entry"
                    yield self.finding(
                        f"{unit.id} depends on {fault}",
                        dependency.place,
                        unit.id,
                        other=target.id,
                        related=[Related("suspended here", as_mapping(target.data.get("spec")).place("suspend"))],
                        field="spec.dependsOn",
                        cause=f"dependsOn names {fault}",
                    )
