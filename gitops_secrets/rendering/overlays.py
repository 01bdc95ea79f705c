"""Directories with a kustomization that no engine object reaches: applied as they are, by hand or by a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Opaque, Problem
from gitops_secrets.model.nodes import Place, as_mapping, as_text
from gitops_secrets.model.results import AppliedResource, Cluster, Unit, overlay_id
from gitops_secrets.rendering.chart_directory import is_chart
from gitops_secrets.rendering.kustomize import Build, find_kustomization
from gitops_secrets.rendering.objects import ScopeOf, to_resource, too_long
from gitops_secrets.rendering.resource_set import is_resource_set
from gitops_secrets.rendering.starts import EntryPoint
from gitops_secrets.rendering.survey import TEMPLATE_FOLDERS, Survey
from gitops_secrets.rendering.units import HELM_GROUP, KUSTOMIZE_GROUP, OPERATOR_GROUP, to_unit


def add_overlays(survey: Survey, not_overlays: Set[str]) -> None:
    """Adds each such directory to a survey as a cluster of its own. `not_overlays`: see `find_clusters`."""
    not_below = tuple(directory for directory in not_overlays if directory.endswith("/"))
    reached = _with_parents(survey.built)
    for directory in survey.unreferenced_directories():
        if directory in reached or directory in not_overlays or f"{directory}/".startswith(not_below):
            continue
        kustomization = find_kustomization(survey.tree, directory)
        first = survey.loader.load(kustomization).first if kustomization else None
        if kustomization is None or as_mapping(first).get("kind") == "Component":
            continue
        if "kustomize.config.k8s.io" not in as_text(as_mapping(first).get("apiVersion")) and as_mapping(first).get("kind") not in (None, "Kustomization"):
            continue
        build = survey.builder.build(directory)
        if any(as_text(node.get("apiVersion")).startswith((KUSTOMIZE_GROUP, OPERATOR_GROUP)) for node in build.resources):
            continue
        if build.resources or build.failed:
            # A template for others, with gaps that are not filled in yet; or for what somebody makes of the chart beside it first.
            has_gaps = bool(TEMPLATE_FOLDERS.intersection(directory.split("/"))) or is_chart(survey.tree, directory)
            stray = build.failed and has_gaps
            entry = EntryPoint(directory or ".", directory, "none", bootstrapped=False, stray=stray)
            survey.clusters.append((entry, overlay(survey, directory, kustomization, build)))


def overlay(survey: Survey, directory: str, kustomization: str, build: Build) -> Cluster:
    """A directory and what its kustomization renders, as a cluster with one unit."""
    unit = Unit(overlay_id(directory), Place(kustomization, 1, 1), path=directory)
    applied, problems = [], [replace(problem, subject=problem.subject or str(unit.id)) for problem in build.problems]
    for node in build.resources:
        resource = to_resource(node, survey.scope_of, "default")
        if resource is None:
            problems.append(Problem("an object without apiVersion, kind or name", node.place(), "build-failed", str(unit.id)))
        elif (refused := too_long(resource.id)) is not None:
            problems.append(Problem(refused, resource.place, "build-failed", str(unit.id)))
        else:
            applied.append(AppliedResource(resource, unit.id))
    sets = (entry.resource for entry in applied if is_resource_set(entry.resource))
    opaque = (*build.opaque, *(Opaque(str(found.id), "a ResourceSet in a directory that no engine applies", found.place) for found in sets))
    return with_releases(Cluster("", directory or ".", "none", (unit,), tuple(applied), (), opaque, tuple(problems)), survey.loader, survey.scope_of)


def with_releases(cluster: Cluster, loader: Loader, scope_of: ScopeOf) -> Cluster:
    """`cluster` with the units and releases of its HelmReleases: somebody runs Flux's controllers there, only the order is not theirs."""
    from gitops_secrets.rendering.charts import flux_release

    by_id = {applied.resource.id: applied.resource for applied in cluster.resources}
    releases, units = [], list(cluster.units)
    for applied in cluster.resources:
        if applied.resource.id.group_kind == (HELM_GROUP, "HelmRelease"):
            release = flux_release(applied.resource, by_id, loader, scope_of, frozenset())
            releases += [release] if release.source is not None else []
            units.append(to_unit(applied.resource, applied.unit))
    return replace(cluster, releases=tuple(releases), units=tuple(sorted(units, key=lambda unit: unit.id)))


def _with_parents(built: Iterable[str]) -> set[str]:
    """Directories that were built or read, and all above them."""
    found: set[str] = set()
    for path in built:
        directory = path.rpartition("/")[0]
        while directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    return found
