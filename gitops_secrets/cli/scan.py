"""`gitops-secrets scan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import Answer, answered, plans_of
from gitops_secrets.cli.options import Call, common_options, format_option, path_argument
from gitops_secrets.cli.output import write

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.pipeline.scan import Analysis, Repository


@click.command()
@path_argument
@format_option("tree", "json", "dot", "mermaid", "html")
@click.option("--resources", is_flag=True, help="Every object and every edge between objects, not units only.")
@common_options
def scan(path: Path, format_: str, resources: bool, call: Call) -> None:
    """Build the graph of what depends on what, and show it.

    PATH is any folder of the repository; what is shown is limited to entry points below it.
    """

    def answer(repository: Repository, analysis: Analysis) -> Answer:
        return Answer(_written(repository, analysis, format_, call, resources=resources))

    write(answered(path, call, ("scan", format_, resources), answer).text, call)


def _written(repository: Repository, analysis: Analysis, format_: str, call: Call, *, resources: bool) -> str:
    plans = plans_of(analysis)
    match format_:
        case "json":
            from gitops_secrets.report.documents import scan_document

            return scan_document(plans, analysis.problems, analysis.revision, resources=resources)
        case "dot":
            from gitops_secrets.report.dot import dot

            return dot(plans, resources=resources)
        case "mermaid":
            from gitops_secrets.report.mermaid import mermaid

            return mermaid(plans, resources=resources)
        case "html":
            from gitops_secrets.pipeline.check import check
            from gitops_secrets.report.html import html_page

            result = check(repository, analysis)
            return html_page(repository.root.name, plans, result.findings, result.problems, analysis.revision)
        case _:
            from gitops_secrets.report.tree import scan_tree

            return scan_tree(plans, analysis.problems, call.style, resources=resources)
