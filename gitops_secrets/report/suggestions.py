"""Fixes as suggestions on the lines of a pull request, which its author accepts with a click.

The body of GitHub's request "Create a review for a pull request": https://docs.github.com/rest/pulls/reviews#create-a-review-for-a-pull-request.
It refuses a review with a comment on a line that is not in the diff of the pull request, so only those are made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from gitops_secrets.report.escape import markdown
from gitops_secrets.syntax.differing import changed_lines
from gitops_secrets.syntax.written import lines_of

# First line of each comment, with a digest of what it suggests: who posts it knows it again.
MARKER: Final = "<!-- gitops-secrets fix {} -->"
# More than these at once are better taken as a patch.
MOST_SUGGESTIONS: Final = 30


class Mended(NamedTuple):
    """A file as it is, and as it should be; `why` says of lines what is mended there."""

    path: str
    before: str
    after: str
    why: Sequence[tuple[int, str]]


class Suggestion(NamedTuple):
    """Lines `first` to `last` of a file and what should stand there."""

    path: str
    first: int
    last: int
    text: str
    why: tuple[str, ...]


def suggestions_document(files: Iterable[Mended], changed: Mapping[str, Sequence[range]]) -> str:
    """A review with a suggestion for each fix in lines that the change shows: `changed` by file."""
    found = [each for file in files for each in _suggestions(file) if _is_shown(each, changed.get(each.path, ()))]
    return json.dumps({"event": "COMMENT", "comments": list(map(_comment, found[:MOST_SUGGESTIONS]))}, indent=2) + "\n"


def _is_shown(suggestion: Suggestion, shown: Sequence[range]) -> bool:
    """Do all lines of it stand in one part of the diff?"""
    return any(suggestion.first in lines and suggestion.last in lines for lines in shown)


def _suggestions(file: Mended) -> Iterator[Suggestion]:
    before, after = lines_of(file.before), lines_of(file.after)
    for start, end, new_start, new_end in _replaced(before, after) if before else ():
        reasons = tuple(dict.fromkeys(why for line, why in file.why if start <= line <= end + 1))
        yield Suggestion(file.path, start + 1, end, "".join(after[new_start:new_end]), reasons)


def _replaced(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Half-open ranges of lines and what replaces them. What is only inserted takes the line before it along, at the top the one after."""
    found: list[tuple[int, int, int, int]] = []
    for start, end, new_start, new_end in changed_lines(before, after):
        if start == end and start:
            start, new_start = start - 1, new_start - 1
        elif start == end:
            end, new_end = end + 1, new_end + 1
        if found and found[-1][1] > start:
            start, _, new_start, _ = found.pop()
        found.append((start, end, new_start, new_end))
    return found


def _comment(suggestion: Suggestion) -> dict[str, object]:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", suggestion.text)), 3)
    why = "; ".join(map(markdown, suggestion.why)) or "mends what was found here"
    text = suggestion.text if suggestion.text.endswith("\n") or not suggestion.text else suggestion.text + "\n"
    marker = MARKER.format(sha256(f"{suggestion.path}\0{suggestion.text}".encode()).hexdigest()[:16])
    comment: dict[str, object] = {"path": suggestion.path}
    if suggestion.first < suggestion.last:
        comment |= {"start_line": suggestion.first, "start_side": "RIGHT"}
    return {**comment, "line": suggestion.last, "side": "RIGHT", "body": f"{marker}\n{why}\n\n{fence}suggestion\n{text}{fence}\n"}
