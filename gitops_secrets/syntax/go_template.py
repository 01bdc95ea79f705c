"""Go's text/template with configurable delimiters, evaluated safely: `<<` and `>>` in the ResourceSets of Flux Operator, `{{` and `}}` in ApplicationSets.

A template sees the data that it is given and nothing else, and what it may take of time and memory is bounded. Its functions are in `sprig`.
Semantics are those of Go 1.26, with `missingkey=error` unless a dialect says otherwise: Flux Operator 0.59 asks for it, and most `goTemplateOptions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from gitops_secrets.model.limits import Limits
from gitops_secrets.syntax.budget import Budget
from gitops_secrets.syntax.go_functions import Function, FunctionError, go_text, is_true, type_name
from gitops_secrets.syntax.go_syntax import (
    Action,
    Chain,
    Choice,
    Dot,
    Identifier,
    Jump,
    Literal,
    Loop,
    Operand,
    Pipeline,
    Statement,
    Text,
    Variable,
    parse_template,
)
from gitops_secrets.syntax.go_tokens import TemplateError, error_at
from gitops_secrets.syntax.sprig import (
    ARGO_FUNCTIONS,
    ARGO_UNSUPPORTED,
    FUNCTIONS,
    HELM_FUNCTIONS,
    HELM_UNSUPPORTED,
    UNSUPPORTED,
)

__all__ = ["ARGO_CD", "ARGO_CD_LENIENT", "FLUX_OPERATOR", "HELM", "NO_VALUE", "Dialect", "Rendered", "TemplateError", "render", "render_lines"]

_TYPES: Mapping[str, tuple[type, str]] = {"s": (str, "string"), "i": (int, "int"), "m": (dict, "map"), "l": (list, "list"), "b": (bool, "bool")}
_JUMPS = ("and", "or")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What those who render templates give them beside Go's own."""

    functions: Mapping[str, Function]
    unsupported: frozenset[str]
    delimiters: tuple[str, str]
    has_data_functions: bool  # is each key of the data a function without arguments, too (`inputs.name`)?
    is_strict: bool = True  # missingkey=error; else a key that is not there is nothing


