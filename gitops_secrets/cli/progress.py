"""A progress bar on standard error, for people only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gitops_secrets.cli.options import Call


@contextmanager
def progress_bar(call: Call) -> Iterator[Callable[[str, int, int], None] | None]:
    """A function to report progress to: what is under way, how much is done, out of how much. None off a terminal."""
    if not call.progress or call.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from gitops_secrets.report.escape import visible

    console = Console(stderr=True, no_color=not call.is_coloured(on_terminal=True))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def report(what: str, done: int, total: int) -> None:
            bar.update(task, description=visible(what), completed=done, total=total)

        yield report
