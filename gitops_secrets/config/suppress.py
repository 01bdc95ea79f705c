"""Comments in manifests that suppress findings: `# gitops-secrets: ignore[rule-a,rule-b] reason`, on the line or on the line above it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suppression:
    """A comment that suppresses findings of `rules`. With a `problem` it suppresses nothing."""

    line: int  # of the comment
    column: int
    rules: frozenset[str]
    reason: str
    problem: str | None = None

    def covers(self, rule: str) -> bool:
        """Does it suppress findings of `rule`?"""
        return self.problem is None and rule in self.rules


# The word starts a comment: at the start of a line, or after white space.
_COMMENT = re.compile(r"(?:^|(?<=\s))#\s*gitops-secrets:\s*(?P<verb>[\w-]*)\s*(?:\[(?P<rules>[^\]\n]*)\])?(?P<reason>[^\n]*)", re.MULTILINE)
_RULE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_EXAMPLE = "write # gitops-secrets: ignore[rule] reason"


def suppressions_in(text: str) -> dict[int, Suppression]:
    """The suppressions of a file by the line that they hold for: their own, or the next one that is more than a comment if they stand alone.

    A line with two is covered by both: their rules are added up.
    """
    if "gitops-secrets:" not in text:
        return {}
    lines = text.split("\n")
    found: dict[int, Suppression] = {}
    for match in _COMMENT.finditer(text):
        suppression = _suppression(text, match)
        target = suppression.line
        if not lines[target - 1][: suppression.column - 1].strip():
            target = _next_content(lines, target)
        known = found.get(target)
        found[target] = suppression if known is None else _joined(known, suppression)
    return found


def _suppression(text: str, match: re.Match[str]) -> Suppression:
    start = match.start()
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    rules = frozenset(rule.strip() for rule in (match["rules"] or "").split(",") if rule.strip())
    reason = match["reason"].strip(" \t\r:-")
    return Suppression(line, column, rules, reason, _problem(match["verb"], rules, reason))


def _problem(verb: str, rules: frozenset[str], reason: str) -> str | None:
    if verb != "ignore":
        return f"this comment is not understood; {_EXAMPLE}"
    if not rules or not all(_RULE.match(rule) for rule in rules):
        return f"the rules that this comment ignores are missing or misspelt; {_EXAMPLE}"
    return None if reason else f"this comment needs a reason; {_EXAMPLE}"


def _next_content(lines: list[str], line: int) -> int:
    """The line after `line`, further comments skipped."""
    following = line + 1
    while following <= len(lines) and lines[following - 1].lstrip().startswith("#"):
        following += 1
    return following


def _joined(one: Suppression, other: Suppression) -> Suppression:
    if one.problem or other.problem:
        return one if one.problem else other
    return Suppression(one.line, one.column, one.rules | other.rules, "; ".join(dict.fromkeys((one.reason, other.reason))))
