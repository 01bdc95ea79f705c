from __future__ import annotations

import pytest

from gitops_secrets.model.ids import BUILT_IN_GROUPS
from gitops_secrets.model.scopes import BUILT_IN_KINDS, built_in, is_namespaced


@pytest.mark.parametrize(
    ("group", "kind", "namespaced"),
    [
        ("", "Namespace", False),
        ("", "PersistentVolume", False),
        ("", "PersistentVolumeClaim", True),
        ("apps", "Deployment", True),
        ("storage.k8s.io", "StorageClass", False),
        ("storage.k8s.io", "CSIStorageCapacity", True),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding", False),
        ("resource.k8s.io", "ResourceClaimTemplate", True),
        ("cert-manager.io", "Issuer", None),
    ],
)
def test_built_in_kinds_know_their_scope(group: str, kind: str, namespaced: bool | None) -> None:
    assert namespaced is is_namespaced(group, kind)


@pytest.mark.parametrize(
    ("group", "kind", "plural", "versions"),
    [
        ("networking.k8s.io", "Ingress", "ingresses", ("v1",)),
        ("networking.k8s.io", "NetworkPolicy", "networkpolicies", ("v1",)),
        ("", "Endpoints", "endpoints", ("v1",)),
        ("", "ComponentStatus", "componentstatuses", ("v1",)),
        ("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", ("v2", "v1")),
        ("policy", "PodSecurityPolicy", "podsecuritypolicies", ()),
    ],
)
def test_built_in_kinds_know_their_plural_and_versions(group: str, kind: str, plural: str, versions: tuple[str, ...]) -> None:
    found = built_in(group, kind)

    assert found is not None
    assert (plural, versions) == (found.plural, found.versions)


def test_built_in_kinds_are_those_of_the_built_in_groups() -> None:
    assert {group for group, _ in BUILT_IN_KINDS} == set(BUILT_IN_GROUPS)
