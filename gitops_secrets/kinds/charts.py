"""What well-known Helm charts bring: definitions, service accounts, classes. Data in `charts.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from gitops_secrets.kinds.paths import Path, find, parse_path, value_at
from gitops_secrets.model.facts import Confidence, Release
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode, as_text
from gitops_secrets.syntax.yaml import parse

_TEMPLATE: Final = re.compile(r"\{(\w*)\}")
_VERSION: Final = re.compile(r"[v=~ ]*(\d{1,9})\.(\d{1,9})(?:\.(?:\d+|x|\*).*)?\Z")
MAX_NAME: Final = 63
DEFAULT_WEBHOOK: Final = "{fullname}-webhook"


def full_name(chart: str, release: str, values: MappingNode) -> str:
    """The name that `helm create` gives to everything: of release and chart, or as `fullnameOverride` and `nameOverride` say."""
    override = as_text(values.get("fullnameOverride"))
    name = as_text(values.get("nameOverride")) or chart
    full = override or (release if not name or name in release else f"{release}-{name}")
    return full[:MAX_NAME].rstrip("-")


class ChartNames:
    """How charts name what they make: the conventions of `helm create`."""

    def __init__(self, chart: Chart, release: str, namespace: str, values: MappingNode) -> None:
        self.release = release
        self.namespace = namespace
        base = release if chart.named_after_release else chart.name
        self.name = (as_text(values.get("nameOverride")) or base)[:MAX_NAME].rstrip("-")
        self.fullname = full_name(base, release, values)

    def fill(self, template: str, value: str = "", key: str = "") -> str:
        """`template` with `{fullname}`, `{name}`, `{release}`, `{namespace}`, `{}` (the value that was found) and `{key}` (its key) put in."""
        words = {"": value, "key": key, "fullname": self.fullname, "name": self.name, "release": self.release, "namespace": self.namespace}
        return _TEMPLATE.sub(lambda match: words.get(match[1], ""), template)


@dataclass(frozen=True, slots=True)
class Switch:
    """A value that turns something on or off, and what it is if nobody sets it."""

    path: Path
    default: bool

    def is_on(self, values: MappingNode) -> bool:
        """What it is with these values."""
        value = value_at(values, self.path)
        return value if isinstance(value, bool) else self.default

    def is_set(self, values: MappingNode) -> bool:
        """Do these values say so themselves?"""
        return isinstance(value_at(values, self.path), bool)


@dataclass(frozen=True, slots=True)
class BroughtKind:
    """A kind that a chart defines; `switch` None: whenever it brings definitions at all."""

    group: str
    kind: str
    switch: Switch | None


@dataclass(frozen=True, slots=True)
class ChartObject:
    """An object that a chart makes, its name from the values or by the chart's own rule."""

    group: str
    kind: str
    path: Path | None  # in the values: of the name, or of a mapping for each object
    templates: tuple[str, ...]  # names by the chart's rule, for what is found at `path`; `{}` is the value
    fallback: str | None  # name where the values have none
    fallback_unless: Path | None  # values that replace the list which holds the default name
    switches: tuple[Switch, ...]
    sibling: Path | None  # a field beside the name that must be set
    where: tuple[tuple[str, str], ...]  # fields that the mapping must have
    without: tuple[str, ...]  # and those that it must not
    note: str | None

    def names(self, values: MappingNode, names: ChartNames) -> Iterator[str]:
        """Names of the objects that a release with these values makes; several for one object where versions of the chart differ."""
        if not all(switch.is_on(values) for switch in self.switches):
            return
        found_any = False
        for found in find(values, self.path) if self.path is not None else ():
            if isinstance(found.value, str) and found.value:
                found_any = True
                if self.sibling is None or value_at(found.parent, self.sibling) not in (None, False):
                    yield from (names.fill(template, found.value) for template in self.templates)
            elif isinstance(found.value, MappingNode) and self._is_made(found.value):
                key = str(found.way[1]) if found.way else ""
                yield from (names.fill(template, key=key) for template in self.templates)
        if not found_any and self.fallback is not None and (self.fallback_unless is None or value_at(values, self.fallback_unless) is None):
            yield names.fill(self.fallback)

    def _is_made(self, value: MappingNode) -> bool:
        if value.get("enabled") is False or any(value.get(field) for field in self.without):
            return False
        return all(value.get(field) == wanted for field, wanted in self.where)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, or a bundle of manifests, and what it brings."""

    name: str
    aliases: tuple[str, ...]
    repositories: tuple[str, ...]
    named_after_release: bool  # its objects are named after the release alone
    complete: bool  # what it makes can be told from its values
    generic: bool  # the name alone says nothing, the repository must fit
    crds: str  # directory, values, templates, runtime, bundle, none
    flags: tuple[Switch, ...]  # one of them on: it brings its definitions; none: it always does
    provides: tuple[BroughtKind, ...]
    objects: tuple[ChartObject, ...]
    consumes: tuple[tuple[str, str], ...]  # group and kind of what its templates need
    looks_for: tuple[tuple[Switch | None, str, str], ...]  # and of what its program looks for when it starts
    versions: Mapping[str, tuple[tuple[tuple[int, int], tuple[str, ...]], ...]]  # by `group` or `group/Kind`: served since
    extra_versions: tuple[tuple[Switch, str, tuple[str, ...]], ...]
    operates: tuple[str, ...]  # groups that it runs without defining them
    remotes: tuple[str, ...]  # git repositories whose manifests bring the same
    images: tuple[str, ...]  # container images that register the same definitions, whoever runs them
    network: bool  # no pod runs before it does, so somebody installs it before the engine
    webhook: str | None  # name of its admission webhook, a template; None: it has none
    webhook_switch: Switch | None
    everywhere: tuple[tuple[str, frozenset[str]], ...]  # ConfigMaps that its controller writes into each namespace, with their keys
    answers: str  # a word in the name of the workload behind the webhook, where it runs several
    verified: bool
    note: str | None

    def has_webhook(self, values: MappingNode) -> bool:
        """Does a release with these values register an admission webhook?"""
        return self.webhook is not None and (self.webhook_switch is None or self.webhook_switch.is_on(values))

    def admits(self, values: MappingNode) -> frozenset[str]:
        """Groups whose objects the webhook of a release admits, whether or not that brings their definitions too."""
        return frozenset(each.group for each in self.provides) | frozenset(self.operates) if self.has_webhook(values) else frozenset()

    @property
    def knows_service_accounts(self) -> bool:
        """Are the service accounts of this chart listed?"""
        return any(each.kind == "ServiceAccount" for each in self.objects)

    def brings_definitions(self, release: Release) -> Confidence | None:
        """How sure it is that a release brings the definitions; None if it doesn't. With values that are not at hand a flag that nobody sets may be on."""
        # `install.crds` of a HelmRelease concerns the folder of that name only.
        if self.crds == "none" or (self.crds == "directory" and release.crds == "Skip"):
            return None
        if not self.flags or any(flag.is_on(release.values) for flag in self.flags):
            return Confidence.LIKELY
        may_be_on = not release.values_complete and not all(flag.is_set(release.values) for flag in self.flags)
        return Confidence.POSSIBLE if may_be_on else None

    def served(self, group: str, kind: str, version: str, values: MappingNode) -> tuple[str, ...]:
        """API versions of a kind that a release of this chart version serves; "" alone if that is not known."""
        number = chart_version(version)
        steps = self.versions.get(f"{group}/{kind}") or self.versions.get(group)
        if number is None or not steps:
            return ("",)
        served: tuple[str, ...] = ()
        for since, versions in steps:
            if number >= since:
                served = versions
        more = (each for switch, name, versions in self.extra_versions if name == f"{group}/{kind}" and switch.is_on(values) for each in versions)
        return tuple(dict.fromkeys((*served, *more)))


