"""A cluster as it was kept, and its order once some of its units are edited."""

from __future__ import annotations

import marshal
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gitops_secrets.graph.build import rebuild
from gitops_secrets.graph.graph import ResourceEdge, Unmet
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Facts, KindNeed, ObjectNeed, Opaque, Provision, Requirement, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place
from gitops_secrets.model.results import Cluster
from gitops_secrets.ordering.order import Order, order
from gitops_secrets.pipeline.kept import NOBODY, KeptCluster, brings_ordinary, is_ordinary
from gitops_secrets.pipeline.rows import Row, node_of, opaque_of, provision_of, requirement_of, unit_of
from gitops_secrets.rendering.expansion import State
from gitops_secrets.rendering.flux_build import build_directory, objects_of
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.rendering.units import to_unit

if TYPE_CHECKING:
    from gitops_secrets.pipeline.edited_release import Releases

# A unit that takes more than this part of what it may take is near a limit, which may lie elsewhere in another run.
_MOST_OF_IT: Final = 0.5


class UnusualError(Exception):
    """Something is out of the ordinary."""


class EditedObject(NamedTuple):
    """An object that others may rest on, edited so that none of them does but those that name it."""

    before: Resource
    after: Resource
    facts: tuple[Facts, Facts]


class Edit(NamedTuple):
    """What was done to one unit."""

    gone: frozenset[ResourceId]  # objects
    made: frozenset[ResourceId]
    requiring: frozenset[ResourceId]  # the objects, before or after, whose requirements are these; those of the others are as before
    requirements: tuple[Requirement, ...]
    provisions: tuple[Provision, ...]  # of ordinary objects; those of the others are as before, but for their places
    affected: frozenset[ResourceId]  # what it provides otherwise than before
    in_place: frozenset[ResourceId]  # the objects whose requirements are as before that stand where they stood
    releases: tuple[EditedObject, ...]


