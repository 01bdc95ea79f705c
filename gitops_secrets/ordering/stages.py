"""The fewest waves within an Application: which of its objects have to come later than they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Effect, Resource, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.ordering.order import orders
from gitops_secrets.ordering.sync import RELEASE, Phase, position


def needed_waves(graph: Graph, table: KindTable) -> Mapping[ResourceId, Mapping[ResourceId, int]]:
    """For each Application the objects that need a later wave than they have, with that wave.

    Kinds' order puts definitions, namespaces and accounts before what uses them in one wave. What a controller makes, or has to look at first, is only
    there once the wave before is healthy. A chart counts as wave 0.
    """
    resources = {applied.resource.id: applied.resource for applied in graph.cluster.resources}
    needs: dict[ResourceId, list[ResourceEdge]] = {}
    for edge in graph.resource_edges:
        unit = graph.units.get(edge.consumer_unit)
        if unit is None or unit.sync is None or edge.provider_unit != edge.consumer_unit or not orders(edge, graph, table) or _comes_by_kind(edge):
            continue
        needs.setdefault(edge.requirement.resource, []).append(edge)
    waves = _Waves(resources, needs)
    found: dict[ResourceId, dict[ResourceId, int]] = {}
    for id in sorted(needs):
        resource = resources.get(id)
        if resource is not None and position(resource).phase is Phase.SYNC and waves.of(id) > position(resource).wave:
            found.setdefault(graph.unit_of[id], {})[id] = waves.of(id)
    return found


def _comes_by_kind(edge: ResourceEdge) -> bool:
    return edge.requirement.effect is Effect.APPLY and (edge.provision.when is When.NOW or edge.requirement.reason == "custom-resource-definition")


class _Waves:
    def __init__(self, resources: Mapping[ResourceId, Resource], needs: Mapping[ResourceId, Iterable[ResourceEdge]]) -> None:
        self.resources = resources
        self.needs = needs
        self.known: dict[ResourceId, int] = {}
        self.open: set[ResourceId] = set()

    def of(self, id: ResourceId) -> int:
        """The wave of an object behind all that it needs; what needs itself through others stays where it is."""
        if id in self.known:
            return self.known[id]
        own = position(self.resources[id]).wave if id in self.resources else RELEASE.wave
        if id in self.open:
            return own
        self.open.add(id)
        behind = [self.of(edge.provision.resource) + 1 for edge in self.needs.get(id, ()) if edge.provision.resource not in self.open]
        self.open.discard(id)
        self.known[id] = max([own, *behind])
        return self.known[id]
