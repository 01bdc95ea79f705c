from __future__ import annotations

from pathlib import Path

import pytest

from gitops_secrets.errors import BrokenError, UsageError
from gitops_secrets.generate.argo import ArgoOptions
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.pipeline.changes import write
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.generate import Generated
from gitops_secrets.pipeline.generate_argo import generate_argo
from gitops_secrets.pipeline.scan import analyse, open_repository
from gitops_secrets.syntax.yaml import parse
from tests.git import git

URL = "https://git.example.org/platform"
OVERLAY = """\
resources: [operator, stores, shop]
"""
OPERATOR = """\
resources: [namespace.yaml]
helmCharts:
  - name: external-secrets
    repo: https://charts.external-secrets.io
    version: 1.1.0
    namespace: external-secrets
    includeCRDs: true
"""
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata: {{name: {name}}}
"""
STORE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-central-1}}}
"""
SECRET = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db, namespace: shop}
spec:
  secretStoreRef: {name: aws, kind: ClusterSecretStore}
  data: [{secretKey: password, remoteRef: {key: shop/db}}]
"""
ROOT = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: root, namespace: argocd}}
spec:
  project: default
  source: {{repoURL: {URL}, path: overlay/argocd}}
  destination: {{server: https://kubernetes.default.svc, namespace: argocd}}
  syncPolicy: {{automated: {{}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: argocd-cm, namespace: argocd}}
data:
  kustomize.buildOptions: --enable-helm
  resource.customizations.health.argoproj.io_Application: "return {{status = obj.status.health.status}}"
"""
FILES = {
    "overlay/kustomization.yaml": OVERLAY,
    "overlay/operator/kustomization.yaml": OPERATOR,
    "overlay/operator/namespace.yaml": NAMESPACE.format(name="external-secrets"),
    "overlay/stores/kustomization.yaml": "resources: [store.yaml]\n",
    "overlay/stores/store.yaml": STORE,
    "overlay/shop/kustomization.yaml": "resources: [namespace.yaml, secret.yaml]\n",
    "overlay/shop/namespace.yaml": NAMESPACE.format(name="shop"),
    "overlay/shop/secret.yaml": SECRET,
    "root.yaml": ROOT,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "--quiet")
    return tmp_path


def generated(root: Path, url: str = URL) -> Generated:
    return generate_argo(open_repository(root), root / "overlay", ArgoOptions(url))


def waves(root: Path) -> dict[str, str]:
    found = {}
    for path in sorted((root / "overlay" / "argocd").glob("*.yaml")):
        (manifest,) = parse(path.read_text(), path.name, DEFAULT_LIMITS).documents
        if manifest["kind"] == "Application":
            found[path.stem] = manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]
    return found


def findings(root: Path) -> list[str]:
    repository = open_repository(root)
    return [f"{finding.rule} {finding.place}" for finding in check(repository, analyse(repository)).findings if finding.severity.value != "note"]


def test_applications_come_in_as_many_waves_as_the_longest_chain_is_long(root: Path) -> None:
    write(root, generated(root).stale)

    assert waves(root) == {"operator": "0", "stores": "1", "shop": "2"}
    assert findings(root) == []


def test_a_second_run_changes_nothing(root: Path) -> None:
    write(root, generated(root).stale)

    assert generated(root).stale == ()


def test_what_people_wrote_in_other_fields_stays(root: Path) -> None:
    write(root, generated(root).stale)
    path = root / "overlay" / "argocd" / "shop.yaml"
    mine = path.read_text().replace('sync-wave: "2"', 'sync-wave: "7"').replace("limit: 10", "limit: 3 # enough")
    path.write_text(mine)
    write(root, generated(root).stale)

    assert path.read_text() == mine.replace('sync-wave: "7"', 'sync-wave: "2"')


def test_objects_of_one_component_get_waves_of_their_own_and_the_component_stays_as_it_is(root: Path) -> None:
    (root / "overlay/kustomization.yaml").write_text("resources: [operator, shop]\n")
    (root / "overlay/shop/kustomization.yaml").write_text("resources: [namespace.yaml, secret.yaml, store.yaml]\n")
    (root / "overlay/shop/store.yaml").write_text(STORE)
    write(root, generated(root).stale)
    (application,) = parse((root / "overlay/argocd/shop.yaml").read_text(), "", DEFAULT_LIMITS).documents
    (layer,) = parse((root / "overlay/argocd/waves/shop/kustomization.yaml").read_text(), "", DEFAULT_LIMITS).documents

    assert application["spec"]["source"]["path"] == "overlay/argocd/waves/shop"
    assert layer["resources"] == ["../../../shop"]
    assert [patch["target"]["name"] for patch in layer["patches"]] == ["db"]
    assert (root / "overlay/shop/secret.yaml").read_text() == SECRET
    assert generated(root).stale == ()
    assert findings(root) == []


def test_what_is_no_longer_needed_goes(root: Path) -> None:
    test_objects_of_one_component_get_waves_of_their_own_and_the_component_stays_as_it_is(root)
    (root / "overlay/kustomization.yaml").write_text("resources: [operator, stores, shop]\n")
    (root / "overlay/shop/kustomization.yaml").write_text("resources: [namespace.yaml, secret.yaml]\n")
    stale = generated(root).stale

    assert [change.path for change in stale if change.after is None] == ["overlay/argocd/waves/shop/kustomization.yaml"]


def test_the_url_is_that_of_the_remote_without_what_signs_in(root: Path) -> None:
    git(root, "remote", "add", "origin", "https://user:token@git.example.org/platform")
    change = next(change for change in generated(root, url="").changes if change.path.endswith("shop.yaml"))

    assert "repoURL: https://git.example.org/platform\n" in (change.after or "")


def test_without_a_remote_the_url_must_be_given(root: Path) -> None:
    with pytest.raises(UsageError, match="--repository"):
        generated(root, url="")


def test_an_overlay_that_does_not_build_is_wrong_usage_with_its_place(root: Path) -> None:
    (root / "overlay/shop/kustomization.yaml").write_text("resources: [nowhere.yaml]\n")

    with pytest.raises(BrokenError, match=r"overlay/shop/kustomization\.yaml:1"):
        generated(root)
