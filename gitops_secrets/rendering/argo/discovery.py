"""Where an Argo CD starts to read: Applications and ApplicationSets that nothing else applies, in files or in a kustomization for the bootstrap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Final

from gitops_secrets.manifests.load import YAML_SUFFIXES, Loader
from gitops_secrets.model.facts import Problem, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.model.reach import reachable
from gitops_secrets.model.results import ArgoSettings, Cluster, Destination
from gitops_secrets.rendering.argo.applications import ARGO_GROUP, ARGO_NAMESPACE, is_application_set, is_argo_unit, sources_of
from gitops_secrets.rendering.chart_directory import CHART_FILE, TEMPLATES
from gitops_secrets.rendering.objects import ScopeOf, is_exported, to_resource
from gitops_secrets.rendering.starts import EntryPoint, by_folder, common_folder, unreached
from gitops_secrets.rendering.urls import is_placeholder, normalised_url
from gitops_secrets.repository.tree import Tree, join

_CLUSTER_SECRET: Final = ("argocd.argoproj.io/secret-type", "cluster")
_FEW: Final = 10  # objects of an Application that say little of whose it is
_SETTINGS: Final = "argocd-cm"
_BUILD_OPTIONS: Final = "kustomize.buildOptions"


@dataclass(slots=True)
class Found:
    """What the files of a repository hold for Argo CD."""

    units: dict[Place, tuple[str, Resource]] = field(default_factory=dict)  # Applications and ApplicationSets, with their files
    beside: list[tuple[str, Resource]] = field(default_factory=list)  # projects, settings and registered clusters


@dataclass(frozen=True, slots=True)
class Reach:
    """What one root makes Argo CD apply, as far as no other file of an Application says it."""

    places: frozenset[Place]  # of Applications in files
    claims: frozenset[tuple[str, ResourceId]]  # objects, with the cluster that they go to


def may_hold_objects(loader: Loader, path: str) -> bool:
    """Can a file hold anything for `find_objects`?"""
    return loader.holds(path, b"argoproj.io/") or loader.holds(path, _SETTINGS.encode())


def application_charts(loader: Loader) -> tuple[str, ...]:
    """Charts with templates of Applications: what starts these is an Application that reads the chart."""
    charts = _templates(loader)
    files = (path for path in loader.tree.files if path.endswith(YAML_SUFFIXES) and f"{TEMPLATES}/" in path)
    written = (path for path in files if loader.holds(path, b"argoproj.io/") and loader.holds(path, b"kind: Application"))
    return tuple(sorted({above.removesuffix(f"{TEMPLATES}/").rstrip("/") or "." for path in written for above in _above(path, charts)}))


def _templates(loader: Loader) -> set[str]:
    """The folders of templates of the charts in a tree."""
    return {f"{path.removesuffix(CHART_FILE)}{TEMPLATES}/" for path in loader.tree.files if path.rpartition("/")[2] == CHART_FILE}


def find_objects(loader: Loader, scope_of: ScopeOf, files: Iterable[str]) -> Found:
    """Looks through the manifests in `files`: those whose text `may_hold_objects`, since parsing is what costs.

    What was written out of a cluster (`kubectl get -o yaml`) is a record of it, unless the repository has no other Applications.
    """
    found = Found()
    exported: dict[Place, tuple[str, Resource]] = {}
    charts = _templates(loader)
    for path in files:
        if any(path.startswith(prefix) for prefix in _above(path, charts)):
            continue
        for document in loader.load(path).documents:
            resource = to_resource(document, scope_of, ARGO_NAMESPACE) if isinstance(document, MappingNode) else None
            if resource is None or is_placeholder(f"{resource.id.namespace}/{resource.id.name}"):
                continue  # no object, or a template of one
            if is_argo_unit(resource):
                units = exported if is_exported(resource) else found.units
                units[resource.place] = (path, resource)
            elif resource.id.group == ARGO_GROUP or _is_setting(resource) or registered_cluster(resource) is not None:
                found.beside.append((path, resource))
    found.units = found.units or exported
    return found


def _above(path: str, prefixes: set[str]) -> Iterable[str]:
    directory = path.rpartition("/")[0]
    while directory:
        if f"{directory}/" in prefixes:
            yield f"{directory}/"
        directory = directory.rpartition("/")[0]


def own_urls(units: Iterable[Resource], remotes: frozenset[str], tree: Tree) -> frozenset[str]:
    """Urls that mean this repository: those of its remotes, else the one that most sources give whose directories are here."""
    here: Counter[str] = Counter()
    rootless: Counter[str] = Counter()
    for resource in units:
        for url, path in _read(resource):
            if url and not is_placeholder(url):
                inside = join("", path.strip("/")) if path else None
                if inside and tree.is_directory(inside):
                    here[normalised_url(url)] += 1
                elif not inside:
                    rootless[normalised_url(url)] += 1
    named = remotes & {*here, *rootless}
    if named:
        return named
    likely = here or rootless
    return remotes | {max(sorted(likely), key=lambda url: likely[url])} if likely else remotes


def _read(resource: Resource) -> Iterable[tuple[str, str]]:
    """Repositories that a unit reads, and where in them."""
    spec = resource.spec
    template = Resource(resource.id, resource.version, as_mapping(spec.get("template")), resource.place) if is_application_set(resource) else resource
    for source in sources_of(template):
        if not source.chart:
            # Of a path that is a template, the folders that are not.
            plain, expression, _ = (source.path or "").partition("{{")
            yield source.repository, plain.rpartition("/")[0] if expression else plain
    pending = list(as_sequence(spec.get("generators")))
    while pending:
        entry = as_mapping(pending.pop())
        for kind in ("matrix", "merge"):
            pending += as_sequence(as_mapping(entry.get(kind)).get("generators"))
        git = as_mapping(entry.get("git"))
        for listed in (*as_sequence(git.get("directories")), *as_sequence(git.get("files"))):
            yield as_text(git.get("repoURL")), as_text(as_mapping(listed).get("path")).partition("*")[0].rpartition("/")[0]


def root_groups(
    units: Mapping[Place, tuple[str, Resource]], reach: Callable[[Resource, frozenset[Place]], Reach]
) -> list[tuple[str, list[tuple[str, Resource]]]]:
    """The roots of each Argo CD, with the folder that they lie in.

    An Argo CD reads all that it is given, so roots of several folders belong together, unless they would apply much the same: an object or two is a slip.
    """
    everything = frozenset(units)
    reaches = {place: reach(resource, everything - {place}) for place, (_, resource) in units.items()}
    below = {place: set(found.places & everything) for place, found in reaches.items()}
    roots = unreached(below)

    def claims_of(group: Iterable[tuple[str, Resource]]) -> set[tuple[str, ResourceId]]:
        held = reachable([root.place for _, root in group], below.__getitem__)
        return {claim for place in held for claim in reaches[place].claims} | {("", root.id) for _, root in group}

    groups = list(_apart([pair for place, pair in units.items() if place in roots], claims_of))
    merged: list[tuple[list[tuple[str, Resource]], set[tuple[str, ResourceId]]]] = []
    for group in groups:
        claims = claims_of(group)
        fitting = next((other for other in merged if not _is_another(claims, other[1])), None)
        if fitting is None:
            merged.append((list(group), claims))
        else:
            fitting[0].extend(group)
            fitting[1].update(claims)
    return [(common_folder(group), group) for group, _ in merged]


def _apart(
    pairs: Sequence[tuple[str, Resource]], claims_of: Callable[[Iterable[tuple[str, Resource]]], set[tuple[str, ResourceId]]], *, inner: bool = False
) -> Iterable[Sequence[tuple[str, Resource]]]:
    """Roots by their folders; those of one folder by the folders in it, if these hold roots of several Argo CDs."""
    groups = [group for _, group in by_folder(pairs)]
    claims = [claims_of(group) for group in groups] if inner else []
    if inner and not any(_is_another(first, second) for first, second in combinations(claims, 2)):
        return [pairs]
    return [part for group in groups for part in (_apart(group, claims_of, inner=True) if len(groups) > 1 else [group])]


def _is_another(claims: set[tuple[str, ResourceId]], others: set[tuple[str, ResourceId]]) -> bool:
    """Are they of two Argo CDs: does one hold a unit of the other, or most of its objects?"""
    shared = claims & others
    fewer = min(len(claims), len(others))
    return any(id.group == ARGO_GROUP and id.kind != "AppProject" for _, id in shared) or (len(shared) * 2 > fewer >= _FEW)


def entry_point(folder: str, group: Sequence[tuple[str, Resource]], found: Found, *, alone: bool = False) -> EntryPoint:
    """The entry point of roots in files; projects and settings are there beside them: those in their folder, or all for the only Argo CD."""
    files = sorted({file for file, _ in group})
    given = tuple(resource for file, resource in found.beside if alone or not folder or file.startswith(f"{folder}/"))
    return EntryPoint(
        files[0] if len(files) == 1 else folder or ".",
        folder if len(files) > 1 or folder else files[0].rpartition("/")[0],
        "argo",
        roots=tuple(root for _, root in group),
        given=given,
        bootstrapped=False,
    )


def registered_cluster(resource: Resource) -> Destination | None:
    """A cluster that a Secret registers. Its name and address are secret values, so the Secret's own name has to do."""
    key, value = _CLUSTER_SECRET
    if resource.labels.get(key) != value or resource.id.kind not in ("Secret", "ExternalSecret"):
        return None
    texts = ({name: text for name, text in written.items() if isinstance(text, str)} for written in (resource.labels, resource.annotations))
    return Destination(resource.id.name, "", *texts)


