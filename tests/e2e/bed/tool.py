"""gitops-secrets itself, as a user starts it: a process of its own, with the working tree of this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.bed.programs import ROOT

COMMAND = (sys.executable, "-c", "from gitops_secrets.cli.main import main; main()")
# Runs a command and says how much memory it took at most, in KiB.
_MEASURED = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=2); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


@dataclass(frozen=True, slots=True)
class Result:
    """How one run ended."""

    status: int
    output: str
    errors: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        """The output of `--format json`."""
        document: dict[str, Any] = json.loads(self.output)
        return document

    @property
    def first_line(self) -> str:
        """Where a verification says what is wrong."""
        return self.output.partition("\n")[0]


def environment() -> dict[str, str]:
    """The caller's, with this checkout's package first."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def run(*arguments: str | Path, directory: Path, kubeconfig: Path | None = None, timeout: float = 900.0) -> Result:
    """Runs the tool in `directory` and waits for its end, whatever its exit status."""
    started = time.monotonic()
    with running(*arguments, directory=directory, kubeconfig=kubeconfig) as process:
        output, errors = process.communicate(timeout=timeout)
    return Result(process.returncode, output, errors, time.monotonic() - started)


@contextmanager
def running(*arguments: str | Path, directory: Path, kubeconfig: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Starts the tool, and kills it at the end of a `with` if it still runs."""
    command = _command(arguments, kubeconfig)
    with subprocess.Popen(command, cwd=directory, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def peak_memory(*arguments: str | Path, directory: Path, kubeconfig: Path) -> float:
    """The MiB that a run of the tool takes at most."""
    command = [sys.executable, "-c", _MEASURED, *_command(arguments, kubeconfig)]
    measured = subprocess.run(command, cwd=directory, env=environment(), capture_output=True, text=True, check=True, timeout=300)
    return int(measured.stdout) / 1024


def _command(arguments: Sequence[str | Path], kubeconfig: Path | None) -> list[str]:
    return [*COMMAND, *map(str, arguments), *(("--kubeconfig", str(kubeconfig)) if kubeconfig is not None else ())]
