"""`gitops-secrets plan`."""

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
@format_option("text", "json")
@click.option("--teardown", is_flag=True, help="The reverse order: what to suspend, what to delete after what, which finalizers would hang.")
@common_options
def plan(path: Path, format_: str, teardown: bool, call: Call) -> None:
    """Show the order: levels, the dependsOn to be, what gates each edge, and what it costs at worst.

    The order is shown as it should be: with + what is not written yet, with ! what is written and proves nothing.
    """

    def answer(repository: Repository, analysis: Analysis) -> Answer:
        written = _teardown if teardown else _plan
        return Answer(written(repository, analysis, call, as_json=format_ == "json"))

    write(answered(path, call, lambda _: ("plan", format_, teardown), answer).text, call)


def _plan(_: Repository, analysis: Analysis, call: Call, *, as_json: bool) -> str:
    plans = plans_of(analysis)
    if as_json:
        from gitops_secrets.report.plan_document import plan_document

        return plan_document(plans, analysis.problems, analysis.revision)
    from gitops_secrets.report.plan_text import plan_text

    return plan_text(plans, call.style)


def _teardown(repository: Repository, analysis: Analysis, call: Call, *, as_json: bool) -> str:
    from gitops_secrets.ordering.teardown import teardown

    plans = [teardown(plan, repository.table) for plan in plans_of(analysis)]
    if as_json:
        from gitops_secrets.report.plan_document import teardown_document

        return teardown_document(plans, analysis.problems, analysis.revision)
    from gitops_secrets.report.teardown_text import teardown_text

    return teardown_text(plans, call.style)
