"""What a look at a live cluster comes to."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why something is not as it should be: a word of the public list, and a sentence."""

    word: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One object, and all that is wrong with it."""

    id: ResourceId
    complaints: tuple[Complaint, ...] = ()
    remarks: tuple[str, ...] = ()  # nothing wrong, but worth to know: what was not looked at, a newer revision
    unit: ResourceId | None = None  # that applies it
    place: Place | None = None

    @property
    def is_well(self) -> bool:
        """Is nothing wrong with it?"""
        return not self.complaints


@dataclass(frozen=True, slots=True)
class Cause:
    """A root of what is wrong: nothing that it hangs on is itself wrong."""

    subject: ResourceId
    title: str  # what is wrong, in one line that names the thing
    evidence: tuple[str, ...]  # conditions and events, quoted
    explanation: str
    advice: str
    affected: tuple[ResourceId, ...]  # all that hangs on it
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """All verdicts on one cluster, and the roots of what is wrong."""

    cluster: str
    context: str
    server: str
    commit: str | None
    verdicts: tuple[Verdict, ...]
    causes: tuple[Cause, ...] = ()

    @property
    def is_well(self) -> bool:
        """Is all as it should be?"""
        return all(verdict.is_well for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run ended: ready, stuck, timeout or interrupted."""

    end: str
    engine: str
    seconds: float
    applied: int
    requested: int
    refreshed: int
    withheld: tuple[str, ...] = ()  # what permissions were missing for
    synced: int = 0
