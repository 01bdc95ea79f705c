"""`generate overlay`: new environments of the sample platform's base, built by the real kustomize."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.errors import BrokenError, UsageError
from gitops_secrets.generate.changes import FileChange
from gitops_secrets.model.findings import Severity
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.pipeline.changes import write
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.generate import Generated
from gitops_secrets.pipeline.overlay import generate_overlay
from gitops_secrets.pipeline.overlay_state import Request
from gitops_secrets.pipeline.scan import analyse, open_repository
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.syntax.yaml import parse
from tests.git import git

ROOT = Path(__file__).parents[2]
COMPONENTS = ("alerts", "external-secrets", "orders", "reloader", "secret-stores/aws", "weather")
ROLE = "arn:aws:iam::111122223333:role/qa-external-secrets"
KEYS = (("dev/", "qa/"), ("/dev/", "/qa/"), ("prod/", "qa/"))
FULL = Request("base", COMPONENTS, region="eu-north-1", role_arn=ROLE, key_prefixes=KEYS)

SYNC = """apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: https://git.example.org/platform}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m, path: ./overlays/qa/flux, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
"""

Objects = Mapping[str, Any]
Build = Callable[[str], Objects]


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A copy of the sample platform's base in a checkout of its own."""
    shutil.copytree(ROOT / "base", tmp_path / "base")
    git(tmp_path, "init", "--quiet")
    return tmp_path


@pytest.fixture
def build(sample: Path, kustomize_binary: str) -> Build:
    """What the real kustomize makes of a directory, by kind and name."""

    def run(directory: str) -> Objects:
        result = subprocess.run([kustomize_binary, "build", str(sample / directory)], capture_output=True, check=True)
        documents: Iterable[Any] = parse(result.stdout, "", DEFAULT_LIMITS).documents
        return {f"{document['kind']}/{document['metadata']['name']}": document for document in documents}

    return run


def generated(root: Path, request: Request, name: str = "qa") -> Generated:
    return generate_overlay(open_repository(root / "base"), root / "overlays" / name, request)


def generate(root: Path, request: Request, name: str = "qa") -> Generated:
    """Generates, and writes it."""
    result = generated(root, request, name)
    write(root, result.stale)
    return result


def stale(root: Path, request: Request) -> list[str]:
    return [change.path.removeprefix("overlays/qa/") for change in generated(root, request).stale]


