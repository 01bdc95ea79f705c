"""`verify` on every kind that has to do with Secrets; and on many objects: no slower than asking for them one by one, and small."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e.bed import tool
from tests.e2e.bed.api import EXTERNAL_SECRET, SECRET, Api, is_ready
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.operators import install_external_secrets
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.scenario import Scenario

NAMESPACES, IN_EACH = 50, 20
MEMORY = 250  # MiB


def platform(bed: Bed) -> Scenario:
    """A store whose provider is the operator itself, and a unit with all the ExternalSecrets and their namespaces."""
    case = Scenario(bed, "many")
    fake = {"fake": {"data": [{"key": "shared", "value": "x"}]}}
    case.unit("store", case.store("many", provider=fake))
    manifests = []
    for number in range(NAMESPACES):
        namespace = f"team-{number}"
        manifests.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for name in (f"secret-{each}" for each in range(IN_EACH)):
            secret = case.external_secret(name, "many", "shared")
            manifests.append(secret | {"metadata": {"name": name, "namespace": namespace}})
    case.unit("teams", *manifests, dependsOn=[{"name": "store"}])
    return case


def asked_one_by_one(bed: Bed) -> float:
    """Seconds of one list of the ExternalSecrets and a GET for each of their Secrets, one after the other."""
    api = Api(bed.api.server, bed.api.token, bed.api.certificate_authority)
    started = time.monotonic()
    for each in api.list(EXTERNAL_SECRET):
        assert api.get(SECRET, each["metadata"]["namespace"], each["metadata"]["name"]) is not None
    return time.monotonic() - started


@pytest.mark.full
def test_a_thousand_external_secrets_are_verified_as_fast_as_they_are_asked_for(bed: Bed, figure: Callable[[str, str], None]) -> None:
    install_external_secrets(bed, concurrent=16)
    case = platform(bed)
    case.apply()

    def in_sync() -> bool:
        found = bed.api.list(EXTERNAL_SECRET)
        return len(found) == NAMESPACES * IN_EACH and all(map(is_ready, found))

    wait_until(in_sync, "all are in sync", timeout=900, interval=2)
    with case.repository.checkout() as tree:
        arguments = ("verify", ".", "--no-cache")
        # What else the machine does hits one and the other.
        rounds = [(tool.run(*arguments, directory=tree, kubeconfig=bed.kubeconfig), asked_one_by_one(bed)) for _ in range(3)]
        memory = tool.peak_memory(*arguments, directory=tree, kubeconfig=bed.kubeconfig)
    took, raw = min(run.seconds for run, _ in rounds), min(seconds for _, seconds in rounds)
    figure("1,000 ExternalSecrets verified", f"{took:.1f} s, {took / raw:.2f} of one list and 1,000 GETs; {memory:.0f} MiB")

    assert [run.status for run, _ in rounds] == [0, 0, 0], rounds[0][0].output
    assert took <= 1.25 * raw
    assert memory < MEMORY


def every_kind(bed: Bed) -> Scenario:
    """An ExternalSecret that a ClusterExternalSecret makes, a Secret that goes to the provider, and a reader."""
    case = Scenario(bed, "kinds")
    case.provider.put_secret("kinds/shared", "x")
    shared = case.external_secret("shared", "kinds", "kinds/shared")
    selector = {"matchLabels": {"kubernetes.io/metadata.name": "kinds"}}
    made = {"externalSecretName": "shared", "namespaceSelectors": [selector], "externalSecretSpec": shared["spec"]}
    for_all = {"apiVersion": shared["apiVersion"], "kind": "ClusterExternalSecret", "metadata": {"name": "kinds"}, "spec": made}
    pushed = {
        "refreshInterval": "1h",
        "secretStoreRefs": [{"kind": "ClusterSecretStore", "name": "kinds"}],
        "selector": {"secret": {"name": "credential"}},
        "data": [{"match": {"secretKey": "access-key", "remoteRef": {"remoteKey": "kinds/pushed"}}}],
    }
    push = {"apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret", "metadata": {"name": "pushed", "namespace": "kinds"}, "spec": pushed}
    case.unit("store", case.credential(), case.store("kinds"))
    case.unit("app", for_all, push, case.deployment("reader", secret="shared", key="value"), dependsOn=[{"name": "store"}])
    return case


def complaints(run: tool.Result) -> dict[str, list[str]]:
    """What is wrong with what, in a word."""
    return {thing["id"]: [each["complaint"] for each in thing["complaints"]] for thing in run.document["objects"] if not thing["well"]}


@pytest.mark.full
def test_every_kind_that_makes_takes_or_reads_a_secret_is_judged(bed: Bed) -> None:
    install_external_secrets(bed)
    case = every_kind(bed)
    case.apply()
    watched = case.run("verify", "--watch", "--format", "json")
    bed.kubelet.hold("external-secrets")
    bed.api.delete(SECRET, "kinds", "shared")
    gone = case.run("verify", "--format", "json")
    unread = case.run("verify", "--no-read-secrets", "--format", "json")

    assert watched.status == 0, watched.output + watched.errors
    assert {thing["id"] for thing in watched.document["objects"]} == {
        "ClusterExternalSecret//kinds",
        "ClusterSecretStore//kinds",
        "Deployment/kinds/reader",
        "ExternalSecret/kinds/shared",
        "GitRepository/kinds/kinds",
        "Kustomization/kinds/app",
        "Kustomization/kinds/store",
        "PushSecret/kinds/pushed",
        "Secret/kinds/credential",
    }
    assert [cause["subject"] for cause in gone.document["causes"]] == ["ExternalSecret/kinds/shared"]
    assert (gone.status, unread.status) == (1, 0), gone.output + unread.output
    assert complaints(gone) == {"ExternalSecret/kinds/shared": ["secret-missing"]}
