"""Flux objects that nothing reaches: where a cluster starts that nobody bootstrapped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from gitops_secrets.manifests.load import YAML_SUFFIXES
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping
from gitops_secrets.model.reach import reachable
from gitops_secrets.rendering.artifacts import EXTENSIONS_GROUP
from gitops_secrets.rendering.flux_build import build_directory
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES
from gitops_secrets.rendering.objects import FLUX_NAMESPACE, is_exported, to_resource
from gitops_secrets.rendering.starts import (
    EntryPoint,
    by_folder,
    common_folder,
    entry_point_of,
    entry_points_of,
    superseded,
    switched_off,
    unreached,
)
from gitops_secrets.rendering.survey import ENGINE_GROUPS, Survey
from gitops_secrets.rendering.units import SOURCE_GROUP, is_kustomization, source_of


class FluxRoots:
    """Adds to a survey what Flux Kustomizations start that nothing applies."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey

    def add(self, documents: Sequence[tuple[str, MappingNode]]) -> None:
        """Adds an entry point for each of them, or for those that lie together. `documents` are all that may be Flux objects, with their files."""
        found: dict[Place, tuple[str, Resource]] = {}
        beside: list[tuple[str, Resource]] = []
        for file, document in documents:
            resource = to_resource(document, self.survey.scope_of, FLUX_NAMESPACE)
            if resource is None or resource.place in self.survey.reached:
                continue
            if is_kustomization(resource):
                # A file that a build read without making this object of it is a patch; one without a source is a part of a Kustomization.
                if file not in self.survey.built and source_of(resource) is not None:
                    found[resource.place] = (file, resource)
            elif resource.id.group in (SOURCE_GROUP, EXTENSIONS_GROUP):
                beside.append((file, resource))
        # What was written out of a cluster is a record of it, unless there is nothing else.
        found = {place: pair for place, pair in found.items() if not is_exported(pair[1])} or ({} if self.survey.clusters else found)
        if not found:
            return
        listed = [(directory, resource) for directory, resource in self._listed_kustomizations() if resource.place in found]
        lists = self._lists(listed)
        self._add_variants(lists)
        found = {place: (file, resource) for place, (file, resource) in found.items() if place not in self.survey.reached and file not in self.survey.built}
        for _, resource in listed:
            if resource.place in found:
                found[resource.place] = (found[resource.place][0], resource)
        reaches = self._reaches([resource for _, resource in found.values()], frozenset(resource.id for _, resource in beside))
        gone = superseded({place: resource.id for place, (_, resource) in found.items()}, reaches)
        found = {place: pair for place, pair in found.items() if place not in gone}
        reaches = {place: others - gone for place, others in reaches.items() if place not in gone}
        roots = unreached(reaches)
        roots -= self._add_listing(lists, roots)
        off = self._switched_off(roots, found, reaches)
        for folder, group in by_folder([(file, resource) for file, resource in found.values() if resource.place in roots - off.keys()]):
            near = [(file, resource) for file, resource in beside if _is_below(file, folder)]
            for entry in entry_points_of(folder, group):
                # One that applies itself is a bootstrap under another name, and a source that it leaves out of what it builds is nowhere.
                applying = [root for root in entry.roots if root.place in reaches[root.place]]
                own = [path for root in applying if len(applying) == len(entry.roots) and (path := self.survey.directory_of(root))]
                given = tuple(resource for file, resource in near if resource.id == entry.source or not any(_is_below(file, path) for path in own))
                entry = self._with_own_source(entry, given)
                self.survey.add(replace(entry, given=(*given, *self._beside(entry, found)), bootstrapped=bool(applying)))
                in_use = {root.place for root in entry.roots}
                left_out = [pair for place, pair in found.items() if off.get(place) in in_use] if off else []
                for stray in entry_points_of(common_folder(left_out), left_out):
                    # As it would be switched on: beside what is in use, which it needs.
                    beside_it = (*(resource for _, resource in near), *self._beside(stray, found))
                    self.survey.add(replace(stray, roots=(*entry.roots, *stray.roots), given=beside_it, bootstrapped=False, stray=True))

    def _with_own_source(self, entry: EntryPoint, given: Iterable[Resource]) -> EntryPoint:
        """`entry` without the source it was guessed to sync, if that is declared beside it and no folder that is built from it is here."""
        is_declared = any(resource.id == entry.source for resource in given)
        is_here = any(self.survey.directory_of(root) for root in entry.roots if source_of(root) == entry.source) or bool(self.survey.source_root(entry))
        return replace(entry, source=None) if is_declared and not is_here else entry

    def _add_variants(self, lists: Mapping[str, Set[Place]]) -> None:
        """Directories that render one Kustomization each in its own way: every one of them is what a cluster applies."""
        rendering: dict[Place, set[str]] = {}
        for directory, places in lists.items():
            for place in places:
                rendering.setdefault(place, set()).add(directory)
        for directory in sorted(set().union(*(directories for directories in rendering.values() if len(directories) > 1))):
            self._add_directory(directory)

    def _add_listing(self, lists: Mapping[str, Set[Place]], roots: Set[Place]) -> set[Place]:
        """Adds directories that list roots of several other folders: what a cluster applies is the one directory. Returns their roots."""
        added: set[Place] = set()
        for directory, places in sorted(lists.items()):
            if len({place.file.rpartition("/")[0] for place in places & roots} - {directory}) > 1:
                self._add_directory(directory)
                added |= places & roots
        return added

    def _add_directory(self, directory: str) -> None:
        build = self.survey.builder.build(directory)
        entry = entry_point_of(directory, build.resources, self.survey.scope_of)
        if entry is not None:
            # One that builds this very directory is a bootstrap, and applies the others.
            itself = tuple(root for root in entry.roots if self.survey.directory_of(root) == directory)
            self.survey.add(replace(entry, roots=itself or entry.roots, bootstrapped=bool(itself)), build.problems)

    def _lists(self, listed: Iterable[tuple[str, Resource]]) -> dict[str, set[Place]]:
        """The Kustomizations that directories list. One that is built for what another one lists is a part of that, also where it lists itself."""
        lists: dict[str, set[Place]] = {}
        built: dict[str, set[str]] = {}
        for directory, resource in listed:
            lists.setdefault(directory, set()).add(resource.place)
            built.setdefault(directory, set()).add(self.survey.directory_of(resource) or "")
        parts = {part for directory, paths in built.items() for part in paths & built.keys() if part != directory and directory not in built[part]}
        return {directory: places for directory, places in lists.items() if directory not in parts}

    def _switched_off(self, roots: Set[Place], found: Mapping[Place, tuple[str, Resource]], reaches: Mapping[Place, Set[Place]]) -> dict[Place, Place]:
        """Roots that lie where another one builds, and that its build leaves out, with that one."""
        built = {}
        for root in roots:
            # The root folder is what foreign sources are built from, so it says nothing.
            paths = (self.survey.directory_of(found[place][1]) for place in reachable([root], reaches.__getitem__))
            built[root] = {path for path in paths if path}
        return switched_off({root: found[root][0] for root in roots}, built)

    def _beside(self, entry: EntryPoint, found: Mapping[Place, tuple[str, Resource]]) -> Iterable[Resource]:
        """Other objects in the files and folders of the roots: what applies these applies those too, cluster-wide settings say."""
        folders = {found[root.place][0].rpartition("/")[0] for root in entry.roots if root.place in found}
        for folder in sorted(folders):
            for name in self.survey.tree.children(folder):
                path = f"{folder}/{name}" if folder else name
                if not self.survey.tree.is_file(path) or not path.endswith(YAML_SUFFIXES) or path in self.survey.built or name in FILE_NAMES:
                    continue
                for document in self.survey.loader.load(path).documents:
                    resource = to_resource(document, self.survey.scope_of, FLUX_NAMESPACE) if isinstance(document, MappingNode) else None
                    if resource is not None and resource.place not in found and not resource.id.group.endswith(ENGINE_GROUPS):
                        yield resource

    def _listed_kustomizations(self) -> Iterable[tuple[str, Resource]]:
        """Flux Kustomizations as the kustomize directories that list them render them, with their namespace, say; with the directory."""
        for directory in self.survey.unreferenced_directories():
            text_files = (f"{directory}/{name}" if directory else name for name in self.survey.tree.children(directory))
            if any(file.endswith(YAML_SUFFIXES) for file in text_files):
                for node in self.survey.kustomizations_in(self.survey.builder.build(directory)):
                    resource = to_resource(node, self.survey.scope_of, FLUX_NAMESPACE)
                    if resource is not None:
                        yield directory, resource

    def _reaches(self, resources: Sequence[Resource], declared: frozenset[ResourceId]) -> dict[Place, set[Place]]:
        """Which of these Kustomizations each of them applies, itself included, by their places.

        A declared source may be somebody else's: it is ours only if some Kustomization builds a folder of it that is here.
        """
        paths = {resource.place: self.survey.directory_of(resource) for resource in resources}
        sources = {resource.place: source_of(resource) for resource in resources}
        ours = {sources[place] for place, path in paths.items() if path}
        reaches: dict[Place, set[Place]] = {}
        for resource in resources:
            path, source = paths[resource.place], sources[resource.place]
            targets: set[Place] = set()
            if path is not None and (source in ours or source not in declared):
                build = build_directory(self.survey.builder, self.survey.tree, path, resource)
                targets.update(as_mapping(node.get("metadata")).place("name") for node in self.survey.kustomizations_in(build))
            reaches[resource.place] = targets & paths.keys()
        return reaches


def _is_below(file: str, folder: str) -> bool:
    return not folder or file.startswith(folder + "/")
