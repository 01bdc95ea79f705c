"""What does not build in one of two states, file by file: whichever breaks, nothing else is new or gone, and no more when it is mended."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from gitops_secrets.graph.changes import Fate
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.compare import check_since
from gitops_secrets.pipeline.diff import RepositoryDifference, diff
from gitops_secrets.pipeline.scan import analyse, analyse_base, at_revision, open_repository
from tests.git import commit

REPOSITORIES = Path(__file__).parents[1] / "repositories"


def told(findings: Iterable[Finding], file: str) -> list[str]:
    """What is graver than a note, and not that the file itself can't be read."""
    return [f"{each.rule} {each.place}" for each in findings if each.severity is not Severity.NOTE and each.place.file != file]


def came_or_went(found: RepositoryDifference) -> list[str]:
    clusters = [change.graph for change in found.clusters]
    changes = [each for graph in clusters for each in (*graph.units, *graph.resources, *graph.secrets) if each.fate is not Fate.CHANGED]
    return [str(change.id) for change in changes] + [str(prune.thing) for graph in clusters for prune in graph.prunes]


@pytest.mark.parametrize("name", ["argo-rolling-sync", "flux-instance", "flux-irsa", "plain-kustomize", "self-service-tenant", "two-clusters"])
def test_a_file_that_breaks_makes_nothing_else_new_or_gone(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    shutil.copytree(REPOSITORIES / name, root)
    commit(root)
    files = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.yaml")) if path.name != ".gitops-secrets.yaml"]
    faults = {}
    for file in files:
        text = (root / file).read_text()
        (root / file).write_text(f"{text}\nx: {{\n")
        repository = open_repository(root)
        analysis = analyse(repository)
        base = at_revision(repository, "HEAD", merge_base=False)
        before = analyse_base(base)
        broken = check_since(check(repository, analysis), repository, analysis, base, before)
        mended = check_since(check(base, before), base, before, repository, analysis)
        faults[file] = [
            *told((*broken.findings, *broken.resolved, *mended.findings, *mended.resolved), file),
            *came_or_went(diff(base, before, repository, analysis)),
            *came_or_went(diff(repository, analysis, base, before)),
        ]
        (root / file).write_text(text)

    assert len(files) > 3
    assert {file: found for file, found in faults.items() if found} == {}
