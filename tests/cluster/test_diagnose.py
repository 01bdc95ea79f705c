"""One root for a broken chain: each case is a way to break a platform, in the words that real controllers had for it (Flux 2.9, ESO 0.20)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from gitops_secrets.cluster.verify import Observed
from gitops_secrets.model.ids import ResourceId
from tests.cluster import sample
from tests.cluster.sample import (
    DEPLOYMENT,
    EXTERNAL_SECRET,
    FILES,
    RELEASE,
    SOURCE,
    STORE,
    causes,
    condition,
    failed_unit,
    kustomization,
    live,
    observed,
    platform,
    unit,
)

UNITS = "clusters/production/units.yaml"
BEHIND_STORE = (EXTERNAL_SECRET, DEPLOYMENT)
CHECKING = "Running health checks for revision main@sha1:x with a timeout of 9m"
WAITING = "dependency 'flux-system/stores' is not ready"


def failing_secret(message: str = "could not get secret data from provider") -> dict[str, Any]:
    return live(EXTERNAL_SECRET, condition("Ready", "False", "SecretSyncedError", message))


def failing_store(reason: str, message: str) -> dict[str, Any]:
    return live(STORE, condition("Ready", "False", reason, message))


def waiting_unit() -> dict[str, Any]:
    return failed_unit("weather", "DependencyNotReady", WAITING)


def checking_unit() -> dict[str, Any]:
    return failed_unit("stores", "HealthCheckFailed", "health check failed after 1m0s: timeout waiting for: [ClusterSecretStore/aws status: 'InProgress']")


def starting_workload() -> dict[str, Any]:
    return live(DEPLOYMENT, observedGeneration=1, replicas=1, updatedReplicas=1)


class Broken(NamedTuple):
    seen: Observed
    root: ResourceId
    says: str
    events: Iterable[tuple[ResourceId, str]] = ()
    changes: tuple[tuple[str, str], ...] = ()
    served: Iterable[tuple[str, str, str]] = ()


def secret_event(message: str) -> Broken:
    return Broken(observed(failing_secret(), starting_workload(), secrets=None), EXTERNAL_SECRET, "", [(EXTERNAL_SECRET, message)])


def refused(message: str, says: str, **fields: Any) -> Broken:
    seen = observed(failed_unit("weather", fields.pop("reason", "ReconciliationFailed"), message), without=BEHIND_STORE, secrets=None)
    return Broken(seen, kustomization("weather"), says, **fields)


CASES = {
    "the store is not there, by an event": secret_event('could not get SecretStore "typo", SecretStore.external-secrets.io "typo" not found')._replace(
        says="its store SecretStore typo is not there"
    ),
    "the store does not admit the namespace": secret_event(
        'using cluster store "aws" is not allowed from namespace "weather": denied by spec.condition'
    )._replace(says="ClusterSecretStore aws does not admit namespace weather"),
    "the credential of a referent store": secret_event(
        'could not fetch SecretAccessKey secret: cannot get Kubernetes secret "aws-cred" from namespace "weather"'
    )._replace(says="Secret weather/aws-cred, is not there"),
    "the key is not at the provider": secret_event("error processing spec.data[0] (key: prod/weather), err: Secret does not exist")._replace(
        says="the provider has no secret prod/weather"
    ),
    "the property is not at the provider": secret_event(
        "error processing spec.data[0] (key: prod/db), err: key nope does not exist in secret prod/db"
    )._replace(says="the provider's secret prod/db has no property nope"),
    "access is denied for an ARN": secret_event(
        "error processing spec.data[0] (key: prod/weather), err: AccessDeniedException: User: arn:aws:sts::1:assumed-role/eso/s is not authorized to perform: "
        "secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-central-1:1:secret:prod/weather"
    )._replace(says="denies arn:aws:sts::1:assumed-role/eso/s the right to secretsmanager:GetSecretValue"),
    "the provider throttles": secret_event("ThrottlingException: Rate exceeded")._replace(says="the provider throttles the operator"),
    "another ExternalSecret owns the Secret": Broken(
        observed(failing_secret("target is owned by another ExternalSecret"), secrets=sample.secret(owners=(("ExternalSecret", "b"),))),
        EXTERNAL_SECRET,
        "another ExternalSecret owns its Secret",
    ),
    "merging into nothing": Broken(
        observed(
            live(EXTERNAL_SECRET, condition("Ready", reason="SecretMissing", message="secret will not be created due to CreationPolicy=Merge")), secrets=None
        ),
        EXTERNAL_SECRET,
        "it merges into a Secret that nobody creates",
    ),
    "the store has no credential": Broken(
        observed(
            failing_store("InvalidProviderConfig", "unable to create client"),
            checking_unit(),
            failing_secret(),
            waiting_unit(),
            starting_workload(),
            secrets=None,
        ),
        STORE,
        "the store has no usable credential",
    ),
    "the service account has no role": Broken(
        observed(failing_store("InvalidProviderConfig", "an IAM role must be associated with service account eso"), failing_secret(), secrets=None),
        STORE,
        "the service account of the store has no role",
    ),
    "the operator looks at nothing": Broken(
        observed(live(STORE), checking_unit(), live(EXTERNAL_SECRET), waiting_unit(), starting_workload(), secrets=None),
        STORE,
        "its controller has not looked at it",
    ),
    "the store is of another class": Broken(
        observed(live(STORE, spec={"controller": "other"}), live(EXTERNAL_SECRET), secrets=None), STORE, "it belongs to controller class 'other'"
    ),
    "the webhook does not answer": refused(
        'ExternalSecret/weather/api dry-run failed (InternalError): failed calling webhook "validate.externalsecret.external-secrets.io"'
        ": connect: connection refused",
        "the webhook validate.externalsecret.external-secrets.io does not answer",
    ),
    "a namespace that nobody makes": refused('ConfigMap/nowhere/c not found: namespaces "nowhere" not found', "namespace nowhere is not there"),
    "a version that is not served": refused(
        'ExternalSecret/weather/api dry-run failed: no matches for kind "ExternalSecret" in version "external-secrets.io/v1beta1"',
        "ExternalSecret is not served as external-secrets.io/v1beta1, only as external-secrets.io/v1",
        served=[("external-secrets.io", "ExternalSecret", "v1")],
    ),
    "refused before the kind was served": refused(
        'ExternalSecret/weather/api dry-run failed: no matches for kind "ExternalSecret" in version "external-secrets.io/v1"',
        "it was refused before ExternalSecret was served",
        served=[("external-secrets.io", "ExternalSecret", "v1")],
    ),
    "the operator is not installed": Broken(
        observed(
            live(
                RELEASE,
                condition("Ready", "False", "InstallFailed", "failed"),
                condition("Stalled", reason="RetriesExceeded", message="retries exceeded"),
                observedGeneration=1,
            ),
            failed_unit("operator", "HealthCheckFailed", "timeout waiting for: [HelmRelease/external-secrets/external-secrets status: 'Failed']"),
            failed_unit(
                "stores",
                "ReconciliationFailed",
                'ClusterSecretStore/aws dry-run failed: no matches for kind "ClusterSecretStore" in version "external-secrets.io/v1"',
            ),
            waiting_unit(),
            without=[STORE, *BEHIND_STORE],
            secrets=None,
        ),
        RELEASE,
        "the release has failed and is not tried again",
    ),
    "a variable that is not set": refused(
        "post build failed for 'ConfigMap.v1.[noGrp]/c': envsubst error: variable substitution failed: variable not set (strict mode): \"NOPE\"",
        "variable NOPE is not set",
        reason="BuildFailed",
    ),
    "variables of a Secret that is not there": refused(
        "substitute from 'Secret/vars' error: secrets \"vars\" not found", "Secret/vars, which its variables come from, is not there", reason="BuildFailed"
    ),
    "a patch that makes an object invalid": refused(
        "ConfigMap/weather/c dry-run failed: failed to create typed patch object (weather/c; /v1, Kind=ConfigMap): .data.x: expected string, "
        "got &value.valueUnstructured{Value:1}",
        "ConfigMap/weather/c is invalid: .data.x: expected string",
    ),
    "a path that is not in the source": refused(
        "kustomization path not found: stat /tmp/x/weather: no such file or directory", "its path is not in the source", reason="ArtifactFailed"
    ),
    "a source that is not there": Broken(
        observed(
            failed_unit("operator", "ArtifactFailed", 'GitRepository.source.toolkit.fluxcd.io "flux-system" not found'),
            *(failed_unit(name, "DependencyNotReady", "dependency is not ready") for name in ("stores", "weather")),
            without=[SOURCE, RELEASE, STORE, *BEHIND_STORE],
            secrets=None,
        ),
        SOURCE,
        "it is not there",
    ),
    "a branch that is not there": Broken(
        observed(
            live(
                SOURCE,
                condition("Ready", "False", "GitOperationFailed", 'failed to checkout: couldn\'t find remote ref "refs/heads/nope"'),
                observedGeneration=1,
            ),
            *(failed_unit(name, "ArtifactFailed", "Source is not ready") for name in ("operator", "stores", "weather")),
            without=[RELEASE, STORE, *BEHIND_STORE],
            secrets=None,
        ),
        SOURCE,
        "refs/heads/nope is not in the git repository",
    ),
    "a suspended unit": Broken(
        observed(
            live(kustomization("stores"), sample.READY, spec={"suspend": True}, observedGeneration=1, lastAppliedRevision="main@sha1:old"),
            failed_unit("weather", "DependencyNotReady", "dependency 'flux-system/stores' revision is not up to date"),
            without=BEHIND_STORE,
            secrets=None,
        ),
        kustomization("stores"),
        "it is suspended",
    ),
    "a dependency that is ready by now, before a store that is not": Broken(
        observed(failing_store("InvalidProviderConfig", "unable to create client"), waiting_unit(), without=BEHIND_STORE, secrets=None), STORE, "credential"
    ),
    "a dependency that is not there": refused(
        "dependency 'flux-system/no-such' not found: kustomizations.kustomize.toolkit.fluxcd.io \"no-such\" not found",
        "it depends on something that is not there",
        reason="DependencyNotReady",
        changes=((UNITS, unit("operator") + unit("stores", "operator") + unit("weather", "stores", "no-such")),),
    ),
    "units that wait for each other": Broken(
        observed(
            *(failed_unit(name, "DependencyNotReady", "dependency is not ready") for name in ("stores", "weather")),
            without=[STORE, *BEHIND_STORE],
            secrets=None,
        ),
        kustomization("stores"),
        "units wait for each other: stores → weather → stores",
        changes=((UNITS, unit("operator") + unit("stores", "operator", "weather") + unit("weather", "stores")),),
    ),
    "no worker is free": Broken(
        observed(
            *(
                live(
                    kustomization(f"busy{number}"),
                    condition("Reconciling", reason="Progressing", message=CHECKING),
                )
                for number in range(4)
            ),
            live(kustomization("weather"), observedGeneration=-1),
            without=BEHIND_STORE,
            secrets=None,
        ),
        kustomization("weather"),
        "no worker of kustomize-controller is free",
    ),
    "no worker is free, and what takes them is broken": Broken(
        observed(
            *(live(kustomization(f"busy{number}"), condition("Reconciling", reason="Progressing", message=CHECKING)) for number in range(4)),
            *(live(kustomization(name), observedGeneration=-1) for name in ("stores", "weather")),
            live(RELEASE, condition("Ready", "False", "InstallFailed"), observedGeneration=1),
            failing_store("InvalidProviderConfig", "unable to create client"),
        ),
        kustomization("stores"),
        "no worker of kustomize-controller is free",
    ),
    "an object that hangs on a finalizer": Broken(
        observed(
            {
                **failing_secret(),
                "metadata": {"name": "api", "namespace": "weather", "deletionTimestamp": "2026-11-22T11:00:00Z", "finalizers": ["eso/cleanup"]},
            }
        ),
        EXTERNAL_SECRET,
        "it is being deleted, and a finalizer holds it",
    ),
    "an object that somebody deleted": Broken(observed(without=[STORE]), STORE, "it is not there, though its unit is Ready"),
    "a chart that is not in its source": Broken(
        observed(
            live(
                RELEASE,
                condition("Ready", "False", "SourceNotReady", "HelmChart 'a/b' is not ready: invalid chart reference: no such file"),
                observedGeneration=1,
            )
        ),
        RELEASE,
        "its chart is not in the source",
    ),
    "values of a Secret that is not there": Broken(
        observed(
            live(
                RELEASE,
                condition(
                    "Ready", "False", "ValuesError", "could not resolve Secret chart values reference 'a/vals' with key 'sv': secrets \"vals\" not found"
                ),
                observedGeneration=1,
            )
        ),
        RELEASE,
        "Secret a/vals, which its values come from, is not there",
    ),
    "a unit that waits at a revision": Broken(
        observed(
            live(
                kustomization("weather"),
                condition("Ready", "Unknown", "Progressing", "Reconciliation in progress"),
                condition("Reconciling", "True", "Progressing", CHECKING),
                observedGeneration=-1,
            )
        ),
        kustomization("weather"),
        "it waits for its health checks at revision main@sha1:x",
    ),
    "what may not be read": Broken(
        replace(observed(without=[STORE]), unreadable={STORE: 'cannot get resource "clustersecretstores"'}),
        STORE,
        'it may not be read: cannot get resource "clustersecretstores"',
    ),
    "a Secret that nobody makes": Broken(
        observed(live(DEPLOYMENT, condition("Available"), observedGeneration=1, replicas=1, updatedReplicas=1)),
        ResourceId("", "Secret", "weather", "by-hand"),
        "it is not there",
        changes=(("weather/all.yaml", FILES["weather/all.yaml"].replace("{name: api, key: apiKey}", "{name: by-hand, key: apiKey}")),),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_cause_names_the_root(name: str) -> None:
    case = CASES[name]
    first = causes(case.seen, platform(case.changes), case.events, case.served)[0]

    assert first.subject == case.root, [cause.title for cause in causes(case.seen, platform(case.changes), case.events, case.served)]
    assert case.says in first.title


def test_what_hangs_on_a_root_stands_with_it_and_nowhere_else() -> None:
    seen = observed(
        failing_store("InvalidProviderConfig", "unable to create client"), checking_unit(), failing_secret(), waiting_unit(), starting_workload(), secrets=None
    )
    (cause,) = causes(seen)

    assert (cause.subject, cause.affected) == (STORE, tuple(sorted([DEPLOYMENT, EXTERNAL_SECRET, kustomization("stores"), kustomization("weather")])))


def test_a_credential_that_nobody_makes_is_the_root_of_all_behind_its_store() -> None:
    secret = "{name: by-hand, namespace: external-secrets, key: a}"
    auth = f"auth: {{secretRef: {{accessKeyIDSecretRef: {secret}, secretAccessKeySecretRef: {secret}}}}}"
    store = FILES["stores/store.yaml"].replace("region: eu-central-1", f"region: eu-central-1, {auth}")
    seen = observed(failing_store("InvalidProviderConfig", "unable to create client"), failing_secret())
    (cause,) = causes(seen, platform((("stores/store.yaml", store),)))

    assert cause.subject == ResourceId("", "Secret", "external-secrets", "by-hand")
    assert {STORE, EXTERNAL_SECRET} <= set(cause.affected)


def test_what_the_provider_denies_to_a_store_is_one_cause_of_all_that_use_it() -> None:
    second = ResourceId("external-secrets.io", "ExternalSecret", "weather", "second")
    manifest = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: second, namespace: weather}
spec: {secretStoreRef: {kind: ClusterSecretStore, name: aws}, data: [{secretKey: a, remoteRef: {key: b}}]}
"""
    said = "AccessDeniedException: User: arn:aws:sts::1:role is not authorized to perform: secretsmanager:GetSecretValue on resource: arn:aws:secret:"
    seen = observed(failing_secret(), live(second, condition("Ready", "False", "SecretSyncedError")))
    events = [(EXTERNAL_SECRET, said + "one"), (second, said + "two")]
    (cause,) = causes(seen, platform((("weather/second.yaml", manifest),)), events)

    assert cause.subject == EXTERNAL_SECRET
    assert second in cause.affected


