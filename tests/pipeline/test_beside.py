"""An earlier state of a repository, read beside the present one: what is the same in both is shared, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.model.limits import Limits
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import Repository, analyse, repository_of
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.report.check_document import check_document
from gitops_secrets.report.scan_document import scan_document
from gitops_secrets.repository.tree import MemoryTree
from tests.flux import UNIT, sync
from tests.unbreakable.mutations import repositories

KINDS = ("swap", "delete", "move", "copy", "shift", "rename things", "drop a line", "another value", "ignore")
CHANGE = st.tuples(st.sampled_from(KINDS), st.integers(0, 200), st.integers(0, 200))
# Of each further state.
CHANGES = st.lists(st.lists(CHANGE, min_size=1, max_size=4), min_size=1, max_size=3)


def changed(files: Mapping[str, str], kind: str, first: int, second: int) -> dict[str, str]:
    found, paths = dict(files), sorted(files)
    one, other = paths[first % len(paths)], paths[second % len(paths)]
    lines = found[one].splitlines(keepends=True)
    match kind:
        case "swap":
            found[one], found[other] = found[other], found[one]
        case "delete" if len(paths) > 1:
            del found[one]
        case "move":
            found[str(PurePath(other).with_name(f"moved-{PurePath(one).name}"))] = found.pop(one)
        case "copy":
            found[str(PurePath(other).with_name(f"copied-{PurePath(one).name}"))] = found[one]
        case "shift":
            found[one] = "# a line\n" + found[one]
        case "rename things":
            found[one] = found[one].replace("name: ", "name: x", 1 + second % 3)
        case "drop a line":
            found[one] = "".join(lines[: second % (len(lines) + 1)] + lines[second % (len(lines) + 1) + 1 :])
        case "another value" if lines:
            index = second % len(lines)
            lines[index] = lines[index].replace("\n", "-other\n")
            found[one] = "".join(lines)
        case "ignore":
            found[".sourceignore"] = f"{PurePath(one).name}\n"
    return found


def told(repository: Repository) -> Sequence[str]:
    analysis = analyse(repository)
    plans = [cluster.plan for cluster in analysis.clusters]
    return scan_document(plans, analysis.problems, None, resources=True).text, check_document(check(repository, analysis))


@settings(max_examples=int(os.environ.get("BESIDE_EXAMPLES", "12")), deadline=None)
@given(name=st.sampled_from(sorted(repositories())), changes=CHANGES)
def test_another_state_is_what_it_would_be_alone(name: str, changes: list[list[tuple[str, int, int]]]) -> None:
    files = repositories()[name]
    state = repository_of(MemoryTree(files))
    analyse(state)
    for each in changes:
        for change in each:
            files = changed(files, *change)
        state = repository_of(MemoryTree(files), beside=state)
        beside = told(state)
        state.leave()

        assert beside == told(repository_of(MemoryTree(files)))


def test_only_what_a_change_touches_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    files = repositories()["two-clusters"]
    path = next(path for path in sorted(files) if "kind: ExternalSecret" in files[path])
    present = repository_of(MemoryTree(files))
    analyse(present)
    built: list[str] = []
    build = Builder.build

    def noticed(self: Builder, directory: str, **given: object) -> object:
        built.append(directory)
        return build(self, directory, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Builder, "build", noticed)
    analyse(repository_of(MemoryTree({**files, path: files[path] + "# changed\n"}), beside=present))

    assert built
    assert all(path.startswith(directory) for directory in built)


def test_what_is_shared_counts_as_if_it_were_built_again() -> None:
    """Else a state that takes more than it may would have all its units beside another one, and the other would seem to have lost them."""
    objects = "---\n".join(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}, namespace: default}}\n" for n in range(60))
    files = {**sync("test"), "unused.yaml": "a: b\n"}
    for n in range(16):
        files |= {f"clusters/test/u{n:02}.yaml": UNIT.format(name=f"u{n:02}", path=f"u{n:02}")}
        files |= {f"u{n:02}/kustomization.yaml": "resources: [all.yaml]\n", f"u{n:02}/all.yaml": objects}
    limits = Limits(steps=20_000)
    present = repository_of(MemoryTree(files), limits=limits)
    told_of_present = told(present)
    earlier = repository_of(MemoryTree({**files, "unused.yaml": "a: c\n"}), beside=present, limits=limits)

    assert told(earlier) == told_of_present
    assert "--limit steps=NUMBER" in told_of_present[1]
