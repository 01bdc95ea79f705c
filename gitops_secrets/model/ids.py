"""Names of objects, as the API server tells them apart."""

from __future__ import annotations

from typing import NamedTuple

from gitops_secrets.model.brief import brief

# Groups that kube-apiserver serves without a CustomResourceDefinition (Kubernetes 1.36): their kinds need no group in an id.
BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)
BARE_GROUPS = BUILT_IN_GROUPS | {"fluxcd.controlplane.io", "external-secrets.io", "generators.external-secrets.io", "argoproj.io"}


class ResourceId(NamedTuple):
    """Names one object in a cluster. The version is no part of it: one object is served in many."""

    group: str
    kind: str
    namespace: str  # "" for cluster-scoped kinds
    name: str

    @property
    def group_kind(self) -> tuple[str, str]:
        """What kind of object it is: kinds of two groups may have one name."""
        return self[:2]

    def __str__(self) -> str:
        return brief(f"{kind_text(self.group, self.kind)}/{self.namespace}/{self.name}")


def kind_text(group: str, kind: str) -> str:
    """The kind as ids write it: bare for well-known groups, `Kind.group` for others."""
    if group in BARE_GROUPS or group.endswith(".toolkit.fluxcd.io"):
        return kind
    return f"{kind}.{group}"


def split_api_version(api_version: str) -> tuple[str, str]:
    """Group and version of an `apiVersion`; the core group is the empty string."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)


def crd_id(group: str, plural: str) -> ResourceId:
    """The CustomResourceDefinition that serves `plural` of `group`."""
    return ResourceId("apiextensions.k8s.io", "CustomResourceDefinition", "", f"{plural}.{group}")


def guess_plural(kind: str) -> str:
    """The plural that apimachinery's UnsafeGuessKindToResource gives for a kind."""
    word = kind.lower()
    if word.endswith("endpoints"):
        return word
    if word.endswith("s"):
        return word + "es"
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + "s"
