"""After an edit within units the tree is told from what was kept of the analysis before it, and is what an analysis would say."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.cli.main import cli
from gitops_secrets.pipeline import checkout, edits
from gitops_secrets.repository import files
from tests.cli.conftest import FILES, Run, commit, git
from tests.flux import UNIT

CONSUMER = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: weather
  labels: {{part-of: weather}}
spec:
  template:
    spec:
      serviceAccountName: {name}
      containers:
        - name: {name}
          env:
            - name: KEY
              valueFrom: {{secretKeyRef: {{name: {secret}, key: apiKey}}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}, namespace: weather}}
"""
RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: {chart}
  namespace: weather
spec:
  interval: 1h
  chart:
    spec: {{chart: {chart}, version: 1.2.3, sourceRef: {{kind: HelmRepository, name: charts}}}}
  values: {values}
"""
# Two units that nothing orders: both need what others make, one what the other makes; and one of releases.
MORE = {
    "clusters/production/reports.yaml": UNIT.format(name="reports", path="reports"),
    "clusters/production/alerts.yaml": UNIT.format(name="alerts", path="alerts") + "  wait: true\n  dependsOn: [{name: apps}]\n",
    "reports/deployment.yaml": CONSUMER.format(name="reports", secret="weather-api-secrets"),
    "alerts/kustomization.yml": "resources: [deployment.yaml, secret.yaml]\n",
    "alerts/deployment.yaml": CONSUMER.format(name="alerts", secret="alerts"),
    "clusters/production/charts.yaml": UNIT.format(name="charts", path="charts"),
    "charts/source.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: charts, namespace: weather}\n"
    "spec: {url: 'https://charts.example.org', interval: 1h}\n",
    "charts/cache.yaml": RELEASE.format(chart="valkey", values="{auth: {existingSecret: alerts, existingSecretPasswordKey: apiKey}}"),
    "charts/issuers.yaml": RELEASE.format(chart="cert-manager", values="{crds: {enabled: true}}"),
    "alerts/secret.yaml": FILES["apps/secret.yaml"].replace("weather-api-secrets", "alerts").replace("weather-api", "alerts"),
}
EDITED = (
    "clusters/production/alerts.yaml",
    "clusters/production/reports.yaml",
    "alerts/deployment.yaml",
    "alerts/secret.yaml",
    "alerts/kustomization.yml",
    "apps/deployment.yaml",
    "apps/namespace.yaml",
    "apps/secret.yaml",
    "charts/cache.yaml",
    "charts/issuers.yaml",
    "charts/source.yaml",
    "reports/deployment.yaml",
    "stores/store.yaml",
)
OPTIONS = ((), ("--verbose",), ("--resources",), ("--format", "json"))


@pytest.fixture
def platform(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository with more units, whose files are told apart from edited ones by their stamps from the first moment on."""
    monkeypatch.setattr(files, "_COARSEST_CLOCK", 0)
    for path, text in MORE.items():
        (repository / path).parent.mkdir(exist_ok=True)
        (repository / path).write_text(text)
    return repository


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "verbose", "with resources", "json"])
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("apps/secret.yaml", "secretKey: apiKey", "secretKey: other"),
        ("apps/secret.yaml", "name: weather-api-secrets", "name: other"),
        ("apps/secret.yaml", "name: aws, kind: ClusterSecretStore", "name: other, kind: ClusterSecretStore"),
        ("apps/secret.yaml", "name: weather-api\n", "name: other\n"),
        ("apps/deployment.yaml", "secretRef: {name: weather-api-secrets}", "secretRef: {name: alerts}"),
        ("alerts/secret.yaml", "name: alerts}", "name: weather-api-secrets}"),
        ("alerts/deployment.yaml", "name: alerts\n  namespace", "name: sirens\n  namespace"),
        ("alerts/deployment.yaml", "part-of: weather", "part-of: alerts, tier: backend"),
        ("reports/deployment.yaml", "---\n", "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: weather}\n---\n"),
        ("stores/store.yaml", "name: aws\n", "name: other\n"),
        ("clusters/production/alerts.yaml", "name: apps", "name: stores"),
        ("clusters/production/alerts.yaml", "  wait: true\n", ""),
        ("clusters/production/alerts.yaml", "  dependsOn: [{name: apps}]\n", "  timeout: 5m\n"),
        ("clusters/production/reports.yaml", "spec:\n", "spec:\n  dependsOn: [{name: apps}, {name: nobody}]\n"),
        ("clusters/production/apps.yaml", "spec:\n", "spec:\n  dependsOn: [{name: alerts}, {name: stores}]\n"),
        ("stores/store.yaml", "region: eu-central-1", "region: eu-central-1, auth: {jwt: {serviceAccountRef: {name: reports, namespace: weather}}}"),
        ("clusters/production/alerts.yaml", "  prune: true\n", "  prune: false\n  suspend: true\n"),
        ("clusters/production/reports.yaml", "metadata:", "# more\nmetadata:"),
        ("apps/deployment.yaml", "spec:", "# more\nspec:"),
        ("apps/namespace.yaml", "name: weather", "name: weather\n  labels: {tier: backend}"),
        ("charts/cache.yaml", "1.2.3", "2.0.0"),
        ("charts/cache.yaml", "existingSecret: alerts", "existingSecret: weather-api-secrets"),
        ("charts/cache.yaml", "spec:", "spec:\n  dependsOn: [{name: cert-manager}]\n  install: {disableWait: true}"),
        ("charts/issuers.yaml", "{crds: {enabled: true}}", "{crds: {enabled: true}, resources: {limits: {memory: 1Gi}}}"),
        ("charts/source.yaml", "1h", "2h"),
        ("alerts/kustomization.yml", "resources:", "commonAnnotations: {tier: backend}\nresources:"),
        ("alerts/kustomization.yml", "resources:", "namePrefix: loud-\nresources:"),
    ],
    ids=[
        "key",
        "target",
        "store",
        "renamed",
        "reference",
        "second owner",
        "object",
        "label",
        "one more",
        "provider",
        "dependsOn",
        "wait",
        "none",
        "added",
        "cycle",
        "account",
        "suspended",
        "unit moved",
        "moved",
        "namespace label",
        "version",
        "value",
        "release order",
        "amount",
        "interval",
        "annotation",
        "prefix",
    ],
)
def test_an_edit_within_a_unit_needs_no_analysis(
    platform: Path, run: Run, analyses: list[object], file: str, old: str, new: str, options: tuple[str, ...]
) -> None:
    run("scan", *options)
    text = (platform / file).read_text()
    assert old in text
    (platform / file).write_text(text.replace(old, new, 1))
    known = len(analyses)
    found = run("scan", *options)

    assert len(analyses) == known
    assert found.stdout == run("scan", *options, "--no-cache").stdout


