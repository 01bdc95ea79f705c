"""Findings of one cause together, one sentence for all of them, and one line for a whole result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.findings import Change, CheckResult, Finding, Severity
from gitops_secrets.report.style import GREEN, Style, counted

# What the subjects of a group do to its cause, for rules whose cause is a thing and no sentence.
_VERBS: Final = {"missing-depends-on": (" needs", " need"), "dependency-not-gated": (" waits for", " wait for")}


def grouped(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings of one severity, change, rule and cause together; worst severity first, then the most findings, then by place."""
    groups: dict[tuple[Severity, Change | None, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.change, finding.rule, finding.cause), []).append(finding)
    for group in groups.values():
        group.sort(key=lambda finding: (finding.place, finding.subject, finding.other or "", finding.message))
    return sorted(groups.values(), key=lambda group: (group[0].severity.rank, -len(group), group[0].rule, group[0].place, group[0].message))


def headline(group: Sequence[Finding]) -> str:
    """What is wrong with all of a group, in one sentence."""
    first = group[0]
    if len(group) == 1:
        return first.message
    if _is_about_one(first):
        return first.cause
    # In several clusters, units of one id are several units.
    subjects = {(finding.subject, finding.place) for finding in group}
    kinds = Counter(subject.partition("/")[0].partition(".")[0] for subject, _ in subjects).most_common()
    singular, plural = _VERBS.get(first.rule, (":", ":"))
    verb = singular if len(subjects) == 1 else plural
    counts = [counted(number, kind) for kind, number in kinds] if len(kinds) < 3 else [counted(len(subjects), "thing")]
    return f"{' and '.join(counts)}{verb} {first.cause}"


def _is_about_one(finding: Finding) -> bool:
    """Does the cause itself name the subject, so that a group is of many things about one?"""
    return finding.cause.startswith(f"{finding.subject} ")


def item(finding: Finding) -> str:
    """What tells a finding apart from the others of its group."""
    return finding.other or finding.subject if _is_about_one(finding) else finding.subject


def doubt(group: Sequence[Finding]) -> str:
    """The confidence that all of a group share, if it is less than certain; else nothing."""
    found = {finding.confidence for finding in group}
    return found.pop().value if len(found) == 1 and Confidence.CERTAIN not in found else ""


def marks(group: Sequence[Finding]) -> tuple[str, ...]:
    """Words that stand behind a headline: the rule, and what is not as usual about the group. That a finding is new needs no word."""
    change = group[0].change
    return tuple(filter(None, (group[0].rule, doubt(group), change.value if change not in (None, Change.NEW) else "")))


def some_clusters(group: Sequence[Finding], clusters: Sequence[str]) -> tuple[str, ...]:
    """The clusters that show it, where that is not all of them."""
    found = sorted({name for finding in group for name in finding.clusters})
    return tuple(found) if set(found) != set(clusters) else ()


def summary(result: CheckResult, style: Style) -> str:
    """A result in one line."""
    counts = {severity: sum(finding.severity is severity for finding in result.findings) for severity in Severity}
    parts = [style.severity(counted(number, severity.value), severity) for severity, number in counts.items() if number]
    nothing = "nothing new" if result.is_compared else "nothing found"
    text = (", ".join(parts) if parts else style.paint(nothing, GREEN)) + f" in {counted(len(result.clusters), 'cluster')}"
    if result.known:
        text += f"; {result.known} known"
    if result.unjudged:
        text += f"; {result.unjudged} can't be judged"
    if result.resolved:
        text += f"; {len(result.resolved)} gone"
    if result.suppressed:
        text += f"; {result.suppressed} suppressed"
    return text
