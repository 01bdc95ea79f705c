"""What the search for clusters has seen so far, and what each entry point applies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Problem, Resource
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Cluster, Destination
from gitops_secrets.rendering.argo.applications import destination_of, is_argo_unit, sources_of
from gitops_secrets.rendering.argo.discovery import allowed, own_urls, settings_of
from gitops_secrets.rendering.argo.repositories import Repositories
from gitops_secrets.rendering.artifacts import folder_loader
from gitops_secrets.rendering.engines import Root, expand
from gitops_secrets.rendering.expansion import Elsewhere, Expansion
from gitops_secrets.rendering.flux_version import applied_version
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES
from gitops_secrets.rendering.objects import FLUX_NAMESPACE, ProvisionsOf, ScopeOf
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.rendering.sources import Sources
from gitops_secrets.rendering.starts import EntryPoint
from gitops_secrets.rendering.units import KUSTOMIZE_GROUP, to_unit, written_path
from gitops_secrets.rendering.urls import normalised_url
from gitops_secrets.repository.ignore import FilteredTree, has_too_many, ignored
from gitops_secrets.repository.tree import join

TEMPLATE_FOLDERS = frozenset({"template", "templates"})
# Sources of an artifact that somebody pushed, with whatever folder as its root.
_ARTIFACTS = frozenset({"OCIRepository", "Bucket"})
ENGINE_GROUPS = (".toolkit.fluxcd.io", ".extensions.fluxcd.io")


class Survey:
    """A tree, what is known of it beforehand, and the clusters that were found; what these reach or build starts no other one."""

    def __init__(
        self,
        loader: Loader,
        scope_of: ScopeOf,
        remote_urls: Iterable[str],
        external_sources: Iterable[str],
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
        self._narrowed: dict[str, tuple[Loader, Builder]] = {}
        self.urls = frozenset(normalised_url(url) for url in remote_urls)
        self.external = frozenset(external_sources)
        self.checkouts = checkouts
        self.provisions_of = provisions_of
        self.destinations = tuple(destinations)
        self.registered: tuple[Destination, ...] = ()  # by Secrets of the repository
        self.reached: set[Place] = set()  # objects of an engine that some cluster applies
        self.built: set[str] = set()  # files and directories that builds of some cluster read
        self.clusters: list[tuple[EntryPoint, Cluster]] = []

    def add(self, entry: EntryPoint, problems: Iterable[Problem] = ()) -> None:
        """Adds what starts at an entry point, unless it does so at another one of the same path; `problems` are of how it was found."""
        ids = {root.id for root in entry.roots}
        if not entry.stray and any(entry.path == known.path and ids.intersection(root.id for root in known.roots) for known, _ in self.clusters):
            return
        cluster, expansion = self.expanded(entry)
        cluster = self.with_settings(cluster)
        if not entry.bootstrapped and entry.engine == "flux":
            # The folder that a bootstrap would sync; what lies there to install the engine itself is no overlay.
            installing = f"{entry.path}/{FLUX_NAMESPACE}/" if entry.path else f"{FLUX_NAMESPACE}/"
            self.built.add(installing)
            # It is read for certain, and may be what starts the cluster.
            problems = (*problems, *(problem for problem in self.loader.problems if problem.place.file.startswith(installing)))
        if not cluster.resources and TEMPLATE_FOLDERS.intersection(entry.file.lower().split("/")):
            # People copy it for a new cluster, and write that one's path into the copy.
            entry = replace(entry, stray=True)
        self.built |= expansion.built
        self.reached |= {applied.resource.place for applied in expansion.resources if applied.resource.id.group.endswith(ENGINE_GROUPS)}
        self.reached |= {unit.place for unit in expansion.units} | {root.place for root in entry.roots}
        self.clusters.append((entry, replace(cluster, problems=(*cluster.problems, *problems))))
        self.clusters += self._spokes(entry, cluster, expansion)

    def _spokes(self, entry: EntryPoint, hub: Cluster, expansion: Expansion) -> Iterable[tuple[EntryPoint, Cluster]]:
        """The other clusters that Applications are for, each with what goes there, below the units of the hub that these come from."""
        repositories = self.repositories(entry, self.urls)
        waiting: dict[Destination, list[Elsewhere]] = {}
        for other in expansion.elsewhere:
            waiting.setdefault(repositories.registered(destination_of(other.resource)), []).append(other)
        for destination, others in sorted(waiting.items(), key=lambda item: (item[0].name, item[0].server)):
            name = destination.name or destination.server.rpartition("//")[2].partition("/")[0]
            spoke = replace(entry, path=f"{entry.path}/{name}".lstrip("/"), given=())
            made, within = self.expanded(spoke, [(other.resource, other.parent) for other in others], destination)
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

    def with_settings(self, cluster: Cluster) -> Cluster:
        """`cluster` with how its Argo CD is set up, if it has one."""
        settings = settings_of(cluster, self.loader) if any(unit.sync is not None for unit in cluster.units) else None
        return replace(cluster, argo=settings, problems=allowed(cluster.problems, settings))

    def expanded(self, entry: EntryPoint, roots: Sequence[Root] = (), here: Destination | None = None) -> tuple[Cluster, Expansion]:
        """What an entry point applies, or just `roots` of it; `here` is the cluster that Applications must be for, if it is not their own."""
        urls = self.urls | ({normalised_url(entry.url)} if entry.url else frozenset())
        loader, builder = self._without_ignored(_ignored_by(entry))
        folder = self.source_root(entry)
        if folder:
            loader = folder_loader(loader, folder)
            builder = Builder(loader)
        sources = Sources(entry.source, urls, self.external, self.checkouts)
        repositories = self.repositories(entry, urls, here)
        view = _ignored_by(entry), folder
        renderings = self.renderings if view == (None, "") else self.renderings.part(view)
        own_roots = [(root, None) for root in entry.roots]
        expansion = expand(roots or own_roots, entry.given, sources, repositories, loader, builder, renderings, self.scope_of, self.provisions_of)
        cluster = _to_cluster(entry, expansion)
        return replace(cluster, problems=(*cluster.problems, *_passed_over(entry, self.loader.limits))), expansion

    def repositories(self, entry: EntryPoint | None, urls: frozenset[str], here: Destination | None = None) -> Repositories:
        """What Applications read from this repository."""
        roots = entry.roots if entry is not None else ()
        own = own_urls((root for root in roots if is_argo_unit(root)), urls, self.tree) | urls
        checkouts = {normalised_url(name): loader for name, loader in self.checkouts.items()}
        external = frozenset(normalised_url(name) for name in self.external)
        return Repositories(own, external, checkouts, (*self.destinations, *self.registered), bool(self.destinations), here)

    def directory_of(self, resource: Resource) -> str | None:
        """The directory of this repository that a Kustomization would build, if it is there."""
        path = written_path(resource.data)
        return path if self.tree.is_directory(path) else None

    def unreferenced_directories(self) -> list[str]:
        """Directories with a kustomization of their own that no other kustomization includes."""
        directories = {}
        for path in self.tree.files:
            directory, _, name = path.rpartition("/")
            if name in FILE_NAMES and path == find_kustomization(self.tree, directory):
                directories[directory] = path
        referenced: set[str] = set()
        for directory, path in directories.items():
            for document in self.loader.load(path, for_units=True).documents[:1]:
                node = as_mapping(document)
                for field in ("resources", "bases", "components"):
                    for entry in as_sequence(node.get(field)):
                        target = join(directory, entry) if isinstance(entry, str) else None
                        if target is not None and target != directory:
                            referenced.add(target)
        return sorted(directory for directory in directories if directory not in referenced)

    def source_root(self, entry: EntryPoint) -> str:
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

    def kustomizations_in(self, build: Build) -> Iterator[MappingNode]:
        """The Kustomizations of Flux that a build holds which is made for nothing else: whatever else is in it makes no difference."""
        self.loader.builds.subtract(build.inputs)
        return (node for node in build.resources if as_text(node.get("apiVersion")).startswith(KUSTOMIZE_GROUP))

    def _without_ignored(self, patterns: str | None) -> tuple[Loader, Builder]:
        """What source-controller leaves in the artifact: `spec.ignore` comes on top of .sourceignore files, and takes the place of Flux' default."""
        if patterns is None:
            return self.loader, self.builder
        if patterns not in self._narrowed:
            # What Flux leaves out by default is gone from the tree already.
            whole = self.tree.whole if isinstance(self.tree, FilteredTree) else self.tree
            loader = self.loader.narrowed(FilteredTree(whole, ignored(whole, patterns, self.loader.limits)))
            self._narrowed[patterns] = (loader, Builder(loader))
        return self._narrowed[patterns]


def _ignored_by(entry: EntryPoint) -> str | None:
    """`spec.ignore` of what an entry point syncs, which may lie beside it."""
    ignore = _source_spec(entry).get("ignore")
    return ignore if isinstance(ignore, str) else None


def _source_spec(entry: EntryPoint) -> MappingNode:
    source = next((given for given in entry.given if given.id == entry.source), None)
    return entry.source_spec if source is None else source.spec


def _passed_over(entry: EntryPoint, limits: Limits) -> tuple[Problem, ...]:
    """Says that `spec.ignore` has more patterns than are looked at."""
    patterns = _ignored_by(entry)
    if patterns is None or not has_too_many(patterns, limits):
        return ()
    place = _source_spec(entry).place("ignore")
    return (Problem(f"spec.ignore of {entry.source} is passed over: too many patterns; {limits.more('ignore_patterns')}", place, "invalid-yaml"),)


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
