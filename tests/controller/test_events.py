"""What is worth an event, and in which form Flux takes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.controller.events import Tiding, flux_event, kubernetes_event, tidings
from gitops_secrets.controller.standing import Standing
from tests.controller.sample import ALL, BROKEN, GOING_ON, NOON, SOURCE, STORES, UNREAD, WELL, after, resource

ABOUT = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "metadata": {"uid": "u", "resourceVersion": "7"}}


def told(before: dict[str, object], standing: Standing) -> list[tuple[str, bool]]:
    return [(tiding.about.kind, tiding.is_warning) for tiding in tidings(before, standing, SOURCE)]


def test_a_revision_that_is_verified_is_told_of_its_source() -> None:
    assert told(after(replace(GOING_ON, revision="main@sha1:1")), WELL) == [("GitRepository", False)]


def test_a_root_is_told_of_the_kustomization_concerned_and_of_the_source() -> None:
    assert told(after(WELL), BROKEN) == [("Kustomization", True), ("GitRepository", True)]


def test_what_has_healed_is_told_of_everything_that_was_blamed() -> None:
    assert told(after(BROKEN), replace(WELL, revision="main@sha1:2")) == [("Kustomization", False), ("GitRepository", False)]


def test_the_same_root_at_a_new_commit_is_told_again_for_the_sake_of_its_status() -> None:
    assert told(after(BROKEN), replace(BROKEN, revision="main@sha1:3")) == [("Kustomization", True), ("GitRepository", True)]


def test_what_breaks_again_at_the_same_revision_is_told_again() -> None:
    well = replace(WELL, revision="main@sha1:2")

    assert told(after(BROKEN, well), BROKEN) == [("Kustomization", True), ("GitRepository", True)]


def test_what_goes_on_is_no_news() -> None:
    assert told(resource(), GOING_ON) == []


def test_what_can_not_be_read_is_told_of_the_source() -> None:
    assert told(after(WELL), UNREAD) == [("GitRepository", True)]


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=5))
@settings(max_examples=60)
def test_nothing_is_told_twice_by_whoever_comes_next(standings: list[Standing]) -> None:
    assert tidings(after(*standings), standings[-1], SOURCE) == ()


@pytest.mark.parametrize(("about", "group"), [(STORES, "kustomize.toolkit.fluxcd.io"), (SOURCE, "source.toolkit.fluxcd.io")])
def test_an_event_carries_the_revision_where_notification_controller_looks_for_it(about: object, group: str) -> None:
    tiding = Tiding(about, True, "HealthCheckFailed", "broken", "main@sha1:2")  # type: ignore[arg-type]
    to_flux, to_cluster = flux_event(tiding, ABOUT, "me", NOON, 1), kubernetes_event(tiding, ABOUT, "me", NOON, 1)

    assert to_flux["metadata"][f"{group}/revision"] == to_cluster["metadata"]["annotations"][f"{group}/revision"] == "main@sha1:2"
    assert to_flux["severity"] == "error"
    assert to_cluster["metadata"]["namespace"] == to_cluster["involvedObject"]["namespace"]


def test_two_events_of_one_moment_have_two_names_and_are_no_duplicates_to_flux() -> None:
    tiding = Tiding(SOURCE, False, "Succeeded", "well", "main@sha1:2")

    assert kubernetes_event(tiding, ABOUT, "me", NOON, 1)["metadata"]["name"] != kubernetes_event(tiding, ABOUT, "me", NOON, 2)["metadata"]["name"]
    assert flux_event(tiding, ABOUT, "me", NOON, 1)["metadata"] != flux_event(tiding, ABOUT, "me", NOON, 2)["metadata"]