class EditedCluster:
    """A cluster as it was kept, and the Kustomizations in it that are `rewritten`. Raises `UnusualError`.

    `moving` are the files in which places are others now, where these are told.
    """

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
        self.moving = moving
        units = list(map(unit_of, _read(kept.units)))
        self.objects: list[tuple[Row, int]] = _read(kept.applied)  # and the units that apply them
        self.unmet: list[tuple[int, Row]] = _read(kept.unmet)
        self.met_by, self.edges = _read(kept.edges)
        self.ids = [unit.id for unit in units]
        self.rewritten = [number for number in written if self.ids[number] in rewritten]
        if len(self.rewritten) < len(rewritten):
            raise UnusualError
        for number in self.rewritten:
            unit = units[number]
            units[number] = replace(to_unit(rewritten[unit.id][1], unit.parent, unit.path, unit.opaque), remote=unit.remote)
        states = ((facts_of(each, table).requirements for each in pair) for pair in rewritten.values())
        self.moved = {old: new for before, after in states for old, new in zip(before, after, strict=True)}
        self.cluster = Cluster(name, entry_point, engine, tuple(units), (), opaque=tuple(map(opaque_of, _read(kept.opaque))), stray=stray)
        self.referents = frozenset(ResourceId(*id) for id in kept.referents)
        self.shared = frozenset(ResourceId(*id) for id in kept.shared)
        self.operators = {group: ResourceId(*id) for group, id in kept.operators.items()}
        self.controllers = {group: ResourceId(*id) for group, id in kept.controllers.items()}

    @cached_property
    def releases(self) -> Releases:
        """What its HelmReleases install."""
        from gitops_secrets.pipeline.edited_release import Releases

        sources: dict[ResourceId, Resource] = {}
        for id, version, spec, place in self.kept.sources:
            data = MappingNode()
            data["spec"] = node_of(spec)
            sources[ResourceId(*id)] = Resource(ResourceId(*id), version, data, Place(*place))
        return Releases(sources, self.loader, self.table, always_retried=self.kept.always_retried)

    def order(self, edits: Mapping[int, Edit]) -> Order:
        """Its order once units are edited. Raises `UnusualError`."""
        affected = frozenset[ResourceId]().union(*(edit.affected for edit in edits.values()))
        checked = {ResourceId(*id): tuple(map(provision_of, rows)) for id, rows in self.kept.checked}
        if checked.keys() & affected or any(id.group_kind in self.kept.selected for id in affected):
            raise UnusualError
        applied = self._applied(edits)
        checks = (check.target for number in self.rewritten for check in self.cluster.units[number].health_checks)
        if any(target not in applied and target not in checked for target in checks):
            raise UnusualError
        anew = {(self.ids[number], id) for number, edit in edits.items() for id in edit.requiring}
        in_place = frozenset[ResourceId]().union(*(edit.in_place for edit in edits.values()))
        cluster = self._edited(edits.values(), in_place)
        edges = [
            edge if requirement is edge.requirement else replace(edge, requirement=requirement)
            for edge in self._edges()
            if (edge.consumer_unit, edge.requirement.resource) not in anew and not concerns(edge.requirement, affected)
            for requirement in [self._as_it_is(edge.requirement, in_place)]
        ]
        lacking = [
            Unmet(self._as_it_is(requirement, in_place), self.ids[number])
            for number, requirement in self._lacking()
            if (self.ids[number], requirement.resource) not in anew and not concerns(requirement, affected)
        ]
        again = [(unit, self._as_it_is(requirement, in_place)) for unit, requirement in self._requiring(affected) if (unit, requirement.resource) not in anew]
        required = again + [(self.ids[number], requirement) for number, edit in edits.items() for requirement in edit.requirements]
        provided = self._provided({requirement.need for _, requirement in required}, edits)
        graph = rebuild(cluster, applied, edges, lacking, required, provided)
        return order(replace(graph, provisions=checked), self.table)

    def built(self, unit: int, loader: Loader) -> tuple[frozenset[str], dict[ResourceId, Resource]]:
        """What the build of a unit reads, and its objects. Raises `UnusualError`."""
        version, data, place, path = _read(self.kept.built[unit])
        resource = Resource(self.ids[unit], version, node_of(data), Place(*place))
        builder = Builder(loader)
        state = State(loader, builder, Renderings(loader), self.table.is_namespaced)
        build = build_directory(builder, loader.tree, path, resource)
        objects = objects_of(build, resource, None, state, complete=True)
        by_id = {each.id: each for each in objects}
        wrong = build.problems or build.opaque or build.failed or state.problems or state.opaque
        if wrong or loader.budget.used > _MOST_OF_IT or len(by_id) < len(objects):
            raise UnusualError
        return build.inputs, by_id

    def _edges(self) -> Iterator[ResourceEdge]:
        """The edges that join units, as they were."""
        provisions = list(map(provision_of, self.met_by))
        for row, provision, consumer, provider, before, alternatives, is_alternative in self.edges:
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
            yield from ((number, requirement_of(row)) for number, row in self.unmet)

    def _edited(self, edits: Iterable[Edit], in_place: Collection[ResourceId]) -> Cluster:
        """The cluster with its units and what is opaque in it as they are. Raises `UnusualError` for one in an edited file that may stand elsewhere now."""
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
                raise UnusualError
            opaque = {each: None for each in opaque if each not in before}
            told += after
        steady_things = set(map(str, in_place))
        if any(unit.place.file in self.moving and unit.id not in steady for unit in units):
            raise UnusualError
        if any(each.place.file in self.moving and each.thing not in steady_things for each in opaque):
            raise UnusualError
        return replace(self.cluster, units=tuple(units), opaque=(*opaque, *told))

    def _as_it_is(self, requirement: Requirement, in_place: Collection[ResourceId]) -> Requirement:
        """A requirement with its place as it is now. Raises `UnusualError`."""
        if requirement.place.file not in self.moving or requirement.resource in in_place:
            return requirement
        if requirement not in self.moved:
            raise UnusualError
        return self.moved[requirement]

    def _applied(self, edits: Mapping[int, Edit]) -> dict[ResourceId, ResourceId]:
        """Who applies each object after edits."""
        applied = {ResourceId(*id): self.ids[unit] for id, unit in self.objects}
        namespaces = {id.namespace for id in applied}
        for edit in edits.values():
            if edit.gone & self.shared:
                raise UnusualError
            for id in edit.gone:
                del applied[id]
        for number, edit in edits.items():
            if edit.made & applied.keys():
                raise UnusualError
            applied.update(dict.fromkeys(edit.made, self.ids[number]))
        if {id.namespace for id in applied} != namespaces:
            raise UnusualError  # there are things in each that Kubernetes makes
        return applied

    def _requiring(self, ids: Iterable[ResourceId]) -> Iterator[tuple[ResourceId, Requirement]]:
        """Who required some objects."""
        wanted = {(0, tuple(id)) for id in ids}
        found = dict.fromkeys((consumer, row) for row, _, consumer, *_ in self.edges if row[1][:2] in wanted)
        found.update(((number, row), None) for number, row in self.unmet if row[1][:2] in wanted)
        requiring = _read(self.kept.requiring) if wanted else {}
        for number in {number for _, id in wanted for number in requiring.get(id, ())}:
            found.update(((number, row), None) for row in _rows(self.kept.required, number) if row[1][:2] in wanted)
        yield from ((self.ids[number], requirement_of(row)) for number, row in found)

    def _provided(self, needs: Collection[object], edits: Mapping[int, Edit]) -> Iterator[tuple[Provision, ResourceId | None]]:
        """All that may meet needs, and whose it is."""
        ids = {need.id for need in needs if isinstance(need, ObjectNeed)}
        kinds = {(need.group, need.kind) for need in needs if isinstance(need, KindNeed)}
        ordinary = set(map(tuple, filter(is_ordinary, ids)))
        others = kinds.union(map(tuple, ids)) - ordinary
        providing = _read(self.kept.providing) if ids or kinds else {}
        built, known = (self._providers(keys, providing).union(edits) for keys in (ordinary, others))
        for number in sorted(built | known):
            unit = None if number == NOBODY else self.ids[number]
            yield from ((provision_of(row), unit) for row in _rows(self.kept.provided, number) if _may_meet(row, ordinary | others))
            if number in edits:
                found: Iterable[Provision] = edits[number].provisions
            elif number in built and number in self.kept.built:
                objects = self.built(number, self.loader)[1]
                found = (each for id, resource in objects.items() if is_ordinary(id) for each in facts_of(resource, self.table).provisions)
            else:
                continue
            yield from ((provision, unit) for provision in found if brings_ordinary(provision))

    def _providers(self, keys: Collection[Row], providing: Mapping[Row, Sequence[int]]) -> set[int]:
        """The units that bring something of what these stand for."""
        appliers = {number for id, number in self.objects if id in keys}
        return appliers.union(*(providing.get(key, ()) for key in keys))


def concerns(requirement: Requirement, ids: Collection[ResourceId]) -> bool:
    """Is one of these objects required?"""
    return isinstance(requirement.need, ObjectNeed) and requirement.need.id in ids


def _rows(rows: Mapping[int, Sequence[bytes]], number: int) -> Iterator[Row]:
    return (row for part in rows.get(number, ()) for row in _read(part))


def _read(kept: bytes) -> Any:
    return marshal.loads(kept)  # noqa: S302  the cache answers for what is kept


def _may_meet(row: Row, keys: Collection[Row]) -> bool:
    """May what a provision brings be one of what these stand for? What is named with a variable may be anything (see `names_of`)."""
    provides = row[1]
    if len(provides) > len(ObjectNeed._fields):
        return provides[:2] in keys
    return provides[0] in keys or any("${" in part for part in provides[0])


def _as_told(opaque: Opaque) -> Opaque:
    return Opaque(opaque.thing, opaque.why, opaque.place)
