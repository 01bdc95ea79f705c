"""The status that a controller writes, read as kstatus reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.cluster.runner import End
from gitops_secrets.controller.standing import Standing, conditions_of, is_told, message_of, status_of
from tests.controller.sample import ALL, BROKEN, GOING_ON, LATER, NOON, SOURCE, UNREAD, WELL, WRONG, after, resource

CRD = Path(__file__).parents[2] / "base" / "gitops-secrets" / "controller" / "custom-resource-definition.yaml"


def kstatus(live: Mapping[str, Any]) -> str:
    """What kstatus makes of an object without rules of its own (pkg/kstatus/status/status.go, Compute)."""
    status = live["status"]
    if status.get("observedGeneration") != live["metadata"]["generation"]:
        return "InProgress"
    found = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
    if found.get("Reconciling") == "True":
        return "InProgress"
    if found.get("Stalled") == "True":
        return "Failed"
    return "Current" if found.get("Ready", "True") == "True" else "InProgress"


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (GOING_ON, "InProgress"),
        (WELL, "Current"),
        (BROKEN, "InProgress"),
        (replace(BROKEN, end=End.STUCK), "Failed"),
        (UNREAD, "InProgress"),
        (WRONG, "Failed"),
    ],
)
def test_kstatus_reads_each_standing_as_it_is_meant(standing: Standing, expected: str) -> None:
    assert kstatus(after(standing)) == expected


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=5))
@settings(max_examples=60)
def test_conditions_are_never_at_odds(standings: list[Standing]) -> None:
    found = {condition["type"]: condition for condition in after(*standings)["status"]["conditions"]}

    assert "Ready" in found
    assert not {"Reconciling", "Stalled"} <= found.keys()
    assert (found["Ready"]["status"] == "True") == (found.keys() == {"Ready"})
    assert all(condition["status"] == "True" for type_, condition in found.items() if type_ != "Ready")


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=5))
@settings(max_examples=60)
def test_saying_the_same_again_changes_nothing(standings: list[Standing]) -> None:
    live = after(*standings)

    assert status_of(live, standings[-1], SOURCE, LATER) == live["status"]


def test_a_condition_that_turns_is_dated_anew_and_one_that_stays_is_not() -> None:
    found = status_of(after(WELL), BROKEN, SOURCE, LATER)

    assert found["conditions"][0]["lastTransitionTime"] == "2026-11-01T13:00:00Z"
    assert status_of(resource(found), replace(BROKEN, revision="main@sha1:4"), SOURCE, NOON)["conditions"][0]["lastTransitionTime"] == "2026-11-01T13:00:00Z"


def test_the_last_good_revision_stays_while_another_is_attempted() -> None:
    status = after(WELL, BROKEN)["status"]

    assert (status["lastAppliedRevision"], status["lastAttemptedRevision"]) == ("main@sha1:1", "main@sha1:2")


def test_causes_stay_told_until_the_next_look_and_go_with_it() -> None:
    going_on, well = replace(GOING_ON, revision="main@sha1:3"), replace(WELL, revision="main@sha1:3")

    assert after(BROKEN, going_on)["status"]["causes"] == after(BROKEN)["status"]["causes"]
    assert "causes" not in after(BROKEN, going_on, well)["status"]


def test_the_first_root_comes_first_with_what_was_said_of_it() -> None:
    assert message_of(BROKEN).startswith("ClusterSecretStore//aws: access denied; event: Invalid: denied; do: let it; 2 of 2 objects")


def test_a_missing_permission_is_named_though_all_is_well() -> None:
    assert message_of(replace(WELL, withheld=('cannot patch resource "kustomizations"',))).endswith('went on without: cannot patch resource "kustomizations"')


def test_who_takes_over_does_not_say_what_is_said_already() -> None:
    asked = resource(after(WELL)["status"], **{"reconcile.fluxcd.io/requestedAt": "now"})

    assert is_told(after(WELL), "main@sha1:1")
    assert is_told(after(BROKEN), "main@sha1:2")
    assert not is_told(after(BROKEN), "main@sha1:3")
    assert not is_told(after(GOING_ON), "main@sha1:1")
    assert not is_told(asked, "main@sha1:1")


def test_a_message_of_any_length_fits() -> None:
    long = replace(UNREAD, trouble=replace(UNREAD.trouble, message="x" * 100_000))  # type: ignore[type-var]

    assert max(len(condition.message) for condition in conditions_of(long)) <= 1024


def fields(value: object, path: str = "") -> Iterator[str]:
    """Every field of a document."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{path}.{key}"
            yield from fields(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, path)


def declared(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Every field of a schema."""
    for key, inner in schema.get("properties", {}).items():
        yield f"{path}.{key}"
        yield from declared(inner, f"{path}.{key}")
    yield from declared(schema["items"], path) if "items" in schema else ()


def test_the_api_server_drops_no_field_of_a_status() -> None:
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    asked = resource(**{"reconcile.fluxcd.io/requestedAt": "now"})
    written = {field for standing in (WELL, BROKEN) for field in fields(status_of(asked, standing, SOURCE, NOON))}

    assert written == set(declared(schema))
