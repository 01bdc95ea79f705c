"""Looks at a cluster once: everything that a verification needs, in as few requests as there can be, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from gitops_secrets.cluster.argo import project_of
from gitops_secrets.cluster.live import Live, live_id, mapping
from gitops_secrets.cluster.port import ControlPlane, ForbiddenError, SecretFacts
from gitops_secrets.cluster.verify import EXTERNAL_SECRET, Observed, children_of, secret_of, secrets_in_environments, wishes_of
from gitops_secrets.graph.graph import Graph
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.workloads import WORKLOADS

Value = TypeVar("Value")

# Each costs a handshake, and so many keep a server busy that is near.
_WORKERS: Final = 8
# From so many objects of a kind on, one list is less work than a request for each.
_WORTH_A_LIST: Final = 8


def observe(plane: ControlPlane, graph: Graph, table: KindTable, *, read_secrets: bool = True) -> Observed:
    """A cluster now, as far as a graph is concerned. Raises `ClusterError`; what only a permission is missing for is noted instead."""
    with ThreadPoolExecutor(_WORKERS, "observe") as executor:
        look = _Look(plane, executor)
        look.at(_watched(graph, table))
        look.at(child for live in list(look.live.values()) if live["kind"] == "ClusterExternalSecret" for child in children_of(live))
        if read_secrets:
            made = (secret_of(id, live) for id, live in look.live.items() if id.group_kind == EXTERNAL_SECRET)
            sealed = (ResourceId("", "Secret", id.namespace, id.name) for id in look.live if id.kind == "SealedSecret")
            look.at_secrets({*wishes_of(graph), *(secret for secret in made if secret is not None), *sealed})
        look.at_pods(id for id in secrets_in_environments(graph) if id.group_kind in WORKLOADS and id in look.live)
        return Observed(datetime.now(UTC), look.live, look.secrets if read_secrets else None, look.pods, look.unreadable, look.unknown)


def _watched(graph: Graph, table: KindTable) -> set[ResourceId]:
    here = [unit for unit in graph.units.values() if not unit.is_overlay and not graph.cluster.is_applied_from(unit)]
    found = {unit.id for unit in here} | {project for unit in here if (project := project_of(unit, graph)) is not None}
    found |= {unit.source for unit in graph.units.values() if unit.source is not None}
    for applied in graph.cluster.resources:
        id = applied.resource.id
        row = table.row(*id.group_kind)
        if (row is not None and row.readiness is not None) or id.group_kind in WORKLOADS or id.group == "source.toolkit.fluxcd.io":
            found.add(id)
    return found


@dataclass(slots=True)
class _Look:
    plane: ControlPlane
    executor: ThreadPoolExecutor
    live: dict[ResourceId, Live] = field(default_factory=dict)
    secrets: dict[ResourceId, SecretFacts] = field(default_factory=dict)
    pods: dict[ResourceId, tuple[Live, ...]] = field(default_factory=dict)
    unreadable: dict[ResourceId, str] = field(default_factory=dict)
    unknown: dict[ResourceId, str] = field(default_factory=dict)

    def at(self, ids: Iterable[ResourceId]) -> None:
        by_kind: dict[tuple[str, str], list[ResourceId]] = {}
        for id in ids:
            by_kind.setdefault(id.group_kind, []).append(id)
        single = []
        for kind, wanted in by_kind.items():
            if len(wanted) < _WORTH_A_LIST or not self._listed(kind, frozenset(wanted)):
                single += wanted
        self.live |= self._each(single, self.plane.get)

    def _listed(self, kind: tuple[str, str], wanted: frozenset[ResourceId]) -> bool:
        try:
            self.live |= {id: live for live in self.plane.objects(*kind) if (id := live_id(live)) in wanted}
        except ForbiddenError:
            return False
        return True

    def at_secrets(self, ids: Iterable[ResourceId]) -> None:
        self.secrets |= self._each(ids, lambda id: self.plane.secret(id.namespace, id.name))

    def at_pods(self, ids: Iterable[ResourceId]) -> None:
        self.pods |= self._each(ids, self._pods_of)

    def _pods_of(self, workload: ResourceId) -> tuple[Live, ...]:
        labels = mapping(self.live[workload], "spec", "selector", "matchLabels")
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        try:
            return tuple(self.plane.objects("", "Pod", workload.namespace, selector)) if selector else ()
        except ForbiddenError as error:
            # Whether a workload has been restarted is not worth a failure.
            self.unknown[workload] = str(error)
            return ()

    def _each(self, ids: Iterable[ResourceId], ask: Callable[[ResourceId], Value | None]) -> Mapping[ResourceId, Value]:
        asked = sorted(set(ids))
        found = {}
        for id, answer in zip(asked, self.executor.map(lambda id: _or_error(ask, id), asked), strict=True):
            if isinstance(answer, ForbiddenError):
                self.unreadable[id] = str(answer)
            elif answer is not None:
                found[id] = answer
        return found


def _or_error(ask: Callable[[ResourceId], Value | None], id: ResourceId) -> Value | ForbiddenError | None:
    try:
        return ask(id)
    except ForbiddenError as error:
        return error
