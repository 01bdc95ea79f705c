"""SARIF 2.1.0: what the specification requires of the parts that are written; a model made of its schema reads them (section numbers are those of the spec)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sarif_pydantic import Sarif

from gitops_secrets.checks import RULES
from gitops_secrets.model.facts import Confidence, Problem
from gitops_secrets.model.findings import Change, CheckResult, Edit, Finding, Fix, Related, Severity
from gitops_secrets.model.nodes import Place
from gitops_secrets.report.sarif import FINGERPRINT, MOST_LOCATIONS, MOST_RESULTS, SCHEMA, check_sarif

FINDING = Finding(
    "missing-depends-on",
    Severity.WARNING,
    Confidence.LIKELY,
    "stores needs operator first",
    Place("clusters/my cluster/stores.yaml", 4, 3),
    "Kustomization/flux-system/stores",
    other="Kustomization/flux-system/operator",
    related=(Related("ClusterSecretStore//aws is of a kind that it brings", Place("stores/aws.yaml", 1, 1)),),
    clusters=("production", "staging"),
    fix=Fix("add operator", (Edit("clusters/my cluster/stores.yaml", (9, 1), (9, 1), "  dependsOn:\n    - name: operator\n"),)),
    fingerprint="f" * 64,
)
PLAIN = Finding("missing-path", Severity.ERROR, Confidence.CERTAIN, "no such directory", Place("apps.yaml", 2, 1), "Kustomization/a/b")


def log(*findings: Finding, problems: tuple[Problem, ...] = ()) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(check_sarif(CheckResult(findings, problems), RULES))
    return document


def run(*findings: Finding, problems: tuple[Problem, ...] = ()) -> dict[str, Any]:
    (only,) = log(*findings, problems=problems)["runs"]
    assert isinstance(only, dict)
    return only


def test_the_log_is_valid_against_the_model_of_the_specification() -> None:
    validated = Sarif.model_validate(log(FINDING, PLAIN, problems=(Problem("not YAML", Place("a.yaml", 1, 1)),)))

    assert [result.rule_id for result in validated.runs[0].results or ()] == ["missing-depends-on", "missing-path"]


def test_the_log_names_version_and_schema() -> None:
    assert (log()["version"], log()["$schema"]) == ("2.1.0", SCHEMA)


def test_every_rule_is_described_with_its_manual_and_level() -> None:
    described = run()["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in described] == [rule.id for rule in RULES]
    assert [rule["defaultConfiguration"]["level"] for rule in described] == [rule.severity.value for rule in RULES]
    assert [rule["id"] for rule in described if "## Why it matters" not in rule["help"]["markdown"] or not rule["help"]["text"]] == []


def test_a_result_points_to_its_rule_place_and_subject() -> None:
    document = run(FINDING)
    (result,) = document["results"]
    (location,) = result["locations"]

    assert document["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "missing-depends-on"
    assert (result["level"], result["message"]["text"]) == ("warning", "stores needs operator first")
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "clusters/my%20cluster/stores.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 4, "startColumn": 3},
    }
    assert location["logicalLocations"] == [{"fullyQualifiedName": "Kustomization/flux-system/stores", "kind": "resource"}]
    assert document["columnKind"] == "unicodeCodePoints"


def test_a_result_keeps_its_evidence_fingerprint_and_confidence() -> None:
    (result,) = run(FINDING)["results"]

    assert [(related["id"], related["message"]["text"]) for related in result["relatedLocations"]] == [(1, FINDING.related[0].message)]
    assert result["partialFingerprints"] == {FINGERPRINT: "f" * 64}
    assert result["properties"] == {"confidence": "likely", "clusters": ["production", "staging"], "object": "Kustomization/flux-system/operator"}


def test_a_fix_is_a_replacement_in_its_file() -> None:
    (result,) = run(FINDING)["results"]

    assert result["fixes"] == [
        {
            "description": {"text": "add operator"},
            "artifactChanges": [
                {
                    "artifactLocation": {"uri": "clusters/my%20cluster/stores.yaml", "uriBaseId": "%SRCROOT%"},
                    "replacements": [
                        {
                            "deletedRegion": {"startLine": 9, "startColumn": 1, "endLine": 9, "endColumn": 1},
                            "insertedContent": {"text": "  dependsOn:\n    - name: operator\n"},
                        }
                    ],
                }
            ],
        }
    ]


def test_what_a_finding_lacks_is_left_out() -> None:
    (result,) = run(PLAIN)["results"]

    assert not {"fixes", "relatedLocations"} & result.keys()


def test_problems_are_notifications() -> None:
    document = run(problems=(Problem("not YAML", Place("a.yaml", 3, 1)), Problem("not YAML", Place("a.yaml", 3, 1))))
    (invocation,) = document["invocations"]
    (notification,) = invocation["toolExecutionNotifications"]

    assert (invocation["executionSuccessful"], notification["message"]["text"]) == (True, "not YAML")
    assert document["results"] == []


def test_the_same_findings_give_the_same_bytes() -> None:
    assert check_sarif(CheckResult((FINDING, PLAIN)), RULES) == check_sarif(CheckResult((FINDING, PLAIN)), RULES)


def test_a_result_tells_what_has_become_of_it() -> None:
    found = [replace(PLAIN, change=change) for change in (None, *Change)]

    assert [result.get("baselineState") for result in run(*found)["results"]] == [None, "new", "updated", "unchanged", "unchanged"]


def test_code_scanning_gets_no_more_than_it_takes() -> None:
    related = (Related("again", Place("a.yaml", 1, 1)),) * (MOST_LOCATIONS + 1)
    results = run(*[replace(PLAIN, related=related), *[PLAIN] * MOST_RESULTS])["results"]

    assert (len(results), len(results[0]["relatedLocations"])) == (MOST_RESULTS, MOST_LOCATIONS)


def test_no_name_becomes_a_link() -> None:
    (result,) = run(replace(PLAIN, message="[x](https://example.org)"))["results"]

    assert result["message"]["text"] == "[x\\](https://example.org)"
