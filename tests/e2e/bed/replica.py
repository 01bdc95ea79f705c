"""gitops-secrets controller as its Deployment runs it: with the token of its service account, and so with no more than its permissions."""

from __future__ import annotations

import subprocess
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from tests.e2e.bed import tool
from tests.e2e.bed.api import Kind, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.flux import wait_until_established
from tests.e2e.bed.processes import Process, free_port, listens
from tests.e2e.bed.programs import ROOT

OVERLAY = ROOT / "overlays" / "controller"
NAMESPACE, NAME, SERVICE_ACCOUNT = "gitops-secrets", "gitops-secrets", "gitops-secrets-controller"
SOURCE_VERIFICATION = Kind("gitops-secrets.dev/v1alpha1", "sourceverifications")
LEASE = Kind("coordination.k8s.io/v1", "leases")


def manifests(bed: Bed) -> list[Object]:
    """What the overlay applies."""
    built = subprocess.run([bed.programs.binary("kubernetes", "kubectl"), "kustomize", OVERLAY], capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(built))


def install(bed: Bed) -> None:
    """Applies all of the overlay but the Deployment, whose part `start` plays."""
    found = manifests(bed)
    for manifest in found:
        if manifest["kind"] not in ("Deployment", "SourceVerification"):
            bed.api.apply(manifest)
    wait_until_established(bed.api, [manifest for manifest in found if manifest["kind"] == "CustomResourceDefinition"])
    bed.api.apply(next(manifest for manifest in found if manifest["kind"] == "SourceVerification"))


def arguments(bed: Bed) -> list[str]:
    """Those of the container, but for what a test puts in their place."""
    deployment = next(manifest for manifest in manifests(bed) if manifest["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    return [argument for argument in container["args"] if not argument.startswith(("--source=", "--events-addr=", "overlays/"))]


@dataclass(frozen=True, slots=True)
class Replica:
    """One that runs."""

    process: Process
    port: int

    def ask(self, path: str) -> str:
        """What its endpoint answers, as Prometheus would ask."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Accept": "application/openmetrics-text"})
        with urllib.request.urlopen(request, timeout=10) as response:
            text: str = response.read().decode()
            return text

    @property
    def log(self) -> str:
        return self.process.log.read_text()

    @property
    def peak(self) -> int:
        """The most memory that it has had, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) // 1024

    @property
    def leads(self) -> bool:
        return "gitops_secrets_leader 1.0" in self.ask("/metrics")


def start(bed: Bed, name: str, source: str, *options: str, path: str = ".", kubeconfig: Path | None = None) -> Replica:
    """Starts a replica that follows `source`."""
    port = free_port()
    given = [*arguments(bed), path, f"--source={source}", f"--listen=127.0.0.1:{port}", *options]
    account = kubeconfig or bed.kubeconfig_of(NAMESPACE, SERVICE_ACCOUNT)
    process = bed.processes.start(
        name,
        [*tool.COMMAND, *given],
        environment=tool.environment() | {"KUBECONFIG": str(account), "RUNTIME_NAMESPACE": NAMESPACE},
        ready=partial(listens, port),
    )
    return Replica(process, port)


def standing(bed: Bed) -> Object:
    """The SourceVerification."""
    return bed.api.get(SOURCE_VERIFICATION, NAMESPACE, NAME) or {}
