"""What a run would change: all that it, and Flux after it, would apply goes to the API server as a dry run, and is compared with what is there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from gitops_secrets.cluster.apply import FLUX_FIELD_MANAGER, as_applied, as_flux_applies, comparable, inventory, is_left_alone
from gitops_secrets.cluster.direct import direct_targets
from gitops_secrets.cluster.live import Live, at, mapping
from gitops_secrets.cluster.port import FIELD_MANAGER, ControlPlane, ForbiddenError, RefusedError
from gitops_secrets.cluster.reconciliation import is_applied_by_engine
from gitops_secrets.cluster.run import Nudge
from gitops_secrets.generate.changes import FileChange
from gitops_secrets.graph.graph import Graph
from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.secrets import is_cut
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.pipeline.cluster import the_cluster
from gitops_secrets.pipeline.reconcile import Engine, Job
from gitops_secrets.pipeline.scan import Repository, analyse
from gitops_secrets.syntax.budget import Budget
from gitops_secrets.syntax.emit import dump

_WORKERS: Final = 8
_SECRET: Final = ("", "Secret")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do: what would change of objects, as files; what it would only ask; what the API server would refuse."""

    changes: tuple[FileChange, ...]
    asked: tuple[ResourceId, ...]
    refused: tuple[str, ...]
    untried: tuple[ResourceId, ...]  # can't be tried before something else of the run is there
    unknown: tuple[ResourceId, ...]  # holds values of Secrets, or variables that only the cluster knows
    keys: Mapping[ResourceId, tuple[str, ...]]  # of those that are Secrets


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One object as it would be applied."""

    id: ResourceId
    manifest: Mapping[str, Any]
    manager: str = FIELD_MANAGER


def preview(repository: Repository, job: Job, plane: ControlPlane) -> Preview:
    """A run that changes nothing. Raises `ClusterError`."""
    graph = job.plan.graph if job.engine is Engine.DIRECT else _whole(repository, job)
    with ThreadPoolExecutor(_WORKERS, "preview") as executor:
        before = _before(graph, job, plane, executor)
        nudges = {target.id: target.nudge for target in job.targets}
        own = [id for id in job.manifests if _is_own(nudges[id], before[id])]
        attempts = [_Attempt(id, job.manifests[id]) for id in own] + list(_of_flux(graph, job, set(own), before))
        unknown = {attempt.id: attempt.manifest for attempt in attempts if not _is_known(attempt.manifest)}
        known = [attempt for attempt in attempts if attempt.id not in unknown]
        outcomes = list(zip(known, executor.map(lambda attempt: _tried(plane, attempt), known), strict=True))
        removed = list(executor.map(lambda id: FileChange(str(id), _removed(plane, id), None), _superfluous(graph, job, before)))
    needs = {target.id: target.needs for target in direct_targets(graph, repository.table)}
    missing = {id for id, live in before.items() if live is None and id.group_kind != _SECRET}
    refused = {attempt.id: answer for attempt, answer in outcomes if isinstance(answer, str)}
    untried = {id for id in refused if needs.get(id, frozenset()) & missing}
    changes = [FileChange(str(attempt.id), _text(before[attempt.id]), _text(answer)) for attempt, answer in outcomes if not isinstance(answer, str)]
    return Preview(
        tuple(sorted((*changes, *removed), key=lambda change: change.path)),
        tuple(target.id for target in job.targets if target.nudge in (Nudge.REQUEST, Nudge.APPLY) and target.id not in own),
        tuple(message for id, message in sorted(refused.items()) if id not in untried),
        tuple(sorted(untried)),
        tuple(sorted(unknown)),
        {id: _keys(manifest) for id, manifest in unknown.items() if id.group_kind == _SECRET},
    )


def _whole(repository: Repository, job: Job) -> Graph:
    """The same cluster with nothing cut from its manifests: for the graph the schemas of definitions are."""
    loader = Loader(repository.tree, whole=True, budget=Budget(repository.loader.limits))
    return the_cluster(analyse(replace(repository, loader=loader), cluster=job.plan.graph.cluster.name)).graph


def _before(graph: Graph, job: Job, plane: ControlPlane, executor: ThreadPoolExecutor) -> dict[ResourceId, Live | None]:
    ids = sorted({*job.manifests, *(applied.resource.id for applied in graph.cluster.resources)})
    asked = [id for id in ids if id.group_kind != _SECRET]
    return dict.fromkeys(ids) | dict(zip(asked, executor.map(plane.get, asked), strict=True))


def _is_own(nudge: Nudge, before: Live | None) -> bool:
    """Would this tool apply it? What is there is only asked, unless nobody else applies it."""
    return before is None or (nudge is Nudge.APPLY and not is_applied_by_engine(before))


def _of_flux(graph: Graph, job: Job, own: set[ResourceId], before: Mapping[ResourceId, Live | None]) -> Iterator[_Attempt]:
    """What the units of the graph apply."""
    units = _units(graph, job)
    for applied in graph.cluster.resources:
        id = applied.resource.id
        if id in own or applied.unit not in units:
            continue
        manifest = as_flux_applies(as_applied(applied.resource.data, id.namespace), applied.unit)
        if not is_left_alone(manifest, before[id]):
            yield _Attempt(id, manifest, FLUX_FIELD_MANAGER)


def _units(graph: Graph, job: Job) -> set[ResourceId]:
    """The Kustomizations that the run is about, and that apply to this cluster."""
    meant = {target.id for target in job.targets if target.id.kind == "Kustomization"} & graph.units.keys()
    return {id for id in meant if not any(graph.units[each].remote for each in (id, *graph.ancestors(id)) if each in graph.units)}


def _superfluous(graph: Graph, job: Job, before: Mapping[ResourceId, Live | None]) -> list[ResourceId]:
    """What units that prune have applied and the repository no longer has."""
    rendered = {applied.resource.id for applied in graph.cluster.resources}
    found: set[ResourceId] = set()
    for id in _units(graph, job):
        live = before.get(id)
        if live is not None and graph.units[id].opaque is None and at(live, "spec", "prune") is True:
            found.update(inventory(live))
    return sorted(found - rendered)


def _removed(plane: ControlPlane, id: ResourceId) -> str | None:
    if id.group_kind == _SECRET:
        return dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": id.name, "namespace": id.namespace}})
    return _text(plane.get(id))


def _is_known(manifest: Mapping[str, Any]) -> bool:
    return manifest.get("kind") != "Secret" and not is_cut(manifest) and "${" not in json.dumps(manifest)


def _keys(secret: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted({*mapping(secret, "data"), *mapping(secret, "stringData")}))


def _tried(plane: ControlPlane, attempt: _Attempt) -> Live | str:
    """The object as it would be, or why it would be refused."""
    try:
        return plane.dry_run(attempt.manifest, attempt.manager)
    except (RefusedError, ForbiddenError) as error:
        return str(error)


def _text(live: Live | None) -> str | None:
    return None if live is None else dump(comparable(live))
