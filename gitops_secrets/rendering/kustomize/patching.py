"""The patches of one kustomization: `patches` and its two older fields."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from gitops_secrets.model.facts import Problem
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, scalar_text
from gitops_secrets.rendering.kustomize.kustomization import require_list
from gitops_secrets.rendering.kustomize.layer import Layer
from gitops_secrets.rendering.kustomize.patches import Merge, MergeContext, Patch, apply_operations_to, find_target, read_patch
from gitops_secrets.rendering.kustomize.selector import read_selector, select

_COMPARED = 8  # objects that are told apart in the time of a step


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


class Patching(NamedTuple):
    """Applies patches to what a layer has."""

    layer: Layer

    def merge_old_patches(self) -> None:
        entries = require_list(self.layer.fields, "patchesStrategicMerge")
        found = 0
        for index, entry in enumerate(entries):
            place = entries.place(index)
            with self.layer.attempt(place):
                found += self.apply_old_merge(scalar_text(entry), place)
        if entries:
            if not found and self.layer.state.is_complete and not self.layer.state.failed:
                self.layer.state.refuse("no patch is in patchesStrategicMerge", self.layer.fields.place("patchesStrategicMerge"))
            self.layer.transformed("PatchStrategicMergeTransformer")

    def apply_old_merge(self, entry: str, place: Place) -> int:
        """Applies an entry of `patchesStrategicMerge`: the patch itself, or the path of its file; returns how many patches it is. Raises `BuildError`."""
        text = entry
        documents = self.layer.session.texts.parse(entry, place) if "\n" in entry or ":" in entry else None
        if documents is None or documents.problems or not any(isinstance(one, MappingNode) for one in documents.documents):
            documents = self.layer.documents_at(entry, place)
            text = self.layer.text_of(entry)
        patch = read_patch(documents.documents, text, self.layer.session.texts)
        if patch.operations:
            raise BuildError("expected a strategic merge patch, found a JSON patch")
        for document in patch.merges:
            target = self._find_target(document)
            self._merge_into([target], Merge(document, self._context, selected=True))
        return len(patch.merges)

    @property
    def _context(self) -> MergeContext:
        return MergeContext(self.layer.schema.schema, self.layer.session.texts, self.layer.budget)

    def apply_patches(self) -> None:
        entries = require_list(self.layer.fields, "patches")
        for index, entry in enumerate(entries):
            place = entries.place(index)
            with self.layer.attempt(place):
                self.apply_patch(as_mapping(entry), place)
            self.layer.transformed("PatchTransformer")

    def read_patch(self, entry: MappingNode, key: str, place: Place) -> Patch:
        """The patch that `path` or the field `key` of an entry holds. Raises `BuildError`."""
        patch = self._patch_of(entry, key, place)
        if any(operation.kind in ("copy", "move", "test") for operation in patch.operations):
            self.layer.read_values()
        return patch

    def _patch_of(self, entry: MappingNode, key: str, place: Place) -> Patch:
        text, path = scalar_text(entry.get(key)).strip(), scalar_text(entry.get("path"))
        if bool(text) == bool(path):
            raise BuildError(f"a patch needs either {key} or path", place)
        if path:
            documents = self.layer.documents_at(path, entry.place("path"))
            text = self.layer.text_of(path)
        else:
            documents = self.layer.session.texts.parse(scalar_text(entry[key]).rstrip(), entry.place(key))
            self.layer.state.note(documents.problems)
        if text.startswith("[") and not _is_json(text):
            raise BuildError("a patch that starts with [ must be JSON", entry.place(key))
        return read_patch(documents.documents, text, self.layer.session.texts)

    def apply_patch(self, entry: MappingNode, place: Place) -> None:
        """Applies an entry of `patches`. Raises `BuildError`."""
        patch = self.read_patch(entry, "patch", place)
        options = as_mapping(entry.get("options"))
        rename, rekind = options.get("allowNameChange") is True, options.get("allowKindChange") is True
        target = entry.get("target")
        if patch.operations:
            if target is None:
                raise BuildError("a JSON patch needs a target")
            apply_operations_to(self._select(target, place), patch.operations, self.layer.budget, trimmed=not self.layer.session.loader.whole)
        elif patch.merges and target is not None:
            if len(patch.merges) > 1:
                raise BuildError("a patch of several documents can't have a target")
            merge = Merge(patch.merges[0], self._context, selected=True, rename=rename, rekind=rekind)
            self._merge_into(self._select(target, place), merge)
        else:
            for document in patch.merges:
                found = self._find_target(document)
                self._merge_into([found], Merge(document, self._context, selected=False, rename=rename, rekind=rekind))

    def _find_target(self, document: MappingNode) -> Draft:
        self.layer.budget.spend(len(self.layer.state.drafts) // _COMPARED)
        return find_target(self.layer.state.drafts, document)

    def _select(self, target: Any, place: Place) -> list[Draft]:
        self.layer.budget.spend(len(self.layer.state.drafts) // _COMPARED)
        selector = read_selector(target)
        found = select(self.layer.state.drafts, selector)
        if not found and self.layer.state.is_complete:
            at = target.place() if isinstance(target, MappingNode) else place
            wanted = ", ".join(f"{field} {value}" for field, value in zip(selector._fields, selector, strict=True) if value)
            self.layer.state.problems.append(
                Problem(f"the patch matches nothing: there is no resource with {wanted or 'such a target'}", at, "patch-matches-nothing")
            )
        return found

    def _merge_into(self, targets: list[Draft], merge: Merge) -> None:
        # A patch that is refused for one target is still tried on the others, so that they can be judged.
        refusal: BuildError | None = None
        deleted = set()
        for draft in targets:
            try:
                if not merge.apply(draft):
                    deleted.add(id(draft))
            except BuildError as error:
                refusal = refusal or BuildError(f"{draft.identity}: {error.message}", error.place)
        if merge.selected and (merge.rename or merge.rekind):
            self._refuse_twins()
        if deleted:
            self.layer.state.drafts[:] = [draft for draft in self.layer.state.drafts if id(draft) not in deleted]
        if refusal is not None:
            raise refusal

    def _refuse_twins(self) -> None:
        known = set()
        for draft in self.layer.state.drafts:
            if draft.identity.key in known:
                raise BuildError(f"the patch makes two resources the same: {draft.identity}")
            known.add(draft.identity.key)

    def apply_old_json_patches(self) -> None:
        entries = require_list(self.layer.fields, "patchesJson6902")
        for index, entry in enumerate(entries):
            with self.layer.attempt(entries.place(index)):
                self.apply_old_json_patch(as_mapping(entry), "patch", entries.place(index))
            self.layer.transformed("PatchJson6902Transformer")

    def apply_old_json_patch(self, entry: MappingNode, key: str, place: Place) -> None:
        """Applies an entry of `patchesJson6902`. Raises `BuildError`."""
        target = as_mapping(entry.get("target"))
        if not scalar_text(target.get("name")):
            raise BuildError("the target of a JSON patch needs a name", place)
        patch = self.read_patch(entry, key, place)
        if not patch.operations:
            raise BuildError("a JSON patch needs operations", place)
        apply_operations_to(self._select(target, place), patch.operations, self.layer.budget, trimmed=not self.layer.session.loader.whole, remember=False)
