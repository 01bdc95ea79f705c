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
from gitops_secrets.model.brief import brief
from gitops_secrets.model.facts import Opaque, Problem, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import AppliedResource, Cluster, Destination, Unit, overlay_id
from gitops_secrets.rendering.argo.applications import ARGO_GROUP, ARGO_NAMESPACE, destination_of, is_argo_unit, sources_of
from gitops_secrets.rendering.argo.discovery import (
    Reach,
    allowed,
    entry_point,
    find_objects,
    may_hold_objects,
    own_urls,
    registered_cluster,
    root_groups,
    settings_of,
)
from gitops_secrets.rendering.argo.engine import ArgoEngine
from gitops_secrets.rendering.argo.repositories import Repositories
from gitops_secrets.rendering.artifacts import EXTENSIONS_GROUP, folder_loader
from gitops_secrets.rendering.cluster_names import unique_suffixes
from gitops_secrets.rendering.engines import Root, expand
from gitops_secrets.rendering.expansion import Elsewhere, Expansion, State
from gitops_secrets.rendering.flux import build_directory
from gitops_secrets.rendering.flux_version import applied_version, bootstrapped_version, components_version
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.rendering.objects import FLUX_NAMESPACE, ProvisionsOf, ScopeOf, is_exported, no_provisions, to_resource, too_long
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.rendering.resource_set import is_resource_set
from gitops_secrets.rendering.sources import Sources
from gitops_secrets.rendering.starts import (
    EntryPoint,
    bootstraps,
    by_folder,
    common_folder,
    entry_point_of,
    entry_points_of,
    instantiated,
    reachable,
    superseded,
    switched_off,
    unreached,
)
from gitops_secrets.rendering.units import KUSTOMIZE_GROUP, OPERATOR_GROUP, SOURCE_GROUP, is_kustomization, source_of, to_unit, written_path
from gitops_secrets.rendering.urls import is_placeholder, normalised_url
from gitops_secrets.repository.ignore import FilteredTree, has_too_many, ignored
from gitops_secrets.repository.tree import join

KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# Nobody runs what lies here any more, or a pipeline sets up beforehand what it needs.
_SHELVES = frozenset({"archive", ".archive", "_archive", "archived", "deprecated", "ci", "e2e", "testdata", "example", "examples", "sample", "samples"})
_TEMPLATE_FOLDERS = frozenset({"template", "templates"})
# Sources of an artifact that somebody pushed, with whatever folder as its root.
_ARTIFACTS = frozenset({"OCIRepository", "Bucket"})
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
    discovery = _Discovery(loader, scope_of, remote_urls, external_sources, not_overlays, checkouts, provisions_of, destinations, renderings)
    return discovery.run_configured(settings) if settings else discovery.run()


def _ignored_by(entry: EntryPoint) -> str | None:
    """`spec.ignore` of what an entry point syncs, which may lie beside it."""
    ignore = _source_spec(entry).get("ignore")
    return ignore if isinstance(ignore, str) else None


def _source_spec(entry: EntryPoint) -> MappingNode:
    source = next((given for given in entry.given if given.id == entry.source), None)
    return entry.source_spec if source is None else as_mapping(source.data.get("spec"))


