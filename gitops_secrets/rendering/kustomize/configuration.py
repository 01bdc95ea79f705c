"""What a kustomization adds to the field tables: `configurations` files, and `crds` files with kustomize's marks in an OpenAPI schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize.defaults import FieldTables
from gitops_secrets.rendering.kustomize.draft import BuildError, scalar_text
from gitops_secrets.rendering.kustomize.fields import FieldSpec, NameReference

_TABLES = {
    "namePrefix": "name_prefix",
    "nameSuffix": "name_suffix",
    "namespace": "namespace",
    "commonLabels": "common_labels",
    "labels": "labels",
    "templateLabels": "template_labels",
    "commonAnnotations": "common_annotations",
    "varReference": "variable_reference",
    "images": "images",
    "replicas": "replicas",
}


def read_configuration(document: Any) -> FieldTables:
    """The tables that a file of `configurations` states. Raises `BuildError` for a type that doesn't fit."""
    if document is None:
        return FieldTables()
    if not isinstance(document, MappingNode):
        raise BuildError("a transformer configuration is a mapping of tables")
    tables: dict[str, Any] = {}
    for key, name in _TABLES.items():
        if key in document:
            tables[name] = read_specs(document[key])
    references = []
    for written in as_sequence(document.get("nameReference")):
        reference = as_mapping(written)
        group, version, kind = (scalar_text(reference.get(field)) for field in ("group", "version", "kind"))
        references.append(NameReference(group, version, kind, read_specs(reference.get("fieldSpecs"))))
    return FieldTables(**tables, name_reference=tuple(references))


def read_specs(written: Any) -> tuple[FieldSpec, ...]:
    """The field specs that a list states."""
    specs = []
    for item in as_sequence(written):
        spec = as_mapping(item)
        path, kind, group, version = (scalar_text(spec.get(field)) for field in ("path", "kind", "group", "version"))
        specs.append(FieldSpec(path, kind, group, version, spec.get("create") is True))
    return tuple(specs)


def read_crds(document: Any) -> FieldTables:
    """The tables that a file of `crds` states: OpenAPI definitions by name, with `x-kubernetes-…` marks of kustomize on their fields."""
    definitions = as_mapping(document)
    tables = FieldTables()
    for name, definition in definitions.items():
        properties = _properties(definition)
        if all(field in properties for field in ("kind", "apiVersion", "metadata")):
            kind = name.rpartition(".")[2]
            for part in _marked(definitions, name, kind, (), frozenset()):
                tables = tables.merge(part)
    return tables


def _properties(definition: Any) -> MappingNode:
    return as_mapping(as_mapping(as_mapping(definition).get("Schema")).get("properties"))


def _marked(definitions: MappingNode, name: str, kind: str, path: tuple[str, ...], seen: frozenset[str]) -> Iterator[FieldTables]:
    if name in seen:
        return
    for field, written in _properties(definitions.get(name)).items():
        schema = as_mapping(written)
        here = (*path, field)
        spec = FieldSpec("/".join(here), kind)
        if "x-kubernetes-annotation" in schema:
            yield FieldTables(common_annotations=(spec,))
        if "x-kubernetes-label-selector" in schema:
            yield FieldTables(common_labels=(spec,))
        if "x-kubernetes-identity" in schema:
            yield FieldTables(name_prefix=(spec,))
        version, target = schema.get("x-kubernetes-object-ref-api-version"), schema.get("x-kubernetes-object-ref-kind")
        if isinstance(version, str) and isinstance(target, str):
            key = scalar_text(schema.get("x-kubernetes-object-ref-name-key")) or "name"
            yield FieldTables(name_reference=(NameReference("", version, target, (FieldSpec("/".join((*here, key)), kind),)),))
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield from _marked(definitions, reference, kind, here, seen | {name})
