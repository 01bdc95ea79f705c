"""`diff` in real git repositories: what is compared with what, and how that can fail."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import commit, git

Run = Callable[..., Result]


def cluster(result: Result) -> dict[str, Any]:
    (found,) = json.loads(result.stdout)["clusters"]
    assert isinstance(found, dict)
    return found


def rename_key(repository: Path) -> None:
    file = repository / "apps" / "secret.yaml"
    file.write_text(file.read_text().replace("secretKey: apiKey", "secretKey: token").replace("weather/apiKey", "weather/token"))


def test_the_files_on_disk_are_compared_with_the_base(checkout: Path, run: Run) -> None:
    rename_key(checkout)
    result = run("diff", "main", "--format", "json")
    found = cluster(result)

    assert result.exit_code == 0
    assert [(secret["id"], secret["keys_added"], secret["keys_removed"]) for secret in found["secrets"]] == [
        ("Secret/weather/weather-api-secrets", ["token"], ["apiKey"])
    ]
    assert [(key["key"], key["change"]) for key in found["provider_keys"]] == [("key:prod/weather/token", "added"), ("key:prod/weather/apiKey", "removed")]
    assert [(each["id"], each["effect"]) for each in found["blast_radius"]["workloads"]] == [("Deployment/weather/weather-api", "runs on with the old value")]


def test_two_commits_are_compared_wherever_the_checkout_stands(checkout: Path, run: Run) -> None:
    rename_key(checkout)
    head = commit(checkout)
    git(checkout, "checkout", "--quiet", "main")
    document = json.loads(run("diff", "main", head, "--format", "json").stdout)

    assert (document["revision"], len(document["clusters"])) == (head, 1)
    assert run("diff", "main", "--format", "json", "--rev", head).stdout == run("diff", "main", head, "--format", "json").stdout


def test_what_the_base_gained_since_is_no_part_of_the_change(checkout: Path, run: Run) -> None:
    commit(checkout)
    git(checkout, "checkout", "--quiet", "main")
    rename_key(checkout)
    commit(checkout)
    git(checkout, "checkout", "--quiet", "change")

    assert run("diff", "main").stdout.startswith("nothing changes in any cluster")
    assert "key token is gone" in run("diff", "main", "--no-merge-base").stdout


@pytest.mark.parametrize("format_", ["text", "json", "markdown"])
def test_a_change_of_nothing_is_said_to_be_one(checkout: Path, run: Run, format_: str) -> None:
    (checkout / "README.md").write_text("hello")
    result = run("diff", "main", "--format", format_)

    assert result.exit_code == 0
    assert ("nothing changes" in result.stdout.lower()) or json.loads(result.stdout)["clusters"] == []


def test_references_names_and_keys_are_shown_and_the_rest_only_if_asked(checkout: Path, run: Run) -> None:
    file = checkout / "apps" / "deployment.yaml"
    file.write_text(file.read_text().replace("weather:1", "weather:2"))
    short, full = (cluster(run("diff", "main", "--format", "json", *flags)) for flags in ([], ["--full"]))

    assert [resource["fields"] for resource in short["resources"]] == [[]]
    assert [(field["before"], field["after"]) for field in full["resources"][0]["fields"]] == [("example.org/weather:1", "example.org/weather:2")]
    assert short["blast_radius"]["workloads"][0]["effect"] == "rolls out"


def test_a_revision_given_twice_is_wrong_usage(checkout: Path, run: Run) -> None:
    assert run("diff", "main", "HEAD", "--rev", "HEAD").exit_code == 2


@pytest.mark.parametrize("arguments", [("nowhere",), ("main", "nowhere")], ids=" ".join)
def test_an_unknown_revision_is_wrong_usage(checkout: Path, run: Run, arguments: tuple[str, ...]) -> None:
    result = run("diff", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "revision 'nowhere' is not in this repository" in result.stderr


def test_a_comment_on_a_pull_request_tells_what_is_wrong_and_what_changes(checkout: Path, run: Run) -> None:
    rename_key(checkout)
    shown = run("check", "--base", "main", "--format", "markdown").stdout

    assert shown.startswith("<!-- gitops-secrets check -->\n")
    assert "`Secret/weather/weather-api-secrets`: key token is new; key apiKey is gone" in shown


CANARY = Path(__file__).parents[1] / "repositories" / "secrets-canary"


@pytest.mark.parametrize("arguments", [("diff",), ("diff", "--full"), ("check",), ("check", "--all", "-v")], ids=" ".join)
def test_no_secret_value_of_either_side_is_shown(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    root = tmp_path / "platform"
    shutil.copytree(CANARY, root)
    monkeypatch.chdir(root)
    git(root, "init", "--quiet")
    commit(root)
    changed = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts and "CANARY" in path.read_text()]
    for path in changed:
        path.write_text(path.read_text().replace("CANARY", "CANARY-other"))
    base = ("HEAD",) if arguments[0] == "diff" else ("--base", "HEAD")
    formats = ("text", "json", "markdown") if arguments[0] == "diff" else ("text", "json", "sarif", "github", "gitlab", "junit", "markdown", "suggestions")
    shown = {format_: run(*arguments, *base, "--no-merge-base", "--format", format_) for format_ in formats}

    assert len(changed) > 10
    assert {format_ for format_, result in shown.items() if result.exit_code not in (0, 1)} == set()
    assert {format_: line for format_, result in shown.items() for line in result.output.splitlines() if "CANARY" in line} == {}
