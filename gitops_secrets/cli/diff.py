"""`gitops-secrets diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import open_and_analyse
from gitops_secrets.cli.options import Call, common_options, format_option, merge_base_option
from gitops_secrets.cli.output import write
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from gitops_secrets.pipeline.diff import RepositoryDifference


@click.command()
@click.argument("base")
@click.argument("head", required=False)
@format_option("text", "json", "markdown")
@merge_base_option
@click.option("--full", is_flag=True, help="Every field of every object that changes, not only references, names and keys.")
@common_options
def diff(base: str, head: str | None, format_: str, merge_base: bool, full: bool, call: Call) -> None:
    """Say what a change does to the graph: what lies between BASE and HEAD, or between BASE and the files on disk.

    Compares with the commit where the two parted. Reads both from git objects; values of Secrets are never shown.
    """
    from dataclasses import replace
    from pathlib import Path

    from gitops_secrets.pipeline.diff import diff as compare
    from gitops_secrets.pipeline.scan import analyse_base, at_revision

    if head is not None and call.revision is not None:
        raise click.UsageError("HEAD and --rev say the same; give one of them")
    call = replace(call, revision=head or call.revision)
    repository, analysis = open_and_analyse(Path(), call)
    with progress_bar(call) as progress:
        earlier = at_revision(repository, base, merge_base=merge_base)
        found = compare(earlier, analyse_base(earlier, cluster=call.cluster, progress=progress), repository, analysis)
    write(_written(found, format_, full, call), call)


def _written(found: RepositoryDifference, format_: str, full: bool, call: Call) -> str:
    match format_:
        case "json":
            from gitops_secrets.report.diff_document import diff_document

            return diff_document(found.clusters, found.base, found.revision, found.problems_before, found.problems_after, full=full)
        case "markdown":
            from gitops_secrets.report.diff_markdown import diff_markdown

            return diff_markdown(found.clusters, found.base, full=full)
        case _:
            from gitops_secrets.report.diff_text import diff_text

            return diff_text(found.clusters, found.base, call.style, full=full)
