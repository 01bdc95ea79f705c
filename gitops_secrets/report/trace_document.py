"""A chain, as JSON. An interface: see `report/documents.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from gitops_secrets.report.documents import Json, json_text, place_json

if TYPE_CHECKING:
    from gitops_secrets.graph.trace import ClusterTrace, Link, Trace

TRACE_SCHEMA: Final = "gitops-secrets/trace/v1"


def trace_document(trace: Trace, revision: str | None) -> str:
    """The chain through one thing, nested as it is walked."""
    clusters = [_traced_cluster(cluster) for cluster in sorted(trace.clusters, key=lambda cluster: cluster.cluster)]
    return json_text({"schema": TRACE_SCHEMA, "revision": revision, "thing": trace.thing, "clusters": clusters})


def _traced_cluster(trace: ClusterTrace) -> Json:
    return {
        "name": trace.cluster,
        "place": None if trace.place is None else place_json(trace.place),
        "unit": None if trace.unit is None else str(trace.unit),
        "upstream": _links(trace.upstream),
        "downstream": _links(trace.downstream),
    }


def _links(links: Iterable[Link]) -> list[Json]:
    # In the order of the walk, which is by thing and place: what is marked `again` stands behind the place where it is followed.
    return list(map(_link, links))


def _link(link: Link) -> Json:
    return {
        "thing": link.thing,
        "relation": link.relation.value,
        "reason": link.reason or None,
        "effect": None if link.effect is None else link.effect.value,
        "optional": link.optional,
        "met": link.met,
        "field": link.field or None,
        "place": place_json(link.place),
        "unit": None if link.unit is None else str(link.unit),
        "again": link.again,
        "links": _links(link.links),
    }
