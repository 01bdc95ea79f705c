"""What is known of a cluster as rows of plain values, for the cache. A row says all that orders; what only people read is left out where nothing shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitops_secrets.model.facts import Confidence, Effect, Healing, KindNeed, Need, ObjectNeed, Opaque, Provision, Requirement, SelectionNeed, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Mark, Place, SequenceNode
from gitops_secrets.model.results import Dependency, HealthCheck, HealthExpression, Unit

Row = tuple[Any, ...]
_NEEDS: tuple[Callable[..., Need], ...] = (ObjectNeed, KindNeed, SelectionNeed)


def requirement_row(requirement: Requirement) -> Row:
    """A requirement as it is looked for (see `requirements_of`)."""
    need = requirement.need
    return (
        tuple(requirement.resource),
        (0, tuple(need.id), need.key) if isinstance(need, ObjectNeed) else (_NEEDS.index(type(need)), *need),
        requirement.effect.value,
        requirement.reason,
        requirement.field,
        tuple(requirement.place),
        requirement.optional,
        requirement.soft,
        requirement.healing.value,
        requirement.confidence.value,
        requirement.looked_for,
    )


def requirement_of(row: Row) -> Requirement:
    """The requirement of a row."""
    resource, need, effect, reason, field, place, optional, soft, healing, confidence, looked_for = row
    return Requirement(
        ResourceId(*resource),
        ObjectNeed(ResourceId(*need[1]), need[2]) if need[0] == 0 else _NEEDS[need[0]](*need[1:]),
        _EFFECTS[effect],
        reason,
        field,
        Place(*place),
        optional,
        soft,
        _HEALINGS[healing],
        confidence=_CONFIDENCES[confidence],
        looked_for=looked_for,
    )


def provision_row(provision: Provision) -> Row:
    """A provision."""
    provides, keys = provision.provides, provision.keys
    return (
        tuple(provision.resource),
        (tuple(provides.id), provides.key) if isinstance(provides, ObjectNeed) else tuple(provides),
        provision.when.value,
        tuple(provision.place),
        None if keys is None else tuple(sorted(keys)),
        provision.owns,
        provision.confidence.value,
        provision.labels,
        provision.ready_signal,
        provision.note,
        provision.workload,
    )


def provision_of(row: Row) -> Provision:
    """The provision of a row."""
    resource, provides, when, place, keys, owns, confidence, labels, ready_signal, note, workload = row
    return Provision(
        ResourceId(*resource),
        ObjectNeed(ResourceId(*provides[0]), provides[1]) if len(provides) == 2 else KindNeed(*provides),
        _WHENS[when],
        Place(*place),
        None if keys is None else frozenset(keys),
        owns,
        _CONFIDENCES[confidence],
        labels,
        ready_signal,
        note,
        workload,
    )


def unit_row(unit: Unit) -> Row:
    """A unit that Argo CD does not apply, without its manifest."""
    return (
        tuple(unit.id),
        tuple(unit.place),
        None if unit.parent is None else tuple(unit.parent),
        unit.path,
        tuple((tuple(each.target), tuple(each.place)) for each in unit.depends_on),
        unit.wait,
        tuple((tuple(each.target), tuple(each.place)) for each in unit.health_checks),
        tuple((each.group, each.kind, each.current, tuple(each.place)) for each in unit.health_expressions),
        unit.suspended,
        unit.remote,
        unit.opaque,
    )


def unit_of(row: Row) -> Unit:
    """The unit of a row."""
    id, place, parent, path, depends_on, wait, health_checks, health_expressions, suspended, remote, opaque = row
    return Unit(
        ResourceId(*id),
        Place(*place),
        None if parent is None else ResourceId(*parent),
        path,
        tuple(Dependency(ResourceId(*target), Place(*at)) for target, at in depends_on),
        wait,
        tuple(HealthCheck(ResourceId(*target), Place(*at)) for target, at in health_checks),
        tuple(HealthExpression(group, kind, current, Place(*at)) for group, kind, current, at in health_expressions),
        suspended=suspended,
        remote=remote,
        opaque=opaque,
    )


def opaque_row(opaque: Opaque) -> Row:
    """What is told of something opaque."""
    return opaque.thing, opaque.why, tuple(opaque.place)


def opaque_of(row: Row) -> Opaque:
    """That much of something opaque."""
    thing, why, place = row
    return Opaque(thing, why, Place(*place))


def node_row(value: Any) -> Any:
    """A value of a manifest, with the places of all that is in it."""
    if isinstance(value, MappingNode):
        return "mapping", value.file, value.mark, [(key, node_row(item), _mark_row(value.marks.get(key))) for key, item in value.items()]
    if isinstance(value, SequenceNode):
        return "sequence", value.file, value.mark, [node_row(item) for item in value], list(map(_mark_row, value.marks))
    return value


def node_of(row: Any) -> Any:
    """The value of a row."""
    match row:
        case ("mapping", file, mark, items):
            mapping = MappingNode(file, mark)
            for key, item, at in items:
                mapping[key] = node_of(item)
                if at is not None:
                    mapping.marks[key] = _mark_of(at)
            return mapping
        case ("sequence", file, mark, items, marks):
            sequence = SequenceNode(file, mark)
            sequence.extend(map(node_of, items))
            sequence.marks = list(map(_mark_of, marks))
            return sequence
    return row


def _mark_row(mark: Mark | None) -> Any:
    return tuple(mark) if isinstance(mark, Place) else mark


def _mark_of(row: Any) -> Mark:
    return Place(*row) if isinstance(row, tuple) else row


# Looked up, since calling an enumeration takes ten times as long.
_EFFECTS = {each.value: each for each in Effect}
_HEALINGS = {each.value: each for each in Healing}
_CONFIDENCES = {each.value: each for each in Confidence}
_WHENS = {each.value: each for each in When}
