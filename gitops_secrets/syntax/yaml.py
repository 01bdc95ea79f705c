"""YAML text to nodes, read as Flux reads it.

PyYAML's binding of libyaml gives the events (the scanner is the one that go-yaml was ported from, so syntax errors agree); the builder here resolves
scalars as sigs.k8s.io/kustomize/kyaml 0.21 does, keeps the place of every key and item, sees duplicate keys, and stops depth and alias bombs, on which
PyYAML's own C loader crashes. It is also twice as fast as that loader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf
from sys import intern
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # in the stubs, not exported

from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, SequenceNode, pack

# Underscores are taken out before.
_INTEGER = re.compile(r"([-+]?)(?:(0[xX])([0-9a-fA-F]+)|(0[oO]?)([0-7]+)|(0[bB])([01]+)|([0-9]+))\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_CONSTANTS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".inf": float("inf"),
    ".Inf": float("inf"),
    ".INF": float("inf"),
    "+.inf": float("inf"),
    "+.Inf": float("inf"),
    "+.INF": float("inf"),
    "-.inf": float("-inf"),
    "-.Inf": float("-inf"),
    "-.INF": float("-inf"),
    ".nan": float("nan"),
    ".NaN": float("nan"),
    ".NAN": float("nan"),
}
# What sigs.k8s.io/yaml, by which the API server reads, takes for a boolean as YAML 1.1 does, and kyaml for text.
OLD_BOOLEANS: dict[str, bool] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_MOST_DIGITS = 128  # of 64 bits, with room for leading zeros
_NUMERIC_START = frozenset("0123456789+-.")
_CONSTANT_START = frozenset("~nNtTfF.+-")
_AMBIGUOUS_START = _NUMERIC_START | _CONSTANT_START | {""}


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """A file is not YAML, or YAML that the API server would read differently than it looks. Never quotes the text: it may hold secrets."""

    message: str
    line: int
    column: int
    duplicate_key: bool = False
    limit: bool = False  # no fault: it is more than this program looks at unless told to


@dataclass(frozen=True, slots=True)
class Parsed:
    """The documents of one text, up to the first syntax error. Empty documents are left out."""

    documents: tuple[Any, ...]
    problems: tuple[YamlProblem, ...]

    @property
    def first(self) -> Any:
        """The first document; None where there is none."""
        return next(iter(self.documents), None)


def parse_scalar(text: str) -> Any:
    """The value of a plain scalar, as kyaml resolves it: `on` and `2024-01-02` are text, `0644` and `0o644` are octal.

    >>> parse_scalar("0644"), parse_scalar("yes"), parse_scalar("1e3")
    (420, 'yes', 1000.0)
    """
    if not text:
        return None
    first = text[0]
    if first in _CONSTANT_START and text in _CONSTANTS:
        return _CONSTANTS[text]
    if first not in _NUMERIC_START:
        return text
    digits = text.replace("_", "") if "_" in text else text
    integer = _INTEGER.match(digits)
    if integer:
        value = _integer(integer)
        if value is not None:
            return value
    if _FLOAT.match(digits):
        number = float(digits)
        # Go refuses what is out of range, and what is no number is text.
        return text if isinf(number) else number
    return text


def _integer(match: re.Match[str]) -> int | None:
    """The integer, None if it does not fit into 64 bits: Go reads a decimal as a float then, others as text."""
    sign, hexadecimal, hexadecimal_digits, octal, octal_digits, binary, binary_digits, decimal_digits = match.groups()
    if hexadecimal:
        digits, base = hexadecimal_digits, 16
    elif octal:
        digits, base = octal_digits, 8
    elif binary:
        digits, base = binary_digits, 2
    else:
        digits, base = decimal_digits, 10
    if len(digits) > _MOST_DIGITS:
        return None
    value = int(sign + digits, base)
    return value if -(1 << 63) <= value < 1 << 64 else None


class _Stop(Exception):
    def __init__(self, message: str, mark: Any, *, limit: bool = False) -> None:
        super().__init__(message)
        self.mark = mark
        self.limit = limit


def parse(text: str | bytes, file: str, limits: Limits) -> Parsed:
    """All documents of `text`; nodes carry `file` and their marks.

    A syntax error ends the reading but not the call: documents before it are kept, and it stands in `problems` with its line.
    """
    builder = _Builder(file, limits, len(text))
    try:
        builder.read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "not YAML").split("\n")[0]
        conflict = _line_of_conflict(text)
        if conflict is None:
            builder.problems.append(YamlProblem(problem, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1))
        else:
            # A marker in a line of its own is text to YAML, and may be taken for a document.
            builder.documents = [document for document in builder.documents if not isinstance(document, str)]
            builder.problems.append(YamlProblem("a merge conflict that nobody has resolved", conflict, 1))
    except _Stop as stop:
        builder.problems.append(YamlProblem(str(stop), stop.mark.line + 1, stop.mark.column + 1, limit=stop.limit))
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        line = _line_of_reader_error(text, error)
        builder.problems.append(YamlProblem("not text in UTF-8, or a character that YAML does not allow", line, 1))
    return Parsed(tuple(builder.documents), tuple(builder.problems))


def _line_of_conflict(text: str | bytes) -> int | None:
    """The line of the first marker that git leaves where two sides changed the same lines."""
    content = text if isinstance(text, str) else text.decode(errors="replace")
    start = 0 if content.startswith("<<<<<<< ") else content.find("\n<<<<<<< ") + 1
    middle = content.find("\n=======", start)
    is_conflict = content.startswith("<<<<<<< ", start) and middle >= 0 and content.find("\n>>>>>>> ", middle) >= 0
    return content.count("\n", 0, start) + 1 if is_conflict else None


def _line_of_reader_error(text: str | bytes, error: Exception) -> int:
    position = getattr(error, "position", getattr(error, "start", 0))
    if not isinstance(position, int) or position < 0:
        return 1
    # libyaml counts in bytes, and PyYAML hands it text in UTF-8.
    data = text.encode(errors="replace") if isinstance(text, str) else text
    return data[:position].count(b"\n") + 1


def read_events(text: str) -> Iterator[tuple[str, Any]]:
    """Libyaml's events, each with the name of its kind (`Scalar`, `MappingStart`, …): for edits, which need to know where values end.

    Only for a text that `parse` found valid: nothing guards against depth here.
    """
    parser = CParser(text)
    try:
        while type(event := parser.get_event()) is not yaml.StreamEndEvent:
            yield type(event).__name__.removesuffix("Event"), event
    finally:
        parser.dispose()


class _Builder:
    """Events to nodes. Scalars are read where they stand, without a call: this is the hottest code of a scan."""

    def __init__(self, file: str, limits: Limits, length: int) -> None:
        self.file = file
        self.limits = limits
        self.most_depth = limits.yaml_depth
        self.most_aliased = limits.yaml_aliases + length
        self.documents: list[Any] = []
        self.problems: list[YamlProblem] = []
        self.next_event: Any = None
        self.anchors: dict[str, Any] = {}
        self.open: set[int] = set()  # ids of the anchored nodes that are still being read
        self.aliased = 0
        self.weights: dict[int, tuple[int, int]] = {}

    def read(self, text: str | bytes) -> None:
        """Adds the documents of `text` one by one, so that those before an error stay."""
        parser = CParser(text)
        self.next_event = next_event = parser.get_event
        try:
            event = next_event()
            while type(event) is not yaml.StreamEndEvent:
                if type(event) is yaml.DocumentStartEvent:
                    self.anchors = {}
                    value = self._node(next_event(), 0)
                    if value is not None:
                        self.documents.append(value)
                event = next_event()
        finally:
            parser.dispose()

    def _node(self, event: Any, depth: int) -> Any:
        """The value that starts with `event`: any node where the kind does not matter to the caller."""
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event, depth)
        if kind is yaml.ScalarEvent:
            value = _scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = value
            return value
        start = event.start_mark
        if depth == self.most_depth:
            raise self._too_deep(start)
        node: MappingNode | SequenceNode
        if kind is yaml.MappingStartEvent:
            node = MappingNode(self.file, _mark(start))
            fill: Any = self._fill_mapping
        else:
            node = SequenceNode(self.file, _mark(start))
            fill = self._fill_sequence
        anchor = event.anchor
        if anchor is not None:
            self.anchors[anchor] = node
            self.open.add(id(node))
        fill(node, depth + 1)
        if anchor is not None:
            self.open.discard(id(node))
        return node

    def _fill_mapping(self, node: MappingNode, depth: int) -> None:
        """Reads keys and values up to the end of the mapping."""
        marks, known_marks = node.marks, _MARKS
        next_event, scalar_event, end_event = self.next_event, yaml.ScalarEvent, yaml.MappingEndEvent
        merges = None
        while True:
            event = next_event()
            kind = type(event)
            if kind is end_event:
                break
            start = event.start_mark
            key = event.value if kind is scalar_event else None
            if key is None or event.anchor is not None or (key[:1] in _AMBIGUOUS_START and event.implicit[0]):
                key = self._key(event, depth)
            elif key == "<<" and (event.implicit[0] or event.tag == _MERGE_TAG):
                merges = start
            # One text for all keys of a name: there are millions of them, and few names.
            key = intern(key)
            if key in node:
                self.problems.append(YamlProblem(f"duplicate key {key!r}", start.line + 1, start.column + 1, duplicate_key=True))
            try:
                marks[key] = known_marks[start.line][start.column]
            except IndexError:
                marks[key] = pack(start.line + 1, start.column + 1)
            event = next_event()
            if type(event) is scalar_event and event.anchor is None:
                value = event.value
                plain, quoted = event.implicit
                if plain:
                    if value[:1] in _AMBIGUOUS_START:
                        value = parse_scalar(value)
                elif not quoted:
                    value = _scalar(event)
                node[key] = value
            else:
                node[key] = self._node(event, depth)
        if merges is not None:
            self._merge(node, merges)

    def _fill_sequence(self, node: SequenceNode, depth: int) -> None:
        """Reads items up to the end of the sequence."""
        add, add_mark = node.append, node.marks.append
        next_event, scalar_event, end_event = self.next_event, yaml.ScalarEvent, yaml.SequenceEndEvent
        while True:
            event = next_event()
            kind = type(event)
            if kind is end_event:
                return
            add_mark(_mark(event.start_mark))
            add(_scalar(event) if kind is scalar_event and event.anchor is None else self._node(event, depth))

    def _key(self, event: Any, depth: int) -> str:
        """A key that is no ordinary text; sigs.k8s.io/yaml turns numbers and booleans into strings."""
        if type(event) not in (yaml.ScalarEvent, yaml.AliasEvent):
            raise _Stop("a mapping or list can't be a key", event.start_mark)
        value = self._node(event, depth)
        if isinstance(value, str):
            return value
        if isinstance(value, MappingNode | SequenceNode):
            raise _Stop("a mapping or list can't be a key", event.start_mark)
        if isinstance(value, bool):
            return "true" if value else "false"
        if value is None:
            return "null"
        return str(event.value) if type(event) is yaml.ScalarEvent else str(value)

    def _alias(self, event: Any, depth: int) -> Any:
        # Messages don't name the anchor: an unquoted password may start with a star.
        if event.anchor not in self.anchors:
            raise _Stop("alias of an anchor that is not there", event.start_mark)
        value = self.anchors[event.anchor]
        if isinstance(value, MappingNode | SequenceNode):
            if id(value) in self.open:
                raise _Stop("an alias contains itself", event.start_mark)
            nodes, height = self._weight(value)
            self.aliased += nodes
            # Containers are counted each time that they are reached: a file of a few kilobytes can stand for billions.
            if self.aliased > self.most_aliased:
                raise _Stop(f"aliases stand for too many values; {self.limits.more('yaml_aliases')}", event.start_mark, limit=True)
            if depth + height > self.most_depth:
                raise self._too_deep(event.start_mark)
        return value

    def _too_deep(self, mark: Any) -> _Stop:
        return _Stop(f"nested too deeply; {self.limits.more('yaml_depth')}", mark, limit=True)

    def _weight(self, node: MappingNode | SequenceNode) -> tuple[int, int]:
        """How many values a node holds, aliases written out, and how deep it is."""
        known = self.weights.get(id(node))
        if known is None:
            values = node.values() if isinstance(node, MappingNode) else node
            below = [self._weight(value) if isinstance(value, MappingNode | SequenceNode) else (1, 0) for value in values]
            known = 1 + sum(nodes for nodes, _ in below), 1 + max((height for _, height in below), default=0)
            self.weights[id(node)] = known
        return known

    def _merge(self, node: MappingNode, mark: Any) -> None:
        """Replaces `<<` by what it stands for; keys of the mapping itself win, then earlier sources."""
        value = node.pop("<<")
        marked = node.marks.pop("<<")
        for source in value if isinstance(value, SequenceNode) else [value]:
            if not isinstance(source, MappingNode):
                raise _Stop("a merge key needs a mapping", mark)
            for key, item in source.items():
                if key not in node:
                    node.put(key, item, source.marks.get(key, marked))


_MERGE_TAG = "tag:yaml.org,2002:merge"
_STANDARD_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))


def _scalar(event: Any) -> Any:
    """The value of a scalar event. Tags construct nothing: those of the YAML core decide the type, others are dropped, as kyaml does."""
    text = event.value
    plain, quoted = event.implicit
    if plain:
        return parse_scalar(text) if text[:1] in _AMBIGUOUS_START else text
    return text if quoted or event.tag not in _STANDARD_TAGS else parse_scalar(text)


def _mark(start: Any) -> int:
    try:
        mark: int = _MARKS[start.line][start.column]
    except IndexError:
        mark = pack(start.line + 1, start.column + 1)
    return mark


# The marks of where most things stand, each once: the files of a repository are short, and there is a mark for every key of all of them.
_MARKS = tuple(tuple(pack(line, column) for column in range(1, 33)) for line in range(1, 257))
