"""Pull requests: every situation as two commits of a real repository, through `check --base` and `diff` in every format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from gitops_secrets.checks import RULES
from gitops_secrets.generate.changes import diff_of
from gitops_secrets.model.findings import CheckResult
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.compare import check_since
from gitops_secrets.pipeline.diff import RepositoryDifference, diff
from gitops_secrets.pipeline.fix import fix
from gitops_secrets.pipeline.scan import Repository, analyse, analyse_base, at_revision, open_repository
from gitops_secrets.report.check_document import check_document
from gitops_secrets.report.diff_document import diff_document
from gitops_secrets.report.diff_markdown import diff_markdown
from gitops_secrets.report.diff_text import diff_text
from gitops_secrets.report.github import check_github
from gitops_secrets.report.gitlab import check_gitlab
from gitops_secrets.report.junit import check_junit
from gitops_secrets.report.markdown import check_markdown
from gitops_secrets.report.sarif import check_sarif
from gitops_secrets.report.style import Style
from gitops_secrets.report.text import check_text
from tests.git import git

HERE = Path(__file__).parent
PLATFORM = HERE / "platform"
SITUATIONS = yaml.safe_load((HERE / "situations.yaml").read_text())


def changed(files: Mapping[str, str], changes: Mapping[str, Any]) -> dict[str, str]:
    found = dict(files)
    for path, change in changes.items():
        if isinstance(change, str):
            found[path] = change
            continue
        text = found.pop(path)
        if change is not None:
            assert change.get("find", "") in text, f"{path} holds no {change['find']!r}"
            found[change.get("rename", path)] = text.replace(change.get("find", ""), change.get("replace", ""), 1) if "find" in change else text
    return found


def write(root: Path, files: Mapping[str, str]) -> None:
    for path in [path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts]:
        path.unlink()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8", newline="\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--no-gpg-sign", "--allow-empty", "--message", "Change")


def opened(situation: Mapping[str, Any], root: Path) -> tuple[Repository, CheckResult, RepositoryDifference, list[Any]]:
    files = {path.relative_to(PLATFORM).as_posix(): path.read_text() for path in PLATFORM.rglob("*.yaml")}
    first = changed(files, situation.get("before", {}))
    git(root, "init", "--quiet", "--initial-branch=main")
    write(root, first)
    write(root, changed(first, situation["change"]))
    repository = open_repository(root)
    analysis = analyse(repository)
    base = at_revision(repository, "HEAD~1", merge_base=False)
    before = analyse_base(base)
    result = check_since(check(repository, analysis), repository, analysis, base, before)
    return repository, result, diff(base, before, repository, analysis), [cluster.plan for cluster in analysis.clusters]


def failed_only(junit: str) -> str:
    """What does not change with each rule that is added."""
    suites = ElementTree.fromstring(junit)
    del suites.attrib["tests"]
    for suite in suites:
        del suite.attrib["tests"]
        for case in [case for case in suite if not len(case)]:
            suite.remove(case)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode") + "\n"


def results_only(sarif: str) -> str:
    return json.dumps(json.loads(sarif)["runs"][0]["results"], indent=1) + "\n"


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation["name"])
def test_a_pull_request(situation: Mapping[str, Any], tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    repository, result, found, plans = opened(situation, tmp_path)
    style = Style(width=140)
    text = diff_text(found.clusters, found.base, style)
    told = {line.strip() for line in text.splitlines()}
    outputs = {
        "check --format text": check_text(result, style),
        "check --format json": check_document(result),
        "check --format sarif, its results": results_only(check_sarif(result, RULES)),
        "check --format github": check_github(result),
        "check --format gitlab": check_gitlab(result),
        "check --format junit, without what passes": failed_only(check_junit(result, RULES)),
        "check --format markdown": check_markdown(result, plans, found.clusters),
        "check --format patch": diff_of(fix(repository, only=result.findings).changes, to_apply=True),
        "diff --format text": text,
        "diff --format text --full": diff_text(found.clusters, found.base, style, full=True),
        "diff --format json": diff_document(found.clusters, found.base, found.revision, found.problems_before, found.problems_after),
        "diff --format markdown": diff_markdown(found.clusters, found.base),
    }
    everything = "".join(f"==== {name}\n{output}" for name, output in outputs.items())

    assert sorted(_shown(finding) for finding in result.findings if finding.severity.value != "note") == sorted(situation.get("new", []))
    assert sorted(_shown(finding) for finding in result.resolved if finding.severity.value != "note") == sorted(situation.get("gone", []))
    assert result.unjudged == situation.get("unjudged", 0)
    assert [line for line in situation.get("tells", []) if not any(each.startswith(line) for each in told)] == []
    assert "CANARY" not in everything
    golden(f"{situation['name'].replace(' ', '-').replace(',', '')}.txt", everything)


def _shown(finding: Any) -> str:
    return f"{finding.severity.value} {finding.rule} {finding.place.file}"


def test_there_are_as_many_situations_as_promised_and_a_golden_file_for_each() -> None:
    names = {situation["name"].replace(" ", "-").replace(",", "") for situation in SITUATIONS}

    assert len(SITUATIONS) >= 25
    assert {path.stem for path in (HERE / "golden").glob("*.txt")} == names
