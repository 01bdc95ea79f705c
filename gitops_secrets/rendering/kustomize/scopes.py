"""Kinds that kustomize knows to be cluster-scoped (kyaml 0.21.1, from the OpenAPI document of Kubernetes 1.21)."""

from __future__ import annotations

_KINDS = """
admissionregistration.k8s.io v1 v1beta1: MutatingWebhookConfiguration ValidatingWebhookConfiguration
apiextensions.k8s.io v1 v1beta1: CustomResourceDefinition
apiregistration.k8s.io v1 v1beta1: APIService
certificates.k8s.io v1 v1beta1: CertificateSigningRequest
flowcontrol.apiserver.k8s.io v1beta1: FlowSchema PriorityLevelConfiguration
networking.k8s.io v1 v1beta1: IngressClass
node.k8s.io v1 v1beta1: RuntimeClass
policy v1beta1: PodSecurityPolicy
rbac.authorization.k8s.io v1 v1beta1: ClusterRole ClusterRoleBinding
scheduling.k8s.io v1 v1beta1: PriorityClass
storage.k8s.io v1 v1beta1: CSIDriver CSINode StorageClass VolumeAttachment
- v1: ComponentStatus Namespace Node NodeProxyOptions PersistentVolume
"""


def _read() -> frozenset[tuple[str, str, str]]:
    scoped: set[tuple[str, str, str]] = set()
    for line in _KINDS.strip().splitlines():
        head, _, kinds = line.partition(":")
        group, *versions = head.split()
        scoped.update(("" if group == "-" else group, version, kind) for version in versions for kind in kinds.split())
    return frozenset(scoped)


# (group, version, kind). Newer kinds of Kubernetes and custom resources are not known to kustomize and get a namespace.
CLUSTER_SCOPED = _read()
