from __future__ import annotations

from collections.abc import Mapping

import pytest

from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.rendering.entry_points import find_clusters
from gitops_secrets.repository.tree import MemoryTree

SYNC = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: "https://example.org/platform.git"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m, path: ./cluster, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
"""
COMPONENTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: flux-system, labels: {app.kubernetes.io/part-of: flux, app.kubernetes.io/version: v2.9.1}}
"""
SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: %s
metadata: {name: manifests, namespace: flux-system}
spec: {interval: 1h, url: "%s", ref: {tag: v2.2.2}}
"""
INSTANCE = """\
apiVersion: fluxcd.controlplane.io/v1
kind: FluxInstance
metadata: {name: flux, namespace: flux-system}
spec:
  distribution: %s
  sync: {kind: GitRepository, url: "https://example.org/platform.git", path: cluster}
"""
INSTALL = "resources: ['github.com/fluxcd/flux2/manifests/install?ref=%s']\n"
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n"


def version(files: Mapping[str, str]) -> str | None:
    """Of the cluster that is bootstrapped."""
    found = find_clusters(Loader(MemoryTree({"cluster/settings.yaml": SETTINGS, **files})), default_table().is_namespaced)
    return next(cluster.flux_version for cluster in found if cluster.engine == "flux")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cluster/flux-system/gotk-components.yaml": COMPONENTS}, "2.9.1"),
        ({"cluster/flux.yaml": SOURCE % ("OCIRepository", "oci://ghcr.io/fluxcd/flux-manifests")}, "2.2.2"),
        ({"cluster/flux.yaml": SOURCE % ("GitRepository", "https://github.com/fluxcd/flux2")}, "2.2.2"),
        ({"cluster/flux.yaml": SOURCE % ("GitRepository", "https://github.com/example/flux2-example")}, None),
        ({"cluster/kustomization.yaml": INSTALL % "v2.7.5" + "# - settings.yaml\n"}, "2.7.5"),
        ({"bootstrap/kustomization.yaml": INSTALL % "v2.7.5"}, "2.7.5"),
        ({"bootstrap/kustomization.yaml": "resources: ['https://github.com/fluxcd/flux2/releases/download/v2.7.5/install.yaml']\n"}, "2.7.5"),
        ({"bootstrap/kustomization.yaml": INSTALL % "main"}, None),
        ({"east/kustomization.yaml": INSTALL % "v2.7.5", "west/kustomization.yaml": INSTALL % "v2.8.0"}, None),
        ({"cluster/flux-system/gotk-components.yaml": COMPONENTS, "bootstrap/kustomization.yaml": INSTALL % "v2.7.5"}, "2.9.1"),
        ({}, None),
    ],
)
def test_the_version_of_flux_is_that_of_the_manifests_that_install_it(files: dict[str, str], expected: str | None) -> None:
    assert version({"cluster/flux-system/gotk-sync.yaml": SYNC, **files}) == expected


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ("{version: 2.4.x}", "2.4.x"),
        ("{version: v2.6.1}", "2.6.1"),
        ("{version: 2.x}", "2.x"),
        ("{}", "2.x"),
        ("{version: 2.x, artifact: 'oci://example.org/manifests:latest'}", "2.x"),
        ("{version: 2.x, artifact: 'oci://example.org/manifests:v0.38.1'}", "2.7.5"),
    ],
    ids=["a range", "a version", "the newest", "nothing", "of the newest manifests", "of older manifests"],
)
def test_the_version_of_flux_is_what_its_instance_asks_for(distribution: str, expected: str) -> None:
    assert version({"flux.yaml": INSTANCE % distribution, "bootstrap/kustomization.yaml": INSTALL % "v2.7.5"}) == expected
