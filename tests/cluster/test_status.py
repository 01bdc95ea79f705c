"""Is an object ready? One table for all kinds: the rules of kstatus, and where the table of kinds mends them."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_secrets.cluster.live import commit_of, live_id
from gitops_secrets.cluster.status import Health, status_of
from gitops_secrets.kinds.table import default_table

TABLE = default_table()


def live(api_version: str, kind: str, *, generation: int = 2, spec: Any = None, deleting: bool = False, **status: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "it", "namespace": "here", "generation": generation}
    if deleting:
        metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/cleanup"]}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec or {}} | ({"status": status} if status else {})


def condition(type_: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def kustomization(*conditions: dict[str, Any], seen: int = 2, **fields: Any) -> dict[str, Any]:
    return live("kustomize.toolkit.fluxcd.io/v1", "Kustomization", **fields, observedGeneration=seen, conditions=list(conditions))


def external_secret(*conditions: dict[str, Any], seen: str = "2-ab", **fields: Any) -> dict[str, Any]:
    return live("external-secrets.io/v1", "ExternalSecret", **fields, conditions=list(conditions), syncedResourceVersion=seen)


def deployment(*conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    return live("apps/v1", "Deployment", **{"observedGeneration": 2, **counts, **fields}, conditions=list(conditions))


def health(found: dict[str, Any]) -> Health:
    id = live_id(found)
    return status_of(found, TABLE.row(id.group, id.kind)).health


ESO = "external-secrets.io/v1"
SYNCED = condition("Ready", reason="SecretSynced")
FAILED = condition("Ready", "False", "InstallFailed")

CASES: dict[str, tuple[dict[str, Any], Health]] = {
    "a ConfigMap is there": (live("v1", "ConfigMap"), Health.CURRENT),
    "one that is being deleted": (live("v1", "ConfigMap", deleting=True), Health.TERMINATING),
    "a fresh Kustomization": (kustomization(seen=-1), Health.IN_PROGRESS),
    "a Kustomization that is Ready": (kustomization(condition("Ready")), Health.CURRENT),
    "an edited Kustomization": (kustomization(condition("Ready"), seen=1), Health.IN_PROGRESS),
    "a Kustomization at work": (kustomization(condition("Ready", "Unknown"), condition("Reconciling")), Health.IN_PROGRESS),
    "a Kustomization that failed": (kustomization(condition("Ready", "False", "BuildFailed")), Health.IN_PROGRESS),
    "a suspended Kustomization": (kustomization(condition("Ready"), spec={"suspend": True}), Health.SUSPENDED),
    "a release out of retries": (live("helm.toolkit.fluxcd.io/v2", "HelmRelease", conditions=[FAILED, condition("Stalled")]), Health.FAILED),
    "an OCI HelmRepository never has a status": (live("source.toolkit.fluxcd.io/v1", "HelmRepository", spec={"type": "oci"}), Health.CURRENT),
    "an ExternalSecret without status": (live(ESO, "ExternalSecret"), Health.IN_PROGRESS),
    "an ExternalSecret in sync": (external_secret(SYNCED), Health.CURRENT),
    "an edited ExternalSecret": (external_secret(SYNCED, generation=12, seen="1-ab"), Health.IN_PROGRESS),
    "an ExternalSecret that is read once": (external_secret(SYNCED, spec={"refreshInterval": "0"}, seen="1-ab"), Health.CURRENT),
    "an ExternalSecret that is created once": (external_secret(SYNCED, spec={"refreshPolicy": "CreatedOnce"}, seen="1-ab"), Health.CURRENT),
    "Merge without a target": (external_secret(condition("Ready", reason="SecretMissing")), Health.IN_PROGRESS),
    "the provider has nothing": (external_secret(condition("Ready", reason="SecretDeleted")), Health.IN_PROGRESS),
    "an ExternalSecret in error": (external_secret(condition("Ready", "False", "SecretSyncedError")), Health.IN_PROGRESS),
    "a store without status": (live(ESO, "ClusterSecretStore"), Health.IN_PROGRESS),
    "a valid store": (live(ESO, "SecretStore", conditions=[condition("Ready", reason="Valid")]), Health.CURRENT),
    "an invalid store": (live(ESO, "SecretStore", conditions=[condition("Ready", "False", "InvalidProviderConfig")]), Health.IN_PROGRESS),
    "empty conditions": (live(ESO, "SecretStore", conditions=[]), Health.IN_PROGRESS),
    "a ClusterExternalSecret without a namespace": (live(ESO, "ClusterExternalSecret", conditions=[condition("Ready")]), Health.IN_PROGRESS),
    "a ClusterExternalSecret with one": (live(ESO, "ClusterExternalSecret", conditions=[condition("Ready")], provisionedNamespaces=["a"]), Health.CURRENT),
    "a PushSecret that is synced": (
        live("external-secrets.io/v1alpha1", "PushSecret", conditions=[condition("Ready", reason="Synced")], syncedResourceVersion="2-a"),
        Health.CURRENT,
    ),
    "a SealedSecret that can't be decrypted": (live("bitnami.com/v1alpha1", "SealedSecret", conditions=[condition("Synced", "False")]), Health.IN_PROGRESS),
    "a SealedSecret that is": (live("bitnami.com/v1alpha1", "SealedSecret", observedGeneration=2, conditions=[condition("Synced")]), Health.CURRENT),
    "an Application out of sync": (
        live("argoproj.io/v1alpha1", "Application", sync={"status": "OutOfSync"}, health={"status": "Healthy"}),
        Health.IN_PROGRESS,
    ),
    "an Application in sync": (live("argoproj.io/v1alpha1", "Application", sync={"status": "Synced"}, health={"status": "Healthy"}), Health.CURRENT),
    "a Deployment rolled out": (deployment(condition("Available")), Health.CURRENT),
    "a Deployment with an old pod": (deployment(condition("Available"), replicas=2), Health.IN_PROGRESS),
    "a Deployment past its deadline": (deployment(condition("Progressing", "False", "ProgressDeadlineExceeded")), Health.FAILED),
    "a Deployment nobody looked at": (deployment(condition("Available"), observedGeneration=1), Health.IN_PROGRESS),
    "a StatefulSet in the middle": (
        live("apps/v1", "StatefulSet", observedGeneration=2, replicas=1, readyReplicas=1, currentReplicas=1, currentRevision="a", updateRevision="b"),
        Health.IN_PROGRESS,
    ),
    "a StatefulSet that people update": (live("apps/v1", "StatefulSet", spec={"updateStrategy": {"type": "OnDelete"}}), Health.CURRENT),
    "a DaemonSet nobody looked at": (live("apps/v1", "DaemonSet"), Health.IN_PROGRESS),
    "a DaemonSet for no node": (live("apps/v1", "DaemonSet", observedGeneration=2, desiredNumberScheduled=0), Health.CURRENT),
    "a Job at work": (live("batch/v1", "Job", active=1), Health.IN_PROGRESS),
    "a Job that is complete": (live("batch/v1", "Job", conditions=[condition("Complete")]), Health.CURRENT),
    "a Job that failed": (live("batch/v1", "Job", conditions=[condition("Failed")]), Health.FAILED),
    "a CronJob": (live("batch/v1", "CronJob"), Health.CURRENT),
    "a definition that is served": (live("apiextensions.k8s.io/v1", "CustomResourceDefinition", conditions=[condition("Established")]), Health.CURRENT),
    "a definition whose names are taken": (
        live("apiextensions.k8s.io/v1", "CustomResourceDefinition", conditions=[condition("NamesAccepted", "False")]),
        Health.FAILED,
    ),
    "a claim that is bound": (live("v1", "PersistentVolumeClaim", phase="Bound"), Health.CURRENT),
    "a claim that is pending": (live("v1", "PersistentVolumeClaim", phase="Pending"), Health.IN_PROGRESS),
    "a load balancer without address": (live("v1", "Service", spec={"type": "LoadBalancer"}), Health.IN_PROGRESS),
    "a Service in the cluster": (live("v1", "Service", spec={"type": "ClusterIP"}), Health.CURRENT),
    "a Namespace that goes": (live("v1", "Namespace", phase="Terminating"), Health.TERMINATING),
    "a Pod that can't start": (
        live("v1", "Pod", phase="Pending", containerStatuses=[{"state": {"waiting": {"reason": "CreateContainerConfigError"}}}]),
        Health.IN_PROGRESS,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_health(name: str) -> None:
    found, expected = CASES[name]

    assert health(found) is expected


def test_what_is_not_there_is_missing() -> None:
    assert status_of(None).health is Health.MISSING


def test_one_that_is_being_deleted_names_the_finalizers_it_waits_for() -> None:
    assert "example.com/cleanup" in status_of(live("v1", "Namespace", deleting=True)).message


def test_one_that_failed_at_its_first_generation_says_why() -> None:
    found = kustomization(condition("Ready", "False", "BuildFailed", "no such file") | {"observedGeneration": 2}, seen=-1)

    assert (status_of(found).health, status_of(found).words) == (Health.IN_PROGRESS, "BuildFailed: no such file")


def test_what_is_tried_again_says_why_it_failed() -> None:
    waiting = condition("Ready", "False", "DependencyNotReady", "dependency 'a/b' is not ready")
    found = kustomization(waiting, condition("Reconciling", reason="ProgressingWithRetry"))

    assert status_of(found).words == "DependencyNotReady: dependency 'a/b' is not ready"


@pytest.mark.parametrize("garbage", [None, [], "text", {"conditions": "text"}, {"conditions": [1, None]}, {"observedGeneration": "2"}])
def test_a_status_of_any_shape_is_read(garbage: object) -> None:
    found = live(ESO, "SecretStore") | {"status": garbage}

    assert health(found) is Health.IN_PROGRESS


@pytest.mark.parametrize(
    ("revision", "commit"),
    [("main@sha1:1f2e", "1f2e"), ("refs/heads/main@sha1:1f2e", "1f2e"), ("6.1.0@sha256:ab", "ab"), ("main/1f2e", "1f2e"), ("1f2e", "1f2e")],
)
def test_the_commit_of_a_revision(revision: str, commit: str) -> None:
    assert commit_of(revision) == commit
