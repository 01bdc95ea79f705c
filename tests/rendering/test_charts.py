from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Release
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.rendering.charts import flux_release
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.yaml import parse

SCOPE_OF = default_table().is_namespaced
REPOSITORY = ResourceId("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "flux-system")
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec: {group: example.org, scope: Cluster, names: {kind: Thing, plural: things}, versions: [{name: v1, served: true, storage: true}]}
"""


def source(kind: str, name: str, spec: Mapping[str, Any], namespace: str = "apps") -> dict[str, Any]:
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": dict(spec)}


def release(
    spec: Mapping[str, Any], *, beside: Sequence[Mapping[str, Any]] = (), files: Mapping[str, str] | None = None, here: ResourceId = REPOSITORY
) -> Release:
    manifest = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "web", "namespace": "apps"}, "spec": dict(spec)}
    resources = [to_resource(parse(dump(node), "release.yaml").documents[0], SCOPE_OF, "flux-system") for node in (manifest, *beside)]
    known = {resource.id: resource for resource in resources if resource is not None}
    return flux_release(next(iter(known.values())), known, Loader(MemoryTree(files or {})), SCOPE_OF, frozenset({here}))


def chart(name: str = "podinfo", kind: str = "HelmRepository", source: str = "charts", **fields: str) -> dict[str, Any]:
    return {"chart": {"spec": {"chart": name, "sourceRef": {"kind": kind, "name": source}, **fields}}}


# Which chart


def test_a_chart_of_a_helm_repository() -> None:
    found = release(chart(version="6.x"), beside=[source("HelmRepository", "charts", {"url": "https://charts.example.org"})])

    assert (found.chart, found.repository, found.version, str(found.source)) == ("podinfo", "https://charts.example.org", "6.x", "HelmRepository/apps/charts")


def test_a_chart_of_an_oci_repository() -> None:
    spec = {"url": "oci://example.org/charts/podinfo", "ref": {"tag": "6.9.2"}}
    found = release({"chartRef": {"kind": "OCIRepository", "name": "podinfo"}}, beside=[source("OCIRepository", "podinfo", spec)])

    assert (found.chart, found.repository, found.version) == ("podinfo", "oci://example.org/charts/podinfo", "6.9.2")


def test_a_chart_of_a_helm_chart_object() -> None:
    objects = [
        source("HelmChart", "podinfo", {"chart": "podinfo", "version": "6.9.2", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}),
        source("HelmRepository", "charts", {"url": "https://charts.example.org"}),
    ]
    found = release({"chartRef": {"kind": "HelmChart", "name": "podinfo"}}, beside=objects)

    assert (found.chart, found.repository, found.version) == ("podinfo", "https://charts.example.org", "6.9.2")


def test_a_chart_whose_source_is_not_known_still_has_its_name_where_the_release_says_it() -> None:
    assert (release(chart()).chart, release(chart()).repository) == ("podinfo", "")
    assert release({"chartRef": {"kind": "OCIRepository", "name": "podinfo"}}).chart == ""


def test_a_source_may_be_in_another_namespace() -> None:
    spec = {"chartRef": {"kind": "OCIRepository", "name": "podinfo", "namespace": "flux-system"}}
    objects = [source("OCIRepository", "podinfo", {"url": "oci://example.org/podinfo", "ref": {"semver": ">=6"}}, namespace="flux-system")]

    assert release(spec, beside=objects).version == ">=6"


@pytest.mark.parametrize("spec", [{}, {"chart": "podinfo"}, {"chart": {"spec": []}}, {"chartRef": "podinfo"}, {"chartRef": {}}])
def test_a_release_that_names_no_chart_has_no_source(spec: Mapping[str, Any]) -> None:
    assert release(spec).source is None


# Where it goes


@pytest.mark.parametrize(
    ("spec", "name", "namespace"),
    [
        ({}, "web", "apps"),
        ({"releaseName": "podinfo"}, "podinfo", "apps"),
        ({"targetNamespace": "other"}, "other-web", "other"),
        ({"targetNamespace": "other", "releaseName": "podinfo"}, "podinfo", "other"),
    ],
)
def test_the_release_has_the_name_and_namespace_that_helm_controller_gives_it(spec: Mapping[str, Any], name: str, namespace: str) -> None:
    found = release({**chart(), **spec})

    assert (found.name, found.namespace) == (name, namespace)


def test_how_it_is_installed_is_read() -> None:
    default = release(chart())
    other = release({**chart(), "install": {"createNamespace": True, "crds": "CreateReplace"}, "values": {"replicas": 2}})

    assert (default.create_namespace, default.crds, dict(default.values)) == (False, "Create", {})
    assert (other.create_namespace, other.crds, dict(other.values)) == (True, "CreateReplace", {"replicas": 2})


# Charts in the repository

CHART_FILES = {
    "charts/web/Chart.yaml": "name: web\nversion: 0.1.0\n",
    "charts/web/crds/things.yaml": DEFINITION,
    "charts/web/crds/readme.md": "",
    "charts/web/templates/deployment.yaml": "{{ .Values }}",
}


@pytest.mark.parametrize("path", ["charts/web", "./charts/web", "./charts/web/"])
def test_a_chart_in_the_repository_brings_the_definitions_of_its_crds_folder(path: str) -> None:
    found = release(chart(path, "GitRepository", "flux-system") | {}, files=CHART_FILES, here=REPOSITORY._replace(namespace="apps"))

    assert found.chart == "web"
    assert [(str(resource.id), str(resource.place)) for resource in found.bundled] == [
        ("CustomResourceDefinition//things.example.org", "charts/web/crds/things.yaml:3")
    ]


def test_a_chart_of_another_repository_brings_nothing_that_is_known() -> None:
    beside = [source("GitRepository", "elsewhere", {"url": "https://example.org/elsewhere.git"})]

    assert release(chart("charts/web", "GitRepository", "elsewhere"), beside=beside, files=CHART_FILES).bundled == ()


def test_a_chart_of_a_helm_repository_is_not_taken_for_a_folder_of_the_same_name() -> None:
    assert release(chart("charts/web"), files=CHART_FILES).bundled == ()


@pytest.mark.parametrize("path", ["charts/none", "../charts/web", "", "/"])
def test_a_path_without_a_chart_brings_nothing(path: str) -> None:
    assert release(chart(path, "GitRepository", "flux-system"), files=CHART_FILES, here=REPOSITORY._replace(namespace="apps")).bundled == ()


def test_a_chart_at_the_top_of_the_repository_is_one() -> None:
    files = {"Chart.yaml": "name: web\n", "crds/things.yaml": DEFINITION}

    assert len(release(chart("./", "GitRepository", "flux-system"), files=files, here=REPOSITORY._replace(namespace="apps")).bundled) == 1
