"""What the page shows, small: lists of equal rows as columns, every text once.

A table is `{"texts": {name: [index]}, "values": {name: [value]}}`; an index is one into `strings`, -1 stands for null. `model.js` reads it back into rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitops_secrets.graph.changes import Fate
from gitops_secrets.graph.graph import Graph, ResourceEdge, comes_with_platform
from gitops_secrets.model.facts import Problem, RemoteNeed, Requirement
from gitops_secrets.model.findings import Change, Finding
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.diagram import Line, lines_of
from gitops_secrets.report.difference import Section, headline, sections
from gitops_secrets.report.escape import visible
from gitops_secrets.report.names import resource_counts

Row = Mapping[str, Any]
Json = dict[str, Any]


def page_data(
    title: str,
    plans: Iterable[Plan],
    findings: Sequence[Finding],
    problems: Iterable[Problem],
    revision: str | None,
    base: str | None,
    changes: Sequence[PlanDifference],
) -> Json:
    """Everything that the page knows. Texts of the repository have what does not print written out."""
    change_of = {id(change.graph.after): change for change in changes}
    strings = _Strings()
    ordered = sorted(plans, key=lambda plan: (plan.graph.cluster.name, plan.graph.cluster.entry_point))
    unread = sorted({(problem.place, problem.message) for problem in problems})
    document = {
        "title": visible(title),
        "revision": revision,
        "base": base,
        "clusters": [_cluster(plan, change_of.get(id(plan.graph)), strings) for plan in ordered],
        "gone": [visible(change.graph.cluster.name) for change in changes if change.graph.after is None],
        "findings": strings.table(map(_finding, findings)),
        "related": strings.table(
            {"finding": number, "message": related.message, **_place(related.place)} for number, finding in enumerate(findings) for related in finding.related
        ),
        "problems": strings.table({"message": message, **_place(place)} for place, message in unread),
    }
    return {**document, "strings": list(strings.index)}


class _Strings:
    """Gives every text its number."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}

    def number(self, text: str | None) -> int:
        return -1 if text is None else self.index.setdefault(visible(text), len(self.index))

    def table(self, rows: Iterable[Row]) -> Json:
        """Equal rows as columns; a column is one of texts if all that stands in it is text or null."""
        listed = list(rows)
        columns = {name: [row[name] for row in listed] for name in (listed[0] if listed else ())}
        texts = {name for name, column in columns.items() if all(value is None or isinstance(value, str) for value in column)}
        return {
            "texts": {name: list(map(self.number, column)) for name, column in columns.items() if name in texts},
            "values": {name: column for name, column in columns.items() if name not in texts},
        }


def _cluster(plan: Plan, change: PlanDifference | None, strings: _Strings) -> Json:
    graph = plan.graph
    edges = [edge for edge in graph.resource_edges if not comes_with_platform(edge.provision)]
    number = {id(edge): index for index, edge in enumerate(edges)}
    needs = [*map(_met, edges), *(_need(entry.requirement, None, "unmet") for entry in graph.unmet)]
    needs += [_need(requirement, requirement.need.store, "key") for requirement in graph.remote_keys if isinstance(requirement.need, RemoteNeed)]
    return {
        "name": visible(graph.cluster.name),
        "entry_point": visible(graph.cluster.entry_point),
        "units": strings.table(_units(plan, change)),
        "edges": strings.table(_edges(plan, change, number)),
        "changes": [] if change is None else [_section(section) for section in sections(change)],
        "headline": "" if change is None else visible(headline(change)),
        "resources": strings.table(_resources(graph)),
        "needs": strings.table(needs),
        "opaque": strings.table(
            {"thing": opaque.thing, "why": opaque.why, **_place(opaque.place)}
            for opaque in sorted(graph.opaque, key=lambda each: (each.thing, each.place, each.why))
        ),
    }


