"""Results as JSON, for scripts. An interface: fields are added, never changed or taken away within a `schema`.

Text that is not ASCII is escaped, so that a document is safe on a terminal too and the same bytes in every locale.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any, Final

from gitops_secrets.graph.graph import Graph, ResourceEdge, Unmet, comes_with_platform
from gitops_secrets.model.facts import Opaque, Problem
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import CheckResult, Edit, Finding, Fix, Severity, Unit
from gitops_secrets.ordering.delay import Delay, delay_of, planned_delay, present_delay
from gitops_secrets.ordering.gates import Gate
from gitops_secrets.ordering.order import Cycle, MissingEdge, OrderedEdge, Plan, Split
from gitops_secrets.report.names import resource_counts

if TYPE_CHECKING:
    from gitops_secrets.graph.trace import ClusterTrace, Link, Trace
    from gitops_secrets.ordering.teardown import Teardown

Json = dict[str, Any]

SCAN_SCHEMA: Final = "gitops-secrets/scan/v1"
CHECK_SCHEMA: Final = "gitops-secrets/check/v1"
PLAN_SCHEMA: Final = "gitops-secrets/plan/v1"
TEARDOWN_SCHEMA: Final = "gitops-secrets/teardown/v1"
TRACE_SCHEMA: Final = "gitops-secrets/trace/v1"


def scan_document(plans: Iterable[Plan], problems: Iterable[Problem], revision: str | None, *, resources: bool = False) -> str:
    """The graphs of all clusters. `resources` adds every object and every edge between objects."""
    clusters = [_scanned_cluster(plan, resources) for plan in _by_name(plans)]
    return json_text({"schema": SCAN_SCHEMA, "revision": revision, "clusters": clusters, "problems": problems_json(problems)})


def check_document(result: CheckResult) -> str:
    """Findings, each with its evidence and fix; where they are compared with an earlier state, also what is gone since."""
    counts = {severity.value: sum(finding.severity is severity for finding in result.findings) for severity in Severity}
    document: Json = {
        "schema": CHECK_SCHEMA,
        "findings": _findings(result.findings),
        "problems": problems_json(result.problems),
        "summary": {**counts, "suppressed": result.suppressed},
    }
    if result.base is not None:
        document["base"] = result.base
    if result.is_compared:
        document["resolved"] = _findings(result.resolved)
        document["summary"] |= {"known": result.known, "unjudged": result.unjudged, "resolved": len(result.resolved)}
    return json_text(document)


def plan_document(plans: Iterable[Plan], problems: Iterable[Problem], revision: str | None) -> str:
    """The order of all clusters: levels, the `dependsOn` to be, what gates each edge, what it costs."""
    clusters = [_planned_cluster(plan) for plan in _by_name(plans)]
    return json_text({"schema": PLAN_SCHEMA, "revision": revision, "clusters": clusters, "problems": problems_json(problems)})


def teardown_document(teardowns: Iterable[Teardown], problems: Iterable[Problem], revision: str | None) -> str:
    """The reverse order of all clusters: steps, what to suspend, what stays, what has to outlive what."""
    ordered = sorted(teardowns, key=lambda each: (each.plan.graph.cluster.name, each.plan.graph.cluster.entry_point))
    clusters = [_torn_down_cluster(teardown) for teardown in ordered]
    return json_text({"schema": TEARDOWN_SCHEMA, "revision": revision, "clusters": clusters, "problems": problems_json(problems)})


def trace_document(trace: Trace, revision: str | None) -> str:
    """The chain through one thing, nested as it is walked."""
    clusters = [_traced_cluster(cluster) for cluster in sorted(trace.clusters, key=lambda cluster: cluster.cluster)]
    return json_text({"schema": TRACE_SCHEMA, "revision": revision, "thing": trace.thing, "clusters": clusters})


def json_text(document: Json) -> str:
    """A document as every command writes it: what `json.dumps` makes with an indent of two, which keeps every word of a large scan until the end."""
    return "".join(_pieces(document, "\n", 4)) + "\n"


def _pieces(value: Any, margin: str, depth: int) -> Iterator[str]:
    """The text of a value, the items `depth` levels below in one piece each. `margin` is the line break before what stands at this level."""
    kind, separator = value.__class__, margin + "  "
    if not depth or kind not in (dict, list, tuple, map):
        yield _piece(value, margin)
        return
    opening, closing = "{}" if kind is dict else "[]"
    before = opening + separator
    for item in value:
        yield before
        before = "," + separator
        if kind is dict:
            yield f"{_quoted(item)}: "
        yield from _pieces(value[item] if kind is dict else item, separator, depth - 1)
    yield margin + closing if before[0] == "," else opening + closing


def _piece(value: Any, margin: str) -> str:
    kind, separator = value.__class__, margin + "  "
    if kind is str:
        return _quoted(value)
    if kind is dict and value:
        entries = [f"{_quoted(key)}: {_quoted(item) if item.__class__ is str else _piece(item, separator)}" for key, item in value.items()]
        return f"{{{separator}{(',' + separator).join(entries)}{margin}}}"
    if (kind is list or kind is tuple) and value:
        return f"[{separator}{(',' + separator).join([_piece(item, separator) for item in value])}{margin}]"
    return json.dumps(value)


def _by_name(plans: Iterable[Plan]) -> list[Plan]:
    return sorted(plans, key=lambda plan: (plan.graph.cluster.name, plan.graph.cluster.entry_point))


def _order(entry: Mapping[str, Any], *fields: str) -> tuple[object, ...]:
    """By the first id, then by place, then by whatever else tells two entries apart."""
    place = entry.get("place") or {"file": "", "line": 0, "column": 0}
    return (str(entry[fields[0]]), place["file"], place["line"], place["column"], *(str(entry[field]) for field in fields[1:]))


def place_json(place: Place) -> Json:
    """Where something is written."""
    return {"file": place.file, "line": place.line, "column": place.column}


def problems_json(problems: Iterable[Problem]) -> list[Json]:
    """Each once, by place."""
    unique = sorted({(problem.place, problem.message) for problem in problems})
    return [{"message": message, "place": place_json(place)} for place, message in unique]


def ids_json(ids: Iterable[ResourceId]) -> list[str]:
    """Ids, sorted."""
    return sorted(map(str, ids))


# scan


def _scanned_cluster(plan: Plan, resources: bool) -> Json:
    graph = plan.graph
    cluster: Json = {
        "name": graph.cluster.name,
        "entry_point": graph.cluster.entry_point,
        "units": _units(graph),
        "edges": map(_edge, sorted(plan.edges, key=lambda edge: (str(edge.consumer), str(edge.provider)))),
        "external": sorted(_external(graph), key=lambda entry: _order(entry, "consumer", "field", "requires", "provider")),
        "unmet": sorted(_unmet(graph.unmet), key=lambda entry: _order(entry, "consumer", "field", "requires")),
        "opaque": sorted(map(_opaque, graph.opaque), key=lambda entry: _order(entry, "thing", "why")),
    }
    if resources:
        cluster["resources"] = _resources(graph)
        edges = (_resource_edge(edge) for edge in graph.resource_edges if not comes_with_platform(edge.provision))
        cluster["resource_edges"] = sorted(edges, key=lambda entry: _order(entry, "from", "to", "field"))
    return cluster


def _units(graph: Graph) -> list[Json]:
    counts = resource_counts(graph)
    return sorted((_unit(unit, counts.get(unit.id, 0)) for unit in graph.units.values()), key=lambda entry: _order(entry, "id"))


def _unit(unit: Unit, resources: int) -> Json:
    return {
        "id": str(unit.id),
        "kind": unit.id.kind,
        "namespace": unit.id.namespace,
        "name": unit.id.name,
        "path": unit.path,
        "place": place_json(unit.place),
        "parent": None if unit.parent is None else str(unit.parent),
        "resources": resources,
        "opaque": unit.opaque,
    }


def _edge(edge: OrderedEdge) -> Json:
    return {
        "from": str(edge.consumer),
        "to": str(edge.provider),
        "declared": edge.edge.declared is not None,
        "inferred": edge.inferred,
        "orders": edge.orders,
        "backed": edge.backed,
        "redundant": edge.redundant,
        "reasons": _reasons(edge.edge.reasons),
    }


def _reasons(edges: Iterable[ResourceEdge]) -> list[Json]:
    return sorted(map(_reason, edges), key=lambda entry: _order(entry, "consumer", "field", "requires", "provider"))


def _reason(edge: ResourceEdge) -> Json:
    requirement = edge.requirement
    return {
        "reason": requirement.reason,
        "effect": requirement.effect.value,
        "optional": requirement.optional,
        "consumer": str(requirement.resource),
        "provider": str(edge.provision.resource),
        "requires": str(requirement.need),
        "field": requirement.field,
        "place": place_json(requirement.place),
    }


def _external(graph: Graph) -> Iterable[Json]:
    for edge in graph.external:
        provision = edge.before or edge.provision
        if not comes_with_platform(provision):
            requirement = edge.requirement
            yield {
                "consumer": str(requirement.resource),
                "requires": str(requirement.need),
                "provider": provision.note or str(provision.resource),
                "field": requirement.field,
                "place": place_json(requirement.place),
            }


def _unmet(entries: Iterable[Unmet]) -> Iterable[Json]:
    for entry in entries:
        requirement = entry.requirement
        yield {
            "consumer": str(requirement.resource),
            "requires": str(requirement.need),
            "optional": requirement.optional,
            "field": requirement.field,
            "place": place_json(requirement.place),
        }


def _opaque(opaque: Opaque) -> Json:
    return {"thing": opaque.thing, "why": opaque.why, "place": place_json(opaque.place)}


def _resources(graph: Graph) -> list[Json]:
    first = {applied.resource.id: applied.resource for applied in reversed(graph.cluster.resources)}
    entries = (
        {"id": str(resource.id), "api_version": resource.api_version, "unit": str(graph.unit_of[resource.id]), "place": place_json(resource.place)}
        for resource in first.values()
    )
    return sorted(entries, key=lambda entry: _order(entry, "id"))


def _resource_edge(edge: ResourceEdge) -> Json:
    return {
        "from": str(edge.requirement.resource),
        "to": str(edge.provision.resource),
        "reason": edge.requirement.reason,
        "effect": edge.requirement.effect.value,
        "field": edge.requirement.field,
        "place": place_json(edge.requirement.place),
    }


# check


def _findings(findings: Iterable[Finding]) -> list[Json]:
    return sorted(map(_finding, findings), key=lambda entry: _order(entry, "subject", "rule", "object", "fingerprint"))


def _finding(finding: Finding) -> Json:
    document: Json = {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "message": finding.message,
        "place": place_json(finding.place),
        "related": [{"message": related.message, "place": place_json(related.place)} for related in finding.related],
        "clusters": sorted(finding.clusters),
        "subject": finding.subject,
        "object": finding.other,
        "fix": None if finding.fix is None else _fix(finding.fix),
        "fingerprint": finding.fingerprint,
    }
    if finding.change is not None:
        document["change"] = finding.change.value
    return document


def _fix(fix: Fix) -> Json:
    return {"description": fix.description, "edits": [_edit(edit) for edit in fix.edits]}


def _edit(edit: Edit) -> Json:
    (start_line, start_column), (end_line, end_column) = edit.start, edit.end
    document: Json = {
        "file": edit.file,
        "range": {"start": {"line": start_line, "column": start_column}, "end": {"line": end_line, "column": end_column}},
        "text": edit.text,
    }
    if edit.create:
        document["create"] = True
    if edit.delete:
        document["delete"] = True
    return document


# plan


def _planned_cluster(plan: Plan) -> Json:
    graph = plan.graph
    level_of = {unit: number for number, level in enumerate(plan.levels) for unit in level}
    units = (
        {
            "id": str(unit.id),
            "place": place_json(unit.place),
            "parent": None if unit.parent is None else str(unit.parent),
            "level": level_of[unit.id],
            "depends_on": ids_json(plan.depends_on.get(unit.id, ())),
            "declared": ids_json({dependency.target for dependency in unit.depends_on}),
        }
        for unit in graph.units.values()
    )
    return {
        "name": graph.cluster.name,
        "entry_point": graph.cluster.entry_point,
        "levels": [ids_json(level) for level in plan.levels],
        "units": sorted(units, key=lambda entry: _order(entry, "id")),
        "edges": sorted((_planned_edge(edge, plan) for edge in plan.edges), key=lambda entry: (entry["from"], entry["to"])),
        "missing": sorted(map(_missing, plan.missing), key=lambda entry: (entry["from"], entry["to"])),
        "splits": sorted(map(_split, plan.splits), key=lambda entry: str(entry["unit"])),
        "cycles": sorted(map(_cycle, plan.cycles), key=lambda entry: list(entry["units"])),
        "delay": {"planned": delay_json(planned_delay(plan)), "present": delay_json(present_delay(plan))},
    }


def _torn_down_cluster(teardown: Teardown) -> Json:
    cluster = teardown.plan.graph.cluster
    return {
        "name": cluster.name,
        "entry_point": cluster.entry_point,
        "suspend": ids_json(teardown.suspend),
        "steps": [ids_json(step) for step in teardown.steps],
        "engine": ids_json(teardown.engine),
        "keeps": [{"unit": str(keep.unit), "why": keep.why} for keep in teardown.keeps],
        "holds": [
            {
                "operator": str(hold.operator),
                "unit": str(hold.unit),
                "finalizer": hold.finalizer,
                "objects": [{"id": str(resource.id), "place": place_json(resource.place)} for resource in hold.objects],
                "units": ids_json(hold.units),
                "hangs": ids_json(hold.hangs),
            }
            for hold in teardown.holds
        ],
    }


def _planned_edge(edge: OrderedEdge, plan: Plan) -> Json:
    return {
        "from": str(edge.consumer),
        "to": str(edge.provider),
        "declared": edge.edge.declared is not None,
        "orders": edge.orders,
        "backed": edge.backed,
        "delay_seconds": _seconds(delay_of(edge, plan)),
        "gates": _gates(edge.gates),
    }


def _gates(gates: Iterable[Gate]) -> list[Json]:
    """Each way in which something is proven, or not, once: many reasons share one."""
    unique = {(str(gate.checked), gate.place, gate.kind.value, gate.backs, gate.weakness) for gate in gates}
    return [
        {"gate": kind, "checked": checked, "backs": backs, "weakness": weakness, "place": place_json(place)}
        for checked, place, kind, backs, weakness in sorted(unique, key=lambda entry: (*entry[:4], entry[4] or ""))
    ]


def _missing(entry: MissingEdge) -> Json:
    implied = sorted(map(_pair, entry.implied), key=lambda pair: (pair["from"], pair["to"]))
    return {**_pair(entry.edge), "reasons": _reasons(entry.edge.ordering), "implies": implied}


def _pair(edge: OrderedEdge) -> Json:
    return {"from": str(edge.consumer), "to": str(edge.provider)}


def _split(split: Split) -> Json:
    return {"unit": str(split.unit), "reasons": _reasons(split.edges)}


def _cycle(cycle: Cycle) -> Json:
    return {
        "units": list(map(str, cycle.units)),
        "declared": cycle.declared,
        "steps": [{**_pair(step), "reasons": _reasons(step.edge.reasons)} for step in cycle.steps],
        "cut": None if cycle.cut is None else _pair(cycle.cut),
    }


def delay_json(delay: Delay) -> Json:
    """The longest wait of a bring-up, and who waits for whom."""
    return {"seconds": _seconds(delay.seconds), "chain": list(map(str, delay.chain))}


def _seconds(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


# trace


def _traced_cluster(trace: ClusterTrace) -> Json:
    return {
        "name": trace.cluster,
        "place": None if trace.place is None else place_json(trace.place),
        "unit": None if trace.unit is None else str(trace.unit),
        "upstream": _links(trace.upstream),
        "downstream": _links(trace.downstream),
    }


def _links(links: Iterable[Link]) -> list[Json]:
    # In the order of the walk, which is by thing and place: what is marked `again` stands behind the place where it is followed.
    return list(map(_link, links))


def _link(link: Link) -> Json:
    return {
        "thing": link.thing,
        "relation": link.relation.value,
        "reason": link.reason or None,
        "effect": None if link.effect is None else link.effect.value,
        "optional": link.optional,
        "met": link.met,
        "field": link.field or None,
        "place": place_json(link.place),
        "unit": None if link.unit is None else str(link.unit),
        "again": link.again,
        "links": _links(link.links),
    }
