from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gitops_secrets.graph.trace import Trace, trace_key, trace_object
from gitops_secrets.model.facts import Confidence, Problem, RemoteNeed
from gitops_secrets.model.findings import CheckResult, Finding, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.ordering.order import Plan, Split
from gitops_secrets.report.dot import dot
from gitops_secrets.report.mermaid import mermaid
from gitops_secrets.report.plan_text import plan_text
from gitops_secrets.report.style import Style
from gitops_secrets.report.text import SCREEN, check_text
from gitops_secrets.report.trace_text import trace_text
from gitops_secrets.report.tree import scan_tree

Golden = Callable[[str, str], None]

PLAIN = Style(width=100)
PROBLEM = Problem("not text in UTF-8", Place("b.yaml", 3, 1))
STORE = ResourceId("external-secrets.io", "ClusterSecretStore", "", "aws")
SECRET = ResourceId("", "Secret", "weather", "weather-api-secrets")
CANARY = '\x1b[31m\x07\n\r‮\u2066﻿"]`<b>\\'


def result(findings: Sequence[Finding], suppressed: int, clusters: Sequence[str]) -> CheckResult:
    return CheckResult(tuple(findings), suppressed=suppressed, clusters=tuple(clusters))


def everything(plan: Plan, style: Style) -> str:
    """Every text for people that can be made of a plan."""
    graph = plan.graph
    traces = [trace_object(graph, resource) for resource in sorted({*graph.unit_of, *graph.units})]
    texts = [scan_tree([plan], [Problem(graph.cluster.name, Place(graph.cluster.name, 1, 1))], style, resources=True).text, plan_text([plan], style)]
    texts += [trace_text(Trace(graph.cluster.name, (trace,)), style) for trace in traces]
    return "".join((*texts, dot([plan]), dot([plan], resources=True), mermaid([plan]), mermaid([plan], resources=True)))


def test_the_tree_shows_units_with_what_they_wait_for(small_plan: Plan, golden: Golden) -> None:
    golden("tree.txt", scan_tree([small_plan], [PROBLEM], PLAIN).text)


def test_the_verbose_tree_shows_objects_if_asked(small_plan: Plan, golden: Golden) -> None:
    golden("tree-verbose.txt", scan_tree([small_plan], [], Style(width=100, verbose=True), resources=True).text)


def test_the_plan_shows_levels_and_what_is_wrong_with_each_edge(small_plan: Plan, golden: Golden) -> None:
    golden("plan.txt", plan_text([small_plan], PLAIN))


def test_the_plan_shows_a_loop_with_each_step(platform: Any) -> None:
    operators, stores = platform.units[1], platform.units[2]
    back = replace(operators, depends_on=(replace(stores.depends_on[0], target=stores.id),))
    text = plan_text([replace(platform, units=[back if unit is operators else unit for unit in platform.units]).plan()], Style(width=160))

    assert "these wait for each other, so none of them ever starts:" in text
    assert "  Kustomization/flux-system/operators → Kustomization/flux-system/stores  written at clusters/production/units.yaml:20; cut it here" in text
    assert "worst case" not in text


def test_the_plan_shows_what_has_to_be_split(platform: Any) -> None:
    stores, operators = platform.units[2].id, platform.units[1].id
    facts = [(operators if unit == stores else unit, fact) for unit, fact in platform.facts]
    text = plan_text([replace(platform, facts=facts).plan()], PLAIN)

    assert "Kustomization/flux-system/operators can't be applied as one unit" in text
    assert "infrastructure/stores/aws.yaml:1: ClusterSecretStore//aws needs" in text


def test_the_plan_shows_what_comes_only_after_the_unit_that_needs_it(platform: Any) -> None:
    stores, operators = platform.units[2].id, platform.units[1].id
    plan = platform.plan()
    edge = next(edge for edge in plan.graph.resource_edges if edge.consumer_unit == stores and edge.provider_unit == operators)
    text = plan_text([replace(plan, splits=(Split(stores, (edge,)),))], PLAIN)

    assert "Kustomization/flux-system/stores needs of other units what those bring only afterwards" in text


def test_a_trace_of_a_secret_goes_both_ways(small_plan: Plan, golden: Golden) -> None:
    golden("trace.txt", trace_text(Trace(str(SECRET), (trace_object(small_plan.graph, SECRET),)), PLAIN))


def test_a_trace_of_a_key_goes_to_the_workload_and_its_unit(small_plan: Plan, golden: Golden) -> None:
    key = RemoteNeed(STORE, "prod/weather/apiKey")
    golden("trace-key.txt", trace_text(Trace(str(key), (trace_key(small_plan.graph, [key]),)), PLAIN))


def test_findings_of_one_cause_are_one_paragraph(findings: Sequence[Finding], golden: Golden) -> None:
    golden("check.txt", check_text(result(findings, 1, ["production", "staging"]), PLAIN))


def test_many_things_about_one_unit_are_named_beside_their_places() -> None:
    found = []
    for line, name in ((3, "ZONE"), (5, "DOMAIN")):
        message = f"shop builds an object with ${{{name}}}"
        place = Place("a.yaml", line, 1)
        found.append(Finding("undefined-variable", Severity.ERROR, Confidence.CERTAIN, message, place, "shop", other=name, cause="shop lacks variables"))

    assert check_text(result(found, 0, ["test"]), PLAIN).splitlines()[:3] == [
        "error: shop lacks variables [undefined-variable]",
        "  a.yaml:3  ZONE",
        "  a.yaml:5  DOMAIN",
    ]


