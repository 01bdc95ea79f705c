"""Rules about units that can never be applied: loops, and what needs what comes with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.checks.evidence import delay_in, evidence, sentence, worst
from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.model.facts import Confidence, Effect, KindNeed
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.reach import reachable
from gitops_secrets.ordering.order import Cycle, OrderedEdge, Split


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
            proven = all(step.edge.declared is not None or any(_is_proven(edge, context) for edge in step.ordering) for step in cycle.steps)
            yield self.finding(
                _loop(cycle),
                place,
                cycle.units[0],
                other=cycle.units[-1],
                severity=None if proven else Severity.WARNING,
                confidence=Confidence.CERTAIN if proven else Confidence.LIKELY,
                related=related,
                field="spec.dependsOn",
                remedy=remedy,
            )


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


class UnitNeedsSplit(Rule):
    """A unit can never be applied: it holds an operator and what needs that operator's kinds.

    What it does: reports a unit with a resource that the API server refuses until something that the same unit brings only later is there: the
    ClusterSecretStore next to the HelmRelease that brings its CRD.

    Why it matters: Flux dry-runs a unit as a whole before it applies anything but Namespaces and CRDs, so the HelmRelease is never applied, the CRD never
    comes, and each retry meets the same wall. A warning where a script or page names that it installs the operator, in a way that can't be followed, and
    where two units wait for each other by the word of a third party's controller. A note where they need something of each other, and what
    comes too early is only late.

    Example: before, one Kustomization over operator and stores; after, one for the operator with `wait: true`, one for the stores that depends on it.

    Options: none.
    """

    id = "unit-needs-split"
    symptoms = ("no matches for kind", "dry-run failed", 'namespaces "x" not found')
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        for cycle in context.plan.late:
            yield self._late(cycle, context)
        for split in context.plan.splits:
            if _is_mutual(split, context.graph):
                if not any(_only_admits([edge]) for edge in split.edges):
                    yield self._mutual(split, context)
                continue
            earlier = _earlier(split.unit, context.graph)
            for provider, edges in _by_provider(split).items():
                first = edges[0]
                if _only_admits(edges):
                    continue
                consumers = sorted({edge.requirement.resource for edge in edges})
                more = f" and {len(consumers) - 1} more" if len(consumers) > 1 else ""
                below = first.provider_unit != split.unit
                need, what, own = ("need", "them", "their") if more else ("needs", "it", "its")
                later = "which is applied" if first.provider_unit == provider else f"which {first.provider_unit} applies"
                where = f"{later} only after this unit" if below else f"which is applied with {what} or not at all"
                named = None if earlier is not None else _named_by_bootstrap(context, provider)
                if earlier is not None:
                    where += f", unless {earlier} has brought it before (its content is not in the repository)"
                elif named is not None:
                    where += f", unless {named} installs it before"
                if split.unit.kind == "Overlay":
                    advice = f"apply its components one after the other: gitops-secrets generate flux {split.unit.name}"
                else:
                    after = first.provider_unit if below else "this one"
                    advice = f"each retry meets the same wall; move {what} into a unit of {own} own that depends on {after}"
                message = (
                    f"{split.unit} can never be applied: {first.requirement.resource}{more} {need} {_brought(edges, own)} from {provider}, {where}; {advice}"
                )
                confidence = Confidence.POSSIBLE if earlier is not None else first.provision.confidence if named is None else Confidence.LIKELY
                severity = Severity.WARNING if named is not None else None
                yield self.finding(
                    message, first.requirement.place, split.unit, other=provider, severity=severity, confidence=confidence, related=evidence(edges)
                )

    def _late(self, cycle: Cycle, context: Context) -> Finding:
        edge, unit = cycle.steps[0], context.graph.units[cycle.units[0]]
        entry = "dependsOn" if unit.sync is None else "sync wave"
        through = f" (through {' and '.join(map(str, cycle.units[2:]))})" if len(cycle.units) > 2 else ""
        fault = f"{edge.consumer} needs {edge.provider}, which is to come after it{through}, so that no {entry} can be right"
        requirement = worst(edge.ordering)
        return self.finding(
            f"{fault}: {sentence(edge.ordering[0])}; {delay_in(requirement, unit)}; split one of them",
            edge.ordering[0].requirement.place,
            edge.consumer,
            other=edge.provider,
            severity=Severity.NOTE,
            confidence=Confidence.LIKELY,
            related=[*evidence(edge.ordering), *(related for step in cycle.steps[1:] for related in _step(step))],
            retried=(reason.requirement.reason for reason in edge.ordering),
        )

    def _mutual(self, split: Split, context: Context) -> Finding:
        consumers = sorted({str(edge.consumer_unit) for edge in split.edges})
        if len(consumers) > 1:
            fault, advice = f"{' and '.join(consumers)} need something of each other, so that no dependsOn can be right", "split one of them"
        else:
            fault, advice = (
                f"{consumers[0]} needs something of {split.edges[0].provider_unit}, which depends on it",
                "that dependsOn can't stay, or one of them is to be split",
            )
        severity = None if all(_is_proven(edge, context) for edge in split.edges) else Severity.WARNING
        if context.graph.units[split.unit].sync is not None:
            # One object that is refused keeps the others of its wave from nothing.
            severity, fault, advice = Severity.WARNING, fault.replace("dependsOn", "sync wave"), "only retries get both there; split one of them"
        message = f"{fault}: {'; '.join(map(sentence, split.edges[:2]))}; {advice}"
        first, related = split.edges[0], evidence(split.edges)
        return self.finding(
            message, first.requirement.place, split.unit, other=first.provider_unit, severity=severity, confidence=Confidence.LIKELY, related=related
        )


def _named_by_bootstrap(context: Context, provider: ResourceId) -> Place | None:
    """Where a script or page names what brings something, by its name or its chart's: it may install it before the engine starts."""
    charts = {release.chart for release in context.cluster.releases if release.resource == provider and release.chart}
    return next((context.named[name] for name in sorted({provider.name, *charts}) if name in context.named), None)