def chart_version(text: str) -> tuple[int, int] | None:
    """Major and minor of a chart version; None for a range that leaves them open.

    >>> chart_version("v0.16.1"), chart_version("~0.9.0"), chart_version(">=1.0.0"), chart_version("1.x")
    ((0, 16), (0, 9), None, None)
    """
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else None


class Catalogue:
    """Charts by name."""

    def __init__(self, charts: Iterable[Chart]) -> None:
        self.charts = tuple(charts)
        self._by_name: dict[str, list[Chart]] = {}
        for chart in self.charts:
            for name in (chart.name, *chart.aliases):
                self._by_name.setdefault(name, []).append(chart)
        self._with_images = tuple(chart for chart in self.charts if chart.images)

    def chart(self, name: str, repository: str) -> Chart | None:
        """The chart of that name; mirrors are common, so the repository only decides among namesakes and for names that say nothing."""
        candidates = self._by_name.get(name, ())
        for chart in candidates:
            if any(_same_repository(repository, known) for known in chart.repositories):
                return chart
        return next((chart for chart in candidates if not chart.generic), None)

    def remote(self, url: str) -> Chart | None:
        """What the manifests of a git repository (`https://github.com/…`, `ssh://git@github.com/…`) or a release page bring."""
        plain = re.sub(r"^(?:\w+::)?(?:\w+://)?(?:[\w.-]+@)?", "", url).replace(":", "/").replace("raw.githubusercontent.com/", "github.com/").lower()
        for chart in self.charts:
            for remote in chart.remotes:
                if plain == remote or plain.startswith((remote + "/", remote + ".git", remote + "?")):
                    return chart
        # controller-gen calls the file of a definition `<group>_<plural>.yaml`.
        group, _, plural = plain.rpartition("/")[2].partition("_")
        return next((chart for chart in self.charts if plural and any(brought.group == group for brought in chart.provides)), None)

    def image(self, name: str) -> Chart | None:
        """What the program in a container image brings, by the image's name without its tag; registries don't count, they are mirrored."""
        return next((chart for chart in self._with_images for image in chart.images if name == image or name.endswith("/" + image)), None)


