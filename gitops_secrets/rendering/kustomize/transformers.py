"""The transformers of a kustomization that write fields: namespace, name prefix and suffix, labels, annotations, images, replicas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, NotFoundError, scalar_text
from gitops_secrets.rendering.kustomize.fields import Change, FieldSpec, edit, edit_all, replace_scalar, set_entries, split_path
from gitops_secrets.rendering.kustomize.selector import read_pattern
from gitops_secrets.syntax.budget import Budget

_METADATA_NAMESPACE = ("metadata", "namespace")
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")
# Names that a prefix or suffix would break.
_NEVER_RENAMED = (FieldSpec("", "CustomResourceDefinition"), FieldSpec("", "APIService", "apiregistration.k8s.io"), FieldSpec("", "Namespace"))


def set_namespace(
    drafts: list[Draft], namespace: str, place: Place, specs: Iterable[FieldSpec], budget: Budget, unset_only: bool = False, subjects: str = "defaultOnly"
) -> None:
    """Moves everything that is not certain to be cluster-scoped into `namespace`. `subjects` says whose namespace changes in role bindings.

    Raises `BuildError` where two resources become the same.
    """
    change = _fill(namespace) if unset_only else replace_scalar(namespace)
    taken = Counter(draft.identity.key for draft in drafts)
    specs = tuple(spec for spec in specs if spec.path != "metadata/namespace")
    of_others = tuple(spec for spec in specs if spec.path != "metadata/name")
    budget.spend(len(drafts))
    for draft in drafts:
        draft.remember()
        before = draft.identity
        node = draft.node
        if not before.is_cluster_scoped:
            node = edit(node, _METADATA_NAMESPACE, change, place, "scalar")
        wanted = of_others if before.group or before.version != "v1" else specs
        if before.kind in _BINDINGS:
            wanted = tuple(spec for spec in wanted if not (spec.kind in _BINDINGS and spec.path == "subjects/namespace"))
            node = _set_subjects(node, change, place, subjects)
        draft.become(edit_all(node, before, wanted, change, place, "scalar"), budget)
        now = draft.identity
        taken[before.key] -= 1
        taken[now.key] += 1
        if taken[now.key] > 1:
            raise BuildError(f"the namespace makes two resources the same: {now}", draft.place)


def _fill(value: str) -> Change:
    def change(old: Any) -> Any:
        return old if scalar_text(old) else replace_scalar(value)(old)

    return change


def _set_subjects(node: MappingNode, change: Change, place: Place, mode: str) -> MappingNode:
    subjects = node.get("subjects")
    if mode == "none" or subjects is None:
        return node
    if not isinstance(subjects, SequenceNode):
        raise BuildError("the subjects of a role binding are no list")
    field, value = ("kind", "ServiceAccount") if mode == "allServiceAccounts" else ("name", "default")

    def set_one(subject: Any) -> Any:
        if subject is not None and not isinstance(subject, MappingNode):
            raise BuildError("a subject of a role binding is no mapping")
        if subject is not None and scalar_text(subject.get(field)) == value:
            return edit(subject, ("namespace",), change, place, "scalar")
        return subject

    return edit(node, ("subjects",), lambda listed: _each(listed, set_one), None)  # type: ignore[no-any-return]


def _each(items: SequenceNode, change: Change) -> SequenceNode:
    copy = None
    for index, item in enumerate(items):
        changed = change(item)
        if changed is not item:
            copy = copy or items.copy()
            copy[index] = changed
    return items if copy is None else copy


def add_affix(drafts: list[Draft], affix: str, specs: Iterable[FieldSpec], budget: Budget, *, at_end: bool) -> None:
    """Puts `affix` before every name, or after it. A changed name keeps its place: it is edited where the name is written."""
    specs = tuple(specs)

    def change(old: Any) -> Any:
        text = scalar_text(old)
        budget.spend_text(len(text) + len(affix))
        return replace_scalar(text + affix if at_end else affix + text)(old)

    budget.spend(len(drafts))
    for draft in drafts:
        original = draft.original
        if any(spec.selects(original) for spec in _NEVER_RENAMED):
            continue
        for spec in specs:
            if not spec.selects(original):
                continue
            if spec.path == "metadata/name" and affix:
                if at_end:
                    draft.suffixes = (*draft.suffixes, affix)
                else:
                    draft.prefixes = (*draft.prefixes, affix)
                draft.remember()
            if spec.selects(draft.identity):
                draft.become(edit(draft.node, split_path(spec.path), change, None, "scalar" if spec.create else None), budget)


def set_labels(drafts: list[Draft], pairs: MappingNode, specs: Iterable[FieldSpec], budget: Budget) -> None:
    """Sets labels, or annotations, at every spec."""
    if not pairs:
        return
    change = set_entries(((key, scalar_text(value), pairs.place(key)) for key, value in sorted(pairs.items())), budget)
    specs = tuple(specs)
    budget.spend(len(drafts))
    for draft in drafts:
        draft.become(edit_all(draft.node, draft.identity, specs, change, pairs.place(), "mapping"), budget)


class ImageChange(NamedTuple):
    """An entry of `images`."""

    name: str
    new_name: str
    new_tag: str
    tag_suffix: str
    digest: str
    place: Place

    def of(self, image: str) -> str:
        """What becomes of an image reference; the reference itself if it is another image."""
        name = read_pattern(self.name)
        if not any(name.matches(candidate) for candidate in _less_tag(image)):
            return image
        named, tag, digest = split_image(image)
        named = self.new_name or named
        if self.new_tag:
            tag, digest = self.new_tag, self.digest
        elif self.digest:
            tag, digest = "", self.digest
        elif self.tag_suffix:
            tag, digest = tag + self.tag_suffix, ""
        return named + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def read_image(written: MappingNode) -> ImageChange:
    """The change that an entry of `images` asks for."""
    name, new_name, new_tag, tag_suffix, digest = (scalar_text(written.get(field)) for field in ("name", "newName", "newTag", "tagSuffix", "digest"))
    field = next((field for field in ("newTag", "digest", "newName", "tagSuffix") if field in written), "name")
    return ImageChange(name, new_name, new_tag, tag_suffix, digest, written.place(field))


def _less_tag(image: str) -> Iterator[str]:
    """An image as written, without its digest, and without its tag as well."""
    yield image
    for ending in (_DIGEST, _TAG):
        shorter = ending.sub("", image, count=1)
        if shorter != image:
            image = shorter
            yield image


_TAG = re.compile(r":[a-zA-Z0-9_.{}-]*\Z")
_DIGEST = re.compile(r"@sha256:[a-zA-Z0-9_.{}-]*\Z")


def split_image(image: str) -> tuple[str, str, str]:
    """Name, tag and digest.

    >>> split_image("registry:5000/app:1.0@sha256:ab")
    ('registry:5000/app', '1.0', 'sha256:ab')
    """
    start = image.find("/") if image.find("/") > 0 else 0
    at, colon = image.find("@", start), image.find(":", start)
    if at < 0 and colon < 0:
        return image, "", ""
    if at >= 0 and (colon < 0 or at < colon):
        return image[:at], "", image[at + 1 :]
    if at >= 0:
        return image[:colon], image[colon + 1 : at], image[at + 1 :]
    return image[:colon], image[colon + 1 :], ""


def set_images(drafts: list[Draft], images: ImageChange, specs: Iterable[FieldSpec], budget: Budget) -> None:
    """Changes an image in every list of containers, wherever it stands, and at `specs`. CustomResourceDefinitions are left alone."""

    def change(old: Any) -> Any:
        if isinstance(old, MappingNode | SequenceNode):
            raise BuildError("an image is no plain value")
        text = scalar_text(old)
        changed = images.of(text)
        budget.spend_text(len(changed))
        return old if changed == text else changed

    specs = tuple(specs)
    for draft in drafts:
        if draft.identity.kind != "CustomResourceDefinition":
            node = _set_in_containers(draft.node, change, images.place, budget)
            # kustomize never creates the field, whatever the spec says.
            draft.become(edit_all(node, draft.identity, specs, change, images.place), budget)


def _set_in_containers(node: Any, change: Change, place: Place, budget: Budget) -> Any:
    """`node` with `change` made to the image of every item below a key `containers` or `initContainers`."""
    copy: Any = None
    if isinstance(node, MappingNode):
        budget.spend(len(node))
        for key, value in node.items():
            if not isinstance(value, MappingNode | SequenceNode):
                continue
            changed = _set_in_containers(value, change, place, budget)
            if key in ("containers", "initContainers") and isinstance(changed, SequenceNode):
                changed = _each(changed, lambda item: _set_image(item, change, place))
            if changed is not value:
                copy = copy or node.copy()
                copy[key] = changed
    elif isinstance(node, SequenceNode):
        budget.spend(len(node))
        return _each(node, lambda item: _set_in_containers(item, change, place, budget))
    return node if copy is None else copy


def _set_image(item: Any, change: Change, place: Place) -> Any:
    if item is None:
        return item
    if not isinstance(item, MappingNode):
        raise BuildError("an item of containers is no mapping")
    return edit(item, ("image",), change, place)


def set_replicas(drafts: list[Draft], name: str, count: int, place: Place, specs: Iterable[FieldSpec], budget: Budget) -> None:
    """Sets how many there shall be of what is, or was, called `name`. Raises `BuildError` if there is nothing of that name."""
    change = replace_scalar(count)
    found = False
    for spec in specs:
        budget.spend(len(drafts))
        for draft in drafts:
            if any(identity.name == name and spec.selects(identity) for identity in draft.identities):
                found = True
                if spec.selects(draft.identity):
                    draft.become(edit(draft.node, split_path(spec.path), change, place, "scalar" if spec.create else None), budget)
    if not found:
        raise NotFoundError(f"nothing with replicas is called {name!r}", place)


def metadata_labels_spec() -> FieldSpec:
    """Labels of the object itself."""
    return FieldSpec("metadata/labels", create=True)


def label_pairs(written: Any) -> MappingNode:
    """The pairs of an entry of `labels`."""
    return as_mapping(as_mapping(written).get("pairs"))
