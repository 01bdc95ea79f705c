"""The fields that kustomize's transformers write by default, as of kustomize 5.8.1 (api 0.21.1, builtinpluginconsts)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from gitops_secrets.rendering.kustomize.fields import FieldSpec, NameReference, merge_references, merge_specs
from gitops_secrets.rendering.kustomize.order import kind_key

_RBAC = "rbac.authorization.k8s.io"
_WEBHOOKS = "admissionregistration.k8s.io"

# Where the pod template of a kind stands.
_TEMPLATES = {
    "Pod": "",
    "PodTemplate": "template/",
    "Deployment": "spec/template/",
    "ReplicaSet": "spec/template/",
    "DaemonSet": "spec/template/",
    "StatefulSet": "spec/template/",
    "Job": "spec/template/",
    "CronJob": "spec/jobTemplate/spec/template/",
    "ReplicationController": "spec/template/",
}
_WITH_DATA = ("Pod", "PodTemplate", "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "CronJob")
_SCHEDULED = ("Pod", "StatefulSet", "Deployment", "ReplicationController", "CronJob", "Job", "DaemonSet")
_AFFINITY = (
    "affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "topologySpreadConstraints/labelSelector/matchLabels",
)


class FieldTables(NamedTuple):
    """Which fields each transformer writes; a kustomization may add to them with `configurations` and `crds`."""

    name_prefix: tuple[FieldSpec, ...] = ()
    name_suffix: tuple[FieldSpec, ...] = ()
    namespace: tuple[FieldSpec, ...] = ()
    common_labels: tuple[FieldSpec, ...] = ()
    labels: tuple[FieldSpec, ...] = ()
    template_labels: tuple[FieldSpec, ...] = ()
    common_annotations: tuple[FieldSpec, ...] = ()
    name_reference: tuple[NameReference, ...] = ()
    variable_reference: tuple[FieldSpec, ...] = ()
    images: tuple[FieldSpec, ...] = ()
    replicas: tuple[FieldSpec, ...] = ()

    @property
    def size(self) -> int:
        """How many fields there are in all."""
        references = sum(len(reference.fields) for reference in self.name_reference)
        return sum(len(getattr(self, name)) for name in self._fields if name != "name_reference") + references

    def merge(self, other: FieldTables) -> FieldTables:
        """Both together, sorted as kustomize sorts them: which of two specs for one path is kept depends on that. Raises `BuildError` for a conflict."""
        if other is self or not any(other) or (other is default_tables() and self is merged_defaults()):
            return self
        if not any(self) and (other is default_tables() or other is merged_defaults()):
            return merged_defaults()
        return self._joined(other)

    def _joined(self, other: FieldTables) -> FieldTables:
        merged: dict[str, Any] = {}
        for name in self._fields:
            own, added = getattr(self, name), getattr(other, name)
            join = merge_references if name == "name_reference" else merge_specs
            merged[name] = tuple(sorted(join(own, added), key=_sort_key))
        return FieldTables(**merged)


def _sort_key(spec: FieldSpec | NameReference) -> tuple[int, str]:
    return kind_key(spec.group, spec.version, spec.kind)


@cache
def merged_defaults() -> FieldTables:
    """What a kustomization that configures nothing starts from."""
    return FieldTables()._joined(default_tables())


def _in_pods(kinds: Iterable[str], *fields: str) -> list[FieldSpec]:
    version = {"Pod": "v1"}
    return [FieldSpec(f"{_TEMPLATES[kind]}spec/{field}", kind, version=version.get(kind, "")) for kind in kinds for field in fields]


def _references(kind: str, *fields: FieldSpec, group: str = "", version: str = "") -> NameReference:
    return NameReference(group, version, kind, tuple(fields))


def _specs(kind: str, *paths: str, group: str = "") -> list[FieldSpec]:
    return [FieldSpec(path, kind, group) for path in paths]


@cache
def default_tables() -> FieldTables:
    """What holds where a kustomization configures nothing."""
    metadata_labels = _metadata("labels", in_claims=True)
    names = (FieldSpec("metadata/name"),)
    return FieldTables(
        name_prefix=names,
        name_suffix=names,
        namespace=(
            FieldSpec("metadata/name", "Namespace", create=True),
            FieldSpec("spec/service/namespace", "APIService", "apiregistration.k8s.io", create=True),
            FieldSpec("spec/conversion/webhook/clientConfig/service/namespace", "CustomResourceDefinition", "apiextensions.k8s.io"),
        ),
        common_labels=(*_selectors(), *metadata_labels),
        template_labels=metadata_labels,
        common_annotations=_metadata("annotations", in_claims=False),
        name_reference=_name_references(),
        variable_reference=_variable_references(),
        images=tuple(
            FieldSpec(f"spec/{template}{field}", create=True)
            for template in ("", "template/spec/")
            for field in ("containers[]/image", "initContainers[]/image", "volumes[]/image/reference")
        ),
        replicas=tuple(FieldSpec("spec/replicas", kind, create=True) for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")),
    )


def _metadata(field: str, in_claims: bool) -> tuple[FieldSpec, ...]:
    specs = [
        FieldSpec(f"metadata/{field}", create=True),
        FieldSpec(f"spec/template/metadata/{field}", "ReplicationController", version="v1", create=True),
        *(FieldSpec(f"spec/template/metadata/{field}", kind, create=True) for kind in ("Deployment", "ReplicaSet", "DaemonSet")),
        FieldSpec(f"spec/template/metadata/{field}", "StatefulSet", "apps" if in_claims else "", create=True),
    ]
    if in_claims:
        specs.append(FieldSpec(f"spec/volumeClaimTemplates[]/metadata/{field}", "StatefulSet", "apps", create=True))
    specs += [
        FieldSpec(f"spec/template/metadata/{field}", "Job", "batch", create=True),
        FieldSpec(f"spec/jobTemplate/metadata/{field}", "CronJob", "batch", create=True),
        FieldSpec(f"spec/jobTemplate/spec/template/metadata/{field}", "CronJob", "batch", create=True),
    ]
    return tuple(specs)


def _selectors() -> list[FieldSpec]:
    policies = ("spec/podSelector/matchLabels", "spec/ingress/from/podSelector/matchLabels", "spec/egress/to/podSelector/matchLabels")
    return [
        FieldSpec("spec/selector", "Service", version="v1", create=True),
        FieldSpec("spec/selector", "ReplicationController", version="v1", create=True),
        *(FieldSpec("spec/selector/matchLabels", kind, create=True) for kind in ("Deployment", "ReplicaSet", "DaemonSet")),
        FieldSpec("spec/selector/matchLabels", "StatefulSet", "apps", create=True),
        *(FieldSpec(f"spec/template/spec/{path}", kind, "apps") for kind in ("Deployment", "StatefulSet") for path in _AFFINITY),
        FieldSpec("spec/selector/matchLabels", "Job", "batch"),
        FieldSpec("spec/jobTemplate/spec/selector/matchLabels", "CronJob", "batch"),
        FieldSpec("spec/selector/matchLabels", "PodDisruptionBudget", "policy"),
        *_specs("NetworkPolicy", *policies, group="networking.k8s.io"),
    ]


def _name_references() -> tuple[NameReference, ...]:
    scaled = FieldSpec("spec/scaleTargetRef/name", "HorizontalPodAutoscaler")
    by_name = ("env/valueFrom/{}KeyRef/name", "envFrom/{}Ref/name")
    in_containers = [f"{containers}/{field}" for containers in ("containers", "initContainers") for field in by_name]
    config_maps = [field.format("configMap") for field in in_containers] + ["volumes/configMap/name", "volumes/projected/sources/configMap/name"]
    secrets = [field.format("secret") for field in in_containers]
    secrets += ["volumes/secret/secretName", "imagePullSecrets/name", "volumes/projected/sources/secret/name"]
    listed = [FieldSpec("rules/resourceNames", kind) for kind in ("Role", "ClusterRole")]
    ingress = "metadata/annotations/nginx.ingress.kubernetes.io\\/"
    webhooks = [FieldSpec("webhooks/clientConfig/service", f"{kind}WebhookConfiguration", _WEBHOOKS) for kind in ("Validating", "Mutating")]
    bindings = {kind: FieldSpec("roleRef/name", kind, _RBAC) for kind in ("RoleBinding", "ClusterRoleBinding")}
    return (
        *(_references(kind, scaled) for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")),
        _references(
            "ConfigMap",
            *_in_pods(_WITH_DATA, *config_maps),
            FieldSpec("spec/configSource/configMap", "Node"),
            *listed,
            FieldSpec(f"{ingress}fastcgi-params-configmap", "Ingress"),
            version="v1",
        ),
        _references(
            "Secret",
            *_in_pods(_WITH_DATA, *secrets),
            *_specs("Ingress", "spec/tls/secretName", "metadata/annotations/ingress.kubernetes.io\\/auth-secret"),
            *_specs("Ingress", f"{ingress}auth-secret", f"{ingress}auth-tls-secret"),
            FieldSpec("imagePullSecrets/name", "ServiceAccount"),
            *_specs("StorageClass", *(f"parameters/{field}" for field in ("secretName", "adminSecretName", "userSecretName", "secretRef"))),
            *listed,
            FieldSpec("spec/template/spec/containers/env/valueFrom/secretKeyRef/name", "Service", "serving.knative.dev", "v1"),
            FieldSpec("spec/azureFile/secretName", "PersistentVolume"),
            version="v1",
        ),
        _references(
            "Service",
            FieldSpec("spec/serviceName", "StatefulSet", "apps"),
            *_specs("Ingress", "spec/rules/http/paths/backend/serviceName", "spec/backend/serviceName"),
            *_specs("Ingress", "spec/rules/http/paths/backend/service/name", "spec/defaultBackend/service/name"),
            FieldSpec("spec/service/name", "APIService", "apiregistration.k8s.io"),
            *webhooks,
            version="v1",
        ),
        _references("Role", bindings["RoleBinding"], group=_RBAC),
        _references("ClusterRole", *bindings.values(), group=_RBAC),
        _references(
            "ServiceAccount",
            *(FieldSpec("subjects", kind, _RBAC) for kind in ("RoleBinding", "ClusterRoleBinding")),
            *(FieldSpec(f"{_TEMPLATES[kind]}spec/serviceAccountName", kind) for kind in _SCHEDULED),
            version="v1",
        ),
        _references(
            "PersistentVolumeClaim",
            *(FieldSpec(f"{_TEMPLATES[kind]}spec/volumes/persistentVolumeClaim/claimName", kind) for kind in _SCHEDULED),
            version="v1",
        ),
        _references(
            "PersistentVolume",
            FieldSpec("spec/volumeName", "PersistentVolumeClaim"),
            FieldSpec("rules/resourceNames", "ClusterRole"),
            version="v1",
        ),
        _references(
            "StorageClass",
            *(FieldSpec("spec/storageClassName", kind) for kind in ("PersistentVolume", "PersistentVolumeClaim")),
            FieldSpec("spec/volumeClaimTemplates/spec/storageClassName", "StatefulSet"),
            group="storage.k8s.io",
            version="v1",
        ),
        _references(
            "PriorityClass",
            *(FieldSpec(f"{_TEMPLATES[kind]}spec/priorityClassName", kind) for kind in _SCHEDULED),
            group="scheduling.k8s.io",
            version="v1",
        ),
        # The group is spelt so in kustomize, and therefore never matches.
        _references("IngressClass", FieldSpec("spec/ingressClassName", "Ingress"), group="networking.k8s.io/v1", version="v1"),
        _references("ValidatingAdmissionPolicy", FieldSpec("spec/policyName", "ValidatingAdmissionPolicyBinding", _WEBHOOKS), group=_WEBHOOKS),
    )


def _variable_references() -> tuple[FieldSpec, ...]:
    in_containers = ("args", "command", "env/value", "volumeMounts/mountPath")
    fields = [f"{containers}/{field}" for containers in ("containers", "initContainers") for field in in_containers]
    workloads = ("DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet", "CronJob")
    volumes = {"CronJob": "spec/jobTemplate/spec/template/volumes/nfs/server", "StatefulSet": "spec/volumeClaimTemplates/spec/nfs/server"}
    return (
        *(FieldSpec(f"{_TEMPLATES[kind]}spec/{field}", kind) for kind in workloads for field in fields),
        *(FieldSpec(volumes.get(kind, f"{_TEMPLATES[kind]}spec/volumes/nfs/server"), kind) for kind in workloads),
        FieldSpec("spec/template/metadata/annotations", "Deployment"),
        *_specs("Ingress", "spec/rules/host", "spec/tls/hosts", "spec/tls/secretName"),
        *_specs("Service", "spec/ports/port", "spec/ports/targetPort"),
        FieldSpec("spec/nfs/server", "PersistentVolume"),
        FieldSpec("metadata/labels"),
        FieldSpec("metadata/annotations"),
    )
