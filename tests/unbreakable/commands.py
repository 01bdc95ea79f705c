"""Every command in every format, read off the command line itself: a new format is put to the test the moment it exists."""

from __future__ import annotations

import click

from gitops_secrets.cli.main import cli

THING = "Deployment/neighbour/web"
# They read no repository, need two states of one, or a cluster.
NOT_RUN = frozenset({"controller", "explain", "diff", "reconcile", "verify"})
OF_A_CHANGE = frozenset({"suggestions"})


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
    ]
