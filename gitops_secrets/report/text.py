"""Findings for people: worst first, many of one cause as one paragraph, the first look at a large repository on one screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.results import Finding, Severity
from gitops_secrets.report.escape import visible
from gitops_secrets.report.style import BOLD, GREEN, Style, counted

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
# What the subjects of a group do to its cause, for rules whose cause is a thing and no sentence.
_VERBS: Final = {"missing-depends-on": (" needs", " need"), "dependency-not-gated": (" waits for", " wait for")}


def check_text(findings: Sequence[Finding], suppressed: int, clusters: Sequence[str], style: Style) -> str:
    """All findings and a line that sums them up. `clusters` are the names of those that a finding without a word about clusters is in.

    Notes are only counted unless `verbose`; `quiet` leaves out everything but errors.
    """
    groups = _groups(finding for finding in findings if _is_shown(finding, style))
    lines = _fitting(groups, clusters, style)
    lines.append(_summary(findings, suppressed, clusters, style))
    return "\n".join(lines) + "\n"


def _is_shown(finding: Finding, style: Style) -> bool:
    if style.quiet:
        return finding.severity is Severity.ERROR
    return style.verbose or finding.severity is not Severity.NOTE


def _groups(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings of one severity, rule and cause together; worst severity first, then the most findings, then by place."""
    groups: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.rule, finding.cause), []).append(finding)
    for group in groups.values():
        group.sort(key=lambda finding: (finding.place, finding.subject, finding.other or "", finding.message))
    return sorted(groups.values(), key=lambda group: (group[0].severity.rank, -len(group), group[0].rule, group[0].place, group[0].message))


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
    """As many headlines as fit, and how much is left out. Errors are never left out."""
    lines: list[str] = []
    warnings = 0
    for number, group in enumerate(groups):
        block = list(_group(group, clusters, style, _TIGHT))
        is_error = group[0].severity is Severity.ERROR
        if not is_error and len(lines) + len(block) > SCREEN - 2 and warnings >= _FEWEST_WARNINGS:
            lines.append(style.dim(f"… {sum(len(rest) for rest in groups[number:])} more (-v shows all)"))
            break
        warnings += not is_error
        lines.extend(block)
    return [*lines, ""]


def _group(group: Sequence[Finding], clusters: Sequence[str], style: Style, detail: Detail) -> Iterator[str]:
    first = group[0]
    doubts = {finding.confidence for finding in group} - {Confidence.CERTAIN}
    doubt = f", {first.confidence.value}" if len(doubts) == 1 and doubts == {finding.confidence for finding in group} else ""
    yield from _headline(_message(group), first.severity, f" [{first.rule}{doubt}]{_clusters(group, clusters)}", style, detail.headline)
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
        yield f"  {style.paint(place, BOLD)}{' ' * (width - len(place))}  {visible(_item(finding))}{more}"
        if detail is _EVERYTHING:
            yield from _evidence(finding, detail.evidence, style)


def _message(group: Sequence[Finding]) -> str:
    first = group[0]
    if len(group) == 1:
        return first.message
    if _is_about_one(first):
        return first.cause
    # In several clusters, units of one id are several units.
    subjects = {(finding.subject, finding.place) for finding in group}
    kinds = {subject.partition("/")[0].partition(".")[0] for subject, _ in subjects}
    singular, plural = _VERBS.get(first.rule, (":", ":"))
    verb = singular if len(subjects) == 1 else plural
    return f"{counted(len(subjects), kinds.pop() if len(kinds) == 1 else 'thing')}{verb} {first.cause}"


def _is_about_one(finding: Finding) -> bool:
    """Does the cause itself name the subject, so that a group is of many things about one?"""
    return finding.cause.startswith(f"{finding.subject} ")


def _item(finding: Finding) -> str:
    return finding.other or finding.subject if _is_about_one(finding) else finding.subject


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


def _clusters(group: Sequence[Finding], clusters: Sequence[str]) -> str:
    """Which clusters show it, where that is not all of them."""
    found = sorted({name for finding in group for name in finding.clusters})
    return f" ({', '.join(map(visible, found))})" if found and set(found) != set(clusters) else ""


def _summary(findings: Sequence[Finding], suppressed: int, clusters: Sequence[str], style: Style) -> str:
    counts = {severity: sum(finding.severity is severity for finding in findings) for severity in Severity}
    where = f" in {counted(len(clusters), 'cluster')}"
    parts = [style.severity(counted(number, severity.value), severity) for severity, number in counts.items() if number]
    hidden = counts[Severity.NOTE] and not style.verbose
    text = (", ".join(parts) if parts else style.paint("nothing found", GREEN)) + where
    if suppressed:
        text += f"; {suppressed} suppressed"
    mended = sum(finding.fix is not None and finding.severity is not Severity.NOTE for finding in findings)
    if mended:
        text += f"; gitops-secrets fix mends {mended}"
    return text + ("; -v shows the notes" if hidden else "")
