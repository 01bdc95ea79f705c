"""`gitops-secrets verify`, and what it shares with `reconcile`."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import click

from gitops_secrets.cli.analysis import analyse_repository, open_and_analyse
from gitops_secrets.cli.options import Call, Duration, common_options, connection_options, format_option, path_argument, source_option
from gitops_secrets.cli.output import note, write

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.cluster.port import ControlPlane
    from gitops_secrets.cluster.run import Wanted
    from gitops_secrets.model.verdicts import RunSummary, Verification
    from gitops_secrets.pipeline.scan import ClusterAnalysis, Repository

NOT_WELL = 1
TIME_LIMIT = 4
INTERRUPTED = 130
FORMATS = ("text", "json", "junit", "markdown")


@click.command()
@path_argument
@format_option(*FORMATS)
@click.option("--no-read-secrets", is_flag=True, help="Do not look at Secrets themselves, only at what makes them.")
@click.option("--watch", is_flag=True, help="Wait until all is ready, as Flux and the operators get there by themselves.")
@click.option("--timeout", type=Duration(), default="10m", show_default=True, help="With --watch: exit with 4 if it is not there by then.")
@source_option
@connection_options
@common_options
@click.pass_context
def verify(
    context: click.Context,
    path: Path,
    format_: str,
    no_read_secrets: bool,
    watch: bool,
    timeout: float,
    source: str | None,
    context_name: str | None,
    kubeconfig: Path | None,
    call: Call,
) -> None:
    """Look whether every secret is in a cluster and in sync, and say what it hangs on where one is not.

    Changes nothing. Exits with 0 if all is as it should be, with 1 if something is not.
    """
    from gitops_secrets.pipeline.verify import verify as look

    with acting(path, source, kubeconfig, context_name, call) as scene:
        end, verification = _watched(scene, timeout, not no_read_secrets, call) if watch else (NOT_WELL, None)
        if verification is None:
            verification = look(scene.cluster.plan, scene.repository.table, scene.plane, scene.wanted, read_secrets=not no_read_secrets)
    write(verification_report(format_, verification, call), call)
    context.exit(0 if verification.is_well else end)


def _watched(scene: Scene, timeout: float, read_secrets: bool, call: Call) -> tuple[int, Verification | None]:
    """Waits; the exit status if it is not well after that, and how it is unless somebody has ended the wait."""
    from gitops_secrets.cli.run_progress import interruptible, progress_of
    from gitops_secrets.cluster.runner import End, Interrupt
    from gitops_secrets.pipeline.reconcile import Options, watch

    with interruptible(Interrupt()) as interrupt, progress_of(call) as report:
        options = Options(timeout=timeout, read_secrets=read_secrets)
        end, verification = watch(scene.repository, scene.cluster, scene.plane, scene.wanted, options, interrupt, report)
    return {End.TIMEOUT: TIME_LIMIT, End.INTERRUPTED: INTERRUPTED}.get(end, NOT_WELL), verification


class Scene(NamedTuple):
    """The one cluster that a command acts on: in the repository, and live."""

    repository: Repository
    cluster: ClusterAnalysis
    wanted: Wanted
    plane: ControlPlane


@contextmanager
def acting(path: Path, source: str | None, kubeconfig: Path | None, context: str | None, call: Call) -> Iterator[Scene]:
    """The cluster to act on, once the user has been told which; its repository from disk, or as a source has fetched it."""
    from gitops_secrets.cluster.client import connect
    from gitops_secrets.pipeline.cluster import the_cluster, wanted_of

    plane = connect(kubeconfig, context)
    try:
        if source is None:
            repository, analysis = open_and_analyse(path, call)
            wanted = wanted_of(repository)
        else:
            from gitops_secrets.pipeline.artifact import open_artifact, source_called

            if call.revision is not None:
                raise click.UsageError("--source has one revision, the one that it has fetched; leave --rev out")
            repository, wanted, _ = open_artifact(plane, source_called(source), path.as_posix(), call.limits, call.config)
            analysis = analyse_repository(repository, call)
        # A run may take an hour; reading the repository had the collector off.
        gc.enable()
        cluster = the_cluster(analysis)
        commit = f" at {wanted.commit[:12]}" if wanted.commit else ""
        note(f"context {plane.context}, server {plane.server}, cluster {cluster.graph.cluster.name}{commit}", call)
        yield Scene(repository, cluster, wanted, plane)
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
