"""The reverse order: what to take away first so that nothing hangs, and what has to outlive what.

Objects with a finalizer go only once their operator has taken it off. An operator that goes first leaves them, and their namespaces, for ever (measured:
operator first always hangs, all at once is a race, the reverse order is clean).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from gitops_secrets.graph.graph import ResourceEdge
from gitops_secrets.kinds.paths import value_at
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import KindNeed, Resource, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text
from gitops_secrets.model.reach import reachable
from gitops_secrets.model.results import Unit
from gitops_secrets.ordering.order import Plan
from gitops_secrets.ordering.sync import RELEASE, position

_ENGINE_KINDS: Final = frozenset({("fluxcd.controlplane.io", "FluxInstance")})
_ENGINE_CHARTS: Final = frozenset({"flux-operator", "flux-instance", "flux2"})
# Also with /background or /foreground behind it.
_FINALIZER: Final = "resources-finalizer.argocd.argoproj.io"
_CONTROLLERS: Final = frozenset({"kustomize-controller", "helm-controller"})


@dataclass(frozen=True, slots=True)
class Hold:
    """`operator` has to outlive `objects`, all of one kind: it takes their finalizer off."""

    operator: ResourceId
    unit: ResourceId  # that applies the operator
    kind: str
    finalizer: str
    objects: tuple[Resource, ...]
    units: tuple[ResourceId, ...]  # that apply the objects
    hangs: tuple[ResourceId, ...]  # those of them that do not go before the operator, even in reverse order


@dataclass(frozen=True, slots=True)
class Keep:
    """A unit that leaves its objects behind when it is deleted, and why."""

    unit: ResourceId
    why: str


@dataclass(frozen=True, slots=True)
class Teardown:
    """How to take a cluster's units away: one step after the other, each once the one before is gone."""

    plan: Plan
    steps: tuple[tuple[ResourceId, ...], ...]
    # What applies other units brings them back while it runs; and a suspended one, when deleted, leaves what it applied.
    suspend: tuple[ResourceId, ...]
    engine: tuple[ResourceId, ...]  # apply the engine itself, which the steps need: to be removed with it, by `flux uninstall`
    keeps: tuple[Keep, ...]
    holds: tuple[Hold, ...]


def teardown(plan: Plan, table: KindTable) -> Teardown:
    """The reverse of a plan. A pure function."""
    units = plan.graph.units
    engine = _engine(plan)
    held = _held(plan, table)
    needed = [(edge.consumer, edge.provider) for edge in plan.edges if edge.orders and units[edge.consumer].sync is not None]
    # Waves stand in no `dependsOn`.
    levels = _levels(plan, [*((consumer, operator.unit) for operator, edges in held.items() for consumer in _consumers(edges)), *needed])
    level_of = {unit: number for number, level in enumerate(levels) for unit in level}
    # A release goes with what applies it.
    steps = tuple(tuple(unit for unit in level if unit not in engine and not _goes_with_parent(units[unit])) for level in reversed(levels))
    suspend = {unit.parent for unit in units.values() if unit.parent in units and not _goes_with_parent(unit)}
    keeps = (Keep(unit, why) for unit in sorted(units) if (why := _left(units[unit])) is not None)
    return Teardown(
        plan=plan,
        steps=tuple(step for step in steps if step),
        suspend=tuple(sorted(unit for unit in suspend if unit is not None)),
        engine=tuple(sorted(engine)),
        keeps=tuple(keeps),
        holds=tuple(_hold(operator, held[operator], plan, level_of) for operator in sorted(held)),
    )


def _engine(plan: Plan) -> frozenset[ResourceId]:
    """Units that apply Flux, or what applies it."""
    cluster, unit_of = plan.graph.cluster, plan.graph.unit_of
    found = {applied.unit for applied in cluster.resources if applied.resource.id.group_kind in _ENGINE_KINDS or applied.resource.id.name in _CONTROLLERS}
    found |= {unit_of[release.resource] for release in cluster.releases if release.chart in _ENGINE_CHARTS and release.resource in unit_of}
    return frozenset({each for unit in found & plan.graph.units.keys() for each in (unit, *plan.graph.ancestors(unit))})


def _levels(plan: Plan, further: Iterable[tuple[ResourceId, ResourceId]]) -> list[tuple[ResourceId, ...]]:
    """Units by the longest way to what needs nothing; `further` pairs wait as well, unless the second one waits for the first."""
    units = plan.graph.units
    waits = {unit: {target for target in plan.depends_on.get(unit, ()) if target in units} for unit in units}
    for unit in units.values():
        if unit.parent in units and unit.parent is not None:
            waits[unit.id].add(unit.parent)
    for consumer, provider in further:
        if consumer != provider and consumer not in reachable([provider], waits.__getitem__):
            waits[consumer].add(provider)
    levels = []
    while waits:
        # What waits in a circle comes last, together.
        level = tuple(sorted(id for id, targets in waits.items() if not targets & waits.keys())) or tuple(sorted(waits))
        levels.append(level)
        for id in level:
            del waits[id]
    return levels


