"""What a rule is, and what it may look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Final

from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.kinds.catalogue import Catalogue
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Confidence, Opaque, Resource
from gitops_secrets.model.findings import Finding, Related, Remedy, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.reach import reachable
from gitops_secrets.model.results import Cluster, Dependency, Unit
from gitops_secrets.ordering.order import Plan
from gitops_secrets.syntax.nearest import Names, share

_MANY: Final = 3  # paths of one source that are not there: more than slips


@dataclass(frozen=True)
class Context:
    """One cluster, as rules see it, with what several of them look up. Rules read no files."""

    plan: Plan
    table: KindTable
    catalogue: Catalogue
    named: Mapping[str, Place] = field(default_factory=dict)  # charts, files and directories that scripts and pages install in ways that can't be told

    @property
    def graph(self) -> Graph:
        """The graph that the plan orders."""
        return self.plan.graph

    @property
    def cluster(self) -> Cluster:
        """The cluster that the graph is of."""
        return self.plan.graph.cluster

    @cached_property
    def manifests(self) -> Mapping[ResourceId, Resource]:
        """Every object of the cluster that has a manifest, as it is rendered."""
        return {applied.resource.id: applied.resource for applied in self.cluster.resources}

    @cached_property
    def lost(self) -> Mapping[ResourceId, Sequence[Dependency]]:
        """Entries of `dependsOn` that no unit matches, by the unit that has them."""
        units = self.graph.units
        found = {unit.id: [dependency for dependency in unit.depends_on if dependency.target not in units] for unit in units.values()}
        return {unit: lost for unit, lost in found.items() if lost}

    @cached_property
    def foreign_sources(self) -> Mapping[str, ResourceId]:
        """Units with their source, where the repository has so few of its paths that it will be another repository, or one with another root."""
        lost = {problem.subject for problem in self.cluster.problems if problem.rule == "missing-path"}
        sources = {str(unit.id): unit.source for unit in self.cluster.units if unit.source is not None} if lost else {}
        readers = Counter(sources.values())
        missing = Counter(source for unit, source in sources.items() if unit in lost)
        return {unit: source for unit, source in sources.items() if missing[source] >= _MANY and 2 * missing[source] > readers[source]}

    @cached_property
    def synced_resources(self) -> tuple[tuple[Unit, Resource], ...]:
        """What Argo CD applies, each with its Application."""
        applied = ((self.graph.units.get(each.unit), each.resource) for each in self.cluster.resources)
        return tuple((unit, resource) for unit, resource in applied if unit is not None and unit.sync is not None)

    @cached_property
    def synced_edges(self) -> tuple[ResourceEdge, ...]:
        """What is needed by what Argo CD applies."""
        synced = {unit.id for unit in self.graph.units.values() if unit.sync is not None}
        return tuple(edge for edge in self.graph.resource_edges if edge.consumer_unit in synced) if synced else ()

    def of_kind(self, group: str, kind: str) -> Sequence[Resource]:
        """The manifests of a kind, in the order in which they are applied."""
        return self._by_kind.get((group, kind), ())

    @cached_property
    def _by_kind(self) -> Mapping[tuple[str, str], Sequence[Resource]]:
        found: dict[tuple[str, str], list[Resource]] = {}
        for applied in self.cluster.resources:
            found.setdefault(applied.resource.id.group_kind, []).append(applied.resource)
        return found


class Rule(ABC):
    """A rule: `check` yields its findings for one cluster. The docstring is its manual, in four parts."""

    id: ClassVar[str]
    severity: ClassVar[Severity]
    fixable: ClassVar[bool] = False  # does it have a remedy where one answer is right?
    symptoms: ClassVar[tuple[str, ...]] = ()  # words of conditions, events and errors on a cluster that it explains

    @abstractmethod
    def check(self, context: Context) -> Iterator[Finding]:
        """The findings of this rule in one cluster."""

    def finding(
        self,
        message: str,
        place: Place,
        subject: object,
        *,
        other: object | None = None,
        severity: Severity | None = None,
        confidence: Confidence = Confidence.CERTAIN,
        related: Iterable[Related] = (),
        field: str = "",
        cause: str = "",
        retried: Iterable[str] = (),
        remedy: Remedy | None = None,
    ) -> Finding:
        """A finding of this rule. What is only possible is at most a note."""
        grade = severity or self.severity
        if confidence is Confidence.POSSIBLE:
            grade = Severity.NOTE
        named = None if other is None else str(other)
        return Finding(
            self.id,
            grade,
            confidence,
            message,
            place,
            str(subject),
            named,
            field,
            tuple(related),
            remedy=remedy,
            cause=cause or message,
            retried=frozenset(retried),
        )


def doubt(opaque: Opaque | None, otherwise: Confidence = Confidence.CERTAIN) -> Confidence:
    """How sure it is that something is not there, given what opaque thing may make it."""
    return Confidence.POSSIBLE if opaque is not None else otherwise


def unless(opaque: Opaque | None) -> str:
    """The end of a message about something that is not there: who may make it all the same."""
    return "" if opaque is None else f", unless {opaque.thing} makes it ({opaque.why})"


def doubt_before(context: Context, unit: ResourceId, opaque: Opaque | None, otherwise: Confidence = Confidence.CERTAIN) -> tuple[Confidence, str]:
    """How sure it is that a namespace or kind is not there, and the end of a message about it.

    Who applies a directory by hand applies it to a cluster that others have set up, so what is there beforehand is not known.
    """
    if opaque is None and unit in context.graph.units and context.graph.units[unit].is_overlay:
        return Confidence.POSSIBLE, ", unless it is there before the directory is applied"
    return doubt(opaque, otherwise), unless(opaque)


def closest(name: str, known: Names, similarity: float = 0.75, *, among: int = 1, besides: Collection[str] = ()) -> str | None:
    """What was probably meant by a name that is not there: the most alike of those that are, if it is alike enough (1.0 would be equal).

    `among` is the number of all names that are not there: the more there are, the less work goes into each. Those of `besides` were not meant.
    """
    return known.closest(name, similarity, share(among), besides)


def did_you_mean(name: str | None) -> str:
    """The hint at a name that is there, to stand behind one that is not."""
    return "" if name is None else f" (did you mean {name}?)"


def namesakes(graph: Graph, target: ResourceId) -> Iterator[ResourceId]:
    """What has the kind and the name of `target`, in other namespaces."""
    there = graph.objects_by_name.get((target.group, target.kind, target.name), ()) if target.namespace else ()
    return (other for other in there if other.namespace != target.namespace)


def reached(unit: ResourceId, graph: Graph) -> frozenset[ResourceId]:
    """All units that the written order puts before one."""
    return frozenset(reachable(graph.dependencies.get(unit, ()), lambda each: graph.dependencies.get(each, ())))
