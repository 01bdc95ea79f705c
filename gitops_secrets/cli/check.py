"""`gitops-secrets check` and `explain`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import Answer, answered, open_and_analyse
from gitops_secrets.cli.check_formats import FORMATS, QUOTING, WITH_CHANGES, Checked, add_to_step_summary, written
from gitops_secrets.cli.options import READABLE_FILE, Call, common_options, format_option, merge_base_option, output_options, path_argument
from gitops_secrets.cli.output import note, write
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.model.findings import CheckResult, Finding
    from gitops_secrets.pipeline.checkout import Checkout
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
    with_changes = not WITH_CHANGES.isdisjoint({format_, *(each for each, _ in reports)})
    accepted = None if baseline is None else _accepted(baseline)

    def checked_in(repository: Repository, analysis: Analysis) -> Checked:
        return _checked(repository, analysis, call, accepted, base, merge_base, everything=everything, with_changes=with_changes)

    def question(checkout: Checkout) -> tuple[Hashable, ...]:
        return ("check", format_, limit, everything, base and checkout.parted_from(base, merge_base=merge_base))

    def answer(repository: Repository, analysis: Analysis) -> Answer:
        checked = checked_in(repository, analysis)
        return Answer(written(checked, format_, call), NOT_WELL if fails(checked.result.findings, limit) else 0, lasts=_lasts(checked.result, format_))

    # What a change does is told by every byte of it, and a step of GitHub gets a summary beside the answer.
    if baseline is None and not reports and format_ != "github" and (base is None or format_ not in WITH_CHANGES):
        found = answered(path, call, question, answer, quotes_files=format_ in QUOTING)
        write(found.text, call)
        context.exit(found.status)
    checked = checked_in(*open_and_analyse(path, call))
    if baseline is not None and checked.result.resolved:
        note(f"{len(checked.result.resolved)} findings of {baseline} are gone; write it again", call)
    for each, to in (*((each, replace(call, output=file)) for each, file in reports), (format_, call)):
        write(written(checked, each, to), to, has_commands=each == "github")
    add_to_step_summary(checked, format_)
    if fails(checked.result.findings, limit):
        context.exit(NOT_WELL)


def _accepted(baseline: Path) -> tuple[Finding, ...]:
    from gitops_secrets.pipeline.compare import read_baseline

    return read_baseline(baseline)


def _checked(
    repository: Repository,
    analysis: Analysis,
    call: Call,
    accepted: Sequence[Finding] | None,
    base: str | None,
    merge_base: bool,
    *,
    everything: bool,
    with_changes: bool,
) -> Checked:
    """The findings, beside those accepted or those of an earlier state if there are such, and what changed since if it is to be shown."""
    from gitops_secrets.pipeline.check import check as run_rules
    from gitops_secrets.pipeline.check import with_fixes
    from gitops_secrets.pipeline.compare import check_since, compared
    from gitops_secrets.pipeline.diff import diff
    from gitops_secrets.pipeline.scan import analyse_base, at_revision
    from gitops_secrets.pipeline.sight import sight_on

    result, changes = run_rules(repository, analysis, fixes=False), None
    if accepted is not None:
        result = compared(result, accepted, everything=everything, sight=sight_on(accepted, analysis))
    if base is not None:
        with progress_bar(call) as progress:
            earlier = at_revision(repository, base, merge_base=merge_base)
            before = analyse_base(earlier, cluster=call.cluster, progress=progress)
        result = check_since(result, repository, analysis, earlier, before, everything=everything)
        changes = diff(earlier, before, repository, analysis).clusters if with_changes else None
    return Checked(with_fixes(result, repository), repository, analysis, changes)


def _lasts(result: CheckResult, format_: str) -> bool:
    """Does an answer hold as long as the files do, and is all of it told by its text?"""
    from gitops_secrets.model.limits import names_limit

    is_told = format_ not in QUOTING or not any(names_limit(problem.message) for problem in result.problems)
    return is_told and not _asks_for_renames(result)


def _asks_for_renames(result: CheckResult) -> bool:
    """Did it take git's word for what was renamed? That rests on git's index, which nobody watches."""
    return bool(result.resolved) and any(finding.change is not None for finding in result.findings)


def fails(findings: Iterable[Finding], fail_on: str) -> bool:
    """Is one of the findings at least as bad as `fail_on`, and more than possible?"""
    from gitops_secrets.model.facts import Confidence
    from gitops_secrets.model.findings import Severity

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
