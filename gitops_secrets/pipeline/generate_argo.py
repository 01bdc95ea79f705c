"""`generate argo`: from an overlay without an engine to the Argo CD Applications that apply its components in waves."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from gitops_secrets.errors import UsageError
from gitops_secrets.generate.argo import ARGO_FORM, WAVES_HEADER, ArgoOptions, application, application_waves, later_objects
from gitops_secrets.generate.changes import FileChange
from gitops_secrets.generate.files import is_generated
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import as_mapping
from gitops_secrets.model.results import Cluster
from gitops_secrets.ordering.order import Plan
from gitops_secrets.ordering.stages import needed_waves
from gitops_secrets.ordering.waves import knows_applications
from gitops_secrets.pipeline.generate import Generated, does_not_build, file_changes, find_components, relative, unit_names
from gitops_secrets.pipeline.scan import Repository, analyse_cluster
from gitops_secrets.rendering.argo.repositories import Repositories
from gitops_secrets.rendering.engines import expand
from gitops_secrets.rendering.kustomize import Builder, find_kustomization
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.sources import Sources
from gitops_secrets.rendering.urls import normalised_url
from gitops_secrets.repository.tree import content_of
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.yaml import parse

ARGO_FOLDER: Final = "argocd"
_WAVES_FOLDER: Final = "waves"
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@]*@")


def generate_argo(repository: Repository, overlay: Path, options: ArgoOptions) -> Generated:
    """The Applications of the overlay at `overlay`: a file for each component in its `argocd` folder, and a kustomization that lists them.

    Where objects of a component have to come after others of it, a kustomization below `argocd/waves` says so, and the Application reads that. A second run
    changes nothing; fields that are not generated keep what people wrote. Raises `UsageError` and `BrokenError` as `generate_flux` does.
    """
    directory = relative(repository.root, overlay)
    if find_kustomization(repository.tree, directory) is None:
        raise UsageError(f"{overlay} has no kustomization.yaml\ngive the directory of an overlay, such as overlays/production")
    options = replace(options, repository=options.repository or _url(repository))
    builder = Builder(repository.loader)
    folder = f"{directory}/{ARGO_FOLDER}".lstrip("/")
    components, remarks = find_components(repository, builder, directory, folder)
    names = unit_names(components)
    plan = _ordered(repository, builder, components, names, options)
    later = {unit.name: waves for unit, waves in needed_waves(plan.graph, repository.table).items()}
    paths = {path: f"{folder}/{_WAVES_FOLDER}/{names[path]}" if names[path] in later else path for path in components}
    waves = {unit.name: wave for unit, wave in application_waves(plan).items()}
    manifests = {names[path]: application(names[path], paths[path], waves.get(names[path], 0), _namespace(plan, names[path]), options) for path in components}
    changes = list(file_changes(repository, folder, manifests, ARGO_FORM))
    changes += _later_changes(repository, folder, {names[path]: path for path in components}, later, plan)
    remarks += [f"{change.path}: nothing of the overlay is behind it any more" for change in changes if change.after is None]
    remarks += [f"{opaque.place}: {opaque.thing} is not looked into, so what it needs is not ordered: {opaque.why}" for opaque in plan.graph.cluster.opaque]
    remarks += [f"{' → '.join(unit.name for unit in cycle.units)} wait for each other, so no order helps: see what check says" for cycle in plan.cycles]
    if len(set(waves.values())) > 1 and not knows_applications(plan.graph.cluster):
        remarks.append("waves of Applications wait only where argocd-cm has resource.customizations.health.argoproj.io_Application: see docs/argo.md")
    return Generated(tuple(changes), plan, tuple(remarks))


def _url(repository: Repository) -> str:
    """Where this repository comes from, without what people put into urls to sign in."""
    if not repository.urls:
        raise UsageError("the checkout has no remote that Argo CD could read\nname its url with --repository")
    return _CREDENTIALS.sub("", repository.urls[0])


def _ordered(repository: Repository, builder: Builder, components: Sequence[str], names: Mapping[str, str], options: ArgoOptions) -> Plan:
    """The plan of an Argo CD that has one Application for each component, all in one wave."""
    scope_of = repository.table.is_namespaced
    roots = []
    for path in components:
        file = find_kustomization(repository.tree, path) or path
        node = as_mapping(parse(dump(application(names[path], path, 0, "default", options)), file, DEFAULT_LIMITS).documents[0])
        resource = to_resource(node, scope_of, options.namespace)
        assert resource is not None  # it has a kind and a name
        roots.append((resource, None))
    repositories = Repositories(frozenset({normalised_url(options.repository)}))
    made = expand(roots, (), Sources(None, frozenset()), repositories, repository.loader, builder, repository.renderings, scope_of)
    broken = [problem for problem in made.problems if problem.rule == "build-failed" and not problem.option]
    if broken:
        raise does_not_build(components[0], broken)
    cluster = Cluster("", components[0], "argo", made.units, made.resources, made.releases, made.opaque, made.problems)
    return analyse_cluster(cluster, repository).plan


def _namespace(plan: Plan, name: str) -> str:
    """Where objects of a component go that name no namespace: into the one that it brings."""
    own = {applied.resource.id.name for applied in plan.graph.cluster.resources if applied.unit.name == name and applied.resource.id.kind == "Namespace"}
    return own.pop() if len(own) == 1 else "default"


def _later_changes(
    repository: Repository, folder: str, components: Mapping[str, str], later: Mapping[str, Mapping[ResourceId, int]], plan: Plan
) -> Iterable[FileChange]:
    """The kustomizations of annotation patches, and those of an earlier run that are no longer needed."""
    versions = plan.graph.api_versions
    wanted = {}
    for name, waves in sorted(later.items()):
        directory = f"{folder}/{_WAVES_FOLDER}/{name}"
        component = posixpath.relpath(components[name] or ".", directory)
        wanted[f"{directory}/kustomization.yaml"] = WAVES_HEADER + dump(later_objects(component, waves, versions))
    for path, text in wanted.items():
        yield FileChange(path, _text(repository, path), text)
    for path in repository.tree.files:
        if path.startswith(f"{folder}/{_WAVES_FOLDER}/") and path not in wanted and is_generated(_text(repository, path) or "", ARGO_FORM):
            yield FileChange(path, _text(repository, path), None)


def _text(repository: Repository, path: str) -> str | None:
    return content_of(repository.tree, path) if repository.tree.is_file(path) else None
