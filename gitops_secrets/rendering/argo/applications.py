"""Applications as they are written: their sources, where they go, how they are synced (API reference of Argo CD 3.5, argoproj.io/v1alpha1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Destination, Sync, Unit

ARGO_GROUP: Final = "argoproj.io"
PROJECT: Final = (ARGO_GROUP, "AppProject")
ARGO_NAMESPACE: Final = "argocd"
WAVE: Final = "argocd.argoproj.io/sync-wave"
IN_CLUSTER: Final = Destination("in-cluster", "https://kubernetes.default.svc")
# Of an automated sync for which nothing else is written.
_RETRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Source:
    """One source of an Application: a directory of a git repository, or a chart."""

    repository: str
    path: str | None
    chart: str
    revision: str
    ref: str
    fields: MappingNode
    place: Place

    @property
    def is_reference(self) -> bool:
        """Does it bring nothing itself, and only values for others?"""
        return bool(self.ref) and self.path is None and not self.chart


def is_application(resource: Resource) -> bool:
    """Is it an Application?"""
    return resource.id.group_kind == (ARGO_GROUP, "Application")


def is_application_set(resource: Resource) -> bool:
    """Is it an ApplicationSet?"""
    return resource.id.group_kind == (ARGO_GROUP, "ApplicationSet")


def is_argo_unit(resource: Resource) -> bool:
    """Does Argo CD apply and report on what this object stands for as one?"""
    return is_application(resource) or is_application_set(resource)


def sources_of(application: Resource) -> list[Source]:
    """What an Application is made of: `sources`, which win, `source`, or the dry source of a hydrator."""
    spec = application.spec
    several = as_sequence(spec.get("sources"))
    if several:
        return [_source(as_mapping(entry), several.place(index)) for index, entry in enumerate(several)]
    dry = as_mapping(spec.get("sourceHydrator")).get("drySource")
    written = as_mapping(dry if dry is not None else spec.get("source"))
    return [_source(written, spec.place("source"))] if written else []


def _source(node: MappingNode, place: Place) -> Source:
    path = node.get("path")
    return Source(
        repository=as_text(node.get("repoURL")),
        path=path if isinstance(path, str) and path else None,
        chart=as_text(node.get("chart")),
        revision=str(node.get("targetRevision") or ""),
        ref=as_text(node.get("ref")),
        fields=node,
        place=place,
    )


def destination_of(application: Resource) -> Destination:
    """The cluster that an Application is for, by what it says of it: a name or an address."""
    destination = as_mapping(application.spec.get("destination"))
    return Destination(as_text(destination.get("name")), as_text(destination.get("server")))


def is_in_cluster(destination: Destination) -> bool:
    """Is it the cluster that Argo CD itself runs in?"""
    return destination.name == IN_CLUSTER.name or destination.server.rstrip("/") == IN_CLUSTER.server or not (destination.name or destination.server)


def to_unit(resource: Resource, parent: ResourceId | None, path: str | None = None, opaque: str | None = None, step: int | None = None) -> Unit:
    """The unit of a rendered Application or ApplicationSet; `step` is its step in the RollingSync of the ApplicationSet that made it."""
    spec = resource.spec
    policy = as_mapping(spec.get("syncPolicy"))
    automated = policy.get("automated")
    is_automated = "automated" in policy and as_mapping(automated).get("enabled") is not False
    return Unit(
        id=resource.id,
        place=resource.place,
        parent=parent,
        path=path,
        opaque=opaque,
        sync=Sync(
            wave=wave_of(resource.data) if step is None else step,
            place=wave_place(resource),
            namespace=as_text(as_mapping(spec.get("destination")).get("namespace")),
            automated=is_automated or step is not None,
            retries=_retries(policy, is_automated),
            options=frozenset(option for option in as_sequence(policy.get("syncOptions")) if isinstance(option, str)),
        ),
        data=resource.data,
    )


def _retries(policy: MappingNode, is_automated: bool) -> int:
    if "retry" not in policy:
        return _RETRIES if is_automated else 0
    limit = as_mapping(policy.get("retry")).get("limit")
    return limit if isinstance(limit, int) else 0


def wave_of(node: MappingNode) -> int:
    """The wave of an object; what is no number counts as none (gitops-engine, `syncwaves.Wave`)."""
    text = _annotations(node).get(WAVE)
    try:
        return int(text) if isinstance(text, str | int) else 0
    except ValueError:
        return 0


def wave_place(resource: Resource) -> Place:
    """Where the wave of an object is written, or would be."""
    annotations = _annotations(resource.data)
    return annotations.place(WAVE) if WAVE in annotations else resource.place


def _annotations(node: MappingNode) -> MappingNode:
    return as_mapping(as_mapping(node.get("metadata")).get("annotations"))