def test_what_an_edit_changes_between_units_is_told(platform: Path, run: Run) -> None:
    first = run("scan").stdout
    text = (platform / "apps/secret.yaml").read_text()
    (platform / "apps/secret.yaml").write_text(text.replace("name: aws, kind", "name: other, kind"))
    second = run("scan").stdout

    assert "missing stores (custom-resource-definition, secret-store)" in first
    assert "missing stores (custom-resource-definition)" in second


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("clusters/production/alerts.yaml", "path: ./alerts", "path: ./reports"),
        ("clusters/production/alerts.yaml", "name: alerts", "name: sirens"),
        ("clusters/production/alerts.yaml", "  wait: true\n", "  healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: web, namespace: web}]\n"),
        ("clusters/production/alerts.yaml", "  wait: true\n", "  wait: true\n  targetNamespace: weather\n"),
        ("charts/cache.yaml", "chart: valkey", "chart: redis"),
        ("charts/cache.yaml", "  interval: 1h\n", "  interval: 1h\n  targetNamespace: climate\n"),
        ("charts/cache.yaml", "  interval: 1h\n", "  interval: 1h\n  valuesFrom: [{kind: ConfigMap, name: values}]\n"),
        ("charts/issuers.yaml", "enabled: true", "enabled: false"),
        ("charts/source.yaml", "example.org", "jetstack.io"),
        ("alerts/kustomization.yml", "resources: [deployment.yaml, secret.yaml]", "resources: [deployment.yaml]"),
        ("apps/namespace.yaml", "name: weather", "name: climate"),
        ("apps/secret.yaml", "namespace: weather", "namespace: climate"),
        ("apps/secret.yaml", "kind: ExternalSecret", "kind: PushSecret"),
        ("apps/secret.yaml", "metadata:", "metadata"),
        ("stores/crd.yaml", "plural: externalsecrets", "plural: others"),
        ("stores/store.yaml", "kind: ClusterSecretStore", "kind: ClusterExternalSecret"),
    ],
    ids=[
        "path",
        "unit",
        "workload of a chart",
        "namespace of all",
        "chart",
        "target",
        "values elsewhere",
        "switch",
        "address",
        "kustomization",
        "namespace",
        "moved",
        "kind",
        "broken",
        "definition",
        "selecting",
    ],
)
def test_what_concerns_more_than_a_unit_is_worked_out(platform: Path, run: Run, file: str, old: str, new: str) -> None:
    run("scan")
    text = (platform / file).read_text()
    assert old in text
    (platform / file).write_text(text.replace(old, new, 1))

    assert run("scan").stdout == run("scan", "--no-cache").stdout


