"""A run as it goes, on standard error: a live table on a terminal, lines elsewhere; and what ends it early."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from gitops_secrets.cli.options import Call

if TYPE_CHECKING:
    from rich.table import Table

    from gitops_secrets.cluster.runner import Interrupt, Step
    from gitops_secrets.model.ids import ResourceId

# What has not got that far is shown first, while there is room.
_ORDER = ("failing", "suspended", "progressing", "missing", "blocked", "unknown", "ready")
_NEWS = frozenset({"failing", "suspended", "progressing", "ready"})
_COLOURS = {"failing": "red", "suspended": "yellow", "progressing": "cyan", "missing": "yellow", "blocked": "dim", "unknown": "dim", "ready": "green"}


@contextmanager
def progress_of(call: Call) -> Iterator[Callable[[Step], None]]:
    """A function that shows each step of a run."""
    if call.quiet:
        yield lambda step: None
    elif call.progress and sys.stderr.isatty():
        with _Table(call).shown() as report:
            yield report
    else:
        yield _Lines(call)


@contextmanager
def interruptible(interrupt: Interrupt) -> Iterator[Interrupt]:
    """SIGINT and SIGTERM end a run with its summary; a second one ends the process at once."""

    def stop(number: int, frame: Any) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        interrupt.set()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Lines:
    """A line for each change of phase of a goal; with --verbose for all else too."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.phases: dict[ResourceId, str] = {}

    def __call__(self, step: Step) -> None:
        from gitops_secrets.cluster.runner import Changed, Did, Withheld
        from gitops_secrets.report.run_lines import run_line, waiting

        style = self.call.style
        if isinstance(step, Withheld):
            click.echo(f"going on without: {step.message}", err=True)
        elif isinstance(step, Did):
            if self.call.verbose:
                click.echo(run_line(step.after, str(step.action.id), step.action.nudge.value, "", style), err=True, nl=False)
        elif isinstance(step, Changed):
            view, phase, last = step.view, step.view.phase.value, self.phases.get(step.view.id)
            # One that is looked at again is no news, nor that others come first.
            if phase == last or (not self.call.verbose and (not view.goal or phase not in _NEWS or (last == "ready" and phase == "progressing"))):
                return
            self.phases[view.id] = phase
            words = waiting(map(str, view.waits_for)) if phase == "blocked" else view.words
            click.echo(run_line(step.after, str(view.id), phase, words, style), err=True, nl=False)


class _Table:
    """All goals, those that are not there yet first."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.views: dict[ResourceId, tuple[str, str]] = {}

    @contextmanager
    def shown(self) -> Iterator[Callable[[Step], None]]:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, no_color=not self.call.is_coloured(on_terminal=True))
        with Live(console=console, get_renderable=lambda: self._table(console.height), refresh_per_second=5, transient=True):
            yield self._take

    def _take(self, step: Step) -> None:
        from gitops_secrets.cluster.runner import Changed
        from gitops_secrets.report.run_lines import waiting

        if isinstance(step, Changed) and step.view.goal:
            phase = step.view.phase.value
            self.views[step.view.id] = phase, waiting(map(str, step.view.waits_for)) if phase == "blocked" else step.view.words

    def _table(self, height: int) -> Table:
        from rich.table import Table
        from rich.text import Text

        from gitops_secrets.report.escape import visible

        rows = sorted(dict(self.views).items(), key=lambda row: (_ORDER.index(row[1][0]), row[0]))
        room = max(height - 4, 5)
        ready = sum(phase == "ready" for phase, _ in self.views.values())
        table = Table(title=f"{ready} of {len(rows)} ready", title_justify="left", box=None, show_header=False, pad_edge=False)
        for id, (phase, words) in rows[:room]:
            first = visible(words.split("\n", 1)[0])
            table.add_row(Text(phase, style=_COLOURS[phase]), Text(visible(str(id))), Text(first, overflow="ellipsis", no_wrap=True))
        if len(rows) > room:
            table.add_row("", f"and {len(rows) - room} more")
        return table
