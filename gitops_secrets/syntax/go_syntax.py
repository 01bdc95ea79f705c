"""Go's text/template, parsed: from text to a tree of actions. What it means is the business of `go_template`.

The grammar is that of Go 1.26 without `define`, `template` and `block`, which need more than one template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from gitops_secrets.syntax.go_tokens import Piece, Token, error_at, pieces_of

# Blocks and parentheses within one another. Go has no such limit, Python's stack has one.
MAX_NESTING = 40

_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"'}
_UNSUPPORTED_KEYWORDS = frozenset({"define", "template", "block"})


# What a command is made of. `offset` is where something begins in the template.


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; `nil` is None."""

    value: Any
    offset: int


@dataclass(frozen=True, slots=True)
class Dot:
    """The value that the action around it is about, and fields of it."""

    fields: tuple[str, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable with its dollar, and fields of its value."""

    name: str
    fields: tuple[str, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Identifier:
    """The name of a function, to be called."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Fields of what a function or a pipeline in parentheses gives."""

    of: Identifier | Pipeline
    fields: tuple[str, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which hands its value on as the last argument of the next, and the variables that take the result."""

    commands: tuple[tuple[Operand, ...], ...]
    offset: int
    variables: tuple[str, ...] = ()
    declares: bool = True  # False: assigns to variables that are there


Operand = Literal | Dot | Variable | Identifier | Chain | Pipeline


# What a template is made of.


@dataclass(frozen=True, slots=True)
class Text:
    """Text that stands for itself; `line` is the one where it starts."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Action:
    """A pipeline whose value is written, unless it sets a variable."""

    pipeline: Pipeline
    line: int


class Branch(NamedTuple):
    """A condition and what is written where it holds."""

    condition: Pipeline
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`if` or `with`, with its `else if` or `else with`; `with` sets the dot."""

    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...]
    sets_dot: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """`range`."""

    over: Pipeline
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    leaves: bool


Statement = Text | Action | Choice | Loop | Jump


def parse_template(text: str, delimiters: tuple[str, str], functions: Collection[str]) -> tuple[Statement, ...]:
    """The statements of a template.

    Raises:
        TemplateError: for what is no template, and for a word that is none of `functions`, as Go does even where it would not be called.
    """
    return _Parser(text, pieces_of(text, *delimiters), functions).parse()


class _Parser:
    def __init__(self, text: str, pieces: list[Piece], functions: Collection[str]) -> None:
        self.text = text
        self.pieces = pieces
        self.functions = functions
        self.at = 0
        self.variables = ["$"]
        self.loops = 0
        self.depth = 0
        # Offsets only grow, so lines are counted on.
        self._counted = 0
        self._line = 1

    def parse(self) -> tuple[Statement, ...]:
        body, end = self._body()
        if end is not None:
            self._fail(end.offset, f"unexpected '{end.text}'")
        return body

    def _body(self) -> tuple[tuple[Statement, ...], Token | None]:
        """Statements up to an `else` or `end`, whose tokens are left to the caller, or up to the end of the text."""
        found: list[Statement] = []
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            if piece.tokens is None:
                self.at += 1
                found.append(Text(piece.text, self._line_of(piece.offset)))
                continue
            if not piece.tokens:
                self._fail(piece.offset, "missing value for command")
            first = piece.tokens[0]
            keyword = first.text if first.kind == "word" else ""
            if keyword in ("else", "end"):
                return tuple(found), first
            self.at += 1
            found.append(self._statement(keyword, piece))
        return tuple(found), None

    def _statement(self, keyword: str, piece: Piece) -> Statement:
        tokens = piece.tokens or ()
        if keyword in _UNSUPPORTED_KEYWORDS:
            raise error_at(self.text, piece.offset, f"'{keyword}' is not supported", unsupported=True)
        if keyword in ("if", "with", "range"):
            return self._block(keyword, tokens)
        if keyword in ("break", "continue"):
            if not self.loops:
                self._fail(piece.offset, f"'{keyword}' outside of a range")
            if len(tokens) > 1:
                self._fail(tokens[1].offset, f"unexpected {tokens[1].text!r} after '{keyword}'")
            return Jump(keyword == "break")
        return Action(self._pipeline(tokens, piece.offset), self._line_of(piece.offset))

    def _block(self, keyword: str, tokens: tuple[Token, ...]) -> Statement:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise error_at(self.text, tokens[0].offset, f"blocks nested deeper than {MAX_NESTING} levels", unsupported=True)
        visible = len(self.variables)
        self.loops += keyword == "range"
        head = tokens
        branches: list[Branch] = []
        otherwise: tuple[Statement, ...] = ()
        while True:
            condition = self._pipeline(head[1:], head[0].offset, in_range=keyword == "range")
            inside = len(self.variables)
            body, end = self._body()
            del self.variables[inside:]
            branches.append(Branch(condition, body))
            if end is None:
                self._fail(tokens[0].offset, f"'{keyword}' without 'end'")
            rest = self._closing_tokens()
            if end.text == "end":
                break
            if rest and rest[0].kind == "word" and rest[0].text == keyword and keyword != "range":
                head = rest
                continue
            if rest:
                self._fail(rest[0].offset, f"unexpected {rest[0].text!r} after 'else'")
            self.loops -= keyword == "range"
            otherwise, end = self._body()
            self.loops += keyword == "range"
            if end is None or end.text != "end":
                self._fail(end.offset if end else tokens[0].offset, f"'else' of '{keyword}' without 'end'")
            self._closing_tokens()
            break
        del self.variables[visible:]
        self.depth -= 1
        self.loops -= keyword == "range"
        if keyword == "range":
            return Loop(branches[0].condition, branches[0].body, otherwise)
        return Choice(tuple(branches), otherwise, keyword == "with")

    def _closing_tokens(self) -> tuple[Token, ...]:
        """What stands after the `else` or `end` at hand, which is thereby read."""
        tokens = self.pieces[self.at].tokens or ()
        self.at += 1
        if tokens[0].text == "end" and len(tokens) > 1:
            self._fail(tokens[1].offset, f"unexpected {tokens[1].text!r} after 'end'")
        return tokens[1:]

    def _pipeline(self, tokens: tuple[Token, ...], offset: int, *, in_range: bool = False) -> Pipeline:
        names: list[str] = []
        declares = True
        at = 0
        while at + 1 < len(tokens) and tokens[at].kind == "variable":
            following = tokens[at + 1].kind
            if following == "," and in_range and not names:
                names.append(tokens[at].text)
                at += 2
                continue
            if following in ("declare", "="):
                names.append(tokens[at].text)
                declares = following == "declare"
                at += 2
            elif names:
                self._fail(tokens[at + 1].offset, "range can only initialize variables")
            break
        pipeline, end = self._commands(tokens, at, offset, 0)
        if end < len(tokens):
            self._fail(tokens[end].offset, f"unexpected {tokens[end].text!r}")
        for name in names:
            if declares:
                self.variables.append(name)
            elif name not in self.variables:
                self._fail(offset, f"undefined variable {name}")
        return Pipeline(pipeline.commands, offset, tuple(names), declares)

    def _commands(self, tokens: tuple[Token, ...], at: int, offset: int, depth: int) -> tuple[Pipeline, int]:
        if depth > MAX_NESTING:
            raise error_at(self.text, offset, f"parentheses nested deeper than {MAX_NESTING} levels", unsupported=True)
        commands: list[tuple[Operand, ...]] = []
        while True:
            operands: list[Operand] = []
            while at < len(tokens) and tokens[at].kind not in ("|", ")"):
                if operands and tokens[at].joined:
                    self._fail(tokens[at].offset, f"unexpected {tokens[at].text!r}")
                operand, at = self._operand(tokens, at, depth)
                operands.append(operand)
            if not operands:
                self._fail(tokens[at].offset if at < len(tokens) else offset, "missing value for command")
            first = operands[0]
            if commands and (isinstance(first, Literal) or (isinstance(first, Dot) and not first.fields)):
                self._fail(first.offset, "what takes the value of a pipe must be a function")
            commands.append(tuple(operands))
            if at >= len(tokens) or tokens[at].kind == ")":
                return Pipeline(tuple(commands), offset), at
            at += 1

    def _operand(self, tokens: tuple[Token, ...], at: int, depth: int) -> tuple[Operand, int]:
        token = tokens[at]
        kind, text, offset, _ = token
        at += 1
        fields: list[str] = []
        if kind == "field":
            fields.append(text[1:])
        inner: Pipeline | None = None
        if kind == "(":
            inner, at = self._commands(tokens, at, offset, depth + 1)
            if at >= len(tokens):
                self._fail(offset, "unclosed parenthesis")
            at += 1
        while at < len(tokens) and tokens[at].kind == "field" and tokens[at].joined:
            fields.append(tokens[at].text[1:])
            at += 1
        path = tuple(fields)
        if inner is not None:
            return (Chain(inner, path, offset) if path else inner), at
        if kind == "field" or kind == ".":
            return Dot(path, offset), at
        if kind == "variable":
            if text not in self.variables:
                self._fail(offset, f"undefined variable {text}")
            return Variable(text, path, offset), at
        if kind == "word" and text not in ("true", "false", "nil"):
            if text not in self.functions:
                self._fail(offset, f"function {text!r} is not defined")
            function = Identifier(text, offset)
            return (Chain(function, path, offset) if path else function), at
        if path:
            self._fail(offset, f"unexpected '.' after {text!r}")
        return Literal(self._constant(token), offset), at

    def _constant(self, token: Token) -> Any:
        if token.kind == "word":
            return {"true": True, "false": False, "nil": None}[token.text]
        if token.kind == "raw":
            return token.text[1:-1]
        if token.kind in ("string", "character"):
            value = _ESCAPE.sub(self._unescape(token), token.text[1:-1])
            if token.kind == "character" and len(value) != 1:
                self._fail(token.offset, "a character constant holds one character")
            return value if token.kind == "string" else ord(value)
        if token.kind == "number":
            return self._number(token)
        return self._fail(token.offset, f"unexpected {token.text!r}")

    def _unescape(self, token: Token) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            simple, byte, short, long, octal, other = match.groups()
            if other:
                self._fail(token.offset, "invalid escape in a string")
            if simple:
                return _ESCAPED[simple]
            code = int(byte or short or long, 16) if octal is None else int(octal, 8)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                self._fail(token.offset, "invalid escape in a string")
            return chr(code)

        return replace

    def _number(self, token: Token) -> int | float:
        text = token.text
        try:
            sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
            if digits[:2].lower() in ("0x", "0o", "0b"):
                number: int | float = int(sign + digits, 0)
            elif not digits.replace("_", "").isdigit():
                number = float(text)
            else:
                number = int(text, 8 if len(digits) > 1 and digits[0] == "0" else 10)
        except (ValueError, OverflowError):
            return self._fail(token.offset, "a number that can't be read")
        if isinstance(number, int) and not -(1 << 63) <= number < 1 << 63:
            self._fail(token.offset, "a number out of range")
        return number

    def _line_of(self, offset: int) -> int:
        self._line += self.text.count("\n", self._counted, offset)
        self._counted = offset
        return self._line

    def _fail(self, offset: int, message: str) -> NoReturn:
        raise error_at(self.text, offset, message)
