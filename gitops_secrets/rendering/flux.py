"""Flux: what its units make the cluster apply.

A Kustomization builds a directory, which may hold further Kustomizations, patched by their parent; variables may come from ConfigMaps that another one
applies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.substitute import is_substituted
from gitops_secrets.model.facts import Opaque, Problem, Release, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, as_text
from gitops_secrets.rendering.artifacts import artifact_loader
from gitops_secrets.rendering.charts import flux_release
from gitops_secrets.rendering.directories import closest_directory
from gitops_secrets.rendering.expansion import State, Waiting
from gitops_secrets.rendering.flux_build import build_directory, default_namespace, objects_of
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.rendering.objects import ProvisionsOf, place_of_field
from gitops_secrets.rendering.renderings import Rendering
from gitops_secrets.rendering.resource_set import expand_resource_set, is_resource_set, lacks_inputs
from gitops_secrets.rendering.sources import Origin, Sources
from gitops_secrets.rendering.units import HELM_GROUP, is_kustomization, is_unit, source_of, to_unit, written_path
from gitops_secrets.rendering.variables import Variables

_NO_SUCH_PATH = "its path is not in the repository"


class FluxEngine:
    """Kustomizations build directories, ResourceSets render templates; a HelmRelease is a unit, and applied by Helm."""

    def __init__(self, state: State, sources: Sources, provisions_of: ProvisionsOf) -> None:
        self.state = state
        self.sources = sources
        self.variables = Variables(state.by_id, provisions_of, state.loader)
        self.artifacts: dict[ResourceId, tuple[Loader, Builder]] = {}

    def takes(self, resource: Resource) -> bool:
        """Is it a unit of Flux?"""
        return is_unit(resource)

    def notice(self, resource: Resource) -> None:
        """Keeps what variables may come from."""
        self.variables.add(resource)

    def lacks_something(self, resource: Resource) -> bool:
        """Does it need variables, inputs or an artifact that nothing expanded so far has?"""
        if is_resource_set(resource):
            return lacks_inputs(resource, self.state.by_id)
        if not is_kustomization(resource):
            return False
        source = source_of(resource)
        if source is not None and source.kind == "ExternalArtifact" and self._content(source)[0] is self.state.loader:
            return True
        return self.variables.are_missing(resource)

    def expand(self, item: Waiting) -> None:
        """Adds the unit, and what it applies."""
        resource = item.resource
        if is_resource_set(resource):
            self._expand_set(item)
        elif is_kustomization(resource):
            self._expand_kustomization(item)
        else:
            self.state.units.setdefault(resource.id, to_unit(resource, item.parent))

    def releases(self) -> Iterable[Release]:
        """What the HelmReleases install; the API server refuses one that names no chart, so it makes nothing."""
        resources = [resource for resource in self.state.by_id.values() if resource.id.group == HELM_GROUP and resource.id.kind == "HelmRelease"]
        for resource in resources:
            # One that is there beside the roots is a unit that nothing applies.
            self.state.units.setdefault(resource.id, to_unit(resource, None))
        return [release for release in map(self._release, resources) if release.source is not None]

    def _release(self, resource: Resource) -> Release:
        here = frozenset({self.sources.entry}) if self.sources.entry else frozenset[ResourceId]()
        release = flux_release(resource, self.state.by_id, self.state.loader, self.state.scope_of, here)
        checkout = self.sources.checkouts.get(str(release.source))
        if release.source is None or checkout is None:
            return release
        return flux_release(resource, self.state.by_id, checkout, self.state.scope_of, frozenset({release.source}))

    def _expand_kustomization(self, item: Waiting) -> None:
        state, resource = self.state, item.resource
        path, opaque = self._path(resource)
        loader = self._content(source_of(resource))[0]
        shown = path if path is None else loader.origin_of(path)
        unit = replace(to_unit(resource, item.parent, shown, opaque), remote=item.remote or bool(_spec(resource).get("kubeConfig")))
        state.units[resource.id] = unit
        if opaque is not None:
            foreign = self.sources.is_foreign(unit.source, state.by_id)
            broken = resource.id if opaque == _NO_SUCH_PATH else None
            state.opaque.append(Opaque(str(resource.id), opaque, resource.place, foreign=foreign, broken_unit=broken))
        if path is None:
            return
        state.built.add(loader.origin_of(path) + "/")
        for child in self._render(resource, path):
            if not unit.remote or is_kustomization(child):
                state.apply(child, resource.id, remote=unit.remote)

    def _expand_set(self, item: Waiting) -> None:
        state, resource = self.state, item.resource
        made = expand_resource_set(resource, state.by_id, state.loader.budget)
        state.units[resource.id] = to_unit(resource, item.parent, opaque=made.opaque_reason)
        if made.opaque_reason is not None:
            state.opaque.append(Opaque(str(resource.id), made.opaque_reason, resource.place))
        if made.problems:
            state.problems.extend(made.problems)
            state.opaque.append(Opaque(str(resource.id), "it does not build", resource.place, broken_unit=resource.id))
        for child in state.to_resources(made.nodes, resource.id, default_namespace):
            state.apply(child, resource.id)

    def _path(self, resource: Resource) -> tuple[str | None, str | None]:
        """The directory that a Kustomization builds, or None and why its content is not known."""
        source = source_of(resource)
        written = as_text(_spec(resource).get("path")) or "./"
        artifact = source is not None and source.kind == "ExternalArtifact"
        tree = self._content(source)[0].tree
        if artifact and source not in self.artifacts:
            return None, f"no ArtifactGenerator in the repository makes {source}"
        origin = Origin.HERE if artifact else self.sources.origin(source, self.state.by_id)
        if origin is Origin.ELSEWHERE:
            return None, f"its content is in another repository ({source})"
        path = written_path(resource.data)
        if tree.is_directory(path):
            return path, None
        if "${" in written:
            return None, f"its path holds a variable that is not known: {written}"
        if origin is Origin.LIKELY_HERE:
            return None, f"its path {written} is not in this repository, and nothing declares {source}"
        hint = closest_directory(tree, path)
        where = f"the checkout of {source}" if origin is Origin.CHECKOUT else "the repository"
        message = f"{resource.id} builds {written}, which is not in {where}" + (f"; did you mean {hint}?" if hint else "")
        meant = f"./{hint}" if hint and written.startswith("./") else hint or ""
        self.state.problems.append(
            Problem(message, place_of_field(resource.data, "spec", "path"), "missing-path", str(resource.id), written=written, meant=meant)
        )
        return None, _NO_SUCH_PATH

    def _content(self, source: ResourceId | None) -> tuple[Loader, Builder]:
        """What a unit reads: this repository, a checkout of another one, or the artifact that an ArtifactGenerator makes."""
        checkout = self.sources.checkouts.get(str(source))
        if source is None or (source.kind != "ExternalArtifact" and checkout is None):
            return self.state.loader, self.state.builder
        if source not in self.artifacts:
            loader = checkout or artifact_loader(source, self.state.by_id, self.sources, self.state.loader)
            if loader is None:
                return self.state.loader, self.state.builder
            self.artifacts[source] = (loader, Builder(loader))
        return self.artifacts[source]

    def _render(self, resource: Resource, path: str) -> Sequence[Resource]:
        state = self.state
        loader, builder = self._content(source_of(resource))
        budget = state.loader.budget
        known = state.renderings.recall(path, resource) if loader is state.loader else None
        if known is not None and budget.allows(known.spent_on_build):
            # As if it were built again: what a state comes to must not depend on what stands beside it.
            budget.spend_all(known.spent_on_build)
            build, spent_on_build = known.build, known.spent_on_build
        else:
            before = budget.spent
            build, known = build_directory(builder, loader.tree, path, resource), None
            spent_on_build = budget.spent.since(before)
        state.take_build(build, resource, loader)
        for opaque in build.opaque:
            state.opaque.append(replace(opaque, applied_by=resource.id, foreign=opaque.foreign or self.sources.is_foreign_url(opaque.thing, state.by_id)))
        variables, complete = self.variables.of(resource), not self.variables.may_be_more(resource)
        if known is None or not known.is_of(variables, complete=complete) or not budget.allows(known.spent_on_objects):
            problems, before = len(state.problems), budget.spent
            objects = objects_of(build, resource, variables, state, complete=complete)
            spent = budget.spent.since(before)
            inputs, found = loader.origins_of(build.inputs), tuple(state.problems[problems:])
            known = Rendering(resource, path, build, inputs, variables, complete, objects, found, spent_on_build, spent)
        else:
            state.problems.extend(known.problems)
            budget.spend_all(known.spent_on_objects)
        if variables is not None and any(map(is_substituted, build.resources)):
            for name, place in dict(self.variables.misnamed(resource)).items():
                message = f"variable substitution failed: {name} is no name of a variable: letters, digits and underscores, and no digit at the start"
                state.problems.append(Problem(message, place, "build-failed", str(resource.id)))
        if loader is state.loader:
            state.renderings.remember(known)
        return known.objects


def _spec(resource: Resource | None) -> MappingNode:
    return resource.spec if resource is not None else MappingNode()
