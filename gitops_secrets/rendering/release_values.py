"""The values of a HelmRelease from all of its sources, merged as helm-controller merges them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from textwrap import indent
from typing import NamedTuple

from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.merge import merge
from gitops_secrets.manifests.secrets import REDACTED
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place, as_mapping, as_sequence, as_text, placed
from gitops_secrets.rendering.objects import too_deep
from gitops_secrets.repository.tree import join
from gitops_secrets.syntax.yaml import parse_scalar

_DEFAULT_KEY = "values.yaml"
_BLOCK = re.compile(r"[|>][+-]?\s*(?:#.*)?\Z")


class ReleaseValues(NamedTuple):
    """Merged values, each at the place where a person would edit it. Not `complete` where some are not in the repository."""

    values: MappingNode
    complete: bool


def release_values(resource: Resource, resources: Mapping[ResourceId, Resource], loader: Loader) -> ReleaseValues:
    """What `spec.valuesFrom` names, in order, and `spec.values` on top (helm-controller, `ChartValuesFromReferences` of fluxcd/pkg/chartutil)."""
    spec = resource.spec
    merged, complete = EMPTY_MAPPING, True
    for entry in as_sequence(spec.get("valuesFrom")):
        entry = as_mapping(entry)
        path = as_text(entry.get("targetPath"))
        if entry.get("kind") != "ConfigMap":
            # What a Secret holds is not known; but at one path it is a credential, which switches nothing on or off.
            complete = complete and bool(path)
            continue
        found = resources.get(ResourceId("", "ConfigMap", resource.id.namespace, as_text(entry.get("name"))))
        if found is None:
            complete = False
            continue
        data, key = as_mapping(found.data.get("data")), as_text(entry.get("valuesKey")) or _DEFAULT_KEY
        if key not in data:
            # The release fails, or goes without it where it is optional.
            continue
        loader.take(data.place(key).file)
        if (deep := too_deep(path, entry.place("targetPath"), loader.limits)) is not None:
            loader.note([deep])
            complete = False
            continue
        values = value_at_path(path, data[key], entry.place("targetPath")) if path else _values(as_text(data[key]), data.place(key), loader)
        if values is None:
            complete = False
        else:
            merged = merge(merged, values)
    return ReleaseValues(merge(merged, as_mapping(spec.get("values"))), complete)


def _values(text: str, place: Place, loader: Loader) -> MappingNode | None:
    """The values that a key of a ConfigMap at `place` holds; None where they can't be read."""
    if text == REDACTED:
        return None
    file = _generated_from(place, loader)
    block_indent = _block_indent(place, loader) if file is None else None
    if file is not None:
        loaded = loader.parse_values(text, file)
    elif block_indent is not None:
        # Each line of a block stands in the file as it is, below its key.
        loaded = loader.parse_values("\n" * place.line + indent(text, block_indent), place.file)
    else:
        loaded = loader.parse_values(text, place.file)
    if loaded.problems:
        return None
    values = as_mapping(loaded.first)
    return values if file is not None or block_indent is not None else as_mapping(placed(values, place))


def _generated_from(place: Place, loader: Loader) -> str | None:
    """The file that a `configMapGenerator` reads for an entry of `files` at `place`."""
    if not place.file.rpartition("/")[2].lower().startswith("kustomization") or not loader.tree.is_file(place.file):
        return None
    for document in loader.load(place.file).documents:
        for generator in as_sequence(as_mapping(document).get("configMapGenerator")):
            files = as_sequence(as_mapping(generator).get("files"))
            for index, written in enumerate(files):
                if files.place(index) == place:
                    path = join(place.file.rpartition("/")[0], as_text(written).rpartition("=")[2])
                    return path if path is not None and loader.tree.is_file(path) else None
    return None


def _block_indent(place: Place, loader: Loader) -> str | None:
    """What stands before the lines of the literal block (`key: |`) at `place`; None for other styles."""
    if not loader.tree.is_file(place.file):
        return None
    lines = loader.content_of(place.file).splitlines()[place.line - 1 :]
    if not lines or not _BLOCK.search(lines[0]):
        return None
    first = next((line for line in lines[1:] if line.strip()), "")
    return first[: len(first) - len(first.lstrip())]


def value_at_path(path: str, value: object, place: Place) -> MappingNode | None:
    """A value at a `targetPath`, as `helm --set` would read both; None for paths into lists."""
    steps = [step.replace("\\.", ".") for step in re.split(r"(?<!\\)\.", path)]
    if not all(steps) or any("[" in step for step in steps):
        return None
    text = as_text(value)
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    scalar = text[1:-1] if quoted else parse_scalar(text) if text in ("true", "false", "null") or text.isdecimal() else text
    for step in reversed(steps):
        node = MappingNode(place.file)
        node.put(step, scalar, place)
        scalar = node
    return as_mapping(scalar)
