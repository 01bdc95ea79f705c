"""What nobody in a repository has to bring."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree

SYNC = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: "https://example.org/platform.git", secretRef: {name: deploy-key}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m, path: ./clusters/test, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: user, namespace: {namespace}}}
spec:
  serviceAccountName: {account}
  containers: [{{name: a, image: a, volumeMounts: []}}]
"""


def unmet(files: Mapping[str, str]) -> list[str]:
    """What the first cluster lacks."""
    analysis = analyse(repository_of(MemoryTree({"clusters/test/flux-system/gotk-sync.yaml": SYNC, **files})))
    return sorted({str(entry.requirement.need) for entry in analysis.clusters[0].graph.unmet})


def test_a_bootstrapped_cluster_without_anything_lacks_nothing() -> None:
    assert unmet({}) == []


@pytest.mark.parametrize("namespace", ["default", "kube-system", "flux-system"])
def test_namespaces_of_kubernetes_and_of_flux_are_there(namespace: str) -> None:
    assert unmet({"clusters/test/pod.yaml": POD.format(namespace=namespace, account="default")}) == []


def test_any_other_namespace_is_not() -> None:
    assert unmet({"clusters/test/pod.yaml": POD.format(namespace="apps", account="default")}) == ["Namespace//apps"]


def test_each_namespace_has_its_default_service_account_and_no_other() -> None:
    assert unmet({"clusters/test/pod.yaml": POD.format(namespace="default", account="reader")}) == ["ServiceAccount/default/reader"]


def test_the_accounts_of_flux_are_in_its_namespace() -> None:
    assert unmet({"clusters/test/pod.yaml": POD.format(namespace="flux-system", account="kustomize-controller")}) == []
    assert unmet({"clusters/test/pod.yaml": POD.format(namespace="default", account="kustomize-controller")}) == ["ServiceAccount/default/kustomize-controller"]


def test_the_credential_that_reads_the_repository_cannot_come_from_it_but_any_other_can() -> None:
    other = SYNC.partition("---")[0].replace("name: flux-system,", "name: other,").replace("deploy-key", "other-key")

    assert unmet({"clusters/test/other.yaml": other}) == ["Secret/flux-system/other-key"]


def test_the_roots_certificate_is_in_every_namespace_that_is_used() -> None:
    pod = POD.format(namespace="kube-system", account="default").replace(
        "containers:", "volumes: [{name: v, configMap: {name: kube-root-ca.crt}}]\n  containers:"
    )

    assert unmet({"clusters/test/pod.yaml": pod}) == []


ROUTE = "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: user, namespace: default}\n"


@pytest.mark.parametrize(("files", "given"), [({"clusters/test/route.yaml": ROUTE}, True), ({}, False)])
def test_what_openshift_makes_in_every_namespace_is_there_on_openshift(files: Mapping[str, str], given: bool) -> None:
    pod = POD.format(namespace="default", account="builder").replace(
        "containers:", "volumes: [{name: v, configMap: {name: openshift-service-ca.crt}}]\n  containers:"
    )
    lacking = unmet({"clusters/test/pod.yaml": pod, **files})

    assert ("ConfigMap/default/openshift-service-ca.crt" not in lacking, "ServiceAccount/default/builder" not in lacking) == (given, given)


def test_kinds_of_flux_are_served_where_flux_runs_and_other_kinds_are_not() -> None:
    release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: a, namespace: default}\nspec: {}\n"
    thing = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: a, namespace: default}\n"

    assert unmet({"clusters/test/a.yaml": release}) == []
    assert unmet({"clusters/test/a.yaml": thing}) == ["CustomResourceDefinition//things.example.org"]


COMPONENTS = """\
apiVersion: v1
kind: Namespace
metadata:
  name: flux-system
  labels: {{app.kubernetes.io/part-of: flux, app.kubernetes.io/version: {version}}}
"""
DEFINITION = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: alerts.notification.toolkit.fluxcd.io}
spec:
  group: notification.toolkit.fluxcd.io
  scope: Namespaced
  names: {kind: Alert, plural: alerts}
  versions:
    - {name: v1beta3, served: true, storage: true}
    - {name: v1beta2, served: false, storage: false}
