"""What charts bring, by their values."""

from __future__ import annotations

from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.kinds.catalogue import (
    Chart,
    bundle_facts,
    controllers_of,
    default_catalogue,
    distributed_objects,
    network_definitions,
    operators_of,
    release_facts,
)
from gitops_secrets.kinds.charts import chart_version
from gitops_secrets.kinds.controllers import controller_requirement, webhook_requirement
from gitops_secrets.kinds.rows import REASONS
from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.facts import Confidence, Effect, Facts, Healing, KindNeed, ObjectNeed, Release, Resource, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place
from gitops_secrets.syntax.yaml import parse

TABLE = default_table()
CATALOGUE = default_catalogue()
ID = ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "flux-system", "it")


def facts(chart: str, values: str = "{}", **fields: object) -> Facts:
    node = parse(values, "release.yaml", DEFAULT_LIMITS).documents[0]
    assert isinstance(node, MappingNode)
    known = {"repository": "", "version": "", "name": "it", "namespace": "system", **fields}
    return release_facts(Release(ID, chart, values=node, place=Place("release.yaml", 1, 1), **known), CATALOGUE, TABLE)  # type: ignore[arg-type]


def kinds(found: Facts) -> set[str]:
    return {f"{need.group}/{need.kind}" for each in found.provisions if isinstance(need := each.provides, KindNeed)}


def objects(found: Facts) -> list[str]:
    return [str(each.provides) for each in found.provisions if isinstance(each.provides, ObjectNeed)]


def needs(found: Facts) -> list[str]:
    return [f"{each.reason} {each.need}" for each in found.requirements]


def test_the_catalogue_is_clean_yaml_and_names_are_used_once() -> None:
    assert parse(resources.files("gitops_secrets.kinds").joinpath("charts.yaml").read_bytes(), "charts.yaml", DEFAULT_LIMITS).problems == ()
    names = [chart.name for chart in CATALOGUE.charts if not chart.generic]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("chart", "values", "expected"),
    [
        ("external-secrets", "{}", True),
        ("external-secrets", "{installCRDs: false}", False),
        ("cert-manager", "{}", False),
        ("cert-manager", "{crds: {enabled: true}}", True),
        ("cert-manager", "{installCRDs: true}", True),
        ("kube-prometheus-stack", "{crds: {enabled: false}}", False),
        ("prometheus-operator-crds", "{}", True),
        ("ingress-nginx", "{}", False),
        ("mariadb-operator", "{}", False),
        ("mariadb-operator", "{crds: {enabled: true}}", True),
        ("cert-manager", "{crds: text}", False),
    ],
)
def test_a_chart_brings_its_definitions_where_its_values_say_so(chart: str, values: str, expected: bool) -> None:
    assert expected == bool(kinds(facts(chart, values)))


@pytest.mark.parametrize(
    ("chart", "crds", "expected"),
    [("sealed-secrets", "Create", True), ("sealed-secrets", "Skip", False), ("external-secrets", "Skip", True), ("kube-prometheus-stack", "Skip", False)],
)
def test_skipping_definitions_concerns_only_the_folder_of_that_name(chart: str, crds: str, expected: bool) -> None:
    assert expected == bool(kinds(facts(chart, crds=crds)))


def test_a_value_may_leave_out_one_kind() -> None:
    found = kinds(facts("external-secrets", "{crds: {createPushSecret: false}}"))

    assert "external-secrets.io/PushSecret" not in found
    assert "external-secrets.io/ExternalSecret" in found


def test_a_value_may_add_kinds() -> None:
    assert "gateway.networking.k8s.io/HTTPRoute" not in kinds(facts("linkerd-crds"))
    assert "gateway.networking.k8s.io/HTTPRoute" in kinds(facts("linkerd-crds", "{installGatewayAPI: true}"))


