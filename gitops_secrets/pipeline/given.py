"""What is there before any unit is applied: what Kubernetes holds by itself, the engine with its kinds, and what its bootstrap makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitops_secrets.kinds.catalogue import Catalogue, bundle_facts
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import KindNeed, ObjectNeed, Provision, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, Place, as_mapping, as_text
from gitops_secrets.model.results import Cluster
from gitops_secrets.rendering.objects import FLUX_NAMESPACE

KUBERNETES = ResourceId("", "Kubernetes", "", "kubernetes")
FLUX = ResourceId("", "Flux", "", "flux")
ARGO = ResourceId("", "Argo", "", "argo")

_KUBERNETES_OBJECTS = (
    *(ResourceId("", "Namespace", "", name) for name in ("default", "kube-system", "kube-public", "kube-node-lease")),
    *(ResourceId("", "ServiceAccount", "kube-system", name) for name in ("coredns", "kube-proxy")),
    *(ResourceId("scheduling.k8s.io", "PriorityClass", "", f"system-{name}-critical") for name in ("cluster", "node")),
    *(ResourceId("rbac.authorization.k8s.io", "ClusterRole", "", name) for name in ("cluster-admin", "admin", "edit", "view")),
)
# Kind, name and keys of what controllers of the cluster make in each namespace.
_Made = tuple[str, str, frozenset[str] | None]
_EVERYWHERE: tuple[_Made, ...] = (("ServiceAccount", "default", None), ("ConfigMap", "kube-root-ca.crt", frozenset({"ca.crt"})))
_EVERYWHERE_ON_OPENSHIFT: tuple[_Made, ...] = (
    ("ServiceAccount", "builder", None),
    ("ServiceAccount", "deployer", None),
    ("ConfigMap", "openshift-service-ca.crt", frozenset({"service-ca.crt"})),
)
# What its cluster version operator makes; those of further operators (openshift-logging, openshift-storage) are the user's to make.
_OPENSHIFT_NAMESPACES = (
    "openshift",
    *(
        f"openshift-{name}"
        for name in (
            "apiserver authentication cloud-credential-operator cluster-version config config-managed config-operator console console-operator"
            " controller-manager dns etcd host-network image-registry infra ingress ingress-canary ingress-operator insights kube-apiserver"
            " kube-controller-manager kube-scheduler machine-api machine-config-operator marketplace monitoring multus network-operator node"
            " operator-lifecycle-manager operators ovn-kubernetes service-ca user-workload-monitoring"
        ).split()
    ),
)
_ARGO_CD = frozenset({"Application", "ApplicationSet", "AppProject"})  # and not the kinds of its sisters, Rollouts and Workflows
_FLUX_GROUPS = (".toolkit.fluxcd.io", "fluxcd.controlplane.io")
FLUX_MANIFESTS = "https://github.com/fluxcd/flux2"
_ARGO_SECRETS = ("argocd-redis", "argocd-secret", "argocd-initial-admin-secret")  # it makes these when it starts
_ARGO_ACCOUNTS = tuple(
    f"argocd-{part}"
    for part in ("application-controller", "applicationset-controller", "server", "repo-server", "notifications-controller", "dex-server", "redis")
)
_FLUX_ACCOUNTS = (
    "kustomize-controller",
    "helm-controller",
    "source-controller",
    "notification-controller",
    "image-reflector-controller",
    "image-automation-controller",
    "source-watcher",
    "flux-operator",
)


def used_namespaces(cluster: Cluster) -> tuple[str, ...]:
    """The namespaces that objects of a cluster live in, sorted."""
    return tuple(sorted({applied.resource.id.namespace for applied in cluster.resources if applied.resource.id.namespace}))


def given_provisions(cluster: Cluster, table: KindTable, catalogue: Catalogue) -> Iterable[Provision]:
    """Provisions of `KUBERNETES`, `FLUX` and `ARGO`: nobody in the repository has to bring these."""
    place = Place(cluster.entry_point, 1, 1)
    for target in _KUBERNETES_OBJECTS:
        yield Provision(KUBERNETES, ObjectNeed(target), When.BEFORE, place)
    everywhere = _EVERYWHERE
    if any(applied.resource.id.group.endswith("openshift.io") for applied in cluster.resources):
        everywhere += _EVERYWHERE_ON_OPENSHIFT
        for name in _OPENSHIFT_NAMESPACES:
            yield Provision(KUBERNETES, ObjectNeed(ResourceId("", "Namespace", "", name)), When.BEFORE, place)
    for namespace in used_namespaces(cluster):
        for kind, name, keys in everywhere:
            yield Provision(KUBERNETES, ObjectNeed(ResourceId("", kind, namespace, name)), When.BEFORE, place, keys)
    # A plain directory with Flux or Argo CD objects is applied to a cluster that runs them. So is what Flux applies for an Argo CD that it does not install.
    by_flux = cluster.engine == "flux"
    installs_argo = any("argo" in (release.chart or "") for release in cluster.releases)
    defined = _defined(cluster, table)
    for engine, groups in ((FLUX, _FLUX_GROUPS), (ARGO, ("argoproj.io",))):
        if engine is ARGO and by_flux and installs_argo:
            continue
        kinds = {applied.resource.id.group_kind for applied in cluster.resources if applied.resource.id.group.endswith(groups)}
        for group, kind in sorted(kinds):
            if engine is ARGO and by_flux and kind not in _ARGO_CD:
                continue
            for version in defined.get((group, kind)) or _served(group, kind, cluster.flux_version, catalogue):
                yield Provision(engine, KindNeed(group, kind, version, table.plural(group, kind)), When.BEFORE, place)
    yield from _flux_objects(cluster, place)
    networks = [chart for chart in catalogue.charts if chart.network]
    if not any(release.chart == chart.name for release in cluster.releases for chart in networks):
        # The cluster was made with a network, which may be any: no pod of the engine would run without.
        for chart in networks:
            yield from bundle_facts(chart, KUBERNETES, place, table, When.BEFORE).provisions
    yield from _argo_objects(cluster, place)


def _defined(cluster: Cluster, table: KindTable) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """The versions of Flux's kinds that its manifests in the repository serve."""
    found: dict[tuple[str, str], list[str]] = {}
    for applied in cluster.resources:
        if applied.resource.id.kind == "CustomResourceDefinition" and applied.resource.id.name.endswith(_FLUX_GROUPS):
            for provision in facts_of(applied.resource, table).provisions:
                if isinstance(need := provision.provides, KindNeed):
                    found.setdefault((need.group, need.kind), []).append(need.version)
    return {kind: tuple(versions) for kind, versions in found.items()}


