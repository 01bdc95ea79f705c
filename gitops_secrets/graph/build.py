"""Facts to graph: each requirement is met by the provision that the cluster would use, or by none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gitops_secrets.graph.graph import Graph, ResourceEdge, UnitEdge, Unmet
from gitops_secrets.kinds.values import with_defaults
from gitops_secrets.model.facts import (
    Confidence,
    Effect,
    Facts,
    KindNeed,
    ObjectNeed,
    Opaque,
    Provision,
    RemoteNeed,
    Requirement,
    SelectionNeed,
    When,
)
from gitops_secrets.model.ids import ResourceId, crd_id
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Cluster, Dependency, Unit

_NOBODY = ResourceId("", "", "", "")
# Ranks of provisions in units that may come first or later (see `_rank`).
_ELSEWHERE = (2, 3)


def build(cluster: Cluster, facts: Iterable[tuple[ResourceId, Facts]], before: Sequence[Provision] = ()) -> Graph:
    """The graph of a cluster.

    `facts` are pairs of the unit that applies a resource and the facts of that resource; `before` is what is there when the engine starts.
    """
    return _Build(cluster, tuple(facts), before).graph()


def requirements_of(cluster: Cluster, facts: Sequence[tuple[ResourceId, Facts]]) -> Iterable[tuple[ResourceId, Requirement]]:
    """Every requirement as it is looked for, with the unit of who needs it.

    A store's credential without namespace stands once for each consumer's namespace.
    """
    release_namespaces = {release.chart: release.namespace for release in cluster.releases if release.chart}
    referent: dict[ResourceId, list[Requirement]] = {}
    for unit, fact in facts:
        for requirement in fact.requirements:
            if requirement.referent:
                referent.setdefault(requirement.resource, []).append(requirement)
            else:
                yield unit, _in_release_namespace(requirement, release_namespaces)
    if not referent:
        return
    for unit, fact in facts:
        seen = set()
        for requirement in fact.requirements:
            need = requirement.need
            # A ClusterExternalSecret has no namespace; its children stand beside it.
            if not requirement.resource.namespace:
                continue
            if isinstance(need, ObjectNeed) and requirement.reason == "secret-store" and need.id in referent and need.id not in seen:
                seen.add(need.id)
                for inherited in referent[need.id]:
                    yield unit, _for_consumer(inherited, requirement.resource)


def rebuild(
    cluster: Cluster,
    unit_of: Mapping[ResourceId, ResourceId],
    kept: Iterable[ResourceEdge],
    lacking: Iterable[Unmet],
    required: Iterable[tuple[ResourceId, Requirement]],
    provided: Iterable[tuple[Provision, ResourceId | None]],
) -> Graph:
    """The graph between units once more, of edges and gaps that are as they were, and of requirements that are to be met again, by what is provided.

    Of the objects it knows the units alone.
    """
    work = _Build(cluster, (), ())
    for provision, unit in provided:
        work.add(provision, unit)
    met, unmet, _ = work.met(required)
    edges = (*kept, *met)
    return Graph(cluster, work.units, unit_of, {}, edges, tuple(work.unit_edges(edges)), (*lacking, *unmet), work.told_opaque, ())


class _Build:
    def __init__(self, cluster: Cluster, facts: Sequence[tuple[ResourceId, Facts]], before: Sequence[Provision]) -> None:
        self.cluster = cluster
        self.facts = facts
        self.units: dict[ResourceId, Unit] = {unit.id: unit for unit in cluster.units}
        self.unit_of: dict[ResourceId, ResourceId] = {}
        for applied in cluster.resources:
            self.unit_of.setdefault(applied.resource.id, applied.unit)
        self.objects: dict[ResourceId, list[tuple[Provision, ResourceId | None]]] = {}
        self.of_kind: dict[tuple[str, str], list[ResourceId]] = {}  # the keys of `objects`
        self.kinds: dict[tuple[str, str], list[tuple[Provision, ResourceId | None]]] = {}
        self.opaque: list[Opaque] = list(cluster.opaque)
        for provision in before:
            self.add(provision, None)
        for unit, fact in facts:
            for provision in fact.provisions:
                self.add(provision, unit)
            self.opaque.extend(fact.opaque)
        self.lineage = {unit: frozenset(self.ancestors(unit)) for unit in self.units}

    def graph(self) -> Graph:
        """Meets every requirement, then sums up by unit."""
        edges, unmet, remote = self.met(requirements_of(self.cluster, self.facts))
        edges.sort(key=lambda edge: (*_position(edge.requirement), edge.consumer_unit, edge.is_alternative, edge.provision.resource))
        unmet.sort(key=lambda entry: (*_position(entry.requirement), entry.unit))
        graph = Graph(
            cluster=self.cluster,
            units=self.units,
            unit_of=self.unit_of,
            provisions={target: tuple(provision for provision, _ in found) for target, found in self.objects.items()},
            resource_edges=tuple(edges),
            unit_edges=tuple(self.unit_edges(edges)),
            unmet=(),
            opaque=self.told_opaque,
            remote_keys=tuple(sorted(remote, key=_position)),
        )
        return replace(graph, unmet=tuple(_with_doubt(entry, graph) for entry in unmet))

    @property
    def told_opaque(self) -> tuple[Opaque, ...]:
        """Each opaque thing once, in the order in which they are told."""
        return tuple(sorted(set(self.opaque), key=lambda opaque: (opaque.thing, opaque.place, opaque.why)))

    def met(self, required: Iterable[tuple[ResourceId, Requirement]]) -> tuple[list[ResourceEdge], list[Unmet], list[Requirement]]:
        """Requirements by how they are met: in the cluster, by nothing, at a provider."""
        edges: list[ResourceEdge] = []
        unmet: list[Unmet] = []
        remote: list[Requirement] = []
        for unit, requirement in required:
            if isinstance(requirement.need, RemoteNeed):
                remote.append(requirement)
                continue
            met = self._meet(requirement, unit)
            if isinstance(met, Unmet):
                # A text that looks like the name of something, and names nothing, is just a text.
                if not (requirement.soft and requirement.confidence is not Confidence.CERTAIN):
                    unmet.append(met)
            else:
                edges.extend(met)
        return edges, unmet, remote

    def add(self, provision: Provision, unit: ResourceId | None) -> None:
        """Something is there to meet requirements: a unit brings it, or nobody has to."""
        provides = provision.provides
        if isinstance(provides, ObjectNeed):
            for id in names_of(provides.id):
                if id not in self.objects:
                    self.of_kind.setdefault((id.group, id.kind), []).append(id)
                self.objects.setdefault(id, []).append((provision, unit))
        else:
            self.kinds.setdefault((provides.group, provides.kind), []).append((provision, unit))

    def ancestors(self, unit: ResourceId) -> list[ResourceId]:
        """The unit that applies `unit`, the one that applies that, and so on."""
        found: list[ResourceId] = []
        parent = self.units[unit].parent
        while parent is not None and parent not in found and parent in self.units:
            found.append(parent)
            parent = self.units[parent].parent
        return found

    def _meet(self, requirement: Requirement, unit: ResourceId) -> list[ResourceEdge] | Unmet:
        """The edge to whom the cluster would have it from, then those to others that bring it as well."""
        candidates, others = self._candidates(requirement)
        if not candidates:
            return Unmet(requirement, unit, None, tuple(provision for provision, _ in others))
        ranked = sorted((*self._rank(candidate, requirement, unit), index) for index, candidate in enumerate(candidates))
        provision, provider = candidates[ranked[0][-1]]
        need = requirement.need
        if isinstance(need, ObjectNeed) and need.key is not None and provision.keys is not None and need.key not in provision.keys:
            return Unmet(requirement, unit, missing_key=provision)
        before = next((known for known, owner in candidates if owner is None), None) if provider is not None else None
        elsewhere: dict[ResourceId, Provision] = {}
        if ranked[0][0] in _ELSEWHERE:
            for rank, *_, index in ranked[1:]:
                other, owner = candidates[index]
                if rank in _ELSEWHERE and owner is not None and owner != provider:
                    elsewhere.setdefault(owner, other)
        edges = [ResourceEdge(requirement, provision, unit, provider, before, tuple(elsewhere))]
        edges += [ResourceEdge(requirement, other, unit, owner, before, is_alternative=True) for owner, other in elsewhere.items()]
        return edges

    def _candidates(self, requirement: Requirement) -> tuple[list[tuple[Provision, ResourceId | None]], list[tuple[Provision, ResourceId | None]]]:
        """Provisions that meet a requirement, and those of the same kind in other versions."""
        need = requirement.need
        if isinstance(need, ObjectNeed):
            found = self.objects.get(need.id, [])
            if need.key is not None:
                # Several may write one object: the one with the key counts, then one whose keys are not known.
                with_key = [item for item in found if item[0].keys is not None and need.key in item[0].keys]
                unknown = [item for item in found if item[0].keys is None]
                found = with_key or unknown or found
            return [item for item in found if item[0].owns] or found, []
        if isinstance(need, KindNeed):
            found = self.kinds.get((need.group, need.kind), [])
            serving = [item for item in found if _serves(item[0], need)]
            return serving, [] if serving else found
        if isinstance(need, SelectionNeed):
            wanted = set(need.labels)
            targets = (target for target in self.of_kind.get((need.group, need.kind), ()) if need.namespace in (None, target.namespace))
            return [item for target in targets for item in self.objects[target] if wanted.issubset(item[0].labels)], []
        return [], []

    def _rank(self, candidate: tuple[Provision, ResourceId | None], requirement: Requirement, unit: ResourceId) -> tuple[int, ResourceId, ResourceId]:
        """Whom the cluster would have it from: the own unit, who is there already, who comes first anyhow, then whoever brings it."""
        provision, provider = candidate
        later = provision.when is When.LATER
        tie = (provider or _NOBODY, provision.resource)
        if provider == unit:
            # The own unit brings it too late to be applied with it: anybody else is better. What is written in `dependsOn` has no say: what is inferred
            # must not depend on it.
            return (6 if later and requirement.effect is Effect.APPLY else 0, *tie)
        if provider is None:
            # What a unit brings as well shows the edge that people draw; it does not order then (see ResourceEdge.before).
            return (5, *tie)
        if provider in self.lineage.get(unit, ()):
            return (1, *tie)
        return (3 if later else 2, *tie)

    def unit_edges(self, edges: Iterable[ResourceEdge]) -> Iterable[UnitEdge]:
        """What the edges between resources come to between units."""
        reasons: dict[tuple[ResourceId, ResourceId], list[ResourceEdge]] = {}
        for edge in edges:
            for pair in self._pairs(edge):
                reasons.setdefault(pair, []).append(edge)
        declared: dict[tuple[ResourceId, ResourceId], Dependency] = {}
        for unit in self.cluster.units:
            for dependency in unit.depends_on:
                if dependency.target in self.units:
                    declared.setdefault((unit.id, dependency.target), dependency)
        inherited = self._inherited(declared, reasons)
        for consumer, provider in sorted({*reasons, *declared}):
            pair = (consumer, provider)
            yield UnitEdge(consumer, provider, declared.get(pair) or self._by_wave(consumer, provider), tuple(reasons.get(pair, ())) or inherited.get(pair, ()))

    def _pairs(self, edge: ResourceEdge) -> Iterable[tuple[ResourceId, ResourceId]]:
        """The units that an edge between resources joins: those that apply both ends, and two releases of one Kustomization.

        What a Kustomization needs to build (source, variables, key) is its own affair, not that of the unit that applies it.
        """
        consumer, provider = edge.consumer_unit, edge.provider_unit
        if provider is None:
            return
        if edge.requirement.effect is not Effect.APPLY and edge.requirement.resource.kind == "Kustomization" and edge.requirement.resource in self.units:
            consumer = edge.requirement.resource
        if consumer.kind != provider.kind:
            consumer, provider = self._of_one_kind(consumer, provider)
        if consumer != provider:
            vertical = provider in self.lineage.get(consumer, ()) or consumer in self.lineage.get(provider, ())
            if not vertical and consumer.kind == provider.kind:
                yield consumer, provider
        first, second = edge.requirement.resource, edge.provision.resource
        if first != second and first in self.units and second in self.units and first.kind == second.kind == "HelmRelease" and consumer == provider:
            yield first, second

    def _of_one_kind(self, consumer: ResourceId, provider: ResourceId) -> tuple[ResourceId, ResourceId]:
        """The lowest units of one kind that apply two of different kinds: a Kustomization that applies an Application is ordered in its stead."""
        for lower in (provider, *self.ancestors(provider)):
            for upper in (consumer, *self.ancestors(consumer)):
                if upper.kind == lower.kind != "HelmRelease":
                    return upper, lower
        return consumer, provider

    def _by_wave(self, consumer: ResourceId, provider: ResourceId) -> Dependency | None:
        """The wave that puts one Application after another one: of the two that the unit above both of them applies."""
        above = [consumer, *self.ancestors(consumer)]
        below = [provider, *self.ancestors(provider)]
        common = next((unit for unit in above if unit in below), None)
        if common is None or common in (consumer, provider) or self.units[common].sync is None:
            return None
        later, first = (self.units[chain[chain.index(common) - 1]].sync for chain in (above, below))
        return Dependency(provider, later.place) if later is not None and first is not None and later.wave > first.wave else None

    def _inherited(
        self, declared: Mapping[tuple[ResourceId, ResourceId], Dependency], reasons: Mapping[tuple[ResourceId, ResourceId], Sequence[ResourceEdge]]
    ) -> dict[tuple[ResourceId, ResourceId], tuple[ResourceEdge, ...]]:
        """A written edge between two parents stands for what a descendant of one requires of a descendant of the other."""
        wanted = {pair for pair in declared if pair not in reasons}
        found: dict[tuple[ResourceId, ResourceId], list[ResourceEdge]] = {}
        if not wanted:
            return {}
        for (consumer, provider), edges in sorted(reasons.items()):
            for upper in (consumer, *sorted(self.lineage.get(consumer, ()))):
                for lower in (provider, *sorted(self.lineage.get(provider, ()))):
                    if (upper, lower) in wanted:
                        found.setdefault((upper, lower), []).extend(edges)
        return {pair: tuple(edges) for pair, edges in found.items()}


def names_of(id: ResourceId) -> tuple[ResourceId, ...]:
    """What an object goes by: references to it are read with the defaults of variables that nothing puts in."""
    if "${" not in id.name and "${" not in id.namespace:
        return (id,)
    return tuple(dict.fromkeys((id, id._replace(namespace=with_defaults(id.namespace), name=with_defaults(id.name)))))


def _serves(provision: Provision, need: KindNeed) -> bool:
    """Is the kind served in the version asked for? An unknown one on either side fits."""
    return isinstance(provision.provides, KindNeed) and (not need.version or provision.provides.version in ("", need.version))


def _in_release_namespace(requirement: Requirement, namespaces: Mapping[str, str]) -> Requirement:
    chart = requirement.namespace_of_chart
    namespace = namespaces.get(chart) if chart else None
    if namespace is None or not isinstance(requirement.need, ObjectNeed):
        return requirement
    return replace(requirement, need=ObjectNeed(requirement.need.id._replace(namespace=namespace), requirement.need.key))


def _for_consumer(requirement: Requirement, consumer: ResourceId) -> Requirement:
    need = requirement.need
    if isinstance(need, ObjectNeed):
        need = ObjectNeed(need.id._replace(namespace=consumer.namespace), need.key)
    return replace(requirement, resource=consumer, need=need)


def _position(requirement: Requirement) -> tuple[ResourceId, Place, str, tuple[str, ...]]:
    need = requirement.need
    if isinstance(need, ObjectNeed):
        named: tuple[str, ...] = (*need.id, need.key or "")
    else:
        named = (str(need),)
    return requirement.resource, requirement.place, requirement.field, named


def _made_after(target: ResourceId, graph: Graph) -> Opaque | None:
    """A ConfigMap of another namespace whose very name a Secret has: what some controller reads in order to make it."""
    if (target.group, target.kind) != ("", "Secret"):
        return None
    for other in graph.objects_by_name.get(("", "ConfigMap", target.name), ()):
        if other.namespace != target.namespace:
            return Opaque(str(other), "a controller may read it", graph.provisions[other][0].place)
    return None


def _made_by_a_program(target: ResourceId, graph: Graph) -> Opaque | None:
    """A Job or script that names what is missing other than by a reference: programs that run once often make what they name."""
    if (target.group, target.kind) not in (("", "Secret"), ("", "ConfigMap")):
        return None
    program = next((program for program in graph.programs if target.name in program.words and program.id != target), None)
    return None if program is None else Opaque(str(program.id), "its script names it", program.place)


def _made_under_a_variable(target: ResourceId, graph: Graph) -> Opaque | None:
    """Something of this kind with a variable in its name that nothing here puts in, and that may come to this one."""
    from gitops_secrets.manifests.expressions import known_parts

    for other in graph.objects_named_by_variables.get(target[:3], ()):
        known = known_parts(other.name)
        if target.name.startswith(known[0]) and target.name.endswith(known[-1]) and any(known):
            provision = graph.provisions[other][0]
            return Opaque(str(provision.resource), f"it makes {other.name}", provision.place)
    return None


def _with_doubt(entry: Unmet, graph: Graph) -> Unmet:
    """Names what opaque thing may bring what is missing. A key that is missing in an object with known keys is missing for certain."""
    if entry.missing_key is not None:
        return entry
    need = entry.requirement.need
    own = str(entry.requirement.resource)
    if isinstance(need, ObjectNeed):
        possible = graph.may_be_made_by(need.id, own, entry.unit)
        possible = possible or _made_under_a_variable(need.id, graph) or _made_after(need.id, graph) or _made_by_a_program(need.id, graph)
    elif isinstance(need, KindNeed):
        possible = graph.may_be_made_by(crd_id(need.group, need.plural), own, entry.unit)
    elif isinstance(need, SelectionNeed):
        possible = graph.may_be_made_by(ResourceId(need.group, need.kind, need.namespace or "", ""), own, entry.unit)
    else:
        possible = None
    return replace(entry, possible=possible) if possible else entry
