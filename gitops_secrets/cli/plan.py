"""`gitops-secrets plan`."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_secrets.cli.analysis import open_and_analyse, plans_of
from gitops_secrets.cli.options import Call, common_options, format_option, path_argument
from gitops_secrets.cli.output import write


@click.command()
@path_argument
@format_option("text", "json")
@common_options
def plan(path: Path, format_: str, call: Call) -> None:
    """Show the order: levels, the dependsOn to be, what gates each edge, and what it costs at worst.

    The order is shown as it should be: with + what is not written yet, with ! what is written and proves nothing.
    """
    _, analysis = open_and_analyse(path, call)
    plans = plans_of(analysis)
    if format_ == "json":
        from gitops_secrets.report.documents import plan_document

        text = plan_document(plans, analysis.problems, analysis.revision)
    else:
        from gitops_secrets.report.plan_text import plan_text

        text = plan_text(plans, call.style)
    write(text, call)
