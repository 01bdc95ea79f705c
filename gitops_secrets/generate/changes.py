"""Changes to files: what stands there, what should, and writing it without ever leaving half a file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass


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


def diff_of(changes: Iterable[FileChange]) -> str:
    """The changes as one unified diff, as `git apply` takes it. A file that only moves is shown by its names."""
    needed = [change for change in changes if change.is_needed]
    new = {change.after: change.path for change in needed if change.before is None}
    moved = {change.path: new[change.before] for change in needed if change.after is None and change.before in new}
    parts = []
    for change in needed:
        if change.path in moved:
            target = moved[change.path]
            parts.append(f"diff --git a/{change.path} b/{target}\nsimilarity index 100%\nrename from {change.path}\nrename to {target}\n")
        elif change.path not in moved.values():
            parts.append(_diff(change))
    return "".join(parts)


def _diff(change: FileChange) -> str:
    before, after = change.before or "", change.after or ""
    old = "/dev/null" if change.before is None else f"a/{change.path}"
    new = "/dev/null" if change.after is None else f"b/{change.path}"
    # The lines around a change may be values of a Secret, which are never shown.
    context = 0 if may_hold_values(before) else 3
    lines = difflib.unified_diff(_LINE.findall(before), _LINE.findall(after), old, new, n=context)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def may_hold_values(text: str) -> bool:
    """Could values of Secrets stand in the text of a file?"""
    return _MAY_HOLD_VALUES.search(text) is not None


_MAY_HOLD_VALUES = re.compile(r"Secret(?:List)?[\"']?\s*(?:[,}#\n\r]|$)|secretGenerator|ENC\[|sops")
# Lines end where git ends them: a carriage return or form feed alone ends none.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Form:
    """What files of generated objects look like: which fields follow the graph; whatever else stands in them is the user's."""

    group: str
    kind: str
    fields: tuple[tuple[str, ...], ...]
    mark: str  # a file that begins with it goes when its component does; whoever takes the line out keeps the file
    header: str
