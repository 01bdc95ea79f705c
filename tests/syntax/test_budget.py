"""What a run may take, and each unit of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitops_secrets.model.limits import Limits
from gitops_secrets.syntax.budget import SHARES, Budget, BudgetError

LIMITS = Limits(made_text=1_000_000, steps=1_000_000)


def taken(spend: Callable[[int], None]) -> int:
    """How much can be had in steps of a hundred."""
    for count in range(LIMITS.steps):
        try:
            spend(100)
        except BudgetError:
            return count * 100
    return -1


@pytest.mark.parametrize("spend", [Budget.spend, Budget.spend_text])
def test_a_unit_may_take_as_much_as_the_limit_says(spend: Callable[[Budget, int], None]) -> None:
    budget = Budget(LIMITS)

    assert taken(lambda amount: spend(budget, amount)) == 1_000_000


@pytest.mark.parametrize("spend", [Budget.spend, Budget.spend_text])
def test_units_that_take_all_they_can_leave_something_for_the_next(spend: Callable[[Budget, int], None]) -> None:
    budget, shares = Budget(LIMITS), []
    for _ in range(200):
        budget.begin()
        shares.append(taken(lambda amount: spend(budget, amount)))

    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 1_000
    assert sum(shares) < (SHARES + 1) * 1_000_000


def test_the_limit_is_named_with_the_option_that_allows_more() -> None:
    with pytest.raises(BudgetError, match="--limit steps=NUMBER allows more than 1000000 steps"):
        Budget(LIMITS).spend(1_000_001)


def test_how_much_is_used_is_told_of_the_scarcer_one() -> None:
    budget = Budget(LIMITS)
    budget.spend(250_000)
    budget.spend_text(500_000)

    assert budget.used == 0.5
