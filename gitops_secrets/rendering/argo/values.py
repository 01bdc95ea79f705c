"""The values of a chart from all that `spec.source.helm` names, merged as Helm would: files, then `values` or `valuesObject`, then parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from gitops_secrets.manifests.load import Loader, parse_documents
from gitops_secrets.manifests.merge import merge
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place, as_mapping, as_sequence, as_text, placed
from gitops_secrets.rendering.objects import too_deep
from gitops_secrets.rendering.release_values import value_at_path
from gitops_secrets.rendering.urls import is_placeholder
from gitops_secrets.repository.tree import join


class Values(NamedTuple):
    """Merged values. Not `complete` where some are not in the repository."""

    values: MappingNode
    complete: bool
    problems: tuple[Problem, ...]


def chart_values(
    helm: MappingNode, directory: str | None, loader: Loader | None, references: Mapping[str, Loader | None], owner: str, limits: Limits
) -> Values:
    """The values that `helm` asks for; `directory` of `loader` is the chart where it is in a repository, `references` are other sources by `ref`."""
    reader = _Reader(directory, loader, references, owner)
    if directory is not None and loader is not None:
        reader.add_file(f"{directory}/values.yaml".lstrip("/"), loader)
    files = as_sequence(helm.get("valueFiles"))
    ignores = helm.get("ignoreMissingValueFiles") is True
    for index, written in enumerate(files):
        reader.add_named(as_text(written), files.place(index), ignores=ignores)
    inline = helm.get("valuesObject")
    if isinstance(inline, MappingNode):
        reader.add(inline)
    elif isinstance(helm.get("values"), str):
        reader.add_text(helm["values"], helm.place("values"), limits)
    for parameter in map(as_mapping, as_sequence(helm.get("parameters"))):
        if (deep := too_deep(as_text(parameter.get("name")), parameter.place("name"), limits)) is not None:
            reader.problems.append(replace(deep, subject=owner))
        elif "value" in parameter:
            reader.add(value_at_path(as_text(parameter.get("name")), str(parameter["value"]), parameter.place("value")) or EMPTY_MAPPING)
    return Values(reader.values, reader.complete and not as_sequence(helm.get("fileParameters")), tuple(reader.problems))


class _Reader:
    def __init__(self, directory: str | None, loader: Loader | None, references: Mapping[str, Loader | None], owner: str) -> None:
        self.directory = directory
        self.loader = loader
        self.references = references
        self.owner = owner
        self.values: MappingNode = EMPTY_MAPPING
        self.complete = True
        self.problems: list[Problem] = []

    def add(self, values: MappingNode) -> None:
        self.values = merge(self.values, values)

    def add_text(self, text: str, place: Place, limits: Limits) -> None:
        """Values that are written as a text."""
        loaded = parse_documents(text, place.file, limits)
        for problem in loaded.problems:
            if problem.rule == "invalid-yaml":
                self.complete = False
                self.problems.append(Problem(f"{self.owner} has values that are no YAML: {problem.message}", place, "build-failed", self.owner))
        self.add(as_mapping(placed(as_mapping(loaded.first), place)))

    def add_file(self, path: str, loader: Loader) -> bool:
        """Is the file there?"""
        if not loader.tree.is_file(path):
            return False
        self.add(as_mapping(loader.load(path).first))
        return True

    def add_named(self, written: str, place: Place, *, ignores: bool) -> None:
        """A file as `valueFiles` names it: `$ref/path`, relative to the chart, or from the root of its repository."""
        if "://" in written or is_placeholder(written):
            self.complete = False
            return
        if written.startswith("$"):
            ref, _, path = written[1:].partition("/")
            if ref not in self.references:
                self.problems.append(
                    Problem(f"{self.owner} takes values from ${ref}, which is the ref of none of its sources", place, "build-failed", self.owner)
                )
                return
            loader, resolved = self.references[ref], join("", path.lstrip("/"))
        else:
            loader = self.loader
            resolved = join("", written.lstrip("/")) if written.startswith("/") else join(self.directory or "", written)
        if loader is None:
            self.complete = False
        elif resolved is None or (not self.add_file(resolved, loader) and not ignores):
            what = "is outside of the repository" if resolved is None else "is not there"
            message = f"{self.owner} takes values from {written}, which {what}; its manifests are not generated without"
            self.problems.append(Problem(message, place, "build-failed", self.owner))