"""


def refused(api_version: str, kind: str, components: str = "") -> bool:
    """Does the Flux of `components` not serve a kind in this version?"""
    manifest = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a, namespace: flux-system}}\nspec: {{}}\n"
    files = {"clusters/test/flux-system/gotk-components.yaml": components} if components else {}
    return any("CustomResourceDefinition" in need for need in unmet({"clusters/test/a.yaml": manifest, **files}))


@pytest.mark.parametrize(
    ("api_version", "kind", "served", "gone"),
    [
        ("kustomize.toolkit.fluxcd.io/v1beta1", "Kustomization", "v2.6.4", "v2.7.0"),
        ("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease", "v2.6.4", "v2.7.0"),
        ("helm.toolkit.fluxcd.io/v2beta2", "HelmRelease", "v2.7.3", "v2.8.0"),
        ("source.toolkit.fluxcd.io/v1beta2", "OCIRepository", "v2.7.3", "v2.8.0"),
        ("notification.toolkit.fluxcd.io/v1beta1", "Alert", "v2.6.4", "v2.7.0"),
        ("notification.toolkit.fluxcd.io/v1beta2", "Provider", "v2.8.1", "v2.9.0"),
    ],
)
def test_flux_serves_old_versions_until_the_release_that_removed_them(api_version: str, kind: str, served: str, gone: str) -> None:
    assert [refused(api_version, kind, COMPONENTS.format(version=version)) for version in (served, gone)] == [False, True]


@pytest.mark.parametrize(
    ("api_version", "kind", "older", "since"),
    [
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", "v2.2.0", "v2.3.0"),
        ("source.toolkit.fluxcd.io/v1", "Bucket", "v2.3.0", "v2.4.0"),
        ("image.toolkit.fluxcd.io/v1", "ImagePolicy", "v2.6.0", "v2.7.0"),
    ],
)
def test_flux_serves_new_versions_from_the_release_that_brought_them(api_version: str, kind: str, older: str, since: str) -> None:
    assert [refused(api_version, kind, COMPONENTS.format(version=version)) for version in (older, since)] == [True, False]


@pytest.mark.parametrize("components", ["", COMPONENTS.format(version="latest"), COMPONENTS.format(version="v0.41.2")])
def test_a_flux_of_an_unknown_release_serves_any_version(components: str) -> None:
    assert not refused("kustomize.toolkit.fluxcd.io/v1beta1", "Kustomization", components)


def test_what_the_definitions_of_flux_say_wins_over_its_release() -> None:
    components = COMPONENTS.format(version="v2.8.1") + DEFINITION
    found = [refused(f"notification.toolkit.fluxcd.io/{version}", "Alert", components) for version in ("v1beta3", "v1beta2")]

    assert found == [False, True]


@pytest.mark.parametrize(("namespace", "given"), [("openshift-monitoring", True), ("openshift-logging", False)])
def test_openshift_makes_the_namespaces_of_its_own_operators_and_no_others(namespace: str, given: bool) -> None:
    missing = unmet({"clusters/test/route.yaml": ROUTE, "clusters/test/pod.yaml": POD.format(namespace=namespace, account="default")})

    assert (f"Namespace//{namespace}" not in missing) is given


def test_the_network_of_the_pods_is_there_before_the_engine() -> None:
    policy = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: web, namespace: default}\nspec: {endpointSelector: {}}\n"

    assert unmet({"clusters/test/policy.yaml": policy}) == []


@pytest.mark.parametrize(("kind", "lacking"), [("AppProject", False), ("Rollout", True)])
def test_an_argo_cd_that_flux_does_not_install_is_there(kind: str, lacking: bool) -> None:
    text = f"apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nmetadata: {{name: web, namespace: default}}\nspec: {{}}\n"

    assert bool(unmet({"clusters/test/argo.yaml": text})) is lacking
