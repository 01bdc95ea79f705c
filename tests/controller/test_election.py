"""The lease: never two who act, and nobody waits for one who has given it back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.controller.election import LEASE, Bid, Candidate
from gitops_secrets.controller.settings import Terms
from gitops_secrets.model.ids import ResourceId

LEASE_ID = ResourceId(*LEASE, "gitops-secrets", "gitops-secrets")
TERMS = Terms()
WALL = datetime(2026, 11, 1, tzinfo=UTC)


class Store:
    """The one lease of an API server: what was written since it was read is not overwritten."""

    def __init__(self) -> None:
        self.live: dict[str, Any] | None = None
        self.version = 0

    def take(self, bid: Bid) -> bool:
        seen = bid.manifest["metadata"].get("resourceVersion")
        if (self.live is None) != bid.is_new or (self.live is not None and seen != str(self.version)):
            return False
        self.version += 1
        self.live = {**bid.manifest, "metadata": {**bid.manifest["metadata"], "resourceVersion": str(self.version)}}
        return True


def attempt(candidate: Candidate, store: Store, now: float) -> bool:
    bid = candidate.bid(store.live, now, WALL)
    if bid is None or not store.take(bid):
        return False
    candidate.won(now)
    return True


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["read", "write", "release"]), st.floats(0.0, 9.0)), max_size=60)


@given(STEPS)
@settings(max_examples=150)
def test_never_two_lead_whatever_is_slow(steps: list[tuple[int, str, float]]) -> None:
    store, candidates = Store(), [Candidate(LEASE_ID, name, TERMS) for name in "abc"]
    bids: dict[int, tuple[Bid | None, float]] = {}
    now = 0.0
    for who, what, after in steps:
        now += after
        if what == "read":
            bids[who] = candidates[who].bid(store.live, now, WALL), now
        elif what == "write" and who in bids:
            bid, asked_at = bids.pop(who)
            if bid is not None:
                (candidates[who].won(asked_at) if store.take(bid) else candidates[who].lost())
        elif what == "release":
            given_back = candidates[who].release(store.live, WALL)
            bids.pop(who, None)
            if given_back is not None:
                store.take(given_back)

        assert sum(candidate.leads(now) for candidate in candidates) <= 1


def test_who_is_gone_is_followed_once_the_lease_has_not_changed_for_its_duration() -> None:
    store, first, second = Store(), Candidate(LEASE_ID, "a", TERMS), Candidate(LEASE_ID, "b", TERMS)

    assert attempt(first, store, 0.0)
    assert not attempt(second, store, 5.0)
    assert not attempt(second, store, 19.9)
    assert attempt(second, store, 20.0)


def test_a_lease_that_is_given_back_is_taken_at_once() -> None:
    store, first, second = Store(), Candidate(LEASE_ID, "a", TERMS), Candidate(LEASE_ID, "b", TERMS)
    attempt(first, store, 0.0)
    given_back = first.release(store.live, WALL)

    assert given_back is not None
    assert store.take(given_back)
    assert attempt(second, store, 0.1)


def test_who_can_not_renew_stops_before_anybody_may_take_over() -> None:
    store, first = Store(), Candidate(LEASE_ID, "a", TERMS)
    attempt(first, store, 0.0)

    assert first.leads(9.9)
    assert not first.leads(TERMS.deadline)


def test_who_starts_again_under_its_name_goes_on_at_once() -> None:
    store = Store()
    attempt(Candidate(LEASE_ID, "a", TERMS), store, 0.0)

    assert attempt(Candidate(LEASE_ID, "a", TERMS), store, 1.0)
