"""Shell patterns as Go's `path.Match` reads them: `*`, `?`, `[a-z]`, `[^a-z]`, and a backslash before a literal character."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def compile_glob(pattern: str) -> re.Pattern[str] | None:
    """An expression whose `match` takes the whole of a text that `pattern` stands for; None for a malformed pattern, which matches nothing.

    A star takes any character: who matches paths gives segments without `/`. Matching takes time linear in pattern times text.

    >>> bool(compile_glob("*.tar.?z").match("a.tar.gz")), compile_glob("[a")
    (True, None)
    """
    chunks = [""]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            chunks.append("")
        elif character == "?":
            chunks[-1] += "."
        elif character == "[":
            closed = _class(pattern, position)
            if closed is None:
                return None
            expression, position = closed
            chunks[-1] += expression
        elif character == "\\":
            if position == len(pattern):
                return None
            chunks[-1] += re.escape(pattern[position])
            position += 1
        else:
            chunks[-1] += re.escape(character)
    first, *others = chunks
    if not others:
        return re.compile(first + r"\Z", re.DOTALL)
    *middle, last = others
    # Between two stars the leftmost match is as good as any: atomic groups spare the backtracking.
    return re.compile(first + "".join(f"(?>.*?{chunk})" for chunk in middle if chunk) + f".*{last}\\Z", re.DOTALL)


def _class(pattern: str, position: int) -> tuple[str, int] | None:
    """The expression of a character class whose `[` stands before `position`, and where it ends."""
    negated = pattern[position : position + 1] == "^"
    position += negated
    ranges = ""
    while True:
        if ranges and pattern[position : position + 1] == "]":
            return f"[{'^' if negated else ''}{ranges}]", position + 1
        low = _member(pattern, position)
        if low is None:
            return None
        character, position = low
        high = character
        if pattern[position : position + 1] == "-":
            upper = _member(pattern, position + 1)
            if upper is None:
                return None
            high, position = upper
        # An inverted range is allowed and holds nothing; no text that we match has a NUL.
        ranges += f"{re.escape(character)}-{re.escape(high)}" if character <= high else "\0"


def _member(pattern: str, position: int) -> tuple[str, int] | None:
    if position >= len(pattern) or pattern[position] in "-]":
        return None
    if pattern[position] == "\\":
        position += 1
    if position + 1 >= len(pattern):
        return None
    return pattern[position], position + 1
