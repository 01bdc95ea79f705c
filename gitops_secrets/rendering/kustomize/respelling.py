"""What becomes of values because kustomize writes resources as YAML, reads that, and writes it again as JSON.

- A whole number with a fraction of zero (`1.0`) or an exponent (`1e3`) comes out as an integer.
- A date without quotes comes out as a time.
- In folded text (`>`) a more-indented line gets an empty line before it: go-yaml's emitter looks for the end of the break in the wrong place.

Real repositories hold all three. Annotations are not affected: kustomize makes them text before.
"""

from __future__ import annotations

import re
from typing import Any

from gitops_secrets.model.nodes import MappingNode, SequenceNode
from gitops_secrets.rendering.kustomize.texts import Texts

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]|[ ]+)([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]{1,9}))?(Z|[-+][0-9]{2}:[0-9]{2})?)?\Z"
)
_LARGEST_PLAIN_FLOAT = 1e21  # Go writes larger ones with an exponent


def respelt(node: MappingNode, texts: Texts) -> MappingNode:
    """A resource with its values as they come out; the node itself where nothing changes."""
    result = _respelt_mapping(node, texts)
    metadata = node.get("metadata")
    if result is node or not isinstance(metadata, MappingNode) or result["metadata"] is metadata or "annotations" not in metadata:
        return result
    restored = result["metadata"].copy()
    restored["annotations"] = metadata["annotations"]
    result["metadata"] = restored
    return result


def _respelt_mapping(node: MappingNode, texts: Texts) -> MappingNode:
    result: MappingNode | None = None
    for key, value in node.items():
        changed = _respelt_value(node, key, value, texts)
        if changed is not value:
            result = result or node.copy()
            result[key] = changed
    return node if result is None else result


def _respelt_value(node: MappingNode | SequenceNode, key: Any, value: Any, texts: Texts) -> Any:
    if value.__class__ is str:
        if "\n" in value and "\n " in value.replace("\t", " ") and texts.is_folded(node, key):
            return refolded(value)
        if 8 <= len(value) <= 40 and value[:4].isdigit() and (match := _TIME.match(value)) and texts.is_plain(node, key, value):
            return _time(match)
        return value
    if value.__class__ is float:
        return _whole(value)
    if isinstance(value, MappingNode):
        return _respelt_mapping(value, texts)
    if isinstance(value, SequenceNode):
        copy: SequenceNode | None = None
        for index, item in enumerate(value):
            changed = _respelt_value(value, index, item, texts)
            if changed is not item:
                copy = copy or value.copy()
                copy[index] = changed
        return value if copy is None else copy
    return value


def respelt_patch(document: SequenceNode, texts: Texts) -> SequenceNode:
    """A JSON patch with its values as they come out: read as YAML 1.1, in which `yes` is true, then made JSON."""
    return _whole(_with_old_booleans(document, texts))  # type: ignore[no-any-return]


def _with_old_booleans(node: MappingNode | SequenceNode, texts: Texts) -> MappingNode | SequenceNode:
    result = node
    for key in node if isinstance(node, MappingNode) else range(len(node)):
        value: Any = node[key]  # type: ignore[index]
        changed: Any = value
        if isinstance(value, MappingNode | SequenceNode):
            changed = _with_old_booleans(value, texts)
        elif (boolean := texts.old_boolean(node, key)) is not None:
            changed = boolean
        if changed is not value:
            if result is node:
                result = node.copy()
            result[key] = changed  # type: ignore[index]
    return result


def _whole(value: Any) -> Any:
    if value.__class__ is float:
        return int(value) if value.is_integer() and abs(value) < _LARGEST_PLAIN_FLOAT else value
    if isinstance(value, MappingNode):
        changed = {key: _whole(item) for key, item in value.items()}
        if any(changed[key] is not item for key, item in value.items()):
            copy = value.copy()
            copy.update(changed)
            return copy
    elif isinstance(value, SequenceNode):
        items = [_whole(item) for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            listed = value.copy()
            listed[:] = items
            return listed
    return value


def _time(match: re.Match[str]) -> str:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    date = f"{year}-{int(month):02}-{int(day):02}"
    if hour is None:
        return f"{date}T00:00:00Z"
    fraction = (fraction or "").rstrip("0")
    return f"{date}T{int(hour):02}:{int(minute):02}:{int(second):02}{'.' + fraction if fraction else ''}{'Z' if zone in (None, '+00:00', '-00:00') else zone}"


def refolded(text: str) -> str:
    r"""Folded text after go-yaml has written and read it.

    >>> refolded("a(\n  b\n)")
    'a(\n\n  b\n)'
    """
    if " \n" in text or text.endswith(" ") or text[:1] in (" ", "\t", "\n"):
        return text  # written in another style
    return re.sub(r"(?:(?<=\n)|\A)([^ \t\n][^\n]*)(\n+)(?=[ \t])", r"\1\2\n", text)
