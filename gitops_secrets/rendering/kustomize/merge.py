"""Strategic merge as kustomize does it (kyaml 0.21.1, yaml/merge2 and yaml/walk), its quirks included.

A patch is laid over a resource: mappings are merged key by key, null removes, lists are replaced unless the schema of the kind names merge keys, and
`$patch` directives delete or replace. Everything that comes from the patch keeps the marks of the patch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Mark, Place, SequenceNode, unpack
from gitops_secrets.rendering.kustomize.draft import BuildError, scalar_text
from gitops_secrets.rendering.kustomize.schema import Field, FieldTypes, Schema
from gitops_secrets.syntax.budget import Budget

DIRECTIVE = "$patch"


class _Missing:
    """Stands for a value that is not there, which differs from null."""


MISSING = _Missing()


class Walk(NamedTuple):
    """What is asked on the way through both sides, and what the way may cost."""

    # Is the null at a key of a mapping written out (`null` or `~`), and so kept by a merge? One that is left empty goes.
    is_written: Callable[[MappingNode, str], bool]
    budget: Budget


def merge(resource: MappingNode, patch: MappingNode, schema: Schema, walk: Walk) -> MappingNode | None:
    """`resource` with `patch` laid over it; None if the patch deletes it. Raises `BuildError` for types that don't fit and unknown directives."""
    types = schema.type_of(scalar_text(resource.get("apiVersion")), scalar_text(resource.get("kind")))
    merged = _merge_mapping(resource, patch, types, walk)
    return merged if isinstance(merged, MappingNode) else None


def _merge_value(old: Any, new: Any, field: Field, walk: Walk) -> Any:
    """What becomes of a field; MISSING if it goes. `old` or `new` is MISSING where only one side has it."""
    first = new if old is MISSING or old is None else old
    if first is MISSING or first is None:
        return _merge_nothing(old, new)
    if isinstance(first, MappingNode):
        _expect(new, MappingNode, "a mapping")
        return _merge_mapping(old, new, field.type, walk)
    if isinstance(first, SequenceNode):
        _expect(new, SequenceNode, "a list")
        if field.keys is not None:
            return _merge_list(old, new, field.type, field.keys, walk)
    elif isinstance(new, MappingNode | SequenceNode):
        raise BuildError("the patch has a mapping or list where the resource has a plain value")
    result = old if new is MISSING else new
    return MISSING if result is None else result


def _expect(new: Any, wanted: type, words: str) -> None:
    if new is not MISSING and new is not None and not isinstance(new, wanted):
        raise BuildError(f"the resource has {words} where the patch has something else")


def _merge_nothing(old: Any, new: Any) -> Any:
    # A null of the resource stays if the patch doesn't speak of it; one in the patch removes.
    return old if new is MISSING else MISSING


def _merge_mapping(old: Any, new: Any, types: FieldTypes | None, walk: Walk) -> Any:
    if new is MISSING and types is None:
        return _without_empty(old, walk)
    directive = "merge"
    if isinstance(new, MappingNode):
        directive = _directive(new.get(DIRECTIVE))
        if DIRECTIVE in new:
            elided = new.copy()
            elided.remove(DIRECTIVE)
            if old is new:
                old = elided
            new = elided
    if directive == "delete":
        return MISSING
    if old is MISSING or old is None:
        old = new
    elif new is None:
        return MISSING
    elif directive == "replace":
        old = new
    return _merge_fields(old, new, types, walk)


def _without_empty(node: MappingNode, walk: Walk) -> MappingNode:
    """`node` as a merge leaves what the patch doesn't speak of: keys without a value go, those in lists stay."""
    walk.budget.spend(len(node))
    result: MappingNode | None = None
    for key, value in node.items():
        if value is None:
            if not walk.is_written(node, key):
                result = result or node.copy()
                result.remove(key)
        elif isinstance(value, MappingNode):
            changed = _without_empty(value, walk)
            if changed is not value:
                result = result or node.copy()
                result[key] = changed
    return node if result is None else result


def _merge_fields(old: MappingNode, new: Any, types: FieldTypes | None, walk: Walk) -> MappingNode:
    result: MappingNode | None = None
    additions = new if isinstance(new, MappingNode) else MappingNode()
    keys = list(old) if new is old else [*old, *(key for key in additions if key not in old)]
    walk.budget.spend(len(keys))
    for key in keys:
        before = old.get(key, MISSING)
        after = additions.get(key, MISSING)
        field = (types.get(key) if types is not None else None) or _PLAIN
        if before is None and after is MISSING and not walk.is_written(old, key):
            merged = MISSING
        elif after is MISSING and field is _PLAIN and not isinstance(before, MappingNode):
            continue
        else:
            merged = _merge_value(before, after, field, walk)
        if merged is before:
            continue
        if result is None:
            result = old.copy()
        if merged is MISSING:
            result.remove(key)
        else:
            result.put(key, merged, _mark(old, additions, key, after, merged))
    return old if result is None else result


