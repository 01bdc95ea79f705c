"""JSON patches (RFC 6902) as kustomize applies them (evanphx/json-patch v4): negative indices count from the end."""

from __future__ import annotations

from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode
from gitops_secrets.rendering.kustomize.draft import BuildError, Hidden, OtherStateError, scalar_text, spend_size
from gitops_secrets.syntax.budget import Budget

OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


class Operation(NamedTuple):
    """One step of a patch. `place` is that of the item, `value_place` that of its value."""

    kind: str
    path: tuple[str, ...]
    written: str
    source: tuple[str, ...]
    value: Any
    place: Place
    value_place: Place


def read_operations(document: Any) -> tuple[Operation, ...]:
    """The steps that a list stands for. Raises `BuildError` for what is no JSON patch."""
    if not isinstance(document, SequenceNode):
        raise BuildError("not a JSON patch: expected a list of operations")
    return tuple(_read_operation(item, document.place(index)) for index, item in enumerate(document))


def _read_operation(item: Any, place: Place) -> Operation:
    if not isinstance(item, MappingNode):
        raise BuildError("not a JSON patch: an operation is a mapping with op and path", place)
    kind, path, source = item.get("op"), item.get("path"), item.get("from")
    if kind not in OPERATIONS:
        raise BuildError(f"unexpected op {scalar_text(kind)!r}: one of {', '.join(OPERATIONS)}", place)
    if not isinstance(path, str):
        raise BuildError(f"the path of op {kind} is missing", place)
    if kind in ("move", "copy") and not isinstance(source, str):
        raise BuildError(f"op {kind} needs from", place)
    if kind in ("add", "replace") and "value" not in item:
        raise BuildError(f"op {kind} needs a value", place)
    return Operation(kind, _pointer(path), path, _pointer(source if isinstance(source, str) else ""), item.get("value"), place, item.place("value"))


def _pointer(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts[1:])


def apply_operations(resource: MappingNode, operations: tuple[Operation, ...], budget: Budget) -> MappingNode:
    """`resource` after all steps. Raises `BuildError`, with the place of the step, where one doesn't apply."""
    result: Any = resource
    for operation in operations:
        try:
            result = _apply(result, operation, budget)
        except BuildError as error:
            raise type(error)(f"{operation.kind} {operation.written}: {error.message}", operation.place) from error
    if not isinstance(result, MappingNode):
        raise BuildError("the patch leaves no object")
    return result


def _apply(document: Any, operation: Operation, budget: Budget) -> Any:
    path, value, place = operation.path, operation.value, operation.value_place
    if operation.kind == "add":
        return _add(document, path, value, place, budget)
    if operation.kind == "remove":
        return _remove(document, path, budget)[0]
    if operation.kind == "replace":
        return _replace(document, path, value, place, budget)
    if operation.kind == "test":
        if not _equal(_look_up(document, path), value):
            raise OtherStateError("the test failed: the value is another one")
        return document
    if operation.kind == "move":
        document, moved = _remove(document, operation.source, budget)
        return _add(document, path, moved, operation.place, budget)
    copied = _look_up(document, operation.source)
    spend_size(copied, budget)
    return _add(document, path, copied, operation.place, budget)


def _parent(path: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    if not path:
        raise BuildError("the path names no field")
    return path[:-1], path[-1]


def _update(node: Any, path: tuple[str, ...], change: Any, budget: Budget) -> Any:
    """`node` with the container at `path` replaced by what `change` makes of it, copying what lies on the way."""
    if isinstance(node, MappingNode | SequenceNode):
        budget.spend(1 + len(node))
    if not path:
        if not isinstance(node, MappingNode | SequenceNode):
            raise OtherStateError("what lies above it is not there")
        return change(node.copy())
    key = path[0]
    if isinstance(node, MappingNode) and key in node:
        changed = _update(node[key], path[1:], change, budget)
        copy = node.copy()
        copy[key] = changed
        return copy
    if isinstance(node, SequenceNode):
        index = _index(node, key)
        changed = _update(node[index], path[1:], change, budget)
        items = node.copy()
        items[index] = changed
        return items
    raise OtherStateError("what lies above it is not there")


def _index(node: SequenceNode, key: str) -> int:
    index = _number(key)
    if not -len(node) <= index < len(node):
        raise OtherStateError(f"index {key} is outside of the list")
    return index + len(node) if index < 0 else index


def _number(key: str) -> int:
    try:
        return int(key)
    except ValueError:
        raise BuildError(f"{key!r} is no index of a list") from None


def _add(document: Any, path: tuple[str, ...], value: Any, place: Place, budget: Budget) -> Any:
    above, key = _parent(path)

    def change(node: Any) -> Any:
        if isinstance(node, MappingNode):
            node.put(key, value, place)
        elif key == "-":
            node.add(value, place)
        else:
            index = _number(key)
            if not -len(node) - 1 <= index <= len(node):
                raise OtherStateError(f"index {key} is outside of the list")
            position = index + len(node) + 1 if index < 0 else index
            node.insert(position, value)
            node.marks.insert(position, place)
        return node

    return _update(document, above, change, budget)


def _remove(document: Any, path: tuple[str, ...], budget: Budget) -> tuple[Any, Any]:
    above, key = _parent(path)
    removed: list[Any] = []

    def change(node: Any) -> Any:
        if isinstance(node, MappingNode):
            if key not in node:
                raise OtherStateError("there is no such field to remove")
            removed.append(node[key])
            node.remove(key)
        else:
            index = _index(node, key)
            removed.append(node.pop(index))
            node.marks.pop(index)
        return node

    return _update(document, above, change, budget), removed[0]


def _replace(document: Any, path: tuple[str, ...], value: Any, place: Place, budget: Budget) -> Any:
    if not path:
        return value
    above, key = _parent(path)

    def change(node: Any) -> Any:
        if isinstance(node, MappingNode):
            node.put(key, value, place)  # that it must be there, as RFC 6902 says, json-patch v4 checks in lists only
        else:
            index = _index(node, key)
            node[index] = value
            node.marks[index] = place
        return node

    return _update(document, above, change, budget)


def _look_up(document: Any, path: tuple[str, ...]) -> Any:
    node = document
    for position, key in enumerate(path):
        if isinstance(node, MappingNode):
            if key not in node and position < len(path) - 1:
                raise OtherStateError("there is no such field")
            node = node.get(key)
        elif isinstance(node, SequenceNode):
            node = node[_index(node, key)]
        else:
            raise OtherStateError("there is no such field")
    return node


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Hidden) or isinstance(other, Hidden):
        return False
    if isinstance(one, MappingNode) and isinstance(other, MappingNode):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, SequenceNode) and isinstance(other, SequenceNode):
        return len(one) == len(other) and all(_equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))
    return (isinstance(one, bool) == isinstance(other, bool)) and bool(one == other)
