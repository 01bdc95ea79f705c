from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.git import git

Run = Callable[..., Result]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a checkout with the sample platform's base."""
    shutil.copytree(ROOT / "base", tmp_path / "base")
    git(tmp_path, "init", "--quiet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("sample")
def test_check_fails_until_the_overlay_is_written_and_when_the_base_has_moved_on(run: Run) -> None:
    arguments = ("generate", "overlay", "qa", "--from", "base", "--component", "weather", "--key-prefix", "prod/=qa/")

    assert run(*arguments, "--check").exit_code == 1
    assert not Path("overlays").exists()
    assert run(*arguments).exit_code == 0
    assert run("generate", "overlay", "qa", "--check").exit_code == 0
    secret = Path("base/weather/external-secret.yaml")
    secret.write_text(secret.read_text().replace("prod/weather/apiKey", "prod/weather/key"))
    result = run("generate", "overlay", "qa", "--check")
    assert result.exit_code == 1
    assert "overlays/qa/weather/patches/external-secret-weather-api-secrets.yaml: stale\n" in result.stderr


@pytest.mark.usefixtures("sample")
def test_diff_shows_what_would_be_written(run: Run) -> None:
    result = run("generate", "overlay", "qa", "--from", "base", "--into", "environments", "--component", "weather", "--diff")

    assert result.exit_code == 0
    assert "+++ b/environments/qa/weather/kustomization.yaml\n" in result.stdout
    assert not Path("environments").exists()


@pytest.mark.usefixtures("sample")
def test_an_empty_option_takes_back_what_was_asked_for(run: Run) -> None:
    run("generate", "overlay", "qa", "--from", "base", "--component", "weather", "--key-prefix", "prod/=qa/", "--namespace", "weather=forecast")
    run("generate", "overlay", "qa", "--key-prefix", "", "--namespace", "")

    assert not Path("overlays/qa/weather/patches/external-secret-weather-api-secrets.yaml").exists()
    assert "forecast" not in Path("overlays/qa/weather/kustomization.yaml").read_text()


@pytest.mark.parametrize(
    ("file", "patterns", "message"),
    [
        (".sourceignore", "/*\n!/base\n", ".sourceignore leaves out overlays/qa"),
        (".gitignore", "overlays/\n", "git ignores overlays/qa"),
    ],
)
@pytest.mark.usefixtures("sample")
def test_nothing_is_written_where_nobody_would_read_it(run: Run, file: str, patterns: str, message: str) -> None:
    Path(file).write_text(patterns)
    result = run("generate", "overlay", "qa", "--from", "base", "--component", "weather")

    assert result.exit_code == 2
    assert f"{message}: nothing that is written there would be read\nchoose another folder, or mend {file}\n" in result.stderr
    assert not Path("overlays").exists()


@pytest.mark.usefixtures("sample")
def test_check_looks_at_the_new_environment_though_others_have_flux_objects_too(run: Run) -> None:
    other = Path("examples/web/flux.yaml")
    other.parent.mkdir(parents=True)
    other.write_text(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: web, namespace: flux-system}\n"
        "spec: {path: ./base/weather, prune: true, interval: 5m, sourceRef: {kind: GitRepository, name: flux-system}}\n"
    )
    run("generate", "overlay", "qa", "--from", "base", "--component", "weather")
    result = run("check", "overlays/qa", "--format", "json", "--fail-on", "never")

    assert "ExternalSecret/weather/weather-api-secrets" in {finding["subject"] for finding in json.loads(result.stdout)["findings"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("qa",), "--from is needed"),
        (("../qa", "--from", "base"), "'../qa' can't be the name of an overlay"),
        (("qa", "--from", "base", "--store", "aws"), "--store 'aws' is not OLD=NEW"),
        (("qa", "--from", "base", "--key-prefix", "prod/="), "--key-prefix 'prod/=' is not [OLD=]NEW"),
        (("qa", "--from", "base", "--into", ".."), "is not in the repository"),
        (("qa", "--from", "base", "--rev", "HEAD"), "--rev reads a commit"),
    ],
)
@pytest.mark.usefixtures("sample")
def test_wrong_usage_is_said_and_nothing_is_written(run: Run, arguments: tuple[str, ...], message: str) -> None:
    result = run("generate", "overlay", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("overlays").exists()
