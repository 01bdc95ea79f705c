from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.git import git

Run = Callable[..., Result]
APPS = "clusters/production/apps.yaml"
DEPENDENCY = "  dependsOn:\n    - name: stores\n"


def texts(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file() and ".git" not in path.parts}


def test_fix_writes_what_is_missing_and_says_so(repository: Path, run: Run) -> None:
    before = texts(repository)
    result = run("fix")
    after = texts(repository)

    assert (result.exit_code, result.stdout) == (0, "")
    assert f"{APPS}: written" in result.stderr.splitlines()
    assert DEPENDENCY in after[APPS]
    assert {path for path in after if after[path] != before.get(path)} == {APPS, "clusters/production/stores.yaml"}


def test_a_second_fix_changes_nothing(repository: Path, run: Run) -> None:
    run("fix")
    before = texts(repository)

    assert run("fix").stderr == "nothing to fix\n"
    assert texts(repository) == before


def test_the_diff_writes_nothing_and_applies(repository: Path, run: Run) -> None:
    before = texts(repository)
    result = run("fix", "--diff")

    assert texts(repository) == before
    git(repository, "init", "--quiet")
    subprocess.run(["git", "apply"], cwd=repository, input=result.stdout, text=True, check=True)
    assert DEPENDENCY in texts(repository)[APPS]


def test_a_fix_of_another_rule_leaves_the_rest(repository: Path, run: Run) -> None:
    before = texts(repository)

    assert run("fix", "--rule", "missing-store").stderr.startswith("nothing to fix by itself; ")
    assert texts(repository) == before


def test_an_error_that_is_left_fails_the_run(repository: Path, run: Run) -> None:
    (repository / "apps" / "secret.yaml").write_text((repository / "apps" / "secret.yaml").read_text().replace("name: aws", "name: nothing-like-it"))

    assert run("fix").exit_code == 1


@pytest.mark.parametrize("arguments", [("--rule", "no-such-rule"), ("--rev", "HEAD")])
def test_a_wrong_call_of_fix_writes_nothing(repository: Path, run: Run, arguments: tuple[str, ...]) -> None:
    before = texts(repository)

    assert run("fix", *arguments).exit_code == 2
    assert texts(repository) == before


def test_the_reverse_order_is_a_plan_of_its_own(repository: Path, run: Run) -> None:
    text, document = run("plan", "--teardown"), run("plan", "--teardown", "--format", "json")

    assert (text.exit_code, document.exit_code) == (0, 0)
    assert text.stdout.index("flux-system/apps") < text.stdout.index("flux-system/stores")
    assert document.stdout.startswith('{\n  "schema": "gitops-secrets/teardown/v1"')
