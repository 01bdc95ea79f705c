"""`generate overlay`: a new environment from a base, with the Flux Kustomizations that apply it in order.

`overlay.yaml` in the overlay (see `overlay_state`) has a checksum of every file as it was written. By it, a later run tells what people changed since: their
patches stay as they are, and in their kustomizations only the entries that this command adds or takes away are touched.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

from gitops_secrets.config import ClusterSetting
from gitops_secrets.errors import BrokenError, UsageError
from gitops_secrets.generate.changes import FileChange
from gitops_secrets.generate.files import entries_change
from gitops_secrets.generate.overlay import Component, Listing, Overlay, OverlayOptions, overlay_of
from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place, as_mapping
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.generate import FLUX_FOLDER, Generated, build_components, edited, generate_flux, relative
from gitops_secrets.pipeline.overlay_state import LABEL, STATE_FILE, Request, State, asked_for, checksum, is_stated, read_state, state_text
from gitops_secrets.pipeline.scan import Repository, analyse, with_contents
from gitops_secrets.rendering.kustomize import Builder, find_kustomization
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.repository.tree import UnreadableError

KUSTOMIZATION = "kustomization.yaml"


def generate_overlay(repository: Repository, overlay: Path, request: Request) -> Generated:
    """The files of the overlay at `overlay`, in full.

    A second run changes nothing; what people wrote stays. Raises `UsageError` for a name, base, component or option that is not right, and for a directory
    that is there already and was not made by this command.
    """
    directory = relative(repository.root, overlay)
    if not LABEL.fullmatch(posixpath.basename(directory)):
        raise UsageError(f"{posixpath.basename(directory)!r} can't be the name of an overlay: lower case letters, digits and dashes")
    known = read_state(repository.tree, directory, repository.loader.limits)
    if known is None and repository.tree.is_directory(directory):
        raise UsageError(f"{directory} is there already, and was not made by this command\nchoose another name, or move it away")
    return _Run(repository, directory, known, asked_for(known, request)).generated()


class _Run:
    def __init__(self, repository: Repository, directory: str, known: State | None, state: State) -> None:
        self.repository = repository
        self.directory = directory
        self.known = known
        self.state = state
        self.remarks: list[str] = []

    def generated(self) -> Generated:
        state, components = self._chosen()
        graph = build_components(self.repository, [component.path for component in components], state.source).graph
        overlay = overlay_of(self.directory, components, graph, state.options)
        changes, written = self._changes(overlay)
        changes.append(self._state_change(replace(state, written=written)))
        contents = {change.path: change.after for change in changes if change.is_needed}
        after = with_contents(self.repository, contents)
        try:
            flux = generate_flux(after, self.repository.root / self.directory, source=state.source)
        except BrokenError as error:
            if any(self._is_edited(line.partition(":")[0]) for line in str(error).splitlines()):
                raise BrokenError(f"{error}\nmend what somebody wrote there") from error
            raise BrokenError(f"no overlay can be made of these components: {error}\nchoose other ones, or mend {state.base or 'the base'}") from error
        changes += flux.changes
        self._judge(with_contents(after, {change.path: change.after for change in flux.stale}), components, graph)
        return Generated(tuple(sorted(changes, key=lambda change: change.path)), flux.plan, (*self.remarks, *flux.remarks))

    def _chosen(self) -> tuple[State, list[Component]]:
        """The state with the components that there are, and what they build to."""
        found = _component_paths(self.repository, self.state.base)
        if not found:
            raise UsageError(f"{self.state.base or '.'} has no components: directories with a kustomization.yaml")
        names: list[str] = []
        for asked in self.state.components or found:
            matching = [name for name in found if name == asked or name.startswith(asked.rstrip("/") + "/")]
            if not matching:
                raise UsageError(f"{self.state.base} has no component {asked!r}; it has {', '.join(found)}")
            names += matching
        chosen = sorted(set(names))
        builder = Builder(self.repository.loader)
        components = []
        for name in chosen:
            build = builder.build(found[name])
            nodes = (to_resource(node, self.repository.table.is_namespaced, "default") for node in build.resources)
            components.append(Component(name, found[name], tuple(node for node in nodes if node is not None)))
        return replace(self.state, components=tuple(chosen)), components

    # Files

    def _changes(self, overlay: Overlay) -> tuple[list[FileChange], dict[str, str]]:
        """All files, and the checksums of what this command would have in them."""
        old = {} if self.known is None else dict(self.known.written)
        kept = {path for path in overlay.files if path in old and self._is_deleted(path)}
        listings = {group: _without(listing, {path.removeprefix(f"{group}/") for path in kept}) for group, listing in overlay.listings.items()}
        texts = _texts_of(overlay)
        changes = []
        for path, text in sorted(texts.items()):
            listing = listings.get(posixpath.dirname(path)) if posixpath.basename(path) == KUSTOMIZATION else None
            changes.append(self._change(path, text if listing is None else listing.text(), old.get(path), listing))
        for path in sorted(old.keys() - texts.keys()):
            changes.append(self._removal(path, old[path]))
        return changes, {path: checksum(text) for path, text in texts.items()}

    def _is_edited(self, target: str) -> bool:
        last = None if self.known is None else self.known.written.get(target.removeprefix(f"{self.directory}/"))
        return last is not None and (text := self._text(target)) is not None and checksum(text) != last

    def _is_deleted(self, path: str) -> bool:
        """Did somebody delete a file, and not all of its component?"""
        group = path.partition("/")[0]
        return self._text(f"{self.directory}/{path}") is None and self.repository.tree.is_file(f"{self.directory}/{group}/{KUSTOMIZATION}")

    def _change(self, path: str, text: str, last: str | None, listing: Listing | None) -> FileChange:
        target = f"{self.directory}/{path}"
        before = self._text(target)
        if before is None:
            if last is None or listing is not None or not self._is_deleted(path):
                return FileChange(target, None, text)
            self.remarks.append(f"{target}: somebody deleted it, so it stays away; to have it again, take its line out of {self.directory}/{STATE_FILE}")
            return FileChange(target, None, None)
        if checksum(before) == checksum(text):
            return FileChange(target, before, before)
        if checksum(before) == last:
            return FileChange(target, before, text)
        if listing is not None:
            return self._listing_change(target, posixpath.dirname(path), listing)
        if checksum(text) != last:
            self.remarks.append(f"{target}: somebody edited it, so it stays as it is; without the edit it would be\n{_indented(text)}")
        return FileChange(target, before, before)

    def _listing_change(self, target: str, group: str, listing: Listing) -> FileChange:
        """A kustomization that people edited, with the entries that come and go since the last run."""
        patches = self._last_patches(group)
        fresh = [entry for entry in listing.patches if entry["path"] not in patches]
        gone = patches - {entry["path"] for entry in listing.patches}
        last = self._last_listing(group)
        return edited(
            self.repository,
            target,
            lambda path, text: entries_change(
                path,
                text or "",
                {
                    "resources": ([entry for entry in listing.resources if entry not in last.resources], set(last.resources) - set(listing.resources)),
                    "patches": (fresh, gone),
                },
                namespace=(last.namespace, listing.namespace),
                limits=self.repository.loader.limits,
            ),
        )

    def _last_patches(self, group: str) -> set[str]:
        """The patches of a group that were written last time."""
        return {path.removeprefix(f"{group}/") for path in (self.known.written if self.known else ()) if path.startswith(f"{group}/patches/")}

    def _last_listing(self, group: str) -> Listing:
        """The resources and the namespace that a group was given last time."""
        assert self.known is not None  # its kustomization is there, and the directory was made by this command
        if group == "":
            return Listing(tuple(sorted({path.partition("/")[0] for path in self.known.written if "/" in path})))
        found = _component_paths(self.repository, self.known.base)
        bases = [found[name] for name in self.known.components if name in found and name.partition("/")[0] == group]
        own = ("namespace.yaml",) if f"{group}/namespace.yaml" in self.known.written else ()
        namespaces = self.known.options.namespaces
        return Listing((*(posixpath.relpath(base, f"{self.directory}/{group}") for base in bases), *own), (), namespaces.get(group, namespaces.get("")))

    def _removal(self, path: str, last: str) -> FileChange:
        """A file of a component that was left out, or of an option that was taken back."""
        target = f"{self.directory}/{path}"
        before = self._text(target)
        if before is not None and checksum(before) != last:
            self.remarks.append(f"{target}: nothing needs it any more; somebody edited it, so it stays")
            return FileChange(target, before, before)
        return FileChange(target, before, None)

    def _text(self, path: str) -> str | None:
        if not self.repository.tree.is_file(path):
            return None
        try:
            return self.repository.tree.read(path).decode()
        except (UnreadableError, UnicodeDecodeError) as error:
            reason = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
            raise BrokenError(f"{path}:1: can't be brought up to date: {reason}") from error

    def _state_change(self, state: State) -> FileChange:
        target = f"{self.directory}/{STATE_FILE}"
        before = self._text(target)
        is_said = before is not None and is_stated(before, target, state, self.repository.loader.limits)
        return FileChange(target, before, before if is_said else state_text(state))

    def _judge(self, repository: Repository, components: Sequence[Component], graph: Graph) -> None:
        """Says what check would find wrong in the overlay, and what of that the base has by itself: a Secret, say, that only this environment can bring."""
        found = self._found_in(repository)
        options = self.state.options
        as_it_is = found if options == OverlayOptions() or not found else self._found_in(self._unchanged(components, graph))
        # What is written for the overlay is its own, whatever the options.
        brought = {_identity(finding) for finding in as_it_is if not finding.place.file.startswith(f"{self.directory}/")}
        of_base = [finding for finding in found if _identity(finding) in brought]
        if of_base:
            self.remarks.append(f"{self.state.base or 'the base'} itself has these findings, and the overlay has them from there:")
            self.remarks += map(_told, of_base)
        self.remarks += [_told(finding) for finding in found if _identity(finding) not in brought]

    def _found_in(self, repository: Repository) -> list[Finding]:
        """What check would find wrong in the overlay."""
        folder = f"{self.directory}/{FLUX_FOLDER}"
        repository = replace(repository, scope="")
        analysis = analyse(repository)
        own = {str(id) for cluster in analysis.clusters if not cluster.graph.cluster.stray for id in _applied_from(cluster.graph, f"{folder}/")}
        if not own:
            # Nothing applies it yet, beside clusters that are bootstrapped: it is judged as a cluster of its own.
            name = posixpath.basename(self.directory)
            clusters = {name: ClusterSetting(folder, "flux", Place(f"{self.directory}/{STATE_FILE}", 1, 1))}
            repository = replace(repository, configuration=replace(repository.configuration, clusters=clusters))
            analysis = analyse(repository)
            own = {str(id) for cluster in analysis.clusters for id in _applied_from(cluster.graph, f"{folder}/")}
        return [finding for finding in check(repository, analysis).findings if finding.severity is not Severity.NOTE and finding.subject in own]

    def _unchanged(self, components: Sequence[Component], graph: Graph) -> Repository:
        """The repository as it would be with an overlay that differs in nothing from its base."""
        overlay = overlay_of(self.directory, list(components), graph, OverlayOptions())
        plain = with_contents(self.repository, {f"{self.directory}/{path}": text for path, text in _texts_of(overlay).items()})
        flux = generate_flux(plain, self.repository.root / self.directory, source=self.state.source)
        return with_contents(plain, {change.path: change.after for change in flux.stale})


def _identity(finding: Finding) -> tuple[str, Place]:
    """The same finding in two overlays of one base, whatever names they give."""
    return finding.rule, finding.place


def _told(finding: Finding) -> str:
    return f"{finding.place}: {finding.severity.value}: {finding.message} [{finding.rule}]"


def _texts_of(overlay: Overlay) -> dict[str, str]:
    return dict(overlay.files) | {posixpath.join(group, KUSTOMIZATION): listing.text() for group, listing in overlay.listings.items()}


def _without(listing: Listing, names: Set[str]) -> Listing:
    """What a kustomization lists but for files that are not there."""
    patches = tuple(entry for entry in listing.patches if entry["path"] not in names)
    return replace(listing, resources=tuple(entry for entry in listing.resources if entry not in names), patches=patches)


def _applied_from(graph: Graph, folder: str) -> Iterator[ResourceId]:
    """The units that are written in `folder`, whoever applies them, and all that they apply."""
    units = {unit.id for unit in graph.units.values() if unit.place.file.startswith(folder)}
    yield from units
    yield from (id for id, unit in graph.unit_of.items() if unit in units)


def _component_paths(repository: Repository, base: str) -> dict[str, str]:
    """The directories below a base that have a kustomization, by their path below it; what lies inside of one belongs to it."""
    found: dict[str, str] = {}
    pending = [base]
    while pending:
        directory = pending.pop()
        for child in repository.tree.children(directory):
            path = posixpath.join(directory, child)
            if not repository.tree.is_directory(path):
                continue
            kustomization = find_kustomization(repository.tree, path)
            if kustomization is None:
                pending.append(path)
            elif not _is_mixin(repository, kustomization):
                found[posixpath.relpath(path, base or ".")] = path
    return dict(sorted(found.items()))


def _is_mixin(repository: Repository, kustomization: str) -> bool:
    """Is it a Component of kustomize: no part to be applied, but a change of others?"""
    return any(as_mapping(document).get("kind") == "Component" for document in repository.loader.load(kustomization).documents)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
