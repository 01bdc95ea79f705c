from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from gitops_secrets.checks import RULES
from gitops_secrets.cli.check import fails
from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.model.nodes import Place

Run = Callable[..., Result]

WARNING = Finding("a-rule", Severity.WARNING, Confidence.CERTAIN, "message", Place("a.yaml", 1, 1), "Secret/a/b")


@pytest.mark.parametrize(
    ("format_", "beginning"),
    [
        ("tree", "production  clusters/production"),
        ("json", '{\n  "schema": "gitops-secrets/scan/v1"'),
        ("dot", "digraph"),
        ("mermaid", "flowchart"),
        ("html", "<!doctype html>"),
    ],
)
def test_scan_writes_each_format(repository: Path, run: Run, format_: str, beginning: str) -> None:
    result = run("scan", "--format", format_, "--cluster", "production")

    assert result.exit_code == 0
    assert result.stdout.startswith(beginning)
    assert result.stderr == ""


def test_scan_finds_the_units_and_the_edge_that_nobody_wrote(repository: Path, run: Run) -> None:
    cluster = json.loads(run("scan", "--format", "json", "--cluster", "production").stdout)["clusters"][0]

    assert [unit["name"] for unit in cluster["units"]] == ["apps", "flux-system", "stores"]
    assert [(edge["from"].rpartition("/")[2], edge["to"].rpartition("/")[2], edge["declared"]) for edge in cluster["edges"]] == [("apps", "stores", False)]


def test_scan_is_limited_to_entry_points_below_the_path(repository: Path, run: Run) -> None:
    document = json.loads(run("scan", "--format", "json", "overlays").stdout)

    assert [cluster["entry_point"] for cluster in document["clusters"]] == ["overlays/test"]


def test_two_runs_write_the_same_bytes(repository: Path, run: Run) -> None:
    arguments = ("scan", "--format", "json", "--resources")

    assert run(*arguments).stdout_bytes == run(*arguments).stdout_bytes


def test_a_missing_path_is_wrong_usage(repository: Path, run: Run) -> None:
    result = run("scan", "no/such/folder")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "no/such/folder" in result.stderr


def test_an_unknown_cluster_is_wrong_usage_and_names_those_there_are(repository: Path, run: Run) -> None:
    result = run("check", "--cluster", "prod")

    assert result.exit_code == 2
    assert "production" in result.stderr


