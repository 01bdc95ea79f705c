"""Flux: from the Kustomizations of an entry point to every object that they make the cluster apply.

A Kustomization builds a directory, which may hold further Kustomizations, patched by their parent; variables may come from ConfigMaps that another one
applies. So units are expanded from a queue until nothing is left, those that wait for variables last.
"""

from __future__ import annotations

import difflib
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.substitute import is_substituted, substitute
from gitops_secrets.model.facts import Opaque, Problem, Release, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_text
from gitops_secrets.model.results import AppliedResource, Unit
from gitops_secrets.rendering.artifacts import artifact_loader
from gitops_secrets.rendering.charts import flux_release
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.rendering.objects import FLUX_NAMESPACE, ProvisionsOf, ScopeOf, no_provisions, place_of_field, to_resource, with_common_metadata
from gitops_secrets.rendering.resource_set import expand_resource_set, is_resource_set, lacks_inputs
from gitops_secrets.rendering.sources import Origin, Sources
from gitops_secrets.rendering.units import HELM_GROUP, is_kustomization, is_unit, source_of, to_unit
from gitops_secrets.rendering.variables import Variables
from gitops_secrets.repository.tree import Tree, join

# Fields of a Flux Kustomization that kustomize-controller merges into the kustomization.yaml that it builds (fluxcd/pkg/kustomize, Generator).
_MERGED_FIELDS = {
    "targetNamespace": "namespace",
    "patches": "patches",
    "images": "images",
    "components": "components",
    "namePrefix": "namePrefix",
    "nameSuffix": "nameSuffix",
}
_NO_SUCH_PATH = "its path is not in the repository"


@dataclass(frozen=True, slots=True)
class Expansion:
    """All that a set of root Kustomizations makes the engine apply."""

    units: tuple[Unit, ...]
    resources: tuple[AppliedResource, ...]
    releases: tuple[Release, ...]
    opaque: tuple[Opaque, ...]
    problems: tuple[Problem, ...]
    built: frozenset[str]  # directories that units build, and what those builds read; directories end with "/"


def expand(
    roots: Sequence[Resource],
    given: Sequence[Resource],
    sources: Sources,
    loader: Loader,
    builder: Builder,
    scope_of: ScopeOf,
    provisions_of: ProvisionsOf = no_provisions,
) -> Expansion:
    """Expands root Kustomizations to a fixed point. Broken units are kept, with a problem, and everything else goes on.

    `given` are objects that are there beside the roots, sources say.
    """
    expansion = _Expansion(sources, loader, builder, scope_of, provisions_of)
    for resource in given:
        expansion.add(resource)
    for root in roots:
        expansion.enqueue(root, None)
    return expansion.run()


@dataclass(frozen=True, slots=True)
class _Waiting:
    resource: Resource
    parent: ResourceId | None
    remote: bool


