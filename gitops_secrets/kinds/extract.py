"""A rendered object to its facts: what it requires, what it provides. Pure, one object at a time, driven by the table of kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gitops_secrets.kinds.collector import Collector
from gitops_secrets.kinds.extractors import EXTRACTORS
from gitops_secrets.kinds.paths import ITEMS, VALUES, Found, Way, find, value_at
from gitops_secrets.kinds.rows import OPERATOR_PRODUCTS, Condition, KindRow, Product, Reference
from gitops_secrets.kinds.table import KindTable, Trie
from gitops_secrets.kinds.values import references_in, with_defaults
from gitops_secrets.model.facts import (
    Confidence,
    Effect,
    Facts,
    Healing,
    KindNeed,
    ObjectNeed,
    Provision,
    Requirement,
    Resource,
    SelectionNeed,
    When,
)
from gitops_secrets.model.ids import BUILT_IN_GROUPS, ResourceId, split_api_version
from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_sequence, as_text

__all__ = ["facts_of", "labels_of"]

# Flux Operator fills such an object with the data of another one.
_COPIED_FROM = "fluxcd.controlplane.io/copyFrom"
# Argo CD writes keys of its own into it when it starts.
_OWN_OF_ARGO_CD: Final = "argocd-secret"
_KEYS_OF: Final = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}
_TYPES: Final[Mapping[str, type]] = MappingProxyType({"text": str, "mapping": MappingNode, "list": SequenceNode, "boolean": bool})
_TEMPLATE: Final = re.compile(r"\{(\w*)\}")


def facts_of(resource: Resource, table: KindTable) -> Facts:
    """What `resource` requires and provides. Fields of a wrong type are passed over: whoever builds the resource reports them."""
    group, kind = resource.id.group, resource.id.kind
    row = table.row(group, kind)
    collector = Collector(resource, table, _healing(resource, row))
    _itself(collector)
    _namespace(collector)
    if group not in BUILT_IN_GROUPS:
        _custom_kind(collector, row)
    if row is not None:
        trie = table.trie(group, kind)
        if trie is not None:
            _walk(collector, trie, resource.data, None)
        for product in row.products:
            _product(collector, product)
        for name in row.extractors:
            EXTRACTORS[name](collector)
    return collector.facts()


def _healing(resource: Resource, row: KindRow | None) -> Healing:
    if row is None:
        return Healing.PROMPT
    if row.slow_if is not None and value_at(resource.data, row.slow_if) is not None:
        return Healing.SLOW
    return row.healing


def _itself(collector: Collector) -> None:
    resource = collector.resource
    keys = None
    if resource.id.group == "" and resource.id.kind in _KEYS_OF:
        keys = frozenset(key for field in _KEYS_OF[resource.id.kind] for key in as_mapping(resource.data.get(field)))
        if resource.data.get("type") == "kubernetes.io/service-account-token":
            keys |= {"token", "ca.crt", "namespace"}
        if resource.annotations.get(_COPIED_FROM) or resource.id.name == _OWN_OF_ARGO_CD:
            keys = None
    collector.provisions.append(
        Provision(resource.id, ObjectNeed(resource.id), When.NOW, resource.place, keys, labels=labels_of(resource.metadata.get("labels")))
    )


def labels_of(labels: Any) -> tuple[tuple[str, str], ...]:
    """Labels as sorted pairs; what is no text is no label."""
    if not labels or not isinstance(labels, MappingNode):
        return ()
    return tuple(sorted((key, value) for key, value in labels.items() if isinstance(value, str)))


def _namespace(collector: Collector) -> None:
    resource = collector.resource
    if not resource.id.namespace:
        return
    metadata = resource.data.get("metadata")
    place = metadata.place("namespace") if isinstance(metadata, MappingNode) and "namespace" in metadata else resource.place
    need = ObjectNeed(ResourceId("", "Namespace", "", with_defaults(resource.id.namespace)))
    collector.requirements.append(Requirement(resource.id, need, Effect.APPLY, "namespace", "metadata.namespace", place))


def _custom_kind(collector: Collector, row: KindRow | None) -> None:
    resource = collector.resource
    id = resource.id
    need = KindNeed(id.group, id.kind, resource.version, collector.table.plural(id.group, id.kind))
    place = resource.data.place("apiVersion") if "apiVersion" in resource.data else resource.place
    given = row is not None and row.given
    requirement = Requirement(id, need, Effect.APPLY, "custom-resource-definition", "apiVersion", place, optional=given)
    collector.requirements.append(requirement)
    kinds = OPERATOR_PRODUCTS if row is None else row.makes_unlisted
    if kinds:
        # Operators name what they make of an object after it; what installs other software does not.
        collector.doubt(kinds, named_after=row is not None and kinds == OPERATOR_PRODUCTS)
    if row is None:
        _guessed(collector)


def _guessed(collector: Collector) -> None:
    """References of a kind that the table doesn't know, by the names that fields usually have: good for a trace, never for an order."""
    own = collector.resource.id.namespace
    for each in references_in(collector.resource.spec, collector.texts, (None, "spec")):
        namespaced = collector.table.is_namespaced(each.group, each.kind) is not False
        id = ResourceId(each.group, each.kind, (each.namespace or own) if namespaced else "", each.name)
        if id.namespace or not namespaced:
            collector.require(ObjectNeed(id, each.key), each.reason, each.at, optional=True, soft=each.soft, confidence=Confidence.POSSIBLE)