def settings_of(cluster: Cluster, loader: Loader) -> ArgoSettings | None:
    """How the Argo CD of a cluster is set up, by its ConfigMap or the values of its chart; `loader` notes what can't be read of it."""
    for resource in (*(applied.resource for applied in cluster.resources), *cluster.given):
        if _is_setting(resource):
            return _settings(as_mapping(resource.data.get("data")), resource.place, loader)
    for release in cluster.releases:
        if release.chart == "argo-cd":
            configs = as_mapping(release.values.get("configs"))
            image = as_mapping(as_mapping(release.values.get("global")).get("image"))
            place = configs.place("cm") if "cm" in configs else release.place
            return replace(_settings(as_mapping(configs.get("cm")), place, loader), version=as_text(image.get("tag")).removeprefix("v"))
    return None


def _settings(data: MappingNode, place: Place, loader: Loader) -> ArgoSettings:
    # Lists of kinds stand there as texts.
    excluded, included = (_listed(data, f"resource.{key}", loader) for key in ("exclusions", "inclusions"))
    return ArgoSettings(place, data, "", excluded, included)


def _listed(data: MappingNode, key: str, loader: Loader) -> tuple[MappingNode, ...]:
    if not isinstance(text := data.get(key), str):
        return ()
    at = data.place(key)
    return tuple(as_mapping(entry) for entry in as_sequence(loader.parse_values(text, at.file, at).first))


def allowed(problems: Iterable[Problem], settings: ArgoSettings | None) -> tuple[Problem, ...]:
    """The problems that are left with what Argo CD hands to kustomize; without its settings, nothing that an option allows counts as one."""
    given = " ".join(as_text(value) for key, value in settings.data.items() if key.startswith(_BUILD_OPTIONS)) if settings is not None else ""
    return tuple(problem for problem in problems if not problem.option or (settings is not None and problem.option not in given))


def _is_setting(resource: Resource) -> bool:
    return resource.id.kind == "ConfigMap" and resource.id.name == _SETTINGS
