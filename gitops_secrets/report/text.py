"""Findings for people: worst first, many of one cause as one paragraph, the first look at a large repository on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gitops_secrets.model.findings import CheckResult, Finding, Severity
from gitops_secrets.report.escape import visible
from gitops_secrets.report.groups import grouped, headline, item, marks, some_clusters, summary
from gitops_secrets.report.style import BOLD, Style

# Lines that a report may take unless more is asked for; the summary comes on top.
SCREEN: Final = 46


class Detail(NamedTuple):
    """How much of a group is shown: findings, lines of evidence for one that stands alone, lines of the headline."""

    findings: int
    evidence: int
    headline: int


# From bare to generous. Every group gets the first; what room is left goes to the worst groups.
_DETAILS: Final = (Detail(1, 0, 2), Detail(1, 0, 4), Detail(2, 1, 8), Detail(3, 3, 8))
_EVERYTHING: Final = Detail(1_000_000, 1_000_000, 1_000_000)
# Where not even the first fits: no line between groups, and the headline is cut.
_TIGHT: Final = Detail(1, 0, -2)
_FEWEST_WARNINGS: Final = 5


def check_text(result: CheckResult, style: Style) -> str:
    """All findings and a line that sums them up. A finding without a word about clusters is in all of them.

    Notes are only counted unless `verbose`; `quiet` leaves out everything but errors. Of problems those are told that become no finding.
    """
    groups = grouped(finding for finding in result.findings if _is_shown(finding, style))
    untold = [f"{visible(str(problem.place))}: {visible(problem.message)}" for problem in result.problems if not problem.rule and not style.quiet]
    return "\n".join([*_fitting(groups, result.clusters, style), *untold, _summary(result, style)]) + "\n"


def _is_shown(finding: Finding, style: Style) -> bool:
    if style.quiet:
        return finding.severity is Severity.ERROR
    return style.verbose or finding.severity is not Severity.NOTE


def _fitting(groups: Sequence[Sequence[Finding]], clusters: Sequence[str], style: Style) -> list[str]:
    """The lines of all groups, in as much detail as there is room for."""
    detail = _EVERYTHING if style.verbose else _DETAILS[0]
    blocks = [list(_group(group, clusters, style, detail)) for group in groups]
    room = SCREEN - sum(len(block) + 1 for block in blocks)
    if not style.verbose:
        if room < 0:
            return _cut(groups, clusters, style)
        for detail in _DETAILS[1:]:
            for number, group in enumerate(groups):
                block = list(_group(group, clusters, style, detail))
                if len(block) - len(blocks[number]) <= room:
                    room -= len(block) - len(blocks[number])
                    blocks[number] = block
    return [line for block in blocks for line in (*block, "")]


def _cut(groups: Sequence[Sequence[Finding]], clusters: Sequence[str], style: Style) -> list[str]:
    """As many headlines as fit, and how much is left out. Errors are never left out, and say at least what is wrong."""
    lines: list[str] = []
    warnings = 0
    for number, group in enumerate(groups):
        is_error = group[0].severity is Severity.ERROR
        block = list(_group(group, clusters, style, _DETAILS[0] if is_error else _TIGHT))
        if not is_error and len(lines) + len(block) > SCREEN - 2 and warnings >= _FEWEST_WARNINGS:
            lines.append(style.dim(f"… {sum(len(rest) for rest in groups[number:])} more (-v shows all)"))
            break
        warnings += not is_error
        lines.extend(block)
    return [*lines, ""]


def _group(group: Sequence[Finding], clusters: Sequence[str], style: Style, detail: Detail) -> Iterator[str]:
    first = group[0]
    where = ", ".join(map(visible, some_clusters(group, clusters)))
    ending = f" [{', '.join(marks(group))}]" + (f" ({where})" if where else "")
    yield from _headline(headline(group), first.severity, ending, style, detail.headline)
    if len(group) == 1:
        yield f"  {style.paint(visible(str(first.place)), BOLD)}"
        yield from _evidence(first, detail.evidence, style)
        return
    shown = group[: detail.findings]
    width = max(len(visible(str(finding.place))) for finding in shown)
    left = len(group) - len(shown)
    for number, finding in enumerate(shown):
        place = visible(str(finding.place))
        more = style.dim(f"  and {left} more (-v shows all)") if left and number == len(shown) - 1 else ""
        yield f"  {style.paint(place, BOLD)}{' ' * (width - len(place))}  {visible(item(finding))}{more}"
        if detail is _EVERYTHING:
            yield from _evidence(finding, detail.evidence, style)


def _headline(message: str, severity: Severity, ending: str, style: Style, lines: int) -> Iterator[str]:
    label = f"{severity.value}: "
    clauses = visible(message).split("; ")
    wrapped = style.wrapped("; ".join(clauses) + ending, label, "  ")
    while len(wrapped) > abs(lines) and len(clauses) > 1:
        # Messages say what is wrong first, then what it costs, then what to do.
        clauses.pop()
        wrapped = style.wrapped("; ".join(clauses) + "; …" + ending, label, "  ")
    words = clauses[0].split(" ")
    while lines < 0 and len(wrapped) > -lines and len(words) > 1:
        words.pop()
        wrapped = style.wrapped(" ".join(words) + " …" + ending, label, "  ")
    yield style.severity(wrapped[0][: len(label) - 1], severity) + wrapped[0][len(label) - 1 :]
    yield from wrapped[1:]


def _evidence(finding: Finding, shown: int, style: Style) -> Iterator[str]:
    # What stands at the place of the finding is what its message says already.
    elsewhere = [related for related in finding.related if related.place != finding.place]
    for related in elsewhere[:shown]:
        yield from map(style.dim, style.wrapped(f"{visible(str(related.place))}: {visible(related.message)}", "    ", "      "))
    if 0 < shown < len(elsewhere):
        yield style.dim(f"    … {len(elsewhere) - shown} more")
    if finding.fix is not None and shown:
        yield from style.wrapped(f"fix: {visible(finding.fix.description)}", "    ", "      ")


def _summary(result: CheckResult, style: Style) -> str:
    text = summary(result, style)
    mended = sum(finding.fix is not None and finding.severity is not Severity.NOTE for finding in result.findings)
    if mended:
        text += f"; gitops-secrets fix mends {mended}"
    notes = any(finding.severity is Severity.NOTE for finding in result.findings)
    return text + ("; -v shows the notes" if notes and not style.verbose else "")
