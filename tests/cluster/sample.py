"""A small platform for these tests: an operator, a store, an application, each a unit; and how its objects look in a cluster where all is well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from gitops_secrets.cluster.diagnose import Diagnosis, Evidence
from gitops_secrets.cluster.live import Live, LiveEvent, live_id
from gitops_secrets.cluster.port import SecretFacts
from gitops_secrets.cluster.run import Wanted
from gitops_secrets.cluster.verify import Judge, Observed
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import Cause, Verdict
from gitops_secrets.pipeline.scan import ClusterAnalysis, analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree

COMMIT = "1f2e3d4c5b6a"
REVISION = f"main@sha1:{COMMIT}"
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def unit(name: str, *depends_on: str) -> str:
    return f"""
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 10m
  prune: true
  wait: true
  path: ./{name}
  sourceRef: {{kind: GitRepository, name: flux-system}}
  dependsOn: [{", ".join(f"{{name: {each}}}" for each in depends_on)}]
---
"""


FILES = {
    "clusters/production/units.yaml": unit("operator") + unit("stores", "operator") + unit("weather", "stores"),
    "operator/all.yaml": """
apiVersion: v1
kind: Namespace
metadata: {name: external-secrets}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: external-secrets, namespace: external-secrets}
spec: {url: "https://charts.external-secrets.io", interval: 1h}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: external-secrets, namespace: external-secrets}
spec:
  interval: 1h
  chart: {spec: {chart: external-secrets, version: 1.0.0, sourceRef: {kind: HelmRepository, name: external-secrets}}}
""",
    "stores/store.yaml": """
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-central-1}}}
""",
    "weather/all.yaml": """
apiVersion: v1
kind: Namespace
metadata: {name: weather}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: api, namespace: weather}
spec:
  refreshInterval: 1h
  secretStoreRef: {kind: ClusterSecretStore, name: aws}
  data: [{secretKey: apiKey, remoteRef: {key: prod/weather}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: weather, namespace: weather}
spec:
  selector: {matchLabels: {app: weather}}
  template:
    metadata: {labels: {app: weather}}
    spec:
      containers:
        - name: weather
          image: example.com/weather:1
          env: [{name: KEY, valueFrom: {secretKeyRef: {name: api, key: apiKey}}}]
""",
}


@cache
def platform(changes: tuple[tuple[str, str], ...] = ()) -> ClusterAnalysis:
    (cluster,) = analyse(repository_of(MemoryTree({**FILES, **dict(changes)}))).clusters
    return cluster


def condition(type_: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def live(id: ResourceId, *conditions: dict[str, Any], spec: Any = None, version: str = "v1", **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{id.group}/{version}".lstrip("/"),
        "kind": id.kind,
        "metadata": {"name": id.name, "namespace": id.namespace, "generation": 1},
        "spec": spec or {},
        "status": {"conditions": list(conditions), **status},
    }


def kustomization(name: str) -> ResourceId:
    return ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", name)


SOURCE = ResourceId("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "flux-system")
REPOSITORY = ResourceId("source.toolkit.fluxcd.io", "HelmRepository", "external-secrets", "external-secrets")
RELEASE = ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "external-secrets", "external-secrets")
STORE = ResourceId("external-secrets.io", "ClusterSecretStore", "", "aws")
EXTERNAL_SECRET = ResourceId("external-secrets.io", "ExternalSecret", "weather", "api")
SECRET = ResourceId("", "Secret", "weather", "api")
DEPLOYMENT = ResourceId("apps", "Deployment", "weather", "weather")
READY = condition("Ready", reason="Succeeded")
ROLLED_OUT = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)


def ready_unit(name: str) -> dict[str, Any]:
    return live(kustomization(name), READY, observedGeneration=1, lastAppliedRevision=REVISION)


def failed_unit(name: str, reason: str, message: str) -> dict[str, Any]:
    failed = condition("Ready", "False", reason, message) | {"observedGeneration": 1}
    return live(kustomization(name), failed, condition("Reconciling", reason="ProgressingWithRetry"), observedGeneration=-1)


def all_well() -> dict[ResourceId, Live]:
    objects = (
        live(SOURCE, READY, observedGeneration=1, artifact={"revision": REVISION}),
        live(REPOSITORY, READY, observedGeneration=1),
        live(RELEASE, READY, observedGeneration=1),
        live(STORE, condition("Ready", reason="Valid")),
        live(
            EXTERNAL_SECRET,
            condition("Ready", reason="SecretSynced"),
            spec={"refreshInterval": "1h"},
            syncedResourceVersion="1-ab",
            refreshTime="2026-11-22T11:59:00Z",
        ),
        live(DEPLOYMENT, condition("Available"), observedGeneration=1, **ROLLED_OUT),
        *(ready_unit(name) for name in ("operator", "stores", "weather")),
    )
    return {live_id(each): each for each in objects}


def secret(**fields: Any) -> SecretFacts:
    made = datetime(2026, 11, 22, 11, 0, 0, tzinfo=UTC)
    facts = SecretFacts(frozenset({"apiKey"}), (("ExternalSecret", "api"),), {}, made, made)
    return replace(facts, **fields)


WRITTEN = secret()


def observed(
    *objects: Live, without: Iterable[ResourceId] = (), secrets: SecretFacts | None = WRITTEN, read_secrets: bool = True, pods: Iterable[Live] = ()
) -> Observed:
    """A cluster where all is well but for `objects`, and without some."""
    live = {id: each for id, each in (all_well() | {live_id(each): each for each in objects}).items() if id not in set(without)}
    return Observed(NOW, live, ({SECRET: secrets} if secrets else {}) if read_secrets else None, {DEPLOYMENT: tuple(pods)})


def verdicts(seen: Observed, cluster: ClusterAnalysis | None = None, behind: Iterable[str] = ()) -> tuple[Verdict, ...]:
    cluster = cluster or platform()
    table = repository_of(MemoryTree({})).table
    return Judge(cluster.graph, table, seen, Wanted(COMMIT, frozenset(behind))).verdicts()


def causes(
    seen: Observed,
    cluster: ClusterAnalysis | None = None,
    events: Iterable[tuple[ResourceId, str]] = (),
    served: Iterable[tuple[str, str, str]] = (),
) -> tuple[Cause, ...]:
    cluster = cluster or platform()
    told = {id: (LiveEvent("UpdateFailed", message, True, NOW),) for id, message in events}
    evidence = Evidence(seen, verdicts(seen, cluster), told, served={(group, kind): version for group, kind, version in served})
    return Diagnosis(cluster.plan, repository_of(MemoryTree({})).table, evidence).causes()