@pytest.mark.parametrize(
    ("version", "values", "expected"),
    [
        ("0.9.13", "{}", {"v1beta1", "v1alpha1"}),
        ("v0.16.2", "{}", {"v1", "v1beta1"}),
        ("0.17.0", "{}", {"v1"}),
        ("2.9.0", "{}", {"v1"}),
        ("1.2.1", "{crds: {unsafeServeV1Beta1: true}}", {"v1", "v1beta1"}),
        ("~0.16.0", "{}", {"v1", "v1beta1"}),
        ("", "{}", {""}),
        (">=0.10.0", "{}", {""}),
        ("*", "{}", {""}),
    ],
)
def test_versions_of_external_secrets_follow_its_release(version: str, values: str, expected: set[str]) -> None:
    found = facts("external-secrets", values, version=version)
    served = {need.version for each in found.provisions if isinstance(need := each.provides, KindNeed) and need.kind == "ExternalSecret"}

    assert expected == served


def test_push_secrets_and_generators_stay_alpha() -> None:
    found = facts("external-secrets", version="2.9.0")
    served = {
        need.version for each in found.provisions if isinstance(need := each.provides, KindNeed) and (need.kind == "PushSecret" or "generators" in need.group)
    }

    assert {"v1alpha1"} == served


def test_kinds_that_a_controller_registers_are_not_proven_by_the_release() -> None:
    signals = {each.ready_signal for each in facts("cilium").provisions if isinstance(each.provides, KindNeed)}

    assert {False} == signals


@pytest.mark.parametrize(
    ("chart", "values", "name", "expected"),
    [
        ("external-secrets", "{}", "external-secrets", ["external-secrets", "external-secrets-webhook", "external-secrets-cert-controller"]),
        (
            "external-secrets",
            "{serviceAccount: {name: eso}, webhook: {create: false}}",
            "it",
            ["eso", "external-secrets-webhook", "external-secrets-cert-controller"],
        ),
        ("cert-manager", "{serviceAccount: {create: false}}", "cert-manager", ["cert-manager-webhook", "cert-manager-cainjector"]),
        ("reloader", "{}", "it", ["it-reloader"]),
        ("reloader", "{}", "reloader", ["reloader"]),
        ("reloader", "{nameOverride: watch}", "it", ["it-watch"]),
        ("reloader", "{fullnameOverride: watcher}", "it", ["watcher"]),
        ("velero", "{}", "velero", ["velero-server"]),
        ("karpenter", "{serviceAccount: {name: nodes}}", "karpenter", ["nodes"]),
        ("keda", "{}", "keda", ["keda-operator"]),
        ("aws-ebs-csi-driver", "{}", "ebs", ["ebs-csi-controller-sa", "ebs-csi-node-sa"]),
    ],
)
def test_service_accounts_are_named_by_the_rules_of_the_chart(chart: str, values: str, name: str, expected: list[str]) -> None:
    found = [each.removeprefix("ServiceAccount/system/") for each in objects(facts(chart, values, name=name)) if each.startswith("ServiceAccount")]

    assert expected == found


def test_service_accounts_of_a_known_chart_are_not_opaque() -> None:
    (opaque,) = facts("reloader").opaque

    assert opaque.kinds is not None
    assert ("", "ServiceAccount") not in opaque.kinds
    assert ("", "Secret") in opaque.kinds
    assert ("", "Namespace") not in opaque.kinds
    assert opaque.namespace == "system"


def test_a_value_names_what_lies_where_the_templates_of_its_chart_say() -> None:
    found = facts("tenant", "{repo: {secretName: login}, app: {secretName: web}}", namespaces={"repo.secretName": "flux-system"})

    assert needs(found) == ["secret Secret/flux-system/login", "secret Secret/system/web"]


def test_an_unknown_chart_may_make_anything_in_its_namespace() -> None:
    (opaque,) = facts("of-somebody").opaque

    assert (str(ID), "system", None) == (opaque.thing, opaque.namespace, opaque.kinds)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("{}", ["ceph-block", "ceph-filesystem", "ceph-bucket"]),
        (
            "{cephBlockPools: [{storageClass: {enabled: true, name: fast}}, {storageClass: {name: no}}], cephFileSystems: [], cephObjectStores: []}",
            ["fast"],
        ),
    ],
)
def test_storage_classes_of_rook_stand_in_its_values(values: str, expected: list[str]) -> None:
    found = [each.removeprefix("StorageClass//") for each in objects(facts("rook-ceph-cluster", values)) if each.startswith("StorageClass")]

    assert expected == found


