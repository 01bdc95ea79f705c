"""`generate flux`: from an overlay without an engine to the Flux Kustomizations that apply its components in order."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gitops_secrets.errors import BrokenError, UsageError
from gitops_secrets.generate.changes import FileChange, Form
from gitops_secrets.generate.files import is_generated, listing_change, manifest_change
from gitops_secrets.generate.flux import FLUX_FORM, FluxOptions, flux_kustomization, flux_kustomizations
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.model.nodes import Place, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Cluster
from gitops_secrets.ordering.order import Plan
from gitops_secrets.pipeline.scan import Repository, analyse_cluster
from gitops_secrets.rendering.argo.repositories import Repositories
from gitops_secrets.rendering.engines import expand
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.sources import Sources
from gitops_secrets.rendering.units import KUSTOMIZE_GROUP, SOURCE_GROUP
from gitops_secrets.rendering.urls import normalised_url
from gitops_secrets.repository.files import WorkingTree
from gitops_secrets.repository.git_program import is_ignored
from gitops_secrets.repository.ignore import IGNORE_FILE, ignored
from gitops_secrets.repository.tree import OverlaidTree, UnreadableError, content_of, join
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.spans import UneditableError
from gitops_secrets.syntax.yaml import parse

DEFAULT_SOURCE = "flux-system/flux-system"
FLUX_FOLDER = "flux"
# Fields of a kustomization that only list what it holds; any other changes it, and a component would not be the same without it.
_LISTING_FIELDS = frozenset({"apiVersion", "kind", "metadata", "resources", "bases", "sortOptions"})
# Parts of a path that every kustomize repository has: they tell no component from another.
_COMMON_PARTS = frozenset({"base", "overlays"})


@dataclass(frozen=True, slots=True)
class Generated:
    """What `generate flux` would write, and what a user should know about it."""

    changes: tuple[FileChange, ...]
    plan: Plan
    remarks: tuple[str, ...]

    @property
    def stale(self) -> tuple[FileChange, ...]:
        """Files that are not what they should be."""
        return tuple(change for change in self.changes if change.is_needed)


def generate_flux(repository: Repository, overlay: Path, *, source: str = DEFAULT_SOURCE) -> Generated:
    """The Flux Kustomizations of the overlay at `overlay`: a file for each component in its `flux` folder, and a kustomization that lists them.

    A second run changes nothing; fields that are not generated keep what people wrote. Raises `BrokenError` for a directory that does not build or can't be
    ordered and for a file of that folder that can't be edited, `UsageError` for a source that is not `[KIND/]NAMESPACE/NAME`.
    """
    directory = relative(repository.root, overlay)
    if find_kustomization(repository.tree, directory) is None:
        raise UsageError(f"{overlay} has no kustomization.yaml\ngive the directory of an overlay, such as overlays/production")
    options = FluxOptions(_source(source), _has_expressions(repository))
    builder = Builder(repository.loader)
    components, remarks = find_components(repository, builder, directory, _flux_folder(directory))
    plan = _ordered(repository, builder, components, options)
    while splits := [split for split in plan.splits if plan.graph.units[split.unit].parent is None]:
        finer = _split(repository, builder, components, plan.graph.units[splits[0].unit].path)
        if finer is None:
            edge = splits[0].edges[0]
            raise BrokenError(
                f"{edge.requirement.place}: component {splits[0].unit.name} can't be applied as one: {edge.requirement.resource} needs"
                f" {edge.provision.resource} first, which waits for the same component\nput them into directories of their own"
            )
        components = finer
        plan = _ordered(repository, builder, components, options)
    changes = file_changes(repository, _flux_folder(directory), flux_kustomizations(plan, repository.table, options), FLUX_FORM)
    remarks += [
        f"{change.path}: nothing of the overlay is behind it any more; without it, Flux prunes what it applied" for change in changes if change.after is None
    ]
    remarks += [f"{opaque.place}: {opaque.thing} is not looked into, so what it needs is not ordered: {opaque.why}" for opaque in plan.graph.cluster.opaque]
    remarks += [f"{' → '.join(unit.name for unit in cycle.units)} wait for each other, so no order helps: see what check says" for cycle in plan.cycles]
    return Generated(changes, plan, tuple(remarks))


def relative(root: Path, overlay: Path) -> str:
    """The path of a directory below the root. Raises `UsageError` for one that is elsewhere."""
    resolved = overlay.resolve()
    if resolved != root and root not in resolved.parents:
        raise UsageError(f"{overlay} is not in the repository {root}")
    relative = resolved.relative_to(root).as_posix()
    return "" if relative == "." else relative


def refuse_left_out(repository: Repository, folder: str, limits: Limits) -> None:
    """Raises `UsageError` where nobody would read what is written to `folder`: git ignores it, or what Flux reads leaves it out."""
    file = posixpath.join(folder, "kustomization.yaml")
    if is_ignored(repository.root, file):
        raise UsageError(f"git ignores {folder}: nothing that is written there would be read\nchoose another folder, or mend .gitignore")
    if file in ignored(OverlaidTree(WorkingTree(repository.root, limits), {file: b""}), None, limits):
        raise UsageError(f"{IGNORE_FILE} leaves out {folder}: nothing that is written there would be read\nchoose another folder, or mend {IGNORE_FILE}")


def _source(text: str) -> ResourceId:
    parts = text.split("/")
    if len(parts) == 2:
        parts.insert(0, "GitRepository")
    if len(parts) != 3 or not all(parts):
        raise UsageError(f"--source {text!r} is not [KIND/]NAMESPACE/NAME, such as {DEFAULT_SOURCE}")
    return ResourceId(SOURCE_GROUP, *parts)


def _has_expressions(repository: Repository) -> bool:
    """Does the repository's Flux have healthCheckExprs: 2.5 or later, or not known."""
    for path in repository.tree.files:
        if path.endswith("gotk-components.yaml"):
            for document in repository.loader.load(path).documents:
                version = as_mapping(as_mapping(as_mapping(document).get("metadata")).get("labels")).get("app.kubernetes.io/version")
                if isinstance(version, str):
                    major, _, rest = version.lstrip("v").partition(".")
                    minor = rest.partition(".")[0]
                    return not (major.isdigit() and minor.isdigit()) or (int(major), int(minor)) >= (2, 5)
    return True


