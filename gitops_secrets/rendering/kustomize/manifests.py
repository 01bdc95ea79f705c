"""Documents to resources: kustomize's demands on a manifest, and lists taken apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping
from gitops_secrets.rendering.kustomize.draft import BuildError, scalar_text


def expand_lists(documents: Iterable[Any]) -> Iterator[MappingNode]:
    """The objects that documents hold. The items of lists come after everything else, as in kustomize. Raises `BuildError` for what is no object."""
    waiting = deque(checked(document) for document in documents if document is not None and document != {})
    while waiting:
        node = waiting.popleft()
        if not scalar_text(node.get("kind")).endswith("List") or "items" not in node:
            yield node
            continue
        items = node["items"]
        if items is None:
            continue
        if not isinstance(items, SequenceNode):
            raise BuildError("the items of a list must be a list", node.place("items"))
        waiting.extend(checked(item) for item in items if item is not None and item != {})


def checked(document: Any) -> MappingNode:
    """`document` if it has the least that kustomize demands: a kind, and a name unless it is a list. Raises `BuildError`."""
    if not isinstance(document, MappingNode):
        place = document.place() if isinstance(document, SequenceNode) else None
        raise BuildError("not a Kubernetes object: expected a mapping with apiVersion, kind and metadata", place)
    kind = scalar_text(document.get("kind"))
    if not kind:
        raise BuildError("not a Kubernetes object: kind is missing", document.place())
    if not kind.endswith("List") and not scalar_text(as_mapping(document.get("metadata")).get("name")):
        raise BuildError(f"{kind} has no metadata.name", document.place("metadata"))
    return document