def test_patches_variables_and_passwords_are_not_kept(platform: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    patch = "  patches: [{target: {kind: Deployment}, patch: '[{op: add, path: /metadata/annotations, value: {note: CANARY-1}}]'}]\n"
    variables = "  postBuild: {substitute: {PASSWORD: CANARY-2}}\n"
    for unit, more in (("reports", patch), ("alerts", variables)):
        file = platform / f"clusters/production/{unit}.yaml"
        file.write_text(file.read_text() + more)
    source = platform / "charts/source.yaml"
    source.write_text(source.read_text().replace("https://", "https://user:CANARY-3@"))
    git(platform, "init", "--quiet")
    commit(platform)
    run("scan", "--format", "json")
    run("scan")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())

    assert b"apps/deployment.yaml" in kept
    assert b"CANARY" not in kept


@pytest.mark.parametrize("moment", ["skeletons", "builds"])
def test_a_file_that_goes_while_it_is_looked_into_is_gone(platform: Path, run: Run, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    run("scan")
    file = platform / "alerts/secret.yaml"
    file.write_text(file.read_text().replace("apiKey", "other"))
    place, name = (checkout.Answers, "_says_the_same") if moment == "skeletons" else (edits, "_text_after")
    work = getattr(place, name)
    with monkeypatch.context() as patch:
        patch.setattr(place, name, lambda *arguments, **named: file.unlink(missing_ok=True) or work(*arguments, **named))
        found = run("scan")

    assert found.exception is None
    assert "could not be read or built" in found.stdout


WORDS = st.sampled_from(
    sorted({word for text in (*FILES.values(), *MORE.values()) for word in re.findall(r"(?:name|namespace|key|secretKey): ([\w/-]+)", text)})
)
EDITS = st.lists(st.tuples(st.sampled_from(EDITED), st.integers(0, 80), WORDS), min_size=1, max_size=4)


@settings(max_examples=int(os.environ.get("CACHE_EXAMPLES", "10")), deadline=None)
@given(edits=EDITS, options=st.sampled_from(OPTIONS))
def test_any_words_come_to_the_same(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int, str]], options: tuple[str, ...]) -> None:
    root = tmp_path_factory.mktemp("edits") / "repository"
    for path, text in (FILES | MORE).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    differences = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_COARSEST_CLOCK", 0)
        patch.setenv("XDG_CACHE_HOME", str(root.parent / "cache"))
        CliRunner().invoke(cli, ["scan", *options, str(root)])
        for path, number, word in edits:
            text = (root / path).read_text()
            values = list(re.finditer(r"[:,] ([\w/.-]+)", text))
            value = values[number % len(values)]
            (root / path).write_text("# a line\n" * (number % 2) + text[: value.start(1)] + word + text[value.end(1) :])
            cached, computed = (CliRunner().invoke(cli, ["scan", *options, *more, str(root)]).output for more in ((), ("--no-cache",)))
            if cached != computed:
                differences.append((path, value[0], word))

    assert differences == []
