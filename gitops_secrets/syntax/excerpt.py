"""What stands around a place of a YAML text, so that an edit there costs the same however long the lists are that hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from gitops_secrets.model.findings import Edit
from gitops_secrets.syntax.editor import Lines, Path
from gitops_secrets.syntax.spans import Span, YamlText

_BESIDE: Final = 2  # items on either side that stay: what an edit changes by mistake stands next to it
_WORTHWHILE: Final = 20  # items in a row, at least, that are left out


class Excerpt(NamedTuple):
    """A text without items of lists that the way along a path passes by, and that path in it."""

    source: YamlText
    path: Path
    left_out: Sequence[tuple[int, int]] = ()  # before which of its lines, and how many

    def in_whole(self, edit: Edit) -> Edit:
        """An edit of the excerpt as one of the text that it is from."""
        return replace(edit, start=self._in_whole(edit.start), end=self._in_whole(edit.end))

    def _in_whole(self, position: tuple[int, int]) -> tuple[int, int]:
        line, column = position
        return line + sum(count for before, count in self.left_out if line >= before), column


def excerpt(source: YamlText, lines: Lines, document: int, path: Path) -> Excerpt:
    """The excerpt around a path of a document of `source`, whose lines are given; all of it where anchors may mean something far away.

    What is left out are whole lines: items of block sequences, but for the first, the last, and those beside the one that the path leads through.
    """
    gaps: list[tuple[int, int]] = []  # first line, and the one after the last
    shorter: list[str | int] = []
    span: Span | None = None if source.has_anchors else source.spans[document]
    for part in path:
        before = 0
        if span is not None and isinstance(part, int):
            for first, end in _passed_by(span, part):
                start, stop = (_line_of(source.body, lines, span.items[number]) for number in (first, end))
                if start is not None and stop is not None:
                    gaps.append((start, stop))
                    before += end - first if end <= part else 0
        shorter.append(part - before if isinstance(part, int) else part)
        span = span and _below(span, part)
    if not gaps:
        return Excerpt(source, path)
    kept, left_out, done, gone = [], [], 0, 0
    for start, end in sorted(gaps):
        kept.append(source.body[done : lines.offset((start, 1))])
        left_out.append((start - gone, end - start))
        done, gone = lines.offset((end, 1)), gone + end - start
    return Excerpt(YamlText("".join([*kept, source.body[done:]]), source.limits), tuple(shorter), left_out)


def _passed_by(span: Span, number: int) -> Iterator[tuple[int, int]]:
    """The items before and after one of a sequence that are worth leaving out."""
    for first, end in ((1, number - _BESIDE), (number + _BESIDE + 1, len(span.items) - 1)):
        if not span.flow and end - first >= _WORTHWHILE:
            yield first, end


def _line_of(text: str, lines: Lines, item: Span) -> int | None:
    """The line that an item of a block sequence starts with, if nothing else stands there before its dash."""
    line, column = lines.position(item.start)
    return line if text[item.start - column + 1 : item.start].strip(" ") == "-" else None


def _below(span: Span, part: str | int) -> Span | None:
    if isinstance(part, int):
        return span.items[part] if part < len(span.items) else None
    index = span.entry(part)
    return None if index is None else span.entries[index][1]
