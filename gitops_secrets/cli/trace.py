"""`gitops-secrets trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.analysis import open_and_analyse
from gitops_secrets.cli.options import Call, common_options, format_option, path_argument
from gitops_secrets.cli.output import write

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("thing")
@path_argument
@format_option("text", "json")
@common_options
def trace(thing: str, path: Path, format_: str, call: Call) -> None:
    """Follow the chain through THING both ways: provider key, store, ExternalSecret, Secret, workload, unit.

    THING is an id such as Secret/weather/weather-api-secrets, a key at the provider such as key:prod/weather/apiKey, or a bare name that only one
    thing has.
    """
    from gitops_secrets.pipeline.trace import trace as follow

    _, analysis = open_and_analyse(path, call)
    found = follow(analysis, thing)
    if format_ == "json":
        from gitops_secrets.report.trace_document import trace_document

        text = trace_document(found, analysis.revision)
    else:
        from gitops_secrets.report.trace_text import trace_text

        text = trace_text(found, call.style)
    write(text, call)
