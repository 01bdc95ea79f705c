"""Where edits of a YAML document go, and what they write: in the style of the file, with its indentation, its way with lists, and quoted keys in JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from gitops_secrets.model.findings import Edit
from gitops_secrets.syntax.spans import Kind, Span, UneditableError, YamlText
from gitops_secrets.syntax.written import Value, flow_text, is_filled, write_scalar

Path = Sequence[str | int]

# Where a new key goes, if the keys around it are in no alphabetical order: after the first of these that is there, else at the end.
NEIGHBOURS: Mapping[str, tuple[str, ...]] = {
    "dependsOn": ("chartRef", "chart", "interval"),
    "wait": ("dependsOn", "prune", "path"),
    "healthChecks": ("wait", "dependsOn", "prune", "path"),
    "healthCheckExprs": ("healthChecks", "wait", "dependsOn", "prune", "path"),
    "timeout": ("retryInterval", "interval"),
    "retryInterval": ("interval",),
    "namespace": ("name",),
    "annotations": ("namespace", "name"),
    "labels": ("namespace", "name"),
}


class Lines:
    """Lines of a text, as editors count them, and offsets."""

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def offset(self, position: tuple[int, int]) -> int:
        """The offset of a line and column. Raises `ValueError` for a position that is not there."""
        line, column = position
        if 1 <= line <= len(self.starts) and column >= 1:
            offset = self.starts[line - 1] + column - 1
            end = self.starts[line] if line < len(self.starts) else self.length + 1
            if offset < end:
                return offset
        raise ValueError(f"there is no line {line}, column {column}")

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        low, high = 0, len(self.starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.starts[middle] <= offset else (low, middle)
        return low + 1, offset - self.starts[low] + 1


class Found(NamedTuple):
    """The end of a path; with `missing` keys, the mapping that they would be added to."""

    span: Span
    missing: tuple[str, ...] = ()
    parent: Span | None = None
    key: Span | None = None  # where the span is the value of a mapping


class Indentation(NamedTuple):
    """How far mappings and lists are indented below their key."""

    mapping: int | None = None
    sequence: int | None = None


UNSEEN: Final = Indentation()


class Editor:
    """Edits of one document. What it does not show of its style is as in the others of the text, and else as in `beside`."""

    def __init__(self, source: YamlText, file: str, document: int, beside: Indentation = UNSEEN) -> None:
        self.text = source.body
        self.file = file
        self.lines = Lines(self.text)
        self.newline = "\r\n" if "\r\n" in self.text else "\n"
        if not 0 <= document < len(source.spans):
            raise UneditableError("there is no such document")
        self.root = source.spans[document]
        self.indentation = self._indentation(source.spans, beside)
        self.step = self.indentation.mapping or 2
        self.dash = 2 if self.indentation.sequence is None else self.indentation.sequence

    @cached_property
    def aliases(self) -> Sequence[Span]:
        """All in the document."""
        return [span for span in self.root.walk() if span.kind is Kind.ALIAS]

    def edit(self, start: int, end: int, text: str) -> Edit:
        return Edit(self.file, self.lines.position(start), self.lines.position(end), text)

    def find(self, path: Path) -> Found:
        """Walks to the end of `path`, or to the first key that is not there."""
        found = Found(self.root)
        for depth, part in enumerate(path):
            span = found.span
            self.keep_shared(span)
            rest = tuple(path[depth:])
            if span.kind is Kind.MAPPING and isinstance(part, str):
                index = span.entry(part)
                if index is not None:
                    key, value = span.entries[index]
                    found = Found(value, parent=span, key=key)
                    continue
                if span.entry("<<") is not None:
                    raise UneditableError("the key may come from a merge (<<)")
            elif span.kind is Kind.SEQUENCE and isinstance(part, int) and 0 <= part < len(span.items):
                found = Found(span.items[part], parent=span)
                continue
            elif span.kind is Kind.ALIAS:
                raise UneditableError("the value is an alias of another one")
            elif not (span.is_null and not span.decorated and found.key is not None and isinstance(part, str)):
                raise UneditableError("the path leads through something else")
            names = tuple(name for name in rest if isinstance(name, str))
            if len(names) < len(rest):
                raise UneditableError("there is no such item")
            return found._replace(missing=names)
        if found.span.kind is Kind.ALIAS:
            raise UneditableError("the value is an alias of another one")
        self.keep_shared(found.span)
        return found

    def keep_shared(self, span: Span, inside: Span | None = None) -> None:
        """Refuses to change what has an anchor, if an alias elsewhere (not below `inside`) means it."""
        for alias in self.aliases if span.anchor else ():
            if alias.anchor == span.anchor and not (inside is not None and inside.start <= alias.start < inside.end):
                raise UneditableError("aliases elsewhere mean the same value")

    def existing(self, path: Path, kind: Kind) -> Span:
        found = self.find(path)
        if found.missing or found.span.kind is not kind:
            raise UneditableError(f"there is no {kind.value}")
        return found.span

    # Adding

    def add_entry(self, mapping: Span, names: Sequence[str], value: Value, after: Sequence[str]) -> tuple[Edit, ...]:
        """Adds the first of `names` to `mapping`, the others inside of it, and the value in the last."""
        for name in reversed(names[1:]):
            value = {name: value}
        name = names[0]
        if mapping.is_null:
            found = next(found for found in self._values(self.root) if found.span is mapping)
            return self.fill(found, {name: value})
        if mapping.kind is not Kind.MAPPING:
            raise UneditableError("there is something else than a mapping")
        if mapping.flow:
            text = flow_text({name: value}, self._is_json(mapping))[1:-1]
            return self._extendflow_text(mapping, [text], [max(key.end, item.end) for key, item in mapping.entries])
        column = self._column(mapping.entries[0][0].start)
        if self.text[: mapping.entries[0][0].start].rstrip(" ").endswith("?"):
            raise UneditableError("the keys are written with question marks")
        written = self._block({name: value}, column)
        keys = [key.value for key, _ in mapping.entries]
        wanted = next((keys.index(other) for other in after if other in keys), None)
        index = wanted if wanted is not None else _neighbour(keys, name)
        if index < 0:
            start = mapping.entries[0][0].start
            line_start = self._line_start(start)
            if not self.text[line_start:start].strip(" "):
                return (self.edit(line_start, line_start, self.newline.join(written) + self.newline),)
            index = 0
        return (self._insert_lines(max(part.end for part in mapping.entries[index]), written),)

    def fill(self, found: Found, value: Value) -> tuple[Edit, ...]:
        """Gives a key without value, or with an empty list, the value, as a block where the parent is one."""
        span, parent, key = found.span, found.parent, found.key
        if span.decorated:
            raise UneditableError("an anchor or tag stands there")
        if parent is None or parent.flow or key is None:
            written = flow_text(value, self._is_json(parent or span))
            return (self.edit(span.start, span.end, written if span.start < span.end else f" {written}"),)
        column = self._column(key.start)
        lines = self._block(value, column + (self.dash if isinstance(value, list) else self.step))
        start = span.start
        while start < span.end and self.text[start - 1] == " ":
            start -= 1
        insertion = self._insert_lines(span.end, lines)
        return (self.edit(start, span.end, ""), insertion) if start < span.end else (insertion,)

    def append(self, sequence: Span, items: Sequence[Value]) -> tuple[Edit, ...]:
        """Adds items after the last one."""
        if sequence.flow:
            json_style = self._is_json(sequence)
            return self._extendflow_text(sequence, [flow_text(item, json_style) for item in items], [item.end for item in sequence.items])
        column = self._column(self._dash_of(sequence.items[0]))
        return (self._insert_lines(sequence.items[-1].end, self._block(list(items), column)),)

    def _extendflow_text(self, container: Span, texts: list[str], ends: list[int]) -> tuple[Edit, ...]:
        if not ends:
            return (self.edit(container.start, container.end, self.text[container.start] + ", ".join(texts) + self.text[container.end - 1]),)
        end = ends[-1]
        line_start = self._line_start(end)
        comma = _next_comma(self.text, end, container.end)
        if line_start <= container.start:
            # On one line with the opening bracket.
            return (self.edit(end, end, "".join(f", {text}" for text in texts)),)
        indent = self.newline + " " * self._indent(line_start)
        if comma is None:
            line_end = min(self._line_end(end), container.end - 1)
            if not self.text[end:line_end].strip():
                return (self.edit(end, end, "".join(f",{indent}{text}" for text in texts)),)
            return self.edit(end, end, ","), self.edit(line_end, line_end, indent + f",{indent}".join(texts))
        line_end = min(self._line_end(comma), container.end - 1)
        return (self.edit(line_end, line_end, "".join(f"{indent}{text}," for text in texts)),)

    def _insert_lines(self, end: int, lines: list[str]) -> Edit:
        """Inserts lines after the one that holds the offset."""
        line_end = self._line_end(end)
        if line_end == len(self.text):
            return self.edit(line_end, line_end, "".join(self.newline + line for line in lines))
        start = self.text.index("\n", line_end) + 1
        return self.edit(start, start, "".join(line + self.newline for line in lines))

    def _block(self, value: Value, column: int) -> list[str]:
        """A filled mapping or list as lines, indented by `column`."""
        indent = " " * column
        lines: list[str] = []
        if isinstance(value, Mapping):
            for key, item in value.items():
                name = write_scalar(key)
                if is_filled(item):
                    lines += [f"{indent}{name}:", *self._block(item, column + (self.step if isinstance(item, Mapping) else self.dash))]
                else:
                    lines.append(f"{indent}{name}: {flow_text(item, False)}")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for item in value:
                if is_filled(item):
                    first, *others = self._block(item, column + 2)
                    lines += [f"{indent}- {first[column + 2 :]}", *others]
                else:
                    lines.append(f"{indent}- {flow_text(item, False)}")
        return lines

    # Removing

    def remove_entry(self, mapping: Span, name: str | int) -> tuple[Edit, ...]:
        index = mapping.entry(name) if isinstance(name, str) else None
        if index is None:
            raise UneditableError("there is no such key")
        for span in (*mapping.entries[index][0].walk(), *mapping.entries[index][1].walk()):
            self.keep_shared(span, mapping.entries[index][1])
        if len(mapping.entries) == 1:
            return self.empty(mapping, "{}")
        starts = [key.start for key, _ in mapping.entries]
        ends = [max(key.end, value.end) for key, value in mapping.entries]
        return (self._remove(mapping, starts, ends, index),)

    def remove_element(self, sequence: Span, index: int) -> tuple[Edit, ...]:
        for span in sequence.items[index].walk():
            self.keep_shared(span, sequence.items[index])
        if len(sequence.items) == 1:
            return self.empty(sequence, "[]")
        starts = [item.start if sequence.flow else self._dash_of(item) for item in sequence.items]
        return (self._remove(sequence, starts, [item.end for item in sequence.items], index),)

    def _remove(self, container: Span, starts: list[int], ends: list[int], index: int) -> Edit:
        if container.flow:
            return self.edit(starts[0], starts[1], "") if index == 0 else self.edit(ends[index - 1], ends[index], "")
        start = starts[index]
        line_start = self._line_start(start)
        if self.text[line_start:start].strip(" "):
            # It starts on the line of its parent: the next one moves up.
            if index + 1 == len(starts) or "?" in self.text[line_start:start]:
                raise UneditableError("it can't be told from what stands before it")
            return self.edit(start, starts[index + 1], "")
        line_end = self._line_end(ends[index])
        if line_end < len(self.text):
            return self.edit(line_start, self.text.index("\n", line_end) + 1, "")
        return self.edit(max(line_start - len(self.newline), 0), line_end, "")

    def empty(self, container: Span, written: str) -> tuple[Edit, ...]:
        """Takes everything out of a container."""
        start = self.content_start(container)
        if container.flow:
            return (self.edit(start, container.end, written),)
        line_start = self._line_start(start)
        end = container.end
        if self.text[line_start:start].strip(" ") or container is self.root:
            return (self.edit(start, end, written),)
        key_end = len(self.text[:line_start].rstrip())
        key_line = self.text[self._line_start(key_end) : key_end]
        if "#" in key_line or not key_line.endswith((":", "-")):
            return (self.edit(start, end, written),)
        return (self.edit(key_end, end, f" {written}"),)

    # Where things stand

    def content_start(self, span: Span) -> int:
        """After an anchor and a tag."""
        match = _PROPERTIES.match(self.text, span.start, span.end) if span.decorated else None
        return match.end() if match else span.start

    def _dash_of(self, item: Span) -> int:
        """The dash of an item of a block sequence: before it on its line, or alone on a line above."""
        end = item.start
        while True:
            line_start = self._line_start(end)
            before = self.text[line_start:end]
            match = _DASH.search(before)
            if match:
                return line_start + match.start()
            if line_start == 0 or before.split("#")[0].strip():
                raise UneditableError("the item of the list starts in an unusual way")
            end = line_start - 1

    def _line_start(self, offset: int) -> int:
        return self.text.rfind("\n", 0, offset) + 1

    def _line_end(self, offset: int) -> int:
        """The end of the line, before its break."""
        end = self.text.find("\n", offset)
        if end < 0:
            return len(self.text)
        return end - 1 if self.text[offset:end].endswith("\r") else end

    def _column(self, offset: int) -> int:
        return offset - self._line_start(offset)

    def _indent(self, line_start: int) -> int:
        line = self.text[line_start : self._line_end(line_start)]
        return len(line) - len(line.lstrip(" "))

    def _is_json(self, span: Span) -> bool:
        """Are the keys in double quotes here? A list without keys looks at the whole document."""
        for part in (span, self.root):
            styles = (found.key.style for found in self._values(part) if found.key is not None)
            first = next(styles, None)
            if first is not None:
                return first == '"' and all(style == '"' for style in styles)
        return False

    def _values(self, span: Span) -> Iterator[Found]:
        for key, value in span.entries:
            yield Found(value, parent=span, key=key)
            yield from self._values(value)
        for item in span.items:
            yield Found(item, parent=span)
            yield from self._values(item)

    def _blocks(self, span: Span) -> Iterator[tuple[Span, Span]]:
        """Keys of mappings that are no flow, and their values; what stands in a flow has no indentation."""
        for key, value in span.entries if not span.flow else ():
            yield key, value
            yield from self._blocks(value)
        for item in span.items if not span.flow else ():
            yield from self._blocks(item)

    def _indentation(self, documents: Sequence[Span], beside: Indentation) -> Indentation:
        """By what this document does first, then others."""
        step: int | None = None
        dash: int | None = None
        for key, span in (pair for document in (self.root, *documents) for pair in self._blocks(document)):
            if step is None and span.kind is Kind.MAPPING and span.entries and not span.flow:
                step = self._column(span.entries[0][0].start) - self._column(key.start)
            if dash is None and span.kind is Kind.SEQUENCE and span.items and not span.flow:
                dash = self._column(self._dash_of(span.items[0])) - self._column(key.start)
            if step is not None and dash is not None:
                break
        return Indentation(beside.mapping if step is None or step <= 0 else step, beside.sequence if dash is None or dash < 0 else dash)


_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_DASH = re.compile(r"-[ \t\r]*(?:#.*)?\Z")


def _next_comma(text: str, offset: int, end: int) -> int | None:
    """The end of the comma that follows, comments and line breaks aside."""
    match = re.compile(r"(?:\s|(?<=\s)#[^\n]*)*,").match(text, offset, end)
    return match.end() if match else None


def _neighbour(keys: list[str], name: str) -> int:
    """The index of the key that a new one goes after; -1 for the start."""
    if len(keys) > 2 and keys == sorted(keys, key=str.lower):
        return sum(key.lower() < name.lower() for key in keys) - 1
    return next((keys.index(other) for other in NEIGHBOURS.get(name, ()) if other in keys), len(keys) - 1)
