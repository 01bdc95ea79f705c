"""The few things that a path of the table can't express. Rows name them in `extract`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from gitops_secrets.kinds.collector import Collector
from gitops_secrets.kinds.external_secret import external_secret, push_secret
from gitops_secrets.kinds.paths import Found, find, value_at
from gitops_secrets.kinds.values import hosts_in, networks_of
from gitops_secrets.model.facts import Confidence, KindNeed, ObjectNeed, RemoteNeed, When
from gitops_secrets.model.ids import ResourceId, guess_plural
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text
from gitops_secrets.model.workloads import POD_TEMPLATES

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
TLS_KEYS: Final = frozenset({"tls.crt", "tls.key", "ca.crt"})
# cert-manager's ingress-shim and gateway-shim: one of these annotations makes a Certificate for each TLS block.
_SHIM: Final = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme")
# A Pod is its own template.
_PODS: Final = ((), *POD_TEMPLATES)


def custom_resource_definition(collector: Collector) -> None:
    """A CustomResourceDefinition serves its kind in each version that says so."""
    spec = collector.resource.spec
    names = as_mapping(spec.get("names"))
    group, kind, plural = as_text(spec.get("group")), as_text(names.get("kind")), as_text(names.get("plural"))
    if not group or not kind:
        return
    for version in as_sequence(spec.get("versions")):
        name = as_text(as_mapping(version).get("name"))
        if name and version.get("served") is not False:
            collector.provide(KindNeed(group, kind, name, plural or guess_plural(kind)), when=When.NOW)


def constraint_template(collector: Collector) -> None:
    """Gatekeeper makes a CustomResourceDefinition of each ConstraintTemplate once it runs."""
    for found in find(collector.resource.data, ("spec", "crd", "spec", "names", "kind")):
        kind = as_text(found.value)
        if kind:
            need = KindNeed("constraints.gatekeeper.sh", kind, "", kind.lower())
            collector.provide(need, place=found.place, ready_signal=False, note="Gatekeeper registers it after start")


def crossplane_definition(collector: Collector) -> None:
    """Crossplane makes the kinds of a CompositeResourceDefinition: that of the composite and that of its claim."""
    spec = collector.resource.spec
    group = as_text(spec.get("group"))
    for field in ("names", "claimNames"):
        names = as_mapping(spec.get(field))
        kind = as_text(names.get("kind"))
        if group and kind:
            need = KindNeed(group, kind, "", as_text(names.get("plural")) or guess_plural(kind))
            collector.provide(need, ready_signal=False, note="Crossplane registers it once the definition is established")


def certificate_shim(collector: Collector) -> None:
    """An annotated Ingress or Gateway: cert-manager makes the Secrets that its TLS blocks name."""
    data = collector.resource.data
    annotations = as_mapping(as_mapping(data.get("metadata")).get("annotations"))
    if not any(annotations.get(name) for name in _SHIM):
        return
    paths = ("spec", "tls", "[]", "secretName"), ("spec", "listeners", "[]", "tls", "certificateRefs", "[]", "name")
    made: dict[str, Found] = {}
    for path in paths:
        for found in find(data, path):
            name, parent = as_text(found.value), as_mapping(found.parent)
            if name and parent.get("namespace") in (None, "", collector.resource.id.namespace) and parent.get("kind") in (None, "", "Secret"):
                made.setdefault(name, found)
    for name, found in made.items():
        secret = ResourceId("", "Secret", collector.resource.id.namespace, name)
        collector.provide(ObjectNeed(secret), TLS_KEYS, found.place, note="cert-manager makes it for the annotation")


def stateful_set(collector: Collector) -> None:
    """A StatefulSet makes a claim for each template and replica."""
    data = collector.resource.data
    spec = as_mapping(data.get("spec"))
    replicas = spec.get("replicas")
    count = replicas if isinstance(replicas, int) and 0 <= replicas <= 20 else 1
    for found in find(spec, ("volumeClaimTemplates", "[]", "metadata", "name")):
        if name := as_text(found.value):
            for ordinal in range(count):
                claim = ResourceId("", "PersistentVolumeClaim", collector.resource.id.namespace, f"{name}-{collector.resource.id.name}-{ordinal}")
                collector.provide(ObjectNeed(claim), place=found.place)


def network_annotation(collector: Collector) -> None:
    """Multus: networks that an annotation of a pod names, as `name`, `namespace/name@interface`, or JSON."""
    for pod in _PODS:
        for found in find(collector.resource.data, (*pod, "metadata", "annotations", "k8s.v1.cni.cncf.io/networks")):
            for namespace, name in networks_of(as_text(found.value), found, collector.texts):
                id = ResourceId("k8s.cni.cncf.io", "NetworkAttachmentDefinition", namespace or collector.resource.id.namespace, name)
                if id.namespace:
                    collector.require(ObjectNeed(id), "network", found)


def written_secrets(collector: Collector) -> None:
    """Secrets whose names a container is given to write them: by the tool that makes certificates for webhooks, and by variables called `…SECRET_NAME`."""
    for pod in _PODS:
        for container in find(collector.resource.data, (*pod, "spec", "containers", "[]")):
            for found in find(container.value, ("args", "[]"), container.way):
                name = as_text(found.value).removeprefix("--secret-name=")
                if name != found.value and _NAMESPACE.match(name):
                    collector.provide(_secret(collector, name), place=found.place, confidence=Confidence.LIKELY, note="its container writes it")
            for found in find(container.value, ("env", "[]", "value"), container.way):
                name = as_text(found.value)
                if as_text(as_mapping(found.parent).get("name")).endswith("SECRET_NAME") and _NAMESPACE.match(name):
                    note = "its container is told the name"
                    collector.provide(_secret(collector, name), place=found.place, owns=False, confidence=Confidence.POSSIBLE, note=note)


def _secret(collector: Collector, name: str) -> ObjectNeed:
    return ObjectNeed(ResourceId("", "Secret", collector.resource.id.namespace, name))


def service_hosts(collector: Collector) -> None:
    """Services that environment variables and arguments of a pod name as hosts."""
    for pod in _PODS:
        for container in find(collector.resource.data, (*pod, "spec", "containers", "[]")):
            values = [(as_text(as_mapping(found.parent).get("name")), found) for found in find(container.value, ("env", "[]", "value"), container.way)]
            values += [("", found) for field in ("command", "args") for found in find(container.value, (field, "[]"), container.way)]
            for key, found in values:
                if isinstance(found.value, str) and "." in found.value:
                    for host in hosts_in(key, found.value, found):
                        service = ResourceId("", "Service", host.namespace or collector.resource.id.namespace, host.name)
                        collector.require(ObjectNeed(service), host.reason, found, optional=host.optional, soft=True, confidence=host.confidence)


def text_hosts(collector: Collector) -> None:
    """Services that the texts of a ConfigMap or of the template of an ExternalSecret name as hosts, for whoever reads them."""
    for path in (("data", "*"), ("spec", "target", "template", "data", "*")):
        for found in find(collector.resource.data, path):
            if isinstance(found.value, str) and ".svc" in found.value:
                for host in hosts_in(str(found.way[1]) if found.way else "", found.value, found):
                    if host.confidence is Confidence.LIKELY:
                        service = ResourceId("", "Service", host.namespace or "", host.name)
                        collector.require(ObjectNeed(service), host.reason, found, soft=True, confidence=Confidence.LIKELY)


# Annotations by which a Secret or ConfigMap is copied into the namespaces that the first one there lists; the switch must be "true" for it, if there is one.
_REFLECTOR: Final = "reflector.v1.k8s.emberstack.com/reflection-"
_COPIERS: Final = (
    ((f"{_REFLECTOR}auto-namespaces", f"{_REFLECTOR}allowed-namespaces"), f"{_REFLECTOR}auto-enabled", "Reflector"),
    (("replicator.v1.mittwald.de/replicate-to",), None, "kubernetes-replicator"),
)
_ANNOTATED: Final = (
    ("metadata", "annotations"),
    ("spec", "secretTemplate", "annotations"),
    ("spec", "target", "template", "metadata", "annotations"),
    ("spec", "template", "metadata", "annotations"),
)


def copies(collector: Collector) -> None:
    """Copies of a Secret or ConfigMap, or of one that the resource makes, in the namespaces that an annotation lists by name."""
    data = collector.resource.data
    for path in _ANNOTATED if collector.resource.id.group else _ANNOTATED[:1]:
        annotations = value_at(data, path)
        if not isinstance(annotations, MappingNode):
            continue
        for fields, switch, copier in _COPIERS:
            field = next((field for field in fields if annotations.get(field)), fields[0])
            text = as_text(annotations.get(field))
            if not text or (switch is not None and annotations.get(switch) != "true"):
                continue
            namespaces = [name for name in (part.strip() for part in text.split(",")) if _NAMESPACE.match(name)]
            for provision in tuple(collector.provisions):
                if not isinstance(provision.provides, ObjectNeed) or provision.provides.id.group_kind not in (("", "Secret"), ("", "ConfigMap")):
                    continue
                id = provision.provides.id
                for namespace in namespaces:
                    if namespace != id.namespace:
                        copy, note = ObjectNeed(id._replace(namespace=namespace)), f"copied by {copier}"
                        collector.provide(copy, provision.keys, annotations.place(field), confidence=Confidence.LIKELY, note=note)


def kes_external_secret(collector: Collector) -> None:
    """The predecessor of External Secrets: keys at the backend, and a Secret of the name of the object."""
    resource = collector.resource
    keys: set[str] | None = set()
    for found in find(resource.data, ("spec", "data", "[]")):
        entry = as_mapping(found.value)
        keys = keys | {as_text(entry.get("name"))} if keys is not None and entry.get("name") else None
        if key := as_text(entry.get("key")):
            need = RemoteNeed(resource.id, key, as_text(entry.get("property")) or None)
            collector.require(need, "secret", Found(key, entry, (found.way, "key")))
    for path in (("spec", "dataFrom", "[]"), ("spec", "dataFromWithOptions", "[]", "key")):
        for found in find(resource.data, path):
            keys = None
            if key := as_text(found.value):
                collector.require(RemoteNeed(resource.id, key), "secret", found)
    secret = ResourceId("", "Secret", resource.id.namespace, resource.id.name)
    collector.provide(ObjectNeed(secret), frozenset(keys) if keys else None)


def secret_provider_class(collector: Collector) -> None:
    """Keys at the provider, and Secrets that the CSI driver syncs while a pod mounts the class; only with its `syncSecret.enabled`."""
    _provider_objects(collector)
    for found in find(collector.resource.data, ("spec", "secretObjects", "[]", "secretName")):
        name, entry = as_text(found.value), as_mapping(found.parent)
        if name:
            keys = frozenset(as_text(as_mapping(item).get("key")) for item in as_sequence(entry.get("data"))) - {""}
            secret = ResourceId("", "Secret", collector.resource.id.namespace, name)
            note = "only while a pod mounts the class, and with the driver's syncSecret.enabled"
            collector.provide(ObjectNeed(secret), keys, found.place, ready_signal=False, note=note)


def _provider_objects(collector: Collector) -> None:
    # `objects` (gcp: `secrets`) is a text of YAML, with azure one text for each object inside of it.
    for field, name in (("objects", "objectName"), ("secrets", "resourceName")):
        for found in find(collector.resource.data, ("spec", "parameters", field)):
            listed = collector.texts.read(as_text(found.value), found)
            entries = as_sequence(as_mapping(listed).get("array")) if isinstance(listed, MappingNode) else as_sequence(listed)
            for entry in entries:
                wanted = as_mapping(collector.texts.read(entry, found) if isinstance(entry, str) else entry)
                key = as_text(wanted.get("secretPath")) or as_text(wanted.get(name))
                if key:
                    collector.require(RemoteNeed(collector.resource.id, key), "secret", found)


def flux_helm_release(collector: Collector) -> None:
    """`valuesFrom` without `valuesKey` reads the key `values.yaml`."""
    for found in find(collector.resource.data, ("spec", "valuesFrom", "[]", "name")):
        entry = as_mapping(found.parent)
        name, kind = as_text(found.value), as_text(entry.get("kind"))
        if name and kind in ("Secret", "ConfigMap"):
            id = ResourceId("", kind, collector.resource.id.namespace, name)
            key = as_text(entry.get("valuesKey")) or "values.yaml"
            collector.require(ObjectNeed(id, key), "values", found, optional=entry.get("optional") is True)


def trust_bundle(collector: Collector) -> None:
    """trust-manager writes a ConfigMap or Secret of the name of the Bundle into each namespace that it selects."""
    target = as_mapping(collector.resource.spec.get("target"))
    collector.doubt(frozenset(("", kind) for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")) if field in target), named_after=True)


EXTRACTORS: Final[Mapping[str, Callable[[Collector], None]]] = MappingProxyType(
    {
        "certificate-shim": certificate_shim,
        "constraint-template": constraint_template,
        "copies": copies,
        "crossplane-definition": crossplane_definition,
        "custom-resource-definition": custom_resource_definition,
        "external-secret": external_secret,
        "flux-helm-release": flux_helm_release,
        "kes-external-secret": kes_external_secret,
        "network-annotation": network_annotation,
        "push-secret": push_secret,
        "secret-provider-class": secret_provider_class,
        "service-hosts": service_hosts,
        "stateful-set": stateful_set,
        "text-hosts": text_hosts,
        "trust-bundle": trust_bundle,
        "written-secrets": written_secrets,
    }
)
