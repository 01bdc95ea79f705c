"""Recall: of the `dependsOn` that people wrote for a reason that the repository shows, how many are inferred.

    python benchmarks/recall.py EDGES.csv OWNER/NAME=CHECKOUT[@REVISION] …

EDGES.csv has the columns repo, from, to (namespace/name), kind, reason_visible, reason, from_file. An edge counts as inferred if its two units are joined
by inferred edges, directly or through others. Every checkout is read a second time with all `dependsOn` left out: what is inferred must not change.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.pipeline.scan import Analysis, Repository, analyse, analyse_cluster, open_repository

Reach = Mapping[ResourceId, frozenset[ResourceId]]


def inferred_pairs(graph: Graph) -> list[tuple[ResourceId, ResourceId]]:
    """Pairs of units where one requires something of the other."""
    return [(edge.consumer, edge.provider) for edge in graph.unit_edges if edge.reasons]


def reach(pairs: Iterable[tuple[ResourceId, ResourceId]]) -> Reach:
    """All that can be reached from each unit."""
    following: dict[ResourceId, set[ResourceId]] = {}
    for consumer, provider in pairs:
        following.setdefault(consumer, set()).add(provider)
    found = {}
    for start in following:
        seen: set[ResourceId] = set()
        pending = list(following[start])
        while pending:
            unit = pending.pop()
            if unit not in seen:
                seen.add(unit)
                pending.extend(following.get(unit, ()))
        found[start] = frozenset(seen)
    return found


def is_inferred(row: Mapping[str, str], analysis: Analysis, reaches: Sequence[Reach]) -> bool:
    """Is the edge of a row inferred in the cluster that its file belongs to?"""
    for cluster, reached in zip(analysis.clusters, reaches, strict=True):
        units = {(unit.id.kind, f"{unit.id.namespace}/{unit.id.name}"): unit for unit in cluster.graph.cluster.units}
        consumer, provider = units.get((row["kind"], row["from"])), units.get((row["kind"], row["to"]))
        if consumer is None or provider is None or consumer.place.file != row["from_file"]:
            continue
        if provider.id in reached.get(consumer.id, ()):
            return True
    return False


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each repository and reason, and the total."""
    rows = list(csv.DictReader(Path(arguments[0]).read_text(encoding="utf-8").splitlines()))
    visible: Counter[str] = Counter()
    inferred: Counter[str] = Counter()
    total_pairs = 0
    for argument in arguments[1:]:
        name, _, checkout = argument.partition("=")
        path, _, revision = checkout.partition("@")
        repository = open_repository(Path(path), revision=revision or None)
        analysis = analyse(repository)
        reaches = [reach(inferred_pairs(cluster.graph)) for cluster in analysis.clusters]
        pairs = sum(len(inferred_pairs(cluster.graph)) for cluster in analysis.clusters)
        total_pairs += pairs
        own = [row for row in rows if row["repo"] == name and row["reason_visible"] == "yes"]
        print(f"{name}: {pairs} inferred edges, {len(own)} written for a visible reason")
        for row in own:
            hit = is_inferred(row, analysis, reaches)
            for key in (f"{row['kind']} {row['reason']}", f"{row['kind']} total"):
                visible[key] += 1
                inferred[key] += hit
            if not hit:
                print(f"  not inferred: {row['from']} -> {row['to']} ({row['reason']}: {row['evidence']}) {row['from_file']}")
        check_independence(repository, analysis)
    for key in sorted(visible):
        print(f"{key:40} {inferred[key]:4} of {visible[key]:4}  {100 * inferred[key] / visible[key]:5.1f} %")
    print(f"inferred edges in all: {total_pairs}")
    return 0


def check_independence(repository: Repository, analysis: Analysis) -> None:
    """What is inferred must not depend on what is written."""
    for cluster in analysis.clusters:
        rendered = cluster.graph.cluster
        bare = replace(rendered, units=tuple(replace(unit, depends_on=()) for unit in rendered.units))
        without = analyse_cluster(bare, repository, cluster.before)
        if _direct(without.graph) != _direct(cluster.graph):
            raise SystemExit(f"{rendered.name}: what is inferred depends on dependsOn")


def _direct(graph: Graph) -> list[tuple[ResourceId, ResourceId, str]]:
    return [
        (edge.consumer, edge.provider, repr(edge.reasons))
        for edge in graph.unit_edges
        if edge.reasons and any((reason.consumer_unit, reason.provider_unit) == (edge.consumer, edge.provider) for reason in edge.reasons)
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
