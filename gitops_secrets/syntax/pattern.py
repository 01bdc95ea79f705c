"""Regular expressions as Go reads them (https://github.com/google/re2/wiki/Syntax), by the engine that Go's is a port of.

kustomize and External Secrets Operator take patterns from the repository. Here as there matching takes time linear in the text, whatever the pattern, and
what Go refuses is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

# What both engines read alike and match in linear time; nearly all patterns are of this sort, and RE2 takes ten milliseconds to import.
_SIMPLE = re.compile(r"[\w/:.@|-]*(?:\.\*[\w/:.@|-]*)?", re.ASCII)


class PatternError(ValueError):
    """Go would refuse it. The message says why."""


class Pattern:
    """A compiled expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._whole: Any = re.compile(text) if _SIMPLE.fullmatch(text) else _compiled(text)

    def matches(self, text: str) -> bool:
        """Is the whole of `text` what the expression means?"""
        return self._whole.fullmatch(_encodable(text)) is not None

    def finds(self, text: str) -> bool:
        """Is there a part of `text` that it means?"""
        return _compiled(self._text).search(_encodable(text)) is not None


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> Pattern:
    """The expression in `text`. Raises `PatternError`.

    >>> compile_pattern("(a+)+").matches("a" * 1000), compile_pattern("b").finds("abc")
    (True, True)
    """
    return Pattern(text)


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(_encodable(text), options)
    except re2.error as error:
        reason = error.args[0]
        # What follows the colon quotes the pattern.
        raise PatternError((reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)).partition(":")[0]) from None


def _encodable(text: str) -> str:
    """Names of files may hold what UTF-8 can't."""
    return text if text.isascii() else text.encode(errors="replace").decode()
