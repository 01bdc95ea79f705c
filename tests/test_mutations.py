"""A correct platform with one fault sown into it at a time: what a rule must say of it, in which file, and how little else.

`mutations.yaml` is the table. Each entry changes files of `repositories/platform`, or of the platform that `of` names:

- `changes` by file: each `find` must stand in the file just once, or `count` times, and is replaced by `replace` (`""` deletes it); `append` adds a
  document; `delete: true` removes the file, `create` makes one.
- `rule` must report it in `file`, as an error or a warning; with `note: true` as a note is enough, and `why` says so.
- No more than two further errors and warnings may come with it.
- `exception` says why a fault is not reported like that. There may be few of them, and each must still be one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_secrets.checks import RULES
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree

TESTS = Path(__file__).parent
PLATFORMS = ("platform", "argo-platform")
MUTATIONS: list[dict[str, Any]] = yaml.safe_load((TESTS / "mutations.yaml").read_text(encoding="utf-8"))
FURTHER = 2
MOST_EXCEPTIONS = 0.05  # of all mutations


@cache
def platform(name: str) -> dict[str, str]:
    root = TESTS / "repositories" / name
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(root.rglob("*")) if path.is_file()}


def findings_of(files: dict[str, str]) -> list[Finding]:
    repository = repository_of(MemoryTree(files))
    return list(check(repository, analyse(repository)).findings)


def mutated(mutation: dict[str, Any]) -> dict[str, str]:
    """The platform with the changes of a mutation. A change that doesn't fit the platform any more is a mistake of the table."""
    files = dict(platform(mutation.get("of", "platform")))
    for path, changes in mutation["changes"].items():
        for change in changes if isinstance(changes, list) else [changes]:
            if "create" in change:
                assert path not in files
                files[path] = change["create"]
            elif change.get("delete"):
                del files[path]
            elif "append" in change:
                files[path] += change["append"]
            else:
                assert files[path].count(change["find"]) == change.get("count", 1), f"{path}: {change['find']!r} doesn't stand there as often"
                files[path] = files[path].replace(change["find"], change["replace"])
    return files


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platform_has_no_finding(name: str) -> None:
    assert findings_of(platform(name)) == []


def test_there_are_enough_mutations_and_none_twice() -> None:
    names = [mutation["name"] for mutation in MUTATIONS]

    assert len(names) >= 65
    assert len(set(names)) == len(names)
    assert sum("exception" in mutation for mutation in MUTATIONS) <= MOST_EXCEPTIONS * len(MUTATIONS)


def test_every_rule_has_a_mutation() -> None:
    assert {mutation["rule"] for mutation in MUTATIONS} == {rule.id for rule in RULES}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation["name"])
def test_a_single_fault_is_reported_in_its_file_and_little_else(mutation: dict[str, Any]) -> None:
    found = findings_of(mutated(mutation))
    hits = [finding for finding in found if (finding.rule, finding.place.file) == (mutation["rule"], mutation["file"])]
    loud = [finding for finding in found if finding.severity is not Severity.NOTE]
    wanted = hits if mutation.get("note") else [finding for finding in hits if finding in loud]
    report = [f"{finding.severity.value} {finding.rule} {finding.place} {finding.message}" for finding in found]

    is_reported = bool(wanted) and len([finding for finding in loud if finding not in wanted[:1]]) <= FURTHER

    assert is_reported is ("exception" not in mutation), report
