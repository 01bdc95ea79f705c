"""The order in which kustomize writes what it built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gitops_secrets.model.nodes import as_mapping, as_sequence
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, Identity, scalar_text

ORDER_FIRST = (
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
)
ORDER_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANKS = {kind: index - len(ORDER_FIRST) for index, kind in enumerate(ORDER_FIRST)} | {kind: 1 + index for index, kind in enumerate(ORDER_LAST)}


def kind_key(group: str, version: str, kind: str) -> tuple[int, str]:
    """The key that kustomize sorts field specs by."""
    return (_RANKS.get(kind, 0), "_".join((group or "~G", version or "~V", kind or "~K")))


def ordered(drafts: list[Draft], options: Any) -> list[Draft]:
    """`drafts` as the `sortOptions` of the root kustomization ask; where it has none in the legacy order, the default of the command. Raises `BuildError`."""
    if options is None:
        return _legacy(drafts, ORDER_FIRST, ORDER_LAST)
    options = as_mapping(options)
    order = scalar_text(options.get("order"))
    if order not in ("fifo", "legacy"):
        raise BuildError(f"sortOptions.order is fifo or legacy, not {order!r}")
    legacy = options.get("legacySortOptions")
    if order == "fifo":
        if legacy is not None:
            raise BuildError("sortOptions.legacySortOptions is set, but the order is fifo")
        return drafts
    if legacy is None:
        return _legacy(drafts, ORDER_FIRST, ORDER_LAST)
    first, last = (tuple(scalar_text(kind) for kind in as_sequence(as_mapping(legacy).get(field))) for field in ("orderFirst", "orderLast"))
    return _legacy(drafts, first, last)


def _legacy(drafts: list[Draft], first: Iterable[str], last: Iterable[str]) -> list[Draft]:
    kinds = tuple(first)
    ranks = {kind: index - len(kinds) for index, kind in enumerate(kinds)} | {kind: 1 + index for index, kind in enumerate(last)}

    def key(draft: Draft) -> tuple[Any, ...]:
        identity = draft.identity
        return (ranks.get(identity.kind, 0), _kind_key(identity), f"{identity.namespace or '~X'}|{identity.name or '~N'}")

    return sorted(drafts, key=key)


def _kind_key(identity: Identity) -> tuple[int, str]:
    text = "_".join((identity.group or "~G", identity.version or "~V", identity.kind or "~K"))
    # Core Namespaces come before those of other groups.
    return (0 if identity.kind == "Namespace" and not identity.group else 1, text)