@pytest.mark.parametrize(
    ("chart", "values", "expected"),
    [
        ("democratic-csi", "{storageClasses: [{name: nvme}, {name: nfs}]}", ["StorageClass//nvme", "StorageClass//nfs"]),
        ("openebs", "{}", ["StorageClass//openebs-hostpath"]),
        ("openebs", "{localpv-provisioner: {hostpathClass: {name: local}}}", ["StorageClass//local"]),
        ("openebs", "{localpv-provisioner: {hostpathClass: {enabled: false}}}", []),
        ("csi-driver-nfs", "{storageClass: {create: true, name: nfs}}", ["StorageClass//nfs"]),
    ],
)
def test_storage_drivers_make_classes(chart: str, values: str, expected: list[str]) -> None:
    assert expected == [each for each in objects(facts(chart, values)) if not each.startswith("Service/")]


def test_ingress_controllers_make_their_class() -> None:
    assert "IngressClass//nginx" in objects(facts("ingress-nginx"))
    assert "IngressClass//internal" in objects(facts("ingress-nginx", "{controller: {ingressClassResource: {name: internal}}}"))


def test_a_release_makes_its_namespace_where_it_is_told_to() -> None:
    assert "Namespace//system" in objects(facts("reloader", create_namespace=True))
    assert "Namespace//system" not in objects(facts("reloader"))
    assert "Namespace//system" in objects(facts("of-somebody", create_namespace=True))


def test_a_chart_that_needs_kinds_of_another_fails_without_them() -> None:
    found = [each for each in facts("rook-ceph-cluster").requirements if isinstance(each.need, KindNeed) and each.need.kind == "CephCluster"]

    assert [(each.reason, each.effect, each.healing) for each in found] == [("custom-resource-definition", Effect.READY, Healing.NEVER)]


def test_a_value_may_make_a_chart_need_kinds() -> None:
    assert needs(facts("cilium")) == []
    found = facts("cilium", "{gatewayAPI: {enabled: true}}")

    assert "custom-resource-definition CustomResourceDefinition//gateways.gateway.networking.k8s.io" in needs(found)
    assert {(each.field, each.looked_for) for each in found.requirements} == {("spec.values.gatewayAPI.enabled", True)}
    assert [(each.field, each.looked_for) for each in facts("volsync").requirements] == [("spec.chart", True)]


def test_a_release_before_the_engine_provides_before_it() -> None:
    assert {When.BEFORE} == {each.when for each in facts("external-secrets", when=When.BEFORE).provisions}


def test_a_name_that_says_nothing_needs_its_repository() -> None:
    istio = "https://istio-release.storage.googleapis.com/charts"
    found = CATALOGUE.chart("base", istio)

    assert found is not None
    assert found.name == "base"
    assert None is CATALOGUE.chart("base", "https://charts.example.com")
    assert None is CATALOGUE.chart("nobody-knows", "")


def test_a_mirror_of_a_chart_is_the_chart() -> None:
    found = CATALOGUE.chart("cert-manager", "oci://mirror.example.com/charts")

    assert found is not None
    assert found.name == "cert-manager"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.4.0/standard-install.yaml", "gateway-api"),
        ("github.com/kubernetes-sigs/gateway-api/config/crd?ref=v1.4.0", "gateway-api"),
        ("ssh://git@github.com/external-secrets/external-secrets.git", "external-secrets"),
        ("git@github.com:kubernetes-csi/external-snapshotter", "snapshot-controller"),
        ("https://raw.githubusercontent.com/someone/charts/v1/crds/traefik.io_tlsoptions.yaml", "traefik"),
        ("https://raw.githubusercontent.com/external-secrets/external-secrets/main/deploy/crds/bundle.yaml", "external-secrets"),
        ("https://github.com/kubernetes-sigs/gateway-api-inference-extension", None),
        ("https://example.com/team/repository", None),
    ],
)
def test_manifests_of_a_known_repository_bring_what_its_chart_does(url: str, expected: str | None) -> None:
    found = CATALOGUE.remote(url)

    assert expected == (found.name if found else None)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v0.10.1", set()), ("v1.3.0", {"v1", "v1beta1", "v1alpha3", "v1alpha2"}), ("v1.6.0", {"v1"}), ("${version}", {""})],
)
def test_versions_of_cert_manager_follow_its_release(version: str, expected: set[str]) -> None:
    found = facts("cert-manager", "{installCRDs: true}", version=version).provisions

    assert {each.provides.version for each in found if isinstance(each.provides, KindNeed) and each.provides.kind == "Issuer"} == expected


