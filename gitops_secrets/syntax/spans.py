"""Where each value of a YAML text starts and ends, for edits. Offsets count code points, after a byte order mark.

Loaded nodes know where keys start, which is enough to report; only files that are about to be edited are read a second time, here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from gitops_secrets.model.limits import Limits
from gitops_secrets.syntax.yaml import parse, read_events

BYTE_ORDER_MARK = "\ufeff"


class Kind(Enum):
    """What a span holds."""

    SCALAR = "scalar"
    MAPPING = "mapping"
    SEQUENCE = "sequence"
    ALIAS = "alias"


class UneditableError(ValueError):
    """The text can't be edited there without changing something else, or holds no such place. Says why."""


@dataclass(slots=True)
class Span:
    """A value and the half-open range of its text: without comments after it, for a block scalar without its last line break."""

    kind: Kind
    start: int
    end: int
    flow: bool  # in brackets or braces
    style: str = ""  # of a scalar: its quote, `|`, `>`, or nothing
    decorated: bool = False  # by an anchor or a tag, which stand at the start of the range
    anchor: str = ""  # that it has; of an alias, that it names
    value: str = ""  # of a scalar, as text
    entries: tuple[tuple[Span, Span], ...] = ()  # of a mapping: keys and values
    items: tuple[Span, ...] = ()  # of a sequence

    def entry(self, key: str) -> int | None:
        """The position of `key` among the entries; the last one counts."""
        found = [index for index, (name, _) in enumerate(self.entries) if name.kind is Kind.SCALAR and name.value == key]
        return found[-1] if found else None

    def walk(self) -> Iterator[Span]:
        """This span and all below it, keys included."""
        yield self
        for key, value in self.entries:
            yield from key.walk()
            yield from value.walk()
        for item in self.items:
            yield from item.walk()

    @property
    def is_null(self) -> bool:
        """Nothing, or one of the words for it."""
        return self.kind is Kind.SCALAR and not self.style and self.value in ("", "~", "null", "Null", "NULL")


class YamlText:
    """A text that is edited, read once for all edits of it. Raises `UneditableError` for one that can't be read in full."""

    def __init__(self, text: str, limits: Limits) -> None:
        parsed = parse(text, "", limits)
        unread = next((problem for problem in parsed.problems if not problem.duplicate_key), None)
        if unread is not None:
            raise UneditableError(unread.message if unread.limit else "the file is not valid YAML")
        self.text = text
        self.limits = limits
        self.body = text.removeprefix(BYTE_ORDER_MARK)
        self.documents = parsed.documents
        self.spans = tuple(_documents(self.body, read_events(self.body)))  # of the documents

    @cached_property
    def has_anchors(self) -> bool:
        """Does a value have a name by which others may mean it?"""
        return any(span.anchor for document in self.spans for span in document.walk())


def parts_of(text: str) -> list[int]:
    """The offsets at which parts of `text` start that can be read each by itself: after the lines between documents that hold nothing else; 0 is the first."""
    if _DIRECTIVE.search(text):
        return [0]
    return [0, *(match.end() for match in _MARKER.finditer(text))]


# Directives count for the document that follows; after an explicit end there may be anything.
_DIRECTIVE = re.compile(r"^(?:%|\.\.\.)", re.MULTILINE)
_MARKER = re.compile(r"^---[ \t]*(?:#[^\n]*)?\n", re.MULTILINE)


def _documents(text: str, events: Iterator[tuple[str, Any]]) -> Iterator[Span]:
    for kind, _ in events:
        if kind == "DocumentStart":
            span = _read(text, events, *next(events))
            if not (span.is_null and not span.decorated):
                yield span


def _read(text: str, events: Iterator[tuple[str, Any]], kind: str, event: Any) -> Span:
    start = event.start_mark.index
    if kind == "Alias":
        return Span(Kind.ALIAS, start, event.end_mark.index, flow=False, anchor=event.anchor)
    anchor = event.anchor or ""
    decorated = bool(anchor) or event.tag is not None
    if kind == "Scalar":
        style = event.style or ""
        end = _block_end(text, start, event.end_mark.index) if style in ("|", ">") else event.end_mark.index
        return Span(Kind.SCALAR, start, end, flow=False, style=style, decorated=decorated, anchor=anchor, value=event.value)
    children: list[Span] = []
    for child_kind, child in events:
        if child_kind in ("MappingEnd", "SequenceEnd"):
            break
        children.append(_read(text, events, child_kind, child))
    flow = bool(event.flow_style)
    # libyaml ends a block where the next token starts, beyond comments and empty lines.
    end = child.end_mark.index if flow or not children else max(part.end for part in children[-2:])
    if kind == "SequenceStart":
        return Span(Kind.SEQUENCE, start, end, flow, decorated=decorated, anchor=anchor, items=tuple(children))
    entries = tuple(zip(children[::2], children[1::2], strict=True))
    return Span(Kind.MAPPING, start, end, flow, decorated=decorated, anchor=anchor, entries=entries)


def _block_end(text: str, start: int, end: int) -> int:
    """Without the line breaks after a block scalar; where its header keeps them they are part of the value, but for the last."""
    header = text[start : text.find("\n", start) if "\n" in text[start:end] else end]
    if "+" not in header.split("#")[0]:
        return start + len(text[start:end].rstrip())
    if text.endswith("\n", start, end):
        end -= 1
    return end - 1 if text.endswith("\r", start, end) else end
