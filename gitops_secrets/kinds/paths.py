"""Paths of the table of kinds: where in a manifest a name stands.

A path is dotted; `[]` stands for every item of a list, `*` for every value of a mapping, and a key with dots or slashes is written `["a.b/c"]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode

ITEMS = "[]"
VALUES = "*"
Path = tuple[str, ...]

_STEP = re.compile(r'\["([^"]+)"\]|(\[\])|([^.\[\]"]+)')
_SEPARATED = re.compile(r'(?:\["[^"]+"\]|[^.\[\]"]+(?=$|[.\[]))(?:\.(?=[^.\[])[^.\[\]"]+|\["[^"]+"\]|\[\])*')
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def parse_path(text: str) -> Path:
    """The steps of a path. Raises `ValueError` for what is none.

    >>> parse_path('spec.tls[].secretName')
    ('spec', 'tls', '[]', 'secretName')
    """
    if not _SEPARATED.fullmatch(text):
        raise ValueError(f"not a path: {text!r}")
    return tuple(quoted or items or key for quoted, items, key in _STEP.findall(text))


# The way to a value, innermost first: (way to the container, key or index). A linked list costs nothing where nothing is found.
Way = tuple[Any, str | int] | None


def field_text(way: Way) -> str:
    """The way to a value as findings and the JSON write it: `spec.tls[0]["a.b/c"]`."""
    steps: list[str | int] = []
    while way is not None:
        way, step = way
        steps.append(step)
    return field_of(*reversed(steps))


def field_of(*steps: str | int) -> str:
    """The same for steps that are known one by one."""
    parts: list[str] = []
    for step in steps:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN_KEY.match(step):
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f'["{step}"]')
    return "".join(parts)


class Found(NamedTuple):
    """A value at the end of a path, with the container that holds it."""

    value: Any
    parent: Any
    way: Way

    @property
    def place(self) -> Place:
        """Where the key of the value, or the item, is written."""
        return place_in(self.parent, self.way[1] if self.way else "")


def place_in(container: object, step: str | int) -> Place:
    """Where a key or item of a container is written."""
    if isinstance(container, MappingNode):
        return container.place(str(step))
    return container.place(step) if isinstance(container, SequenceNode) and isinstance(step, int) else Place("", 1, 1)


def find(node: Any, path: Path, way: Way = None, start: int = 0) -> Iterator[Found]:
    """All values at `path` below `node`, in the order of the manifest."""
    step = path[start]
    last = start + 1 == len(path)
    if step == ITEMS:
        steps: list[Any] = list(range(len(node))) if isinstance(node, SequenceNode) else []
    elif not isinstance(node, MappingNode):
        steps = []
    elif step == VALUES:
        steps = list(node)
    else:
        steps = [step] if step in node else []
    for each in steps:
        if last:
            yield Found(node[each], node, (way, each))
        else:
            yield from find(node[each], path, (way, each), start + 1)


def value_at(node: Any, path: Path) -> Any:
    """The value at a path without `[]` and `*`; None if there is none."""
    for step in path:
        if not isinstance(node, MappingNode):
            return None
        node = node.get(step)
    return node
