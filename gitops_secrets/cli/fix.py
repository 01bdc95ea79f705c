"""`gitops-secrets fix`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.options import Call, common_options, path_argument
from gitops_secrets.cli.output import note, write
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.pipeline.fix import Fixed

NOT_WELL = 1


@click.command()
@path_argument
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@click.option("--rule", "rules", metavar="ID", multiple=True, help="Only findings of this rule; may be given several times.")
@click.option("--split", is_flag=True, help="Also split units that can't be applied as one: a new directory and Kustomization each.")
@common_options
@click.pass_context
def fix(context: click.Context, path: Path, diff: bool, rules: tuple[str, ...], split: bool, call: Call) -> None:
    """Mend what has one right answer: write what the findings' fixes say into the files, all other bytes kept.

    A fix that would leave its finding, or bring another one, is not written. Exits with 1 if an error is left that is more than possible.
    """
    from gitops_secrets.pipeline.changes import write as write_changes
    from gitops_secrets.pipeline.fix import fails
    from gitops_secrets.pipeline.fix import fix as mend
    from gitops_secrets.pipeline.scan import open_repository

    if call.revision is not None and not diff:
        raise click.UsageError("--rev reads a commit, which nothing can be written to; add --diff")
    repository = open_repository(path, revision=call.revision, config=call.config, limits=call.limits)
    with progress_bar(call) as progress:
        fixed = mend(repository, cluster=call.cluster, rules=rules, splits=split, progress=progress)
    if diff:
        from gitops_secrets.generate.changes import diff_of

        write(diff_of(fixed.changes), call)
    else:
        write_changes(repository.root, fixed.changes)
    _say(fixed, "would be written" if diff else "written", call)
    if fails(fixed.remaining):
        context.exit(NOT_WELL)


def _say(fixed: Fixed, verb: str, call: Call) -> None:
    for applied in fixed.applied:
        note(f"{applied.finding.place}: {applied.finding.rule}: {applied.description}", call)
    for dropped in fixed.dropped:
        note(f"{dropped.finding.place}: {dropped.finding.rule}: left, since {dropped.why}", call)
    for problem in fixed.limited:
        note(f"{problem.place}: {problem.message}", call)
    for change in fixed.changes:
        note(f"{change.path}: {verb}" if change.after is not None else f"{change.path}: {verb.replace('written', 'deleted')}", call)
    left = len(fixed.remaining)
    if not fixed.changes:
        note("nothing to fix" if left == 0 else f"nothing to fix by itself; {_findings(left)} left", call)
    else:
        note(f"{len(fixed.applied)} fixed, {_findings(left)} left", call)


def _findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"
