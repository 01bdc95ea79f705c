"""From the roots of an entry point to every object that they make engines apply: a queue of units, each expanded by the engine that it belongs to.

What an engine does with a unit is its own module's affair (`flux`, `argo`); a unit of one may apply units of another.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.secrets import REDACTED
from gitops_secrets.model.facts import Opaque, Problem, Release, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place
from gitops_secrets.model.results import AppliedResource, Unit
from gitops_secrets.rendering.kustomize import Build, Builder
from gitops_secrets.rendering.objects import ScopeOf, to_resource, too_long
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.syntax.budget import OBJECT, BudgetError

# What a file that is not YAML names, for who reads it all the same.
_NAME: Final = re.compile(rb"\bname:[ \t]*[\"']?([\w.-]+)")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A unit whose objects another cluster gets."""

    resource: Resource
    parent: ResourceId | None


@dataclass(frozen=True, slots=True)
class Expansion:
    """All that a set of roots makes their engines apply."""

    units: tuple[Unit, ...]
    resources: tuple[AppliedResource, ...]
    releases: tuple[Release, ...]
    opaque: tuple[Opaque, ...]
    problems: tuple[Problem, ...]
    built: frozenset[str]  # directories that units build, and what those builds read; directories end with "/"
    elsewhere: tuple[Elsewhere, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A unit that is still to be expanded."""

    resource: Resource
    parent: ResourceId | None
    remote: bool = False  # it is applied to another cluster


class Engine(Protocol):
    """What applies units of its own kinds."""

    def takes(self, resource: Resource) -> bool:
        """Is it a unit of this engine?"""

    def notice(self, resource: Resource) -> None:
        """Is told of every object, once."""

    def lacks_something(self, resource: Resource) -> bool:
        """Does it need what nothing expanded so far has?"""

    def expand(self, item: Waiting) -> None:
        """Adds the unit, and what it applies."""

    def releases(self) -> Iterable[Release]:
        """The charts that its units install, once everything is expanded."""


class Resources(dict[ResourceId, Resource]):
    """Resources by id. `sought` gets the ids that somebody asked for, whether they are there or not."""

    def __init__(self, sought: set[ResourceId]) -> None:
        super().__init__()
        self._sought = sought

    def get(self, key: ResourceId, default: Any = None) -> Any:
        """The resource of that id, for who looks into it."""
        self._sought.add(key)
        return super().get(key, default)


class State:
    """What is known so far of the cluster that is being expanded. Engines read it and add to it."""

    def __init__(self, loader: Loader, builder: Builder, renderings: Renderings, scope_of: ScopeOf) -> None:
        self.loader = loader
        self.builder = builder
        self.renderings = renderings
        self.scope_of = scope_of
        self.engines: tuple[Engine, ...] = ()
        self.queue: deque[Waiting] = deque()
        self.depths: dict[ResourceId, int] = {}  # of the units so far: how many made one another
        self.hits: set[str] = set()  # limits
        self.units: dict[ResourceId, Unit] = {}
        self.applied: list[AppliedResource] = []
        self.by_id = Resources(renderings.sought)
        self.opaque: list[Opaque] = []
        self.problems: list[Problem] = []
        self.elsewhere: list[Elsewhere] = []
        self.built: set[str] = set()
        self.readers: Counter[str] = Counter()  # how many builds read a file
        self.missed: Counter[Place] = Counter()  # in how many of those a patch matches nothing

    def enqueue(self, resource: Resource, parent: ResourceId | None, *, remote: bool = False) -> None:
        """Expands a unit later, once."""
        if resource.id in self.depths:
            return
        depth = self.depths[resource.id] = 0 if parent is None else self.depths.get(parent, 0) + 1
        if self._is_bearable(resource, depth):
            self.add(resource)
            self.queue.append(Waiting(resource, parent, remote))

    def _is_bearable(self, resource: Resource, depth: int) -> bool:
        """A unit may make one with another name that makes the next: variables can count. Each limit is said once to be hit.

        Nothing has looked yet at the name of a root, which nobody makes.
        """
        limits = self.loader.limits
        if (refused := too_long(resource.id)) is not None:
            self.problems.append(Problem(refused, resource.place, "build-failed", str(resource.id)))
            return False
        if depth > limits.unit_depth:
            hit, what = "unit_depth", f"units make one another without an end: {resource.id} is left out"
        elif len(self.depths) > limits.units:
            hit, what = "units", f"there are too many units: {resource.id} is left out, with all after it"
        else:
            return True
        if hit not in self.hits:
            self.hits.add(hit)
            self.problems.append(Problem(f"{what}; {limits.more(hit)}", resource.place, "build-failed", str(resource.id)))
        return False

    def add(self, resource: Resource) -> None:
        """Keeps what is there for whoever asks for it by its id."""
        if resource.id not in self.by_id:
            self.by_id[resource.id] = resource
            for engine in self.engines:
                engine.notice(resource)

    def apply(self, resource: Resource, unit: ResourceId, *, remote: bool = False) -> None:
        """An object that a unit applies, to another cluster if `remote`; units among them are expanded in their turn."""
        if not remote:
            self.applied.append(AppliedResource(resource, unit))
            self.add(resource)
        if self.engine_of(resource) is not None:
            self.enqueue(resource, unit, remote=remote)

    def engine_of(self, resource: Resource) -> Engine | None:
        """The engine that a resource is a unit of, if it is one."""
        return next((engine for engine in self.engines if engine.takes(resource)), None)

    def to_resources(self, nodes: Iterable[MappingNode], owner: ResourceId, namespace_of: Callable[[MappingNode], str]) -> list[Resource]:
        """Rendered nodes as resources; what names no object is a problem of `owner`."""
        rendered = []
        for node in nodes:
            self.loader.budget.spend(OBJECT)
            child = to_resource(node, self.scope_of, namespace_of(node))
            if child is None:
                self.problems.append(Problem("an object without apiVersion, kind or name", node.place(), "build-failed", str(owner)))
            elif (refused := too_long(child.id)) is not None:
                self.problems.append(Problem(refused, child.place, "build-failed", str(owner)))
            elif REDACTED in (child.id.kind, child.id.name):
                # As a rule just the values of a Secret are encrypted; some encrypt whole files.
                self.opaque.append(
                    Opaque(str(owner), "a file of it is encrypted as a whole", node.place(), kinds=frozenset({("", "Secret"), ("", "ConfigMap")}))
                )
            else:
                rendered.append(child)
        return rendered

    def take_build(self, build: Build, unit: Resource, loader: Loader) -> None:
        """What a unit's build read, and what is wrong with it."""
        inputs = loader.origins_of(build.inputs)
        self.built |= inputs
        self.readers.update(inputs)
        for problem in build.problems:
            place = problem.place._replace(file=loader.origin_of(problem.place.file))
            self.problems.append(replace(problem, place=place, subject=problem.subject or str(unit.id)))
            if problem.rule == "patch-matches-nothing" and place.file in inputs and place.file != unit.place.file:
                self.missed[place] += 1
        if build.failed and not build.resources:
            self.opaque.append(Opaque(str(unit.id), "it does not build", unit.place, broken_unit=unit.id))
        elif unread := sorted({problem.place.file for problem in build.problems if problem.rule == "invalid-yaml"}):
            names = {name.decode(errors="replace") for file in unread if loader.tree.is_file(file) for name in _NAME.findall(loader.text(file))}
            self.opaque.append(Opaque(str(unit.id), f"{unread[0]} can't be read", unit.place, names=tuple(sorted(names)), broken_unit=unit.id))

    def run(self) -> Expansion:
        """Expands what is waiting, to a fixed point. Broken units are kept, with a problem, and everything else goes on."""
        postponed: list[Waiting] = []
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
        releases = [release for engine in self.engines for release in engine.releases()]
        return Expansion(
            tuple(sorted(self.units.values(), key=lambda unit: unit.id)),
            tuple(sorted(self.applied, key=lambda applied: (applied.resource.id, applied.resource.place))),
            tuple(sorted(releases, key=lambda release: (release.resource, release.place, release.name))),
            tuple(self.opaque),
            tuple(map(self._placed, self._without_shared_patches())),
            frozenset(self.built),
            tuple(self.elsewhere),
        )

    def _expand(self, item: Waiting) -> None:
        self.loader.budget.begin()
        engine = self.engine_of(item.resource)
        if engine is not None:
            try:
                engine.expand(item)
            except BudgetError as spent:
                self.problems.append(Problem(f"{item.resource.id} is not all there: {spent}", item.resource.place, "build-failed", str(item.resource.id)))
                self.opaque.append(Opaque(str(item.resource.id), "it does not build", item.resource.place, broken_unit=item.resource.id))

    def _lacks_something(self, resource: Resource) -> bool:
        engine = self.engine_of(resource)
        return engine is not None and engine.lacks_something(resource)

    def _placed(self, problem: Problem) -> Problem:
        """A problem with what is not there at all, say since another type stands in its place, is one of its unit."""
        if problem.place.file:
            return problem
        return next((replace(problem, place=unit.place) for unit in self.units.values() if str(unit.id) == problem.subject), problem)

    def _without_shared_patches(self) -> Iterable[Problem]:
        """A component that many build may carry a patch that is only for some of them: it matches nothing if it does so for all."""
        for problem in self.problems:
            shared = problem.rule == "patch-matches-nothing" and problem.place in self.missed
            if not shared or self.missed[problem.place] >= self.readers[problem.place.file]:
                yield problem
