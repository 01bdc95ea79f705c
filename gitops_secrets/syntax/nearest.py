"""Which name was meant by one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 253  # of a name in Kubernetes
# What comparing two names takes grows with the product of their lengths: a microsecond for ten in the worst case, for a hundred in most. Where thousands of
# names are not there and thousands are, nobody waits for hints.
_WORK = 300_000  # for one name
_WORK_IN_ALL = 50_000_000


def share(names: int) -> int:
    """How much work may go into each of so many names that are not there."""
    return min(_WORK, _WORK_IN_ALL // max(names, 1))


def nearest(name: str, candidates: Iterable[str], count: int = 1, similarity: float = 0.6, work: int = _WORK) -> list[str]:
    """The names most like `name`, those that are alike enough (1.0 would be equal); none where there are too many to compare.

    >>> nearest("stroe", ["store", "stores", "operator"])
    ['store']
    """
    others = comparable(name, candidates, work)
    return difflib.get_close_matches(name, others, count, similarity) if others else []


def comparable(name: str, candidates: Iterable[str], work: int = _WORK) -> list[str]:
    """The other names, sorted, without those that are too long; none where comparing with all of them is too much work."""
    others: set[str] = set()
    left = work if len(name) <= _LONGEST else 0
    for other in candidates:
        if left <= 0:
            return []
        if other != name and other not in others and len(other) <= _LONGEST:
            others.add(other)
            left -= len(name) * len(other)
    return sorted(others)
