"""A small Flux repository on disk, and a way to call the program in it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitops_secrets.cli.main import FRAMES, cli
from gitops_secrets.pipeline import scan
from tests.flux import UNIT, sync
from tests.git import commit, git

# As the program sets it, before hypothesis remembers what it was.
sys.setrecursionlimit(max(FRAMES, sys.getrecursionlimit()))
FILES = {
    **sync("production"),
    "clusters/production/stores.yaml": UNIT.format(name="stores", path="stores"),
    "clusters/production/apps.yaml": UNIT.format(name="apps", path="apps"),
    "stores/crd.yaml": """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: clustersecretstores.external-secrets.io
spec:
  group: external-secrets.io
  scope: Cluster
  names: {kind: ClusterSecretStore, plural: clustersecretstores}
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: externalsecrets.external-secrets.io
spec:
  group: external-secrets.io
  scope: Namespaced
  names: {kind: ExternalSecret, plural: externalsecrets}
  versions: [{name: v1, served: true, storage: true}]
""",
    "stores/store.yaml": """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata:
  name: aws
spec:
  provider:
    aws: {service: SecretsManager, region: eu-central-1}
""",
    "apps/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: weather\n",
    "apps/secret.yaml": """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: weather-api
  namespace: weather
spec:
  secretStoreRef: {name: aws, kind: ClusterSecretStore}
  target: {name: weather-api-secrets}
  data:
    - secretKey: apiKey
      remoteRef: {key: prod/weather/apiKey}
""",
    "apps/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: weather-api
  namespace: weather
spec:
  selector: {matchLabels: {app: weather}}
  template:
    metadata: {labels: {app: weather}}
    spec:
      containers:
        - name: api
          image: example.org/weather:1
          envFrom: [{secretRef: {name: weather-api-secrets}}]
""",
    "overlays/test/kustomization.yaml": "resources: [settings.yaml]\nnamePrefix: test-\n",
    "overlays/test/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata: {region: here}\n",
}

Run = Callable[..., Result]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a cluster of three units, outside of git, as the working directory."""
    root = tmp_path / "platform"
    for path, text in FILES.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run() -> Run:
    """Calls the program as a shell would: arguments in, output and exit status out."""

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments)

    return call


@pytest.fixture
def checkout(repository: Path) -> Path:
    """The platform with a commit on main and a branch `change` that is checked out."""
    git(repository, "init", "--quiet")
    commit(repository, "Platform")
    git(repository, "checkout", "--quiet", "-b", "change")
    return repository


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with every analysis."""
    found: list[object] = []
    analyse = scan.analyse
    monkeypatch.setattr(scan, "analyse", lambda *arguments, **named: found.append(arguments) or analyse(*arguments, **named))
    return found
