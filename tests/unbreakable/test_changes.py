"""Files that vanish, grow or turn into something else between the moment they are listed and the moment they are read; files that may not be read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import Repository, analyse, open_repository
from gitops_secrets.repository.files import WorkingTree
from tests.unbreakable.cases import one, settings
from tests.unbreakable.commands import commands
from tests.unbreakable.harness import NOBODY, run_all
from tests.unbreakable.repositories import OUTSIDE, PLATFORM, make
from tests.unbreakable.test_cases import is_said, said_by

Change = Callable[[Path], object]


def to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def to_link_out(path: Path) -> None:
    (path.parents[2] / "outside.yaml").write_text(OUTSIDE)
    path.unlink()
    path.symlink_to("../../outside.yaml")


def to_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, tuple[Change, str]] = {
    "vanishes": (Path.unlink, "no such file or directory"),
    "becomes a directory": (to_directory, "is a directory"),
    "becomes a link out of the repository": (to_link_out, "too many levels of symbolic links"),
    "grows beyond the limit": (lambda path: os.truncate(path, 1 << 24), "too large"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The platform, its case a plain config map."""
    root = tmp_path / "platform"
    make(root, {**PLATFORM, **one(settings())})
    return root


def reported(repository: Repository) -> list[str]:
    analysis = analyse(repository)
    return [f"{finding.rule} {finding.place}" for finding in check(repository, analysis).findings] + [
        f"problem {problem.place} {problem.message}" for problem in analysis.problems
    ]


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_changes_after_it_was_listed(name: str, root: Path) -> None:
    change, why = CHANGES[name]
    repository = open_repository(root)
    change(root / "case" / "bad.yaml")

    said = reported(repository)

    assert any(line.startswith("problem case/bad.yaml:1 ") and why in line for line in said), said
    assert any(line.startswith("missing-secret neighbour/deployment.yaml:15") for line in said), said
    assert OUTSIDE not in "".join(said)


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(root: Path) -> None:
    repository = open_repository(root)
    to_pipe(root / "case" / "bad.yaml")

    assert any(line.startswith("missing-secret neighbour/deployment.yaml:15") for line in reported(repository))


@pytest.mark.parametrize("path", [*PLATFORM, "case/bad.yaml", "case/kustomization.yaml"])
def test_any_file_may_vanish(path: str, root: Path) -> None:
    repository = open_repository(root)
    (root / path).unlink()

    assert any(f" {path}:1 can't be read: no such file or directory" in line for line in reported(repository))


def test_a_folder_that_is_a_link_out_of_the_repository_is_not_followed(root: Path, tmp_path: Path) -> None:
    (root / "case").rename(tmp_path / "away")
    (root / "case").symlink_to(tmp_path / "away")

    assert [path for path in WorkingTree(root).files if path.startswith("case")] == []


def test_files_that_may_not_be_read_are_named_and_the_rest_is_analysed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder) / "platform"
        make(root, {**PLATFORM, **one(settings()), "scripts/run.sh": "kubectl apply -f x\n", ".sourceignore": "x\n"})
        for path in ("case/bad.yaml", "scripts/run.sh", ".sourceignore"):
            (root / path).chmod(0)
        session = run_all(root, commands(), cache=Path(folder) / "cache", user=NOBODY)

    assert session.ended is None
    assert [ran.arguments for ran in session.runs if "bug in gitops-secrets" in ran.errors] == []
    said = said_by(session["check --format json"])
    for path in ("case/bad.yaml", "scripts/run.sh", ".sourceignore"):
        assert is_said(f"problem {path}:1 … permission denied", said), said
    assert is_said("missing-secret neighbour/deployment.yaml:15", said), said
