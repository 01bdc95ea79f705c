"""From the shared options to an analysis; what commands say when there is nothing to analyse."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from gitops_secrets.cli.options import Call
from gitops_secrets.cli.output import note
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.ordering.order import Plan
    from gitops_secrets.pipeline.scan import Analysis, Repository

NO_ENTRY_POINT = """\
no entry point found{where}
looked for: Flux bootstrap files (gotk-sync.yaml), FluxInstance objects and the values of their chart, Flux Kustomizations,
and directories with a kustomization.yaml that nothing else uses
if yours is elsewhere, name it in .gitops-secrets.yaml at the root:

clusters:
  production:
    path: clusters/production
    engine: flux"""


def open_and_analyse(path: Path, call: Call) -> tuple[Repository, Analysis]:
    """The repository at `path` and all that is known of it, for the one command of a process. Says so where it has no entry point: that is no error."""
    from gitops_secrets.pipeline.scan import analyse, open_repository

    # A run makes millions of nodes and next to no cycles among them: looking for garbage took a third of the time (1,000 Kustomizations of 8 manifests:
    # 3.6 s of CPU with the collector, 2.4 s without), for 2 MiB.
    gc.disable()
    repository = open_repository(path, revision=call.revision, config=call.config)
    with progress_bar(call) as progress:
        analysis = analyse(repository, cluster=call.cluster, progress=progress)
    if not analysis.clusters:
        note(NO_ENTRY_POINT.format(where=f" below {repository.scope}" if repository.scope else ""), call)
    return repository, analysis


def plans_of(analysis: Analysis) -> list[Plan]:
    """The plans of all clusters, in the order in which every format shows them."""
    return sorted((cluster.plan for cluster in analysis.clusters), key=lambda plan: (plan.graph.cluster.name, plan.graph.cluster.entry_point))
