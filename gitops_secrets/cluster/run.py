"""The nouns of a run towards a set of targets: what it is about, what happens to it, what it asks for (see `reconciliation`)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final

from gitops_secrets.cluster.live import Live
from gitops_secrets.kinds.rows import KindRow
from gitops_secrets.model.ids import ResourceId

# The annotation that External Secrets Operator takes a change of as a wish for a refresh.
FORCE_SYNC: Final = "force-sync"


class Nudge(Enum):
    """How a target is made to look again."""

    APPLY = "apply"  # its manifest is applied: nobody else applies it
    REQUEST = "request"  # a request to its engine to look at it now
    REFRESH = "refresh"  # a changed annotation, which External Secrets Operator takes as one
    SYNC = "sync"  # an operation of an Application; before it is asked for one, Argo CD is requested to compare it
    END = "end"  # of an operation on an older commit, or one that waits for its next try
    NONE = "none"  # it is watched, no more


class Phase(Enum):
    """How far a target is."""

    UNKNOWN = "unknown"  # not looked at yet
    MISSING = "missing"
    BLOCKED = "blocked"  # something that it needs is not ready
    PROGRESSING = "progressing"
    FAILING = "failing"  # it was tried, and refused or unhealthy
    SUSPENDED = "suspended"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Target:
    """Something that has to become ready, and what has to be ready before it."""

    id: ResourceId
    nudge: Nudge
    needs: frozenset[ResourceId] = frozenset()
    row: KindRow | None = None
    source: ResourceId | None = None  # whose artifact it has to be at
    parent: ResourceId | None = None  # the unit that applies it
    project: ResourceId | None = None  # whose windows say when it may be synced
    is_source: bool = False
    fresh_only: bool = False  # a refresh of one that was in sync before would make a new password
    brought: bool = True  # False: nothing in the repository brings it
    creatable: bool = False  # applied where it is not there; what is there is only asked
    goal: bool = True  # False: only watched because something needs it
    refresh: bool = False  # refreshed once in any case, once it can be (`--force-sync`)
    hopes: frozenset[ResourceId] = frozenset()  # tried without, and once more when one turns ready: perhaps that was what was missing


@dataclass(frozen=True, slots=True)
class Wanted:
    """The commit that sources have to be at; `behind` are its ancestors, which are not it yet. Anything else is newer."""

    commit: str | None = None
    behind: Set[str] = field(default_factory=frozenset)
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it is now."""

    live: Live
    now: float


@dataclass(frozen=True, slots=True)
class Gone:
    """An object is not there, or not there any more."""

    id: ResourceId
    now: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The API server did not take what was to be applied."""

    id: ResourceId
    message: str
    now: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    now: float


Event = Seen | Gone | Refused | Tick


@dataclass(frozen=True, slots=True)
class Action:
    """Nudge `id`. `token` tells this request from every other one."""

    id: ResourceId
    nudge: Nudge
    token: str
    patch: Mapping[str, Any] = field(default_factory=dict)  # that starts or ends a sync


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a target, for people."""

    id: ResourceId
    phase: Phase
    words: str
    waits_for: tuple[ResourceId, ...]
    goal: bool
