"""Standings and SourceVerifications to try things with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gitops_secrets.cluster.runner import End
from gitops_secrets.controller.standing import Standing, Told, Trouble, status_of
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import Cause, Complaint, Verdict, Verification

SOURCE = ResourceId("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "flux-system")
STORES = ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "stores")
STORE = ResourceId("external-secrets.io", "ClusterSecretStore", "", "aws")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 1, 13, tzinfo=UTC)

GOING_ON = Standing("main@sha1:1", ready=1, goals=3)
WELL = Standing("main@sha1:1", 3, 3, End.READY, Verification("c", "x", "s", "1", (Verdict(STORE), Verdict(STORES))))
CAUSE = Cause(STORE, f"{STORE}: access denied", ("status: Invalid", "event: Invalid: denied"), "the role may not", "let it", (STORES,))
BROKEN = Standing(
    "main@sha1:2",
    2,
    3,
    None,
    Verification("c", "x", "s", "2", (Verdict(STORE, (Complaint("not-ready", "no"),)), Verdict(STORES, (Complaint("not-ready", "no"),))), (CAUSE,)),
    (Told(CAUSE, STORES),),
)
UNREAD = Standing("main@sha1:3", trouble=Trouble("ArtifactFailed", "can't fetch", is_final=False))
WRONG = Standing("main@sha1:3", trouble=Trouble("BuildFailed", "two clusters", is_final=True))
ALL = (GOING_ON, WELL, BROKEN, UNREAD, WRONG)


def resource(status: dict[str, Any] | None = None, **annotations: str) -> dict[str, Any]:
    """A SourceVerification."""
    metadata = {"name": "gitops-secrets", "namespace": "gitops-secrets", "generation": 4, "annotations": annotations}
    return {"apiVersion": "gitops-secrets.dev/v1alpha1", "kind": "SourceVerification", "metadata": metadata, "status": status or {}}


def after(*standings: Standing) -> dict[str, Any]:
    """A SourceVerification that was told of these, one after the other."""
    found = resource()
    for standing in standings:
        found = resource(status_of(found, standing, SOURCE, NOON))
    return found
