"""Shell-like expressions in a text, as github.com/fluxcd/pkg/envsubst 1.9 evaluates them: `${NAME}`, `${NAME:-default}`, `${NAME/a/b}` and so on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gitops_secrets.syntax.budget import Budget
from gitops_secrets.syntax.glob import compile_glob

_EXPRESSION = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text after expansion."""

    text: str
    undefined: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class ExpressionError(ValueError):
    """The text holds a `${` that envsubst refuses. The message never quotes the text."""


def known_parts(text: str) -> list[str]:
    """What stands before, between and after the expressions of a text.

    >>> known_parts("app-${ENVIRONMENT}-${COLOR}")
    ['app-', '-', '']
    """
    return _EXPRESSION.split(text)


def expand(text: str, variables: Mapping[str, str | None], *, complete: bool = True, budget: Budget | None = None) -> Expansion:
    """`text` with its expressions replaced as envsubst does; one that rests on an unknown value stays as it is.

    Raises `ExpressionError`, and `BudgetError` where more is made than `budget` has left.
    """
    expander = _Expander(text, variables, complete, budget or Budget())
    return Expansion(expander.run(), tuple(expander.undefined), tuple(expander.unknown))


class _Expander:
    """Reads a text from left to right and evaluates expressions as it meets them.

    The grammar, with its odd corners, is the one of envsubst's parser: `${x-y}` is refused, the argument of an operator other than a default is one text or
    one nested expression, and several slashes count as one where a replacement starts.
    """

    def __init__(self, text: str, variables: Mapping[str, str | None], complete: bool, budget: Budget) -> None:
        self.budget = budget
        self.text = text
        self.variables = variables
        self.complete = complete
        self.at = 0
        self.undefined: list[str] = []
        self.unknown: list[str] = []

    def run(self) -> str:
        """The whole text, expanded."""
        text = self.text
        parts: list[str] = []
        while True:
            dollar = text.find("$", self.at)
            if dollar < 0:
                parts.append(text[self.at :])
                return "".join(parts)
            parts.append(text[self.at : dollar])
            follower = text[dollar + 1 : dollar + 2]
            self.at = dollar + 2
            if follower == "{":
                parts.append(self.expression(0)[0])
            elif follower == "$":
                parts.append("$")
            else:
                parts.append("$")
                self.at = dollar + 1

    def expression(self, depth: int) -> tuple[str, bool]:
        """Reads one expression after its `${`. Gives its text, and whether that is known."""
        limits = self.budget.limits
        if depth > limits.expression_depth:
            raise ExpressionError(f"expressions nested too deeply; {limits.more('expression_depth')}")
        start = self.at - 2
        if self.peek() == "#":
            self.at += 1
            name, operator, arguments = self.name("bad substitution"), "#", []
        else:
            name = self.name("unable to parse variable name")
            operator = self.operator()
            arguments = self.arguments(operator, depth)
        if self.peek() != "}":
            raise ExpressionError("missing closing brace")
        self.at += 1
        made = self.evaluate(name, operator, arguments, self.text[start : self.at])
        self.budget.spend_text(len(made[0]))
        return made

    def evaluate(self, name: str, operator: str, arguments: list[tuple[str, bool]], source: str) -> tuple[str, bool]:
        has_default = operator in _DEFAULTS
        value: str | None = ""
        if name in self.variables:
            value = self.variables[name]
        elif not self.complete:
            value = None
        elif not has_default:
            self.undefined.append(name)
        if value is None:
            self.unknown.append(name)
            return source, False
        value = value.replace("\n", "")
        if has_default and not value:
            return "".join(argument for argument, _ in arguments), all(known for _, known in arguments)
        if has_default or operator not in _FUNCTIONS:
            return value, True
        if not all(known for _, known in arguments):
            return source, False
        texts = [argument for argument, _ in arguments]
        self.charge(operator, value, texts)
        return _FUNCTIONS[operator](value, texts), True

    def charge(self, operator: str, value: str, arguments: list[str]) -> None:
        """What a function costs: those that cut try every length, those that replace may put much in place of little."""
        is_cut = operator.startswith(("#", "%")) and bool(arguments)
        self.budget.spend(len(value) // 100 + (len(value) ** 2 // 1000 if is_cut else 0))
        if operator == "//":
            self.budget.spend_text(value.count(arguments[0]) * len("".join(arguments[1:])))

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def name(self, otherwise: str) -> str:
        text, start = self.text, self.at
        at = start
        while at < len(text) and (text[at] == "_" or text[at].isalpha() or text[at].isdecimal()):
            at += 1
        if at == start:
            raise ExpressionError(otherwise)
        self.at = at
        return text[start:at]

    def operator(self) -> str:
        match = _OPERATOR.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def arguments(self, operator: str, depth: int) -> list[tuple[str, bool]]:
        if operator in _DEFAULTS:
            found = []
            while self.peek() != "}":
                found.append(self.argument("}", depth))
            return found
        if operator == ":":
            if not self.peek().isascii():
                raise ExpressionError("bad substitution")  # its scanner steps back by the width of this character, not of the colon
            found = [self.argument(":}", depth)]
            if self.peek() == ":":
                self.skip(":")
                found.append(self.argument("}", depth))
            return found
        if operator.startswith(("#", "%")):
            return [self.argument("}", depth)]
        if operator.startswith("/"):
            found = [self.argument("/", depth, escapes=True)]
            if self.peek() != "/":
                raise ExpressionError("bad substitution")
            self.skip("/")
            if self.peek() != "}":
                found.append(self.argument("}", depth, escapes=True))
            return found
        return []

    def skip(self, character: str) -> None:
        while self.peek() == character:
            self.at += 1

    def argument(self, ends: str, depth: int, escapes: bool = False) -> tuple[str, bool]:
        """A nested expression, or the text up to one of `ends` or the next nested expression; never empty."""
        text = self.text
        if text.startswith("${", self.at):
            self.at += 2
            return self.expression(depth + 1)
        parts: list[str] = []
        while self.at < len(text) and not text.startswith("${", self.at):
            character = text[self.at]
            follower = text[self.at + 1 : self.at + 2]
            if escapes and ((character == "$" and follower == "$") or (character == "\\" and follower in ("/", "\\"))):
                parts.append(follower)
                self.at += 2
                continue
            if character in ends:
                break
            parts.append(character)
            self.at += 1
        if not parts:
            raise ExpressionError("unable to parse substitution within function")
        return "".join(parts), True


_DEFAULTS = frozenset({"=", ":=", ":-", ":?", ":+"})
_OPERATOR = re.compile(r":[=?+-]|[:=]|[,^]{1,2}|/[/#%]?|##?|%%?")


def _length(value: str, arguments: list[str]) -> str:
    # Of bytes, as all positions are.
    return str(len(value.encode()))


def _lower(value: str) -> str:
    # One character at a time: Go knows no special casing such as that of a final sigma.
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in value)


