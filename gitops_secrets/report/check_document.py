"""Findings, as JSON. An interface: see `report/documents.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gitops_secrets.model.findings import CheckResult, Edit, Finding, Fix, Severity
from gitops_secrets.report.documents import Json, json_text, ordered_by, place_json, problems_json

CHECK_SCHEMA: Final = "gitops-secrets/check/v1"


def check_document(result: CheckResult) -> str:
    """Findings, each with its evidence and fix; where they are compared with an earlier state, also what is gone since."""
    counts = {severity.value: sum(finding.severity is severity for finding in result.findings) for severity in Severity}
    document: Json = {
        "schema": CHECK_SCHEMA,
        "findings": _findings(result.findings),
        "problems": problems_json(result.problems),
        "summary": {**counts, "suppressed": result.suppressed},
    }
    if result.base is not None:
        document["base"] = result.base
    if result.is_compared:
        document["resolved"] = _findings(result.resolved)
        document["summary"] |= {"known": result.known, "unjudged": result.unjudged, "resolved": len(result.resolved)}
    return json_text(document)


def _findings(findings: Iterable[Finding]) -> list[Json]:
    return sorted(map(_finding, findings), key=lambda entry: ordered_by(entry, "subject", "rule", "object", "fingerprint"))


def _finding(finding: Finding) -> Json:
    document: Json = {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "message": finding.message,
        "place": place_json(finding.place),
        "related": [{"message": related.message, "place": place_json(related.place)} for related in finding.related],
        "clusters": sorted(finding.clusters),
        "subject": finding.subject,
        "object": finding.other,
        "fix": None if finding.fix is None else _fix(finding.fix),
        "fingerprint": finding.fingerprint,
    }
    if finding.change is not None:
        document["change"] = finding.change.value
    return document


def _fix(fix: Fix) -> Json:
    return {"description": fix.description, "edits": [_edit(edit) for edit in fix.edits]}


def _edit(edit: Edit) -> Json:
    (start_line, start_column), (end_line, end_column) = edit.start, edit.end
    document: Json = {
        "file": edit.file,
        "range": {"start": {"line": start_line, "column": start_column}, "end": {"line": end_line, "column": end_column}},
        "text": edit.text,
    }
    if edit.create:
        document["create"] = True
    if edit.delete:
        document["delete"] = True
    return document
