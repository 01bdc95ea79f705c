"""What the Job may do, no more and no less: without any one of its permissions it says which is missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.e2e.bed import sample, tool
from tests.e2e.bed.api import GIT_REPOSITORY, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.control_plane import write_kubeconfig
from tests.e2e.bed.faults import Request
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.programs import ROOT

MANIFESTS = ROOT / "base" / "gitops-secrets"
SERVICE_ACCOUNT = ("gitops-secrets", "gitops-secrets")
SOURCE = ("--source", "GitRepository/flux-system/flux-system", "overlays/development/flux")

COMMANDS = {"reconcile": ("--force-sync", "--timeout", "20s"), "verify": ()}


class Permission(NamedTuple):
    """One verb on one resource."""

    verb: str
    group: str
    resource: str


def asked_for(request: Request) -> Permission | None:
    """What the API server's authorizer is asked for by a request; None where that is no resource."""
    path = request.path.partition("?")[0]
    root, *parts = path.strip("/").split("/")
    group, parts = ("", parts[1:]) if root == "api" else (parts[0], parts[2:]) if len(parts) > 1 else ("", [])
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    if root not in ("api", "apis") or not parts:
        return None
    verb = "patch" if request.method == "PATCH" else "get" if len(parts) > 1 else "watch" if request.is_watch else "list"
    return Permission(verb, group, parts[0])


def role_without(role: Object, left_out: Permission | None) -> Object:
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if Permission(verb, group, resource) != left_out
    ]
    return role | {"rules": rules}


def install(bed: Bed) -> Object:
    """Applies namespace, service account and role of the Job; the role."""
    files = (MANIFESTS / f"{name}.yaml" for name in ("namespace/namespace", "service-account", "role"))
    manifests = [document for file in files for document in yaml.safe_load_all(file.read_text()) if document]
    for manifest in manifests:
        bed.api.apply(manifest)
    return next(manifest for manifest in manifests if manifest["kind"] == "ClusterRole")


def used_by(bed: Bed, kubeconfig: Path, folder: Path) -> set[Permission]:
    """What an undisturbed run asks for, seen from a proxy before the API server."""
    with bed.proxied() as (proxy, _):
        proxied = write_kubeconfig(folder / "proxied", proxy.url, token_in(kubeconfig), bed.api.certificate_authority)
        for command in ("reconcile", "verify"):
            done = tool.run(command, *SOURCE, directory=folder, kubeconfig=proxied)
            assert done.status == 0, done.output + done.errors
        return {permission for request in proxy.requests if (permission := asked_for(request)) is not None}


def token_in(kubeconfig: Path) -> str:
    token: str = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    return token


def test_the_job_needs_no_more_than_its_role_and_reads_what_flux_has_fetched(bed: Bed, tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    platform = sample.serve(bed, "development")
    # What Flux applies from git is only asked; the entry point is the administrator's.
    sample.bootstrap(bed, platform)
    install(bed)
    kubeconfig = bed.kubeconfig_of(*SERVICE_ACCOUNT)
    wait_until(lambda: bool(bed.api.list(GIT_REPOSITORY)[0].get("status", {}).get("artifact")), "the source has an artifact")
    ran = tool.run("reconcile", *SOURCE, "--format", "json", directory=tmp_path, kubeconfig=kubeconfig)
    assert ran.status == 0, ran.output + ran.errors
    verified = tool.run("verify", *SOURCE, directory=tmp_path, kubeconfig=kubeconfig)
    figure("reconcile with the role of the job", f"{ran.document['run']['seconds']:.0f} s")

    assert verified.status == 0, verified.output + verified.errors
    assert ran.document["run"]["withheld"] == []
    assert platform.canary not in ran.output + ran.errors


@pytest.mark.full
def test_without_any_one_of_its_permissions_the_job_names_it(bed: Bed, tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    platform = sample.serve(bed, "development")
    sample.bootstrap(bed, platform)
    role = install(bed)
    kubeconfig = bed.kubeconfig_of(*SERVICE_ACCOUNT)
    wait_until(lambda: sample.is_ready(bed, platform), "the platform is up", timeout=300, interval=0.5)
    used = used_by(bed, kubeconfig, tmp_path)
    unnamed = []
    for permission in sorted(used):
        bed.api.request("PUT", "/apis/rbac.authorization.k8s.io/v1/clusterroles/gitops-secrets", role_without(role, permission))
        # The authorizer learns of it from a watch.
        wait_until(partial(is_denied, bed, permission), f"{permission} is taken away")
        runs = [tool.run(command, *SOURCE, *limit, directory=tmp_path, kubeconfig=kubeconfig) for command, limit in COMMANDS.items()]
        told = " ".join(text for run in runs for text in (run.output + run.errors).split())
        if f'cannot {permission.verb} resource "{permission.resource}"' not in told:
            unnamed.append(permission)
    figure("permissions of the Job that are named when they are taken away", f"{len(used) - len(unnamed)} of {len(used)}")

    assert unnamed == []


def is_denied(bed: Bed, permission: Permission) -> bool:
    attributes = {"verb": permission.verb, "group": permission.group, "resource": permission.resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": ":".join(("system", "serviceaccount", *SERVICE_ACCOUNT)), "resourceAttributes": attributes},
    }
    return not bed.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]