def test_a_bundle_provides_its_kinds_in_any_version() -> None:
    bundle = CATALOGUE.remote("https://github.com/kubernetes-sigs/gateway-api")
    assert bundle is not None
    found = bundle_facts(bundle, ID, Place("a.yaml", 1, 1), TABLE)

    assert "gateway.networking.k8s.io/HTTPRoute" in kinds(found)
    assert {("", Confidence.LIKELY)} == {(each.provides.version, each.confidence) for each in found.provisions if isinstance(each.provides, KindNeed)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.2.3", (1, 2)), ("v0.16.0", (0, 16)), ("~1.4.0", (1, 4)), ("0.9.x", (0, 9)), ("1.14.0-beta.1", (1, 14)), ("^1.0.0", None), ("1.x", None), ("", None)],
)
def test_a_version_is_known_where_its_minor_is_fixed(text: str, expected: tuple[int, int] | None) -> None:
    assert expected == chart_version(text)


def test_the_services_and_claims_of_an_app_template_are_named_in_its_values() -> None:
    values = "{service: {app: {ports: {}}}, persistence: {data: {type: persistentVolumeClaim, size: 1Gi}, old: {existingClaim: mine}, tmp: {type: emptyDir}}}"
    found = facts("app-template", values, name="web")

    assert objects(found) == ["Service/system/web", "Service/system/web-app", "PersistentVolumeClaim/system/web", "PersistentVolumeClaim/system/web-data"]
    assert needs(found) == ["volume-claim PersistentVolumeClaim/system/mine"]
    assert found.opaque == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("'{{ .Release.Name }}-secret'", ["secret Secret/system/it-secret"]),
        ("'{{.Release.Namespace}}-x'", ["secret Secret/system/system-x"]),
        ("'{{ include \"chart.fullname\" . }}'", []),
        ("plain", ["secret Secret/system/plain"]),
    ],
)
def test_a_name_in_the_values_may_be_a_template_of_the_release(name: str, expected: list[str]) -> None:
    assert expected == needs(facts("app-template", f"auth: {{existingSecret: {name}}}"))


def test_a_name_with_an_unknown_variable_is_never_missing() -> None:
    (requirement,) = facts("app-template", "auth: {existingSecret: '${APP}-secret'}").requirements

    assert (requirement.optional, requirement.confidence) == (True, Confidence.POSSIBLE)


def test_every_reason_of_a_release_is_in_the_public_list() -> None:
    for chart in CATALOGUE.charts:
        release = Release(ID, chart.name, chart.repositories[0] if chart.repositories else "", "", "it", "system", EMPTY_MAPPING, Place("a.yaml", 1, 1))
        found = release_facts(release, CATALOGUE, TABLE)

        assert {each.reason for each in found.requirements} <= REASONS


def test_a_monitor_that_a_value_switches_on_needs_its_kind_softly() -> None:
    found = facts("of-somebody", "{metrics: {serviceMonitor: {enabled: true}, podMonitor: {enabled: false}}}").requirements

    assert [(str(each.need), each.field, each.soft) for each in found] == [
        ("CustomResourceDefinition//servicemonitors.monitoring.coreos.com", "spec.values.metrics.serviceMonitor.enabled", True)
    ]


def test_a_chart_does_not_need_the_monitors_that_it_brings() -> None:
    assert needs(facts("kube-prometheus-stack", "{grafana: {serviceMonitor: {enabled: true}}}")) == []


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ("{}", "it", ["it-of-somebody"]),
        ("{}", "of-somebody", ["of-somebody"]),
        ("{fullnameOverride: that}", "it", ["that"]),
        ("{server: {fullnameOverride: logs}}", "of-somebody", ["logs", "of-somebody"]),
    ],
)
def test_an_unknown_chart_possibly_names_its_service_after_itself(values: str, name: str, expected: list[str]) -> None:
    found = facts("of-somebody", values, name=name)

    assert [f"Service/system/{each}" for each in expected] == objects(found)
    assert {Confidence.POSSIBLE} == {each.confidence for each in found.provisions}


