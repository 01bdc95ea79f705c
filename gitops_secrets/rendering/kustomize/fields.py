"""Field specs: the places of a kind that a transformer writes, and edits along their paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Mark, Place, SequenceNode, unpack
from gitops_secrets.rendering.kustomize.draft import BuildError, Identity
from gitops_secrets.syntax.budget import ENTRY, Budget

# What an edit puts in place of a value. Gets what is there (None where it has just been created) and returns the new value.
Change = Callable[[Any], Any]
Created = Literal["mapping", "scalar"] | None


class FieldSpec(NamedTuple):
    """Where in which kinds. An empty group, version or kind means any; `create` makes what is missing on the way."""

    path: str
    kind: str = ""
    group: str = ""
    version: str = ""
    create: bool = False

    def selects(self, identity: Identity) -> bool:
        """Does it apply to resources of this kind?"""
        return identity.is_selected(self.group, self.version, self.kind)


class NameReference(NamedTuple):
    """Which fields hold the names of objects of a kind."""

    group: str
    version: str
    kind: str
    fields: tuple[FieldSpec, ...]


MAX_PATH = 4096  # no object is that deep: `--limit yaml-depth` goes to 1000


@cache
def split_path(path: str, delimiter: str = "/") -> tuple[str, ...]:
    r"""The parts of a path; a backslash before the delimiter makes it part of a name.

    >>> split_path(r"metadata/annotations/example.com\/a")
    ('metadata', 'annotations', 'example.com/a')
    """
    if len(path) > MAX_PATH:
        raise BuildError(f"a path of more than {MAX_PATH} characters")
    pieces = path.split(delimiter)
    if len(pieces) > 1 and not pieces[0]:
        pieces = pieces[1:]
    parts = [pieces[0]]
    for piece in pieces[1:]:
        if parts[-1].endswith("\\"):
            parts[-1] = parts[-1][:-1] + delimiter + piece
        else:
            parts.append(piece)
    return tuple(parts)


def merge_specs(specs: tuple[FieldSpec, ...], incoming: Iterable[FieldSpec]) -> tuple[FieldSpec, ...]:
    """Both lists; an incoming spec that an existing one stands for is left out. Raises `BuildError` for a conflict."""
    merged = list(specs)
    for spec in incoming:
        known = next((one for one in merged if one.path == spec.path and _is_covered(one, spec)), None)
        if known is None:
            merged.append(spec)
        elif known.create != spec.create:
            raise BuildError(f"conflicting field specs for {spec.path}: one creates the field, the other doesn't")
    return tuple(merged)


def _is_covered(known: FieldSpec, incoming: FieldSpec) -> bool:
    pairs = ((known.group, incoming.group), (known.version, incoming.version), (known.kind, incoming.kind))
    return all(not wanted or wanted == has for has, wanted in pairs)


def merge_references(references: tuple[NameReference, ...], incoming: Iterable[NameReference]) -> tuple[NameReference, ...]:
    """Both lists, the fields of one kind of object joined."""
    merged = {(one.group, one.version, one.kind): one for one in references}
    for reference in incoming:
        key = (reference.group, reference.version, reference.kind)
        known = merged.get(key)
        merged[key] = reference if known is None else known._replace(fields=merge_specs(known.fields, reference.fields))
    return tuple(merged.values())


def edit_all(node: MappingNode, identity: Identity, specs: Iterable[FieldSpec], change: Change, place: Place, create: Created = None) -> MappingNode:
    """`node` with `change` made at every spec that selects it; the node itself where nothing changed."""
    for spec in specs:
        if spec.selects(identity):
            node = edit(node, split_path(spec.path), change, place, create if spec.create else None)
    return node


def edit(node: Any, path: tuple[str, ...], change: Change, place: Mark | None, create: Created = None) -> Any:
    """`node` with `change` made at the end of `path`, copying only what lies on the way; the node itself where nothing changed.

    Lists on the way are gone through; a part `name[]` is a list for sure. Scalars that were changed get `place` (None: keep the place they have); what is
    created on the way gets it too. Raises `BuildError` where a scalar stands in the way.
    """
    if not path:
        return change(node)
    if node is None:
        return None
    if isinstance(node, SequenceNode):
        return _edit_items(node, path, change, place, create)
    if not isinstance(node, MappingNode):
        raise BuildError(f"expected a list or mapping on the way to {'/'.join(path)}, found a plain value")
    part = path[0]
    is_list = part.endswith("[]")
    name = part[:-2] if is_list else part
    if not name:
        raise BuildError("a field path has an empty field name")
    created: Created = None if is_list else create
    if name not in node:
        if created is None:
            return node
        return _with(node, name, _create(node, path, change, place, create), place, is_new=True)
    value = node[name]
    if value is None:
        if is_list:
            value = _empty_list(node, name)
        elif created is not None:
            return _with(node, name, _create(node, path, change, place, create), place, is_new=False)
    changed = edit(value, path[1:], change, place, create)
    return node if changed is node[name] else _with(node, name, changed, place, is_new=False)


def _edit_items(node: SequenceNode, path: tuple[str, ...], change: Change, place: Mark | None, create: Created) -> SequenceNode:
    copy: SequenceNode | None = None
    for index, item in enumerate(node):
        changed = edit(item, path, change, place, create)
        if changed is not item:
            if copy is None:
                copy = node.copy()
            copy[index] = changed
    return node if copy is None else copy


def _create(node: MappingNode, path: tuple[str, ...], change: Change, place: Mark | None, create: Created) -> Any:
    if len(path) == 1 and create == "scalar":
        return change(None)
    mapping = MappingNode(node.file, node.mark)
    if place is not None:
        mapping.file, mapping.mark = _home(node, place)
    return edit(mapping, path[1:], change, place, create) if len(path) > 1 else change(mapping)


def _home(node: MappingNode, place: Mark) -> tuple[str, int]:
    known = unpack(node.file, place)
    return known.file, known.line << 16 | known.column


def _empty_list(node: MappingNode, name: str) -> SequenceNode:
    at = node.place(name)
    return SequenceNode(at.file, at.line << 16 | at.column)


def _with(node: MappingNode, name: str, value: Any, place: Mark | None, is_new: bool) -> MappingNode:
    copy = node.copy()
    is_scalar = not isinstance(value, MappingNode | SequenceNode)
    if place is not None and (is_new or is_scalar):
        copy.put(name, value, place)
    else:
        copy[name] = value
    return copy


def replace_scalar(value: Any) -> Change:
    """A change that sets a scalar. Raises `BuildError` at a mapping or list."""

    def change(old: Any) -> Any:
        if isinstance(old, MappingNode | SequenceNode):
            raise BuildError(f"expected a plain value, found a {'mapping' if isinstance(old, MappingNode) else 'list'}")
        return value

    return change


def set_entries(entries: Iterable[tuple[str, Any, Place]], budget: Budget) -> Change:
    """A change that sets keys of a mapping. Raises `BuildError` at anything but a mapping."""
    wanted = tuple(entries)

    def change(old: Any) -> Any:
        if old is not None and not isinstance(old, MappingNode):
            raise BuildError("expected a mapping, found something else")
        budget.spend(ENTRY * len(wanted))
        copy = MappingNode() if old is None else old.copy()
        for key, value, place in wanted:
            copy.put(key, value, place)
        return copy

    return change
