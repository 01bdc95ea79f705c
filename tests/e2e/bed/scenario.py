"""A small repository of one's own on a bed: units written out by a test, each in its folder, from one source in one namespace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.bed import tool
from tests.e2e.bed.api import Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.provider import ACCESS_KEY

REGION = "eu-west-1"


class Scenario:
    """A namespace with a GitRepository and Flux Kustomizations. The namespace is there before; all else the units bring."""

    def __init__(self, bed: Bed, name: str) -> None:
        self.bed = bed
        self.name = name
        self.repository = bed.git.repository(name)
        self.provider = bed.provider.account(REGION)
        self._changed: dict[str, str | None] = {}
        self._engine: dict[str, list[Object]] = {}  # what `kubectl apply` would apply, by file
        self.engine_objects("source", git_repository(name, self.repository.url))

    def unit(self, unit: str, *manifests: Object, **spec: Any) -> None:
        """Writes a Kustomization, with `spec` beside its usual fields, and what it applies."""
        self.files(unit, {f"{number}.yaml": manifest for number, manifest in enumerate(manifests)})
        usual = {"interval": "10m", "path": f"./{unit}", "prune": True, "sourceRef": {"kind": "GitRepository", "name": self.name}}
        self.engine_objects(
            unit,
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"name": unit, "namespace": self.name},
                "spec": usual | spec,
            },
        )

    def engine_objects(self, file: str, *manifests: Object) -> None:
        """Writes what starts the engine: sources and units."""
        self._engine[file] = list(manifests)
        self._changed[f"cluster/{file}.yaml"] = yaml.safe_dump_all(manifests)

    def files(self, folder: str, manifests: Mapping[str, Object | None]) -> None:
        """Writes or removes manifests of a unit, by file name."""
        for name, manifest in manifests.items():
            self._changed[f"{folder}/{name}"] = None if manifest is None else yaml.safe_dump(manifest)

    def commit(self) -> str:
        """Pushes what was written since the last time."""
        commit = self.repository.commit(self._changed)
        self._changed = {}
        return commit

    def apply(self) -> None:
        """Commits, and applies source and units as a person would."""
        self.apply_source()
        for manifests in self._engine.values():
            for manifest in manifests:
                self.bed.api.apply(manifest)

    def apply_source(self) -> None:
        """Commits, and applies the source alone."""
        self.commit()
        self.bed.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})
        for manifest in self._engine["source"]:
            self.bed.api.apply(manifest)

    def run(self, command: str, *arguments: str | Path, timeout: float = 900.0) -> tool.Result:
        """Runs the tool as the administrator on a checkout."""
        with self.repository.checkout() as tree:
            return tool.run(command, ".", *arguments, directory=tree, kubeconfig=self.bed.kubeconfig, timeout=timeout)

    # Manifests in the scenario's namespace

    def config_map(self, name: str, **data: Any) -> Object:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self._named(name), "data": data}

    def external_secret(self, name: str, store: str, key: str, *, kind: str = "ClusterSecretStore", **spec: Any) -> Object:
        usual = {"refreshInterval": "1h", "secretStoreRef": {"kind": kind, "name": store}, "data": [{"secretKey": "value", "remoteRef": {"key": key}}]}
        return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": self._named(name), "spec": usual | spec}

    def deployment(self, name: str, *, secret: str, key: str) -> Object:
        """One that reads a key of a Secret into its environment."""
        variable = {"name": "VALUE", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        container = {"name": name, "image": "registry.k8s.io/pause:3.10", "env": [variable]}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": self._named(name), "spec": spec}

    def store(self, name: str, **spec: Any) -> Object:
        """A ClusterSecretStore whose credential is the Secret that `credential` makes."""
        keys = {"accessKeyIDSecretRef": "access-key", "secretAccessKeySecretRef": "secret-access-key"}
        auth = {"secretRef": {field: {"name": "credential", "namespace": self.name, "key": key} for field, key in keys.items()}}
        provider = {"aws": {"service": "SecretsManager", "region": REGION, "auth": auth}}
        return {"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": name}, "spec": {"provider": provider} | spec}

    def credential(self) -> Object:
        data = {"access-key": ACCESS_KEY, "secret-access-key": "any"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": self._named("credential"), "stringData": data}

    def helm_release(self, name: str, chart: str, version: str, **spec: Any) -> Object:
        reference = {"kind": "HelmRepository", "name": "charts", "namespace": self.name}
        usual = {"interval": "10m", "chart": {"spec": {"chart": chart, "version": version, "sourceRef": reference}}}
        return {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": self._named(name), "spec": usual | spec}

    def helm_repository(self) -> Object:
        spec = {"interval": "10m", "url": self.bed.charts.url}
        return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository", "metadata": self._named("charts"), "spec": spec}

    def _named(self, name: str) -> Object:
        return {"name": name, "namespace": self.name}


def git_repository(name: str, url: str, **spec: Any) -> Object:
    """A source in the namespace of the same name."""
    usual = {"interval": "1m", "url": url, "ref": {"branch": "main"}}
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": name, "namespace": name}, "spec": usual | spec}


Change = Callable[[Scenario], None]
