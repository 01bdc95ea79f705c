"""What two states of a repository can say of each other's findings: what does not build in one of them is neither gone nor new."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gitops_secrets.checks.reading import BuildFailed, PatchMatchesNothing
from gitops_secrets.checks.suppressions import UnusedSuppression
from gitops_secrets.graph.graph import Graph
from gitops_secrets.graph.unseen import is_told, orphans, unseen
from gitops_secrets.model.facts import UNBUILT
from gitops_secrets.model.findings import Finding
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.pipeline.diff import files_between, graph_of, paired
from gitops_secrets.pipeline.scan import Analysis, Repository

Pairs = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Blind:
    """What one state of a cluster can't tell of the other. Ids are as findings have them."""

    unseen: frozenset[str]
    units: frozenset[str]  # those of `unseen` that are not even there as units that do not build
    seen: Pairs  # who needs what all the same, as far as this state shows it
    partial: frozenset[str]  # what is seen all the same of units that do not build
    doubted: Pairs  # who lacks what here, unless something that does not build brings it
    is_all: bool = False  # is all of the cluster out of sight?

    def hides(self, finding: Finding) -> bool:
        """Might this be found here as well, for all that can be told?"""
        pair = (finding.subject, finding.other or "")
        if self.is_all:
            return True
        if finding.rule in UNBUILT:
            # Of several faults of a build only some may show; that a file can't be read always does.
            return finding.subject in (self.unseen if finding.rule == BuildFailed.id else self.units)
        if finding.rule == UnusedSuppression.id or pair in self.doubted:
            return True
        return pair not in self.seen and not self.unseen.isdisjoint(pair)


@dataclass(frozen=True, slots=True)
class Sight:
    """What either state can't tell of the other, by cluster: those of `before` as they are called after it, and the other way round."""

    before: Mapping[str, Blind] = field(default_factory=dict)
    after: Mapping[str, Blind] = field(default_factory=dict)
    # Who lacks what, before and now, unless something that does not build brings it; by the name of the cluster then.
    doubted: tuple[Mapping[str, Pairs], Mapping[str, Pairs]] = field(default_factory=lambda: ({}, {}))
    # What only the other state shows, and what lies below of it, before and now.
    lacking: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    orphaned: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    broken: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())  # units that do not build
    unread: tuple[Collection[str], Collection[str]] = ((), ())  # files that can't be read
    stood: Callable[[Finding], bool] = lambda finding: True  # Was the line of a finding there before?

    def may_remain(self, earlier: Finding) -> bool:
        """Can't it be told whether an earlier finding is gone? It is not where it may be there in one of its clusters."""
        if earlier.rule not in UNBUILT and (_is_of(earlier, self.orphaned[0]) or earlier.place.file in self.unread[1]):
            return True
        return any(self.after[name].hides(earlier) for name in earlier.clusters or self.after if name in self.after)

    def may_have_been_none(self, earlier: Finding) -> bool:
        """Was something only missing because, or unless, what did not build brings it?"""
        return earlier.other in self.lacking[0] or _rests_on_all(earlier, self.broken[0]) or _is_doubted(earlier, self.doubted[0])

    def may_be_old(self, finding: Finding) -> bool:
        """Can't it be told whether a finding is new, or whether it is one? What stands in a line of the change's own is."""
        if finding.other in self.lacking[1] or _rests_on_all(finding, self.broken[1]) or _is_doubted(finding, self.doubted[1]):
            return True
        return self._is_apart(finding) or self._was_hidden(finding, finding.clusters)

    def may_be_as_old(self, finding: Finding, clusters: Iterable[str]) -> bool:
        """Can't it be told whether a finding that was there is graver, surer, or new in these clusters?"""
        return finding.other in self.lacking[1] or self._is_apart(finding) or self._was_hidden(finding, clusters, partial=True)

    def _is_apart(self, finding: Finding) -> bool:
        """Is it about what has lost sight of what it lies below, or does it stand in a file that could not be read?"""
        apart = _is_of(finding, self.orphaned[1]) or finding.place.file in self.unread[0]
        return finding.rule not in UNBUILT and apart and self.stood(finding)

    def _was_hidden(self, finding: Finding, clusters: Iterable[str], *, partial: bool = False) -> bool:
        names = tuple(clusters or self.before)
        blind = [self.before.get(name) for name in names]
        hidden = (one is not None and (one.hides(finding) or (partial and finding.subject in one.partial)) for one in blind)
        return bool(names) and all(hidden) and self.stood(finding)


def _rests_on_all(finding: Finding, broken: frozenset[str]) -> bool:
    """Is it about all that a unit builds, which does not build?"""
    return finding.rule == PatchMatchesNothing.id and finding.subject in broken


def _is_of(finding: Finding, ids: frozenset[str]) -> bool:
    return finding.subject in ids or finding.other in ids


