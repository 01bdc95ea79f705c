"""`diff` in real git repositories: what is compared with what, and how that can fail."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.git import commit, git

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


def history(checkout: Path, *messages: str) -> list[str]:
    """A commit for each message, with another image each; from that which they come after."""
    commits = [git(checkout, "rev-parse", "HEAD")]
    file = checkout / "apps" / "deployment.yaml"
    for number, message in enumerate(messages):
        file.write_text(re.sub(r"weather:\d+", f"weather:{number + 2}", file.read_text()))
        commits.append(commit(checkout, message))
    return commits


def test_each_commit_is_told_of_by_itself_as_if_it_were_the_only_one(checkout: Path, run: Run) -> None:
    commits = history(checkout, "One", "Another")
    rename_key(checkout)
    commits.append(commit(checkout))
    lines = [json.loads(line) for line in run("diff", "main", "--each", "--format", "json").stdout.splitlines()]

    assert len(lines) == 3
    assert lines == [json.loads(run("diff", *pair, "--no-merge-base", "--format", "json").stdout) for pair in pairwise(commits)]


def test_commits_are_shown_the_oldest_first_under_what_they_say(checkout: Path, run: Run) -> None:
    history(checkout, "One \x1b[31mred", "Another")
    shown = [line for line in run("diff", "main", "--each").stdout.splitlines() if line.startswith("commit ")]

    assert [line.split("  ", 1)[1] for line in shown] == ["One \\x1b[31mred", "Another"]


def test_what_was_merged_counts_as_one_commit(checkout: Path, run: Run) -> None:
    history(checkout, "One", "Another")
    git(checkout, "checkout", "--quiet", "main")
    git(checkout, "merge", "--quiet", "--no-ff", "--message", "Merged", "change")
    lines = run("diff", "HEAD~1", "--each", "--format", "json").stdout.splitlines()

    assert [json.loads(line)["revision"] for line in lines] == [git(checkout, "rev-parse", "HEAD")]


def test_a_cluster_that_is_not_there_is_wrong_usage_for_each_commit_too(checkout: Path, run: Run) -> None:
    history(checkout, "One")
    result = run("diff", "main", "--each", "--cluster", "nowhere")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no cluster 'nowhere'" in result.stderr


def test_where_no_commit_is_there_is_none_to_show(checkout: Path, run: Run) -> None:
    result = run("diff", "main", "main", "--each")

    assert (result.exit_code, result.stdout) == (0, "no commit leads from main to main\n")


def test_a_comment_is_on_one_change(checkout: Path, run: Run) -> None:
    result = run("diff", "main", "--each", "--format", "markdown")

    assert (result.exit_code, result.stdout) == (2, "")


def test_a_shallow_clone_says_where_it_ends(checkout: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history(checkout, "One", "Another", "A third")
    clone = tmp_path / "shallow"
    git(checkout, "clone", "--quiet", "--depth", "2", "--branch", "change", f"file://{checkout}", str(clone))
    git(clone, "fetch", "--quiet", "--depth=1", "origin", "main:refs/remotes/origin/main")
    monkeypatch.chdir(clone)
    result = run("diff", "origin/main", "--no-merge-base", "--each")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "has no parent to compare it with" in result.stderr
    assert "git fetch --deepen=" in result.stderr


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


ARGO = Path(__file__).parents[1] / "repositories" / "argo-waves-across"


def test_between_applications_a_wave_is_the_order(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ARGO, tmp_path / "platform")
    monkeypatch.chdir(tmp_path / "platform")
    git(Path(), "init", "--quiet")
    commit(Path())
    waves = [path for path in Path().rglob("*.yaml") if "sync-wave" in path.read_text()]
    for path in waves:
        path.write_text(re.sub(r'(sync-wave: )"?-?\d+"?', r'\1"0"', path.read_text()))
    shown = run("diff", "HEAD", "--no-merge-base").stdout

    assert waves
    assert "a sync wave is gone" in shown
    assert "dependsOn" not in shown
