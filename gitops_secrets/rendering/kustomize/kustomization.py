"""Finds and reads kustomization files: field names and types as kustomize checks them, old fields moved to their successors."""

from __future__ import annotations

from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode
from gitops_secrets.rendering.kustomize.draft import BuildError, scalar_text
from gitops_secrets.rendering.kustomize.texts import Texts
from gitops_secrets.repository.tree import Tree
from gitops_secrets.syntax.nearest import nearest

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_VERSIONS = {"Kustomization": "kustomize.config.k8s.io/v1beta1", "Component": "kustomize.config.k8s.io/v1alpha1"}

# A shape is the word of a scalar, a mapping of fields, or a tuple with the shape of a list's items.
_KIND = {"group": "text", "version": "text", "kind": "text"}
_NAMED = {**_KIND, "name": "text", "namespace": "text"}
_SELECTOR = {**_NAMED, "labelSelector": "text", "annotationSelector": "text"}
_FIELD_SPEC = {**_KIND, "path": "text", "create": "boolean"}
_OPTIONS = {"labels": "texts", "annotations": "texts", "disableNameSuffixHash": "boolean", "immutable": "boolean"}
_GENERATOR = {
    "name": "text",
    "namespace": "text",
    "behavior": "text",
    "literals": ("text",),
    "files": ("text",),
    "envs": ("text",),
    "env": "text",
    "options": _OPTIONS,
}
_FIELD_OPTIONS = {"delimiter": "text", "index": "integer", "encoding": "text", "create": "boolean"}
_TARGET = {"select": _SELECTOR, "reject": (_SELECTOR,), "fieldPaths": ("text",), "options": _FIELD_OPTIONS}
_PATCH_OPTIONS = {"allowNameChange": "boolean", "allowKindChange": "boolean"}
_PATCH = {"path": "text", "patch": "text", "target": _SELECTOR, "options": _PATCH_OPTIONS}
_IMAGE = {"name": "text", "newName": "text", "tagSuffix": "text", "newTag": "text", "digest": "text"}
SHAPE: dict[str, Any] = {
    "apiVersion": "text",
    "kind": "text",
    "metadata": {"name": "text", "namespace": "text", "labels": "texts", "annotations": "texts"},
    "openapi": "texts",
    "namePrefix": "text",
    "nameSuffix": "text",
    "namespace": "text",
    "commonLabels": "texts",
    "labels": ({"pairs": "texts", "includeSelectors": "boolean", "includeTemplates": "boolean", "fields": (_FIELD_SPEC,)},),
    "commonAnnotations": "texts",
    "patchesStrategicMerge": ("text",),
    "patchesJson6902": (_PATCH,),
    "patches": (_PATCH,),
    "images": (_IMAGE,),
    "imageTags": (_IMAGE,),
    "replacements": (
        {
            "path": "text",
            "source": {**_NAMED, "fieldPath": "text", "options": _FIELD_OPTIONS},
            "sourceValue": "text",
            "targets": (_TARGET,),
        },
    ),
    "replicas": ({"name": "text", "count": "integer"},),
    "vars": ({"name": "text", "objref": {**_NAMED, "apiVersion": "text"}, "fieldref": {"fieldPath": "text"}},),
    "sortOptions": {"order": "text", "legacySortOptions": {"orderFirst": ("text",), "orderLast": ("text",)}},
    "resources": ("text",),
    "components": ("text",),
    "crds": ("text",),
    "bases": ("text",),
    "configMapGenerator": (_GENERATOR,),
    "secretGenerator": ({**_GENERATOR, "type": "text"},),
    "helmGlobals": "any",
    "helmCharts": ("any",),
    "helmChartInflationGenerator": ("any",),
    "generatorOptions": _OPTIONS,
    "configurations": ("text",),
    "generators": ("text",),
    "transformers": ("text",),
    "validators": ("text",),
    "buildMetadata": ("text",),
}
_TYPES: dict[str, type] = {"text": str, "boolean": bool, "integer": int}
_WORDS = {"text": "text", "boolean": "true or false", "integer": "a whole number", "texts": "a mapping of texts"}


