"""The sample platform is what users copy: it has to build, be current, and leave the order to be generated."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.syntax.yaml import parse

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = ("development", "gke", "production", "staging")
EKS = ("development", "production", "staging")
COMPONENTS = tuple(sorted(str(file.parent.relative_to(ROOT)) for overlay in OVERLAYS for file in ROOT.glob(f"overlays/{overlay}/*/kustomization.yaml")))

# What the newest releases serve; every one of these groups has dropped older versions.
SERVED = {
    "apiextensions.k8s.io/v1",
    "apps/v1",
    "argoproj.io/v1alpha1",
    "batch/v1",
    "bitnami.com/v1alpha1",
    "external-secrets.io/v1",
    "gitops-secrets.dev/v1alpha1",
    "helm.toolkit.fluxcd.io/v2",
    "kustomize.config.k8s.io/v1beta1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
    "source.toolkit.fluxcd.io/v1",
    "v1",
}
OPERATORS = {
    "ClusterSecretStore": "external-secrets",
    "ExternalSecret": "external-secrets",
    "SealedSecret": "sealed-secrets",
}

Build = Callable[[str], tuple[MappingNode, ...]]


@pytest.fixture(scope="module")
def build(kustomize_binary: str) -> Build:
    """Builds a directory with the real kustomize, once."""

    @cache
    def built(directory: str) -> tuple[MappingNode, ...]:
        result = subprocess.run([kustomize_binary, "build", str(ROOT / directory)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return parse(result.stdout, directory, DEFAULT_LIMITS).documents

    return built


def _names(objects: tuple[MappingNode, ...], kind: str) -> set[str]:
    return {item["metadata"]["name"] for item in objects if item["kind"] == kind}


def _identity(item: MappingNode) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _all_directories() -> list[str]:
    # For charts kustomize needs Helm and a network, and so does what lists those that have some.
    files = (file for part in ("base", "overlays") for file in ROOT.glob(f"{part}/**/kustomization.yaml") if file.parent != ROOT / "overlays" / "argo")
    return sorted(str(file.parent.relative_to(ROOT)) for file in files if "helmCharts" not in file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("directory", _all_directories())
def test_every_directory_builds_by_itself(directory: str, build: Build) -> None:
    assert build(directory)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_lists_each_of_its_components(overlay: str) -> None:
    (listing,) = parse((ROOT / "overlays" / overlay / "kustomization.yaml").read_bytes(), overlay, DEFAULT_LIMITS).documents

    assert list(listing["resources"]) == sorted(Path(component).name for component in COMPONENTS if Path(component).parent.name == overlay)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_the_sum_of_its_components_without_any_object_twice(overlay: str, build: Build) -> None:
    of_components = [_identity(item) for component in COMPONENTS if Path(component).parent.name == overlay for item in build(component)]

    assert [identity for identity, count in Counter(of_components).items() if count > 1] == []
    assert sorted(of_components) == sorted(_identity(item) for item in build(f"overlays/{overlay}"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_order_is_written_by_hand(overlay: str, build: Build) -> None:
    objects = build(f"overlays/{overlay}")

    assert _names(objects, "Kustomization") == set()
    assert [item["metadata"]["name"] for item in objects if "dependsOn" in item.get("spec", {})] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_served_versions_are_used(overlay: str, build: Build) -> None:
    assert {item["apiVersion"] for item in build(f"overlays/{overlay}")} - SERVED == set()


@pytest.mark.parametrize("file", sorted(str(path.relative_to(ROOT)) for part in ("base", "overlays") for path in ROOT.glob(f"{part}/**/*.yaml")))
def test_every_file_names_a_served_version_before_kustomize_has_touched_it(file: str) -> None:
    assert {document["apiVersion"] for document in parse((ROOT / file).read_bytes(), file, DEFAULT_LIMITS).documents} - SERVED == set()


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_component_holds_an_operator_and_its_custom_resources(component: str, build: Build) -> None:
    objects = build(component)
    needed = {OPERATORS[item["kind"]] for item in objects if item["kind"] in OPERATORS}

    assert needed & _names(objects, "HelmRelease") == set()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_namespace_that_is_used_is_brought(overlay: str, build: Build) -> None:
    objects = build(f"overlays/{overlay}")
    used = {item["metadata"]["namespace"] for item in objects if "namespace" in item["metadata"]}

    assert used == _names(objects, "Namespace")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_cluster_scoped_stores_name_no_namespace(overlay: str, build: Build) -> None:
    stores = [item for item in build(f"overlays/{overlay}") if item["kind"] == "ClusterSecretStore"]

    assert [item["metadata"]["name"] for item in stores if "namespace" in item["metadata"]] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_store_that_is_read_is_brought(overlay: str, build: Build) -> None:
    objects = build(f"overlays/{overlay}")
    read = {item["spec"]["secretStoreRef"]["name"] for item in objects if item["kind"] == "ExternalSecret"}

    assert read <= _names(objects, "ClusterSecretStore")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_bootstrap_secret_is_sealed_for_each_cluster(overlay: str, build: Build) -> None:
    assert "awssm-secret" in _names(build(f"overlays/{overlay}/secret-stores"), "SealedSecret")


@pytest.mark.parametrize("overlay", EKS)
def test_gcp_is_nowhere_but_in_the_gke_overlay(overlay: str, build: Build) -> None:
    objects = build(f"overlays/{overlay}")
    readers = [item["metadata"]["name"] for item in objects if item["kind"] == "ExternalSecret" and item["spec"]["secretStoreRef"]["name"].startswith("gcp-")]

    assert [name for name in _names(objects, "ClusterSecretStore") if name.startswith("gcp-")] == []
    assert readers == []


def test_the_gke_overlay_reads_from_gcp(build: Build) -> None:
    objects = build("overlays/gke")
    store = next(item for item in objects if item["kind"] == "ExternalSecret" and item["metadata"]["name"] == "multicloud-db-info")

    assert "gcp-secret-manager" in _names(objects, "ClusterSecretStore")
    assert store["spec"]["secretStoreRef"]["name"] == "gcp-secret-manager"


@pytest.mark.parametrize("overlay", EKS)
def test_the_operator_acts_with_the_role_of_its_own_cluster(overlay: str, build: Build) -> None:
    release = next(item for item in build(f"overlays/{overlay}/external-secrets") if item["kind"] == "HelmRelease")

    assert release["spec"]["values"]["serviceAccount"]["annotations"]["eks.amazonaws.com/role-arn"].endswith(f":role/{overlay}-external-secrets")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_requests_resources(overlay: str, build: Build) -> None:
    def containers(node: object) -> list[MappingNode]:
        if isinstance(node, MappingNode):
            own = list(node["containers"]) if "containers" in node else []
            return own + [found for value in node.values() for found in containers(value)]
        return []

    unbounded = [item["name"] for workload in build(f"overlays/{overlay}") for item in containers(workload.get("spec")) if "requests" not in item["resources"]]

    assert unbounded == []
