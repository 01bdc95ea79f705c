"""Findings of several clusters as one list: each fault once, graded as the user wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gitops_secrets.config import load_configuration
from gitops_secrets.errors import UsageError
from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.findings import CheckResult, Severity
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import analyse, open_repository, repository_of
from gitops_secrets.repository.tree import MemoryTree
from tests.flux import UNIT, sync
from tests.unbreakable.mutations import repositories

APPS = UNIT.format(name="apps", path="apps")
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: web\n"


def cluster(name: str) -> dict[str, str]:
    return {**sync(name), f"clusters/{name}/apps.yaml": APPS}


# The namespace `web` is nowhere.
FILES = {**cluster("east"), **cluster("west"), "apps/settings.yaml": SETTINGS}


def checked(files: Mapping[str, str], configuration: str = "") -> CheckResult:
    repository = repository_of(MemoryTree(files), load_configuration(configuration.encode(), ".gitops-secrets.yaml", DEFAULT_LIMITS))
    return check(repository, analyse(repository))


def found(result: CheckResult) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(finding.severity.value, finding.rule, str(finding.place), finding.clusters) for finding in result.findings]


MISSING = ("warning", "missing-namespace", "apps/settings.yaml:5", ("east", "west"))


def test_a_chart_that_the_configuration_names_may_bring_all_that_it_can() -> None:
    issuer = "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: own}\nspec: {selfSigned: {}}\n"
    files = {**cluster("east"), "apps/issuer.yaml": issuer}

    assert [finding.rule for finding in checked(files).findings] == ["missing-custom-resource-definition"]
    assert found(checked(files, "bootstrap: {charts: [cert-manager]}\n")) == []


def test_the_same_fault_in_several_clusters_is_one_finding_with_all_of_them() -> None:
    assert found(checked(FILES)) == [MISSING]


def test_findings_come_worst_first_and_then_by_place() -> None:
    files = {
        **FILES,
        "apps/another.yaml": SETTINGS.replace("settings", "another"),
        "clusters/east/apps.yaml": APPS.replace("  prune", "  dependsOn: [{name: nobody}]\n  prune"),
        "clusters/west/stores.yaml": APPS.replace("name: apps", "name: stores").replace("./apps", "./nowhere"),
    }

    places = [(finding.severity.rank, finding.place) for finding in checked(files).findings]

    assert places == sorted(places)
    assert len(places) >= 3


def test_fingerprints_survive_moved_lines_and_renamed_files() -> None:
    moved = {**cluster("east"), **cluster("west"), "apps/renamed.yaml": "# a comment\n\n" + SETTINGS}

    assert [finding.fingerprint for finding in checked(moved).findings] == [finding.fingerprint for finding in checked(FILES).findings]


def test_fingerprints_tell_findings_apart() -> None:
    files = {
        **FILES,
        "clusters/east/more.yaml": APPS.replace("name: apps", "name: more").replace("./apps", "./more"),
        "more/a.yaml": SETTINGS.replace("web", "shop"),
    }
    fingerprints = [finding.fingerprint for finding in checked(files).findings]

    assert len(set(fingerprints)) == len(fingerprints) == 2
    assert all(len(fingerprint) == 64 for fingerprint in fingerprints)


@pytest.mark.parametrize(("severity", "expected"), [("warning", ["warning"]), ("note", ["note"]), ("error", ["error"]), ("off", [])])
def test_the_configuration_decides_how_severe_a_rule_is(severity: str, expected: list[str]) -> None:
    result = checked(FILES, f"rules: {{missing-namespace: {severity}}}\n")

    assert [finding.severity.value for finding in result.findings] == expected
    assert result.suppressed == 0


@pytest.mark.parametrize(
    ("path", "expected"), [("apps", "note"), ("apps/*.yaml", "note"), ("apps/settings.yaml", "note"), ("clusters", "warning"), ("app", "warning")]
)
def test_a_severity_may_hold_for_some_paths_only(path: str, expected: str) -> None:
    result = checked(FILES, f"rules:\n  missing-namespace: {{severity: note, paths: ['{path}']}}\n")

    assert [finding.severity.value for finding in result.findings] == [expected]


@pytest.mark.parametrize(
    ("entry", "is_ignored"),
    [
        ("rule: missing-namespace", True),
        ("rule: missing-namespace, path: apps", True),
        ("rule: missing-namespace, path: clusters", False),
        ("rule: missing-namespace, subject: Kustomization/flux-system/apps", True),
        ("rule: missing-namespace, subject: Kustomization/flux-system/other", False),
        ("rule: missing-namespace, subject: Kustomization/flux-system/*", True),
        ("rule: missing-store", False),
    ],
)
def test_the_configuration_can_accept_a_finding_with_a_reason(entry: str, is_ignored: bool) -> None:
    result = checked(FILES, f"ignore:\n  - {{{entry}, reason: made by hand}}\n")

    unused = ("note", "unused-suppression", ".gitops-secrets.yaml:2", ())

    assert found(result) == ([] if is_ignored else [MISSING, unused])
    assert result.suppressed == int(is_ignored)


@pytest.mark.parametrize("position", ["above", "beside"])
def test_a_comment_accepts_a_finding_on_its_line_or_the_next(position: str) -> None:
    comment = "# gitops-secrets: ignore[missing-namespace] made by hand"
    line = f"  {comment}\n  namespace: web\n" if position == "above" else f"  namespace: web {comment}\n"
    result = checked({**FILES, "apps/settings.yaml": SETTINGS.replace("  namespace: web\n", line)})

    assert (found(result), result.suppressed) == ([], 1)


def test_a_comment_without_a_reason_suppresses_nothing_and_is_a_problem() -> None:
    result = checked({**FILES, "apps/settings.yaml": SETTINGS.replace("web\n", "web # gitops-secrets: ignore[missing-namespace]\n")})

    assert len(result.findings) == 1
    assert [str(problem.place) for problem in result.problems] == ["apps/settings.yaml:5"]


@pytest.mark.parametrize("configuration", ["rules: {no-such-rule: off}\n", "ignore: [{rule: no-such-rule, reason: x}]\n"])
def test_a_rule_that_does_not_exist_is_wrong_usage(configuration: str) -> None:
    with pytest.raises(UsageError, match=r"\.gitops-secrets\.yaml:1.*no-such-rule"):
        checked(FILES, configuration)


def test_what_nothing_reaches_is_worth_a_note_beside_a_bootstrapped_cluster() -> None:
    stray = {"archive/apps.yaml": APPS.replace("./apps", "./old"), "old/settings.yaml": SETTINGS}
    archived = [finding for finding in checked({**FILES, **stray}).findings if finding.clusters == ("archive",)]

    assert [(finding.severity, finding.confidence) for finding in archived] == [(Severity.NOTE, Confidence.POSSIBLE)] * len(archived) != []


def test_what_nothing_reaches_does_not_repeat_what_a_cluster_shows() -> None:
    release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop}\nspec:\n  interval: 1h\n  dependsOn: [{name: nobody}]\n"
    again = APPS.replace("name: apps", "name: archived")
    result = checked({**FILES, "apps/release.yaml": release, "archive/apps.yaml": again})

    assert ("error", "dangling-depends-on", "apps/release.yaml:6", ("east", "west")) in found(result)


def test_what_only_unreached_clusters_show_names_all_of_them() -> None:
    stray = APPS.replace("./apps", "./old").replace("name: apps", "name: archived")
    both = {"archive/apps.yaml": stray, "attic/apps.yaml": stray, "old/settings.yaml": SETTINGS}

    assert [finding.clusters for finding in checked({**FILES, **both}).findings if finding.place.file == "old/settings.yaml"] == [("archive", "attic")]


def test_what_nothing_reaches_is_graded_as_usual_where_nothing_is_bootstrapped() -> None:
    result = checked({"archive/apps.yaml": APPS, "apps/settings.yaml": SETTINGS})

    assert [finding.severity for finding in result.findings] == [Severity.WARNING]


def test_what_is_missing_may_be_applied_to_the_same_cluster_from_another_folder() -> None:
    kustomization = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: NAME, namespace: flux-system}\n"
        "spec: {interval: 10m, prune: true, path: ./NAME, sourceRef: {kind: GitRepository, name: fleet}REST}\n"
    )
    shop = kustomization.replace("NAME", "shop").replace("REST", ", dependsOn: [{name: stores}]")
    files = {"setup/stores.yaml": kustomization.replace("NAME", "stores").replace("REST", ""), "apps/shop.yaml": shop}

    def dangling(files: dict[str, str]) -> list[tuple[str, str]]:
        repository = repository_of(MemoryTree(files))
        found = (finding for finding in check(repository, analyse(repository)).findings if finding.rule == "dangling-depends-on")
        return [(finding.severity.value, finding.message.rpartition(", ")[2]) for finding in found]

    assert dangling(files) == [("note", "unless setup/stores.yaml is applied to the same cluster")]
    assert dangling(files | {"setup/shop.yaml": shop})[0][0] == "warning"


def test_what_is_missing_may_lie_in_a_directory_that_somebody_applies_first() -> None:
    apps = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\n"
        "spec: {interval: 10m, prune: true, path: ./apps, sourceRef: {kind: GitRepository, name: fleet}}\n"
    )
    secret = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: mail, namespace: default}\n"
    secret += "spec: {secretStoreRef: {name: parameters, kind: ClusterSecretStore}, data: [{secretKey: a, remoteRef: {key: a}}]}\n"
    store = "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: parameters}\n"
    store += "spec: {provider: {aws: {service: ParameterStore, region: eu-central-1}}}\n"
    files = {"fleet/apps.yaml": apps, "apps/mail.yaml": secret}

    def missing(files: dict[str, str]) -> list[str]:
        repository = repository_of(MemoryTree(files))
        return [finding.severity.value for finding in check(repository, analyse(repository)).findings if finding.rule == "missing-store"]

    assert missing(files) == ["warning"]
    assert missing({**files, "stores/kustomization.yaml": "resources: [store.yaml]\n", "stores/store.yaml": store}) == ["note"]


def test_what_suppresses_nothing_is_not_told_where_something_does_not_build() -> None:
    configuration = load_configuration(b"ignore: [{rule: missing-store, reason: none}]", ".gitops-secrets.yaml", DEFAULT_LIMITS)
    repository = repository_of(MemoryTree({**FILES, "apps/other.yaml": b"spec: {"}), configuration)
    result = check(repository, analyse(repository))

    assert [finding.rule for finding in result.findings] == ["invalid-yaml", "missing-namespace"]


def test_what_suppresses_nothing_is_told_only_where_all_is_looked_at() -> None:
    configuration = load_configuration(b"ignore: [{rule: missing-store, reason: none}]", ".gitops-secrets.yaml", DEFAULT_LIMITS)
    repository = repository_of(MemoryTree(FILES), configuration)
    whole, part = (check(repository, analyse(repository, cluster=name)) for name in (None, "east"))

    assert [finding.rule for finding in whole.findings] == ["missing-namespace", "unused-suppression"]
    assert [finding.rule for finding in part.findings] == ["missing-namespace"]


RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: web}
spec:
  interval: 1h
  chartRef: {kind: OCIRepository, name: shop, namespace: web}
  values: {persistence: {storageClass: fast}}
"""
RETRIED = {
    "by nothing": ("", "not tried again once its retries are used up"),
    "by its strategy": ("  install: {strategy: {name: RetryOnFailure}}\n", "tried again minutes later"),
    "by its remediation": ("  install: {remediation: {retries: -1}}\n", "tried again minutes later"),
}
INSTANCE = """\
apiVersion: fluxcd.controlplane.io/v1
kind: FluxInstance
metadata: {name: flux, namespace: flux-system}
spec:
  kustomize:
    patches:
      - patch: "- {op: add, path: /spec/template/spec/containers/0/args/-, value: --feature-gates=DefaultToRetryOnFailure=true}"
        target: {kind: Deployment, name: helm-controller}
"""