def test_verbose_shows_every_finding_with_its_evidence(findings: Sequence[Finding], golden: Golden) -> None:
    golden("check-verbose.txt", check_text(result(findings, 0, ["production", "staging"]), Style(width=100, verbose=True)))


def test_dot_draws_what_is_missing_dashed(small_plan: Plan, golden: Golden) -> None:
    golden("scan.dot", dot([small_plan]))


def test_dot_draws_objects_if_asked(small_plan: Plan, golden: Golden) -> None:
    golden("scan-resources.dot", dot([small_plan], resources=True))


def test_mermaid_draws_every_unit(small_plan: Plan, golden: Golden) -> None:
    golden("scan.mmd", mermaid([small_plan]))


@pytest.mark.parametrize("text", [CANARY, "\x9b31m", "\u200b", "\udcff", "\x7f", "\xa0"], ids=ascii)
def test_no_name_reaches_the_terminal_with_a_character_that_acts(named: Callable[[str], Plan], text: str) -> None:
    shown = everything(named(text), Style(width=100, verbose=True))

    assert "".join(character for character in shown if not character.isprintable()).strip("\n") == ""


def test_findings_reach_the_terminal_without_characters_that_act(findings: Sequence[Finding]) -> None:
    hostile = [replace(finding, message=CANARY, subject=CANARY, cause=CANARY, clusters=(CANARY,), place=Place(CANARY, 1, 1)) for finding in findings]
    shown = check_text(result(hostile, 0, ["other"]), Style(width=100, verbose=True))

    assert shown.replace("\n", "").isprintable()


def test_without_colour_there_are_no_escape_sequences(small_plan: Plan, findings: Sequence[Finding]) -> None:
    assert "\x1b" not in everything(small_plan, PLAIN) + check_text(result(findings, 0, ["production"]), PLAIN)


def test_colour_adds_nothing_but_escape_sequences(small_plan: Plan, findings: Sequence[Finding]) -> None:
    coloured = scan_tree([small_plan], [PROBLEM], Style(True)).text + plan_text([small_plan], Style(True)) + check_text(result(findings, 0, ["a"]), Style(True))
    plain = scan_tree([small_plan], [PROBLEM], Style()).text + plan_text([small_plan], Style()) + check_text(result(findings, 0, ["a"]), Style())

    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert coloured != plain


def many(findings: Sequence[Finding], units: int, causes: int, severity: Severity) -> list[Finding]:
    return [
        replace(
            findings[0],
            severity=severity,
            subject=f"Kustomization/flux-system/app-{number}",
            place=Place(f"clusters/production/app-{number}.yaml", 4, 3),
            cause=f"ClusterSecretStore//store-{number % causes}, with no dependsOn on it",
            related=findings[0].related * 9,
        )
        for number in range(units)
    ]


@pytest.mark.parametrize("causes", [1, 4, 9, 30, 90])
def test_a_first_look_at_ninety_units_fits_on_one_screen(findings: Sequence[Finding], causes: int) -> None:
    text = check_text(result(many(findings, 90, causes, Severity.WARNING), 0, ["production"]), Style(width=120))

    assert len(text.splitlines()) <= SCREEN + 3


def test_no_error_is_ever_left_out(findings: Sequence[Finding]) -> None:
    text = check_text(result(many(findings, 200, 200, Severity.ERROR), 0, ["production"]), Style(width=120))

    assert sum(line.startswith("error: ") for line in text.splitlines()) == 200


def test_notes_are_counted_and_shown_only_if_asked(findings: Sequence[Finding]) -> None:
    short, long = (check_text(result(findings, 0, ["production"]), Style(verbose=verbose)) for verbose in (False, True))

    assert "note: " not in short
    assert "1 note" in short
    assert "note: " in long


def test_quiet_leaves_only_errors(findings: Sequence[Finding]) -> None:
    text = check_text(result(findings, 0, ["production"]), Style(quiet=True))

    assert "error: " in text
    assert "warning: " not in text


def test_lines_keep_to_the_width(findings: Sequence[Finding]) -> None:
    lines = check_text(result(findings, 0, ["production"]), Style(width=80, verbose=True)).splitlines()

    assert all(len(line) <= 80 or " " not in line.strip() for line in lines)


def test_nothing_found_is_said(small_plan: Plan) -> None:
    assert check_text(result([], 0, ["production"]), PLAIN) == "nothing found in 1 cluster\n"


def test_mermaid_stays_within_what_github_draws(platform: Any) -> None:
    unit = platform.units[2]
    names = [unit.id._replace(name=f"unit-{number}", namespace=f"team-{number % 7}") for number in range(600)]
    units = [replace(unit, id=name, depends_on=(replace(unit.depends_on[0], target=names[index - 1]),) if index else ()) for index, name in enumerate(names)]
    text = mermaid([replace(platform, units=[*platform.units, *units]).plan()])

    assert text.count("[") <= 81
    assert sum(" --> " in line or " -.-> " in line for line in text.splitlines()) < 500
    assert len(text) < 50_000