def _served(group: str, kind: str, flux_version: str | None, catalogue: Catalogue) -> tuple[str, ...]:
    """API versions of a kind that a release of Flux serves; "" alone if that is not known."""
    bundle = catalogue.remote(FLUX_MANIFESTS)
    served = bundle.served(group, kind, flux_version, EMPTY_MAPPING) if bundle is not None and flux_version else ()
    return served or ("",)


def _flux_objects(cluster: Cluster, place: Place) -> Iterable[Provision]:
    namespaces = {FLUX_NAMESPACE}
    applied = {entry.resource.id: entry.resource for entry in cluster.resources}
    applied.update((resource.id, resource) for resource in cluster.given)
    for unit in cluster.units:
        if unit.parent is None and not unit.is_overlay and unit.sync is None:
            # The bootstrap made the root, its namespace and its source; nothing in the repository has to.
            namespaces.add(unit.id.namespace)
            yield Provision(FLUX, ObjectNeed(unit.id), When.BEFORE, place)
            if unit.source is not None and unit.source not in applied:
                yield Provision(FLUX, ObjectNeed(unit.source), When.BEFORE, place)
            # The credential that reads the repository can't come from the repository.
            source = applied.get(unit.source) if unit.source is not None else None
            credential = as_text(as_mapping(source.spec.get("secretRef")).get("name")) if source is not None else ""
            if source is not None and credential:
                yield Provision(FLUX, ObjectNeed(ResourceId("", "Secret", source.id.namespace, credential)), When.BEFORE, place)
    for resource in applied.values():
        credential = as_text(as_mapping(resource.spec.get("sync")).get("pullSecret")) if resource.id.kind == "FluxInstance" else ""
        if credential:
            yield Provision(FLUX, ObjectNeed(ResourceId("", "Secret", resource.id.namespace, credential)), When.BEFORE, place)
    if cluster.engine == "argo" and not any(unit.id.group.endswith(_FLUX_GROUPS) for unit in cluster.units):
        return
    for namespace in sorted(namespaces):
        yield Provision(FLUX, ObjectNeed(ResourceId("", "Namespace", "", namespace)), When.BEFORE, place)
        for account in _FLUX_ACCOUNTS:
            yield Provision(FLUX, ObjectNeed(ResourceId("", "ServiceAccount", namespace, account)), When.BEFORE, place)


def _argo_objects(cluster: Cluster, place: Place) -> Iterable[Provision]:
    """What an Argo CD has by itself: its namespace, its project `default`, its accounts, and the roots that somebody gave it."""
    units = [unit for unit in cluster.units if unit.sync is not None]
    for unit in units:
        if unit.parent is None:
            yield Provision(ARGO, ObjectNeed(unit.id), When.BEFORE, place)
    for namespace in sorted({unit.id.namespace for unit in units}):
        yield Provision(ARGO, ObjectNeed(ResourceId("argoproj.io", "AppProject", namespace, "default")), When.BEFORE, place)
        if cluster.engine == "argo":
            yield Provision(ARGO, ObjectNeed(ResourceId("", "Namespace", "", namespace)), When.BEFORE, place)
            for account in _ARGO_ACCOUNTS:
                yield Provision(ARGO, ObjectNeed(ResourceId("", "ServiceAccount", namespace, account)), When.BEFORE, place)
            for secret in _ARGO_SECRETS:
                yield Provision(ARGO, ObjectNeed(ResourceId("", "Secret", namespace, secret)), When.BEFORE, place)
