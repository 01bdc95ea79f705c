from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from gitops_secrets import __version__
from gitops_secrets.cli.main import COMMANDS, Program, cli
from gitops_secrets.errors import OutsideError, UsageError

Run = Callable[..., Result]

PROGRAM = [sys.executable, "-c", "from gitops_secrets.cli.main import main; main()"]
HEAVY = ("networkx", "git", "kubernetes", "yaml", "rich")


def ending_with(error: BaseException, *arguments: str) -> Result:
    """The result of a program whose one command ends with `error`."""

    @click.command()
    @click.option("--debug", is_flag=True)
    def fail(debug: bool) -> None:
        raise error

    return CliRunner().invoke(Program(commands=[fail]), ["fail", *arguments])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    assert (command.name, command.get_short_help_str(limit=200)) == (name, COMMANDS[name][1])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "--help"], ["generate", "flux", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from gitops_secrets.cli.main import cli
try:
    cli.main()
except SystemExit as ended:
    print(ended.code, [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "0 []"


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").output == f"gitops-secrets {__version__}\n"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("gitops-secrets", "gitops-secrets"), ("kubectl-gitops_secrets", "kubectl gitops-secrets"), ("flux-gitops-secrets", "flux gitops-secrets")],
)
def test_a_plugin_calls_itself_as_its_host_does(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, shown: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"/usr/local/bin/{name}"])

    assert run("--help").stdout.startswith(f"Usage: {shown} ")


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["scan", "--no-such-flag"], ["check", "--fail-on", "sometimes"], ["scan", "--format", "svg"], ["trace"]], ids=" ".join
)
def test_wrong_usage_is_exit_2(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(("error", "status"), [(UsageError("no"), 2), (OutsideError("no"), 3), (KeyboardInterrupt(), 130), (ValueError("no"), 3)], ids=repr)
def test_each_end_has_its_exit_status(error: BaseException, status: int) -> None:
    assert ending_with(error).exit_code == status


def test_an_error_is_its_message_without_a_traceback() -> None:
    result = ending_with(UsageError("apps/a.yaml:3: no such thing\ntry another"))

    assert result.stderr == "error: apps/a.yaml:3: no such thing\ntry another\n"


def test_debug_shows_the_traceback() -> None:
    result = ending_with(UsageError("no such thing"), "--debug")

    assert result.stderr.startswith("Traceback")
    assert result.exit_code == 2


def test_a_bug_shows_no_text_that_could_hold_a_value() -> None:
    result = ending_with(ValueError("s3cr3t"))

    assert "s3cr3t" not in result.output
    assert "ValueError" in result.stderr


def test_an_error_shows_names_without_characters_that_act() -> None:
    result = ending_with(UsageError("no \x1b[31m‮"))

    assert result.stderr == "error: no \\x1b[31m\\u202e\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen([*PROGRAM, "explain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()

    assert (process.wait(), errors) == (0, "")


def test_a_closed_standard_output_is_no_error() -> None:
    done = subprocess.run(["/bin/sh", "-c", '"$@" >&-', "sh", *PROGRAM, "explain"], stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