def test_a_folder_without_entry_point_is_no_error_and_gets_advice(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("scan", "--format", "json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["clusters"] == []
    assert "no entry point found" in result.stderr
    assert "clusters:" in result.stderr


def test_a_folder_whose_applications_are_templates_of_a_chart_says_what_starts_them(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = tmp_path / "charts" / "apps"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("name: apps\nversion: 1.0.0\n")
    (chart / "templates" / "shop.yaml").write_text("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: '{{ .Values.name }}'}\n")
    monkeypatch.chdir(tmp_path)
    result = run("check")

    assert result.exit_code == 0
    assert "Applications stand in templates of charts: charts/apps\n" in result.stderr


def test_a_broken_file_costs_only_its_own_results(repository: Path, run: Run) -> None:
    (repository / "apps" / "broken.yaml").write_text("key: [a, b\n")
    result = run("scan", "--format", "json", "--cluster", "production")
    document = json.loads(result.stdout)

    assert result.exit_code == 0
    assert [problem["place"]["file"] for problem in document["problems"]] == ["apps/broken.yaml"]
    assert len(document["clusters"][0]["units"]) == 3


def test_the_result_goes_to_a_file_if_asked(repository: Path, run: Run) -> None:
    direct = run("scan", "--format", "json")
    result = run("scan", "--format", "json", "--output", "result.json")

    assert (result.exit_code, result.stdout) == (0, "")
    assert (repository / "result.json").read_text() == direct.stdout
    assert "result.json" in result.stderr


def test_check_fails_from_the_severity_asked_for(repository: Path, run: Run) -> None:
    statuses = [run("check", "--cluster", "production", *flags).exit_code for flags in ([], ["--fail-on", "warning"], ["--fail-on", "warning", "--exit-zero"])]

    assert statuses == [0, 1, 0]


def test_check_has_the_same_status_in_every_format(repository: Path, run: Run) -> None:
    statuses = {run("check", "--fail-on", "warning", "--format", format_, "--cluster", "production").exit_code for format_ in ("text", "json")}

    assert statuses == {1}


def test_check_names_the_missing_edge(repository: Path, run: Run) -> None:
    findings = json.loads(run("check", "--format", "json", "--cluster", "production").stdout)["findings"]
    found = [finding for finding in findings if finding["rule"] == "missing-depends-on"]

    assert [(finding["subject"], finding["object"]) for finding in found] == [("Kustomization/flux-system/apps", "Kustomization/flux-system/stores")]


@pytest.mark.parametrize(("fail_on", "expected"), [("error", False), ("warning", True), ("note", True), ("never", False)])
def test_a_finding_at_or_above_the_limit_fails(fail_on: str, expected: bool) -> None:
    assert fails([WARNING], fail_on) is expected


def test_what_is_only_possible_never_fails() -> None:
    assert not fails([replace(WARNING, severity=Severity.ERROR, confidence=Confidence.POSSIBLE)], "note")


def test_plan_shows_the_order_to_be(repository: Path, run: Run) -> None:
    document = json.loads(run("plan", "--format", "json", "--cluster", "production").stdout)
    text = run("plan", "--cluster", "production").stdout

    assert document["clusters"][0]["levels"][-1] == ["Kustomization/flux-system/apps"]
    assert "+ stores" in text


def test_trace_goes_from_the_key_to_the_unit(repository: Path, run: Run) -> None:
    lines = run("trace", "key:prod/weather/apiKey", "--cluster", "production").stdout.splitlines()
    things = [line.strip(" └─").split("  ")[0].split(" ")[-1] for line in lines]

    assert things[-5:] == [
        "ClusterSecretStore//aws",
        "ExternalSecret/weather/weather-api",
        "Secret/weather/weather-api-secrets",
        "Deployment/weather/weather-api",
        "Kustomization/flux-system/apps",
    ]


def test_trace_takes_a_bare_name_that_only_one_thing_has(repository: Path, run: Run) -> None:
    document = json.loads(run("trace", "weather-api-secrets", "--format", "json").stdout)

    assert document["thing"] == "Secret/weather/weather-api-secrets"


def test_trace_of_a_name_that_several_things_have_lists_them(repository: Path, run: Run) -> None:
    result = run("trace", "weather-api")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "  Deployment/weather/weather-api\n  ExternalSecret/weather/weather-api\n" in result.stderr


@pytest.mark.parametrize(
    ("thing", "meant"), [("weather-api-secret", "Secret/weather/weather-api-secrets"), ("key:prod/weather/apikey", "key:prod/weather/apiKey")]
)
def test_trace_of_a_name_that_nothing_has_offers_the_nearest(repository: Path, run: Run, thing: str, meant: str) -> None:
    result = run("trace", thing)

    assert result.exit_code == 2
    assert meant in result.stderr


def test_render_shows_what_kustomize_would_build(repository: Path, run: Run) -> None:
    result = run("render", "overlays/test")

    assert (result.exit_code, result.stdout) == (0, "apiVersion: v1\ndata:\n  region: here\nkind: ConfigMap\nmetadata:\n  name: test-settings\n")


def test_render_of_what_does_not_build_names_file_and_line(repository: Path, run: Run) -> None:
    (repository / "overlays" / "test" / "kustomization.yaml").write_text("resources:\n  - gone.yaml\n")
    result = run("render", "overlays/test")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "overlays/test/kustomization.yaml:2: " in result.stderr


def test_render_of_what_is_no_kustomization_is_wrong_usage(repository: Path, run: Run) -> None:
    assert run("render", "apps").exit_code == 2


def test_render_with_a_binary_that_is_not_there_is_a_failure_outside(repository: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    result = run("render", "overlays/test", "--renderer", "kustomize")

    assert result.exit_code == 3
    assert "kustomize is not on PATH" in result.stderr


def test_both_renderers_build_the_same(repository: Path, run: Run, monkeypatch: pytest.MonkeyPatch, kustomize_binary: str) -> None:
    # Under the name that is looked for, wherever the binary of the test run is.
    (repository / "kustomize").symlink_to(Path(kustomize_binary).resolve())
    monkeypatch.setenv("PATH", str(repository), prepend=":")
    builtin, binary = (run("render", "overlays/test", "--renderer", renderer) for renderer in ("builtin", "kustomize"))

    assert binary.stdout == builtin.stdout
    assert builtin.exit_code == 0


def test_no_value_of_a_secret_is_rendered(repository: Path, run: Run) -> None:
    overlay = repository / "overlays" / "test"
    (overlay / "secret.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  password: canary-1\n")
    (overlay / "kustomization.yaml").write_text("resources: [secret.yaml]\nsecretGenerator:\n  - name: g\n    literals: [token=canary-2]\n")
    result = run("render", "overlays/test")

    assert "password:" in result.stdout
    assert "canary" not in result.output


def test_explain_lists_every_rule(run: Run) -> None:
    listed = [line.split()[0] for line in run("explain").stdout.splitlines()]

    assert sorted(listed) == sorted(rule.id for rule in RULES)


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_every_rule_has_a_page_of_four_parts(run: Run, rule: str) -> None:
    lines = run("explain", rule).stdout.splitlines()

    assert lines[0].startswith(rule)
    assert [line for line in lines if line in ("What it does", "Why it matters", "Example", "Options")] == [
        "What it does",
        "Why it matters",
        "Example",
        "Options",
    ]


def test_an_unknown_rule_is_wrong_usage_and_offers_the_nearest(run: Run) -> None:
    result = run("explain", "mising-store")

    assert result.exit_code == 2
    assert "did you mean missing-store?" in result.stderr
