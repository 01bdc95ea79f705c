"""Objects as they are applied, and what applying them would change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gitops_secrets.cluster.live import Live, mapping

# Written by the API server and by controllers, never by who applies.
_OF_THE_SERVER: Final = frozenset({"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid", "deletionTimestamp"})
_REQUESTS: Final = frozenset({"reconcile.fluxcd.io/requestedAt", "force-sync", "gitops-secrets/requested-at", "argocd.argoproj.io/refresh"})


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
