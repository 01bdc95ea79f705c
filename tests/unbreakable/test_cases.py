"""Nothing that is in a repository breaks a command: each case in a repository of its own, every command in every format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import pytest

from gitops_secrets.cli.main import cli
from tests.git import commit, git
from tests.unbreakable.cases import CASES, FAMILIES, STATUS, Case
from tests.unbreakable.commands import NOT_RUN, commands, commands_of_a_change, commands_of_a_cluster, format_of
from tests.unbreakable.harness import Ran, Session, run_all
from tests.unbreakable.repositories import NEIGHBOUR_FINDING, OUTSIDE, PLATFORM, Special, make

# Lines that a CI system takes for a command: https://docs.github.com/actions/reference/workflow-commands, Azure's `##vso[`, and what GitHub reads as those.
COMMAND = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)
WORKFLOW_COMMAND = re.compile(r"::(?:error|warning|notice|group|endgroup)(?: [^:\n]*)?::[^\n]*\Z")


# No name that is longer than names may be is printed whole, but for what is data of the user's files.
ENDLESS = re.compile(r"(\w)\1{253}")
QUOTING = frozenset({"render", "fix", "generate"})
QUOTING_FORMATS = frozenset({"patch"})


def is_printable(text: str) -> None:
    """Text for people: nothing that moves a cursor, turns the direction of writing or is a command of a CI system."""
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    assert COMMAND.findall(text) == []


def is_yaml(text: str) -> None:
    """What `render` writes is data, with every character; only commands of a CI system are kept from standing there."""
    assert COMMAND.findall(text) == []


def are_workflow_commands(text: str) -> None:
    """Each line is one annotation of ours, but for the last, which sums up."""
    *annotations, summary = text.splitlines()
    assert [line for line in annotations if not WORKFLOW_COMMAND.match(line)] == []
    is_printable(summary)


def is_json(text: str) -> None:
    """JSON, which no reader takes for anything else."""
    json.loads(text)
    assert COMMAND.findall(text) == []


def is_xml(text: str) -> None:
    """One well-formed document."""
    ElementTree.fromstring(text)


def is_markdown(text: str) -> None:
    """No name ends up as markup."""
    is_printable(text)
    prose = re.sub(r"(`+).*?(?<!`)\1(?!`)", "", re.sub(r"^(`{3,})\w*\n.*?\n\1$", "", text, flags=re.MULTILINE | re.DOTALL))
    assert re.findall(r"<script|<img|onerror=|\]\(https://evil", prose) == []


def is_html(text: str) -> None:
    """No name ends up as an element."""
    assert re.findall(r"<script>alert|<img|</script><img", text) == []


# A format that is not here is text for people.
RULES: Mapping[str, Callable[[str], None]] = {
    "json": is_json,
    "sarif": is_json,
    "gitlab": is_json,
    "junit": is_xml,
    "github": are_workflow_commands,
    "markdown": is_markdown,
    "html": is_html,
    "yaml": is_yaml,
}


def said_by(ran: Ran) -> list[str]:
    """Findings and problems of `check --format json`, as `rule file:line message`."""
    document = json.loads(ran.output)
    assert [entry for entry in (*document["findings"], *document["problems"]) if not entry["place"]["file"]] == []
    entries = [(finding["rule"], finding) for finding in document["findings"]] + [("problem", problem) for problem in document["problems"]]
    return [f"{rule} {entry['place']['file']}:{entry['place']['line']} {entry['message']}" for rule, entry in entries]


def is_said(expected: str, said: Iterable[str]) -> bool:
    """A rule alone says that something is; a place without a line, that it is in that file."""
    start, _, part = expected.partition(" … ")
    return any(re.match(re.escape(start) + r"(?!\d)", line) and part in line for line in said)


def quotes(ran: Ran) -> bool:
    """Does it print lines of the user's files?"""
    return ran.arguments[0] in QUOTING or format_of(ran.arguments) in QUOTING_FORMATS


