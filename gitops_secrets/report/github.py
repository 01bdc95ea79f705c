"""Findings as workflow commands of GitHub Actions: an annotation at the line of each.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. Ten errors, ten warnings and ten notices of a step become annotations, the
others stay lines of its log: the worst come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import CheckResult, Finding, Severity
from gitops_secrets.report.escape import visible, workflow_data, workflow_property
from gitops_secrets.report.groups import summary
from gitops_secrets.report.style import Style

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def check_github(result: CheckResult, *, notes: bool = False) -> str:
    """A command for each error and warning, then a line that sums all up; `notes` adds a command for each note and for each file that could not be read."""
    shown = [finding for finding in result.findings if notes or finding.severity is not Severity.NOTE]
    lines = [_command(_COMMANDS[finding.severity], finding.place, finding.rule, "\n".join(_message(finding))) for finding in shown]
    if notes:
        told = {finding.place for finding in result.findings}
        unread = sorted({(problem.place, problem.message) for problem in result.problems if problem.place not in told})
        lines += [_command("notice", place, "not read", message) for place, message in unread]
    return "\n".join([*lines, visible(f"gitops-secrets: {summary(result, Style())}")]) + "\n"


def _message(finding: Finding) -> Iterator[str]:
    yield finding.message
    yield from (f"{related.place}: {related.message}" for related in finding.related if related.place != finding.place)
    if finding.fix is not None:
        yield f"fix: {finding.fix.description}"


def _command(command: str, place: Place, title: str, message: str) -> str:
    properties = {"file": place.file, "line": str(place.line), "col": str(place.column), "title": f"gitops-secrets: {title}"}
    written = ",".join(f"{name}={workflow_property(value)}" for name, value in properties.items())
    return f"::{command} {written}::{workflow_data(message)}"
