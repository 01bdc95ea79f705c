"""Sync windows of an AppProject: may an Application be synced now? A pure function, after `SyncWindows.CanSync` of Argo CD 3.5."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gitops_secrets.cluster.live import Live, at, items, live_id, text
from gitops_secrets.rendering.argo.windows import Times
from gitops_secrets.syntax.glob import compile_glob


def denial(project: Live | None, application: Live, now: datetime) -> str | None:
    """Why a sync that somebody asks for would be held back; None if it would not."""
    if project is None:
        return None
    windows = [window for window in items(project, "spec", "syncWindows") if _is_for(window, application)]
    open_ones = []
    for window in windows:
        try:
            if Times(text(window, "schedule"), text(window, "duration"), text(window, "timeZone")).is_open(now):
                open_ones.append(window)
        except ValueError as error:
            return f"{_named(window)} of {live_id(project)} can't be read, and Argo CD syncs nothing then: {error}"
    denying = [window for window in open_ones if text(window, "kind") == "deny"]
    if denying:
        return None if _by_hand(denying) else f"{_named(denying[0])} of {live_id(project)} denies it"
    allowing = [window for window in windows if text(window, "kind") == "allow"]
    if not allowing or any(window in open_ones for window in allowing) or _by_hand(allowing):
        return None
    return f"no window of {live_id(project)} allows it now; the first one is {_named(allowing[0])}"


def _by_hand(windows: Iterable[Live]) -> bool:
    return all(at(window, "manualSync") is True for window in windows)


def _is_for(window: Live, application: Live) -> bool:
    """Applications, clusters, namespaces: one of the lists has to match, with `andOperator` each that is written."""
    destination = at(application, "spec", "destination")
    subjects = (
        ("applications", (text(application, "metadata", "name"),)),
        ("clusters", (text(destination, "name"), text(destination, "server"))),
        ("namespaces", (text(destination, "namespace"),)),
    )
    matches = [_any_matches(items(window, field), values) for field, values in subjects if items(window, field)]
    return bool(matches) and (all if at(window, "andOperator") is True else any)(matches)


def _any_matches(patterns: Iterable[object], values: Iterable[str]) -> bool:
    wanted = [value for value in values if value]
    return any(isinstance(pattern, str) and (found := compile_glob(pattern)) is not None and any(map(found.match, wanted)) for pattern in patterns)


def _named(window: Live) -> str:
    zone = text(window, "timeZone")
    return f"the window '{text(window, 'kind')} {text(window, 'schedule')}' for {text(window, 'duration')}" + (f" ({zone})" if zone else "")