def _walk(collector: Collector, trie: Trie, node: Any, way: Way) -> None:
    children = trie.children
    if isinstance(node, MappingNode):
        every = children.get(VALUES)
        for key, value in node.items():
            child = children.get(key)
            if child is not None:
                _visit(collector, child, value, node, (way, key))
            if every is not None:
                _visit(collector, every, value, node, (way, key))
    elif isinstance(node, SequenceNode):
        child = children.get(ITEMS)
        if child is not None:
            for index, value in enumerate(node):
                _visit(collector, child, value, node, (way, index))


def _visit(collector: Collector, trie: Trie, value: Any, parent: Any, way: Way) -> None:
    if value is not None and (wanted := _wanted(trie)) is not None and not isinstance(value, _TYPES[wanted]):
        collector.refuse(Found(value, parent, way), wanted)
    for reference in trie.references:
        _reference(collector, reference, Found(value, parent, way))
    if trie.children:
        _walk(collector, trie, value, way)


def _wanted(trie: Trie) -> str | None:
    """The type that the API has at a path, by what the table has there and below; None where that leaves several."""
    if trie.type is not None or (trie.references and (trie.children or any(reference.labels for reference in trie.references))):
        return trie.type
    if trie.children:
        return "mapping" if ITEMS not in trie.children else "list" if len(trie.children) == 1 else None
    return "text"


def _reference(collector: Collector, reference: Reference, found: Found) -> None:
    siblings = as_mapping(found.parent)
    if not _holds(reference.conditions, reference.unless, collector.resource.data, siblings):
        return
    if reference.labels:
        _selection(collector, reference, found)
        return
    written_name = found.value
    if not isinstance(written_name, str) or not written_name:
        return
    name = with_defaults(written_name)
    confidence = Confidence.CERTAIN if name == written_name else Confidence.LIKELY
    group, kind = _kind_named(reference, siblings)
    if reference.kinds is not None and kind not in reference.kinds:
        return
    namespace, chart = "", None
    is_namespaced = collector.table.is_namespaced(group, kind) is not False
    if is_namespaced:
        own = collector.resource.id.namespace
        written = with_defaults(as_text(siblings.get(reference.namespace_field))) if reference.namespace_field is not None else ""
        if reference.qualified and "/" in name:
            written, _, name = name.partition("/")
        if reference.foreign_refused and own and written not in ("", own):
            return
        namespace = written or own
        if not namespace and reference.namespace is not None:
            namespace, chart = reference.namespace, reference.namespace_of_chart
    referent = is_namespaced and not namespace
    if referent and reference.without_namespace == "skip":
        return
    if kind == "ServiceAccount" and name == "default" and not group:
        return  # made by Kubernetes in each namespace
    if referent and reference.without_namespace == "unchecked":
        confidence = Confidence.POSSIBLE
    id = ResourceId(group, kind, namespace, name)
    optional = reference.optional or (reference.optional_field is not None and siblings.get(reference.optional_field) is True)
    if "${" in name or "${" in namespace:
        # A variable that nothing here puts in: the name is not known, so nothing can be said to be missing.
        optional, confidence = True, Confidence.POSSIBLE
    for key in _keys(reference, siblings) or (reference.key,):
        collector.require(
            ObjectNeed(id, key),
            reference.reason,
            found,
            effect=reference.effect,
            optional=optional,
            soft=reference.soft,
            healing=reference.healing,
            referent=referent,
            namespace_of_chart=chart,
            confidence=confidence,
        )


