"""`generate flux` on the sample platform and on small overlays with one trait each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitops_secrets.errors import BrokenError, UsageError
from gitops_secrets.generate.changes import FileChange
from gitops_secrets.model.findings import Severity
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.pipeline.changes import write
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.generate import Generated, generate_flux
from gitops_secrets.pipeline.scan import analyse, open_repository
from gitops_secrets.syntax.yaml import parse
from tests.git import git

ROOT = Path(__file__).parents[2]
OVERLAYS = ["development", "gke", "production", "staging"]

# The stores need the CRDs of the first operator and a Secret that the second one unseals; whoever reads from the stores comes after them.
ORDER_OF_PRODUCTION = {
    "alerts": ["secret-stores"],
    "example": ["secret-stores"],
    "external-secrets": [],
    "orders": ["secret-stores"],
    "reloader": [],
    "sealed-secrets": [],
    "secret-stores": ["external-secrets", "sealed-secrets"],
    "weather": ["secret-stores"],
}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A copy of the sample platform in a checkout of its own."""
    for part in ("base", "overlays"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return checkout(tmp_path)


def checkout(root: Path) -> Path:
    git(root, "init", "--quiet")
    return root


def written(root: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return checkout(root)


def generated(root: Path, overlay: str, source: str = "flux-system/flux-system") -> Generated:
    return generate_flux(open_repository(root / overlay), root / overlay, source=source)


def generate(root: Path, overlay: str, source: str = "flux-system/flux-system") -> Generated:
    """Generates, and writes it."""
    result = generated(root, overlay, source)
    write(root, result.stale)
    return result


def manifests(root: Path, overlay: str) -> dict[str, dict[str, object]]:
    """What the files of the flux folder say, by their names."""
    files = sorted((root / overlay / "flux").glob("*.yaml"))
    return {file.stem: parse(file.read_bytes(), file.name, DEFAULT_LIMITS).documents[0]["spec"] for file in files if file.name != "kustomization.yaml"}


def order(root: Path, overlay: str) -> dict[str, list[str]]:
    return {name: [entry["name"] for entry in spec.get("dependsOn", ())] for name, spec in manifests(root, overlay).items()}  # type: ignore[attr-defined]


def replaced(file: Path, *pairs: tuple[str, str]) -> None:
    text = file.read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)


# The sample platform


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_check_passes_on_what_was_generated(sample: Path, overlay: str) -> None:
    generate(sample, f"overlays/{overlay}")
    repository = open_repository(sample / "overlays" / overlay)
    analysis = analyse(repository)
    result = check(repository, analysis)

    assert [cluster.graph.cluster.engine for cluster in analysis.clusters] == ["flux"]
    assert [finding for finding in result.findings if finding.severity is not Severity.NOTE] == []
    assert result.problems == ()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_second_run_changes_nothing(sample: Path, overlay: str) -> None:
    first, second = generate(sample, f"overlays/{overlay}"), generated(sample, f"overlays/{overlay}")

    assert len(first.stale) == len(first.changes) == len(second.changes) > 5
    assert second.stale == ()
    assert first.remarks == second.remarks == ()


def test_each_component_waits_for_just_those_that_it_needs(sample: Path) -> None:
    generate(sample, "overlays/production")

    assert order(sample, "overlays/production") == ORDER_OF_PRODUCTION


def test_the_order_does_not_depend_on_what_an_earlier_run_wrote(sample: Path) -> None:
    generate(sample, "overlays/production")
    for file in (sample / "overlays/production/flux").glob("*.yaml"):
        file.write_text(file.read_text().replace("- name: secret-stores", "- name: reloader"))
    generate(sample, "overlays/production")

    assert order(sample, "overlays/production") == ORDER_OF_PRODUCTION


def test_only_what_others_need_has_a_health_check_with_an_expression_where_kstatus_misreads(sample: Path) -> None:
    generate(sample, "overlays/production")
    specs = manifests(sample, "overlays/production")
    checked = {name: [f"{entry['kind']}/{entry['name']}" for entry in spec["healthChecks"]] for name, spec in specs.items() if "healthChecks" in spec}  # type: ignore[attr-defined]

    assert checked == {
        "external-secrets": ["HelmRelease/external-secrets"],
        "sealed-secrets": ["HelmRelease/sealed-secrets"],
        "secret-stores": ["ClusterSecretStore/aws-parameter-store", "ClusterSecretStore/aws-secrets-manager", "ClusterSecretStore/aws-shared-account"],
    }
    assert specs["secret-stores"]["healthCheckExprs"] == [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ClusterSecretStore",
            "current": "status.conditions.exists(e, e.type == 'Ready' && e.status == 'True')",
        }
    ]


