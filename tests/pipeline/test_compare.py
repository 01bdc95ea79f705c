"""Findings beside those of an earlier state: what is new, what is worse, what is gone; told apart by what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.errors import UsageError
from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.findings import Change, CheckResult, Finding, Severity
from gitops_secrets.model.nodes import Place
from gitops_secrets.pipeline.compare import compared, read_baseline
from gitops_secrets.report.check_document import check_document

FINDING = Finding(
    "missing-store",
    Severity.WARNING,
    Confidence.CERTAIN,
    "Secret/web/a is not there",
    Place("apps/web.yaml", 12, 5),
    "Deployment/web/web",
    other="Secret/web/a",
    clusters=("east",),
    fingerprint="f0",
)
# The same fault a second time: only the ordinal in the fingerprint differs.
AGAIN = replace(FINDING, place=Place("apps/other.yaml", 3, 5), fingerprint="f1")


def changes(now: Sequence[Finding], before: Sequence[Finding], **renamed: str) -> list[str]:
    result = compared(CheckResult(tuple(now)), before, everything=True, renamed=renamed)
    return [finding.change.value for finding in result.findings if finding.change is not None] + ["gone"] * len(result.resolved)


def test_what_was_not_there_is_new() -> None:
    assert changes([FINDING], []) == ["new"]


def test_an_order_that_was_missing_and_implied_by_others_is_known_when_they_are_gone() -> None:
    finding = replace(FINDING, rule="missing-depends-on", subject="Kustomization/flux-system/apps", other="Kustomization/flux-system/stores")
    result = compared(CheckResult((finding, FINDING)), [], unwritten={(finding.subject, finding.other), (FINDING.subject, FINDING.other)})

    assert (result.findings, result.known) == ((replace(FINDING, change=Change.NEW),), 1)


def test_what_is_wrong_with_a_provider_is_not_new_for_its_next_consumer() -> None:
    provider, first, second = "Kustomization/flux-system/stores", "Kustomization/flux-system/apps", "Kustomization/flux-system/web"
    before = replace(FINDING, rule="dependency-not-gated", subject=first, other=provider, message=f"{provider} is Ready before {first} can use it: no wait")
    now = replace(before, subject=second, message=f"{provider} is Ready before {second} can use it: no wait", fingerprint="f2")

    assert changes([before, now], [before]) == ["known", "known"]
    assert changes([now], [before]) == ["known", "gone"]
    assert changes([now], []) == ["new"]
    assert changes([replace(now, severity=Severity.ERROR)], [before]) == ["new", "gone"]
    assert changes([replace(now, message=f"{now.message} for long")], [before]) == ["new", "gone"]
    assert changes([replace(now, rule="missing-depends-on")], [replace(before, rule="missing-depends-on")]) == ["new", "gone"]


def test_what_people_may_make_by_hand_is_not_new_where_others_need_it_already() -> None:
    before = replace(FINDING, rule="missing-secret")
    now = replace(before, subject="Deployment/web/other", message="Secret/web/a is not there for another one", fingerprint="f2")
    error = replace(now, severity=Severity.ERROR)

    assert changes([before, now], [before]) == ["known", "known"]
    assert changes([before, replace(now, clusters=("west",))], [before]) == ["known", "new"]
    assert changes([before, replace(now, other="Secret/web/b")], [before]) == ["known", "new"]
    assert changes([before, error], [replace(before, severity=Severity.ERROR)]) == ["known", "new"]
    assert changes([before, now], [replace(before, confidence=Confidence.POSSIBLE)]) == ["worsened", "new"]


def test_what_is_no_longer_there_is_gone() -> None:
    assert changes([], [FINDING]) == ["gone"]


@pytest.mark.parametrize(
    "place",
    [Place("apps/web.yaml", 90, 1), Place("elsewhere/web.yaml", 12, 5)],
    ids=["a moved line", "a renamed file"],
)
def test_a_finding_is_the_same_wherever_it_stands(place: Place) -> None:
    assert changes([replace(FINDING, place=place)], [FINDING]) == ["known"]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (replace(FINDING, severity=Severity.ERROR), FINDING),
        (FINDING, replace(FINDING, confidence=Confidence.POSSIBLE)),
        (replace(FINDING, clusters=("east", "west")), FINDING),
    ],
    ids=["graver", "surer", "in one more cluster"],
)
def test_a_finding_can_become_worse(now: Finding, before: Finding) -> None:
    assert changes([now], [before]) == ["worsened"]
    assert changes([before], [now]) == ["known"]


def test_what_was_a_note_because_others_were_bootstrapped_is_not_worse_once_they_are_gone() -> None:
    before = replace(FINDING, severity=Severity.NOTE, confidence=Confidence.POSSIBLE)
    results = [compared(CheckResult((FINDING,)), [before], everything=True, adrift=adrift) for adrift in ({"east"}, {"west"})]

    assert [finding.change for result in results for finding in result.findings] == [Change.KNOWN, Change.WORSENED]


def test_a_renamed_cluster_makes_nothing_worse() -> None:
    assert changes([replace(FINDING, clusters=("west",))], [FINDING]) == ["known"]


def test_of_two_alike_the_one_that_is_added_is_new_whichever_comes_first() -> None:
    first = replace(AGAIN, place=Place("a.yaml", 1, 1), fingerprint="f0")
    result = compared(CheckResult((first, replace(FINDING, fingerprint="f1"))), [FINDING])

    assert [(finding.place.file, finding.change) for finding in result.findings] == [("a.yaml", result.findings[0].change)]
    assert (result.known, result.resolved) == (1, ())


def test_one_of_two_alike_that_becomes_worse_is_not_new() -> None:
    elsewhere = replace(AGAIN, clusters=("west",), message="Secret/web/a is not there, unless a chart brings it", confidence=Confidence.POSSIBLE)
    now = replace(elsewhere, message=FINDING.message, confidence=Confidence.CERTAIN, fingerprint="f0")

    assert changes([now, replace(FINDING, fingerprint="f1")], [FINDING, elsewhere]) == ["worsened", "known"]


def test_what_is_about_a_file_follows_its_new_name() -> None:
    before = replace(FINDING, subject="old/sync.yaml", message="old/sync.yaml can't be read", fingerprint="a")
    now = replace(FINDING, subject="new/sync.yaml", message="new/sync.yaml can't be read", fingerprint="b")

    assert changes([now], [before]) == ["new", "gone"]
    assert changes([now], [before], **{"old/sync.yaml": "new/sync.yaml"}) == ["known"]


def test_an_overlay_follows_its_kustomization() -> None:
    before = replace(FINDING, subject="Overlay//test", message="Overlay//test lacks it", fingerprint="a")
    now = replace(FINDING, subject="Overlay//overlays/test", message="Overlay//overlays/test lacks it", fingerprint="b")

    assert changes([now], [before], **{"test/kustomization.yaml": "overlays/test/kustomization.yaml"}) == ["known"]


FINDINGS = st.lists(
    st.builds(
        lambda number, line, message: replace(FINDING, fingerprint=f"f{number}", subject=f"s{number % 2}", message=message, place=Place("a.yaml", line, 1)),
        st.integers(0, 4),
        st.integers(1, 9),
        st.sampled_from("ab"),
    ),
    max_size=6,
)


@given(FINDINGS, FINDINGS)
def test_each_finding_has_at_most_one_earlier_one(now: list[Finding], before: list[Finding]) -> None:
    result = compared(CheckResult(tuple(now)), before)

    assert len(result.findings) + result.known == len(now)
    assert len(now) - sum(finding.change is Change.NEW for finding in result.findings) == len(before) - len(result.resolved)


@given(FINDINGS)
def test_nothing_is_new_beside_itself(findings: list[Finding]) -> None:
    result = compared(CheckResult(tuple(findings)), findings)

    assert (result.findings, result.resolved) == ((), ())


def test_a_baseline_is_what_check_writes_as_json(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(check_document(CheckResult((FINDING, AGAIN))))

    assert changes([FINDING, AGAIN], read_baseline(file)) == ["known", "known"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"schema": "gitops-secrets/scan/v1"}', '{"schema": "gitops-secrets/check/v1", "findings": [{}]}', "[" * 100_000],
    ids=["empty", "a list", "no schema", "null", "another schema", "a finding without anything", "too deep"],
)
def test_what_is_no_baseline_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(text)

    with pytest.raises(UsageError, match=r"baseline\.json"):
        read_baseline(file)
