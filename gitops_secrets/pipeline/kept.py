"""What is known of an analysis that was kept (see `keep`): rows of plain values, and which objects may be edited without all being worked out again."""

from __future__ import annotations

from typing import Final, NamedTuple

from gitops_secrets.model.facts import ObjectNeed, Provision
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.pipeline.rows import Row
from gitops_secrets.rendering.units import HELM_GROUP, SOURCE_GROUP

# Kinds of these groups concern nobody but who names them.
_ORDINARY_GROUPS: Final = frozenset(
    """
    apps autoscaling batch cert-manager.io discovery.k8s.io external-secrets.io gateway.networking.k8s.io generators.external-secrets.io
    monitoring.coreos.com networking.k8s.io policy rbac.authorization.k8s.io scheduling.k8s.io storage.k8s.io
    """.split()
) | {""}
_OTHERS: Final = frozenset({"Namespace", "ClusterExternalSecret", "ClusterPushSecret"})
NAMESPACE: Final = ("", "Namespace")
# Stands for the unit of what is there before any unit, and comes before them.
NOBODY: Final = -1


class Kept(NamedTuple):
    """Of a repository. Clusters and units are told by their numbers."""

    lengths: list[int]  # of the parts of the text
    positions: list[int | None]  # of the clusters among these parts
    clusters: list[Row | None]  # each a `KeptCluster`; None where no edit can be told from the rest, or none is shown
    readers: dict[str, list[tuple[int, int]]]  # the clusters and units that read a file, where nothing else does
    written: dict[str, list[tuple[int, int]]]  # the same of units that are written in a file, as they are applied
    sought: list[Row]  # objects that units and releases are made with
    text: int  # that the analysis has taken
    steps: int
    left_out: list[str]  # files that sources leave out


class KeptCluster(NamedTuple):
    """Of one cluster. What is large is in bytes, each part to be read when it is needed."""

    about: tuple[str, str, str, bool]  # name, entry point, engine, is it a stray
    units: bytes  # rows
    applied: bytes  # objects, and the units that apply them
    shared: list[Row]  # objects that several units apply
    opaque: bytes  # rows
    edges: bytes  # provisions, and by their positions the edges that join units, or lead out of the cluster
    unmet: bytes  # what units require that nothing brings, beside their numbers
    required: dict[int, list[bytes]]  # what else units require that ordinary objects may bring, beside what an edit of the unit tells
    requiring: bytes  # the units that do, by what it is
    provided: dict[int, list[bytes]]  # what units bring, beside what a build tells
    providing: bytes  # the units that bring something else than the objects that they alone apply, by what it is
    checked: list[tuple[Row, list[Row]]]  # what health checks name and no manifest holds, and who brings it
    built: dict[int, bytes]  # how units are built that can be built again
    selected: list[Row]  # kinds of which objects are looked for by their labels
    referents: list[Row]  # stores whose credentials are looked for beside who uses them
    operators: dict[str, Row]
    controllers: dict[str, Row]
    sources: list[Row]  # of charts, and what is wanted of them
    always_retried: bool  # are all releases?


def is_ordinary(id: ResourceId) -> bool:
    """Is an object of a kind that concerns nobody but who names it?"""
    return id.group in _ORDINARY_GROUPS and id.kind not in _OTHERS


def may_be_edited(id: ResourceId) -> bool:
    """Is an object of a kind of which there are edits that concern nobody else?"""
    return is_ordinary(id) or id.group_kind == NAMESPACE or is_release(id) or is_chart_source(id)


def is_release(id: ResourceId) -> bool:
    """Is it a HelmRelease?"""
    return id.group_kind == (HELM_GROUP, "HelmRelease")


def brings_ordinary(provision: Provision) -> bool:
    """Does it bring such an object?"""
    return isinstance(provision.provides, ObjectNeed) and is_ordinary(provision.provides.id)


def is_chart_source(id: ResourceId) -> bool:
    """Is it where charts come from, and not a repository of Git?"""
    return id.group == SOURCE_GROUP and id.kind in ("HelmChart", "HelmRepository", "OCIRepository")
