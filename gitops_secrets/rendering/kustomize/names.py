"""Follows names: who refers to a resource by its old name refers to it by the new one after a prefix, suffix, hash or namespace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, scalar_text
from gitops_secrets.rendering.kustomize.fields import FieldSpec, NameReference, edit, split_path
from gitops_secrets.syntax.budget import Budget

# Fields that may hold names, by the kind of the referrer; those of any kind under the empty one.
ReferenceIndex = dict[str, list[tuple[NameReference, FieldSpec]]]


def index_references(references: Iterable[NameReference]) -> ReferenceIndex:
    """The fields of all references by the kind that has them."""
    index: ReferenceIndex = {"": []}
    for reference in references:
        for spec in reference.fields:
            index.setdefault(spec.kind, []).append((reference, spec))
    return index


def update_references(drafts: list[Draft], index: ReferenceIndex, budget: Budget) -> None:
    """Writes the names that resources have now into what refers to them. Raises `BuildError` where a name could mean several."""
    by_old_name: dict[str, list[Draft]] = {}
    for draft in drafts:
        if draft.identity.kind == "RoleBinding":
            _bound_namespaces(draft.node)  # is refused whether or not it refers to anything
        for name in {name for name, _, _ in draft.previous}:
            by_old_name.setdefault(name, []).append(draft)
    if not by_old_name:
        return
    # Where only namespaces changed, only references that have one change, and those are mappings.
    renamed = any(name != draft.identity.name for drafts_of_name in by_old_name.values() for draft in drafts_of_name for name, _, _ in draft.previous)
    for draft in drafts:
        original = draft.original
        for reference, spec in (*index.get(original.kind, ()), *index[""]):
            if spec.selects(original) and (renamed or not spec.path.endswith(("name", "Name"))):
                _Referrer(draft, reference, spec, by_old_name, drafts, budget).update()


class _Referrer:
    """One field of one resource that may hold a name."""

    def __init__(
        self, draft: Draft, reference: NameReference, spec: FieldSpec, by_old_name: dict[str, list[Draft]], drafts: list[Draft], budget: Budget
    ) -> None:
        self.budget = budget
        self.drafts = drafts
        self.draft = draft
        self.reference = reference
        self.spec = spec
        self.by_old_name = by_old_name

    def update(self) -> None:
        try:
            # A name keeps its place: it is edited where it is written.
            self.draft.become(edit(self.draft.node, split_path(self.spec.path), self._update, None), self.budget)
        except BuildError as error:
            raise BuildError(f"{self.spec.path} of {self.draft.identity}: {error.message}", error.place or self.draft.place) from error

    def _update(self, value: Any) -> Any:
        if isinstance(value, MappingNode):
            return self._update_mapping(value)
        if not isinstance(value, SequenceNode):
            return value if value is None else self._update_scalar(value)
        copy = None
        for index, item in enumerate(value):
            if isinstance(item, SequenceNode):
                raise BuildError("expected names or mappings in a list, found a list")
            changed = item if item is None else self._update_mapping(item) if isinstance(item, MappingNode) else self._update_scalar(item)
            if changed is not item:
                copy = copy or value.copy()
                copy[index] = changed
        return value if copy is None else copy

    def _update_scalar(self, value: Any) -> Any:
        name = scalar_text(value)
        target = self._target(name, self._candidates(name), lambda draft: draft.identity.name)
        if target is None or target.identity.name == name:
            return value
        return target.identity.name

    def _update_mapping(self, value: MappingNode) -> MappingNode:
        if "name" not in value:
            raise BuildError("there is no field 'name' in what should name an object", value.place())
        name = scalar_text(value["name"])
        candidates = self._candidates(name)
        if "namespace" in value and candidates:
            candidates = self._in_namespace(candidates, scalar_text(value["namespace"]))
        target = self._target(name, candidates, lambda draft: (draft.identity.name, draft.identity.namespace))
        if target is None:
            return value
        now = target.identity
        if now.name == name and now.namespace in ("", value.get("namespace")):
            return value
        copy = value.copy()
        copy["name"] = now.name
        if now.namespace and value.get("namespace") != now.namespace:
            copy.put("namespace", now.namespace, as_mapping(target.node.get("metadata")).place("namespace"))
        return copy

    def _candidates(self, name: str) -> list[Draft]:
        """What was called `name` and could be meant from the referrer's namespace."""
        named = self.by_old_name.get(name)
        return self._reachable(named) if named else []

    def _reachable(self, drafts: list[Draft]) -> list[Draft]:
        """What the referrer could mean from its namespace."""
        self.budget.spend(len(drafts))
        referrer = self.draft.identity
        if referrer.is_cluster_scoped:
            return drafts
        bound = _bound_namespaces(self.draft.node) if referrer.kind == "RoleBinding" else frozenset()
        namespace = referrer.effective_namespace
        return [
            draft
            for draft in drafts
            if draft.identity.is_cluster_scoped or draft.identity.effective_namespace == namespace or draft.identity.namespace in bound
        ]

    def _in_namespace(self, candidates: list[Draft], namespace: str) -> list[Draft]:
        originally = [draft for draft in candidates if not draft.identity.is_cluster_scoped and draft.original.effective_namespace == namespace]
        if originally or self._anything_was_in(namespace):
            return originally
        return [draft for draft in candidates if not draft.identity.is_cluster_scoped and draft.identity.effective_namespace == namespace]

    def _anything_was_in(self, namespace: str) -> bool:
        # kustomize looks at current namespaces only if nothing that could be referred to, of whatever name, was in `namespace` at first.
        there = [draft for draft in self.drafts if draft.original.effective_namespace == namespace]
        return bool(self._reachable(there))

    def _target(self, name: str, candidates: list[Draft], identity: Callable[[Draft], object]) -> Draft | None:
        wanted = self.reference
        candidates = [draft for draft in candidates if any(one.is_selected(wanted.group, wanted.version, wanted.kind) for one in draft.previous_identities)]
        candidates = self._of_role(candidates)
        candidates = [draft for draft in candidates if self._is_near(draft)]
        if len(candidates) == 1:
            return candidates[0]
        candidates = [draft for draft in candidates if _same_affixes(self.draft, draft, allow_empty=True)]
        if len(candidates) > 1:
            candidates = [draft for draft in candidates if _same_affixes(self.draft, draft, allow_empty=False)]
        if not candidates:
            return None
        if len({identity(draft) for draft in candidates}) > 1:
            raise BuildError(f"{name!r} could be any of {', '.join(str(draft.identity) for draft in candidates)}")
        return candidates[0]

    def _of_role(self, candidates: list[Draft]) -> list[Draft]:
        if not self.spec.path.endswith("roleRef/name"):
            return candidates
        role = as_mapping(self.draft.node.get("roleRef"))
        group, kind = role.get("apiGroup"), role.get("kind")
        if group is None or kind is None:
            return candidates
        wanted = (scalar_text(group), "", scalar_text(kind))
        return [draft for draft in candidates if any(one.is_selected(*wanted) for one in draft.previous_identities)]

    def _is_near(self, candidate: Draft) -> bool:
        referrer = self.draft.identity
        if referrer.is_cluster_scoped or candidate.identity.is_cluster_scoped or candidate.identity.kind == "ServiceAccount":
            return True
        return referrer.effective_namespace == candidate.identity.effective_namespace


def _bound_namespaces(node: MappingNode) -> frozenset[str]:
    subjects = [as_mapping(subject) for subject in as_sequence(node.get("subjects"))]
    bound = [subject for subject in subjects if subject.get("kind") == "ServiceAccount" and "namespace" in subject]
    for subject in bound:
        if not isinstance(subject["namespace"], str):
            raise BuildError("the namespace of a subject is blank", subject.place("namespace"))
    return frozenset(subject["namespace"] for subject in bound)


def _same_affixes(one: Draft, other: Draft, *, allow_empty: bool) -> bool:
    for mine, theirs in ((one.prefixes, other.prefixes), (one.suffixes, other.suffixes)):
        if allow_empty and (not mine or not theirs):
            continue
        short, long = sorted((mine, theirs), key=len)
        if (not short and long) or (short and long[-len(short) :] != short):
            return False
    return True
