"""Two graphs of one cluster: what was added, removed and changed, and how far that reaches.

Says nothing of order or time: that is for plans, one room up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from re import compile as pattern
from typing import Final

from gitops_secrets.graph.changes import Difference, EdgeChange, Fate, Impact, ObjectChange, Prune, RemoteKeyChange, SecretChange, Touched
from gitops_secrets.graph.fields import FieldChange, field_changes
from gitops_secrets.graph.graph import Graph, UnitEdge, comes_with_platform
from gitops_secrets.graph.restarts import WITH_PODS, Effects, effect_of, own_effect, template_of
from gitops_secrets.graph.unseen import Files, orphans, unseen
from gitops_secrets.model.facts import KindNeed, ObjectNeed, Opaque, RemoteNeed, Requirement, Resource, When
from gitops_secrets.model.ids import ResourceId, crd_id
from gitops_secrets.model.nodes import as_mapping
from gitops_secrets.model.reach import reachable
from gitops_secrets.model.results import Unit

_RELEASE: Final = "HelmRelease"
_KEYED: Final = frozenset({("", "ConfigMap"), ("", "Secret")})
# kustomize puts a hash of the content behind the names that it generates: ten of these characters.
_HASH: Final = pattern(r"-[2456789bcdfghkmt]{10}$")
# Names, references and keys by their fields, for kinds of Flux and External Secrets Operator.
_TELLING: Final = pattern(
    r"apiVersion$|metadata\.(?:name|namespace)$|spec\.(?:dependsOn|path|sourceRef|wait|health\w+|prune|suspend|targetNamespace|chart|chartRef|deletionPolicy"
    r"|interval|retryInterval|timeout|postBuild\.substituteFrom|decryption|valuesFrom|serviceAccountName|secretStoreRef|refresh\w+|target|data|dataFrom)(?![\w-])"
)
_NAMING: Final = pattern(r"apiVersion$|metadata\.(?:name|namespace)$")
_DATA: Final = pattern(r"(?:data|stringData|binaryData)(?:\.|\[)")
_CONTENT: Final = pattern(r"spec\.(?:externalSecretSpec\.)?(?:data|dataFrom|target|secretStoreRef)(?![\w-])")
# The gravest first.
_WEIGHT: Final = {effect: number for number, effect in enumerate((Effects.RELOADED, Effects.STALE, Effects.UPDATED, Effects.NEXT_RUN))}
# What stands beside a name and belongs to the reference.
_BESIDE: Final = frozenset({"name", "kind", "namespace", "key", "property", "version", "optional", "apiVersion", "group", "apiGroup"})


def difference(before: Graph | None, after: Graph | None, files: Files | None = None) -> Difference:
    """What lies between two graphs of one cluster. A pure function.

    `files` tells what the graphs can't: the values of a Secret are in neither, so that a change of them is seen by the bytes of its file alone.
    """
    return _Difference(before, after, files or Files()).difference()


class _Side:
    """One of the two graphs, by what the other one is asked for."""

    def __init__(self, graph: Graph | None) -> None:
        self.graph = graph
        self.units: Mapping[ResourceId, Unit] = graph.units if graph is not None else {}
        self.unit_of: Mapping[ResourceId, ResourceId] = graph.unit_of if graph is not None else {}
        self.resources: dict[ResourceId, Resource] = {}
        self.edges: dict[tuple[ResourceId, ResourceId], UnitEdge] = {}
        self.requirements: dict[ResourceId, list[Requirement]] = {}
        self.remote: dict[RemoteNeed, list[Requirement]] = {}
        self.broken: frozenset[ResourceId] = graph.broken if graph is not None else frozenset()
        if graph is None:
            return
        self.resources = {applied.resource.id: applied.resource for applied in reversed(graph.cluster.resources)}
        self.edges = {(edge.consumer, edge.provider): edge for edge in graph.unit_edges}
        for requirement in (*(edge.requirement for edge in graph.resource_edges), *(entry.requirement for entry in graph.unmet), *graph.remote_keys):
            self.requirements.setdefault(requirement.resource, []).append(requirement)
        for requirement in graph.remote_keys:
            if isinstance(requirement.need, RemoteNeed):
                self.remote.setdefault(requirement.need, []).append(requirement)

    @cached_property
    def secrets(self) -> dict[ResourceId, tuple[tuple[ResourceId, ...], frozenset[str] | None]]:
        """Who makes each Secret, and its keys, if they are known."""
        found = {}
        for target, provisions in (self.graph.provisions if self.graph is not None else {}).items():
            made = [provision for provision in provisions if provision.when is not When.BEFORE]
            if target.group_kind == ("", "Secret") and made:
                keys: frozenset[str] | None = frozenset()
                for provision in made:
                    keys = None if keys is None or provision.keys is None else keys | provision.keys
                found[target] = (tuple(sorted({provision.resource for provision in made})), keys)
        return found

    @cached_property
    def dependents(self) -> dict[ResourceId, list[ResourceId]]:
        """Units by the unit that they are written to depend on."""
        found: dict[ResourceId, list[ResourceId]] = {}
        for unit, targets in (self.graph.dependencies if self.graph is not None else {}).items():
            for target in targets:
                found.setdefault(target, []).append(unit)
        return found


class _Difference:
    def __init__(self, before: Graph | None, after: Graph | None, files: Files) -> None:
        self.before, self.after = _Side(before), _Side(after)
        self.changed_files = files.changed
        self.unseen = unseen(before, after, files)
        self.orphans: tuple[frozenset[ResourceId], frozenset[ResourceId]] = frozenset(), frozenset()
        if before is not None and after is not None:
            self.orphans = orphans(after, before, self.unseen.revealed), orphans(before, after, self.unseen.held)

    def difference(self) -> Difference:
        objects = {change.id: change for change in self._objects() if not self._is_untold(change)}
        units = tuple(change for id, change in sorted(objects.items()) if self._is_unit(id))
        resources = tuple(change for id, change in sorted(objects.items()) if not self._is_unit(id))
        contents = self._contents(objects)
        secrets = tuple(self._secrets(contents, {change.id: change.earlier for change in objects.values() if change.earlier is not None}))
        impacts = tuple(sorted(set(self._impacts(objects, contents)), key=lambda impact: (impact.id, impact.effect.value, impact.cause or impact.id)))
        touched = self._touched(objects, contents)
        return Difference(
            before=self.before.graph,
            after=self.after.graph,
            units=units,
            edges=tuple(self._edges()),
            resources=resources,
            secrets=secrets,
            remote_keys=tuple(self._remote_keys()),
            touched=touched,
            waiting=self._waiting({entry.unit for entry in touched}),
            impacts=impacts,
            prunes=tuple(self._prunes()),
            unseen=self.unseen,
        )

    def _is_untold(self, change: ObjectChange) -> bool:
        """Does it come or go only because it can't be seen on one side? Then nothing of it is applied there, and nothing taken away."""
        return change.id in {Fate.ADDED: self.unseen.revealed, Fate.REMOVED: self.unseen.held}.get(change.fate, ())

    def _is_unit(self, id: ResourceId) -> bool:
        return id in self.after.units or id in self.before.units

    # Objects

    def _objects(self) -> Iterator[ObjectChange]:
        old, new = self.before.resources, self.after.resources
        renamed = self._rehashed()
        for id, resource in new.items():
            unit = self.after.unit_of[id]
            earlier = id if id in old else renamed.get(id)
            if earlier is None:
                if id not in self.before.units:
                    yield ObjectChange(id, Fate.ADDED, unit, resource.place)
                continue
            moved = self.before.unit_of[earlier] if self.before.unit_of[earlier] != unit else None
            fields = () if old[earlier].data is resource.data else field_changes(old[earlier].data, resource.data)
            if fields or moved is not None:
                telling = self._telling(id, earlier, fields)
                yield ObjectChange(id, Fate.CHANGED, unit, resource.place, fields, telling, moved, None if earlier == id else earlier)
        gone = set(renamed.values())
        for id, resource in old.items():
            if id not in new and id not in gone and id not in self.after.units:
                yield ObjectChange(id, Fate.REMOVED, self.before.unit_of[id], resource.place)
        # An entry point's own unit, or an overlay, is written in no manifest that something applies.
        for id in sorted(self.after.units.keys() - new.keys()):
            if id not in self.before.units:
                yield ObjectChange(id, Fate.ADDED, id, self.after.units[id].place)
        for id in sorted(self.before.units.keys() - old.keys()):
            if id not in self.after.units:
                yield ObjectChange(id, Fate.REMOVED, id, self.before.units[id].place)

    def _rehashed(self) -> dict[ResourceId, ResourceId]:
        """New names of generated objects with their old ones, where only the hash differs."""
        gone: dict[ResourceId, list[ResourceId]] = {}
        for id in self.before.resources.keys() - self.after.resources.keys():
            if _HASH.search(id.name):
                gone.setdefault(_unhashed(id), []).append(id)
        come = (id for id in self.after.resources.keys() - self.before.resources.keys() if _HASH.search(id.name))
        return {id: gone[_unhashed(id)][0] for id in sorted(come) if len(gone.get(_unhashed(id), ())) == 1}

    def _telling(self, id: ResourceId, earlier: ResourceId, fields: Iterable[FieldChange]) -> frozenset[str]:
        """Those of the fields that are references, names or keys."""
        named = {requirement.field for side, name in ((self.before, earlier), (self.after, id)) for requirement in side.requirements.get(name, ())}
        parents = {_parent(field) for field in named}
        own = id.group.endswith(".toolkit.fluxcd.io") or id.group == "external-secrets.io"
        return frozenset(change.field for change in fields if _is_telling(change, id, own, named, parents))

    # Edges

    def _edges(self) -> Iterator[EdgeChange]:
        for pair in sorted(self.before.edges.keys() | self.after.edges.keys()):
            old, new = self.before.edges.get(pair), self.after.edges.get(pair)
            written = (old is not None and old.declared is not None, new is not None and new.declared is not None)
            needed = (old is not None and bool(old.reasons), new is not None and bool(new.reasons))
            if self._is_untold_edge(pair, written, needed):
                continue
            if old is None or new is None or written[0] != written[1] or needed[0] != needed[1]:
                fate = Fate.ADDED if old is None else Fate.REMOVED if new is None else Fate.CHANGED
                words = _words(old) ^ _words(new)
                yield EdgeChange(*pair, fate, written, needed, tuple(sorted(words)))

    def _is_untold_edge(self, pair: tuple[ResourceId, ResourceId], written: tuple[bool, bool], needed: tuple[bool, bool]) -> bool:
        """Does an edge come or go only as far as one of its ends can't be built on the other side?"""
        came, went = self.unseen.revealed | self.orphans[0], self.unseen.held | self.orphans[1]
        return self._goes_with(went, pair, written, needed) or self._goes_with(came, pair, written[::-1], needed[::-1])

    @staticmethod
    def _goes_with(hidden: frozenset[ResourceId], pair: tuple[ResourceId, ResourceId], written: tuple[bool, bool], needed: tuple[bool, bool]) -> bool:
        said = written[0] == written[1] or (written[0] and not hidden.isdisjoint(pair))
        return said and needed != (False, True) and not hidden.isdisjoint(pair) and (True, False) in (written, needed)

    # Secrets

    def _contents(self, objects: Mapping[ResourceId, ObjectChange]) -> dict[ResourceId, str]:
        """ConfigMaps and Secrets of before and after whose values change, or may, and why. A new name is no change of what the old one holds."""
        found: dict[ResourceId, str] = {}
        for id, change in objects.items():
            if change.fate is Fate.CHANGED and id.group_kind in _KEYED and change.earlier is None and any(_DATA.match(field.field) for field in change.fields):
                found[id] = "its keys change" if id.kind == "Secret" else "its data changes"
        for id, resource in self.after.resources.items():
            if id.group_kind == ("", "Secret") and id in self.before.resources and id not in found and resource.place.file in self.changed_files:
                found[id] = f"{resource.place.file} changes"
        for target, (owners, _) in self.after.secrets.items():
            if target in self.before.secrets and target not in found:
                # What is in the Secrets of a chart, the chart knows.
                makers = [owner for owner in owners if owner.kind != _RELEASE and owner in objects and _makes_other_content(objects[owner])]
                if makers:
                    found[target] = f"{makers[0]} changes"
        return found

    def _secrets(self, contents: Mapping[ResourceId, str], renamed: Mapping[ResourceId, ResourceId]) -> Iterator[SecretChange]:
        """What consumers find changed. `renamed` are the earlier names of those whose content stands in the name, as a hash."""
        old, new = self.before.secrets, self.after.secrets
        for id, earlier in sorted(renamed.items()):
            if id in new and earlier in old:
                added, removed = _key_changes(old[earlier][1], new[id][1])
                yield SecretChange(id, Fate.CHANGED, (new[id][0], new[id][0]), added, removed, f"the hash in its name does, it was {earlier.name}")
        for id in sorted((old.keys() - renamed.values()) | (new.keys() - renamed.keys())):
            owners = (old[id][0] if id in old else (), new[id][0] if id in new else ())
            if (id not in new and id in self.unseen.held) or (id not in old and id in self.unseen.revealed):
                continue
            if id not in old or id not in new:
                yield SecretChange(id, Fate.ADDED if id in new else Fate.REMOVED, owners)
                continue
            added, removed = _key_changes(old[id][1], new[id][1])
            if added or removed or owners[0] != owners[1] or id in contents:
                yield SecretChange(id, Fate.CHANGED, owners, added, removed, contents.get(id, ""))

    def _remote_keys(self) -> Iterator[RemoteKeyChange]:
        for fate, there, other in ((Fate.ADDED, self.after.remote, self.before.remote), (Fate.REMOVED, self.before.remote, self.after.remote)):
            for need in sorted(there.keys() - other.keys(), key=lambda need: (str(need), str(need.store))):
                readers = there[need]
                hidden = self.unseen.held if fate is Fate.REMOVED else self.unseen.revealed
                if any(reader.resource in hidden for reader in readers):
                    continue
                yield RemoteKeyChange(need, fate, tuple(sorted({reader.resource for reader in readers})), readers[0].place)

    # How far it reaches

    def _touched(self, objects: Mapping[ResourceId, ObjectChange], contents: Mapping[ResourceId, str]) -> tuple[Touched, ...]:
        reasons: dict[ResourceId, dict[str, None]] = {}
        for unit, why in chain(self._written_anew(objects), self._holding_others(objects), self._reading_others(objects, contents)):
            reasons.setdefault(unit, {})[why] = None
        return tuple(Touched(unit, tuple(why)) for unit, why in sorted(reasons.items()))

    def _written_anew(self, objects: Mapping[ResourceId, ObjectChange]) -> Iterator[tuple[ResourceId, str]]:
        for id, change in sorted(objects.items()):
            if id in self.after.units and (change.fate is Fate.ADDED or _has_new_content(change)):
                yield id, "it is new" if change.fate is Fate.ADDED else "its manifest changes"

    def _holding_others(self, objects: Mapping[ResourceId, ObjectChange]) -> Iterator[tuple[ResourceId, str]]:
        counts: dict[ResourceId, Counter[Fate]] = {}
        for id, change in objects.items():
            for unit in {change.unit, change.moved_from or change.unit} - {id}:
                counts.setdefault(unit, Counter())[change.fate] += 1
        for unit, by_fate in counts.items():
            if unit in self.after.units:
                yield unit, f"objects: {', '.join(f'{by_fate[fate]} {fate.value}' for fate in Fate if fate in by_fate)}"

    def _reading_others(self, objects: Mapping[ResourceId, ObjectChange], contents: Mapping[ResourceId, str]) -> Iterator[tuple[ResourceId, str]]:
        for unit in self.after.units:
            if unit in self.after.broken and unit not in self.before.broken:
                yield unit, "it does not build any more"
            elif unit in self.before.broken and unit not in self.after.broken:
                yield unit, "it builds again"
            for requirement in self.after.requirements.get(unit, ()) if unit in self.before.units else ():
                need = requirement.need
                if isinstance(need, ObjectNeed) and need.id in contents:
                    yield unit, f"it reads {need.id}"
                elif isinstance(need, ObjectNeed) and _is_new_source(requirement, objects):
                    yield unit, f"its source {need.id} changes"

    def _waiting(self, touched: Collection[ResourceId]) -> tuple[ResourceId, ...]:
        """Units that are held up while what they depend on reconciles."""
        return tuple(sorted(reachable(touched, lambda unit: self.after.dependents.get(unit, ())) - set(touched)))

    def _impacts(self, objects: Mapping[ResourceId, ObjectChange], contents: Mapping[ResourceId, str]) -> Iterator[Impact]:
        for id, resource in self.after.resources.items():
            unit, earlier = self.after.unit_of[id], self.before.resources.get(id)
            if earlier is None or (id.kind != _RELEASE and id.group_kind not in WITH_PODS):
                continue
            if id.kind == _RELEASE:
                if id in objects and _has_new_content(objects[id]):
                    yield Impact(id, unit, Effects.UPGRADED, None)
                for requirement in self.after.requirements.get(id, ()):
                    need = requirement.need
                    if isinstance(need, ObjectNeed) and (need.id in contents or _is_new_source(requirement, objects)):
                        yield Impact(id, unit, Effects.UPGRADED, need.id)
                continue
            if id in objects and template_of(earlier) != template_of(resource):
                yield Impact(id, unit, own_effect(resource), None)
                continue
            effects: dict[ResourceId, Effects] = {}
            for requirement in self.after.requirements.get(id, ()):
                need = requirement.need
                if isinstance(need, ObjectNeed) and need.id in contents:
                    effect = effect_of(resource, need.id, requirement.field)
                    known = effects.get(need.id)
                    effects[need.id] = effect if known is None else min(known, effect, key=_WEIGHT.__getitem__)
            yield from (Impact(id, unit, effect, cause) for cause, effect in effects.items())

    def _prunes(self) -> Iterator[Prune]:
        """What goes from under a consumer that stays and finds nobody else for it."""
        if self.after.graph is None or self.before.graph is None:
            return
        lacking = (entry for entry in self.after.graph.unmet if not entry.requirement.optional and not entry.other_versions)
        unmet = {(entry.requirement.resource, _needed(entry.requirement)): entry for entry in lacking}
        found: dict[tuple[ResourceId, str | None, ResourceId], dict[ResourceId, Requirement]] = {}
        doubts: dict[tuple[ResourceId, str | None, ResourceId], list[Opaque | None]] = {}
        for edge in self.before.graph.resource_edges:
            thing, provider, requirement = _needed(edge.requirement), edge.provision.resource, edge.requirement
            lost = unmet.get((requirement.resource, thing))
            if thing is None or lost is None or comes_with_platform(edge.provision) or requirement.optional or self._stays(provider):
                continue
            if lost.possible is not None and provider in self.after.unit_of:
                continue  # it is only no longer known what it brings, a chart whose source is gone, say
            key = (thing, lost.requirement.need.key if lost.missing_key is not None and isinstance(lost.requirement.need, ObjectNeed) else None, provider)
            found.setdefault(key, {}).setdefault(requirement.resource, requirement)
            doubts.setdefault(key, []).append(lost.possible)
        for (thing, name, provider), requirements in sorted(found.items(), key=lambda item: (item[0][0], item[0][1] or "", item[0][2])):
            # Doubt about one consumer is none about the others.
            possible = None if None in doubts[thing, name, provider] else doubts[thing, name, provider][0]
            yield Prune(thing, name, provider, self.before.unit_of.get(provider), tuple(requirements.values()), possible)

    def _stays(self, id: ResourceId) -> bool:
        """Does it stay in the cluster when it is gone from the repository?"""
        applied_by = self.before.unit_of.get(id, id)
        if id in self.unseen.held or applied_by in self.unseen.held:
            return True
        resource, unit = self.before.resources.get(id), self.before.units.get(applied_by)
        annotations = as_mapping(as_mapping(resource.data.get("metadata") if resource is not None else None).get("annotations"))
        kept = annotations.get("kustomize.toolkit.fluxcd.io/prune") == "disabled"
        return kept or (unit is not None and unit.spec.get("prune") is False)


