"""The file `.gitops-secrets.yaml`, read into frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gitops_secrets.config.schema import check, configuration_schema
from gitops_secrets.errors import UsageError
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_sequence
from gitops_secrets.syntax.yaml import parse


@dataclass(frozen=True, slots=True)
class ClusterSetting:
    """An entry point that discovery would not find, or not as the user wants it."""

    path: str
    engine: str | None  # flux, argo, none; None: to be found out
    place: Place


@dataclass(frozen=True, slots=True)
class SourceSetting:
    """Another source: read from a checkout at `path`, or `external` and read by nobody."""

    path: str | None
    external: bool
    place: Place


@dataclass(frozen=True, slots=True)
class DestinationSetting:
    """A cluster that Argo CD knows by name."""

    server: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    place: Place


@dataclass(frozen=True, slots=True)
class BootstrapChart:
    """A chart that is installed before the engine starts."""

    name: str
    repository: str
    version: str
    namespace: str
    release: str
    place: Place


@dataclass(frozen=True, slots=True)
class Named:
    """A text with its place."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What is installed before the engine starts."""

    paths: tuple[Named, ...] = ()
    charts: tuple[BootstrapChart, ...] = ()
    kinds: tuple[Named, ...] = ()
    objects: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """The severity of a rule, or `off`; with `paths`, only for findings in files that match."""

    severity: str
    paths: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings of `rule` that are accepted; `subject` and `path` narrow it."""

    rule: str
    subject: str | None
    path: str | None
    reason: str
    place: Place


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that a user can say about a repository. `kinds` are rows as written, for the table of kinds to check."""

    clusters: Mapping[str, ClusterSetting] = field(default_factory=lambda: MappingProxyType({}))
    destinations: Mapping[str, DestinationSetting] = field(default_factory=lambda: MappingProxyType({}))
    sources: Mapping[str, SourceSetting] = field(default_factory=lambda: MappingProxyType({}))
    bootstrap: Bootstrap = Bootstrap()
    accept_retry: bool | frozenset[str] = False  # True: whatever the reason
    kinds: tuple[MappingNode, ...] = ()
    rules: Mapping[str, RuleSetting] = field(default_factory=lambda: MappingProxyType({}))
    ignore: tuple[Ignore, ...] = ()

    def accepts_retry(self, reason: str) -> bool:
        """Is an edge with this reason a note where it heals by retry?"""
        return self.accept_retry if isinstance(self.accept_retry, bool) else reason in self.accept_retry


def load_configuration(text: bytes, file: str, limits: Limits) -> Configuration:
    """The configuration in `text`, which stands in `file`; of an empty text the default.

    Raises:
        UsageError: with file and line, for what is no YAML, an unknown key (with the nearest known one), or a value of the wrong type.
    """
    parsed = parse(text, file, limits)
    if parsed.problems:
        problem = parsed.problems[0]
        raise UsageError(f"{file}:{problem.line}: {problem.message}")
    if not parsed.documents:
        return Configuration()
    if len(parsed.documents) > 1:
        raise UsageError(f"{file}: the configuration is one YAML document, not {len(parsed.documents)}")
    document = parsed.documents[0]
    content = as_mapping(document)
    if content is not document:
        raise UsageError(f"{file}:1: the configuration must be a mapping")
    rules = configuration_schema()
    # A key without a value is a section still to be written.
    unwritten = [key for key, value in content.items() if value is None and key in rules["properties"]]
    content = content.copy()
    for key in unwritten:
        content.remove(key)
    check(content, rules, content.place(), "")
    return _configuration(content)


def _configuration(content: MappingNode) -> Configuration:
    clusters, destinations, sources, rules = (as_mapping(content.get(key)) for key in ("clusters", "destinations", "sources", "rules"))
    retry = content.get("accept-retry", False)
    return Configuration(
        clusters=MappingProxyType({name: ClusterSetting(_path(entry, "path"), entry.get("engine"), clusters.place(name)) for name, entry in clusters.items()}),
        destinations=MappingProxyType({name: _destination(entry, destinations.place(name)) for name, entry in destinations.items()}),
        sources=MappingProxyType({name: _source(name, entry, sources.place(name)) for name, entry in sources.items()}),
        bootstrap=_bootstrap(content.get("bootstrap")),
        accept_retry=frozenset(retry) if isinstance(retry, SequenceNode) else retry,
        kinds=tuple(as_sequence(content.get("kinds"))),
        rules=MappingProxyType({rule: _rule(setting, rules.place(rule)) for rule, setting in rules.items()}),
        ignore=tuple(
            Ignore(entry["rule"], entry.get("subject"), entry.get("path"), entry["reason"], entry.place("rule")) for entry in as_sequence(content.get("ignore"))
        ),
    )


def _path(entry: MappingNode, key: str) -> str:
    """A path relative to the root, without `./` and a slash at the end."""
    path: str = entry[key]
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path.rstrip("/") if path not in (".", "/") else ""


def _destination(entry: MappingNode, place: Place) -> DestinationSetting:
    labels, annotations = (MappingProxyType(dict(as_mapping(entry.get(key)))) for key in ("labels", "annotations"))
    return DestinationSetting(entry.get("server", ""), labels, annotations, place)


def _source(name: str, entry: MappingNode, place: Place) -> SourceSetting:
    if name.count("/") != 2 and "://" not in name and not name.startswith("git@"):
        raise UsageError(f"{place}: sources are named kind/namespace/name, as in GitRepository/flux-system/other, or by their url, not {name!r}")
    external = entry.get("external", False)
    if external == ("path" in entry):
        raise UsageError(f"{place}: sources.{name} needs either 'path' or 'external: true'")
    return SourceSetting(entry.get("path"), external, place)


def _bootstrap(value: object) -> Bootstrap:
    if isinstance(value, SequenceNode):
        return Bootstrap(paths=_named(value))
    sections = as_mapping(value)
    charts = as_sequence(sections.get("charts"))
    return Bootstrap(
        paths=_named(as_sequence(sections.get("paths"))),
        charts=tuple(_chart(entry, charts.place(index)) for index, entry in enumerate(charts)),
        kinds=_named(as_sequence(sections.get("kinds"))),
        objects=_named(as_sequence(sections.get("objects"))),
    )


def _chart(entry: str | MappingNode, place: Place) -> BootstrapChart:
    if isinstance(entry, str):
        return BootstrapChart(entry, "", "", "", entry, place)
    name, repository, version, namespace = (entry.get(key, "") for key in ("name", "repository", "version", "namespace"))
    return BootstrapChart(name, repository, version, namespace, entry.get("release", name), entry.place("name"))


def _named(texts: SequenceNode) -> tuple[Named, ...]:
    return tuple(Named(text, texts.place(index)) for index, text in enumerate(texts))


def _rule(setting: str | MappingNode, place: Place) -> RuleSetting:
    if isinstance(setting, str):
        return RuleSetting(setting, (), place)
    return RuleSetting(setting["severity"], tuple(as_sequence(setting.get("paths"))), place)
