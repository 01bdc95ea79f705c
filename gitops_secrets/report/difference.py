"""What a change does to a cluster, in sections of short lines: said once, for a terminal and for a comment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from gitops_secrets.graph.changes import Difference, EdgeChange, Fate, ObjectChange, SecretChange
from gitops_secrets.graph.fields import FieldChange
from gitops_secrets.graph.restarts import Effects
from gitops_secrets.model.brief import brief
from gitops_secrets.model.durations import duration
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.ordering.teardown import Hold
from gitops_secrets.report.names import relative_name
from gitops_secrets.report.style import counted

MARKS: Final = {Fate.ADDED: "+", Fate.REMOVED: "-", Fate.CHANGED: "~"}
_FIELDS_SHOWN: Final = 6
_NAMES_SHOWN: Final = 8


class Line(NamedTuple):
    """One thing: `mark` is +, -, ~ or nothing; `details` stand below it."""

    mark: str
    text: str
    details: tuple[str, ...] = ()


class Section(NamedTuple):
    """Lines under a title. What is `grave` a reviewer must not miss."""

    title: str
    lines: tuple[Line, ...]
    grave: bool = False


def sections(change: PlanDifference, *, full: bool = False) -> list[Section]:
    """All that is to be said of one cluster, the gravest first; sections with nothing in them are left out. `full` has every field of every object."""
    difference = change.graph
    found = [
        Section("goes while something needs it", tuple(_prunes(difference)), grave=True),
        Section("has to outlive what it finalizes", tuple(_holds(change.holds)), grave=True),
        Section("order of removal, a commit for each step", tuple(_removal(change)), grave=True),
        Section("secrets", tuple(map(_secret, difference.secrets))),
        Section("provider keys", tuple(_remote_keys(difference))),
        Section("bring-up", tuple(_delay(change))),
        Section("blast radius", tuple(_blast_radius(difference))),
        Section("units", tuple(_changed(difference.units, full=full))),
        Section("edges", tuple(_edges(change, full=full))),
        Section("objects", tuple(_changed(difference.resources, full=full))),
    ]
    return [section for section in found if section.lines]


def headline(change: PlanDifference) -> str:
    """The whole of a difference in a line."""
    difference = change.graph
    parts = [
        _tally("units", [each.fate for each in difference.units]),
        _tally("edges", [each.fate for each in change.edges]),
        _tally("objects", [each.fate for each in difference.resources]),
        _tally("secrets", [each.fate for each in difference.secrets]),
    ]
    restarts = {impact.id for impact in difference.impacts if impact.effect in (Effects.ROLLS_OUT, Effects.RELOADED)}
    if restarts:
        parts.append(f"{counted(len(restarts), 'workload')} restart{'s' if len(restarts) == 1 else ''}")
    if difference.prunes:
        parts.append(f"{counted(len(difference.prunes), 'thing')} {'goes' if len(difference.prunes) == 1 else 'go'} while still needed")
    return "; ".join(part for part in parts if part)


def _tally(noun: str, fates: Sequence[Fate]) -> str:
    counts = [f"{fates.count(fate)} {fate.value}" for fate in Fate if fate in fates]
    return f"{noun}: {', '.join(counts)}" if counts else ""


def _prunes(difference: Difference) -> Iterator[Line]:
    for prune in difference.prunes:
        by = f", which {prune.provider} brought" if prune.provider != prune.thing else ""
        doubt = f", unless {prune.possible.thing} makes it" if prune.possible is not None else ""
        consumers = tuple(f"{consumer.place}: {consumer.resource} needs it ({consumer.field})" for consumer in prune.consumers)
        key = f"key {prune.key} of " if prune.key is not None else ""
        yield Line("-", f"{key}{prune.thing}{by}{doubt}", consumers)


def _holds(holds: Sequence[Hold]) -> Iterator[Line]:
    for hold in holds:
        objects = tuple(f"{resource.place}: {resource.id}" for resource in hold.objects)
        yield Line("-", f"{hold.operator} takes {hold.finalizer} off {counted(len(objects), hold.kind)}, which hang once it is gone", objects)


def _removal(change: PlanDifference) -> Iterator[Line]:
    """What goes, and before it what stays and needs it: that has to do without."""
    gone = {each.id for each in (*change.graph.units, *change.graph.resources) if each.fate is Fate.REMOVED}
    for number, step in enumerate(change.removal, start=1):
        stays = "" if gone.issuperset(step) else ": gone, or no longer in need of what follows"
        yield Line(f"{number}.", f"{_names(map(str, step))}{stays}")


def _changed(changes: Sequence[ObjectChange], *, full: bool) -> Iterator[Line]:
    """Units or objects. Those that change only in what nothing refers to, or in what edges tell, are summed up, unless `full`."""
    told = [line for change in changes if (line := _object(change, full=full)) is not None]
    yield from told
    if len(told) < len(changes):
        yield Line("~", f"{len(changes) - len(told)} {'more' if told else 'change'} in other fields (--full shows them)")


def _object(change: ObjectChange, *, full: bool) -> Line | None:
    # What a unit depends on is told by its edges.
    fields = change.fields if full else tuple(field for field in change.shown if not field.field.startswith("spec.dependsOn"))
    if not (fields or change.moved_from or change.earlier or change.fate is not Fate.CHANGED):
        return None
    moved = f", applied by {change.unit}, before by {change.moved_from}" if change.moved_from is not None else ""
    earlier = f", before {change.earlier.name}" if change.earlier is not None else ""
    details = tuple(map(_field, fields if full else fields[:_FIELDS_SHOWN]))
    if len(fields) > len(details):
        details += (f"… and {len(fields) - len(details)} more",)
    return Line(MARKS[change.fate], f"{change.id}{earlier}{moved}", details)


def _field(change: FieldChange) -> str:
    if change.before is None:
        return f"{change.field}: {change.after} is new"
    if change.after is None:
        return f"{change.field}: {change.before} is gone"
    return f"{change.field}: changes" if change.before == change.after else f"{change.field}: {change.before} → {change.after}"


def _edges(change: PlanDifference, *, full: bool) -> Iterator[Line]:
    """Edges that are written or order something; the others are summed up, unless `full`."""
    told = change.graph.edges if full else change.edges
    yield from (_edge(edge, change) for edge in told)
    if len(told) < len(change.graph.edges):
        yield Line("~", f"{len(change.graph.edges) - len(told)} {'more' if told else 'change'} for which nothing has to wait (--full shows them)")


def _edge(edge: EdgeChange, change: PlanDifference) -> Line:
    consumer, provider = relative_name(edge.consumer, None), relative_name(edge.provider, edge.consumer)
    (was_written, is_written), (was_needed, is_needed) = edge.written, edge.needed
    order = "a sync wave" if edge.consumer.kind == "Application" else "dependsOn"
    words = []
    if is_needed:
        words.append(f"needs it for {', '.join(edge.reasons)}" if edge.reasons and not was_needed else "needs it")
    elif was_needed:
        words.append("no longer needs it")
    if is_written != was_written:
        words.append(f"{order} is written" if is_written else f"{order} is gone")
    if (edge.consumer, edge.provider) in change.unwritten:
        words.append(f"no {order.removeprefix('a ')} says so")
    return Line(MARKS[edge.fate], f"{consumer} → {provider}: {'; '.join(words)}")


def _secret(change: SecretChange) -> Line:
    before, after = change.owners
    words = [f"key {key} is new" for key in change.keys_added] + [f"key {key} is gone" for key in change.keys_removed]
    others = tuple(owner for owner in after or before if owner != change.id)
    if change.fate is not Fate.CHANGED and others:
        words.append(f"made by {_names(map(str, others))}")
    if change.fate is Fate.CHANGED and before != after:
        words.append(f"made by {_owners(after, change.id)}, before by {_owners(before, change.id)}")
    if change.why and not words:
        words.append(f"its values may change: {change.why}")
    return Line(MARKS[change.fate], f"{change.id}{': ' if words else ''}{'; '.join(words)}")


def _owners(owners: Sequence[ResourceId], secret: ResourceId) -> str:
    return _names("its own manifest" if owner == secret else str(owner) for owner in owners)


def _remote_keys(difference: Difference) -> Iterator[Line]:
    for change in difference.remote_keys:
        verb = "is needed now" if change.fate is Fate.ADDED else "is no longer used"
        store = f"{change.need.store.kind} {brief(change.need.store.name)}"
        yield Line(MARKS[change.fate], f"{change.need} of {store} {verb}: {_names(map(str, change.readers))}")


def _blast_radius(difference: Difference) -> Iterator[Line]:
    causes: dict[tuple[ResourceId, Effects], list[ResourceId]] = {}
    for impact in difference.impacts:
        causes.setdefault((impact.id, impact.effect), []).extend([] if impact.cause is None else [impact.cause])
    for (id, effect), found in causes.items():
        because = f", since {_names(map(str, found))} {'changes' if len(found) == 1 else 'change'}" if found else ""
        yield Line("", f"{id} {effect.value}{because}")
    yield from _uninstalled(difference)
    if difference.touched:
        verb = "applies" if len(difference.touched) == 1 else "apply"
        reasons = tuple(f"{touched.unit}: {'; '.join(touched.reasons)}" for touched in difference.touched)
        yield Line("", f"{counted(len(difference.touched), 'unit')} {verb} something else", reasons)
    if difference.waiting:
        verb = "waits" if len(difference.waiting) == 1 else "wait"
        yield Line("", f"{counted(len(difference.waiting), 'unit')} {verb} for them: {_names(map(str, difference.waiting))}")


def _uninstalled(difference: Difference) -> Iterator[Line]:
    """Definitions that go with the release that brought them, and with a definition every object of its kind: Helm keeps only those of a `crds` folder."""
    gone: dict[ResourceId, tuple[set[ResourceId], set[ResourceId]]] = {}
    for prune in difference.prunes:
        if prune.provider.kind == "HelmRelease" and prune.thing.kind == "CustomResourceDefinition":
            definitions, objects = gone.setdefault(prune.provider, (set(), set()))
            definitions.add(prune.thing)
            objects.update(consumer.resource for consumer in prune.consumers)
    for release, (definitions, objects) in gone.items():
        verb = "goes" if len(definitions) == 1 else "go"
        text = f"{release} is uninstalled: {counted(len(definitions), 'definition')} {verb} with it unless the chart keeps them"
        yield Line("", f"{text}, and with them {_names(map(str, sorted(objects)))}", tuple(map(str, sorted(definitions))))


def _delay(change: PlanDifference) -> Iterator[Line]:
    before, after = change.delays
    if change.added_seconds:
        chain = " → ".join(relative_name(unit, after.chain[0]) for unit in after.chain)
        verb = "longer" if change.added_seconds > 0 else "less"
        text = f"waits up to {duration(abs(change.added_seconds))} {verb}: {duration(after.seconds)}, before {duration(before.seconds)}"
        yield Line("", text, (chain,) if len(after.chain) > 1 else ())


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _NAMES_SHOWN} more" if len(listed) > _NAMES_SHOWN else ""
    return ", ".join(listed[:_NAMES_SHOWN]) + more