FLUX_OPERATOR = Dialect(FUNCTIONS, UNSUPPORTED, ("<<", ">>"), has_data_functions=True)
ARGO_CD = Dialect(ARGO_FUNCTIONS, ARGO_UNSUPPORTED, ("{{", "}}"), has_data_functions=False)
ARGO_CD_LENIENT = replace(ARGO_CD, is_strict=False)
# Of what Helm adds to sprig, all that looks at other templates, at files or at a cluster is left out.
HELM = Dialect(HELM_FUNCTIONS, HELM_UNSUPPORTED, ("{{", "}}"), has_data_functions=False, is_strict=False)
NO_VALUE = "<no value>"  # what a lenient dialect writes for what is not there


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered text, and for each of its lines the line of the template that it starts in, from 1."""

    text: str
    lines: tuple[int, ...]

    def line_of(self, line: int) -> int:
        """The line of the template that a line of the result starts in."""
        return self.lines[min(line, len(self.lines)) - 1]


def render(text: str, data: Mapping[str, Any], dialect: Dialect = FLUX_OPERATOR, budget: Budget | None = None) -> str:
    """The text that a template makes of `data`, which is its dot.

    Raises:
        TemplateError: for what is no template, an unknown function, a key that is not there, and what takes too long or gets too big.
        BudgetError: where it took more than `budget` has left.
    """
    return render_lines(text, data, dialect, budget).text


def render_lines(text: str, data: Mapping[str, Any], dialect: Dialect = FLUX_OPERATOR, budget: Budget | None = None) -> Rendered:
    """As `render`, with the lines of the template that the lines of the result come from."""
    names = {*dialect.functions, *dialect.unsupported, *_JUMPS, *(data if dialect.has_data_functions else ())}
    statements = parse_template(text, dialect.delimiters, names)
    budget = budget or Budget()
    run = _Run(text, data, dialect, budget.limits)
    try:
        run.execute(statements, run.data)
    finally:
        budget.spend(run.steps)
        budget.spend_text(run.size)
    return Rendered("".join(run.written), tuple(run.lines))


class _Run:
    def __init__(self, text: str, data: Mapping[str, Any], dialect: Dialect, limits: Limits) -> None:
        self.text = text
        self.limits = limits
        self.dialect = dialect
        self.written: list[str] = []
        self.lines = [1]
        self.size = 0
        self.steps = 0
        # Templates may change mappings (`set`), but not those of the caller.
        self.data: dict[str, Any] = self._plain(data, {})
        self.variables: list[tuple[str, Any]] = [("$", self.data)]

    # Bounds

    def _plain(self, value: Any, known: dict[int, Any]) -> Any:
        if not isinstance(value, Mapping | list):
            return value
        if id(value) not in known:
            self._spend(len(value), 0)
            known[id(value)] = (
                {str(key): self._plain(item, known) for key, item in value.items()}
                if isinstance(value, Mapping)
                else [self._plain(item, known) for item in value]
            )
        return known[id(value)]

    def _spend(self, steps: int, offset: int) -> None:
        self.steps += steps
        if self.steps > self.limits.template_steps:
            raise error_at(self.text, offset, f"takes too long; {self.limits.more('template_steps')} steps")

    def _measure(self, values: Sequence[Any], offset: int) -> None:
        """Counts everything in `values`, each time that it is reached: shared values are as many as they look."""
        pending = [value for value in values if isinstance(value, dict | list)]
        while pending:
            value = pending.pop()
            items = value.values() if isinstance(value, dict) else value
            self._spend(1 + len(value) + sum(len(item) // 100 for item in items if isinstance(item, str)), offset)
            pending.extend(item for item in items if isinstance(item, dict | list))

    def _write(self, text: str, line: int, *, literal: bool) -> None:
        self.size += len(text)
        if self.size > self.limits.template_text:
            raise TemplateError(f"writes too much; {self.limits.more('template_text')} characters", line, 1)
        count = text.count("\n")
        self.lines.extend(range(line + 1, line + count + 1) if literal else [line] * count)
        self.written.append(text)

    # Statements

    def execute(self, statements: Sequence[Statement], dot: Any) -> Jump | None:
        """Writes what `statements` make of `dot`; a `break` or `continue` ends them."""
        visible = len(self.variables)
        for statement in statements:
            self.steps += 1
            jump: Jump | None = None
            if isinstance(statement, Text):
                self._write(statement.text, statement.line, literal=True)
            elif isinstance(statement, Action):
                value = self._pipeline(statement.pipeline, dot)
                if not statement.pipeline.variables:
                    self._measure([value], statement.pipeline.offset)
                    self._write(NO_VALUE if value is None else go_text(value), statement.line, literal=False)
            elif isinstance(statement, Choice):
                jump = self._choose(statement, dot)
            elif isinstance(statement, Loop):
                jump = self._repeat(statement, dot)
            else:
                jump = statement
            if jump is not None:
                del self.variables[visible:]
                return jump
        del self.variables[visible:]
        return None

    def _choose(self, choice: Choice, dot: Any) -> Jump | None:
        visible = len(self.variables)
        body, at = choice.otherwise, dot
        for branch in choice.branches:
            value = self._pipeline(branch.condition, dot)
            if is_true(value):
                body, at = branch.body, value if choice.sets_dot else dot
                break
        jump = self.execute(body, at)
        del self.variables[visible:]
        return jump

    def _repeat(self, loop: Loop, dot: Any) -> Jump | None:
        visible = len(self.variables)
        over = loop.over
        value = self._pipeline(over, dot, sets=False)
        ran = False
        if isinstance(value, int) and len(over.variables) > 1:
            self._fail(over.offset, "a number is iterated over with one variable")
        for key, item in self._items(value, over.offset):
            ran = True
            self._spend(1, over.offset)
            self._set(over, (item,) if len(over.variables) == 1 else (key, item))
            jump = self.execute(loop.body, item)
            if over.declares:
                del self.variables[visible:]
            if jump is not None and jump.leaves:
                break
        # The variables of the head are nil in the `else`.
        jump = None if ran else self.execute(loop.otherwise, dot)
        del self.variables[visible:]
        return jump

    def _items(self, value: Any, offset: int) -> Sequence[tuple[Any, Any]]:
        if isinstance(value, dict):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, list):
            return list(enumerate(value))
        if value is None:
            return ()
        if isinstance(value, int) and not isinstance(value, bool):
            self._spend(max(value, 0), offset)
            return [(number, number) for number in range(value)]
        return self._fail(offset, f"range can't iterate over type {type_name(value)}")

    # Pipelines

    def _pipeline(self, pipeline: Pipeline, dot: Any, *, sets: bool = True) -> Any:
        value: Any = None
        for index, command in enumerate(pipeline.commands):
            value = self._command(command, dot, (value,) if index else ())
        if sets:
            self._set(pipeline, (value,) * len(pipeline.variables))
        return value

    def _set(self, pipeline: Pipeline, values: Sequence[Any]) -> None:
        for name, value in zip(pipeline.variables, values, strict=False):
            if pipeline.declares:
                self.variables.append((name, value))
            else:
                index = next(index for index in range(len(self.variables) - 1, -1, -1) if self.variables[index][0] == name)
                self.variables[index] = (name, value)

    def _command(self, command: Sequence[Operand], dot: Any, final: tuple[Any, ...]) -> Any:
        first = command[0]
        if isinstance(first, Identifier):
            return self._call(first, command[1:], dot, final)
        if len(command) > 1 or final:
            self._fail(first.offset, "can't give an argument to what is no function")
        if isinstance(first, Literal) and first.value is None:
            self._fail(first.offset, "nil is not a command")
        return self._operand(first, dot)

    def _operand(self, operand: Operand, dot: Any) -> Any:
        self._spend(1, operand.offset)
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Dot):
            return self._fields(dot, operand.fields, operand.offset)
        if isinstance(operand, Variable):
            value = next(value for name, value in reversed(self.variables) if name == operand.name)
            return self._fields(value, operand.fields, operand.offset)
        if isinstance(operand, Identifier):
            return self._call(operand, (), dot, ())
        if isinstance(operand, Chain):
            return self._fields(self._operand(operand.of, dot), operand.fields, operand.offset)
        return self._pipeline(operand, dot)

    def _fields(self, value: Any, fields: Sequence[str], offset: int) -> Any:
        for field in fields:
            if not isinstance(value, dict):
                self._fail(offset, f"can't evaluate field {field} in type {type_name(value)}")
            if field not in value and not self.dialect.is_strict:
                return None
            if field not in value:
                self._fail(offset, f"map has no entry for key {field!r}")
            value = value[field]
        return value

    def _call(self, function: Identifier, operands: Sequence[Operand], dot: Any, final: tuple[Any, ...]) -> Any:
        name, offset = function.name, function.offset
        self._spend(1, offset)
        # What Flux Operator adds to the functions wins over theirs.
        if self.dialect.has_data_functions and name in self.data:
            if operands or final:
                self._fail(offset, f"wrong number of arguments for {name}: it takes none")
            return self.data[name]
        if name in _JUMPS:
            return self._shortcut(function, operands, dot, final)
        if name in self.dialect.unsupported:
            raise error_at(self.text, offset, f"function {name!r} is not supported", unsupported=True)
        called = self.dialect.functions[name]
        arguments = [*(self._operand(operand, dot) for operand in operands), *final]
        self._check(name, called.parameters, arguments, offset)
        if called.deep:
            self._measure(arguments, offset)
        try:
            value = called.call(*arguments)
        except FunctionError as error:
            raise error_at(self.text, offset, f"{name}: {error}", unsupported=error.unsupported) from None
        except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            # The error is not quoted: it may hold data.
            raise error_at(self.text, offset, f"{name}: can't do that with these arguments") from None
        if isinstance(value, str | list | dict):
            if len(value) > self.limits.template_text:
                raise error_at(self.text, offset, f"{name} makes too much; {self.limits.more('template_text')} characters")
            self._spend(len(value) // 100, offset)
        return value

    def _shortcut(self, function: Identifier, operands: Sequence[Operand], dot: Any, final: tuple[Any, ...]) -> Any:
        """`and` and `or`: the first value that decides, or the last one; what follows is not evaluated."""
        if not operands and not final:
            self._fail(function.offset, f"wrong number of arguments for {function.name}: it takes at least 1")
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if is_true(value) is (function.name == "or"):
                return value
        return final[0] if final else value

    def _check(self, name: str, parameters: str, arguments: list[Any], offset: int) -> None:
        """Checks number and types; nothing at all may stand for an empty mapping."""
        variadic = parameters.endswith("*")
        kinds = parameters.rstrip("*")
        least = len(kinds) - variadic
        if len(arguments) < least or (len(arguments) > len(kinds) and not variadic):
            self._fail(offset, f"wrong number of arguments for {name}: it takes {'at least ' if variadic else ''}{least}, not {len(arguments)}")
        for index, argument in enumerate(arguments):
            kind = kinds[min(index, len(kinds) - 1)]
            if kind == "a":
                continue
            expected, called = _TYPES[kind]
            if kind == "m" and argument is None:
                arguments[index] = {}
            elif not isinstance(argument, expected) or (kind == "i" and isinstance(argument, bool)):
                self._fail(offset, f"wrong type for value of {name}: expected {called}, got {type_name(argument)}")

    def _fail(self, offset: int, message: str) -> NoReturn:
        raise error_at(self.text, offset, message)