def test_a_flux_without_health_check_expressions_gets_none(sample: Path) -> None:
    components = sample / "clusters/production/flux-system/gotk-components.yaml"
    components.parent.mkdir(parents=True)
    components.write_text(
        "# Flux version: v2.4.0\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: flux-system\n  labels: {app.kubernetes.io/version: v2.4.0}\n"
    )
    generate(sample, "overlays/production")

    assert not any("healthCheckExprs" in spec for spec in manifests(sample, "overlays/production").values())
    assert "healthChecks" in manifests(sample, "overlays/production")["secret-stores"]


def test_the_real_kustomize_builds_the_flux_folder(sample: Path, kustomize_binary: str) -> None:
    generate(sample, "overlays/production")
    folder = sample / "overlays/production/flux"
    result = subprocess.run([kustomize_binary, "build", str(folder)], capture_output=True, text=True, check=True)

    assert sorted(document["metadata"]["name"] for document in parse(result.stdout, "flux", DEFAULT_LIMITS).documents) == sorted(ORDER_OF_PRODUCTION)


def test_a_bootstrapped_cluster_that_syncs_the_flux_folder_has_no_fault(sample: Path) -> None:
    generate(sample, "overlays/production")
    sync = sample / "clusters/production/flux-system/gotk-sync.yaml"
    sync.parent.mkdir(parents=True)
    sync.write_text(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\n"
        "spec: {interval: 1m, url: 'https://example.org/platform.git'}\n---\n"
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux-system, namespace: flux-system}\n"
        "spec: {interval: 10m, path: ./overlays/production/flux, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}\n"
    )
    repository = open_repository(sample)
    result = check(repository, analyse(repository, cluster="production"))

    assert [finding for finding in result.findings if finding.severity is not Severity.NOTE] == []


# What is stale


def test_what_is_not_written_yet_is_stale(sample: Path) -> None:
    result = generated(sample, "overlays/gke")

    assert [change.path for change in result.stale] == [change.path for change in result.changes]
    assert all(change.before is None for change in result.stale)


def test_a_lost_depends_on_is_stale_and_comes_back(sample: Path) -> None:
    generate(sample, "overlays/production")
    file = sample / "overlays/production/flux/weather.yaml"
    before = file.read_text()
    replaced(file, ("  dependsOn:\n  - name: secret-stores\n", ""))

    assert [change.path for change in generate(sample, "overlays/production").stale] == ["overlays/production/flux/weather.yaml"]
    assert parse(file.read_text(), "", DEFAULT_LIMITS).documents == parse(before, "", DEFAULT_LIMITS).documents


def test_a_lost_entry_of_the_list_comes_back_and_entries_of_others_stay(sample: Path) -> None:
    generate(sample, "overlays/production")
    listing = sample / "overlays/production/flux/kustomization.yaml"
    replaced(listing, ("- weather.yaml\n", "- ../../../extra # ours\n- https://example.org/other?ref=v1\n"), ("- orders.yaml", "- ./orders.yaml"))
    result = generate(sample, "overlays/production")

    assert [change.path for change in result.stale] == ["overlays/production/flux/kustomization.yaml"]
    assert listing.read_text().endswith("- ../../../extra # ours\n- https://example.org/other?ref=v1\n- weather.yaml\n")
    assert listing.read_text().count("orders.yaml") == 1


