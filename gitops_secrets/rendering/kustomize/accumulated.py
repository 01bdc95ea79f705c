"""What layers of kustomizations work on and leave behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from gitops_secrets.manifests.load import Documents, Loader
from gitops_secrets.model.facts import Opaque, Problem
from gitops_secrets.model.nodes import MappingNode, Place
from gitops_secrets.rendering.kustomize.defaults import FieldTables
from gitops_secrets.rendering.kustomize.draft import Draft
from gitops_secrets.rendering.kustomize.schema import Schema
from gitops_secrets.rendering.kustomize.texts import Texts
from gitops_secrets.rendering.kustomize.variables import Variable


@dataclass(frozen=True, slots=True)
class InflatedChart:
    """An entry of `helmCharts`, which kustomize hands to Helm where that is allowed."""

    fields: MappingNode
    directory: str  # of the kustomization: paths of values are relative to it
    namespace: str  # of the kustomization, which wins
    place: Place


@dataclass(slots=True)
class Accumulated:
    """What a kustomization and all below it come to, before hashes and references. Shared between builds once it is complete."""

    drafts: list[Draft] = field(default_factory=list)
    keys: set[tuple[str, ...]] | None = None  # those of the drafts, as long as nothing has been done with them but adding more
    tables: FieldTables = field(default_factory=FieldTables)
    variables: dict[str, Variable] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    opaque: list[Opaque] = field(default_factory=list)
    charts: list[InflatedChart] = field(default_factory=list)
    outside: list[Problem] = field(default_factory=list)  # files that kustomize refuses unless its load restrictions are off, as Flux has them
    inputs: set[str] = field(default_factory=set)
    directories: set[str] = field(default_factory=set)
    schema: Schema | None = None  # the one that it set for all that comes after
    failed: bool = False
    lacking: bool = False  # a file or directory of resources could not be read

    @property
    def is_complete(self) -> bool:
        """Are all resources there? What is opaque or could not be read may bring others, of which nothing can be said."""
        return not self.lacking and all(opaque.kinds == frozenset() for opaque in self.opaque)

    def refuse(self, message: str, place: Place) -> None:
        """Notes what kustomize would refuse."""
        self.problems.append(Problem(message, place, "build-failed"))
        self.failed = True

    def note(self, problems: Iterable[Problem]) -> None:
        """Notes the problems of a file that kustomize would stumble over."""
        for problem in problems:
            self.problems.append(problem)
            self.failed = True


@dataclass(frozen=True, slots=True)
class Kustomization:
    """A kustomization file as read: its fields, the directory it speaks for."""

    fields: MappingNode
    directory: str
    file: str
    problems: tuple[Problem, ...] = ()
    strict_problems: tuple[Problem, ...] = ()  # only kustomize refuses these, not Flux in the directory that it builds

    @property
    def is_component(self) -> bool:
        """Is it a Component, which changes what includes it?"""
        return self.fields.get("kind") == "Component"


@dataclass(slots=True)
class SchemaInUse:
    """The schema of a build. kustomize has one for all of it: the first kustomization that names one in `openapi` decides, for what comes after."""

    schema: Schema
    is_set: bool = False
    in_use: bool = False  # resources were read before


class Session(Protocol):
    """What a layer needs of the builder that it belongs to."""

    loader: Loader
    texts: Texts

    def read(self, directory: str) -> Kustomization:
        """The kustomization of a directory. Raises `BuildError` if it has none."""

    def resources(self, path: str, documents: Documents) -> tuple[MappingNode, ...]:
        """The resources that a file holds. Raises `BuildError` for what is none."""

    def accumulate(self, directory: str, above: tuple[str, ...], schema: SchemaInUse, origin: str | None) -> Accumulated:
        """What a base comes to."""

    def use_schema(self, kustomization: Kustomization, schema: SchemaInUse) -> Problem | None:
        """Takes the schema that a kustomization names, if none is set yet; what is wrong with it."""
