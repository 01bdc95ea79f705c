"""Findings as other tools read them: commands of a workflow, Code Quality, JUnit, a comment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from gitops_secrets.checks import RULES
from gitops_secrets.model.facts import Confidence, Problem
from gitops_secrets.model.findings import Change, CheckResult, Finding, Related, Severity
from gitops_secrets.model.nodes import Place
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.comment import COMMENT_LIMIT
from gitops_secrets.report.github import check_github
from gitops_secrets.report.gitlab import check_gitlab
from gitops_secrets.report.junit import check_junit
from gitops_secrets.report.markdown import check_markdown

Golden = Callable[[str, str], None]

HOSTILE = "\x1b[31m\n\r%0A::error::x <img src=x onerror=alert(1)> @everyone #1 ](javascript:x) | ` </details> ``` ]]>\u202e"


def result(findings: Sequence[Finding], **fields: object) -> CheckResult:
    return replace(CheckResult(tuple(findings), clusters=("production", "staging")), **fields)  # type: ignore[arg-type]


def hostile(finding: Finding) -> Finding:
    return replace(
        finding,
        message=HOSTILE,
        cause=HOSTILE,
        subject=HOSTILE,
        other=HOSTILE,
        place=Place(f"{HOSTILE}.yaml", 1, 1),
        related=(Related(HOSTILE, Place("b.yaml", 1, 1)),),
        clusters=(HOSTILE,),
    )


def many(finding: Finding, number: int) -> list[Finding]:
    return [replace(finding, message=f"{finding.message} {index}", cause=str(index), fingerprint=str(index)) for index in range(number)]


def test_workflow_commands(findings: Sequence[Finding], golden: Golden) -> None:
    golden("check.github", check_github(result(findings, suppressed=1)))


def test_a_cause_has_one_annotation_where_github_would_not_show_one_for_each_place(findings: Sequence[Finding]) -> None:
    one_cause = [replace(findings[0], place=Place(f"{number:02}.yaml", 1, 1), subject=f"Kustomization/flux-system/{number:02}") for number in range(1, 26)]
    first, second, last = check_github(result([*one_cause, replace(findings[0], cause="another")])).splitlines()

    assert first.startswith("::warning file=01.yaml,line=1,col=1,title=gitops-secrets%3A missing-depends-on::25 Kustomizations need ClusterSecretStore//aws")
    assert first.count("%0A") == 21
    assert first.endswith("%0A… and 5 more")
    assert (second.count("%0A"), last) == (1, "gitops-secrets: 26 warnings in 2 clusters")


def test_ten_findings_have_an_annotation_each(findings: Sequence[Finding]) -> None:
    assert len(check_github(result(many(findings[0], 10))).splitlines()) == 11


def test_notes_and_unread_files_are_commands_only_if_asked(findings: Sequence[Finding]) -> None:
    note = replace(findings[0], severity=Severity.NOTE)
    made = result([note], problems=(Problem("not YAML", Place("a.yaml", 3, 1)),))

    assert [line.partition(" ")[0] for line in check_github(made).splitlines()] == ["gitops-secrets:"]
    assert [line.partition(" ")[0] for line in check_github(made, notes=True).splitlines()] == ["::notice", "::notice", "gitops-secrets:"]


def test_no_text_of_a_repository_starts_a_workflow_command(findings: Sequence[Finding]) -> None:
    command, _ = check_github(result([hostile(findings[0])])).splitlines()
    properties, _, message = command.removeprefix("::").partition("::")

    assert [part.partition("=")[0] for part in properties.partition(" ")[2].split(",")] == ["file", "line", "col", "title"]
    assert "%250A" in message


def test_code_quality(findings: Sequence[Finding], golden: Golden) -> None:
    golden("check.gitlab.json", check_gitlab(result(findings)))


def test_code_quality_has_an_entry_for_each_fingerprint(findings: Sequence[Finding]) -> None:
    entries = json.loads(check_gitlab(result([*many(findings[0], 3), *many(findings[0], 2)])))

    assert [entry["fingerprint"] for entry in entries] == ["0", "1", "2"]
    assert {entry["severity"] for entry in entries} <= {"info", "minor", "major", "critical", "blocker"}


def test_junit(findings: Sequence[Finding], golden: Golden) -> None:
    golden("check.junit.xml", check_junit(result(findings), RULES[:3]))


def test_junit_is_xml_whatever_a_repository_holds(findings: Sequence[Finding]) -> None:
    suites = ElementTree.fromstring(check_junit(result([hostile(findings[0])]), RULES))
    (failure,) = suites.iter("failure")

    assert suites.get("failures") == "1"
    assert "onerror=alert(1)" in failure.get("message", "")


def test_what_is_only_possible_fails_no_test_case(findings: Sequence[Finding]) -> None:
    possible = replace(findings[0], severity=Severity.WARNING, confidence=Confidence.POSSIBLE)
    suites = ElementTree.fromstring(check_junit(result([possible]), RULES))

    assert (suites.get("failures"), len(list(suites.iter("system-out")))) == ("0", 1)


def test_a_comment(findings: Sequence[Finding], small_plan: Plan, golden: Golden) -> None:
    gone = replace(findings[0], message="was wrong")
    drawn = replace(findings[0], subject="Kustomization/flux-system/apps")
    compared = [replace(finding, change=Change.WORSENED if number else Change.NEW) for number, finding in enumerate([drawn, *findings[1:]])]

    golden("check.md", check_markdown(result(compared, known=3, resolved=(gone,), is_compared=True, base="4f1a5b10510fa3b2"), [small_plan]))


def test_a_comment_draws_only_the_clusters_that_show_a_finding_and_nothing_of_what_is_not_there(findings: Sequence[Finding], small_plan: Plan) -> None:
    drawn = replace(findings[0], subject="Kustomization/flux-system/apps")
    about_nothing = replace(drawn, other="SecretStore/weather/aws")

    assert "mermaid" in check_markdown(result([drawn]), [small_plan])
    assert "mermaid" not in check_markdown(result([replace(drawn, clusters=("staging",)), about_nothing]), [small_plan])


def test_a_comment_without_findings_is_short_and_still_has_its_marker(small_plan: Plan) -> None:
    assert check_markdown(result([]), [small_plan]) == "<!-- gitops-secrets check -->\n### gitops-secrets: nothing found in 2 clusters\n"


def test_nothing_in_a_comment_is_more_than_text(findings: Sequence[Finding], small_plan: Plan) -> None:
    shown = check_markdown(
        result([hostile(findings[0]), replace(hostile(findings[0]), severity=Severity.NOTE)], resolved=(hostile(findings[0]),)), [small_plan]
    )
    bare = re.sub(r"`[^`\n]*`|<code>[^<>]*</code>", "", shown)
    tags = set(re.findall(r"<[^>]*>", bare))

    assert tags == {"<!-- gitops-secrets check -->", "<details>", "</details>", "<summary>", "</summary>", "<b>", "</b>"}
    assert "@" not in bare
    assert "](" not in bare
    assert "\x1b" not in shown


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("limit", [1_000, COMMENT_LIMIT])
def test_a_comment_keeps_to_its_limit_and_says_what_is_left_out(findings: Sequence[Finding], small_plan: Plan, severity: Severity, limit: int) -> None:
    lots = many(replace(findings[0], severity=severity), 2_000)
    shown = check_markdown(result(lots, resolved=tuple(lots)), [small_plan], limit=limit)

    assert len(shown) <= limit
    assert "more, which the limit of a comment leaves no room for" in shown
    assert shown.count("<details>") == shown.count("</details>")