# Hand edits


def test_what_people_wrote_in_other_fields_survives(sample: Path) -> None:
    generate(sample, "overlays/production")
    file = sample / "overlays/production/flux/weather.yaml"
    replaced(
        file,
        ("  interval: 10m\n", "  interval: 30m # slower\n  # paused during the migration\n  suspend: true\n"),
        ("  name: weather\n", "  name: weather\n  labels: {team: weather}\n"),
        ("  - name: secret-stores\n", "  - name: reloader\n"),
    )
    edited = file.read_text()
    generate(sample, "overlays/production")

    assert file.read_text() == edited.replace("  - name: reloader\n", "  - name: secret-stores\n")


def test_entries_of_a_list_that_stay_keep_their_comments_and_their_order(sample: Path) -> None:
    generate(sample, "overlays/production")
    file = sample / "overlays/production/flux/secret-stores.yaml"
    replaced(
        file,
        ("  - name: external-secrets\n  - name: sealed-secrets\n", "  # both operators\n  - name: sealed-secrets # unseals awssm-secret\n  - name: alerts\n"),
    )
    generate(sample, "overlays/production")

    assert "  # both operators\n  - name: sealed-secrets # unseals awssm-secret\n  - name: external-secrets\n" in file.read_text()
    assert generated(sample, "overlays/production").stale == ()


def test_a_file_without_the_header_is_brought_up_to_date_as_well(sample: Path) -> None:
    generate(sample, "overlays/production")
    file = sample / "overlays/production/flux/weather.yaml"
    file.write_text("# Ours now.\n" + file.read_text().split("\n", 1)[1].replace("path: ./overlays/production/weather", "path: ./elsewhere"))
    generate(sample, "overlays/production")

    assert file.read_text().startswith("# Ours now.\napiVersion")
    assert manifests(sample, "overlays/production")["weather"]["path"] == "./overlays/production/weather"


def test_a_file_that_holds_something_else_is_not_overwritten(sample: Path) -> None:
    file = sample / "overlays/gke/flux/orders.yaml"
    file.parent.mkdir()
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: orders}\n")

    with pytest.raises(BrokenError, match=r"overlays/gke/flux/orders\.yaml:1: .*does not hold the Kustomization orders"):
        generated(sample, "overlays/gke")


def test_a_file_that_is_no_text_is_named(sample: Path) -> None:
    file = sample / "overlays/gke/flux/orders.yaml"
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BrokenError, match=r"orders\.yaml:1: .*UTF-8"):
        generated(sample, "overlays/gke")


# Components that come and go


def test_the_file_of_a_removed_component_goes_and_a_remark_says_what_that_does(sample: Path) -> None:
    generate(sample, "overlays/production")
    shutil.rmtree(sample / "overlays/production/alerts")
    replaced(sample / "overlays/production/kustomization.yaml", ("  - alerts\n", ""))
    result = generate(sample, "overlays/production")

    assert [(change.path, change.after is None) for change in result.stale] == [
        ("overlays/production/flux/kustomization.yaml", False),
        ("overlays/production/flux/alerts.yaml", True),
    ]
    assert "alerts" not in (sample / "overlays/production/flux/kustomization.yaml").read_text()
    assert not (sample / "overlays/production/flux/alerts.yaml").exists()
    assert [remark for remark in result.remarks if "alerts.yaml" in remark and "prunes" in remark] == list(result.remarks)
    assert generated(sample, "overlays/production").stale == ()


def test_files_that_people_added_stay(sample: Path) -> None:
    generate(sample, "overlays/production")
    extra = sample / "overlays/production/flux/notifications.yaml"
    extra.write_text("apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Provider\nmetadata: {name: chat}\n")
    replaced(sample / "overlays/production/flux/kustomization.yaml", ("- orders.yaml\n", "- notifications.yaml\n- orders.yaml\n"))

    assert generated(sample, "overlays/production").stale == ()


