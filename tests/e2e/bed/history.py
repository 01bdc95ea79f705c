"""What happened in the cluster while a test ran: each change of a Ready condition, with its time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Event, Thread

import urllib3

from tests.e2e.bed.api import CLUSTER_SECRET_STORE, EXTERNAL_SECRET, HELM_RELEASE, KUSTOMIZATION, Api, ApiError, Kind, Object, ready_condition

UNITS = (KUSTOMIZATION, HELM_RELEASE)
WATCHED = (*UNITS, CLUSTER_SECRET_STORE, EXTERNAL_SECRET)


@dataclass(frozen=True, slots=True)
class Transition:
    """A Ready condition that changed."""

    seconds: float  # since the history began
    kind: str
    namespace: str
    name: str
    status: str
    reason: str
    message: str

    @property
    def is_failed_reconciliation(self) -> bool:
        """A unit is refused or unhealthy; waiting for a dependency or a source is none of that."""
        if self.kind not in ("Kustomization", "HelmRelease") or self.status != "False":
            return False
        # A path that the source does not have is a failure under the same reason.
        source_missing = self.reason == "SourceNotReady" or (
            self.reason == "ArtifactFailed" and "not found" in self.message and "path not found" not in self.message
        )
        return self.reason not in ("DependencyNotReady", "Progressing", "ProgressingWithRetry") and not source_missing


class History:
    """Watches until it is stopped."""

    def __init__(self, api: Api, kinds: tuple[Kind, ...] = WATCHED) -> None:
        self._api = api
        self._started = time.monotonic()
        self._stopped = Event()
        self._transitions: list[Transition] = []
        for kind in kinds:
            Thread(target=self._follow, args=(kind,), name=f"history of {kind.plural}", daemon=True).start()

    @property
    def transitions(self) -> tuple[Transition, ...]:
        return tuple(self._transitions)

    @property
    def failed(self) -> tuple[Transition, ...]:
        """The failed reconciliations."""
        return tuple(transition for transition in self.transitions if transition.is_failed_reconciliation)

    def ready_at(self, kind: str, name: str) -> float | None:
        """When the object first became Ready."""
        return next((each.seconds for each in self.transitions if (each.kind, each.name, each.status) == (kind, name, "True")), None)

    def longest_chain(self) -> float:
        """Seconds of the slowest way along `dependsOn`, each Kustomization with the time from its controller's start on it until it was Ready."""
        units = {unit["metadata"]["name"]: [each["name"] for each in unit["spec"].get("dependsOn", [])] for unit in self._api.list(KUSTOMIZATION)}
        started: dict[str, float] = {}
        for transition in self.transitions:
            if transition.kind == "Kustomization" and transition.reason != "DependencyNotReady":
                started.setdefault(transition.name, transition.seconds)

        def chain(name: str) -> float:
            return (self.ready_at("Kustomization", name) or 0.0) - started[name] + max(map(chain, units[name]), default=0.0)

        return max(map(chain, units))

    def stop(self) -> None:
        self._stopped.set()

    def _follow(self, kind: Kind) -> None:
        last: dict[tuple[str, str], tuple[str, str, str]] = {}
        while not self._stopped.is_set():
            try:
                for event, thing in self._api.watch(kind, seconds=300):
                    if self._stopped.is_set():
                        return
                    self._note(last, event, thing)
            except (ApiError, OSError, urllib3.exceptions.HTTPError):
                self._stopped.wait(0.1)  # the kind is not served yet, or the API server is away

    def _note(self, last: dict[tuple[str, str], tuple[str, str, str]], event: str, thing: Object) -> None:
        place = (thing["metadata"].get("namespace", ""), thing["metadata"]["name"])
        if event == "DELETED":
            last.pop(place, None)
            return
        condition = ready_condition(thing)
        state = (condition.get("status", ""), condition.get("reason", ""), condition.get("message", ""))
        if condition and last.get(place) != state:
            last[place] = state
            self._transitions.append(Transition(time.monotonic() - self._started, thing["kind"], *place, *state))
