"""Argo CD as an engine: Applications apply what their sources come to, ApplicationSets make Applications."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Opaque, Problem, Release, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place
from gitops_secrets.model.results import Destination
from gitops_secrets.rendering.argo.applications import (
    Source,
    destination_of,
    is_application_set,
    is_argo_unit,
    is_in_cluster,
    sources_of,
    to_unit,
)
from gitops_secrets.rendering.argo.content import Content, Reading, chart_content, directory_content, missing_path
from gitops_secrets.rendering.argo.repositories import Repositories
from gitops_secrets.rendering.expansion import Elsewhere, State, Waiting
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.rendering.urls import is_placeholder
from gitops_secrets.repository.tree import join

_NO_SUCH_PATH: Final = "its path is not in the repository"


class ArgoEngine:
    """Applications of one cluster; those for other clusters are units here, and expanded elsewhere."""

    def __init__(self, state: State, repositories: Repositories, frontier: frozenset[Place] = frozenset()) -> None:
        self.state = state
        self.frontier = frontier  # where Applications are written that are objects like others: what they apply is looked at by itself
        self.repositories = repositories
        self.found: list[Release] = []
        self.steps: dict[ResourceId, int] = {}
        self.builders: dict[int, Builder] = {id(state.loader): state.builder}

    def takes(self, resource: Resource) -> bool:
        """Is it an Application or an ApplicationSet?"""
        return is_argo_unit(resource) and resource.place not in self.frontier

    def notice(self, resource: Resource) -> None:
        """Nothing of other objects matters to what an Application renders."""

    def lacks_something(self, resource: Resource) -> bool:
        """An Application renders without a look at the cluster."""
        return False

    def releases(self) -> Iterable[Release]:
        """The charts that the Applications render."""
        return self.found

    def expand(self, item: Waiting) -> None:
        """Adds the unit, and what it applies."""
        if is_application_set(item.resource):
            self._expand_set(item)
        else:
            self._expand_application(item)

    def _expand_set(self, item: Waiting) -> None:
        state, resource = self.state, item.resource
        # Its templates are a language of their own, which most repositories don't use.
        from gitops_secrets.rendering.argo.application_set import expand_application_set

        made = expand_application_set(resource, self.repositories, state.loader)
        state.units[resource.id] = to_unit(resource, item.parent, opaque=made.unknown)
        state.problems += made.problems
        state.built |= made.inputs
        if made.problems and not made.applications:
            state.opaque.append(Opaque(str(resource.id), "its Applications can't be told", resource.place))
        if made.unknown is not None:
            state.opaque.append(Opaque(str(resource.id), made.unknown, resource.place))
        for child in state.to_resources(made.applications, resource.id, lambda _: resource.id.namespace):
            if child.id in made.steps:
                self.steps[child.id] = made.steps[child.id]
            state.apply(child, resource.id)

    def _expand_application(self, item: Waiting) -> None:
        state, resource = self.state, item.resource
        step = self.steps.get(resource.id, 0 if item.parent is not None and item.parent.kind == "ApplicationSet" else None)
        unit = to_unit(resource, item.parent, step=step)
        if not self._is_here(destination_of(resource)):
            state.units[resource.id] = replace(unit, remote=True)
            state.elsewhere.append(Elsewhere(resource, item.parent))
            return
        sources = sources_of(resource)
        contents = [self._content(source, resource) for source in sources]
        if not sources:
            state.problems.append(Problem(f"{resource.id} names no source", resource.place, "build-failed", str(resource.id)))
        opaque = next((entry.why for content in contents for entry in content.opaque if entry.thing == str(resource.id)), None)
        path = next((content.directory for content in contents if content.directory is not None), None)
        state.units[resource.id] = replace(unit, path=path, opaque=opaque)
        namespace = unit.sync.namespace if unit.sync is not None else ""
        for content in contents:
            self._take(content, resource, namespace or "default")

    def _is_here(self, destination: Destination) -> bool:
        known = self.repositories.registered(destination)
        # What an Application on another cluster calls in-cluster is that one.
        return is_in_cluster(known) or known == self.repositories.here

    def _take(self, content: Content, resource: Resource, namespace: str) -> None:
        state = self.state
        for build in content.builds:
            state.take_build(build, resource, state.loader)
        state.problems += content.problems
        for opaque in content.opaque:
            state.opaque.append(opaque if opaque.thing == str(resource.id) else replace(opaque, applied_by=resource.id))
        self.found += content.releases

        def namespace_of(node: MappingNode) -> str:
            return namespace

        for child in state.to_resources(content.nodes, resource.id, namespace_of):
            state.apply(child, resource.id)

    def _content(self, source: Source, resource: Resource) -> Content:
        """What a source comes to; where it can't be read, why."""
        references = {other.ref: self._loader(other.repository) for other in sources_of(resource) if other.ref}
        reading = Reading(resource, to_namespace(resource), references, self.state.loader.limits)
        if source.is_reference:
            return Content()
        if source.chart:
            return chart_content(source, reading)
        loader = self._loader(source.repository)
        if loader is None:
            foreign = self.repositories.is_foreign(source.repository)
            return Content(opaque=[Opaque(str(resource.id), f"its content is in another repository ({source.repository})", source.place, foreign=foreign)])
        path = join("", (source.path or ".").lstrip("/"))
        if path is not None and loader.tree.is_directory(path):
            return directory_content(source, reading, path, loader, self._builder(loader))
        if is_placeholder(source.path or "") or is_placeholder(source.repository):
            why = f"its path is filled in elsewhere: {source.path}"
            return Content(opaque=[Opaque(str(resource.id), why, source.place)])
        problem = missing_path(source, reading, loader.tree)
        return Content(problems=[problem], opaque=[Opaque(str(resource.id), _NO_SUCH_PATH, source.place, broken_unit=resource.id)])

    def _loader(self, url: str) -> Loader | None:
        return self.repositories.content(url, self.state.loader)

    def _builder(self, loader: Loader) -> Builder:
        return self.builders.setdefault(id(loader), self.state.builder if loader is self.state.loader else Builder(loader))


def to_namespace(application: Resource) -> str:
    """The namespace of an Application's destination."""
    sync = to_unit(application, None).sync
    return (sync.namespace if sync is not None else "") or "default"