def release(chart: str, name: str, values: MappingNode = EMPTY_MAPPING) -> Release:
    return Release(ID._replace(name=name), chart, "", "", name, "system", values, Place("release.yaml", 1, 1))


def custom_resource(group: str, kind: str) -> Resource:
    data = parse(f"kind: {kind}\napiVersion: {group}/v1\n", "a.yaml", DEFAULT_LIMITS).documents[0]
    assert isinstance(data, MappingNode)
    return Resource(ResourceId(group, kind, "apps", "one"), "v1", data, Place("a.yaml", 1, 1))


def test_an_object_needs_the_webhook_of_its_operator_where_the_operator_is_known() -> None:
    operators = operators_of([release("external-secrets", "eso", parse("{installCRDs: false}", "r.yaml", DEFAULT_LIMITS).documents[0])], CATALOGUE)
    found = webhook_requirement(custom_resource("external-secrets.io", "ExternalSecret"), operators, TABLE)

    assert found is not None
    assert ("webhook", Effect.APPLY, Place("a.yaml", 2, 1)) == (found.reason, found.effect, found.place)
    assert str(found.need) in objects(facts("external-secrets", "{installCRDs: false}"))
    assert webhook_requirement(custom_resource("cert-manager.io", "Certificate"), operators, TABLE) is None
    assert webhook_requirement(custom_resource("monitoring.coreos.com", "ServiceMonitor"), operators, TABLE) is None


@pytest.mark.parametrize(("chart", "values"), [("external-secrets", "{webhook: {create: false}}"), ("keda", "{}"), ("kube-prometheus-stack", "{}")])
def test_a_webhook_that_is_switched_off_or_refuses_nothing_admits_nothing(chart: str, values: str) -> None:
    assert operators_of([release(chart, "it", parse(values, "r.yaml", DEFAULT_LIMITS).documents[0])], CATALOGUE) == {}
    assert not any("WebhookConfiguration" in each for each in objects(facts(chart, values)))


def test_an_object_is_of_use_only_with_the_release_that_runs_its_controller() -> None:
    without = parse("{installCRDs: false}", "r.yaml", DEFAULT_LIMITS).documents[0]
    controllers = controllers_of([release("toolhive-operator", "hive"), release("external-secrets", "eso", without), release("cert-manager", "crt")], CATALOGUE)
    found = controller_requirement(custom_resource("toolhive.stacklok.dev", "MCPServer"), controllers)

    assert found is not None
    assert (found.reason, found.effect, found.soft) == ("operator", Effect.READY, True)
    assert controllers["toolhive.stacklok.dev"] == release("toolhive-operator", "hive").resource
    assert controllers["external-secrets.io"] == release("external-secrets", "eso").resource
    assert controller_requirement(custom_resource("monitoring.coreos.com", "ServiceMonitor"), controllers) is None


def test_a_release_that_brings_the_definitions_itself_is_needed_for_these_already() -> None:
    assert controllers_of([release("external-secrets", "eso")], CATALOGUE) == {}


def test_a_chart_of_definitions_runs_no_operator() -> None:
    assert operators_of([release("prometheus-operator-crds", "crds"), release("of-somebody", "x")], CATALOGUE) == {}


ODD = st.sampled_from(["", "text", "{{ .Release.Name }}", "${X}"]) | st.none() | st.booleans() | st.integers()


def values_of(paths: dict[str, object]) -> MappingNode:
    root = MappingNode("release.yaml", 1)
    for path, value in paths.items():
        node = root
        *steps, last = path.split(".")
        for step in steps:
            child = node.get(step)
            if not isinstance(child, MappingNode):
                child = MappingNode("release.yaml", 1)
                node.put(step, child, 1)
            node = child
        node.put(last, value, 1)
    return root


PATHS = st.sampled_from(
    [
        "crds",
        "crds.enabled",
        "installCRDs",
        "serviceAccount",
        "serviceAccount.name",
        "serviceAccount.create",
        "fullnameOverride",
        "nameOverride",
        "storageClasses",
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CATALOGUE.charts), st.dictionaries(PATHS, ODD, max_size=4), st.sampled_from(["", "1.2.3", "x", ">=0"]))
def test_values_of_a_wrong_type_never_raise(chart: Chart, paths: dict[str, object], version: str) -> None:
    repository = chart.repositories[0] if chart.repositories else ""
    found = release_facts(Release(ID, chart.name, repository, version, "it", "system", values_of(paths), Place("release.yaml", 1, 1)), CATALOGUE, TABLE)

    assert all("{{" not in str(each.provides) for each in found.provisions)


