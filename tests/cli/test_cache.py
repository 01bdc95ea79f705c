"""The cache changes how long a call takes, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.cli.main import cli
from gitops_secrets.repository import files
from gitops_secrets.repository.cache import Cache
from tests.git import commit, git

Run = Callable[..., Result]
REPOSITORIES = Path(__file__).parent.parent / "repositories"
COMMANDS = (("scan", "--format", "json", "--resources"), ("check", "--format", "json"))


@pytest.mark.parametrize("command", [*COMMANDS, ("check",), ("plan",), ("scan", "--rev", "HEAD")], ids=" ".join)
def test_what_was_asked_before_is_not_worked_out_again(repository: Path, run: Run, analyses: list[object], command: tuple[str, ...]) -> None:
    commit(repository)
    first, second = run(*command), run(*command)

    assert len(analyses) == 1
    assert (first.stdout, first.exit_code) == (second.stdout, second.exit_code)


@pytest.mark.parametrize("change", ["other content", "new file", "deleted file", "--no-cache", "--cluster", "--config", "--verbose", "COLOR"])
def test_another_question_is_another_answer(repository: Path, run: Run, analyses: list[object], monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    config = repository.parent / "config.yaml"
    config.write_text("rules: {missing-store: 'off'}\n")
    arguments = ["check", *(("--config", str(config)) if change == "--config" else ())]
    run(*arguments)
    match change:
        case "other content":
            (repository / "apps/namespace.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: other\n")
        case "new file":
            (repository / "README.md").write_text("# About\n")
        case "deleted file":
            (repository / "apps/namespace.yaml").unlink()
        case "--config":
            config.write_text("rules: {missing-depends-on: 'off'}\n")
        case "--cluster":
            arguments += ["--cluster", "production"]
        case "COLOR":
            monkeypatch.setenv("FORCE_COLOR", "1")
        case option:
            arguments.append(option)
    cached = run(*arguments)
    seen = len(analyses)

    assert cached.stdout == run(*arguments, "--no-cache").stdout
    assert seen == 2


IMAGES = "kind: Deployment\napiVersion: apps/v1\nmetadata: {{name: web}}\nspec:\n  template:\n    spec:\n      containers:\n        - image: web:{}\n"


@pytest.mark.parametrize("command", [*COMMANDS, ("plan",), ("check", "--base", "HEAD")], ids=" ".join)
def test_a_new_image_changes_no_answer(repository: Path, run: Run, analyses: list[object], command: tuple[str, ...]) -> None:
    workload = repository / "apps" / "workload.yaml"
    workload.write_text(IMAGES.format(1))
    commit(repository)
    first = run(*command)
    known = len(analyses)
    workload.write_text(IMAGES.format(2))
    second = run(*command)

    assert len(analyses) == known
    assert second.stdout == first.stdout == run(*command, "--no-cache").stdout


CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: flux-system}\ndata:\n  WORD: one\n"


@pytest.mark.parametrize(
    ("command", "edit", "again"),
    [
        (("check",), lambda text: f"# a word\n{text}", False),
        (("scan",), lambda text: f"# a word\n{text}", False),
        (("scan", "--format", "json", "--resources"), lambda text: f"# a word\n{text}", True),
        (("scan", "--format", "json", "--resources"), lambda text: f"{text}# a word\n", False),
        (("scan", "--format", "json", "--resources"), lambda text: text.replace("one", "two"), False),
        (("scan", "--format", "json", "--resources"), lambda text: text.replace("WORD", "NAME"), True),
    ],
    ids=["check, moved", "scan, moved", "lines are told, moved", "lines are told, below", "another value", "another key"],
)
def test_a_comment_and_a_value_that_names_nothing_change_no_answer(
    repository: Path, run: Run, analyses: list[object], command: tuple[str, ...], edit: Callable[[str], str], *, again: bool
) -> None:
    settings_of_all = repository / "apps" / "settings.yaml"
    settings_of_all.write_text(CONFIG_MAP)
    commit(repository)
    run(*command)
    known = len(analyses)
    settings_of_all.write_text(edit(CONFIG_MAP))
    found = run(*command)

    assert len(analyses) - known == again
    assert found.stdout == run(*command, "--no-cache").stdout


CONSUMER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: flux-system}
spec:
  template:
    spec:
      containers:
        - name: web
          image: web:1
          env: [{name: A, valueFrom: {secretKeyRef: {name: word, key: a}}}]
"""
KUSTOMIZATION = "resources: [consumer.yaml, settings.yaml]\n"


