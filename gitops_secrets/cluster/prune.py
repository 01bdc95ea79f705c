"""Units that this tool once applied and that the repository no longer has: what goes after what, and the going itself."""

from __future__ import annotations

import hashlib
import queue
import re
import time
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Final

from gitops_secrets.cluster.live import Live, items, live_id, mapping, text
from gitops_secrets.cluster.port import Appeared, ControlPlane, Listed, Lost, Notice, Vanished
from gitops_secrets.model.ids import ResourceId

# On every unit that is applied by this tool: the entry point that it belongs to.
LABEL: Final = "gitops-secrets/entry-point"
_KUSTOMIZATION: Final = ("kustomize.toolkit.fluxcd.io", "Kustomization")
_LONGEST_VALUE: Final = 63

Levels = tuple[tuple[ResourceId, ...], ...]


def label_value(entry_point: str) -> str:
    """The name of an entry point as the value of a label (RFC 1123, 63 characters).

    >>> label_value("clusters/production")
    'clusters.production'
    """
    value = re.sub(r"[^A-Za-z0-9_.-]+", ".", entry_point).strip("._-") or "root"
    return value if len(value) <= _LONGEST_VALUE else f"{value[:50]}.{hashlib.sha256(value.encode()).hexdigest()[:12]}"


def labelled(manifest: Mapping[str, Any], entry_point: str) -> Mapping[str, Any]:
    """A unit's manifest with the mark by which it is found again once the repository has dropped it."""
    metadata = mapping(manifest, "metadata")
    return {**manifest, "metadata": {**metadata, "labels": {**mapping(metadata, "labels"), LABEL: label_value(entry_point)}}}


def stale(plane: ControlPlane, entry_point: str, kept: Set[ResourceId]) -> Levels:
    """Units of an entry point that are not among `kept`, in the order of their removal. Raises `ClusterError`."""
    found = plane.objects(*_KUSTOMIZATION, labels=f"{LABEL}={label_value(entry_point)}")
    return removal_order(live for live in found if live_id(live) not in kept)


def removal_order(units: Iterable[Live]) -> Levels:
    """Units by what they depend on, backwards: whatever needs another goes before it, so that operators outlive what they clean up."""
    needs = {
        live_id(live): {
            ResourceId(*_KUSTOMIZATION, text(entry, "namespace") or text(live, "metadata", "namespace"), text(entry, "name"))
            for entry in items(live, "spec", "dependsOn")
        }
        for live in units
    }
    levels = []
    left = set(needs)
    while left:
        needed = {need for id in left for need in needs[id]}
        # What waits in a circle goes together.
        level = tuple(sorted(left - needed)) or tuple(sorted(left))
        levels.append(level)
        left -= set(level)
    return tuple(levels)


def remove(plane: ControlPlane, levels: Levels, timeout: float, report: Callable[[ResourceId], None]) -> tuple[ResourceId, ...]:
    """Deletes level after level, each once the one before is gone with all that it applied; what is left at the time limit. Raises `ClusterError`."""
    notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
    plane.follow([_KUSTOMIZATION], notices.put)
    deadline = time.monotonic() + timeout
    left = [id for level in levels for id in level]
    for level in levels:
        for id in level:
            plane.delete(id)
        going = set(level)
        while going:
            try:
                notice = notices.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                return tuple(left)
            if isinstance(notice, Lost):
                raise notice.error
            gone = _gone(notice, going, plane)
            going -= gone
            for id in sorted(gone):
                left.remove(id)
                report(id)
    return ()


def _gone(notice: Notice, going: Set[ResourceId], plane: ControlPlane) -> set[ResourceId]:
    if isinstance(notice, Vanished):
        return {notice.id} & set(going)
    if isinstance(notice, Listed):
        # One that went before the first list was made is in no event.
        return {id for id in going if plane.get(id) is None}
    assert isinstance(notice, Appeared)
    return set()