def replaced(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def keys(objects: Objects) -> list[str]:
    return [entry["remoteRef"]["key"] for each in objects.values() if each["kind"] == "ExternalSecret" for entry in each["spec"].get("data", ())]


# A new environment


def test_it_builds_and_differs_from_its_base_where_it_was_asked_to(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    objects = build("overlays/qa")

    assert {name: objects[name]["spec"]["provider"]["aws"]["region"] for name in objects if name.startswith("ClusterSecretStore/")} == {
        "ClusterSecretStore/aws-parameter-store": "eu-north-1",
        "ClusterSecretStore/aws-secrets-manager": "eu-north-1",
    }
    values = objects["HelmRelease/external-secrets"]["spec"]["values"]
    assert values["serviceAccount"] == {"name": "external-secrets", "annotations": {"eks.amazonaws.com/role-arn": ROLE}}
    assert sorted(keys(objects)) == ["/qa/orders/dburl", "/qa/orders/password", "/qa/orders/user", "qa/slackurl", "qa/weather/apiKey"]


def test_check_passes_on_it_and_flux_is_told_the_order(sample: Path) -> None:
    result = generate(sample, FULL)
    repository = open_repository(sample / "overlays/qa")
    analysis = analyse(repository)
    flux = {file.stem: parse(file.read_bytes(), file.name, DEFAULT_LIMITS).documents[0] for file in (sample / "overlays/qa/flux").glob("*.yaml")}

    assert [finding for finding in check(repository, analysis).findings if finding.severity is not Severity.NOTE] == []
    assert [entry["name"] for entry in flux["weather"]["spec"]["dependsOn"]] == ["secret-stores"]
    assert [entry["name"] for entry in flux["secret-stores"]["spec"]["dependsOn"]] == ["external-secrets"]
    assert flux["weather"]["spec"]["path"] == "./overlays/qa/weather"
    assert result.remarks == ()


def test_what_only_the_environment_can_bring_is_said(sample: Path) -> None:
    remarks = generate(sample, replace(FULL, components=("external-secrets", "secret-stores/aws-shared-account"), role_arn=None, key_prefixes=None)).remarks

    assert [remark.partition(": warning: ")[2].partition(",")[0] for remark in remarks] == [
        "",
        "ClusterSecretStore//aws-shared-account needs Secret/external-secrets/awssm-secret",
    ]
    assert remarks[0] == "base itself has these findings, and the overlay has them from there:"


def test_what_the_options_bring_is_not_told_of_the_base(sample: Path) -> None:
    parts = ("external-secrets", "reloader", "secret-stores/aws", "weather")
    remarks = generate(sample, replace(FULL, components=parts, key_prefixes=None, stores={"aws-secrets-manager": "elsewhere"})).remarks

    assert [remark.partition(": ")[2].partition(",")[0] for remark in remarks] == [
        "error: ExternalSecret/weather/weather-api-secrets needs ClusterSecretStore//elsewhere"
    ]


def test_what_only_the_environment_can_bring_is_said_also_where_a_cluster_applies_it_already(sample: Path) -> None:
    request = replace(FULL, components=("external-secrets", "secret-stores/aws-shared-account"), role_arn=None, key_prefixes=None)
    first = generate(sample, request).remarks
    cluster = sample / "clusters/qa/flux-system/gotk-sync.yaml"
    cluster.parent.mkdir(parents=True)
    cluster.write_text(SYNC)

    assert first
    assert generate(sample, request).remarks == first


def test_stores_with_a_prefix_are_found_by_those_who_read_them(sample: Path, build: Build) -> None:
    generate(sample, replace(FULL, store_prefix="qa-"))
    objects = build("overlays/qa")

    assert {name for name in objects if name.startswith("ClusterSecretStore/")} == {
        "ClusterSecretStore/qa-aws-parameter-store",
        "ClusterSecretStore/qa-aws-secrets-manager",
    }
    assert objects["ExternalSecret/multicloud-db-info"]["spec"]["secretStoreRef"]["name"] == "qa-aws-parameter-store"
    assert objects["ExternalSecret/slack-url"]["spec"]["secretStoreRef"]["name"] == "qa-aws-secrets-manager"


TEAM = """\
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: team, annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/base"}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: own, namespace: team}
spec: {provider: {aws: {service: SecretsManager, region: eu-central-1, auth: {jwt: {serviceAccountRef: {name: reader}}}}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: whole, namespace: team}
spec:
  secretStoreRef: {name: own, kind: SecretStore}
  dataFrom: [{extract: {key: prod/team/all}}, {find: {path: prod/team/, name: {regexp: .*}}}]
"""


def test_an_account_a_store_of_a_namespace_and_whole_keys_follow_the_options(sample: Path, build: Build) -> None:
    (sample / "base/team").mkdir()
    (sample / "base/team/kustomization.yaml").write_text("resources: [team.yaml]\n")
    (sample / "base/team/team.yaml").write_text(TEAM)
    request = replace(FULL, components=("external-secrets", "team"), key_prefixes=(("prod/", "qa/"),), store_prefix="qa-", namespaces={"team": "red"})
    generate(sample, request)
    objects = build("overlays/qa/team")

    assert objects["ServiceAccount/reader"]["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": ROLE}
    assert objects["SecretStore/qa-own"]["spec"]["provider"]["aws"]["region"] == "eu-north-1"
    assert objects["ExternalSecret/whole"]["spec"]["secretStoreRef"]["name"] == "qa-own"
    assert [
        key for entry in objects["ExternalSecret/whole"]["spec"]["dataFrom"] for key in (entry.get("extract", {}).get("key"), entry.get("find", {}).get("path"))
    ] == [
        "qa/team/all",
        None,
        None,
        "qa/team/",
    ]
    assert {each["metadata"].get("namespace") for each in objects.values()} == {"red", None}
    assert stale(sample, Request()) == []


def test_another_store_can_stand_in_for_one(sample: Path, build: Build) -> None:
    generate(sample, Request("base", ("orders",), stores={"aws-parameter-store": "vault"}))

    assert build("overlays/qa")["ExternalSecret/multicloud-db-info"]["spec"]["secretStoreRef"]["name"] == "vault"


def test_applications_share_a_namespace_that_one_part_brings(sample: Path, build: Build) -> None:
    result = generate(sample, replace(FULL, namespaces={"": "qa"}))
    objects = build("overlays/qa")

    assert {each["metadata"]["name"] for each in objects.values() if each["kind"] == "Namespace"} == {"qa", "external-secrets", "reloader"}
    assert {objects[name]["metadata"]["namespace"] for name in ("Deployment/weather", "ExternalSecret/slack-url", "CronJob/order-report")} == {"qa"}
    assert objects["Namespace/qa"]["metadata"]["labels"] == {
        "app.kubernetes.io/part-of": "sample-apps",
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    assert result.remarks == ()
    assert sorted(unit.name for unit in result.plan.depends_on[next(unit for unit in result.plan.graph.units if unit.name == "weather")]) == [
        "namespace",
        "secret-stores",
    ]


def test_one_application_gets_a_namespace_of_its_own(sample: Path, build: Build) -> None:
    generate(sample, replace(FULL, namespaces={"weather": "forecast"}))
    objects = build("overlays/qa")

    assert objects["Deployment/weather"]["metadata"]["namespace"] == "forecast"
    assert objects["ExternalSecret/slack-url"]["metadata"]["namespace"] == "alerts"
    assert {"Namespace/forecast", "Namespace/weather"} & objects.keys() == {"Namespace/forecast"}


@settings(max_examples=8, deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12))
def test_any_prefix_comes_out_of_the_build_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, prefix: str) -> None:
    root = tmp_path_factory.mktemp("sample")
    shutil.copytree(ROOT / "base/weather", root / "base/weather")
    git(root, "init", "--quiet")
    generate(root, Request("base", key_prefixes=(("prod/", prefix),)))
    objects = {node["kind"]: node for node in Builder(open_repository(root).loader).build("overlays/qa").resources}

    assert objects["ExternalSecret"]["spec"]["data"][0]["remoteRef"]["key"] == f"{prefix}weather/apiKey"


# A second run


def test_a_second_run_changes_nothing_and_needs_no_options(sample: Path) -> None:
    first = generate(sample, FULL)

    assert len(first.stale) > 15
    assert stale(sample, FULL) == stale(sample, Request()) == []


def test_the_base_can_be_the_whole_repository(sample: Path) -> None:
    generate(sample, Request("", ("base/weather", "base/reloader")))

    assert stale(sample, Request()) == []


def test_a_run_after_a_broken_one_ends_where_it_should(sample: Path) -> None:
    write(sample, generated(sample, FULL).stale[::2])
    (sample / "overlays/qa/overlay.yaml").write_text("from: base\n")
    generate(sample, FULL)

    assert stale(sample, Request()) == []


def test_an_edited_patch_stays_as_it_is(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    replaced(sample / "overlays/qa/alerts/patches/external-secret-slack-url.yaml", "qa/slackurl", "team/slackurl")

    assert stale(sample, Request()) == []
    result = generate(sample, Request(key_prefixes=(("dev/", "other/"), ("/dev/", "/other/"))))
    assert "team/slackurl" in keys(build("overlays/qa"))
    assert "/other/orders/user" in keys(build("overlays/qa"))
    assert [remark.partition(":")[0] for remark in result.remarks] == ["overlays/qa/alerts/patches/external-secret-slack-url.yaml"]


def test_what_people_add_to_a_kustomization_stays_while_patches_come_and_go(sample: Path, build: Build) -> None:
    generate(sample, Request("base", COMPONENTS, key_prefixes=KEYS))
    file = sample / "overlays/qa/weather/kustomization.yaml"
    file.write_text(file.read_text() + "# three are needed on Mondays\nreplicas:\n- name: weather\n  count: 3\n")
    generate(sample, Request(key_prefixes=(), store_prefix="qa-"))
    text = file.read_text()
    generate(sample, Request(store_prefix="", region="eu-north-1"))

    assert "# three are needed on Mondays\n" in text
    assert "patches/external-secret-weather-api-secrets.yaml" in text
    assert "patches" not in file.read_text()
    assert build("overlays/qa")["Deployment/weather"]["spec"]["replicas"] == 3


def test_a_namespace_that_somebody_set_stays(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    file = sample / "overlays/qa/weather/kustomization.yaml"
    file.write_text(file.read_text() + "namespace: mine\n")
    generate(sample, Request(namespaces={"weather": "forecast"}))

    assert build("overlays/qa/weather")["Deployment/weather"]["metadata"]["namespace"] == "mine"


def test_a_patch_that_somebody_deleted_stays_away(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    (sample / "overlays/qa/alerts/patches/external-secret-slack-url.yaml").unlink()
    file = sample / "overlays/qa/alerts/kustomization.yaml"
    file.write_text(file.read_text().partition("patches:")[0])

    assert stale(sample, Request()) == []
    assert "dev/slackurl" in keys(build("overlays/qa"))


def test_the_entry_of_a_patch_that_somebody_deleted_goes_as_well(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    (sample / "overlays/qa/alerts/patches/external-secret-slack-url.yaml").unlink()
    remarks = generate(sample, Request()).remarks

    assert [remark.partition(";")[0].rpartition(", ")[2] for remark in remarks] == ["so it stays away"]
    assert stale(sample, Request()) == []
    assert "dev/slackurl" in keys(build("overlays/qa"))


def test_a_component_that_somebody_deleted_as_a_whole_is_written_again(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    before = build("overlays/qa")
    shutil.rmtree(sample / "overlays/qa/weather")
    generate(sample, Request())

    assert build("overlays/qa") == before


MINE = """\
# ours
patches:
- path: patches/external-secret-weather-api-secrets.yaml # first
  target: {kind: ExternalSecret, name: weather-api-secrets}
- path: patches/mine.yaml
resources:
- ../../../base/weather # the base
kind: Kustomization
apiVersion: kustomize.config.k8s.io/v1beta1
"""


def test_comments_order_and_patches_of_people_stay(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    file = sample / "overlays/qa/weather/kustomization.yaml"
    file.write_text(MINE)
    mine = "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: weather, namespace: weather}\nspec: {replicas: 5}\n"
    (sample / "overlays/qa/weather/patches/mine.yaml").write_text(mine)
    first = generate(sample, Request(store_prefix="qa-", region="eu-west-1"))
    kept = file.read_text()
    generate(sample, Request(store_prefix="", key_prefixes=()))
    objects = build("overlays/qa")

    assert len(first.stale) > 3
    assert kept == MINE
    assert file.read_text() == "".join(line for line in MINE.splitlines(keepends=True) if "weather-api-secrets" not in line)
    assert (sample / "overlays/qa/weather/patches/mine.yaml").read_text() == mine
    assert objects["Deployment/weather"]["spec"]["replicas"] == 5
    assert objects["ClusterSecretStore/aws-parameter-store"]["spec"]["provider"]["aws"]["region"] == "eu-west-1"


def test_line_ends_of_a_checkout_are_no_edit(sample: Path) -> None:
    generate(sample, FULL)
    for file in (sample / "overlays/qa").rglob("*.yaml"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

    assert stale(sample, Request()) == []


def test_an_edit_that_does_not_build_is_not_the_fault_of_the_base(sample: Path) -> None:
    generate(sample, FULL)
    file = sample / "overlays/qa/weather/kustomization.yaml"
    file.write_text(file.read_text() + "- path: patches/mine.yaml\n")

    with pytest.raises(BrokenError, match=r"overlays/qa/weather/kustomization.yaml:\d+: patches/mine.yaml is not there\nmend what somebody wrote there"):
        generate(sample, Request())


def test_components_come_and_go(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    generate(sample, Request(components=("external-secrets", "secret-stores", "weather"), key_prefixes=(("prod/", "qa/"),)))

    assert sorted(path.name for path in (sample / "overlays/qa").iterdir() if path.is_dir() and any(path.rglob("*.yaml"))) == [
        "external-secrets",
        "flux",
        "secret-stores",
        "weather",
    ]
    assert "ClusterSecretStore/gcp-secret-manager" in build("overlays/qa")
    assert sorted(path.stem for path in (sample / "overlays/qa/flux").iterdir()) == ["external-secrets", "kustomization", "secret-stores", "weather"]
    assert stale(sample, Request()) == []


def test_a_base_that_moved_on_stops_the_build_until_the_next_run(sample: Path, build: Build) -> None:
    generate(sample, FULL)
    replaced(sample / "base/orders/external-secret.yaml", "key: /dev/orders/dburl", "key: /dev/orders/address")

    with pytest.raises(subprocess.CalledProcessError):
        build("overlays/qa/orders")
    assert stale(sample, Request()) == ["orders/patches/external-secret-multicloud-db-info.yaml", "overlay.yaml"]
    generate(sample, Request())
    assert "/qa/orders/address" in keys(build("overlays/qa/orders"))


# What is refused


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(), "--from is needed"),
        (Request("base", ("no-such",)), "base has no component 'no-such'; it has alerts, example,"),
        (Request("base/weather"), "base/weather has no components"),
        (replace(FULL, region="Frankfurt"), "--region: 'Frankfurt' is no region of AWS"),
        (replace(FULL, role_arn="qa-role"), "--role-arn: 'qa-role' is no role"),
        (replace(FULL, namespaces={"": "QA"}), "--namespace: 'QA' can't be the name of a namespace"),
        (replace(FULL, namespaces={"external-secrets": "qa"}), "--namespace: external-secrets holds more than one application"),
        (replace(FULL, namespaces={"no-such": "qa"}), "--namespace: there is no component 'no-such'"),
        (replace(FULL, store_prefix="QA_"), "--store-prefix: 'QA_' can't begin a name"),
        (
            replace(FULL, stores={"vault": "aws"}),
            "--store: nothing in the chosen components uses a store 'vault'; they use aws-parameter-store, aws-secrets-manager",
        ),
        (
            replace(FULL, key_prefixes=(("test/", "qa/"),)),
            "--key-prefix: no key that the chosen components read begins with 'test/'; they read /dev/orders/dburl,",
        ),
        (Request("base", ("weather",), region="eu-north-1"), "--region: no store of the chosen components"),
        (Request("base", ("weather",), role_arn=ROLE), "--role-arn: the chosen components bring no service account"),
        (Request("base", ("weather",), store_prefix="qa-"), "--store-prefix: the chosen components bring no store"),
        (Request("base", ("reloader",), namespaces={"": "qa"}), "--namespace: none of the chosen components is an application"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_is_refused_and_nothing_is_written(sample: Path, request_: Request, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        generate(sample, request_)

    assert str(raised.value).startswith(message)
    assert not (sample / "overlays").exists()


@pytest.mark.parametrize("name", ["Staging", "a_b", "-a", "a" * 64])
def test_a_name_has_to_be_one_for_kubernetes(sample: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't be the name of an overlay"):
        generate(sample, FULL, name)


def test_a_component_of_kustomize_is_no_part_to_be_applied(sample: Path, build: Build) -> None:
    (sample / "base/labels").mkdir()
    (sample / "base/labels/kustomization.yaml").write_text("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonLabels: {team: a}\n")
    generate(sample, Request("base", ("external-secrets", "weather")))
    generate(sample, Request("base", ()))

    assert "Deployment/weather" in build("overlays/qa")
    assert not (sample / "overlays/qa/labels").exists()
    with pytest.raises(UsageError, match="base has no component 'labels'"):
        generate(sample, Request("base", ("labels",)))


def test_an_overlay_of_somebody_else_is_left_alone(sample: Path) -> None:
    shutil.copytree(ROOT / "overlays/staging", sample / "overlays/qa")

    with pytest.raises(UsageError, match="overlays/qa is there already, and was not made by this command"):
        generate(sample, FULL)


def test_a_base_that_does_not_build_is_named(sample: Path) -> None:
    replaced(sample / "base/weather/kustomization.yaml", "deployment.yaml", "no-such.yaml")

    with pytest.raises(BrokenError, match=r"base/weather/kustomization\.yaml:\d+: .*no-such\.yaml"):
        generate(sample, FULL)


def test_components_that_bring_the_same_object_can_not_stand_together(sample: Path) -> None:
    shutil.copytree(sample / "base/weather", sample / "base/forecast")

    with pytest.raises(BrokenError, match=r"(?s)no overlay can be made of these components: .*weather.* is there twice\nchoose other ones"):
        generate(sample, Request("base", ("forecast", "weather")))


def test_where_one_file_can_not_be_written_none_is(sample: Path) -> None:
    changes = (FileChange("a.yaml", None, "a: 1\n"), FileChange("base/weather/deployment.yaml/b.yaml", None, "b: 1\n"))

    with pytest.raises(UsageError, match=r"can't write base/weather/deployment\.yaml/b\.yaml"):
        write(sample, changes)
    assert not (sample / "a.yaml").exists()
    assert not list(sample.glob(".a.yaml*"))


def test_a_link_out_of_the_repository_is_not_followed(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "file.yaml"
    outside.write_text("theirs: 1\n")
    (sample / "link.yaml").symlink_to(outside)

    with pytest.raises(UsageError, match="it leads out of the repository"):
        write(sample, [FileChange("link.yaml", None, "a: 1\n")])
    assert outside.read_text() == "theirs: 1\n"


def test_what_the_base_lacks_is_said_also_beside_other_clusters(sample: Path) -> None:
    request = replace(FULL, components=("external-secrets", "secret-stores/aws-shared-account"), role_arn=None, key_prefixes=None)
    cluster = sample / "clusters/production/flux-system/gotk-sync.yaml"
    cluster.parent.mkdir(parents=True)
    cluster.write_text(SYNC.replace("overlays/qa/flux", "clusters/production"))

    assert len(generate(sample, request).remarks) == 2


def test_a_kustomization_that_the_base_brings_keeps_its_name_to_itself(sample: Path, build: Build) -> None:
    (sample / "base/team/kustomization.yaml").parent.mkdir()
    (sample / "base/team/kustomization.yaml").write_text("resources: [sync.yaml]\n")
    (sample / "base/team/sync.yaml").write_text(SYNC.replace("name: flux-system", "name: team").replace("./overlays/qa/flux", "./base/weather"))
    generate(sample, Request("base", ("team",)))

    assert "Kustomization/team" in build("overlays/qa/team")
    assert build("overlays/qa/flux").keys() == {"Kustomization/team-2"}
