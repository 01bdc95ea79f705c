"""A limit that is raised is raised for every step of a command; one that was hit is told by the commands that write, too."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from click.testing import Result

from gitops_secrets.generate.files import entries_change, listing_change
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.syntax.spans import UneditableError
from tests.pipeline.test_fix import platform
from tests.rules import units

Run = Callable[..., Result]

ROOT = Path(__file__).parents[2]
DEEP = "[" * 300 + "]" * 300
RAISED = ("--limit", "yaml-depth=400")
HINT = "nested too deeply; --limit yaml-depth=NUMBER allows more than 200"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def texts(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.yaml"))}


def deepen(files: Iterable[Path]) -> None:
    """Adds a field to the spec of each object that is deeper than is looked at by default."""
    for file in files:
        file.write_text(file.read_text().replace("\nspec:\n", f"\nspec:\n  deep: {DEEP}\n"))


@pytest.mark.parametrize("options", [(), ("--split",)], ids=["in place", "by splits"])
def test_deep_files_are_mended_as_others_are(root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    files = platform() if options else units("operator", "store", operator="", stores="dependsOn: [{name: operatr}]")
    for name in ("ordinary", "deep"):
        write(root / name, files)
    deepen((root / "deep/clusters/test").glob("*.yaml"))
    monkeypatch.chdir(root / "ordinary")
    run("fix", *options)
    monkeypatch.chdir(root / "deep")
    result = run("fix", *options, *RAISED)

    assert {path: text.replace(f"  deep: {DEEP}\n", "") for path, text in texts(root / "deep").items()} == texts(root / "ordinary") != files
    assert result.stderr.splitlines()[-1].endswith(" fixed, 0 findings left")


def test_fix_tells_what_is_too_deep_for_it(root: Path, run: Run) -> None:
    files = units("operator", "store", operator="", stores="")
    write(root, files)
    deepen([root / "clusters/test/stores.yaml"])

    assert f"clusters/test/stores.yaml:5: {HINT}" in run("fix").stderr.splitlines()


def test_fix_tells_what_is_too_much_for_it(root: Path, run: Run) -> None:
    write(root, units("operator", "store", operator="", stores=""))
    told = [run(*command, "--limit", "fixed-text=100").stderr for command in (("fix",), ("check", "--format", "patch"), ("check", "--format", "patch"))]
    hint = "no fixes are made from here on: too much would be read for them; --limit fixed-text=NUMBER allows more than 100 characters"

    assert [hint in each for each in told] == [True] * 3
    assert run("fix").stderr.splitlines()[-1].endswith(" fixed, 0 findings left")


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (("flux", "overlays/production"), "overlays/production/flux"),
        (("argo", "overlays/production", "--repository", "ssh://git@example.org/platform.git"), "overlays/production/argocd"),
        (("overlay", "qa", "--from", "base", "--component", "weather", "--component", "external-secrets"), "overlays/qa/flux"),
    ],
    ids=["flux", "argo", "overlay"],
)
def test_deep_files_are_brought_up_to_date_as_others_are(root: Path, run: Run, arguments: tuple[str, ...], folder: str) -> None:
    for part in ("base", "overlays"):
        shutil.copytree(ROOT / part, root / part)
    run("generate", *arguments)
    deepen([root / folder / "weather.yaml"])
    expected = (root / folder / "weather.yaml").read_text()
    (root / folder / "weather.yaml").write_text(expected.replace(" path: ", " path: elsewhere/"))
    told = run("generate", *arguments)
    result = run("generate", *arguments, *RAISED)

    assert (told.exit_code, result.exit_code) == (1, 0)
    assert f"{folder}/weather.yaml:1: can't be brought up to date: {HINT}" in told.stderr
    assert (root / folder / "weather.yaml").read_text() == expected


def test_a_deep_kustomization_is_edited_as_others_are() -> None:
    text = f"resources: [a.yaml]\nhelmCharts: [{{valuesInline: {DEEP}}}]\n"
    listing = listing_change("kustomization.yaml", text, ["a", "b"], (), Limits(yaml_depth=400))
    entries = entries_change("kustomization.yaml", text, {"resources": (["b.yaml"], ())}, namespace=(None, None), limits=Limits(yaml_depth=400))

    assert listing.after == entries.after == text.replace("[a.yaml]", "[a.yaml, b.yaml]")
    with pytest.raises(UneditableError, match=re.escape(HINT)):
        listing_change("kustomization.yaml", text, ["a", "b"], (), DEFAULT_LIMITS)


def test_the_configuration_may_be_as_deep_as_is_allowed(root: Path, run: Run) -> None:
    write(root, {**units("operator", operator=""), ".gitops-secrets.yaml": f"kinds: [{DEEP}]\n"})

    assert HINT in run("scan").stderr
    assert HINT not in run("scan", *RAISED).stderr
