"""Two rendered objects field by field: what was added, removed or changed, as far as it may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from gitops_secrets.kinds.paths import Way, field_text, place_in
from gitops_secrets.manifests.secrets import REDACTED
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place, SequenceNode

# Longer ones are texts of their own: scripts, patches, certificates.
_LONGEST: Final = 200
_WORDS: Final = r"(?:pass(?:words?|phrases?|wd)?|pwd?|secrets?|tokens?|(?:api|private|access|secret|client)[-_]?keys?(?:[-_]?id)?|credentials?|dsn)"
# What stands under such a name is as good as a password, wherever it is.
_PRIVATE: Final = re.compile(rf"{_WORDS}$", re.I)
# An argument of a program, or a setting in a text.
_ASSIGNED: Final = re.compile(rf"{_WORDS}(?:=|: ?)\S", re.I)
# Fields of any kind that hold what a Secret will, for its maker: values of variables among them, which are shown where they end, unless that is a Secret.
_OF_SECRETS: Final = frozenset({("template", "data"), ("postBuild", "substitute"), ("spec", "inputs"), ("spec", "defaultValues")})
# Texts that may be of a Secret, or hold values for one.
_TEXTS: Final = frozenset({"patch", "values", "literal"})
# What a chart's values say of a Secret without saying what is in it.
_NAMING: Final = frozenset({"name", "namespace", "kind", "type", "key", "apiVersion", "existingSecret", "secretName", "nameOverride", "mountPath"})
# https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1
_WITH_PASSWORD: Final = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
# By what people tell the items of a list apart.
_NAMES: Final = ("name", "secretKey", "key", "mountPath", "containerPort")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A scalar of an object. `before` and `after` are as YAML would write them, `***` where they must not be shown, None where there is none."""

    field: str
    before: str | None
    after: str | None
    place: Place  # where it is written; where it was, if it is gone


def field_changes(before: MappingNode, after: MappingNode) -> tuple[FieldChange, ...]:
    """Every scalar that two objects do not share, in the order of the manifests. The order of items in a list tells nothing."""
    return tuple(_changes(before, after, None, after if after else before))


_ABSENT: Final = object()


def _changes(before: Any, after: Any, way: Way, parent: Any) -> Iterator[FieldChange]:
    are_filled = any(isinstance(value, MappingNode | SequenceNode) and value for value in (before, after))
    # To Python a list with `false` is equal to one with 0.
    if before is after or (not are_filled and type(before) is type(after) and before == after):
        return
    types = {type(value) for value in (before, after) if value is not _ABSENT}
    if not are_filled:
        step = way[1] if way is not None else ""
        yield FieldChange(field_text(way), _shown(before, way, parent), _shown(after, way, parent), place_in(parent, step))
    elif types == {MappingNode}:
        yield from _mapping_changes(before, after, way)
    elif types == {SequenceNode}:
        yield from _sequence_changes(before, after, way)
    else:
        yield from _changes(before, _ABSENT, way, parent)
        yield from _changes(_ABSENT, after, way, parent)


def _mapping_changes(before: Any, after: Any, way: Way) -> Iterator[FieldChange]:
    old = EMPTY_MAPPING if before is _ABSENT else before
    new = EMPTY_MAPPING if after is _ABSENT else after
    for key in new:
        yield from _changes(old.get(key, _ABSENT), new[key], (way, key), new)
    for key in old:
        if key not in new:
            yield from _changes(old[key], _ABSENT, (way, key), old)


def _sequence_changes(before: Any, after: Any, way: Way) -> Iterator[FieldChange]:
    old: Sequence[Any] = () if before is _ABSENT else before
    new: Sequence[Any] = () if after is _ABSENT else after
    for old_index, new_index in _aligned(old, new):
        if new_index is None:
            yield from _changes(old[old_index or 0], _ABSENT, (way, old_index or 0), before)
        else:
            yield from _changes(_ABSENT if old_index is None else old[old_index], new[new_index], (way, new_index), after)


def _aligned(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Which item has become which: by name where all have one, else those that are equal, else in their order."""
    left = {_key(item, position): index for index, (item, position) in enumerate(zip(old, _ordinals(old), strict=True))}
    pending: list[int] = []
    pairs: dict[int, int | None] = {}
    for index, (item, position) in enumerate(zip(new, _ordinals(new), strict=True)):
        match = left.pop(_key(item, position), None)
        if match is None:
            pending.append(index)
        pairs[index] = match
    # What is left on both sides, in its order: items that were changed in place, or given another name.
    rest = sorted(left.values())
    for index in pending if len(pending) == len(rest) else ():
        if isinstance(new[index], MappingNode | SequenceNode):
            pairs[index] = rest.pop(0)
    used = {match for match in pairs.values() if match is not None}
    yield from ((match, index) for index, match in pairs.items())
    yield from ((index, None) for index in range(len(old)) if index not in used)


def _ordinals(items: Sequence[Any]) -> Iterator[int]:
    """The number of each item among those of one key."""
    seen: dict[tuple[str, str], int] = {}
    for item in items:
        key = _key(item, 0)[:2]
        seen[key] = seen.get(key, -1) + 1
        yield seen[key]


def _key(item: Any, ordinal: int) -> tuple[str, str, int]:
    if isinstance(item, MappingNode):
        for name in _NAMES:
            value = item.get(name)
            if isinstance(value, str | int):
                return name, str(value), ordinal
    return "value", repr(item), ordinal


def _shown(value: Any, way: Way, parent: Any) -> str | None:
    if value is _ABSENT:
        return None
    text = _written(value)
    if value is None or isinstance(value, bool | MappingNode | SequenceNode):
        return text
    long = len(text) > _LONGEST or "\n" in text
    if long or _WITH_PASSWORD.search(text) or _ASSIGNED.search(text) or _is_private(_keys(way), parent):
        return REDACTED
    return text


def _is_private(keys: Sequence[str], parent: Any) -> bool:
    """Is what stands there as good as a value of a Secret? `keys` lead there, `parent` holds it."""
    key, above = ("", "", *keys)[-1], ("", "", *keys)[-2]
    siblings = parent if isinstance(parent, MappingNode) else EMPTY_MAPPING
    if "stringData" in keys or any(pair in _OF_SECRETS for pair in pairwise(keys)):
        return True
    if key in _TEXTS and key in siblings:
        return True
    if key == "value" and ("op" in siblings or "fake" in keys or _PRIVATE.search(str(siblings.get("name", above)))):
        return True  # of a patch, which may be one of a Secret; of a store for tests; of a variable
    if key == "secretKey" and ("remoteRef" in siblings or "sourceRef" in siblings):
        return False  # the name of a key of an ExternalSecret
    values = next((number for number, name in enumerate(keys) if name in ("values", "valuesObject")), len(keys))
    return key not in _NAMING and (bool(_PRIVATE.search(key)) or any(_PRIVATE.search(name) for name in keys[values:]))


def _keys(way: Way) -> tuple[str, ...]:
    """The keys that lead to a field. Which item of a list it is says nothing of it."""
    keys: list[str] = []
    while way is not None:
        way, step = way
        if isinstance(step, str):
            keys.append(step)
    return tuple(reversed(keys))


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
