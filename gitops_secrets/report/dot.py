"""Clusters in the DOT language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.diagram import Drawing, Line, resource_drawing, unit_drawing
from gitops_secrets.report.escape import dot_quoted

_STYLES = {
    Line.WRITTEN: "",
    Line.UNPROVEN: 'color="orange"',
    Line.MISSING: 'style="dashed", color="red"',
    Line.IMPLIED: 'style="dashed", color="gray40"',
    Line.USES: 'style="dotted", color="gray60"',
}


def dot(plans: Sequence[Plan], *, resources: bool = False) -> str:
    """One graph: a frame for each cluster, units (or objects) as boxes, arrows from who needs to what is needed.

    Solid is written, orange written and proving nothing, red missing, dotted is use that orders nothing.
    """
    lines = ["digraph gitops {", "  rankdir=LR;", '  node [shape="box", fontname="sans-serif"];', '  edge [fontname="sans-serif", fontsize=9];']
    for number, plan in enumerate(plans):
        drawing = resource_drawing(plan) if resources else unit_drawing(plan)
        lines.extend(_cluster(drawing, number))
    lines.append("}")
    return "\n".join(lines) + "\n"


def _cluster(drawing: Drawing, number: int) -> Iterator[str]:
    prefix = f"{number}:"  # the same id may stand in several clusters
    yield f"  subgraph cluster_{number} {{"
    yield f"    label={dot_quoted(drawing.title)};"
    for index, (frame, boxes) in enumerate(drawing.frames):
        if frame:
            yield f"    subgraph cluster_{number}_{index} {{"
            yield f"      label={dot_quoted(frame)};"
            yield '      style="dotted";'
        for box in boxes:
            yield f"{'      ' if frame else '    '}{dot_quoted(prefix + box.key)} [label={dot_quoted(box.label)}];"
        if frame:
            yield "    }"
    for arrow in drawing.arrows:
        attributes = ", ".join(part for part in (_STYLES[arrow.line], f"label={dot_quoted(arrow.label)}" if arrow.label else "") if part)
        ending = f" [{attributes}]" if attributes else ""
        yield f"    {dot_quoted(prefix + arrow.start)} -> {dot_quoted(prefix + arrow.end)}{ending};"
    yield "  }"