class _Expansion:
    def __init__(self, sources: Sources, loader: Loader, builder: Builder, scope_of: ScopeOf, provisions_of: ProvisionsOf) -> None:
        self.sources = sources
        self.loader = loader
        self.builder = builder
        self.scope_of = scope_of
        self.queue: deque[_Waiting] = deque()
        self.seen: set[ResourceId] = set()
        self.units: dict[ResourceId, Unit] = {}
        self.applied: list[AppliedResource] = []
        self.by_id: dict[ResourceId, Resource] = {}
        self.variables = Variables(self.by_id, provisions_of)
        self.opaque: list[Opaque] = []
        self.problems: list[Problem] = []
        self.built: set[str] = set()
        self.readers: Counter[str] = Counter()  # how many builds read a file
        self.missed: Counter[Place] = Counter()  # in how many of those a patch matches nothing
        self.artifacts: dict[ResourceId, tuple[Loader, Builder]] = {}

    def enqueue(self, resource: Resource, parent: ResourceId | None, *, remote: bool = False) -> None:
        if resource.id not in self.seen:
            self.seen.add(resource.id)
            self.add(resource)
            self.queue.append(_Waiting(resource, parent, remote))

    def add(self, resource: Resource) -> None:
        """Keeps what is there for whoever asks for it by its id."""
        if resource.id not in self.by_id:
            self.by_id[resource.id] = resource
            self.variables.add(resource)

    def run(self) -> Expansion:
        postponed: list[_Waiting] = []
        while self.queue or postponed:
            if not self.queue:
                # What they wait for is applied by nobody, or by one of themselves: go on with what is known, one at a time.
                ready = next((index for index, item in enumerate(postponed) if not self._lacks_something(item.resource)), 0)
                self._expand(postponed.pop(ready))
                continue
            item = self.queue.popleft()
            if self._lacks_something(item.resource):
                postponed.append(item)
            else:
                self._expand(item)
        found = [self._release(resource) for resource in self.by_id.values() if resource.id.group == HELM_GROUP and resource.id.kind == "HelmRelease"]
        # The API server refuses a release that names no chart, so it makes nothing.
        releases = [release for release in found if release.source is not None]
        return Expansion(
            tuple(sorted(self.units.values(), key=lambda unit: unit.id)),
            tuple(sorted(self.applied, key=lambda applied: (applied.resource.id, applied.resource.place))),
            tuple(sorted(releases, key=lambda release: release.resource)),
            tuple(self.opaque),
            tuple(self._without_shared_patches()),
            frozenset(self.built),
        )

    def _without_shared_patches(self) -> Iterable[Problem]:
        """A component that many build may carry a patch that is only for some of them: it matches nothing if it does so for all."""
        for problem in self.problems:
            shared = problem.rule == "patch-matches-nothing" and problem.place in self.missed
            if not shared or self.missed[problem.place] >= self.readers[problem.place.file]:
                yield problem

    def _release(self, resource: Resource) -> Release:
        here = frozenset({self.sources.entry}) if self.sources.entry else frozenset[ResourceId]()
        release = flux_release(resource, self.by_id, self.loader, self.scope_of, here)
        checkout = self.sources.checkouts.get(str(release.source))
        if release.source is None or checkout is None:
            return release
        return flux_release(resource, self.by_id, checkout, self.scope_of, frozenset({release.source}))

    def _expand(self, item: _Waiting) -> None:
        resource = item.resource
        if is_resource_set(resource):
            self._expand_set(item)
            return
        path, opaque = self._path(resource)
        loader = self._content(source_of(resource))[0]
        shown = path if path is None else loader.origin_of(path)
        self.units[resource.id] = replace(to_unit(resource, item.parent, shown, opaque), remote=item.remote or bool(_spec(resource).get("kubeConfig")))
        if opaque is not None:
            foreign = self.sources.is_foreign(self.units[resource.id].source, self.by_id)
            broken = resource.id if opaque == _NO_SUCH_PATH else None
            self.opaque.append(Opaque(str(resource.id), opaque, resource.place, foreign=foreign, broken_unit=broken))
        if path is None:
            return
        self.built.add(loader.origin_of(path) + "/")
        remote = self.units[resource.id].remote
        for child in self._render(resource, path):
            if not remote:
                self._apply(child, resource.id)
            if is_kustomization(child):
                self.enqueue(child, resource.id, remote=remote)

    def _expand_set(self, item: _Waiting) -> None:
        resource = item.resource
        made = expand_resource_set(resource, self.by_id)
        self.units[resource.id] = to_unit(resource, item.parent, opaque=made.opaque_reason)
        if made.opaque_reason is not None:
            self.opaque.append(Opaque(str(resource.id), made.opaque_reason, resource.place))
        if made.problems:
            self.problems.extend(made.problems)
            self.opaque.append(Opaque(str(resource.id), "it does not build", resource.place, broken_unit=resource.id))
        for child in self._resources(made.nodes, str(resource.id)):
            self._apply(child, resource.id)
            if is_kustomization(child):
                self.enqueue(child, resource.id)

    def _apply(self, resource: Resource, unit: ResourceId) -> None:
        self.applied.append(AppliedResource(resource, unit))
        self.add(resource)
        if is_resource_set(resource):
            self.enqueue(resource, unit)
        elif is_unit(resource) and not is_kustomization(resource):
            self.units.setdefault(resource.id, to_unit(resource, unit))

    def _path(self, resource: Resource) -> tuple[str | None, str | None]:
        """The directory that a Kustomization builds, or None and why its content is not known."""
        source = source_of(resource)
        written = as_text(_spec(resource).get("path")) or "./"
        artifact = source is not None and source.kind == "ExternalArtifact"
        tree = self._content(source)[0].tree
        if artifact and source not in self.artifacts:
            return None, f"no ArtifactGenerator in the repository makes {source}"
        origin = Origin.HERE if artifact else self.sources.origin(source, self.by_id)
        if origin is Origin.ELSEWHERE:
            return None, f"its content is in another repository ({source})"
        path = join("", written.lstrip("/"))
        if path is not None and tree.is_directory(path):
            return path, None
        if "${" in written:
            return None, f"its path holds a variable that is not known: {written}"
        if path is None or origin is Origin.LIKELY_HERE:
            return None, f"its path {written} is not in this repository, and nothing declares {source}"
        hint = closest_directory(tree, path)
        where = f"the checkout of {source}" if origin is Origin.CHECKOUT else "the repository"
        message = f"{resource.id} builds {written}, which is not in {where}" + (f"; did you mean {hint}?" if hint else "")
        meant = f"./{hint}" if hint and written.startswith("./") else hint or ""
        self.problems.append(Problem(message, place_of_field(resource.data, "spec", "path"), "missing-path", str(resource.id), written=written, meant=meant))
        return None, _NO_SUCH_PATH

    def _content(self, source: ResourceId | None) -> tuple[Loader, Builder]:
        """What a unit reads: this repository, a checkout of another one, or the artifact that an ArtifactGenerator makes."""
        checkout = self.sources.checkouts.get(str(source))
        if source is None or (source.kind != "ExternalArtifact" and checkout is None):
            return self.loader, self.builder
        if source not in self.artifacts:
            loader = checkout or artifact_loader(source, self.by_id, self.sources, self.loader)
            if loader is None:
                return self.loader, self.builder
            self.artifacts[source] = (loader, Builder(loader))
        return self.artifacts[source]

    def _render(self, resource: Resource, path: str) -> list[Resource]:
        loader, builder = self._content(source_of(resource))
        build = build_directory(builder, loader.tree, path, resource)
        inputs = loader.origins_of(build.inputs)
        self.built |= inputs
        self.readers.update(inputs)
        owner = str(resource.id)
        for problem in build.problems:
            place = problem.place._replace(file=loader.origin_of(problem.place.file))
            self.problems.append(replace(problem, place=place, subject=problem.subject or owner))
            if problem.rule == "patch-matches-nothing" and place.file in inputs and place.file != resource.place.file:
                self.missed[place] += 1
        for opaque in build.opaque:
            self.opaque.append(replace(opaque, applied_by=resource.id, foreign=opaque.foreign or self.sources.is_foreign_url(opaque.thing, self.by_id)))
        if build.failed and not build.resources:
            self.opaque.append(Opaque(owner, "it does not build", resource.place, broken_unit=resource.id))
        variables, complete = self.variables.of(resource), not self.variables.may_be_more(resource)
        metadata = as_mapping(_spec(resource).get("commonMetadata"))
        nodes = []
        for node in build.resources:
            if metadata:
                node = with_common_metadata(node, metadata)
            if "sops" in node:
                node = node.copy()
                node.remove("sops")
            if variables is not None and is_substituted(node):
                node = self._substitute(node, variables, owner, complete=complete)
            nodes.append(node)
        return self._resources(nodes, owner)

    def _resources(self, nodes: Iterable[MappingNode], owner: str) -> list[Resource]:
        rendered = []
        for node in nodes:
            default = FLUX_NAMESPACE if ".toolkit.fluxcd.io/" in as_text(node.get("apiVersion")) else "default"
            child = to_resource(node, self.scope_of, default)
            if child is None:
                self.problems.append(Problem("an object without apiVersion, kind or name", node.place(), "build-failed", owner))
            else:
                rendered.append(child)
        return rendered

    def _substitute(self, node: MappingNode, variables: Mapping[str, str | None], owner: str, *, complete: bool) -> MappingNode:
        result = substitute(node, variables, complete=complete)
        if result.error is not None:
            self.problems.append(replace(result.error, subject=owner))
        for name, place in result.undefined:
            self.problems.append(Problem(f"{owner} builds an object with ${{{name}}}, which nothing defines", place, "undefined-variable", owner, name))
        return result.node

    def _lacks_something(self, resource: Resource) -> bool:
        """Does it need variables, inputs or an artifact that nothing expanded so far has?"""
        if is_resource_set(resource):
            return lacks_inputs(resource, self.by_id)
        source = source_of(resource)
        if source is not None and source.kind == "ExternalArtifact" and self._content(source)[0] is self.loader:
            return True
        return self.variables.are_missing(resource)