_PLAIN = Field()


def _mark(old: MappingNode, new: MappingNode, key: str, after: Any, merged: Any) -> Mark:
    if key in new and (key not in old or merged is after or not isinstance(merged, MappingNode | SequenceNode)):
        return new.place(key)
    return old.marks.get(key, old.mark)


def _directive(value: Any) -> str:
    if value is None:
        return "merge"
    text = scalar_text(value)
    if text not in ("merge", "replace", "delete"):
        raise BuildError(f"unknown patch strategy {text!r}: $patch is merge, replace or delete")
    return text


# Lists whose items are merged by keys. An entry is an item with its place; the empty key stands for the item itself.
_Entry = tuple[Any, Place]


def _merge_list(old: Any, new: Any, types: FieldTypes | None, keys: tuple[str, ...], walk: Walk) -> Any:
    directive = "merge"
    if old is MISSING or old is None:
        old = new  # with its directive: kustomize looks for one only where there is a list to merge with
    elif isinstance(new, SequenceNode):
        directive, elided = _list_directive(new)
        if old is new:
            old = elided
        new = elided
    if new is None or directive == "delete":
        return MISSING
    if directive == "replace":
        old = new
    if not isinstance(old, SequenceNode):
        return MISSING
    before = _entries(old)
    after = before if new is old else _entries(new) if isinstance(new, SequenceNode) else None
    if keys:
        values = _distinct([*_key_values(after, keys), *_key_values(before, keys)])
    else:
        keys = ("",)
        values = _distinct([(scalar_text(item),) for item, _ in [*(after or []), *before]])
    merged = _merge_entries(before, after, Field(types), keys, values, walk)
    return _list_of(old, merged)


def _list_directive(patch: SequenceNode) -> tuple[str, SequenceNode]:
    """What a list with an item that is nothing but a directive asks for, and the list without it."""
    item = next((item for item in patch if isinstance(item, MappingNode) and DIRECTIVE in item), None)
    if item is None or len(item) > 1 or item[DIRECTIVE] is None:
        return "merge", patch
    text = scalar_text(item[DIRECTIVE])
    directive = _directive(item[DIRECTIVE])
    return directive, _list_of(patch, _set_entry(_entries(patch), None, (DIRECTIVE,), (text,)))


def _entries(node: SequenceNode) -> list[_Entry]:
    return [(item, node.place(index)) for index, item in enumerate(node)]


def _list_of(model: SequenceNode, entries: list[_Entry]) -> SequenceNode:
    if len(entries) == len(model) and all(entry[0] is item for entry, item in zip(entries, model, strict=True)):
        return model
    node = SequenceNode(model.file, model.mark)
    for item, place in entries:
        node.add(item, place if place.file != model.file else place.line << 16 | place.column)
    return node


def _key_values(entries: list[_Entry] | None, keys: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(scalar_text(item.get(key)) if isinstance(item, MappingNode) else "" for key in keys) for item, _ in entries or ()]


def _distinct(values: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(values))


def _unify(values: list[tuple[str, ...]]) -> None:
    """Makes one of key values of which one lacks what the other has: a port without protocol is the one with it."""
    for index in range(len(values)):
        mine = values[index]
        for other in range(len(values)):
            theirs = values[other]
            if not any(one == two for one, two in zip(mine, theirs, strict=True)):
                continue
            if any(one and two and one != two for one, two in zip(mine, theirs, strict=True)):
                continue
            values[index] = values[other] = tuple(one or two for one, two in zip(mine, theirs, strict=True))


