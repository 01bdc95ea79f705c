"""What the Job may do, no more and no less: without any one of its permissions it says which is missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.e2e.bed import permissions, sample, tool
from tests.e2e.bed.api import GIT_REPOSITORY, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.control_plane import write_kubeconfig
from tests.e2e.bed.permissions import Permission
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.programs import ROOT

MANIFESTS = ROOT / "base" / "gitops-secrets"
SERVICE_ACCOUNT = ("gitops-secrets", "gitops-secrets")
SOURCE = ("--source", "GitRepository/flux-system/flux-system", "overlays/development/flux")

COMMANDS = {"reconcile": ("--force-sync", "--timeout", "20s"), "verify": ()}


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
        proxied = write_kubeconfig(folder / "proxied", proxy.url, permissions.token_in(kubeconfig), bed.api.certificate_authority)
        for command in ("reconcile", "verify"):
            done = tool.run(command, *SOURCE, directory=folder, kubeconfig=proxied)
            assert done.status == 0, done.output + done.errors
        return permissions.asked(proxy.requests)


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
        permissions.replace(bed, permissions.without(role, permission))
        wait_until(partial(permissions.is_denied, bed, SERVICE_ACCOUNT, permission), f"{permission} is taken away")
        runs = [tool.run(command, *SOURCE, *limit, directory=tmp_path, kubeconfig=kubeconfig) for command, limit in COMMANDS.items()]
        told = " ".join(text for run in runs for text in (run.output + run.errors).split())
        if permission.denial not in told:
            unnamed.append(permission)
    figure("permissions of the Job that are named when they are taken away", f"{len(used) - len(unnamed)} of {len(used)}")

    assert unnamed == []
