"""`gitops-secrets check` and `explain`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import open_and_analyse
from gitops_secrets.cli.options import Call, common_options, format_option, output_options, path_argument
from gitops_secrets.cli.output import write

if TYPE_CHECKING:
    from gitops_secrets.model.results import Finding

NOT_WELL = 1


@click.command()
@path_argument
@format_option("text", "json", "sarif")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 if there is a finding at least this bad. Findings that are only possible never count.",
)
@click.option("--exit-zero", is_flag=True, help="The same as --fail-on never.")
@common_options
@click.pass_context
def check(context: click.Context, path: Path, format_: str, fail_on: str, exit_zero: bool, call: Call) -> None:
    """Say what is wrong or missing in the order, with evidence.

    Exits with 0 if nothing at or above --fail-on was found, with 1 if something was.
    """
    from gitops_secrets.pipeline.check import check as run_rules

    repository, analysis = open_and_analyse(path, call)
    result = run_rules(repository, analysis)
    if format_ == "json":
        from gitops_secrets.report.documents import check_document

        text = check_document(result.findings, result.problems, result.suppressed)
    elif format_ == "sarif":
        from gitops_secrets.checks import RULES
        from gitops_secrets.report.sarif import check_sarif

        text = check_sarif(result.findings, result.problems, RULES)
    else:
        from gitops_secrets.report.text import check_text

        graphs = [cluster.graph for cluster in analysis.clusters]
        clusters = [graph.cluster.name for graph in graphs if not graph.cluster.stray] or [graph.cluster.name for graph in graphs]
        text = check_text(result.findings, result.suppressed, clusters, call.style)
    write(text, call)
    if fails(result.findings, "never" if exit_zero else fail_on):
        context.exit(NOT_WELL)


def fails(findings: Iterable[Finding], fail_on: str) -> bool:
    """Is one of the findings at least as bad as `fail_on`, and more than possible?"""
    from gitops_secrets.model.facts import Confidence
    from gitops_secrets.model.results import Severity

    if fail_on == "never":
        return False
    limit = Severity(fail_on).rank
    return any(finding.severity.rank <= limit and finding.confidence is not Confidence.POSSIBLE for finding in findings)


@click.command()
@click.argument("rule", required=False)
@output_options
def explain(rule: str | None, call: Call) -> None:
    """Show the page of a RULE; without one, list all rules."""
    from gitops_secrets.checks import RULES
    from gitops_secrets.report.rules import rule_list, rule_page

    if rule is None:
        write(rule_list(RULES, call.style), call)
        return
    by_id = {known.id: known for known in RULES}
    if rule not in by_id:
        raise click.UsageError(_unknown(rule, list(by_id)))
    write(rule_page(by_id[rule], call.style), call)


def _unknown(rule: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(rule, known, 1, 0.5)
    return f"there is no rule {rule!r}" + (f"; did you mean {near[0]}?" if near else "; `gitops-secrets explain` lists them")
