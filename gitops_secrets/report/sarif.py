"""Findings as SARIF 2.1.0, for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from gitops_secrets import __version__
from gitops_secrets.checks import Rule
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Edit, Finding, Fix
from gitops_secrets.report.rules import family, rule_markdown, rule_text, summary

Json = dict[str, Any]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT: Final = "gitopsSecrets/v1"
_ROOT: Final = "%SRCROOT%"
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


def check_sarif(findings: Sequence[Finding], problems: Iterable[Problem], rules: Sequence[type[Rule]]) -> str:
    """A log of one run. Files are relative to the root of the repository; columns count code points."""
    numbers = {rule.id: number for number, rule in enumerate(rules)}
    driver = {"name": "gitops-secrets", "semanticVersion": __version__, "rules": [_rule(rule) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notifications(problems)}],
        "results": [_result(finding, numbers) for finding in findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: type[Rule]) -> Json:
    return {
        "id": rule.id,
        "shortDescription": {"text": summary(rule)},
        "fullDescription": {"text": summary(rule)},
        "help": {"text": rule_text(rule), "markdown": rule_markdown(rule)},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": [family(rule)]},
    }


def _result(finding: Finding, numbers: dict[str, int]) -> Json:
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": numbers[finding.rule],
        "level": finding.severity.value,
        "message": {"text": finding.message},
        "locations": [{**_location(finding.place), "logicalLocations": [{"fullyQualifiedName": finding.subject, "kind": "resource"}]}],
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, **_location(related.place), "message": {"text": related.message}} for number, related in enumerate(finding.related, start=1)
        ]
    if finding.fix is not None:
        result["fixes"] = [_fix(finding.fix)]
    result["partialFingerprints"] = {FINGERPRINT: finding.fingerprint}
    result["properties"] = {"confidence": finding.confidence.value, "clusters": list(finding.clusters), "object": finding.other}
    return result


def _location(place: Place) -> Json:
    return {"physicalLocation": {"artifactLocation": _artifact(place.file), "region": {"startLine": place.line, "startColumn": place.column}}}


def _artifact(file: str) -> Json:
    return {"uri": _uri(file or "."), "uriBaseId": _ROOT}


def _uri(path: str) -> str:
    """A path as a relative reference (RFC 3986)."""
    return "".join(character if character in _UNRESERVED else "".join(f"%{byte:02X}" for byte in character.encode()) for character in path)


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