class Refusal(NamedTuple):
    """Something that kustomize refuses about a kustomization file; Flux, which rewrites the one it builds, may not."""

    message: str
    place: Place
    by_flux: bool = True


def find_kustomization(tree: Tree, directory: str) -> str | None:
    """The path of the kustomization file of `directory`: kustomization.yaml, kustomization.yml or Kustomization; None if it has none."""
    return next(iter(kustomizations(tree, directory)), None)


def kustomizations(tree: Tree, directory: str) -> list[str]:
    """All kustomization files of `directory`; more than one is an error."""
    paths = [f"{directory}/{name}" if directory else name for name in FILE_NAMES]
    return [path for path in paths if tree.is_file(path)]


def check(document: Any, place: Place, texts: Texts) -> tuple[MappingNode, list[Refusal]]:
    """The fields of a kustomization, those of a wrong type left out, and what kustomize refuses about it."""
    if document is None:
        return MappingNode(place.file), [Refusal("the kustomization file is empty", place, by_flux=False)]
    if not isinstance(document, MappingNode):
        return MappingNode(place.file), [Refusal("a kustomization is a mapping of fields", place)]
    refusals: list[Refusal] = []
    fields = _Check(texts, refusals).mapping(document, SHAPE, "")
    kind = scalar_text(fields.get("kind")) or "Kustomization"
    if kind not in _VERSIONS:
        refusals.append(Refusal(f"kind should be Kustomization or Component, not {kind}", fields.place("kind")))
    version = scalar_text(fields.get("apiVersion"))
    wanted = _VERSIONS.get(kind, _VERSIONS["Kustomization"])
    if version and version != wanted:
        refusals.append(Refusal(f"apiVersion of a {kind} should be {wanted}", fields.place("apiVersion")))
    if not any(_is_set(key, value) for key, value in fields.items()):
        refusals.append(Refusal("the kustomization file is empty", place, by_flux=False))
    return fields, refusals


def _is_set(key: str, value: Any) -> bool:
    return key not in ("apiVersion", "kind") and value is not None and value != ""


class _Check:
    """Compares fields with their shapes. What doesn't fit is left out and refused."""

    def __init__(self, texts: Texts, refusals: list[Refusal]) -> None:
        self.texts = texts
        self.refusals = refusals

    def refuse(self, message: str, place: Place, *, by_flux: bool = True) -> None:
        self.refusals.append(Refusal(message, place, by_flux))

    def mapping(self, node: MappingNode, shape: dict[str, Any], path: str) -> MappingNode:
        """The fields of a mapping that are known and fit. Names are compared as Go's JSON decoder does: without regard to case."""
        result = node
        for key, value in list(node.items()):
            name = key if key in shape else next((field for field in shape if field.lower() == key.lower()), None)
            fitting, kept = None, False
            if name is None:
                near = nearest(key, shape)
                self.refuse(f"unknown field {path}{key}" + (f"; did you mean {near}?" if near else ""), node.place(key), by_flux=False)
            else:
                fitting, kept = self.value(node, key, shape[name], f"{path}{name}")
            if kept and name == key and fitting is value:
                continue
            if result is node:
                result = node.copy()
            result.remove(key)
            if kept and name is not None:
                result.put(name, fitting, node.marks.get(key, node.mark))
        return result

    def value(self, node: MappingNode | SequenceNode, key: Any, shape: Any, path: str) -> tuple[Any, bool]:
        """The value at `key` as far as it has the shape, and whether it has it."""
        value = node[key]
        if value is None or shape == "any":
            return value, True
        wrong = f"{path} must be {self._words(shape)}"
        if isinstance(shape, dict) or shape == "texts":
            if not isinstance(value, MappingNode):
                self.refuse(wrong, node.place(key))
                return None, False
            return (self.texts_in(value, path) if shape == "texts" else self.mapping(value, shape, f"{path}.")), True
        if isinstance(shape, tuple):
            if not isinstance(value, SequenceNode):
                self.refuse(wrong, node.place(key))
                return None, False
            return self.items(value, shape[0], path), True
        boolean = self.texts.old_boolean(node, key)
        if boolean is not None:
            value = boolean
        if not isinstance(value, _TYPES[shape]) or (shape == "integer" and isinstance(value, bool)):
            self.refuse(wrong, node.place(key))
            return None, False
        return value, True

    @staticmethod
    def _words(shape: Any) -> str:
        if isinstance(shape, str):
            return _WORDS[shape]
        return "a list" if isinstance(shape, tuple) else "a mapping"

    def items(self, listed: SequenceNode, shape: Any, path: str) -> SequenceNode:
        """The items that fit."""
        result = listed
        for index in range(len(listed) - 1, -1, -1):
            fitting, kept = self.value(listed, index, shape, f"{path}[{index}]")
            if kept and fitting is listed[index]:
                continue
            if result is listed:
                result = listed.copy()
            if kept:
                result[index] = fitting
            else:
                result.pop(index)
                result.marks.pop(index)
        return result

    def texts_in(self, entries: MappingNode, path: str) -> MappingNode:
        """The entries whose values are text."""
        result = entries
        for key, text in entries.items():
            if text is not None and (not isinstance(text, str) or self.texts.old_boolean(entries, key) is not None):
                self.refuse(f"{path}.{key} must be text: put it in quotes", entries.place(key))
                if result is entries:
                    result = entries.copy()
                result.remove(key)
        return result


