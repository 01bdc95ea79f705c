"""Patches of a kustomization: told apart, aimed at their targets, applied."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from gitops_secrets.manifests.load import is_trimmed
from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, NotFoundError, identity_of, scalar_text
from gitops_secrets.rendering.kustomize.json_patch import Operation, apply_operations, read_operations
from gitops_secrets.rendering.kustomize.manifests import expand_lists
from gitops_secrets.rendering.kustomize.merge import DIRECTIVE, MISSING, Walk, merge
from gitops_secrets.rendering.kustomize.respelling import respelt, respelt_patch
from gitops_secrets.rendering.kustomize.schema import Schema
from gitops_secrets.rendering.kustomize.texts import Texts
from gitops_secrets.syntax.budget import Budget


class Patch(NamedTuple):
    """What the text of a patch holds: strategic merge patches, or the steps of a JSON patch."""

    merges: tuple[MappingNode, ...] = ()
    operations: tuple[Operation, ...] = ()


class MergeContext(NamedTuple):
    """What a merge needs to know besides its two sides."""

    schema: Schema
    texts: Texts
    budget: Budget


def read_patch(documents: Iterable[Any], text: str, texts: Texts) -> Patch:
    """The patch that the documents of `text` stand for: a list is a JSON patch, mappings are strategic merge patches. Raises `BuildError`."""
    listed = [document for document in documents if document is not None]
    if not listed:
        return Patch()
    if isinstance(listed[0], SequenceNode):
        return Patch(operations=read_operations(respelt_patch(listed[0], texts)))
    try:
        return Patch(merges=tuple(respelt(merge, texts) for merge in _restored(list(expand_lists(listed)), text, texts)))
    except BuildError as error:
        raise BuildError(f"neither a strategic merge nor a JSON patch: {error.message}", error.place) from error


def _restored(patches: list[MappingNode], text: str, texts: Texts) -> list[MappingNode]:
    """Patches of Secrets, whose values were all cut at loading, with what is no value: null, which removes a key, and directives."""
    if not any(patch.get("kind") == "Secret" for patch in patches):
        return patches
    written = expand_lists(texts.values(text))
    return [_with_directives(patch, as_written) if patch.get("kind") == "Secret" else patch for patch, as_written in zip(patches, written, strict=True)]


def _with_directives(patch: MappingNode, written: MappingNode) -> MappingNode:
    result = patch
    for field in ("data", "stringData"):
        values, originals = patch.get(field), written.get(field)
        if isinstance(values, MappingNode) and isinstance(originals, MappingNode):
            restored = {key: value for key, value in originals.items() if value is None or (key == DIRECTIVE and isinstance(value, str))}
            if restored:
                result = result.copy() if result is patch else result
                result[field] = values.copy()
                result[field].update(restored)
    return result


def apply_operations_to(drafts: Iterable[Draft], operations: tuple[Operation, ...], budget: Budget, *, trimmed: bool, remember: bool = True) -> None:
    """Applies the steps of a JSON patch to all of `drafts`; those about what the loader leaves out of definitions say nothing if they are `trimmed`.

    Raises `BuildError` where one doesn't apply.
    """
    for draft in drafts:
        steps = operations
        if trimmed and draft.identity.kind == "CustomResourceDefinition":
            steps = tuple(step for step in operations if not is_trimmed(step.path) and not is_trimmed(step.source))
        if remember:
            draft.remember()
        try:
            draft.node = apply_operations(_with_annotations(draft), steps, budget)
            draft.is_json = True
        except BuildError as error:
            raise type(error)(f"{draft.identity}: {error.message}", error.place) from error


def _with_annotations(draft: Draft) -> MappingNode:
    """The node of a draft as a JSON patch sees it: what kustomize keeps in annotations is there, so that others can be set where none was written."""
    metadata = draft.node.get("metadata")
    if not draft.is_annotated or not isinstance(metadata, MappingNode) or metadata.get("annotations") is not None:
        return draft.node
    annotated = metadata.copy()
    annotated.put("annotations", MappingNode(metadata.file, metadata.mark), metadata.place())
    node = draft.node.copy()
    node["metadata"] = annotated
    return node


def find_target(drafts: Iterable[Draft], patch: MappingNode) -> Draft:
    """The one resource that a strategic merge patch without a target names, by any name that it has had. Raises `BuildError`."""
    wanted = identity_of(patch)
    found = [draft for draft in drafts if draft.answers_to(wanted)]
    if len(found) == 1:
        return found[0]
    count, error = ("no resource matches", NotFoundError) if not found else ("several resources match", BuildError)
    raise error(f"{count} the patch for {wanted}", as_mapping(patch.get("metadata")).place("name") if "metadata" in patch else patch.place())


def _always(node: MappingNode, key: str) -> bool:
    return True


class Merge:
    """A strategic merge patch, ready to be laid over resources."""

    def __init__(self, patch: MappingNode, context: MergeContext, *, selected: bool, rename: bool = False, rekind: bool = False) -> None:
        """`selected`: the targets were selected, so the identity of the patch says nothing. `rename`, `rekind`: it may change name or kind."""
        self.context = context
        self.selected = selected
        self.rename = rename
        self.rekind = rekind
        metadata = patch.get("metadata")
        prepared = patch.copy()
        if selected or "apiVersion" not in patch:
            prepared.pop("apiVersion", None)
        if not rekind:
            prepared.pop("kind", None)
        if isinstance(metadata, MappingNode):
            prepared["metadata"] = self._prepare_metadata(metadata)
        self.patch = prepared

    def _prepare_metadata(self, metadata: MappingNode) -> MappingNode:
        prepared = metadata.copy()
        prepared.pop("namespace", None)
        if not self.rename:
            prepared.pop("name", None)
        # kustomize copies labels and annotations of a patch with a target as text, and annotations of one with options: null removes nothing there, it sets
        # a value.
        copied = ("labels", "annotations") if self.selected else ("annotations",) if self.rename or self.rekind else ()
        for field in copied:
            if field in prepared:
                texts = self._as_texts(as_mapping(prepared[field]))
                if texts:
                    prepared[field] = texts
                else:
                    prepared.remove(field)
        return prepared

    def _as_texts(self, entries: MappingNode) -> MappingNode:
        texts = entries.copy()
        for key, value in entries.items():
            if not isinstance(value, str):
                texts[key] = self.context.texts.spelling(entries, key)
        return texts

    def apply(self, draft: Draft) -> bool:
        """Lays the patch over `draft`; False if that deletes it. Raises `BuildError`."""
        if self.rename or self.rekind:
            draft.remember()
        before = draft.node
        if scalar_text(self.patch.get(DIRECTIVE)) == "replace":
            return True  # kustomize drops the replacement of a whole object
        is_written = _always if draft.is_json else self.context.texts.is_written
        merged = merge(before, self.patch, self.context.schema, Walk(is_written, self.context.budget))
        if not merged:
            return False
        draft.become(self._with_identity(merged, before), self.context.budget)
        return True

    def _with_identity(self, merged: MappingNode, before: MappingNode) -> MappingNode:
        """`merged` with what no patch may change, should it have done so by replacing what holds it."""
        kept = [] if self.rekind else [(merged, before, "kind")]
        metadata = as_mapping(merged.get("metadata"))
        old_metadata = as_mapping(before.get("metadata"))
        kept += [(metadata, old_metadata, field) for field in (("namespace",) if self.rename else ("name", "namespace"))]
        if all(new.get(field, MISSING) is old.get(field, MISSING) for new, old, field in kept):
            return merged
        merged = merged.copy()
        metadata = metadata.copy()
        merged.put("metadata", metadata, merged.marks.get("metadata", before.marks.get("metadata", before.mark)))
        for _, old, field in kept:
            node = merged if field == "kind" else metadata
            if scalar_text(old.get(field)):
                node.put(field, old[field], old.place(field))
            elif field in node:
                node.remove(field)
        return merged
