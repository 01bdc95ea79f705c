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


@pytest.mark.parametrize(("files", "lacking"), [({"clusters/test/route.yaml": ROUTE}, []), ({}, ["ConfigMap/default/openshift-service-ca.crt"])])
def test_what_openshift_makes_in_every_namespace_is_there_on_openshift(files: Mapping[str, str], lacking: list[str]) -> None:
    pod = POD.format(namespace="default", account="default").replace(
        "containers:", "volumes: [{name: v, configMap: {name: openshift-service-ca.crt}}]\n  containers:"
    )

    assert unmet({"clusters/test/pod.yaml": pod, **files}) == lacking


def test_kinds_of_flux_are_served_where_flux_runs_and_other_kinds_are_not() -> None:
    release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: a, namespace: default}\nspec: {}\n"
    thing = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: a, namespace: default}\n"

    assert unmet({"clusters/test/a.yaml": release}) == []
    assert unmet({"clusters/test/a.yaml": thing}) == ["CustomResourceDefinition//things.example.org"]
