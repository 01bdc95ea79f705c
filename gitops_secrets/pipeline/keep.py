"""What is kept of an analysis, so that an edit within units need not start from nothing (see `edits`)."""

from __future__ import annotations

import marshal
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from gitops_secrets.graph.build import names_of, requirements_of
from gitops_secrets.graph.graph import Graph, ResourceEdge, comes_with_platform
from gitops_secrets.model.facts import Effect, ObjectNeed, Provision, SelectionNeed, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import as_mapping, as_text
from gitops_secrets.model.results import Cluster
from gitops_secrets.model.workloads import ROLLED_OUT
from gitops_secrets.pipeline.facts import are_all_retried
from gitops_secrets.pipeline.kept import NAMESPACE, NOBODY, Kept, KeptCluster, brings_ordinary, is_chart_source, is_ordinary, may_be_edited
from gitops_secrets.pipeline.rows import Row, node_row, opaque_row, provision_row, requirement_row, unit_row
from gitops_secrets.rendering.flux_build import shape_of
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES
from gitops_secrets.rendering.renderings import Rendering
from gitops_secrets.rendering.units import KUSTOMIZE_GROUP
from gitops_secrets.report.blocks import Blocks
from gitops_secrets.repository.ignore import FilteredTree

if TYPE_CHECKING:
    from gitops_secrets.pipeline.scan import Analysis, ClusterAnalysis, Repository

# A source with a password in its address is not kept.
_WITH_PASSWORD: Final = re.compile(r"://[^/]*@")
# What a kustomization says that lists files and does nothing to them.
_LISTING: Final = frozenset({"apiVersion", "kind", "resources"})


def keep(repository: Repository, analysis: Analysis, blocks: Blocks) -> Row | None:
    """A `Kept`, for a text of these blocks; None where no edit can be told from the rest."""
    if repository.configuration.kinds:
        return None
    found = {id(rendering.unit.data): rendering for rendering in repository.renderings if _can_be_built_again(rendering)}
    built = [_built(each.graph, found) for each in analysis.clusters]
    reading = _readers(repository, built)
    written = _written(repository, analysis, built, reading)
    passed_over = written.keys() | _files_of_others(built)
    readers = {path: units for path, units in reading.items() if path not in passed_over}
    if not readers and not written:
        return None
    read = {numbers for units in readers.values() for numbers in units}
    places = {id(graph): position for position, graph in blocks.clusters.items()}
    clusters: list[Row | None] = []
    for number, (each, renderings) in enumerate(zip(analysis.clusters, built, strict=True)):
        edited = {unit: rendering for unit, rendering in renderings.items() if (number, unit) in read}
        clusters.append(_cluster_row(each, repository, edited) if renderings and id(each.graph) in places else None)
    return tuple(
        Kept(
            blocks.lengths,
            [places.get(id(each.graph)) for each in analysis.clusters],
            clusters,
            readers,
            written,
            [tuple(id) for id in repository.renderings.sought if may_be_edited(id) and not is_chart_source(id)],
            repository.loader.budget.spent.text,
            repository.loader.budget.spent.steps,
            sorted(repository.tree.without) if isinstance(repository.tree, FilteredTree) else [],
        )
    )


def _can_be_built_again(rendering: Rendering) -> bool:
    """Can it be, with what may be kept? Variables and patches may hold secret values."""
    return rendering.variables is None and not rendering.problems and not rendering.unit.spec.get("patches")


def _built(graph: Graph, renderings: Mapping[int, Rendering]) -> dict[int, Rendering]:
    """The units that can be built again, in a cluster with Flux units alone, where nobody admits objects and no health check names a workload of a chart."""
    units = graph.cluster.units
    is_others = any(unit.sync is not None or unit.id.kind == "ResourceSet" for unit in units)
    if is_others or any(target.group_kind in ROLLED_OUT for target in _checked_elsewhere(graph)):
        return {}
    ids = (applied.resource.id for applied in graph.cluster.resources)
    if any(id.group == "argoproj.io" or id.kind.endswith("WebhookConfiguration") for id in ids):
        return {}
    return {number: renderings[id(unit.data)] for number, unit in enumerate(units) if id(unit.data) in renderings and not unit.remote}


def _checked_elsewhere(graph: Graph) -> Iterator[ResourceId]:
    return (check.target for unit in graph.units.values() for check in unit.health_checks if check.target not in graph.unit_of)


