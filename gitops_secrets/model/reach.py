"""What leads where over any number of steps."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

_Node = TypeVar("_Node", bound=Hashable)


def reachable(starts: Iterable[_Node], following: Callable[[_Node], Iterable[_Node]]) -> set[_Node]:
    """All that steps of `following` lead to from `starts`, these included."""
    seen = set(starts)
    pending = list(seen)
    while pending:
        for node in following(pending.pop()):
            if node not in seen:
                seen.add(node)
                pending.append(node)
    return seen
