"""What a change does, for people at a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.report.difference import Line, Section, headline, sections
from gitops_secrets.report.escape import visible
from gitops_secrets.report.style import BOLD, GREEN, RED, YELLOW, Style

LINES_SHOWN: Final = 15
DETAILS_SHOWN: Final = 6
_COLOURS: Final = {"+": GREEN, "-": RED, "~": YELLOW}


def diff_text(changes: Sequence[PlanDifference], base: str | None, style: Style, *, full: bool = False) -> str:
    """Clusters that something happens to. Long lists are cut unless `verbose`."""
    blocks = ["\n".join(_cluster(change, style, full)) for change in changes]
    if not blocks:
        blocks = [f"nothing changes in any cluster{f' since {base[:12]}' if base else ''}"]
    return "\n\n".join(blocks) + "\n"


def commit_text(commit: str, subject: str, text: str, style: Style) -> str:
    """What one commit of several does, under its name; `text` as `diff_text` makes it."""
    return f"{style.paint(f'commit {commit[:12]}', YELLOW)}  {visible(subject)}\n\n{textwrap.indent(text, '  ')}\n"


def _cluster(change: PlanDifference, style: Style, full: bool) -> Iterator[str]:
    cluster = change.graph.cluster
    fate = f"  {style.paint(f'the cluster is {change.fate.value}', YELLOW)}" if change.fate else ""
    yield f"{style.paint(visible(cluster.name), BOLD)}  {style.dim(visible(cluster.entry_point))}{fate}"
    if summary := headline(change):
        yield visible(summary)
    for section in sections(change, full=full):
        yield ""
        yield style.paint(section.title, BOLD, *([RED] if section.grave else []))
        yield from _section(section, style)


def _section(section: Section, style: Style) -> Iterator[str]:
    shown = section.lines if style.verbose else section.lines[:LINES_SHOWN]
    for line in shown:
        yield from _line(line, style)
    if len(shown) < len(section.lines):
        yield style.dim(f"  … {len(section.lines) - len(shown)} more (-v shows all)")


def _line(line: Line, style: Style) -> Iterator[str]:
    mark = f"{line.mark} " if line.mark else ""
    first, *rest = style.wrapped(visible(line.text), f"  {mark}", " " * (2 + len(mark)))
    colour = _COLOURS.get(line.mark)
    yield first if colour is None else f"  {style.paint(line.mark, colour)}{first[3:]}"
    yield from rest
    details = line.details if style.verbose else line.details[:DETAILS_SHOWN]
    for detail in details:
        yield from map(style.dim, style.wrapped(visible(detail), "      ", "        "))
    if len(details) < len(line.details):
        yield style.dim(f"      … {len(line.details) - len(details)} more (-v shows all)")
