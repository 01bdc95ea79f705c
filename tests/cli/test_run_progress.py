"""How a run shows itself as it goes: lines in a log, a live table on a terminal."""

from __future__ import annotations

import io
import signal
import sys

import pytest

from gitops_secrets.cli.options import Call
from gitops_secrets.cli.run_progress import interruptible, progress_of
from gitops_secrets.cluster.run import Action, Nudge, Phase, View
from gitops_secrets.cluster.runner import Changed, Did, Interrupt, Withheld
from gitops_secrets.model.ids import ResourceId

FIRST, SECOND = (ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", name) for name in ("stores", "apps"))
DEFINITION = ResourceId("apiextensions.k8s.io", "CustomResourceDefinition", "", "things.example.org")


def changed(id: ResourceId, phase: Phase, words: str = "", *, after: float = 1.0, needs: tuple[ResourceId, ...] = (), goal: bool = True) -> Changed:
    return Changed(View(id, phase, words, needs, goal), after)


STEPS = (
    changed(FIRST, Phase.PROGRESSING, "looking"),
    Did(Action(FIRST, Nudge.REQUEST, "1"), 1.5),
    changed(SECOND, Phase.BLOCKED, needs=(FIRST,)),
    changed(DEFINITION, Phase.READY, goal=False),
    changed(FIRST, Phase.READY, "Applied revision: main@sha1:1", after=2.0),
    changed(FIRST, Phase.PROGRESSING, "looking", after=3.0),
    changed(FIRST, Phase.READY, "Applied revision: main@sha1:1", after=3.5),
    Withheld('cannot patch resource "gitrepositories"'),
    changed(SECOND, Phase.FAILING, "refused\nat length", after=4.0),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(call: Call) -> None:
    with progress_of(call) as report:
        for step in STEPS:
            report(step)


def test_in_a_log_there_is_a_line_for_each_step_forward(capsys: pytest.CaptureFixture[str]) -> None:
    shown(Call())

    assert capsys.readouterr().err.splitlines() == [
        "    1.0s  progressing  Kustomization/flux-system/stores  looking",
        "    2.0s  ready        Kustomization/flux-system/stores  Applied revision: main@sha1:1",
        'going on without: cannot patch resource "gitrepositories"',
        "    4.0s  failing      Kustomization/flux-system/apps  refused",
    ]


def test_with_verbose_all_is_told_that_happens(capsys: pytest.CaptureFixture[str]) -> None:
    shown(Call(verbose=True))
    lines = capsys.readouterr().err.splitlines()

    assert len(lines) == len(STEPS)
    assert lines[1:3] == ["    1.5s  request      Kustomization/flux-system/stores", "    1.0s  blocked      Kustomization/flux-system/apps  waits for stores"]


def test_on_a_terminal_a_table_has_first_what_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    shown(Call(color="never"))
    frame = terminal.getvalue().rpartition("1 of 2 ready")[2]

    assert frame.index("failing") < frame.index("flux-system/apps") < frame.index("refused") < frame.index("flux-system/stores")
    assert "at length" not in frame
    assert "CustomResourceDefinition" not in frame


def test_a_quiet_run_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown(Call(quiet=True))

    assert capsys.readouterr().err == ""


def test_a_signal_ends_a_run_and_the_next_one_the_process() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible(Interrupt()) as interrupt:
        signal.raise_signal(signal.SIGTERM)
        after_the_first = signal.getsignal(signal.SIGTERM)

    assert interrupt.is_set
    assert after_the_first is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before
