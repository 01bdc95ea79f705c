"""Looks at the text that nodes were read from, for what parsing forgets: how a scalar is spelt, and where text inside of a text stands."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from gitops_secrets.manifests.load import Documents, Loader, parse_documents
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, move
from gitops_secrets.rendering.kustomize.draft import scalar_text
from gitops_secrets.syntax.yaml import OLD_BOOLEANS, parse, parse_scalar

_KEY = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'][^:]*?(?::[^\s:][^:]*?)*)\s*:(?:\s+|\Z)""")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_VALUE = re.compile(r"(?:[&!]\S*\s*)*([^\s,}\]#]*)")


class _Shift(NamedTuple):
    """How far a text inside of a file is from the start of the file; `fixed` is the only place that is known of folded or quoted text."""

    lines: int
    columns: int
    fixed: Place | None = None

    def origin_of(self, place: Place) -> Place:
        """Where in the file a place in the text is."""
        return self.fixed or Place(place.file, place.line + self.lines, place.column + self.columns)


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
        return OLD_BOOLEANS[value] if value.__class__ is str and value in OLD_BOOLEANS and self.is_plain(node, key, value) else None

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
        origin_of = self._shift(text, place).origin_of
        for document in documents.documents:
            move(document, origin_of)
        return Documents(documents.documents, tuple(Problem(problem.message, origin_of(problem.place), problem.rule) for problem in documents.problems))

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