@pytest.mark.parametrize(
    ("instance", "install", "told"),
    [*(("", *each) for each in RETRIED.values()), (INSTANCE, "", "tried again minutes later")],
    ids=[*RETRIED, "by the controller's default"],
)
def test_a_release_that_is_tried_again_and_again_is_said_to_be(instance: str, install: str, told: str) -> None:
    unit = APPS.replace("name: apps", "name: storage").replace("./apps", "./storage")
    files = {
        **cluster("east"),
        "clusters/east/storage.yaml": unit,
        "clusters/east/instance.yaml": instance,
        "storage/fast.yaml": "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\nprovisioner: example.org/disk\n",
        "apps/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n",
        "apps/release.yaml": RELEASE + install,
    }
    (message,) = [finding.message for finding in checked(files).findings if finding.rule == "missing-depends-on"]

    assert message.endswith(told)


def test_what_flux_leaves_out_by_default_is_there_where_the_source_takes_all_of_a_folder(tmp_path: Path) -> None:
    start = (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: fleet, namespace: flux-system}\n"
        "spec: {interval: 1m, url: 'https://git.example.org/fleet', ignore: IGNORE}\n---\n"
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: cluster, namespace: flux-system}\n"
        "spec: {interval: 10m, prune: true, path: ./apps, sourceRef: {kind: GitRepository, name: fleet}}\n"
    )
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps/logo.png").write_bytes(b"x")
    (tmp_path / "apps/kustomization.yaml").write_text("configMapGenerator: [{name: logo, namespace: default, files: [logo.png]}]\n")
    (tmp_path / "config").mkdir()

    def failed(ignore: str) -> list[str]:
        (tmp_path / "config/cluster.yaml").write_text(start.replace("IGNORE", ignore))
        repository = open_repository(tmp_path)
        return [finding.rule for finding in check(repository, analyse(repository)).findings]

    assert failed('"/*\\n!/apps"') == []
    assert failed("null") == ["build-failed"]


def test_fixes_end_where_too_much_would_be_read_for_them_and_that_is_said() -> None:
    tree = MemoryTree(repositories()["two-clusters"])
    found, limited = (check(repository, analyse(repository)) for repository in (repository_of(tree), repository_of(tree, limits=Limits(fixed_text=1))))

    assert [finding for finding in found.findings if finding.fix is not None]
    assert [replace(finding, fix=None) for finding in found.findings] == list(limited.findings)
    assert [problem.message for problem in limited.problems if "--limit fixed-text" in problem.message]
    assert not found.problems
