"""Generated manifests to file changes: what people wrote beside the generated fields stays, byte for byte."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from gitops_secrets.generate.changes import FileChange, Form
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.spans import UneditableError, YamlText
from gitops_secrets.syntax.splice import add_key, add_sequence_items, apply_edits, remove_item, remove_key, set_scalar
from gitops_secrets.syntax.yaml import parse


def manifest_change(path: str, before: str | None, manifest: Mapping[str, Any], form: Form, limits: Limits) -> FileChange:
    """The file of one object with its generated fields brought up to date.

    Raises `UneditableError` for a file that holds something else, or can't be edited without changing more than that.
    """
    if before is None or not before.strip():
        return FileChange(path, before, form.header + dump(manifest))
    index = _index_of(before, path, manifest["metadata"]["name"], form, limits)
    text = before
    for field in form.fields:
        text = _updated(text, path, index, field, _value_at(manifest, field), limits)
    return FileChange(path, before, text)


def _value_at(manifest: Mapping[str, Any], field: tuple[str, ...]) -> Any:
    value: Any = manifest
    for part in field:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _index_of(text: str, path: str, name: str, form: Form, limits: Limits) -> int:
    """The document that is the object called `name`."""
    for index, document in enumerate(YamlText(text, limits).documents):
        node = as_mapping(document)
        if (
            as_text(node.get("apiVersion")).startswith(f"{form.group}/")
            and node.get("kind") == form.kind
            and as_mapping(node.get("metadata")).get("name") == name
        ):
            return index
    raise UneditableError(f"it does not hold the {form.kind} {name} that belongs there")


def _updated(text: str, path: str, index: int, field: tuple[str, ...], wanted: Any, limits: Limits) -> str:
    """The text with a field as wanted, None for no such field; of a list only the entries that differ are touched, and their order is left as it is."""
    source = YamlText(text, limits)
    parent = source.documents[index]
    for part in field[:-1]:
        parent = as_mapping(as_mapping(parent).get(part))
    current = as_mapping(parent).get(field[-1])
    if wanted is None:
        return apply_edits(text, remove_key(source, path, index, field)) if field[-1] in as_mapping(parent) else text
    if isinstance(wanted, Mapping) and isinstance(current, Mapping):
        for key in dict.fromkeys([*wanted, *current]):
            text = _updated(text, path, index, (*field, key), wanted.get(key), limits)
        return text
    if isinstance(wanted, list) and isinstance(current, list):
        added = [entry for entry in wanted if entry not in current]
        text = apply_edits(text, add_sequence_items(source, path, index, field, added))
        for number in reversed(range(len(current))):
            if current[number] not in wanted:
                text = apply_edits(text, remove_item(YamlText(text, limits), path, index, (*field, number)))
        return text
    if current is None or isinstance(wanted, Mapping | list) or isinstance(current, Mapping | list):
        text = _updated(text, path, index, field, None, limits)
        return apply_edits(text, add_key(YamlText(text, limits), path, index, field[:-1], field[-1], wanted))
    return text if current == wanted else apply_edits(text, set_scalar(source, path, index, field, wanted))


def listing_change(path: str, before: str | None, names: Sequence[str], removed: Collection[str], limits: Limits) -> FileChange:
    """The kustomization that lists the files: those of `names` added, those `removed` taken out; entries that people added stay.

    Raises `UneditableError` as `manifest_change` does.
    """
    if before is None or not before.strip():
        return FileChange(path, before, dump(kustomization_of(names)))
    text = before
    listed = [posixpath.normpath(entry) if isinstance(entry, str) else "" for entry in as_sequence(_first(text, path, limits).get("resources"))]
    for index in reversed(range(len(listed))):
        if listed[index] in removed:
            text = apply_edits(text, remove_item(YamlText(text, limits), path, 0, ("resources", index)))
    missing = [f"{name}.yaml" for name in names if f"{name}.yaml" not in listed]
    return FileChange(path, before, apply_edits(text, add_sequence_items(YamlText(text, limits), path, 0, ("resources",), missing)))


def entries_change(
    path: str,
    before: str,
    entries: Mapping[str, tuple[Sequence[Any], Collection[str]]],
    *,
    namespace: tuple[str | None, str | None],
    limits: Limits,
) -> FileChange:
    """A kustomization with some entries of its lists added and others, by their path, taken out; the namespace only if it is still the first of the two.

    Raises `UneditableError` as `manifest_change` does.
    """
    text = before
    for field, (added, removed) in entries.items():
        listed = [_path_of(entry) for entry in as_sequence(_first(text, path, limits).get(field))]
        for index in reversed(range(len(listed))):
            if listed[index] in removed:
                text = apply_edits(text, remove_item(YamlText(text, limits), path, 0, (field, index)))
        text = apply_edits(text, add_sequence_items(YamlText(text, limits), path, 0, (field,), [entry for entry in added if _path_of(entry) not in listed]))
    last, wanted = namespace
    if last != wanted and _first(text, path, limits).get("namespace") == last:
        text = _updated(text, path, 0, ("namespace",), wanted, limits)
    return FileChange(path, before, text)


def _path_of(entry: Any) -> str:
    """What an entry of a kustomization names: itself, or its `path`."""
    named = as_text(entry.get("path") if isinstance(entry, Mapping) else entry)
    return posixpath.normpath(named) if named else ""


def kustomization_of(names: Iterable[str]) -> dict[str, Any]:
    """The kustomization that lists the files."""
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [f"{name}.yaml" for name in sorted(names)]}


def is_generated(text: str, form: Form) -> bool:
    """Does a file say that it was generated?"""
    return text.startswith(form.mark)


def _first(text: str, path: str, limits: Limits) -> MappingNode:
    return as_mapping(parse(text, path, limits).first)
