"""`check --base` and `--baseline` in real git repositories."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.git import commit, git

Run = Callable[..., Result]


def break_it(repository: Path) -> None:
    """An ExternalSecret whose store is nowhere."""
    file = repository / "apps" / "secret.yaml"
    file.write_text(file.read_text().replace("name: aws, kind", "name: vault, kind"))


def rules(result: Result) -> list[tuple[str, str]]:
    return [(finding["rule"], finding["change"]) for finding in json.loads(result.stdout)["findings"]]


def test_only_what_the_change_brings_is_reported(checkout: Path, run: Run) -> None:
    break_it(checkout)
    result = run("check", "--cluster", "production", "--base", "main", "--format", "json")

    assert (result.exit_code, rules(result)) == (1, [("missing-store", "new")])


def test_a_change_that_brings_nothing_is_well(checkout: Path, run: Run) -> None:
    (checkout / "README.md").write_text("hello")
    result = run("check", "--cluster", "production", "--base", "main", "--fail-on", "note")

    assert (result.exit_code, result.stdout) == (0, "nothing new in 1 cluster; 1 known\n")


def test_all_shows_what_was_there_before_too(checkout: Path, run: Run) -> None:
    result = run("check", "--cluster", "production", "--base", "main", "--all", "--format", "json")

    assert rules(result) == [("missing-depends-on", "known")]


def test_what_the_change_mends_is_named_as_gone(checkout: Path, run: Run) -> None:
    file = checkout / "clusters" / "production" / "apps.yaml"
    file.write_text(file.read_text() + "  dependsOn: [{name: stores}]\n")
    document = json.loads(run("check", "--cluster", "production", "--base", "main", "--format", "json").stdout)

    assert [finding["rule"] for finding in document["resolved"]] == ["missing-depends-on"]
    assert document["base"] == git(checkout, "rev-parse", "main")


def test_moved_lines_and_renamed_files_bring_nothing(checkout: Path, run: Run) -> None:
    git(checkout, "mv", "clusters/production/apps.yaml", "clusters/production/zzz.yaml")
    file = checkout / "clusters" / "production" / "zzz.yaml"
    file.write_text("# moved\n\n" + file.read_text())

    assert run("check", "--base", "main").stdout.startswith("nothing new")


def test_a_renamed_overlay_brings_nothing(checkout: Path, run: Run) -> None:
    (checkout / "overlays/test/settings.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: nowhere}\n")
    commit(checkout)
    git(checkout, "mv", "overlays/test", "overlays/staging")
    result = run("check", "--base", "HEAD", "--no-merge-base", "-v")

    assert result.stdout.startswith("nothing new")


def test_what_main_gained_since_is_no_part_of_the_change(checkout: Path, run: Run) -> None:
    commit(checkout)
    git(checkout, "checkout", "--quiet", "main")
    break_it(checkout)
    commit(checkout, "Main breaks")
    git(checkout, "checkout", "--quiet", "change")
    exact = json.loads(run("check", "--base", "main", "--no-merge-base", "--format", "json").stdout)

    assert json.loads(run("check", "--base", "main", "--format", "json").stdout)["resolved"] == []
    assert [finding["rule"] for finding in exact["resolved"]] == ["missing-store"]


def test_a_commit_can_be_compared_with_another_one_and_without_its_files(checkout: Path, run: Run) -> None:
    break_it(checkout)
    broken = commit(checkout)
    git(checkout, "checkout", "--quiet", "main")
    result = run("check", "--cluster", "production", "--rev", broken, "--base", "main", "--format", "json")

    assert rules(result) == [("missing-store", "new")]


def test_a_detached_head_is_a_head(checkout: Path, run: Run) -> None:
    git(checkout, "checkout", "--quiet", "--detach")

    assert run("check", "--base", "main").stdout.startswith("nothing new")


def test_a_cluster_that_was_not_there_is_new_with_all_its_findings(checkout: Path, run: Run) -> None:
    break_it(checkout)
    for file in (checkout / "clusters/production").rglob("*.yaml"):
        copy = checkout / "clusters/west" / file.relative_to(checkout / "clusters/production")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text().replace("clusters/production", "clusters/west"))
    result = run("check", "--cluster", "west", "--base", "main", "--format", "json")

    assert {change for _, change in rules(result)} == {"new"}


def test_a_base_that_does_not_parse_is_compared_as_far_as_it_does(checkout: Path, run: Run) -> None:
    (checkout / "apps/broken.yaml").write_text("key: [a, b\n")
    base = commit(checkout)
    (checkout / "apps/broken.yaml").unlink()
    result = run("check", "--cluster", "production", "--base", base, "--format", "json")

    assert result.exit_code == 0
    assert "invalid-yaml" in [finding["rule"] for finding in json.loads(result.stdout)["resolved"]]


def test_the_configuration_of_today_is_the_yardstick_for_both(checkout: Path, run: Run) -> None:
    (checkout / ".gitops-secrets.yaml").write_text("rules: {missing-depends-on: error}\n")

    assert run("check", "--cluster", "production", "--base", "main").stdout.startswith("nothing new")


def test_a_configuration_that_the_base_could_not_follow_compares_with_nothing(checkout: Path, run: Run) -> None:
    break_it(checkout)
    git(checkout, "mv", "clusters/production", "clusters/live")
    sync = checkout / "clusters/live/flux-system/gotk-sync.yaml"
    sync.write_text(sync.read_text().replace("clusters/production", "clusters/live"))
    (checkout / ".gitops-secrets.yaml").write_text("clusters: {live: {path: clusters/live}}\n")
    result = run("check", "--base", "main", "--format", "json")

    assert {change for _, change in rules(result)} == {"new"}


def test_a_suppression_that_the_change_makes_useless_is_new(checkout: Path, run: Run) -> None:
    break_it(checkout)
    file = checkout / "apps" / "secret.yaml"
    broken = file.read_text()
    file.write_text(broken.replace("  secretStoreRef", "  # gitops-secrets: ignore[missing-store] comes later\n  secretStoreRef"))
    base = commit(checkout)
    file.write_text(file.read_text().replace("name: vault", "name: aws"))
    result = run("check", "--base", base, "--format", "json")

    assert (result.exit_code, rules(result)) == (0, [("unused-suppression", "new")])


def test_an_entry_of_the_configuration_that_comes_into_use_is_no_finding_gone(checkout: Path, run: Run) -> None:
    break_it(checkout)
    (checkout / ".gitops-secrets.yaml").write_text("ignore: [{rule: missing-store, reason: comes later}]\n")
    document = json.loads(run("check", "--base", "main", "--format", "json").stdout)

    assert (document["findings"], document["resolved"]) == ([], [])


# What can't be compared


def test_an_unknown_revision_is_wrong_usage(checkout: Path, run: Run) -> None:
    result = run("check", "--base", "nowhere")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "revision 'nowhere' is not in this repository" in result.stderr
    assert "git fetch origin nowhere" in result.stderr


@pytest.mark.parametrize("revision", ["HEAD~99", "main^{tree}", "--all"])
def test_nobody_is_told_to_fetch_what_names_no_branch(checkout: Path, run: Run, revision: str) -> None:
    result = run("check", "--base", revision)

    assert result.exit_code == 2
    assert result.stderr == f"error: revision {revision!r} is not in this repository\n"


@pytest.mark.parametrize("options", [(), ("--no-merge-base",)])
def test_a_folder_without_git_has_no_base(repository: Path, run: Run, options: tuple[str, ...]) -> None:
    result = run("check", "--base", "main", *options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not in a git repository" in result.stderr


def test_histories_that_share_nothing_are_named(checkout: Path, run: Run) -> None:
    git(checkout, "checkout", "--quiet", "--orphan", "other")
    commit(checkout)

    assert "no commit in common" in run("check", "--base", "main").stderr
    assert run("check", "--base", "main", "--no-merge-base").stdout.startswith("nothing new")


def shallow(checkout: Path, tmp_path: Path) -> Path:
    for number in range(4):
        (checkout / "README.md").write_text(str(number))
        commit(checkout)
    clone = tmp_path / "shallow"
    git(checkout, "clone", "--quiet", "--depth", "1", "--branch", "change", f"file://{checkout}", str(clone))
    return clone


def advice(stderr: str) -> list[str]:
    line = next(line for line in stderr.splitlines() if "git fetch" in line)
    return line[line.index("git fetch") :].split()[1:]


def test_a_shallow_clone_is_told_what_to_fetch_until_it_can_compare(checkout: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = shallow(checkout, tmp_path)
    monkeypatch.chdir(clone)
    missing = run("check", "--base", "origin/main")
    git(clone, "fetch", "--quiet", "--depth=1", "origin", "main:refs/remotes/origin/main")
    cut = run("check", "--base", "origin/main")

    assert (missing.exit_code, cut.exit_code) == (2, 2)
    assert "shallow clone" in missing.stderr
    assert "it has 1 commit of the history of HEAD" in cut.stderr
    assert "--deepen=100" in advice(cut.stderr)

    git(clone, *advice(cut.stderr))

    assert run("check", "--base", "origin/main").stdout.startswith("nothing new")


@pytest.mark.parametrize("revision", ["origin/main", "HEAD~1", "the commit before"])
def test_the_base_that_a_shallow_clone_lacks_is_there_after_the_fetch_it_is_told(
    checkout: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    clone = shallow(checkout, tmp_path)
    if revision == "the commit before":
        revision = git(Path(checkout), "rev-parse", "change~1")
    monkeypatch.chdir(clone)
    git(clone, *advice(run("check", "--base", revision).stderr))

    assert run("check", "--base", revision, "--no-merge-base").stdout.startswith("nothing new")


# Lists of what is accepted


def test_a_team_that_adopts_the_tool_sees_only_what_comes_after_its_baseline(checkout: Path, run: Run) -> None:
    run("check", "--format", "json", "--output", "baseline.json", "--exit-zero")
    before = run("check", "--baseline", "baseline.json", "--fail-on", "note")
    break_it(checkout)
    after = run("check", "--cluster", "production", "--baseline", "baseline.json", "--format", "json")

    assert (before.exit_code, before.stdout[: len("nothing new")]) == (0, "nothing new")
    assert (after.exit_code, rules(after)) == (1, [("missing-store", "new")])


def test_what_the_baseline_has_too_much_is_told(checkout: Path, run: Run) -> None:
    break_it(checkout)
    run("check", "--format", "json", "--output", "baseline.json", "--exit-zero")
    git(checkout, "checkout", "--quiet", "--", "apps/secret.yaml")

    assert "findings of baseline.json are gone" in run("check", "--baseline", "baseline.json").stderr


def test_what_does_not_build_leaves_the_baseline_as_it_is(checkout: Path, run: Run) -> None:
    break_it(checkout)
    run("check", "--format", "json", "--output", "baseline.json", "--exit-zero")
    file = checkout / "apps" / "secret.yaml"
    file.write_text(file.read_text() + "data: {\n")
    result = run("check", "--baseline", "baseline.json")

    assert "invalid-yaml" in result.stdout
    assert "can't be judged" in result.stdout
    assert "are gone" not in result.stderr


REPOSITORIES = Path(__file__).parents[1] / "repositories"
# What a cluster starts with, or what a directory is built of: repository, file, and where it breaks.
STARTS = [
    ("argo-app-of-apps", "root.yaml", "spec:"),
    ("argo-app-of-apps", "level-one/teams.yaml", "spec:"),
    ("flux-instance", "clusters/lab/flux-system/flux-instance.yaml", "spec:"),
    ("flux-instance", "clusters/edge/flux-instance.yaml", "spec:"),
    ("plain-kustomize", "overlays/production/kustomization.yaml", "resources:"),
]


@pytest.mark.parametrize(("name", "file", "key"), STARTS, ids=lambda value: value)
def test_what_starts_with_a_file_that_is_no_yaml_is_neither_new_nor_gone(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, name: str, file: str, key: str
) -> None:
    root = tmp_path / "platform"
    shutil.copytree(REPOSITORIES / name, root)
    monkeypatch.chdir(root)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root)
    text = (root / file).read_text()
    (root / file).write_text(text.replace(key, f"{key} {{", 1))
    broken = run("check", "--base", "HEAD", "--format", "json")
    told = run("diff", "HEAD").stdout
    commit(root)
    (root / file).write_text(text)
    mended = run("check", "--base", "HEAD", "--format", "json")

    assert (broken.exit_code, rules(broken)) == (1, [("invalid-yaml", "new")])
    assert json.loads(broken.stdout)["findings"][0]["place"]["file"] == file
    assert json.loads(broken.stdout)["resolved"] == []
    assert (mended.exit_code, rules(mended)) == (0, [])
    assert [finding["rule"] for finding in json.loads(mended.stdout)["resolved"]] == ["invalid-yaml"]
    assert {line.split()[0] for line in (told + run("diff", "HEAD").stdout).splitlines() if line} & {"+", "-", "~"} == set()


def test_a_base_and_a_baseline_exclude_each_other(checkout: Path, run: Run) -> None:
    (checkout / "baseline.json").write_text("{}")

    assert run("check", "--base", "main", "--baseline", "baseline.json").exit_code == 2


def test_a_baseline_that_is_none_is_wrong_usage(checkout: Path, run: Run) -> None:
    (checkout / "baseline.json").write_text("{}")
    result = run("check", "--baseline", "baseline.json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--format json --output" in result.stderr


# Formats


@pytest.mark.parametrize("format_", ["text", "json", "sarif", "github", "gitlab", "junit", "markdown", "patch", "suggestions"])
def test_the_exit_status_is_the_same_in_every_format(checkout: Path, run: Run, format_: str) -> None:
    break_it(checkout)

    assert [run("check", "--base", base, "--format", format_).exit_code for base in ("main", "nowhere")] == [1, 2]


def test_workflow_commands_come_with_a_summary_of_the_step(checkout: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_it(checkout)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = run("check", "--base", "main", "--format", "github")

    assert result.stdout.startswith("::error file=apps/secret.yaml,line=")
    assert summary.read_text().startswith("before\n<!-- gitops-secrets check -->\n### gitops-secrets: 1 error")


def test_one_run_writes_as_many_reports_as_are_wanted(checkout: Path, run: Run, tmp_path: Path) -> None:
    break_it(checkout)
    reports = {format_: tmp_path / f"report.{format_}" for format_ in ("json", "markdown", "text")}
    result = run("check", "--cluster", "production", "--base", "main", *(f"--report={format_}={file}" for format_, file in reports.items()))

    assert {format_: file.read_text() for format_, file in reports.items()} == {
        format_: run("check", "--cluster", "production", "--base", "main", "--format", format_).stdout for format_ in reports
    }
    assert reports["text"].read_text() == result.stdout


@pytest.mark.parametrize("report", ["report.md", "pdf=report.pdf", "json="])
def test_a_report_that_names_no_format_or_no_file_is_wrong_usage(checkout: Path, run: Run, report: str) -> None:
    result = run("check", "--report", report)

    assert result.exit_code == 2
    assert "is not FORMAT=FILE, with a format of text, json, sarif" in result.stderr


def add_unit(checkout: Path) -> None:
    """A unit that needs the stores first, and does not say so."""
    (checkout / "clusters/production/more.yaml").write_text((checkout / "clusters/production/apps.yaml").read_text().replace("apps", "more"))
    (checkout / "more").mkdir()
    (checkout / "more/secret.yaml").write_text((checkout / "apps/secret.yaml").read_text().replace("weather-api", "more"))


def test_fixes_of_what_the_change_brings_are_a_patch(checkout: Path, run: Run) -> None:
    add_unit(checkout)
    git(checkout, "add", "--all")
    result = run("check", "--cluster", "production", "--base", "main", "--format", "patch", "--output", "fixes.patch", "--exit-zero")
    git(checkout, "apply", "fixes.patch")

    assert result.exit_code == 0
    assert git(checkout, "diff", "--name-only") == "clusters/production/more.yaml"
    assert "missing-depends-on" not in run("check", "--cluster", "production", "--base", "main", "-v").stdout


def test_fixes_on_lines_of_the_change_are_suggestions(checkout: Path, run: Run) -> None:
    add_unit(checkout)
    git(checkout, "add", "--all")
    review = json.loads(run("check", "--cluster", "production", "--base", "main", "--format", "suggestions").stdout)
    (comment,) = review["comments"]

    assert (review["event"], comment["path"], comment["side"]) == ("COMMENT", "clusters/production/more.yaml", "RIGHT")
    assert "  dependsOn:\n" in comment["body"]


def test_suggestions_need_a_change(checkout: Path, run: Run) -> None:
    result = run("check", "--format", "suggestions")

    assert (result.exit_code, result.stdout) == (2, "")


def test_the_page_of_a_change_marks_what_it_does(checkout: Path, run: Run) -> None:
    break_it(checkout)
    result = run("scan", "--cluster", "production", "--base", "main", "--format", "html")
    island = result.stdout.partition('<script id="data" type="application/json">')[2].partition("</script>")[0]
    data = json.loads(island)
    (cluster,) = data["clusters"]

    assert data["base"] == git(checkout, "rev-parse", "main")
    assert {section["title"] for section in cluster["changes"]} >= {"blast radius", "objects"}
    assert {data["strings"][number] for number in data["findings"]["texts"]["change"] if number >= 0} == {"new"}


def test_only_the_page_marks_changes(checkout: Path, run: Run) -> None:
    result = run("scan", "--base", "main")

    assert result.exit_code == 2
    assert "gitops-secrets diff" in result.stderr


UNKNOWN_CHART = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: somebody, namespace: flux-system}
spec: {interval: 1h, url: https://charts.example.org}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: flux-system}
spec:
  interval: 1h
  chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: somebody}}}
"""


