"""`gitops-secrets verify`, and what it shares with `reconcile`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import open_and_analyse
from gitops_secrets.cli.options import Call, common_options, connection_options, format_option, path_argument
from gitops_secrets.cli.output import note, write

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.cluster.port import ControlPlane
    from gitops_secrets.cluster.reconciliation import Wanted
    from gitops_secrets.model.verdicts import RunSummary, Verification
    from gitops_secrets.pipeline.scan import ClusterAnalysis

NOT_WELL = 1
FORMATS = ("text", "json", "junit", "markdown")


@click.command()
@path_argument
@format_option(*FORMATS)
@click.option("--no-read-secrets", is_flag=True, help="Do not look at Secrets themselves, only at what makes them.")
@connection_options
@common_options
@click.pass_context
def verify(context: click.Context, path: Path, format_: str, no_read_secrets: bool, context_name: str | None, kubeconfig: Path | None, call: Call) -> None:
    """Look whether every secret is in a cluster and in sync, and say what it hangs on where one is not.

    Changes nothing. Exits with 0 if all is as it should be, with 1 if something is not.
    """
    from gitops_secrets.pipeline.cluster import the_cluster, wanted_of
    from gitops_secrets.pipeline.verify import verify as look

    repository, analysis = open_and_analyse(path, call)
    cluster, wanted = the_cluster(analysis), wanted_of(repository)
    with connected(kubeconfig, context_name, cluster, wanted, call) as plane:
        verification = look(cluster.plan, repository.table, plane, wanted, read_secrets=not no_read_secrets)
    write(verification_report(format_, verification, call), call)
    context.exit(0 if verification.is_well else NOT_WELL)


@contextmanager
def connected(kubeconfig: Path | None, context: str | None, cluster: ClusterAnalysis, wanted: Wanted, call: Call) -> Iterator[ControlPlane]:
    """The cluster to act on, once the user has been told which."""
    from gitops_secrets.cluster.client import connect

    plane = connect(kubeconfig, context)
    commit = f" at {wanted.commit[:12]}" if wanted.commit else ""
    note(f"context {plane.context}, server {plane.server}, cluster {cluster.graph.cluster.name}{commit}", call)
    try:
        yield plane
    finally:
        plane.close()


def verification_report(format_: str, verification: Verification, call: Call, run: RunSummary | None = None) -> str:
    """A verification, or a run, in the format that was asked for."""
    if format_ == "text":
        from gitops_secrets.report.verification_text import verification_text

        return verification_text(verification, call.style, run)
    from gitops_secrets.report import verification_documents as documents

    if format_ == "junit":
        return documents.verification_junit(verification)
    if format_ == "markdown":
        return documents.verification_markdown(verification, run)
    return documents.verify_document(verification) if run is None else documents.reconcile_document(verification, run)
