"""What users install is the wheel: it has to hold everything that the package reads at run time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import gitops_secrets
from tests.flux import sync

ROOT = Path(gitops_secrets.__file__).parent.parent
COMMANDS = ("gitops-secrets", "kubectl-gitops_secrets", "flux-gitops-secrets")

REPOSITORY = {
    **sync("home"),
    "clusters/home/secret.yaml": """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: slack, namespace: default}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: nowhere}
  target: {name: slack}
  data:
    - {secretKey: url, remoteRef: {key: slack}}
""",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the working tree without network."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(directory), str(ROOT))
    _run(pip, directory)
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of the wheel, installed elsewhere, where the dependencies of the test run are seen but not the working tree."""
    environment = tmp_path_factory.mktemp("environment")
    _run((sys.executable, "-m", "venv", "--without-pip", str(environment)), environment)
    python = environment / "bin" / "python"
    # The site-packages of the test run as a plain entry of sys.path: its .pth files, and so the editable install, are not read from there.
    dependencies = Path(pytest.__file__).parent.parent
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{dependencies}\n")
    _run((sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel)), environment)
    return environment / "bin"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder with nothing in it, to be run from."""
    directory = tmp_path / "empty"
    directory.mkdir()
    return directory


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = Path(gitops_secrets.__file__).parent
    expected = {path.relative_to(ROOT).as_posix() for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}

    with zipfile.ZipFile(wheel) as archive:
        actual = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert expected == actual
    assert "gitops_secrets/py.typed" in actual


@pytest.mark.parametrize("command", [*((each,) for each in COMMANDS), ("python", "-m", "gitops_secrets")], ids=" ".join)
def test_every_command_of_the_wheel_tells_its_version(installed: Path, empty: Path, command: tuple[str, ...]) -> None:
    output = _run((str(installed / command[0]), *command[1:], "--version"), empty)

    assert gitops_secrets.__version__ in output


def test_the_installed_package_explains_its_rules_from_an_empty_folder(installed: Path, empty: Path) -> None:
    output = _run((str(installed / "gitops-secrets"), "explain"), empty)

    assert "missing-depends-on" in output


def test_the_installed_package_reads_a_repository_from_an_empty_folder(installed: Path, empty: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for path, content in REPOSITORY.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(content)

    output = _run((str(installed / "gitops-secrets"), "scan", "--format", "json", str(repository)), empty)

    # Only the table of kinds, which is package data, knows that an ExternalSecret needs its store.
    assert "ClusterSecretStore//nowhere" in output


def test_the_demo_ends_as_it_says_and_prints_what_the_readme_shows(installed: Path, empty: Path) -> None:
    path = f"{installed}{os.pathsep}{os.environ['PATH']}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"<!-- demo.*?```text\n(.*?)```", readme, re.DOTALL)[0].splitlines()

    output = _run(("env", f"PATH={path}", str(ROOT / "scripts" / "demo")), empty)

    assert [line for line in shown if line != "…" and line not in output.splitlines()] == []


def test_the_installed_package_is_the_one_that_runs(installed: Path, empty: Path) -> None:
    code = "import gitops_secrets; print(gitops_secrets.__file__)"

    output = _run((str(installed / "python"), "-c", code), empty)

    assert Path(output.strip()).is_relative_to(installed.parent)


def _run(command: Sequence[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, env=_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def _environment() -> Mapping[str, str]:
    """Nothing of the calling process that leads Python back to the working tree."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
