"""What one source of an Application comes to: kustomize, plain directories, charts. As the repo-server of Argo CD 3.5 reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gitops_secrets.manifests.load import YAML_SUFFIXES, Documents, Loader
from gitops_secrets.model.facts import Opaque, Problem, Release, Resource
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_sequence, as_text
from gitops_secrets.rendering.argo.applications import Source
from gitops_secrets.rendering.argo.templates import argo_templates
from gitops_secrets.rendering.argo.values import Values, chart_values
from gitops_secrets.rendering.chart_directory import chart_file, definitions, is_chart, template_files
from gitops_secrets.rendering.directories import closest_directory
from gitops_secrets.rendering.inflation import inflated_release
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.repository.tree import Tree
from gitops_secrets.syntax.glob import compile_path_glob

_TOOLS: Final = ("helm", "kustomize", "directory", "plugin")
_SKIP: Final = b"+argocd:skip-file-rendering"
_LOCAL_REPOSITORY: Final = "file://"
# Fields of `spec.source.kustomize` that go into the kustomization as they are.
_KUSTOMIZE_FIELDS: Final = ("namePrefix", "nameSuffix", "namespace", "replicas", "patches", "components")


@dataclass(slots=True)
class Content:
    """What a source brings, and what could not be read of it."""

    nodes: list[MappingNode] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    opaque: list[Opaque] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    builds: list[Build] = field(default_factory=list)
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """An Application whose source is read: its name and namespace for releases, and the trees of sources that values may come from."""

    application: Resource
    namespace: str  # of the destination
    references: Mapping[str, Loader | None]  # by `ref`; None for one that is elsewhere
    limits: Limits

    @property
    def owner(self) -> str:
        """What problems are about."""
        return str(self.application.id)


def chart_content(source: Source, reading: Reading) -> Content:
    """A chart of a repository of charts."""
    content = Content()
    values = chart_values(as_mapping(source.fields.get("helm")), None, None, reading.references, reading.owner, reading.limits)
    content.problems += values.problems
    content.releases.append(_release(source, reading, values, source.chart.rstrip("/").rpartition("/")[2], source.repository, source.revision))
    return content


def directory_content(source: Source, reading: Reading, path: str, loader: Loader, builder: Builder) -> Content:
    """A directory of a repository: rendered by the tool that the source asks for, else by the one that its files ask for."""
    tool = next((tool for tool in _TOOLS if _asks_for(source, tool)), None) or _detected(loader.tree, path)
    if tool == "plugin":
        return Content(opaque=[Opaque(reading.owner, "a config management plugin renders it", source.place)], directory=path)
    if tool == "helm":
        return _chart_in_repository(source, reading, path, loader)
    if tool == "kustomize":
        return _kustomized(source, reading, path, loader, builder)
    return _plain(source, reading, path, loader)


def _asks_for(source: Source, tool: str) -> bool:
    """Argo CD drops the settings of a tool that say nothing (`NormalizeSource`): `directory: {recurse: false}` leaves the choice to the files."""
    value = source.fields.get(tool)
    if tool == "plugin" or not isinstance(value, MappingNode):
        return value is not None
    return any(setting not in (None, False, "", [], {}) for setting in value.values())


def missing_path(source: Source, reading: Reading, tree: Tree) -> Problem:
    """A directory that is not in the repository."""
    path = source.path or ""
    hint = closest_directory(tree, path.strip("/"))
    message = f"{reading.owner} reads {path}, which is not in the repository" + (f"; did you mean {hint}?" if hint else "")
    return Problem(message, source.fields.place("path"), "missing-path", reading.owner, written=path, meant=hint or "")


def _detected(tree: Tree, path: str) -> str:
    if is_chart(tree, path):
        return "helm"
    return "kustomize" if find_kustomization(tree, path) is not None else "directory"


# kustomize


def _kustomized(source: Source, reading: Reading, path: str, loader: Loader, builder: Builder) -> Content:
    content = Content(directory=path)
    build = builder.build(path, extra=_kustomize_fields(as_mapping(source.fields.get("kustomize"))))
    content.builds.append(build)
    content.nodes += build.resources
    charts = {chart.place for chart in build.charts}
    content.opaque += [opaque for opaque in build.opaque if opaque.place not in charts]
    root = find_kustomization(loader.tree, path)
    document = as_mapping(loader.load(root).first) if root else MappingNode()
    content.problems += [replace(problem, subject=reading.owner) for problem in build.outside]
    for chart in build.charts:
        message = "kustomize hands charts to Helm only with --enable-helm"
        content.problems.append(Problem(message, chart.place, "build-failed", reading.owner, option="--enable-helm"))
        release = inflated_release(chart, reading.application.id, reading.namespace, loader)
        content.releases.append(replace(release, namespace=as_text(document.get("namespace")) or release.namespace, unit=reading.application.id))
    return content


def _kustomize_fields(written: MappingNode) -> MappingNode | None:
    """What `kustomize edit` would make of the fields of a source, as fields of a kustomization."""
    extra = MappingNode(written.file, written.mark)
    for key in _KUSTOMIZE_FIELDS:
        if written.get(key):
            extra.put(key, written[key], written.place(key))
    images = as_sequence(written.get("images"))
    if images:
        converted = SequenceNode(images.file, images.mark)
        for index, image in enumerate(images):
            converted.add(_image(as_text(image), images, index), images.place(index))
        extra.put("images", converted, written.place("images"))
    if written.get("commonLabels"):
        if written.get("labelWithoutSelector") is True:
            entry = MappingNode(written.file, written.mark)
            entry.put("pairs", written["commonLabels"], written.place("commonLabels"))
            entry.put("includeTemplates", written.get("labelIncludeTemplates") is True, written.place("commonLabels"))
            labels = SequenceNode(written.file, written.mark)
            labels.add(entry, written.place("commonLabels"))
            extra.put("labels", labels, written.place("commonLabels"))
        else:
            extra.put("commonLabels", written["commonLabels"], written.place("commonLabels"))
    if written.get("commonAnnotations"):
        extra.put("commonAnnotations", written["commonAnnotations"], written.place("commonAnnotations"))
    return extra or None


def _image(text: str, images: SequenceNode, index: int) -> MappingNode:
    """`name=newName:newTag@digest`, as `kustomize edit set image` reads it."""
    place = images.place(index)
    node = MappingNode(images.file, images.mark)
    name, renamed, new = text.rpartition("=")
    if not renamed:
        name = ""
    new, _, digest = new.partition("@")
    head, colon, tag = new.rpartition(":")
    if not colon or "/" in tag:
        head, tag = new, ""
    node.put("name", name or head, place)
    if renamed:
        node.put("newName", head, place)
    if tag:
        node.put("newTag", tag, place)
    if digest:
        node.put("digest", digest, place)
    return node


# Charts


def _release(source: Source, reading: Reading, values: Values, chart: str, repository: str, version: str) -> Release:
    helm = as_mapping(source.fields.get("helm"))
    return Release(
        resource=reading.application.id,
        chart=chart,
        repository=repository,
        version=version,
        name=as_text(helm.get("releaseName")) or reading.application.id.name,
        namespace=as_text(helm.get("namespace")) or reading.namespace,
        values=values.values,
        place=source.fields.place("chart" if source.chart else "path"),
        crds="Skip" if helm.get("skipCrds") is True else "Create",
        values_complete=values.complete,
        unit=reading.application.id,
    )


def _chart_in_repository(source: Source, reading: Reading, path: str, loader: Loader) -> Content:
    """A chart in the repository: its definitions and dependencies are known, its templates are not rendered."""
    content = Content(directory=path)
    helm = as_mapping(source.fields.get("helm"))
    values = chart_values(helm, path, loader, reading.references, reading.owner, reading.limits)
    content.problems += values.problems
    if helm.get("skipCrds") is not True:
        content.nodes += definitions(loader, path)
    if not is_chart(loader.tree, path):
        content.problems.append(Problem(f"{reading.owner} reads {path} as a chart, and it has no Chart.yaml", source.place, "build-failed", reading.owner))
        return content
    chart = as_mapping(loader.load(chart_file(path)).first)
    for entry in map(as_mapping, as_sequence(chart.get("dependencies"))):
        release = _dependency(entry, source, reading, values)
        if release is not None:
            content.releases.append(release)
    name, namespace = as_text(helm.get("releaseName")) or reading.application.id.name, as_text(helm.get("namespace")) or reading.namespace
    built_in = {"Name": name, "Namespace": namespace, "Service": "Helm"}
    data = {"Values": values.values, "Release": built_in, "Chart": {"Name": chart.get("name"), "Version": chart.get("version")}}
    made = argo_templates(loader, path, data) if values.complete else None
    if made is not None:
        content.nodes += made.nodes
    has_templates = any(file.endswith(YAML_SUFFIXES) for file in template_files(loader.tree, path))
    if has_templates and (made is None or not made.is_complete):
        why = f"the {'other ' if made is not None and made.nodes else ''}templates of the chart in {path} are not rendered"
        content.opaque.append(Opaque(reading.owner, why, source.fields.place("path"), applied_by=reading.application.id))
    return content


def _dependency(entry: MappingNode, source: Source, reading: Reading, values: Values) -> Release | None:
    """The chart that another one depends on, with its part of the values; None for one that is switched off."""
    name, alias = as_text(entry.get("name")), as_text(entry.get("alias"))
    for condition in as_text(entry.get("condition")).split(","):
        current: object = values.values
        for step in filter(None, condition.strip().split(".")):
            current = as_mapping(current).get(step)
        if isinstance(current, bool):
            if not current:
                return None
            break
    own = as_mapping(values.values.get(alias or name))
    release = _release(source, reading, Values(own, values.complete, ()), name, as_text(entry.get("repository")), str(entry.get("version") or ""))
    return release if not release.repository.startswith(_LOCAL_REPOSITORY) else None


# Plain directories


def _plain(source: Source, reading: Reading, path: str, loader: Loader) -> Content:
    """Every manifest of a directory (reposerver, `findManifests`): include and exclude are globs over the path below it."""
    content = Content(directory=path)
    fields = as_mapping(source.fields.get("directory"))
    include, exclude = (compile_path_glob(as_text(fields.get(key))) if fields.get(key) else None for key in ("include", "exclude"))
    prefix = f"{path}/" if path else ""
    inputs = set()
    for file in loader.tree.files:
        below = file[len(prefix) :]
        if not file.startswith(prefix) or ("/" in below and fields.get("recurse") is not True):
            continue
        if (exclude is not None and exclude.match(below)) or (include is not None and not include.match(below)):
            continue
        if file.endswith(".jsonnet"):
            content.opaque.append(Opaque(file, "jsonnet, not evaluated", source.place, applied_by=reading.application.id))
        elif file.endswith(YAML_SUFFIXES):
            inputs.add(file)
            _take_file(content, file, loader, reading)
    content.builds.append(Build((), (), (), frozenset({*inputs, prefix}), False))
    return content


def _take_file(content: Content, file: str, loader: Loader, reading: Reading) -> None:
    text = loader.text(file)
    if _SKIP in text or not (b"apiVersion" in text and b"kind" in text):
        return
    documents: Documents = loader.load(file)
    nodes = [node for document in documents.documents for node in _items(document)]
    content.nodes += nodes
    for problem in documents.problems:
        content.problems.append(Problem(problem.message, problem.place, problem.rule, reading.owner))


def _items(document: object) -> Iterable[MappingNode]:
    """The objects of a document: those of a list, nothing of what has no kind."""
    node = as_mapping(document)
    if as_text(node.get("kind")).endswith("List") and isinstance(node.get("items"), SequenceNode):
        for item in node["items"]:
            yield from _items(item)
    elif node.get("kind") and node.get("apiVersion"):
        yield node
