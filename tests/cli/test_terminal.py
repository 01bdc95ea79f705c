"""What only shows on a real terminal: colour and progress, through a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "from gitops_secrets.cli.main import main; main()"]


def on_terminal(*arguments: str, **variables: str) -> tuple[str, str, int]:
    """Standard output, standard error and exit status of the program when standard error is a terminal; standard output is one too if `BOTH` is given."""
    both = variables.pop("BOTH", "")
    controller, terminal = pty.openpty()
    environment = (
        {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")} | {"TERM": "xterm", "COLUMNS": "90"} | variables
    )
    process = subprocess.Popen([*PROGRAM, *arguments], stdout=terminal if both else subprocess.PIPE, stderr=terminal, env=environment)
    os.close(terminal)
    output = process.stdout.read().decode() if process.stdout is not None else ""
    if process.stdout is not None:
        process.stdout.close()
    shown = b""
    while True:
        try:
            chunk = os.read(controller, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(controller)
    return output, shown.decode(), process.wait()


def test_progress_goes_to_the_terminal_and_never_into_the_result(repository: Path) -> None:
    output, shown, status = on_terminal("scan", "--format", "json")

    assert status == 0
    assert output.startswith("{")
    assert "ordering" in shown or "reading" in shown


@pytest.mark.parametrize("flag", ["--no-progress", "--quiet"])
def test_progress_can_be_switched_off(repository: Path, flag: str) -> None:
    assert on_terminal("scan", flag)[1] == ""


def test_a_terminal_gets_colour_unless_the_user_wants_none(repository: Path) -> None:
    coloured, plain = (on_terminal("scan", "--no-progress", BOTH="1", **variables)[1] for variables in ({}, {"NO_COLOR": "1"}))

    assert "\x1b[" in coloured
    assert "\x1b" not in plain
