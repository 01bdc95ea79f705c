"""Findings as a Code Quality report of GitLab: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.findings import CheckResult, Finding, Severity

_SEVERITIES: Final = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.NOTE: "info"}


def check_gitlab(result: CheckResult) -> str:
    """One entry for each finding. GitLab tells entries apart by their fingerprint, and shows in a merge request what its target branch has not."""
    return json.dumps(list(map(_entry, _unique(result.findings))), indent=2) + "\n"


def _unique(findings: Iterable[Finding]) -> Iterable[Finding]:
    return {finding.fingerprint: finding for finding in findings}.values()


def _entry(finding: Finding) -> dict[str, Any]:
    severity = "minor" if finding.severity is Severity.WARNING and finding.confidence is Confidence.POSSIBLE else _SEVERITIES[finding.severity]
    return {
        "description": finding.message,
        "check_name": finding.rule,
        "fingerprint": finding.fingerprint,
        "severity": severity,
        "location": {"path": finding.place.file, "lines": {"begin": finding.place.line}},
    }
