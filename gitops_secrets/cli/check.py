"""`gitops-secrets check` and `explain`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import Answer, answered, open_and_analyse, plans_of
from gitops_secrets.cli.options import READABLE_FILE, Call, common_options, format_option, merge_base_option, output_options, path_argument
from gitops_secrets.cli.output import append, note, write
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.model.results import CheckResult, Finding
    from gitops_secrets.ordering.difference import PlanDifference
    from gitops_secrets.pipeline.scan import Analysis, Repository

    Changes = Sequence[PlanDifference] | None

NOT_WELL = 1
FORMATS = ("text", "json", "sarif", "github", "gitlab", "junit", "markdown")
# Formats that tell, beside what is wrong, what a change does.
_WITH_CHANGES = frozenset({"markdown", "github"})


def _reports(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
    """FORMAT=FILE, taken apart."""
    from pathlib import Path

    reports = [(format_, file) for format_, _, file in (value.partition("=") for value in given)]
    for value, (format_, file) in zip(given, reports, strict=True):
        if format_ not in FORMATS or not file:
            raise click.BadParameter(f"{value!r} is not FORMAT=FILE, with a format of {', '.join(FORMATS)}")
    return tuple((format_, Path(file)) for format_, file in reports)


@click.command()
@path_argument
@format_option(*FORMATS)
@click.option("--report", "reports", metavar="FORMAT=FILE", multiple=True, callback=_reports, help="Also write the result to FILE; may be given several times.")
@click.option("--base", metavar="REV", help="Only what the change from REV brings: what is new, and what is worse than where REV and this parted.")
@merge_base_option
@click.option("--all", "everything", is_flag=True, help="With --base or --baseline: also what was there before.")
@click.option("--baseline", metavar="FILE", type=READABLE_FILE, help="Only what is not in FILE, which `check --format json` wrote.")
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
def check(
    context: click.Context,
    path: Path,
    format_: str,
    reports: tuple[tuple[str, Path], ...],
    base: str | None,
    merge_base: bool,
    everything: bool,
    baseline: Path | None,
    fail_on: str,
    exit_zero: bool,
    call: Call,
) -> None:
    """Say what is wrong or missing in the order, with evidence.

    Exits with 0 if nothing at or above --fail-on was found, with 1 if something was.
    """
    if base is not None and baseline is not None:
        raise click.UsageError("--base and --baseline each say what is known; give one of them")
    limit = "never" if exit_zero else fail_on
    if base is None and baseline is None and not reports and format_ != "github":

        def answer(repository: Repository, analysis: Analysis) -> Answer:
            from gitops_secrets.pipeline.check import check as run_rules

            result = run_rules(repository, analysis)
            return Answer(_written(result, analysis, None, format_, call), NOT_WELL if fails(result.findings, limit) else 0)

        text, status = answered(path, call, ("check", format_, limit), answer)
        write(text, call)
        context.exit(status)
    result, analysis, changes = _compared(path, call, base, merge_base, baseline, everything=everything, formats={format_, *(each for each, _ in reports)})
    for each, to in (*((each, replace(call, output=file)) for each, file in reports), (format_, call)):
        write(_written(result, analysis, changes, each, to), to)
    _add_to_step_summary(result, analysis, changes, format_)
    if fails(result.findings, limit):
        context.exit(NOT_WELL)


def _compared(
    path: Path, call: Call, base: str | None, merge_base: bool, baseline: Path | None, *, everything: bool, formats: Set[str]
) -> tuple[CheckResult, Analysis, Changes]:
    """The findings beside those of an earlier state, if there is one, and what changed since if it is to be shown."""
    from gitops_secrets.pipeline.check import check as run_rules
    from gitops_secrets.pipeline.compare import analyse_base, check_since, compared, read_baseline
    from gitops_secrets.pipeline.scan import at_revision

    accepted = None if baseline is None else read_baseline(baseline)
    repository, analysis = open_and_analyse(path, call)
    result, changes = run_rules(repository, analysis), None
    if accepted is not None:
        result = compared(result, accepted, everything=everything)
        if result.resolved:
            note(f"{len(result.resolved)} findings of {baseline} are gone; write it again", call)
    elif base is not None:
        with progress_bar(call) as progress:
            earlier = at_revision(repository, base, merge_base=merge_base)
            before = analyse_base(earlier, cluster=call.cluster, progress=progress)
        result = check_since(result, repository, earlier, before, everything=everything)
        if _WITH_CHANGES & formats:
            from gitops_secrets.pipeline.diff import diff

            changes = diff(earlier, before, repository, analysis).clusters
    return result, analysis, changes


def _written(result: CheckResult, analysis: Analysis, changes: Changes, format_: str, call: Call) -> str:
    from gitops_secrets.checks import RULES

    match format_:
        case "json":
            from gitops_secrets.report.documents import check_document

            return check_document(result)
        case "sarif":
            from gitops_secrets.report.sarif import check_sarif

            return check_sarif(result, RULES)
        case "github":
            from gitops_secrets.report.github import check_github

            return check_github(result, notes=call.verbose)
        case "gitlab":
            from gitops_secrets.report.gitlab import check_gitlab

            return check_gitlab(result)
        case "junit":
            from gitops_secrets.report.junit import check_junit

            return check_junit(result, RULES)
        case "markdown":
            from gitops_secrets.report.markdown import check_markdown

            return check_markdown(result, plans_of(analysis), changes)
        case _:
            from gitops_secrets.report.text import check_text

            return check_text(result, call.style)


def _add_to_step_summary(result: CheckResult, analysis: Analysis, changes: Changes, format_: str) -> None:
    """With workflow commands, the summary of the step as well: GitHub names the file in the environment."""
    file = os.environ.get("GITHUB_STEP_SUMMARY") if format_ == "github" else None
    if file:
        from pathlib import Path

        from gitops_secrets.report.comment import SUMMARY_LIMIT
        from gitops_secrets.report.markdown import check_markdown

        append(Path(file), check_markdown(result, plans_of(analysis), changes, limit=SUMMARY_LIMIT))


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
