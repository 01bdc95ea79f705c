"""How much text may still be made of what was read: a variable of a megabyte in a thousand places is a gigabyte."""

from __future__ import annotations

from gitops_secrets.model.limits import Limits


class BudgetError(Exception):
    """More text would be made than is allowed; the message names the option that allows more."""


class TextBudget:
    """Counts the characters that are made of one cluster, or by the builds of one tree."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.made = 0

    def allows(self, characters: int) -> bool:
        """Is so much left?"""
        return self.made + characters <= self.limits.made_text

    def spend(self, characters: int) -> None:
        """Takes from the budget. Raises `BudgetError` where nothing is left."""
        is_allowed = self.allows(characters)
        self.made += characters
        if not is_allowed:
            raise BudgetError(f"too much text is made of it; {self.limits.more('made_text')} characters")
