"""Releases of helmfiles, which install charts before the engine starts. Format: https://helmfile.readthedocs.io, helmfile 1."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.merge import merge
from gitops_secrets.model.facts import Problem, Release, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.rendering.chart_directory import is_chart
from gitops_secrets.rendering.commands import resolve
from gitops_secrets.rendering.objects import too_deep
from gitops_secrets.rendering.templated import UNKNOWN, known, read_templated, with_release
from gitops_secrets.repository.tree import join
from gitops_secrets.syntax.budget import BudgetError

MAX_INCLUDES = 20
_SEARCHED = 100  # characters that are searched in a step
DEFINITIONS_ONLY = "CustomResourceDefinition"
_SUFFIXES = (".yaml", ".yml", ".yaml.gotmpl", ".yml.gotmpl")


@dataclass(frozen=True, slots=True)
class Hook:
    """A command that a release runs, as words; paths in it are relative to `directory`."""

    words: tuple[str, ...]
    directory: str
    place: Place


@dataclass(frozen=True, slots=True)
class Helmfile:
    """What one helmfile and those it includes install, in order."""

    releases: tuple[Release, ...]
    hooks: tuple[Hook, ...]


def is_helmfile_path(path: str) -> bool:
    """May this file be a helmfile, by its name or by the directory it stands in? Only its content tells, see `read_helmfile`."""
    lowered = path.lower()
    if "helmfile" not in lowered and "bootstrap/" not in lowered:
        return False  # said at once of nearly all files of a repository
    *directories, name = lowered.split("/")
    if not name.endswith(_SUFFIXES):
        return False
    return name.startswith("helmfile") or any(directory in ("helmfile", "helmfile.d", "helmfiles", "bootstrap") for directory in directories)


def read_helmfile(loader: Loader, path: str, *, definitions_only: bool = False) -> Helmfile:
    """The releases of the helmfile `path`; none if the file is something else.

    With `definitions_only` just the CustomResourceDefinitions of its charts are applied, as of a helmfile that is written for `helmfile template
    --include-crds`; the releases then say so in `extra["only"]`.
    """
    reader = _Reader(loader)
    loader.budget.begin()
    try:
        reader.read(path, definitions_only, 0)
    except BudgetError as spent:
        loader.note([Problem(f"not all of it is looked at: {spent}", Place(path, 1, 1), "invalid-yaml", limit=True)])
    return Helmfile(tuple(reader.releases), tuple(reader.hooks))


@dataclass(frozen=True, slots=True)
class _State:
    """A helmfile with its bases."""

    path: str
    directory: str
    documents: tuple[MappingNode, ...]
    texts: tuple[str, ...]

    def items(self, key: str) -> Iterator[Any]:
        for document in self.documents:
            yield from as_sequence(document.get(key))

    def mapping(self, key: str) -> MappingNode:
        found = EMPTY_MAPPING
        for document in self.documents:
            found = merge(found, as_mapping(document.get(key)))
        return found


class _Reader:
    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.tree = loader.tree
        self.releases: list[Release] = []
        self.hooks: list[Hook] = []
        self.seen: set[str] = set()
        self.read_before: dict[str, tuple[object, ...]] = {}

    def read(self, path: str, definitions_only: bool, depth: int) -> None:
        if path in self.seen or depth > MAX_INCLUDES:
            return
        self.seen.add(path)
        state = self.state(path)
        defaults = state.mapping("helmDefaults")
        only = definitions_only or "--include-crds" in as_sequence(defaults.get("args"))
        repositories = self.repositories(state)
        templates = state.mapping("templates")
        inherited = [name for document in state.documents for name in _names(document.get("defaultInherit"))]
        for entry in state.items("releases"):
            if isinstance(entry, MappingNode) and known(entry.get("name")) and entry.get("installed") is not False:
                self.release(state, self.inherit(entry, inherited, templates), repositories, defaults, only)
        for include in state.items("helmfiles"):
            pattern = as_text(include) or as_text(as_mapping(include).get("path"))
            for included in self.included(state.directory, pattern):
                self.read(included, only, depth + 1)

    def documents(self, path: str) -> tuple[object, ...]:
        """Those of a file that may be a template: many releases may take their values from one."""
        known_before = self.read_before.get(path)
        if known_before is None:
            known_before = self.read_before[path] = read_templated(self.loader, path)
        return known_before

    def state(self, path: str, above: set[str] | None = None) -> _State:
        """A helmfile with its bases, each once: which of them comes again changes nothing."""
        above = {path} if above is None else above
        directory = posixpath.dirname(path)
        own = tuple(as_mapping(document) for document in self.documents(path))
        documents: list[MappingNode] = []
        texts = [self.loader.content_of(path)]
        for base in [base for document in own for base in as_sequence(document.get("bases"))]:
            target = join(directory, known(base)) if known(base) else None
            if target is not None and self.tree.is_file(target) and target not in above and len(above) < MAX_INCLUDES:
                above.add(target)
                below = self.state(target, above)
                documents += below.documents
                texts += below.texts
        return _State(path, directory, (*documents, *own), tuple(texts))

    def included(self, directory: str, pattern: str) -> list[str]:
        """Files in this tree that an entry of `helmfiles` names; a directory stands for the helmfiles in it."""
        target = join(directory, pattern) if pattern and "://" not in pattern and "::" not in pattern else None
        if target is None:
            return []
        if self.tree.is_file(target):
            return [target]
        if self.tree.is_directory(target):
            return [f"{target}/{name}" for name in self.tree.children(target) if name.endswith(_SUFFIXES)]
        if not any(character in target for character in "*?["):
            return []
        parent, _, last = target.rpartition("/")
        prefix = f"{parent}/" if parent else ""
        return [prefix + name for name in self.tree.children(parent) if fnmatch.fnmatchcase(name, last) and self.tree.is_file(prefix + name)]

    def repositories(self, state: _State) -> dict[str, tuple[str, bool]]:
        entries = [as_mapping(entry) for entry in state.items("repositories")]
        return {known(entry.get("name")): (known(entry.get("url")), entry.get("oci") is True) for entry in entries}

    def inherit(self, entry: MappingNode, inherited: Iterable[str], templates: MappingNode) -> MappingNode:
        """The release with what its templates say; its own keys win."""
        result = entry
        for name in (*inherited, *_names(entry.get("inherit"))):
            for key, value in as_mapping(templates.get(name)).items():
                if key not in entry:
                    result = result.copy() if result is entry else result
                    result.put(key, value, entry.place("name"))
        return result

    def release(self, state: _State, entry: MappingNode, repositories: dict[str, tuple[str, bool]], defaults: MappingNode, only: bool) -> None:
        name = known(entry.get("name"))
        namespace = known(entry.get("namespace")) or known(defaults.get("namespace")) or "default"
        chart, repository, local = self.chart(state, with_release(known(entry.get("chart")), name, namespace), repositories)
        version = known(entry.get("version"))
        templates = list(self.sources(state, entry, name, namespace))
        for source in templates:
            if not chart and source.get("kind") == "OCIRepository":
                spec = as_mapping(source.get("spec"))
                repository = known(spec.get("url")).rstrip("/")
                chart = repository.rpartition("/")[2]
                version = version or known(as_mapping(spec.get("ref")).get("tag"))
            elif not chart and source.get("kind") == "HelmRelease":
                spec = as_mapping(as_mapping(as_mapping(source.get("spec")).get("chart")).get("spec"))
                chart, version = known(spec.get("chart")), version or known(spec.get("version"))
        if not chart and entry.get("chart") is not None:
            chart = name  # computed from what can't be told: releases are mostly called as their chart
        extra = {"description": f"{state.path}: {name}"}
        extra |= {"path": local} if local else {}
        extra |= {"only": DEFINITIONS_ONLY} if only else {}
        create = entry.get("createNamespace", defaults.get("createNamespace", True))
        self.releases.append(
            Release(
                resource=ResourceId("", "Helmfile", namespace, name),
                chart=chart,
                repository=repository,
                version=version,
                name=name,
                namespace=namespace,
                values=self.values(state, entry, templates),
                values_complete=self.is_complete(state, entry, templates),
                place=entry.place("name"),
                create_namespace=create is not False and not only,
                when=When.BEFORE,
                extra=extra,
            )
        )
        for hook in as_sequence(entry.get("hooks")):
            words = (as_mapping(hook).get("command"), *as_sequence(as_mapping(hook).get("args")))
            texts = tuple(with_release(known(word), name, namespace) for word in words)
            if texts[0]:
                self.hooks.append(Hook(texts, state.directory, as_mapping(hook).place("command")))

    def chart(self, state: _State, chart: str, repositories: dict[str, tuple[str, bool]]) -> tuple[str, str, str | None]:
        """Name of the chart, url of its repository, and its directory where it stands in this tree."""
        if chart.startswith("oci://"):
            return chart.rstrip("/").rpartition("/")[2], chart.rstrip("/"), None
        if "://" in chart:
            archive = _ARCHIVE.match(chart.rpartition("/")[2])
            return archive[1] if archive else "", chart.rpartition("/")[0], None
        local = join(state.directory, chart) if chart else None
        if local is not None and is_chart(self.tree, local):
            return local.rpartition("/")[2], "", local
        alias, _, name = chart.partition("/")
        url, oci = repositories.get(alias, ("", False))
        if not name:
            return chart, "", None
        return name.rpartition("/")[2], f"oci://{url.removeprefix('oci://').rstrip('/')}/{name}" if oci and url else url, None

    def values(self, state: _State, entry: MappingNode, templates: Iterable[MappingNode]) -> MappingNode:
        """What can be told of the values: written in the helmfile, in files beside it, and in the HelmRelease that a template reads."""
        found = EMPTY_MAPPING
        for item in as_sequence(entry.get("values")):
            if isinstance(item, MappingNode):
                found = merge(found, item)
                continue
            path = self.values_file(state, item)
            if path is None:
                continue
            if path.endswith(".gotmpl"):
                for source in templates:
                    if source.get("kind") == "HelmRelease":
                        found = merge(found, as_mapping(as_mapping(source.get("spec")).get("values")))
            for document in self.documents(path)[:1]:
                self.loader.budget.spend(len(as_mapping(document)))
                found = merge(found, as_mapping(document))
        for setting in as_sequence(entry.get("set")):
            name, value = as_text(as_mapping(setting).get("name")), as_mapping(setting).get("value")
            if (deep := too_deep(name, as_mapping(setting).place("name"), self.loader.limits)) is not None:
                self.loader.note([deep])
            elif name and "\\" not in name and "[" not in name:
                found = merge(found, _nested(name.split("."), value, as_mapping(setting)))
        return found

    def values_file(self, state: _State, item: object) -> str | None:
        """The file of this tree that an entry of `values` names."""
        if isinstance(item, str) and item.startswith(UNKNOWN):
            path = resolve(self.tree, item, state.path)  # below a directory that the environment names
        else:
            path = join(state.directory, known(item)) if known(item) else None
        return path if path is not None and self.tree.is_file(path) else None

    def is_complete(self, state: _State, entry: MappingNode, templates: Iterable[MappingNode]) -> bool:
        """Are all values told? Not if a template computes them, of which only the HelmRelease that it reads can be told, or if their file is not here."""
        if any(source.get("kind") == "HelmRelease" for source in templates):
            return True
        files = [item for item in as_sequence(entry.get("values")) if isinstance(item, str)]
        return all(self.values_file(state, item) is not None and not item.endswith(".gotmpl") for item in files)

    def sources(self, state: _State, entry: MappingNode, name: str, namespace: str) -> Iterator[MappingNode]:
        """Objects of this repository that the release's templates read: a common way to write a chart's version and values only once.

        Nothing is evaluated: a path is either written beside `"<namespace>/<name>"`, or a `printf` of nothing but namespace and name, or of a label that
        stands for the name.
        """
        labels = as_mapping(entry.get("labels"))
        self.loader.budget.spend(sum(map(len, state.texts)) // _SEARCHED)
        for text in state.texts:
            for path in _paths_in(text, name, namespace, labels):
                yield from self.objects(path, (state.directory,))
        listed = [known(value) for value in as_sequence(entry.get("values"))]
        read = [path for text in state.texts for path in _READ_FILE.findall(text)]
        for reference in dict.fromkeys([*listed, *read]):
            template = join(state.directory, reference) if reference.endswith(".gotmpl") else None
            if template is None or not self.tree.is_file(template):
                continue
            text = self.loader.content_of(template)
            self.loader.budget.spend(len(text) // _SEARCHED)
            for path in _paths_in(text, name, namespace, labels):
                yield from self.objects(path, (state.directory, posixpath.dirname(template)))

    def objects(self, path: str, directories: Iterable[str]) -> Iterator[MappingNode]:
        """Those of the file that a path means in the first directory where it is there."""
        for directory in directories:
            target = join(directory, path)
            if target is not None and self.tree.is_file(target):
                yield from (document for document in self.loader.load(target).documents if isinstance(document, MappingNode))
                return


_ARCHIVE = re.compile(r"(.+?)-v?\d[^/]*\.tgz\Z")
_READ_FILE = re.compile(r"""readFile\s+["`']([^"`']+)["`']""")
_PRINTF = re.compile(r"""printf\s+["`]([^"`]*)["`]((?:\s+(?:\.Release\.(?:Name|Namespace)|\$\w+))+)\s*-?[)|}]""")
_VARIABLE = re.compile(r"""\{\{-?\s*(\$\w+)\s*:=\s*(?:index\s+\.Release\.Labels\s+"(\w+)"\s*\|\s*default\s+)?(\.Release\.(?:Name|Namespace))\s*-?\}\}""")


def _paths_in(text: str, name: str, namespace: str, labels: MappingNode) -> list[str]:
    release = {".Release.Name": name, ".Release.Namespace": namespace}
    variables = {variable: known(labels.get(label)) or release[otherwise] for variable, label, otherwise in _VARIABLE.findall(text)}
    listed = re.search(rf'"{re.escape(f"{namespace}/{name}")}"\s+"([^"]+)"', text)
    if listed:
        return [listed[1]]
    paths = []
    for pattern, arguments in _PRINTF.findall(text):
        words = [(release | variables).get(argument, "") for argument in arguments.split()]
        if all(words) and pattern.count("%s") == len(words) and pattern.endswith((".yaml", ".yml")):
            paths.append(pattern.replace("%s", "{}").format(*words) if "{" not in pattern else "")
    return [path for path in paths if path]


def _names(value: object) -> list[str]:
    """Names of templates: one, several, or as `- template: name`."""
    if isinstance(value, str):
        return [value]
    return [as_text(item) or as_text(as_mapping(item).get("template")) for item in as_sequence(value)]


def _nested(path: list[str], value: object, setting: MappingNode) -> MappingNode:
    node = MappingNode(setting.file, setting.mark)
    place = setting.place("name")
    node.put(path[0], value if len(path) == 1 else _nested(path[1:], value, setting), place)
    return node
