from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.graph.trace import Trace, trace_object
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.findings import CheckResult, Edit, Finding, Fix
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.check_document import check_document
from gitops_secrets.report.documents import json_text
from gitops_secrets.report.plan_document import plan_document
from gitops_secrets.report.scan_document import scan_document
from gitops_secrets.report.trace_document import trace_document

Golden = Callable[[str, str], None]

PROBLEMS = (Problem("not text in UTF-8", Place("b.yaml", 3, 1)), Problem("duplicate key 'name'", Place("a.yaml", 7, 3), "duplicate-key"))
SECRET = ResourceId("", "Secret", "weather", "weather-api-secrets")


def test_the_scan_is_written_as_the_interface_says(small_plan: Plan, golden: Golden) -> None:
    golden("scan.json", scan_document([small_plan], PROBLEMS, "4f1a5b1051").text)


def test_the_scan_with_resources_adds_every_object_and_edge(small_plan: Plan, golden: Golden) -> None:
    golden("scan-resources.json", scan_document([small_plan], [], None, resources=True).text)


def test_findings_are_written_as_the_interface_says(findings: Sequence[Finding], golden: Golden) -> None:
    golden("check.json", check_document(CheckResult(tuple(findings), PROBLEMS, 2)))


def test_the_plan_has_levels_gates_and_delays(small_plan: Plan, golden: Golden) -> None:
    golden("plan.json", plan_document([small_plan], [], None))


def test_a_trace_is_nested_as_it_is_walked(small_plan: Plan, golden: Golden) -> None:
    golden("trace.json", trace_document(Trace(str(SECRET), (trace_object(small_plan.graph, SECRET),)), None))


def test_the_order_of_the_input_changes_nothing(platform: Any, small_plan: Plan) -> None:
    shuffled = random.Random(7)
    other = replace(
        platform,
        units=shuffled.sample(platform.units, len(platform.units)),
        resources=shuffled.sample(platform.resources, len(platform.resources)),
        facts=shuffled.sample(platform.facts, len(platform.facts)),
    ).plan()

    assert scan_document([other], PROBLEMS[::-1], None, resources=True).text == scan_document([small_plan], PROBLEMS, None, resources=True).text
    assert plan_document([other], [], None) == plan_document([small_plan], [], None)


def test_clusters_come_by_name(platform: Any, small_plan: Plan) -> None:
    staging = replace(platform, name="staging").plan()
    document = json.loads(scan_document([staging, small_plan], [], None).text)

    assert [cluster["name"] for cluster in document["clusters"]] == ["production", "staging"]


def test_arrays_are_sorted_by_id_then_place(small_plan: Plan) -> None:
    cluster = json.loads(scan_document([small_plan], [], None, resources=True).text)["clusters"][0]
    firsts = {"units": "id", "external": "consumer", "unmet": "consumer", "opaque": "thing", "resources": "id", "resource_edges": "from"}

    assert all(cluster[name] == sorted(cluster[name], key=lambda entry, first=first: _key(entry, first)) for name, first in firsts.items())  # type: ignore[misc]
    assert cluster["edges"] == sorted(cluster["edges"], key=lambda entry: (entry["from"], entry["to"]))


def _key(entry: Mapping[str, Any], first: str) -> tuple[str, str, int, int]:
    return entry[first], entry["place"]["file"], entry["place"]["line"], entry["place"]["column"]


def test_a_key_at_a_provider_is_not_unmet(small_plan: Plan) -> None:
    cluster = json.loads(scan_document([small_plan], [], None).text)["clusters"][0]

    assert [entry["requires"] for entry in cluster["unmet"]] == ["ConfigMap/weather/settings"]


def test_what_kubernetes_itself_brings_is_not_external(small_plan: Plan) -> None:
    cluster = json.loads(scan_document([small_plan], [], None).text)["clusters"][0]

    assert [entry["provider"] for entry in cluster["external"]] == ["bootstrap/helmfile.yaml: longhorn"]


def test_edits_of_whole_files_say_so(findings: Sequence[Finding]) -> None:
    edits = (Edit("new.yaml", (1, 1), (1, 1), "a: 1\n", create=True), Edit("old.yaml", (1, 1), (2, 1), "", delete=True))
    document = json.loads(check_document(CheckResult((replace(findings[0], fix=Fix("move it", edits)),))))
    written = document["findings"][0]["fix"]["edits"]

    assert [(edit.get("create"), edit.get("delete")) for edit in written] == [(True, None), (None, True)]


def test_a_document_is_ascii_whatever_the_names_are(named: Callable[[str], Plan]) -> None:
    text = scan_document([named("\x1b[31m‮é")], [], None, resources=True).text + plan_document([named("\x1b[31m‮é")], [], None)

    assert text.isascii()
    assert "\x1b" not in text


def test_a_name_that_is_no_unicode_text_is_still_json(named: Callable[[str], Plan]) -> None:
    document = json.loads(scan_document([named("\udcff")], [], None).text.encode())

    assert document["clusters"][0]["name"] == "cluster\udcff"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_a_document_is_written_as_json_with_an_indent_of_two(document: dict[str, object]) -> None:
    assert json_text(document) == json.dumps(document, indent=2) + "\n"
