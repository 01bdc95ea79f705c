"""Changes to files: what stands there, what should, and writing it without ever leaving half a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Final

from gitops_secrets.syntax.differing import Change, changed_lines
from gitops_secrets.syntax.written import lines_of


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file and what should be in it; `before` None: it is not there yet, `after` None: it should go."""

    path: str  # relative to the root
    before: str | None
    after: str | None

    @property
    def is_needed(self) -> bool:
        """Does the file differ from what it should be?"""
        return self.before != self.after


def diff_of(changes: Iterable[FileChange], *, to_apply: bool = False) -> str:
    """The changes as one unified diff. A file that only moves is shown by its names.

    With `to_apply` as `git apply` takes it: without what it would put elsewhere, since nothing that stands around it may be shown.
    """
    needed = [change for change in changes if change.is_needed]
    new = {change.after: change.path for change in needed if change.before is None}
    moved = {change.path: new[change.before] for change in needed if change.after is None and change.before in new}
    parts = []
    for change in needed:
        if change.path in moved:
            target = moved[change.path]
            parts.append(f"diff --git a/{change.path} b/{target}\nsimilarity index 100%\nrename from {change.path}\nrename to {target}\n")
        elif change.path not in moved.values():
            parts.append(_diff(change, to_apply=to_apply))
    return "".join(parts)


def _diff(change: FileChange, *, to_apply: bool) -> str:
    before, after = change.before or "", change.after or ""
    old = "/dev/null" if change.before is None else f"a/{change.path}"
    new = "/dev/null" if change.after is None else f"b/{change.path}"
    hunks = list(_hunks(lines_of(before), lines_of(after), to_apply=to_apply))
    lines = [f"--- {old}\n", f"+++ {new}\n", *hunks] if hunks else []
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _hunks(before: Sequence[str], after: Sequence[str], *, to_apply: bool) -> Iterator[str]:
    """The hunks of a unified diff, with as much of what stands around a change as may be shown: lines there may be values of a Secret, which never are."""
    hidden = _hidden_lines(before)
    for group in _grouped(changed_lines(before, after), hidden):
        start, end = group[0].start, group[-1].end
        lead, trail = _reach(range(start - 1, -1, -1), hidden), _reach(range(end, len(before)), hidden)
        if to_apply and start == end and not lead and not trail and 0 < start < len(before):
            continue  # nothing but the number of the line says where: `git apply` puts it at the end of the file
        first, last = start - lead, end + trail
        new_first, new_last = group[0].new_start - lead, group[-1].new_end + trail
        yield f"@@ -{_range(first, last)} +{_range(new_first, new_last)} @@\n"
        at = first
        for old_start, old_end, new_start, new_end in group:
            yield from (f" {line}" for line in before[at:old_start])
            yield from (f"-{line}" for line in before[old_start:old_end])
            yield from (f"+{line}" for line in after[new_start:new_end])
            at = old_end
        yield from (f" {line}" for line in before[at:last])


def _grouped(changes: Iterable[Change], hidden: Set[int]) -> Iterator[list[Change]]:
    """Changes that stand so near to each other that one hunk shows them."""
    group: list[Change] = []
    for change in changes:
        between = range(group[-1].end, change.start) if group else range(0)
        if group and (len(between) > 2 * _CONTEXT or not hidden.isdisjoint(between)):
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _reach(lines: Iterable[int], hidden: Set[int]) -> int:
    """How many of the lines next to a change are shown."""
    return sum(1 for _ in takewhile(lambda line: line not in hidden, islice(lines, _CONTEXT)))


def _range(start: int, end: int) -> str:
    """A range of a hunk: an empty one is named by the line before it."""
    return f"{start + 1}" if end - start == 1 else f"{start if start == end else start + 1},{end - start}"


def _hidden_lines(lines: Sequence[str]) -> frozenset[int]:
    """The numbers of lines that may hold values of Secrets, from 0."""
    if not may_hold_values("".join(lines)):
        return frozenset()
    hidden: list[int] = []
    document: list[int] = []
    for number, line in enumerate([*lines, "---\n"]):
        if _SEPARATOR.match(line):
            if may_hold_values("".join(lines[each] for each in document)):
                hidden += (each for each in document if not _WITHOUT_VALUE.match(lines[each]))
            document = []
        else:
            document.append(number)
    return frozenset(hidden)


def may_hold_values(text: str) -> bool:
    """Could values of Secrets stand in the text of a file?"""
    return _MAY_HOLD_VALUES.search(text) is not None or ("ExternalSecret" in text and "template" in text)


_CONTEXT: Final = 3
_MAY_HOLD_VALUES: Final = re.compile(r"(?<![A-Za-z])(?:Cluster)?Secret(?:List)?[\"']?\s*(?:[,}#\n\r]|$)|secretGenerator|ENC\[|sops|stringData")
_SEPARATOR: Final = re.compile(r"---(?:\s|$)")
# A key alone, what kind of object it is, or a file of a kustomization.
_WITHOUT_VALUE: Final = re.compile(r"\s*(?:- )?(?:[\w./-]+:|(?:apiVersion|kind): *[\w./]+|[\w./-]+\.ya?ml)\s*$")


@dataclass(frozen=True, slots=True)
class Form:
    """What files of generated objects look like: which fields follow the graph; whatever else stands in them is the user's."""

    group: str
    kind: str
    fields: tuple[tuple[str, ...], ...]
    mark: str  # a file that begins with it goes when its component does; whoever takes the line out keeps the file
    header: str
