"""The hooks of .pre-commit-hooks.yaml, run by pre-commit itself. Only `language` differs from a user's run: the program is on PATH instead of installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.git import git

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, repository: Path, environment: dict[str, str]) -> Run:
    """Runs a hook on what is staged, as `git commit` would."""
    hooks = tmp_path / "gitops-secrets"
    hooks.mkdir()
    git(hooks, "init", "--quiet")
    (hooks / ".pre-commit-hooks.yaml").write_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes())
    git(hooks, "add", ".")
    git(hooks, "commit", "--quiet", "--message", "hooks")
    revision = git(hooks, "rev-parse", "HEAD")

    def run(hook: str) -> subprocess.CompletedProcess[str]:
        (repository / ".pre-commit-config.yaml").write_text(
            f"repos:\n  - repo: {hooks}\n    rev: {revision}\n    hooks:\n      - {{id: {hook}, language: system}}\n"
        )
        git(repository, "add", ".pre-commit-config.yaml")
        return subprocess.run(
            (sys.executable, "-m", "pre_commit", "run"),
            cwd=repository,
            env={**environment, "PRE_COMMIT_HOME": str(tmp_path / "pre-commit")},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_manifest_is_what_pre_commit_takes() -> None:
    subprocess.run((sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")), check=True)


def test_a_commit_that_breaks_the_repository_is_stopped(run: Run, stage: Callable[..., None], platform: dict[str, str]) -> None:
    stage({name: text for name, text in platform.items() if not name.startswith("apps/")})

    done = run("gitops-secrets-check")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "[missing-path]" in done.stdout


def test_a_sound_commit_passes(run: Run, stage: Callable[..., None], platform: dict[str, str]) -> None:
    stage(platform)

    done = run("gitops-secrets-check")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fix_stops_the_commit_and_stands_in_the_files(run: Run, stage: Callable[..., None], repository: Path, platform: dict[str, str]) -> None:
    apps = platform["clusters/home/apps.yaml"]
    stage({**platform, "clusters/home/apps.yaml": apps.replace("  dependsOn:\n  - name: stores\n", "")})

    done = run("gitops-secrets-fix")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "files were modified by this hook" in done.stdout
    assert "  dependsOn:\n    - name: stores\n" in (repository / "clusters/home/apps.yaml").read_text()
