"""Which name was meant by one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Comparing takes microseconds for each pair of names: where thousands are not there and thousands are, nobody waits for hints.
_MOST_CANDIDATES = 300
_LONGEST = 253  # of a name in Kubernetes


def nearest(name: str, candidates: Iterable[str], count: int = 1, similarity: float = 0.6) -> list[str]:
    """The names most like `name`, those that are alike enough (1.0 would be equal); none where there are too many to compare.

    >>> nearest("stroe", ["store", "stores", "operator"])
    ['store']
    """
    others = comparable(name, candidates)
    return difflib.get_close_matches(name, others, count, similarity) if others else []


def comparable(name: str, candidates: Iterable[str]) -> list[str]:
    """The other names, sorted; none where there are too many, or they are too long."""
    others = set(candidates)
    others.discard(name)
    if len(others) > _MOST_CANDIDATES or len(name) > _LONGEST:
        return []
    return sorted(other for other in others if len(other) <= _LONGEST)
