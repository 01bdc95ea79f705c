"""A run as it goes, as lines for a log."""

from __future__ import annotations

from collections.abc import Iterable

from gitops_secrets.report.escape import visible
from gitops_secrets.report.style import BOLD, CYAN, DIM, GREEN, RED, YELLOW, Style

CODES = {
    "ready": (GREEN,),
    "failing": (BOLD, RED),
    "suspended": (BOLD, YELLOW),
    "missing": (YELLOW,),
    "blocked": (DIM,),
    "progressing": (CYAN,),
    "unknown": (DIM,),
}


def run_line(after: float, subject: str, phase: str, words: str, style: Style) -> str:
    """One change: when, of what, to what, in whose words."""
    told = f"  {visible(_short(words))}" if words else ""
    return f"{after:7.1f}s  {style.paint(f'{phase:<11}', *CODES.get(phase, ()))}  {visible(subject)}{style.dim(told)}\n"


def waiting(needs: Iterable[str]) -> str:
    """What something waits for, in few words."""
    names = [need.rpartition("/")[2] for need in needs]
    return "waits for " + ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _short(words: str) -> str:
    first = words.split("\n", 1)[0]
    return first if len(first) <= 240 else first[:239] + "…"
