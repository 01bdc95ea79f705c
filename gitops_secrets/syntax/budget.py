"""How much may still be made of what was read.

A variable of a megabyte in a thousand places is a gigabyte, a thousand patches of a thousand objects are a million.
"""

from __future__ import annotations

from typing import NamedTuple

from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits

# A run may take this many times what a unit may, and no unit more than this part of what the run has left: units that take all they can get leave something
# for those after them.
SHARES = 8
# However much was taken before: a thousandth of a full share, which is enough for what most units hold.
_LEAST = 1000
# Steps that an entry of a new mapping counts for: it stays in memory.
ENTRY = 10
# And an object: its references are looked for, and everything that follows.
OBJECT = 150
# Of YAML, that are read in the time of a step.
CHARACTERS = 5


class BudgetError(Exception):
    """More would be made than is allowed; the message names the option that allows more."""


class Spent(NamedTuple):
    """What was taken from a budget."""

    text: int
    steps: int

    def since(self, before: Spent) -> Spent:
        """The part of it that was taken later."""
        return Spent(self.text - before.text, self.steps - before.steps)


class Budget:
    """Counts text and steps over a run, and over the unit that is being built."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._text = SHARES * limits.made_text  # what the run has left
        self._steps = SHARES * limits.steps
        self.begin()

    def begin(self) -> None:
        """The next unit is built."""
        self._text_share = max(self._text // SHARES, self.limits.made_text // _LEAST)
        self._steps_share = max(self._steps // SHARES, self.limits.steps // _LEAST)
        self._least_text, self._least_steps = self._text - self._text_share, self._steps - self._steps_share

    @property
    def used(self) -> float:
        """How much of what the unit may take is taken, from 0 to 1."""
        text, steps = self._text - self._least_text, self._steps - self._least_steps
        return 1 - min(text / (self._text_share or 1), steps / (self._steps_share or 1))

    @property
    def spent(self) -> Spent:
        """What the run has taken."""
        return Spent(SHARES * self.limits.made_text - self._text, SHARES * self.limits.steps - self._steps)

    def allows(self, more: Spent) -> bool:
        """Is so much left of what the unit may take?"""
        return self._text - more.text >= self._least_text and self._steps - more.steps >= self._least_steps

    def spend_all(self, more: Spent) -> None:
        """Takes what was taken before for the same. Raises `BudgetError` where too little is left."""
        self.spend_text(more.text)
        self.spend(more.steps)

    def spend_text(self, characters: int) -> None:
        """Takes from what may be written. Raises `BudgetError` where too little is left."""
        self._text -= characters
        if self._text < self._least_text:
            raise BudgetError(f"too much text is made of it; {self.limits.more('made_text')} characters")

    def spend(self, steps: int) -> None:
        """Takes from what may be done. Raises `BudgetError` where too little is left."""
        self._steps -= steps
        if self._steps < self._least_steps:
            raise BudgetError(f"it takes too much work; {self.limits.more('steps')} steps")