def with_extra(fields: MappingNode, extra: MappingNode) -> MappingNode:
    """The fields of a root kustomization with those that a Flux Kustomization adds, as fluxcd/pkg/kustomize merges them, or an Application of Argo CD."""
    merged = fields.copy()
    for key in ("namespace", "namePrefix", "nameSuffix"):
        if extra.get(key):
            merged.put(key, extra[key], extra.place(key))
    for key in ("commonLabels", "commonAnnotations"):
        if isinstance(extra.get(key), MappingNode):
            merged.put(key, _with_pairs(merged.get(key), extra[key]), extra.place(key))
    for key in ("patches", "components", "labels", "replicas"):
        added = extra.get(key)
        if isinstance(added, SequenceNode):
            merged.put(key, joined(merged.get(key), added), merged.place(key) if key in merged else extra.place(key))
    images = extra.get("images")
    if isinstance(images, SequenceNode):
        merged.put("images", _with_images(merged.get("images"), images), extra.place("images"))
    return merged


def joined(items: Any, added: SequenceNode) -> SequenceNode:
    """A list with the items of another one after its own."""
    result = items.copy() if isinstance(items, SequenceNode) else SequenceNode(added.file, added.mark)
    for index, item in enumerate(added):
        result.add(item, added.place(index))
    return result


def _with_pairs(pairs: Any, added: MappingNode) -> MappingNode:
    result = pairs.copy() if isinstance(pairs, MappingNode) else MappingNode(added.file, added.mark)
    for key, value in added.items():
        result.put(key, value, added.place(key))
    return result


def _with_images(images: Any, added: SequenceNode) -> SequenceNode:
    result = images.copy() if isinstance(images, SequenceNode) else SequenceNode(added.file, added.mark)
    for index, image in enumerate(added):
        name = image.get("name") if isinstance(image, MappingNode) else None
        same = next((known for known, item in enumerate(result) if isinstance(item, MappingNode) and item.get("name") == name), None)
        if same is None:
            result.add(image, added.place(index))
        else:
            result[same] = image
            result.marks[same] = added.place(index)
    return result


def require_list(fields: MappingNode, key: str) -> SequenceNode:
    """The list at `key`, empty if there is none. Types were checked on reading."""
    value = fields.get(key)
    if value is None:
        return SequenceNode(fields.file, fields.mark)
    if not isinstance(value, SequenceNode):
        raise BuildError(f"{key} must be a list", fields.place(key))
    return value
