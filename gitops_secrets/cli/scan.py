"""`gitops-secrets scan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import Answer, answered, open_and_analyse, plans_of
from gitops_secrets.cli.options import Call, common_options, format_option, merge_base_option, path_argument
from gitops_secrets.cli.output import write
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.pipeline.checkout import Checkout, Edited
    from gitops_secrets.pipeline.scan import Analysis, Repository


@click.command()
@path_argument
@format_option("tree", "json", "dot", "mermaid", "html")
@click.option("--resources", is_flag=True, help="Every object and every edge between objects, not units only.")
@click.option("--base", metavar="REV", help="With --format html: mark what the change from REV does.")
@merge_base_option
@common_options
def scan(path: Path, format_: str, resources: bool, base: str | None, merge_base: bool, call: Call) -> None:
    """Build the graph of what depends on what, and show it.

    PATH is any folder of the repository; what is shown is limited to entry points below it.
    """
    if base is not None and format_ != "html":
        raise click.UsageError("--base marks changes in --format html; for text and data there is `gitops-secrets diff`")

    def answer(repository: Repository, analysis: Analysis) -> Answer:
        if format_ in ("dot", "mermaid"):
            return Answer(_drawn(analysis, format_, resources=resources))
        return _told(repository, analysis, format_, call, resources=resources)

    def after_edit(edited: Edited, checkout: Checkout) -> str | None:
        from gitops_secrets.pipeline.edits import text_after

        if format_ == "json":
            from gitops_secrets.report.scan_document import cluster_block

            return text_after(edited, checkout.tree, call.limits, cluster_block, tells_places=True)
        from gitops_secrets.report.tree import cluster_block as branches

        return text_after(edited, checkout.tree, call.limits, lambda order: branches(order, call.style, resources=resources), tells_places=False)

    # The page names the folder that it was made of, and its base, so it is not an answer of the files alone.
    page = format_ == "html"
    write(
        _page(path, base, merge_base, call) if page else answered(path, call, lambda _: ("scan", format_, resources), answer, after_edit=after_edit).text, call
    )


def _told(repository: Repository, analysis: Analysis, format_: str, call: Call, *, resources: bool) -> Answer:
    from gitops_secrets.pipeline.keep import keep

    plans = plans_of(analysis)
    if format_ == "tree":
        from gitops_secrets.report.tree import scan_tree

        blocks = scan_tree(plans, analysis.problems, call.style, resources=resources)
    else:
        from gitops_secrets.report.scan_document import scan_document

        blocks = scan_document(plans, analysis.problems, analysis.revision, resources=resources)
        if resources:
            return Answer(blocks.text)  # of objects too little is kept
    return Answer(blocks.text, keep=lambda: keep(repository, analysis, blocks))


def _drawn(analysis: Analysis, format_: str, *, resources: bool) -> str:
    plans = plans_of(analysis)
    if format_ == "dot":
        from gitops_secrets.report.dot import dot

        return dot(plans, resources=resources)
    from gitops_secrets.report.mermaid import mermaid

    return mermaid(plans, resources=resources)


def _page(path: Path, base: str | None, merge_base: bool, call: Call) -> str:
    """The page, with the findings; of a change, with what it brings."""
    from gitops_secrets.pipeline.check import check
    from gitops_secrets.report.html import html_page

    repository, analysis = open_and_analyse(path, call)
    result, plans = check(repository, analysis), plans_of(analysis)
    if base is None:
        return html_page(repository.root.name, plans, result.findings, result.problems, analysis.revision)
    from gitops_secrets.pipeline.compare import check_since
    from gitops_secrets.pipeline.diff import diff
    from gitops_secrets.pipeline.scan import analyse_base, at_revision

    with progress_bar(call) as progress:
        earlier = at_revision(repository, base, merge_base=merge_base)
        before = analyse_base(earlier, cluster=call.cluster, progress=progress)
    result = check_since(result, repository, analysis, earlier, before, everything=True)
    found = diff(earlier, before, repository, analysis)
    return html_page(repository.root.name, plans, result.findings, result.problems, analysis.revision, base=found.base, changes=found.clusters)
