"""gitops-secrets itself, as a user starts it: a process of its own, with the working tree of this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.bed.programs import ROOT

COMMAND = (sys.executable, "-c", "from gitops_secrets.cli.main import main; main()")


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


def environment() -> dict[str, str]:
    """The caller's, with this checkout's package first."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def run(*arguments: str | Path, directory: Path, timeout: float = 900.0) -> Result:
    """Runs the tool in `directory` and waits for its end, whatever its exit status."""
    started = time.monotonic()
    command = [*COMMAND, *(str(argument) for argument in arguments)]
    done = subprocess.run(command, cwd=directory, env=environment(), capture_output=True, text=True, check=False, timeout=timeout)
    return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


@contextmanager
def running(*arguments: str | Path, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Starts the tool, and kills it at the end of a `with` if it still runs."""
    command = [*COMMAND, *(str(argument) for argument in arguments)]
    with subprocess.Popen(command, cwd=directory, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
