"""Rows of the table from plain YAML to compiled references and products. The format is described in the docstring of the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from gitops_secrets.kinds.paths import Path, parse_path
from gitops_secrets.kinds.rows import OPERATOR_PRODUCTS, REASONS, TYPES, Condition, KindRow, Product, Readiness, Reference
from gitops_secrets.model.facts import Effect, Healing
from gitops_secrets.model.scopes import is_namespaced

# Why something needs an object of this kind, where its row doesn't say.
_REASON_OF_KIND: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("", "Secret"): "secret",
        ("", "ConfigMap"): "config-map",
        ("", "ServiceAccount"): "service-account",
        ("", "Namespace"): "namespace",
        ("", "Service"): "service-host",
        ("", "PersistentVolumeClaim"): "volume-claim",
        ("storage.k8s.io", "StorageClass"): "storage-class",
        ("networking.k8s.io", "IngressClass"): "class",
        ("gateway.networking.k8s.io", "GatewayClass"): "class",
        ("scheduling.k8s.io", "PriorityClass"): "class",
        ("node.k8s.io", "RuntimeClass"): "class",
        ("snapshot.storage.k8s.io", "VolumeSnapshotClass"): "class",
        ("gateway.networking.k8s.io", "Gateway"): "gateway",
        ("resource.k8s.io", "DeviceClass"): "device",
        ("external-secrets.io", "SecretStore"): "secret-store",
        ("external-secrets.io", "ClusterSecretStore"): "secret-store",
        ("cert-manager.io", "Issuer"): "issuer",
        ("cert-manager.io", "ClusterIssuer"): "issuer",
        ("k8s.cni.cncf.io", "NetworkAttachmentDefinition"): "network",
    }
)
# Kubernetes tolerates that one of these is missing, or looks it up again: what only names it never waits for it.
_SOFT_REASONS: Final = frozenset({"class", "service-host", "gateway", "device"})
_KEYED: Final = frozenset({("", "Secret"), ("", "ConfigMap")})

EXTRACTOR_NAMES: Final = (
    "certificate-shim",
    "constraint-template",
    "copies",
    "crossplane-definition",
    "custom-resource-definition",
    "external-secret",
    "flux-helm-release",
    "kes-external-secret",
    "network-annotation",
    "push-secret",
    "secret-provider-class",
    "service-hosts",
    "stateful-set",
    "text-hosts",
    "trust-bundle",
    "written-secrets",
)


class RowError(ValueError):
    """A row of the table is wrong. The message names the field."""


_ROW_FIELDS: Final = frozenset(
    {
        "kind",
        "plural",
        "scope",
        "healing",
        "slow-if",
        "soft",
        "misread",
        "healthy",
        "webhook",
        "needs",
        "types",
        "makes",
        "extract",
        "use",
        "outputs",
        "makes-unlisted",
        "given",
        "finalizer",
        "finalizer-if",
        "ready",
    }
)
_READY_FIELDS: Final = frozenset({"condition", "reasons", "generation", "once", "filled", "values"})
_NEED_FIELDS: Final = frozenset(
    {
        "at",
        "to",
        "reason",
        "effect",
        "healing",
        "soft",
        "optional",
        "kind-field",
        "group-field",
        "api-version-field",
        "kinds",
        "key",
        "key-field",
        "items-field",
        "optional-field",
        "namespace",
        "namespace-field",
        "namespace-of-chart",
        "without-namespace",
        "foreign-namespace",
        "qualified",
        "labels",
        "when",
        "unless",
    }
)
_MAKE_FIELDS: Final = frozenset(
    {
        "kind",
        "name",
        "at",
        "default",
        "keys",
        "keys-if",
        "keys-of",
        "key-field",
        "namespace",
        "namespace-field",
        "when",
        "unless",
        "note",
    }
)
_WITHOUT_NAMESPACE: Final = frozenset({"skip", "referent", "unchecked"})
Raw = Mapping[str, Any]
Shapes = Mapping[str, Any]


def split_kind(text: Any, field: str) -> tuple[str, str]:
    """Group and kind of `group/Kind`; the core group is left out."""
    if not isinstance(text, str) or not text or text.count("/") > 1:
        raise RowError(f"{field}: {_shown(text)} is not `group/Kind`")
    group, _, kind = text.rpartition("/")
    if not kind:
        raise RowError(f"{field}: {_shown(text)} is not `group/Kind`")
    return group, kind


def kinds_of(raw: Any) -> tuple[tuple[str, str], ...]:
    """The kinds that a row is about."""
    if not isinstance(raw, Mapping):
        raise RowError("a row must be a mapping")
    kind = raw.get("kind")
    kinds = kind if isinstance(kind, list) and kind else [kind]
    return tuple(split_kind(each, "kind") for each in kinds)


def compile_row(group: str, kind: str, raws: tuple[Raw, ...], plural: str, shapes: Shapes) -> KindRow:
    """One row of all that was written about a kind; what comes later wins, references and products add up. Raises `RowError`."""
    merged: dict[str, Any] = {}
    references: list[Reference] = []
    products: list[Product] = []
    extractors: list[str] = []
    types: list[tuple[Path, str]] = []
    for raw in raws:
        _check_fields(raw, _ROW_FIELDS, "")
        merged.update(raw)
        for index, need in enumerate(_list(raw.get("needs"), "needs")):
            references.extend(_references(need, (), f"needs[{index}]"))
        for shape, prefixes in _mapping(raw.get("use"), "use").items():
            for prefix in _texts(prefixes, f"use.{shape}"):
                references.extend(_shape(shape, shapes, _path(prefix, f"use.{shape}") if prefix else (), f"use.{shape}"))
        for type_, paths in _mapping(raw.get("types"), "types").items():
            types.extend((_path(path, f"types.{type_}"), _choice(type_, TYPES, "types")) for path in _texts(paths, f"types.{type_}"))
        for index, make in enumerate(_list(raw.get("makes"), "makes")):
            products.append(_product(make, f"makes[{index}]"))
        extractors.extend(_choice(name, EXTRACTOR_NAMES, "extract") for name in _texts(raw.get("extract", []), "extract"))
    scope = merged.get("scope")
    slow_if = merged.get("slow-if")
    outputs = merged.get("outputs")
    return KindRow(
        group,
        kind,
        plural,
        is_namespaced(group, kind) if scope is None else _choice(scope, ("namespaced", "cluster"), "scope") == "namespaced",
        _healing(merged.get("healing", "prompt"), "healing"),
        None if slow_if is None else _path(slow_if, "slow-if"),
        _flag(merged, "soft"),
        _flag(merged, "misread"),
        _optional_text(merged, "healthy"),
        _flag(merged, "webhook"),
        tuple(references),
        tuple(types),
        tuple(products),
        tuple(extractors),
        None if outputs is None else frozenset(_texts(outputs, "outputs")),
        _unlisted(merged.get("makes-unlisted", False)),
        _flag(merged, "given"),
        _optional_text(merged, "finalizer"),
        _equality(_optional_text(merged, "finalizer-if"), "finalizer-if"),
        _readiness(merged.get("ready")),
    )


def _readiness(raw: Any) -> Readiness | None:
    if raw is None:
        return None
    fields = _mapping(raw, "ready")
    _check_fields(fields, _READY_FIELDS, "ready")
    generation, filled = _optional_text(fields, "generation"), _optional_text(fields, "filled")
    return Readiness(
        _optional_text(fields, "condition"),
        frozenset(_texts(fields.get("reasons", []), "ready.reasons")),
        None if generation is None else _path(generation, "ready.generation"),
        _equalities(fields.get("once", []), "ready.once"),
        None if filled is None else _path(filled, "ready.filled"),
        _equalities(fields.get("values", []), "ready.values"),
    )


def _equalities(raw: Any, field: str) -> tuple[tuple[Path, str], ...]:
    return tuple(found for text in _texts(raw, field) if (found := _equality(text, field)) is not None)


def _equality(text: str | None, field: str) -> tuple[Path, str] | None:
    if text is None:
        return None
    path, equals, value = text.partition("=")
    if not equals:
        raise RowError(f"{field}: {_shown(text)} is not like `spec.field=value`")
    return _path(path, field), value


def _unlisted(value: Any) -> frozenset[tuple[str, str]]:
    if isinstance(value, bool):
        return OPERATOR_PRODUCTS if value else frozenset()
    return frozenset(split_kind(text, "makes-unlisted") for text in _texts(value, "makes-unlisted"))


def _shape(name: str, shapes: Shapes, prefix: Path, field: str) -> Iterator[Reference]:
    shape = shapes.get(name)
    if shape is None:
        raise RowError(f"{field}: no shape of this name; there are {', '.join(sorted(shapes))}")
    for entry in shape:
        if "use" in entry:
            for inner, prefixes in _mapping(entry["use"], field).items():
                for below in _texts(prefixes, field):
                    yield from _shape(inner, shapes, prefix + (_path(below, field) if below else ()), field)
        else:
            yield from _references(entry, prefix, field)


def _references(raw: Any, prefix: Path, field: str) -> Iterator[Reference]:
    if not isinstance(raw, Mapping):
        raise RowError(f"{field}: must be a mapping with `at` and `to`")
    _check_fields(raw, _NEED_FIELDS, field)
    group, kind = split_kind(raw.get("to"), f"{field}.to")
    keyed = (group, kind) in _KEYED
    reason = _choice(raw.get("reason", _REASON_OF_KIND.get((group, kind), "named-object")), REASONS, f"{field}.reason")
    kinds = raw.get("kinds")
    healing = raw.get("healing")
    effect = raw.get("effect", "ready")
    shared: dict[str, Any] = {
        "group": group,
        "kind": kind,
        "reason": reason,
        "effect": Effect(_choice(effect, tuple(each.value for each in Effect), f"{field}.effect")),
        "healing": None if healing is None else _healing(healing, f"{field}.healing"),
        "soft": _flag(raw, "soft", field) if "soft" in raw else reason in _SOFT_REASONS,
        "optional": _flag(raw, "optional", field),
        "kind_field": _optional_text(raw, "kind-field", field),
        "group_field": _optional_text(raw, "group-field", field),
        "api_version_field": _optional_text(raw, "api-version-field", field),
        "kinds": None if kinds is None else frozenset(_texts(kinds, f"{field}.kinds")),
        "key": _optional_text(raw, "key", field),
        "key_field": _optional_text(raw, "key-field", field) or ("key" if keyed else None),
        "items_field": _optional_text(raw, "items-field", field) or ("items" if keyed else None),
        "optional_field": _optional_text(raw, "optional-field", field) or ("optional" if keyed else None),
        "namespace": _optional_text(raw, "namespace", field),
        "namespace_field": _optional_text(raw, "namespace-field", field),
        "namespace_of_chart": _optional_text(raw, "namespace-of-chart", field),
        "without_namespace": _choice(raw.get("without-namespace", "skip"), _WITHOUT_NAMESPACE, f"{field}.without-namespace"),
        "foreign_refused": _choice(raw.get("foreign-namespace", "allowed"), ("allowed", "refused"), f"{field}.foreign-namespace") == "refused",
        "qualified": _flag(raw, "qualified", field),
        "labels": _flag(raw, "labels", field),
        "conditions": _conditions(raw.get("when"), f"{field}.when"),
        "unless": _conditions(raw.get("unless"), f"{field}.unless"),
    }
    for path in _texts(raw.get("at"), f"{field}.at"):
        yield Reference(prefix + _path(path, f"{field}.at"), **shared)


def _product(raw: Any, field: str) -> Product:
    if not isinstance(raw, Mapping):
        raise RowError(f"{field}: must be a mapping with `kind` and `name` or `at`")
    _check_fields(raw, _MAKE_FIELDS, field)
    group, kind = split_kind(raw.get("kind"), f"{field}.kind")
    at = raw.get("at")
    if at is None and "name" not in raw:
        raise RowError(f"{field}: needs `name` or `at`")
    keys = raw.get("keys")
    keys_if = _mapping(raw.get("keys-if"), f"{field}.keys-if")
    return Product(
        group,
        kind,
        _optional_text(raw, "name", field) or "{}",
        None if at is None else _path(at, f"{field}.at"),
        _optional_text(raw, "default", field),
        None if keys is None else frozenset(_texts(keys, f"{field}.keys")),
        tuple((_path(path, f"{field}.keys-if"), frozenset(_texts(some, f"{field}.keys-if"))) for path, some in keys_if.items()),
        tuple(_path(path, f"{field}.keys-of") for path in _texts(raw.get("keys-of", []), f"{field}.keys-of")),
        _optional_text(raw, "key-field", field),
        _optional_text(raw, "namespace-field", field),
        _optional_text(raw, "namespace", field),
        _conditions(raw.get("when"), f"{field}.when"),
        _conditions(raw.get("unless"), f"{field}.unless"),
        _optional_text(raw, "note", field),
    )


def _conditions(raw: Any, field: str) -> tuple[Condition, ...]:
    if raw is None:
        return ()
    return tuple(Condition(_path(text.removeprefix("."), field), text.startswith(".")) for text in _texts(raw, field))


def _path(text: Any, field: str) -> Path:
    if not isinstance(text, str):
        raise RowError(f"{field}: {_shown(text)} is not a path")
    try:
        return parse_path(text)
    except ValueError:
        raise RowError(f"{field}: {_shown(text)} is not a path like `spec.tls[].secretName`") from None


def _check_fields(raw: Raw, known: frozenset[str], field: str) -> None:
    for name in raw:
        if name not in known:
            raise RowError(f"{field + '.' if field else ''}{name}: no such field; there are {', '.join(sorted(known))}")


T = TypeVar("T")


def _choice(value: T, known: Any, field: str) -> T:
    if not isinstance(value, str) or value not in known:
        raise RowError(f"{field}: {_shown(value)} is none of {', '.join(sorted(known))}")
    return value


def _healing(value: Any, field: str) -> Healing:
    return Healing(_choice(value, tuple(each.value for each in Healing), field))


def _flag(raw: Raw, name: str, field: str = "") -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise RowError(f"{field + '.' if field else ''}{name}: must be true or false")
    return value


def _optional_text(raw: Raw, name: str, field: str = "") -> str | None:
    value = raw.get(name)
    if value is not None and not isinstance(value, str):
        raise RowError(f"{field + '.' if field else ''}{name}: must be a text")
    return value


def _texts(value: Any, field: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in values):
        raise RowError(f"{field}: must be a text or a list of texts")
    return values


def _list(value: Any, field: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise RowError(f"{field}: must be a list")
    return value


def _mapping(value: Any, field: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RowError(f"{field}: must be a mapping")
    return value


def _shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str | int | float | bool) else "the value"
