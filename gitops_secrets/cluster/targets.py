"""From the plan of a cluster to what a run has to reach, and what each of it needs first. A pure function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from gitops_secrets.cluster.argo import project_of
from gitops_secrets.cluster.run import Nudge, Target
from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.kinds.paths import find, parse_path
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Effect, KindNeed, ObjectNeed, When
from gitops_secrets.model.ids import ResourceId, crd_id
from gitops_secrets.model.results import Unit
from gitops_secrets.model.workloads import WORKLOADS
from gitops_secrets.ordering.order import OrderedEdge, Plan, orders

ESO_GROUP: Final = "external-secrets.io"
DEFINITION: Final = ("apiextensions.k8s.io", "CustomResourceDefinition")
_ENGINE_KINDS: Final = frozenset({"Kustomization", "HelmRelease", "ResourceSet", "Application"})
_REFRESHED: Final = frozenset({"ExternalSecret", "PushSecret", "SecretStore", "ClusterSecretStore"})
# A CronJob is ready as it is.
_AWAITED: Final = WORKLOADS - {("batch", "CronJob")}
_GENERATOR: Final = parse_path("spec.dataFrom[].sourceRef.generatorRef")


def targets_of(plan: Plan, table: KindTable, *, force_sync: bool = False, only: ResourceId | None = None) -> tuple[Target, ...]:
    """Everything that has to become ready in a cluster with an engine, sorted by id.

    `only` limits it to a unit, what that needs, and what all of these apply; `force_sync` has every ExternalSecret refreshed once.
    """
    found = {target.id: target for target in _Targets(plan, table, force_sync).all()}
    # What is needed and brought by nobody is watched all the same: it may be there already.
    for need in sorted({need for target in found.values() for need in target.needs | target.hopes} - found.keys()):
        found[need] = Target(need, Nudge.NONE, row=table.row(*need.group_kind), brought=need in plan.graph.provisions, goal=False)
    kept = found.keys() if only is None else _closure(only, found, plan.graph)
    return tuple(found[id] for id in sorted(kept))


def _closure(only: ResourceId, targets: Mapping[ResourceId, Target], graph: Graph) -> set[ResourceId]:
    kept: set[ResourceId] = set()
    pending = [only]
    content: dict[ResourceId, list[ResourceId]] = {}
    for id in targets:
        if id in graph.unit_of:
            content.setdefault(graph.unit_of[id], []).append(id)
    while pending:
        id = pending.pop()
        if id in kept or id not in targets:
            continue
        kept.add(id)
        target = targets[id]
        pending += [*target.needs, *target.hopes, *(leader for leader in (target.source, target.parent, graph.unit_of.get(id)) if leader is not None)]
        if id == only or graph.units[only].id in graph.ancestors(id):
            pending += content.get(id, ())
    return kept


class _Targets:
    def __init__(self, plan: Plan, table: KindTable, force_sync: bool) -> None:
        self.plan, self.graph, self.table, self.force_sync = plan, plan.graph, table, force_sync
        self.edges: dict[ResourceId, list[ResourceEdge]] = {}
        for edge in self.graph.resource_edges:
            if edge.provider_unit is not None and edge.before is None and not edge.is_alternative:
                self.edges.setdefault(edge.requirement.resource, []).append(edge)
        self.judged: dict[ResourceId, list[OrderedEdge]] = {}
        for ordered in plan.edges:
            self.judged.setdefault(ordered.consumer, []).append(ordered)
        self.remote = {unit.id for unit in self.graph.units.values() if unit.remote}
        # Units of two engines have no edge of their own.
        self.across: dict[ResourceId, list[ResourceEdge]] = {}
        for edge in self.graph.resource_edges:
            if self._is_across(edge) and orders(edge, self.graph, table):
                self.across.setdefault(edge.consumer_unit, []).append(edge)

    def _is_across(self, edge: ResourceEdge) -> bool:
        consumer, provider = (self.graph.units.get(id) if id is not None else None for id in (edge.consumer_unit, edge.provider_unit))
        return consumer is not None and provider is not None and (consumer.sync is None) is not (provider.sync is None)

    def all(self) -> Iterator[Target]:
        sources = set()
        for unit in self.graph.units.values():
            if unit.is_overlay or self._is_remote(unit) or self.graph.cluster.is_applied_from(unit):
                continue
            yield self._unit(unit)
            if unit.source is not None:
                sources.add(unit.source)
        for source in sorted(sources):
            yield self._source(source)
        for applied in self.graph.cluster.resources:
            id = applied.resource.id
            if id in self.graph.units or applied.unit in self.remote:
                continue
            row = self.table.row(*id.group_kind)
            if row is not None and row.readiness is not None:
                yield self._secret_object(id, applied.unit)
            elif id.group_kind in _AWAITED and any(edge.requirement.reason == "secret" for edge in self.edges.get(id, ())):
                yield Target(id, Nudge.NONE, row=row)

    def _is_remote(self, unit: Unit) -> bool:
        return any(parent in self.remote for parent in self.graph.ancestors(unit.id))

    # Units

    def _unit(self, unit: Unit) -> Target:
        by = self.graph.unit_of.get(unit.id)
        project = project_of(unit, self.graph)
        needs = {*self._ordered(unit), *self._own_needs(unit.id)} - {unit.id}
        needs |= {leader for leader in (unit.source, project) if leader is not None}
        return Target(
            unit.id,
            Nudge.APPLY if unit.parent is None and by is None else Nudge.REQUEST,
            frozenset(needs),
            source=unit.source,
            parent=unit.parent,
            project=project,
            # What applies itself has to be there once.
            creatable=unit.parent is None,
            hopes=frozenset(self._hopes(unit.id)),
        )

    def _ordered(self, unit: Unit) -> Iterator[ResourceId]:
        """What has to be ready before a unit may be tried: what is written, and what it needs though nobody wrote it."""
        for reason in self.across.get(unit.id, ()):
            if reason.provider_unit is not None:
                yield from self._apart(unit, self._proof(reason, reason.provider_unit))
        if unit.sync is not None:
            yield from self._ordered_by_waves(unit)
            return
        written = {dependency.target for dependency in unit.depends_on}
        yield from written
        planned = set(self.plan.depends_on.get(unit.id, ()))
        for edge in self.judged.get(unit.id, ()):
            for reason, gate in zip(edge.edge.reasons, edge.gates, strict=True):
                if reason not in edge.ordering:
                    continue
                if edge.provider in planned - written:
                    # Flux does not wait: it is tried as soon as it can go well.
                    yield self._proof(reason, edge.provider)
                elif not gate.backs:
                    yield self._proof(reason, gate.checked)

    def _ordered_by_waves(self, unit: Unit) -> Iterator[ResourceId]:
        """The same for Argo CD: a wave is nothing that an Application says of others, so all counts that it needs, but for what comes with its own lineage."""
        for edge in self.judged.get(unit.id, ()):
            for reason in edge.ordering:
                yield from self._apart(unit, self._proof(reason, edge.provider))

    def _apart(self, unit: Unit, proof: ResourceId) -> Iterator[ResourceId]:
        """What proves a need, unless it comes with what applies the unit, or with what the unit applies."""
        brings = self.graph.unit_of.get(proof, proof)
        if proof not in self.graph.ancestors(unit.id) and unit.id not in {brings, *self.graph.ancestors(brings)}:
            yield proof

    def _hopes(self, unit: ResourceId) -> Iterator[ResourceId]:
        """Definitions that the unit's objects need and nothing known brings. Their names are guessed, so no unit may wait for one."""
        for unmet in self.graph.unmet:
            if unmet.unit == unit and isinstance(unmet.requirement.need, KindNeed):
                yield crd_id(unmet.requirement.need.group, unmet.requirement.need.plural)

    def _proof(self, reason: ResourceEdge, otherwise: ResourceId) -> ResourceId:
        """The one object whose state shows that a reason is met."""
        need, provider = reason.requirement.need, reason.provision.resource
        if isinstance(need, KindNeed):
            provides = reason.provision.provides
            return crd_id(need.group, provides.plural if isinstance(provides, KindNeed) else need.plural)
        if isinstance(need, ObjectNeed) and need.id.group_kind == ("", "Namespace"):
            return need.id
        return provider if self._has_status(provider) else otherwise

    def _own_needs(self, id: ResourceId) -> Iterator[ResourceId]:
        """What a unit reads itself and somebody makes later: values, variables, keys."""
        for edge in self._needed(id):
            if edge.requirement.reason in ("secret", "config-map", "values", "substitution", "decryption") and edge.provision.when is When.LATER:
                yield edge.provision.resource if self._has_status(edge.provision.resource) else edge.provider_unit or id

    def _needed(self, id: ResourceId) -> Iterable[ResourceEdge]:
        return (
            edge for edge in self.edges.get(id, ()) if edge.requirement.effect is Effect.READY and not edge.requirement.optional and not edge.requirement.soft
        )

    def _has_status(self, id: ResourceId) -> bool:
        """Does its own status show whether it is ready?"""
        if id.kind in _ENGINE_KINDS and id in self.graph.units:
            return True
        row = self.table.row(*id.group_kind)
        return row is not None and row.readiness is not None

    # Sources and secrets

    def _source(self, id: ResourceId) -> Target:
        ours = any(applied.resource.id == id for applied in self.graph.cluster.resources)
        return Target(id, Nudge.REQUEST, is_source=True, creatable=ours, brought=ours)

    def _secret_object(self, id: ResourceId, unit: ResourceId) -> Target:
        refreshed = id.group == ESO_GROUP and id.kind in _REFRESHED
        needs = {self._reached(edge, unit) for edge in self._needed(id)} - {None, id}
        makes_new = any(find(self._data(id), _GENERATOR))
        return Target(
            id,
            Nudge.REFRESH if refreshed else Nudge.NONE,
            frozenset(need for need in needs if need is not None),
            self.table.row(*id.group_kind),
            parent=unit,
            fresh_only=makes_new,
            refresh=self.force_sync and id.kind == "ExternalSecret" and not makes_new,
        )

    def _reached(self, edge: ResourceEdge, unit: ResourceId) -> ResourceId | None:
        """What has to be ready for a need of an object to be met; None where that comes with the object itself."""
        if self._has_status(edge.provision.resource):
            return edge.provision.resource
        lineage = {unit, *self.graph.ancestors(unit)}
        return edge.provider_unit if edge.provider_unit not in lineage else None

    def _data(self, id: ResourceId) -> object:
        return next((applied.resource.data for applied in self.graph.cluster.resources if applied.resource.id == id), None)


def kinds_of(targets: Iterable[Target]) -> tuple[tuple[str, str], ...]:
    """The kinds to watch for targets, definitions first: they tell when others are served."""
    found = {target.id.group_kind for target in targets}
    return (DEFINITION, *sorted(found - {DEFINITION}))


def only_watched(targets: Iterable[Target]) -> tuple[Target, ...]:
    """The same targets for a run that changes nothing."""
    return tuple(replace(target, nudge=Nudge.NONE, creatable=False, refresh=False) for target in targets)


def only_asked(targets: Iterable[Target], followed: ResourceId) -> tuple[Target, ...]:
    """The same targets for a run that leaves no trace on what git owns but Flux' request to reconcile, and takes what the source `followed` has fetched."""
    return tuple(
        replace(
            target,
            nudge=Nudge.REQUEST if target.id.group.endswith(".toolkit.fluxcd.io") and target.id != followed else Nudge.NONE,
            creatable=False,
            refresh=False,
        )
        for target in targets
    )
