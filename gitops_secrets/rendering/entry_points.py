"""Where clusters start reading the repository, and everything that each of them applies.

Looked for, in this order: Flux bootstrap (a Kustomization beside the source of its own name, as in gotk-sync.yaml) and FluxInstances (also in the values
of their chart); Flux Kustomizations that nothing reaches; kustomize directories that no engine object reaches. Where the configuration names entry points,
nothing else is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from gitops_secrets.config import ClusterSetting
from gitops_secrets.errors import UsageError
from gitops_secrets.manifests.load import YAML_SUFFIXES, Loader
from gitops_secrets.model.brief import brief
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.model.results import Cluster, Destination
from gitops_secrets.rendering.argo.discovery import may_hold_objects
from gitops_secrets.rendering.argo_roots import ArgoRoots
from gitops_secrets.rendering.cluster_names import unique_suffixes
from gitops_secrets.rendering.flux_build import build_directory
from gitops_secrets.rendering.flux_roots import FluxRoots
from gitops_secrets.rendering.flux_version import bootstrapped_version, components_version
from gitops_secrets.rendering.kustomize import find_kustomization
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES
from gitops_secrets.rendering.objects import ProvisionsOf, ScopeOf, no_provisions
from gitops_secrets.rendering.overlays import add_overlays, overlay
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.rendering.starts import EntryPoint, bootstraps, entry_point_of, instantiated
from gitops_secrets.rendering.survey import Survey
from gitops_secrets.rendering.urls import normalised_url

# Nobody runs what lies here any more, or a pipeline sets up beforehand what it needs.
_SHELVES = frozenset({"archive", ".archive", "_archive", "archived", "deprecated", "ci", "e2e", "testdata", "example", "examples", "sample", "samples"})


def find_clusters(
    loader: Loader,
    scope_of: ScopeOf,
    remote_urls: Iterable[str] = (),
    external_sources: Iterable[str] = (),
    not_overlays: Iterable[str] = (),
    checkouts: Mapping[str, Loader] = MappingProxyType({}),
    settings: Mapping[str, ClusterSetting] = MappingProxyType({}),
    provisions_of: ProvisionsOf = no_provisions,
    destinations: Iterable[Destination] = (),
    renderings: Renderings | None = None,
) -> tuple[Cluster, ...]:
    """All clusters of a tree, rendered, sorted by name.

    `remote_urls` are the urls under which this repository is known; `external_sources` ids of sources that are elsewhere for certain; `not_overlays`
    directories that somebody applies before the engine starts, with a `/` at the end if all below is meant too; `checkouts` what to read for sources that
    are other repositories. `settings` are entry points by name: if there are any, these are the clusters, and no others. `provisions_of` tells what Secrets
    controllers make of a resource, and with which keys; `destinations` are clusters that Argo CD knows. `renderings` are of this tree: what
    units come to is kept there, and what they came to in the state beside it is taken from there.

    Raises:
        UsageError: for a setting whose path is not there, or is no entry point.
    """
    renderings = renderings or Renderings(loader)
    survey = Survey(loader, scope_of, remote_urls, external_sources, checkouts, provisions_of, destinations, renderings)
    discovery = _Discovery(survey, not_overlays)
    return discovery.run_configured(settings) if settings else discovery.run()


class _Discovery:
    def __init__(self, survey: Survey, not_overlays: Iterable[str]) -> None:
        self.survey = survey
        self.not_overlays = frozenset(not_overlays)
        self.argo_files: list[str] = []  # that may hold objects of Argo CD; filled by `_engine_documents`

    def run(self) -> tuple[Cluster, ...]:
        documents = tuple(self._engine_documents())
        for entry in self._bootstraps(documents):
            if not self._is_of_another_repository(entry):
                self.survey.add(entry)
        FluxRoots(self.survey).add(documents)
        ArgoRoots(self.survey, self.argo_files).add()
        add_overlays(self.survey, self.not_overlays)
        names = unique_suffixes([entry.path for entry, _ in self.survey.clusters])
        called = {entry.path: name for name, (entry, _) in zip(names, self.survey.clusters, strict=True)}
        # One whose path is not there says nothing of what else is in use.
        bootstrapped = any(entry.bootstrapped and cluster.resources for entry, cluster in self.survey.clusters)
        engine = any(entry.engine != "none" and not _is_shelved(entry) and cluster.resources for entry, cluster in self.survey.clusters)
        version = bootstrapped_version(self.survey.loader, self._kustomizations())
        found = (
            replace(
                cluster,
                name=name,
                hub=None if cluster.hub is None else called[cluster.hub],
                # An engine makes directories that it does not reach parts of something else, or of nothing.
                stray=_is_shelved(entry) or (bootstrapped and not entry.bootstrapped) or (engine and entry.engine == "none"),
                guessed=not entry.bootstrapped,
                flux_version=cluster.flux_version or components_version(self.survey.loader, entry.file) or version,
            )
            for name, (entry, cluster) in zip(names, self.survey.clusters, strict=True)
        )
        return tuple(sorted(found, key=lambda cluster: cluster.name))

    def run_configured(self, settings: Mapping[str, ClusterSetting]) -> tuple[Cluster, ...]:
        """The clusters of the configuration, in the order of their names."""
        known = self._bootstraps(tuple(self._engine_documents()))
        version = bootstrapped_version(self.survey.loader, self._kustomizations())
        found = (replace(self._configured(name, settings[name], known), name=brief(name)) for name in sorted(settings))
        return tuple(replace(cluster, flux_version=cluster.flux_version or version) for cluster in found)

    def _bootstraps(self, documents: Sequence[tuple[str, MappingNode]]) -> list[EntryPoint]:
        return [instance for entry in bootstraps(documents, self.survey.scope_of) for instance in instantiated(entry, self.survey.tree)]

    def _is_of_another_repository(self, entry: EntryPoint) -> bool:
        """Does it sync a repository that is not this one, and a path that is not here? Then this one is to be copied into that, or is a part of it."""
        return bool(entry.url and self.survey.urls) and normalised_url(entry.url) not in self.survey.urls and not self.survey.tree.is_directory(entry.path)

    def _configured(self, name: str, setting: ClusterSetting, known: Sequence[EntryPoint]) -> Cluster:
        """What starts at a file with Flux objects, at a directory that Flux syncs, or (engine `none`) at a directory that is applied as it is."""
        path, engine, called = setting.path, setting.engine, f"{setting.place}: clusters.{name}"
        is_file = self.survey.tree.is_file(path)
        if not is_file and not self.survey.tree.is_directory(path):
            raise UsageError(f"{called}: {path} is not in the repository")
        build = None if is_file else build_directory(self.survey.builder, self.survey.tree, path)
        if engine == "argo":
            return ArgoRoots(self.survey, self.argo_files).configured(path, called, build)
        if engine != "none":
            documents = build.resources if build is not None else self.survey.loader.load(path).documents
            bootstrap = next((entry for entry in known if path == entry.file), None) or next((entry for entry in known if path == entry.path), None)
            entry = bootstrap or entry_point_of(path, documents, self.survey.scope_of)
            if entry is not None:
                cluster = self.survey.with_settings(self.survey.expanded(replace(entry, file=path or "."))[0])
                return cluster if bootstrap or build is None else replace(cluster, problems=(*cluster.problems, *build.problems))
        if engine == "flux" or build is None:
            advice = "it must be a directory to be applied as it is" if is_file else "with `engine: none` it is applied as it is"
            raise UsageError(f"{called}: {path or '.'} holds no Flux Kustomization\n{advice}")
        return overlay(self.survey, path, find_kustomization(self.survey.tree, path) or path or ".", build)

    def _engine_documents(self) -> Iterable[tuple[str, MappingNode]]:
        """Documents that may be engine objects, or hold one. The text is searched first: parsing is what costs, and then it is gone."""
        for path in self.survey.tree.files:
            if path.endswith(YAML_SUFFIXES):
                if may_hold_objects(self.survey.loader, path):
                    self.argo_files.append(path)
                of_flux = self.survey.loader.holds(path, b"fluxcd.")
                if of_flux or (self.survey.loader.holds(path, b"instance:") and self.survey.loader.holds(path, b"sync:")):
                    for document in self.survey.loader.load(path, for_units=of_flux).documents:
                        if isinstance(document, MappingNode):
                            yield path, document

    def _kustomizations(self) -> Iterable[str]:
        return (path for path in self.survey.tree.files if path.rpartition("/")[2] in FILE_NAMES)


def _is_shelved(entry: EntryPoint) -> bool:
    return entry.stray or bool(_SHELVES.intersection(entry.file.lower().split("/")))
