"""`gitops-secrets plan`."""

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
@format_option("text", "json")
@click.option("--teardown", is_flag=True, help="The reverse order: what to suspend, what to delete after what, which finalizers would hang.")
@common_options
def plan(path: Path, format_: str, teardown: bool, call: Call) -> None:
    """Show the order: levels, the dependsOn to be, what gates each edge, and what it costs at worst.

    The order is shown as it should be: with + what is not written yet, with ! what is written and proves nothing.
    """
    repository, analysis = open_and_analyse(path, call)
    plans = plans_of(analysis)
    if teardown:
        from gitops_secrets.ordering.teardown import teardown as reverse
        from gitops_secrets.report.documents import teardown_document
        from gitops_secrets.report.teardown_text import teardown_text

        reversed_plans = [reverse(plan, repository.table) for plan in plans]
        as_json = format_ == "json"
        text = teardown_document(reversed_plans, analysis.problems, analysis.revision) if as_json else teardown_text(reversed_plans, call.style)
    elif format_ == "json":
        from gitops_secrets.report.documents import plan_document

        text = plan_document(plans, analysis.problems, analysis.revision)
    else:
        from gitops_secrets.report.plan_text import plan_text

        text = plan_text(plans, call.style)
    write(text, call)
