"""Objects of Flux in a cluster: how far one is, and how it is asked to look again (source-controller v1, kustomize-controller v1, helm-controller v2)."""

from __future__ import annotations

from typing import Final

from gitops_secrets.cluster.live import Live, annotation, at, condition, is_true, text
from gitops_secrets.cluster.status import Status

REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"
# What kustomize-controller gives to all that a Kustomization applies.
NAME_LABEL: Final = "kustomize.toolkit.fluxcd.io/name"
NAMESPACE_LABEL: Final = "kustomize.toolkit.fluxcd.io/namespace"
_CHECKING: Final = "Running health checks for revision "


def artifact_of(source: Live | None) -> str:
    """The revision that a source has fetched; empty where there is none."""
    return text(source, "status", "artifact", "revision")


def applied_revision(unit: Live | None) -> str:
    """The revision that a unit has applied, and has found healthy if it waits; empty where there is none."""
    return text(unit, "status", "lastAppliedRevision")


def checked_revision(unit: Live) -> str:
    """The revision whose objects a unit has applied and is waiting for, by the message of kustomize-controller."""
    if not is_true(unit, "Reconciling"):
        return ""
    found = condition(unit, "Reconciling")
    message = found.message if found is not None else ""
    return message.removeprefix(_CHECKING).split(" ", 1)[0] if message.startswith(_CHECKING) else ""


def requested_at(live: Live) -> str:
    """The last request to look anew, as `flux reconcile` writes it; empty where there is none."""
    return annotation(live, REQUESTED_AT)


def is_handled(live: Live, token: str) -> bool:
    """Has the controller taken up our request, or one that came after it?"""
    handled = text(live, "status", "lastHandledReconcileAt")
    return bool(handled) and (handled == token or (requested_at(live) != token and handled == requested_at(live)))


def is_applied_by_flux(live: Live) -> bool:
    """Does kustomize-controller apply this object from git?"""
    return bool(at(live, "metadata", "labels", NAME_LABEL))


def is_working(live: Live) -> bool:
    """Is its controller at it right now? Waiting for a dependency, or for the next try, is not."""
    reconciling = condition(live, "Reconciling")
    return reconciling is not None and reconciling.status == "True" and reconciling.reason != "ProgressingWithRetry"


def is_final(status: Status) -> bool:
    """Will the same commit give the same failure again?"""
    if status.reason == "InvalidCELExpression":
        return True
    if status.reason == "ArtifactFailed":
        return "path not found" in status.message
    if status.reason == "BuildFailed":
        # Variables may still come from a Secret or ConfigMap that somebody makes.
        return "substitute from" not in status.message and "decrypt" not in status.message
    return status.reason == "ReconciliationFailed" and ("failed to create typed patch" in status.message or "(Invalid)" in status.message)
