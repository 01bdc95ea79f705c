"""Flux objects to units: the fields that order and gate, read after patching."""

from __future__ import annotations

import posixpath

from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Dependency, HealthCheck, HealthExpression, Unit
from gitops_secrets.rendering.objects import seconds

KUSTOMIZE_GROUP = "kustomize.toolkit.fluxcd.io"
HELM_GROUP = "helm.toolkit.fluxcd.io"
SOURCE_GROUP = "source.toolkit.fluxcd.io"
OPERATOR_GROUP = "fluxcd.controlplane.io"
RECONCILE = f"{OPERATOR_GROUP}/reconcile"  # an annotation


def is_kustomization(resource: Resource) -> bool:
    """Is it a Flux Kustomization (and not a kustomize file)?"""
    return resource.id.group == KUSTOMIZE_GROUP and resource.id.kind == "Kustomization"


def written_path(kustomization: MappingNode) -> str:
    """The directory that a Kustomization names, from the root of its source: `..` leads no further up (`securejoin` in kustomize-controller)."""
    return posixpath.normpath("/" + as_text(as_mapping(kustomization.get("spec")).get("path"))).lstrip("/")


def is_source(resource: Resource) -> bool:
    """Is it a Flux source?"""
    return resource.id.group == SOURCE_GROUP


def is_unit(resource: Resource) -> bool:
    """Does an engine apply and report on what this object stands for as one?"""
    return resource.id.group_kind in (
        (KUSTOMIZE_GROUP, "Kustomization"),
        (HELM_GROUP, "HelmRelease"),
        (OPERATOR_GROUP, "ResourceSet"),
    )


def to_unit(resource: Resource, parent: ResourceId | None, path: str | None = None, opaque: str | None = None) -> Unit:
    """The unit of a rendered Flux object. `path` is the directory that it builds, None where it builds none or it is not known."""
    spec = resource.spec
    own = resource.id.namespace
    return Unit(
        id=resource.id,
        place=resource.place,
        parent=parent,
        path=path,
        depends_on=tuple(_dependencies(spec.get("dependsOn"), resource.id)),
        wait=_waits(resource.id, spec),
        health_checks=tuple(_health_checks(spec.get("healthChecks"), own)),
        health_expressions=tuple(_health_expressions(spec.get("healthCheckExprs"))),
        interval=seconds(spec.get("interval")),
        retry_interval=seconds(spec.get("retryInterval")),
        timeout=seconds(spec.get("timeout")),
        suspended=spec.get("suspend") is True or _is_disabled(resource),
        source=source_of(resource),
        remote=bool(as_mapping(spec.get("kubeConfig"))),
        opaque=opaque,
        data=resource.data,
    )


def source_of(resource: Resource) -> ResourceId | None:
    """The source that a Flux object names in `spec.sourceRef`."""
    source = as_mapping(resource.spec.get("sourceRef"))
    if not source:
        return None
    return ResourceId(SOURCE_GROUP, as_text(source.get("kind")), as_text(source.get("namespace")) or resource.id.namespace, as_text(source.get("name")))


def _is_disabled(resource: Resource) -> bool:
    """Does an object tell Flux Operator to leave it alone? In upper or lower case (its `IsDisabled`, api/v1)."""
    return resource.id.group == OPERATOR_GROUP and as_text(resource.annotations.get(RECONCILE)).lower() == "disabled"


def _waits(unit: ResourceId, spec: MappingNode) -> bool:
    # helm-controller waits unless told not to; kustomize-controller only if told to.
    if unit.kind == "HelmRelease":
        return as_mapping(spec.get("install")).get("disableWait") is not True
    return spec.get("wait") is True


def _dependencies(entries: object, unit: ResourceId) -> list[Dependency]:
    found = []
    sequence = as_sequence(entries)
    for index, entry in enumerate(sequence):
        if not isinstance(entry, MappingNode):
            continue
        name = entry.get("name")
        if name is None or isinstance(name, dict | list):
            continue
        # A ResourceSet names the kind of what it depends on, the others only know their own.
        group, kind = unit.group, unit.kind
        namespace = as_text(entry.get("namespace")) or unit.namespace
        if unit.kind == "ResourceSet":
            group, _ = split_api_version(as_text(entry.get("apiVersion")))
            kind = as_text(entry.get("kind"))
            # Looked up as it is written: without a namespace it is an object of the cluster.
            namespace = as_text(entry.get("namespace"))
        found.append(Dependency(ResourceId(group, kind, namespace, str(name)), sequence.place(index)))
    return found


def _health_checks(entries: object, own_namespace: str) -> list[HealthCheck]:
    found = []
    sequence: SequenceNode = as_sequence(entries)
    for index, entry in enumerate(sequence):
        if isinstance(entry, MappingNode) and entry.get("name") and not isinstance(entry["name"], dict | list):
            group, _ = split_api_version(as_text(entry.get("apiVersion")))
            target = ResourceId(group, as_text(entry.get("kind")), as_text(entry.get("namespace")) or own_namespace, str(entry["name"]))
            found.append(HealthCheck(target, sequence.place(index)))
    return found


def _health_expressions(entries: object) -> list[HealthExpression]:
    found = []
    sequence = as_sequence(entries)
    for index, entry in enumerate(sequence):
        if isinstance(entry, MappingNode):
            group, _ = split_api_version(as_text(entry.get("apiVersion")))
            found.append(HealthExpression(group, as_text(entry.get("kind")), as_text(entry.get("current")), sequence.place(index)))
    return found