def _readers(repository: Repository, built: Sequence[Mapping[int, Rendering]]) -> dict[str, list[tuple[int, int]]]:
    """The units that read a file, of files that are read by builds of these units and by nothing else."""
    taken, _ = repository.read_whole
    loaders = [repository.loader] if repository.around is None else [repository.loader, repository.around]
    apart = taken.union(*(loader.apart for loader in loaders))
    builds = sum((loader.builds for loader in loaders), Counter[str]())
    reading: dict[str, list[tuple[int, int]]] = {}
    for cluster, renderings in enumerate(built):
        for unit, rendering in renderings.items():
            for path in rendering.inputs:
                if path not in apart and path.endswith((".yaml", ".yml")):
                    reading.setdefault(path, []).append((cluster, unit))
    return {path: units for path, units in reading.items() if len(units) == builds[path]}


def _files_of_others(built: Iterable[Mapping[int, Rendering]]) -> frozenset[str]:
    """The files of objects of which none may be edited."""
    files: dict[bool, set[str]] = {True: set(), False: set()}
    for renderings in built:
        for rendering in renderings.values():
            for each in rendering.objects:
                files[may_be_edited(each.id)].add(each.place.file)
    return frozenset(files[False] - files[True])


def _written(
    repository: Repository, analysis: Analysis, built: Sequence[Mapping[int, Rendering]], reading: Mapping[str, object]
) -> dict[str, list[tuple[int, int]]]:
    """The Kustomizations that are written in a file, where what applies them changes nothing in them."""
    found: dict[str, list[tuple[int, int]]] = {}
    for cluster, (each, renderings) in enumerate(zip(analysis.clusters, built, strict=True)):
        units = each.graph.cluster.units
        parents = {unit.parent for unit in units if unit.id.group == KUSTOMIZE_GROUP}
        appliers = (number for number in renderings if units[number].id in parents)
        plain = {units[number].id for number in appliers if _applies_as_written(renderings[number], repository)}
        for number, unit in enumerate(units):
            if unit.parent in plain and unit.id.group == KUSTOMIZE_GROUP and unit.place.file in reading:
                found.setdefault(unit.place.file, []).append((cluster, number))
    return found


def _applies_as_written(rendering: Rendering, repository: Repository) -> bool:
    """Does a unit apply what stands in its files, with nothing added?"""
    kustomizations = (path for path in rendering.inputs if path.rpartition("/")[2] in FILE_NAMES)
    documents = (as_mapping(repository.loader.load(path, for_units=True).first) for path in kustomizations)
    return not shape_of(rendering.unit).spec.keys() - {"path"} and all(document.keys() <= _LISTING for document in documents)


