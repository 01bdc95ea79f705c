"""`gitops-secrets diff`."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import open_and_analyse
from gitops_secrets.cli.options import Call, common_options, format_option, merge_base_option
from gitops_secrets.cli.output import write
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_secrets.pipeline.diff import RepositoryDifference


@click.command()
@click.argument("base")
@click.argument("head", required=False)
@format_option("text", "json", "markdown")
@merge_base_option
@click.option("--full", is_flag=True, help="Every field of every object that changes, not only references, names and keys.")
@click.option("--each", is_flag=True, help="Each commit from BASE to HEAD by itself, the oldest first; in JSON a line for each.")
@common_options
def diff(base: str, head: str | None, format_: str, merge_base: bool, full: bool, each: bool, call: Call) -> None:
    """Say what a change does to the graph: what lies between BASE and HEAD, or between BASE and the files on disk.

    Compares with the commit where the two parted. Reads both from git objects; values of Secrets are never shown.
    """
    from pathlib import Path

    if head is not None and call.revision is not None:
        raise click.UsageError("HEAD and --rev say the same; give one of them")
    call = replace(call, revision=head or call.revision)
    if each:
        if format_ == "markdown":
            raise click.UsageError("--format markdown is one comment on one change; with --each there are text and json")
        write("".join(_each(base, call.revision or "HEAD", format_, merge_base, full, call)), call)
        return
    from gitops_secrets.pipeline.diff import diff as compare
    from gitops_secrets.pipeline.scan import analyse_base, at_revision

    repository, analysis = open_and_analyse(Path(), call)
    with progress_bar(call) as progress:
        earlier = at_revision(repository, base, merge_base=merge_base)
        found = compare(earlier, analyse_base(earlier, cluster=call.cluster, progress=progress), repository, analysis)
    write(_written(found, format_, full, call), call)


def _each(base: str, head: str, format_: str, merge_base: bool, full: bool, call: Call) -> Iterator[str]:
    """What each commit between them does, along first parents."""
    from pathlib import Path

    from gitops_secrets.pipeline.diff import diff_each
    from gitops_secrets.report.diff_text import commit_text
    from gitops_secrets.repository.history import base_commit, commits_since, resolve

    repository, _ = open_and_analyse(Path(), replace(call, revision=head))
    gc.enable()  # one analysis can do without it, hundreds can't: they leave a MiB each
    tip = resolve(repository.root, head)
    commits = commits_since(repository.root, base_commit(repository.root, base, tip, merge_base=merge_base), tip)
    if not commits and format_ == "text":
        yield f"no commit leads from {base} to {head}\n"
    with progress_bar(call) as progress:
        for commit, found in diff_each(repository, commits, cluster=call.cluster, progress=progress):
            if format_ == "json":
                yield _written(found, format_, full, call, is_line=True)
            else:
                yield commit_text(commit.id, commit.subject, _written(found, format_, full, call), call.style)


def _written(found: RepositoryDifference, format_: str, full: bool, call: Call, *, is_line: bool = False) -> str:
    match format_:
        case "json":
            from gitops_secrets.report.diff_document import diff_document

            return diff_document(found.clusters, found.base, found.revision, found.problems_before, found.problems_after, full=full, is_line=is_line)
        case "markdown":
            from gitops_secrets.report.diff_markdown import diff_markdown

            return diff_markdown(found.clusters, found.base, full=full)
        case _:
            from gitops_secrets.report.diff_text import diff_text

            return diff_text(found.clusters, found.base, call.style, full=full)
