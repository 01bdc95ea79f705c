"""`gitops-secrets render`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.options import Call, PathType, reading_options
from gitops_secrets.cli.output import note, write

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("directory", metavar="DIR", type=PathType())
@reading_options
def render(directory: Path, call: Call) -> None:
    """Show what kustomize would build of DIR, as YAML. Values of Secrets are left out."""
    from gitops_secrets.pipeline.render import render as build
    from gitops_secrets.pipeline.scan import open_repository
    from gitops_secrets.report.escape import visible

    rendered = build(open_repository(directory, revision=call.revision, config=call.config, limits=call.limits), call.renderer)
    for warning in rendered.warnings:
        note(warning, call)
    # YAML may hold bidi controls as they are: in a file they are data, on a terminal they must not act.
    on_terminal = call.output is None and sys.stdout.isatty()
    write("".join(visible(line) + "\n" for line in rendered.text.splitlines()) if on_terminal else rendered.text, call)
