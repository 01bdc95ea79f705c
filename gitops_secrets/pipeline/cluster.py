"""What `reconcile` and `verify` share: the one cluster that they are about, in the repository and live."""

from __future__ import annotations

from datetime import UTC, datetime

from gitops_secrets.cluster.run import Wanted
from gitops_secrets.errors import UsageError
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.pipeline.scan import Analysis, ClusterAnalysis, Repository
from gitops_secrets.repository.history import history


def the_cluster(analysis: Analysis) -> ClusterAnalysis:
    """The one entry point that is meant. Raises `UsageError` where there are several, or none."""
    reached = [cluster for cluster in analysis.clusters if not cluster.graph.cluster.stray] or list(analysis.clusters)
    if len(reached) == 1:
        return reached[0]
    if not reached:
        raise UsageError("there is no entry point to bring a cluster to")
    names = ", ".join(cluster.graph.cluster.name for cluster in reached)
    raise UsageError(f"there are {len(reached)} clusters in the repository, and one is to be acted on\nname it with --cluster: {names}")


def wanted_of(repository: Repository) -> Wanted:
    """The commit that the cluster has to be at: what was read, or what is checked out. None outside of git."""
    found = history(repository.root, repository.revision or "HEAD")
    return Wanted() if found is None else Wanted(found.commit, found.ancestors, datetime.fromtimestamp(found.made, UTC))


def unit_called(name: str, cluster: ClusterAnalysis) -> ResourceId:
    """The unit that the command line means: by its id, or its bare name where only one has it. Raises `UsageError` for none or several."""
    units = sorted(cluster.graph.units)
    found = [id for id in units if name in (str(id), f"{id.kind}/{id.name}", f"{id.namespace}/{id.name}", id.name)]
    # A release is often called as the unit that applies it, which comes with it.
    exact = [id for id in found if str(id) == name] or [id for id in found if id.kind == "Kustomization"] or found
    if len(exact) != 1:
        known = ", ".join(map(str, exact or units))
        raise UsageError(f"{'several units are' if exact else 'no unit is'} called {name!r}\nunits: {known}")
    return exact[0]