def test_an_overlay_that_lists_its_own_flux_folder_is_still_the_sum_of_its_components(sample: Path) -> None:
    generate(sample, "overlays/production")
    replaced(sample / "overlays/production/kustomization.yaml", ("  - example\n", "  - example\n  - flux\n"))
    result = generated(sample, "overlays/production")

    assert result.remarks == ()
    assert result.stale == ()


# Small overlays

RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: external-secrets, namespace: external-secrets}
spec:
  interval: 1h
  chart: {spec: {chart: external-secrets, sourceRef: {kind: HelmRepository, name: external-secrets}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: external-secrets, namespace: external-secrets}
spec: {url: "https://charts.external-secrets.io"}
---
apiVersion: v1
kind: Namespace
metadata: {name: external-secrets}
"""
STORE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-central-1}}}
"""


def test_a_component_that_holds_an_operator_and_its_users_is_split_into_what_it_lists(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        {
            "overlay/kustomization.yaml": "resources: [platform]\n",
            "overlay/platform/kustomization.yaml": "resources: [operator, stores]\n",
            "overlay/platform/operator/kustomization.yaml": "resources: [release.yaml]\n",
            "overlay/platform/operator/release.yaml": RELEASE,
            "overlay/platform/stores/kustomization.yaml": "resources: [store.yaml]\n",
            "overlay/platform/stores/store.yaml": STORE,
        },
    )
    generate(root, "overlay")

    assert order(root, "overlay") == {"operator": [], "stores": ["operator"]}
    assert manifests(root, "overlay")["stores"]["path"] == "./overlay/platform/stores"


def test_a_component_that_needs_a_split_and_is_more_than_a_list_is_refused_with_advice(tmp_path: Path) -> None:
    files = {"overlay/kustomization.yaml": "resources: [release.yaml, store.yaml]\n", "overlay/release.yaml": RELEASE, "overlay/store.yaml": STORE}
    root = written(tmp_path, files)

    with pytest.raises(BrokenError, match=r"ClusterSecretStore//aws needs HelmRelease/external-secrets/external-secrets first.*\nput them into directories"):
        generated(root, "overlay")


def test_an_overlay_with_transformers_becomes_one_kustomization_with_a_remark(tmp_path: Path) -> None:
    files = {
        "overlay/kustomization.yaml": "resources: [operator]\nnamePrefix: test-\n",
        "overlay/operator/kustomization.yaml": "resources: [release.yaml]\n",
        "overlay/operator/release.yaml": RELEASE,
    }
    root = written(tmp_path, files)
    result = generate(root, "overlay")

    assert order(root, "overlay") == {"overlay": []}
    assert len(result.remarks) == 1
    assert "applied as one" in result.remarks[0]


def test_an_overlay_is_one_kustomization_where_a_component_changes_in_company(tmp_path: Path) -> None:
    """The ConfigMap gets its hash in one component and is referred to in the other, so kustomize gives another result for both together."""
    files = {
        "overlay/kustomization.yaml": "resources: [settings, user]\n",
        "overlay/settings/kustomization.yaml": "configMapGenerator: [{name: settings, literals: [a=b]}]\n",
        "overlay/user/kustomization.yaml": "resources: [pod.yaml]\n",
        "overlay/user/pod.yaml": (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: user}\nspec: {containers: [{name: user, image: user, envFrom: [{configMapRef: {name: settings}}]}]}\n"
        ),
    }
    root = written(tmp_path, files)
    result = generated(root, "overlay")

    assert [change.path for change in result.changes] == ["overlay/flux/overlay.yaml", "overlay/flux/kustomization.yaml"]
    assert "not the sum" in result.remarks[0]