def _same_repository(one: str, other: str) -> bool:
    return bool(one) and (one.rstrip("/") == other.rstrip("/") or other.startswith(one.rstrip("/") + "/") or one.startswith(other.rstrip("/") + "/"))


@cache
def default_catalogue() -> Catalogue:
    """The catalogue that comes with the package."""
    text = resources.files(__package__).joinpath("charts.yaml").read_bytes()
    return Catalogue(_chart(raw) for raw in parse(text, "charts.yaml", DEFAULT_LIMITS).documents[0]["charts"])


def _chart(raw: MappingNode) -> Chart:
    provides = [*_kinds(raw.get("provides", {}), None)]
    for switch in raw.get("switches", ()):
        provides.extend(_kinds(switch["provides"], Switch(parse_path(switch["flag"]), switch["default"])))
    looks_for: list[tuple[Switch | None, str, str]] = [(None, *_split(kind)) for kind in raw.get("looks-for", ())]
    for flag, kinds in raw.get("looks-for-if", {}).items():
        looks_for.extend((Switch(parse_path(flag), False), *_split(kind)) for kind in kinds)
    return Chart(
        raw["chart"],
        tuple(raw.get("aliases", ())),
        tuple(raw.get("repositories", ())),
        raw.get("named-after") == "release",
        raw.get("complete", False),
        raw.get("generic", False),
        raw.get("crds", "none"),
        tuple(Switch(parse_path(flag), default) for flag, default in raw.get("flags", {}).items()),
        tuple(provides),
        tuple(_object(each) for each in raw.get("makes", ())),
        tuple(_split(kind) for kind in raw.get("consumes", ())),
        tuple(looks_for),
        {name: _steps(steps) for name, steps in raw.get("versions", {}).items()},
        tuple(
            (Switch(parse_path(flag), False), name, tuple(versions)) for flag, kinds in raw.get("versions-if", {}).items() for name, versions in kinds.items()
        ),
        tuple(raw.get("operates", ())),
        tuple(raw.get("remotes", ())),
        tuple(raw.get("images", ())),
        raw.get("network", False),
        DEFAULT_WEBHOOK if raw.get("webhook") is True else raw.get("webhook"),
        Switch(parse_path(raw["webhook-switch"]), True) if "webhook-switch" in raw else None,
        tuple((name, frozenset(keys)) for name, keys in raw.get("everywhere", {}).items()),
        raw.get("answers", ""),
        raw.get("verified", True),
        raw.get("note"),
    )


def _kinds(by_group: Mapping[str, str], switch: Switch | None) -> Iterator[BroughtKind]:
    for group, kinds in by_group.items():
        for kind in kinds.split():
            yield BroughtKind(group, kind, switch)


def _split(text: str) -> tuple[str, str]:
    group, _, kind = text.rpartition("/")
    return group, kind


def _steps(raw: Mapping[str, Any]) -> tuple[tuple[tuple[int, int], tuple[str, ...]], ...]:
    steps = []
    for since, versions in raw.items():
        major, _, minor = since.partition(".")
        steps.append(((int(major), int(minor)), tuple(versions)))
    return tuple(sorted(steps))


def _object(raw: MappingNode) -> ChartObject:
    switches = []
    if "switch" in raw:
        switches.append(Switch(parse_path(raw["switch"]), True))
    when = raw.get("when", "")
    if when and not when.startswith("."):
        switches.append(Switch(parse_path(when), False))
    group, kind = _split(raw["kind"])
    at = parse_path(raw["at"]) if "at" in raw else None
    return ChartObject(
        group,
        kind,
        at,
        tuple(raw.get("names", ("{}",))),
        raw.get("default") if at is not None else raw["name"],
        parse_path(raw["default-unless"]) if "default-unless" in raw else None,
        tuple(switches),
        parse_path(when[1:]) if when.startswith(".") else None,
        tuple(raw.get("where", {}).items()),
        tuple(raw.get("without", ())),
        raw.get("note"),
    )