def _valid_keys(all_values: list[tuple[str, ...]], values: tuple[str, ...], keys: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that some item has, with their values in this one."""
    used = {key for row in all_values for key, value in zip(keys, row, strict=False) if value}
    if not used:
        return keys, values
    kept = [(key, value) for key, value in zip(keys, values, strict=True) if key in used]
    return tuple(key for key, _ in kept), tuple(value for _, value in kept)


def _merge_entries(
    before: list[_Entry],
    after: list[_Entry] | None,
    item_field: Field,
    keys: tuple[str, ...],
    all_values: list[tuple[str, ...]],
    walk: Walk,
) -> list[_Entry]:
    """Merges item by item: those of the patch first, in its order, then what only the resource has."""
    if len(keys) > 1:
        _unify(all_values)
    merged: list[_Entry] = []
    valid_keys = keys
    same = after is before
    # Every item is looked for among all others.
    walk.budget.spend(len(all_values) * (len(all_values) + len(before)) // 4)
    for values in all_values:
        valid_keys, valid_values = _valid_keys(all_values, values, keys)
        index = _find(before, valid_keys, valid_values)
        patch_index = _find(after, valid_keys, valid_values) if after is not None else None
        old = MISSING if index is None else before[index][0]
        new = MISSING if patch_index is None or after is None else after[patch_index][0]
        item = _merge_value(old, new, item_field, walk)
        if item is MISSING or item is None or (isinstance(item, MappingNode) and not item):
            before = _set_entry(before, None, valid_keys, valid_values)
            if same:
                after = before
            continue
        item = _with_keys(item, valid_keys, valid_values)
        place = before[index][1] if index is not None and not (same or _is_from(item, new)) else _place_of(after, patch_index, before, index)
        if index is not None and old is not MISSING and (same or not _is_replacement(new)):
            before[index] = (item, place)  # kustomize merges into the item itself
        merged = _set_entry(merged, (item, place), valid_keys, valid_values)
    return _append_entries(merged, before, valid_keys) if all_values else before


def _is_from(item: Any, new: Any) -> bool:
    return item is new or (not isinstance(item, MappingNode | SequenceNode) and new is not MISSING)


def _is_replacement(new: Any) -> bool:
    return isinstance(new, MappingNode) and scalar_text(new.get(DIRECTIVE)) == "replace"


def _place_of(after: list[_Entry] | None, patch_index: int | None, before: list[_Entry], index: int | None) -> Place:
    if after is not None and patch_index is not None:
        return after[patch_index][1]
    return before[index][1] if index is not None else Place("", 1, 1)


def _with_keys(item: Any, keys: tuple[str, ...], values: tuple[str, ...]) -> Any:
    if not isinstance(item, MappingNode):
        return item
    lacking = [(key, value) for key, value in zip(keys, values, strict=True) if key not in item and value]
    if not lacking:
        return item
    copy = item.copy()
    for key, value in lacking:
        copy.put(key, value, unpack(item.file, item.mark))
    return copy


def _find(entries: list[_Entry] | None, keys: tuple[str, ...], values: tuple[str, ...]) -> int | None:
    """The first item that has these values, of the keys that are given a value."""
    keys, values = _valid_keys([values], values, keys)
    for index, (item, _) in enumerate(entries or ()):
        if not keys[0]:
            if scalar_text(item) == values[0]:
                return index
        elif isinstance(item, MappingNode) and all(key in item and scalar_text(item[key]) == value for key, value in zip(keys, values, strict=True)):
            return index
    return None


def _set_entry(entries: list[_Entry], entry: _Entry | None, keys: tuple[str, ...], values: tuple[str, ...]) -> list[_Entry]:
    """`entries` with `entry` in place of every item that has these values, or at the end; without such items for None."""
    result: list[_Entry] = []
    found = False
    for known in entries:
        item = known[0]
        if item is None or (isinstance(item, MappingNode) and not item):
            continue
        if not isinstance(item, MappingNode) and keys[0] and values and values[0]:
            result.append(known)
            continue
        if not _has_values(item, keys, values):
            if values:
                result.append(known)
            continue
        found = True
        if entry is not None:
            result.append(entry)
    if entry is not None and entry[0] is not None and not found:
        result.append(entry)
    return result


def _has_values(item: Any, keys: tuple[str, ...], values: tuple[str, ...]) -> bool:
    has = False
    for index, key in enumerate(keys):
        if index < len(values):
            value = values[index]
            if not key:
                if isinstance(item, MappingNode | SequenceNode):
                    raise BuildError("expected a list of plain values, found a mapping or list in it")
                has = scalar_text(item) == value
            elif not isinstance(item, MappingNode):
                raise BuildError("expected a list of mappings, found a plain value or list in it")
            else:
                has = key in item and (not value or scalar_text(item[key]) == value)
        if not has:
            return False
    return has


def _append_entries(merged: list[_Entry], entries: list[_Entry], keys: tuple[str, ...]) -> list[_Entry]:
    for entry in entries:
        item = entry[0]
        if not keys[0]:
            merged = _set_entry(merged, entry, ("",), (scalar_text(item),))
            continue
        values = []
        for key in keys:
            if item is not None and not isinstance(item, MappingNode):
                raise BuildError("expected a list of mappings, found a plain value or list in it")
            if item is None or key not in item:
                merged.append(entry)
            else:
                values.append(scalar_text(item[key]))
        if len(keys) > 1:
            merged = _set_entry(merged, None, keys, tuple(values))
        merged = _set_entry(merged, entry, keys, tuple(values))
    return merged
