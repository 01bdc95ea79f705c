"""Rules about the order that Argo CD applies things in: waves, phases, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule, reached
from gitops_secrets.checks.evidence import delay, evidence, sentence
from gitops_secrets.graph.graph import ResourceEdge
from gitops_secrets.model.durations import duration
from gitops_secrets.model.facts import Confidence, Effect, Healing, KindNeed, ObjectNeed, Resource, When
from gitops_secrets.model.findings import Finding, Related, Remedy, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Sync, Unit
from gitops_secrets.ordering.order import OrderedEdge, orders
from gitops_secrets.ordering.sync import RELEASE, Phase, Position, deletion_policy, is_hook, options, order_place, position
from gitops_secrets.ordering.waves import APPLICATION_HEALTH, knows_applications, retried_for

_SKIP: Final = "SkipDryRunOnMissingResource=true"
_BEFORE_ALL: Final = -(2**31)
_BROKEN_VERSION: Final = "3.4.2"
# What a sync waits for until it is healthy; all else is fine once it is applied, or as soon as a controller has seen it.
_BLOCKED_KINDS: Final = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "ExternalSecret", "SecretStore", "ClusterSecretStore", "Certificate"}
)


class MissingSyncWave(Rule):
    """An Application may be synced before what it requires is there.

    What it does: reports each pair of Applications where resources of the first need something of the second, with an effect that must be ordered, and no
    wave of a common parent says so, nor a step of a RollingSync. Only the pairs that remain after reduction are named.

    Why it matters: Argo CD knows no `dependsOn`. Without waves both are synced at once; the sync fails, is tried again five times unless `retry` says
    otherwise, and then not any more for that revision.

    Example: before, two Applications of one root; after, `argocd.argoproj.io/sync-wave: "1"` on the one that needs the other.

    Options: `accept-retry` in the configuration turns edges that heal by retry into notes. A `retry.limit` below zero does so for an Application, and so
    does the lack of an automated sync. What is accepted and runs as soon as the other thing is there, such as a pod that waits for a volume, is a note:
    a sync has no timeout of its own.
    """

    id = "missing-sync-wave"
    fixable = True
    symptoms = ("one or more objects failed to apply", "SyncFailed", "no matches for kind", "SecretSyncedError")
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        units = context.graph.units
        for entry in context.plan.missing:
            edge = entry.edge
            consumer, provider = units[edge.consumer], units[edge.provider]
            if consumer.sync is None or provider.sync is None or _wave_between(context, consumer, provider) < 0:
                continue
            related = [*evidence(edge.edge.reasons), *(each for implied in entry.implied for each in evidence(implied.ordering[:1]))]
            confidence = Confidence.LIKELY if all(reason.provision.confidence is not Confidence.CERTAIN for reason in edge.ordering) else Confidence.CERTAIN
            cost = _cost(edge.ordering, consumer)
            yield self.finding(
                f"{edge.consumer} needs {edge.provider} first, and no sync wave says so: {sentence(edge.ordering[0])}; {cost}",
                consumer.sync.place,
                edge.consumer,
                other=edge.provider,
                severity=Severity.NOTE if _is_left_to_retries(consumer.sync) or all(map(_heals_in_place, edge.ordering)) else None,
                confidence=confidence,
                related=related,
                field="metadata.annotations",
                cause=f"{_needed(edge)}, and no sync wave puts {edge.provider} first; {cost}",
                retried=(reason.requirement.reason for reason in edge.ordering),
                remedy=_later_wave(context, consumer, provider),
            )


class WrongSyncWave(Rule):
    """Something is applied in an earlier wave, or phase, than what it needs.

    What it does: reports an object whose need is met only in a later wave or phase of its own Application: by another object, a chart, or the child of
    an app-of-apps; and an Application in an earlier wave of its parent than another one that it needs. Namespaces and definitions that are part of the
    same sync come along with the first object that needs them, whatever their wave says.

    Why it matters: Argo CD waits for all of a wave to be healthy before it applies the next. The object is refused, or never gets healthy, so that the
    wave with what it waits for is never applied: the sync hangs, or fails each time.

    Example: before, a Job with `argocd.argoproj.io/hook: PreSync` that reads the Secret of an ExternalSecret; after, the ExternalSecret is a PreSync hook
    in an earlier wave, or the Job a Sync hook in a later one.

    Options: none.
    """

    id = "wrong-sync-wave"
    fixable = True
    symptoms = ("waiting for healthy state of", "one or more objects failed to apply", "one or more synchronization tasks are not valid")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        resources = context.manifests
        for edge in _inner_edges(context):
            consumer = resources.get(edge.requirement.resource)
            first, later = _positions(edge, resources)
            if consumer is None or first.phase is Phase.OTHER or later.phase is Phase.OTHER or first.step >= later.step or not _blocks(edge, consumer):
                continue
            if _comes_along(edge):
                continue
            provider = edge.provision.resource
            hangs = "it is refused each time" if edge.requirement.effect is Effect.APPLY else "the sync waits for it, and never gets that far"
            yield self.finding(
                f"{consumer.id} is applied in {first.text}, before {provider} in {later.text}, and needs it: {sentence(edge)}; {hangs}",
                order_place(consumer),
                consumer.id,
                other=provider,
                confidence=edge.provision.confidence,
                related=[Related(f"{provider} in {later.text}", _place_of(provider, resources, edge.provision.place))],
                field="metadata.annotations",
                cause=f"{consumer.id.kind} before what it needs; {hangs}",
                remedy=remedies.set_wave(consumer, later.wave + (edge.provision.when is When.LATER)) if first.phase is later.phase else None,
            )
        yield from self._applications(context)

    def _applications(self, context: Context) -> Iterator[Finding]:
        gated = knows_applications(context.cluster)
        for edge in context.plan.edges:
            consumer, provider = context.graph.units[edge.consumer], context.graph.units[edge.provider]
            if not edge.orders or consumer.sync is None or provider.sync is None or _wave_between(context, consumer, provider) >= 0:
                continue
            end = "its wave never gets healthy, so that the other one is never applied" if gated else _cost(edge.ordering, consumer)
            yield self.finding(
                f"{edge.consumer} is in an earlier wave than {edge.provider}, and needs it: {sentence(edge.ordering[0])}; {end}",
                consumer.sync.place,
                edge.consumer,
                other=edge.provider,
                severity=Severity.ERROR if gated and any(_blocks_application(reason) for reason in edge.ordering) else Severity.WARNING,
                related=evidence(edge.edge.reasons),
                field="metadata.annotations",
                cause=f"{edge.provider} comes in a later wave than what needs it; {end}",
                remedy=_later_wave(context, consumer, provider),
            )


class SyncWaveNotGated(Rule):
    """Waves between Applications that wait for nothing.

    What it does: reports Applications in several waves of one parent, where something orders them, while `argocd-cm` has no health for Applications; an
    ordered pair whose provider is healthy before what it brings is there, since Argo CD does not know the health of its kind; and waves on Applications
    with Argo CD 3.4.2, which applies the next one too early.

    Why it matters: Argo CD dropped the health of Applications in 1.8. Without it a wave of Applications counts as healthy once the objects are there,
    and the next one is applied at the same moment: the waves do nothing.

    Example: before, waves alone; after, `resource.customizations.health.argoproj.io_Application` in `argocd-cm` with the script of Argo CD's manual.

    Options: none.
    """

    id = "sync-wave-not-gated"
    symptoms = ("SyncFailed", "one or more objects failed to apply")
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        ordered: dict[ResourceId, list[OrderedEdge]] = {}
        for edge in context.plan.edges:
            if edge.edge.declared is not None and edge.orders and context.graph.units[edge.provider].sync is not None:
                parent = _common(context, edge.consumer, edge.provider)
                if parent is not None and parent.kind == "Application":
                    ordered.setdefault(parent, []).append(edge)
        yield from self._without_health(context, ordered)
        for edges in ordered.values():
            for edge in edges:
                for gate in edge.unbacked_gates[:1]:
                    fault = f"{edge.provider} is healthy before {gate.checked} is: Argo CD does not know the health of {gate.checked.kind}"
                    yield self.finding(
                        f"{fault}, and {edge.consumer} is synced then",
                        context.graph.units[edge.provider].place,
                        edge.consumer,
                        other=edge.provider,
                        severity=Severity.NOTE,
                        related=evidence([gate.edge]),
                        field="health",
                        cause=fault,
                    )

    def _without_health(self, context: Context, ordered: dict[ResourceId, list[OrderedEdge]]) -> Iterator[Finding]:
        argo = context.cluster.argo
        broken = argo is not None and argo.version == _BROKEN_VERSION
        if knows_applications(context.cluster) and not broken:
            return
        for parent, edges in sorted(ordered.items()):
            unit = context.graph.units[parent]
            place = argo.place if argo is not None else unit.place
            missing = f"argocd-cm has no health for Applications: set {APPLICATION_HEALTH}"
            why = f"Argo CD {_BROKEN_VERSION} applies the next wave of Applications too early; take another version" if broken else missing
            yield self.finding(
                f"the waves below {parent} wait for nothing: {why}",
                place,
                parent,
                confidence=Confidence.CERTAIN if argo is not None else Confidence.LIKELY,
                related=[
                    Related(f"{edge.consumer} comes after {edge.provider}: {sentence(edge.ordering[0])}", edge.ordering[0].requirement.place) for edge in edges
                ],
                field=APPLICATION_HEALTH,
                cause=f"waves between Applications wait for nothing: {why}",
            )


class MissingSyncOption(Rule):
    """A custom resource fails the dry run of its Application, since its definition comes from elsewhere.

    What it does: reports objects of a kind that another Application brings, or a controller registers once it runs, in an Application that does not skip
    the dry run for them.

    Why it matters: Argo CD tries all waves of an Application dry before it applies anything. A kind that is not served yet, and not part of the same sync,
    fails the whole of it, also what has nothing to do with it, however late the wave of the object is.

    Example: before, an ExternalSecret in an Application of its own; after, `argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=true` on it, or
    that option in `syncPolicy.syncOptions`.

    Options: `accept-retry` in the configuration.
    """

    id = "missing-sync-option"
    fixable = True
    symptoms = ("the server could not find the requested resource", "no matches for kind", "one or more synchronization tasks are not valid")
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        resources = context.manifests
        found: dict[tuple[ResourceId, ResourceId], list[ResourceEdge]] = {}
        for edge in context.synced_edges:
            unit = context.graph.units[edge.consumer_unit]
            resource = resources.get(edge.requirement.resource)
            if unit.sync is None or resource is None or not isinstance(edge.requirement.need, KindNeed):
                continue
            if not orders(edge, context.graph, context.table) or _SKIP in unit.sync.options | options(resource) or edge.requirement.looked_for:
                continue
            if edge.provider_unit == unit.id and edge.provision.ready_signal:
                continue
            if edge.provider_unit is not None and edge.provider_unit != unit.id and self._is_a_matter_of_waves(edge, context):
                continue
            found.setdefault((unit.id, edge.provision.resource), []).append(edge)
        for (id, provider), edges in sorted(found.items()):
            unit = context.graph.units[id]
            more = f" and {len(edges) - 1} more" if len(edges) > 1 else ""
            fault = f"in the dry run of all waves its kind is not served before {provider} brings it, which fails the whole sync; {_retries(unit)}"
            yield self.finding(
                f"{edges[0].requirement.resource}{more} of {id}: {fault}; add {_SKIP}",
                unit.sync.place if unit.sync is not None else unit.place,
                id,
                other=provider,
                severity=Severity.NOTE if unit.sync is not None and _is_left_to_retries(unit.sync) else None,
                confidence=edges[0].provision.confidence,
                related=evidence(edges),
                field="spec.syncPolicy.syncOptions",
                cause=f"kinds that {provider} brings, in Applications that do not skip the dry run; add {_SKIP}",
                retried=(edge.requirement.reason for edge in edges),
                remedy=remedies.add_sync_option(unit, _SKIP),
            )

    def _is_a_matter_of_waves(self, edge: ResourceEdge, context: Context) -> bool:
        """Does an order put the unit with the definition first, so that it is served by then, or last, which another rule tells of?"""
        provider = context.graph.units.get(edge.provider_unit) if edge.provider_unit is not None else None
        if provider is None or not edge.provision.ready_signal:
            return False
        above = (edge.consumer_unit, *context.graph.ancestors(edge.consumer_unit))
        is_written = any(provider.id in reached(unit, context.graph) for unit in above)
        return is_written or _wave_between(context, context.graph.units[edge.consumer_unit], provider) != 0


class DegradedFailsSync(Rule):
    """A sync fails at the first try, because an object is Degraded until what it reads from is there.

    What it does: reports an ExternalSecret, PushSecret or store in the same wave as the store or credential that it needs, or as the chart of the
    operator, in an Application with later waves or hooks, which does not try again.

    Why it matters: Argo CD takes `Ready: False` for Degraded, and a Degraded object ends the sync before the later waves. The store is right a second
    later; the sync is over, and without `retry` nobody starts it again for that revision.

    Example: before, store and ExternalSecret in wave 0, the workload in wave 1; after, the ExternalSecret in wave 1, the workload in wave 2.

    Options: none.
    """

    id = "degraded-fails-sync"
    fixable = True
    symptoms = ("SecretSyncedError", "one or more objects failed to apply", "health state degraded")
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        resources = context.manifests
        last = _last_steps(context)
        for edge in _inner_edges(context):
            consumer = resources.get(edge.requirement.resource)
            if consumer is None or edge.requirement.effect is Effect.ROTATE or consumer.id.group != "external-secrets.io":
                continue
            unit = context.graph.units[edge.consumer_unit]
            first, later = _positions(edge, resources)
            if (
                unit.sync is None
                or unit.sync.retries != 0
                or first.step != later.step
                or first.step >= last[unit.id]
                or isinstance(edge.requirement.need, KindNeed)
            ):
                continue
            if edge.requirement.reason not in ("secret-store", "store-credential", "webhook", "secret"):
                continue
            provider = edge.provision.resource
            yield self.finding(
                f"{consumer.id} is applied in the same wave as {provider}, and Degraded until that is ready: it ends the sync before the later waves, and"
                f" {unit.id} does not try again; a later wave, or retry",
                order_place(consumer),
                consumer.id,
                other=provider,
                severity=None if unit.sync.automated else Severity.NOTE,
                related=evidence([edge]),
                field=edge.requirement.field,
                cause="ESO objects in the wave of what they need, in Applications that do not try again",
                remedy=remedies.set_wave(consumer, first.wave + 1) if (first.phase, first.wave + 1) < last[unit.id] else None,
            )


class HookRemovesProvider(Rule):
    """A hook is deleted while others still need it.

    What it does: reports a Secret, ServiceAccount or other object that is a hook with the deletion policy HookSucceeded, or made by such a hook, and
    needed by an object of a later phase or wave, or of another Application.

    Why it matters: once its phase has succeeded Argo CD deletes the hook. Pods that start later, or anew, find nothing.

    Example: before, a PreSync ExternalSecret with `hook-delete-policy: HookSucceeded` that a Deployment reads; after, BeforeHookCreation, or no hook.

    Options: none.
    """

    id = "hook-removes-provider"
    symptoms = ("CreateContainerConfigError", "secret not found")
    severity = Severity.WARNING

    def check(self, context: Context) -> Iterator[Finding]:
        hooks = {hook.id: hook for _, hook in context.synced_resources if is_hook(hook) and "HookSucceeded" in deletion_policy(hook)}
        for edge in context.graph.resource_edges if hooks else ():
            provider, consumer = hooks.get(edge.provision.resource), context.manifests.get(edge.requirement.resource)
            if provider is None or consumer is None or edge.provider_unit is None or edge.requirement.optional:
                continue
            if is_hook(consumer) and position(consumer).phase is position(provider).phase:
                continue
            yield self.finding(
                f"{provider.id} is a hook that is deleted once its phase has succeeded, and {consumer.id} needs it beyond that ({edge.requirement.field})",
                order_place(provider),
                provider.id,
                other=consumer.id,
                related=evidence([edge]),
                field="hook-delete-policy",
            )


# What the rules share


def _inner_edges(context: Context) -> Iterable[ResourceEdge]:
    """Edges within one Application that is synced wave by wave."""
    for edge in context.synced_edges:
        unit = context.graph.units[edge.consumer_unit]
        if unit.id.kind != "Application" or edge.before is not None or edge.is_alternative:
            continue
        if edge.provider_unit is None or edge.requirement.optional or edge.requirement.soft or edge.requirement.confidence is Confidence.POSSIBLE:
            continue
        if edge.provider_unit == unit.id or unit.id in context.graph.ancestors(edge.provider_unit):
            yield edge


def _comes_along(edge: ResourceEdge) -> bool:
    """Argo CD moves a Namespace, and a definition, into the phase and wave of the first object of its sync that needs it (gitops-engine, `adjustDeps`)."""
    if edge.provider_unit != edge.consumer_unit:
        return False
    if isinstance(edge.requirement.need, KindNeed):
        # Of a chart that Argo CD renders as well.
        return edge.provision.when is When.NOW or edge.provision.resource == edge.consumer_unit
    return edge.provision.when is When.NOW and edge.provision.resource.group_kind == ("", "Namespace")


def _positions(edge: ResourceEdge, resources: Mapping[ResourceId, Resource]) -> tuple[Position, Position]:
    consumer = resources.get(edge.requirement.resource)
    return RELEASE if consumer is None else position(consumer), _provider_position(edge, resources)


def _provider_position(edge: ResourceEdge, resources: Mapping[ResourceId, Resource]) -> Position:
    """The namespace of its destination is there before a sync; a chart stands at wave 0; what a child brings comes with the child."""
    need = edge.requirement.need
    if edge.provision.when is When.NOW and edge.provision.resource == edge.provider_unit and isinstance(need, ObjectNeed) and need.id.kind == "Namespace":
        return RELEASE._replace(phase=Phase.PRE_SYNC, wave=_BEFORE_ALL)
    if edge.provision.resource == edge.consumer_unit:
        return RELEASE
    owner = resources.get(edge.provision.resource) if edge.provider_unit == edge.consumer_unit else resources.get(edge.provider_unit or edge.consumer_unit)
    return RELEASE if owner is None else position(owner)


def _blocks(edge: ResourceEdge, consumer: Resource) -> bool:
    """Does the consumer keep its wave from getting healthy for as long as what it needs is not there?"""
    if edge.requirement.effect is Effect.APPLY:
        # A webhook that is not registered yet refuses nothing.
        return edge.requirement.reason != "webhook"
    return edge.requirement.effect is Effect.READY and consumer.id.kind in _BLOCKED_KINDS


def _blocks_application(reason: ResourceEdge) -> bool:
    return reason.requirement.effect is Effect.APPLY or reason.requirement.resource.kind in _BLOCKED_KINDS


def _place_of(id: ResourceId, resources: Mapping[ResourceId, Resource], otherwise: Place) -> Place:
    return order_place(resources[id]) if id in resources else otherwise


def _last_steps(context: Context) -> dict[ResourceId, tuple[Phase, int]]:
    """The last phase and wave of each Application."""
    last: dict[ResourceId, tuple[Phase, int]] = {unit.id: (Phase.SYNC, -(2**31)) for unit in context.cluster.units}
    for unit, resource in context.synced_resources:
        step = position(resource).step
        if step[0] is not Phase.OTHER:
            last[unit.id] = max(last[unit.id], step)
    return last


def _common(context: Context, consumer: ResourceId, provider: ResourceId) -> ResourceId | None:
    above = [consumer, *context.graph.ancestors(consumer)]
    below = [provider, *context.graph.ancestors(provider)]
    return next((unit for unit in above if unit in below), None)


def _wave_between(context: Context, consumer: Unit, provider: Unit) -> int:
    """How many waves the provider's branch comes before the consumer's, below the unit that applies both; 0 where waves say nothing."""
    common = _common(context, consumer.id, provider.id)
    if common is None or common in (consumer.id, provider.id) or context.graph.units[common].sync is None:
        return 0
    branches = []
    for unit in (consumer.id, provider.id):
        chain = [unit, *context.graph.ancestors(unit)]
        sync = context.graph.units[chain[chain.index(common) - 1]].sync
        branches.append(sync.wave if sync is not None else 0)
    return branches[0] - branches[1]


def _later_wave(context: Context, consumer: Unit, provider: Unit) -> Remedy | None:
    """The wave behind all that an Application needs among its siblings, if those that need it come later still."""
    if consumer.parent != provider.parent or consumer.parent is None or consumer.parent.kind != "Application":
        return None
    resource = context.manifests.get(consumer.id)
    units, edges = context.graph.units, [edge for edge in context.plan.edges if edge.orders]
    needed = [_wave(units[edge.provider]) for edge in edges if edge.consumer == consumer.id and units[edge.provider].parent == consumer.parent]
    behind = [_wave(units[edge.consumer]) for edge in edges if edge.provider == consumer.id and units[edge.consumer].parent == consumer.parent]
    wave = max(needed, default=0) + 1
    return remedies.set_wave(resource, wave) if resource is not None and all(later > wave for later in behind) else None


def _wave(unit: Unit) -> int:
    return unit.sync.wave if unit.sync is not None else 0


def _needed(edge: OrderedEdge) -> str:
    first = edge.ordering[0]
    if first.requirement.reason == "custom-resource-definition":
        return f"the kinds that {first.provision.resource} brings"
    made = "" if str(first.requirement.need) == str(first.provision.resource) else f", made by {first.provision.resource}"
    return f"{first.requirement.need}{made}"


def _is_left_to_retries(sync: Sync) -> bool:
    """Is it tried again for ever, or started by people, who see what failed and choose when?"""
    return sync.retries < 0 or not sync.automated


def _is_refused(reason: ResourceEdge) -> bool:
    """Is the consumer refused? Also an Application whose chart has objects of a kind that is not served: Argo CD renders and applies them itself."""
    requirement = reason.requirement
    return requirement.effect is Effect.APPLY or (isinstance(requirement.need, KindNeed) and not requirement.looked_for)


def _heals_in_place(reason: ResourceEdge) -> bool:
    """Does the consumer become healthy soon after what it needs, with no new sync?"""
    return not _is_refused(reason) and not reason.requirement.looked_for and reason.requirement.healing is not Healing.SLOW


def _cost(reasons: Sequence[ResourceEdge], unit: Unit) -> str:
    """What a sync that comes too early costs."""
    if any(map(_is_refused, reasons)):
        return f"too early its sync fails, and {_retries(unit)}"
    looked_for = next((reason.requirement for reason in reasons if reason.requirement.looked_for), None)
    if looked_for is not None:
        return delay(looked_for)
    if any(reason.requirement.healing is Healing.SLOW for reason in reasons):
        return "too early it is Degraded, backs off, and is then as late again as what it waits for, up to 7 min"
    return "too early it is not healthy until that is there"


def _retries(unit: Unit) -> str:
    total = retried_for(unit)
    if total is None:
        return "it is tried again until it works"
    if unit.sync is None or unit.sync.retries == 0:
        return "it is not tried again"
    return f"it is tried again for {duration(total)}, and then no more"
