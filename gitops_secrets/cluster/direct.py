"""A cluster without an engine: every rendered object is a target of its own, applied as soon as what it needs is ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gitops_secrets.cluster.run import Nudge, Target
from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.graph.loops import shortest_cycles
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Effect, KindNeed, ObjectNeed
from gitops_secrets.model.ids import ResourceId, crd_id


def direct_targets(graph: Graph, table: KindTable) -> tuple[Target, ...]:
    """All objects of a cluster, each with the others that have to be ready first; sorted by id."""
    objects = {applied.resource.id for applied in graph.cluster.resources}
    accepted: dict[ResourceId, set[ResourceId]] = {id: set() for id in objects}
    healthy: dict[ResourceId, set[ResourceId]] = {id: set() for id in objects}
    for edge in graph.resource_edges:
        requirement = edge.requirement
        if requirement.optional or requirement.soft or requirement.effect is Effect.ROTATE or requirement.resource not in objects:
            continue
        provider = next((id for id in _providers(edge) if id in objects and id != requirement.resource), None)
        if provider is not None:
            (accepted if requirement.effect is Effect.APPLY else healthy)[requirement.resource].add(provider)
    # Objects that are healthy only together are applied together.
    circular = {id for circle in shortest_cycles((id, need) for id in objects for need in accepted[id] | healthy[id]) for id in circle}
    return tuple(
        Target(
            id, Nudge.APPLY, frozenset(accepted[id] | (healthy[id] - circular if id in circular else healthy[id])), table.row(*id.group_kind), creatable=True
        )
        for id in sorted(objects)
    )


def _providers(edge: ResourceEdge) -> Iterator[ResourceId]:
    """What meets a need, the nearest first: the object itself, the definition of its kind, who makes it."""
    need, provides = edge.requirement.need, edge.provision.provides
    if isinstance(need, KindNeed):
        yield crd_id(need.group, provides.plural if isinstance(provides, KindNeed) else need.plural)
    elif isinstance(need, ObjectNeed):
        yield need.id
    yield edge.provision.resource


def refusals(graph: Graph) -> Iterable[str]:
    """What can't be applied without an engine, each with the reason."""
    for applied in graph.cluster.resources:
        id, data = applied.resource.id, applied.resource.data
        if id.kind == "HelmRelease" or id.group.endswith(".toolkit.fluxcd.io"):
            yield f"{id}: it is Flux that makes something of it"
        elif "sops" in data:
            yield f"{id}: it is encrypted, and only Flux decrypts it"