@pytest.mark.parametrize(
    "takes",
    [
        "replacements:\n  - source: {kind: ConfigMap, name: settings, fieldPath: data.WORD}\n    targets:\n      - select: {kind: Deployment}\n"
        "        fieldPaths: ['spec.template.spec.containers.0.env.0.valueFrom.secretKeyRef.name']\n",
        'patches:\n  - target: {kind: ConfigMap}\n    patch: \'[{"op": "copy", "from": "/data/WORD", "path": "/metadata/name"}]\'\n',
        'patches:\n  - target: {kind: ConfigMap}\n    patch: \'[{"op": "test", "path": "/data/WORD", "value": "one"}]\'\n',
    ],
    ids=["replacements", "copy", "test"],
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_value_that_goes_elsewhere_is_another_answer(repository: Path, run: Run, takes: str, command: tuple[str, ...]) -> None:
    for name, text in {"consumer.yaml": CONSUMER, "settings.yaml": CONFIG_MAP, "kustomization.yaml": KUSTOMIZATION + takes}.items():
        (repository / "apps" / name).write_text(text)
    commit(repository)
    run(*command)
    (repository / "apps" / "settings.yaml").write_text(CONFIG_MAP.replace("one", "two"))

    assert run(*command).stdout == run(*command, "--no-cache").stdout


def test_an_image_may_change_in_a_file_that_somebody_is_at_work_on(repository: Path, run: Run, analyses: list[object]) -> None:
    workload = repository / "apps" / "workload.yaml"
    git(repository, "init", "--quiet")
    for number in (1, 2):
        workload.write_text(IMAGES.format(number) + "# not committed\n")
        run("scan")

    assert len(analyses) == 1


@pytest.mark.parametrize("kept_by", ["git", "nobody"])
def test_a_comment_changes_no_answer_either_where_git_does_not_have_the_file(repository: Path, run: Run, analyses: list[object], kept_by: str) -> None:
    if kept_by == "git":
        git(repository, "init", "--quiet")
    for number in range(40):
        (repository / "apps" / f"settings-{number}.yaml").write_text(CONFIG_MAP.replace("settings", f"settings-{number}"))
    run("check")
    (repository / "apps" / "settings-39.yaml").write_text(CONFIG_MAP.replace("settings", "settings-39") + "# a word\n")
    found = run("check")

    assert len(analyses) == 1
    assert found.stdout == run("check", "--no-cache").stdout


@pytest.mark.parametrize("command", [("check", "--format", "patch"), ("scan", "--format", "json", "--resources")], ids=["quoted", "hashed"])
def test_where_every_byte_counts_an_image_does(repository: Path, run: Run, analyses: list[object], command: tuple[str, ...]) -> None:
    workload = repository / "apps" / "workload.yaml"
    workload.write_text(IMAGES.format(1))
    (repository / "apps" / "kustomization.yaml").write_text(
        "resources: [namespace.yaml, workload.yaml]\nconfigMapGenerator: [{name: template, files: [workload.yaml]}]\n"
    )
    commit(repository)
    run(*command)
    known = len(analyses)
    workload.write_text(IMAGES.format(2))
    found = run(*command)

    assert len(analyses) > known
    assert found.stdout == run(*command, "--no-cache").stdout


def test_a_file_that_changes_while_it_is_read_leaves_no_answer(repository: Path, run: Run, analyses: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    from gitops_secrets.pipeline import scan

    analyse = scan.analyse

    def changing(*arguments: object, **named: object) -> object:
        result = analyse(*arguments, **named)  # type: ignore[arg-type]
        (repository / "apps/namespace.yaml").write_text("# changed\n")
        arguments[0].tree.read("apps/namespace.yaml")  # type: ignore[attr-defined]
        return result

    with monkeypatch.context() as patch:
        patch.setattr(scan, "analyse", changing)
        run("scan")
    run("scan")

    assert len(analyses) == 2


def test_no_secret_value_is_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "repository"
    shutil.copytree(REPOSITORIES / "secrets-canary", root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for command in (*COMMANDS, ("plan",), ("check",), ("scan",)):
        CliRunner().invoke(cli, [*command, str(root)])
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]

    assert len(kept) >= 5
    assert [path for path in kept if b"CANARY" in path.read_bytes()] == []


@pytest.mark.parametrize("fault", ["foreign value", "unreadable", "directory"])
def test_a_cache_that_is_no_use_is_done_without(repository: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    expected = run("check", "--no-cache")
    run("check")
    for path in [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]:
        if fault == "foreign value":
            Cache(path.parent).put(path.name, [1, 2, 3])
        elif fault == "unreadable":
            path.chmod(0)
        else:
            path.unlink()
            path.mkdir()
    found = run("check")

    assert (found.stdout, found.stderr, found.exit_code) == (expected.stdout, expected.stderr, expected.exit_code)


# Any sequence of changes


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts)


def _change(root: Path, kind: str, first: int, second: int) -> None:
    files = _files(root)
    if not files:
        return
    one, other = files[first % len(files)], files[second % len(files)]
    match kind:
        case "swap":
            content = one.read_bytes()
            one.write_bytes(other.read_bytes())
            other.write_bytes(content)
        case "delete":
            one.unlink()
        case "move":
            target = other.parent / f"moved-{one.name}"
            if not target.exists():
                one.rename(target)
        case "copy":
            (other.parent / f"copied-{one.name}").write_bytes(one.read_bytes())
        case "shift":
            one.write_bytes(b"# a line\n" + one.read_bytes())
        case "rename things":
            one.write_bytes(one.read_bytes().replace(b"name: ", b"name: x", 1 + second % 3))
        case "drop a line":
            lines = one.read_bytes().splitlines(keepends=True)
            one.write_bytes(b"".join(lines[: second % (len(lines) + 1)] + lines[second % (len(lines) + 1) + 1 :]))
        case "ignore":
            (root / ".sourceignore").write_text(f"{one.name}\n")
        case "touch":
            os.utime(one)
        case "other numbers":
            one.write_bytes(re.sub(rb"((?:image|tag|replicas|cpu|memory|key): .*)[0-9]", rb"\g<1>%d" % (second % 10), one.read_bytes()))
        case "other words":
            lines = one.read_bytes().splitlines(keepends=True)
            if lines:
                index = second % len(lines)
                lines[index] = re.sub(rb"(: |- )[a-z]{2}", rb"\g<1>zz", lines[index])
            one.write_bytes(b"".join(lines))
        case "another comment":
            lines = one.read_bytes().splitlines(keepends=True)
            lines.insert(second % (len(lines) + 1), b"# a line\n")
            one.write_bytes(b"".join(lines))
        case "replace as it was":
            content = one.read_bytes()
            one.unlink()
            one.write_bytes(content)


KINDS = (
    *("swap", "delete", "move", "copy", "shift", "rename things", "drop a line", "ignore", "touch", "other numbers", "other words", "another comment"),
    "replace as it was",
)
CHANGES = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=6)


@settings(max_examples=int(os.environ.get("CACHE_EXAMPLES", "8")), deadline=None)
@given(name=st.sampled_from(["two-clusters", "nested-flux", "plain-kustomize", "flux-instance"]), changes=CHANGES)
def test_any_sequence_of_changes_gives_the_same_with_and_without_it(
    tmp_path_factory: pytest.TempPathFactory, name: str, changes: list[tuple[str, int, int]]
) -> None:
    root = tmp_path_factory.mktemp("changes") / "repository"
    shutil.copytree(REPOSITORIES / name, root)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    results = []
    with pytest.MonkeyPatch.context() as patch:
        # Stamps count from the first moment, so that it is they that tell what changed.
        patch.setattr(files, "_COARSEST_CLOCK", 0)
        patch.setenv("XDG_CACHE_HOME", str(root.parent / "cache"))
        for change in [None, *changes]:
            if change is not None:
                _change(root, *change)
            for command in (*COMMANDS, ("check",), ("plan",), ("scan",)):
                results.append([CliRunner().invoke(cli, [*command, *options, str(root)]).output for options in ((), (), ("--no-cache",))])

    assert [found for found in results if len(set(found)) > 1] == []
