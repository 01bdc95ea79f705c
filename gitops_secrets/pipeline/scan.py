"""From a path to the graph and plan of every cluster that starts there."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gitops_secrets.config import Configuration, SourceSetting, load_configuration
from gitops_secrets.errors import UsageError
from gitops_secrets.graph.build import build
from gitops_secrets.graph.graph import Graph
from gitops_secrets.kinds.catalogue import (
    Catalogue,
    bundle_facts,
    default_catalogue,
    distributed_objects,
    network_definitions,
    operators_of,
    release_facts,
    webhook_requirement,
)
from gitops_secrets.kinds.external_secret import LabelledNamespace, expand_cluster_external_secret
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable, default_table, table_with
from gitops_secrets.kinds.webhooks import served_webhooks
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Facts, Opaque, Problem, Provision, Release, Resource, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import as_mapping, as_text
from gitops_secrets.model.results import Cluster
from gitops_secrets.ordering.order import Plan, plan
from gitops_secrets.pipeline.bootstrap import bootstrap_provisions
from gitops_secrets.pipeline.given import given_provisions, used_namespaces
from gitops_secrets.rendering.artifacts import folder_loader
from gitops_secrets.rendering.bootstrap import bootstrap_directories
from gitops_secrets.rendering.entry_points import find_clusters
from gitops_secrets.rendering.units import is_source
from gitops_secrets.repository.ignore import FilteredTree, ignored, ignored_by_default
from gitops_secrets.repository.tree import JoinedTree, RevisionTree, Tree, WorkingTree, remotes, top_level

CONFIGURATION_FILE = ".gitops-secrets.yaml"
# Problems that leave something out of the graph; others are only findings.
_UNREAD = frozenset({"invalid-yaml", "duplicate-key", "build-failed", "missing-path"})
# What is under way, how much of it is done, and out of how much.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ClusterAnalysis:
    """A cluster's graph and plan."""

    graph: Graph
    plan: Plan
    before: tuple[Provision, ...] = ()  # what the bootstrap installs


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that is known of a repository, or of one revision of it."""

    clusters: tuple[ClusterAnalysis, ...]
    problems: tuple[Problem, ...]
    revision: str | None


@dataclass(frozen=True)
class Repository:
    """A tree to read, and how the user wants it read."""

    root: Path
    tree: Tree
    loader: Loader
    configuration: Configuration
    revision: str | None
    scope: str  # results are limited to entry points below it; "" is the whole repository
    table: KindTable
    catalogue: Catalogue
    urls: tuple[str, ...] = ()  # under which this repository is known
    around: Loader | None = None  # reads the scripts as well that sources leave out; None: `loader` reads everything


def open_repository(path: Path, *, revision: str | None = None, config: Path | None = None) -> Repository:
    """The repository that `path` lies in, at `revision` or as it is on disk.

    Raises `UsageError` for a path, revision or configuration that is not there or not right.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    folder = (path if path.is_dir() else path.parent).resolve()
    root = _root_of(folder)
    commit = None
    if revision is None:
        tree: Tree = WorkingTree(root)
    else:
        tree = found = RevisionTree(root, revision)
        commit = found.commit
    configuration = _configuration(tree, config)
    left_out, never_read = ignored(tree, None), ignored_by_default(tree)
    filtered = _with_checkouts(FilteredTree(tree, left_out), root, configuration)
    around = None if left_out <= never_read else Loader(FilteredTree(tree, never_read))
    scope = "" if folder == root or root not in folder.parents else folder.relative_to(root).as_posix()
    return replace(repository_of(filtered, configuration), root=root, revision=commit, scope=scope, urls=remotes(root), around=around)


def repository_of(tree: Tree, configuration: Configuration | None = None) -> Repository:
    """A repository of files that are at hand already, without git."""
    configuration = configuration or load_configuration(None, CONFIGURATION_FILE)
    table = table_with(configuration.kinds) if configuration.kinds else default_table()
    return Repository(Path(), tree, Loader(tree), configuration, None, "", table, default_catalogue())


def _root_of(folder: Path) -> Path:
    root = top_level(folder)
    if root is not None:
        return root
    here = Path.cwd().resolve()
    return here if here == folder or here in folder.parents else folder


def _configuration(tree: Tree, given: Path | None) -> Configuration:
    if given is not None:
        try:
            return load_configuration(given.read_bytes(), str(given))
        except OSError as error:
            raise UsageError(f"can't read the configuration {given}: {error.strerror}") from error
    if tree.is_file(CONFIGURATION_FILE):
        return load_configuration(tree.read(CONFIGURATION_FILE), CONFIGURATION_FILE)
    return load_configuration(None, CONFIGURATION_FILE)


def analyse(repository: Repository, *, cluster: str | None = None, progress: Progress | None = None) -> Analysis:
    """Renders every cluster below the repository's scope, and builds its graph and plan.

    `cluster` limits it to the entry point of that name; `UsageError` names those that there are.
    """
    report = progress or (lambda what, done, total: None)
    report("reading", 0, 1)
    checkouts = _checkouts(repository)
    loader, scope_of = _without(repository.loader, checkouts.values()), repository.table.is_namespaced
    settings = repository.configuration.bootstrap
    # Scripts are for people: `.sourceignore` often leaves them out of what Flux reads.
    around = loader if repository.around is None else _without(repository.around, checkouts.values())
    directories = bootstrap_directories(around, [(path.text, path.place) for path in settings.paths])
    # First, since it looks at texts, and the files that are parsed are not kept as text.
    before = bootstrap_provisions(around, directories, settings, repository.table, repository.catalogue)
    found = find_clusters(
        loader,
        scope_of,
        repository.urls,
        external_sources=[name for name, source in repository.configuration.sources.items() if source.external],
        not_overlays=[directory.path for directory in directories if directory.is_kustomization],
        checkouts={name: folder_loader(repository.loader, folder) for name, folder in checkouts.items()},
        settings=repository.configuration.clusters,
    )
    clusters = [entry for entry in found if _in_scope(entry, repository.scope)]
    if cluster is not None:
        names = [entry.name for entry in clusters]
        if cluster not in names:
            raise UsageError(f"there is no cluster {cluster!r}\nclusters found: {', '.join(names) or 'none'}")
        clusters = [entry for entry in clusters if entry.name == cluster]
    analyses = []
    for number, entry in enumerate(clusters):
        report("ordering", number, len(clusters))
        analyses.append(analyse_cluster(entry, repository, before))
    unread = {problem for entry in clusters for problem in entry.problems if problem.rule in _UNREAD}
    problems = unread | set(repository.loader.problems)
    return Analysis(tuple(analyses), tuple(sorted(problems, key=lambda problem: (problem.place, problem.message, problem.subject))), repository.revision)


