"""What the JSON of every command has in common, for scripts. An interface: fields are added, never changed or taken away within a `schema`.

Text that is not ASCII is escaped, so that a document is safe on a terminal too and the same bytes in every locale.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from gitops_secrets.graph.graph import ResourceEdge
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.ordering.order import Plan

Json = dict[str, Any]


class Written(str):
    """JSON that is text already, with the margin of where it stands."""

    __slots__ = ()


def json_text(document: Json) -> str:
    """A document as every command writes it: what `json.dumps` makes with an indent of two, which keeps every word of a large scan until the end."""
    return "".join(json_parts(document))


def json_parts(document: Json) -> list[str]:
    """The text of a document in parts; whatever is `Written` is one of them."""
    return [*_pieces(document, "\n", _IN_PIECES), "\n"]


def written(value: Any, level: int) -> Written:
    """The text of a value that stands so many levels below a document."""
    return Written("".join(_pieces(value, "\n" + "  " * level, _IN_PIECES - level)))


_WORDS = {True: "true", False: "false", None: "null"}
# So many levels below a document each value becomes one piece of text.
_IN_PIECES = 4


def _pieces(value: Any, margin: str, depth: int) -> Iterator[str]:
    """The text of a value, the items `depth` levels below in one piece each. `margin` is the line break before what stands at this level."""
    kind, separator = value.__class__, margin + "  "
    if kind is Written:
        yield value
        return
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
    # Most values: each call of `json.dumps` takes longer than all the rest.
    if kind is int:
        return repr(value)
    if kind is bool or value is None:
        return _WORDS[value]
    if kind is dict and value:
        entries = [f"{_quoted(key)}: {_quoted(item) if item.__class__ is str else _piece(item, separator)}" for key, item in value.items()]
        return f"{{{separator}{(',' + separator).join(entries)}{margin}}}"
    if (kind is list or kind is tuple) and value:
        return f"[{separator}{(',' + separator).join([_piece(item, separator) for item in value])}{margin}]"
    return json.dumps(value)


def by_name(plans: Iterable[Plan]) -> list[Plan]:
    """Plans in the order in which they are written."""
    return sorted(plans, key=lambda plan: (plan.graph.cluster.name, plan.graph.cluster.entry_point))


def ordered_by(entry: Mapping[str, Any], *fields: str) -> tuple[object, ...]:
    """What entries are sorted by: the first id, then the place, then whatever else tells two entries apart."""
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


def reasons_json(edges: Iterable[ResourceEdge]) -> list[Json]:
    """Edges of resources, as the evidence of an edge between units."""
    return sorted(map(_reason, edges), key=lambda entry: ordered_by(entry, "consumer", "field", "requires", "provider"))


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
