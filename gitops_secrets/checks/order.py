"""Rules about `dependsOn`: entries that are missing, lead nowhere, say nothing or never come true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule, closest, did_you_mean, doubt, reached, unless
from gitops_secrets.checks.evidence import delay, delay_in, evidence, sentence, worst
from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Dependency, Unit
from gitops_secrets.ordering.gates import checks, shown_by
from gitops_secrets.ordering.order import MissingEdge, OrderedEdge


class MissingDependsOn(Rule):
    """A unit may be applied before what it requires is there.

    What it does: reports each pair of units where resources of the first need something of the second, with an effect that must be ordered, and no
    `dependsOn` path says so. Only the edges that remain after reduction are named; those that they imply stand in the evidence.

    Why it matters: the API server refuses what comes too early (`no matches for kind`, `namespaces "x" not found`), and Flux tries again only after the
    whole `retryInterval`, which defaults to the whole `interval`; an ExternalSecret that met no store backs off for minutes.

    A unit that comes before and has just that among its `healthChecks` is as good as a `dependsOn`, whoever applies it.

    Example: before, `spec: {path: ./stores}`; after, `spec: {path: ./stores, dependsOn: [{name: external-secrets}]}`.

    Options: `accept-retry` in the configuration turns edges that heal by retry into notes.
    """

    id = "missing-depends-on"
    fixable = True
    symptoms = ("no matches for kind", 'namespaces "x" not found', "could not get SecretStore", "SecretSyncedError")
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        graph = context.graph
        meant: dict[ResourceId, Set[ResourceId]] = {}
        for entry in context.plan.missing:
            edge = entry.edge
            unit = graph.units[edge.consumer]
            if unit.id not in meant:
                meant[unit.id] = _meant_by_lost(unit.id, context)
            # That an entry leads nowhere and that this edge is not written is one fault, not two.
            if unit.sync is not None or edge.provider in meant[unit.id]:
                continue
            yield from (self._missing(unit, edge, implied, context) for edge, implied in _unawaited(entry, context))

    def _missing(self, unit: Unit, edge: OrderedEdge, implied: Sequence[OrderedEdge], context: Context) -> Finding:
        related = list(evidence(edge.edge.reasons))
        for other in implied:
            related.extend(evidence(other.ordering[:1]))
        requirement = worst(edge.ordering)
        message = f"{edge.consumer} needs {edge.provider} first, and no dependsOn says so: {sentence(edge.ordering[0])}; {delay_in(requirement, unit)}"
        confidence = Confidence.LIKELY if all(_is_likely(reason.provision.confidence) for reason in edge.ordering) else Confidence.CERTAIN
        return self.finding(
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
    spec = unit.spec
    return spec.place("dependsOn") if "dependsOn" in spec else unit.place


def _unawaited(entry: MissingEdge, context: Context) -> Iterator[tuple[OrderedEdge, Sequence[OrderedEdge]]]:
    """A missing edge with what it implies; where something that comes before waits for the one, just the others, but what one of these has before it."""
    if not _is_awaited(entry.edge, context):
        yield entry.edge, entry.implied
        return
    rest = [edge for edge in entry.implied if not _is_awaited(edge, context)]
    behind = {edge.provider: reached(edge.provider, context.graph) for edge in rest}
    yield from ((edge, ()) for edge in rest if not any(edge.provider in each for each in behind.values()))


def _is_awaited(edge: OrderedEdge, context: Context) -> bool:
    """Does a unit that comes before the consumer check the health of just what it needs, whoever applies that?"""
    checking = [context.graph.units[unit] for unit in reached(edge.consumer, context.graph)]
    return all(any(checks(unit, shown_by(reason)) for unit in checking if unit.health_checks) for reason in edge.ordering)


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


def _meant_by_lost(unit: ResourceId, context: Context) -> Set[ResourceId]:
    """What entries that lead nowhere mean, and what would come before a unit with that."""
    meant = {_only_meant(dependency, context) or _sole_need(unit, context) for dependency in context.lost.get(unit, ())}
    found = {each for each in meant if each is not None}
    return found.union(*(reached(each, context.graph) for each in found))


def _sole_need(unit: ResourceId, context: Context) -> ResourceId | None:
    """What a unit with a single entry that leads nowhere lacks, if that is one unit only."""
    lost = context.lost.get(unit, ())
    lacked = [entry.edge.provider for entry in context.plan.missing_of.get(unit, ())]
    return lacked[0] if len(lost) == len(lacked) == 1 else None


class DanglingDependsOn(Rule):
    """`dependsOn` names something that is not there.

    What it does: reports each entry of `dependsOn` that no unit of the cluster matches, with what was probably meant: the same name in another
    namespace, an object of the other kind, a similar name.

    Why it matters: the unit stays at `DependencyNotReady` for ever; nothing of it is applied. A Kustomization can only depend on Kustomizations, a
    HelmRelease only on HelmReleases. A warning where nothing tells where the cluster starts: another repository may apply the other unit.

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
            lost = [dependency for dependency in unit.depends_on if dependency.target not in graph.units]
            written = {unit.id.name, *(each.target.name for each in unit.depends_on)} if lost else frozenset()
            for dependency in lost:
                target = dependency.target
                if unit.id.kind == "ResourceSet" and _may_be_there(target, graph):
                    continue
                opaque = graph.may_be_made_by(target, str(unit.id))
                hint = _meant(unit, dependency, written, context)
                # Where only folders tell what starts, another repository may start the rest.
                is_open = context.cluster.guessed and opaque is None and not hint
                doubts = ", unless another repository applies it to the same cluster" if is_open else unless(opaque)
                fault = f"{target}, which is not there{hint}; it never gets past DependencyNotReady{doubts}"
                yield self.finding(
                    f"{unit.id} depends on {fault}",
                    dependency.place,
                    unit.id,
                    other=target,
                    severity=Severity.WARNING if is_open else None,
                    confidence=doubt(opaque, Confidence.LIKELY if is_open else Confidence.CERTAIN),
                    field="spec.dependsOn",
                    cause=f"dependsOn names {fault}",
                    remedy=remedies.redirect_dependency(unit, dependency, _only_meant(dependency, context), graph),
                )


