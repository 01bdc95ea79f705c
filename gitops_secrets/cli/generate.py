"""`gitops-secrets generate`: a subcommand for each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.options import Call, PathType, reading_options
from gitops_secrets.cli.output import note, write

if TYPE_CHECKING:
    from pathlib import Path

STALE = 1


@click.group()
def generate() -> None:
    """Write what orders a repository that has no order yet."""


@generate.command()
@click.argument("overlay", type=PathType())
@click.option("--source", metavar="[KIND/]NAMESPACE/NAME", default="flux-system/flux-system", show_default=True, help="The source that Flux builds from.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is not what it should be.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@reading_options
@click.pass_context
def flux(context: click.Context, overlay: Path, source: str, check: bool, diff: bool, call: Call) -> None:
    """Write one Flux Kustomization for each component of OVERLAY, with the fewest dependsOn that make the order sound.

    They go into OVERLAY/flux, with a kustomization that lists them. Running it again changes nothing; what people wrote in other fields stays.
    """
    from gitops_secrets.generate.changes import diff_of
    from gitops_secrets.pipeline.changes import write as write_changes
    from gitops_secrets.pipeline.generate import generate_flux
    from gitops_secrets.pipeline.scan import open_repository

    if call.revision is not None and not (check or diff):
        raise click.UsageError("--rev reads a commit, which nothing can be written to; add --check or --diff")
    repository = open_repository(overlay, revision=call.revision, config=call.config)
    generated = generate_flux(repository, overlay, source=source)
    for remark in generated.remarks:
        note(remark, call)
    if diff:
        write(diff_of(generated.stale), call)
    elif not check:
        write_changes(repository.root, generated.stale)
    for change in generated.stale:
        verb = "deleted" if change.after is None else "written"
        note(f"{change.path}: {'stale' if check else f'would be {verb}' if diff else verb}", call)
    if not generated.stale:
        note("everything is as it should be", call)
    if check and generated.stale:
        context.exit(STALE)
