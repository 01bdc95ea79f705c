"""When the controller looks at the whole."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.cluster.run import Phase, View
from gitops_secrets.cluster.runner import End
from gitops_secrets.controller.attention import PATIENCE, Attention
from tests.controller.sample import STORE, STORES

FAILING, READY = View(STORE, Phase.FAILING, "denied", (), True), View(STORE, Phase.READY, "", (), True)


def well(attention: Attention, started: float, now: float) -> bool:
    return attention.looked(started, now, is_well=True, is_settling=False)


def test_it_looks_when_all_is_reached_and_then_once_an_interval() -> None:
    attention = Attention(0.0, timeout=100.0, interval=600.0)
    attention.reached(End.READY, 20.0)

    assert attention.due == 20.0
    assert well(attention, 20.0, 21.0)
    assert attention.due == 621.0


def test_what_fails_is_looked_at_after_a_moment_and_not_if_it_heals_in_it() -> None:
    attention = Attention(0.0, timeout=100.0, interval=600.0)
    attention.saw(FAILING, 10.0)

    assert attention.due == 10.0 + PATIENCE
    attention.saw(READY, 11.0)
    assert attention.due == 100.0


def test_what_is_never_reached_is_looked_at_when_its_time_is_up() -> None:
    assert Attention(5.0, timeout=100.0, interval=600.0).due == 105.0


def test_what_only_settles_does_not_count_and_is_looked_at_again_but_not_for_ever() -> None:
    attention = Attention(0.0, timeout=100.0, interval=600.0)
    attention.reached(End.READY, 20.0)

    assert not attention.looked(20.0, 20.1, is_well=False, is_settling=True)
    assert attention.due < 22.0
    assert attention.looked(60.0, 60.1, is_well=False, is_settling=True)


def test_while_something_is_wrong_every_change_is_worth_a_look() -> None:
    attention = Attention(0.0, timeout=1000.0, interval=600.0)
    attention.saw(FAILING, 10.0)
    attention.looked(14.0, 14.1, is_well=False, is_settling=False)
    attention.saw(View(STORES, Phase.READY, "", (), True), 20.0)

    assert attention.due < 25.0


MOMENTS = st.lists(st.tuples(st.floats(0.01, 30.0), st.sampled_from(["fail", "heal", "reach", "leave"])), max_size=30)


@given(MOMENTS)
@settings(max_examples=80)
def test_it_spends_a_bounded_share_on_looking_and_never_forgets_what_fails(moments: list[tuple[float, str]]) -> None:
    attention, now, ended, failing_since = Attention(0.0, 100.0, 600.0), 0.0, -math.inf, math.inf
    for after, what in moments:
        now += after
        while attention.due <= now:
            started = max(attention.due, ended)

            assert started >= ended + 1.0
            ended = started + 0.2
            failing_since = math.inf
            attention.looked(started, ended, is_well=False, is_settling=False)
        if what == "fail":
            failing_since = min(failing_since, now)
            attention.saw(FAILING, now)
        elif what == "heal":
            failing_since = math.inf
            attention.saw(READY, now)
        else:
            attention.reached(End.READY if what == "reach" else None, now)

        assert failing_since == math.inf or attention.due <= max(failing_since + PATIENCE, ended + 1.0)