def _passed_over(entry: EntryPoint, limits: Limits) -> tuple[Problem, ...]:
    """Says that `spec.ignore` has more patterns than are looked at."""
    patterns = _ignored_by(entry)
    if patterns is None or not has_too_many(patterns, limits):
        return ()
    place = _source_spec(entry).place("ignore")
    return (Problem(f"spec.ignore of {entry.source} is passed over: too many patterns; {limits.more('ignore_patterns')}", place, "invalid-yaml"),)


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
        destinations: Iterable[Destination],
        renderings: Renderings,
    ) -> None:
        self.loader = loader
        self.renderings = renderings
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
        self.destinations = tuple(destinations)
        self.registered: tuple[Destination, ...] = ()  # by Secrets of the repository
        self.reached: set[Place] = set()
        self.built: set[str] = set()
        self.argo_files: list[str] = []  # that may hold objects of Argo CD; filled by `_engine_documents`
        self.clusters: list[tuple[EntryPoint, Cluster]] = []

    def run(self) -> tuple[Cluster, ...]:
        documents = tuple(self._engine_documents())
        for entry in self._bootstraps(documents):
            if not self._is_of_another_repository(entry):
                self._add(entry)
        self._add_unreached(documents)
        self._add_applications()
        self._add_overlays()
        names = unique_suffixes([entry.path for entry, _ in self.clusters])
        called = {entry.path: name for name, (entry, _) in zip(names, self.clusters, strict=True)}
        # One whose path is not there says nothing of what else is in use.
        bootstrapped = any(entry.bootstrapped and cluster.resources for entry, cluster in self.clusters)
        engine = any(entry.engine != "none" and not _is_shelved(entry) and cluster.resources for entry, cluster in self.clusters)
        version = bootstrapped_version(self.loader, self._kustomizations())
        found = (
            replace(
                cluster,
                name=name,
                hub=None if cluster.hub is None else called[cluster.hub],
                # An engine makes directories that it does not reach parts of something else, or of nothing.
                stray=_is_shelved(entry) or (bootstrapped and not entry.bootstrapped) or (engine and entry.engine == "none"),
                guessed=not entry.bootstrapped,
                flux_version=cluster.flux_version or components_version(self.loader, entry.file) or version,
            )
            for name, (entry, cluster) in zip(names, self.clusters, strict=True)
        )
        return tuple(sorted(found, key=lambda cluster: cluster.name))

    def run_configured(self, settings: Mapping[str, ClusterSetting]) -> tuple[Cluster, ...]:
        """The clusters of the configuration, in the order of their names."""
        known = self._bootstraps(tuple(self._engine_documents()))
        version = bootstrapped_version(self.loader, self._kustomizations())
        found = (replace(self._configured(name, settings[name], known), name=brief(name)) for name in sorted(settings))
        return tuple(replace(cluster, flux_version=cluster.flux_version or version) for cluster in found)

    def _bootstraps(self, documents: Sequence[tuple[str, MappingNode]]) -> list[EntryPoint]:
        return [instance for entry in bootstraps(documents, self.scope_of) for instance in instantiated(entry, self.tree)]

    def _is_of_another_repository(self, entry: EntryPoint) -> bool:
        """Does it sync a repository that is not this one, and a path that is not here? Then this one is to be copied into that, or is a part of it."""
        return bool(entry.url and self.urls) and normalised_url(entry.url) not in self.urls and not self.tree.is_directory(entry.path)

    def _configured(self, name: str, setting: ClusterSetting, known: Sequence[EntryPoint]) -> Cluster:
        """What starts at a file with Flux objects, at a directory that Flux syncs, or (engine `none`) at a directory that is applied as it is."""
        path, engine, called = setting.path, setting.engine, f"{setting.place}: clusters.{name}"
        is_file = self.tree.is_file(path)
        if not is_file and not self.tree.is_directory(path):
            raise UsageError(f"{called}: {path} is not in the repository")
        build = None if is_file else build_directory(self.builder, self.tree, path)
        if engine == "argo":
            return self._configured_applications(path, called, build)
        if engine != "none":
            documents = build.resources if build is not None else self.loader.load(path).documents
            bootstrap = next((entry for entry in known if path == entry.file), None) or next((entry for entry in known if path == entry.path), None)
            entry = bootstrap or entry_point_of(path, documents, self.scope_of)
            if entry is not None:
                cluster = self._with_settings(self._expanded(replace(entry, file=path or "."))[0])
                return cluster if bootstrap or build is None else replace(cluster, problems=(*cluster.problems, *build.problems))
        if engine == "flux" or build is None:
            advice = "it must be a directory to be applied as it is" if is_file else "with `engine: none` it is applied as it is"
            raise UsageError(f"{called}: {path or '.'} holds no Flux Kustomization\n{advice}")
        return self._overlay(path, find_kustomization(self.tree, path) or path or ".", build)

    def _engine_documents(self) -> Iterable[tuple[str, MappingNode]]:
        """Documents that may be engine objects, or hold one. The text is searched first: parsing is what costs, and then it is gone."""
        for path in self.tree.files:
            if path.endswith(YAML_SUFFIXES):
                if may_hold_objects(self.loader, path):
                    self.argo_files.append(path)
                if self.loader.holds(path, b"fluxcd.") or (self.loader.holds(path, b"instance:") and self.loader.holds(path, b"sync:")):
                    for document in self.loader.load(path).documents:
                        if isinstance(document, MappingNode):
                            yield path, document

    def _add(self, entry: EntryPoint, problems: Iterable[Problem] = ()) -> None:
        ids = {root.id for root in entry.roots}
        if not entry.stray and any(entry.path == known.path and ids.intersection(root.id for root in known.roots) for known, _ in self.clusters):
            return
        cluster, expansion = self._expanded(entry)
        cluster = self._with_settings(cluster)
        if not entry.bootstrapped and entry.engine == "flux":
            # The folder that a bootstrap would sync; what lies there to install the engine itself is no overlay.
            installing = f"{entry.path}/{FLUX_NAMESPACE}/" if entry.path else f"{FLUX_NAMESPACE}/"
            self.built.add(installing)
            # It is read for certain, and may be what starts the cluster.
            problems = (*problems, *(problem for problem in self.loader.problems if problem.place.file.startswith(installing)))
        if not cluster.resources and _TEMPLATE_FOLDERS.intersection(entry.file.lower().split("/")):
            # People copy it for a new cluster, and write that one's path into the copy.
            entry = replace(entry, stray=True)
        self.built |= expansion.built
        self.reached |= {applied.resource.place for applied in expansion.resources if applied.resource.id.group.endswith(_ENGINE_GROUPS)}
        self.reached |= {unit.place for unit in expansion.units} | {root.place for root in entry.roots}
        self.clusters.append((entry, replace(cluster, problems=(*cluster.problems, *problems))))
        self.clusters += self._spokes(entry, cluster, expansion)

    def _spokes(self, entry: EntryPoint, hub: Cluster, expansion: Expansion) -> Iterable[tuple[EntryPoint, Cluster]]:
        """The other clusters that Applications are for, each with what goes there, below the units of the hub that these come from."""
        repositories = self._repositories(entry, self.urls)
        waiting: dict[Destination, list[Elsewhere]] = {}
        for other in expansion.elsewhere:
            waiting.setdefault(repositories.registered(destination_of(other.resource)), []).append(other)
        for destination, others in sorted(waiting.items(), key=lambda item: (item[0].name, item[0].server)):
            name = destination.name or destination.server.rpartition("//")[2].partition("/")[0]
            spoke = replace(entry, path=f"{entry.path}/{name}".lstrip("/"), given=())
            made, within = self._expanded(spoke, [(other.resource, other.parent) for other in others], destination)
            known = {unit.id: unit for unit in expansion.units}
            above = {unit.id for unit in within.units}
            pending = [other.parent for other in others]
            units = list(made.units)
            while pending:
                parent = pending.pop()
                if parent in known and parent not in above:
                    above.add(parent)
                    units.append(replace(known[parent], remote=True))
                    pending.append(known[parent].parent)
            self.built |= within.built
            yield (
                spoke,
                replace(made, units=tuple(sorted(units, key=lambda unit: unit.id)), argo=hub.argo, hub=entry.path, problems=allowed(made.problems, hub.argo)),
            )

    def _with_settings(self, cluster: Cluster) -> Cluster:
        """`cluster` with how its Argo CD is set up, if it has one."""
        settings = settings_of(cluster, self.loader) if any(unit.sync is not None for unit in cluster.units) else None
        return replace(cluster, argo=settings, problems=allowed(cluster.problems, settings))

    def _expanded(self, entry: EntryPoint, roots: Sequence[Root] = (), here: Destination | None = None) -> tuple[Cluster, Expansion]:
        urls = self.urls | ({normalised_url(entry.url)} if entry.url else frozenset())
        loader, builder = self._without_ignored(_ignored_by(entry))
        folder = self._source_root(entry)
        if folder:
            loader = folder_loader(loader, folder)
            builder = Builder(loader)
        sources = Sources(entry.source, urls, self.external, self.checkouts)
        repositories = self._repositories(entry, urls, here)
        renderings = self.renderings.part((_ignored_by(entry), folder))
        own_roots = [(root, None) for root in entry.roots]
        expansion = expand(roots or own_roots, entry.given, sources, repositories, loader, builder, renderings, self.scope_of, self.provisions_of)
        cluster = _to_cluster(entry, expansion)
        return replace(cluster, problems=(*cluster.problems, *_passed_over(entry, self.loader.limits))), expansion

    def _source_root(self, entry: EntryPoint) -> str:
        """The folder that is a repository of its own within this one, if the paths of an entry point are relative to such: "" for the root."""
        if entry.engine == "argo":
            written = [source.path for root in entry.roots for source in sources_of(root) if source.path and not source.chart]
            paths = [path for path in (join("", path.strip("/")) for path in written) if path is not None]
        else:
            units = [unit for root in entry.roots if (unit := to_unit(root, None)).source == entry.source]
            paths = [written_path(unit.data) for unit in units]
            if entry.source is not None and entry.source.kind in _ARTIFACTS and not any(paths):
                return self._artifact_root(entry.file)
        if not paths or any(self.tree.is_directory(path) for path in paths):
            return ""
        folder = entry.file.rpartition("/")[0]
        while folder:
            if any(self.tree.is_directory(f"{folder}/{path}".rstrip("/")) for path in paths if path):
                return folder
            folder = folder.rpartition("/")[0]
        return ""

    def _artifact_root(self, file: str) -> str:
        """The folder that somebody pushed as an artifact which is synced as a whole: the highest one whose kustomization applies what syncs it."""
        found, folder = "", file.rpartition("/")[0]
        while folder:
            if find_kustomization(self.tree, folder) is not None and any(node.place().file == file for node in self.builder.build(folder).resources):
                found = folder
            folder = folder.rpartition("/")[0]
        return found

    def _without_ignored(self, patterns: str | None) -> tuple[Loader, Builder]:
        """What source-controller leaves in the artifact: `spec.ignore` comes on top of .sourceignore files, and takes the place of Flux' default."""
        if patterns is None:
            return self.loader, self.builder
        if patterns not in self.narrowed:
            # What Flux leaves out by default is gone from the tree already.
            whole = self.tree.whole if isinstance(self.tree, FilteredTree) else self.tree
            loader = self.loader.narrowed(FilteredTree(whole, ignored(whole, patterns, self.loader.limits)))
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
        # What was written out of a cluster is a record of it, unless there is nothing else.
        found = {place: pair for place, pair in found.items() if not is_exported(pair[1])} or ({} if self.clusters else found)
        if not found:
            return
        listed = [(directory, resource) for directory, resource in self._listed_kustomizations() if resource.place in found]
        self._add_variants(listed)
        found = {place: (file, resource) for place, (file, resource) in found.items() if place not in self.reached and file not in self.built}
        for _, resource in listed:
            if resource.place in found:
                found[resource.place] = (found[resource.place][0], resource)
        reaches = self._reaches([resource for _, resource in found.values()], frozenset(resource.id for _, resource in beside))
        for place in superseded({place: resource.id for place, (_, resource) in found.items()}, reaches):
            del found[place], reaches[place]
        roots = unreached(reaches)
        off = self._switched_off(roots, found, reaches)
        for folder, group in by_folder([(file, resource) for file, resource in found.values() if resource.place in roots - off.keys()]):
            near = [(file, resource) for file, resource in beside if _is_below(file, folder)]
            for entry in entry_points_of(folder, group):
                # One that applies itself is a bootstrap under another name, and a source that it leaves out of what it builds is nowhere.
                applies_itself = any(root.place in reaches[root.place] for root in entry.roots)
                own = [path for root in entry.roots if applies_itself and (path := self._directory(root))]
                given = tuple(resource for file, resource in near if resource.id == entry.source or not any(_is_below(file, path) for path in own))
                entry = self._with_own_source(entry, given)
                self._add(replace(entry, given=(*given, *self._beside(entry, found)), bootstrapped=applies_itself))
                in_use = {root.place for root in entry.roots}
                left_out = [pair for place, pair in found.items() if off.get(place) in in_use]
                for stray in entry_points_of(common_folder(left_out), left_out):
                    # As it would be switched on: beside what is in use, which it needs.
                    beside_it = (*given, *self._beside(stray, found))
                    self._add(replace(stray, roots=(*entry.roots, *stray.roots), given=beside_it, bootstrapped=False, stray=True))

    def _with_own_source(self, entry: EntryPoint, given: Iterable[Resource]) -> EntryPoint:
        """`entry` without the source it was guessed to sync, if that is declared beside it and no folder that is built from it is here."""
        is_declared = any(resource.id == entry.source for resource in given)
        if is_declared and not any(self._directory(root) for root in entry.roots if source_of(root) == entry.source):
            return replace(entry, source=None)
        return entry

    def _add_variants(self, listed: Sequence[tuple[str, Resource]]) -> None:
        """Directories that render one Kustomization each in its own way: every one of them is what a cluster applies."""
        rendering: dict[Place, set[str]] = {}
        for directory, resource in listed:
            rendering.setdefault(resource.place, set()).add(directory)
        for directory in sorted(set().union(*(directories for directories in rendering.values() if len(directories) > 1))):
            build = self.builder.build(directory)
            entry = entry_point_of(directory, build.resources, self.scope_of)
            if entry is not None:
                # One that builds this very directory is a bootstrap, and applies the others.
                itself = tuple(root for root in entry.roots if self._directory(root) == directory)
                self._add(replace(entry, roots=itself or entry.roots, bootstrapped=bool(itself)), build.problems)

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
        path = written_path(resource.data)
        return path if self.tree.is_directory(path) else None

    # Applications that nothing reaches

    def _add_applications(self) -> None:
        found = find_objects(self.loader, self.scope_of, self.argo_files)
        units = {place: pair for place, pair in found.units.items() if place not in self.reached and pair[0] not in self.built}
        if not units:
            return
        listed, read = self._listed_objects()
        # What a build read without making an object of it is a patch; what it renamed stands where its name does.
        units = {place: (file, resource) for place, (file, resource) in units.items() if place not in listed and file not in read}
        units |= {place: (place.file, resource) for place, resource in listed.items() if is_argo_unit(resource) and place.file not in self.built}
        found.beside = [(file, resource) for file, resource in found.beside if resource.id.group != ARGO_GROUP or file not in read]
        found.beside += [(place.file, resource) for place, resource in listed.items() if not is_argo_unit(resource)]
        files = frozenset(file for file, _ in units.values())
        off = {place: pair for place, pair in units.items() if self._is_left_out(pair[0], files)}
        used = {place: pair for place, pair in units.items() if place not in off} or units
        urls = own_urls((resource for _, resource in units.values()), self.urls, self.tree)
        self.registered = tuple(cluster for _, resource in found.beside if (cluster := registered_cluster(resource)) is not None)
        groups = root_groups(used, lambda root, frontier: self._reach(root, frontier, urls))
        for folder, group in groups:
            self._add(entry_point(folder, group, found, alone=len(groups) == 1))
        if off and used is not units:
            # As they would be switched on: beside what is in use.
            for folder, group in root_groups(off, lambda root, frontier: self._reach(root, frontier, urls)):
                beside = next((other for _, other in groups if common_folder([*group, *other])), [])
                self._add(replace(entry_point(folder, [*group, *beside], found), stray=True))
        self._leave_to_others()

    def _leave_to_others(self) -> None:
        """A project that an Application brings to one cluster is not there in those beside it."""
        places = [{applied.resource.place for applied in cluster.resources if applied.resource.id.group == ARGO_GROUP} for _, cluster in self.clusters]
        brought = {place for found in places for place in found}
        self.clusters = [
            (entry, replace(cluster, given=tuple(each for each in cluster.given if each.place not in brought or each.place in own)))
            for (entry, cluster), own in zip(self.clusters, places, strict=True)
        ]

    def _is_left_out(self, file: str, files: Set[str]) -> bool:
        """Does it lie beside a kustomization that lists others of `files`, and not this one? Then its owner took it off the list."""
        directory = file.rpartition("/")[0]
        if find_kustomization(self.tree, directory) is None:
            return False
        listed = self.builder.build(directory).inputs
        return file not in listed and any(other in listed and other.rpartition("/")[0] == directory for other in files)

    def _configured_applications(self, path: str, called: str, build: Build | None) -> Cluster:
        """What starts at the Applications of a file, or of a directory: as its kustomization renders them, or all below it."""
        found = find_objects(self.loader, self.scope_of, self.argo_files)
        prefix = f"{path}/" if path else ""
        group = [(file, resource) for file, resource in found.units.values() if file == path or (build is not None and file.startswith(prefix))]
        if build is not None and find_kustomization(self.tree, path) is not None:
            listed = (to_resource(node, self.scope_of, ARGO_NAMESPACE) for node in build.resources)
            group = [(path, resource) for resource in listed if resource is not None and is_argo_unit(resource)]
        if not group:
            raise UsageError(f"{called}: {path or '.'} holds no Application")
        self.registered = tuple(known for _, resource in found.beside if (known := registered_cluster(resource)) is not None)
        entry = replace(entry_point(path, group, found), file=path or ".", path=path)
        cluster, _ = self._expanded(entry)
        return self._with_settings(cluster)

    def _listed_objects(self) -> tuple[Mapping[Place, Resource], Set[str]]:
        """Objects of Argo CD as the kustomize directories that list them render them, by place; and the files that builds of such directories read."""
        listed: dict[Place, Resource] = {}
        read: set[str] = set()
        for directory in self._unreferenced_directories():
            build = self.builder.build(directory)
            rendered = (to_resource(node, self.scope_of, ARGO_NAMESPACE) for node in build.resources if as_text(node.get("apiVersion")).startswith(ARGO_GROUP))
            found = {resource.place: resource for resource in rendered if resource is not None and not is_placeholder(resource.id.name)}
            listed |= found
            if found:
                read |= build.inputs
        return listed, read

    def _reach(self, root: Resource, frontier: frozenset[Place], urls: frozenset[str]) -> Reach:
        state = State(self.loader, self.builder, self.renderings, self.scope_of)
        state.engines = (ArgoEngine(state, self._repositories(None, urls), frontier),)
        state.enqueue(root, None)
        expansion = state.run()
        places = frozenset(applied.resource.place for applied in expansion.resources if is_argo_unit(applied.resource))
        away = {str(destination_of(other.resource)) for other in expansion.elsewhere}
        claims = {("", applied.resource.id) for applied in expansion.resources if applied.resource.id.kind != "Namespace"}
        return Reach(places, frozenset(claims | {(where, root.id) for where in away}))

    def _repositories(self, entry: EntryPoint | None, urls: frozenset[str], here: Destination | None = None) -> Repositories:
        """What Applications read from this repository."""
        roots = entry.roots if entry is not None else ()
        own = own_urls((root for root in roots if is_argo_unit(root)), urls, self.tree) | urls
        checkouts = {normalised_url(name): loader for name, loader in self.checkouts.items()}
        external = frozenset(normalised_url(name) for name in self.external)
        return Repositories(own, external, checkouts, (*self.destinations, *self.registered), bool(self.destinations), here)

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
                # A template for others, with gaps that are not filled in yet; or for what somebody makes of the chart beside it first.
                has_gaps = bool(_TEMPLATE_FOLDERS.intersection(directory.split("/"))) or self.tree.is_file(f"{directory}/Chart.yaml".lstrip("/"))
                stray = build.failed and has_gaps
                entry = EntryPoint(directory or ".", directory, "none", bootstrapped=False, stray=stray)
                self.clusters.append((entry, self._overlay(directory, kustomization, build)))

    def _overlay(self, directory: str, kustomization: str, build: Build) -> Cluster:
        unit = Unit(overlay_id(directory), Place(kustomization, 1, 1), path=directory)
        applied, problems = [], [replace(problem, subject=problem.subject or str(unit.id)) for problem in build.problems]
        for node in build.resources:
            resource = to_resource(node, self.scope_of, "default")
            if resource is None:
                problems.append(Problem("an object without apiVersion, kind or name", node.place(), "build-failed", str(unit.id)))
            elif (refused := too_long(resource.id)) is not None:
                problems.append(Problem(refused, resource.place, "build-failed", str(unit.id)))
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
