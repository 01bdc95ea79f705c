"""When to look at the whole, which costs a few requests for each kind and one for each Secret. A pure function of what has happened; no clock in here."""

from __future__ import annotations

import math
from typing import Final

from gitops_secrets.cluster.run import Phase, View
from gitops_secrets.cluster.runner import End
from gitops_secrets.model.ids import ResourceId

# What fails in the middle of a run is often well a moment later: its credential comes, its webhook answers.
PATIENCE: Final = 4.0
# A unit that is asked while its engine was at it already is looked at a second time, and is in the middle of that for a moment.
_SETTLING: Final = 30.0
# What changes while something is wrong changes more than once: a source that is fetched again is not ready for a moment.
_CHANGING: Final = 2.0
_BETWEEN: Final = 1.0
# Looking takes at most a fifth of the time.
_SHARE: Final = 4.0
# What is wrong and shows in no watch: a Secret that somebody deleted, a key that is missing.
_RETRY: Final = 60.0


class Attention:
    """Says when a look is due, from the moment on at which an artifact came."""

    def __init__(self, now: float, timeout: float, interval: float) -> None:
        self._timeout, self._interval = timeout, interval
        self._failing: dict[ResourceId, float] = {}  # since when, until it is looked at
        self._due = math.inf
        self._earliest = now
        self._given_up_at = now + timeout
        self._again = math.inf
        self._reached_at = -math.inf
        self._is_well = True

    @property
    def due(self) -> float:
        """When to look; infinite: not before something happens."""
        of_failing = min(self._failing.values(), default=math.inf) + PATIENCE
        return max(min(self._due, of_failing, self._given_up_at, self._again), self._earliest)

    def saw(self, view: View, now: float) -> None:
        """Something of the run is in another phase."""
        if view.phase in (Phase.FAILING, Phase.SUSPENDED):
            self._failing.setdefault(view.id, now)
        else:
            self._failing.pop(view.id, None)
        if not self._is_well:
            self._due = min(self._due, now + _CHANGING)

    def reached(self, end: End | None, now: float) -> None:
        """All is ready, nothing can go on, or neither is so any more."""
        if end is None:
            self._given_up_at = now + self._timeout
        else:
            self._given_up_at, self._reached_at, self._due = math.inf, now, min(self._due, now)

    def looked(self, started: float, now: float, *, is_well: bool, is_settling: bool) -> bool:
        """The whole was looked at. Does it count? Not where all that was wrong is wrong for a moment: then it is looked at again soon."""
        self._earliest = now + max(_BETWEEN, _SHARE * (now - started))
        counts = not is_settling or now - self._reached_at > _SETTLING
        self._due = math.inf if counts else now
        if counts:
            self._is_well = is_well
            self._failing.clear()
            self._again = now + (self._interval if is_well else min(self._interval, _RETRY))
            self._given_up_at = math.inf if self._given_up_at <= now else self._given_up_at
        return counts