def _units(plan: Plan, change: PlanDifference | None) -> Iterable[Row]:
    graph = plan.graph
    counts = resource_counts(graph)
    level_of = {unit: level for level, units in enumerate(plan.levels, 1) for unit in units}
    marks = {} if change is None else _marks(change)
    before = change.graph.before if change is not None else None
    gone = [unit for unit in (before.units.values() if before is not None else ()) if unit.id not in graph.units]
    for unit in sorted([*graph.units.values(), *gone], key=lambda unit: unit.id):
        mark, why = marks.get(unit.id, (None, None))
        yield {
            "id": str(unit.id),
            "kind": unit.id.kind,
            "namespace": unit.id.namespace,
            "name": unit.id.name,
            "parent": None if unit.parent is None else str(unit.parent),
            "path": unit.path,
            "opaque": unit.opaque,
            "suspended": unit.suspended,
            "level": level_of.get(unit.id, 0),
            "resources": counts.get(unit.id, 0),
            "change": mark,
            "why": why,
            **_place(unit.place),
        }


def _marks(change: PlanDifference) -> dict[ResourceId, tuple[str, str | None]]:
    """What becomes of units, and why: those that only apply something else than before are reconciled again, and so are those that wait for them."""
    marks: dict[ResourceId, tuple[str, str | None]] = dict.fromkeys(change.graph.waiting, ("waiting", None))
    marks |= {touched.unit: ("reconciled", "; ".join(touched.reasons)) for touched in change.graph.touched}
    for unit in change.graph.units:
        reasons = marks.get(unit.id, ("", None))[1] or ", ".join(field.field for field in unit.fields)
        marks[unit.id] = (unit.fate.value, reasons or None)
    return marks


def _edges(plan: Plan, change: PlanDifference | None, number: Mapping[int, int]) -> Iterable[Row]:
    fates = {} if change is None else {(edge.consumer, edge.provider): edge.fate for edge in change.edges}
    lines = lines_of(plan)
    for edge in sorted(plan.edges, key=lambda edge: (edge.consumer, edge.provider)):
        fate = fates.get((edge.consumer, edge.provider))
        yield {
            "consumer": str(edge.consumer),
            "provider": str(edge.provider),
            "line": lines[edge.consumer, edge.provider].value,
            "needs": [number[id(reason)] for reason in edge.edge.reasons if id(reason) in number],
            "change": None if fate is None else fate.value,
            **_place(None if edge.edge.declared is None else edge.edge.declared.place),
        }
    for gone in change.edges if change is not None else ():
        if gone.fate is Fate.REMOVED:
            ends = {"consumer": str(gone.consumer), "provider": str(gone.provider)}
            yield {**ends, "line": (Line.WRITTEN if gone.written[0] else Line.IMPLIED).value, "needs": [], "change": gone.fate.value, **_place(None)}


def _section(section: Section) -> Json:
    lines = [{"mark": line.mark, "text": visible(line.text), "details": list(map(visible, line.details))} for line in section.lines]
    return {"title": section.title, "grave": section.grave, "lines": lines}


def _resources(graph: Graph) -> Iterable[Row]:
    first = {applied.resource.id: applied.resource for applied in reversed(graph.cluster.resources)}
    for target, resource in sorted(first.items()):
        yield {"id": str(target), "namespace": target.namespace, "unit": str(graph.unit_of[target]), **_place(resource.place)}


def _met(edge: ResourceEdge) -> Row:
    # What a bootstrap brings has no manifest here; its note says what does.
    before = edge.before or (edge.provision if edge.provider_unit is None else None)
    row = _need(edge.requirement, edge.provision.resource, "met" if before is None else "before")
    return {**row, "note": before.note} if before is not None and before.note else row


def _need(requirement: Requirement, provider: ResourceId | None, state: str) -> Row:
    return {
        "consumer": str(requirement.resource),
        "requires": str(requirement.need),
        "provider": None if provider is None else str(provider),
        "state": state,
        "reason": requirement.reason,
        "effect": requirement.effect.value,
        "optional": requirement.optional,
        "field": requirement.field,
        "note": None,
        **_place(requirement.place),
    }


def _finding(finding: Finding) -> Row:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "change": finding.change.value if finding.change in (Change.NEW, Change.WORSENED) else None,
        "message": finding.message,
        "subject": finding.subject,
        "other": finding.other,
        "clusters": sorted(map(visible, finding.clusters)),
        "fix": None if finding.fix is None else finding.fix.description,
        **_place(finding.place),
    }


def _place(place: Place | None) -> Row:
    return {"file": None, "at": 0} if place is None else {"file": place.file, "at": place.line}
