"""What a change does to every cluster: two analyses side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gitops_secrets.graph.graph import Graph
from gitops_secrets.graph.unseen import Files, is_told
from gitops_secrets.model.facts import Problem
from gitops_secrets.ordering.difference import PlanDifference, plan_difference
from gitops_secrets.ordering.order import Plan
from gitops_secrets.pipeline.scan import Analysis, Progress, Repository, analyse_base, at_commit
from gitops_secrets.repository.history import Commit
from gitops_secrets.repository.tree import Tree


@dataclass(frozen=True, slots=True)
class RepositoryDifference:
    """All clusters that something happens to, and what could not be read on either side."""

    clusters: tuple[PlanDifference, ...]
    base: str | None  # the commit
    revision: str | None  # the other commit; None: the files on disk
    problems_before: tuple[Problem, ...]
    problems_after: tuple[Problem, ...]


def diff(base: Repository, before: Analysis, repository: Repository, after: Analysis) -> RepositoryDifference:
    """What lies between two analyses, of an earlier revision and of this one.

    What nothing reaches is left out, unless there is nothing else: an archive changes nothing on a cluster.
    """
    files = files_between(base, before, repository, after)
    changed = _changed_files(base.tree, before, repository.tree, after).difference(files.unread_before, files.unread_after)
    files = replace(files, changed=changed)
    pairs = ((old, new) for old, new in paired(before, after) if is_told(graph_of(old), graph_of(new), files))
    found = (plan_difference(old, new, repository.table, files) for old, new in pairs)
    clusters = sorted((each for each in found if not each.is_empty), key=lambda each: (each.graph.cluster.name, each.graph.cluster.entry_point))
    return RepositoryDifference(tuple(clusters), before.revision, after.revision, before.problems, after.problems)


def diff_each(
    repository: Repository, commits: Sequence[Commit], *, cluster: str | None, progress: Progress | None
) -> Iterator[tuple[Commit, RepositoryDifference]]:
    """What each of several commits does that follow one another, the oldest first. `repository`, which is analysed, says how all of them are read."""
    if not commits:
        return
    base = at_commit(repository, commits[0].parent, beside=repository)
    before = analyse_base(base, cluster=cluster)
    for number, commit in enumerate(commits):
        if progress is not None:
            progress("commits", number, len(commits))
        base.leave()
        state = at_commit(repository, commit.id, beside=base)
        after = analyse_base(state, cluster=cluster)
        yield commit, diff(base, before, state, after)
        base, before = state, after


def files_between(base: Repository, before: Analysis, repository: Repository, after: Analysis) -> Files:
    """Which files came and went, and which can't be read on either side, where there are such; not which have changed."""
    if not before.problems and not after.problems:
        return Files()
    old, new = frozenset(base.tree.files), frozenset(repository.tree.files)
    return Files(added=new - old, removed=old - new, unread_before=_unread(before), unread_after=_unread(after))


def _unread(analysis: Analysis) -> frozenset[str]:
    return frozenset(problem.place.file for problem in analysis.problems if problem.rule == "invalid-yaml")


def _plans(analysis: Analysis) -> list[Plan]:
    plans = [cluster.plan for cluster in analysis.clusters]
    return [plan for plan in plans if not plan.graph.cluster.stray] or plans


def paired(before: Analysis, after: Analysis) -> Iterator[tuple[Plan | None, Plan | None]]:
    """The same cluster on both sides: by its entry point, else by its name, else by most of its units."""
    old, new = _plans(before), _plans(after)
    for alike in (_same_entry_point, _same_name, _same_units):
        for one in list(new):
            match = next((other for other in old if alike(other.graph, one.graph)), None)
            if match is not None:
                old.remove(match)
                new.remove(one)
                yield match, one
    yield from ((None, one) for one in new)
    yield from ((one, None) for one in old)


def graph_of(plan: Plan | None) -> Graph | None:
    """Its graph, if there is a plan."""
    return None if plan is None else plan.graph


def _same_entry_point(one: Graph, other: Graph) -> bool:
    return one.cluster.entry_point == other.cluster.entry_point


def _same_name(one: Graph, other: Graph) -> bool:
    return one.cluster.name == other.cluster.name


def _same_units(one: Graph, other: Graph) -> bool:
    return 2 * len(one.units.keys() & other.units.keys()) > max(len(one.units), len(other.units))


def _changed_files(old: Tree, before: Analysis, new: Tree, after: Analysis) -> frozenset[str]:
    """Files with Secrets that are on both sides, with other bytes."""
    files = _secret_files(before) & _secret_files(after)
    return frozenset(path for path in files if old.is_file(path) and new.is_file(path) and old.read(path) != new.read(path))


def _secret_files(analysis: Analysis) -> set[str]:
    resources = (applied.resource for cluster in analysis.clusters for applied in cluster.graph.cluster.resources)
    return {resource.place.file for resource in resources if resource.id.group_kind == ("", "Secret")}
