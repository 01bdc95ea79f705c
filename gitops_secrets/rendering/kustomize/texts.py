"""Looks at the text that nodes were read from, for what parsing forgets: how a scalar is spelt, and where text inside of a text stands."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from gitops_secrets.manifests.load import Documents, Loader, parse_documents
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.nodes import COLUMN_BITS, MappingNode, Place, SequenceNode
from gitops_secrets.rendering.kustomize.draft import scalar_text
from gitops_secrets.syntax.yaml import parse, parse_scalar

_KEY = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'][^:]*?(?::[^\s:][^:]*?)*)\s*:(?:\s+|\Z)""")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_VALUE = re.compile(r"(?:[&!]\S*\s*)*([^\s,}\]#]*)")


# What sigs.k8s.io/yaml, by which kustomize reads kustomizations and JSON patches, takes for a boolean and kyaml for text.
_OLD_BOOLEANS = {word: value for words, value in (("y yes on", True), ("n no off", False)) for word in words.split()}
_OLD_BOOLEANS |= {spelling: value for word, value in tuple(_OLD_BOOLEANS.items()) for spelling in (word.capitalize(), word.upper())}


class _Shift(NamedTuple):
    """How far a text inside of a file is from the start of the file; `fixed` is the only place that is known of folded or quoted text."""

    lines: int
    columns: int
    fixed: Place | None = None


class Texts:
    """The texts of the files of a loader, each read once."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._lines: dict[str, list[str]] = {}
        self._parsed: dict[tuple[Place, str], Documents] = {}

    def lines(self, file: str) -> list[str]:
        """The lines of a file; none if it is not there."""
        known = self._lines.get(file)
        if known is None:
            text = self._loader.content_of(file)
            known = self._lines[file] = text.split("\n") if text else []
        return known

    def spelling(self, node: MappingNode, key: str) -> str:
        """How the scalar at `key` is spelt where it was written: `1e3`, `~`, or nothing at all."""
        value = node[key]
        if isinstance(value, str):
            return value
        place = node.place(key)
        lines = self.lines(place.file)
        if place.line <= len(lines):
            match = _KEY.match(lines[place.line - 1][place.column - 1 :].rstrip("\r"))
            written = match and _VALUE.match(match.string, match.end())
            if written and _is_same(parse_scalar(written[1]), value):
                return written[1]
        return "null" if value is None else scalar_text(value)

    def _rest(self, node: MappingNode | SequenceNode, key: str | int) -> str:
        """What stands after a key, or from an item on, to the end of its line."""
        place = node.place(key)  # type: ignore[arg-type]
        lines = self.lines(place.file)
        if place.line > len(lines):
            return ""
        rest = lines[place.line - 1][place.column - 1 :].rstrip("\r")
        if isinstance(node, MappingNode):
            match = _KEY.match(rest)
            rest = rest[match.end() :] if match else ""
        return _PROPERTIES.sub("", rest, count=1)

    def is_folded(self, node: MappingNode | SequenceNode, key: str | int) -> bool:
        """Is the text at `key` written in folded style (`>`)?"""
        return self._rest(node, key).startswith(">")

    def is_plain(self, node: MappingNode | SequenceNode, key: str | int, text: str) -> bool:
        """Is `text`, the value at `key`, written there without quotes?"""
        return self._rest(node, key).startswith(text)

    def old_boolean(self, node: MappingNode | SequenceNode, key: str | int) -> bool | None:
        """The boolean that YAML 1.1 reads in the text at `key`, if that is written without quotes: true for `yes`."""
        value = node[key]  # type: ignore[index]
        if value.__class__ is not str or value not in _OLD_BOOLEANS or not self.is_plain(node, key, value):
            return None
        return _OLD_BOOLEANS[value]

    def is_written(self, node: MappingNode, key: str) -> bool:
        """Is the null at `key` written out, not just left empty?"""
        return bool(self.spelling(node, key))

    def parse(self, text: str, place: Place) -> Documents:
        """The documents of a text that is the value at `place`, a patch say, with the marks of where they stand in the file."""
        known = self._parsed.get((place, text))
        if known is None:
            known = self._parsed[(place, text)] = self._parse(text, place)
        return known

    def values(self, text: str) -> tuple[Any, ...]:
        """The documents of a text with everything in them: only for who asks what is no value."""
        return parse(text, "", self._loader.limits).documents

    def _parse(self, text: str, place: Place) -> Documents:
        documents = parse_documents(text, place.file, self._loader.limits)
        shift = self._shift(text, place)
        seen: set[int] = set()
        for document in documents.documents:
            _move(document, shift, seen)
        return Documents(documents.documents, tuple(_moved(problem, shift) for problem in documents.problems))

    def _shift(self, text: str, place: Place) -> _Shift:
        written = self.lines(place.file)[place.line :]
        inner = text.rstrip("\n").split("\n")
        fixed = _Shift(0, 0, place)
        if len(written) < len(inner):
            return fixed
        indents = {len(outer.rstrip("\r")) - len(line) for outer, line in zip(written, inner, strict=False) if line.strip()}
        if len(indents) != 1 or any(not outer.rstrip("\r").endswith(line) for outer, line in zip(written, inner, strict=False)):
            return fixed
        return _Shift(place.line, max(indents.pop(), 0))


def _is_same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _move(node: Any, shift: _Shift, seen: set[int]) -> None:
    """Moves the marks of nodes that were just parsed, and that nobody else has yet."""
    if not isinstance(node, MappingNode | SequenceNode) or id(node) in seen:
        return
    seen.add(id(node))
    if shift.fixed is not None:
        mark = shift.fixed.line << COLUMN_BITS | shift.fixed.column
        node.mark = mark
        node.marks = dict.fromkeys(node, mark) if isinstance(node, MappingNode) else [mark] * len(node)
    else:
        offset = (shift.lines << COLUMN_BITS) + shift.columns
        node.mark += offset
        marks = node.marks
        for key in marks if isinstance(marks, dict) else range(len(marks)):
            marks[key] += offset  # type: ignore[index,operator]
    for child in node.values() if isinstance(node, MappingNode) else node:
        _move(child, shift, seen)


def _moved(problem: Problem, shift: _Shift) -> Problem:
    place = shift.fixed or Place(problem.place.file, problem.place.line + shift.lines, problem.place.column + shift.columns)
    return Problem(problem.message, place, problem.rule)
