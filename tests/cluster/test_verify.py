"""What is said of a cluster that is not as the repository says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gitops_secrets.cluster.verify import Observed, is_only_looked_at
from tests.cluster import sample
from tests.cluster.sample import DEPLOYMENT, EXTERNAL_SECRET, RELEASE, SECRET, SOURCE, STORE, condition, kustomization, live, observed, secret, verdicts

SYNCED = condition("Ready", reason="SecretSynced")
LATER = datetime(2026, 11, 22, 11, 30, 0, tzinfo=UTC)
OLD_POD = {"status": {"startTime": "2026-11-22T11:10:00Z"}}


def complaints(seen: Observed, **options: object) -> dict[str, list[str]]:
    return {str(verdict.id): [complaint.word for complaint in verdict.complaints] for verdict in verdicts(seen, **options) if verdict.complaints}  # type: ignore[arg-type]


def external_secret(spec: dict[str, object], refreshed: str = "2026-11-22T11:59:00Z") -> dict[str, object]:
    return live(EXTERNAL_SECRET, SYNCED, spec=spec, syncedResourceVersion="1-ab", refreshTime=refreshed)


def test_all_is_well() -> None:
    assert complaints(observed()) == {}


def test_everything_is_judged() -> None:
    judged = [verdict.id for verdict in verdicts(observed())]

    assert set(judged) == {SOURCE, *map(kustomization, ("operator", "stores", "weather")), RELEASE, STORE, EXTERNAL_SECRET, DEPLOYMENT}


CASES = {
    "the Secret is not there": (observed(secrets=None), {str(EXTERNAL_SECRET): ["secret-missing"]}),
    "the Secret lacks a key": (observed(secrets=secret(keys=frozenset({"other"}))), {str(EXTERNAL_SECRET): ["key-missing"]}),
    "the Secret is another one's": (observed(secrets=secret(owners=(("ExternalSecret", "other"),))), {str(EXTERNAL_SECRET): ["secret-owner"]}),
    "the Secret is nobody's": (observed(secrets=secret(owners=())), {str(EXTERNAL_SECRET): ["secret-owner"]}),
    "an orphan needs no owner": (observed(external_secret({"target": {"creationPolicy": "Orphan"}}), secrets=secret(owners=())), {}),
    "nothing is to be written": (observed(external_secret({"target": {"creationPolicy": "None"}}), secrets=None), {}),
    "it was not read for too long": (observed(external_secret({"refreshInterval": "10m"}, "2026-11-22T11:00:00Z")), {str(EXTERNAL_SECRET): ["out-of-sync"]}),
    "it is read once": (observed(external_secret({"refreshInterval": "0"}, "2025-11-22T11:00:00Z")), {}),
    "a store without status": (observed(live(STORE)), {str(STORE): ["not-ready"]}),
    "a unit at another revision": (
        observed(live(kustomization("weather"), sample.READY, observedGeneration=1, lastAppliedRevision="main@sha1:old")),
        {str(kustomization("weather")): ["old-revision"]},
    ),
    "a suspended unit": (
        observed(live(kustomization("weather"), sample.READY, spec={"suspend": True}, observedGeneration=1, lastAppliedRevision=sample.REVISION)),
        {str(kustomization("weather")): ["suspended"]},
    ),
    "a stalled release": (
        observed(live(RELEASE, condition("Ready", "False", "InstallFailed"), condition("Stalled", reason="RetriesExceeded"), observedGeneration=1)),
        {str(RELEASE): ["stalled"]},
    ),
    "a workload that is not there": (observed(without=[DEPLOYMENT]), {str(DEPLOYMENT): ["missing"]}),
    "pods older than a rotated Secret": (observed(secrets=secret(changed=LATER), pods=[OLD_POD]), {str(DEPLOYMENT): ["stale-pods"]}),
    "pods older than the first version of a Secret": (observed(secrets=secret(created=LATER, changed=LATER), pods=[OLD_POD]), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_complaints(name: str) -> None:
    seen, expected = CASES[name]

    assert complaints(seen) == expected


@pytest.mark.parametrize(
    ("ready", "revision", "expected"),
    [("Unknown", sample.REVISION, True), ("False", sample.REVISION, False), ("Unknown", "main@sha1:old", False)],
    ids=["at the same revision again", "tried again after a failure", "at a new revision"],
)
def test_a_unit_that_its_controller_looks_at_anew_is_not_judged_for_good(ready: str, revision: str, expected: bool) -> None:
    looked_at = (condition("Ready", ready, "Progressing"), condition("Reconciling", reason="Progressing"))
    seen = observed(live(kustomization("weather"), *looked_at, observedGeneration=1, lastAppliedRevision=revision))
    (verdict,) = (each for each in verdicts(seen) if not each.is_well)

    assert is_only_looked_at(verdict, seen) is expected


def test_a_source_behind_the_commit_is_named() -> None:
    assert complaints(observed(), behind=[sample.COMMIT]) == {str(SOURCE): ["old-revision"]}


def test_a_reloader_is_trusted_to_restart_pods() -> None:
    workload = sample.all_well()[DEPLOYMENT]
    annotated = {**workload, "metadata": {**workload["metadata"], "annotations": {"reloader.stakater.com/auto": "true"}}}
    (verdict,) = (each for each in verdicts(observed(annotated, secrets=secret(changed=LATER), pods=[OLD_POD])) if each.id == DEPLOYMENT)

    assert verdict.is_well
    assert "reloader" in verdict.remarks[0]


def test_secrets_are_not_looked_at_where_they_may_not_be_read() -> None:
    assert complaints(observed(read_secrets=False)) == {}


def test_the_children_of_a_cluster_external_secret_are_judged() -> None:
    parent = sample.ResourceId("external-secrets.io", "ClusterExternalSecret", "", "shared")
    child = sample.ResourceId("external-secrets.io", "ExternalSecret", "team", "shared")
    manifest = """
apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata: {name: shared}
spec: {externalSecretSpec: {secretStoreRef: {kind: ClusterSecretStore, name: aws}, data: [{secretKey: a, remoteRef: {key: b}}]}}
"""
    cluster = sample.platform((("stores/shared.yaml", manifest),))
    seen = observed(
        live(parent, condition("Ready"), provisionedNamespaces=["team"]),
        live(child, condition("Ready", "False", "SecretSyncedError"), refreshTime="2026-11-22T11:59:00Z"),
    )

    assert complaints(seen, cluster=cluster) == {str(child): ["not-ready", "secret-missing"]}


def test_a_permission_that_is_missing_is_named() -> None:
    message = 'secrets "api" is forbidden: User "system:serviceaccount:ci:job" cannot get resource "secrets" in API group "" in the namespace "weather"'
    seen = observed()
    seen = Observed(seen.now, seen.live, {}, seen.pods, {SECRET: message})
    (verdict,) = (each for each in verdicts(seen) if not each.is_well)

    assert (verdict.id, verdict.complaints[0].message) == (EXTERNAL_SECRET, message)


def test_pods_that_may_not_be_looked_at_are_a_remark() -> None:
    seen = observed()
    seen = Observed(seen.now, seen.live, seen.secrets, seen.pods, unknown={DEPLOYMENT: "pods is forbidden"})
    (verdict,) = (each for each in verdicts(seen) if each.id == DEPLOYMENT)

    assert (verdict.is_well, verdict.remarks) == (True, ("whether it has been restarted is not known: pods is forbidden",))


def test_a_chart_repository_that_may_not_be_read_is_a_remark() -> None:
    seen = observed()
    seen = Observed(seen.now, seen.live, seen.secrets, seen.pods, {sample.REPOSITORY: "helmrepositories is forbidden"})
    (verdict,) = (each for each in verdicts(seen) if each.id == sample.REPOSITORY)

    assert (verdict.is_well, verdict.remarks) == (True, ("it can't be read: helmrepositories is forbidden",))


def test_a_newer_commit_is_a_remark() -> None:
    source = live(SOURCE, sample.READY, observedGeneration=1, artifact={"revision": "main@sha1:newer"})
    units = (live(kustomization(name), sample.READY, observedGeneration=1, lastAppliedRevision="main@sha1:newer") for name in ("operator", "stores", "weather"))
    (verdict,) = (each for each in verdicts(observed(source, *units)) if each.id == SOURCE)

    assert (verdict.is_well, verdict.remarks) == (True, ("1f2e3d4c5b6a is superseded by main@sha1:newer",))