def test_objects_of_a_kind_that_hang_on_a_finalizer_are_one_cause() -> None:
    second = ResourceId("external-secrets.io", "ExternalSecret", "weather", "second")
    manifest = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: second, namespace: weather}
spec: {secretStoreRef: {kind: ClusterSecretStore, name: aws}, data: [{secretKey: a, remoteRef: {key: b}}]}
"""
    held = {"deletionTimestamp": "2026-11-22T11:00:00Z", "finalizers": ["externalsecret-cleanup"]}
    gone = [{**live(id), "metadata": {"name": id.name, "namespace": id.namespace, **held}} for id in (EXTERNAL_SECRET, second)]
    first, *_ = causes(observed(*gone, without=[STORE]), platform((("weather/second.yaml", manifest),)))

    assert first.subject == EXTERNAL_SECRET
    assert second in first.affected


def test_a_cause_quotes_what_was_said() -> None:
    case = CASES["the key is not at the provider"]
    (cause, *_) = causes(case.seen, events=case.events)

    assert "event: UpdateFailed: error processing spec.data[0] (key: prod/weather), err: Secret does not exist" in cause.evidence
    assert any(told.startswith("status: SecretSyncedError") for told in cause.evidence)


def test_two_broken_things_are_two_causes() -> None:
    seen = observed(failing_secret(), live(RELEASE, condition("Ready", "False", "UpgradeFailed"), observedGeneration=1))

    assert {cause.subject for cause in causes(seen, events=[(EXTERNAL_SECRET, "Rate exceeded")])} == {RELEASE, EXTERNAL_SECRET}


def test_where_all_is_well_there_is_no_cause() -> None:
    assert causes(observed()) == ()