def _is_doubted(finding: Finding, doubted: Mapping[str, Pairs]) -> bool:
    names = [name for name in finding.clusters if name in doubted]
    return bool(names) and all((finding.subject, finding.other or "") in doubted[name] for name in names)


CLEAR: Final = Sight()
_BLIND: Final = Blind(frozenset(), frozenset(), frozenset(), frozenset(), frozenset(), is_all=True)


def sight_between(base: Repository, before: Analysis, repository: Repository, after: Analysis) -> Sight:
    """What `base`, an earlier revision of `repository`, and the present state can't tell of each other."""
    if not before.problems and not after.problems:
        return CLEAR
    files = files_between(base, before, repository, after)
    earlier: dict[str, Blind] = {}
    present: dict[str, Blind] = {}
    orphaned: tuple[set[str], set[str]] = (set(), set())
    lacking: tuple[set[str], set[str]] = (set(), set())
    for old, new in paired(before, after):
        if old is not None and new is not None:
            found = unseen(old.graph, new.graph, files)
            earlier[new.graph.cluster.name] = _blind(old.graph, frozenset(map(str, found.revealed)))
            present[old.graph.cluster.name] = _blind(new.graph, frozenset(map(str, found.held)))
            lacking[0].update(_brought(new.graph, found.revealed.difference(old.graph.units)))
            lacking[1].update(_brought(old.graph, found.held.difference(new.graph.units)))
            orphaned[0].update(map(str, orphans(new.graph, old.graph, found.revealed)))
            orphaned[1].update(map(str, orphans(old.graph, new.graph, found.held)))
        elif not is_told(graph_of(old), graph_of(new), files):
            earlier |= {} if new is None else {new.graph.cluster.name: _BLIND}
            present |= {} if old is None else {old.graph.cluster.name: _BLIND}

    def stood(finding: Finding) -> bool:
        lines = _lines(repository, finding.place.file)
        number = finding.place.line - 1
        return number < len(lines) and lines[number] in _lines(base, finding.place.file)

    return Sight(
        dict(_that_are(earlier)),
        dict(_that_are(present)),
        (_doubted(before), _doubted(after)),
        (frozenset(lacking[0]), frozenset(lacking[1])),
        (frozenset(orphaned[0]), frozenset(orphaned[1])),
        (_broken(before), _broken(after)),
        (files.unread_before, files.unread_after),
        stood,
    )


def sight_on(accepted: Iterable[Finding], after: Analysis) -> Sight:
    """What the present state can't tell of findings that a team has accepted, whatever state they are of."""
    present = {}
    for cluster in after.clusters:
        graph, name = cluster.graph, cluster.graph.cluster.name
        if graph.broken:
            known = {str(id) for id in (*graph.units, *graph.unit_of, *graph.provisions)}
            ends = {end for finding in accepted if name in finding.clusters for end in (finding.subject, finding.other) if end is not None}
            present[name] = _blind(graph, frozenset(ends - known).union(map(str, graph.broken)))
    return Sight(after=dict(_that_are(present)))


def _brought(graph: Graph, hidden: frozenset[ResourceId]) -> Iterator[str]:
    """What is hidden, and what it met of the needs of others, as findings name it."""
    yield from map(str, hidden)
    yield from (str(edge.requirement.need) for edge in graph.resource_edges if edge.provision.resource in hidden)


def _that_are(found: Mapping[str, Blind]) -> Iterator[tuple[str, Blind]]:
    yield from ((name, blind) for name, blind in found.items() if blind.unseen or blind.partial or blind.doubted or blind.is_all)


def _blind(graph: Graph, hidden: frozenset[str]) -> Blind:
    units = ((edge.consumer, edge.provider) for edge in graph.unit_edges if edge.reasons)
    objects = ((edge.requirement.resource, edge.requirement.need) for edge in graph.resource_edges)
    named = ((str(consumer), str(thing)) for consumer, thing in (*units, *objects)) if hidden else ()
    partial = (str(id) for id, unit in graph.unit_of.items() if unit in graph.broken)
    return Blind(
        hidden,
        hidden - frozenset(map(str, graph.units)),
        frozenset(pair for pair in named if not hidden.isdisjoint(pair)),
        frozenset(partial),
        _lacking(graph),
    )


def _broken(analysis: Analysis) -> frozenset[str]:
    return frozenset(str(unit) for cluster in analysis.clusters for unit in cluster.graph.broken)


def _doubted(analysis: Analysis) -> dict[str, Pairs]:
    return {cluster.graph.cluster.name: _lacking(cluster.graph) for cluster in analysis.clusters if cluster.graph.broken}


def _lacking(graph: Graph) -> Pairs:
    lacking = (entry.requirement for entry in graph.unmet if entry.possible is not None and entry.possible.broken_unit is not None)
    return frozenset((str(requirement.resource), str(requirement.need)) for requirement in lacking)


def _lines(repository: Repository, file: str) -> list[bytes]:
    return repository.loader.content(file).splitlines() if repository.tree.is_file(file) else []
