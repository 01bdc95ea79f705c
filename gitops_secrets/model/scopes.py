"""Scope, plural and served versions of the kinds that kube-apiserver serves by itself (Kubernetes 1.36), as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from gitops_secrets.model.ids import guess_plural


class BuiltInKind(NamedTuple):
    """A kind that needs no CustomResourceDefinition. `versions` has those served, alpha and beta ones behind a switch included; none of a removed kind."""

    group: str
    kind: str
    plural: str
    namespaced: bool
    versions: tuple[str, ...]


# A line: group (`-` for the core group), scope, versions, kinds. A kind with an odd plural is written `Kind=plural`.
_KINDS = """
- namespaced v1 Binding ConfigMap Endpoints=endpoints Event LimitRange PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret
- namespaced v1 Service ServiceAccount
- cluster v1 ComponentStatus=componentstatuses Namespace Node PersistentVolume
admissionregistration.k8s.io cluster v1 ValidatingWebhookConfiguration MutatingWebhookConfiguration
admissionregistration.k8s.io cluster v1,v1beta1,v1alpha1 ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
admissionregistration.k8s.io cluster v1,v1beta1,v1alpha1 MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
apiextensions.k8s.io cluster v1 CustomResourceDefinition
apiregistration.k8s.io cluster v1 APIService
apps namespaced v1 ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet
authentication.k8s.io cluster v1 TokenReview
authentication.k8s.io cluster v1,v1beta1,v1alpha1 SelfSubjectReview
authorization.k8s.io namespaced v1 LocalSubjectAccessReview
authorization.k8s.io cluster v1 SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview
autoscaling namespaced v2,v1 HorizontalPodAutoscaler
batch namespaced v1 CronJob Job
certificates.k8s.io cluster v1 CertificateSigningRequest
certificates.k8s.io cluster v1,v1beta1,v1alpha1 ClusterTrustBundle
certificates.k8s.io namespaced v1,v1beta1,v1alpha1 PodCertificateRequest
coordination.k8s.io namespaced v1 Lease
coordination.k8s.io namespaced v1beta1,v1alpha2 LeaseCandidate
discovery.k8s.io namespaced v1 EndpointSlice
events.k8s.io namespaced v1 Event
flowcontrol.apiserver.k8s.io cluster v1 FlowSchema PriorityLevelConfiguration
internal.apiserver.k8s.io cluster v1alpha1 StorageVersion
networking.k8s.io namespaced v1 Ingress NetworkPolicy
networking.k8s.io cluster v1 IngressClass
networking.k8s.io cluster v1,v1beta1 IPAddress ServiceCIDR
node.k8s.io cluster v1 RuntimeClass
policy namespaced v1 PodDisruptionBudget Eviction
policy cluster  PodSecurityPolicy
rbac.authorization.k8s.io namespaced v1 Role RoleBinding
rbac.authorization.k8s.io cluster v1 ClusterRole ClusterRoleBinding
resource.k8s.io namespaced v1,v1beta2,v1beta1 ResourceClaim ResourceClaimTemplate
resource.k8s.io cluster v1,v1beta2,v1beta1 DeviceClass ResourceSlice
resource.k8s.io cluster v1beta2,v1beta1,v1alpha3 DeviceTaintRule
scheduling.k8s.io cluster v1 PriorityClass
scheduling.k8s.io namespaced v1alpha2,v1alpha1 Workload PodGroup
storage.k8s.io cluster v1 CSIDriver CSINode StorageClass VolumeAttachment
storage.k8s.io cluster v1,v1beta1,v1alpha1 VolumeAttributesClass
storage.k8s.io namespaced v1 CSIStorageCapacity
storagemigration.k8s.io cluster v1,v1beta1,v1alpha1 StorageVersionMigration
"""


def _read(text: str) -> dict[tuple[str, str], BuiltInKind]:
    kinds: dict[tuple[str, str], BuiltInKind] = {}
    for line in text.strip().splitlines():
        group, scope, versions, *names = line.split(" ")
        group = "" if group == "-" else group
        for name in names:
            kind, _, plural = name.partition("=")
            served = tuple(versions.split(",")) if versions else ()
            kinds[group, kind] = BuiltInKind(group, kind, plural or guess_plural(kind), scope == "namespaced", served)
    return kinds


BUILT_IN_KINDS: Final[Mapping[tuple[str, str], BuiltInKind]] = MappingProxyType(_read(_KINDS))


def built_in(group: str, kind: str) -> BuiltInKind | None:
    """The built-in kind of that group and name; None for custom resources and unknown kinds."""
    return BUILT_IN_KINDS.get((group, kind))


def is_namespaced(group: str, kind: str) -> bool | None:
    """Do objects of this built-in kind live in a namespace? None for kinds that are not built in."""
    known = BUILT_IN_KINDS.get((group, kind))
    return None if known is None else known.namespaced


def built_in_group(kind: str) -> str:
    """The group of a kind that kube-apiserver serves by itself; the core group for any other."""
    return next((group for group, known in BUILT_IN_KINDS if known == kind), "")
