"""Objects as they are applied, and what applying them would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gitops_secrets.cluster import argo, flux
from gitops_secrets.cluster.live import Live, annotation, items, mapping, text
from gitops_secrets.cluster.run import FORCE_SYNC
from gitops_secrets.model.ids import ResourceId

FLUX_FIELD_MANAGER: Final = "kustomize-controller"

# Written by the API server and by controllers, never by who applies.
_OF_THE_SERVER: Final = frozenset({"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid", "deletionTimestamp"})
_REQUESTS: Final = frozenset({flux.REQUESTED_AT, argo.REQUESTED_AT, argo.REFRESH, FORCE_SYNC})


def as_applied(manifest: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """A rendered manifest as it is sent: in its namespace, without what only a server writes."""
    metadata = {key: value for key, value in mapping(manifest, "metadata").items() if key not in _OF_THE_SERVER}
    if namespace:
        metadata["namespace"] = namespace
    return {**{key: value for key, value in manifest.items() if key != "status"}, "metadata": metadata}


def comparable(live: Live | None) -> dict[str, Any] | None:
    """An object without what changes by itself, to be compared with another state of it."""
    if live is None:
        return None
    found = as_applied(live, "")
    annotations = {key: value for key, value in mapping(found, "metadata", "annotations").items() if key not in _REQUESTS}
    metadata = {key: value for key, value in found["metadata"].items() if key != "annotations"}
    return {**found, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def as_flux_applies(manifest: Mapping[str, Any], unit: ResourceId) -> dict[str, Any]:
    """A manifest with the labels that kustomize-controller gives to all that a Kustomization applies."""
    labels = {flux.NAME_LABEL: unit.name, flux.NAMESPACE_LABEL: unit.namespace}
    metadata = mapping(manifest, "metadata")
    return {**manifest, "metadata": {**metadata, "labels": {**mapping(metadata, "labels"), **labels}}}


def is_left_alone(manifest: Mapping[str, Any], live: Live | None) -> bool:
    """Does kustomize-controller leave an object as it is, by an annotation of its manifest or of what is there?"""
    disabled = any(each is not None and annotation(each, "kustomize.toolkit.fluxcd.io/reconcile") == "disabled" for each in (manifest, live))
    policy = annotation(manifest, "kustomize.toolkit.fluxcd.io/ssa")
    return disabled or policy == "Ignore" or (policy == "IfNotPresent" and live is not None)


def inventory(unit: Live) -> Iterator[ResourceId]:
    """What a Kustomization has applied, by its status: `namespace_name_group_kind`, a colon of the name as two underscores (sigs.k8s.io/cli-utils)."""
    for entry in items(unit, "status", "inventory", "entries"):
        namespace, _, rest = text(entry, "id").partition("_")
        name, group, kind = rest.rsplit("_", 2)
        yield ResourceId(group, kind, namespace, name.replace("__", ":"))
