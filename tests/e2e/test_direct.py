"""`reconcile --engine direct`: an overlay on a cluster where no engine applies it."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import pytest
import yaml

from tests.e2e.bed import canary, tool
from tests.e2e.bed.api import SECRET, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.operators import install_external_secrets

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
"""
# In an order in which nothing could be applied.
PLATFORM = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: reader, namespace: direct}
spec:
  selector: {matchLabels: {app: reader}}
  template:
    metadata: {labels: {app: reader}}
    spec:
      containers:
        - name: reader
          image: registry.k8s.io/pause:3.10
          env: [{name: VALUE, valueFrom: {secretKeyRef: {name: made, key: value}}}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: made, namespace: direct}
spec: {refreshInterval: 1h, secretStoreRef: {kind: SecretStore, name: fake}, data: [{secretKey: value, remoteRef: {key: a}}]}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: direct}
spec: {provider: {fake: {data: [{key: a, value: b}]}}}
---
apiVersion: example.org/v1
kind: Thing
metadata: {name: one, namespace: direct}
spec: {size: 3}
---
apiVersion: v1
kind: Namespace
metadata: {name: direct}
"""
PLAIN = """
apiVersion: v1
kind: Secret
metadata: {{name: made, namespace: direct}}
stringData: {{value: {value}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: filled-by-others, namespace: direct}}
"""
RELEASE = """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: app, namespace: direct}
spec: {interval: 1h, chart: {spec: {chart: app, sourceRef: {kind: HelmRepository, name: charts}}}}
"""


def overlay(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": [f"{name}.yaml" for name in files]}))
    return folder


def things(bed: Bed) -> list[Object]:
    items: list[Object] = bed.api.request("GET", "/apis/example.org/v1/namespaces/direct/things")["items"]
    return items


@pytest.mark.full
def test_without_an_engine_an_overlay_is_applied_in_order_and_applied_again_without_a_change(bed: Bed, tmp_path: Path) -> None:
    install_external_secrets(bed)
    folder = overlay(tmp_path, platform=PLATFORM, definition=DEFINITION)
    preview = tool.run("reconcile", "--engine", "direct", "--dry-run", directory=folder, kubeconfig=bed.kubeconfig)
    before = bed.api.get(SECRET, "direct", "made")
    first = tool.run("reconcile", "--engine", "direct", "--format", "json", directory=folder, kubeconfig=bed.kubeconfig)
    versions = [thing["metadata"]["resourceVersion"] for thing in things(bed)]
    again = tool.run("reconcile", "--engine", "direct", directory=folder, kubeconfig=bed.kubeconfig)

    assert (preview.status, before) == (0, None), preview.errors
    assert (first.status, again.status) == (0, 0), first.output + first.errors + again.output
    assert bed.api.get(SECRET, "direct", "made") is not None
    assert things(bed)[0]["spec"] == {"size": 3}
    assert [thing["metadata"]["resourceVersion"] for thing in things(bed)] == versions


def with_kustomize(bed: Bed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the kustomize that kubectl holds on PATH."""
    kustomize = folder / "kustomize"
    kustomize.write_text(f'#!/bin/sh\nshift\nexec {bed.programs.binary("kubernetes", "kubectl")} kustomize "$@"\n')
    kustomize.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.full
def test_without_an_engine_secrets_of_the_repository_are_applied_and_their_values_shown_nowhere(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, folder = secrets.token_hex(16), tmp_path / "overlay"
    folder.mkdir()
    with_kustomize(bed, tmp_path, monkeypatch)
    overlay(folder, namespace=PLATFORM.rpartition("---\n")[2], plain=PLAIN.format(value=value), reader=PLATFORM.partition("---\n")[0])
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    kustomization["secretGenerator"] = [{"name": "generated", "namespace": "direct", "literals": [f"key={value}"]}]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    with canary.in_arguments(value) as seen:
        runs = [
            tool.run("reconcile", "--engine", "direct", "--debug", "-v", *more, directory=folder, kubeconfig=bed.kubeconfig)
            for more in (["--dry-run"], ["--format", "json"], [])
        ]
    found = {secret["metadata"]["name"]: secret.get("data", {}) for secret in bed.api.list(SECRET, "direct")}
    (generated,) = (name for name in found if name.startswith("generated-"))
    shown = [text for run in runs for text in (run.output, run.errors)]

    assert [run.status for run in runs] == [0, 0, 0], "".join(shown)
    assert "values of Secrets are not read, so what would change of this one is not shown: Secret/direct/made (keys: value)" in runs[0].errors
    assert [base64.b64decode(data).decode() for data in (found["made"]["value"], found[generated]["key"])] == [value, value]
    assert [text for text in shown if value in text or base64.b64encode(value.encode()).decode() in text] == []
    assert found["filled-by-others"] == {}
    assert seen == []


@pytest.mark.full
def test_without_an_engine_a_release_is_refused_with_the_reason(bed: Bed, tmp_path: Path) -> None:
    folder = overlay(tmp_path, release=RELEASE, namespace=PLATFORM.rpartition("---\n")[2])
    refused = tool.run("reconcile", "--engine", "direct", directory=folder, kubeconfig=bed.kubeconfig)

    assert refused.status == 2
    assert "HelmRelease/direct/app: it is Flux that makes something of it" in refused.errors
