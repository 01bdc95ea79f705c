"""Where clusters start reading the repository, and everything that each of them applies.

Looked for, in this order: Flux bootstrap (a Kustomization beside the source of its own name, as in gotk-sync.yaml) and FluxInstances (also in the values
of their chart); Flux Kustomizations that nothing reaches; kustomize directories that no engine object reaches. Where the configuration names entry points,
nothing else is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from types import MappingProxyType

from gitops_secrets.config import ClusterSetting
from gitops_secrets.errors import UsageError
from gitops_secrets.manifests.load import YAML_SUFFIXES, Loader
from gitops_secrets.model.facts import Opaque, Problem, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import AppliedResource, Cluster, Unit, overlay_id
from gitops_secrets.rendering.artifacts import EXTENSIONS_GROUP, folder_loader
from gitops_secrets.rendering.cluster_names import unique_suffixes
from gitops_secrets.rendering.flux import Expansion, build_directory, expand
from gitops_secrets.rendering.flux_version import applied_version, bootstrapped_version
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.rendering.objects import FLUX_NAMESPACE, ProvisionsOf, ScopeOf, no_provisions, to_resource
from gitops_secrets.rendering.resource_set import is_resource_set
from gitops_secrets.rendering.sources import Sources, normalised_url
from gitops_secrets.rendering.starts import (
    EntryPoint,
    bootstraps,
    by_folder,
    common_folder,
    entry_point_of,
    entry_points_of,
    instantiated,
    reachable,
    switched_off,
    unreached,
    written_path,
)
from gitops_secrets.rendering.units import KUSTOMIZE_GROUP, OPERATOR_GROUP, SOURCE_GROUP, is_kustomization, source_of, to_unit
from gitops_secrets.repository.ignore import FilteredTree, ignored
from gitops_secrets.repository.tree import join

KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# Nobody runs what lies here any more, or a pipeline sets up beforehand what it needs.
_SHELVES = frozenset({"archive", ".archive", "_archive", "archived", "deprecated", "ci", "e2e", "testdata"})
_TEMPLATE_FOLDERS = frozenset({"template", "templates"})
_ENGINE_GROUPS = (".toolkit.fluxcd.io", ".extensions.fluxcd.io")


def find_clusters(
    loader: Loader,
    scope_of: ScopeOf,
    remote_urls: Iterable[str] = (),
    external_sources: Iterable[str] = (),
    not_overlays: Iterable[str] = (),
    checkouts: Mapping[str, Loader] = MappingProxyType({}),
    settings: Mapping[str, ClusterSetting] = MappingProxyType({}),
    provisions_of: ProvisionsOf = no_provisions,
) -> tuple[Cluster, ...]:
    """All clusters of a tree, rendered, sorted by name.

    `remote_urls` are the urls under which this repository is known; `external_sources` ids of sources that are elsewhere for certain; `not_overlays`
    directories that somebody applies before the engine starts, with a `/` at the end if all below is meant too; `checkouts` what to read for sources that
    are other repositories. `settings` are entry points by name: if there are any, these are the clusters, and no others. `provisions_of` tells what Secrets
    controllers make of a resource, and with which keys.

    Raises:
        UsageError: for a setting whose path is not there, or is no entry point.
    """
    discovery = _Discovery(loader, scope_of, remote_urls, external_sources, not_overlays, checkouts, provisions_of)
    return discovery.run_configured(settings) if settings else discovery.run()


def _is_shelved(entry: EntryPoint) -> bool:
    return entry.stray or bool(_SHELVES.intersection(entry.file.lower().split("/")))


class _Discovery:
    def __init__(
        self,
        loader: Loader,
        scope_of: ScopeOf,
        remote_urls: Iterable[str],
        external_sources: Iterable[str],
        not_overlays: Iterable[str],
        checkouts: Mapping[str, Loader],
        provisions_of: ProvisionsOf,
    ) -> None:
        self.loader = loader
        self.tree = loader.tree
        self.scope_of = scope_of
        self.builder = Builder(loader)
        self.narrowed: dict[str, tuple[Loader, Builder]] = {}
        self.urls = frozenset(normalised_url(url) for url in remote_urls)
        self.external = frozenset(external_sources)
        self.not_overlays = frozenset(not_overlays)
        self.not_below = tuple(directory for directory in self.not_overlays if directory.endswith("/"))
        self.checkouts = checkouts
        self.provisions_of = provisions_of
        self.reached: set[Place] = set()
        self.built: set[str] = set()
        self.clusters: list[tuple[EntryPoint, Cluster]] = []

    def run(self) -> tuple[Cluster, ...]:
        documents = tuple(self._engine_documents())
        for entry in self._bootstraps(documents):
            self._add(entry)
        self._add_unreached(documents)
        self._add_overlays()
        names = unique_suffixes([entry.path for entry, _ in self.clusters])
        # One whose path is not there says nothing of what else is in use.
        bootstrapped = any(entry.bootstrapped and cluster.resources for entry, cluster in self.clusters)
        engine = any(entry.engine != "none" and not _is_shelved(entry) and cluster.resources for entry, cluster in self.clusters)
        version = bootstrapped_version(self.loader, self._kustomizations())
        found = (
            replace(
                cluster,
                name=name,
                # An engine makes directories that it does not reach parts of something else, or of nothing.
                stray=_is_shelved(entry) or (bootstrapped and not entry.bootstrapped) or (engine and entry.engine == "none"),
                guessed=not entry.bootstrapped,
                flux_version=cluster.flux_version or version,
            )
            for name, (entry, cluster) in zip(names, self.clusters, strict=True)
        )
        return tuple(sorted(found, key=lambda cluster: cluster.name))

    def run_configured(self, settings: Mapping[str, ClusterSetting]) -> tuple[Cluster, ...]:
        """The clusters of the configuration, in the order of their names."""
        known = self._bootstraps(tuple(self._engine_documents()))
        version = bootstrapped_version(self.loader, self._kustomizations())
        found = (replace(self._configured(name, settings[name], known), name=name) for name in sorted(settings))
        return tuple(replace(cluster, flux_version=cluster.flux_version or version) for cluster in found)

    def _bootstraps(self, documents: Sequence[tuple[str, MappingNode]]) -> list[EntryPoint]:
        return [instance for entry in bootstraps(documents, self.scope_of) for instance in instantiated(entry, self.tree)]

    def _configured(self, name: str, setting: ClusterSetting, known: Sequence[EntryPoint]) -> Cluster:
        """What starts at a file with Flux objects, at a directory that Flux syncs, or (engine `none`) at a directory that is applied as it is."""
        path, engine, called = setting.path, setting.engine, f"{setting.place}: clusters.{name}"
        is_file = self.tree.is_file(path)
        if engine == "argo":
            raise UsageError(f"{called}: the engine argo is not read yet")
        if not is_file and not self.tree.is_directory(path):
            raise UsageError(f"{called}: {path} is not in the repository")
        build = None if is_file else build_directory(self.builder, self.tree, path)
        if engine != "none":
            documents = build.resources if build is not None else self.loader.load(path).documents
            bootstrap = next((entry for entry in known if path == entry.file), None) or next((entry for entry in known if path == entry.path), None)
            entry = bootstrap or entry_point_of(path, documents, self.scope_of)
            if entry is not None:
                cluster, _ = self._expanded(replace(entry, file=path or "."))
                return cluster if bootstrap or build is None else replace(cluster, problems=(*cluster.problems, *build.problems))
        if engine == "flux" or build is None:
            advice = "it must be a directory to be applied as it is" if is_file else "with `engine: none` it is applied as it is"
            raise UsageError(f"{called}: {path or '.'} holds no Flux Kustomization\n{advice}")
        return self._overlay(path, find_kustomization(self.tree, path) or path or ".", build)

    def _engine_documents(self) -> Iterable[tuple[str, MappingNode]]:
        """Documents that may be engine objects, or hold one. The text is searched first: parsing is what costs."""
        for path in self.tree.files:
            if path.endswith(YAML_SUFFIXES):
                text = self.loader.text(path)
                if b".fluxcd.io/" in text or b"fluxcd.controlplane.io" in text or (b"instance:" in text and b"sync:" in text):
                    for document in self.loader.load(path).documents:
                        if isinstance(document, MappingNode):
                            yield path, document

    def _add(self, entry: EntryPoint, problems: Iterable[Problem] = ()) -> None:
        ids = {root.id for root in entry.roots}
        if not entry.stray and any(entry.path == known.path and ids.intersection(root.id for root in known.roots) for known, _ in self.clusters):
            return
        cluster, expansion = self._expanded(entry)
        if not cluster.resources and _TEMPLATE_FOLDERS.intersection(entry.file.lower().split("/")):
            # People copy it for a new cluster, and write that one's path into the copy.
            entry = replace(entry, stray=True)
        self.built |= expansion.built
        self.reached |= {applied.resource.place for applied in expansion.resources if applied.resource.id.group.endswith(_ENGINE_GROUPS)}
        self.reached |= {unit.place for unit in expansion.units} | {root.place for root in entry.roots}
        self.clusters.append((entry, replace(cluster, problems=(*cluster.problems, *problems))))
        if not entry.bootstrapped:
            # The folder that a bootstrap would sync; what lies there to install the engine itself is no overlay.
            self.built.add(f"{entry.path}/{FLUX_NAMESPACE}/" if entry.path else f"{FLUX_NAMESPACE}/")

    def _expanded(self, entry: EntryPoint) -> tuple[Cluster, Expansion]:
        urls = self.urls | ({normalised_url(entry.url)} if entry.url else frozenset())
        loader, builder = self._without_ignored(entry.ignore)
        folder = self._source_root(entry)
        if folder:
            loader = folder_loader(loader, folder)
            builder = Builder(loader)
        sources = Sources(entry.source, urls, self.external, self.checkouts)
        expansion = expand(entry.roots, entry.given, sources, loader, builder, self.scope_of, self.provisions_of)
        return _to_cluster(entry, expansion), expansion

    def _source_root(self, entry: EntryPoint) -> str:
        """The folder that is a repository of its own within this one, if the paths of an entry point are relative to such: "" for the root."""
        units = [unit for root in entry.roots if (unit := to_unit(root, None)).source == entry.source]
        paths = [path for unit in units if (path := join("", written_path(unit.data))) is not None]
        if not paths or any(self.tree.is_directory(path) for path in paths):
            return ""
        folder = entry.file.rpartition("/")[0]
        while folder:
            if any(self.tree.is_directory(f"{folder}/{path}".rstrip("/")) for path in paths if path):
                return folder
            folder = folder.rpartition("/")[0]
        return ""

    def _without_ignored(self, patterns: str | None) -> tuple[Loader, Builder]:
        """What source-controller leaves in the artifact: `spec.ignore` comes on top of .sourceignore files, and takes the place of Flux' default."""
        if patterns is None:
            return self.loader, self.builder
        if patterns not in self.narrowed:
            loader = self.loader.narrowed(FilteredTree(self.tree, ignored(self.tree, patterns)))
            self.narrowed[patterns] = (loader, Builder(loader))
        return self.narrowed[patterns]

    # Flux objects that nothing reaches

    def _add_unreached(self, documents: Sequence[tuple[str, MappingNode]]) -> None:
        found: dict[Place, tuple[str, Resource]] = {}
        beside: list[tuple[str, Resource]] = []
        for file, document in documents:
            resource = to_resource(document, self.scope_of, FLUX_NAMESPACE)
            if resource is None or resource.place in self.reached:
                continue
            if is_kustomization(resource):
                # A file that a build read without making this object of it is a patch; one without a source is a part of a Kustomization.
                if file not in self.built and source_of(resource) is not None:
                    found[resource.place] = (file, resource)
            elif resource.id.group in (SOURCE_GROUP, EXTENSIONS_GROUP):
                beside.append((file, resource))
        if not found:
            return
        listed = [(directory, resource) for directory, resource in self._listed_kustomizations() if resource.place in found]
        self._add_variants(listed)
        found = {place: entry for place, entry in found.items() if place not in self.reached}
        for _, resource in listed:
            if resource.place in found:
                found[resource.place] = (found[resource.place][0], resource)
        reaches = self._reaches([resource for _, resource in found.values()], frozenset(resource.id for _, resource in beside))
        roots = unreached(reaches)
        off = self._switched_off(roots, found, reaches)
        for folder, group in by_folder([(file, resource) for file, resource in found.values() if resource.place in roots - off.keys()]):
            given = tuple(resource for file, resource in beside if _is_below(file, folder))
            for entry in entry_points_of(folder, group):
                # One that applies itself is a bootstrap under another name.
                applies_itself = any(root.place in reaches[root.place] for root in entry.roots)
                self._add(replace(entry, given=(*given, *self._beside(entry, found)), bootstrapped=applies_itself))
                in_use = {root.place for root in entry.roots}
                left_out = [pair for place, pair in found.items() if off.get(place) in in_use]
                for stray in entry_points_of(common_folder(left_out), left_out):
                    # As it would be switched on: beside what is in use, which it needs.
                    beside_it = (*given, *self._beside(stray, found))
                    self._add(replace(stray, roots=(*entry.roots, *stray.roots), given=beside_it, bootstrapped=False, stray=True))

    def _add_variants(self, listed: Sequence[tuple[str, Resource]]) -> None:
        """Directories that render one Kustomization each in its own way: every one of them is what a cluster applies."""
        rendering: dict[Place, set[str]] = {}
        for directory, resource in listed:
            rendering.setdefault(resource.place, set()).add(directory)
        for directory in sorted(set().union(*(directories for directories in rendering.values() if len(directories) > 1))):
            build = self.builder.build(directory)
            entry = entry_point_of(directory, build.resources, self.scope_of)
            if entry is not None:
                self._add(replace(entry, bootstrapped=False), build.problems)

    def _switched_off(self, roots: Set[Place], found: Mapping[Place, tuple[str, Resource]], reaches: Mapping[Place, Set[Place]]) -> dict[Place, Place]:
        """Roots that lie where another one builds, and that its build leaves out, with that one."""
        built = {}
        for root in roots:
            # The root folder is what foreign sources are built from, so it says nothing.
            paths = (self._directory(found[place][1]) for place in reachable(root, reaches))
            built[root] = {path for path in paths if path}
        return switched_off({root: found[root][0] for root in roots}, built)

    def _beside(self, entry: EntryPoint, found: Mapping[Place, tuple[str, Resource]]) -> Iterable[Resource]:
        """Other objects in the files and folders of the roots: what applies these applies those too, cluster-wide settings say."""
        folders = {found[root.place][0].rpartition("/")[0] for root in entry.roots if root.place in found}
        for folder in sorted(folders):
            for name in self.tree.children(folder):
                path = f"{folder}/{name}" if folder else name
                if not self.tree.is_file(path) or not path.endswith(YAML_SUFFIXES) or path in self.built or name in KUSTOMIZATION_FILES:
                    continue
                for document in self.loader.load(path).documents:
                    resource = to_resource(document, self.scope_of, FLUX_NAMESPACE) if isinstance(document, MappingNode) else None
                    if resource is not None and resource.place not in found and not resource.id.group.endswith(_ENGINE_GROUPS):
                        yield resource

    def _listed_kustomizations(self) -> Iterable[tuple[str, Resource]]:
        """Flux Kustomizations as the kustomize directories that list them render them, with their namespace, say; with the directory."""
        for directory in self._unreferenced_directories():
            text_files = (f"{directory}/{name}" if directory else name for name in self.tree.children(directory))
            if any(file.endswith(YAML_SUFFIXES) for file in text_files):
                for node in self.builder.build(directory).resources:
                    if as_text(node.get("apiVersion")).startswith(KUSTOMIZE_GROUP):
                        resource = to_resource(node, self.scope_of, FLUX_NAMESPACE)
                        if resource is not None:
                            yield directory, resource

    def _reaches(self, resources: Sequence[Resource], declared: frozenset[ResourceId]) -> dict[Place, set[Place]]:
        """Which of these Kustomizations each of them applies, itself included, by their places.

        A declared source may be somebody else's: it is ours only if some Kustomization builds a folder of it that is here.
        """
        paths = {resource.place: self._directory(resource) for resource in resources}
        sources = {resource.place: source_of(resource) for resource in resources}
        ours = {sources[place] for place, path in paths.items() if path}
        reaches: dict[Place, set[Place]] = {}
        for resource in resources:
            path, source = paths[resource.place], sources[resource.place]
            targets: set[Place] = set()
            if path is not None and (source in ours or source not in declared):
                for node in build_directory(self.builder, self.tree, path, resource).resources:
                    if as_text(node.get("apiVersion")).startswith(KUSTOMIZE_GROUP):
                        targets.add(as_mapping(node.get("metadata")).place("name"))
            reaches[resource.place] = targets & paths.keys()
        return reaches

    def _directory(self, resource: Resource) -> str | None:
        """The directory of this repository that a Kustomization would build, if it is there."""
        path = join("", written_path(resource.data))
        return path if path is not None and self.tree.is_directory(path) else None

    # Directories without an engine

    def _kustomizations(self) -> Iterable[str]:
        return (path for path in self.tree.files if path.rpartition("/")[2] in KUSTOMIZATION_FILES)

    def _unreferenced_directories(self) -> list[str]:
        """Directories with a kustomization of their own that no other kustomization includes."""
        directories = {}
        for path in self.tree.files:
            directory, _, name = path.rpartition("/")
            if name in KUSTOMIZATION_FILES and path == find_kustomization(self.tree, directory):
                directories[directory] = path
        referenced: set[str] = set()
        for directory, path in directories.items():
            for document in self.loader.load(path).documents[:1]:
                node = as_mapping(document)
                for field in ("resources", "bases", "components"):
                    for entry in as_sequence(node.get(field)):
                        target = join(directory, entry) if isinstance(entry, str) else None
                        if target is not None and target != directory:
                            referenced.add(target)
        return sorted(directory for directory in directories if directory not in referenced)

    def _add_overlays(self) -> None:
        reached = _with_parents(self.built)
        for directory in self._unreferenced_directories():
            if directory in reached or directory in self.not_overlays or f"{directory}/".startswith(self.not_below):
                continue
            kustomization = find_kustomization(self.tree, directory)
            first = next(iter(self.loader.load(kustomization).documents), None) if kustomization else None
            if kustomization is None or as_mapping(first).get("kind") == "Component":
                continue
            if "kustomize.config.k8s.io" not in as_text(as_mapping(first).get("apiVersion")) and as_mapping(first).get("kind") not in (None, "Kustomization"):
                continue
            build = self.builder.build(directory)
            if any(as_text(node.get("apiVersion")).startswith((KUSTOMIZE_GROUP, OPERATOR_GROUP)) for node in build.resources):
                continue
            if build.resources or build.failed:
                entry = EntryPoint(directory or ".", directory, "none", bootstrapped=False)
                self.clusters.append((entry, self._overlay(directory, kustomization, build)))

    def _overlay(self, directory: str, kustomization: str, build: Build) -> Cluster:
        unit = Unit(overlay_id(directory), Place(kustomization, 1, 1), path=directory)
        applied, problems = [], [replace(problem, subject=problem.subject or str(unit.id)) for problem in build.problems]
        for node in build.resources:
            resource = to_resource(node, self.scope_of, "default")
            if resource is None:
                problems.append(Problem("an object without apiVersion, kind or name", node.place(), "build-failed", str(unit.id)))
            else:
                applied.append(AppliedResource(resource, unit.id))
        sets = (entry.resource for entry in applied if is_resource_set(entry.resource))
        opaque = (*build.opaque, *(Opaque(str(found.id), "a ResourceSet in a directory that no engine applies", found.place) for found in sets))
        return with_releases(Cluster("", directory or ".", "none", (unit,), tuple(applied), (), opaque, tuple(problems)), self.loader, self.scope_of)


