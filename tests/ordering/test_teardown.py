"""The reverse order: nothing goes before what needs it, Flux goes last, and an operator outlives what has its finalizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.kinds.table import default_table
from gitops_secrets.ordering.teardown import Teardown, teardown
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree

PLATFORM = Path(__file__).parents[1] / "repositories" / "platform"
UNIT = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec: {{interval: 10m, path: ./{name}, prune: true, sourceRef: {{kind: GitRepository, name: flux-system}}{rest}}}
"""
SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: "https://example.org/platform.git"}
---
"""
OPERATOR = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: external-secrets, namespace: default}
spec: {interval: 1h, url: "https://charts.external-secrets.io"}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: external-secrets, namespace: default}
spec:
  interval: 1h
  chart: {spec: {chart: external-secrets, version: 1.1.0, sourceRef: {kind: HelmRepository, name: external-secrets}}}
"""
SECRET = """\
apiVersion: external-secrets.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: default}}
spec: {{deletionPolicy: {policy}, secretStoreRef: {{name: aws, kind: ClusterSecretStore}}}}
"""
CONTROLLER = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: kustomize-controller, namespace: flux-system}\n"


def torn_down(files: dict[str, str], **units: str) -> Teardown:
    root = "clusters/test/flux-system/gotk-sync.yaml"
    given = {root: SOURCE + UNIT.format(name="flux-system", rest="").replace("./flux-system", "./clusters/test")}
    written = {f"clusters/test/{name}.yaml": UNIT.format(name=name, rest=rest and f", {rest}") for name, rest in units.items()}
    (cluster,) = analyse(repository_of(MemoryTree(given | written | files))).clusters
    return teardown(cluster.plan, default_table())


def names(result: Teardown) -> list[list[str]]:
    return [[unit.name for unit in step] for step in result.steps]


def test_the_operator_goes_after_what_has_its_finalizer_although_nobody_wrote_the_order() -> None:
    files = {"a-operator/release.yaml": OPERATOR, "z-apps/secret.yaml": SECRET.format(kind="ExternalSecret", name="db", policy="Retain")}
    result = torn_down(files, **{"a-operator": "", "z-apps": ""})
    (hold,) = result.holds

    assert names(result) == [["z-apps"], ["a-operator"], ["flux-system"]]
    assert (hold.operator.name, hold.unit.name, [resource.id.name for resource in hold.objects], hold.hangs) == ("external-secrets", "a-operator", ["db"], ())


def test_what_goes_together_with_its_operator_would_hang() -> None:
    files = {"platform/release.yaml": OPERATOR, "platform/secret.yaml": SECRET.format(kind="ExternalSecret", name="db", policy="Retain")}
    (hold,) = torn_down(files, platform="").holds

    assert [unit.name for unit in hold.hangs] == ["platform"]


@pytest.mark.parametrize(("policy", "held"), [("Delete", ["pushed"]), ("None", [])])
def test_a_push_secret_has_a_finalizer_only_if_it_deletes(policy: str, held: list[str]) -> None:
    files = {"operator/release.yaml": OPERATOR, "apps/secret.yaml": SECRET.format(kind="PushSecret", name="pushed", policy=policy).replace("/v1", "/v1alpha1")}
    result = torn_down(files, operator="", apps="")

    assert [resource.id.name for hold in result.holds for resource in hold.objects] == held


def test_what_applies_other_units_is_suspended_first() -> None:
    assert [unit.name for unit in torn_down({}, apps="").suspend] == ["flux-system"]


def test_what_applies_flux_and_what_applies_that_is_no_step() -> None:
    result = torn_down({"flux/controller.yaml": CONTROLLER}, flux="", apps="")

    assert names(result) == [["apps"]]
    assert [unit.name for unit in result.engine] == ["flux", "flux-system"]


@pytest.mark.parametrize("field", ["suspend: true", "deletionPolicy: Orphan"])
def test_a_unit_that_leaves_its_objects_is_named(field: str) -> None:
    assert [keep.unit.name for keep in torn_down({}, apps=field).keeps] == ["apps"]


def test_the_platform_goes_from_the_applications_to_the_controllers() -> None:
    files = {path.relative_to(PLATFORM).as_posix(): path.read_bytes() for path in sorted(PLATFORM.rglob("*")) if path.is_file()}
    analysis = analyse(repository_of(MemoryTree(files)))

    for cluster in analysis.clusters:
        result = teardown(cluster.plan, default_table())
        assert (names(result)[0], names(result)[-1]) == (["apps"], ["controllers"])
        assert [hold.hangs for hold in result.holds if hold.hangs] == []


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.integers(0, 7), st.sets(st.integers(0, 7), max_size=3), max_size=8))
def test_nothing_goes_before_what_depends_on_it(edges: dict[int, set[int]]) -> None:
    depends = {consumer: sorted(target for target in targets if target < consumer) for consumer, targets in edges.items()}
    units = {f"u{number}": "dependsOn: [" + ", ".join(f"{{name: u{target}}}" for target in depends.get(number, ())) + "]" for number in range(8)}
    step_of = {name: number for number, step in enumerate(names(torn_down({}, **units))) for name in step}

    assert len(step_of) == 9
    assert all(step_of[f"u{consumer}"] < step_of[f"u{target}"] for consumer, targets in depends.items() for target in targets)


# Argo CD


def application(name: str, finalizers: str = "resources-finalizer.argocd.argoproj.io") -> str:
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd, finalizers: [{finalizers}]}}
spec:
  project: default
  source: {{repoURL: "https://git.example.org/platform", path: {name}}}
  destination: {{server: "https://kubernetes.default.svc", namespace: default}}
"""


CHART = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [{resources}]
helmCharts: [{{name: external-secrets, repo: "https://charts.external-secrets.io", version: 1.1.0, releaseName: external-secrets, namespace: default}}]
"""


def of_applications(files: dict[str, str]) -> Teardown:
    (cluster,) = analyse(repository_of(MemoryTree(files))).clusters
    return teardown(cluster.plan, default_table())


@pytest.mark.parametrize(("wave", "hangs"), [("0", ["operator"]), ("1", [])])
def test_an_application_deletes_its_last_wave_first(wave: str, hangs: list[str]) -> None:
    secret = SECRET.format(kind="ExternalSecret", name="api", policy="Delete").replace(
        "namespace: default}", f'namespace: default, annotations: {{argocd.argoproj.io/sync-wave: "{wave}"}}}}'
    )
    files = {
        "apps/operator.yaml": application("operator"),
        "operator/kustomization.yaml": CHART.format(resources="secret.yaml"),
        "operator/secret.yaml": secret,
    }

    assert [unit.name for hold in of_applications(files).holds for unit in hold.hangs] == hangs


def test_what_needs_a_wave_goes_before_it_and_an_application_without_the_finalizer_leaves_what_it_applied() -> None:
    files = {
        "apps/operator.yaml": application("operator"),
        "apps/secrets.yaml": application("secrets", "")
        .replace("finalizers: [],", 'annotations: {argocd.argoproj.io/sync-wave: "1"},')
        .replace(", finalizers: []", ""),
        "operator/kustomization.yaml": CHART.format(resources=""),
        "secrets/secret.yaml": SECRET.format(kind="ExternalSecret", name="api", policy="Delete"),
    }
    result = of_applications(files)

    assert names(result) == [["secrets"], ["operator"]]
    assert [(keep.unit.name, keep.why) for keep in result.keeps] == [("secrets", "it has no finalizer resources-finalizer.argocd.argoproj.io")]
