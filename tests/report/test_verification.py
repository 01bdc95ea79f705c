"""A verification in each of its formats."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.verdicts import Cause, Complaint, RunSummary, Verdict, Verification
from gitops_secrets.report.run_lines import run_line, waiting
from gitops_secrets.report.style import Style
from gitops_secrets.report.verification_documents import reconcile_document, verification_junit, verification_markdown, verify_document
from gitops_secrets.report.verification_text import interrupted_text, verification_text

STORE = ResourceId("external-secrets.io", "ClusterSecretStore", "", "aws")
SECRET = ResourceId("external-secrets.io", "ExternalSecret", "weather", "api")
UNIT = ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "stores")
PLACE = Place("stores/store.yaml", 4, 9)
CAUSE = Cause(
    STORE,
    "ClusterSecretStore//aws: the store has no usable credential",
    ("status: InvalidProviderConfig: unable to create client", "event: InvalidProviderConfig: \x1b[31mred"),
    "the operator can't make a client from what the store says",
    "check what the store names under auth",
    (SECRET,),
    PLACE,
)
BROKEN = Verification(
    "production",
    "admin@production",
    "https://10.0.0.1",
    "1f2e3d4c5b6a7980",
    (
        Verdict(STORE, (Complaint("not-ready", "InvalidProviderConfig: unable to create client"),), (), UNIT, PLACE),
        Verdict(SECRET, (Complaint("secret-missing", "Secret/weather/api is not there"),)),
        Verdict(UNIT, (), ("a newer commit is there",)),
    ),
    (CAUSE,),
)
WELL = replace(BROKEN, verdicts=(Verdict(UNIT),), causes=())
RUN = RunSummary("ready", "flux", 36.54, 8, 2, 1, ("secrets is forbidden",))
PLAIN = Style(width=100)


def test_the_first_line_is_the_root() -> None:
    assert verification_text(BROKEN, PLAIN).splitlines()[0] == "cause  ClusterSecretStore//aws: the store has no usable credential"


def test_text_says_what_hangs_on_a_root_and_where_it_is_written() -> None:
    text = verification_text(BROKEN, PLAIN)

    assert "on it hangs: ExternalSecret/weather/api" in text
    assert "at: stores/store.yaml:4" in text
    assert text.splitlines()[-2] == "cluster production at 1f2e3d4c5b6a: 2 objects not as it should be"


def test_text_of_a_run_says_what_was_done() -> None:
    text = verification_text(WELL, PLAIN, RUN)

    assert "all there after 36.5 s (flux: 8 applied, 2 asked to reconcile, 1 refreshed)" in text
    assert "went on without: secrets is forbidden" in text


def test_a_run_that_was_broken_off_says_how_to_go_on() -> None:
    assert "run it again to go on" in interrupted_text(replace(RUN, end="interrupted"), PLAIN)


def test_no_format_lets_text_of_a_cluster_act() -> None:
    for text in (verification_text(BROKEN, PLAIN), verify_document(BROKEN), verification_junit(BROKEN), verification_markdown(BROKEN)):
        assert "\x1b" not in text


def test_json_has_every_object_and_every_cause() -> None:
    document = json.loads(verify_document(BROKEN))

    assert (document["schema"], document["well"], document["summary"]) == ("gitops-secrets/verify/v1", False, {"well": 1, "not_well": 2})
    assert document["objects"][0] == {
        "id": "ClusterSecretStore//aws",
        "well": False,
        "complaints": [{"complaint": "not-ready", "message": "InvalidProviderConfig: unable to create client"}],
        "remarks": [],
        "unit": "Kustomization/flux-system/stores",
        "place": {"file": "stores/store.yaml", "line": 4, "column": 9},
    }
    assert document["causes"][0]["affected"] == ["ExternalSecret/weather/api"]


def test_json_of_a_run_has_its_own_schema() -> None:
    document = json.loads(reconcile_document(WELL, RUN))

    assert document["schema"] == "gitops-secrets/reconcile/v1"
    assert document["run"] == {
        "end": "ready",
        "engine": "flux",
        "seconds": 36.5,
        "applied": 8,
        "requested": 2,
        "refreshed": 1,
        "synced": 0,
        "withheld": ["secrets is forbidden"],
    }


def test_junit_has_a_case_for_each_object_and_the_root_with_each_failure() -> None:
    suite = ElementTree.fromstring(verification_junit(BROKEN))

    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert [failure.get("type") for failure in suite.iter("failure")] == ["not-ready", "secret-missing"]
    assert all("no usable credential" in (failure.text or "") for failure in suite.iter("failure"))


def test_markdown_is_for_the_summary_of_a_job() -> None:
    text = verification_markdown(BROKEN, RUN)

    assert text.startswith("### ❌ production at `1f2e3d4c5b6a`")
    assert "1 of 3 objects are as they should be." in text
    assert verification_markdown(WELL).startswith("### ✅")


def test_a_line_of_a_log_says_when_and_what() -> None:
    assert run_line(3.14, "Kustomization/a/b", "ready", "Applied\nmore", Style()) == "    3.1s  ready        Kustomization/a/b  Applied\n"


def test_what_is_waited_for_is_told_in_few_words() -> None:
    assert waiting(["A/b/c", "A/b/d", "A/b/e", "A/b/f"]) == "waits for c, d, e and 1 more"
