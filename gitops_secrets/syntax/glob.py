"""Shell patterns as Go's `path.Match` reads them: `*`, `?`, `[a-z]`, `[^a-z]`, and a backslash before a literal character.

Argo CD's patterns over paths (gobwas/glob, doublestar) also know `{a,b}` and `**`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_BRACES = re.compile(r"\{([^{}]*)\}")


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


# More would take a matcher too long, or too much memory.
_MOST_ALTERNATIVES = 64
_MOST_DEEP_STARS = 4


@lru_cache(maxsize=1024)
def compile_path_glob(pattern: str) -> re.Pattern[str] | None:
    """An expression whose `match` takes the whole of a path; None for a malformed pattern, or one that nobody writes, which matches nothing.

    A star takes `/` as well, as gobwas/glob without separators does.

    >>> bool(compile_path_glob("{config.yaml,env-usw2/*}").match("env-usw2/a/b.yaml"))
    True
    """
    alternatives = _without_braces(pattern)
    expressions = [_path_expression(each) for each in alternatives]
    if len(alternatives) > _MOST_ALTERNATIVES or any(each is None for each in expressions):
        return None
    return re.compile("(?:" + "|".join(each or "" for each in expressions) + ")\\Z", re.DOTALL)


def _without_braces(pattern: str) -> list[str]:
    """The patterns that one with `{a,b}` stands for."""
    done: list[str] = []
    pending = [pattern]
    while pending and len(done) + len(pending) <= _MOST_ALTERNATIVES:
        current = pending.pop()
        innermost = _BRACES.search(current)
        if innermost is None:
            done.append(current)
        else:
            pending += [current[: innermost.start()] + choice + current[innermost.end() :] for choice in innermost[1].split(",")]
    return done + pending


def _path_expression(pattern: str) -> str | None:
    expression, chunk, position, open_star, deep = "", "", 0, False, 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            # Between two stars the leftmost match is as good as any, see above.
            expression += f"(?>.*?{chunk})" if open_star else chunk
            chunk, open_star = "", True
            if pattern[position : position + 1] == "*":
                position += 1
                deep += 1
                slash = pattern[position : position + 1] == "/"
                position += slash
                expression += "(?:.*/)?" if slash else ".*"
                open_star = False
        elif character == "?":
            chunk += "."
        elif character == "[":
            closed = _class(pattern, position)
            if closed is None:
                return None
            ranges, position = closed
            chunk += ranges
        elif character == "\\" and position < len(pattern):
            chunk += re.escape(pattern[position])
            position += 1
        else:
            chunk += re.escape(character)
    if deep > _MOST_DEEP_STARS:
        return None
    return expression + (".*" if open_star else "") + chunk


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