def _key_changes(before: frozenset[str] | None, after: frozenset[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that came and those that went, as far as both sides are known."""
    if before is None or after is None:
        return (), ()
    return tuple(sorted(after - before)), tuple(sorted(before - after))


def _unhashed(id: ResourceId) -> ResourceId:
    return id._replace(name=_HASH.sub("", id.name))


def _parent(field: str) -> str:
    return field.rpartition(".")[0]


def _is_telling(change: FieldChange, id: ResourceId, own: bool, named: Collection[str], parents: Collection[str]) -> bool:
    field = change.field
    if field in named or (_TELLING if own else _NAMING).match(field):
        return True
    if id.group_kind in _KEYED and _DATA.match(field):
        return change.before is None or change.after is None
    parent, _, last = field.rpartition(".")
    return last in _BESIDE and parent in parents and parent.count(".") > 0


def _words(edge: UnitEdge | None) -> set[str]:
    return set() if edge is None else {reason.requirement.reason for reason in edge.reasons}


def _has_new_content(change: ObjectChange) -> bool:
    """Does an object that was there before ask for something else? Labels and annotations only say something about it."""
    return change.fate is Fate.CHANGED and any(not field.field.startswith("metadata.") for field in change.fields)


def _is_new_source(requirement: Requirement, objects: Mapping[ResourceId, ObjectChange]) -> bool:
    """Does something come from a source or chart that was there before and is another one now?"""
    need = requirement.need
    return requirement.reason in ("source", "chart") and isinstance(need, ObjectNeed) and need.id in objects and _has_new_content(objects[need.id])


def _makes_other_content(change: ObjectChange) -> bool:
    """Does what makes a Secret put something else into it?"""
    if change.id.group != "external-secrets.io":
        return _has_new_content(change)
    return change.fate is Fate.CHANGED and any(_CONTENT.match(field.field) for field in change.fields)


def _needed(requirement: Requirement) -> ResourceId | None:
    need = requirement.need
    if isinstance(need, ObjectNeed):
        return need.id
    return crd_id(need.group, need.plural) if isinstance(need, KindNeed) else None
