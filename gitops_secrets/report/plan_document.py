"""The order of clusters, and the reverse one, as JSON. An interface: see `report/documents.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from gitops_secrets.model.facts import Problem
from gitops_secrets.ordering.delay import Delay, delay_of, planned_delay, present_delay
from gitops_secrets.ordering.gates import Gate
from gitops_secrets.ordering.order import Cycle, MissingEdge, OrderedEdge, Plan, Split
from gitops_secrets.report.documents import Json, by_name, ids_json, json_text, ordered_by, place_json, problems_json, reasons_json

if TYPE_CHECKING:
    from gitops_secrets.ordering.teardown import Teardown

PLAN_SCHEMA: Final = "gitops-secrets/plan/v1"
TEARDOWN_SCHEMA: Final = "gitops-secrets/teardown/v1"


def plan_document(plans: Iterable[Plan], problems: Iterable[Problem], revision: str | None) -> str:
    """The order of all clusters: levels, the `dependsOn` to be, what gates each edge, what it costs."""
    clusters = [_planned_cluster(plan) for plan in by_name(plans)]
    return json_text({"schema": PLAN_SCHEMA, "revision": revision, "clusters": clusters, "problems": problems_json(problems)})


def teardown_document(teardowns: Iterable[Teardown], problems: Iterable[Problem], revision: str | None) -> str:
    """The reverse order of all clusters: steps, what to suspend, what stays, what has to outlive what."""
    ordered = sorted(teardowns, key=lambda each: (each.plan.graph.cluster.name, each.plan.graph.cluster.entry_point))
    clusters = [_torn_down_cluster(teardown) for teardown in ordered]
    return json_text({"schema": TEARDOWN_SCHEMA, "revision": revision, "clusters": clusters, "problems": problems_json(problems)})


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
        "units": sorted(units, key=lambda entry: ordered_by(entry, "id")),
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
    return {**_pair(entry.edge), "reasons": reasons_json(entry.edge.ordering), "implies": implied}


def _pair(edge: OrderedEdge) -> Json:
    return {"from": str(edge.consumer), "to": str(edge.provider)}


def _split(split: Split) -> Json:
    return {"unit": str(split.unit), "reasons": reasons_json(split.edges)}


def _cycle(cycle: Cycle) -> Json:
    return {
        "units": list(map(str, cycle.units)),
        "declared": cycle.declared,
        "steps": [{**_pair(step), "reasons": reasons_json(step.edge.reasons)} for step in cycle.steps],
        "cut": None if cycle.cut is None else _pair(cycle.cut),
    }


def delay_json(delay: Delay) -> Json:
    """The longest wait of a bring-up, and who waits for whom."""
    return {"seconds": _seconds(delay.seconds), "chain": list(map(str, delay.chain))}


def _seconds(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value
