"""What units came to, kept for another state of the same repository: most of it is the same in both, and is not built again there."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Problem, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place, is_same_node
from gitops_secrets.rendering.kustomize import Build
from gitops_secrets.repository.tree import Tree
from gitops_secrets.syntax.budget import Spent


@dataclass(frozen=True, slots=True)
class Rendering:
    """What the directory of a unit came to. The same files and variables come to the same objects, at the same places."""

    unit: Resource
    path: str
    build: Build
    inputs: frozenset[str]  # of the build, as paths of the repository; directories end with "/"
    variables: Mapping[str, str | None] | None
    complete: bool  # are these all variables that may be defined?
    objects: tuple[Resource, ...]
    problems: tuple[Problem, ...]  # of the substitution
    spent_on_build: Spent
    spent_on_objects: Spent

    def is_of(self, variables: Mapping[str, str | None] | None, *, complete: bool) -> bool:
        """Would these variables give the same?"""
        return self.complete is complete and type(self.variables) is type(variables) and self.variables == variables


class Renderings:
    """The renderings of the tree of `loader`; those of `beside`, of the state that is beside it for the loader too, stand for what is the same there.

    Units are told apart by who they are and where they are written.
    """

    def __init__(self, loader: Loader, beside: Renderings | None = None, part: Hashable = None) -> None:
        self._loader = loader
        self._beside = beside
        self._part = part
        self._known: dict[tuple[Hashable, str, ResourceId, Place], Rendering] = {}
        self._same: dict[str, bool] = {}  # directories: do they have the same files beside?
        self.sought: set[ResourceId] = set()  # objects that units and releases are made with, whether they are there or not

    def part(self, part: Hashable) -> Renderings:
        """The same for another view of the tree, which leaves files out or moves them: a view of the same name shows the same of the same files."""
        other = Renderings(self._loader, self._beside, part)
        other._known, other._same, other.sought = self._known, self._same, self.sought
        return other

    def __iter__(self) -> Iterator[Rendering]:
        """Those of this view of the tree."""
        return (rendering for (part, *_), rendering in self._known.items() if part == self._part)

    def remember(self, rendering: Rendering) -> None:
        """Keeps what a unit came to. What went wrong may go better in another state, whatever it read."""
        if not (rendering.build.problems or rendering.build.opaque or rendering.build.failed):
            unit = rendering.unit
            self._known[self._part, rendering.path, unit.id, unit.place] = rendering

    def recall(self, path: str, unit: Resource) -> Rendering | None:
        """What the same unit came to in the other state, if all that its build read is the same here."""
        there = self._beside
        if there is None:
            return None
        known = there._known.get((self._part, path, unit.id, unit.place))
        if known is None or not is_same_node(known.unit.data, unit.data):
            return None
        return known if all(self._is_same(there, each) for each in known.inputs) else None

    def leave(self) -> None:
        """Forgets the other state."""
        self._beside = None

    def _is_same(self, there: Renderings, path: str) -> bool:
        if not path.endswith("/"):
            return self._loader.is_same_beside(path)
        same = self._same.get(path)
        if same is None:
            same = self._same[path] = _files_below(self._loader.tree, path) == _files_below(there._loader.tree, path)
        return same


def _files_below(tree: Tree, directory: str) -> tuple[str, ...]:
    """The paths of all files below a directory, which ends with "/"; that alone is the root."""
    if directory == "/":
        return tuple(tree.files)
    files = tree.files
    after = directory[:-1] + chr(ord("/") + 1)
    return tuple(files[bisect_left(files, directory) : bisect_left(files, after)])
