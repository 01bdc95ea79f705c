"""What a rule wants changed, as edits of the text that is there. A change that can't be made without touching more is no fix."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Final, TypeVar

from gitops_secrets.model.findings import AddItems, Edit, Fix, Remedy, RemoveAt, SetKey, SetValue, Step
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import Place
from gitops_secrets.repository.tree import Tree
from gitops_secrets.syntax.editor import UNSEEN, Editor, Indentation, Lines
from gitops_secrets.syntax.excerpt import excerpt
from gitops_secrets.syntax.spans import BYTE_ORDER_MARK, Kind, Span, UneditableError, YamlText, parts_of
from gitops_secrets.syntax.splice import add_sequence_items, remove_item, remove_key, set_scalar
from gitops_secrets.syntax.yaml import parse

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Path = tuple[str | int, ...]


class _Index:
    """Where each key and item of a part of a file stands, and the text of its scalars."""

    def __init__(self, text: str, line: int, limits: Limits) -> None:
        self.source = YamlText(text, limits)
        self.line = line  # of the file that it starts at
        self.at: dict[tuple[int, int], list[tuple[int, Path]]] = {}  # documents and paths by line and column, outer ones first
        self.scalars: dict[tuple[int, Path], str] = {}
        self.lines = Lines(text)
        for document, span in enumerate(self.source.spans):
            self._collect(span, document, ())

    def _collect(self, span: Span, document: int, path: Path) -> None:
        if span.kind is Kind.SCALAR:
            self.scalars[document, path] = span.value
        for key, value in span.entries:
            self._add(key, document, (*path, key.value))
            self._collect(value, document, (*path, key.value))
        for number, item in enumerate(span.items):
            self._add(item, document, (*path, number))
            self._collect(item, document, (*path, number))

    def _add(self, span: Span, document: int, path: Path) -> None:
        line, column = self.lines.position(span.start)
        self.at.setdefault((self.line + line - 1, column), []).append((document, path))


class _File:
    """A file, of which no more is looked at than the parts that are edited: it may hold thousands of documents."""

    def __init__(self, text: str, limits: Limits) -> None:
        self._limits = limits
        self._is_valid = all(problem.duplicate_key for problem in parse(text, "", limits).problems)
        self._body = text.removeprefix(BYTE_ORDER_MARK)
        self._lines = Lines(self._body)
        self._starts = [*parts_of(self._body), len(self._body)]
        self._indexes: dict[int, _Index] = {}

    @cached_property
    def indentation(self) -> Indentation:
        """How it indents: as its first documents do."""
        found = UNSEEN
        # The only part of a file shows itself what it does.
        for start, end in pairwise(self._starts) if len(self._starts) > 2 else ():
            source = YamlText(self._body[start:end], self._limits)
            for document in range(len(source.spans)):
                found = Editor(source, "", document, found).indentation
            if None not in found:
                break
        return found

    def index(self, line: int) -> _Index:
        """That of the part which holds a line."""
        if not self._is_valid or not 1 <= line <= len(self._lines.starts):
            raise UneditableError("the file is not valid YAML, or has no such line")
        number = max(bisect_right(self._starts, self._lines.starts[line - 1], hi=len(self._starts) - 1) - 1, 0)
        start, end = self._starts[number : number + 2]
        return _recent(self._indexes, number, lambda: _Index(self._body[start:end], self._lines.position(start)[0], self._limits))


def _recent(kept: dict[Key, Value], key: Key, make: Callable[[], Value]) -> Value:
    """What was made for a key before; of what was not asked for lately nothing is kept, since it takes many times the room of its text."""
    found = kept.pop(key, None)
    kept[key] = make() if found is None else found
    if len(kept) > _KEPT:
        del kept[next(iter(kept))]
    return kept[key]


_KEPT: Final = 32


class Remedies:
    """Makes fixes for the files of one tree. It keeps what it read lately: who has many asks by file and line."""

    def __init__(self, tree: Tree, limits: Limits) -> None:
        self._tree = tree
        self._limits = limits
        self._files: dict[str, _File] = {}
        self._left = limits.fixed_text

    @property
    def are_spent(self) -> bool:
        """Has so much been read that no more fixes are made?"""
        return self._left < 0

    def fix(self, remedy: Remedy) -> Fix | None:
        """The edits of a remedy; None where a file is not there, or can't be edited in that place alone, and where too much has been read."""
        if self.are_spent:
            return None
        try:
            edits = tuple(dict.fromkeys(edit for step in remedy.steps for edit in self._edits(step)))
        except (FileNotFoundError, UnicodeDecodeError, UneditableError):
            return None
        return Fix(remedy.description, edits) if edits else None

    def _edits(self, step: Step) -> Sequence[Edit]:
        if isinstance(step, SetValue):
            # The first key of an item stands where the item does; it is the one with a value to set.
            document, path = self._written_at(step.place)[-1]
            return self._set(step, document, path)
        document, path = self._written_at(step.place)[0]
        if isinstance(step, SetKey):
            return self._set(step, document, (*(path if isinstance(path[-1], int) else path[:-1]), step.key))
        if isinstance(step, RemoveAt):
            return self._spliced(remove_item if isinstance(path[-1], int) else remove_key, step, document, path)
        if path[-2:] != ("metadata", "name"):
            raise UneditableError("the object is named elsewhere")
        target = (*path[:-2], *step.path)
        if isinstance(step, AddItems):
            return self._spliced(add_sequence_items, step, document, target, [item if isinstance(item, str) else dict(item) for item in step.items])
        return self._spliced(set_scalar, step, document, target, step.value)

    def _set(self, step: SetValue | SetKey, document: int, path: Path) -> Sequence[Edit]:
        if step.before is not None and self._index(step.place).scalars.get((document, path)) != step.before:
            raise UneditableError("something else stands there: a variable, or a value that is made from it")
        return self._spliced(set_scalar, step, document, path, step.value)

    def _spliced(self, splice: Callable[..., Sequence[Edit]], step: Step, document: int, path: Path, *what: object) -> Sequence[Edit]:
        """The edits of a function of `syntax.splice`."""
        index = self._index(step.place)
        part = excerpt(index.source, index.lines, document, path)
        self._left -= len(part.source.text)
        if self.are_spent:
            raise UneditableError("too much has been read")
        edits = map(part.in_whole, splice(part.source, step.place.file, document, part.path, *what, beside=self._file(step.place).indentation))
        above = index.line - 1
        return [replace(edit, start=(edit.start[0] + above, edit.start[1]), end=(edit.end[0] + above, edit.end[1])) for edit in edits]

    def _written_at(self, place: Place) -> Sequence[tuple[int, Path]]:
        found = self._index(place).at.get((place.line, place.column))
        if found is None:
            raise UneditableError("nothing is written at that place")
        return found

    def _index(self, place: Place) -> _Index:
        return self._file(place).index(place.line)

    def _file(self, place: Place) -> _File:
        return _recent(self._files, place.file, lambda: _File(self._tree.read(place.file).decode(), self._limits))