def _may_be_there(target: ResourceId, graph: Graph) -> bool:
    """A ResourceSet depends on objects of any kind; definitions come with charts and with Flux itself, and not by their names."""
    return target in graph.unit_of or target in graph.provisions or target.kind == "CustomResourceDefinition"


def _meant(unit: Unit, dependency: Dependency, written: Set[str], context: Context) -> str:
    target, graph = dependency.target, context.graph
    namesakes = graph.units_by_name.get(target.name, ())
    elsewhere = [unit for unit in namesakes if unit.kind == target.kind]
    if elsewhere:
        return f" ({elsewhere[0]} is: the namespace is {elsewhere[0].namespace})"
    other = [unit for unit in namesakes if unit.kind != target.kind]
    if other:
        holder = graph.units[other[0]].parent
        instead = f"; depend on {holder}, which applies it" if holder is not None and holder.kind == target.kind else ""
        return f" ({other[0]} is, but a {target.kind} can't depend on a {other[0].kind}{instead})"
    near, lacked = closest(target.name, graph.names_of_units(target.kind), among=graph.lacking, besides=written), _sole_need(unit.id, context)
    return did_you_mean(near) if near is not None or lacked is None else f" (it needs {lacked}, which may be meant)"


def _only_meant(dependency: Dependency, context: Context) -> ResourceId | None:
    """The unit that an entry was meant to name, if it can be no other."""
    target, graph = dependency.target, context.graph
    namesakes = graph.units_by_name.get(target.name, ())
    found = [unit for unit in namesakes if unit.kind == target.kind]
    if not found:
        holders = {graph.units[unit].parent for unit in namesakes}
        found = [holder for holder in holders if holder is not None and holder.kind == target.kind]
        if not holders:
            name = remedies.slip(target.name, graph.names_of_units(target.kind), among=graph.lacking)
            found = [unit for unit in graph.units_by_name.get(name or "", ()) if unit.kind == target.kind]
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
    fixable = True
    severity = Severity.NOTE

    def check(self, context: Context) -> Iterator[Finding]:
        for edge in context.plan.edges:
            declared = edge.edge.declared
            if declared is not None and edge.redundant:
                # What a unit needs of one of another kind is not in the graph of units.
                itself = "" if edge.inferred or edge.consumer.kind != edge.provider.kind else ", and needs nothing of it itself"
                message = f"{edge.consumer} depends on {edge.provider} through others already{itself}; the entry can go"
                cause = "dependsOn entries that others imply can go"
                remedy = remedies.drop_dependency(declared)
                yield self.finding(message, declared.place, edge.consumer, other=edge.provider, field="spec.dependsOn", cause=cause, remedy=remedy)
        for unit in context.cluster.units:
            seen: set[ResourceId] = set()
            for dependency in unit.depends_on:
                if dependency.target in seen:
                    message = f"{unit.id} depends on {dependency.target} twice; the entry can go"
                    cause = "dependsOn entries that stand there twice can go"
                    yield self.finding(message, dependency.place, unit.id, other=dependency.target, field="spec.dependsOn", cause=cause)
                seen.add(dependency.target)


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
                        related=[Related("suspended here", target.spec.place("suspend"))],
                        field="spec.dependsOn",
                        cause=f"dependsOn names {fault}",
                    )
