"""The built-in evaluator against the real kustomize: the same documents in the same order, or both refuse."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops_secrets.manifests.load import Loader, parse_documents
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.rendering.kustomize import Build, Builder
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.yaml import parse

CASES = Path(__file__).parent / "cases"
DIRECTORY = "build"  # the key of a case that says which directory is built; the root if it is missing


def cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.yaml")):
        parsed = parse(path.read_bytes(), path.name, DEFAULT_LIMITS)
        assert not parsed.problems, parsed.problems
        for name, files in parsed.documents[0].items():
            yield pytest.param({key: str(value) for key, value in files.items()}, id=f"{path.stem}: {name}")


def build(files: dict[str, str]) -> Build:
    contents = {path: content for path, content in files.items() if path != DIRECTORY}
    return Builder(Loader(MemoryTree(contents), whole=True)).build(files.get(DIRECTORY, ""))


def plain(value: Any) -> Any:
    """Values with their types, as dicts and lists: `1` and `True` are equal, and `1` and `1.0`, but not the same document."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return (type(value).__name__, value)


def without_values(document: Any) -> Any:
    """A Secret without its values, whatever type it had written there."""
    if isinstance(document, dict) and document.get("kind") == "Secret":
        for field in ("data", "stringData"):
            if isinstance(document.get(field), dict):
                document[field] = dict.fromkeys(document[field], "***")
    return document


@pytest.mark.parametrize("files", tuple(cases()))
def test_the_evaluator_builds_what_kustomize_builds(files: dict[str, str], tmp_path: Path, kustomize_binary: str) -> None:
    for path, content in files.items():
        if path != DIRECTORY:
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8", newline="")
    command = [kustomize_binary, "build", "--load-restrictor", "LoadRestrictionsNone", str(tmp_path / files.get(DIRECTORY, ""))]
    real = subprocess.run(command, capture_output=True, check=False)

    ours = build(files)

    assert ours.opaque == ()
    assert ours.failed == (real.returncode != 0), real.stderr.decode() or ours.problems
    if not ours.failed:
        expected = [plain(without_values(document)) for document in parse_documents(real.stdout, "output", DEFAULT_LIMITS).documents]
        assert [plain(without_values(dict(resource))) for resource in ours.resources] == expected
