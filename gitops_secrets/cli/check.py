"""`gitops-secrets check` and `explain`."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import Answer, answered, open_and_analyse
from gitops_secrets.cli.check_formats import FORMATS, WITH_CHANGES, Checked, add_to_step_summary, written
from gitops_secrets.cli.options import READABLE_FILE, Call, common_options, format_option, merge_base_option, output_options, path_argument
from gitops_secrets.cli.output import note, write
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.model.results import Finding
    from gitops_secrets.pipeline.scan import Analysis, Repository

NOT_WELL = 1


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
            return Answer(written(Checked(result, repository, analysis, None), format_, call), NOT_WELL if fails(result.findings, limit) else 0)

        text, status = answered(path, call, ("check", format_, limit), answer)
        write(text, call)
        context.exit(status)
    checked = _compared(path, call, base, merge_base, baseline, everything=everything, formats={format_, *(each for each, _ in reports)})
    for each, to in (*((each, replace(call, output=file)) for each, file in reports), (format_, call)):
        write(written(checked, each, to), to, has_commands=each == "github")
    add_to_step_summary(checked, format_)
    if fails(checked.result.findings, limit):
        context.exit(NOT_WELL)


def _compared(path: Path, call: Call, base: str | None, merge_base: bool, baseline: Path | None, *, everything: bool, formats: Set[str]) -> Checked:
    """The findings beside those of an earlier state, if there is one, and what changed since if it is to be shown."""
    from gitops_secrets.pipeline.check import check as run_rules
    from gitops_secrets.pipeline.check import with_fixes
    from gitops_secrets.pipeline.compare import analyse_base, check_since, compared, read_baseline
    from gitops_secrets.pipeline.scan import at_revision

    accepted = None if baseline is None else read_baseline(baseline)
    repository, analysis = open_and_analyse(path, call)
    result, changes = run_rules(repository, analysis, fixes=False), None
    if accepted is not None:
        result = compared(result, accepted, everything=everything)
        if result.resolved:
            note(f"{len(result.resolved)} findings of {baseline} are gone; write it again", call)
    elif base is not None:
        with progress_bar(call) as progress:
            earlier = at_revision(repository, base, merge_base=merge_base)
            before = analyse_base(earlier, cluster=call.cluster, progress=progress)
        result = check_since(result, repository, analysis, earlier, before, everything=everything)
        if WITH_CHANGES & formats:
            from gitops_secrets.pipeline.diff import diff

            changes = diff(earlier, before, repository, analysis).clusters
    return Checked(with_fixes(result, repository), repository, analysis, changes)


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
