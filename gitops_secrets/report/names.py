"""Ids as short as they can be where they stand."""

from __future__ import annotations

from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.brief import brief
from gitops_secrets.model.ids import ResourceId, kind_text


def relative_name(unit: ResourceId, context: ResourceId | None) -> str:
    """The id without what it shares with the unit that it stands beside: the kind, then the namespace.

    >>> apps = ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps")
    >>> relative_name(apps, apps._replace(name="stores")), relative_name(apps, apps._replace(namespace="team"))
    ('apps', 'flux-system/apps')
    """
    if context is None or unit.group_kind != context.group_kind:
        return f"{kind_text(*unit.group_kind)} {name_within_kind(unit)}"
    return name_within_kind(unit if unit.namespace != context.namespace else unit._replace(namespace=""))


def name_within_kind(id: ResourceId) -> str:
    """The id without its kind."""
    return brief(f"{id.namespace}/{id.name}" if id.namespace else id.name)


def resource_counts(graph: Graph) -> dict[ResourceId, int]:
    """How many objects each unit applies. One that several units apply counts for the first."""
    counts: dict[ResourceId, int] = {}
    for unit in graph.unit_of.values():
        counts[unit] = counts.get(unit, 0) + 1
    return counts
