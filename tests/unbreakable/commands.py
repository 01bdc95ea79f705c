"""Every command in every format, read off the command line itself: a new format is put to the test the moment it exists."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_secrets.cli.main import cli

THING = "Deployment/neighbour/web"
# Read no repository, or one in a cluster.
NOT_RUN = frozenset({"controller", "explain"})
OF_A_CHANGE = frozenset({"suggestions"})
# Of a cluster that does not answer: what acts on one gets as far as it can without.
ELSEWHERE = ("--kubeconfig", str(Path(__file__).with_name("nobody.kubeconfig")))


def formats(name: str) -> tuple[str, ...]:
    """What `--format` of a command can be."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return next(tuple(option.type.choices) for option in command.params if option.name == "format_" and isinstance(option.type, click.Choice))


def format_of(arguments: tuple[str, ...]) -> str:
    """What a call writes."""
    if "--format" in arguments:
        return arguments[arguments.index("--format") + 1]
    return "yaml" if arguments[0] == "render" else "text"


def in_all_formats(*arguments: str) -> list[tuple[str, ...]]:
    """A call of a command, once for each format that it has."""
    return [(*arguments, "--format", format_) for format_ in formats(arguments[0]) if format_ not in OF_A_CHANGE]


def commands(*, briefly: bool = False) -> list[tuple[str, ...]]:
    """What is run in a repository: all that reads one; `briefly`, each part of the program once."""
    if briefly:
        return [("scan", "--format", "json"), ("check", "--format", "json"), ("plan",), ("render", "neighbour"), ("render", "case")]
    return [
        *in_all_formats("scan"),
        ("scan", "--format", "json", "--resources"),
        *in_all_formats("check"),
        ("check", "-v"),
        *in_all_formats("plan"),
        ("plan", "--teardown"),
        *in_all_formats("trace", THING),
        ("fix", "--diff"),
        ("render", "neighbour"),
        ("render", "case"),
        ("generate", "flux", "neighbour", "--check"),
        ("generate", "flux", "case", "--check"),
        ("generate", "argo", "neighbour", "--check", "--repository", "ssh://git@example.org/platform.git"),
        ("generate", "argo", "case", "--diff", "--repository", "ssh://git@example.org/platform.git"),
        ("generate", "overlay", "fresh", "--from", "case", "--diff"),
    ]


def commands_of_a_cluster() -> list[tuple[str, ...]]:
    """What acts on a cluster. It waits some seconds for one that does not answer."""
    return [("verify", *ELSEWHERE), ("reconcile", "--dry-run", *ELSEWHERE)]


def commands_of_a_change(base: str = "HEAD~1") -> list[tuple[str, ...]]:
    """What is run where something bad has come since a commit."""
    return [
        *in_all_formats("diff", base),
        ("diff", base, "--full"),
        ("check", "--base", base, "--format", "suggestions"),
        ("check", "--base", base, "--format", "markdown"),
    ]
