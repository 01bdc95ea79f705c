"""Git repositories as continuous integration finds them, and the program on PATH as an installation puts it there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.flux import UNIT, sync
from tests.git import git

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = {
    **sync("home"),
    "clusters/home/stores.yaml": UNIT.format(name="stores", path="stores")
    + """\
  wait: true
  healthCheckExprs:
  - apiVersion: external-secrets.io/v1
    kind: ClusterSecretStore
    current: status.conditions.exists(e, e.type == 'Ready' && e.status == 'True')
""",
    "clusters/home/apps.yaml": UNIT.format(name="apps", path="apps") + "  dependsOn:\n  - name: stores\n",
    "stores/store.yaml": """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec:
  provider: {aws: {service: SecretsManager, region: eu-central-1}}
""",
    "apps/slack.yaml": """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: slack, namespace: default}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: aws}
  target: {name: slack}
  data:
    - {secretKey: url, remoteRef: {key: slack}}
""",
    ".gitops-secrets.yaml": "bootstrap:\n  charts: [{name: external-secrets, namespace: external-secrets}]\n",
}
Files = Mapping[str, str | None]
Commit = Callable[[Files], str]


@pytest.fixture
def platform() -> dict[str, str]:
    """A small platform without findings: two units in their order, a store and what reads through it."""
    return dict(PLATFORM)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository, on the branch main."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


@pytest.fixture
def stage(repository: Path) -> Callable[[Files], None]:
    """Writes files, or deletes those without a text, and stages them."""

    def stage(files: Files) -> None:
        for name, text in files.items():
            path = repository / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        git(repository, "add", "--all")

    return stage


@pytest.fixture
def commit(repository: Path, stage: Callable[[Files], None]) -> Commit:
    """Commits files and returns the commit."""

    def commit(files: Files) -> str:
        stage(files)
        git(repository, "commit", "--quiet", "--allow-empty", "--message", "A change")
        return git(repository, "rev-parse", "HEAD")

    return commit


@pytest.fixture
def environment(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with `gitops-secrets` on PATH, and the cache of an earlier run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "gitops-secrets"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom gitops_secrets.cli.main import main\nmain()\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path_factory.getbasetemp() / "cache")}
