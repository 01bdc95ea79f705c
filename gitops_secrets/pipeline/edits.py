"""The tree of units after an edit, from what was kept of the analysis before it: only the units that read what was edited are built again.

It goes for ordinary objects that Flux Kustomizations apply: workloads, their configuration, what External Secrets Operator reads. What steers an engine,
brings definitions or admits other objects changes more than its own unit; then all is worked out again. So it is wherever anything is out of the
ordinary: this is a way to be fast, not another way to an answer.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final, NamedTuple

from gitops_secrets.graph.build import names_of, rebuild
from gitops_secrets.graph.graph import ResourceEdge, Unmet
from gitops_secrets.kinds.controllers import controller_requirement, webhook_requirement
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable, default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Facts, KindNeed, ObjectNeed, Provision, RemoteNeed, Requirement, Resource, SelectionNeed
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import Place, as_mapping, as_text
from gitops_secrets.model.results import Cluster
from gitops_secrets.ordering.order import Order, order
from gitops_secrets.pipeline.checkout import Edited, may_name
from gitops_secrets.pipeline.kept import NOBODY, Kept, KeptCluster, is_ordinary
from gitops_secrets.pipeline.rows import Row, node_of, node_row, opaque_of, provision_of, requirement_of, unit_of
from gitops_secrets.rendering.expansion import State
from gitops_secrets.rendering.flux_build import build_directory, default_namespace, objects_of
from gitops_secrets.rendering.flux_version import is_labelled_flux
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.rendering.units import is_kustomization, to_unit
from gitops_secrets.repository.ignore import FilteredTree
from gitops_secrets.repository.tree import OverlaidTree, Tree
from gitops_secrets.syntax.budget import Budget, BudgetError, Spent

_NOWHERE: Final = Place("", 1, 1)
_ORDERING: Final = frozenset({"dependsOn", "healthCheckExprs", "healthChecks", "interval", "retryInterval", "timeout", "wait"})
# A unit that takes more than this part of what it may take is near a limit, which may lie elsewhere in another run.
_MOST_OF_IT: Final = 0.5


class _UnusualError(Exception):
    """Something is out of the ordinary."""


class _Edit(NamedTuple):
    """What was done to one unit."""

    gone: frozenset[ResourceId]  # objects
    made: frozenset[ResourceId]
    ordinary: frozenset[ResourceId]  # the objects, before or after, whose facts are those below; of the others they are as before
    requirements: tuple[Requirement, ...]
    provisions: tuple[Provision, ...]
    affected: frozenset[ResourceId]  # what it provides otherwise than before
    in_place: frozenset[ResourceId]  # the objects beside the ordinary ones that stand where they stood


def text_after(edited: Edited, tree: Tree, limits: Limits, told: Callable[[Order], str], *, tells_places: bool) -> str | None:
    """What is said of a checkout after an edit; None where all has to be worked out.

    `told` tells one cluster; `tells_places`: does it say where everything is written?
    """
    known, before = Kept(*edited.kept), edited.before
    read = known.readers.keys() | known.written.keys()
    if any(path not in read or any((word in text) != (word in tree.read(path)) for word in edited.words) for path, text in before.items()):
        return None
    if not Budget(limits).allows(Spent(known.text, known.steps)):
        return None
    files = FilteredTree(tree, frozenset(known.left_out))
    states = [Loader(each, budget=Budget(limits)) for each in (OverlaidTree(files, before), files)]
    sought = frozenset(ResourceId(*id) for id in known.sought)
    ends = list(accumulate(known.lengths))
    parts = [edited.answer[0][end - length : end] for end, length in zip(ends, known.lengths, strict=True)]
    table, told_anew = default_table().within(limits), set[int]()
    moving = before.keys() if tells_places else ()
    try:
        rewritten = {each[1].id: each for path in before for each in _rewritten(path, states, table, may_be=path in known.written, also_moved=tells_places)}
        for number, position in enumerate(known.positions):
            units = {unit for path in before for cluster, unit in known.readers.get(path, ()) if cluster == number}
            placed = {unit for path in before for cluster, unit in known.written.get(path, ()) if cluster == number}
            row = known.clusters[number]
            if position is not None and row is not None and (units or placed):
                cluster = _Cluster(KeptCluster(*row), states[-1], table, placed, rewritten, moving)
                edits = {unit: _edit(cluster, unit, states, sought) for unit in sorted(units)}
                parts[position] = told(cluster.after(edits))
                told_anew.add(position)
    except (_UnusualError, BudgetError):
        return None
    # Where places are told, those in a cluster that is told anew are made of the files as they are.
    others = (part for position, part in enumerate(parts) if not (tells_places and position in told_anew))
    return None if any(may_name(part, path) for part in others for path in before) else "".join(parts)


def _rewritten(path: str, states: Sequence[Loader], table: KindTable, *, may_be: bool, also_moved: bool) -> Iterator[tuple[Resource, Resource]]:
    """The Kustomizations of a file that are ordered otherwise than before, as they were and as they are, if they `may_be`; `also_moved`: all of them.

    Raises `_UnusualError` for what else steers an engine.
    """
    before, after = (loader.load(path) for loader in states)
    if before.problems or after.problems:
        raise _UnusualError
    steering = [[each for each in found.documents if may_be or not _is_ordinary_document(each)] for found in (before, after)]
    if len(steering[0]) != len(steering[1]):
        raise _UnusualError
    for old, new in zip(*steering, strict=True):
        is_as_before = repr(old) == repr(new)
        if is_as_before and not (may_be and also_moved):
            continue
        was, resource = (to_resource(each, table.is_namespaced, default_namespace(each)) for each in (as_mapping(old), as_mapping(new)))
        if was is None or resource is None or not is_kustomization(resource):
            if is_as_before:
                continue
            raise _UnusualError
        if not may_be or repr(_unordered(was)) != repr(_unordered(resource)) or _told(facts_of(was, table)) != _told(facts_of(resource, table)):
            raise _UnusualError
        yield was, resource


def _is_ordinary_document(document: object) -> bool:
    manifest = as_mapping(document)
    group, _ = split_api_version(as_text(manifest.get("apiVersion")))
    return bool(manifest) and is_ordinary(ResourceId(group, as_text(manifest.get("kind")), "", ""))


def _unordered(kustomization: Resource) -> object:
    """A Kustomization without what orders it and gates others."""
    return {**kustomization.data, "spec": {key: value for key, value in kustomization.spec.items() if key not in _ORDERING}}


def _told(facts: Facts) -> object:
    """Facts without their places."""
    return [replace(each, place=_NOWHERE) for each in facts.requirements], list(map(_unplaced, facts.provisions)), facts.opaque, facts.problems


def _unplaced(provision: Provision) -> Provision:
    return replace(provision, place=_NOWHERE)


class _Cluster:
    """A cluster as it was kept."""

    def __init__(
        self,
        kept: KeptCluster,
        loader: Loader,
        table: KindTable,
        written: Collection[int],
        rewritten: Mapping[ResourceId, tuple[Resource, Resource]],
        moving: Collection[str],
    ) -> None:
        name, entry_point, engine, stray = kept.about
        self.kept = kept
        self.loader = loader
        self.table = table
        self.moving = moving  # the files in which places are others now, where they are told
        units = list(map(unit_of, kept.units))
        self.ids = [unit.id for unit in units]
        self.rewritten = [number for number in written if self.ids[number] in rewritten]
        if len(self.rewritten) < len(rewritten):
            raise _UnusualError
        for number in self.rewritten:
            unit = units[number]
            units[number] = replace(to_unit(rewritten[unit.id][1], unit.parent, unit.path, unit.opaque), remote=unit.remote)
        states = ((facts_of(each, table).requirements for each in pair) for pair in rewritten.values())
        self.moved = {old: new for before, after in states for old, new in zip(before, after, strict=True)}
        self.cluster = Cluster(name, entry_point, engine, tuple(units), (), opaque=tuple(map(opaque_of, kept.opaque)), stray=stray)
        self.referents = frozenset(ResourceId(*id) for id in kept.referents)
        self.operators = {group: ResourceId(*id) for group, id in kept.operators.items()}
        self.controllers = {group: ResourceId(*id) for group, id in kept.controllers.items()}

    def after(self, edits: Mapping[int, _Edit]) -> Order:
        """Its order once units are edited. Raises `_UnusualError`."""
        affected = frozenset[ResourceId]().union(*(edit.affected for edit in edits.values()))
        checked = {ResourceId(*id): tuple(map(provision_of, rows)) for id, rows in self.kept.checked}
        if checked.keys() & affected or any(id.group_kind in self.kept.selected for id in affected):
            raise _UnusualError
        applied = self._applied(edits)
        checks = (check.target for number in self.rewritten for check in self.cluster.units[number].health_checks)
        if any(target not in applied and target not in checked for target in checks):
            raise _UnusualError
        anew = {(self.ids[number], id) for number, edit in edits.items() for id in edit.ordinary}
        in_place = frozenset[ResourceId]().union(*(edit.in_place for edit in edits.values()))
        self._check_places(in_place)
        edges = [
            edge if requirement is edge.requirement else replace(edge, requirement=requirement)
            for edge in self._edges()
            if (edge.consumer_unit, edge.requirement.resource) not in anew and not _concerns(edge.requirement, affected)
            for requirement in [self._as_it_is(edge.requirement, in_place)]
        ]
        lacking = [
            Unmet(self._as_it_is(requirement, in_place), self.ids[number])
            for number, requirement in self._lacking()
            if (self.ids[number], requirement.resource) not in anew and not _concerns(requirement, affected)
        ]
        again = [(unit, self._as_it_is(requirement, in_place)) for unit, requirement in self._requiring(affected) if (unit, requirement.resource) not in anew]
        required = again + [(self.ids[number], requirement) for number, edit in edits.items() for requirement in edit.requirements]
        provided = self._provided({requirement.need for _, requirement in required}, edits)
        graph = rebuild(self.cluster, applied, edges, lacking, required, provided)
        return order(replace(graph, provisions=checked), self.table)

    def built(self, unit: int, loader: Loader) -> tuple[frozenset[str], dict[ResourceId, Resource]]:
        """What the build of a unit reads, and its objects. Raises `_UnusualError`."""
        version, data, place, path = marshal.loads(self.kept.built[unit])  # noqa: S302  the cache answers for what is kept
        resource = Resource(self.ids[unit], version, node_of(data), Place(*place))
        builder = Builder(loader)
        state = State(loader, builder, Renderings(loader), self.table.is_namespaced)
        build = build_directory(builder, loader.tree, path, resource)
        objects = objects_of(build, resource, None, state, complete=True)
        by_id = {each.id: each for each in objects}
        wrong = build.problems or build.opaque or build.failed or state.problems or state.opaque
        if wrong or loader.budget.used > _MOST_OF_IT or len(by_id) < len(objects):
            raise _UnusualError
        return build.inputs, by_id

    def _edges(self) -> Iterator[ResourceEdge]:
        """The edges that join units, as they were."""
        provisions = list(map(provision_of, self.kept.met_by))
        for row, provision, consumer, provider, before, alternatives, is_alternative in self.kept.edges:
            yield ResourceEdge(
                requirement_of(row),
                provisions[provision],
                self.ids[consumer],
                None if provider is None else self.ids[provider],
                None if before is None else provisions[before],
                tuple(self.ids[each] for each in alternatives),
                is_alternative,
            )

    def _lacking(self) -> Iterator[tuple[int, Requirement]]:
        """What nothing brought, where that is told, with the unit."""
        if self.moving:
            yield from ((number, requirement_of(row)) for number, row in self.kept.unmet)

    def _check_places(self, in_place: Collection[ResourceId]) -> None:
        """Raises `_UnusualError` for a unit or something opaque in a file that was edited, unless it is known where it is now."""
        steady = {*in_place, *(self.ids[number] for number in self.rewritten)}
        if any(unit.place.file in self.moving and unit.id not in steady for unit in self.cluster.units):
            raise _UnusualError
        if any(opaque.place.file in self.moving for opaque in self.cluster.opaque):
            raise _UnusualError

    def _as_it_is(self, requirement: Requirement, in_place: Collection[ResourceId]) -> Requirement:
        """A requirement with its place as it is now. Raises `_UnusualError`."""
        if requirement.place.file not in self.moving or requirement.resource in in_place:
            return requirement
        if requirement not in self.moved:
            raise _UnusualError
        return self.moved[requirement]

    def _applied(self, edits: Mapping[int, _Edit]) -> dict[ResourceId, ResourceId]:
        """Who applies each object after edits."""
        applied = {ResourceId(*id): self.ids[unit] for id, unit in self.kept.applied}
        namespaces = {id.namespace for id in applied}
        shared = {ResourceId(*id) for id in self.kept.shared}
        for edit in edits.values():
            if edit.gone & shared:
                raise _UnusualError
            for id in edit.gone:
                del applied[id]
        for number, edit in edits.items():
            if edit.made & applied.keys():
                raise _UnusualError
            applied.update(dict.fromkeys(edit.made, self.ids[number]))
        if {id.namespace for id in applied} != namespaces:
            raise _UnusualError  # there are things in each that Kubernetes makes
        return applied

    def _requiring(self, ids: Iterable[ResourceId]) -> Iterator[tuple[ResourceId, Requirement]]:
        """Who required some objects."""
        wanted = {(0, tuple(id)) for id in ids}
        found = dict.fromkeys((consumer, row) for row, _, consumer, *_ in self.kept.edges if row[1][:2] in wanted)
        found.update(((number, row), None) for number, row in self.kept.unmet if row[1][:2] in wanted)
        for number in {number for _, id in wanted for number in self.kept.requiring.get(id, ())}:
            found.update(((number, row), None) for row in _rows(self.kept.required, number) if row[1][:2] in wanted)
        yield from ((self.ids[number], requirement_of(row)) for number, row in found)

    def _provided(self, needs: Iterable[object], edits: Mapping[int, _Edit]) -> Iterator[tuple[Provision, ResourceId | None]]:
        """All that may meet needs, and whose it is."""
        keys: set[Row] = set()
        for need in needs:
            if isinstance(need, ObjectNeed):
                keys.add(tuple(need.id))
            elif isinstance(need, KindNeed):
                keys.add((need.group, need.kind))
        appliers = {number for id, number in self.kept.applied if id in keys}
        for number in sorted(appliers.union(edits, *(self.kept.providing.get(key, ()) for key in keys))):
            unit = None if number == NOBODY else self.ids[number]
            yield from ((provision_of(row), unit) for row in _rows(self.kept.provided, number))
            if number in edits:
                yield from ((provision, unit) for provision in edits[number].provisions)
            elif number in self.kept.built:
                ordinary = (each for id, each in self.built(number, self.loader)[1].items() if is_ordinary(id))
                yield from ((provision, unit) for each in ordinary for provision in facts_of(each, self.table).provisions)


def _rows(rows: Mapping[int, bytes], number: int) -> Sequence[Row]:
    found: Sequence[Row] = marshal.loads(rows[number]) if number in rows else ()  # noqa: S302  the cache answers for what is kept
    return found


def _concerns(requirement: Requirement, ids: Collection[ResourceId]) -> bool:
    return isinstance(requirement.need, ObjectNeed) and requirement.need.id in ids


def _edit(cluster: _Cluster, unit: int, states: Sequence[Loader], sought: frozenset[ResourceId]) -> _Edit:
    """What was done to a unit, by its builds before and after. Raises `_UnusualError`."""
    (read_before, before), (read_after, after) = (cluster.built(unit, loader) for loader in states)
    changed = {id for id in before.keys() | after.keys() if id not in before or id not in after or repr(before[id].data) != repr(after[id].data)}
    if read_before != read_after or not all(is_ordinary(id) and id not in sought for id in changed):
        raise _UnusualError
    if any(is_labelled_flux(objects[id]) for objects in (before, after) for id in changed & objects.keys()):
        raise _UnusualError  # it may tell the version that everything else is read by
    facts = [[(each, facts_of(each, cluster.table)) for id, each in objects.items() if is_ordinary(id)] for objects in (before, after)]
    if any(found.opaque or found.problems for state in facts for each, found in state if each.id in changed):
        raise _UnusualError
    earlier, requirements = ([each for resource, found in state for each in _required_by(resource, found, cluster)] for state in facts)
    _check(earlier, changed, cluster)
    _check(requirements, changed, cluster)
    gone, made = ({_unplaced(each) for _, found in state for each in found.provisions} for state in facts)
    provides = {each.provides for each in gone ^ made}
    affected = frozenset(id for each in provides if isinstance(each, ObjectNeed) for id in names_of(each.id))
    if affected & sought or not all(map(is_ordinary, affected)) or any(isinstance(each, KindNeed) for each in provides):
        raise _UnusualError
    return _Edit(
        gone=frozenset(before.keys() - after.keys()),
        made=frozenset(after.keys() - before.keys()),
        ordinary=frozenset(each.id for state in facts for each, _ in state),
        requirements=tuple(each for each in requirements if not each.referent),
        provisions=tuple(each for _, found in facts[1] for each in found.provisions),
        affected=affected,
        in_place=frozenset(id for id, each in after.items() if not is_ordinary(id) and _is_in_place(each, before.get(id))),
    )


def _is_in_place(resource: Resource, before: Resource | None) -> bool:
    return before is not None and node_row(resource.data) == node_row(before.data) and resource.place == before.place


def _required_by(resource: Resource, facts: Facts, cluster: _Cluster) -> Iterator[Requirement]:
    """What an object requires in the cluster: see `cluster_facts`."""
    yield from (each for each in facts.requirements if not isinstance(each.need, RemoteNeed))
    beside = (webhook_requirement(resource, cluster.operators, cluster.table), controller_requirement(resource, cluster.controllers))
    yield from (each for each in beside if each is not None)


def _check(requirements: Iterable[Requirement], changed: Collection[ResourceId], cluster: _Cluster) -> None:
    """Raises `_UnusualError` for requirements that are looked for elsewhere than they say, or of which further ones come (see `requirements_of`)."""
    for each in requirements:
        is_told_elsewhere = each.namespace_of_chart is not None or _concerns(each, cluster.referents) or isinstance(each.need, SelectionNeed)
        if is_told_elsewhere or (each.referent and each.resource in changed):
            raise _UnusualError
