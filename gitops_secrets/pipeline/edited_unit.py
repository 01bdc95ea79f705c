"""What an edit does to one unit, by its builds before and after."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from gitops_secrets.graph.build import names_of
from gitops_secrets.kinds.controllers import controller_requirement, webhook_requirement
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Facts, KindNeed, ObjectNeed, RemoteNeed, Requirement, Resource, SelectionNeed
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.pipeline.edited_cluster import Edit, EditedCluster, EditedObject, UnusualError, concerns
from gitops_secrets.pipeline.kept import is_chart_source, is_ordinary, is_release, may_be_edited
from gitops_secrets.pipeline.rows import node_row
from gitops_secrets.rendering.flux_version import is_labelled_flux

_NOWHERE: Final = Place("", 1, 1)
# What makes no difference to the charts that come from a source.
_TIMES: Final = frozenset({"interval", "timeout"})


def edit_of(cluster: EditedCluster, unit: int, states: Sequence[Loader], sought: frozenset[ResourceId]) -> Edit:
    """What was done to a unit, by its builds before and after. Raises `UnusualError`."""
    (read_before, before), (read_after, after) = (cluster.built(unit, loader) for loader in states)
    both, either = before.keys() & after.keys(), before.keys() | after.keys()
    changed = {id for id in either if id not in both or repr(before[id].data) != repr(after[id].data)}
    if read_before != read_after or sought & changed:
        raise UnusualError
    again, in_place = {id for id in changed if not is_ordinary(id)}, frozenset[ResourceId]()
    if cluster.moving:
        in_place = frozenset(id for id in both if not is_ordinary(id) and _is_in_place(before[id], after[id]))
        again.update(id for id in both - in_place if may_be_edited(id) and not is_ordinary(id))
    if any(is_labelled_flux(objects[id]) for objects in (before, after) for id in changed & objects.keys()):
        raise UnusualError  # it may tell the version that everything else is read by
    edited = [_edited_object(cluster, before.get(id), after.get(id)) for id in sorted(again)]
    facts = [[(each, facts_of(each, cluster.table)) for id, each in objects.items() if is_ordinary(id)] for objects in (before, after)]
    if any(found.opaque or found.problems for state in facts for each, found in state if each.id in changed):
        raise UnusualError
    gone, made = ({replace(each, place=_NOWHERE) for _, found in state for each in found.provisions} for state in facts)
    provides = {each.provides for each in gone ^ made}
    affected = frozenset(id for each in provides if isinstance(each, ObjectNeed) for id in names_of(each.id))
    if affected & sought or not all(map(is_ordinary, affected)) or any(isinstance(each, KindNeed) for each in provides):
        raise UnusualError
    told = [facts[0] + [(each.before, each.facts[0]) for each in edited], facts[1] + [(each.after, each.facts[1]) for each in edited]]
    earlier, requirements = ([each for resource, found in state for each in _required_by(resource, found, cluster)] for state in told)
    _check(earlier, changed, cluster)
    _check(requirements, changed, cluster)
    return Edit(
        gone=frozenset(before.keys() - after.keys()),
        made=frozenset(after.keys() - before.keys()),
        requiring=frozenset(each.id for state in told for each, _ in state),
        requirements=tuple(each for each in requirements if not each.referent),
        provisions=tuple(each for _, found in facts[1] for each in found.provisions),
        affected=affected,
        in_place=in_place,
        releases=tuple(each for each in edited if is_release(each.after.id)),
    )


def _is_in_place(before: Resource, after: Resource) -> bool:
    return before.place == after.place and node_row(before.data) == node_row(after.data)


def _edited_object(cluster: EditedCluster, before: Resource | None, after: Resource | None) -> EditedObject:
    """An object that others may rest on, by its states. Raises `UnusualError` where any of them may."""
    if before is None or after is None or not may_be_edited(after.id) or after.id in cluster.shared:
        raise UnusualError
    found = [facts_of(each, cluster.table) for each in (before, after)]
    if is_chart_source(after.id) and repr(without(before, _TIMES)) != repr(without(after, _TIMES)):
        raise UnusualError
    if is_release(after.id):
        installed = cluster.releases.installed(before, after)
        if installed is None:
            raise UnusualError
        found = [_together(*each) for each in zip(found, installed, strict=True)]
    elif any(facts.opaque for facts in found):
        raise UnusualError
    # Labels matter where somebody selects by them.
    provided = [[replace(each, place=_NOWHERE, labels=()) for each in facts.provisions] for facts in found]
    if provided[0] != provided[1] or any(facts.problems for facts in found) or after.id.group_kind in cluster.kept.selected:
        raise UnusualError
    return EditedObject(before, after, (found[0], found[1]))


def _together(first: Facts, second: Facts) -> Facts:
    return Facts(first.requirements + second.requirements, first.provisions + second.provisions, first.opaque + second.opaque, first.problems + second.problems)


def _required_by(resource: Resource, facts: Facts, cluster: EditedCluster) -> Iterator[Requirement]:
    """What an object requires in the cluster: see `cluster_facts`."""
    yield from (each for each in facts.requirements if not isinstance(each.need, RemoteNeed))
    beside = (webhook_requirement(resource, cluster.operators, cluster.table), controller_requirement(resource, cluster.controllers))
    yield from (each for each in beside if each is not None)


def _check(requirements: Iterable[Requirement], changed: Collection[ResourceId], cluster: EditedCluster) -> None:
    """Raises `UnusualError` for requirements that are looked for elsewhere than they say, or of which further ones come (see `requirements_of`)."""
    for each in requirements:
        is_told_elsewhere = each.namespace_of_chart is not None or concerns(each, cluster.referents) or isinstance(each.need, SelectionNeed)
        if is_told_elsewhere or (each.referent and each.resource in changed):
            raise UnusualError


def without(resource: Resource, fields: Collection[str]) -> object:
    """What a manifest says beside these fields of its `spec`."""
    return {**resource.data, "spec": {key: value for key, value in resource.spec.items() if key not in fields}}


def unplaced(facts: Facts) -> Facts:
    """Facts without where it is written what is required and provided."""
    requirements = tuple(replace(each, place=_NOWHERE) for each in facts.requirements)
    return replace(facts, requirements=requirements, provisions=tuple(replace(each, place=_NOWHERE) for each in facts.provisions))