def definitions(result: Result) -> set[tuple[str, str]]:
    findings = json.loads(result.stdout)["findings"]
    return {(finding["severity"], finding["confidence"]) for finding in findings if finding["rule"] == "missing-custom-resource-definition"}


def test_a_chart_that_nobody_knows_is_no_excuse_for_a_definition_that_the_change_takes_away(checkout: Path, run: Run) -> None:
    (checkout / "stores/web.yaml").write_text(UNKNOWN_CHART)
    git(checkout, "branch", "--force", "main", commit(checkout))
    (checkout / "stores/crd.yaml").unlink()
    result = run("check", "--base", "main", "--format", "json")

    assert (result.exit_code, definitions(result)) == (1, {("error", "likely")})
    assert "; this change takes it away" in result.stdout


def test_a_chart_that_nobody_knows_may_bring_the_definition_that_goes_when_it_comes(checkout: Path, run: Run) -> None:
    (checkout / "stores/web.yaml").write_text(UNKNOWN_CHART)
    (checkout / "stores/crd.yaml").unlink()
    result = run("check", "--base", "main", "--format", "json")

    assert (result.exit_code, definitions(result)) == (0, {("note", "possible")})


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("external-secrets.io/v1\nkind: ClusterSecretStore", []), ("example.org/v1\nkind: Cluster", ["worsened"])],
    ids=["a kind that another chart is known for", "a kind that no chart is known for"],
)
def test_that_a_chart_goes_makes_it_no_surer_that_nobody_brings_a_kind_of_another(checkout: Path, run: Run, kind: str, changes: list[str]) -> None:
    (checkout / "stores/crd.yaml").unlink()
    (checkout / "stores/object.yaml").write_text(f"apiVersion: {kind}\nmetadata: {{name: some}}\n")
    (checkout / "stores/web.yaml").write_text(UNKNOWN_CHART)
    git(checkout, "branch", "--force", "main", commit(checkout))
    (checkout / "stores/web.yaml").unlink()
    found = json.loads(run("check", "--base", "main", "--format", "json").stdout)["findings"]

    assert [finding["change"] for finding in found if finding["rule"] == "missing-custom-resource-definition"] == changes