def build_components(repository: Repository, directories: Sequence[str], source: str) -> Plan:
    """The plan of a cluster that applies each directory as one Kustomization. Raises `BrokenError` for one that does not build."""
    return _ordered(repository, Builder(repository.loader), directories, FluxOptions(_source(source)))


# Components


def find_components(repository: Repository, builder: Builder, directory: str, folder: str) -> tuple[list[str], list[str]]:
    """The directories that the overlay lists but for `folder`, if they are all there is to it; else the overlay as one. With what a user should know."""
    _refuse_broken(directory, builder.build(directory))
    parts = _listed_directories(repository, directory)
    if parts is None:
        return [directory], [f"{directory or '.'} changes or adds to what it lists, so it is applied as one; components as plain directories can be ordered"]
    if not _is_sum(builder, directory, parts):
        return [directory], [f"{directory or '.'} is not the sum of the directories that it lists, so it is applied as one"]
    # The folder that this command writes is the order of the others, not one of them.
    return [part for part in parts if part != folder], []


def _split(repository: Repository, builder: Builder, components: Sequence[str], path: str | None) -> list[str] | None:
    """The components with the one at `path` replaced by the directories that it lists; None where it is more than a list."""
    parts = _listed_directories(repository, path) if path is not None else None
    if path is None or parts is None or len(parts) < 2 or not _is_sum(builder, path, parts):
        return None
    return [finer for component in components for finer in (parts if component == path else [component])]


def _listed_directories(repository: Repository, directory: str) -> list[str] | None:
    """What a kustomization lists, if that is all it does and all of it are directories; None if not."""
    path = find_kustomization(repository.tree, directory)
    if path is None:
        return None
    node = as_mapping(repository.loader.load(path).first)
    if set(node) - _LISTING_FIELDS:
        return None
    found = []
    for entry in (*as_sequence(node.get("resources")), *as_sequence(node.get("bases"))):
        target = join(directory, entry) if isinstance(entry, str) else None
        if target is None or not repository.tree.is_directory(target):
            return None
        found.append(target)
    return found or None


def _is_sum(builder: Builder, directory: str, parts: Iterable[str]) -> bool:
    return _content([builder.build(directory)]) == _content(builder.build(part) for part in parts)


def _flux_folder(directory: str) -> str:
    return f"{directory}/{FLUX_FOLDER}".lstrip("/")


def _refuse_broken(directory: str, build: Build) -> None:
    if build.failed:
        raise does_not_build(directory, build.problems)


def does_not_build(directory: str, problems: Iterable[Problem]) -> BrokenError:
    """Says where."""
    return BrokenError("\n".join((f"{directory or '.'} does not build", *dict.fromkeys(f"{problem.place}: {problem.message}" for problem in problems))))


def _content(builds: Iterable[Build]) -> list[str]:
    return sorted(repr(node) for build in builds for node in build.resources)


