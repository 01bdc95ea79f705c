"""What a rule wants changed, as edits of the text that is there. A change that can't be made without touching more is no fix."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import AddItems, Edit, Fix, Remedy, RemoveAt, SetKey, SetValue, Step
from gitops_secrets.repository.tree import Tree
from gitops_secrets.syntax.editor import Editor, Indentation, Lines
from gitops_secrets.syntax.spans import BYTE_ORDER_MARK, Kind, Span, UneditableError, parts_of, read_spans
from gitops_secrets.syntax.splice import add_sequence_items, remove_item, remove_key, set_scalar

Path = tuple[str | int, ...]


class _Part(NamedTuple):
    """What of a file has to be read to edit a document of it."""

    text: str
    line: int  # of the file that it starts at
    document: int  # of it


class _Index:
    """Where each key and item of a file stands, and the text of its scalars."""

    def __init__(self, text: str) -> None:
        self.at: dict[tuple[int, int], list[tuple[int, Path]]] = {}  # documents and paths by line and column, outer ones first
        self.scalars: dict[tuple[int, Path], str] = {}
        self._body = text.removeprefix(BYTE_ORDER_MARK)
        self._lines = Lines(self._body)
        self._documents = read_spans(text)
        self._starts = parts_of(self._body)
        for document, span in enumerate(self._documents):
            self._collect(span, document, ())

    @cached_property
    def indentation(self) -> Indentation:
        """How the file indents."""
        return Editor(self._body, "", 0).indentation

    def part(self, document: int) -> _Part:
        """The part of the file that holds a document."""
        number = bisect_right(self._starts, self._documents[document].start) - 1
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self._body)
        before = bisect_left(self._documents, start, key=attrgetter("start"))
        return _Part(self._body[start:end], self._lines.position(start)[0], document - before)

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
        self.at.setdefault(self._lines.position(span.start), []).append((document, path))


class Remedies:
    """Makes fixes for the files of one tree; each file is read and parsed once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._indexes: dict[str, _Index] = {}

    def fix(self, remedy: Remedy) -> Fix | None:
        """The edits of a remedy; None where a file is not there, or can't be edited in that place alone."""
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
        if step.before is not None and self._index(step.place.file).scalars.get((document, path)) != step.before:
            raise UneditableError("something else stands there: a variable, or a value that is made from it")
        return self._spliced(set_scalar, step, document, path, step.value)

    def _spliced(self, splice: Callable[..., Sequence[Edit]], step: Step, document: int, path: Path, *what: object) -> Sequence[Edit]:
        """The edits of a function of `syntax.splice`, given no more of the file than it has to read: a file may hold thousands of documents."""
        file, index = step.place.file, self._index(step.place.file)
        part = index.part(document)
        edits = splice(part.text, file, part.document, path, *what, beside=index.indentation)
        below = part.line - 1
        return [replace(edit, start=(edit.start[0] + below, edit.start[1]), end=(edit.end[0] + below, edit.end[1])) for edit in edits]

    def _written_at(self, place: Place) -> Sequence[tuple[int, Path]]:
        found = self._index(place.file).at.get((place.line, place.column))
        if found is None:
            raise UneditableError("nothing is written at that place")
        return found

    def _index(self, file: str) -> _Index:
        if file not in self._indexes:
            self._indexes[file] = _Index(self._tree.read(file).decode())
        return self._indexes[file]
