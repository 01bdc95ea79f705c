"""Whether Ready of a unit proves that what it brings is there."""

from __future__ import annotations

import pytest

from gitops_secrets.graph.build import build
from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.facts import Effect, Facts, Healing, KindNeed, ObjectNeed, Provision, Release, Requirement, Resource, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, Place
from gitops_secrets.model.results import AppliedResource, Cluster, Dependency, HealthCheck, Unit
from gitops_secrets.ordering.gates import Gate, GateKind, is_awaited
from gitops_secrets.ordering.order import plan

PLACE = Place("clusters/test/units.yaml", 1, 1)
OPERATORS = ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "operators")
ISSUERS = OPERATORS._replace(name="issuers")
CERT_MANAGER = ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "flux-system", "cert-manager")
ISSUER = ResourceId("cert-manager.io", "ClusterIssuer", "", "internal")
KIND = KindNeed("cert-manager.io", "ClusterIssuer", "v1", "clusterissuers")
WEBHOOK = ObjectNeed(ResourceId("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "cert-manager-webhook"))


def workload(name: str, namespace: str = "cert-manager", kind: str = "Deployment") -> ResourceId:
    return ResourceId("apps", kind, namespace, name)


def release(name: str, chart: str) -> Release:
    return Release(CERT_MANAGER._replace(name=name), chart, "", "", name, "cert-manager", EMPTY_MAPPING, PLACE)


def gate(
    requirement: Requirement,
    provision: Provision,
    *checked: ResourceId,
    applied: tuple[ResourceId, ...] = (),
    made: tuple[Provision, ...] = (),
    wait: bool = False,
) -> Gate:
    """The gate of the one reason for which `issuers` depends on `operators`, the unit that checks the health of `checked`."""
    operators = Unit(OPERATORS, PLACE, wait=wait, health_checks=tuple(HealthCheck(target, PLACE) for target in checked))
    issuers = Unit(ISSUERS, PLACE, depends_on=(Dependency(OPERATORS, PLACE),))
    manifests = [Resource(id, "v1", EMPTY_MAPPING, PLACE) for id in (CERT_MANAGER, *applied)]
    releases = (release("cert-manager", "cert-manager"), release("cert-manager-approver-policy", "approver-policy"))
    cluster = Cluster("test", "clusters/test", "flux", (operators, issuers), tuple(AppliedResource(each, OPERATORS) for each in manifests), releases)
    graph = build(cluster, [(OPERATORS, Facts(provisions=(provision, *made))), (ISSUERS, Facts((requirement,)))])
    edge = next(edge for edge in plan(graph, default_table()).edges if edge.provider == OPERATORS)
    return edge.gates[0]


def needed(need: KindNeed | ObjectNeed, reason: str = "custom-resource-definition", effect: Effect = Effect.APPLY) -> Requirement:
    return Requirement(ISSUER, need, effect, reason, "apiVersion", PLACE, healing=Healing.SLOW)


def brought(need: KindNeed | ObjectNeed, **fields: object) -> Provision:
    return Provision(CERT_MANAGER, need, When.LATER, PLACE, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["cert-manager", "cert-manager-cainjector"])
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_workload_of_a_release_proves_what_the_release_installs(name: str, kind: str) -> None:
    found = gate(needed(KIND), brought(KIND), workload(name, kind=kind))

    assert (found.kind, found.checked, found.backs) == (GateKind.HEALTH_CHECK, workload(name, kind=kind), True)


@pytest.mark.parametrize(
    "checked",
    [
        workload("cert-manager", namespace="default"),
        workload("cert-manager-approver-policy"),
        workload("trust-manager"),
        workload("cert-manager", kind="Job"),
        ResourceId("batch", "Deployment", "cert-manager", "cert-manager"),
    ],
)
def test_a_workload_elsewhere_or_of_another_release_proves_nothing(checked: ResourceId) -> None:
    assert gate(needed(KIND), brought(KIND), checked).kind is GateKind.NONE


def test_a_workload_that_a_manifest_applies_is_none_of_the_release() -> None:
    assert gate(needed(KIND), brought(KIND), workload("cert-manager"), applied=(workload("cert-manager"),)).kind is GateKind.NONE


def test_a_custom_resource_that_the_release_makes_proves_what_it_installs_beside_it() -> None:
    pool = ResourceId("example.org", "Pool", "cert-manager", "it")
    made = Provision(CERT_MANAGER, ObjectNeed(pool), When.LATER, PLACE)

    assert gate(needed(KIND), brought(KIND), pool, made=(made,)).kind is GateKind.HEALTH_CHECK
    assert gate(needed(KIND), brought(KIND), pool).kind is GateKind.NONE
    assert gate(needed(WEBHOOK, "webhook"), brought(WEBHOOK, workload="webhook"), pool, made=(made,)).kind is GateKind.NONE


@pytest.mark.parametrize(
    ("group", "kind", "awaited"),
    [("apps", "Deployment", True), ("batch", "CronJob", False), ("networking.k8s.io", "Ingress", False), ("external-secrets.io", "ExternalSecret", True)],
)
def test_only_what_can_be_unready_keeps_a_unit_waiting(group: str, kind: str, awaited: bool) -> None:
    assert is_awaited(ResourceId(group, kind, "default", "web")) is awaited


def test_what_an_operator_registers_once_it_runs_is_not_proven_by_its_workload() -> None:
    assert gate(needed(KIND), brought(KIND, ready_signal=False), workload("cert-manager")).kind is GateKind.RUNTIME


@pytest.mark.parametrize(("effect", "kind"), [(Effect.READY, GateKind.WAIT), (Effect.APPLY, GateKind.RUNTIME)])
def test_an_object_made_after_the_start_is_there_in_time_for_who_only_gets_ready_later(effect: Effect, kind: GateKind) -> None:
    storage_class = ObjectNeed(ResourceId("storage.k8s.io", "StorageClass", "", "fast"))

    assert gate(needed(storage_class, "storage-class", effect), brought(storage_class, ready_signal=False), wait=True).kind is kind


@pytest.mark.parametrize(("name", "kind"), [("cert-manager", GateKind.NONE), ("cert-manager-webhook", GateKind.HEALTH_CHECK)])
def test_a_webhook_is_proven_by_the_workload_that_answers_for_it(name: str, kind: GateKind) -> None:
    assert gate(needed(WEBHOOK, "webhook"), brought(WEBHOOK, workload="webhook"), workload(name)).kind is kind


def test_any_workload_answers_for_the_webhook_of_a_release_that_runs_one() -> None:
    assert gate(needed(WEBHOOK, "webhook"), brought(WEBHOOK), workload("cert-manager")).kind is GateKind.HEALTH_CHECK


@pytest.mark.parametrize("checked", [CERT_MANAGER, ResourceId("apiextensions.k8s.io", "CustomResourceDefinition", "", "clusterissuers.cert-manager.io")])
def test_a_health_check_on_the_release_or_on_the_definition_proves_the_kind(checked: ResourceId) -> None:
    # The release itself would have to wait for its objects; without its unit in the graph it does.
    assert gate(needed(KIND), brought(KIND), checked).backs


def test_a_definition_is_named_by_the_plural_of_who_brings_it() -> None:
    guessed, right = (KindNeed("constraints.gatekeeper.sh", "RequiredLabels", "", plural) for plural in ("requiredlabelses", "requiredlabels"))
    found = gate(needed(guessed), brought(right, ready_signal=False))

    assert str(found.checked) == "CustomResourceDefinition//requiredlabels.constraints.gatekeeper.sh"


def test_a_unit_that_waits_proves_what_a_release_in_it_brings_and_no_more() -> None:
    assert gate(needed(KIND), brought(KIND), wait=True).kind is GateKind.WAIT
    assert gate(needed(KIND), brought(KIND, ready_signal=False), wait=True).kind is GateKind.RUNTIME
