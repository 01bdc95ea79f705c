"""How text for people is laid out: colour, width, how much of it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gitops_secrets.model.durations import duration

if TYPE_CHECKING:
    from gitops_secrets.model.findings import Severity

RESET: Final = "\x1b[0m"
BOLD: Final = "1"
DIM: Final = "2"
RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"
CYAN: Final = "36"

_SEVERITY_CODES: Final = {"error": (BOLD, RED), "warning": (BOLD, YELLOW), "note": (CYAN,)}

NARROWEST: Final = 40


@dataclass(frozen=True, slots=True)
class Style:
    """Of one output. `width` is in columns; `quiet` and `verbose` are the flags of the command line."""

    color: bool = False
    width: int = 100
    verbose: bool = False
    quiet: bool = False

    def paint(self, text: str, *codes: str) -> str:
        """`text` in these ANSI codes, if there is to be colour."""
        return f"\x1b[{';'.join(codes)}m{text}{RESET}" if self.color and text and codes else text

    def dim(self, text: str) -> str:
        """`text` as something less important."""
        return self.paint(text, DIM)

    def severity(self, text: str, severity: Severity) -> str:
        """`text` in the colour of a severity."""
        return self.paint(text, *_SEVERITY_CODES[severity.value])

    def wrapped(self, text: str, first: str = "", following: str | None = None) -> list[str]:
        """`text` in lines of at most `width` columns; words (ids, paths) are never broken. `first` and `following` begin the lines."""
        following = " " * len(first) if following is None else following
        lines = textwrap.wrap(
            text,
            width=max(self.width, NARROWEST),
            initial_indent=first,
            subsequent_indent=following,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return lines or [first.rstrip()]


def took(seconds: float) -> str:
    """How long something took, in tenths below a minute.

    >>> took(36.51), took(3630.2)
    ('36.5 s', '1h30s')
    """
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def counted(number: int, word: str) -> str:
    """A number with its noun.

    >>> counted(1, "unit"), counted(2, "unit"), counted(2, "dependency"), counted(2, "Ingress")
    ('1 unit', '2 units', '2 dependencies', '2 Ingresses')
    """
    return f"{number} {word if number == 1 else _plural(word)}"


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "o", "u"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch")) else "s")
