"""What a controller does with each artifact of a source: read it, ask what Flux applies from it in order, judge what has become of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitops_secrets.cluster.port import ControlPlane
from gitops_secrets.cluster.reconciliation import Reconciliation
from gitops_secrets.cluster.run import Target, Wanted
from gitops_secrets.cluster.runner import Interrupt, Runner
from gitops_secrets.cluster.targets import only_asked
from gitops_secrets.graph.graph import Graph
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import Limits
from gitops_secrets.ordering.order import Plan
from gitops_secrets.pipeline.artifact import open_artifact
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.cluster import the_cluster
from gitops_secrets.pipeline.reconcile import Engine, Options, job_of, run_token
from gitops_secrets.pipeline.scan import analyse


@dataclass(frozen=True, slots=True)
class Followed:
    """One artifact, read: what there is to reach, and what it is to be judged by."""

    revision: str  # as Flux writes it
    wanted: Wanted
    plan: Plan
    table: KindTable
    targets: tuple[Target, ...]
    findings: Mapping[tuple[str, str], int]  # how many, by rule and severity

    def runner(self, plane: ControlPlane, interrupt: Interrupt) -> Runner:
        """A run that only ever asks Flux to reconcile."""
        return Runner(plane, Reconciliation(self.targets, self.wanted, run_token(datetime.now(UTC))), {}, interrupt)


def read(plane: ControlPlane, source: ResourceId, folder: str, limits: Limits, config: Path | None = None, cluster: str | None = None) -> Followed:
    """What a source has fetched now.

    Raises `UsageError` for a repository that nothing can be done with, `OutsideError` for an artifact that can't be had or a cluster that refuses.
    """
    repository, wanted, revision = open_artifact(plane, source, folder, limits, config)
    analysis = analyse(repository, cluster=cluster)
    found = the_cluster(analysis)
    job = job_of(repository, found, plane, Options(Engine.FLUX))
    findings = Counter((finding.rule, finding.severity.value) for finding in check(repository, analysis, fixes=False).findings)
    return Followed(revision, wanted, found.plan, repository.table, only_asked(job.targets, source), findings)


def kustomization_of(graph: Graph, subject: ResourceId) -> ResourceId | None:
    """The Flux Kustomization that an object is about: itself, the nearest that applies it, or for what nobody brings who asks for it; None for none."""
    seen = set()
    current: ResourceId | None = next((requirement.resource for requirement in graph.asked_of_outside.get(subject, ())), subject)
    while current is not None and current not in seen:
        unit = graph.units.get(current)
        if unit is not None and current.kind == "Kustomization" and not unit.is_overlay:
            return current
        seen.add(current)
        current = graph.unit_of.get(current) or (unit.parent if unit is not None else None)
    return None
