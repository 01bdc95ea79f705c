"""Whole repositories, small but complete: what is reported of each, to the line, and everything that is printed of it."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.cli.main import cli
from gitops_secrets.model.findings import CheckResult
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import Analysis, Repository, analyse, open_repository, repository_of
from gitops_secrets.report.check_document import check_document
from gitops_secrets.report.plan_document import plan_document
from gitops_secrets.report.plan_text import plan_text
from gitops_secrets.report.scan_document import scan_document
from gitops_secrets.report.style import Style
from gitops_secrets.report.text import check_text
from gitops_secrets.report.tree import scan_tree
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.spans import YamlText
from gitops_secrets.syntax.splice import apply_edits, remove_key
from gitops_secrets.syntax.yaml import parse
from tests.git import commit, git

REPOSITORIES = Path(__file__).parent / "repositories"
NAMES = sorted(path.name for path in REPOSITORIES.iterdir() if path.is_dir())
WITH_ORDER = ["fargate-and-gke", "flux-instance", "flux-irsa", "nested-flux", "platform", "self-service-tenant", "two-clusters"]

# What each repository is there for: severity, confidence, rule, place, subject and object, less the kind and namespace that go without saying.
FINDINGS: Mapping[str, list[str]] = {
    "platform": [],
    "argo-platform": [],
    "argo-and-flux": [
        "warning likely missing-sync-option apps/shop.yaml:4 Application/argocd/shop -> HelmRelease/external-secrets/external-secrets",
        "warning likely missing-depends-on clusters/main/apps.yaml:4 Kustomization/flux-system/apps -> Kustomization/flux-system/operator",
    ],
    "argo-app-of-apps": [],
    "argo-broken": [
        "error certain build-failed apps/no-chart.yaml:8 Application/argocd/no-chart",
        "error certain build-failed apps/no-generator.yaml:10 ApplicationSet/argocd/no-generator",
        "error certain build-failed apps/no-source.yaml:4 Application/argocd/no-source",
        "error certain missing-path apps/no-such-path.yaml:10 Application/argocd/no-such-path",
        "error certain build-failed apps/no-such-values.yaml:13 Application/argocd/no-such-values",
        "error certain build-failed apps/no-template.yaml:14 ApplicationSet/argocd/no-template",
        "error certain build-failed apps/same-name.yaml:4 ApplicationSet/argocd/same-name",
        "error certain build-failed apps/unknown-key.yaml:14 ApplicationSet/argocd/unknown-key",
        "error certain invalid-yaml apps/unparseable.yaml:5 Application/argocd/root",
        "error certain build-failed apps/wrong-matrix.yaml:10 ApplicationSet/argocd/wrong-matrix",
        "error certain build-failed apps/wrong-types.yaml:4 Application/argocd/wrong-types",
        "error certain build-failed no-build/kustomization.yaml:1 Application/argocd/no-build",
        "warning certain missing-path apps/no-match.yaml:13 ApplicationSet/argocd/no-match",
        "warning certain shared-resource healthy/settings.yaml:4 Application/argocd/twice -> Application/argocd/healthy",
        "note certain application-contains-itself apps/root.yaml:4 Application/argocd/root",
    ],
    "argo-charts-in-repository": [
        "warning certain missing-sync-wave stores.yaml:4 Application/argocd/stores -> Application/argocd/platform",
    ],
    "argo-clusters": [
        "error likely missing-custom-resource-definition stores/staging/aws.yaml:1 Application/argocd/stores-east"
        " -> CustomResourceDefinition//clustersecretstores.external-secrets.io",
        "warning likely missing-sync-option sets/shop.yaml:18 Application/argocd/shop-west -> Application/argocd/operator-west",
        "warning certain missing-sync-wave sets/shop.yaml:18 Application/argocd/shop-west -> Application/argocd/stores-west",
        "warning likely missing-sync-option sets/stores.yaml:21 Application/argocd/stores-west -> Application/argocd/operator-west",
        "warning likely missing-sync-wave sets/stores.yaml:21 Application/argocd/stores-west -> Application/argocd/operator-west",
    ],
    "argo-directory": [],
    "argo-generators": [],
    "argo-inflated-charts": [
        "note certain application-contains-itself bootstrap/root.yaml:4 Application/argocd/root",
    ],
    "argo-kustomize-fields": [],
    "argo-many-sources": [],
    "argo-projects": [
        "error certain project-forbids bad.yaml:11 Application/argocd/bad -> AppProject/argocd/shops",
        "error certain project-forbids bad/quota.yaml:4 Application/argocd/bad -> AppProject/argocd/shops",
        "error certain project-forbids bad/role.yaml:4 Application/argocd/bad -> AppProject/argocd/shops",
        "error certain project-forbids chart.yaml:9 Application/argocd/chart -> AppProject/argocd/shops",
        "error certain missing-project slip.yaml:7 Application/argocd/slip -> AppProject/argocd/shosp",
        "warning certain missing-namespace good/settings.yaml:4 Application/argocd/good -> Namespace//shop-good",
        "warning certain missing-namespace slip/settings.yaml:4 Application/argocd/slip -> Namespace//shop-slip",
    ],
    "argo-rolling-sync": [
        "error certain never-synced set.yaml:17 Application/argocd/nowhere -> ApplicationSet/argocd/platform",
    ],
    "argo-waves-across": [
        "warning certain wrong-sync-wave apps/early.yaml:7 Application/argocd/early -> Application/argocd/external-secrets",
        "warning certain wrong-sync-wave apps/early.yaml:7 Application/argocd/early -> Application/argocd/stores",
        "warning certain missing-sync-wave apps/same.yaml:7 Application/argocd/same -> Application/argocd/stores",
        "warning certain sync-wave-not-gated argocd-cm.yaml:4 Application/argocd/root",
        "note certain missing-sync-wave apps/patient.yaml:7 Application/argocd/patient -> Application/argocd/stores",
    ],
    "argo-waves-inside": [
        "error certain wrong-sync-wave shop/migrate.yaml:7 Job/shop/migrate -> ExternalSecret/shop/database",
        "warning certain degraded-fails-sync shop/database.yaml:4 ExternalSecret/shop/database -> ClusterSecretStore//aws",
    ],
    "flux-instance": [],
    "nested-flux": [
        "warning certain missing-depends-on kubernetes/utility/apps/home/notes/ks.yaml:4 Kustomization/home/notes -> Kustomization/external-secrets/onepassword"
    ],
    "flux-irsa": [
        "error certain build-failed infrastructure/overlays/staging/kustomization.yaml:17 Kustomization/flux-system/external-secrets",
        "warning certain dependency-not-gated infrastructure/base/external-secrets.yaml:4 Kustomization/flux-system/secrets"
        " -> Kustomization/flux-system/external-secrets",
        "warning certain patch-matches-nothing infrastructure/overlays/development/kustomization.yaml:9 Kustomization/flux-system/infrastructure",
    ],
    "self-service-tenant": [
        "error certain missing-service-account tenants/example/secret-store.yaml:14 SecretStore/example/tenant-store -> ServiceAccount/example/example"
    ],
    "fargate-and-gke": [
        "error likely wrong-namespace eks-fargate/app/external-secret.yaml:10 ExternalSecret/default/database -> SecretStore/default/parameters",
        "error likely wrong-namespace eks-fargate/app/secret-store.yaml:14 SecretStore/kube-system/parameters -> ServiceAccount/kube-system/parameter-reader",
        "error likely wrong-namespace gke-autopilot/app/secret-store.yaml:14 ClusterSecretStore//secret-manager -> ServiceAccount/default/external-secrets",
    ],
    "shared-store-bootstrap": [
        "error certain missing-secret stores/per-namespace.yaml:13 ExternalSecret/billing/mail -> Secret/billing/awssm-secret",
        "warning likely missing-secret stores/shared.yaml:13 ClusterSecretStore//shared -> Secret/external-secrets/awssm-secret",
    ],
    "plain-kustomize": ["error likely unit-needs-split base/users/store.yaml:1 Overlay//overlays/production -> HelmRelease/external-secrets/external-secrets"],
    "two-clusters": [
        "error certain suspended-dependency clusters/west/reports.yaml:24 Kustomization/flux-system/reports -> Kustomization/flux-system/archive",
        "warning likely missing-depends-on clusters/west/platform.yaml:19 Kustomization/flux-system/stores -> Kustomization/flux-system/operators",
        "warning certain missing-namespace dashboards/overview.yaml:5 Kustomization/flux-system/dashboards -> Namespace//monitoring",
    ],
    "broken": [
        "error certain duplicate-key apps/duplicate-key/settings.yaml:9 Kustomization/flux-system/duplicate-key",
        "error certain build-failed apps/missing-file/kustomization.yaml:5 Kustomization/flux-system/missing-file",
        "error certain missing-source apps/release-without-repository/release.yaml:14 HelmRelease/default/podinfo -> HelmRepository/default/podinfo",
        "error certain invalid-yaml apps/unparseable/deployment.yaml:13 Kustomization/flux-system/unparseable",
        "error certain dependency-cycle clusters/broken/cycle.yaml:8 Kustomization/flux-system/ring-a -> Kustomization/flux-system/ring-b",
        "error certain dangling-depends-on clusters/broken/dependencies.yaml:8 Kustomization/flux-system/waits-for-nobody"
        " -> Kustomization/flux-system/never-written",
        "error certain dangling-depends-on clusters/broken/dependencies.yaml:23 Kustomization/flux-system/waits-in-the-wrong-namespace"
        " -> Kustomization/apps/healthy",
        "error certain dependency-cycle clusters/broken/dependencies.yaml:39 Kustomization/flux-system/waits-for-itself"
        " -> Kustomization/flux-system/waits-for-itself",
        "error certain missing-path clusters/broken/files.yaml:34 Kustomization/flux-system/no-such-path",
        "error certain missing-source clusters/broken/files.yaml:51 Kustomization/flux-system/no-such-source -> OCIRepository/flux-system/no-such-source",
        "warning likely missing-custom-resource-definition apps/wrong-types/objects.yaml:2 Kustomization/flux-system/wrong-types"
        " -> CustomResourceDefinition//externalsecrets.external-secrets.io",
    ],
    "secrets-canary": [
        "error certain build-failed malformed/generator-types/kustomization.yaml:5 Kustomization/flux-system/malformed-generator-types",
        "error certain build-failed malformed/generator/kustomization.yaml:7 Kustomization/flux-system/malformed-generator",
        "error certain build-failed malformed/patch/kustomization.yaml:11 Kustomization/flux-system/malformed-patch",
        "error certain duplicate-key malformed/syntax/secret.yaml:8 Kustomization/flux-system/malformed-syntax",
        "error certain invalid-yaml malformed/syntax/secret.yaml:11 Kustomization/flux-system/malformed-syntax",
        "error certain build-failed malformed/typed-list/secret-list.yaml:5 Kustomization/flux-system/malformed-typed-list",
    ],
}


def copied(name: str, target: Path) -> Path:
    """The repository in a git checkout of its own, so that nothing around it is seen."""
    shutil.copytree(REPOSITORIES / name, target)
    git(target, "init", "--quiet")
    return target


Opened = Callable[[str], tuple[Repository, Analysis, CheckResult]]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A repository by name with all that is known of it, analysed once."""

    @cache
    def analysed(name: str) -> tuple[Repository, Analysis, CheckResult]:
        repository = open_repository(copied(name, tmp_path_factory.mktemp("repositories") / name))
        analysis = analyse(repository)
        return repository, analysis, check(repository, analysis)

    return analysed


