"""A graph as boxes and arrows, before it is written in the language of a drawing tool."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gitops_secrets.graph.changes import Fate
from gitops_secrets.graph.graph import Graph, comes_with_platform
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.ordering.order import OrderedEdge, Plan
from gitops_secrets.report.names import relative_name


class Line(Enum):
    """What an arrow says. From the consumer to what it needs."""

    WRITTEN = "written"
    UNPROVEN = "unproven"  # written, but Ready of the provider proves nothing
    MISSING = "missing"  # ordering, and nobody wrote it
    IMPLIED = "implied"  # ordering, and other arrows say it already
    USES = "uses"  # something is needed, and nothing has to wait
    ADDED = "added"  # was not there before a change
    REMOVED = "removed"  # is gone after it
    CHANGED = "changed"  # is written, or needed, where it was not, or the other way round


@dataclass(frozen=True, slots=True)
class Box:
    """A node. `key` tells boxes apart, `label` is shown."""

    key: str
    label: str
    fate: str = ""  # added, removed, changed: what a change has made of it


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge between the keys of two boxes."""

    start: str
    end: str
    line: Line
    label: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The boxes of one cluster, in named frames; a frame without a name is none."""

    title: str
    frames: tuple[tuple[str, tuple[Box, ...]], ...]
    arrows: tuple[Arrow, ...]

    @property
    def size(self) -> int:
        """How many boxes there are."""
        return sum(len(boxes) for _, boxes in self.frames)


def unit_drawing(plan: Plan) -> Drawing:
    """Every unit a box, framed by the unit that applies it; every edge an arrow."""
    graph = plan.graph
    children: dict[str, list[Box]] = {}
    for unit in sorted(graph.units.values(), key=lambda unit: unit.id):
        frame = "" if unit.parent is None else relative_name(unit.parent, None)
        children.setdefault(frame, []).append(Box(str(unit.id), relative_name(unit.id, None)))
    frames = tuple((frame, tuple(boxes)) for frame, boxes in sorted(children.items()))
    lines = lines_of(plan)
    return Drawing(graph.cluster.name, frames, tuple(_arrow(edge, lines[edge.consumer, edge.provider]) for edge in plan.edges))


def part_drawing(plan: Plan, named: Collection[str | None]) -> Drawing:
    """The units whose ids are `named`, or that apply an object that is, and the edges between them."""
    graph = plan.graph
    units = {unit for resource, unit in graph.unit_of.items() if str(resource) in named} | {unit for unit in graph.units if str(unit) in named}
    whole = unit_drawing(plan)
    keys = set(map(str, units))
    arrows = tuple(arrow for arrow in whole.arrows if arrow.start in keys and arrow.end in keys)
    drawn = {end for arrow in arrows for end in (arrow.start, arrow.end)}
    frames = tuple((frame, tuple(box for box in boxes if box.key in drawn)) for frame, boxes in whole.frames)
    return Drawing(whole.title, tuple((frame, boxes) for frame, boxes in frames if boxes), arrows)


def change_drawing(change: PlanDifference) -> Drawing:
    """The units that a change adds, removes or joins otherwise, and what is written between them; edges that come and go as such."""
    fates = {unit.id: unit.fate for unit in change.graph.units}
    lines = {(edge.consumer, edge.provider): _LINES[edge.fate] for edge in change.edges}
    units = {end for pair in lines for end in pair} | {unit for unit, fate in fates.items() if fate is not Fate.CHANGED}
    for edge in change.graph.after.unit_edges if change.graph.after is not None else ():
        if edge.declared is not None and edge.consumer in units and edge.provider in units:
            lines.setdefault((edge.consumer, edge.provider), Line.WRITTEN)
    boxes = tuple(Box(str(unit), relative_name(unit, None), fates[unit].value if unit in fates else "") for unit in sorted(units))
    arrows = tuple(Arrow(str(consumer), str(provider), line) for (consumer, provider), line in sorted(lines.items()))
    return Drawing(change.graph.cluster.name, (("", boxes),), arrows)


_LINES = {Fate.ADDED: Line.ADDED, Fate.REMOVED: Line.REMOVED, Fate.CHANGED: Line.CHANGED}


def folded_drawing(plan: Plan, boxes: int) -> Drawing:
    """As `unit_drawing`, with as few units folded into one box as make at most about `boxes` of them: releases into what applies them, then namespaces."""
    for name in (_without_releases(plan.graph), _namespace_of):
        drawing = _folded(plan, name)
        if drawing.size <= boxes:
            return drawing
    return _folded(plan, _namespace_of)


def resource_drawing(plan: Plan) -> Drawing:
    """Every object that has an edge a box, framed by its unit."""
    graph = plan.graph
    edges = [edge for edge in graph.resource_edges if not comes_with_platform(edge.provision) and edge.requirement.resource != edge.provision.resource]
    found = sorted({edge.requirement.resource for edge in edges} | {edge.provision.resource for edge in edges})
    frames: dict[str, list[Box]] = {}
    for resource in found:
        unit = graph.unit_of.get(resource)
        frames.setdefault("" if unit is None else relative_name(unit, None), []).append(Box(str(resource), relative_name(resource, None)))
    arrows = dict.fromkeys(Arrow(str(edge.requirement.resource), str(edge.provision.resource), Line.USES, edge.requirement.reason) for edge in edges)
    return Drawing(graph.cluster.name, tuple((frame, tuple(boxes)) for frame, boxes in sorted(frames.items())), tuple(arrows))


def _arrow(edge: OrderedEdge, line: Line) -> Arrow:
    reasons = sorted({reason.requirement.reason for reason in edge.edge.reasons})
    return Arrow(str(edge.consumer), str(edge.provider), line, ", ".join(reasons))


def lines_of(plan: Plan) -> Mapping[tuple[ResourceId, ResourceId], Line]:
    """What the arrow of each edge says, by consumer and provider."""
    missing = {(entry.edge.consumer, entry.edge.provider) for entry in plan.missing}
    return {pair: _line_of(edge, is_missing=pair in missing) for pair, edge in plan.by_pair.items()}


def _line_of(edge: OrderedEdge, *, is_missing: bool) -> Line:
    if edge.edge.declared is not None:
        return Line.UNPROVEN if edge.unbacked_gates else Line.WRITTEN
    if not edge.orders:
        return Line.USES
    return Line.MISSING if is_missing else Line.IMPLIED


def _without_releases(graph: Graph) -> Callable[[ResourceId], str]:
    def name(unit: ResourceId) -> str:
        parent = graph.units[unit].parent
        kept = parent if unit.kind == "HelmRelease" and parent in graph.units and parent is not None else unit
        return relative_name(kept, None)

    return name


def _namespace_of(unit: ResourceId) -> str:
    return f"namespace {unit.namespace}" if unit.namespace else relative_name(unit, None)


def _folded(plan: Plan, name: Callable[[ResourceId], str]) -> Drawing:
    members: dict[str, int] = {}
    for unit in plan.graph.units:
        members[name(unit)] = members.get(name(unit), 0) + 1
    boxes = tuple(Box(key, key if number == 1 else f"{key} ({number} units)") for key, number in sorted(members.items()))
    # Between two boxes the weightiest arrow stands for all.
    arrows: dict[tuple[str, str], Line] = {}
    for (consumer, provider), line in lines_of(plan).items():
        pair = name(consumer), name(provider)
        if pair[0] != pair[1]:
            arrows[pair] = min(arrows.get(pair, line), line, key=_WEIGHT.__getitem__)
    return Drawing(plan.graph.cluster.name, (("", boxes),), tuple(Arrow(start, end, line) for (start, end), line in sorted(arrows.items())))


_WEIGHT = {Line.ADDED: 0, Line.REMOVED: 0, Line.CHANGED: 0, Line.MISSING: 0, Line.UNPROVEN: 1, Line.WRITTEN: 2, Line.IMPLIED: 3, Line.USES: 4}


def lightest_first_left_out(arrows: Sequence[Arrow], limit: int) -> tuple[Arrow, ...]:
    """At most `limit` arrows, in their order; what orders nothing goes first."""
    if len(arrows) <= limit:
        return tuple(arrows)
    kept: Iterable[int] = sorted(sorted(range(len(arrows)), key=lambda index: (_WEIGHT[arrows[index].line], index))[:limit])
    return tuple(arrows[index] for index in kept)