def _goes_with_parent(unit: Unit) -> bool:
    return unit.id.kind == "HelmRelease" and unit.parent is not None


def _left(unit: Unit) -> str | None:
    """Why the objects of a unit stay when it is deleted, if they do. Neither kustomize-controller nor helm-controller takes anything away while suspended."""
    spec = unit.spec
    if unit.sync is not None:
        return _left_by_argo(unit, spec)
    if unit.suspended:
        return "it is suspended; resume it first"
    if unit.id.kind != "Kustomization":
        return None
    policy = as_text(spec.get("deletionPolicy"))
    if policy == "Orphan":
        return "deletionPolicy: Orphan"
    return "prune: false" if spec.get("prune") is False and policy in ("", "MirrorPrune") else None


def _left_by_argo(unit: Unit, spec: MappingNode) -> str | None:
    """The same for Argo CD: only an Application with its finalizer takes its objects along; what an ApplicationSet makes has it unless that says otherwise."""
    if unit.id.kind == "ApplicationSet":
        return "preserveResourcesOnDeletion: true" if as_mapping(spec.get("syncPolicy")).get("preserveResourcesOnDeletion") is True else None
    finalizers = as_sequence(unit.metadata.get("finalizers"))
    is_made = unit.parent is not None and unit.parent.kind == "ApplicationSet"
    return None if is_made or any(as_text(each).startswith(_FINALIZER) for each in finalizers) else f"it has no finalizer {_FINALIZER}"


class _Operator(NamedTuple):
    """What takes a finalizer off the objects of a kind."""

    release: ResourceId
    unit: ResourceId
    kind: str
    finalizer: str


def _held(plan: Plan, table: KindTable) -> dict[_Operator, dict[ResourceId, ResourceEdge]]:
    """Objects with a finalizer, by who takes it off. That it may be installed before the engine starts doesn't matter: it goes with the unit."""
    manifests = {applied.resource.id: applied.resource for applied in plan.graph.cluster.resources}
    found: dict[_Operator, dict[ResourceId, ResourceEdge]] = {}
    for edge in plan.graph.resource_edges:
        resource = manifests.get(edge.requirement.resource)
        finalizer = _finalizer(resource, edge, table)
        if resource is not None and finalizer is not None and edge.provider_unit in plan.graph.units and edge.provider_unit is not None:
            operator = _Operator(edge.provision.resource, edge.provider_unit, resource.id.kind, finalizer)
            found.setdefault(operator, {})[resource.id] = edge
    return found


def _consumers(edges: Mapping[ResourceId, ResourceEdge]) -> list[ResourceId]:
    return sorted({edge.consumer_unit for edge in edges.values()})


def _hold(operator: _Operator, edges: Mapping[ResourceId, ResourceEdge], plan: Plan, level_of: Mapping[ResourceId, int]) -> Hold:
    units = _consumers(edges)
    objects = {applied.resource.id: applied.resource for applied in plan.graph.cluster.resources if applied.resource.id in edges}
    apart = plan.graph.units[operator.unit].sync is not None and _goes_before(objects, edges, operator, plan)
    hangs = tuple(unit for unit in units if level_of[unit] <= level_of[operator.unit] and not (apart and unit == operator.unit))
    return Hold(operator.release, operator.unit, operator.kind, operator.finalizer, tuple(objects[id] for id in sorted(objects)), tuple(units), hangs)


def _goes_before(objects: Mapping[ResourceId, Resource], edges: Mapping[ResourceId, ResourceEdge], operator: _Operator, plan: Plan) -> bool:
    """Do the objects beside an operator in its Application have later waves? It deletes wave by wave, the last one first (`FilterObjectsForDeletion`)."""
    release = next((applied.resource for applied in plan.graph.cluster.resources if applied.resource.id == operator.release), None)
    last = (RELEASE if release is None or release.id in plan.graph.units else position(release)).wave
    return all(position(objects[id]).wave > last for id, edge in edges.items() if edge.consumer_unit == operator.unit and id in objects)


def _finalizer(resource: Resource | None, edge: ResourceEdge, table: KindTable) -> str | None:
    """The finalizer that an object has because of the operator at the other end of an edge, if it has one."""
    if resource is None or not isinstance(edge.requirement.need, KindNeed) or edge.provision.when is not When.LATER or edge.is_alternative:
        return None
    row = table.row(*resource.id.group_kind)
    if row is None or row.finalizer is None:
        return None
    if row.finalizer_if is not None and value_at(resource.data, row.finalizer_if[0]) != row.finalizer_if[1]:
        return None
    return row.finalizer
