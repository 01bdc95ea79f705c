"""The command line: what it knows of a run is its arguments and its exit status.

Exit status: 0 all is well; 1 the thing looked at is not well; 2 wrong usage; 3 the outside failed; 4 time limit; 130 interrupted.
"""

from __future__ import annotations

import os.path
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from types import MappingProxyType
from typing import Any, NoReturn

import click

from gitops_secrets import __version__
from gitops_secrets.errors import GitopsSecretsError

INTERRUPTED = 130
# Frames for the deepest nesting that `--limit` allows; Python's own limit is for less.
FRAMES = 12_000
# A bug says nothing about the repository, so it must not look like a finding (1) or like wrong usage (2).
BUG = 3

# The names under which kubectl and flux find their plugins, and how people call those.
_PROGRAM_NAMES = {"kubectl-gitops_secrets": "kubectl gitops-secrets", "flux-gitops-secrets": "flux gitops-secrets"}
# The commands, each in the module of `cli` that says what it does in these words. A module is imported when its command is run, not for `--help`.
COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "check": ("check", "Say what is wrong or missing in the order, with evidence."),
        "controller": (
            "controller",
            "Follow one source inside of the cluster: have Flux apply each artifact in order, and say how it stands in status, events and metrics.",
        ),
        "diff": ("diff", "Say what a change does to the graph: what lies between BASE and HEAD, or between BASE and the files on disk."),
        "explain": ("check", "Show the page of a RULE; without one, list all rules."),
        "fix": ("fix", "Mend what has one right answer: write what the findings' fixes say into the files, all other bytes kept."),
        "generate": ("generate", "Write what orders a repository that has no order yet, or a new environment."),
        "plan": ("plan", "Show the order: levels, the dependsOn to be, what gates each edge, and what it costs at worst."),
        "reconcile": ("reconcile", "Bring a cluster to what the repository says, in the order of its graph, and wait until every secret is there."),
        "render": ("render", "Show what kustomize would build of DIR, as YAML."),
        "scan": ("scan", "Build the graph of what depends on what, and show it."),
        "trace": ("trace", "Follow the chain through THING both ways: provider key, store, ExternalSecret, Secret, workload, unit."),
        "verify": ("verify", "Look whether every secret is in a cluster and in sync, and say what it hangs on where one is not."),
    }
)


class Program(click.Group):
    """The group of all commands; turns every way in which one can end into an exit status and a few lines on standard error."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, sorted."""
        return sorted({*COMMANDS, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, with its module."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"gitops_secrets.cli.{COMMANDS[cmd_name][0]}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing what it is about."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **__: Any) -> NoReturn:
        """Runs one command and leaves the process. Tracebacks are shown only with `--debug`."""
        arguments = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in arguments
        sys.setrecursionlimit(max(FRAMES, sys.getrecursionlimit()))
        try:
            status = super().main(arguments, _program_name(), complete_var="_GITOPS_SECRETS_COMPLETE", standalone_mode=False)
        except (click.ClickException, click.Abort, GitopsSecretsError) as error:
            sys.exit(_failed(error, debug=debug))
        except Exception as error:  # noqa: BLE001  a bug must not look like a result
            if debug:
                _show_traceback(error)
            else:
                _say(f"error: this is a bug in gitops-secrets: {type(error).__name__}", "run it again with --debug, and report what it prints")
            sys.exit(BUG)
        sys.exit(status if isinstance(status, int) else 0)


def _failed(error: click.ClickException | click.Abort | GitopsSecretsError, *, debug: bool) -> int:
    if isinstance(error, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    if debug:
        _show_traceback(error)
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    _say(*f"error: {error}".split("\n"))
    return error.exit_code


def _show_traceback(error: BaseException) -> None:
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)


def _say(*lines: str) -> None:
    """Lines on standard error. They may quote names from the repository."""
    from gitops_secrets.report.escape import inert, visible

    for line in lines:
        click.echo(inert(visible(line)), err=True)


def _program_name() -> str:
    name = os.path.basename(sys.argv[0])  # noqa: PTH119  `--help` feels the import of pathlib
    return _PROGRAM_NAMES.get(name, "gitops-secrets")


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, "--version", message="%(prog)s %(version)s")
def cli() -> None:
    """The order that a GitOps repository needs: what depends on what, what is missing in it, and how to write it.

    Nothing is fetched, and only reconcile, verify and controller ask a cluster.
    """


def main() -> NoReturn:
    """Entry point of `gitops-secrets`, `kubectl gitops-secrets` and `flux gitops-secrets`."""
    try:
        cli.main()
    except SystemExit as done:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # closed, by the caller or by who reads it
                stream.flush()
        # Nobody has to wait until all that was made is freed piece by piece.
        os._exit(done.code if isinstance(done.code, int) else BUG)
