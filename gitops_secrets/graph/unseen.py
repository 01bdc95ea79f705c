"""What one of two states of a cluster can't tell of the other, since it does not build there: that is neither gone nor new."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.ids import ResourceId

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Files:
    """What two graphs can't tell of the files that they were read from."""

    changed: Collection[str] = _NONE  # in both states, with other bytes
    added: Collection[str] = _NONE
    unread_before: Collection[str] = _NONE
    unread_after: Collection[str] = _NONE


@dataclass(frozen=True, slots=True)
class Unseen:
    """Units, objects, and what these bring."""

    held: frozenset[ResourceId] = frozenset()  # of before: it stays as it is for as long as what applies it does not build
    revealed: frozenset[ResourceId] = frozenset()  # of after: it may have been there before


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
    pending = list(units)
    while pending:
        below = {id for id in graph.children.get(pending.pop(), ()) if id not in units and id not in other.units and graph.units[id].place.file not in known}
        units |= below
        pending.extend(below)
    places = ((applied.resource.id, applied.unit, applied.resource.place.file) for applied in graph.cluster.resources)
    objects = {id for id, unit, file in places if id not in other.unit_of and (file in unread or (unit in units and file not in known))} - graph.units.keys()
    brought = {
        id for id, provisions in graph.provisions.items() if id not in other.provisions and any(provision.resource in objects for provision in provisions)
    }
    return frozenset(units | objects | brought)
