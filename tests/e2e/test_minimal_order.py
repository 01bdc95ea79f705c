"""Every generated `dependsOn` is needed: without it a unit is refused, if what it needs comes late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.e2e.bed import sample, tool
from tests.e2e.bed.bed import Bed, running
from tests.e2e.bed.flux import Settings
from tests.e2e.bed.history import History
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.programs import Programs
from tests.e2e.bed.sample import Sample


class Edge(NamedTuple):
    """A written dependency, and what the consumer is refused without, which only this dependency waits for."""

    consumer: str
    dependency: str
    needed: str


def needed_edges(tree: Path, path: str) -> list[Edge]:
    """Each `dependsOn` with one provider of effect apply that the consumer reaches through nothing else."""
    (cluster,) = tool.run("scan", path, "--format", "json", directory=tree).document["clusters"]
    written = {(edge["from"], edge["to"]) for edge in cluster["edges"] if edge["declared"]}
    refused_without = {(edge["from"], edge["to"]) for edge in cluster["edges"] if any(reason["effect"] == "apply" for reason in edge["reasons"])}
    edges = []
    for consumer, dependency in sorted(written):
        lost = reach(consumer, written) - reach(consumer, written - {(consumer, dependency)})
        needed = sorted(provider for provider in lost if (consumer, provider) in refused_without)
        edges += [Edge(consumer, dependency, needed[0])] if needed else []
    return edges


def reach(unit: str, edges: set[tuple[str, str]]) -> set[str]:
    found = {to for start, to in edges if start == unit}
    return found.union(*(reach(each, edges) for each in found))


def change_units(served: Sample, edge: Edge) -> None:
    """Takes the dependency away and suspends the provider."""
    with served.repository.checkout() as tree:
        consumer, provider = (tree / served.path / "flux" / f"{unit.rpartition('/')[2]}.yaml" for unit in (edge.consumer, edge.needed))
        unit = yaml.safe_load(consumer.read_text())
        unit["spec"]["dependsOn"] = [each for each in unit["spec"]["dependsOn"] if each["name"] != edge.dependency.rpartition("/")[2]]
        consumer.write_text(yaml.safe_dump(unit))
        unit = yaml.safe_load(provider.read_text())
        unit["spec"]["suspend"] = True
        provider.write_text(yaml.safe_dump(unit))
        served.repository.push(tree, f"{edge.consumer} no longer waits for {edge.dependency}")


def is_refused(bed: Bed, edge: Edge) -> bool:
    served = sample.serve(bed, "development")
    change_units(served, edge)
    history = History(bed.api)
    sample.bootstrap(bed, served)
    name = edge.consumer.rpartition("/")[2]

    def was_refused() -> bool:
        return any(each.name == name for each in history.failed)

    wait_until(lambda: was_refused() or history.ready_at("Kustomization", name) is not None, f"{name} was tried", timeout=240)
    return was_refused()


@pytest.mark.full
def test_without_any_one_of_the_generated_edges_a_unit_is_refused(
    built: Programs, tmp_path_factory: pytest.TempPathFactory, figure: Callable[[str, str], None]
) -> None:
    with running(built, tmp_path_factory.mktemp("bed") / "bed") as bed, sample.serve(bed, "development").repository.checkout() as tree:
        edges = needed_edges(tree, "overlays/development")
    needless = []
    for edge in edges:
        # What else the unit waits for is not the matter: it may look for that every second.
        with running(built, tmp_path_factory.mktemp("bed") / "bed", Settings(requeue_dependency="1s")) as bed:
            if not is_refused(bed, edge):
                needless.append(edge)
    figure("generated edges without which a unit is refused", f"{len(edges) - len(needless)} of {len(edges)}")

    assert edges
    assert needless == []
