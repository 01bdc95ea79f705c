"""YAML values that remember where each of their keys and items stands.

A node is an ordinary `dict` or `list` with the file it was read from and the mark (line and column) of every key or item beside it. Nodes of loaded
documents are shared and never changed in place: who transforms one copies the containers on the way (`copy()` is shallow and keeps the marks) and may
mix nodes of several files, since a mark of another file is kept as a full `Place`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

COLUMN_BITS = 16
COLUMN_MASK = (1 << COLUMN_BITS) - 1


class Place(NamedTuple):
    """Where something is written: `file` relative to the repository root with `/`, `line` and `column` from 1, columns in code points."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


# Line and column of a key in the file of its own node, packed (see `pack`); a `Place` where the key came from elsewhere, by a patch say.
Mark = int | Place


def pack(line: int, column: int) -> int:
    """One int for a line and a column, both from 1. Half the memory of a tuple; there is one for every key of a repository."""
    return line << COLUMN_BITS | (column if column < COLUMN_MASK else COLUMN_MASK)


class MappingNode(dict[str, Any]):
    """A YAML mapping: `marks` has the mark of every key, `mark` is that of the mapping itself."""

    __slots__ = ("file", "mark", "marks")

    file: str
    mark: int
    marks: dict[str, Mark]

    def __init__(self, file: str = "", mark: int = 0) -> None:
        self.file = file
        self.mark = mark
        self.marks = {}

    def copy(self) -> MappingNode:
        """A shallow copy with marks of its own, to be changed by whoever asked for it."""
        other = MappingNode(self.file, self.mark)
        other.update(self)
        other.marks = self.marks.copy()
        return other

    def put(self, key: str, value: Any, place: Mark) -> None:
        """Sets `key` and where it comes from. Only for nodes that the caller made or copied."""
        self[key] = value
        self.marks[key] = place

    def remove(self, key: str) -> None:
        """Deletes `key` and its mark. Only for nodes that the caller made or copied."""
        del self[key]
        self.marks.pop(key, None)

    def place(self, key: str | None = None) -> Place:
        """Where `key` is written; of the mapping itself for None or a key without a mark of its own."""
        mark = self.mark if key is None else self.marks.get(key, self.mark)
        return unpack(self.file, mark)


class SequenceNode(list[Any]):
    """A YAML sequence: `marks` has the mark of every item, `mark` is that of the sequence itself."""

    __slots__ = ("file", "mark", "marks")

    file: str
    mark: int
    marks: list[Mark]

    def __init__(self, file: str = "", mark: int = 0) -> None:
        self.file = file
        self.mark = mark
        self.marks = []

    def copy(self) -> SequenceNode:
        """A shallow copy with marks of its own, to be changed by whoever asked for it."""
        other = SequenceNode(self.file, self.mark)
        other.extend(self)
        other.marks = self.marks.copy()
        return other

    def add(self, value: Any, place: Mark) -> None:
        """Appends an item and where it comes from. Only for nodes that the caller made or copied."""
        self.append(value)
        self.marks.append(place)

    def place(self, index: int | None = None) -> Place:
        """Where item `index` is written; of the sequence itself for None or an item without a mark."""
        mark = self.mark if index is None or index >= len(self.marks) else self.marks[index]
        return unpack(self.file, mark)


def unpack(file: str, mark: Mark) -> Place:
    """The place that `mark` stands for in a node of `file`."""
    if isinstance(mark, Place):
        return mark
    return Place(file, mark >> COLUMN_BITS or 1, mark & COLUMN_MASK or 1)


def placed(value: Any, place: Place, scalar: Callable[[Any], Any] = lambda value: value) -> Any:
    """A copy of `value` with everything in it standing at `place`, and each of its scalars what `scalar` makes of it."""
    mark = pack(place.line, place.column)
    if isinstance(value, MappingNode):
        mapping = MappingNode(place.file, mark)
        for key, item in value.items():
            mapping.put(key, placed(item, place, scalar), mark)
        return mapping
    if isinstance(value, SequenceNode):
        sequence = SequenceNode(place.file, mark)
        for item in value:
            sequence.add(placed(item, place, scalar), mark)
        return sequence
    return scalar(value)


def move(value: Any, origin_of: Callable[[Place], Place], seen: set[int] | None = None) -> None:
    """Gives nodes that were just parsed, and that nobody else has yet, the places that they came from."""
    seen = set() if seen is None else seen
    if not isinstance(value, MappingNode | SequenceNode) or id(value) in seen:
        return
    seen.add(id(value))
    own = origin_of(value.place())
    if isinstance(value, MappingNode):
        value.marks = {key: origin_of(value.place(key)) for key in value.marks}
    else:
        value.marks = [origin_of(value.place(index)) for index in range(len(value))]
    value.file, value.mark = own.file, pack(own.line, own.column)
    for item in value.values() if isinstance(value, MappingNode) else value:
        move(item, origin_of, seen)


def as_mapping(value: Any) -> MappingNode:
    """`value` if it is a mapping, else an empty one: for fields whose wrong type is reported elsewhere."""
    return value if isinstance(value, MappingNode) else EMPTY_MAPPING


def as_sequence(value: Any) -> SequenceNode:
    """`value` if it is a sequence, else an empty one."""
    return value if isinstance(value, SequenceNode) else EMPTY_SEQUENCE


def as_text(value: Any) -> str:
    """`value` if it is a string, else the empty string."""
    return value if isinstance(value, str) else ""


def is_same_node(one: Any, other: Any) -> bool:
    """Do two values say the same, at the same places?"""
    if one is other:
        return True
    if isinstance(one, MappingNode) and isinstance(other, MappingNode):
        alike = list(one) == list(other) and (one.file, one.mark, one.marks) == (other.file, other.mark, other.marks)
        return alike and all(is_same_node(value, other[key]) for key, value in one.items())
    if isinstance(one, SequenceNode) and isinstance(other, SequenceNode):
        alike = len(one) == len(other) and (one.file, one.mark, one.marks) == (other.file, other.mark, other.marks)
        return alike and all(map(is_same_node, one, other))
    return type(one) is type(other) and bool(one == other)


EMPTY_MAPPING = MappingNode()
EMPTY_SEQUENCE = SequenceNode()
