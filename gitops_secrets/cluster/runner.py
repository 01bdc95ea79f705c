"""Drives a state machine against a cluster: what is watched goes in, what comes out is done, in parallel. No polling: it sleeps until something happens."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Set
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from gitops_secrets.cluster import argo, flux
from gitops_secrets.cluster.port import Appeared, ClusterError, ControlPlane, ForbiddenError, Listed, Lost, Notice, RefusedError, Sink, Vanished, Watches
from gitops_secrets.cluster.reconciliation import Reconciliation
from gitops_secrets.cluster.run import FORCE_SYNC, Action, Event, Gone, Nudge, Refused, Seen, Tick, View
from gitops_secrets.cluster.targets import kinds_of
from gitops_secrets.model.ids import ResourceId

_SECRET: Final = ("", "Secret")
_WORKERS: Final = 16
# Whether a run can go on at all is a question about the whole graph: it is asked when nothing happens.
_IDLE: Final = 0.5


class End(Enum):
    """How a run ended."""

    READY = "ready"
    STUCK = "stuck"  # nothing that is left can become ready by itself
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Changed:
    """A target is in another phase, or has other words for it, `after` so many seconds."""

    view: View
    after: float


@dataclass(frozen=True, slots=True)
class Did:
    """Something was asked of the cluster."""

    action: Action
    after: float


@dataclass(frozen=True, slots=True)
class Withheld:
    """A permission is missing for something that a run can do without."""

    message: str


@dataclass(frozen=True, slots=True)
class Reached:
    """All is ready, or nothing can go on; None: neither is so any more."""

    end: End | None
    after: float


Step = Changed | Did | Withheld | Reached
Report = Callable[[Step], None]


class Interrupt:
    """Ends a run from a signal handler."""

    def __init__(self) -> None:
        self._notices: queue.SimpleQueue[Notice | _Failed | None] = queue.SimpleQueue()
        self.is_set = False

    @property
    def sink(self) -> Sink:
        """Where what is watched for the run goes."""
        return self._notices.put

    def set(self) -> None:
        """Ends the run now."""
        self.is_set = True
        self._notices.put(None)


@dataclass(frozen=True, slots=True)
class _Failed:
    action: Action
    error: ClusterError


class Runner:
    """One run. `manifests` are of the targets that it applies; those in `confidential` hold values of Secrets."""

    def __init__(
        self,
        plane: ControlPlane,
        machine: Reconciliation,
        manifests: Mapping[ResourceId, Mapping[str, Any]],
        interrupt: Interrupt,
        confidential: Set[ResourceId] = frozenset(),
    ) -> None:
        self._plane = plane
        self._machine = machine
        self._manifests = manifests
        self._confidential = confidential
        self._interrupt = interrupt
        self._notices = interrupt._notices
        self._shown: dict[ResourceId, View] = {}
        self._withheld: set[str] = set()
        self._told: set[str] = set()
        self._started = time.monotonic()

    @property
    def after(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def follow(self, watches: Watches | None = None) -> None:
        """Starts to watch all that the run is about, by watches of its own unless others are given."""
        targets = self._machine.targets
        definitions = frozenset(target.id.name for target in targets if target.id.kind == "CustomResourceDefinition")
        (watches or self._plane).follow([kind for kind in kinds_of(targets) if kind != _SECRET], self._interrupt.sink, definitions)
        for target in targets:
            if target.id.group_kind == _SECRET:
                self._notices.put(self._looked_at(target.id))

    def _looked_at(self, secret: ResourceId) -> Notice:
        """Secrets are read one by one, by name, and not watched."""
        facts = self._plane.secret(secret.namespace, secret.name)
        if facts is None:
            return Vanished(secret)
        return Appeared({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret.name, "namespace": secret.namespace, "labels": facts.labels}})

    def run(self, timeout: float, report: Report) -> End:
        """Until all is ready, nothing can go on, time is up, or somebody interrupts. Raises `ClusterError` where the cluster refuses for good."""
        with self._executor() as executor:
            while True:
                self._report(report)
                end = self._end(timeout)
                if end is not None:
                    return end
                self._go_on(timeout, self.after + _IDLE, executor, report)

    def stay(self, report: Report) -> None:
        """Until somebody interrupts, whatever is reached; says so each time that it is. Raises `ClusterError` where the cluster refuses for good."""
        reached: End | None = None
        with self._executor() as executor:
            while not self._interrupt.is_set:
                self._report(report)
                if self._notices.empty():
                    end = self._end(math.inf)
                    if end != reached:
                        reached = end
                        report(Reached(end, self.after))
                self._go_on(math.inf, self.after + _IDLE if reached is None else math.inf, executor, report)

    @contextmanager
    def _executor(self) -> Iterator[Executor]:
        executor = ThreadPoolExecutor(_WORKERS, "nudge")
        try:
            yield executor
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def _go_on(self, timeout: float, idle: float, executor: Executor, report: Report) -> None:
        for event in self._events(timeout, idle):
            for action in self._machine.handle(event):
                report(Did(action, self.after))
                executor.submit(self._do, action)

    def _end(self, timeout: float) -> End | None:
        if self._interrupt.is_set:
            return End.INTERRUPTED
        if self._machine.is_done:
            return End.READY
        if self.after >= timeout:
            return End.TIMEOUT
        return End.STUCK if self._notices.empty() and self._machine.is_stuck else None

    def _events(self, timeout: float, idle: float) -> Iterator[Event]:
        """Waits for something to happen; all that has by then, one after the other, since what one means may hang on those before it."""
        wake = self._machine.wake_at()
        limit = min(timeout, idle if wake is None else wake)
        try:
            notice = self._notices.get(timeout=None if limit == math.inf else max(limit - self.after, 0.0))
            while True:
                if notice is not None:
                    yield from self._translated(notice)
                notice = self._notices.get_nowait()
        except queue.Empty:
            yield Tick(self.after)

    def _translated(self, notice: Notice | _Failed) -> list[Event]:
        now = self.after
        if isinstance(notice, Appeared):
            return [Seen(notice.live, now)]
        if isinstance(notice, Vanished):
            return [Gone(notice.id, now)]
        if isinstance(notice, Listed):
            missing = (target.id for target in self._machine.targets if target.id.group_kind == (notice.group, notice.kind))
            return [Gone(id, now) for id in missing if not self._machine.is_known(id)]
        if isinstance(notice, Lost):
            raise notice.error
        if isinstance(notice.error, ForbiddenError) and notice.action.nudge is not Nudge.APPLY:
            self._withheld.add(str(notice.error))
            return []
        if isinstance(notice.error, RefusedError):
            return [Refused(notice.action.id, str(notice.error), now)]
        raise notice.error

    def _do(self, action: Action) -> None:
        try:
            if action.nudge is Nudge.APPLY:
                manifest = _asked(self._manifests[action.id], action)
                self._notices.put(Appeared(self._plane.apply(manifest, confidential=action.id in self._confidential)))
            elif action.nudge in (Nudge.SYNC, Nudge.END):
                self._plane.merge(action.id, action.patch)
            else:
                self._plane.annotate(action.id, _request(action))
        except ClusterError as error:
            self._notices.put(_Failed(action, error))

    def _report(self, report: Report) -> None:
        for view in self._machine.changes():
            if self._shown.get(view.id) != view:
                self._shown[view.id] = view
                report(Changed(view, self.after))
        for message in sorted(self._withheld - self._told):
            report(Withheld(message))
        self._told |= self._withheld


def _asked(manifest: Mapping[str, Any], action: Action) -> Mapping[str, Any]:
    """A manifest that also asks its engine to reconcile: one request, and what has not changed is looked at too."""
    if not action.id.group.endswith(".toolkit.fluxcd.io") and action.id.group != argo.GROUP:
        return manifest
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **_request(action)}}}


def _request(action: Action) -> Mapping[str, str]:
    """The annotations that make its controller look at an object."""
    if action.id.group == argo.GROUP:
        return argo.refresh_request(action.id, action.token)
    return {FORCE_SYNC if action.nudge is Nudge.REFRESH else flux.REQUESTED_AT: action.token}
