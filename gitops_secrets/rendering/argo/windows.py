"""The times of a sync window, as Argo CD reads them (`SyncWindow.active` of Argo CD 3.5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gitops_secrets.rendering.objects import seconds


class Times(NamedTuple):
    """When a window begins, as a schedule of cron, and for how long it is open."""

    schedule: str
    duration: str
    zone: str  # UTC if empty

    def is_open(self, now: datetime) -> bool:
        """Did it begin less than its duration ago? Raises `ValueError`, with what is wrong, where that can't be told."""
        # A module that only few runs need.
        from cronsim import CronSim, CronSimError

        length = seconds(self.duration)
        if length is None:
            raise ValueError(f"{self.duration!r} is no duration")
        try:
            there = now.astimezone(ZoneInfo(self.zone or "UTC"))
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{self.zone!r} is no time zone") from None
        try:
            earliest = there - timedelta(seconds=length)
        except OverflowError:
            raise ValueError(f"{self.duration!r} is too long") from None
        try:
            return next(CronSim(self.schedule.replace("?", "*"), earliest)) < there
        except (CronSimError, StopIteration):
            raise ValueError(f"{self.schedule!r} is no schedule") from None