def build_directory(builder: Builder, tree: Tree, path: str, resource: Resource | None = None) -> Build:
    """What Flux builds of a directory: its kustomization, or one over all YAML below where it has none, with the fields of `resource` merged in."""
    extra = _merged_fields(_spec(resource)) if resource is not None else None
    if find_kustomization(tree, path) is not None:
        return builder.build(path, extra=extra)
    place = place_of_field(resource.data, "spec", "path") if resource is not None else MappingNode(path, 0).place()
    return builder.build(path, extra=extra, kustomization=generated_kustomization(tree, path, MappingNode(place.file, 0), place_line=place.line))


def generated_kustomization(tree: Tree, path: str, node: MappingNode, place_line: int) -> MappingNode:
    """The kustomization that Flux makes for a directory without one: every YAML file below it; a directory with one of its own stands for itself."""
    mark = place_line << 16 | 1
    resources = SequenceNode(node.file, mark)
    pending = [""]
    while pending:
        relative = pending.pop()
        directory = "/".join(part for part in (path, relative) if part)
        for name in tree.children(directory):
            child = f"{relative}/{name}" if relative else name
            full = f"{path}/{child}" if path else child
            if tree.is_directory(full):
                if find_kustomization(tree, full) is not None:
                    resources.add(child, mark)
                else:
                    pending.append(child)
            elif name.endswith((".yaml", ".yml")):
                resources.add(child, mark)
    resources.sort()
    node.put("apiVersion", "kustomize.config.k8s.io/v1beta1", mark)
    node.put("kind", "Kustomization", mark)
    node.put("resources", resources, mark)
    return node


def _merged_fields(spec: MappingNode) -> MappingNode | None:
    extra = MappingNode(spec.file, spec.mark)
    for field, target in _MERGED_FIELDS.items():
        if spec.get(field):
            extra.put(target, spec[field], spec.place(field))
    return extra or None


def closest_directory(tree: Tree, path: str) -> str | None:
    """The directory that was most likely meant by a path that is not there."""
    parent, _, name = path.rpartition("/")
    while parent and not tree.is_directory(parent):
        parent, _, name = parent.rpartition("/")
    siblings = [child for child in tree.children(parent) if tree.is_directory(f"{parent}/{child}" if parent else child)]
    close = difflib.get_close_matches(name, siblings, 1, 0.6)
    return (f"{parent}/{close[0]}" if parent else close[0]) if close else None


def _spec(resource: Resource | None) -> MappingNode:
    return as_mapping(resource.data.get("spec")) if resource is not None else MappingNode()
