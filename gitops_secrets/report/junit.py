"""Findings as JUnit XML, for Jenkins and all else that reads test results: a test case for each rule and thing that it is about.

The format has no specification; this keeps to what https://github.com/testmoapp/junitxml describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gitops_secrets.checks import Rule
from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.findings import CheckResult, Finding, Severity
from gitops_secrets.report.escape import visible

_NAME: Final = "gitops-secrets"


def check_junit(result: CheckResult, rules: Sequence[type[Rule]]) -> str:
    """A suite of all rules. Errors and warnings fail their test case; what is a note or only possible is its output; a rule without findings passes."""
    by_rule: dict[str, list[Finding]] = {rule.id: [] for rule in rules}
    for finding in result.findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    suite = Element("testsuite", name=_NAME)
    for rule, findings in by_rule.items():
        if not findings:
            SubElement(suite, "testcase", classname=_NAME, name=rule)
        for finding in findings:
            _case(suite, finding)
    failures = sum(map(_fails, result.findings))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", "0")
    suites = Element("testsuites", name=_NAME, tests=str(len(suite)), failures=str(failures), errors="0")
    suites.append(suite)
    indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suites, encoding="unicode")}\n'


def _case(suite: Element, finding: Finding) -> None:
    name = finding.subject + (f" → {finding.other}" if finding.other else "")
    place = {"file": visible(finding.place.file), "line": str(finding.place.line)}
    case = SubElement(suite, "testcase", {"classname": f"{_NAME}.{finding.rule}", "name": visible(name), **place})
    text = "\n".join(map(visible, _lines(finding)))
    if _fails(finding):
        SubElement(case, "failure", {"type": finding.severity.value, "message": visible(finding.message)}).text = text
    else:
        SubElement(case, "system-out").text = text


def _fails(finding: Finding) -> bool:
    return finding.severity is not Severity.NOTE and finding.confidence is not Confidence.POSSIBLE


def _lines(finding: Finding) -> Iterable[str]:
    yield f"{finding.place}: {finding.severity.value}: {finding.message}"
    yield from (f"{related.place}: {related.message}" for related in finding.related)
    if finding.fix is not None:
        yield f"fix: {finding.fix.description}"
