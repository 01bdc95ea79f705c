"""Brings a cluster to what the repository says, in the order of its graph."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import Any, Final

from gitops_secrets.cluster.apply import as_applied
from gitops_secrets.cluster.direct import direct_targets, refusals
from gitops_secrets.cluster.port import ControlPlane
from gitops_secrets.cluster.prune import Levels, labelled, stale
from gitops_secrets.cluster.reconciliation import Reconciliation
from gitops_secrets.cluster.run import Nudge, Target, Wanted
from gitops_secrets.cluster.runner import Did, End, Interrupt, Report, Runner, Step, Withheld
from gitops_secrets.cluster.targets import only_watched, targets_of
from gitops_secrets.cluster.verify import names_made_for_all
from gitops_secrets.errors import UsageError
from gitops_secrets.graph.graph import Graph
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import RunSummary, Verification
from gitops_secrets.ordering.order import Plan
from gitops_secrets.pipeline.cluster import the_cluster
from gitops_secrets.pipeline.plain_secrets import read_again
from gitops_secrets.pipeline.scan import ClusterAnalysis, Repository, analyse
from gitops_secrets.pipeline.verify import verify
from gitops_secrets.syntax.budget import Budget

# Seconds that what was ready already has to be so again, and between two looks at it.
_SETTLING = 30.0
_PAUSE = 0.5


class Engine(Enum):
    """Who applies what the repository says."""

    AUTO = "auto"  # that of the entry point; none where it has none and the cluster serves none
    FLUX = "flux"
    ARGO = "argo"
    DIRECT = "direct"  # nobody but us


# The kind by which each is known, and its name.
_KINDS: Final = {Engine.FLUX: (("kustomize.toolkit.fluxcd.io", "Kustomization"), "Flux"), Engine.ARGO: (("argoproj.io", "Application"), "Argo CD")}


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is wanted."""

    engine: Engine = Engine.AUTO
    timeout: float = 600.0
    force_sync: bool = False
    only: ResourceId | None = None
    read_secrets: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, and how the cluster is after it."""

    end: End
    run: RunSummary
    verification: Verification | None  # None: it was interrupted


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is about: its targets, and the manifests of those that it applies itself."""

    engine: Engine
    plan: Plan
    targets: tuple[Target, ...]
    manifests: Mapping[ResourceId, Mapping[str, Any]]


def job_of(repository: Repository, cluster: ClusterAnalysis, plane: ControlPlane, options: Options) -> Job:
    """What there is to do with the engine that is wanted. Raises `UsageError` where that can't bring the cluster there, with the reason."""
    entry, hub = cluster.graph.cluster.entry_point, cluster.graph.cluster.hub
    if hub is not None:
        raise UsageError(f"the Applications of {cluster.graph.cluster.name} are in {hub}\nreconcile that with --cluster {hub}; verify looks at either")
    engines = _engines(cluster.graph)
    served = {engine for engine, (kind, _) in _KINDS.items() if plane.served(*kind) is not None}
    if options.engine is Engine.DIRECT or (options.engine is Engine.AUTO and not engines and not served):
        return _direct(repository, cluster, options)
    wanted = (engines or served) if options.engine is Engine.AUTO else {options.engine}
    for engine in sorted(wanted | engines, key=lambda engine: engine.value):
        (_, kind), name = _KINDS[engine]
        if engine not in engines:
            raise UsageError(f"{entry} has no {name} {kind}s\nwrite them first: gitops-secrets generate {engine.value} {entry}")
        if engine not in served:
            raise UsageError(f"{plane.server} serves no {name} {kind}s, so nothing there would apply {entry}\ninstall {name} first")
    targets = targets_of(cluster.plan, repository.table, force_sync=options.force_sync, only=options.only)
    manifests = _manifests(cluster.graph, targets)
    marked = {id: labelled(manifest, cluster.graph.cluster.name) if id in cluster.graph.units else manifest for id, manifest in manifests.items()}
    return Job(_first_engine(cluster.graph, wanted), cluster.plan, targets, marked)


def _engines(graph: Graph) -> set[Engine]:
    """Who applies the units of a cluster: both, where one brings the other's."""
    return {Engine.ARGO if unit.sync is not None else Engine.FLUX for unit in graph.units.values() if not unit.is_overlay and unit.id.kind != "HelmRelease"}


def _first_engine(graph: Graph, engines: Iterable[Engine]) -> Engine:
    """The one that starts, of several."""
    return min(engines, key=lambda engine: (engine.value != graph.cluster.engine, engine.value))


def _direct(repository: Repository, cluster: ClusterAnalysis, options: Options) -> Job:
    if options.only is not None:
        raise UsageError("--only names a unit of an engine; without one there is only the whole")
    # For the graph the schemas of definitions are cut; the API server wants them.
    whole = analyse(
        replace(repository, loader=Loader(repository.tree, whole=True, budget=Budget(repository.loader.limits))), cluster=cluster.graph.cluster.name
    )
    found = the_cluster(whole)
    reasons = list(refusals(found.graph))
    if reasons:
        raise UsageError("without an engine this can't be applied:\n" + "\n".join(f"  {reason}" for reason in reasons))
    targets = direct_targets(found.graph, repository.table)
    return Job(Engine.DIRECT, found.plan, targets, _manifests(found.graph, targets))


