"""Argo CD on a bed: its application controller, repo-server and ApplicationSet controller, with their settings. No API server, no user interface."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import urllib3
import yaml

from tests.e2e.bed.api import ApiError, Kind, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.flux import wait_until_established
from tests.e2e.bed.processes import free_port, listens, wait_until
from tests.e2e.bed.programs import ROOT

NAMESPACE = "argocd"
APPLICATION = Kind("argoproj.io/v1alpha1", "applications")
# Health for Applications, without which their waves wait for nothing; charts in kustomizations.
SETTINGS: dict[str, str] = yaml.safe_load((ROOT / "overlays/argo/bootstrap/argocd-cm.yaml").read_text())["data"]


def start(bed: Bed, *, server_side_diff: bool = True) -> None:
    """Applies CRDs and settings, and starts the programs.

    The bed's operator is older than the platform's, and fills in fields: to a diff on the client's side its ExternalSecrets are never in sync.
    """
    api, built, folder = bed.api, bed.programs, bed.folder / "argo-cd"
    folder.mkdir()
    crds = [yaml.load(file.read_text(), yaml.CSafeLoader) for file in sorted(built.asset("argo-cd", "crds").glob("*-crd.yaml"))]
    for crd in crds:
        api.apply(crd)
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for file in sorted(built.asset("argo-cd", "settings").glob("argocd-*.yaml")):
        api.apply(_own(yaml.safe_load(file.read_text()), SETTINGS))
    wait_until_established(api, crds)
    wait_until(lambda: _is_served(bed, "AppProject"), "discovery lists what is established")
    everything = [{"group": "*", "kind": "*"}]
    project("default", bed, sourceRepos=["*"], destinations=[{"server": "*", "namespace": "*"}], clusterResourceWhitelist=everything)

    redis, repo_server = free_port(), free_port()
    bed.processes.start("redis", [built.binary("argo-cd", "redis"), f"127.0.0.1:{redis}"], ready=partial(listens, redis))
    tools = f"{built.binary('repo-server-tools', 'helm').parent}:{os.environ['PATH']}"
    common = {
        # What Applications call https://kubernetes.default.svc is the bed's API server.
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "KUBECONFIG": str(bed.kubeconfig),
        "ARGOCD_GPG_ENABLED": "false",
        "PATH": tools,
        **{f"ARGOCD_{kind}_DATA_PATH": str(_folder(folder / kind.lower())) for kind in ("TLS", "SSH", "GPG")},
    }

    def part(name: str, *options: str, port: int) -> None:
        program = folder / f"argocd-{name}"
        program.symlink_to(built.binary("argo-cd", "argocd"))
        environment = {**common, "HOME": str(_folder(folder / f"{name}-home")), "TMPDIR": str(_folder(folder / f"{name}-tmp"))}
        namespaced = ("--kubeconfig", str(bed.kubeconfig), "--namespace", NAMESPACE) if name != "repo-server" else ()
        bed.processes.start(program.name, [program, *namespaced, *options], environment=environment, ready=partial(listens, port))

    part(
        "repo-server",
        *(f"--redis=127.0.0.1:{redis}", "--disable-tls", "--parallelismlimit=1", "--address=127.0.0.1", f"--port={repo_server}", "--metrics-address=127.0.0.1"),
        f"--metrics-port={free_port()}",
        port=repo_server,
    )
    metrics = free_port()
    part(
        "application-controller",
        *(f"--redis=127.0.0.1:{redis}", f"--repo-server=127.0.0.1:{repo_server}", "--repo-server-plaintext", f"--metrics-port={metrics}"),
        *(("--server-side-diff-enabled",) if server_side_diff else ()),
        port=metrics,
    )
    probes = free_port()
    part(
        "applicationset-controller",
        *(f"--argocd-repo-server=127.0.0.1:{repo_server}", "--repo-server-plaintext", f"--metrics-addr=127.0.0.1:{free_port()}"),
        f"--probe-addr=127.0.0.1:{probes}",
        port=probes,
    )


def project(name: str, bed: Bed, **spec: Any) -> None:
    """Applies an AppProject."""
    bed.api.apply({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})


def application(name: str, url: str, path: str, wave: int = 0, **spec: Any) -> Object:
    """An Application that Argo CD syncs by itself, unless `spec` says otherwise."""
    usual = {
        "project": "default",
        "source": {"repoURL": url, "targetRevision": "main", "path": path},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": name},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["ServerSideApply=true"]},
    }
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": {"argocd.argoproj.io/sync-wave": str(wave)}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": usual | spec}


def is_well(application: Object) -> bool:
    """Is it Synced and Healthy, and does it not sync?"""
    status = application.get("status", {})
    running = "operation" in application or status.get("operationState", {}).get("phase") == "Running"
    return status.get("sync", {}).get("status") == "Synced" and status.get("health", {}).get("status") == "Healthy" and not running


def _own(setting: Object, data: dict[str, str]) -> Object:
    """One of Argo CD's own settings, in its namespace."""
    name = setting["metadata"]["name"]
    own = {**setting, "metadata": {**setting["metadata"], "namespace": NAMESPACE}}
    if name == "argocd-cm":
        return {**own, "data": {**setting.get("data", {}), **data}}
    # The controllers wait for a key of this one.
    return {**own, "stringData": {"server.secretkey": "a bed's own"}} if name == "argocd-secret" else own


def _is_served(bed: Bed, kind: str) -> bool:
    try:
        return bed.api.kind_of("argoproj.io/v1alpha1", kind) is not None
    except ApiError:
        return False


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@dataclass(frozen=True, slots=True)
class Try:
    """A try of a sync that failed."""

    application: str
    seconds: float  # since the history began
    message: str


class SyncHistory:
    """Watches how the syncs of Applications end, until the bed does."""

    def __init__(self, bed: Bed) -> None:
        self._api = bed.api
        self._started = time.monotonic()
        self._failed: list[Try] = []
        Thread(target=self._follow, name="history of syncs", daemon=True).start()

    @property
    def failed(self) -> tuple[Try, ...]:
        """The tries that failed, those that Argo CD itself makes anew among them."""
        return tuple(self._failed)

    def _follow(self) -> None:
        last: dict[str, tuple[str, int, str]] = {}
        while True:
            try:
                for _, thing in self._api.watch(APPLICATION, seconds=300):
                    self._note(last, thing)
            except (ApiError, OSError, urllib3.exceptions.HTTPError):
                time.sleep(0.1)

    def _note(self, last: dict[str, tuple[str, int, str]], thing: Object) -> None:
        state = thing.get("status", {}).get("operationState")
        if state is None:
            return
        name, now = thing["metadata"]["name"], (state["startedAt"], state.get("retryCount", 0), state["phase"])
        before = last.get(name, ("", 0, ""))
        last[name] = now
        is_retry = now[0] == before[0] and now[1] > before[1]
        ended = now[2] in ("Failed", "Error") and now != before
        # What does not build, because a chart could not be fetched at that moment, has nothing to do with the order.
        if (is_retry or ended) and not state.get("message", "").startswith("ComparisonError"):
            self._failed.append(Try(name, time.monotonic() - self._started, state.get("message", "")))