@pytest.mark.parametrize(
    ("chart", "values", "expected"),
    [
        ("cilium", "{}", True),
        ("cilium", "{cni: {chainingMode: none}}", True),
        ("cilium", "{cni: {chainingMode: aws-cni}}", False),
        ("external-secrets", "{}", False),
    ],
)
def test_the_pod_network_is_there_before_the_engine(chart: str, values: str, expected: bool) -> None:
    node = parse(values, "release.yaml", DEFAULT_LIMITS).documents[0]
    release = Release(ID, chart, "", "", "it", "system", node, Place("release.yaml", 1, 1))
    found = list(network_definitions([release], CATALOGUE, TABLE))

    assert bool(found) is expected
    assert {provision.when for provision in found} <= {When.BEFORE}


@pytest.mark.parametrize(
    ("chart", "values", "foreign"),
    [
        ("unheard-of", "{}", True),
        ("raw", "{}", False),
        ("unheard-of", "{extraObjects: [{apiVersion: v1, kind: ConfigMap}]}", False),
        ("unheard-of", "{extra: 'apiVersion: v1'}", False),
        ("grafana", "{}", True),
    ],
)
def test_a_chart_for_everybody_makes_nothing_of_the_platforms_own_arrangement(chart: str, values: str, foreign: bool) -> None:
    (opaque,) = facts(chart, values).opaque

    assert opaque.foreign is foreign


def test_the_controller_of_istio_writes_its_certificate_into_every_namespace() -> None:
    release = Release(ID, "istiod", "", "", "istiod", "istio-system", EMPTY_MAPPING, Place("release.yaml", 1, 1))
    found = list(distributed_objects(release, ["prod", "test"], CATALOGUE))

    assert [str(each.provides) for each in found] == ["ConfigMap/prod/istio-ca-root-cert", "ConfigMap/test/istio-ca-root-cert"]
    assert {(each.when, each.keys, each.ready_signal) for each in found} == {(When.LATER, frozenset({"root-cert.pem"}), True)}


@pytest.mark.parametrize("chart", ["", "reloader", "nobody-knows-it"])
def test_other_charts_write_nothing_into_every_namespace(chart: str) -> None:
    release = Release(ID, chart, "", "", "it", "system", EMPTY_MAPPING, Place("release.yaml", 1, 1))

    assert list(distributed_objects(release, ["prod"], CATALOGUE)) == []


def test_only_the_workload_behind_it_answers_for_a_webhook_where_a_chart_runs_several() -> None:
    answering = {chart: [each.workload for each in facts(chart).provisions if "Webhook" in str(each.provides)] for chart in ("cert-manager", "kueue")}

    assert answering == {"cert-manager": ["webhook"], "kueue": [""]}


@pytest.mark.parametrize(("chart", "proven"), [("crossplane", True), ("cert-manager", True), ("cilium", False), ("gatekeeper", True)])
def test_ready_of_a_release_proves_its_definitions_unless_a_running_controller_registers_them(chart: str, proven: bool) -> None:
    found = facts(chart, "{crds: {enabled: true}}").provisions

    assert {each.ready_signal for each in found if isinstance(each.provides, KindNeed)} == {proven}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("{repository: docker.io/rancher/system-upgrade-controller, tag: v0.14.2}", {"upgrade.cattle.io/Plan"}),
        ("mirror.example.org:5000/rancher/system-upgrade-controller:v1@sha256:00", {"upgrade.cattle.io/Plan"}),
        ("{repository: example.org/other}", set()),
        ("[rancher/system-upgrade-controller]", set()),
    ],
)
def test_a_program_registers_its_kinds_whichever_chart_runs_it(image: str, expected: set[str]) -> None:
    found = facts("app-template", f"controllers: {{main: {{containers: {{app: {{image: {image}}}}}}}}}")

    assert kinds(found) == expected
    assert not any(each.ready_signal for each in found.provisions if isinstance(each.provides, KindNeed))