# How objects of these groups get ready, those who made them say; how others do, the table knows by hand.
_OWN_READINESS: Final = frozenset(
    {"", "apps", "batch", "external-secrets.io", *(f"{room}.toolkit.fluxcd.io" for room in ("kustomize", "helm", "source"))},
)


def _is_proven(edge: ResourceEdge, context: Context) -> bool:
    """Does what needs something wait for it for certain: since it is refused, since `dependsOn` says so, or by the word of those who made its kind?"""
    pair = context.plan.by_pair.get((edge.consumer_unit, edge.provider_unit)) if edge.provider_unit is not None else None
    is_written = pair is not None and pair.edge.declared is not None
    return is_written or edge.requirement.effect is Effect.APPLY or edge.requirement.resource.group in _OWN_READINESS


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


def _brought(edges: Sequence[ResourceEdge], own: str) -> str:
    needs = {str(edge.requirement.need) for edge in edges}
    if all(isinstance(edge.requirement.need, KindNeed) for edge in edges):
        return f"{own} kind{'s' if len(needs) > 1 else ''}"
    return str(edges[0].requirement.need)


class ParentWaitsForChild(Rule):
    """A parent waits for a child that waits for the parent.

    What it does: reports a Kustomization or HelmRelease that depends on the Kustomization that applies it, directly or through others, while that one waits
    for it.

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
            waiting = [ancestor for ancestor in graph.ancestors(unit.id) if unit.depends_on and _waits_on(ancestor, unit.id, context)]
            for dependency in unit.depends_on if waiting else ():
                target = dependency.target
                needed = _needed_ready(target, graph)
                ancestor = next((each for each in waiting if each in needed), None)
                if ancestor is None:
                    continue
                if target == ancestor:
                    message = f"{unit.id} depends on {ancestor}, which applies it and waits for it: neither is ever Ready; remove the entry"
                else:
                    message = (
                        f"{unit.id} depends on {target}, which comes only after {ancestor} is Ready; that applies {unit.id} and waits for it:"
                        " none of them is ever Ready; remove the entry, or apply one of the two elsewhere"
                    )
                yield self.finding(message, dependency.place, unit.id, other=ancestor, field="spec.dependsOn")


class KustomizationContainsItself(Rule):
    """A Kustomization applies itself beside the one that applies it, or one of those above it.

    What it does: reports a Flux Kustomization whose path holds its own manifest, or that of a Kustomization above it. Not: a root that only itself applies,
    as `flux bootstrap` sets it up.

    Why it matters: an object has one owner. Of two that apply it the last one's labels stand, so that each reconciliation changes it; and taken away at one
    of the two places it is pruned, with all that it applied, while the other place still asks for it.

    Example: before, `apps.yaml` lies in `clusters/production/` and again in `apps/`, which it builds; after, in the first only.

    Options: none.
    """

    id = "kustomization-contains-itself"
    severity = Severity.NOTE

    def check(self, context: Context) -> Iterator[Finding]:
        graph = context.graph
        for applied in context.cluster.resources:
            id, unit = applied.resource.id, graph.units.get(applied.unit)
            if id.kind != "Kustomization" or id not in graph.units or unit is None or unit.sync is not None:
                continue
            place = applied.resource.place
            if id == unit.id and unit.parent is not None:
                message = f"{id} applies itself, and {unit.parent} applies it as well: taken away at either place, it is pruned with all that it holds"
                yield self.finding(message, place, id, other=unit.parent, related=[Related(f"{id} starts here", unit.place)])
            elif id != unit.id and id in graph.ancestors(unit.id):
                message = f"{unit.id} applies {id}, which is above it: taken away there, {id} is pruned with all that it holds"
                yield self.finding(message, place, unit.id, other=id, related=[Related(f"{unit.id} is written here", unit.place)])


def _needed_ready(target: ResourceId, graph: Graph) -> set[ResourceId]:
    """What must be Ready before `target` can be, itself included: what it depends on, and what those that apply it depend on, and so on."""
    return reachable([target], lambda found: (other for unit in (found, *graph.ancestors(found)) for other in graph.dependencies.get(unit, ())))


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
