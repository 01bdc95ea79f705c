"""Artifacts that an ArtifactGenerator puts together from this repository (source-watcher, source.extensions.fluxcd.io): which file stands where in them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from gitops_secrets.manifests.load import Documents, Loader
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text
from gitops_secrets.rendering.sources import Origin, Sources
from gitops_secrets.rendering.units import SOURCE_GROUP
from gitops_secrets.repository.tree import Index, Tree
from gitops_secrets.syntax.glob import compile_glob

EXTENSIONS_GROUP = "source.extensions.fluxcd.io"


class MappedTree(Index):
    """A tree whose files stand elsewhere in another one: `origins` has the path below for each path here."""

    def __init__(self, below: Tree, origins: Mapping[str, str]) -> None:
        super().__init__(origins)
        self._below = below
        self.origins = origins

    def read(self, path: str) -> bytes:
        """The content of the file below. Raises `FileNotFoundError`."""
        return self._below.read(self.origin(path))

    def identity(self, path: str) -> str:
        """The id of the content of the file below. Raises `FileNotFoundError`."""
        return self._below.identity(self.origin(path))

    def origin(self, path: str) -> str:
        """Where a file stands below. Raises `FileNotFoundError`."""
        origin = self.origins.get(path)
        if origin is None:
            raise FileNotFoundError(path)
        return origin


class MappedLoader(Loader):
    """Documents by their path in an artifact; what they say of their place stays where a person would edit it."""

    def __init__(self, below: Loader, tree: MappedTree) -> None:
        super().__init__(tree, whole=below.whole, budget=below.budget)
        self._below = below
        self._mapped = tree
        self.taken, self.words = below.taken, below.words

    def load(self, path: str, *, for_units: bool = False) -> Documents:
        """The documents of the file that stands at `path` in the artifact."""
        return self._below.load(self._mapped.origin(path))

    def origin_of(self, path: str) -> str:
        """A directory stands where its first file does, less what is below it in the artifact."""
        if path in self._mapped.origins:
            return self._mapped.origins[path]
        prefix = f"{path}/" if path else ""
        for known in sorted(self._mapped.origins):
            if known.startswith(prefix):
                return self._mapped.origins[known].removesuffix(known[len(prefix) :]).rstrip("/")
        return path

    def origins_of(self, inputs: frozenset[str]) -> frozenset[str]:
        """Directories end with a slash there as here."""
        return frozenset(self.origin_of(path.rstrip("/")) + ("/" if path.endswith("/") else "") for path in inputs)


def folder_loader(loader: Loader, folder: str) -> Loader:
    """A folder as a repository of its own; places in it stay as `loader` knows them."""
    if not folder:
        return loader
    return MappedLoader(loader, MappedTree(loader.tree, {path[len(folder) + 1 :]: path for path in loader.tree.files if path.startswith(folder + "/")}))


def artifact_loader(artifact: ResourceId, resources: Mapping[ResourceId, Resource], sources: Sources, loader: Loader) -> Loader | None:
    """The content of an ExternalArtifact as a loader of its own; None if no ArtifactGenerator makes it, or it makes it of other repositories."""
    for resource in resources.values():
        if resource.id.group != EXTENSIONS_GROUP or resource.id.kind != "ArtifactGenerator" or resource.id.namespace != artifact.namespace:
            continue
        spec = resource.spec
        for entry in as_sequence(spec.get("artifacts")):
            if as_mapping(entry).get("name") == artifact.name:
                here = frozenset(_aliases_of_this_repository(spec, resource.id.namespace, sources, resources))
                origins = _origins(as_mapping(entry), here, loader.tree)
                return MappedLoader(loader, MappedTree(loader.tree, origins)) if origins else None
    return None


def _aliases_of_this_repository(spec: MappingNode, namespace: str, sources: Sources, resources: Mapping[ResourceId, Resource]) -> Iterable[str]:
    for entry in as_sequence(spec.get("sources")):
        source = as_mapping(entry)
        named = ResourceId(SOURCE_GROUP, as_text(source.get("kind")), as_text(source.get("namespace")) or namespace, as_text(source.get("name")))
        if sources.origin(named, resources) in (Origin.HERE, Origin.LIKELY_HERE):
            yield as_text(source.get("alias"))


def _origins(artifact: MappingNode, aliases: frozenset[str], tree: Tree) -> dict[str, str]:
    origins: dict[str, str] = {}
    for entry in as_sequence(artifact.get("copy")):
        step = as_mapping(entry)
        alias, _, pattern = as_text(step.get("from")).removeprefix("@").partition("/")
        target = as_text(step.get("to")).removeprefix("@artifact").lstrip("/")
        if alias not in aliases:
            continue
        excluded = [compiled for text in as_sequence(step.get("exclude")) if (compiled := compile_glob(as_text(text))) is not None]
        for origin, relative in _matches(pattern, tree):
            if not any(expression.match(relative) or expression.match(posixpath.basename(relative)) for expression in excluded):
                path = posixpath.normpath(posixpath.join(target, relative)) if relative else target
                if not path.startswith(("..", "/")):
                    origins[path] = origin
    return origins


def _matches(pattern: str, tree: Tree) -> Iterable[tuple[str, str]]:
    """Files that a pattern copies, each with its path below the part of the pattern that holds no wildcard."""
    parts = pattern.split("/")
    plain = next((index for index, part in enumerate(parts) if any(character in part for character in "*?[")), len(parts))
    prefix = "/".join(parts[:plain])
    if plain == len(parts):
        if tree.is_file(pattern):
            yield pattern, "" if not pattern else posixpath.basename(pattern)
            return
        below = pattern.rstrip("/")
        for path in tree.files:
            if path.startswith(below + "/"):
                yield path, path[len(posixpath.dirname(below)) :].lstrip("/")
        return
    start = prefix + "/" if prefix else ""
    rest = parts[plain:]
    expression = compile_glob(rest[-1]) if rest[-1] != "**" else None
    for path in tree.files:
        if path.startswith(start):
            relative = path[len(start) :]
            deep = "**" in rest
            if not deep and relative.count("/") != len(rest) - 1:
                continue
            if expression is None or expression.match(posixpath.basename(relative)):
                yield path, relative
