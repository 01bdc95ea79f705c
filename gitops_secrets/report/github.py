"""Findings as workflow commands of GitHub Actions: an annotation at the line of each.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. Ten errors, ten warnings and ten notices of a step become annotations, the
others stay lines of its log: the worst come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gitops_secrets.model.findings import CheckResult, Finding, Severity
from gitops_secrets.model.nodes import Place
from gitops_secrets.report.escape import visible, workflow_data, workflow_property
from gitops_secrets.report.groups import grouped, headline, item, summary
from gitops_secrets.report.style import Style

ANNOTATED: Final = 10
PLACES_SHOWN: Final = 20
_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def check_github(result: CheckResult, *, notes: bool = False) -> str:
    """A command for each error and warning, then a line that sums all up; `notes` adds a command for each note and for each file that could not be read.

    Where one severity has more findings than GitHub annotates, those of one cause share a command, so that each cause has its annotation.
    """
    lines = []
    for severity, command in _COMMANDS.items():
        found = [finding for finding in result.findings if finding.severity is severity and (notes or severity is not Severity.NOTE)]
        for group in grouped(found) if len(found) > ANNOTATED else [[finding] for finding in found]:
            lines.append(_command(command, group[0].place, group[0].rule, "\n".join(_message(group))))
    if notes:
        told = {finding.place for finding in result.findings}
        unread = sorted({(problem.place, problem.message) for problem in result.problems if problem.place not in told})
        lines += [_command("notice", place, "not read", message) for place, message in unread]
    return "\n".join([*lines, visible(f"gitops-secrets: {summary(result, Style())}")]) + "\n"


def _message(group: Sequence[Finding]) -> Iterator[str]:
    yield headline(group)
    if len(group) > 1:
        yield from (f"{finding.place}: {item(finding)}" for finding in group[:PLACES_SHOWN])
        if len(group) > PLACES_SHOWN:
            yield f"… and {len(group) - PLACES_SHOWN} more"
        return
    (finding,) = group
    yield from (f"{related.place}: {related.message}" for related in finding.related if related.place != finding.place)
    if finding.fix is not None:
        yield f"fix: {finding.fix.description}"


def _command(command: str, place: Place, title: str, message: str) -> str:
    properties = {"file": place.file, "line": str(place.line), "col": str(place.column), "title": f"gitops-secrets: {title}"}
    written = ",".join(f"{name}={workflow_property(value)}" for name, value in properties.items())
    return f"::{command} {written}::{workflow_data(message)}"
