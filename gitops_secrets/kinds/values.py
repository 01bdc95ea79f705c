"""References in the values of a chart, by what nearly all charts call them. A convention, so never more than `likely`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from gitops_secrets.kinds.paths import Found, Way
from gitops_secrets.kinds.texts import TextReader
from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_sequence, as_text

_SECRET: Final = ("", "Secret")
_CONFIG_MAP: Final = ("", "ConfigMap")
_CLAIM: Final = ("", "PersistentVolumeClaim")
_STORAGE_CLASS: Final = ("storage.k8s.io", "StorageClass")
_GATEWAY: Final = ("gateway.networking.k8s.io", "Gateway")


class ValueReference(NamedTuple):
    """An object that a value names."""

    group: str
    kind: str
    namespace: str | None  # None: that of the release
    name: str
    key: str | None
    reason: str
    at: Found
    optional: bool = False
    soft: bool = False
    confidence: Confidence = Confidence.LIKELY


# A text under one of these keys names an object.
_BY_KEY: Final[Mapping[str, tuple[tuple[str, str], str, bool]]] = MappingProxyType(
    {
        "existingSecret": (_SECRET, "secret", False),
        "existingSecretName": (_SECRET, "secret", False),
        "secretName": (_SECRET, "secret", False),
        "existingClaim": (_CLAIM, "volume-claim", False),
        "claimName": (_CLAIM, "volume-claim", False),
        "existingConfigmap": (_CONFIG_MAP, "config-map", False),
        "existingConfigMap": (_CONFIG_MAP, "config-map", False),
        "storageClass": (_STORAGE_CLASS, "storage-class", False),
        "storageClassName": (_STORAGE_CLASS, "storage-class", False),
        "priorityClassName": (("scheduling.k8s.io", "PriorityClass"), "class", True),
        "runtimeClassName": (("node.k8s.io", "RuntimeClass"), "class", True),
        "ingressClassName": (("networking.k8s.io", "IngressClass"), "class", True),
        "deviceClassName": (("resource.k8s.io", "DeviceClass"), "device", True),
        "resourceClaimTemplateName": (("resource.k8s.io", "ResourceClaimTemplate"), "device", True),
        "resourceClaimName": (("resource.k8s.io", "ResourceClaim"), "device", True),
    }
)
# A mapping with `name` under one of these keys is a Kubernetes selector.
_SELECTORS: Final[Mapping[str, tuple[tuple[str, str], str]]] = MappingProxyType(
    {
        "secretKeyRef": (_SECRET, "secret"),
        "secretRef": (_SECRET, "secret"),
        "configMapKeyRef": (_CONFIG_MAP, "config-map"),
        "configMapRef": (_CONFIG_MAP, "config-map"),
    }
)
_ISSUERS: Final[Mapping[str, str]] = MappingProxyType({"cert-manager.io/issuer": "Issuer", "cert-manager.io/cluster-issuer": "ClusterIssuer"})
_LABEL: Final = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
# `name.namespace.svc…` is a Service for certain; `scheme://name.namespace:port` and `name.namespace` may be one.
_SERVICE_HOST: Final = re.compile(rf"(?:^|[/@,\s=])({_LABEL})\.({_LABEL})\.svc(?:\.[\w.-]+)?(?::(\d+))?(?=$|[/:,\s?&])")
_SHORT_HOST: Final = re.compile(rf"(?://|@)({_LABEL})\.({_LABEL})(?::(\d+))?(?=$|[/?,])|^({_LABEL})\.({_LABEL}):(\d+)(?=$|/)")
_BARE_HOST: Final = re.compile(rf"({_LABEL})\.({_LABEL})\Z")
_HOST_KEY: Final = re.compile(r"host|server|addr|url|endpoint|upstream", re.IGNORECASE)
# Second labels that make a domain or a file name of it.
_NO_NAMESPACE: Final = frozenset(
    {"com", "io", "org", "net", "dev", "app", "local", "internal", "lan", "home", "cloud", "co", "eu", "yaml", "yml", "json", "conf", "sh"}
)
# Read by people and dashboards only.
_NO_HOSTS_BELOW: Final = frozenset({"annotations", "image", "labels"})
_DATABASE_PORTS: Final = frozenset({"5432", "3306", "6379", "27017", "26379", "9042", "5672", "4222"})
_DATABASE_WORDS: Final = re.compile(r"postgres|mysql|mariadb|redis|valkey|dragonfly|mongo|\bdb\b|-(?:rw|ro|r)$|pooler|pgbouncer")
_DATABASE_KEY: Final = re.compile(r"postgres|mysql|mariadb|redis|valkey|mongo|database|(?:^|_)db_", re.IGNORECASE)
_DEFAULT: Final = re.compile(r"\$\{\w+:?[=-]([^${}]*)\}")
_MONITORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "serviceMonitor": "ServiceMonitor",
        "podMonitor": "PodMonitor",
        "prometheusRule": "PrometheusRule",
        "prometheusRules": "PrometheusRule",
    }
)
MAX_HOST_TEXT: Final = 4096


def references_in(values: MappingNode, texts: TextReader, way: Way = None) -> Iterator[ValueReference]:
    """All references in `values`, in the order of the text. `way` is where the values stand in their manifest; `texts` reads what is YAML once more."""
    for key, value in values.items():
        here = (way, key)
        found = Found(value, values, here)
        if isinstance(value, str):
            if value:
                yield from _of_text(key, value, values, found, texts)
        elif isinstance(value, MappingNode):
            # A part, or a chart within the chart, that is switched off; a certificate that cert-manager makes for the ingress beside it.
            if value.get("enabled") is False or (key == "tls" and (_is_shimmed(values) or _is_shimmed(as_mapping(values.get("ingress"))))):
                continue
            # Without its certificate an ingress is served with the controller's own.
            is_served = key == "tls" and way is not None and way[1] == "ingress"
            hostless = key in _NO_HOSTS_BELOW
            for each in (*_of_mapping(key, value, here), *references_in(value, texts, here)):
                if not hostless or each.reason not in ("service-host", "database"):
                    yield each._replace(soft=True) if is_served else each
        elif isinstance(value, SequenceNode) and not (key == "tls" and _is_shimmed(values)):
            yield from (each._replace(soft=True) if key == "tls" else each for each in _of_sequence(key, value, texts, here))


def _is_shimmed(ingress: MappingNode) -> bool:
    """Does cert-manager make the Secrets under `tls` of an ingress, since its annotations ask for it?"""
    return any(annotation in as_mapping(ingress.get("annotations")) for annotation in (*_ISSUERS, "kubernetes.io/tls-acme"))


def _of_sequence(key: str, items: SequenceNode, texts: TextReader, way: Way) -> Iterator[ValueReference]:
    for index, item in enumerate(items):
        here = (way, index)
        if isinstance(item, MappingNode):
            name = as_text(item.get("name"))
            if key == "imagePullSecrets" and name:
                yield ValueReference(*_SECRET, None, name, None, "secret", Found(name, item, (here, "name")), soft=True)
            elif key == "parentRefs" and name and as_text(item.get("kind")) in ("", "Gateway"):
                namespace = as_text(item.get("namespace")) or None
                yield ValueReference(*_GATEWAY, namespace, name, None, "gateway", Found(name, item, (here, "name")), soft=True)
            yield from references_in(item, texts, here)
        elif isinstance(item, SequenceNode):
            yield from _of_sequence(key, item, texts, here)
        elif isinstance(item, str) and "." in item:
            yield from hosts_in(key, item, Found(item, items, here))


def _of_mapping(key: str, value: MappingNode, way: Way) -> Iterator[ValueReference]:
    name = as_text(value.get("name"))
    if key in _SELECTORS and name:
        kind, reason = _SELECTORS[key]
        optional = value.get("optional") is True
        yield ValueReference(*kind, None, name, as_text(value.get("key")) or None, reason, Found(name, value, (way, "name")), optional)
    elif name and value.get("type") in ("secret", "configMap"):
        # A volume of the bjw-s library.
        kind, reason = (_SECRET, "secret") if value["type"] == "secret" else (_CONFIG_MAP, "config-map")
        yield ValueReference(*kind, None, name, None, reason, Found(name, value, (way, "name")))
    elif key == "configMap" and name and as_sequence(value.get("items")):
        yield ValueReference(*_CONFIG_MAP, None, name, None, "config-map", Found(name, value, (way, "name")), value.get("optional") is True)


def _of_text(key: str, value: str, parent: MappingNode, found: Found, texts: TextReader) -> Iterator[ValueReference]:
    known = _BY_KEY.get(key)
    if known is not None:
        # A chart that may be told to make the thing names it the same way.
        makes_it = parent.get("create") is True or parent.get("enabled") is False
        if value != "-" and not makes_it and not (key == "storageClass" and isinstance(parent.get("parameters"), MappingNode)):
            (group, kind), reason, soft = known
            yield ValueReference(group, kind, None, value, None, reason, found, parent.get("optional") is True, soft)
    elif key in _ISSUERS:
        # An ingress is served without its certificate, and no release waits for that.
        yield ValueReference("cert-manager.io", _ISSUERS[key], None, value, None, "issuer", found, soft=True)
    elif key == "k8s.v1.cni.cncf.io/networks":
        for namespace, name in networks_of(value, found, texts):
            yield ValueReference("k8s.cni.cncf.io", "NetworkAttachmentDefinition", namespace or None, name, None, "network", found)
    elif key == "className" and ("hosts" in parent or "tls" in parent):
        yield ValueReference("networking.k8s.io", "IngressClass", None, value, None, "class", found, soft=True)
    elif "." in value:
        # In a list of environment variables the name stands beside the value.
        yield from hosts_in(as_text(parent.get("name")) if key == "value" else key, value, found)


def hosts_in(key: str, text: str, found: Found) -> Iterator[ValueReference]:
    """Services that a text names as hosts; `key` is what the text is called."""
    if ".svc" in text:
        for name, namespace, port in dict.fromkeys(_SERVICE_HOST.findall(text)):
            yield _host(key, name, namespace, port, found, definite=True)
    if len(text) > MAX_HOST_TEXT:
        return
    # A short host is as likely a domain name: it only counts where such a Service is known.
    short = [groups[:3] if groups[0] else groups[3:] for groups in _SHORT_HOST.findall(text)]
    if not short and _HOST_KEY.search(key) and (bare := _BARE_HOST.match(text)):
        short = [(bare[1], bare[2], "")]
    for name, namespace, port in short:
        if namespace not in _NO_NAMESPACE:
            yield _host(key, name, namespace, port, found, definite=False)


def _host(key: str, name: str, namespace: str, port: str, found: Found, *, definite: bool) -> ValueReference:
    database = port in _DATABASE_PORTS or _DATABASE_WORDS.search(name) is not None or _DATABASE_KEY.search(key) is not None
    reason = "database" if database else "service-host"
    confidence = Confidence.LIKELY if definite else Confidence.POSSIBLE
    return ValueReference("", "Service", namespace, name, None, reason, found, not definite, True, confidence)


def with_defaults(text: str) -> str:
    """A name with the defaults of variables that nothing here fills put in, `${CLASS:=fast}`; what has no default stays as it is."""
    return _DEFAULT.sub(r"\1", text) if "${" in text else text


def monitors_in(values: MappingNode, way: Way) -> Iterator[tuple[str, Found]]:
    """Kinds of the Prometheus operator that a value switches on, under the names that nearly all charts have for it."""
    for key, value in values.items():
        if isinstance(value, MappingNode):
            here = (way, key)
            kind = _MONITORS.get(key)
            if kind is not None and value.get("enabled") is True:
                yield kind, Found(True, value, (here, "enabled"))
            yield from monitors_in(value, here)


def networks_of(text: str, found: Found, texts: TextReader) -> Iterable[tuple[str, str]]:
    """Namespace ("" if not written) and name of each network of a Multus annotation, whose text is at `found`."""
    text = text.strip()
    if text.startswith("["):
        for item in as_sequence(texts.read(text, found)):
            if name := as_text(as_mapping(item).get("name")):
                yield as_text(as_mapping(item).get("namespace")), name
        return
    for part in text.split(","):
        namespace, _, name = part.strip().partition("@")[0].rpartition("/")
        if name:
            yield namespace, name
