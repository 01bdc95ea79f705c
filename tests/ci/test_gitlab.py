"""The template for GitLab, its script run with the variables that a merge request pipeline has."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

SPECIFICATION, JOBS = yaml.safe_load_all((Path(__file__).resolve().parents[2] / "templates" / "check.yml").read_text(encoding="utf-8"))
INPUTS = SPECIFICATION["spec"]["inputs"]
JOB = JOBS["gitops-secrets"]


@pytest.fixture
def run(repository: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the script of the job, with the defaults of its inputs."""

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        given = {name: entry.get("default", "") for name, entry in INPUTS.items()}
        own = {name: re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda match: given[match[1]], value) for name, value in JOB["variables"].items()}
        script = "\n".join(JOB["script"])
        return subprocess.run(("sh", "-e", "-c", script), cwd=repository, env={**environment, **own, **variables}, capture_output=True, text=True, check=False)

    return run


def test_a_merge_request_fails_for_what_it_brings_and_code_quality_has_everything(
    run: Callable[..., subprocess.CompletedProcess[str]], commit: Callable[..., str], platform: dict[str, str], repository: Path
) -> None:
    apps = "clusters/home/apps.yaml"
    base = commit({**platform, apps: platform[apps].replace("name: stores", "name: nowhere")})
    commit({"stores/store.yaml": None})

    done = run(CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    quality = json.loads((repository / "gl-code-quality-report.json").read_text())
    cases = ElementTree.parse(repository / "gitops-secrets.xml").getroot().iter("failure")

    assert done.returncode == 1, done.stdout + done.stderr
    assert {entry["check_name"] for entry in quality} >= {"dangling-depends-on", "missing-store"}
    assert "dangling-depends-on" not in done.stdout
    assert list(cases) != []


def test_a_branch_is_judged_whole(run: Callable[..., subprocess.CompletedProcess[str]], commit: Callable[..., str], platform: dict[str, str]) -> None:
    commit(platform)

    done = run()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing found" in done.stdout


def test_the_inputs_reach_the_script_by_variables_only() -> None:
    assert [line for line in (*JOB["before_script"], *JOB["script"]) if "$[[" in line] == []
