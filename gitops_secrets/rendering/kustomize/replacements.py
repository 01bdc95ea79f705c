"""`replacements`: copies a value of one resource into fields of others."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, Hidden, Identity, NotFoundError, scalar_text, spend_size
from gitops_secrets.rendering.kustomize.fields import split_path
from gitops_secrets.rendering.kustomize.selector import read_pattern, read_selector
from gitops_secrets.syntax.budget import Budget
from gitops_secrets.syntax.yaml import parse, parse_scalar

DEFAULT_FIELD = "metadata.name"


class _Value(NamedTuple):
    """What is copied, and where it is written."""

    value: Any
    place: Place


class _Write(NamedTuple):
    """How a value goes into a field: whole, or as one of the parts between delimiters."""

    value: _Value
    create: bool
    delimiter: str
    position: int
    budget: Budget

    def into(self, old: Any, *, created: bool) -> Any:
        new = self.value.value
        spend_size(new, self.budget)
        if isinstance(old, MappingNode | SequenceNode):
            if self.delimiter:
                raise BuildError("a delimiter needs a plain value to split, the target is a mapping or list")
            return new
        if created and isinstance(new, MappingNode | SequenceNode):
            return new
        text = scalar_text(new)
        if self.delimiter:
            parts = scalar_text(old).split(self.delimiter)
            if self.position < 0:
                parts.insert(0, text)
            elif self.position >= len(parts):
                parts.append(text)
            else:
                parts[self.position] = text
            self.budget.spend_text(sum(map(len, parts)) + len(parts) * len(self.delimiter))
            text = self.delimiter.join(parts)
        # The field keeps its type; a new one has the type that its text looks like.
        return text if isinstance(old, str) else parse_scalar(text)


def replace(drafts: list[Draft], written: MappingNode, budget: Budget) -> None:
    """Does one replacement. Raises `BuildError` where the source or a field can't be found."""
    targets = as_sequence(written.get("targets"))
    source = written.get("source")
    if (source is None and written.get("sourceValue") is None) or written.get("targets") is None:
        raise BuildError("a replacement needs a source and at least one target", written.place())
    budget.spend((1 + len(targets)) * len(drafts))
    value = _source_value(drafts, written)
    for index, target in enumerate(targets):
        try:
            _replace_in_target(drafts, value, as_mapping(target), budget)
        except BuildError as error:
            raise BuildError(error.message, error.place or targets.place(index)) from error


def _source_value(drafts: list[Draft], written: MappingNode) -> _Value:
    source = written.get("source")
    if written.get("sourceValue") is not None:
        if source is not None:
            raise BuildError("a replacement has either a source or a sourceValue", written.place("sourceValue"))
        return _Value(scalar_text(written["sourceValue"]), written.place("sourceValue"))
    source = as_mapping(source)
    place = written.place("source")
    draft = _source_of(drafts, source, place)
    path = scalar_text(source.get("fieldPath")) or DEFAULT_FIELD
    found = _look_up(draft.node, field_path(path), place)
    if found is None or found.value is None or found.value in ({}, []):
        raise BuildError(f"the source {draft.identity} has no field {path}", source.place("fieldPath"))
    if isinstance(found.value, Hidden):
        found = found._replace(value="***")
    options = as_mapping(source.get("options"))
    delimiter = scalar_text(options.get("delimiter"))
    if not delimiter:
        return found
    if isinstance(found.value, MappingNode | SequenceNode):
        raise BuildError("a delimiter needs a plain value to split", place)
    parts = scalar_text(found.value).split(delimiter)
    index = options.get("index")
    index = index if isinstance(index, int) else 0
    if not 0 <= index < len(parts):
        raise BuildError(f"options.index {index} is outside of the {len(parts)} parts of the value", place)
    return found._replace(value=parts[index])


def _source_of(drafts: list[Draft], source: MappingNode, place: Place) -> Draft:
    group, version, kind, name, namespace = (scalar_text(source.get(field)) for field in ("group", "version", "kind", "name", "namespace"))
    wanted = Identity(group, version, kind, name, namespace)

    def is_meant(identity: Identity) -> bool:
        same_namespace = not namespace or wanted.effective_namespace == (identity.namespace or "default")
        return (not name or name == identity.name) and same_namespace and identity.is_selected(group, version, kind)

    found = [draft for draft in drafts if any(is_meant(identity) for identity in draft.identities)]
    if not found:
        raise NotFoundError(f"the source of a replacement is not there: {wanted}", place)
    if len(found) > 1:
        raise BuildError(f"the source of a replacement must be one resource, {wanted} could be {len(found)}", place)
    return found[0]


