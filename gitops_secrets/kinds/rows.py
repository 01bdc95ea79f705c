"""Rows of the table of kinds: where a kind names what it needs, what is made of it, how it heals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gitops_secrets.kinds.paths import Path
from gitops_secrets.model.facts import Effect, Healing

# The public list of reasons; it grows with the table of kinds.
TYPES: Final = frozenset({"text", "mapping", "list", "boolean"})
REASONS: Final = frozenset(
    {
        "custom-resource-definition",
        "namespace",
        "secret-store",
        "store-credential",
        "service-account",
        "secret",
        "config-map",
        "values",
        "substitution",
        "decryption",
        "source",
        "chart",
        "issuer",
        "webhook",
        "operator",
        "storage-class",
        "volume-claim",
        "class",
        "database",
        "gateway",
        "network",
        "device",
        "service-host",
        "named-object",
    }
)

# What an operator may make of custom resources that the table doesn't know.
OPERATOR_PRODUCTS: Final = frozenset({("", "Secret"), ("", "ConfigMap"), ("", "Service"), ("", "ServiceAccount"), ("", "PersistentVolumeClaim")})


@dataclass(frozen=True, slots=True)
class Condition:
    """A field that decides whether a reference or product counts: it is there and not false."""

    path: Path
    sibling: bool  # below the container of the name, else below the manifest


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a kind names an object that it needs, and what follows from it."""

    path: Path  # of the name
    group: str
    kind: str
    reason: str
    effect: Effect = Effect.READY
    healing: Healing | None = None  # None: that of the row
    soft: bool = False
    optional: bool = False
    kind_field: str | None = None
    group_field: str | None = None
    api_version_field: str | None = None
    kinds: frozenset[str] | None = None  # others than these are not looked at
    key: str | None = None  # fixed
    key_field: str | None = None
    items_field: str | None = None
    optional_field: str | None = None
    namespace: str | None = None  # fixed
    namespace_field: str | None = None
    namespace_of_chart: str | None = None
    without_namespace: str = "skip"  # in a cluster-scoped kind: skip, referent, unchecked
    foreign_refused: bool = False  # a namespace other than the own one is an error, not a reference
    qualified: bool = False  # the name may be written `namespace/name`
    labels: bool = False  # the path leads to labels that select the object
    conditions: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """An object that a controller makes of one of this kind."""

    group: str
    kind: str
    name: str  # template: `{name}`, `{namespace}`, `{}` for the value found at `path`
    path: Path | None
    fallback: str | None  # name where `path` leads nowhere
    keys: frozenset[str] | None
    keys_if: tuple[tuple[Path, frozenset[str]], ...]
    keys_of: tuple[Path, ...]
    key_field: str | None
    namespace_field: str | None
    namespace: str | None
    conditions: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """What in the status of an object proves that it is ready, where the rules of kstatus do not."""

    condition: str | None = None  # its type; it must be True
    reasons: frozenset[str] = frozenset()  # of that condition; empty: any
    generation: Path | None = None  # a field that begins with the generation that was acted on: `3-…`
    once: tuple[tuple[Path, str], ...] = ()  # a field with one of these values: acted on once, so `generation` stays behind
    filled: Path | None = None  # a list that must not be empty
    values: tuple[tuple[Path, str], ...] = ()  # fields that must have these values


@dataclass(frozen=True, slots=True)
class KindRow:
    """What the tool knows of a kind."""

    group: str
    kind: str
    plural: str
    namespaced: bool | None = None
    healing: Healing = Healing.PROMPT
    slow_if: Path | None = None  # a field whose presence makes it heal slowly
    soft: bool = False  # nothing waits for objects of this kind
    misread_by_kstatus: bool = False
    healthy_expression: str | None = None  # CEL for `current` of a health check
    webhook: bool = False  # its operator also admits or converts it: the definition alone is not enough
    references: tuple[Reference, ...] = ()
    types: tuple[tuple[Path, str], ...] = ()  # that fields must have which are read, and are no references
    products: tuple[Product, ...] = ()
    extractors: tuple[str, ...] = ()
    outputs: frozenset[str] | None = None  # keys that a generator makes; None: not known from the kind alone
    makes_unlisted: frozenset[tuple[str, str]] = frozenset()  # kinds that its controller may make under names that no row can tell
    given: bool = False  # comes with the distribution of the cluster, where it is used at all
    finalizer: str | None = None  # what its operator has to take off before one of it is gone
    finalizer_if: tuple[Path, str] | None = None  # a field and the value that it must have for that
    readiness: Readiness | None = None  # what proves that one is ready, where kstatus misreads it
