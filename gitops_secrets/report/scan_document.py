"""The graphs of clusters, as JSON. An interface: see `report/documents.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gitops_secrets.graph.graph import Graph, ResourceEdge, Unmet, comes_with_platform
from gitops_secrets.model.facts import Opaque, Problem
from gitops_secrets.model.results import Unit
from gitops_secrets.ordering.order import Order, OrderedEdge, Plan
from gitops_secrets.report.blocks import Blocks, blocks_of
from gitops_secrets.report.documents import Json, Written, by_name, json_parts, ordered_by, place_json, problems_json, reasons_json, written
from gitops_secrets.report.names import resource_counts

SCAN_SCHEMA: Final = "gitops-secrets/scan/v1"


def scan_document(plans: Iterable[Plan], problems: Iterable[Problem], revision: str | None, *, resources: bool = False) -> Blocks:
    """The graphs of all clusters. `resources` adds every object and every edge between objects."""
    ordered = by_name(plans)
    clusters = [cluster_block(plan, resources=resources) for plan in ordered]
    parts = json_parts({"schema": SCAN_SCHEMA, "revision": revision, "clusters": clusters, "problems": problems_json(problems)})
    positions = (position for position, part in enumerate(parts) if isinstance(part, Written))
    return blocks_of(parts, {position: plan.graph for position, plan in zip(positions, ordered, strict=True)})


def cluster_block(order: Order, *, resources: bool = False) -> Written:
    """One cluster, as it stands among `clusters`."""
    return written(_cluster(order, resources), 2)


def _cluster(plan: Order, resources: bool) -> Json:
    graph = plan.graph
    cluster: Json = {
        "name": graph.cluster.name,
        "entry_point": graph.cluster.entry_point,
        "units": _units(graph),
        "edges": map(_edge, sorted(plan.edges, key=lambda edge: (str(edge.consumer), str(edge.provider)))),
        "external": sorted(_external(graph), key=lambda entry: ordered_by(entry, "consumer", "field", "requires", "provider")),
        "unmet": sorted(_unmet(graph.unmet), key=lambda entry: ordered_by(entry, "consumer", "field", "requires")),
        "opaque": sorted(map(_opaque, graph.opaque), key=lambda entry: ordered_by(entry, "thing", "why")),
    }
    if resources:
        cluster["resources"] = _resources(graph)
        edges = (_resource_edge(edge) for edge in graph.resource_edges if not comes_with_platform(edge.provision))
        cluster["resource_edges"] = sorted(edges, key=lambda entry: ordered_by(entry, "from", "to", "field"))
    return cluster


def _units(graph: Graph) -> list[Json]:
    counts = resource_counts(graph)
    return sorted((_unit(unit, counts.get(unit.id, 0)) for unit in graph.units.values()), key=lambda entry: ordered_by(entry, "id"))


def _unit(unit: Unit, resources: int) -> Json:
    return {
        "id": str(unit.id),
        "kind": unit.id.kind,
        "namespace": unit.id.namespace,
        "name": unit.id.name,
        "path": unit.path,
        "place": place_json(unit.place),
        "parent": None if unit.parent is None else str(unit.parent),
        "resources": resources,
        "opaque": unit.opaque,
    }


def _edge(edge: OrderedEdge) -> Json:
    return {
        "from": str(edge.consumer),
        "to": str(edge.provider),
        "declared": edge.edge.declared is not None,
        "inferred": edge.inferred,
        "orders": edge.orders,
        "backed": edge.backed,
        "redundant": edge.redundant,
        "reasons": reasons_json(edge.edge.reasons),
    }


def _external(graph: Graph) -> Iterable[Json]:
    for edge in graph.external:
        provision = edge.before or edge.provision
        if not comes_with_platform(provision):
            requirement = edge.requirement
            yield {
                "consumer": str(requirement.resource),
                "requires": str(requirement.need),
                "provider": provision.note or str(provision.resource),
                "field": requirement.field,
                "place": place_json(requirement.place),
            }


def _unmet(entries: Iterable[Unmet]) -> Iterable[Json]:
    for entry in entries:
        requirement = entry.requirement
        yield {
            "consumer": str(requirement.resource),
            "requires": str(requirement.need),
            "optional": requirement.optional,
            "field": requirement.field,
            "place": place_json(requirement.place),
        }


def _opaque(opaque: Opaque) -> Json:
    return {"thing": opaque.thing, "why": opaque.why, "place": place_json(opaque.place)}


def _resources(graph: Graph) -> list[Json]:
    first = {applied.resource.id: applied.resource for applied in reversed(graph.cluster.resources)}
    entries = (
        {"id": str(resource.id), "api_version": resource.api_version, "unit": str(graph.unit_of[resource.id]), "place": place_json(resource.place)}
        for resource in first.values()
    )
    return sorted(entries, key=lambda entry: ordered_by(entry, "id"))


def _resource_edge(edge: ResourceEdge) -> Json:
    return {
        "from": str(edge.requirement.resource),
        "to": str(edge.provision.resource),
        "reason": edge.requirement.reason,
        "effect": edge.requirement.effect.value,
        "field": edge.requirement.field,
        "place": place_json(edge.requirement.place),
    }