def test_a_secret_that_loses_a_key_is_still_there(checkout: Path, run: Run) -> None:
    deployment = checkout / "apps/deployment.yaml"
    deployment.write_text(
        deployment.read_text().replace(
            "envFrom: [{secretRef: {name: weather-api-secrets}}]",
            "env: [{name: KEY, valueFrom: {secretKeyRef: {name: weather-api-secrets, key: apiKey}}}]",
        )
    )
    git(checkout, "branch", "--force", "main", commit(checkout))
    secret = checkout / "apps/secret.yaml"
    secret.write_text(secret.read_text().replace("secretKey: apiKey", "secretKey: key"))
    (found,) = json.loads(run("diff", "main", "--cluster", "production", "--format", "json").stdout)["clusters"]
    check = run("check", "--base", "main", "--cluster", "production", "--format", "json")

    assert [(prune["thing"], prune["key"]) for prune in found["prunes"]] == [("Secret/weather/weather-api-secrets", "apiKey")]
    assert (found["removal"]["steps"], found["secrets"][0]["keys_removed"]) == ([], ["apiKey"])
    assert rules(check) == [("missing-key", "new")]
    assert "goes with this change" not in check.stdout


def test_a_comment_that_suppresses_nothing_since_it_gives_no_reason_is_told(checkout: Path, run: Run) -> None:
    file = checkout / "apps" / "secret.yaml"
    file.write_text(f"{file.read_text()}# gitops-secrets: ignore[missing-secret]\n")
    line = len(file.read_text().splitlines())
    told = f"apps/secret.yaml:{line}: this comment needs a reason; write # gitops-secrets: ignore[rule] reason"

    assert told in run("check").stdout.splitlines()
    assert told not in run("check", "--quiet").stdout.splitlines()
