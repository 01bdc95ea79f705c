"""Which chart each HelmRelease installs: its name, version, values and where it goes. What a chart brings is told by `kinds`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Release, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_text
from gitops_secrets.rendering.chart_directory import definitions, is_chart, template_files
from gitops_secrets.rendering.objects import ScopeOf, to_resource
from gitops_secrets.rendering.release_values import release_values
from gitops_secrets.rendering.units import SOURCE_GROUP
from gitops_secrets.repository.tree import join

_NAMESPACE: Final = re.compile(rb"^kind:[ \t]*Namespace[ \t]*$", re.MULTILINE)
_DOCUMENT: Final = re.compile(rb"^---.*$", re.MULTILINE)
_WRITTEN_NAMESPACE: Final = re.compile(rb"^metadata:[ \t]*\r?\n(?:[ \t].*\n)*?  namespace:[ \t]*\"?([a-z0-9-]+)\"?[ \t]*\r?$", re.MULTILINE)
_VALUE: Final = re.compile(rb"\.Values\.([\w.]+)")


def flux_release(
    resource: Resource, resources: Mapping[ResourceId, Resource], loader: Loader, scope_of: ScopeOf, this_repository: frozenset[ResourceId]
) -> Release:
    """The release that a HelmRelease asks for (helm-controller API v2); chart and repository are "" where its source is not known."""
    spec = resource.spec
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
        repository = as_text(found.spec.get("url")) if found else ""
        directory = join("", written)
        if directory is not None and (source in this_repository or (source.kind != "HelmRepository" and found is None)):
            bundled = _bundled(directory, loader, scope_of)
            makes_namespace = makes_namespace or _templates_namespace(directory, loader)
            namespaces = _written_namespaces(directory, loader)
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
    spec = found.spec
    if source.kind == "OCIRepository":
        url = as_text(spec.get("url")).rstrip("/")
        reference = as_mapping(spec.get("ref"))
        return url.rpartition("/")[2], url, _text(reference.get("tag")) or _text(reference.get("semver"))
    if source.kind == "HelmChart":
        repository = resources.get(_named(as_mapping(spec.get("sourceRef")), source.namespace, "HelmRepository"))
        url = as_text(repository.spec.get("url")) if repository else ""
        return as_text(spec.get("chart")).rpartition("/")[2], url, _text(spec.get("version"))
    return "", "", ""


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _templates_namespace(directory: str, loader: Loader) -> bool:
    """Does a chart in this repository make a namespace? That of its release, since helm-controller keeps its own records beside the HelmRelease."""
    return any(_NAMESPACE.search(loader.text(path)) is not None for path in template_files(loader.tree, directory))


def _written_namespaces(directory: str, loader: Loader) -> Mapping[str, str]:
    """By the values (`repo.secretName`) that only objects of one namespace use which a chart's templates write out, that namespace."""
    used: dict[str, set[str]] = {}
    for path in template_files(loader.tree, directory):
        for document in _DOCUMENT.split(loader.text(path)):
            written = _WRITTEN_NAMESPACE.search(document)
            for value in _VALUE.finditer(document):
                used.setdefault(value[1].decode(), set()).add(written[1].decode() if written is not None else "")
    return {value: namespace for value, (namespace, *others) in used.items() if namespace and not others}


def _bundled(directory: str, loader: Loader, scope_of: ScopeOf) -> tuple[Resource, ...]:
    """The CustomResourceDefinitions that come with a chart in this repository."""
    if not is_chart(loader.tree, directory):
        return ()
    found = (to_resource(node, scope_of, "") for node in definitions(loader, directory))
    return tuple(resource for resource in found if resource is not None)
