"""What a change does, as JSON. An interface: see `report/documents.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from gitops_secrets.graph.changes import EdgeChange, Impact, ObjectChange, Prune, RemoteKeyChange, SecretChange, Touched
from gitops_secrets.graph.fields import FieldChange
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.ordering.teardown import Hold
from gitops_secrets.report.documents import Json, ids_json, json_text, place_json, problems_json
from gitops_secrets.report.plan_document import delay_json

DIFF_SCHEMA: Final = "gitops-secrets/diff/v1"


def diff_document(
    changes: Sequence[PlanDifference],
    base: str | None,
    revision: str | None,
    before: Iterable[Problem],
    after: Iterable[Problem],
    *,
    full: bool = False,
    is_line: bool = False,
) -> str:
    """The clusters that something happens to. `full` has every field of changed objects, else those that are references, names or keys.

    With `is_line` all of it in one line, as of several documents.
    """
    clusters = [_cluster(change, full) for change in changes]
    document: Json = {"schema": DIFF_SCHEMA, "base": base, "revision": revision, "clusters": clusters}
    document["problems"] = {"base": problems_json(before), "head": problems_json(after)}
    return f"{json.dumps(document)}\n" if is_line else json_text(document)


def _cluster(change: PlanDifference, full: bool) -> Json:
    difference = change.graph
    return {
        "name": difference.cluster.name,
        "entry_point": difference.cluster.entry_point,
        "change": change.fate.value if change.fate is not None else None,
        "units": [_object(entry, full) for entry in difference.units],
        "edges": list(map(_edge, difference.edges)),
        "resources": [_object(entry, full) for entry in difference.resources],
        "secrets": list(map(_secret, difference.secrets)),
        "workloads": ids_json(entry.id for entry in difference.workloads),
        "provider_keys": list(map(_key, difference.remote_keys)),
        "blast_radius": {
            "units": list(map(_touched, difference.touched)),
            "waiting": ids_json(difference.waiting),
            "workloads": list(map(_impact, difference.impacts)),
        },
        "prunes": list(map(_prune, difference.prunes)),
        "removal": {"steps": [ids_json(step) for step in change.removal], "holds": list(map(_hold, change.holds))},
        "delay": {"before": delay_json(change.delays[0]), "after": delay_json(change.delays[1]), "added_seconds": change.added_seconds},
    }


def _object(change: ObjectChange, full: bool) -> Json:
    return {
        "id": str(change.id),
        "change": change.fate.value,
        "unit": str(change.unit),
        "moved_from": _id(change.moved_from),
        "earlier": _id(change.earlier),
        "place": place_json(change.place),
        "fields": [_field(field) for field in (change.fields if full else change.shown)],
    }


def _field(change: FieldChange) -> Json:
    return {"field": change.field, "before": change.before, "after": change.after, "place": place_json(change.place)}


def _edge(change: EdgeChange) -> Json:
    return {
        "from": str(change.consumer),
        "to": str(change.provider),
        "change": change.fate.value,
        "declared": {"before": change.written[0], "after": change.written[1]},
        "inferred": {"before": change.needed[0], "after": change.needed[1]},
        "reasons": list(change.reasons),
    }


def _secret(change: SecretChange) -> Json:
    return {
        "id": str(change.id),
        "change": change.fate.value,
        "owners": {"before": ids_json(change.owners[0]), "after": ids_json(change.owners[1])},
        "keys_added": list(change.keys_added),
        "keys_removed": list(change.keys_removed),
        "values_may_change": change.why or None,
    }


def _key(change: RemoteKeyChange) -> Json:
    return {
        "key": str(change.need),
        "store": str(change.need.store),
        "change": change.fate.value,
        "readers": ids_json(change.readers),
        "place": place_json(change.place),
    }


def _touched(touched: Touched) -> Json:
    return {"unit": str(touched.unit), "reasons": list(touched.reasons)}


def _impact(impact: Impact) -> Json:
    return {"id": str(impact.id), "unit": str(impact.unit), "effect": impact.effect.value, "cause": _id(impact.cause)}


def _prune(prune: Prune) -> Json:
    return {
        "thing": str(prune.thing),
        "key": prune.key,
        "provider": str(prune.provider),
        "unit": _id(prune.unit),
        "possible": None if prune.possible is None else prune.possible.thing,
        "consumers": [{"id": str(consumer.resource), "field": consumer.field, "place": place_json(consumer.place)} for consumer in prune.consumers],
    }


def _hold(hold: Hold) -> Json:
    return {
        "operator": str(hold.operator),
        "finalizer": hold.finalizer,
        "objects": [{"id": str(each.id), "place": place_json(each.place)} for each in hold.objects],
    }


def _id(id: ResourceId | None) -> str | None:
    return None if id is None else str(id)
