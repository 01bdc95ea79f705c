"""`gitops-secrets reconcile`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.options import Call, Duration, common_options, connection_options, format_option, path_argument, source_option
from gitops_secrets.cli.output import note, write
from gitops_secrets.cli.verify import FORMATS, INTERRUPTED, NOT_WELL, TIME_LIMIT, acting, verification_report

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.cluster.port import ControlPlane
    from gitops_secrets.cluster.prune import Levels
    from gitops_secrets.pipeline.preview import Preview


@click.command()
@path_argument
@format_option(*FORMATS)
@click.option(
    "--engine", type=click.Choice(["auto", "flux", "argo", "direct"]), default="auto", show_default=True, help="Who applies; auto looks at the cluster."
)
@click.option("--timeout", type=Duration(), default="10m", show_default=True, help="Exit with 4 if it is not there by then.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would change, as the API server would take it, and what would be asked.")
@click.option("--force-sync", is_flag=True, help="Have every ExternalSecret read its provider anew, but for generated values.")
@click.option("--only", metavar="UNIT", help="Only this unit, and what it needs.")
@click.option("--prune", is_flag=True, help="Afterwards take away units that reconcile once applied and the repository no longer has, in reverse order.")
@click.option("--yes", is_flag=True, help="With --prune: do not ask. Needed off a terminal.")
@click.option("--no-read-secrets", is_flag=True, help="Do not look at Secrets themselves, only at what makes them.")
@source_option
@connection_options
@common_options
@click.pass_context
def reconcile(
    context: click.Context,
    path: Path,
    format_: str,
    engine: str,
    timeout: float,
    dry_run: bool,
    force_sync: bool,
    only: str | None,
    prune: bool,
    yes: bool,
    no_read_secrets: bool,
    source: str | None,
    context_name: str | None,
    kubeconfig: Path | None,
    call: Call,
) -> None:
    """Bring a cluster to what the repository says, in the order of its graph, and wait until every secret is there.

    Exits with 0 if all is as it should be, with 1 if something is not, with 4 at the time limit.
    """
    from gitops_secrets.cli.run_progress import interruptible, progress_of
    from gitops_secrets.cluster.runner import End, Interrupt
    from gitops_secrets.pipeline.cluster import unit_called
    from gitops_secrets.pipeline.preview import preview
    from gitops_secrets.pipeline.reconcile import Engine, Options, job_of, superfluous
    from gitops_secrets.pipeline.reconcile import reconcile as bring

    with acting(path, source, kubeconfig, context_name, call) as (repository, cluster, wanted, plane):
        options = Options(Engine(engine), timeout, force_sync, unit_called(only, cluster) if only else None, not no_read_secrets)
        job = job_of(repository, cluster, plane, options)
        going = superfluous(job, plane) if prune else ()
        _show_removal(going, call)
        if dry_run:
            context.exit(_show_preview(preview(repository, job, plane), call))
        if going and not yes:
            _confirm(sum(map(len, going)))
        with interruptible(Interrupt()) as interrupt, progress_of(call) as report:
            outcome = bring(repository, job, plane, wanted, options, interrupt, report)
        if going and outcome.end is End.READY:
            _take_away(plane, going, timeout, call)
    if outcome.verification is None:
        from gitops_secrets.report.verification_text import interrupted_text

        write(interrupted_text(outcome.run, call.style), call)
        context.exit(INTERRUPTED)
    write(verification_report(format_, outcome.verification, call, outcome.run), call)
    if outcome.end is End.TIMEOUT:
        context.exit(TIME_LIMIT)
    context.exit(0 if outcome.verification.is_well else NOT_WELL)


def _show_removal(going: Levels, call: Call) -> None:
    for number, level in enumerate(going, 1):
        note(f"{number}. takes away {', '.join(map(str, level))}, and all that it applied unless it says otherwise", call)


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"--prune would take {count} units away; off a terminal add --yes")
    click.confirm("take these away once all else is ready?", abort=True, err=True)


def _take_away(plane: ControlPlane, going: Levels, timeout: float, call: Call) -> None:
    from gitops_secrets.cluster.port import ClusterError
    from gitops_secrets.cluster.prune import remove

    left = remove(plane, going, timeout, lambda id: note(f"{id} is gone", call))
    if left:
        raise ClusterError(f"not gone at the time limit: {', '.join(map(str, left))}\na finalizer may hold them: see gitops-secrets plan --teardown")


def _show_preview(found: Preview, call: Call) -> int:
    from gitops_secrets.generate.changes import diff_of

    write(diff_of(found.changes), call)
    for message in found.refused:
        note(f"would be refused: {message}", call)
    for id in found.untried:
        note(f"can't be tried before what it needs is there: {id}", call)
    for id in found.unknown:
        if id in found.keys:
            note(f"values of Secrets are not read, so what would change of this one is not shown: {id} (keys: {', '.join(found.keys[id]) or 'none'})", call)
        else:
            note(f"not shown, for values of Secrets or variables that only the cluster knows: {id}", call)
    changed = sum(change.is_needed for change in found.changes)
    note(f"{changed} objects would change, {len(found.asked)} be asked as soon as what they need is ready", call)
    return NOT_WELL if found.refused else 0
