"""Small repositories on one cluster with Argo CD: what check says of them is what happens, and what reconcile respects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.e2e.bed import argo_cd, flux, tool
from tests.e2e.bed.api import Object
from tests.e2e.bed.argo_cd import APPLICATION, NAMESPACE, application, is_well
from tests.e2e.bed.bed import Bed, running
from tests.e2e.bed.flux import wait_until_established
from tests.e2e.bed.git_server import Repository
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.programs import Programs

Figure = Callable[[str, str], None]
WAVE = "argocd.argoproj.io/sync-wave"


@pytest.fixture(scope="module")
def bed(built: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """An empty cluster with Argo CD as it is shipped, and the definitions of External Secrets Operator."""
    with running(built, tmp_path_factory.mktemp("bed") / "bed") as bed:
        argo_cd.start(bed, server_side_diff=False)
        crds = [each for each in yaml.load_all(built.asset("external-secrets", "crds.yaml").read_text(), yaml.CSafeLoader) if each]
        for crd in crds:
            bed.api.apply(crd)
        wait_until_established(bed.api, crds)
        yield bed


def manifest(kind: str, name: str, wave: int = 0, namespace: str = "", api_version: str = "v1", **fields: Any) -> Object:
    metadata = {"name": name, "annotations": {WAVE: str(wave)}} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def served(bed: Bed, name: str, *objects: Object, **spec: Any) -> Repository:
    """A repository with one Application, as its root, and what that applies."""
    repository = bed.git.repository(name)
    files = {f"{name}/{number}.yaml": yaml.safe_dump(each) for number, each in enumerate(objects)}
    repository.commit(files | {"root.yaml": yaml.safe_dump(application(name, repository.url, name, **spec))})
    return repository


def run(bed: Bed, repository: Repository, *arguments: str) -> tool.Result:
    with repository.checkout() as tree:
        return tool.run(*arguments, directory=tree)


def reconcile(bed: Bed, repository: Repository, *options: str) -> tool.Result:
    return run(bed, repository, "reconcile", ".", "--kubeconfig", str(bed.kubeconfig), *options)


def live(bed: Bed, name: str) -> Object:
    return bed.api.get(APPLICATION, NAMESPACE, name) or {}


def test_a_wrong_wave_fails_and_is_fixed(bed: Bed, figure: Figure) -> None:
    pod = {"serviceAccountName": "shop", "containers": [{"name": "shop", "image": "registry.k8s.io/pause:3.10"}]}
    template = {"metadata": {"labels": {"app": "shop"}}, "spec": pod}
    spec = {"selector": {"matchLabels": {"app": "shop"}}, "template": template}
    objects = (manifest("Deployment", "shop", 0, "default", "apps/v1", spec=spec), manifest("ServiceAccount", "shop", 1, "default"))
    repository = served(bed, "shop", *objects)
    said = run(bed, repository, "check", ".")
    failed = reconcile(bed, repository, "--timeout", "40s")
    stuck = live(bed, "shop")["status"]["operationState"]["message"]
    with repository.checkout() as tree:
        tool.run("fix", ".", directory=tree)
        repository.push(tree, "What gitops-secrets fix writes")
    mended = run(bed, repository, "check", ".")
    done = reconcile(bed, repository)
    figure("a wrong wave", f"{failed.status} before, {done.status} after fix, {done.seconds:.0f} s")

    assert (said.status, "shop is applied in wave 0, before ServiceAccount/default/shop in wave 1" in said.output, failed.status) == (1, True, 4), (
        failed.output + failed.errors
    )
    assert stuck == "waiting for healthy state of apps/Deployment/shop"
    assert (mended.status, done.status, is_well(live(bed, "shop"))) == (0, 0, True)


def test_a_window_that_denies_is_said_and_not_forced(bed: Bed, figure: Figure) -> None:
    everything = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}], "clusterResourceWhitelist": [{"group": "*", "kind": "*"}]}
    begun = datetime.now(UTC) - timedelta(minutes=2)
    window = {"kind": "deny", "schedule": f"{begun.minute} {begun.hour} * * *", "duration": "1h", "applications": ["*"]}
    argo_cd.project("frozen", bed, **everything, syncWindows=[window])
    repository = served(bed, "frozen", manifest("ConfigMap", "frozen", 0, "default"), project="frozen")
    held = reconcile(bed, repository, "--timeout", "2m")
    before = live(bed, "frozen")
    argo_cd.project("frozen", bed, **everything, syncWindows=[])
    done = reconcile(bed, repository)
    figure("a window that denies", f"{held.status} after {held.seconds:.0f} s, {done.status} without it")

    assert (held.status, "denies it" in held.output) == (1, True)
    assert ("operation" in before, "operationState" in before["status"]) == (False, False)
    assert (done.status, is_well(live(bed, "frozen"))) == (0, True)


def test_one_that_is_not_automated_is_synced_and_a_new_commit_taken_up(bed: Bed, figure: Figure) -> None:
    repository = served(bed, "manual", manifest("ConfigMap", "manual", 0, "default", data={"a": "1"}), syncPolicy={})
    first = reconcile(bed, repository)
    commit = repository.commit({"manual/0.yaml": yaml.safe_dump(manifest("ConfigMap", "manual", 0, "default", data={"a": "2"}))})
    second = reconcile(bed, repository)
    figure("a commit to an Application that is not automated", f"{second.seconds:.1f} s")

    assert (first.status, second.status, live(bed, "manual")["status"]["sync"]["revision"]) == (0, 0, commit)
    assert live(bed, "manual")["status"]["operationState"]["operation"]["initiatedBy"] == {"username": "gitops-secrets"}


def test_fields_that_the_cluster_fills_in_are_out_of_sync_for_good(bed: Bed) -> None:
    spec = {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": "a"}}]}
    secret = manifest("ExternalSecret", "defaulted", 0, "default", "external-secrets.io/v1", spec=spec)
    plain = served(bed, "defaulted", secret)
    compared = application("defaulted", plain.url, "defaulted")
    bed.api.apply(compared)
    wait_until(lambda: live(bed, "defaulted").get("status", {}).get("operationState", {}).get("phase") == "Succeeded", "it is synced", timeout=180)
    wait_until(lambda: live(bed, "defaulted")["status"]["sync"]["status"] == "OutOfSync", "it is out of sync all the same", timeout=180)
    compared["metadata"]["annotations"]["argocd.argoproj.io/compare-options"] = "ServerSideDiff=true"
    bed.api.apply(compared)
    bed.api.patch(APPLICATION, NAMESPACE, "defaulted", {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}})

    assert wait_until(lambda: live(bed, "defaulted")["status"]["sync"]["status"] == "Synced", "it is in sync", timeout=180) > 0.0


def test_flux_brings_an_application_and_both_are_asked_in_one_run(bed: Bed, figure: Figure) -> None:
    repository = bed.git.repository("mixed")
    kustomization = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "applications", "namespace": flux.NAMESPACE},
        "spec": {"interval": "10m", "path": "./applications", "prune": True, "wait": True, "sourceRef": {"kind": "GitRepository", "name": "mixed"}},
    }
    source = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "mixed", "namespace": flux.NAMESPACE},
        "spec": {"interval": "1m", "url": repository.url, "ref": {"branch": "main"}},
    }
    repository.commit(
        {
            "cluster/all.yaml": yaml.safe_dump_all([source, kustomization]),
            "applications/mixed.yaml": yaml.safe_dump(application("mixed", repository.url, "mixed", syncPolicy={})),
            "mixed/settings.yaml": yaml.safe_dump(manifest("ConfigMap", "mixed", 0, "default")),
        }
    )
    bed.api.apply(source)
    done = reconcile(bed, repository, "--format", "json")
    figure("Flux and Argo CD in one run", f"{done.seconds:.0f} s")

    assert done.status == 0, done.output + done.errors
    assert (done.document["run"]["engine"], done.document["run"]["synced"], is_well(live(bed, "mixed"))) == ("flux", 1, True)
