"""The annotations by which `buildMetadata` says where resources come from and what changed them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from gitops_secrets.rendering.kustomize.draft import Draft


def append_path(origin: str, entry: str) -> str:
    """The path of an entry, from the directory that is built."""
    return posixpath.normpath(posixpath.join(origin, entry))


def file_origin(origin: str, entry: str) -> str:
    """The annotation for what was read from a file."""
    return f"path: {append_path(origin, entry)}\n"


def built_in_origin(origin: str | None, kustomization: str, kind: str) -> str | None:
    """The annotation for what a field of the kustomization made or changed; None where `buildMetadata` doesn't ask for any."""
    if origin is None:
        return None
    file = posixpath.basename(kustomization)
    return f"configuredIn: {append_path(origin, file)}\nconfiguredBy:\n  apiVersion: builtin\n  kind: {kind}\n"


def configured_origin(config: Draft) -> str | None:
    """The annotation for what a plugin that stands in a file made or changed."""
    if config.origin is None:
        return None
    identity = config.identity
    path = config.origin.removeprefix("path: ").strip()
    api_version = f"{identity.group}/{identity.version}" if identity.group else identity.version
    lines = [f"configuredIn: {path}", "configuredBy:", f"  apiVersion: {api_version}", f"  kind: {identity.kind}", f"  name: {identity.name}"]
    if identity.namespace:
        lines.append(f"  namespace: {identity.namespace}")
    return "\n".join(lines) + "\n"


def note_transformation(drafts: Iterable[Draft], mark: str) -> None:
    """Notes at every resource that a transformer ran."""
    for draft in drafts:
        if draft.origin is None:
            draft.origin = mark
        else:
            draft.transformations = (*draft.transformations, mark)
