"""What workloads do when their own manifest changes, or the content of a ConfigMap or Secret that they read."""

from __future__ import annotations

from enum import Enum
from re import compile as pattern
from typing import Final

from gitops_secrets.kinds.paths import value_at
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, as_mapping, as_sequence
from gitops_secrets.model.workloads import POD_TEMPLATE, POD_TEMPLATES, WORKLOADS


class Effects(Enum):
    """What a workload does about a change."""

    ROLLS_OUT = "rolls out"  # its pods are replaced
    RELOADED = "is restarted by Reloader"
    UPDATED = "is updated in place"  # the kubelet renews the volume within about a minute
    STALE = "runs on with the old value"  # an environment variable is read once
    NEXT_RUN = "takes it at its next run"
    REFUSED = "is refused unless forced"  # the template of a Job can't be changed
    UPGRADED = "is upgraded by Helm"


WITH_PODS: Final = WORKLOADS | {("", "Pod"), ("", "ReplicationController"), ("apps", "ReplicaSet"), ("argoproj.io", "Rollout")}

_VOLUME: Final = pattern(r"\.volumes\[(\d+)\]")


def template_of(resource: Resource) -> MappingNode:
    """The template of the pods of a workload; a Pod is its own."""
    way = ("spec",) if resource.id.kind == "Pod" else POD_TEMPLATE.get(resource.id.kind, POD_TEMPLATES[0])
    return as_mapping(value_at(resource.data, way))


def own_effect(resource: Resource) -> Effects:
    """What a workload does when the template of its pods changes."""
    kind = resource.id.kind
    if kind == "CronJob":
        return Effects.NEXT_RUN
    return Effects.REFUSED if kind in ("Job", "Pod") else Effects.ROLLS_OUT


def effect_of(workload: Resource, cause: ResourceId, field: str) -> Effects:
    """What a workload does when the content of a ConfigMap or Secret changes that it names at `field`."""
    if workload.id.kind == "CronJob":
        return Effects.NEXT_RUN
    if _is_reloaded(workload, cause):
        return Effects.RELOADED
    return Effects.UPDATED if _is_live_volume(workload, field) else Effects.STALE


def _is_live_volume(workload: Resource, field: str) -> bool:
    """Is the field one of a volume, and no container mounts a part of it by `subPath`, which the kubelet never renews?"""
    match = _VOLUME.search(field)
    if match is None:
        return False
    spec = as_mapping(template_of(workload).get("spec")) if workload.id.kind != "Pod" else template_of(workload)
    volumes = as_sequence(spec.get("volumes"))
    index = int(match[1])
    name = as_mapping(volumes[index]).get("name") if index < len(volumes) else None
    containers = (*as_sequence(spec.get("containers")), *as_sequence(spec.get("initContainers")))
    mounts = (as_mapping(mount) for container in containers for mount in as_sequence(as_mapping(container).get("volumeMounts")))
    return not any(mount.get("name") == name and ("subPath" in mount or "subPathExpr" in mount) for mount in mounts)


def _is_reloaded(workload: Resource, cause: ResourceId) -> bool:
    """Do annotations of stakater/Reloader ask for a restart? https://github.com/stakater/Reloader: on the workload, or on its pods."""
    kind = "secret" if cause.kind == "Secret" else "configmap"
    for metadata in (workload.data.get("metadata"), template_of(workload).get("metadata")):
        written = {key: str(value) for key, value in as_mapping(as_mapping(metadata).get("annotations", EMPTY_MAPPING)).items()}
        if "true" in (written.get(f"{prefix}reloader.stakater.com/auto", "").lower() for prefix in ("", f"{kind}.")):
            return True
        if cause.name in {name.strip() for name in written.get(f"{kind}.reloader.stakater.com/reload", "").split(",")}:
            return True
    return False
