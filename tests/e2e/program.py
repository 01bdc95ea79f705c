"""The program itself, as a user runs it: its own process, with a kubeconfig."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.bed import flux
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.git_server import Repository
from tests.e2e.bed.programs import ROOT
from tests.e2e.bed.sample import SOURCE

_PROGRAM = (sys.executable, "-W", "ignore", "-c", "from gitops_secrets.cli.main import main; main()")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a call ended."""

    status: int
    output: str
    log: str
    seconds: float

    @property
    def document(self) -> Any:
        """The output of a call with `--format json`."""
        return json.loads(self.output)


def start(kubeconfig: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the program."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*_PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run(kubeconfig: Path, *arguments: str, timeout: float = 600.0) -> Ran:
    """Runs it to its end."""
    started = time.monotonic()
    process = start(kubeconfig, *arguments)
    output, log = process.communicate(timeout=timeout)
    return Ran(process.returncode, output, log, time.monotonic() - started)


def apply_source(bed: Bed, repository: Repository) -> None:
    """The GitRepository alone: what reads it is for the program to apply."""
    bed.api.apply(
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": SOURCE, "namespace": flux.NAMESPACE},
            "spec": {"interval": "1m", "url": repository.url, "ref": {"branch": "main"}},
        }
    )


def kustomization(name: str, path: str, *depends_on: str, **fields: Any) -> str:
    """A Flux Kustomization as JSON, which is YAML."""
    spec = {
        "interval": "10m",
        "prune": True,
        "wait": True,
        "path": f"./{path}",
        "sourceRef": {"kind": "GitRepository", "name": SOURCE},
        "dependsOn": [{"name": each} for each in depends_on],
        **fields,
    }
    metadata = {"name": name, "namespace": flux.NAMESPACE}
    return json.dumps({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata, "spec": spec})


def config_map(name: str, value: str) -> str:
    """A ConfigMap as JSON."""
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {"value": value}})
