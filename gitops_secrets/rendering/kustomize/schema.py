"""Which lists a strategic merge merges, and by which keys: kustomize 5.8.1 carries the OpenAPI document of Kubernetes 1.21 for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_sequence

VERSIONS = ("v1.21.2",)


class Field(NamedTuple):
    """How a field of a type is merged. `type` is that of the mapping, or of the list's items; None where nothing below is special."""

    type: FieldTypes | None = None
    keys: tuple[str, ...] | None = None  # merge keys; () for a merged list of scalars; None for a list that is replaced


class FieldTypes(dict[str, Field]):
    """The fields of a type that matter to a merge. Hashed by identity: types are shared and may contain themselves."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]


class Schema(NamedTuple):
    """Types by (apiVersion, kind)."""

    types: Mapping[tuple[str, str], FieldTypes]

    def type_of(self, api_version: str, kind: str) -> FieldTypes | None:
        """The type of a kind; None for custom resources, whose lists are all replaced."""
        return self.types.get((api_version, kind))


def _merged(*keys: str, of: FieldTypes | None = None) -> Field:
    return Field(of, keys)


def _object(**fields: Field | FieldTypes) -> FieldTypes:
    return FieldTypes({name: field if isinstance(field, Field) else Field(field) for name, field in fields.items()})


_WITH_METADATA_ONLY = """
apiextensions.k8s.io v1 v1beta1: CustomResourceDefinition
apps v1: ControllerRevision
authentication.k8s.io v1: TokenRequest
authentication.k8s.io v1 v1beta1: TokenReview
authorization.k8s.io v1 v1beta1: LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview
autoscaling v1: Scale
autoscaling v1 v2beta1 v2beta2: HorizontalPodAutoscaler
certificates.k8s.io v1 v1beta1: CertificateSigningRequest
coordination.k8s.io v1 v1beta1: Lease
discovery.k8s.io v1 v1beta1: EndpointSlice
events.k8s.io v1 v1beta1: Event
extensions v1beta1: Ingress
flowcontrol.apiserver.k8s.io v1beta1: FlowSchema PriorityLevelConfiguration
networking.k8s.io v1: NetworkPolicy
networking.k8s.io v1 v1beta1: Ingress IngressClass
node.k8s.io v1 v1beta1: RuntimeClass
policy v1beta1: Eviction PodSecurityPolicy
rbac.authorization.k8s.io v1 v1beta1: ClusterRole ClusterRoleBinding Role RoleBinding
scheduling.k8s.io v1 v1beta1: PriorityClass
storage.k8s.io v1 v1beta1: CSIDriver StorageClass VolumeAttachment
storage.k8s.io v1beta1: CSIStorageCapacity
- v1: Binding ConfigMap Endpoints Event LimitRange PersistentVolume ReplicationController ResourceQuota Secret
"""


class _Shared(NamedTuple):
    """Types that others are made of; definitions of a custom schema may refer to them by these names."""

    metadata: FieldTypes
    volume: FieldTypes
    container: FieldTypes
    ephemeral_container: FieldTypes
    pod_spec: FieldTypes
    pod_template: FieldTypes


@cache
def _shared() -> _Shared:
    metadata = _object(finalizers=_merged(), ownerReferences=_merged("uid"))
    volume = _object(ephemeral=_object(volumeClaimTemplate=_object(metadata=metadata)))
    ephemeral_container = _object(env=_merged("name"), volumeDevices=_merged("devicePath"), volumeMounts=_merged("mountPath"))
    container = FieldTypes(ephemeral_container | {"ports": _merged("containerPort", "protocol")})
    pod_spec = _object(
        containers=_merged("name", of=container),
        ephemeralContainers=_merged("name", of=ephemeral_container),
        hostAliases=_merged("ip"),
        imagePullSecrets=_merged("name"),
        initContainers=_merged("name", of=container),
        topologySpreadConstraints=_merged("topologyKey", "whenUnsatisfiable"),
        volumes=_merged("name", of=volume),
    )
    return _Shared(metadata, volume, container, ephemeral_container, pod_spec, _object(metadata=metadata, spec=pod_spec))


@cache
def built_in() -> Schema:
    """The schema that kustomize uses where a kustomization names none."""
    metadata, _, _, _, pod_spec, pod_template = _shared()
    conditions = _object(conditions=_merged("type"))
    plain = _object(metadata=metadata)
    with_conditions = _object(metadata=metadata, status=conditions)
    workload = _object(metadata=metadata, spec=_object(template=pod_template), status=conditions)
    job_template = _object(metadata=metadata, spec=_object(template=pod_template))
    cron_job = _object(metadata=metadata, spec=_object(jobTemplate=job_template))
    webhooks = _object(metadata=metadata, webhooks=_merged("name"))
    csi_node = _object(metadata=metadata, spec=_object(drivers=_merged("name")))
    node_status = _object(addresses=_merged("type"), conditions=_merged("type"))
    types = dict.fromkeys(_kinds(_WITH_METADATA_ONLY), plain)
    types |= dict.fromkeys(_kinds("apps v1: DaemonSet Deployment ReplicaSet StatefulSet\nbatch v1: Job\n- v1: ReplicationController"), workload)
    types |= dict.fromkeys(_kinds("batch v1 v1beta1: CronJob"), cron_job)
    types |= dict.fromkeys(
        _kinds("apiregistration.k8s.io v1 v1beta1: APIService\npolicy v1 v1beta1: PodDisruptionBudget\n- v1: Namespace PersistentVolumeClaim"),
        with_conditions,
    )
    types |= dict.fromkeys(
        _kinds("admissionregistration.k8s.io v1 v1beta1: MutatingWebhookConfiguration ValidatingWebhookConfiguration"),
        webhooks,
    )
    types |= dict.fromkeys(_kinds("storage.k8s.io v1 v1beta1: CSINode"), csi_node)
    types[("v1", "ComponentStatus")] = _object(metadata=metadata, conditions=_merged("type"))
    types[("v1", "Node")] = _object(metadata=metadata, spec=_object(podCIDRs=_merged()), status=node_status)
    types[("v1", "Pod")] = _object(metadata=metadata, spec=pod_spec, status=_object(conditions=_merged("type"), podIPs=_merged("ip")))
    types[("v1", "PodTemplate")] = _object(metadata=metadata, template=pod_template)
    types[("v1", "Service")] = _object(metadata=metadata, spec=_object(ports=_merged("port", "protocol")), status=conditions)
    types[("v1", "ServiceAccount")] = _object(metadata=metadata, secrets=_merged("name"))
    types.update(_kustomization_type())
    return Schema(types)


def _kustomization_type() -> dict[tuple[str, str], FieldTypes]:
    fields = _object(configMapGenerator=_merged("name"), secretGenerator=_merged("name"))
    return {("kustomize.config.k8s.io/v1beta1", "Kustomization"): fields}


def _kinds(text: str) -> list[tuple[str, str]]:
    kinds: list[tuple[str, str]] = []
    for line in text.strip().splitlines():
        head, _, names = line.partition(":")
        group, *versions = head.split()
        prefix = "" if group == "-" else group + "/"
        kinds.extend((prefix + version, kind) for version in versions for kind in names.split())
    return kinds


def from_openapi(document: Any, *, with_built_in: bool) -> Schema:
    """The schema of an OpenAPI document that a kustomization names in `openapi.path`.

    It replaces the built-in one. If that was in use already, as kustomize sees it, it is there too (`with_built_in`).
    """
    definitions = as_mapping(as_mapping(document).get("definitions"))
    converted: dict[str, FieldTypes] = {}
    if with_built_in:
        names = ("meta.v1.ObjectMeta", "core.v1.Volume", "core.v1.Container", "core.v1.EphemeralContainer", "core.v1.PodSpec", "core.v1.PodTemplateSpec")
        for name, shared in zip(names, _shared(), strict=True):
            prefix = "io.k8s.apimachinery.pkg.apis." if name.startswith("meta") else "io.k8s.api."
            converted[f"#/definitions/{prefix}{name}"] = shared

    def resolve(schema: Any) -> MappingNode:
        resolved = as_mapping(schema)
        for _ in range(len(definitions) + 1):
            reference = resolved.get("$ref")
            if not isinstance(reference, str):
                break
            resolved = as_mapping(definitions.get(reference.rpartition("/")[2]))
        return resolved

    def convert(schema: Any) -> FieldTypes:
        reference = as_mapping(schema).get("$ref")
        if isinstance(reference, str) and reference in converted:
            return converted[reference]
        fields = FieldTypes()
        if isinstance(reference, str):
            converted[reference] = fields
        for name, written in as_mapping(resolve(schema).get("properties")).items():
            property_schema = resolve(written)
            if property_schema.get("type") == "array":
                fields[name] = Field(convert(property_schema.get("items")), _merge_keys(property_schema))
            else:
                fields[name] = Field(convert(written))
        return fields

    types: dict[tuple[str, str], FieldTypes] = {}
    for name, definition in definitions.items():
        for served in as_sequence(as_mapping(definition).get("x-kubernetes-group-version-kind")):
            group, version, kind = (str(as_mapping(served).get(key) or "") for key in ("group", "version", "kind"))
            reference = MappingNode()
            reference["$ref"] = f"#/definitions/{name}"
            types[(f"{group}/{version}" if group else version, kind)] = convert(reference)
    return Schema({**types, **(built_in().types if with_built_in else _kustomization_type())})


def _merge_keys(schema: MappingNode) -> tuple[str, ...] | None:
    strategy = schema.get("x-kubernetes-patch-strategy")
    if not isinstance(strategy, str) or "merge" not in strategy.split(","):
        return None
    keys = schema.get("x-kubernetes-list-map-keys")
    if isinstance(keys, SequenceNode):
        return tuple(str(key) for key in keys)
    key = schema.get("x-kubernetes-patch-merge-key")
    return (key,) if isinstance(key, str) else ()
