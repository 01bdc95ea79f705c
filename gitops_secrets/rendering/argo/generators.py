"""The generators of an ApplicationSet: which sets of parameters they yield (applicationset controller of Argo CD 3.5).

With Go templates parameters are nested (`.path.basename`), without they are flat texts (`path.basename`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Destination
from gitops_secrets.rendering.argo.applications import IN_CLUSTER
from gitops_secrets.rendering.argo.repositories import Repositories
from gitops_secrets.rendering.selectors import is_selected
from gitops_secrets.syntax.budget import ENTRY
from gitops_secrets.syntax.glob import compile_glob, compile_path_glob
from gitops_secrets.syntax.go_functions import go_text
from gitops_secrets.syntax.sprig import dns_name
from gitops_secrets.syntax.yaml import parse

_NAMED: Final = ("list", "clusters", "git", "matrix", "merge", "scmProvider", "pullRequest", "clusterDecisionResource", "plugin")
_ASKS: Final = {
    "scmProvider": "asks a forge for repositories",
    "pullRequest": "asks a forge for pull requests",
    "clusterDecisionResource": "asks the cluster for a decision",
    "plugin": "asks a plugin",
}

Parameters = dict[str, Any]
# Renders every text in a value with parameters; raises for what can't be.
Render = Callable[[Any, Parameters], Any]


class NotKnown(Exception):
    """Only a cluster or a forge knows what a generator yields."""


class Refused(Exception):
    """The controller reports an error, and makes nothing."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Generated:
    """One set of parameters; `template` holds what its generator changes of the template."""

    parameters: Parameters
    template: MappingNode