def _with_checkouts(tree: Tree, root: Path, configuration: Configuration) -> Tree:
    """`tree` with the checkouts of other sources that the configuration names and that are not in it: `../other`, or a submodule."""
    joined: dict[str, Tree] = {}
    for name, source in configuration.sources.items():
        folder = _checkout_folder(name, source)
        if folder is None or folder in joined or tree.is_directory(folder):
            continue
        if (root / folder).is_dir():
            checkout = WorkingTree(root / folder)
            joined[folder] = FilteredTree(checkout, ignored(checkout, None))
    return JoinedTree(tree, joined) if joined else tree


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
    return not scope or cluster.entry_point == scope or cluster.entry_point.startswith(scope + "/")


def analyse_cluster(cluster: Cluster, repository: Repository, before: Sequence[Provision] = ()) -> ClusterAnalysis:
    """The graph and plan of one rendered cluster; `before` is what its bootstrap installs."""
    table = repository.table
    cluster, remote = _known_remotes(cluster, repository)
    given = [replace(provision, when=When.BEFORE) for resource in cluster.given for provision in facts_of(resource, table).provisions]
    network = network_definitions(cluster.releases, repository.catalogue, table)
    graph = build(cluster, [*_facts(cluster, table, repository.catalogue), *remote], [*given_provisions(cluster, table), *given, *network, *before])
    return ClusterAnalysis(graph, plan(graph, table), tuple(before))


def _known_remotes(cluster: Cluster, repository: Repository) -> tuple[Cluster, list[tuple[ResourceId, Facts]]]:
    """What the catalogue knows of remote bases and of other people's repositories; the rest of those stays opaque."""
    declared = [applied.resource for applied in cluster.resources if is_source(applied.resource)]
    urls = {resource.id: as_text(as_mapping(resource.data.get("spec")).get("url")) for resource in declared}
    sources = {str(unit.id): (unit.id, urls.get(unit.source, "")) for unit in cluster.units if unit.source is not None}
    opaque: list[Opaque] = []
    facts = []
    for entry in cluster.opaque:
        unit, url = (entry.applied_by, entry.thing) if entry.applied_by is not None else sources.get(entry.thing, (None, ""))
        bundle = repository.catalogue.remote(url) if url else None
        if bundle is None or unit is None:
            opaque.append(entry)
        else:
            facts.append((unit, bundle_facts(bundle, unit, entry.place, repository.table)))
            opaque.append(replace(entry, names=(bundle.name,)))
    return replace(cluster, opaque=tuple(opaque)), facts


def _facts(cluster: Cluster, table: KindTable, catalogue: Catalogue) -> Iterable[tuple[ResourceId, Facts]]:
    unit_of = {applied.resource.id: applied.unit for applied in cluster.resources}
    served = {webhook.configuration.id: webhook for webhook in served_webhooks(applied.resource for applied in cluster.resources)}
    written = {group: id for id, webhook in served.items() for group in sorted(webhook.groups)}
    operators = {**written, **operators_of(cluster.releases, catalogue)}
    namespaces = []
    selecting: list[tuple[ResourceId, Resource]] = []
    for applied in cluster.resources:
        resource = applied.resource
        if resource.id in served:
            # It is there at once, and of use only later.
            answering = served[resource.id]
            yield unit_of[answering.workload.id], Facts(provisions=(answering.provision,))
            yield applied.unit, replace(facts_of(resource, table), provisions=())
        else:
            yield applied.unit, facts_of(resource, table)
        webhook = webhook_requirement(resource, operators, table)
        if webhook is not None:
            yield applied.unit, Facts(requirements=(webhook,))
        if resource.id.kind == "Namespace" and not resource.id.group:
            labels = as_mapping(as_mapping(resource.data.get("metadata")).get("labels"))
            namespaces.append(LabelledNamespace(resource.id.name, tuple((key, str(value)) for key, value in labels.items())))
        elif resource.id.kind == "ClusterExternalSecret":
            selecting.append((applied.unit, resource))
    for unit, resource in selecting:
        for child in expand_cluster_external_secret(resource, namespaces):
            yield unit, facts_of(child, table)
    used = used_namespaces(cluster)
    for release in cluster.releases:
        unit = unit_of.get(release.resource, release.resource)
        yield unit, release_facts(release, catalogue, table)
        yield unit, Facts(provisions=(*_bundled(release, table), *distributed_objects(release, used, catalogue)))


def _bundled(release: Release, table: KindTable) -> Iterable[Provision]:
    """What the crds/ folder of a chart in this repository brings, as the release's own."""
    if release.crds == "Skip":
        return
    for resource in release.bundled:
        for provision in facts_of(resource, table).provisions:
            yield replace(provision, resource=release.resource, when=release.when)
