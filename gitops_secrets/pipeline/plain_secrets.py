"""Values of Secrets on their way from a repository to an API server, for a cluster without an engine.

The graph never has them: an object that holds one is read again, from what kustomize itself builds, right before it is sent.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from gitops_secrets.cluster.apply import as_applied
from gitops_secrets.cluster.live import mapping
from gitops_secrets.errors import UsageError
from gitops_secrets.graph.graph import Graph
from gitops_secrets.manifests.secrets import is_cut
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import as_mapping
from gitops_secrets.pipeline.kustomize import KustomizeRefused, build_from_tree, build_with_binary, find_binary, with_values
from gitops_secrets.pipeline.scan import Repository
from gitops_secrets.rendering.objects import to_resource

Manifests = Mapping[ResourceId, Mapping[str, Any]]
_ENCRYPTED = b"ENC[AES256_GCM,"


def read_again(repository: Repository, graph: Graph, manifests: Manifests) -> Manifests:
    """Those of `manifests` that a value was cut from, whole.

    Raises `UsageError` where they can't be had: there is no kustomize, it builds something else, or what is in them is encrypted.
    """
    wanted = {id for id, manifest in manifests.items() if is_cut(manifest)}
    if not wanted:
        return {}
    listed = ", ".join(map(str, sorted(wanted)))
    binary = find_binary()
    if binary is None:
        raise UsageError(f"kustomize is needed on PATH for objects with values of Secrets, which this tool does not read: {listed}")
    try:
        found = {id: manifest for id, manifest in _built(binary, repository, graph) if id in wanted}
    except KustomizeRefused as error:
        raise UsageError(f"kustomize refuses {error}, and is needed for {listed}; `kustomize build` says why") from error
    missing = wanted - found.keys()
    if missing:
        raise UsageError(f"kustomize builds no {', '.join(map(str, sorted(missing)))}, whose values this tool does not read")
    encrypted = sorted(id for id, manifest in found.items() if _is_encrypted(manifest))
    if encrypted:
        raise UsageError(f"without an engine this can't be applied: {', '.join(map(str, encrypted))}: it is encrypted, and only Flux decrypts it")
    return found


def _built(binary: str, repository: Repository, graph: Graph) -> Iterator[tuple[ResourceId, Mapping[str, Any]]]:
    limits = repository.loader.limits
    for unit in graph.units.values():
        if unit.path is None:
            continue
        if repository.revision is not None:
            documents = build_from_tree(binary, repository.tree, unit.path, limits, network=False, read=with_values)
        else:
            documents = build_with_binary(binary, repository.root, unit.path, limits, network=False, read=with_values)
        for document in documents:
            resource = to_resource(as_mapping(document), repository.table.is_namespaced, "default")
            if resource is not None:
                yield resource.id, as_applied(resource.data, resource.id.namespace)


def _is_encrypted(manifest: Mapping[str, Any]) -> bool:
    """Does a generated Secret hold the text of a SOPS file?"""
    return any(_ENCRYPTED in _decoded(value) for value in mapping(manifest, "data").values())


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(str(value))
    except (binascii.Error, ValueError):
        return b""
