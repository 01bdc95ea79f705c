"""What is there before the engine starts because somebody installs it: helmfiles, scripts, templates, and what the configuration names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gitops_secrets.config import Bootstrap
from gitops_secrets.kinds.catalogue import Catalogue, bundle_facts, release_facts
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import KindNeed, ObjectNeed, Provision, Release, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place, as_mapping, as_text
from gitops_secrets.model.scopes import built_in_group
from gitops_secrets.rendering.bootstrap import BootstrapManifest, bootstrap_directories, bootstrap_objects, bootstrap_remotes
from gitops_secrets.rendering.bootstrap_charts import bootstrap_releases
from gitops_secrets.rendering.bootstrap_names import bootstrap_names
from gitops_secrets.rendering.charts import flux_release
from gitops_secrets.rendering.flux_build import build_directory
from gitops_secrets.rendering.helmfile import DEFINITIONS_ONLY
from gitops_secrets.rendering.inflation import inflated_release
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.scripts import Scripts, read_scripts
from gitops_secrets.rendering.units import KUSTOMIZE_GROUP, SOURCE_GROUP, written_path


class Bootstrapped(NamedTuple):
    """What is there before the engine starts: what scripts apply, and everything that is brought, each with a note that says by what."""

    manifests: tuple[BootstrapManifest, ...]
    provisions: tuple[Provision, ...]
    named: Mapping[str, Place]  # what scripts and pages name that they install: see `bootstrap_names`


def read_bootstrap(loader: Loader, settings: Bootstrap, table: KindTable, catalogue: Catalogue) -> Bootstrapped:
    """What scripts, helmfiles, Terraform and machine configurations of a tree install, and what `settings` name."""
    scripts = read_scripts(loader)
    manifests = bootstrap_directories(loader, scripts, [(path.text, path.place) for path in settings.paths])
    provisions = _provisions(loader, scripts, manifests, settings, table, catalogue)
    return Bootstrapped(manifests, tuple(provisions), bootstrap_names(loader, scripts))


def _provisions(
    loader: Loader, scripts: Scripts, directories: Sequence[BootstrapManifest], settings: Bootstrap, table: KindTable, catalogue: Catalogue
) -> list[Provision]:
    found: list[Provision] = []
    for release in (*bootstrap_releases(loader, scripts, [path.text for path in settings.paths]), *_configured_releases(settings)):
        only_definitions = "only" in release.extra
        for provision in release_facts(release, catalogue, table).provisions:
            if isinstance(provision.provides, KindNeed) or not only_definitions:
                found.append(replace(provision, when=When.BEFORE, note=release.extra.get("description") or f"{release.place}: {release.name}"))
    builder = Builder(loader)
    for manifest in directories:
        for release in _charts_of(manifest, loader, builder):
            note = str(release.extra["description"])
            found += [replace(provision, when=When.BEFORE, note=note) for provision in release_facts(release, catalogue, table).provisions]
        nodes, note = _nodes_of(manifest, loader, builder), f"{manifest.path}, applied by {manifest.place}"
        found += [*_provided(nodes, note, table), *_handed_on(nodes, note, loader, builder, table, catalogue)]
    for objects in bootstrap_objects(loader, scripts):
        found += _provided(objects.nodes, f"{objects.path}, applied by {objects.place}", table)
    for url, place in bootstrap_remotes(loader, scripts):
        bundle = catalogue.remote(url)
        if bundle is not None:
            facts = bundle_facts(bundle, ResourceId("", "Manifests", "", url), place, table, When.BEFORE)
            found += [replace(provision, note=f"{url}, applied by {place}") for provision in facts.provisions]
    for named in settings.objects:
        kind, namespace, name = named.text.split("/", 2)
        group, kind = _kind(kind)
        target = ResourceId(group or built_in_group(kind), kind, namespace, name)
        source = ResourceId("", "Configuration", "", named.place.file)
        found.append(Provision(source, ObjectNeed(target), When.BEFORE, named.place, note=str(named.place)))
    for named in settings.kinds:
        group, kind = _kind(named.text)
        source = ResourceId("", "Configuration", "", named.place.file)
        found.append(Provision(source, KindNeed(group, kind, "", table.plural(group, kind)), When.BEFORE, named.place, note=str(named.place)))
    return found


def _configured_releases(settings: Bootstrap) -> Iterable[Release]:
    for chart in settings.charts:
        yield Release(
            resource=ResourceId("", "Configuration", chart.namespace, chart.release),
            chart=chart.name,
            repository=chart.repository,
            version=chart.version,
            name=chart.release,
            namespace=chart.namespace,
            values=EMPTY_MAPPING,
            place=chart.place,
            create_namespace=bool(chart.namespace),
            when=When.BEFORE,
            extra={"description": f"{chart.place}: {chart.name}"},
            values_complete=False,
        )


def _charts_of(manifest: BootstrapManifest, loader: Loader, builder: Builder) -> Iterable[Release]:
    """What a kustomization has Helm render; Terraform and scripts run it with `--enable-helm`."""
    if manifest.is_kustomization and not manifest.synced and manifest.only in (None, DEFINITIONS_ONLY):
        for chart in build_directory(builder, loader.tree, manifest.path).charts:
            release = inflated_release(chart, ResourceId("", "Kustomization", "", manifest.path), "default", loader)
            yield replace(release, when=When.BEFORE, crds="Create", extra={"description": f"{manifest.path}, applied by {manifest.place}"})


def _nodes_of(manifest: BootstrapManifest, loader: Loader, builder: Builder) -> Sequence[MappingNode]:
    if manifest.is_kustomization:
        nodes: Sequence[MappingNode] = build_directory(builder, loader.tree, manifest.path).resources
        if manifest.synced and any(map(_is_flux_kustomization, nodes)):
            # Not what a cluster starts with, but all of it: what it brings comes in its own order.
            return ()
    elif loader.tree.is_file(manifest.path):
        nodes = [as_mapping(document) for document in loader.load(manifest.path).documents]
    else:
        nodes = []
    return [node for node in nodes if manifest.only is None or node.get("kind") == manifest.only]


def _is_flux_kustomization(node: MappingNode) -> bool:
    return as_text(node.get("apiVersion")).startswith(KUSTOMIZE_GROUP)


def _handed_on(nodes: Sequence[MappingNode], note: str, loader: Loader, builder: Builder, table: KindTable, catalogue: Catalogue) -> Iterable[Provision]:
    """What the Flux Kustomizations among `nodes` apply: whoever applies them first waits for that, before all the others are there.

    Not where they come with a source, or apply more of their kind: that is what a cluster starts with, and brings everything in its own order.
    """
    if any(as_text(node.get("apiVersion")).startswith(SOURCE_GROUP) for node in nodes):
        return
    for node in filter(_is_flux_kustomization, nodes):
        path = written_path(node)
        if not loader.tree.is_directory(path):
            continue
        namespace = as_text(as_mapping(node.get("spec")).get("targetNamespace")) or "default"
        built = build_directory(builder, loader.tree, path).resources
        if any(map(_is_flux_kustomization, built)):
            continue
        resources = [resource for each in built if (resource := to_resource(each, table.is_namespaced, namespace)) is not None]
        by_id = {resource.id: resource for resource in resources}
        for resource in resources:
            provisions = facts_of(resource, table).provisions
            if resource.id.kind == "HelmRelease":
                provisions += release_facts(flux_release(resource, by_id, loader, table.is_namespaced, frozenset()), catalogue, table).provisions
            yield from (replace(provision, when=When.BEFORE, note=note) for provision in provisions)


def _provided(nodes: Iterable[MappingNode], note: str, table: KindTable) -> Iterable[Provision]:
    for node in nodes:
        resource = to_resource(node, table.is_namespaced, "default")
        if resource is not None:
            for provision in facts_of(resource, table).provisions:
                yield replace(provision, when=When.BEFORE, note=note)


def _kind(text: str) -> tuple[str, str]:
    """Group and kind of `Kind.group` or `group/Kind`."""
    if "/" in text:
        group, _, kind = text.rpartition("/")
        return group, kind
    kind, _, group = text.partition(".")
    return group, kind