def with_releases(cluster: Cluster, loader: Loader, scope_of: ScopeOf) -> Cluster:
    """`cluster` with the units and releases of its HelmReleases: somebody runs Flux's controllers there, only the order is not theirs."""
    from gitops_secrets.rendering.charts import flux_release

    by_id = {applied.resource.id: applied.resource for applied in cluster.resources}
    releases, units = [], list(cluster.units)
    for applied in cluster.resources:
        if (applied.resource.id.group, applied.resource.id.kind) == ("helm.toolkit.fluxcd.io", "HelmRelease"):
            release = flux_release(applied.resource, by_id, loader, scope_of, frozenset())
            releases += [release] if release.source is not None else []
            units.append(to_unit(applied.resource, applied.unit))
    return replace(cluster, releases=tuple(releases), units=tuple(sorted(units, key=lambda unit: unit.id)))


def _to_cluster(entry: EntryPoint, expansion: Expansion) -> Cluster:
    things = (opaque.thing for opaque in expansion.opaque)
    return Cluster(
        name="",
        entry_point=entry.file,
        engine=entry.engine,
        units=expansion.units,
        resources=expansion.resources,
        releases=expansion.releases,
        opaque=expansion.opaque,
        problems=expansion.problems,
        flux_version=entry.flux_version or applied_version((applied.resource for applied in expansion.resources), things),
        given=entry.given,
    )


def _with_parents(built: Iterable[str]) -> set[str]:
    """Directories that were built or read, and all above them."""
    found: set[str] = set()
    for path in built:
        directory = path.rpartition("/")[0]
        while directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    return found


def _is_below(file: str, folder: str) -> bool:
    return not folder or file.startswith(folder + "/")
