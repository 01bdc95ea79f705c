"""Evaluates a kustomization step by step, in the order of kustomize (api/internal/target)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gitops_secrets.model.facts import Opaque
from gitops_secrets.model.nodes import Place, SequenceNode, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize import generators, plugins, replacements, transformers
from gitops_secrets.rendering.kustomize.accumulated import InflatedChart
from gitops_secrets.rendering.kustomize.configuration import read_configuration, read_crds, read_specs
from gitops_secrets.rendering.kustomize.defaults import FieldTables, default_tables
from gitops_secrets.rendering.kustomize.draft import BuildError, scalar_text
from gitops_secrets.rendering.kustomize.fields import merge_specs
from gitops_secrets.rendering.kustomize.kustomization import require_list
from gitops_secrets.rendering.kustomize.layer import Layer
from gitops_secrets.rendering.kustomize.origins import append_path, built_in_origin
from gitops_secrets.rendering.kustomize.patching import Patching
from gitops_secrets.rendering.kustomize.variables import bind, read_variable
from gitops_secrets.repository.tree import join


def evaluate(layer: Layer) -> None:
    """Adds and changes resources in kustomize's order. What can't be done is noted, the rest is done."""
    _add_resources(layer, require_list(layer.fields, "resources"))
    _add_resources(layer, require_list(layer.fields, "bases"))
    _add_tables(layer)
    _generate(layer)
    _apply_components(layer)
    if layer.fields.keys() - _ADDING:
        layer.state.keys = None
    _transform(layer)
    _bind_variables(layer)


# Fields of a kustomization that add to what is there, and change none of it.
_ADDING: Final = frozenset({"apiVersion", "kind", "metadata", "resources", "bases", "components"})


def _add_resources(layer: Layer, entries: SequenceNode) -> None:
    if not entries:
        return
    known = layer.state.keys
    if known is None:
        layer.budget.spend(len(layer.state.drafts))
        known = layer.state.keys = {draft.identity.key for draft in layer.state.drafts}
    for index, entry in enumerate(entries):
        place, problems = entries.place(index), len(layer.state.problems)
        with layer.attempt(place):
            layer.add(layer.load_resource(scalar_text(entry), place), place, known)
        layer.state.lacking |= len(layer.state.problems) > problems


def _add_tables(layer: Layer) -> None:
    configured = _read_tables(layer, "configurations", read_configuration)
    place = layer.fields.place("configurations")
    with layer.attempt(place):
        layer.state.tables = layer.state.tables.merge(default_tables().merge(configured))
    with layer.attempt(place):
        layer.state.tables = layer.state.tables.merge(_read_tables(layer, "crds", read_crds))


def _read_tables(layer: Layer, key: str, read: Callable[[Any], FieldTables]) -> FieldTables:
    tables = FieldTables()
    entries = require_list(layer.fields, key)
    for index, entry in enumerate(entries):
        with layer.attempt(entries.place(index)):
            documents = layer.documents_at(scalar_text(entry), entries.place(index)).documents
            found = read(documents[0] if documents else None)
            # Field specs are compared with one another, and looked for in every object.
            layer.budget.spend(found.size**2)
            tables = tables.merge(found)
    return tables


def _generate(layer: Layer) -> None:
    options = as_mapping(layer.fields.get("generatorOptions"))
    for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
        entries = require_list(layer.fields, key)
        for index, entry in enumerate(entries):
            with layer.attempt(entries.place(index)):
                draft = generators.generate(kind, as_mapping(entry), options, lambda path, place: _read_or_note(layer, path, place), layer.budget)
                layer.absorb(draft, built_in_origin(layer.origin, layer.kustomization.file, f"{kind}Generator"))
    _note_charts(layer)
    plugins.run_generators(layer)


def _read_or_note(layer: Layer, path: str, place: Place) -> bytes:
    """The content of a file. One that is not there fails the build, and what it would make is known by its name and key all the same."""
    content = []
    with layer.attempt(place):
        content.append(layer.read_file(path, place))
    return b"".join(content)


def _note_charts(layer: Layer) -> None:
    for key in ("helmCharts", "helmChartInflationGenerator"):
        entries = as_sequence(layer.fields.get(key))
        for index, entry in enumerate(entries):
            chart = as_mapping(entry)
            name = scalar_text(chart.get("name")) or scalar_text(chart.get("chartName")) or "?"
            namespace = scalar_text(layer.fields.get("namespace"))
            layer.state.charts.append(InflatedChart(chart, layer.kustomization.directory, namespace, entries.place(index)))
            layer.state.opaque.append(Opaque(f"chart {name}", "helm chart of a kustomization, not rendered", entries.place(index), foreign=True))


def _apply_components(layer: Layer) -> None:
    entries = require_list(layer.fields, "components")
    for index, entry in enumerate(entries):
        place = entries.place(index)
        with layer.attempt(place):
            _apply_component(layer, scalar_text(entry), place)


def _apply_component(layer: Layer, entry: str, place: Place) -> None:
    path = join(layer.kustomization.directory, entry)
    if path is None or not layer.session.loader.tree.is_directory(path):
        if layer.note_remote(entry, place):
            return
        raise BuildError(layer.missing(entry, path))
    layer.refuse_cycle(path, entry)
    layer.state.inputs.add(path + "/")
    component = layer.session.read(path)
    if not component.is_component:
        raise BuildError(f"{entry} is no Component, but listed in components")
    layer.state.inputs.add(component.file)
    layer.state.directories.add(path)
    layer.state.note((*component.problems, *component.strict_problems))
    wrong = layer.session.use_schema(component, layer.schema)
    if wrong is not None:
        layer.state.note([wrong])
    origin = None if layer.origin is None else append_path(layer.origin, entry)
    evaluate(Layer(layer.session, component, layer.state, (*layer.above, path), layer.schema, origin))


def _transform(layer: Layer) -> None:
    tables, fields = layer.state.tables, layer.fields
    patching = Patching(layer)
    patching.merge_old_patches()
    patching.apply_patches()
    namespace = scalar_text(fields.get("namespace"))
    if namespace:
        place = fields.place("namespace")
        with layer.attempt(place):
            transformers.set_namespace(layer.state.drafts, namespace, place, tables.namespace, layer.budget)
        layer.transformed("NamespaceTransformer")
    for key, specs, at_end in (("namePrefix", tables.name_prefix, False), ("nameSuffix", tables.name_suffix, True)):
        affix = scalar_text(fields.get(key))
        if affix:
            with layer.attempt(fields.place(key)):
                transformers.add_affix(layer.state.drafts, affix, specs, layer.budget, at_end=at_end)
            layer.transformed("SuffixTransformer" if at_end else "PrefixTransformer")
    _set_labels(layer)
    annotations = as_mapping(fields.get("commonAnnotations"))
    if annotations:
        with layer.attempt(fields.place("commonAnnotations")):
            transformers.set_labels(layer.state.drafts, annotations, tables.common_annotations, layer.budget)
        layer.transformed("AnnotationsTransformer")
    patching.apply_old_json_patches()
    _set_replicas(layer)
    _set_images(layer)
    _replace(layer)
    plugins.run_transformers(layer)


def _set_labels(layer: Layer) -> None:
    tables = layer.state.tables
    entries = require_list(layer.fields, "labels")
    for index, entry in enumerate(entries):
        place = entries.place(index)
        with layer.attempt(place):
            label = as_mapping(entry)
            specs = merge_specs(read_specs(label.get("fields")), tables.labels)
            if label.get("includeSelectors") is True:
                specs = merge_specs(specs, tables.common_labels)
            else:
                if label.get("includeTemplates") is True:
                    specs = merge_specs(specs, tables.template_labels)
                specs = merge_specs(specs, (transformers.metadata_labels_spec(),))
            transformers.set_labels(layer.state.drafts, transformers.label_pairs(label), specs, layer.budget)
        layer.transformed("LabelTransformer")
    common = as_mapping(layer.fields.get("commonLabels"))
    if entries or common:
        with layer.attempt(layer.fields.place("commonLabels")):
            transformers.set_labels(layer.state.drafts, common, tables.common_labels, layer.budget)
        layer.transformed("LabelTransformer")


def _set_replicas(layer: Layer) -> None:
    entries = require_list(layer.fields, "replicas")
    for index, entry in enumerate(entries):
        with layer.attempt(entries.place(index)):
            layer.apply_replicas(as_mapping(entry), layer.state.tables)
        layer.transformed("ReplicaCountTransformer")


def _set_images(layer: Layer) -> None:
    for key in ("images", "imageTags"):
        entries = require_list(layer.fields, key)
        for index, entry in enumerate(entries):
            with layer.attempt(entries.place(index)):
                transformers.set_images(layer.state.drafts, transformers.read_image(as_mapping(entry)), layer.state.tables.images, layer.budget)
            layer.transformed("ImageTagTransformer")


def _replace(layer: Layer) -> None:
    entries = require_list(layer.fields, "replacements")
    for index, entry in enumerate(entries):
        with layer.attempt(entries.place(index)):
            for written in layer.replacements_of(as_mapping(entry), entries.place(index)):
                replacements.replace(layer.state.drafts, written, layer.budget)
    if entries:
        layer.read_values()
        layer.transformed("ReplacementTransformer")


def _bind_variables(layer: Layer) -> None:
    entries = require_list(layer.fields, "vars")
    for index, entry in enumerate(entries):
        with layer.attempt(entries.place(index)):
            variable = read_variable(as_mapping(entry))
            layer.budget.spend(len(layer.state.drafts))
            bind(variable, layer.state.drafts)
            layer.add_variable(variable)
            layer.read_values()
