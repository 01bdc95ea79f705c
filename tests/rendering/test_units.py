from __future__ import annotations

from typing import Any

import pytest

from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.results import Unit
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.units import is_kustomization, is_unit, to_unit
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.yaml import parse

KINDS = {
    "Kustomization": "kustomize.toolkit.fluxcd.io/v1",
    "HelmRelease": "helm.toolkit.fluxcd.io/v2",
    "ResourceSet": "fluxcd.controlplane.io/v1",
}


def unit(kind: str = "Kustomization", **spec: Any) -> Unit:
    manifest = {"apiVersion": KINDS[kind], "kind": kind, "metadata": {"name": "web", "namespace": "apps"}, "spec": spec}
    resource = to_resource(parse(dump(manifest), "web.yaml", DEFAULT_LIMITS).documents[0], default_table().is_namespaced, "flux-system")
    assert resource is not None
    return to_unit(resource, None)


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization", (True, True)),
        ("kustomize.toolkit.fluxcd.io/v1beta2", "Kustomization", (True, True)),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization", (False, False)),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", (False, True)),
        ("fluxcd.controlplane.io/v1", "ResourceSet", (False, True)),
        ("helm.cattle.io/v1", "HelmRelease", (False, False)),
    ],
)
def test_units_are_told_by_group_and_kind(api_version: str, kind: str, expected: tuple[bool, bool]) -> None:
    node = parse(dump({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}}), "a.yaml", DEFAULT_LIMITS).documents[0]
    resource = to_resource(node, default_table().is_namespaced, "flux-system")

    assert resource is not None
    assert (is_kustomization(resource), is_unit(resource)) == expected


@pytest.mark.parametrize(
    ("kind", "spec", "waits"),
    [
        ("Kustomization", {}, False),
        ("Kustomization", {"wait": True}, True),
        ("Kustomization", {"wait": "true"}, False),
        ("HelmRelease", {}, True),
        ("HelmRelease", {"install": {"disableWait": True}}, False),
        ("HelmRelease", {"upgrade": {"disableWait": True}}, True),
    ],
)
def test_a_kustomization_waits_if_told_to_and_a_release_unless_told_not_to(kind: str, spec: dict[str, Any], waits: bool) -> None:
    assert unit(kind, **spec).wait is waits


def test_dependencies_are_units_of_the_same_kind_in_the_own_namespace_unless_they_say_otherwise() -> None:
    entries = [{"name": "a"}, {"name": "b", "namespace": "other"}]

    assert [str(entry.target) for entry in unit("HelmRelease", dependsOn=entries).depends_on] == ["HelmRelease/apps/a", "HelmRelease/other/b"]
    assert [str(entry.target) for entry in unit(dependsOn=entries).depends_on] == ["Kustomization/apps/a", "Kustomization/other/b"]


def test_a_resource_set_names_the_kind_of_what_it_depends_on_and_its_namespace() -> None:
    entries = [
        {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "name": "a", "namespace": "flux-system"},
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "name": "b"},
    ]

    assert [str(entry.target) for entry in unit("ResourceSet", dependsOn=entries).depends_on] == [
        "Kustomization/flux-system/a",
        "CustomResourceDefinition//b",
    ]


def test_sources_are_in_the_own_namespace_unless_they_say_otherwise() -> None:
    assert str(unit(sourceRef={"kind": "GitRepository", "name": "a"}).source) == "GitRepository/apps/a"
    assert str(unit(sourceRef={"kind": "OCIRepository", "name": "a", "namespace": "b"}).source) == "OCIRepository/b/a"
    assert unit().source is None


def test_health_checks_without_a_name_check_nothing() -> None:
    checks = [
        {"apiVersion": "apps/v1", "kind": "Deployment"},
        {"apiVersion": "v1", "kind": "Secret", "name": "a", "namespace": "b"},
        {"kind": "Pod", "name": "c"},
    ]

    assert [str(check.target) for check in unit(healthChecks=checks).health_checks] == ["Secret/b/a", "Pod/apps/c"]


@pytest.mark.parametrize("value", [None, "text", 7, True, {}, {"name": "a"}, [None], ["text"], [[]], [{}], [{"name": None}], [{"name": []}], [{"name": {}}]])
@pytest.mark.parametrize("field", ["dependsOn", "healthChecks", "healthCheckExprs", "sourceRef", "interval", "suspend", "wait", "kubeConfig", "install"])
def test_a_wrong_type_in_a_field_is_read_as_nothing(field: str, value: object) -> None:
    found = unit(**{field: value})

    assert {entry.target.name for entry in found.depends_on} | {check.target.name for check in found.health_checks} <= {"a"}
    assert found.interval is None
