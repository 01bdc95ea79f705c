"""From a path to the graph and plan of every cluster that starts there."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gitops_secrets.config import Configuration, SourceSetting, load_configuration
from gitops_secrets.errors import UsageError
from gitops_secrets.graph.build import build
from gitops_secrets.graph.graph import Graph
from gitops_secrets.kinds.catalogue import (
    Catalogue,
    default_catalogue,
    network_definitions,
)
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable, default_table, table_with
from gitops_secrets.manifests.load import YAML_SUFFIXES, Loader, unreadable
from gitops_secrets.model.facts import UNBUILT, Facts, Problem, Provision, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Cluster, Destination
from gitops_secrets.ordering.order import Plan, plan
from gitops_secrets.pipeline.bootstrap import read_bootstrap
from gitops_secrets.pipeline.checkout import Checkout, open_checkout
from gitops_secrets.pipeline.facts import KnownFacts, cluster_facts, known_remotes
from gitops_secrets.pipeline.given import given_provisions
from gitops_secrets.rendering.artifacts import folder_loader
from gitops_secrets.rendering.entry_points import find_clusters
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.repository.files import GitObjects, RevisionTree, WorkingTree
from gitops_secrets.repository.git_program import top_level
from gitops_secrets.repository.history import base_commit
from gitops_secrets.repository.ignore import FilteredTree, ignored, ignored_by_default, overfull
from gitops_secrets.repository.tree import JoinedTree, MemoryTree, OverlaidTree, Tree, UnreadableError
from gitops_secrets.syntax.budget import Budget

CONFIGURATION_FILE = ".gitops-secrets.yaml"
# What is under way, how much of it is done, and out of how much.
Progress = Callable[[str, int, int], None]


class UnknownCluster(UsageError):
    """There is no entry point of that name."""


@dataclass(frozen=True, slots=True)
class ClusterAnalysis:
    """A cluster's graph and plan."""

    graph: Graph
    plan: Plan
    before: tuple[Provision, ...] = ()  # what the bootstrap installs
    named: Mapping[str, Place] = field(default_factory=dict)  # what scripts and pages name that they install
    # What the graph was made of: facts with the units that apply what they are of, and what is there before any unit.
    facts: tuple[tuple[ResourceId, Facts], ...] = ()
    there: tuple[Provision, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Texts in the fields of its objects that could not be read."""
        return tuple(problem for _, each in self.facts for problem in each.problems)


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that is known of a repository, or of one revision of it."""

    clusters: tuple[ClusterAnalysis, ...]
    problems: tuple[Problem, ...]
    revision: str | None
    is_limited: bool = False  # to some of the clusters


@dataclass(frozen=True)
class Repository:
    """A tree to read, and how the user wants it read."""

    root: Path
    tree: Tree
    loader: Loader
    configuration: Configuration
    revision: str | None
    scope: str  # results are limited to entry points below it; "" is the whole repository
    facts: KnownFacts
    renderings: Renderings
    urls: tuple[str, ...] = ()  # under which this repository is known
    is_whole: bool = True  # False: it reads folders beside its own files
    # By the folder of each tree that is read: see `_unread`.
    unread: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    objects: GitObjects | None = None  # that all states of it share
    around: Loader | None = None  # reads the scripts as well that sources leave out; None: `loader` reads everything

    @property
    def table(self) -> KindTable:
        """The kinds that are known, those of the configuration among them."""
        return self.facts.table

    @property
    def catalogue(self) -> Catalogue:
        """The charts that are known."""
        return self.facts.catalogue

    def leave(self) -> None:
        """Forgets the state that it was read beside, which takes memory."""
        for part in (self.loader, self.around, self.facts, self.renderings):
            if part is not None:
                part.leave()

    @property
    def read_whole(self) -> tuple[set[str], set[bytes]]:
        """Files of which more counts than the objects in them, and words that files were looked through for."""
        if self.configuration.kinds:
            return set(self.tree.files), set()  # fields of the user's own may be any
        others = [] if self.around is None else [self.around]
        return self.loader.taken.union(*(each.taken for each in others)), self.loader.words.union(*(each.words for each in others))


def open_repository(path: Path, *, revision: str | None = None, config: Path | None = None, limits: Limits = DEFAULT_LIMITS) -> Repository:
    """The repository that `path` lies in, at `revision` or as it is on disk.

    Raises `UsageError` for a path, revision or configuration that is not there or not right.
    """
    return repository_at(open_checkout(path, revision, limits), config=config, limits=limits)


def repository_at(checkout: Checkout, *, config: Path | None = None, limits: Limits = DEFAULT_LIMITS) -> Repository:
    """The repository of a checkout. Raises `UsageError` for a configuration that is not there or not right."""
    repository = _read(checkout.tree, checkout.root, configuration_of(checkout.tree, config, limits), limits)
    objects = checkout.tree.objects if isinstance(checkout.tree, RevisionTree) else GitObjects(checkout.root)
    return replace(repository, revision=checkout.revision, scope=checkout.scope, urls=checkout.urls, objects=objects)


def at_revision(repository: Repository, revision: str, *, merge_base: bool = True) -> Repository:
    """An earlier state of a repository: where `revision` and what is read parted, or `revision` itself; see `at_commit`.

    Raises `UsageError` for a revision that is not there, and for a clone too shallow to tell where they parted.
    """
    return at_commit(repository, base_commit(repository.root, revision, repository.revision, merge_base=merge_base), beside=repository)


def at_commit(repository: Repository, commit: str, *, beside: Repository | None = None) -> Repository:
    """Another state of a repository, read beside one that has been analysed.

    It is read as the configuration of today says, but for clusters and checkouts that were not there yet: one yardstick for both.
    """
    limits = repository.loader.limits
    found = RevisionTree(repository.root, commit, limits, repository.objects)
    configuration = repository.configuration
    clusters = {name: setting for name, setting in configuration.clusters.items() if found.is_file(setting.path) or found.is_directory(setting.path)}
    sources = {name: source for name, source in configuration.sources.items() if _is_there(_checkout_folder(name, source), found, repository.root)}
    # Where all that is configured is new, nothing was there: to discover other clusters would compare different things.
    tree = found if clusters or not configuration.clusters else MemoryTree({})
    earlier = _read(tree, repository.root, replace(configuration, clusters=clusters, sources=sources), limits, beside)
    return replace(earlier, revision=found.commit, scope=repository.scope, urls=repository.urls, objects=found.objects)


def with_contents(repository: Repository, contents: Mapping[str, str | None]) -> Repository:
    """A repository as it will be with these files (None: the file is gone), read beside what it is."""
    if not contents:
        return repository
    tree = OverlaidTree(repository.tree, {path: None if text is None else text.encode() for path, text in contents.items()})
    loader = Loader(tree, beside=repository.loader, budget=Budget(repository.loader.limits))
    facts = KnownFacts(repository.table, repository.catalogue, repository.facts)
    return replace(repository, tree=tree, loader=loader, facts=facts, renderings=Renderings(loader, repository.renderings))


def _is_there(folder: str | None, tree: Tree, root: Path) -> bool:
    return folder is None or tree.is_directory(folder) or (root / folder).is_dir()


def _read(tree: Tree, root: Path, configuration: Configuration, limits: Limits, beside: Repository | None = None) -> Repository:
    """The repository of a tree, without what its source leaves out and with the checkouts of other sources."""
    left_out, never_read = ignored(tree, None, limits), ignored_by_default(tree)
    own = FilteredTree(tree, left_out)
    checkouts = _unmounted(own, root, configuration, limits)
    joined = {folder: FilteredTree(checkout, ignored(checkout, None, limits)) for folder, checkout in checkouts.items()}
    filtered = JoinedTree(own, joined) if joined else own
    unread = {folder: _unread(each, limits) for folder, each in {"": tree, **checkouts}.items()}
    beside_around = None if beside is None else beside.around
    around = None if left_out <= never_read else Loader(FilteredTree(tree, never_read), beside=beside_around, budget=Budget(limits))
    return replace(repository_of(filtered, configuration, beside, limits), root=root, around=around, is_whole=not joined, unread=unread)


def _unread(tree: Tree, limits: Limits) -> Mapping[str, str]:
    """The files of a tree that could not be read so far, and why, with those of too many patterns; grows while others are."""
    if not isinstance(tree, WorkingTree | RevisionTree):
        return {}
    tree.unread.update((path, f"too many patterns; {limits.more('ignore_patterns')}") for path in overfull(tree, limits))
    return tree.unread


def repository_of(tree: Tree, configuration: Configuration | None = None, beside: Repository | None = None, limits: Limits = DEFAULT_LIMITS) -> Repository:
    """A repository of files that are at hand already, without git."""
    configuration = configuration or Configuration()
    if beside is None:
        table = table_with(configuration.kinds) if configuration.kinds else default_table()
        facts = KnownFacts(table.within(limits), default_catalogue())
        loader = Loader(tree, budget=Budget(limits))
    else:
        facts = KnownFacts(beside.table, beside.catalogue, beside.facts)
        loader = Loader(tree, beside=beside.loader, budget=Budget(limits))
    renderings = Renderings(loader, None if beside is None else beside.renderings)
    return Repository(Path(), tree, loader, configuration, None, "", facts, renderings)


def configuration_of(tree: Tree, given: Path | None, limits: Limits) -> Configuration:
    """The configuration that a tree has, or the one that is given instead. Raises `UsageError` for one that can't be read."""
    if given is not None:
        try:
            return load_configuration(given.read_bytes(), str(given), limits)
        except OSError as error:
            raise UsageError(f"can't read the configuration {given}: {error.strerror}") from error
    if tree.is_file(CONFIGURATION_FILE):
        try:
            return load_configuration(tree.read(CONFIGURATION_FILE), CONFIGURATION_FILE, limits)
        except UnreadableError as error:
            raise UsageError(f"can't read the configuration {CONFIGURATION_FILE}: {error}") from error
    return Configuration()


def analyse(repository: Repository, *, cluster: str | None = None, progress: Progress | None = None) -> Analysis:
    """Renders every cluster below the repository's scope, and builds its graph and plan.

    `cluster` limits it to the entry point of that name; `UnknownCluster` names those that there are.
    """
    report = progress or (lambda what, done, total: None)
    files = sum(path.endswith(YAML_SUFFIXES) for path in repository.tree.files)
    report("reading", 0, files)
    repository.loader.on_load = lambda done: report("reading", min(done, files), files)
    checkouts = _checkouts(repository)
    loader, scope_of = _without(repository.loader, checkouts.values()), repository.table.is_namespaced
    settings = repository.configuration.bootstrap
    # Scripts are for people: `.sourceignore` often leaves them out of what Flux reads.
    around = loader if repository.around is None else _without(repository.around, checkouts.values())
    # First, since it looks at texts, and the files that are parsed are not kept as text.
    bootstrapped = around.kept("bootstrap", lambda: read_bootstrap(around, settings, repository.table, repository.catalogue))
    found = find_clusters(
        loader,
        scope_of,
        repository.urls,
        external_sources=[name for name, source in repository.configuration.sources.items() if source.external],
        # Flux builds whatever lies below a directory without a kustomization.
        not_overlays=[f"{directory.path}/" if directory.synced else directory.path for directory in bootstrapped.manifests if directory.is_kustomization],
        checkouts={name: folder_loader(repository.loader, folder) for name, folder in checkouts.items()},
        settings=repository.configuration.clusters,
        provisions_of=lambda resource: facts_of(resource, repository.table).provisions,
        destinations=[Destination(name, each.server, each.labels, each.annotations) for name, each in repository.configuration.destinations.items()],
        renderings=repository.renderings,
    )
    clusters = [entry for entry in found if _in_scope(entry, repository.scope)]
    if cluster is not None:
        names = [entry.name for entry in clusters]
        if cluster not in names:
            raise UnknownCluster(f"there is no cluster {cluster!r}\nclusters found: {', '.join(names) or 'none'}")
        clusters = [entry for entry in clusters if entry.name == cluster]
    analyses = []
    for number, entry in enumerate(clusters):
        report("ordering", number, len(clusters))
        analyses.append(replace(analyse_cluster(entry, repository, bootstrapped.provisions), named=bootstrapped.named))
    unread = {problem for entry in clusters for problem in entry.problems if problem.rule in UNBUILT}
    within = (problem for each in analyses for problem in each.problems)
    unreadables = (unreadable(posixpath.join(folder, path), why) for folder, each in repository.unread.items() for path, why in each.items())
    problems = unread.union(repository.loader.problems, within, unreadables)
    ordered = tuple(sorted(problems, key=lambda problem: (problem.place, problem.message, problem.subject)))
    return Analysis(tuple(analyses), ordered, repository.revision, is_limited=len(clusters) < len(found))


def analyse_base(base: Repository, *, cluster: str | None = None, progress: Progress | None = None) -> Analysis:
    """What is known of an earlier revision. A cluster that was not there yet has nothing in it."""
    try:
        return analyse(base, cluster=cluster, progress=progress)
    except UnknownCluster:
        return Analysis((), (), base.revision)
    except UsageError as error:
        raise UsageError(f"can't read the base {(base.revision or '')[:12]} as this configuration says: {error}") from error


def _unmounted(tree: Tree, root: Path, configuration: Configuration, limits: Limits) -> dict[str, WorkingTree]:
    """By folder, the checkouts of other sources that the configuration names and that are not in `tree`: `../other`, or a submodule."""
    found: dict[str, WorkingTree] = {}
    for name, source in configuration.sources.items():
        folder = _checkout_folder(name, source)
        if folder is None or folder in found or tree.is_directory(folder):
            continue
        if (root / folder).is_dir():
            _refuse_other_folders(name, source, root, folder)
            found[folder] = WorkingTree(root / folder, limits)
    return found


def _refuse_other_folders(name: str, source: SourceSetting, root: Path, folder: str) -> None:
    """A repository may name checkouts that lie beside it, but no other folders: its configuration may be a stranger's. Raises `UsageError`."""
    target = (root / folder).resolve()
    if not target.is_relative_to(root.resolve()) and top_level(target) != target:
        raise UsageError(f"{source.place}: sources.{name}: {source.path} is outside of the repository, and no git checkout")


def _checkouts(repository: Repository) -> dict[str, str]:
    """The folders of sources that are read from a checkout. Raises `UsageError` for one that is not there."""
    folders = {}
    for name, source in repository.configuration.sources.items():
        folder = _checkout_folder(name, source)
        if folder is not None:
            if not repository.tree.is_directory(folder):
                raise UsageError(f"{source.place}: sources.{name}: there are no files in {source.path}\nthe path is relative to the root of the repository")
            folders[name] = folder
    return folders


def _checkout_folder(name: str, source: SourceSetting) -> str | None:
    if source.path is None:
        return None
    if posixpath.isabs(source.path):
        raise UsageError(f"{source.place}: sources.{name}: the path must be relative to the root of the repository")
    folder = posixpath.normpath(source.path)
    return "" if folder == "." else folder


def _without(loader: Loader, folders: Iterable[str]) -> Loader:
    """The documents outside of checkouts: what starts in there is another repository's business."""
    prefixes = tuple(f"{folder}/" for folder in folders if folder)
    if not prefixes:
        return loader
    return loader.narrowed(FilteredTree(loader.tree, frozenset(path for path in loader.tree.files if path.startswith(prefixes))))


def _in_scope(cluster: Cluster, scope: str) -> bool:
    """Does a cluster start below `scope`, or all that it starts with: what is named after a folder may use one below it alone."""
    if not scope or cluster.entry_point == scope or cluster.entry_point.startswith(scope + "/"):
        return True
    roots = [unit for unit in cluster.units if unit.parent is None]
    return bool(roots) and all(unit.place.file.startswith(scope + "/") for unit in roots)


def analyse_cluster(cluster: Cluster, repository: Repository, before: Sequence[Provision] = ()) -> ClusterAnalysis:
    """The graph and plan of one rendered cluster; `before` is what its bootstrap installs."""
    table = repository.table
    cluster, remote = known_remotes(cluster, table, repository.catalogue)
    there = [
        *given_provisions(cluster, table, repository.catalogue),
        *(replace(provision, when=When.BEFORE) for resource in cluster.given for provision in facts_of(resource, table).provisions),
        *network_definitions(cluster.releases, repository.catalogue, table),
        *before,
    ]
    facts = (*cluster_facts(cluster, repository.facts), *remote)
    graph = build(cluster, facts, there)
    return ClusterAnalysis(graph, plan(graph, table), tuple(before), facts=facts, there=tuple(there))
