"""A small platform as facts: an operator, a store, an ExternalSecret and the workload that reads its Secret; the order is written only in part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pytest

from gitops_secrets.graph.build import build
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Confidence, Effect, Facts, Healing, KindNeed, ObjectNeed, Opaque, Provision, RemoteNeed, Requirement, Resource, When
from gitops_secrets.model.findings import Edit, Finding, Fix, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, Place
from gitops_secrets.model.results import AppliedResource, Cluster, Dependency, Unit
from gitops_secrets.ordering.order import Plan, plan

NO_ROWS = KindTable(MappingProxyType({}), MappingProxyType({}))


def kustomization(name: str, namespace: str = "flux-system") -> ResourceId:
    return ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", namespace, name)


ROOT, OPERATORS, STORES, APPS = (kustomization(name) for name in ("flux-system", "operators", "stores", "apps"))
RELEASE = ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "external-secrets", "external-secrets")
STORE = ResourceId("external-secrets.io", "ClusterSecretStore", "", "aws")
EXTERNAL_SECRET = ResourceId("external-secrets.io", "ExternalSecret", "weather", "weather-api")
SECRET = ResourceId("", "Secret", "weather", "weather-api-secrets")
ACCOUNT = ResourceId("", "ServiceAccount", "external-secrets", "external-secrets")
DEPLOYMENT = ResourceId("apps", "Deployment", "weather", "api")
NAMESPACE = ResourceId("", "Namespace", "", "weather")
KUBERNETES = ResourceId("", "Kubernetes", "", "kubernetes")


@dataclass(frozen=True)
class Platform:
    """The parts of a cluster, to be changed before it is planned."""

    units: Sequence[Unit]
    resources: Sequence[AppliedResource]
    facts: Sequence[tuple[ResourceId, Facts]]
    before: Sequence[Provision]
    opaque: Sequence[Opaque] = ()
    name: str = "production"

    def plan(self) -> Plan:
        entry_point = f"clusters/{self.name}/flux-system/gotk-sync.yaml"
        cluster = Cluster(self.name, entry_point, "flux", tuple(self.units), tuple(self.resources), opaque=tuple(self.opaque))
        return plan(build(cluster, self.facts, self.before), NO_ROWS)


def applied(resource: ResourceId, unit: ResourceId, file: str, line: int = 4, version: str = "v1") -> AppliedResource:
    return AppliedResource(Resource(resource, version, EMPTY_MAPPING, Place(file, line, 3)), unit)


def own(resource: ResourceId, place: Place) -> Provision:
    return Provision(resource, ObjectNeed(resource), When.NOW, place)


def needs(resource: ResourceId, need: ObjectNeed | KindNeed | RemoteNeed, reason: str, field: str, place: Place, effect: Effect = Effect.READY) -> Requirement:
    return Requirement(resource, need, effect, reason, field, place, healing=Healing.SLOW)


def make_platform() -> Platform:
    stores, secrets, app, controllers = "infrastructure/stores/aws.yaml", "apps/weather/secret.yaml", "apps/weather/deployment.yaml", "infrastructure/eso.yaml"
    clusters = "clusters/production/units.yaml"
    units = [
        Unit(ROOT, Place("clusters/production/flux-system/gotk-sync.yaml", 16, 3), path="clusters/production", interval=600),
        Unit(OPERATORS, Place(clusters, 4, 3), ROOT, "infrastructure/operators", interval=600),
        Unit(STORES, Place(clusters, 14, 3), ROOT, "infrastructure/stores", depends_on=(Dependency(OPERATORS, Place(clusters, 20, 7)),), interval=600),
        Unit(APPS, Place(clusters, 30, 3), ROOT, "apps", interval=600, retry_interval=120),
        Unit(RELEASE, Place(controllers, 4, 3), OPERATORS, wait=True, interval=1800),
    ]
    resources = [
        applied(ROOT, ROOT, "clusters/production/flux-system/gotk-sync.yaml", 16),
        applied(OPERATORS, ROOT, clusters, 4),
        applied(STORES, ROOT, clusters, 14),
        applied(APPS, ROOT, clusters, 30),
        applied(RELEASE, OPERATORS, controllers, 4, "v2"),
        applied(STORE, STORES, stores),
        applied(EXTERNAL_SECRET, APPS, secrets),
        applied(DEPLOYMENT, APPS, app),
        applied(NAMESPACE, APPS, "apps/weather/namespace.yaml"),
    ]
    kinds = {
        kind: KindNeed("external-secrets.io", kind, "v1", plural)
        for kind, plural in (("ClusterSecretStore", "clustersecretstores"), ("ExternalSecret", "externalsecrets"))
    }
    release_place = Place(controllers, 4, 3)
    facts = [
        (
            OPERATORS,
            Facts(
                provisions=(
                    own(RELEASE, release_place),
                    *(Provision(RELEASE, KindNeed("external-secrets.io", kind, "", need.plural), When.LATER, release_place) for kind, need in kinds.items()),
                    Provision(RELEASE, ObjectNeed(ACCOUNT), When.LATER, release_place, confidence=Confidence.LIKELY),
                )
            ),
        ),
        (
            STORES,
            Facts(
                requirements=(
                    needs(STORE, kinds["ClusterSecretStore"], "custom-resource-definition", "apiVersion", Place(stores, 1, 1), Effect.APPLY),
                    needs(STORE, ObjectNeed(ACCOUNT), "service-account", "spec.provider.aws.auth.jwt.serviceAccountRef.name", Place(stores, 12, 13)),
                ),
                provisions=(own(STORE, Place(stores, 4, 3)),),
            ),
        ),
        (
            APPS,
            Facts(
                requirements=(
                    needs(EXTERNAL_SECRET, kinds["ExternalSecret"], "custom-resource-definition", "apiVersion", Place(secrets, 1, 1), Effect.APPLY),
                    needs(EXTERNAL_SECRET, ObjectNeed(NAMESPACE), "namespace", "metadata.namespace", Place(secrets, 5, 3), Effect.APPLY),
                    needs(EXTERNAL_SECRET, ObjectNeed(STORE), "secret-store", "spec.secretStoreRef.name", Place(secrets, 9, 5)),
                    needs(EXTERNAL_SECRET, RemoteNeed(STORE, "prod/weather/apiKey"), "remote-key", "spec.data[0].remoteRef.key", Place(secrets, 14, 9)),
                ),
                provisions=(
                    own(EXTERNAL_SECRET, Place(secrets, 4, 3)),
                    Provision(EXTERNAL_SECRET, ObjectNeed(SECRET), When.LATER, Place(secrets, 11, 5), frozenset({"apiKey"})),
                ),
            ),
        ),
        (
            APPS,
            Facts(
                requirements=(
                    needs(DEPLOYMENT, ObjectNeed(NAMESPACE), "namespace", "metadata.namespace", Place(app, 5, 3), Effect.APPLY),
                    needs(
                        DEPLOYMENT,
                        ObjectNeed(SECRET, "apiKey"),
                        "secret",
                        "spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef.name",
                        Place(app, 22, 19),
                    ),
                    needs(
                        DEPLOYMENT,
                        ObjectNeed(ResourceId("", "ConfigMap", "weather", "settings")),
                        "config-map",
                        "spec.template.spec.volumes[0].configMap.name",
                        Place(app, 30, 13),
                    ),
                    needs(
                        DEPLOYMENT,
                        ObjectNeed(ResourceId("", "ServiceAccount", "weather", "default")),
                        "service-account",
                        "spec.template.spec.serviceAccountName",
                        Place(app, 12, 7),
                    ),
                    needs(
                        DEPLOYMENT,
                        ObjectNeed(ResourceId("storage.k8s.io", "StorageClass", "", "fast")),
                        "storage-class",
                        "spec.storageClassName",
                        Place(app, 40, 7),
                    ),
                ),
                provisions=(own(DEPLOYMENT, Place(app, 4, 3)),),
            ),
        ),
        (APPS, Facts(provisions=(own(NAMESPACE, Place("apps/weather/namespace.yaml", 4, 3)),))),
    ]
    start = Place("clusters/production/flux-system/gotk-sync.yaml", 1, 1)
    fast = ResourceId("storage.k8s.io", "StorageClass", "", "fast")
    before = [
        Provision(KUBERNETES, ObjectNeed(ResourceId("", "ServiceAccount", "weather", "default")), When.BEFORE, start),
        Provision(fast, ObjectNeed(fast), When.BEFORE, Place("bootstrap/helmfile.yaml", 8, 5), note="bootstrap/helmfile.yaml: longhorn"),
    ]
    opaque = [Opaque("HelmRelease/external-secrets/external-secrets", "the chart is not in the lock file", release_place, "external-secrets")]
    return Platform(units, resources, facts, before, opaque)


def make_findings() -> list[Finding]:
    missing = "ClusterSecretStore//aws of Kustomization/flux-system/stores, with no dependsOn on it"
    findings = [
        Finding(
            "missing-depends-on",
            Severity.WARNING,
            Confidence.CERTAIN,
            f"Kustomization/flux-system/app-{number} needs Kustomization/flux-system/stores first: back-off up to 7 min",
            Place(f"clusters/production/app-{number}.yaml", 4, 3),
            f"Kustomization/flux-system/app-{number}",
            "Kustomization/flux-system/stores",
            "spec.dependsOn",
            (Related("ExternalSecret/weather/weather-api needs ClusterSecretStore//aws", Place("apps/weather/secret.yaml", 9, 5)),),
            ("production",),
            cause=missing,
            fingerprint=f"{number:064x}",
        )
        for number in range(1, 6)
    ]
    edit = Edit("apps/weather/secret.yaml", (10, 5), (10, 5), "    kind: ClusterSecretStore\n")
    findings.append(
        Finding(
            "missing-store",
            Severity.ERROR,
            Confidence.CERTAIN,
            "ExternalSecret/weather/weather-api needs SecretStore/weather/aws, which nothing in the repository makes",
            Place("apps/weather/secret.yaml", 9, 5),
            "ExternalSecret/weather/weather-api",
            "SecretStore/weather/aws",
            "spec.secretStoreRef.name",
            (),
            ("production", "staging"),
            Fix("name the kind of the store", (edit,)),
            "SecretStore/weather/aws is made by nothing in the repository",
            "f" * 64,
        )
    )
    findings.append(
        Finding(
            "missing-secret",
            Severity.NOTE,
            Confidence.POSSIBLE,
            "Deployment/weather/api needs Secret/weather/tls, unless HelmRelease/weather/web makes it",
            Place("apps/weather/deployment.yaml", 30, 13),
            "Deployment/weather/api",
            "Secret/weather/tls",
            clusters=("production",),
            cause="Secret/weather/tls is made by nothing",
            fingerprint="e" * 64,
        )
    )
    return findings


@pytest.fixture
def platform() -> Platform:
    """The small platform."""
    return make_platform()


@pytest.fixture
def small_plan(platform: Platform) -> Plan:
    """The plan of the small platform."""
    return platform.plan()


@pytest.fixture
def findings() -> list[Finding]:
    """Five warnings of one cause, an error with a fix, and a note."""
    return make_findings()


@pytest.fixture
def named() -> Callable[[str], Plan]:
    """The plan of a cluster whose units, paths and objects all carry the given text in their names."""

    def make(text: str) -> Plan:
        first, second = kustomization(f"a{text}"), kustomization(f"b{text}")
        secret = ResourceId("", "Secret", f"ns{text}", f"s{text}")
        place = Place(f"file{text}.yaml", 1, 1)
        units = [Unit(first, place, None, f"path{text}", opaque=f"why{text}"), Unit(second, place, first, f"path{text}", interval=60)]
        reader = ResourceId("apps", "Deployment", f"ns{text}", f"d{text}")
        third = kustomization(f"c{text}")
        units.append(Unit(third, place, first, f"path{text}"))
        facts = [
            (
                second,
                Facts(
                    requirements=(
                        needs(reader, ObjectNeed(secret), "secret", f'spec["{text}"]', place, Effect.APPLY),
                        needs(reader, ObjectNeed(secret._replace(name=f"gone{text}")), "secret", f'spec["{text}"]', place),
                    )
                ),
            ),
            (third, Facts(provisions=(own(secret, place),))),
        ]
        resources = [applied(reader, second, place.file), applied(secret, third, place.file)]
        return Platform(units, resources, facts, (), (Opaque(f"thing{text}", f"why{text}", place),), f"cluster{text}").plan()

    return make
