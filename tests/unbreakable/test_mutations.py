"""What holds for every repository that can be made of real ones by changing them: a few examples in `make test`, ten minutes of them in `make fuzz`."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.git import commit
from tests.unbreakable.commands import commands, commands_of_a_change
from tests.unbreakable.harness import Session, run_all
from tests.unbreakable.mutations import WRONG_VALUES, all_repositories, documents, mutated_repositories, paths, replaced
from tests.unbreakable.repositories import NEIGHBOUR_FINDING, OUTSIDE, PLATFORM, make
from tests.unbreakable.test_cases import assert_unbroken, is_said, said_by

EXAMPLES = 8
SECONDS = float(os.environ.get("GITOPS_SECRETS_FUZZ_SECONDS", "0"))


def run_in(files: dict[str, Any], *, briefly: bool = False) -> Session:
    """Every command in a repository of these files, uncommitted changes of the platform and its good neighbour."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "platform"
        make(root, PLATFORM)
        commit(root)
        make(root, {**{f"case/{name}": content for name, content in files.items()}, **PLATFORM})
        (Path(folder) / "outside.yaml").write_text(OUTSIDE)
        of_the_change = [] if briefly else commands_of_a_change("HEAD")
        return run_all(root, [*commands(briefly=briefly), *of_the_change], cache=Path(folder) / "cache")


def assert_neighbour_is_seen(session: Session) -> None:
    """And nothing else is broken."""
    assert_unbroken(session)
    said = said_by(session["check --format json"])
    assert is_said(NEIGHBOUR_FINDING, said), said


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(mutated_repositories())
def test_a_changed_repository_breaks_nothing(files: dict[str, str]) -> None:
    assert_neighbour_is_seen(run_in(files))


@pytest.mark.fuzz
def test_repositories_changed_for_as_long_as_there_is_time() -> None:
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        rounds += 1

        @seed(time.time_ns())
        @settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink])
        @given(mutated_repositories())
        def changed(files: dict[str, str]) -> None:
            assert_neighbour_is_seen(run_in(files))

        changed()

    assert rounds or not SECONDS


def every_field() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Each field that is anywhere in the real repositories, by kind and path: a document that has it, and the way to it."""
    found: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    for files in all_repositories().values():
        for text in files.values():
            for document in documents(text) or ():
                if isinstance(document, dict):
                    kind = document.get("kind", "Kustomization")
                    for way in paths(document):
                        name = ".".join("[]" if isinstance(part, int) else str(part) for part in way)
                        if len(way) < 9:
                            found.setdefault(f"{kind}.{name}", (document, way))
    return found


@pytest.mark.parametrize("value", [None, True, 7, "text", [], [7, "a"], {}, {"a": {"b": 1}}], ids=repr)
def test_every_field_may_have_any_type(value: object) -> None:
    """One file for each field, all of them in one repository; kustomizations each in a directory."""
    files: dict[str, str] = {}
    for number, (document, way) in enumerate(every_field().values()):

        def change(container: Any, key: Any) -> None:
            container[key] = value

        text = yaml.dump(replaced(document, way, change), Dumper=yaml.CSafeDumper)
        is_kustomize = "kustomize.config.k8s.io" in str(document.get("apiVersion", "kustomize.config.k8s.io"))
        files[f"fields/{number}/kustomization.yaml" if is_kustomize else f"fields/{number}.yaml"] = text

    assert_neighbour_is_seen(run_in(files, briefly=True))


def test_there_are_wrong_values_of_every_type() -> None:
    assert {type(value) for value in WRONG_VALUES} == {type(None), bool, int, float, str, list, dict}
