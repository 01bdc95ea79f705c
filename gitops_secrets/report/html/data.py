"""What the page shows, small: lists of equal rows as columns, every text once.

A table is `{"texts": {name: [index]}, "values": {name: [value]}}`; an index is one into `strings`, -1 stands for null. `model.js` reads it back into rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.graph.trace import comes_with_platform
from gitops_secrets.model.facts import Problem, RemoteNeed, Requirement
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Finding
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.diagram import line_of
from gitops_secrets.report.escape import visible
from gitops_secrets.report.names import resource_counts

Row = Mapping[str, Any]
Json = dict[str, Any]


def page_data(title: str, plans: Iterable[Plan], findings: Sequence[Finding], problems: Iterable[Problem], revision: str | None) -> Json:
    """Everything that the page knows. Texts of the repository have what does not print written out."""
    strings = _Strings()
    ordered = sorted(plans, key=lambda plan: (plan.graph.cluster.name, plan.graph.cluster.entry_point))
    unread = sorted({(problem.place, problem.message) for problem in problems})
    document = {
        "title": visible(title),
        "revision": revision,
        "clusters": [_cluster(plan, strings) for plan in ordered],
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


def _cluster(plan: Plan, strings: _Strings) -> Json:
    graph = plan.graph
    edges = [edge for edge in graph.resource_edges if not comes_with_platform(edge.provision)]
    number = {id(edge): index for index, edge in enumerate(edges)}
    needs = [*map(_met, edges), *(_need(entry.requirement, None, "unmet") for entry in graph.unmet)]
    needs += [_need(requirement, requirement.need.store, "key") for requirement in graph.remote_keys if isinstance(requirement.need, RemoteNeed)]
    return {
        "name": visible(graph.cluster.name),
        "entry_point": visible(graph.cluster.entry_point),
        "units": strings.table(_units(plan)),
        "edges": strings.table(
            {
                "consumer": str(edge.consumer),
                "provider": str(edge.provider),
                "line": line_of(edge, plan).value,
                "needs": [number[id(reason)] for reason in edge.edge.reasons if id(reason) in number],
                **_place(None if edge.edge.declared is None else edge.edge.declared.place),
            }
            for edge in sorted(plan.edges, key=lambda edge: (edge.consumer, edge.provider))
        ),
        "resources": strings.table(_resources(graph)),
        "needs": strings.table(needs),
        "opaque": strings.table(
            {"thing": opaque.thing, "why": opaque.why, **_place(opaque.place)}
            for opaque in sorted(graph.opaque, key=lambda each: (each.thing, each.place, each.why))
        ),
    }


def _units(plan: Plan) -> Iterable[Row]:
    graph = plan.graph
    counts = resource_counts(graph)
    level_of = {unit: level for level, units in enumerate(plan.levels, 1) for unit in units}
    for unit in sorted(graph.units.values(), key=lambda unit: unit.id):
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
            **_place(unit.place),
        }


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
        "message": finding.message,
        "subject": finding.subject,
        "other": finding.other,
        "clusters": sorted(map(visible, finding.clusters)),
        "fix": None if finding.fix is None else finding.fix.description,
        **_place(finding.place),
    }


def _place(place: Place | None) -> Row:
    return {"file": None, "at": 0} if place is None else {"file": place.file, "at": place.line}
