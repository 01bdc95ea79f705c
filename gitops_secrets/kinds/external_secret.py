"""External Secrets: what an ExternalSecret reads at its provider and which keys its Secret will have; children of a ClusterExternalSecret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from gitops_secrets.kinds.collector import Collector
from gitops_secrets.kinds.paths import Found, find
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import ObjectNeed, RemoteNeed, Resource
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text

GROUP: Final = "external-secrets.io"
GENERATORS: Final = "generators.external-secrets.io"


NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceLike(Protocol):
    """A namespace with its labels."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def labels(self) -> Iterable[tuple[str, str]]:
        """Its labels."""


class LabelledNamespace(NamedTuple):
    """The plainest namespace that selectors can look at."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


def external_secret(collector: Collector) -> None:
    """Remote keys, and the Secret that will be made of them."""
    spec = collector.resource.spec
    _remote_keys(collector, spec)
    _target(collector, spec)


def _remote_keys(collector: Collector, spec: MappingNode) -> None:
    namespace = collector.resource.id.namespace
    default = _store(spec.get("secretStoreRef"), namespace)
    for entry in find(collector.resource.data, ("spec", "data", "[]", "remoteRef")):
        store = _store(_at(entry.parent, "sourceRef", "storeRef"), namespace) or default
        _remote(collector, store, entry, find_objects=False)
    for entry in find(collector.resource.data, ("spec", "dataFrom", "[]")):
        node = as_mapping(entry.value)
        store = _store(_at(node, "sourceRef", "storeRef"), namespace) or default
        for field in ("extract", "find"):
            if field in node:
                _remote(collector, store, Found(node[field], node, (entry.way, field)), find_objects=field == "find")


def _at(node: object, *path: str) -> object:
    for step in path:
        node = as_mapping(node).get(step)
    return node


def _store(reference: object, namespace: str) -> ResourceId | None:
    node = as_mapping(reference)
    name = as_text(node.get("name"))
    if not name:
        return None
    kind = as_text(node.get("kind")) or "SecretStore"
    return ResourceId(GROUP, kind, "" if kind == "ClusterSecretStore" else namespace, name)


def _remote(collector: Collector, store: ResourceId | None, at: Found, *, find_objects: bool) -> None:
    node = as_mapping(at.value)
    if store is None or not node:
        return
    if find_objects:
        step = "path" if "path" in node else "name" if "name" in node else "tags"
        key = as_text(node.get("path")) or as_text(as_mapping(node.get("name")).get("regexp"))
        if not key:
            tags = as_mapping(node.get("tags"))
            key = ",".join(f"{name}={value}" for name, value in sorted(tags.items()) if isinstance(value, str))
        need = RemoteNeed(store, key, None, find=True)
    else:
        step, key = "key", as_text(node.get("key"))
        need = RemoteNeed(store, key, as_text(node.get("property")) or None)
    if key and step in node:
        collector.require(need, "secret", Found(node[step], node, (at.way, step)))


def _target(collector: Collector, spec: MappingNode) -> None:
    resource = collector.resource
    target = as_mapping(spec.get("target"))
    policy = as_text(target.get("creationPolicy")) or "Owner"
    if policy == "None":
        return
    name = as_text(target.get("name")) or resource.id.name
    group, kind = "", "Secret"
    manifest = as_mapping(target.get("manifest"))
    if manifest:
        group = split_api_version(as_text(manifest.get("apiVersion")))[0]
        kind = as_text(manifest.get("kind")) or "Secret"
    id = ResourceId(group, kind, resource.id.namespace, name)
    place = target.place("name") if "name" in target else resource.place
    template_labels = as_mapping(as_mapping(as_mapping(target.get("template")).get("metadata")).get("labels"))
    labels = tuple(sorted((key, value) for key, value in template_labels.items() if isinstance(value, str)))
    # CreateOrMerge makes the object where it is missing, so it counts as a maker.
    collector.provide(ObjectNeed(id), target_keys(spec, collector.table), place, owns=policy != "Merge", labels=labels)
    if policy == "Merge":
        way = (((None, "spec"), "target"), "name" if "name" in target else "creationPolicy")
        collector.require(ObjectNeed(id), "secret", Found(name, target, way), soft=True)


def target_keys(spec: MappingNode, table: KindTable) -> frozenset[str] | None:
    """The keys of the Secret that an ExternalSecret with this spec makes; None where only the provider knows them.

    By the controller's rules: a template with data replaces all other keys unless its mergePolicy is Merge.
    """
    template = as_mapping(as_mapping(spec.get("target")).get("template"))
    sources = [as_mapping(source) for source in as_sequence(template.get("templateFrom"))]
    if not as_mapping(template.get("data")) and not sources:
        return _fetched_keys(spec, table)
    rendered = _template_keys(template, sources)
    if as_text(template.get("mergePolicy")) != "Merge":
        return rendered
    fetched = _fetched_keys(spec, table)
    return None if rendered is None or fetched is None else rendered | fetched


def _template_keys(template: MappingNode, sources: Sequence[MappingNode]) -> frozenset[str] | None:
    keys = set(as_mapping(template.get("data")))
    for source in sources:
        if as_text(source.get("target")) not in ("", "Data"):
            continue
        if "literal" in source:
            return None
        for field in ("configMap", "secret"):
            for item in as_sequence(as_mapping(source.get(field)).get("items")):
                if as_text(as_mapping(item).get("templateAs")) == "KeysAndValues":
                    return None
                keys.add(as_text(as_mapping(item).get("key")))
    return frozenset(keys - {""})


def _fetched_keys(spec: MappingNode, table: KindTable) -> frozenset[str] | None:
    keys = {as_text(as_mapping(entry).get("secretKey")) for entry in as_sequence(spec.get("data"))}
    for entry in as_sequence(spec.get("dataFrom")):
        node = as_mapping(entry)
        generator = as_mapping(_at(node, "sourceRef", "generatorRef"))
        row = table.row(GENERATORS, as_text(generator.get("kind")))
        if row is None or row.outputs is None or "rewrite" in node:
            return None
        keys |= row.outputs
    return frozenset(keys - {""})


def push_secret(collector: Collector) -> None:
    """Keys of the source Secret that are pushed; a template makes its own."""
    data = collector.resource.data
    name = as_text(_at(data, "spec", "selector", "secret", "name"))
    if not name or _at(data, "spec", "template") is not None:
        return
    secret = ResourceId("", "Secret", collector.resource.id.namespace, name)
    for found in find(data, ("spec", "data", "[]", "match", "secretKey")):
        if isinstance(found.value, str) and found.value:
            collector.require(ObjectNeed(secret, found.value), "secret", found)


class Namespaces:
    """Namespaces by their labels: many selectors may look among many of them."""

    def __init__(self, namespaces: Iterable[NamespaceLike]) -> None:
        self._all = tuple(namespaces)
        self._by_label: dict[tuple[str, str], list[int]] = {}
        for number, namespace in enumerate(self._all):
            for label in {(NAME_LABEL, namespace.name), *namespace.labels}:
                self._by_label.setdefault(label, []).append(number)

    def selected(self, spec: MappingNode) -> list[NamespaceLike]:
        """Those that a ClusterExternalSecret with this spec reaches."""
        numbers: set[int] = set()
        for name in as_sequence(spec.get("namespaces")):
            numbers.update(self._by_label.get((NAME_LABEL, as_text(name)), ()))
        for selector in _selectors(spec):
            first = next(iter(as_mapping(selector.get("matchLabels")).items()), None)
            numbers.update(range(len(self._all)) if first is None else self._by_label.get((first[0], as_text(first[1])), ()))
        return [self._all[number] for number in sorted(numbers) if selects_namespace(spec, self._all[number])]


def expand_cluster_external_secret(resource: Resource, namespaces: Namespaces) -> tuple[Resource, ...]:
    """The ExternalSecrets that the operator makes of a ClusterExternalSecret, one for each of `namespaces` that it selects.

    They share its nodes, so every field still knows its file and line.
    """
    spec = resource.spec
    name = as_text(spec.get("externalSecretName")) or resource.id.name
    return tuple(_child(resource, spec, name, each.name) for each in namespaces.selected(spec))


def selects_namespace(spec: MappingNode, namespace: NamespaceLike) -> bool:
    """Does a ClusterExternalSecret or ClusterPushSecret with this spec reach a namespace? Its selectors are alternatives."""
    if namespace.name in as_sequence(spec.get("namespaces")):
        return True
    labels = {NAME_LABEL: namespace.name, **dict(namespace.labels)}
    return any(matches_labels(selector, labels) for selector in _selectors(spec))


def _selectors(spec: MappingNode) -> list[MappingNode]:
    written = [spec.get("namespaceSelector"), *as_sequence(spec.get("namespaceSelectors"))]
    return [selector for selector in written if isinstance(selector, MappingNode)]


def matches_labels(selector: MappingNode, labels: Mapping[str, str]) -> bool:
    """Does a label selector of Kubernetes match? An empty one matches everything."""
    for key, value in as_mapping(selector.get("matchLabels")).items():
        if labels.get(key) != value:
            return False
    return all(_matches_expression(as_mapping(expression), labels) for expression in as_sequence(selector.get("matchExpressions")))


def _matches_expression(expression: MappingNode, labels: Mapping[str, str]) -> bool:
    value = labels.get(as_text(expression.get("key")))
    values = as_sequence(expression.get("values"))
    match as_text(expression.get("operator")):
        case "In":
            return value in values if value is not None else False
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False


def _child(resource: Resource, spec: MappingNode, name: str, namespace: str) -> Resource:
    data = resource.data
    version = as_text(data.get("apiVersion"))
    metadata = MappingNode(data.file, data.mark)
    place = spec.place("externalSecretName") if "externalSecretName" in spec else resource.place
    metadata.put("name", name, place)
    metadata.put("namespace", namespace, place)
    for field, value in as_mapping(spec.get("externalSecretMetadata")).items():
        if field in ("labels", "annotations"):
            metadata.put(field, value, as_mapping(spec["externalSecretMetadata"]).place(field))
    child = MappingNode(data.file, data.mark)
    child.put("apiVersion", version, data.place("apiVersion"))
    child.put("kind", "ExternalSecret", data.place("kind"))
    child.put("metadata", metadata, data.place("metadata"))
    child.put("spec", as_mapping(spec.get("externalSecretSpec")), spec.place("externalSecretSpec"))
    return Resource(ResourceId(GROUP, "ExternalSecret", namespace, name), resource.version, child, place)
