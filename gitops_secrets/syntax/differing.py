"""Which lines of a text have become which.

difflib tells it best, and takes the cube of the lines where they repeat each other, as those of manifests do: a file of a thousand objects took minutes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, NamedTuple

# Steps that difflib may take at most.
_MOST_STEPS: Final = 2_000_000
# So many lines have to be the same for the sides to be in step again, and so many in all may lie between.
_IN_STEP: Final = 3
_MOST_BETWEEN: Final = 1_000


class Change(NamedTuple):
    """Half-open ranges: lines `start` to `end` have become `new_start` to `new_end`. One of them may be empty."""

    start: int
    end: int
    new_start: int
    new_end: int


def changed_lines(before: Sequence[str], after: Sequence[str]) -> list[Change]:
    """What differs, in order; between two changes there is something that is the same.

    >>> changed_lines(["a", "b", "c"], ["a", "c", "d"])
    [Change(start=1, end=2, new_start=1, new_end=1), Change(start=3, end=3, new_start=2, new_end=3)]
    """
    counts = Counter(after)
    if sum(counts[line] for line in before) * min(len(before), len(after)) > _MOST_STEPS:
        return list(_met_on_the_way(before, after))
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [Change(*ranges) for tag, *ranges in codes if tag != "equal"]


def _met_on_the_way(before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    """The same in one walk along both sides, for changes that are few lines each; from where they do not meet again, all of the rest is one."""
    start, new_start = 0, 0
    while start < len(before) or new_start < len(after):
        if before[start : start + 1] == after[new_start : new_start + 1]:
            start, new_start = start + 1, new_start + 1
            continue
        end, new_end = _meeting(before, after, start, new_start)
        yield Change(start, end, new_start, new_end)
        start, new_start = end, new_end


def _meeting(before: Sequence[str], after: Sequence[str], start: int, new_start: int) -> tuple[int, int]:
    """Where the sides are in step again, with the fewest lines between."""
    for between in range(1, _MOST_BETWEEN + 1):
        for taken in range(between + 1):
            end, new_end = start + taken, new_start + between - taken
            if end <= len(before) and new_end <= len(after) and before[end : end + _IN_STEP] == after[new_end : new_end + _IN_STEP]:
                return end, new_end
    return len(before), len(after)
