"""What one of two states of a cluster can't tell of the other, since it does not build there: that is neither gone nor new."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.facts import Provision
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.reach import reachable

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Files:
    """What two graphs can't tell of the files that they were read from."""

    changed: Collection[str] = _NONE  # in both states, with other bytes
    added: Collection[str] = _NONE
    removed: Collection[str] = _NONE
    unread_before: Collection[str] = _NONE
    unread_after: Collection[str] = _NONE


@dataclass(frozen=True, slots=True)
class Unseen:
    """Units, objects, and what these bring."""

    held: frozenset[ResourceId] = frozenset()  # of before: it stays as it is for as long as what applies it does not build
    revealed: frozenset[ResourceId] = frozenset()  # of after: it may have been there before


def is_told(before: Graph | None, after: Graph | None, files: Files) -> bool:
    """Did a cluster come or go, where it is on one side only, or can just what starts it, or what it is a part of, not be read on the other?"""
    if before is None and after is not None:
        return not (_starts_in(after, files.unread_before) or (files.unread_after and not _has_files_in(after, files.added)))
    if after is None and before is not None:
        return not (_starts_in(before, files.unread_after) or (files.unread_before and not _has_files_in(before, files.removed)))
    return True


def _starts_in(graph: Graph, files: Collection[str]) -> bool:
    return graph.cluster.entry_point in files or any(unit.place.file in files for unit in graph.units.values() if unit.parent is None)


def _has_files_in(graph: Graph, files: Collection[str]) -> bool:
    places = (*(unit.place for unit in graph.units.values()), *(applied.resource.place for applied in graph.cluster.resources))
    return any(place.file in files for place in places)


def orphans(before: Graph, after: Graph, held: Collection[ResourceId]) -> frozenset[ResourceId]:
    """Units of `after` that something of `before` applied which is not seen any more, and what they apply: what they need was arranged in there."""
    gone = {id for id in held if id in before.units and id not in after.units}
    units = {id for id in after.units if id in before.units and not gone.isdisjoint(before.ancestors(id))} if gone else set()
    return frozenset(units.union(id for id, unit in after.unit_of.items() if unit in units))


def unseen(before: Graph | None, after: Graph | None, files: Files) -> Unseen:
    """What is not seen on the other side of a change. A pure function.

    What a unit that does not build shows all the same is seen. A file that is new held nothing before.
    """
    if before is None or after is None:
        return Unseen()
    return Unseen(_hidden(before, after, files.unread_after), _hidden(after, before, files.unread_before, files.added))


def _hidden(graph: Graph, other: Graph, unread: Collection[str], known: Collection[str] = _NONE) -> frozenset[ResourceId]:
    """What of `graph` is not seen in `other`, where the files `unread` can't be read; what stands in the files `known` is not there."""
    if not other.broken and not unread:
        return frozenset()
    units = {id for id in graph.units if id in other.broken}
    units |= {id for id, unit in graph.units.items() if id not in other.units and unit.place.file in unread}
    units = reachable(units, lambda unit: (id for id in graph.children.get(unit, ()) if id not in other.units and graph.units[id].place.file not in known))
    applied = ((each.resource, each.unit in units) for each in graph.cluster.resources if each.resource.id not in other.unit_of)
    there = {*other.unit_of, *(given.id for given in other.cluster.given)}
    beside = ((given, False) for given in graph.cluster.given if given.id not in there)
    objects = {
        resource.id for resource, is_below in (*applied, *beside) if resource.place.file in unread or (is_below and resource.place.file not in known)
    } - graph.units.keys()
    hidden = units.difference(other.units) | objects
    namespaces = {id.name for id in objects if id.kind == "Namespace"}

    def is_brought(id: ResourceId, provisions: Iterable[Provision]) -> bool:
        return id.namespace in namespaces or any(provision.resource in hidden or provision.place.file in unread for provision in provisions)

    brought = {id for id, provisions in graph.provisions.items() if id not in other.provisions and is_brought(id, provisions)}
    return frozenset(units | objects | brought)
