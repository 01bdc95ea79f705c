"""Applications and ApplicationSets that nothing reaches: where a cluster starts that Argo CD applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from gitops_secrets.errors import UsageError
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.nodes import Place, as_text
from gitops_secrets.model.results import Cluster
from gitops_secrets.rendering.argo.applications import ARGO_GROUP, ARGO_NAMESPACE, destination_of, is_argo_unit
from gitops_secrets.rendering.argo.discovery import Reach, entry_point, find_objects, own_urls, registered_cluster, root_groups
from gitops_secrets.rendering.argo.engine import ArgoEngine
from gitops_secrets.rendering.expansion import State
from gitops_secrets.rendering.kustomize import Build, find_kustomization
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.starts import common_folder
from gitops_secrets.rendering.survey import Survey
from gitops_secrets.rendering.urls import is_placeholder


class ArgoRoots:
    """Adds to a survey what Applications start that nothing applies. `files` are those that may hold objects of Argo CD."""

    def __init__(self, survey: Survey, files: Sequence[str]) -> None:
        self.survey = survey
        self.files = files

    def add(self) -> None:
        """Adds an entry point for each of them, or for those that lie together."""
        found = find_objects(self.survey.loader, self.survey.scope_of, self.files)
        units = {place: pair for place, pair in found.units.items() if place not in self.survey.reached and pair[0] not in self.survey.built}
        if not units:
            return
        listed, read = self._listed_objects()
        # What a build read without making an object of it is a patch; what it renamed stands where its name does.
        units = {place: (file, resource) for place, (file, resource) in units.items() if place not in listed and file not in read}
        units |= {place: (place.file, resource) for place, resource in listed.items() if is_argo_unit(resource) and place.file not in self.survey.built}
        found.beside = [(file, resource) for file, resource in found.beside if resource.id.group != ARGO_GROUP or file not in read]
        found.beside += [(place.file, resource) for place, resource in listed.items() if not is_argo_unit(resource)]
        files = frozenset(file for file, _ in units.values())
        off = {place: pair for place, pair in units.items() if self._is_left_out(pair[0], files)}
        used = {place: pair for place, pair in units.items() if place not in off} or units
        urls = own_urls((resource for _, resource in units.values()), self.survey.urls, self.survey.tree)
        self.survey.registered = tuple(cluster for _, resource in found.beside if (cluster := registered_cluster(resource)) is not None)
        groups = root_groups(used, lambda root, frontier: self._reach(root, frontier, urls))
        for folder, group in groups:
            self.survey.add(entry_point(folder, group, found, alone=len(groups) == 1))
        if off and used is not units:
            # As they would be switched on: beside what is in use.
            for folder, group in root_groups(off, lambda root, frontier: self._reach(root, frontier, urls)):
                beside = next((other for _, other in groups if common_folder([*group, *other])), [])
                self.survey.add(replace(entry_point(folder, [*group, *beside], found), stray=True))
        self._leave_to_others()

    def configured(self, path: str, called: str, build: Build | None) -> Cluster:
        """What starts at the Applications of a file, or of a directory: as its kustomization renders them, or all below it."""
        found = find_objects(self.survey.loader, self.survey.scope_of, self.files)
        prefix = f"{path}/" if path else ""
        group = [(file, resource) for file, resource in found.units.values() if file == path or (build is not None and file.startswith(prefix))]
        if build is not None and find_kustomization(self.survey.tree, path) is not None:
            listed = (to_resource(node, self.survey.scope_of, ARGO_NAMESPACE) for node in build.resources)
            group = [(path, resource) for resource in listed if resource is not None and is_argo_unit(resource)]
        if not group:
            raise UsageError(f"{called}: {path or '.'} holds no Application")
        self.survey.registered = tuple(known for _, resource in found.beside if (known := registered_cluster(resource)) is not None)
        entry = replace(entry_point(path, group, found), file=path or ".", path=path)
        cluster, _ = self.survey.expanded(entry)
        return self.survey.with_settings(cluster)

    def _leave_to_others(self) -> None:
        """A project that an Application brings to one cluster is not there in those beside it."""
        places = [{applied.resource.place for applied in cluster.resources if applied.resource.id.group == ARGO_GROUP} for _, cluster in self.survey.clusters]
        brought = {place for found in places for place in found}
        self.survey.clusters = [
            (entry, replace(cluster, given=tuple(each for each in cluster.given if each.place not in brought or each.place in own)))
            for (entry, cluster), own in zip(self.survey.clusters, places, strict=True)
        ]

    def _is_left_out(self, file: str, files: Set[str]) -> bool:
        """Does it lie beside a kustomization that lists others of `files`, and not this one? Then its owner took it off the list."""
        directory = file.rpartition("/")[0]
        if find_kustomization(self.survey.tree, directory) is None:
            return False
        listed = self.survey.builder.build(directory).inputs
        return file not in listed and any(other in listed and other.rpartition("/")[0] == directory for other in files)

    def _listed_objects(self) -> tuple[Mapping[Place, Resource], Set[str]]:
        """Objects of Argo CD as the kustomize directories that list them render them, by place; and the files that builds of such directories read."""
        listed: dict[Place, Resource] = {}
        read: set[str] = set()
        for directory in self.survey.unreferenced_directories():
            build = self.survey.builder.build(directory)
            rendered = (
                to_resource(node, self.survey.scope_of, ARGO_NAMESPACE) for node in build.resources if as_text(node.get("apiVersion")).startswith(ARGO_GROUP)
            )
            found = {resource.place: resource for resource in rendered if resource is not None and not is_placeholder(resource.id.name)}
            listed |= found
            if found:
                read |= build.inputs
        return listed, read

    def _reach(self, root: Resource, frontier: frozenset[Place], urls: frozenset[str]) -> Reach:
        state = State(self.survey.loader, self.survey.builder, self.survey.renderings, self.survey.scope_of)
        state.engines = (ArgoEngine(state, self.survey.repositories(None, urls), frontier),)
        state.enqueue(root, None)
        expansion = state.run()
        places = frozenset(applied.resource.place for applied in expansion.resources if is_argo_unit(applied.resource))
        away = {str(destination_of(other.resource)) for other in expansion.elsewhere}
        claims = {("", applied.resource.id) for applied in expansion.resources if applied.resource.id.kind != "Namespace"}
        return Reach(places, frozenset(claims | {(where, root.id) for where in away}))
