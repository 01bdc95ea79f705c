"""Edits of YAML files by splicing text at known positions: bytes that are not meant stay as they are.

The functions take the text of a file and give `Edit`s; nothing is loaded and dumped, so comments, quotes, indentation, line ends and a byte order mark
survive by construction. What is written is in the style of the file: its indentation, its way with lists, quoted keys in JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gitops_secrets.model.findings import Edit
from gitops_secrets.syntax.editor import UNSEEN, Editor, Indentation, Lines, Path
from gitops_secrets.syntax.spans import BYTE_ORDER_MARK, Kind, UneditableError, YamlText
from gitops_secrets.syntax.written import Value, write_scalar
from gitops_secrets.syntax.yaml import parse


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """`text` with all edits of its file applied at once; insertions at one point keep their order.

    Raises:
        ValueError: ranges overlap, end before they start, or lie outside of the text.
    """
    body = text.removeprefix(BYTE_ORDER_MARK)
    lines = Lines(body)
    ranges = []
    for edit in edits:
        if edit.create or edit.delete:
            return edit.text if edit.create else ""
        ranges.append((lines.offset(edit.start), lines.offset(edit.end), edit.text))
    ranges.sort(key=lambda change: change[:2])
    parts = []
    done = 0
    for start, end, replacement in ranges:
        if start < done or end < start:
            raise ValueError("edits overlap")
        parts += [body[done:start], replacement]
        done = end
    return text[: len(text) - len(body)] + "".join(parts) + body[done:]


def document_at(source: YamlText, line: int) -> int:
    """The index of the document that holds `line`, as the other functions count. Raises `UneditableError` for a line in none."""
    offset = Lines(source.body).offset((line, 1))
    found = [index for index, span in enumerate(source.spans) if span.start <= offset]
    if not found:
        raise UneditableError("no document starts before that line")
    return found[-1]


def add_sequence_items(
    source: YamlText, file: str, document: int, path: Path, items: Sequence[Value], *, after: Sequence[str] = (), beside: Indentation = UNSEEN
) -> tuple[Edit, ...]:
    """Appends `items` to the sequence at `path`; one that is not there is made, with its parents, beside a sensible sibling (see `add_key`).

    As all functions here, raises `UneditableError` where that can't be done without changing something else. `beside` is the style of what stands beside the
    text in its file.
    """
    if not items:
        return ()
    editor = Editor(source, file, document, beside)
    found = editor.find(path)
    if found.missing:
        edits = editor.add_entry(found.span, found.missing, list(items), after)
    elif found.span.is_null or (found.span.kind is Kind.SEQUENCE and not found.span.items):
        edits = editor.fill(found, list(items))
    elif found.span.kind is Kind.SEQUENCE:
        edits = editor.append(found.span, items)
    else:
        raise UneditableError("there is something else than a list")
    return _checked(source, edits, document, path, lambda old: [*(old or ()), *_parsed(items)])


def add_key(source: YamlText, file: str, document: int, path: Path, key: str, value: Value, *, after: Sequence[str] = ()) -> tuple[Edit, ...]:
    """Adds `key` to the mapping at `path`, made with its parents where it is not there.

    It goes after the first of `after` that is there, else to its place where the keys are in alphabetical order, else after a usual neighbour, else to
    the end. Raises `UneditableError` if the key is there already.
    """
    editor = Editor(source, file, document)
    found = editor.find([*path, key])
    if not found.missing:
        raise UneditableError("the key is there already")
    edits = editor.add_entry(found.span, found.missing, value, after)
    return _checked(source, edits, document, [*path, key], lambda _: _parsed(value))


def set_scalar(
    source: YamlText, file: str, document: int, path: Path, value: str | int | float | bool | None, *, beside: Indentation = UNSEEN
) -> tuple[Edit, ...]:
    """Sets the scalar at `path`: in the quotes that it has, with its comment, anchor and tag. One that is not there is added (see `add_key`)."""
    editor = Editor(source, file, document, beside)
    found = editor.find(path)
    if found.missing:
        edits = editor.add_entry(found.span, found.missing, value, ())
    elif found.span.kind is Kind.SCALAR:
        start = editor.content_start(found.span)
        written = write_scalar(value, found.span.style)
        edits = (editor.edit(start, found.span.end, written if start < found.span.end else f" {written}"),)
    else:
        raise UneditableError("there is something else than a scalar")
    return _checked(source, edits, document, path, lambda _: value)


def remove_key(source: YamlText, file: str, document: int, path: Path, *, beside: Indentation = UNSEEN) -> tuple[Edit, ...]:
    """Removes the key at the end of `path` and its value. A mapping that it leaves empty becomes `{}`."""
    editor = Editor(source, file, document, beside)
    edits = editor.remove_entry(editor.existing(path[:-1], Kind.MAPPING), path[-1])
    return _checked(source, edits, document, path[:-1], lambda old: {key: value for key, value in old.items() if key != path[-1]})


def remove_item(source: YamlText, file: str, document: int, path: Path, *, beside: Indentation = UNSEEN) -> tuple[Edit, ...]:
    """Removes the item at the end of `path`, an index. A list that it leaves empty goes with its key."""
    editor = Editor(source, file, document, beside)
    sequence = editor.existing(path[:-1], Kind.SEQUENCE)
    index = path[-1]
    if not isinstance(index, int) or not 0 <= index < len(sequence.items):
        raise UneditableError("there is no such item")
    if len(sequence.items) == 1 and len(path) > 1 and isinstance(path[-2], str):
        return remove_key(source, file, document, path[:-1], beside=beside)
    edits = editor.remove_element(sequence, index)
    return _checked(source, edits, document, path[:-1], lambda old: [value for position, value in enumerate(old) if position != index])


def _checked(source: YamlText, edits: tuple[Edit, ...], document: int, path: Path, change: Callable[[Any], Any]) -> tuple[Edit, ...]:
    """The edits, if the file reads afterwards as before but for `change` at `path`: a comment may become part of a text above it, say."""
    expected = list(source.documents)
    expected[document] = _changed(expected[document], path, change)
    after = parse(apply_edits(source.text, edits), "", source.limits)
    if list(after.documents) != expected:
        raise UneditableError("the edit would change something else, too")
    return edits


def _changed(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy of a document with the value at `path` changed; missing mappings on the way are made."""
    if not path:
        return change(value)
    part, *rest = path
    if isinstance(part, int):
        return [_changed(item, rest, change) if position == part else item for position, item in enumerate(value)]
    return {**(value or {}), part: _changed((value or {}).get(part), rest, change)}


def _parsed(value: Any) -> Any:
    """A value as it will be read."""
    if isinstance(value, Mapping):
        return {key: _parsed(item) for key, item in value.items()}
    return [_parsed(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
