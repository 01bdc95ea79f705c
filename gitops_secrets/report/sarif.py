"""Findings as SARIF 2.1.0, for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from gitops_secrets import __version__
from gitops_secrets.checks import Rule
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.findings import Change, CheckResult, Edit, Finding, Fix, Severity
from gitops_secrets.model.nodes import Place
from gitops_secrets.report.rules import family, rule_markdown, rule_text, summary

Json = dict[str, Any]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT: Final = "gitopsSecrets/v1"
# Limits of code scanning: https://docs.github.com/code-security/code-scanning/troubleshooting-sarif-uploads.
MOST_RESULTS: Final = 25_000
MOST_LOCATIONS: Final = 1_000
# Section 3.27.24, and the words by which code scanning sorts rules.
_BASELINE_STATES: Final = {Change.NEW: "new", Change.WORSENED: "updated", Change.KNOWN: "unchanged", Change.UNJUDGED: "unchanged"}
_PROBLEM_SEVERITIES: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}
_ROOT: Final = "%SRCROOT%"
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


def check_sarif(result: CheckResult, rules: Sequence[type[Rule]]) -> str:
    """A log of one run. Files are relative to the root of the repository; columns count code points.

    Code scanning refuses a run of more than 25,000 results: the worst are kept.
    """
    numbers = {rule.id: number for number, rule in enumerate(rules)}
    driver = {"name": "gitops-secrets", "semanticVersion": __version__, "rules": [_rule(rule) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notifications(result.problems)}],
        "results": [_result(finding, numbers) for finding in result.findings[:MOST_RESULTS]],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: type[Rule]) -> Json:
    return {
        "id": rule.id,
        "shortDescription": {"text": summary(rule)},
        "fullDescription": {"text": summary(rule)},
        "help": {"text": rule_text(rule), "markdown": rule_markdown(rule)},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": [family(rule)], "problem.severity": _PROBLEM_SEVERITIES[rule.severity]},
    }


def _result(finding: Finding, numbers: dict[str, int]) -> Json:
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": numbers[finding.rule],
        "level": finding.severity.value,
        "message": {"text": _plain(finding.message)},
        "locations": [{**_location(finding.place), "logicalLocations": [{"fullyQualifiedName": finding.subject, "kind": "resource"}]}],
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, **_location(related.place), "message": {"text": _plain(related.message)}}
            for number, related in enumerate(finding.related[:MOST_LOCATIONS], start=1)
        ]
    if finding.fix is not None:
        result["fixes"] = [_fix(finding.fix)]
    if finding.change is not None:
        result["baselineState"] = _BASELINE_STATES[finding.change]
    result["partialFingerprints"] = {FINGERPRINT: finding.fingerprint}
    result["properties"] = {"confidence": finding.confidence.value, "clusters": list(finding.clusters), "object": finding.other}
    return result


def _plain(text: str) -> str:
    """Text without links: brackets before a parenthesis would be one (section 3.11.6)."""
    return text.replace("](", "\\](")


def _location(place: Place) -> Json:
    return {"physicalLocation": {"artifactLocation": _artifact(place.file), "region": {"startLine": place.line, "startColumn": place.column}}}


def _artifact(file: str) -> Json:
    return {"uri": _uri(file or "."), "uriBaseId": _ROOT}


def _uri(path: str) -> str:
    """A path as a relative reference (RFC 3986)."""
    return "".join(
        character if character in _UNRESERVED else "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogateescape")) for character in path
    )


def _fix(fix: Fix) -> Json:
    files = sorted({edit.file for edit in fix.edits})
    changes = [{"artifactLocation": _artifact(file), "replacements": [_replacement(edit) for edit in fix.edits if edit.file == file]} for file in files]
    return {"description": {"text": fix.description}, "artifactChanges": changes}


def _replacement(edit: Edit) -> Json:
    (line, column), (end_line, end_column) = edit.start, edit.end
    region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {"deletedRegion": region, "insertedContent": {"text": edit.text}}


def _notifications(problems: Iterable[Problem]) -> list[Json]:
    unique = sorted({(problem.place, problem.message) for problem in problems})
    return [{"level": "warning", "message": {"text": message}, "locations": [_location(place)]} for place, message in unique]
