"""Flux' source-, kustomize- and helm-controller, with their CRDs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from tests.e2e.bed.api import CUSTOM_RESOURCE_DEFINITION, Api, Object, ready_condition
from tests.e2e.bed.control_plane import ControlPlane
from tests.e2e.bed.processes import Processes, free_port, listens, wait_until
from tests.e2e.bed.programs import Programs

NAMESPACE = "flux-system"
ARTIFACTS = "artifacts"  # folder of the bed that source-controller stores in


@dataclass(frozen=True, slots=True)
class Settings:
    """What tests vary; the defaults are Flux' own."""

    requeue_dependency: str = "30s"
    concurrent: int = 4


def start(programs: Programs, processes: Processes, cluster: ControlPlane, folder: Path, settings: Settings) -> None:
    """Applies the CRDs, makes the namespace, and starts the controllers."""
    crds = [
        document
        for file in sorted(programs.asset("flux", "crds").rglob("*.yaml"))
        for document in yaml.load_all(file.read_text(), yaml.CSafeLoader)
        if document
    ]
    for crd in crds:
        cluster.api.apply(crd)
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    wait_until_established(cluster.api, crds)  # helm-controller ends if its CRD is not served yet

    storage = folder / ARTIFACTS
    storage.mkdir()
    address = f"127.0.0.1:{free_port()}"
    options = {
        "source-controller": (f"--storage-path={storage}", f"--storage-addr={address}", f"--storage-adv-addr={address}"),
        "kustomize-controller": (f"--requeue-dependency={settings.requeue_dependency}", f"--concurrent={settings.concurrent}"),
        "helm-controller": (f"--requeue-dependency={settings.requeue_dependency}", f"--concurrent={settings.concurrent}"),
    }
    for name, own in options.items():
        port = free_port()
        scratch = folder / name
        scratch.mkdir()
        processes.start(
            name,
            [programs.binary("flux", name), *own, f"--metrics-addr=127.0.0.1:{port}", f"--health-addr=127.0.0.1:{free_port()}", "--events-addr="],
            environment={"KUBECONFIG": str(cluster.kubeconfig), "RUNTIME_NAMESPACE": NAMESPACE, "TMPDIR": str(scratch)},
            ready=partial(listens, port),
        )


def wait_until_established(api: Api, crds: list[Object]) -> None:
    for crd in crds:
        name = crd["metadata"]["name"]

        def established(name: str = name) -> bool:
            served = api.get(CUSTOM_RESOURCE_DEFINITION, "", name)
            return served is not None and ready_condition(served, "Established").get("status") == "True"

        wait_until(established, f"the API server serves {name}")
