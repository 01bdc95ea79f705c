"""Units, and the clusters that they make up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from gitops_secrets.model.brief import brief
from gitops_secrets.model.facts import Manifest, Opaque, Problem, Release, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place


@dataclass(frozen=True, slots=True)
class Dependency:
    """An entry of `dependsOn`, as written."""

    target: ResourceId
    place: Place


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """An entry of `healthChecks`."""

    target: ResourceId
    place: Place


@dataclass(frozen=True, slots=True)
class HealthExpression:
    """An entry of `healthCheckExprs`: CEL that decides the health of a kind."""

    group: str
    kind: str
    current: str
    place: Place


@dataclass(frozen=True, slots=True)
class Sync:
    """How Argo CD applies an Application, or what an ApplicationSet makes (API v1alpha1)."""

    wave: int  # among what its parent applies, smaller ones first; of what an ApplicationSet makes its step of a RollingSync
    place: Place  # where a person would write the wave
    namespace: str  # of the destination: where objects go that name none
    automated: bool  # by its own policy, or by a RollingSync
    retries: int  # of one sync; below zero: for ever
    options: frozenset[str]  # as written: `CreateNamespace=true`


@dataclass(frozen=True, slots=True)
class Destination:
    """A cluster that Argo CD applies to, as it is registered."""

    name: str
    server: str = ""  # "" if it is not known
    labels: Mapping[str, str] = dataclass_field(default_factory=dict, compare=False)
    annotations: Mapping[str, str] = dataclass_field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ArgoSettings:
    """What the repository says of an Argo CD: its ConfigMap `argocd-cm`, or the values of its chart."""

    place: Place
    data: Mapping[str, object]  # keys of argocd-cm
    version: str = ""
    excluded: tuple[MappingNode, ...] = ()  # entries of `resource.exclusions`
    included: tuple[MappingNode, ...] = ()  # entries of `resource.inclusions`


@dataclass(frozen=True, slots=True)
class Unit(Manifest):
    """What an engine applies and reports on as one. Durations in seconds; None where not written."""

    id: ResourceId
    place: Place
    parent: ResourceId | None = None
    path: str | None = None  # relative to the root of the repository
    depends_on: tuple[Dependency, ...] = ()
    wait: bool = False
    health_checks: tuple[HealthCheck, ...] = ()
    health_expressions: tuple[HealthExpression, ...] = ()
    interval: float | None = None
    retry_interval: float | None = None
    timeout: float | None = None
    suspended: bool = False
    source: ResourceId | None = None
    remote: bool = False  # its objects belong to another cluster
    opaque: str | None = None  # why its content is not known
    sync: Sync | None = None  # None for units that Argo CD does not apply
    data: MappingNode = dataclass_field(default_factory=lambda: EMPTY_MAPPING)  # rendered manifest

    def __post_init__(self) -> None:
        if self.opaque is not None:
            object.__setattr__(self, "opaque", brief(self.opaque))

    @property
    def is_overlay(self) -> bool:
        """A directory that no engine object reaches, applied as one by hand."""
        return self.id.kind == "Overlay"


def overlay_id(path: str) -> ResourceId:
    """The id of an overlay directory as a unit."""
    return ResourceId("", "Overlay", "", path or ".")


@dataclass(frozen=True, slots=True)
class AppliedResource:
    """A resource and the unit that applies it; None for what is applied by nobody in the repository (a source that only the entry point knows)."""

    resource: Resource
    unit: ResourceId


@dataclass(frozen=True, slots=True)
class Cluster:
    """All that one entry point makes the engine apply."""

    name: str
    entry_point: str  # the file, or the directory of an overlay
    engine: str  # flux, argo, none
    units: tuple[Unit, ...]
    resources: tuple[AppliedResource, ...]
    releases: tuple[Release, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    problems: tuple[Problem, ...] = ()
    flux_version: str | None = None  # "2.9", if the repository tells
    given: tuple[Resource, ...] = ()  # Flux objects beside the entry point's units that are no units themselves: sources, generators
    argo: ArgoSettings | None = None  # None: the repository does not tell how its Argo CD is set up
    stray: bool = False  # nothing reaches it, beside clusters that are bootstrapped: an archive, or applied by hand
    guessed: bool = False  # what starts together is told by the folders alone
    hub: str | None = None  # the cluster whose Argo CD applies all this: its Applications are there; None for its own

    def is_applied_from(self, unit: Unit) -> bool:
        """Does a unit of this cluster stand in the hub, and only its objects in here?"""
        return self.hub is not None and unit.sync is not None
