"""Watches that runs share, and that outlast them: whoever comes later is told first what is there already."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Set
from typing import Final

from gitops_secrets.cluster.live import Live, live_id, mapping
from gitops_secrets.cluster.port import Appeared, Listed, Lost, Notice, Sink, Vanished, Watches
from gitops_secrets.cluster.targets import DEFINITION
from gitops_secrets.model.ids import ResourceId

_NONE: Final[frozenset[str]] = frozenset()
# Most of an object, and nothing that its readiness is judged by: a cluster has thousands of them.
_BULK: Final = frozenset({"template", "values"})
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
Key = tuple[str, str, frozenset[str]]  # group, kind, names of definitions


class Informers:
    """`port.Watches` over those of a cluster, one for each kind. Safe to use from many threads."""

    def __init__(self, watches: Watches) -> None:
        self._watches = watches
        self._lock = threading.Lock()
        self._informers: dict[Key, _Informer] = {}

    def follow(self, kinds: Iterable[tuple[str, str]], sink: Sink, definitions: Set[str] = _NONE) -> None:
        """Hands on what is there of these kinds, and then all that happens to it, until `leave`."""
        for kind in dict.fromkeys(kinds):
            with self._lock:
                lost = [key for key, informer in self._informers.items() if informer.is_lost]
                for key in lost:
                    del self._informers[key]
                of_kind = {key: informer for key, informer in self._informers.items() if key[:2] == kind}
                missing = frozenset(definitions).difference(*(names for _, _, names in of_kind)) if kind == DEFINITION else _NONE
                is_new = not of_kind or bool(missing)
                if is_new:
                    of_kind[*kind, missing] = self._informers[*kind, missing] = _Informer()
            for informer in of_kind.values():
                informer.join(sink)
            if is_new:
                self._watches.follow([kind], of_kind[*kind, missing].take, missing)

    def leave(self, sink: Sink) -> None:
        """Hands nothing on any more."""
        with self._lock:
            informers = list(self._informers.values())
        for informer in informers:
            informer.leave(sink)


class _Informer:
    """All that is there of one kind, and who wants to know."""

    def __init__(self) -> None:
        self.is_lost = False
        self._lock = threading.Lock()
        self._objects: dict[ResourceId, Live] = {}
        self._listed: Listed | None = None
        self._sinks: list[Sink] = []

    def take(self, notice: Notice) -> None:
        if isinstance(notice, Appeared):
            notice = Appeared(_lean(notice.live))
        with self._lock:
            match notice:
                case Appeared(live):
                    self._objects[live_id(live)] = live
                case Vanished(id):
                    self._objects.pop(id, None)
                case Listed():
                    self._listed = notice
                case Lost():
                    self.is_lost = True
            for sink in self._sinks:
                sink(notice)

    def join(self, sink: Sink) -> None:
        with self._lock:
            for live in self._objects.values():
                sink(Appeared(live))
            if self._listed is not None:
                sink(self._listed)
            self._sinks.append(sink)

    def leave(self, sink: Sink) -> None:
        with self._lock:
            self._sinks = [each for each in self._sinks if each != sink]


def _lean(live: Live) -> Live:
    """An object without its bulk."""
    metadata, spec = mapping(live, "metadata"), mapping(live, "spec")
    annotations = {name: value for name, value in mapping(metadata, "annotations").items() if name != _LAST_APPLIED}
    return {**live, "metadata": {**metadata, "annotations": annotations}, "spec": {field: value for field, value in spec.items() if field not in _BULK}}
