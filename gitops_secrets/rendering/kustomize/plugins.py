"""Generators and transformers of the built-in kinds that stand in files of their own; plugins of other kinds are named as opaque."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any

from gitops_secrets.model.facts import Opaque
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize import generators, hashing, replacements, transformers
from gitops_secrets.rendering.kustomize.configuration import read_specs
from gitops_secrets.rendering.kustomize.defaults import FieldTables
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, scalar_text
from gitops_secrets.rendering.kustomize.fields import Change, FieldSpec, edit, replace_scalar, split_path
from gitops_secrets.rendering.kustomize.kustomization import require_list
from gitops_secrets.rendering.kustomize.layer import Layer
from gitops_secrets.rendering.kustomize.manifests import expand_lists
from gitops_secrets.rendering.kustomize.origins import configured_origin, file_origin, note_transformation
from gitops_secrets.rendering.kustomize.patching import Patching
from gitops_secrets.rendering.kustomize.selector import read_selector, select

_GENERATORS = {"ConfigMapGenerator": "ConfigMap", "SecretGenerator": "Secret"}


def _configs(layer: Layer, key: str) -> Iterator[tuple[Draft, Place]]:
    """The plugin configurations that a field lists: inline ones first, then those of files and directories."""
    entries = require_list(layer.fields, key)
    paths = []
    for index, entry in enumerate(entries):
        text, place = scalar_text(entry), entries.place(index)
        documents = layer.session.texts.parse(text, place) if ":" in text else None
        if documents is None or documents.problems or not all(isinstance(one, MappingNode) for one in documents.documents):
            paths.append((text, place))
            continue
        with layer.attempt(place):
            for node in expand_lists(documents.documents):
                draft = Draft(node)
                if layer.origin is not None:
                    draft.origin = file_origin(layer.origin, posixpath.basename(layer.kustomization.file))
                yield draft, place
    for text, place in paths:
        with layer.attempt(place):
            for draft in layer.load_resource(text, place):
                yield draft, place


def _note_plugin(layer: Layer, config: Draft, place: Place) -> None:
    layer.state.opaque.append(Opaque(f"{config.identity.kind} {config.identity.name}", "kustomize plugin, not run", place))


def _is_built_in(config: Draft) -> bool:
    return not config.identity.group and config.identity.version == "builtin"


def _refuse_unknown(layer: Layer, config: Draft, place: Place) -> bool:
    kind = config.identity.kind
    if not _is_built_in(config) or kind in _GENERATORS or kind in _TRANSFORMERS or kind in ("IAMPolicyGenerator", "HelmChartInflationGenerator"):
        return False
    layer.state.refuse(f"there is no built-in {kind}", place)
    return True


def run_generators(layer: Layer) -> None:
    """Runs what `generators` lists."""
    for config, place in _configs(layer, "generators"):
        kind = config.identity.kind
        if _refuse_unknown(layer, config, place):
            continue
        if not _is_built_in(config) or (kind not in _GENERATORS and kind != "IAMPolicyGenerator"):
            _note_plugin(layer, config, place)
            continue
        with layer.attempt(place):
            if kind == "IAMPolicyGenerator":
                draft = _workload_identity(config.node)
            else:
                draft = generators.generate(_GENERATORS[kind], config.node, EMPTY_MAPPING, layer.read_file, layer.budget)
            layer.absorb(draft, configured_origin(config))


def _workload_identity(config: MappingNode) -> Draft:
    """The ServiceAccount of an IAMPolicyGenerator, bound to one of Google Cloud."""
    if config.get("cloud") != "gke":
        raise BuildError("an IAMPolicyGenerator is for cloud gke only", config.place("cloud"))
    account, service = as_mapping(config.get("serviceAccount")), as_mapping(config.get("kubernetesService"))
    place = config.place()
    node, metadata, annotations = (MappingNode(config.file, config.mark) for _ in range(3))
    node.put("apiVersion", "v1", place)
    node.put("kind", "ServiceAccount", place)
    node.put("metadata", metadata, place)
    email = f"{scalar_text(account.get('name'))}@{scalar_text(account.get('projectId'))}.iam.gserviceaccount.com"
    annotations.put("iam.gke.io/gcp-service-account", email, account.place("name"))
    metadata.put("annotations", annotations, account.place())
    metadata.put("name", scalar_text(service.get("name")), service.place("name"))
    namespace = scalar_text(service.get("namespace")) or scalar_text(as_mapping(config.get("metadata")).get("namespace"))
    if namespace:
        metadata.put("namespace", namespace, service.place("namespace"))
    return Draft(node)


def run_transformers(layer: Layer) -> None:
    """Runs what `transformers` lists; `validators` may not change anything, so built-in ones are of no use there."""
    for config, place in _configs(layer, "transformers"):
        if _refuse_unknown(layer, config, place):
            continue
        run = _TRANSFORMERS.get(config.identity.kind) if _is_built_in(config) else None
        if run is None:
            _note_plugin(layer, config, place)
            continue
        with layer.attempt(place):
            run(layer, config.node, config.node.place())
        mark = configured_origin(config)
        if mark is not None:
            note_transformation(layer.state.drafts, mark)
    for config, place in _configs(layer, "validators"):
        _note_plugin(layer, config, place)


def _specs(config: MappingNode) -> tuple[FieldSpec, ...]:
    return read_specs(config.get("fieldSpecs"))


def _namespace(layer: Layer, config: MappingNode, place: Place) -> None:
    metadata = as_mapping(config.get("metadata"))
    namespace = scalar_text(metadata.get("namespace"))
    subjects = scalar_text(config.get("setRoleBindingSubjects")) or "defaultOnly"
    if subjects not in ("defaultOnly", "none", "allServiceAccounts"):
        raise BuildError(f"setRoleBindingSubjects is defaultOnly, none or allServiceAccounts, not {subjects!r}", config.place("setRoleBindingSubjects"))
    if namespace:
        unset_only = config.get("unsetOnly") is True
        transformers.set_namespace(layer.state.drafts, namespace, metadata.place("namespace"), _specs(config), layer.budget, unset_only, subjects)


def _prefix(layer: Layer, config: MappingNode, place: Place) -> None:
    if config.get("fieldSpecs") is None:
        raise BuildError("fieldSpecs is missing", place)
    transformers.add_affix(layer.state.drafts, scalar_text(config.get("prefix")), _specs(config), layer.budget, at_end=False)


def _suffix(layer: Layer, config: MappingNode, place: Place) -> None:
    if config.get("fieldSpecs") is None:
        raise BuildError("fieldSpecs is missing", place)
    transformers.add_affix(layer.state.drafts, scalar_text(config.get("suffix")), _specs(config), layer.budget, at_end=True)


def _prefix_and_suffix(layer: Layer, config: MappingNode, place: Place) -> None:
    _prefix(layer, config, place)
    _suffix(layer, config, place)


def _labels(layer: Layer, config: MappingNode, place: Place) -> None:
    transformers.set_labels(layer.state.drafts, as_mapping(config.get("labels")), _specs(config), layer.budget)


def _annotations(layer: Layer, config: MappingNode, place: Place) -> None:
    transformers.set_labels(layer.state.drafts, as_mapping(config.get("annotations")), _specs(config), layer.budget)


def _patch(layer: Layer, config: MappingNode, place: Place) -> None:
    Patching(layer).apply_patch(config, place)


def _json_patch(layer: Layer, config: MappingNode, place: Place) -> None:
    Patching(layer).apply_old_json_patch(config, "jsonOp", place)


def _merge_patch(layer: Layer, config: MappingNode, place: Place) -> None:
    paths = as_sequence(config.get("paths"))
    for index, path in enumerate(paths):
        Patching(layer).apply_old_merge(scalar_text(path), paths.place(index))
    if config.get("patches"):
        Patching(layer).apply_old_merge(scalar_text(config["patches"]), config.place("patches"))
    elif not paths:
        raise BuildError("neither paths nor patches are given", place)


def _image(layer: Layer, config: MappingNode, place: Place) -> None:
    transformers.set_images(layer.state.drafts, transformers.read_image(as_mapping(config.get("imageTag"))), _specs(config), layer.budget)


def _replicas(layer: Layer, config: MappingNode, place: Place) -> None:
    layer.apply_replicas(as_mapping(config.get("replica")), FieldTables(replicas=_specs(config)))


def _replacement(layer: Layer, config: MappingNode, place: Place) -> None:
    entries = as_sequence(config.get("replacements"))
    for index, entry in enumerate(entries):
        for written in layer.replacements_of(as_mapping(entry), entries.place(index)):
            replacements.replace(layer.state.drafts, written, layer.budget)
    layer.read_values()


def _hash(layer: Layer, config: MappingNode, place: Place) -> None:
    add_hashes(layer.state.drafts)


def _value(layer: Layer, config: MappingNode, place: Place) -> None:
    value = scalar_text(config.get("value")).strip() or posixpath.basename(layer.kustomization.directory)
    targets = [as_mapping(target) for target in as_sequence(config.get("targets"))]
    path = scalar_text(config.get("targetFilePath"))
    if path:
        documents = layer.documents_at(path, config.place("targetFilePath")).documents
        listed = as_mapping(documents[0]) if documents else EMPTY_MAPPING
        targets += [as_mapping(target) for target in as_sequence(listed.get("targets"))]
    if not targets:
        raise BuildError("at least one target must be given", place)
    for target in targets:
        field = scalar_text(target.get("fieldPath"))
        if not field:
            raise BuildError("fieldPath can't be empty", target.place())
        layer.budget.spend(len(layer.state.drafts))
        drafts = layer.state.drafts if target.get("selector") is None else select(layer.state.drafts, read_selector(target["selector"]))
        for draft in drafts:
            if field == "metadata/namespace":
                transformers.set_namespace([draft], value, config.place("value"), (), layer.budget)
                continue
            change = _part_setter(value, target.get("filePathPosition"))
            draft.become(edit(draft.node, split_path(field), change, config.place("value"), "scalar"), layer.budget)


def _part_setter(value: str, position: Any) -> Change:
    def change(old: Any) -> Any:
        text = scalar_text(old)
        if isinstance(position, int) and position > 0 and text:
            absolute = text.startswith("/")
            parts = [part for part in text.split("/") if part]
            parts.insert(position - 1, value)
            return replace_scalar(("/" if absolute else "") + "/".join(parts))(old)
        return replace_scalar(value)(old)

    return change


def add_hashes(drafts: Iterable[Draft]) -> None:
    """Appends the hash of their content to the names of generated resources."""
    for draft in drafts:
        if draft.hash_suffix:
            suffix = hashing.suffix_of(draft.node)
            draft.remember()

            def change(name: Any, suffix: str = suffix) -> str:
                return f"{scalar_text(name)}-{suffix}"

            draft.node = edit(draft.node, ("metadata", "name"), change, None, "scalar")


_TRANSFORMERS = {
    "NamespaceTransformer": _namespace,
    "PrefixTransformer": _prefix,
    "SuffixTransformer": _suffix,
    "PrefixSuffixTransformer": _prefix_and_suffix,
    "LabelTransformer": _labels,
    "AnnotationsTransformer": _annotations,
    "PatchTransformer": _patch,
    "PatchJson6902Transformer": _json_patch,
    "PatchStrategicMergeTransformer": _merge_patch,
    "ImageTagTransformer": _image,
    "ReplicaCountTransformer": _replicas,
    "ReplacementTransformer": _replacement,
    "HashTransformer": _hash,
    "ValueAddTransformer": _value,
}