def reconcile(repository: Repository, job: Job, plane: ControlPlane, wanted: Wanted, options: Options, interrupt: Interrupt, report: Report) -> Outcome:
    """One run: what is to be applied is applied in order, all else asked, each the moment that what it needs is ready; then all is verified.

    Raises `ClusterError` where the cluster refuses.
    """
    started = datetime.now(UTC)
    machine = Reconciliation(job.targets, wanted, run_token(started), started)
    counter = _Counter(report)
    confidential = read_again(repository, job.plan.graph, job.manifests) if job.engine is Engine.DIRECT else {}
    runner = Runner(plane, machine, {**job.manifests, **confidential}, interrupt, confidential.keys())
    runner.follow()
    about = None if options.only is None else frozenset(target.id for target in job.targets)
    look = partial(verify, job.plan, repository.table, plane, wanted, read_secrets=options.read_secrets, about=about)
    end, verification = _run_and_verified(runner, options.timeout, counter, look, job.plan.graph)
    applied, requested, refreshed, synced = (counter.done[nudge] for nudge in (Nudge.APPLY, Nudge.REQUEST, Nudge.REFRESH, Nudge.SYNC))
    summary = RunSummary(end.value, job.engine.value, runner.after, applied, requested, refreshed, tuple(counter.withheld), synced)
    return Outcome(end, summary, verification)


def _run_and_verified(runner: Runner, timeout: float, report: Report, look: Callable[[], Verification], graph: Graph) -> tuple[End, Verification | None]:
    """How a run ends, and how the cluster is then; no word of that where somebody has interrupted it."""
    end = runner.run(timeout, report)
    until = min(runner.after + _SETTLING, timeout)
    while end is not End.INTERRUPTED:
        verification = look()
        if end is not End.READY or not is_settling(verification, graph) or runner.after > until:
            return end, verification
        time.sleep(_PAUSE)
        end = runner.run(timeout, report)
    return end, None


def run_token(started: datetime) -> str:
    """What tells the requests of one run from those of any other."""
    return f"{started.isoformat()}-{secrets.token_hex(3)}"


def is_settling(verification: Verification, graph: Graph) -> bool:
    """Is all that is wrong of a kind that passes in a moment?

    A unit that was asked while its engine was at it already is looked at a second time, and not ready in the middle of that. What a ClusterExternalSecret makes
    is there some time after that says that it is ready.
    """
    unwell = [verdict for verdict in verification.verdicts if not verdict.is_well]
    names = names_made_for_all(graph)
    return bool(unwell) and all([each.word for each in verdict.complaints] == ["not-ready"] or _is_made_for_all(verdict.id, graph, names) for verdict in unwell)


def _is_made_for_all(id: ResourceId, graph: Graph, names: Set[str]) -> bool:
    """Does a ClusterExternalSecret make it, or an ExternalSecret of one?"""
    return id not in graph.unit_of and (id.kind == "ExternalSecret" or (id.kind == "Secret" and id.name in names))


def watch(
    repository: Repository, cluster: ClusterAnalysis, plane: ControlPlane, wanted: Wanted, options: Options, interrupt: Interrupt, report: Report
) -> tuple[End, Verification | None]:
    """Waits until all is ready, and changes nothing. Raises `ClusterError` where the cluster refuses."""
    targets = only_watched(targets_of(cluster.plan, repository.table))
    runner = Runner(plane, Reconciliation(targets, wanted, ""), {}, interrupt)
    runner.follow()
    look = partial(verify, cluster.plan, repository.table, plane, wanted, read_secrets=options.read_secrets)
    return _run_and_verified(runner, options.timeout, report, look, cluster.graph)


def superfluous(job: Job, plane: ControlPlane) -> Levels:
    """Units that a run of this entry point once applied and that it no longer has, in the order of their removal. Raises `ClusterError`."""
    if job.engine is Engine.DIRECT:
        raise UsageError("--prune takes units away; without an engine there are none, and nothing is removed")
    if job.engine is Engine.ARGO:
        raise UsageError("--prune takes Flux Kustomizations away; what Argo CD applies it prunes itself, and a root Application goes by hand")
    return stale(plane, job.plan.graph.cluster.name, job.plan.graph.units.keys())


class _Counter:
    """Hands reports on, and counts what was done."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.done: Counter[Nudge] = Counter()
        self.withheld: list[str] = []

    def __call__(self, step: Step) -> None:
        if isinstance(step, Did):
            self.done[step.action.nudge] += 1
        elif isinstance(step, Withheld):
            self.withheld.append(step.message)
        self.report(step)


def _manifests(graph: Graph, targets: tuple[Target, ...]) -> Mapping[ResourceId, Mapping[str, Any]]:
    """What a run may have to apply itself."""
    known = {applied.resource.id: applied.resource for applied in reversed(graph.cluster.resources)}
    data = {id: resource.data for id, resource in known.items()} | {unit.id: unit.data for unit in graph.units.values() if not unit.is_overlay}
    return {target.id: as_applied(data[target.id], target.id.namespace) for target in targets if target.creatable and target.id in data}
