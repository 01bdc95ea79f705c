"""Order between Applications: waves of what one parent applies, and whether Argo CD waits for one wave before it applies the next (Argo CD 3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gitops_secrets.graph.graph import Graph, ResourceEdge
from gitops_secrets.model.ids import BUILT_IN_GROUPS, ResourceId
from gitops_secrets.model.nodes import as_mapping
from gitops_secrets.model.results import Cluster, Unit
from gitops_secrets.rendering.objects import seconds

APPLICATION_HEALTH: Final = "resource.customizations.health.argoproj.io_Application"
_ALL_HEALTH: Final = "resource.customizations"
# Groups with kinds whose health Argo CD knows (resource_customizations of Argo CD 3.5), and of those the kinds that it does not.
_HEALTH_GROUPS: Final = frozenset(
    """
    acid.zalan.do bitnami.com cassandra.datastax.com cert-manager.io cluster.x-k8s.io elasticsearch.k8s.elastic.co external-secrets.io flagger.app
    gateway.networking.k8s.io grafana.integreatly.org helm.toolkit.fluxcd.io image.toolkit.fluxcd.io k8s.mariadb.com kafka.strimzi.io karpenter.sh keda.sh
    keycloak.org kibana.k8s.elastic.co kubernetes-client.io kubevirt.io kustomize.toolkit.fluxcd.io kyverno.io minio.min.io notification.toolkit.fluxcd.io
    operators.coreos.com pkg.crossplane.io postgresql.cnpg.io rabbitmq.com serving.knative.dev source.toolkit.fluxcd.io trust.cert-manager.io
    """.split()
)
_NO_HEALTH: Final = frozenset({("external-secrets.io", "ClusterPushSecret")})
_DEFAULT_BACKOFF: Final = 5.0
_MOST_BACKOFF: Final = 180.0


def earlier(graph: Graph) -> dict[ResourceId, tuple[ResourceId, ...]]:
    """For each Application those that the same parent applies in an earlier wave."""
    found: dict[ResourceId, tuple[ResourceId, ...]] = {}
    for parent, children in graph.children.items():
        if parent not in graph.units or graph.units[parent].sync is None:
            continue
        waves: dict[int, list[ResourceId]] = {}
        for child in children:
            sync = graph.units[child].sync
            if sync is not None:
                waves.setdefault(sync.wave, []).append(child)
        before: list[ResourceId] = []
        for wave in sorted(waves):
            found.update(dict.fromkeys(waves[wave], tuple(before)))
            before += waves[wave]
    return found


def has_health(target: ResourceId, cluster: Cluster) -> bool:
    """Does Argo CD know the health of an object? What it does not know counts as fine as soon as it is applied."""
    if target.group_kind == ("argoproj.io", "Application"):
        return knows_applications(cluster)
    custom = f"resource.customizations.health.{target.group}_{target.kind}"
    if cluster.argo is not None and custom in cluster.argo.data:
        return True
    known = target.group in _HEALTH_GROUPS or target.group in BUILT_IN_GROUPS or target.group.endswith((".crossplane.io", ".upbound.io"))
    return known and target.group_kind not in _NO_HEALTH


def knows_applications(cluster: Cluster) -> bool:
    """Does this Argo CD have a health for Applications? Without one, a wave of Applications counts as healthy at once (since Argo CD 1.8)."""
    if cluster.argo is None:
        return False
    return APPLICATION_HEALTH in cluster.argo.data or "argoproj.io/Application:" in str(cluster.argo.data.get(_ALL_HEALTH, ""))


def waits_for(edge: ResourceEdge, graph: Graph) -> bool:
    """Does anything wait for the Application that provides something, before the one that needs it is applied?"""
    consumer, provider = edge.consumer_unit, edge.provider_unit
    return provider is None or consumer == provider or knows_applications(graph.cluster)


def retried_for(unit: Unit) -> float | None:
    """Seconds for which a sync that fails is tried again: for ever is None (`syncPolicy.retry`, five times from 5 s on unless written)."""
    sync = unit.sync
    if sync is None or sync.retries < 0:
        return None
    backoff = as_mapping(_retry(unit).get("backoff"))
    first = seconds(backoff.get("duration")) or _DEFAULT_BACKOFF
    factor = backoff.get("factor")
    most = seconds(backoff.get("maxDuration")) or _MOST_BACKOFF
    factor = factor if isinstance(factor, int) and factor > 0 else 2
    total, wait = 0.0, first
    for _ in range(min(sync.retries, 1000)):
        total += min(wait, most)
        wait = min(wait * factor, most)
    return total


def longest_retry(unit: Unit) -> float | None:
    """Seconds between two tries of a sync that fails, at worst; None where it is not tried again."""
    if unit.sync is None or unit.sync.retries == 0:
        return None
    return seconds(as_mapping(_retry(unit).get("backoff")).get("maxDuration")) or _MOST_BACKOFF


def _retry(unit: Unit) -> Mapping[str, object]:
    return as_mapping(as_mapping(unit.spec.get("syncPolicy")).get("retry"))