@dataclass(slots=True)
class Generation:
    """The generators of one ApplicationSet."""

    repositories: Repositories
    loader: Loader
    render: Render
    is_nested: bool  # Go templates
    inputs: set[str] = field(default_factory=set)  # files that were read
    unmatched: list[tuple[str, Place]] = field(default_factory=list)  # patterns over the repository that nothing matches

    def run(self, generators: SequenceNode) -> list[Generated]:
        """What all generators of a list yield, one after the other. Raises `NotKnown` and `Refused`."""
        found: list[Generated] = []
        for index, entry in enumerate(generators):
            found += self._generate(entry, generators.place(index), None)
        return found

    def _generate(self, entry: object, place: Place, outer: Parameters | None) -> list[Generated]:
        if not entry:
            # What somebody else fills in, a ClusterTemplate say.
            return []
        if not isinstance(entry, MappingNode):
            raise Refused("a generator is no mapping", place)
        name = next((name for name in _NAMED if name in entry), None)
        if name is None:
            raise Refused("a generator names none of the known ones", place)
        if entry[name] is not None and not isinstance(entry[name], MappingNode):
            raise Refused(f"its {name} generator is no mapping", entry.place(name))
        if name in _ASKS:
            raise NotKnown(f"its {name} generator {_ASKS[name]}")
        written = as_mapping(entry[name])
        if outer is not None:
            written = as_mapping(self.render(written, outer))
        makers: Mapping[str, Callable[[MappingNode, Place], Iterable[Parameters]]] = {
            "list": self._list,
            "clusters": self._clusters,
            "git": self._git,
            "matrix": self._matrix,
            "merge": self._merge,
        }
        template = as_mapping(written.get("template"))
        made: list[Generated] = []
        budget = self.loader.budget
        for parameters in makers[name](written, entry.place(name)):
            if len(made) == budget.limits.objects:
                raise Refused(f"it makes too many Applications; {budget.limits.more('objects')}", entry.place(name))
            budget.spend(ENTRY * len(parameters))
            made.append(Generated(parameters, template))
        selector = entry.get("selector")
        if isinstance(selector, MappingNode):
            made = [each for each in made if is_selected(flattened(each.parameters), selector)]
        return made

    def _list(self, written: MappingNode, place: Place) -> Iterable[Parameters]:
        elements = list(as_sequence(written.get("elements")))
        if isinstance(written.get("elementsYaml"), str):
            parsed = parse(written["elementsYaml"], place.file, self.loader.limits)
            if parsed.problems:
                raise Refused(f"its elementsYaml is no YAML: {parsed.problems[0].message}", place)
            elements += as_sequence(parsed.first)
        for element in elements:
            if isinstance(element, MappingNode):
                yield dict(element) if self.is_nested else flattened(element)

    # Clusters

    def _clusters(self, written: MappingNode, place: Place) -> Iterable[Parameters]:
        selector = as_mapping(written.get("selector"))
        known = [cluster for cluster in self.repositories.destinations if cluster.name != IN_CLUSTER.name or cluster.labels]
        chosen = [cluster for cluster in known if is_selected(cluster.labels, selector)]
        if not selector:
            chosen += [cluster for cluster in (IN_CLUSTER,) if all(cluster.server != other.server for other in chosen)]
        if not chosen and not self.repositories.knows_all:
            which = "which clusters it is for only Argo CD knows" if not known else "no cluster that is known has the labels that it selects"
            raise NotKnown(f"{which}; name them under destinations in the configuration")
        every = [self._with_values(self._cluster(cluster), written) for cluster in sorted(chosen, key=lambda cluster: cluster.name)]
        return [{"clusters": every}] if written.get("flatList") is True else every

    def _cluster(self, cluster: Destination) -> Parameters:
        metadata = {"labels": dict(cluster.labels), "annotations": dict(cluster.annotations)}
        parameters: Parameters = {"name": cluster.name, "nameNormalized": dns_name(cluster.name), "server": cluster.server or cluster.name, "project": ""}
        if self.is_nested:
            return {**parameters, "metadata": metadata}
        return {**parameters, **{f"metadata.{kind}.{key}": value for kind, entries in metadata.items() for key, value in entries.items()}}

    def _with_values(self, parameters: Parameters, written: MappingNode) -> Parameters:
        """`values` of a generator, rendered with its own parameters."""
        values = {key: self.render(value, parameters) for key, value in as_mapping(written.get("values")).items()}
        if self.is_nested:
            return {**parameters, "values": values} if values else parameters
        return {**parameters, **{f"values.{key}": _text(value) for key, value in values.items()}}

    # Git

    def _git(self, written: MappingNode, place: Place) -> Iterable[Parameters]:
        url = as_text(written.get("repoURL"))
        loader = self.repositories.content(url, self.loader)
        if loader is None:
            raise NotKnown(f"its git generator reads another repository ({url})")
        prefix = as_text(written.get("pathParamPrefix"))
        if written.get("directories"):
            found: Iterable[Parameters] = self._directories(as_sequence(written["directories"]), loader, prefix)
        else:
            found = self._files(as_sequence(written.get("files")), loader, prefix)
        return [self._with_values(parameters, written) for parameters in found]

    def _directories(self, entries: SequenceNode, loader: Loader, prefix: str) -> Iterable[Parameters]:
        directories = _directories_of(loader)
        for path in self._chosen(entries, directories, lambda pattern: _segments_match(pattern)):
            yield self._under(prefix, self._path(path))

    def _files(self, entries: SequenceNode, loader: Loader, prefix: str) -> Iterable[Parameters]:
        for file in self._chosen(entries, loader.tree.files, lambda pattern: _text_match(pattern)):
            self.inputs.add(file)
            for document in loader.load(file).documents[:1]:
                for content in document if isinstance(document, SequenceNode) else [document]:
                    place = self._path(posixpath.dirname(file), posixpath.basename(file))
                    own = as_mapping(content)
                    # The parameters about the path win over a key of that name.
                    yield {**(dict(own) if self.is_nested else flattened(own)), **self._under(prefix, place)}

    def _chosen(self, entries: SequenceNode, candidates: Sequence[str], match: Callable[[str], Callable[[str], object]]) -> list[str]:
        """What one of the patterns stands for, and none of those that exclude."""
        patterns = [(as_text(entry.get("path")), entry.get("exclude") is True, entry.place("path")) for entry in map(as_mapping, entries)]
        excluded = [match(pattern) for pattern, excludes, _ in patterns if excludes]
        chosen: set[str] = set()
        for pattern, excludes, place in patterns:
            if excludes:
                continue
            self.loader.budget.spend(len(candidates))
            matching = match(pattern)
            found = [candidate for candidate in candidates if matching(candidate)]
            if not found:
                self.unmatched.append((pattern, place))
            chosen.update(found)
        self.loader.budget.spend(len(chosen) * len(excluded))
        return sorted(path for path in chosen if not any(matching(path) for matching in excluded))

    def _path(self, directory: str, filename: str | None = None) -> Parameters:
        segments = directory.split("/") if directory else []
        basename = posixpath.basename(directory)
        parameters: Parameters = {"path": directory, "basename": basename, "basenameNormalized": dns_name(basename)}
        if filename is not None:
            parameters |= {"filename": filename, "filenameNormalized": dns_name(filename)}
        if self.is_nested:
            return {"path": {**parameters, "segments": segments}}
        flat = {"path" if key == "path" else f"path.{key}": value for key, value in parameters.items()}
        return flat | {f"path[{index}]": segment for index, segment in enumerate(segments)}

    def _under(self, prefix: str, parameters: Parameters) -> Parameters:
        if not prefix:
            return parameters
        return {prefix: parameters} if self.is_nested else {f"{prefix}.{key}": value for key, value in parameters.items()}

    # Generators of generators

    def _matrix(self, written: MappingNode, place: Place) -> Iterable[Parameters]:
        entries = as_sequence(written.get("generators"))
        if len(entries) != 2:
            raise Refused("a matrix generator has two generators", place)
        first = self._generate(entries[0], entries.place(0), None)
        for outer in first:
            for inner in self._generate(entries[1], entries.place(1), outer.parameters):
                yield self._combined(outer.parameters, inner.parameters, place)

    def _combined(self, first: Parameters, second: Parameters, place: Place) -> Parameters:
        if self.is_nested:
            return _merged(first, second)
        for key in first.keys() & second.keys():
            if first[key] != second[key]:
                raise Refused(f"both generators of the matrix yield {key}, with different values", place)
        return {**first, **second}

    def _merge(self, written: MappingNode, place: Place) -> Iterable[Parameters]:
        entries = as_sequence(written.get("generators"))
        keys = [as_text(key) for key in as_sequence(written.get("mergeKeys"))]
        if len(entries) < 2 or not keys:
            raise Refused("a merge generator has mergeKeys and at least two generators", place)
        sets = [self._generate(entry, entries.place(index), None) for index, entry in enumerate(entries)]
        base: dict[tuple[str, ...], Parameters] = {}
        for each in sets[0]:
            identity = _identity(each.parameters, keys)
            if identity in base:
                raise Refused(f"the first generator of the merge yields the same {', '.join(keys)} twice", place)
            base[identity] = each.parameters
        for generated in sets[1:]:
            for each in generated:
                identity = _identity(each.parameters, keys)
                if identity in base:
                    base[identity] = _merged(base[identity], each.parameters)
        return [base[identity] for identity in sorted(base)]