def _cluster_row(analysis: ClusterAnalysis, repository: Repository, built: Mapping[int, Rendering]) -> Row:
    from gitops_secrets.kinds.catalogue import controllers_of, operators_of

    graph, cluster = analysis.graph, analysis.graph.cluster
    numbers = {unit.id: number for number, unit in enumerate(cluster.units)}
    outward = (edge for edge in graph.external if not comes_with_platform(edge.before or edge.provision))
    told = {id(edge): edge for edge in (*(reason for edge in graph.unit_edges for reason in edge.reasons), *outward)}
    within = (edge for edge in graph.resource_edges if _is_met_within(edge))
    settled = {id(edge.requirement) for edge in chain(told.values(), within)}.union(id(entry.requirement) for entry in graph.unmet)
    ordinary = {number: {each.id for each in rendering.objects if is_ordinary(each.id)} for number, rendering in built.items()}
    times = Counter(each.resource.id for each in cluster.resources) if len(cluster.resources) > len(graph.unit_of) else {}
    required: dict[int, list[bytes]] = {}
    requiring: dict[Row, list[int]] = {}
    selected: set[tuple[str, str]] = set()
    if any(applied.resource.id.kind == "ClusterExternalSecret" for applied in cluster.resources):
        selected.add(NAMESPACE)
    for unit, requirements in groupby(requirements_of(cluster, analysis.facts), itemgetter(0)):
        number, rows = numbers[unit], []
        for _, requirement in requirements:
            need = requirement.need
            if isinstance(need, SelectionNeed):
                selected.add((need.group, need.kind))
            if not isinstance(need, ObjectNeed) or not is_ordinary(need.id):
                continue
            if id(requirement) not in settled or (number in ordinary and requirement.resource not in ordinary[number]):
                requiring.setdefault(tuple(need.id), []).append(number)
                rows.append(requirement_row(requirement))
        if rows:
            required.setdefault(number, []).append(marshal.dumps(rows))
    provided: dict[int, list[bytes]] = {}
    providing: dict[Row, list[int]] = {}
    of_units = ((numbers[unit], provision) for unit, facts in analysis.facts for provision in facts.provisions)
    for number, provisions in groupby(chain(((NOBODY, provision) for provision in analysis.there), of_units), itemgetter(0)):
        rows = []
        for _, provision in provisions:
            if number not in ordinary or provision.resource not in ordinary[number] or not brings_ordinary(provision):
                rows.append(provision_row(provision))
            is_plain = provision.provides == (provision.resource, None) and "${" not in provision.resource.name and "${" not in provision.resource.namespace
            if not is_plain or number == NOBODY or provision.resource in times:
                for key in _keys(provision):
                    providing.setdefault(key, []).append(number)
        if rows:
            provided.setdefault(number, []).append(marshal.dumps(rows))
    return tuple(
        KeptCluster(
            about=(cluster.name, cluster.entry_point, cluster.engine, cluster.stray),
            units=marshal.dumps(list(map(unit_row, cluster.units))),
            applied=marshal.dumps([(tuple(id), numbers[unit]) for id, unit in graph.unit_of.items()]),
            shared=[tuple(id) for id, count in times.items() if count > 1],
            opaque=marshal.dumps(list(map(opaque_row, graph.opaque))),
            edges=marshal.dumps(_edge_rows(told.values(), numbers)),
            unmet=marshal.dumps([(numbers[entry.unit], requirement_row(entry.requirement)) for entry in graph.unmet]),
            required=required,
            requiring=marshal.dumps(requiring),
            provided=provided,
            providing=marshal.dumps(providing),
            checked=[(tuple(target), list(map(provision_row, graph.provisions.get(target, ())))) for target in _checked_elsewhere(graph)],
            built={number: marshal.dumps(_built_row(rendering)) for number, rendering in built.items()},
            selected=list(selected),
            referents=[tuple(each.resource) for _, facts in analysis.facts for each in facts.requirements if each.referent],
            operators={group: tuple(webhook) for group, webhook in operators_of(cluster.releases, repository.catalogue).items()},
            controllers={group: tuple(release) for group, release in controllers_of(cluster.releases, repository.catalogue).items()},
            sources=[] if repository.configuration.sources else list(_sources(cluster)),
            always_retried=are_all_retried(cluster),
        )
    )


def _edge_rows(edges: Iterable[ResourceEdge], numbers: Mapping[ResourceId, int]) -> tuple[list[Row], list[Row]]:
    """Provisions, and edges with the positions of theirs."""
    provisions: dict[int, tuple[int, Row]] = {}

    def position(provision: Provision) -> int:
        if id(provision) not in provisions:
            provisions[id(provision)] = len(provisions), provision_row(provision)
        return provisions[id(provision)][0]

    rows: list[Row] = []
    for edge in edges:
        provider = None if edge.provider_unit is None else numbers[edge.provider_unit]
        before = None if edge.before is None else position(edge.before)
        alternatives = tuple(numbers[unit] for unit in edge.alternatives)
        row = requirement_row(edge.requirement), position(edge.provision), numbers[edge.consumer_unit], provider, before, alternatives, edge.is_alternative
        rows.append(row)
    return [row for _, row in provisions.values()], rows


def _sources(cluster: Cluster) -> Iterator[Row]:
    """Where charts come from."""
    wanted = {release.source for release in cluster.releases if release.source is not None and is_chart_source(release.source)}
    for applied in cluster.resources:
        source = applied.resource
        if source.id in wanted and not _WITH_PASSWORD.search(as_text(source.spec.get("url"))):
            yield tuple(source.id), source.version, node_row(source.spec), tuple(source.place)


def _is_met_within(edge: ResourceEdge) -> bool:
    """Does the unit meet it itself, whatever anybody else brings?"""
    return edge.consumer_unit == edge.provider_unit and not (edge.provision.when is When.LATER and edge.requirement.effect is Effect.APPLY)


def _keys(provision: Provision) -> Iterable[Row]:
    """What it is looked up by."""
    provides = provision.provides
    return map(tuple, names_of(provides.id)) if isinstance(provides, ObjectNeed) else [(provides.group, provides.kind)]


def _built_row(rendering: Rendering) -> Any:
    unit = shape_of(rendering.unit)
    return unit.version, node_row(unit.data), tuple(unit.place), rendering.path
