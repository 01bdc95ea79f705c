"""`gitops-secrets scan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import open_and_analyse, plans_of
from gitops_secrets.cli.options import Call, common_options, format_option, path_argument
from gitops_secrets.cli.output import write

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@path_argument
@format_option("tree", "json", "dot", "mermaid", "html")
@click.option("--resources", is_flag=True, help="Every object and every edge between objects, not units only.")
@common_options
def scan(path: Path, format_: str, resources: bool, call: Call) -> None:
    """Build the graph of what depends on what, and show it.

    PATH is any folder of the repository; what is shown is limited to entry points below it.
    """
    repository, analysis = open_and_analyse(path, call)
    plans = plans_of(analysis)
    if format_ == "json":
        from gitops_secrets.report.documents import scan_document

        text = scan_document(plans, analysis.problems, analysis.revision, resources=resources)
    elif format_ == "dot":
        from gitops_secrets.report.dot import dot

        text = dot(plans, resources=resources)
    elif format_ == "mermaid":
        from gitops_secrets.report.mermaid import mermaid

        text = mermaid(plans, resources=resources)
    elif format_ == "html":
        from gitops_secrets.pipeline.check import check
        from gitops_secrets.report.html import html_page

        result = check(repository, analysis)
        text = html_page(repository.root.name, plans, result.findings, result.problems, analysis.revision)
    else:
        from gitops_secrets.report.tree import scan_tree

        text = scan_tree(plans, analysis.problems, call.style, resources=resources)
    write(text, call)