def files_of(name: str) -> dict[str, bytes]:
    return {path.relative_to(REPOSITORIES / name).as_posix(): path.read_bytes() for path in sorted((REPOSITORIES / name).rglob("*")) if path.is_file()}


def analysed_files(files: Mapping[str, bytes | str]) -> tuple[Analysis, CheckResult]:
    repository = repository_of(MemoryTree(files))
    analysis = analyse(repository)
    return analysis, check(repository, analysis)


# What is reported


def test_every_repository_has_expectations() -> None:
    assert sorted(FINDINGS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_just_the_faults_of_a_repository_are_found(name: str, opened: Opened) -> None:
    _, _, result = opened(name)
    found = [
        f"{finding.severity.value} {finding.confidence.value} {finding.rule} {finding.place} {finding.subject}"
        + (f" -> {finding.other}" if finding.other else "")
        for finding in result.findings
    ]

    assert found == FINDINGS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_printed_results_of_a_repository(name: str, opened: Opened, golden: Callable[[str, str], None]) -> None:
    _, analysis, result = opened(name)
    plans = [cluster.plan for cluster in analysis.clusters]
    style = Style(verbose=True)

    golden(f"{name}/scan.json", scan_document(plans, analysis.problems, None).text)
    golden(f"{name}/check.json", check_document(result))
    golden(f"{name}/plan.json", plan_document(plans, analysis.problems, None))
    golden(f"{name}/scan.txt", scan_tree(plans, analysis.problems, style).text)
    golden(f"{name}/check.txt", check_text(result, style))
    golden(f"{name}/plan.txt", plan_text(plans, style))


def test_the_missing_edge_of_a_nested_cluster_implies_the_one_behind_it(opened: Opened) -> None:
    _, _, result = opened("nested-flux")
    (finding,) = result.findings

    assert finding.clusters == ("utility",)
    assert any("external-secrets" in related.message for related in finding.related)


def test_a_store_that_names_a_namespace_although_it_is_cluster_scoped_is_found_by_those_who_read_from_it(opened: Opened) -> None:
    _, analysis, _ = opened("flux-irsa")

    for cluster in analysis.clusters:
        assert [str(target) for target in cluster.graph.provisions if target.kind == "ClusterSecretStore"] == ["ClusterSecretStore//team-store"]


def test_a_written_edge_without_a_reason_stays_without_one(opened: Opened) -> None:
    _, analysis, _ = opened("flux-irsa")
    written = [
        (edge.consumer.name, edge.provider.name, edge.inferred)
        for cluster in analysis.clusters
        for edge in cluster.plan.edges
        if edge.edge.declared is not None
    ]

    assert ("secrets", "sealed-secrets", False) in written
    assert ("secrets", "external-secrets", True) in written


def test_faults_elsewhere_leave_the_healthy_unit_readable(opened: Opened) -> None:
    _, analysis, _ = opened("broken")
    (cluster,) = analysis.clusters

    assert [str(resource) for resource, unit in cluster.graph.unit_of.items() if unit.name == "healthy"] == ["ConfigMap/default/settings"]


def test_the_same_directories_in_two_clusters_are_judged_for_each(opened: Opened) -> None:
    _, _, result = opened("two-clusters")

    assert {finding.rule: finding.clusters for finding in result.findings} == {
        "missing-namespace": ("east",),
        "missing-depends-on": ("west",),
        "suspended-dependency": ("west",),
    }


# Laws


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(WITH_ORDER))
def test_the_order_of_documents_and_of_listed_files_changes_nothing(seed: int, name: str) -> None:
    before, after = files_of(name), shuffled(files_of(name), random.Random(seed))

    assert summary(*analysed_files(after)) == summary(*analysed_files(before))


