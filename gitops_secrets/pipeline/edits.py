"""The tree of units after an edit, from what was kept of the analysis before it: only the units that read what was edited are built again.

It goes for ordinary objects that Flux Kustomizations apply: workloads, their configuration, what External Secrets Operator reads. What steers an engine,
brings definitions or admits other objects changes more than its own unit; then all is worked out again. So it is wherever anything is out of the
ordinary: this is a way to be fast, not another way to an answer.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from gitops_secrets.graph.build import names_of, rebuild
from gitops_secrets.graph.graph import ResourceEdge, Unmet
from gitops_secrets.kinds.controllers import controller_requirement, webhook_requirement
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable, default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Facts, KindNeed, ObjectNeed, Opaque, Provision, RemoteNeed, Requirement, Resource, SelectionNeed
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import Place, as_mapping, as_text
from gitops_secrets.model.results import Cluster
from gitops_secrets.ordering.order import Order, order
from gitops_secrets.pipeline.checkout import Edited, may_name
from gitops_secrets.pipeline.kept import NOBODY, Kept, KeptCluster, brings_ordinary, is_chart_source, is_ordinary, is_release, may_be_edited
from gitops_secrets.pipeline.rows import Row, node_of, node_row, opaque_of, provision_of, requirement_of, unit_of
from gitops_secrets.rendering.expansion import State
from gitops_secrets.rendering.flux_build import build_directory, default_namespace, objects_of
from gitops_secrets.rendering.flux_version import is_labelled_flux
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.rendering.units import is_kustomization, to_unit
from gitops_secrets.repository.ignore import FilteredTree
from gitops_secrets.repository.tree import OverlaidTree, Tree
from gitops_secrets.syntax.budget import Budget, BudgetError, Spent

if TYPE_CHECKING:
    from gitops_secrets.pipeline.edited_release import Releases

_NOWHERE: Final = Place("", 1, 1)
# What a Kustomization says of itself and its order, and nothing of what it applies.
_ORDERING: Final = frozenset(
    "deletionPolicy dependsOn force healthCheckExprs healthChecks interval prune retryInterval suspend timeout wait".split(),
)
# What a kustomization file does to one object after the other.
_DONE_TO_OBJECTS: Final = frozenset(
    """
    buildMetadata commonAnnotations commonLabels configMapGenerator generatorOptions images labels namePrefix nameSuffix namespace patches patchesJson6902
    patchesStrategicMerge replicas secretGenerator sortOptions
    """.split()
)
# What makes no difference to the charts that come from a source.
_TIMES: Final = frozenset({"interval", "timeout"})
# A unit that takes more than this part of what it may take is near a limit, which may lie elsewhere in another run.
_MOST_OF_IT: Final = 0.5


class _UnusualError(Exception):
    """Something is out of the ordinary."""


class _EditedObject(NamedTuple):
    """An object that others may rest on, edited so that none of them does but those that name it."""

    before: Resource
    after: Resource
    facts: tuple[Facts, Facts]


class _Edit(NamedTuple):
    """What was done to one unit."""

    gone: frozenset[ResourceId]  # objects
    made: frozenset[ResourceId]
    requiring: frozenset[ResourceId]  # the objects, before or after, whose requirements are these; those of the others are as before
    requirements: tuple[Requirement, ...]
    provisions: tuple[Provision, ...]  # of ordinary objects; those of the others are as before, but for their places
    affected: frozenset[ResourceId]  # what it provides otherwise than before
    in_place: frozenset[ResourceId]  # the objects whose requirements are as before that stand where they stood
    releases: tuple[_EditedObject, ...]


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
    tells_places = tells_places or any(may_name(edited.answer[0], path) for path in before)
    moving = before.keys() if tells_places else ()
    try:
        manifests = [path for path in before if path.rpartition("/")[2] not in FILE_NAMES]
        rewritten = {each[1].id: each for path in manifests for each in _rewritten(path, states, table, may_be=path in known.written, also_moved=tells_places)}
        if len(manifests) < len(before):
            if rewritten:
                raise _UnusualError  # it may not apply them as they are written any more
            _check_included(before.keys() - set(manifests), states)
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


def _check_included(paths: Iterable[str], states: Sequence[Loader]) -> None:
    """Raises `_UnusualError` where kustomizations say something else than before that is not done to one object after the other."""
    for path in paths:
        before, after = (loader.load(path) for loader in states)
        fields = [{key: value for key, value in as_mapping(each.first).items() if key not in _DONE_TO_OBJECTS} for each in (before, after)]
        if before.problems or after.problems or len(before.documents) != 1 or len(after.documents) != 1 or repr(fields[0]) != repr(fields[1]):
            raise _UnusualError


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
        if (
            not may_be
            or repr(_without(was, _ORDERING)) != repr(_without(resource, _ORDERING))
            or _told(facts_of(was, table)) != _told(facts_of(resource, table))
        ):
            raise _UnusualError
        yield was, resource


def _is_ordinary_document(document: object) -> bool:
    manifest = as_mapping(document)
    group, _ = split_api_version(as_text(manifest.get("apiVersion")))
    return bool(manifest) and may_be_edited(ResourceId(group, as_text(manifest.get("kind")), "", ""))


def _without(resource: Resource, fields: Collection[str]) -> object:
    """What a manifest says beside these fields of its `spec`."""
    return {**resource.data, "spec": {key: value for key, value in resource.spec.items() if key not in fields}}


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
        self.shared = frozenset(ResourceId(*id) for id in kept.shared)
        self.operators = {group: ResourceId(*id) for group, id in kept.operators.items()}
        self.controllers = {group: ResourceId(*id) for group, id in kept.controllers.items()}

    @cached_property
    def releases(self) -> Releases:
        """What its HelmReleases install."""
        from gitops_secrets.pipeline.edited_release import Releases

        sources = (Resource(ResourceId(*id), version, node_of(data), Place(*place)) for id, version, data, place in self.kept.sources)
        return Releases({each.id: each for each in sources}, self.loader, self.table, always_retried=self.kept.always_retried)

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
        anew = {(self.ids[number], id) for number, edit in edits.items() for id in edit.requiring}
        in_place = frozenset[ResourceId]().union(*(edit.in_place for edit in edits.values()))
        cluster = self._edited(edits.values(), in_place)
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
        graph = rebuild(cluster, applied, edges, lacking, required, provided)
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

    def _edited(self, edits: Iterable[_Edit], in_place: Collection[ResourceId]) -> Cluster:
        """The cluster with its units and what is opaque in it as they are. Raises `_UnusualError` for one in an edited file that may stand elsewhere now."""
        numbers = {id: number for number, id in enumerate(self.ids)}
        units, opaque = list(self.cluster.units), dict.fromkeys(self.cluster.opaque)
        steady = {*in_place, *(self.ids[number] for number in self.rewritten)}
        told: list[Opaque] = []
        for release in (each for edit in edits for each in edit.releases):
            number = numbers[release.after.id]
            unit, (before, after) = units[number], (list(map(_as_told, facts.opaque)) for facts in release.facts)
            units[number] = replace(to_unit(release.after, unit.parent, unit.path, unit.opaque), remote=unit.remote)
            steady.add(unit.id)
            if not opaque.keys() >= set(before):
                raise _UnusualError
            opaque = {each: None for each in opaque if each not in before}
            told += after
        steady_things = set(map(str, in_place))
        if any(unit.place.file in self.moving and unit.id not in steady for unit in units):
            raise _UnusualError
        if any(each.place.file in self.moving and each.thing not in steady_things for each in opaque):
            raise _UnusualError
        return replace(self.cluster, units=tuple(units), opaque=(*opaque, *told))

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
        for edit in edits.values():
            if edit.gone & self.shared:
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

    def _provided(self, needs: Collection[object], edits: Mapping[int, _Edit]) -> Iterator[tuple[Provision, ResourceId | None]]:
        """All that may meet needs, and whose it is."""
        ids = {need.id for need in needs if isinstance(need, ObjectNeed)}
        kinds = {(need.group, need.kind) for need in needs if isinstance(need, KindNeed)}
        ordinary = set(map(tuple, filter(is_ordinary, ids)))
        others = kinds.union(map(tuple, ids)) - ordinary
        built, known = (self._providers(keys).union(edits) for keys in (ordinary, others))
        for number in sorted(built | known):
            unit = None if number == NOBODY else self.ids[number]
            yield from ((provision_of(row), unit) for row in _rows(self.kept.provided, number))
            if number in edits:
                found: Iterable[Provision] = edits[number].provisions
            elif number in built and number in self.kept.built:
                objects = self.built(number, self.loader)[1]
                found = (each for id, resource in objects.items() if is_ordinary(id) for each in facts_of(resource, self.table).provisions)
            else:
                continue
            yield from ((provision, unit) for provision in found if brings_ordinary(provision))

    def _providers(self, keys: Collection[Row]) -> set[int]:
        """The units that bring something of what these stand for."""
        appliers = {number for id, number in self.kept.applied if id in keys}
        return appliers.union(*(self.kept.providing.get(key, ()) for key in keys))


def _rows(rows: Mapping[int, bytes], number: int) -> Sequence[Row]:
    found: Sequence[Row] = marshal.loads(rows[number]) if number in rows else ()  # noqa: S302  the cache answers for what is kept
    return found


def _concerns(requirement: Requirement, ids: Collection[ResourceId]) -> bool:
    return isinstance(requirement.need, ObjectNeed) and requirement.need.id in ids


def _edit(cluster: _Cluster, unit: int, states: Sequence[Loader], sought: frozenset[ResourceId]) -> _Edit:
    """What was done to a unit, by its builds before and after. Raises `_UnusualError`."""
    (read_before, before), (read_after, after) = (cluster.built(unit, loader) for loader in states)
    others = {id for id in before.keys() | after.keys() if not is_ordinary(id)}
    in_place = frozenset(id for id in others & before.keys() & after.keys() if _is_in_place(before[id], after[id]))
    changed = {id for id in before.keys() | after.keys() if id not in before or id not in after or repr(before[id].data) != repr(after[id].data)}
    # Where places are told, those of what has moved are others too.
    again = others & changed if not cluster.moving else {id for id in others - in_place if id in changed or may_be_edited(id)}
    if read_before != read_after or sought & changed:
        raise _UnusualError
    if any(is_labelled_flux(objects[id]) for objects in (before, after) for id in changed & objects.keys()):
        raise _UnusualError  # it may tell the version that everything else is read by
    edited = [_edited_object(cluster, before.get(id), after.get(id)) for id in sorted(again)]
    facts = [[(each, facts_of(each, cluster.table)) for id, each in objects.items() if is_ordinary(id)] for objects in (before, after)]
    if any(found.opaque or found.problems for state in facts for each, found in state if each.id in changed):
        raise _UnusualError
    gone, made = ({_unplaced(each) for _, found in state for each in found.provisions} for state in facts)
    provides = {each.provides for each in gone ^ made}
    affected = frozenset(id for each in provides if isinstance(each, ObjectNeed) for id in names_of(each.id))
    if affected & sought or not all(map(is_ordinary, affected)) or any(isinstance(each, KindNeed) for each in provides):
        raise _UnusualError
    told = [facts[0] + [(each.before, each.facts[0]) for each in edited], facts[1] + [(each.after, each.facts[1]) for each in edited]]
    earlier, requirements = ([each for resource, found in state for each in _required_by(resource, found, cluster)] for state in told)
    _check(earlier, changed, cluster)
    _check(requirements, changed, cluster)
    return _Edit(
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


def _edited_object(cluster: _Cluster, before: Resource | None, after: Resource | None) -> _EditedObject:
    """An object that others may rest on, by its states. Raises `_UnusualError` where any of them may."""
    if before is None or after is None or not may_be_edited(after.id) or after.id in cluster.shared:
        raise _UnusualError
    found = [facts_of(each, cluster.table) for each in (before, after)]
    if is_chart_source(after.id) and repr(_without(before, _TIMES)) != repr(_without(after, _TIMES)):
        raise _UnusualError
    if is_release(after.id):
        installed = cluster.releases.installed(before, after)
        if installed is None:
            raise _UnusualError
        found = [_together(*each) for each in zip(found, installed, strict=True)]
    elif any(facts.opaque for facts in found):
        raise _UnusualError
    # Labels matter where somebody selects by them.
    provided = [[replace(each, place=_NOWHERE, labels=()) for each in facts.provisions] for facts in found]
    if provided[0] != provided[1] or any(facts.problems for facts in found) or after.id.group_kind in cluster.kept.selected:
        raise _UnusualError
    return _EditedObject(before, after, (found[0], found[1]))


def _together(first: Facts, second: Facts) -> Facts:
    return Facts(first.requirements + second.requirements, first.provisions + second.provisions, first.opaque + second.opaque, first.problems + second.problems)


def _as_told(opaque: Opaque) -> Opaque:
    return Opaque(opaque.thing, opaque.why, opaque.place)


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
