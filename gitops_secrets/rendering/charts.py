"""Which chart each HelmRelease installs: its name, version, values and where it goes. What a chart brings is told by `kinds`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from gitops_secrets.manifests.load import YAML_SUFFIXES, Loader
from gitops_secrets.model.facts import Release, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_text
from gitops_secrets.rendering.objects import ScopeOf, to_resource
from gitops_secrets.rendering.release_values import release_values
from gitops_secrets.repository.tree import join

_NAMESPACE: Final = re.compile(rb"^kind:[ \t]*Namespace[ \t]*$", re.MULTILINE)
_DOCUMENT: Final = re.compile(rb"^---.*$", re.MULTILINE)
_WRITTEN_NAMESPACE: Final = re.compile(rb"^metadata:[ \t]*\r?\n(?:[ \t].*\n)*?  namespace:[ \t]*\"?([a-z0-9-]+)\"?[ \t]*\r?$", re.MULTILINE)
_VALUE: Final = re.compile(rb"\.Values\.([\w.]+)")
HELM_GROUP = "helm.toolkit.fluxcd.io"
SOURCE_GROUP = "source.toolkit.fluxcd.io"


def flux_release(
    resource: Resource, resources: Mapping[ResourceId, Resource], loader: Loader, scope_of: ScopeOf, this_repository: frozenset[ResourceId]
) -> Release:
    """The release that a HelmRelease asks for (helm-controller API v2); chart and repository are "" where its source is not known."""
    spec = as_mapping(resource.data.get("spec"))
    own = resource.id.namespace
    target = as_text(spec.get("targetNamespace")) or own
    name = as_text(spec.get("releaseName"))
    if not name:
        name = f"{target}-{resource.id.name}" if spec.get("targetNamespace") else resource.id.name
    install = as_mapping(spec.get("install"))
    chart, repository, version, source, bundled = "", "", "", None, ()  # type: str, str, str, ResourceId | None, tuple[Resource, ...]
    makes_namespace = install.get("createNamespace") is True
    namespaces: Mapping[str, str] = MappingProxyType({})
    chart_spec = as_mapping(as_mapping(spec.get("chart")).get("spec"))
    chart_ref = as_mapping(spec.get("chartRef"))
    if chart_ref:
        source = _named(chart_ref, own, "OCIRepository")
        chart, repository, version = _from_source(source, resources)
    elif chart_spec:
        source = _named(as_mapping(chart_spec.get("sourceRef")), own, "HelmRepository")
        written = as_text(chart_spec.get("chart"))
        chart = written.rstrip("/").rpartition("/")[2]
        version = _text(chart_spec.get("version"))
        found = resources.get(source)
        repository = as_text(as_mapping(found.data.get("spec")).get("url")) if found else ""
        if source in this_repository or (source.kind != "HelmRepository" and found is None):
            bundled = _bundled(join("", written), loader, scope_of)
            makes_namespace = makes_namespace or _templates_namespace(join("", written), loader)
            namespaces = _written_namespaces(join("", written), loader)
    values, complete = release_values(resource, resources, loader)
    return Release(
        resource=resource.id,
        chart=chart,
        repository=repository,
        version=version,
        name=name,
        namespace=target,
        values=values,
        place=resource.place,
        # Where the HelmRelease itself lies, the namespace is there before helm-controller sees it.
        create_namespace=makes_namespace and target != resource.id.namespace,
        crds=as_text(install.get("crds")) or "Create",
        bundled=bundled,
        namespaces=namespaces,
        source=source,
        values_complete=complete,
    )


def _named(node: MappingNode, namespace: str, default_kind: str) -> ResourceId:
    return ResourceId(SOURCE_GROUP, as_text(node.get("kind")) or default_kind, as_text(node.get("namespace")) or namespace, as_text(node.get("name")))


def _from_source(source: ResourceId, resources: Mapping[ResourceId, Resource]) -> tuple[str, str, str]:
    """Chart, repository and version of what a `chartRef` names: the chart's name is the last part of an OCI url."""
    found = resources.get(source)
    if found is None:
        return "", "", ""
    spec = as_mapping(found.data.get("spec"))
    if source.kind == "OCIRepository":
        url = as_text(spec.get("url")).rstrip("/")
        reference = as_mapping(spec.get("ref"))
        return url.rpartition("/")[2], url, _text(reference.get("tag")) or _text(reference.get("semver"))
    if source.kind == "HelmChart":
        repository = resources.get(_named(as_mapping(spec.get("sourceRef")), source.namespace, "HelmRepository"))
        url = as_text(as_mapping(repository.data.get("spec")).get("url")) if repository else ""
        return as_text(spec.get("chart")).rpartition("/")[2], url, _text(spec.get("version"))
    return "", "", ""


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _templates(directory: str | None, loader: Loader) -> Iterator[bytes]:
    """The templates of a chart in this repository."""
    if directory is not None:
        prefix = f"{directory}/templates/".lstrip("/")
        yield from (loader.text(path) for path in loader.tree.files if path.startswith(prefix))


def _templates_namespace(directory: str | None, loader: Loader) -> bool:
    """Does a chart in this repository make a namespace? That of its release, since helm-controller keeps its own records beside the HelmRelease."""
    return any(_NAMESPACE.search(text) is not None for text in _templates(directory, loader))


def _written_namespaces(directory: str | None, loader: Loader) -> Mapping[str, str]:
    """By the values (`repo.secretName`) that only objects of one namespace use which a chart's templates write out, that namespace."""
    used: dict[str, set[str]] = {}
    for text in _templates(directory, loader):
        for document in _DOCUMENT.split(text):
            written = _WRITTEN_NAMESPACE.search(document)
            for value in _VALUE.finditer(document):
                used.setdefault(value[1].decode(), set()).add(written[1].decode() if written is not None else "")
    return {value: namespace for value, (namespace, *others) in used.items() if namespace and not others}


def _bundled(directory: str | None, loader: Loader, scope_of: ScopeOf) -> tuple[Resource, ...]:
    """The CustomResourceDefinitions that Helm installs from the `crds` folder of a chart in this repository."""
    if directory is None or not loader.tree.is_file(f"{directory}/Chart.yaml".lstrip("/")):
        return ()
    prefix = f"{directory}/crds/".lstrip("/")
    found = []
    for path in loader.tree.files:
        if path.startswith(prefix) and path.endswith(YAML_SUFFIXES):
            for document in loader.load(path).documents:
                resource = to_resource(document, scope_of, "") if isinstance(document, MappingNode) else None
                if resource is not None and resource.id.kind == "CustomResourceDefinition":
                    found.append(resource)
    return tuple(found)
