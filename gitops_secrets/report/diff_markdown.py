"""What a change does, as one comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.report.comment import COMMENT_LIMIT, SECTION, fitting, folded
from gitops_secrets.report.diagram import Drawing, change_drawing
from gitops_secrets.report.difference import Line, Section, headline, sections
from gitops_secrets.report.escape import markdown, markdown_code
from gitops_secrets.report.mermaid import MOST_BOXES, flowchart

MARKER: Final = "<!-- gitops-secrets diff -->"
_DETAILS_SHOWN: Final = 20
# Of what room there is, for graphs at most: the text says more.
_GRAPH_SHARE: Final = 4


def diff_markdown(changes: Sequence[PlanDifference], base: str | None, *, full: bool = False, limit: int = COMMENT_LIMIT) -> str:
    """All clusters that something happens to, each part to unfold: as much as fits into `limit` characters."""
    text = f"{MARKER}\n### gitops-secrets: what this changes\n"
    if base is not None:
        text += f"\nCompared with {markdown_code(base[:12])}.\n"
    if not changes:
        return f"{text}\nNothing changes in any cluster.\n"
    return text + change_parts(changes, limit - len(text), full=full)


def change_parts(changes: Sequence[PlanDifference], limit: int, *, full: bool = False) -> str:
    """The parts of all clusters, in at most `limit` characters."""
    text = ""
    for number, change in enumerate(changes):
        share = (limit - len(text)) // (len(changes) - number)
        if share < 2 * SECTION:
            return text + f"\n… and {len(changes) - number} clusters more, which the limit of a comment leaves no room for.\n"
        text += _cluster(change, share, full)
    return text


def _cluster(change: PlanDifference, limit: int, full: bool) -> str:
    fate = f" (the cluster is {change.fate.value})" if change.fate else ""
    text = f"\n#### {markdown_code(change.graph.cluster.name)}{fate}\n\n{markdown(headline(change))}\n"
    found = sections(change, full=full)
    graph = _graph(change_drawing(change), limit // _GRAPH_SHARE)
    room = limit - len(text) - len(graph)
    for number, section in enumerate(found):
        share = (room - SECTION) // (len(found) - number) if number < len(found) - 1 else room - SECTION
        part = _section(section, max(share, 0))
        if len(part) > room:
            break
        room -= len(part)
        text += part
    return text + graph


def _section(section: Section, room: int) -> str:
    inner = fitting(list(map(_line, section.lines)), room - SECTION, [1] * len(section.lines))
    title = f"{section.title} ({len(section.lines)})"
    return f"\n**{title}**\n\n{inner}" if section.grave else folded(title, inner)


def _line(line: Line) -> str:
    mark = f"{markdown_code(line.mark)} " if line.mark else ""
    details = [f"  - {markdown(detail)}\n" for detail in line.details[:_DETAILS_SHOWN]]
    if len(line.details) > _DETAILS_SHOWN:
        details.append(f"  - … and {len(line.details) - _DETAILS_SHOWN} more\n")
    return f"- {mark}{markdown(line.text)}\n{''.join(details)}"


def _graph(drawing: Drawing, room: int) -> str:
    """The part of the graph that changes; nothing where it is too large to be drawn, or there is nothing to draw."""
    if drawing.size > MOST_BOXES or not drawing.arrows:
        return ""
    text = folded("the part of the graph that changes", f"```mermaid\n{flowchart([drawing])}```")
    return text if len(text) <= room else ""