# Order


def _ordered(repository: Repository, builder: Builder, components: Sequence[str], options: FluxOptions) -> Plan:
    """The plan of a cluster that applies each component as one Kustomization."""
    scope_of = repository.table.is_namespaced
    builds = {path: builder.build(path) for path in components}
    names = unit_names(components, _kustomizations_in(builds.values()))
    roots = []
    for path, build in builds.items():
        _refuse_broken(path, build)
        file = find_kustomization(repository.tree, path) or path
        node = as_mapping(parse(dump(flux_kustomization(names[path], path, options)), file, DEFAULT_LIMITS).documents[0])
        resource = to_resource(node, scope_of, options.source.namespace)
        assert resource is not None  # it has a kind and a name
        roots.append((replace(resource, place=Place(file, 1, 1)), None))
    urls = frozenset(map(normalised_url, repository.urls))
    made = expand(roots, (), Sources(options.source, urls), Repositories(urls), repository.loader, builder, repository.renderings, scope_of)
    cluster = Cluster("", components[0], "flux", made.units, made.resources, made.releases, made.opaque, made.problems)
    return analyse_cluster(cluster, repository).plan


def _kustomizations_in(builds: Iterable[Build]) -> frozenset[str]:
    """The names of the Flux Kustomizations that components bring: one of the same name would take the place of theirs."""
    nodes = (node for build in builds for node in build.resources if as_text(node.get("apiVersion")).startswith(f"{KUSTOMIZE_GROUP}/"))
    return frozenset(as_text(as_mapping(node.get("metadata")).get("name")) for node in nodes)


def unit_names(components: Sequence[str], brought: Set[str] = frozenset()) -> dict[str, str]:
    """A name for each component: the last part of its path, with its parents where two share it; none of those that they bring themselves."""
    parts = {path: _telling_parts(path) for path in components}
    names: dict[str, str] = {}
    for path, own in parts.items():
        others = [other for known, other in parts.items() if known != path]
        length = next((size for size in range(1, len(own)) if all(_name(other[-size:]) != _name(own[-size:]) for other in others)), len(own))
        name = _name(own[-length:])
        # The kustomization that lists the files needs its own name.
        taken = {*names.values(), *brought, "kustomization"}
        names[path] = next(free for free in (name, *(f"{name}-{number}" for number in range(2, len(components) + 3))) if free not in taken)
    return names


def _telling_parts(path: str) -> list[str]:
    """The parts of a path but for those that every kustomize repository has."""
    parts = path.split("/")
    return [part for part in parts if part not in _COMMON_PARTS] or parts


def _name(parts: Sequence[str]) -> str:
    """Parts of a path as a name that the API server takes (RFC 1123)."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-") or "overlay"


# Files


def file_changes(repository: Repository, folder: str, manifests: Mapping[str, dict[str, Any]], form: Form) -> tuple[FileChange, ...]:
    """A file for each manifest in `folder`, the kustomization that lists them, and files of an earlier run that go."""
    tree, limits = repository.tree, repository.loader.limits
    changes = [
        edited(repository, f"{folder}/{name}.yaml", partial(manifest_change, manifest=manifest, form=form, limits=limits))
        for name, manifest in sorted(manifests.items())
    ]
    removed = [FileChange(path, text, None) for path, text in _generated_before(repository, folder, form) if posixpath.basename(path)[:-5] not in manifests]
    names = frozenset(posixpath.basename(change.path) for change in removed)
    listing = find_kustomization(tree, folder) or f"{folder}/kustomization.yaml"
    changes.append(edited(repository, listing, partial(listing_change, names=sorted(manifests), removed=names, limits=limits)))
    return (*changes, *removed)


def edited(repository: Repository, path: str, edit: Callable[[str, str | None], FileChange]) -> FileChange:
    """What `edit` makes of the text of a file, None for no file. Raises `BrokenError` where that can't be."""
    try:
        return edit(path, repository.tree.read(path).decode() if repository.tree.is_file(path) else None)
    except (UneditableError, UnreadableError, UnicodeDecodeError) as error:
        reason = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise BrokenError(f"{path}:1: can't be brought up to date: {reason}\nmend it, move it away or delete it") from error


def _generated_before(repository: Repository, folder: str, form: Form) -> Iterable[tuple[str, str]]:
    """Files of an earlier run."""
    for name in repository.tree.children(folder):
        path = f"{folder}/{name}"
        if name.endswith(".yaml") and repository.tree.is_file(path):
            text = content_of(repository.tree, path)
            if is_generated(text, form):
                yield path, text