def flattened(value: Mapping[str, Any], prefix: str = "") -> Parameters:
    """Nested parameters as flat texts, with `.` between the keys (jeremywohl/flatten)."""
    flat: Parameters = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            flat |= flattened(item, f"{name}.")
        elif isinstance(item, list):
            flat |= flattened({str(index): each for index, each in enumerate(item)}, f"{name}.")
        else:
            flat[name] = _text(item)
    return flat


def _merged(first: Parameters, second: Parameters) -> Parameters:
    result = dict(first)
    for key, value in second.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _identity(parameters: Parameters, keys: Iterable[str]) -> tuple[str, ...]:
    flat = flattened(parameters)
    return tuple(flat.get(key, "") for key in keys)


def _text(value: object) -> str:
    return "" if value is None else go_text(value)


def _directories_of(loader: Loader) -> tuple[str, ...]:
    """All directories of a repository but hidden ones, sorted."""
    found: set[str] = set()
    for file in loader.tree.files:
        directory = posixpath.dirname(file)
        while directory and directory not in found:
            found.add(directory)
            directory = posixpath.dirname(directory)
    return tuple(sorted(path for path in found if not any(part.startswith(".") for part in path.split("/"))))


def _segments_match(pattern: str) -> Callable[[str], object]:
    """Go's path.Match: as many segments as the pattern has."""
    expressions = [compile_glob(segment) for segment in pattern.split("/")]

    def matches(path: str) -> bool:
        segments = path.split("/")
        return len(segments) == len(expressions) and all(each is not None and each.match(part) for each, part in zip(expressions, segments, strict=True))

    return matches


def _text_match(pattern: str) -> Callable[[str], object]:
    """A pathspec of git: a star takes `/` as well, and a directory stands for all below it."""
    expression = compile_path_glob(pattern)

    def matches(path: str) -> bool:
        return expression is not None and expression.match(path) is not None

    return matches