def shuffled(files: Mapping[str, bytes], randomness: random.Random) -> dict[str, bytes]:
    """The same documents in another order in each file, and the same entries in another order in each list of files."""
    changed = {}
    for path, content in sorted(files.items(), key=lambda _: randomness.random()):
        documents = re.split(r"^---\n", content.decode(), flags=re.MULTILINE)
        text = "---\n".join(randomness.sample(documents, len(documents)))
        changed[path] = re.sub(r"(?<=^resources:\n)(?:  - \S+\n)+", lambda match: _shuffled_lines(match[0], randomness), text, flags=re.MULTILINE).encode()
    return changed


def _shuffled_lines(text: str, randomness: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(randomness.sample(lines, len(lines)))


def summary(analysis: Analysis, result: CheckResult) -> object:
    """All that is said of a repository but for line numbers."""
    edges = {
        (cluster.graph.cluster.name, str(edge.consumer), str(edge.provider), edge.orders, edge.backed, edge.redundant, reason.requirement.field)
        for cluster in analysis.clusters
        for edge in cluster.plan.edges
        for reason in edge.edge.reasons
    }
    plans = [
        (cluster.graph.cluster.name, cluster.plan.levels, {unit: set(targets) for unit, targets in cluster.plan.depends_on.items()})
        for cluster in analysis.clusters
    ]
    findings = sorted((finding.rule, finding.severity.value, finding.message, finding.place.file, finding.fingerprint) for finding in result.findings)
    return edges, plans, findings


@pytest.mark.parametrize("name", WITH_ORDER)
def test_what_is_inferred_does_not_depend_on_what_is_written(name: str) -> None:
    files = files_of(name)
    without = {path: without_depends_on(path, content.decode()) for path, content in files.items()}

    assert any(b"dependsOn" in content for content in files.values())
    assert not any("dependsOn" in content for content in without.values())
    assert inferred(analysed_files(without)[0]) == inferred(analysed_files(files)[0])


def without_depends_on(path: str, text: str) -> str:
    if not path.endswith(".yaml"):
        return text.replace("dependsOn", "")
    for index, document in enumerate(parse(text, path, DEFAULT_LIMITS).documents):
        if "dependsOn" in document.get("spec", {}):
            text = apply_edits(text, remove_key(YamlText(text, DEFAULT_LIMITS), path, index, ("spec", "dependsOn")))
    return text


def inferred(analysis: Analysis) -> object:
    """Edges of resources with both units. What only stands for the edges of children is left out: it needs a written edge to show."""
    return [
        (
            cluster.graph.cluster.name,
            edge.requirement.resource,
            edge.requirement.need,
            edge.provision.resource,
            edge.consumer_unit,
            edge.provider_unit,
            edge.alternatives,
        )
        for cluster in analysis.clusters
        for edge in cluster.graph.resource_edges
    ]


# Secret values

COMMANDS = [
    *(["scan", "--format", format_, "--resources"] for format_ in ("tree", "json", "dot", "mermaid", "html")),
    ["scan", "--format", "html", "--base", "HEAD"],
    *(["check", "--format", format_] for format_ in ("text", "json", "sarif", "github", "gitlab", "junit", "markdown")),
    *(["plan", "--format", format_] for format_ in ("text", "json")),
    ["plan", "--teardown"],
    ["fix", "--diff", "--split"],
    ["generate", "flux", "plain", "--diff"],
    ["generate", "flux", "generated", "--diff"],
    ["generate", "overlay", "qa", "--from", ".", "--component", "generated", "--component", "plain", "--diff"],
]


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a marker in every place where a secret value can stand, as a git commit and on disk."""
    root = copied("secrets-canary", tmp_path_factory.mktemp("canary") / "repository")
    commit(root)
    return root


def kustomizations(root: Path) -> list[str]:
    return sorted(path.parent.relative_to(root).as_posix() for path in root.rglob("kustomization.yaml"))


def output_of(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments)
    return result.stdout + result.stderr


def test_the_markers_are_there(canary: Path) -> None:
    assert sum("CANARY" in path.read_text() for path in canary.rglob("*") if path.is_file() and ".git" not in path.parts) > 15


@pytest.mark.parametrize("flags", [[], ["--rev", "HEAD"], ["-v", "--debug"]], ids=" ".join)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_prints_a_secret_value(canary: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], flags: list[str]) -> None:
    monkeypatch.chdir(canary)
    shown = output_of(*command, *flags)

    assert shown
    assert [line for line in shown.splitlines() if "CANARY" in line] == []


@pytest.mark.parametrize("renderer", ["builtin", "kustomize", "auto"])
def test_no_rendered_directory_shows_a_secret_value(canary: Path, monkeypatch: pytest.MonkeyPatch, renderer: str, kustomize_binary: str) -> None:
    monkeypatch.setenv("PATH", f"{Path(kustomize_binary).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(canary)
    shown = {directory: output_of("render", directory, "--renderer", renderer, "--debug") for directory in kustomizations(canary)}

    assert len(shown) > 8
    assert {directory: output for directory, output in shown.items() if "CANARY" in output} == {}


def test_no_trace_shows_a_secret_value(canary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(canary)
    (cluster,) = analyse(open_repository(canary)).clusters
    shown = {str(thing): output_of("trace", str(thing), "--format", format_) for thing in cluster.graph.unit_of for format_ in ("text", "json")}

    assert {thing: output for thing, output in shown.items() if "CANARY" in output} == {}


def test_the_program_itself_shows_no_secret_value(canary: Path) -> None:
    program = "from gitops_secrets.cli.main import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORIES.parent.parent)}
    shown = [
        subprocess.run([sys.executable, "-c", program, *command], cwd=canary, env=environment, capture_output=True, text=True, check=False)
        for command in (["scan", "--format", "json", "--resources"], ["check", "-v", "--debug"], ["render", "malformed/patch", "--debug"])
    ]

    assert [result.returncode for result in shown] == [0, 1, 2]
    assert [result.args for result in shown if "CANARY" in result.stdout + result.stderr] == []
