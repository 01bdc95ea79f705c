"""Rendered nodes to resources: who they are, in which namespace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from gitops_secrets.model.brief import LONGEST_NAME
from gitops_secrets.model.facts import Problem, Provision, Resource
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_text

# Is a kind namespaced? None: not known.
ScopeOf = Callable[[str, str], bool | None]
# What a resource brings: the Secret that an ExternalSecret makes, say.
ProvisionsOf = Callable[[Resource], Iterable[Provision]]

_DURATION = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(ms|us|µs|ns|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
FLUX_NAMESPACE = "flux-system"


def no_provisions(resource: Resource) -> Iterable[Provision]:
    """What brings nothing that is known."""
    return ()


def to_resource(node: MappingNode, scope_of: ScopeOf, default_namespace: str) -> Resource | None:
    """The resource that `node` is, or None for what names no object (no kind or no name).

    A namespaced object without a namespace gets `default_namespace`; a cluster-scoped one keeps none, as the API server drops it.
    """
    kind, api_version = node.get("kind"), node.get("apiVersion")
    metadata = as_mapping(node.get("metadata"))
    name = metadata.get("name")
    if not isinstance(kind, str) or not isinstance(api_version, str) or not kind or name in (None, "") or isinstance(name, MappingNode | list):
        return None
    group, version = split_api_version(api_version)
    namespaced = scope_of(group, kind)
    namespace = as_text(metadata.get("namespace"))
    if namespaced is False:
        namespace = ""
    elif namespaced and not namespace:
        namespace = default_namespace
    return Resource(ResourceId(group, kind, namespace, str(name)), version, node, metadata.place("name"))


def is_exported(resource: Resource) -> bool:
    """Was it written out of a cluster (`kubectl get -o yaml`)? The API server gives every object its `uid`."""
    return "uid" in resource.metadata


def too_long(id: ResourceId) -> str | None:
    """Says that the API server refuses an object for the length of its name, kind or namespace; None where it does not."""
    parts = {
        "name": (id.name, _LONGEST_PATH if id.group == _RBAC else LONGEST_NAME),
        "kind": (id.kind, _LONGEST_LABEL),
        "namespace": (id.namespace, _LONGEST_LABEL),
    }
    for part, (text, most) in parts.items():
        if len(text) > most:
            return f"an object whose {part} has {len(text)} characters; the API server takes no more than {most}"
    return None


def too_deep(path: str, place: Place, limits: Limits) -> Problem | None:
    """That a dotted path into values, which is written at `place`, has more steps than values may be deep; None where it has not."""
    if path.count(".") < limits.yaml_depth:
        return None
    return Problem(f"a path into values leads too deep; {limits.more('yaml_depth')}", place, "invalid-yaml", limit=True)


# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/: subdomains, labels, and path segments, which end with what a file name may have.
_LONGEST_LABEL, _LONGEST_PATH = 63, 4096
_RBAC = "rbac.authorization.k8s.io"


def reference(node: MappingNode, own_namespace: str, group: str, kind: str | None = None) -> ResourceId | None:
    """The object that a `{kind, name, namespace}` mapping names; None without a name."""
    name = as_text(node.get("name"))
    found = as_text(node.get("kind")) or kind or ""
    return ResourceId(group, found, as_text(node.get("namespace")) or own_namespace, name) if name else None


def seconds(value: object) -> float | None:
    """A Go duration such as `1h30m` in seconds; None for anything else."""
    if not isinstance(value, str) or not value:
        return None
    total, end = 0.0, 0
    for match in _DURATION.finditer(value):
        if match.start() != end:
            return None
        total += float(match[1]) * _SECONDS[match[2]]
        end = match.end()
    return total if end == len(value) else None


def place_of_field(node: MappingNode, *path: str) -> Place:
    """Where the deepest part of `path` that exists is written."""
    place, current = node.place(), node
    for key in path:
        if key not in current:
            return place
        place = current.place(key)
        current = as_mapping(current[key])
    return place


def with_common_metadata(node: MappingNode, common: MappingNode) -> MappingNode:
    """`node` with the labels and annotations of `spec.commonMetadata`, which win."""
    node = node.copy()
    metadata = as_mapping(node.get("metadata")).copy()
    for field in ("labels", "annotations"):
        added = as_mapping(common.get(field))
        if added:
            merged = as_mapping(metadata.get(field)).copy()
            for key, value in added.items():
                merged.put(key, value, added.place(key))
            metadata.put(field, merged, metadata.marks.get(field, common.place(field)))
    node.put("metadata", metadata, node.marks.get("metadata", common.place()))
    return node
