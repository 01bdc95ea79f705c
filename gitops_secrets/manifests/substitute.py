"""Variable substitution after the build (`spec.postBuild` of a Flux Kustomization).

Flux writes each object out as YAML, replaces the expressions in that text with github.com/fluxcd/pkg/envsubst, and parses the result. So an expression
may change the type of a value: `port: "${PORT}"` is written without quotes and comes back as a number. Here only the strings that hold an expression go
through that: each is written as sigs.k8s.io/yaml would, expanded (see `expressions`), and read back. Checked against sigs.k8s.io/yaml 1.6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_secrets.manifests.expressions import Expansion, ExpressionError, expand
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.nodes import MappingNode, Mark, Place, SequenceNode, as_mapping, placed, unpack
from gitops_secrets.syntax.budget import Budget, BudgetError
from gitops_secrets.syntax.yaml import OLD_BOOLEANS, parse, parse_scalar

OPT_OUT = "kustomize.toolkit.fluxcd.io/substitute"


@dataclass(frozen=True, slots=True)
class Substitution:
    """An object after substitution. With an `error` Flux applies nothing of the unit, and `node` is the object as it was."""

    node: MappingNode
    undefined: tuple[tuple[str, Place], ...] = ()  # read without a fallback, and not there: empty, or an error where Flux is strict
    unknown: tuple[tuple[str, Place], ...] = ()  # there, but the value is not known: the expression was left as it is
    error: Problem | None = None


def is_substituted(node: MappingNode) -> bool:
    """Does Flux substitute variables in this object? Not with the label or annotation that opts out."""
    metadata = as_mapping(node.get("metadata"))
    return "disabled" not in (as_mapping(metadata.get("labels")).get(OPT_OUT), as_mapping(metadata.get("annotations")).get(OPT_OUT))


def substitute(node: MappingNode, variables: Mapping[str, str | None], *, complete: bool = True, budget: Budget | None = None) -> Substitution:
    """`node` with its expressions replaced, copied only where something changes; a value of None exists but is not known.

    Unless `complete`, other variables may exist too, as where a Secret gives them whose keys are not known: none is undefined then.
    Whether to substitute at all is the caller's to decide: see `is_substituted`, and that Flux needs at least one variable. What is made counts against
    `budget`.
    """
    substitution = _Substituter(variables, complete, budget or Budget())
    try:
        replaced = substitution.mapping(node)
    except _RefusedError as refused:
        return Substitution(node, error=Problem(f"variable substitution failed: {refused}", refused.place, "build-failed"))
    except BudgetError as spent:
        return Substitution(node, error=Problem(f"variable substitution failed: {spent}", node.place(), "build-failed"))
    return Substitution(replaced, tuple(substitution.undefined), tuple(substitution.unknown))


class _RefusedError(Exception):
    def __init__(self, reason: str, place: Place) -> None:
        super().__init__(reason)
        self.place = place


class _Substituter:
    """One walk over an object."""

    def __init__(self, variables: Mapping[str, str | None], complete: bool, budget: Budget) -> None:
        self.budget = budget
        self.variables = variables
        self.complete = complete
        self.undefined: list[tuple[str, Place]] = []
        self.unknown: list[tuple[str, Place]] = []

    def mapping(self, node: MappingNode) -> MappingNode:
        """`node` itself, or a copy if something in it changes."""
        self.budget.spend(len(node))
        changed: MappingNode | None = None
        renamed = False
        for key, value in node.items():
            replaced = value
            kind = value.__class__
            if kind is str:
                if "$" in value:
                    replaced = self.value(value, "k: ", node.file, node.marks.get(key, node.mark))
            elif kind is MappingNode:
                replaced = self.mapping(value)
            elif kind is SequenceNode:
                replaced = self.sequence(value)
            if replaced is not value:
                changed = changed or node.copy()
                changed[key] = replaced
            renamed = renamed or "$" in key
        return self.rename(changed or node) if renamed else changed or node

    def sequence(self, node: SequenceNode) -> SequenceNode:
        """`node` itself, or a copy if something in it changes."""
        self.budget.spend(len(node))
        changed: SequenceNode | None = None
        for index, value in enumerate(node):
            replaced = value
            kind = value.__class__
            if kind is str:
                if "$" in value:
                    replaced = self.value(value, "- ", node.file, node.marks[index] if index < len(node.marks) else node.mark)
            elif kind is MappingNode:
                replaced = self.mapping(value)
            elif kind is SequenceNode:
                replaced = self.sequence(value)
            if replaced is not value:
                changed = changed or node.copy()
                changed[index] = replaced
        return changed or node

    def rename(self, node: MappingNode) -> MappingNode:
        """A copy with the expressions in its keys replaced; of equal keys the last wins, as for any YAML reader that is not strict."""
        other = MappingNode(node.file, node.mark)
        for key, value in node.items():
            mark = node.marks.get(key, node.mark)
            name = key
            if "${" in key or "$$" in key:
                name = self.key(key, unpack(node.file, mark))
            other.put(name, value, mark)
        return other

    def value(self, text: str, lead: str, file: str, mark: Mark) -> Any:
        """What the string becomes, written after `lead`; the same object where it holds no expression."""
        if "${" not in text and "$$" not in text:
            return text
        style = _style_of(text)
        place = unpack(file, mark)
        written = style.escape(text)
        expansion = self.expand(written, place)
        if expansion.unknown or style.is_kept(expansion.text):
            # Nothing that was inserted can end the scalar. With an unknown part its type is not known either: text is the honest guess.
            return style.unescape(expansion.text)
        if style is _PLAIN and _SIMPLE.match(expansion.text):
            return _old_boolean(parse_scalar(expansion.text))
        return self.read_back(lead + style.quote(expansion.text), place)

    def key(self, text: str, place: Place) -> str:
        style = _style_of(text)
        expansion = self.expand(style.escape(text), place)
        if expansion.unknown or style.is_kept(expansion.text):
            return style.unescape(expansion.text)
        if style is _PLAIN and _SIMPLE.match(expansion.text):
            value = _old_boolean(parse_scalar(expansion.text))
            if value is not None:
                return value if isinstance(value, str) else _key_text(value)
            raise _RefusedError("a key is empty afterwards", place)
        parsed = parse(f"{style.quote(expansion.text)}: 1", "", self.budget.limits)
        document = parsed.documents[0] if parsed.documents and not parsed.problems else None
        if isinstance(document, MappingNode) and len(document) == 1:
            return next(iter(document))
        raise _RefusedError("the text is no YAML afterwards", place)

    def expand(self, text: str, place: Place) -> Expansion:
        try:
            expansion = expand(text, self.variables, complete=self.complete, budget=self.budget)
        except (ExpressionError, BudgetError) as error:
            raise _RefusedError(str(error), place) from None
        self.undefined.extend((name, place) for name in expansion.undefined)
        self.unknown.extend((name, place) for name in expansion.unknown)
        return expansion

    def read_back(self, written: str, place: Place) -> Any:
        """The value that YAML reads; all of it stands where the expression stood."""
        parsed = parse(written, "", self.budget.limits)
        document = parsed.documents[0] if len(parsed.documents) == 1 and not parsed.problems else None
        if not isinstance(document, MappingNode | SequenceNode) or len(document) != 1:
            hit = next((problem.message for problem in parsed.problems if problem.limit), None)
            raise _RefusedError(hit or "the text is no YAML afterwards", place)
        value = next(iter(document.values() if isinstance(document, MappingNode) else document))
        return placed(value, place, _old_boolean)


# How sigs.k8s.io/yaml writes a string, and what of an expansion could break out of that.


@dataclass(frozen=True, slots=True)
class _Style:
    escape: Callable[[str], str]
    unescape: Callable[[str], str]
    is_kept: Callable[[str], bool]  # would YAML read the expanded text as just that string?
    quote: Callable[[str], str]


def _escape_double(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _unescape_double(text: str) -> str:
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), text)


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_WELL_ESCAPED = re.compile(r'(?:[^"\\]|\\[\\"ntr])*\Z')


def _same(text: str) -> str:
    return text


_PLAIN = _Style(_same, _same, lambda text: False, _same)
_LITERAL = _Style(_same, _same, lambda text: True, _same)
_SINGLE = _Style(
    lambda text: text.replace("'", "''"),
    lambda text: text.replace("''", "'"),
    lambda text: "'" not in text.replace("''", ""),
    lambda text: f"'{text}'",
)
_DOUBLE = _Style(_escape_double, _unescape_double, lambda text: _WELL_ESCAPED.match(text) is not None, lambda text: f'"{text}"')

# Plain in a block, by the emitter of go-yaml. An expression is never a number, so quotes are only a matter of these.
_NEVER_PLAIN = re.compile(r"""^[#,\[\]{}&*!|>'"%@`]|^[-?](?=\s|\Z)|^:(?=\s|\Z)|:(?=\s|\Z)|\s\#|^(?:---|\.\.\.)|^\s|\s\Z""")
_SPECIAL = re.compile("[^\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[ \x85\u2028\u2029]\n")


def _style_of(text: str) -> _Style:
    if _SPECIAL.search(text):
        return _DOUBLE
    if "\n" in text:
        return _DOUBLE if text.endswith(" ") else _LITERAL
    return _SINGLE if _NEVER_PLAIN.search(text) else _PLAIN


# Text that is one plain scalar on whatever line it stands.
_SIMPLE = re.compile(r"(?:[A-Za-z0-9_./+~$(][A-Za-z0-9_./+~$()@=,;%*-]*(?::[A-Za-z0-9_./+~$()@=,;%*-]+)*)?\Z")


def _old_boolean(value: Any) -> Any:
    return OLD_BOOLEANS.get(value, value) if isinstance(value, str) else value


def _key_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