def _replace_in_target(drafts: list[Draft], value: _Value, target: MappingNode, budget: Budget) -> None:
    if target.get("select") is None:
        raise BuildError("a target must select resources", target.place())
    selector = read_selector(target["select"])
    rejected = [read_selector(reject) for reject in as_sequence(target.get("reject"))]
    for one in (selector, *rejected):
        for pattern in one[:5]:
            read_pattern(pattern)
    options = as_mapping(target.get("options"))
    index = options.get("index")
    write = _Write(value, options.get("create") is True, scalar_text(options.get("delimiter")), index if isinstance(index, int) else 0, budget)
    paths = as_sequence(target.get("fieldPaths"))
    for draft in drafts:
        if not selector.selects_metadata(draft.node):
            continue
        if any((one.labels or one.annotations) and one.selects_metadata(draft.node) for one in rejected):
            continue
        identities = [draft.identity, *draft.previous_identities]
        if any(not one.is_empty and any(one.selects_identity(identity) for identity in identities) for one in rejected):
            continue
        if not any(selector.selects_identity(identity) for identity in identities):
            continue
        for position, path in enumerate(paths or (DEFAULT_FIELD,)):
            try:
                draft.become(_written(draft.node, scalar_text(path), write), budget)
            except BuildError as error:
                raise BuildError(f"{draft.identity}: {error.message}", error.place or (paths.place(position) if paths else None)) from error


def _written(node: MappingNode, path: str, write: _Write) -> MappingNode:
    changed, count = _write_at(node, field_path(path), write)
    if not count:
        verb = "find or create" if write.create else "find"
        raise BuildError(f"unable to {verb} field {path!r} in the replacement target")
    return changed  # type: ignore[no-any-return]


def field_path(path: str) -> tuple[str, ...]:
    """The parts of a field path: dots between fields, `[name=value]` for items, `[a.b/c]` for keys with dots.

    >>> field_path("spec.containers.[name=a.b].image")
    ('spec', 'containers', '[name=a.b]', 'image')
    """
    pieces = list(split_path(path, "."))
    parts = []
    while pieces:
        piece = pieces.pop(0)
        if piece.startswith("[") and not piece.endswith("]"):
            joined = [piece]
            while pieces:
                joined.append(pieces.pop(0))
                if joined[-1].endswith("]"):
                    break
            piece = ".".join(joined)
            if "=" not in piece:
                piece = piece.strip("[]")
        parts.append(piece)
    return tuple(parts)


def _is_item(part: str) -> bool:
    return part.startswith("[") and part.endswith("]")


def _item_match(part: str) -> tuple[str, str]:
    name, equals, value = part[1:-1].partition("=")
    if not equals:
        raise BuildError(f"{part!r} must be [field=value]")
    return name, value


def _look_up(node: Any, path: tuple[str, ...], place: Place) -> _Value | None:
    found = _Value(node, place)
    for part in path:
        part = part.strip()
        if not part:
            continue
        node = found.value
        if _is_item(part) or part == "-" or part.lstrip("-").isdigit():
            found_item = _look_up_item(node, part)
            if found_item is None:
                return None
            found = found_item
        elif isinstance(node, MappingNode):
            if part not in node:
                return None
            found = _Value(node[part], node.place(part))
        elif node is None:
            return None
        else:
            raise BuildError(f"expected a mapping with a field {part!r}", place)
    return found


def _look_up_item(node: Any, part: str) -> _Value | None:
    if node is None:
        return None
    if not isinstance(node, SequenceNode):
        raise BuildError(f"expected a list to look up {part} in")
    if part == "-":
        return _Value(node[-1], node.place(len(node) - 1)) if node else None
    if not _is_item(part):
        index = int(part)
        return _Value(node[index], node.place(index)) if 0 <= index < len(node) else None
    name, value = _item_match(part)
    for index, item in enumerate(node):
        if scalar_text(item.get(name) if name and isinstance(item, MappingNode) else item) == value:
            return _Value(item, node.place(index))
    return None


def _write_at(node: Any, path: tuple[str, ...], write: _Write, *, created: bool = False) -> tuple[Any, int]:
    """`node` with the value written at `path`, and into how many fields."""
    if not path:
        return write.into(node, created=created), 1
    part = path[0]
    if part.isdigit():
        return _write_index(node, path, write)
    if _is_item(part):
        return _write_items(node, path, write)
    if part == "*":
        return _write_every(node, path, write)
    return _write_field(node, path, write)


def _new_container(path: tuple[str, ...], value: Any, place: Place) -> Any:
    """What to create for the rest of a path."""
    if not path:
        if isinstance(value, MappingNode):
            return MappingNode(place.file, place.line << 16)
        return SequenceNode(place.file, place.line << 16) if isinstance(value, SequenceNode) else None
    node = SequenceNode if _is_item(path[0]) or path[0].isdigit() else MappingNode
    return node(place.file, place.line << 16 | place.column)