def test_components_of_one_name_are_called_after_their_parents_too(tmp_path: Path) -> None:
    components = ("a/app", "b/app", "B_c.d", "kustomization", "queue/base", "cache/overlays/fast", "mail/overlays/fast")
    files = {"kustomization.yaml": f"resources: [{', '.join(components)}]\n"}
    for number, component in enumerate(components):
        files[f"{component}/kustomization.yaml"] = "resources: [settings.yaml]\n"
        files[f"{component}/settings.yaml"] = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings-{number}}}\n"
    root = written(tmp_path, files)
    generate(root, ".")

    assert sorted(manifests(root, ".")) == ["a-app", "b-app", "b-c-d", "cache-fast", "kustomization-2", "mail-fast", "queue"]
    assert generated(root, ".").stale == ()


@pytest.mark.parametrize(
    ("source", "namespace", "reference"),
    [
        ("platform/config", "platform", {"kind": "GitRepository", "name": "config"}),
        ("OCIRepository/flux-system/artifact", "flux-system", {"kind": "OCIRepository", "name": "artifact"}),
    ],
)
def test_the_source_is_the_one_asked_for_and_its_namespace_that_of_all(sample: Path, source: str, namespace: str, reference: dict[str, str]) -> None:
    generate(sample, "overlays/gke")
    generate(sample, "overlays/gke", source)
    documents = [parse(file.read_bytes(), file.name, DEFAULT_LIMITS).documents[0] for file in (sample / "overlays/gke/flux").glob("*.yaml")]

    assert {document["metadata"]["namespace"] for document in documents if "metadata" in document} == {namespace}
    assert [document["spec"]["sourceRef"] for document in documents if "spec" in document] == [reference] * 6
    assert generated(sample, "overlays/gke", source).stale == ()


@pytest.mark.parametrize("source", ["flux-system", "a/b/c/d", "/flux-system", ""])
def test_a_source_that_names_nothing_is_refused(sample: Path, source: str) -> None:
    with pytest.raises(UsageError, match="NAMESPACE/NAME"):
        generated(sample, "overlays/gke", source)


def test_a_folder_without_a_kustomization_is_refused(sample: Path) -> None:
    with pytest.raises(UsageError, match=r"no kustomization\.yaml"):
        generated(sample, "overlays")


def test_an_overlay_that_does_not_build_is_refused_with_its_line(tmp_path: Path) -> None:
    root = written(tmp_path, {"overlay/kustomization.yaml": "resources:\n  - missing.yaml\n"})

    with pytest.raises(BrokenError, match=r"overlay/kustomization\.yaml:2: missing\.yaml"):
        generated(root, "overlay")


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "flux").write_text("a file where the folder should be")

    with pytest.raises(UsageError, match=r"can't write flux/alerts\.yaml"):
        write(tmp_path, [FileChange("flux/alerts.yaml", None, "text")])


def test_a_written_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("before")
    file.chmod(0o640)
    write(tmp_path, [FileChange("a.yaml", "before", "after\n"), FileChange("b.yaml", None, "new\n")])

    assert (file.read_text(), file.stat().st_mode & 0o777) == ("after\n", 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "b.yaml"]


def test_what_is_not_looked_into_is_named_in_a_remark(tmp_path: Path) -> None:
    files = {
        "overlay/kustomization.yaml": "resources: [remote, operator]\n",
        "overlay/remote/kustomization.yaml": "resources:\n  - https://example.org/remote//base?ref=v1\n",
        "overlay/operator/kustomization.yaml": "resources: [release.yaml]\n",
        "overlay/operator/release.yaml": RELEASE,
    }
    root = written(tmp_path, files)
    result = generate(root, "overlay")

    assert order(root, "overlay") == {"operator": [], "remote": []}
    assert [remark.partition(" is ")[0] for remark in result.remarks] == ["overlay/remote/kustomization.yaml:2: https://example.org/remote//base?ref=v1"]
