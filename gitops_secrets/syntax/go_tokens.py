"""The text of a template of Go's text/template as runs of text and the tokens of actions (Go 1.26)."""

from __future__ import annotations

import re
from typing import NamedTuple

_SPACE = " \t\r\n"
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<raw>`[^`]*`)
  | (?P<character>'(?:[^'\\\n]|\\.)+')
  | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))
  | (?P<variable>\$\w*)
  | (?P<field>\.[^\W\d]\w*)
  | (?P<declare>:=)
  | (?P<punctuation>[.=|,()])
  | (?P<word>[^\W\d]\w*)
    """,
    re.VERBOSE,
)
# Words and fields must end there; Go reads `a+b` as a mistake, not as two words.
_ENDS_WORD = _SPACE + ".,|:)("


class TemplateError(Exception):
    """A template can't be rendered; the message quotes its syntax, never the data.

    `unsupported` says that Go could have rendered it. Line and column count from 1, columns in code points.
    """

    def __init__(self, message: str, line: int, column: int, *, unsupported: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.unsupported = unsupported


def error_at(text: str, offset: int, message: str, *, unsupported: bool = False) -> TemplateError:
    """The error of that message at an offset of a template."""
    start = text.rfind("\n", 0, offset) + 1
    return TemplateError(message, text.count("\n", 0, offset) + 1, offset - start + 1, unsupported=unsupported)


class Token(NamedTuple):
    """A token of an action. `joined`: nothing stands between it and the one before."""

    kind: str
    text: str
    offset: int
    joined: bool


class Piece(NamedTuple):
    """A run of text, or the tokens of one action."""

    text: str
    tokens: tuple[Token, ...] | None
    offset: int


def pieces_of(text: str, left: str, right: str) -> list[Piece]:
    """The pieces of a template with these delimiters; comments are gone. Raises `TemplateError`."""
    pieces: list[Piece] = []
    position = 0
    trims = False
    while True:
        start = text.find(left, position)
        end = len(text) if start < 0 else start
        run_from, run_to = position, end
        if trims:
            run_from = _skip_space(text, position, end)
        after = end + len(left)
        trims_before = start >= 0 and text[after : after + 1] == "-" and text[after + 1 : after + 2] in tuple(_SPACE)
        if trims_before:
            run_to = run_from + len(text[run_from:end].rstrip(_SPACE))
            after += 2
        if run_to > run_from:
            pieces.append(Piece(text[run_from:run_to], None, run_from))
        if start < 0:
            return pieces
        if text.startswith("/*", after):
            position, trims = _end_of_comment(text, after, right)
        else:
            tokens, position, trims = _tokens(text, after, right, start)
            pieces.append(Piece("", tokens, start))


def _skip_space(text: str, start: int, end: int) -> int:
    while start < end and text[start] in _SPACE:
        start += 1
    return start


def _end_of_comment(text: str, start: int, right: str) -> tuple[int, bool]:
    end = text.find("*/", start)
    if end < 0:
        raise error_at(text, start, "unclosed comment")
    closing = _closing(text, end + 2, right)
    if closing is None:
        raise error_at(text, start, "comment ends before closing delimiter")
    return closing


def _closing(text: str, position: int, right: str) -> tuple[int, bool] | None:
    """Where the text goes on after a right delimiter at `position`, and whether that trims what follows; None if there is no delimiter."""
    if text.startswith(right, position):
        return position + len(right), False
    if text[position : position + 1] in tuple(_SPACE) and text.startswith("-" + right, position + 1):
        return position + 2 + len(right), True
    return None


def _tokens(text: str, position: int, right: str, opened: int) -> tuple[tuple[Token, ...], int, bool]:
    tokens: list[Token] = []
    joined = False
    while True:
        closing = _closing(text, position, right)
        if closing is not None:
            return tuple(tokens), *closing
        match = _TOKEN.match(text, position)
        if match is None:
            if position >= len(text):
                raise error_at(text, opened, "unclosed action")
            raise error_at(text, position, "unterminated string" if text[position] in "\"`'" else f"unexpected {text[position]!r} in an action")
        kind = match.lastgroup or ""
        if kind == "space":
            # Of several spaces the last one may belong to the closing delimiter.
            position, joined = (match.end(), False) if match.end() - position == 1 or not _closing(text, match.end() - 1, right) else (match.end() - 1, False)
            continue
        end = match.end()
        if kind in ("word", "field", "variable") and end < len(text) and text[end] not in _ENDS_WORD and not text.startswith(right, end):
            raise error_at(text, end, f"unexpected {text[end]!r} in an action")
        tokens.append(Token(match[0] if kind == "punctuation" else kind, match[0], position, joined))
        position, joined = end, True