def _write_field(node: Any, path: tuple[str, ...], write: _Write) -> tuple[Any, int]:
    if node is None:
        return node, 0
    if not isinstance(node, MappingNode):
        raise BuildError(f"expected a mapping with a field {path[0]!r}")
    part, rest = path[0], path[1:]
    created = part not in node
    if created and not write.create:
        return node, 0
    place = write.value.place
    old: Any = _new_container(rest, write.value.value, place) if created else node[part]
    new: Any
    if isinstance(old, str) and rest:
        new, count = _write_structured(old, rest, write)
    else:
        new, count = _write_at(old, rest, write, created=created)
    if not count:
        return node, 0
    copy = node.copy()
    if created or not isinstance(new, MappingNode | SequenceNode) or not rest:
        copy.put(part, new, place)
    else:
        copy[part] = new
    return copy, count


def _require_list(node: Any, part: str) -> SequenceNode:
    if node is None:
        return SequenceNode()
    if not isinstance(node, SequenceNode):
        raise BuildError(f"expected a list for {part!r}")
    return node


def _write_index(node: Any, path: tuple[str, ...], write: _Write) -> tuple[Any, int]:
    items = _require_list(node, path[0]).copy()
    index = int(path[0])
    created = index == len(items) and write.create
    if created:
        items.add(_new_container(path[1:], write.value.value, write.value.place), write.value.place)
    if index >= len(items):
        raise BuildError(f"index {index} is outside of a list of {len(items)}")
    items[index], count = _write_at(items[index], path[1:], write, created=created)
    return items, count


def _write_every(node: Any, path: tuple[str, ...], write: _Write) -> tuple[Any, int]:
    items = _require_list(node, path[0]).copy()
    total = 0
    for index, item in enumerate(items):
        items[index], count = _write_at(item, path[1:], write)
        total += count
    return items, total


def _write_items(node: Any, path: tuple[str, ...], write: _Write) -> tuple[Any, int]:
    name, value = _item_match(path[0])
    items = _require_list(node, path[0]).copy()
    pattern = read_pattern(value)

    def write_all() -> int:
        total = 0
        for index, item in enumerate(items):
            if name and not (isinstance(item, MappingNode) and name in item and pattern.finds(scalar_text(item[name]))):
                continue
            if not name and not pattern.finds(scalar_text(item)):
                continue
            items[index], count = _write_at(item, path[1:] if name else (), write)
            total += count
        return total

    total = write_all()
    if not total and write.create:
        place = write.value.place
        if name:
            item = MappingNode(place.file, place.line << 16 | place.column)
            item.put(name, parse_scalar(value), place)
            items.add(item, place)
        else:
            items.add(parse_scalar(value), place)
        total = write_all()
    return items, total


def _write_structured(text: str, path: tuple[str, ...], write: _Write) -> tuple[str, int]:
    """Writes into JSON or YAML that is itself a text, in a ConfigMap say. What delimiters there are is ignored, as in kustomize."""
    write.budget.spend_text(len(text))
    parsed = parse(text, "", write.budget.limits)
    if parsed.problems or not parsed.documents:
        raise BuildError("the text on the way to the field is no YAML")
    document = parsed.documents[0]
    whole = write._replace(delimiter="")
    changed, count = _write_at(document, path, whole)
    if not count:
        return text, 0
    if text.lstrip()[:1] in ("{", "["):
        pretty = "\n" in text and "  " in text
        return _go_json(changed, pretty), count
    return _spliced(text, document, changed), count


def _go_json(value: Any, pretty: bool) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2 if pretty else None, separators=None if pretty else (",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


_PLAIN_VALUE = re.compile(r"""(\s*:\s*|\s*-\s+)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#][^#\n]*?)(\s*(?:#.*)?)\Z""")


def _spliced(text: str, before: Any, after: Any) -> str:
    """YAML text with the plain values replaced that differ between two versions of its document."""
    lines = text.split("\n")
    for mark, key, value in _differences(before, after):
        line = lines[(mark >> 16) - 1]
        start = (mark & 0xFFFF) - 1 + len(key)
        match = _PLAIN_VALUE.match(line, start)
        if match is None:
            raise BuildError("the YAML inside of the text is not supported here: only plain values on one line can be replaced")
        lines[(mark >> 16) - 1] = line[:start] + match[1] + scalar_text(value) + match[3]
    return "\n".join(lines).strip()


def _differences(before: Any, after: Any) -> list[tuple[int, str, Any]]:
    if isinstance(before, MappingNode) and isinstance(after, MappingNode):
        found = []
        for key, value in after.items():
            if key not in before:
                raise BuildError("fields can't be created in YAML inside of a text")
            if isinstance(value, MappingNode | SequenceNode):
                found += _differences(before[key], value)
            elif value is not before[key]:
                mark = before.marks[key]
                found.append((mark if isinstance(mark, int) else 0, key, value))
        return found
    if isinstance(before, SequenceNode) and isinstance(after, SequenceNode) and len(before) == len(after):
        return [found for old, new in zip(before, after, strict=True) if old is not new for found in _differences(old, new)]
    raise BuildError("a list inside of a text can't be changed so")
