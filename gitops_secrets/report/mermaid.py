"""Clusters as a Mermaid flowchart, within what GitHub and GitLab draw: below 500 arrows (it fails *at* 500) and 50,000 characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.diagram import Arrow, Drawing, Line, folded_drawing, lightest_first_left_out, resource_drawing, unit_drawing
from gitops_secrets.report.escape import mermaid_quoted

MOST_BOXES: Final = 80
MOST_ARROWS: Final = 499
MOST_CHARACTERS: Final = 50_000
_FEWEST_ARROWS: Final = 20

_ARROWS: Final = {
    Line.WRITTEN: "-->",
    Line.UNPROVEN: "-->",
    Line.MISSING: "-.->",
    Line.IMPLIED: "-.->",
    Line.USES: "-.-",
    Line.ADDED: "==>",
    Line.REMOVED: "-.->",
    Line.CHANGED: "-->",
}
_COLOURS: Final = {
    Line.UNPROVEN: "orange",
    Line.MISSING: "red",
    Line.IMPLIED: "gray",
    Line.USES: "lightgray",
    Line.ADDED: "green",
    Line.REMOVED: "red",
    Line.CHANGED: "orange",
}
_FATES: Final = {"added": "stroke:green,stroke-width:3px", "removed": "stroke:red,stroke-dasharray:4", "changed": "stroke:orange,stroke-width:3px"}


def mermaid(plans: Sequence[Plan], *, resources: bool = False) -> str:
    """One flowchart of all clusters. Above 80 boxes units are folded together; the whole graph is in the other formats."""
    drawings = [resource_drawing(plan) if resources else unit_drawing(plan) for plan in plans]
    if sum(drawing.size for drawing in drawings) > MOST_BOXES:
        share = max(1, MOST_BOXES // max(1, len(plans)))
        drawings = [folded_drawing(plan, share) for plan in plans]
    return flowchart(drawings)


def flowchart(drawings: Sequence[Drawing], characters: int = MOST_CHARACTERS) -> str:
    """Drawings as one flowchart of at most about so many characters; arrows that order nothing are left out first."""
    arrows = sum(len(drawing.arrows) for drawing in drawings)
    limit = MOST_ARROWS
    text = _flowchart(drawings, limit, arrows)
    while len(text) > characters and limit > _FEWEST_ARROWS:
        limit //= 2
        text = _flowchart(drawings, limit, arrows)
    return text


def _flowchart(drawings: Sequence[Drawing], limit: int, total: int) -> str:
    names: dict[tuple[int, str], str] = {}
    fates: dict[str, list[str]] = {}
    lines = ["flowchart LR"]
    placed = [(number, arrow) for number, drawing in enumerate(drawings) for arrow in drawing.arrows]
    kept = set(map(id, lightest_first_left_out([arrow for _, arrow in placed], limit)))
    if len(kept) < total:
        lines.append(f"  %% {total - len(kept)} arrows left out; see the formats dot and json")
    for number, drawing in enumerate(drawings):
        lines.extend(_boxes(drawing, number, names, fates))
    colours: dict[str, list[int]] = {}
    drawn = 0
    for number, arrow in placed:
        if id(arrow) in kept:
            lines.append(f"  {names[number, arrow.start]} {_arrow(arrow)} {names[number, arrow.end]}")
            if arrow.line in _COLOURS:
                colours.setdefault(_COLOURS[arrow.line], []).append(drawn)
            drawn += 1
    lines.extend(f"  linkStyle {','.join(map(str, indices))} stroke:{colour}" for colour, indices in colours.items())
    for fate, boxes in sorted(fates.items()):
        lines += [f"  classDef {fate} {_FATES[fate]}", f"  class {','.join(boxes)} {fate}"]
    return "\n".join(lines) + "\n"


def _boxes(drawing: Drawing, number: int, names: dict[tuple[int, str], str], fates: dict[str, list[str]]) -> Iterator[str]:
    # Own ids, since names may hold words of the language, `end` above all.
    yield f"  subgraph c{number}[{mermaid_quoted(drawing.title)}]"
    for _, boxes in drawing.frames:
        for box in boxes:
            names[number, box.key] = f"n{len(names)}"
            if box.fate:
                fates.setdefault(box.fate, []).append(names[number, box.key])
            yield f"    {names[number, box.key]}[{mermaid_quoted(box.label)}]"
    yield "  end"


def _arrow(arrow: Arrow) -> str:
    return _ARROWS[arrow.line] + (f"|{mermaid_quoted(arrow.label)}|" if arrow.label and arrow.line is Line.MISSING else "")