def _kind_named(reference: Reference, siblings: MappingNode) -> tuple[str, str]:
    """Group and kind of what a reference names: those of the table, unless fields beside the name say others."""
    group, kind = reference.group, reference.kind
    if reference.kind_field is not None:
        kind = with_defaults(as_text(siblings.get(reference.kind_field))) or kind
    if reference.group_field is not None and reference.group_field in siblings:
        group = as_text(siblings[reference.group_field])
    if reference.api_version_field is not None and siblings.get(reference.api_version_field):
        group = split_api_version(as_text(siblings[reference.api_version_field]))[0]
    return group, kind


def _keys(reference: Reference, siblings: MappingNode) -> list[str]:
    """Keys that a reference names beside the object: one, or one for each of its items."""
    keys = []
    if reference.key_field is not None:
        keys.append(as_text(siblings.get(reference.key_field)))
    if reference.items_field is not None and reference.items_field in siblings:
        keys += [as_text(as_mapping(item).get("key")) for item in as_sequence(siblings[reference.items_field])]
    return [key for key in keys if key]


def _selection(collector: Collector, reference: Reference, found: Found) -> None:
    labels = labels_of(found.value)
    if not labels:
        return
    namespace = collector.resource.id.namespace if collector.table.is_namespaced(reference.group, reference.kind) is not False else None
    collector.require(
        SelectionNeed(reference.group, reference.kind, namespace or None, labels),
        reference.reason,
        found,
        effect=reference.effect,
        optional=reference.optional,
        soft=reference.soft,
        healing=reference.healing,
    )


def _holds(conditions: tuple[Condition, ...], unless: tuple[Condition, ...], data: MappingNode, siblings: MappingNode) -> bool:
    """Is one of `conditions` met (or there are none), and none of `unless`?"""
    if conditions and not any(_is_set(condition, data, siblings) for condition in conditions):
        return False
    return not any(_is_set(condition, data, siblings) for condition in unless)


def _is_set(condition: Condition, data: MappingNode, siblings: MappingNode) -> bool:
    return any(found.value not in (None, False, "", "false") for found in find(siblings if condition.sibling else data, condition.path))


def _product(collector: Collector, product: Product) -> None:
    resource = collector.resource
    if product.path is None:
        if _holds(product.conditions, product.unless, resource.data, resource.data):
            _provide(collector, product, product.name, "", resource.data, resource.place)
        return
    anything = False
    for found in find(resource.data, product.path):
        if not isinstance(found.value, str) or not found.value:
            continue
        anything = True
        siblings = as_mapping(found.parent)
        if _holds(product.conditions, product.unless, resource.data, siblings):
            _provide(collector, product, product.name, found.value, siblings, found.place)
    if not anything and product.fallback is not None and _holds(product.conditions, product.unless, resource.data, resource.data):
        _provide(collector, product, product.fallback, "", resource.data, resource.place)


def _provide(collector: Collector, product: Product, template: str, value: str, siblings: MappingNode, place: Any) -> None:
    resource = collector.resource
    words = {"": value, "name": resource.id.name, "namespace": resource.id.namespace}
    name = _TEMPLATE.sub(lambda match: words.get(match[1], ""), template)
    namespace = ""
    if collector.table.is_namespaced(product.group, product.kind) is not False:
        written = as_text(siblings.get(product.namespace_field)) if product.namespace_field is not None else ""
        namespace = written or product.namespace or resource.id.namespace
    if not name or (not namespace and collector.table.is_namespaced(product.group, product.kind)):
        return
    id = ResourceId(product.group, product.kind, namespace, name)
    collector.provide(ObjectNeed(id), _product_keys(product, resource.data, siblings), place, note=product.note)


def _product_keys(product: Product, data: MappingNode, siblings: MappingNode) -> frozenset[str] | None:
    keys = product.keys
    if product.key_field is not None and (key := as_text(siblings.get(product.key_field))):
        keys = (keys or frozenset()) | {key}
    for path in product.keys_of:
        for found in find(data, path):
            keys = (keys or frozenset()) | frozenset(as_mapping(found.value))
    if keys is not None:
        for path, more in product.keys_if:
            if any(found.value not in (None, False) for found in find(data, path)):
                keys |= more
    return keys