def assert_unbroken(session: Session, status: Mapping[str, set[int]] = MappingProxyType({})) -> None:
    """What holds whatever the repository is. `status` has the exit statuses of commands where they are not those of a broken unit."""
    assert session.ended is None
    for ran in session.runs:
        name = " ".join(ran.arguments)
        assert ("Traceback" in ran.errors or "bug in gitops-secrets" in ran.errors) is False, f"{name}: {ran.errors}"
        assert ran.status in status.get(ran.arguments[0], STATUS[ran.arguments[0]]), f"{name}: {ran.status} {ran.errors}"
        assert OUTSIDE not in ran.output + ran.errors, name
        assert "root:x:0:0" not in ran.output + ran.errors, name
        is_printable(ran.errors)
        if ran.status in (0, 1):
            RULES.get(format_of(ran.arguments), is_printable)(ran.output)


def units_of(ran: Ran) -> Mapping[str, Any]:
    """The units of all clusters of `scan --format json`, by id."""
    return {unit["id"]: unit for cluster in json.loads(ran.output)["clusters"] for unit in cluster["units"]}


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Case], Session]:
    """Makes the repository of a case below a folder with a file that nobody may see, and runs every command in it."""

    def run_case(case: Case) -> Session:
        root = tmp_path / "platform"
        make(root, {**PLATFORM, **case.files})
        (tmp_path / "outside.yaml").write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {OUTSIDE}}}\n")
        case.prepare(root)
        return run_all(root / case.folder, [(*command, *case.options) for command in commands(briefly=case.briefly)], cache=tmp_path / "cache")

    return run_case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_repository_breaks_nothing(case: Case, run: Callable[[Case], Session], tmp_path: Path) -> None:
    session = run(case)

    assert_unbroken(session, case.status)
    assert [ran.arguments for ran in session.runs if not quotes(ran) and ENDLESS.search(ran.output + ran.errors)] == []
    assert not (tmp_path / "was-run").exists()
    if case.has_neighbour:
        said = said_by(session["check --format json"])
        assert [expected for expected in (NEIGHBOUR_FINDING, *case.said) if not is_said(expected, said)] == [], said
        assert [part for part in case.unsaid if part in "\n".join(said)] == [], said
        assert units_of(session["scan --format json"])["Kustomization/flux-system/neighbour"]["resources"] == 2
        assert session["render neighbour"].status == 0


# Some of each family, but of those that are about git itself or the call.
CHANGES = [
    case
    for family in FAMILIES[1:]
    for case in family[:: max(len(family) // 2, 1)]
    if case.has_neighbour and not (case.briefly or case.options or any(isinstance(content, Special) for content in case.files.values()))
]


@pytest.mark.parametrize("case", [case for case in CASES if case.name.startswith("names with ")] + CHANGES, ids=lambda case: case.name)
def test_a_change_that_brings_what_is_bad_breaks_nothing(case: Case, tmp_path: Path) -> None:
    root = tmp_path / "platform"
    make(root, PLATFORM)
    commit(root)
    make(root, case.files)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=bad")
    (tmp_path / "outside.yaml").write_text(OUTSIDE)

    session = run_all(root, commands_of_a_change(), cache=tmp_path / "cache")

    assert_unbroken(session, case.status)
    assert json.loads(session["diff HEAD~1 --format json"].output)["clusters"] is not None


def test_what_acts_on_a_cluster_is_not_broken_by_names(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "names with terminal escapes")
    root = tmp_path / "platform"
    make(root, {**PLATFORM, **case.files})

    assert_unbroken(run_all(root, commands_of_a_cluster(), cache=tmp_path / "cache"))


def test_every_command_that_reads_a_repository_is_run() -> None:
    assert {arguments[0] for arguments in (*commands(), *commands_of_a_change(), *commands_of_a_cluster())} | NOT_RUN == set(cli.list_commands(None))  # type: ignore[arg-type]


def test_there_are_enough_cases_and_none_twice() -> None:
    names = [case.name for case in CASES]

    assert len(names) >= 60
    assert len(set(names)) == len(names)
