from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Release
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import Place
from gitops_secrets.rendering.charts import flux_release
from gitops_secrets.rendering.kustomize import Builder
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
    resources = [to_resource(parse(dump(node), "release.yaml", DEFAULT_LIMITS).documents[0], SCOPE_OF, "flux-system") for node in (manifest, *beside)]
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


def test_a_release_does_not_make_the_namespace_that_it_lies_in() -> None:
    assert not release({**chart(), "install": {"createNamespace": True}}).create_namespace


def test_how_it_is_installed_is_read() -> None:
    default = release(chart())
    other = release({**chart(), "targetNamespace": "other", "install": {"createNamespace": True, "crds": "CreateReplace"}, "values": {"replicas": 2}})

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


def test_what_a_chart_in_the_repository_puts_into_a_namespace_of_its_own_choice_is_known_by_its_values() -> None:
    web = "kind: GitRepository\nmetadata:\n  name: web\n  namespace: flux-system\nspec: {{ .Values.repo.secret }}\n---\nkind: Pod\nspec: {{ .Values.login }}\n"
    job = "kind: Job\nmetadata:\n  name: web\n  namespace: jobs\nspec: {{ .Values.login }}\n"
    templates = {"charts/web/templates/web.yaml": web, "charts/web/templates/job.yaml": job}

    found = release(chart("charts/web", "GitRepository", "flux-system"), files=CHART_FILES | templates, here=REPOSITORY._replace(namespace="apps"))

    assert found.namespaces == {"repo.secret": "flux-system"}


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


# Values


def config_map(name: str = "settings", namespace: str = "apps", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": dict(data)}


def values(spec: Mapping[str, Any], *beside: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    found = release({**chart(), **spec}, beside=beside)
    return dict(found.values), found.values_complete


BASE = config_map("base", **{"values.yaml": "web: {replicas: 1, port: 80}\nlist: [1, 2]\n", "other.yaml": "web: {replicas: 2}\n"})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"valuesFrom": [{"kind": "ConfigMap", "name": "base"}]}, {"web": {"replicas": 1, "port": 80}, "list": [1, 2]}),
        ({"valuesFrom": [{"kind": "ConfigMap", "name": "base", "valuesKey": "other.yaml"}]}, {"web": {"replicas": 2}}),
        (
            {"valuesFrom": [{"kind": "ConfigMap", "name": "base"}, {"kind": "ConfigMap", "name": "base", "valuesKey": "other.yaml"}], "values": {"list": []}},
            {"web": {"replicas": 2, "port": 80}, "list": []},
        ),
        ({"valuesFrom": [{"kind": "ConfigMap", "name": "base", "valuesKey": "none"}], "values": {"a": 1}}, {"a": 1}),
        ({"valuesFrom": "text", "values": {"a": 1}}, {"a": 1}),
        ({"valuesFrom": [7, {}], "values": 7}, {}),
    ],
    ids=["by default values.yaml", "another key", "later ones win, and what the release says itself", "a key that is not there", "no list", "no mappings"],
)
def test_values_of_config_maps_are_merged_in_order(spec: dict[str, Any], expected: dict[str, Any]) -> None:
    assert values(spec, BASE)[0] == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("web.host", "example.org", {"web": {"host": "example.org"}}),
        ("web.on", "true", {"web": {"on": True}}),
        ("web.on", "'true'", {"web": {"on": "true"}}),
        ("web.replicas", "3", {"web": {"replicas": 3}}),
        ("hosts.example\\.org", "", {"hosts": {"example.org": ""}}),
    ],
)
def test_a_value_of_a_config_map_goes_to_its_target_path(path: str, value: str, expected: dict[str, Any]) -> None:
    entry = {"kind": "ConfigMap", "name": "settings", "valuesKey": "one", "targetPath": path}

    assert values({"valuesFrom": [entry]}, config_map(one=value)) == (expected, True)


@pytest.mark.parametrize(
    ("entry", "complete"),
    [
        ({"kind": "ConfigMap", "name": "base"}, True),
        ({"kind": "ConfigMap", "name": "elsewhere"}, False),
        ({"kind": "ConfigMap", "name": "elsewhere", "optional": True}, False),
        ({"kind": "ConfigMap", "name": "broken"}, False),
        ({"kind": "ConfigMap", "name": "base", "targetPath": "web[0].port"}, False),
        ({"kind": "Secret", "name": "base"}, False),
        ({"kind": "Secret", "name": "base", "targetPath": "web.password"}, True),
    ],
)
def test_values_that_are_not_at_hand_make_those_of_a_release_incomplete(entry: dict[str, Any], complete: bool) -> None:
    assert values({"valuesFrom": [entry]}, BASE, config_map("broken", **{"values.yaml": "a: [1"}))[1] is complete


HELM_RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: apps}
spec:
  chart: {spec: {chart: podinfo, sourceRef: {kind: HelmRepository, name: charts}}}
  valuesFrom: [{kind: ConfigMap, name: settings}]
"""
IN_A_BLOCK = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: apps}
data:
  values.yaml: |
    # a comment
    web:
      existingSecret: web
"""
IN_A_LINE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: apps}
data:
  values.yaml: "web:\\n  existingSecret: web\\n"
"""
GENERATED = """\
resources: [release.yaml]
configMapGenerator:
  - name: settings
    namespace: apps
    options: {disableNameSuffixHash: true}
    files:
      - other.yaml=values.yaml
      - values.yaml=deep/values.yaml
"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"kustomization.yaml": "resources: [release.yaml, map.yaml]\n", "map.yaml": IN_A_BLOCK}, Place("map.yaml", 8, 7)),
        ({"kustomization.yaml": "resources: [release.yaml, map.yaml]\n", "map.yaml": IN_A_LINE}, Place("map.yaml", 5, 3)),
        (
            {"kustomization.yaml": GENERATED, "values.yaml": "{}\n", "deep/values.yaml": "\nweb:\n  existingSecret: web\n"},
            Place("deep/values.yaml", 3, 3),
        ),
    ],
    ids=["a block in a ConfigMap", "a text in quotes", "a file of a generator"],
)
def test_a_value_of_a_config_map_stands_where_a_person_would_edit_it(files: dict[str, str], expected: Place) -> None:
    loader = Loader(MemoryTree({"release.yaml": HELM_RELEASE, **files}))
    rendered = [to_resource(node, SCOPE_OF, "apps") for node in Builder(loader).build("").resources]
    known = {resource.id: resource for resource in rendered if resource is not None}
    found = flux_release(known[ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "apps", "web")], known, loader, SCOPE_OF, frozenset())

    assert found.values["web"].place("existingSecret") == expected
