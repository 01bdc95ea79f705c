"""The result of `check` in each of its formats."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import plans_of
from gitops_secrets.cli.options import Call
from gitops_secrets.cli.output import append, note

if TYPE_CHECKING:
    from gitops_secrets.model.findings import CheckResult
    from gitops_secrets.ordering.difference import PlanDifference
    from gitops_secrets.pipeline.fix import Fixed
    from gitops_secrets.pipeline.scan import Analysis, Repository

FORMATS = ("text", "json", "sarif", "github", "gitlab", "junit", "markdown", "patch", "suggestions")
# Formats that tell, beside what is wrong, what a change does.
WITH_CHANGES = frozenset({"markdown", "github"})
# Formats that hold lines of files as they are.
QUOTING = frozenset({"patch", "suggestions"})


@dataclass(frozen=True, slots=True)
class Checked:
    """A result, and what it was found in; `changes` only for who compares and wants to know."""

    result: CheckResult
    repository: Repository
    analysis: Analysis
    changes: Sequence[PlanDifference] | None


def written(checked: Checked, format_: str, call: Call) -> str:
    """The result in one format."""
    from gitops_secrets.checks import RULES

    result = checked.result
    match format_:
        case "json":
            from gitops_secrets.report.check_document import check_document

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

            return check_markdown(result, plans_of(checked.analysis), checked.changes)
        case "patch" | "suggestions":
            from gitops_secrets.pipeline.fix import fix

            fixed = fix(checked.repository, cluster=call.cluster, only=result.findings)
            for problem in fixed.limited:
                note(f"{problem.place}: {problem.message}", call)
            return _patch(fixed) if format_ == "patch" else _suggestions(fixed, checked)
        case _:
            from gitops_secrets.report.text import check_text

            return check_text(result, call.style)


def _patch(fixed: Fixed) -> str:
    from gitops_secrets.generate.changes import diff_of

    return diff_of(fixed.changes, to_apply=True)


def _suggestions(fixed: Fixed, checked: Checked) -> str:
    from gitops_secrets.generate.changes import may_hold_values
    from gitops_secrets.report.suggestions import Mended, suggestions_document
    from gitops_secrets.repository.history import shown_lines

    if checked.result.base is None:
        raise click.UsageError("suggestions stand on the lines of a change; say of which one with --base")
    why = [(edit.file, edit.start[0], entry.description) for entry in fixed.applied if entry.finding.fix is not None for edit in entry.finding.fix.edits]
    mended = (
        Mended(change.path, change.before, change.after, [(line, text) for file, line, text in why if file == change.path])
        for change in fixed.changes
        if change.before is not None and change.after is not None and not may_hold_values(change.before)
    )
    return suggestions_document(mended, shown_lines(checked.repository.root, checked.result.base, checked.repository.revision))


def add_to_step_summary(checked: Checked, format_: str) -> None:
    """With workflow commands, the summary of the step as well: GitHub names the file in the environment."""
    file = os.environ.get("GITHUB_STEP_SUMMARY") if format_ == "github" else None
    if file:
        from gitops_secrets.report.comment import SUMMARY_LIMIT
        from gitops_secrets.report.markdown import check_markdown

        append(Path(file), check_markdown(checked.result, plans_of(checked.analysis), checked.changes, limit=SUMMARY_LIMIT))
