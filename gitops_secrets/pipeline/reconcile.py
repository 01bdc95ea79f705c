"""Brings a cluster to what the repository says, in the order of its graph."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from gitops_secrets.cluster.port import ControlPlane
from gitops_secrets.cluster.reconciliation import Nudge, Reconciliation, Target, Wanted
from gitops_secrets.cluster.runner import Did, End, Interrupt, Report, Runner, Step, Withheld
from gitops_secrets.cluster.targets import targets_of
from gitops_secrets.errors import UsageError
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import RunSummary, Verification
from gitops_secrets.pipeline.scan import ClusterAnalysis, Repository
from gitops_secrets.pipeline.verify import verify


class Engine(Enum):
    """Who applies what the repository says."""

    FLUX = "flux"


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is wanted."""

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


def engine_of(plane: ControlPlane) -> Engine:
    """The engine of a cluster. Raises `UsageError` for one that has none."""
    if plane.served("kustomize.toolkit.fluxcd.io", "Kustomization") is None:
        raise UsageError(f"{plane.server} serves no Flux Kustomizations, so nothing there would apply what is asked for\ninstall Flux first")
    return Engine.FLUX


def reconcile(
    repository: Repository, cluster: ClusterAnalysis, plane: ControlPlane, wanted: Wanted, options: Options, interrupt: Interrupt, report: Report
) -> Outcome:
    """One run with Flux: units that nothing in git applies are applied in order, all others asked the moment what they need is ready.

    Raises `UsageError` for what Flux can't be asked for, `ClusterError` where the cluster refuses.
    """
    plan = cluster.plan
    if all(unit.is_overlay or unit.id.kind == "HelmRelease" for unit in plan.graph.units.values()):
        entry = plan.graph.cluster.entry_point
        raise UsageError(f"{entry} has no Flux Kustomizations\nwrite them first: gitops-secrets generate flux {entry}")
    targets = targets_of(plan, repository.table, force_sync=options.force_sync, only=options.only)
    machine = Reconciliation(targets, wanted, f"{datetime.now(UTC).isoformat()}-{secrets.token_hex(3)}")
    counter = _Counter(report)
    runner = Runner(plane, machine, _manifests(cluster, targets), interrupt)
    runner.follow()
    end = runner.run(options.timeout, counter)
    applied, requested, refreshed = (counter.done[nudge] for nudge in (Nudge.APPLY, Nudge.REQUEST, Nudge.REFRESH))
    summary = RunSummary(end.value, Engine.FLUX.value, runner.after, applied, requested, refreshed, tuple(counter.withheld))
    if end is End.INTERRUPTED:
        return Outcome(end, summary, None)
    verification = verify(plan, repository.table, plane, wanted, read_secrets=options.read_secrets)
    return Outcome(end, summary, verification)


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


def _manifests(cluster: ClusterAnalysis, targets: tuple[Target, ...]) -> Mapping[ResourceId, Mapping[str, Any]]:
    """What a run may have to apply itself: the units that start it all, and their sources."""
    graph = cluster.graph
    known = {unit.id: unit.data for unit in graph.units.values()} | {applied.resource.id: applied.resource.data for applied in graph.cluster.resources}
    return {target.id: _with_namespace(known[target.id], target.id) for target in targets if target.creatable and target.id in known}


def _with_namespace(manifest: Mapping[str, Any], id: ResourceId) -> Mapping[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": id.namespace}} if id.namespace else manifest