def _upper(value: str) -> str:
    return "".join(upper if len(upper := character.upper()) == 1 else character for character in value)


_NUMBER = re.compile(r"[+-]?[0-9]{1,18}\Z", re.ASCII)


def _substring(value: str, arguments: list[str]) -> str:
    """Negative positions count from the end; what is no number gives the whole value."""
    data = value.encode()
    if not _NUMBER.match(arguments[0]):
        return value
    start = int(arguments[0])
    if start < 0:
        start = max(0, len(data) + start)
    if len(arguments) == 1:
        return data[start:].decode(errors="replace")
    if not _NUMBER.match(arguments[1]):
        return value
    length = int(arguments[1])
    end = start + length if length >= 0 else max(start, len(data) + length)
    return data[start:end].decode(errors="replace")


def _trim_prefix(value: str, pattern: str, lengths: Iterable[int]) -> str:
    expression = compile_glob(pattern)
    if expression is not None:
        for length in lengths:
            if expression.match(value[:length]):
                return value[length:]
    return value


def _shortest_prefix(value: str, arguments: list[str]) -> str:
    return _trim_prefix(value, arguments[0], range(1, len(value) + 1))


def _longest_prefix(value: str, arguments: list[str]) -> str:
    return _trim_prefix(value, arguments[0], range(len(value), 0, -1))


def _shortest_suffix(value: str, arguments: list[str]) -> str:
    # envsubst turns the value and the pattern around, a character class with it.
    return _shortest_prefix(value[::-1], [arguments[0][::-1]])[::-1]


def _longest_suffix(value: str, arguments: list[str]) -> str:
    return _longest_prefix(value[::-1], [arguments[0][::-1]])[::-1]


def _replace_first(value: str, arguments: list[str]) -> str:
    return value.replace(arguments[0], "".join(arguments[1:]), 1)


def _replace_all(value: str, arguments: list[str]) -> str:
    return value.replace(arguments[0], "".join(arguments[1:]))


def _replace_prefix(value: str, arguments: list[str]) -> str:
    # Without a replacement the value stays, unlike in a shell.
    return arguments[1] + value[len(arguments[0]) :] if len(arguments) == 2 and value.startswith(arguments[0]) else value


def _replace_suffix(value: str, arguments: list[str]) -> str:
    return value[: len(value) - len(arguments[0])] + arguments[1] if len(arguments) == 2 and value.endswith(arguments[0]) else value


_FUNCTIONS: Mapping[str, Callable[[str, list[str]], str]] = {
    "^": lambda value, _: _upper(value[:1]) + value[1:],
    "^^": lambda value, _: _upper(value),
    ",": lambda value, _: _lower(value[:1]) + value[1:],
    ",,": lambda value, _: _lower(value),
    "#": lambda value, arguments: _shortest_prefix(value, arguments) if arguments else _length(value, arguments),
    "##": _longest_prefix,
    "%": _shortest_suffix,
    "%%": _longest_suffix,
    ":": _substring,
    "/": _replace_first,
    "//": _replace_all,
    "/#": _replace_prefix,
    "/%": _replace_suffix,
}
