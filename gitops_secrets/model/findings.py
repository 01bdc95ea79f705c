"""Findings: what a rule says, what to do about it, and as which edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gitops_secrets.model.brief import brief
from gitops_secrets.model.facts import Confidence, Problem
from gitops_secrets.model.nodes import Place


class Severity(Enum):
    """How bad a finding is; see docs/architecture.md."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return ("error", "warning", "note").index(self.value)


class Change(Enum):
    """What a finding is to an earlier state of the repository."""

    NEW = "new"
    WORSENED = "worsened"  # there before, and now graver, surer, or in more clusters
    KNOWN = "known"
    UNJUDGED = "unjudged"  # the earlier state does not build where it would show


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces a half-open range of a file by `text`; an empty range inserts. Lines and columns from 1, in code points."""

    file: str
    start: tuple[int, int]
    end: tuple[int, int]
    text: str
    create: bool = False
    delete: bool = False


@dataclass(frozen=True, slots=True)
class Fix:
    """The one right answer to a finding, as edits."""

    description: str
    edits: tuple[Edit, ...]


class SetValue(NamedTuple):
    """Sets the scalar of the key, or the item, that is written at `place`; only where `before` stands there, if it is given."""

    place: Place
    value: str
    before: str | None


class SetKey(NamedTuple):
    """Sets `key` of the mapping at `place`: the item that starts there, else the mapping that holds the key written there.

    Only where `before` is its value now, if that is given.
    """

    place: Place
    key: str
    value: str
    before: str | None = None


class AddItems(NamedTuple):
    """Appends to the list at `path` of the object whose `metadata.name` is written at `place`; the list is made where it is not there."""

    place: Place
    path: tuple[str, ...]
    items: tuple[Mapping[str, str] | str, ...]


class SetField(NamedTuple):
    """Sets the field at `path` of the object whose `metadata.name` is written at `place`."""

    place: Place
    path: tuple[str, ...]
    value: bool | str


class RemoveAt(NamedTuple):
    """Removes the key or item that is written at `place`."""

    place: Place


Step = SetValue | SetKey | AddItems | SetField | RemoveAt


@dataclass(frozen=True, slots=True)
class Remedy:
    """The one right answer to a finding, as a rule says it. It becomes a `Fix` once the text of the files is at hand."""

    description: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """More evidence of a finding."""

    message: str
    place: Place

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", brief(self.message))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, with its evidence."""

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    place: Place
    subject: str  # a unit or resource id
    other: str | None = None  # id of the other end; `object` in the JSON
    field: str = ""  # part of the identity, indices do not count
    related: tuple[Related, ...] = ()
    clusters: tuple[str, ...] = ()
    fix: Fix | None = None
    cause: str = ""  # what to group by in a text for people
    # Words of the public list of reasons, where a retry heals what is found: `accept-retry` may make it a note.
    retried: frozenset[str] = frozenset()
    remedy: Remedy | None = None
    fingerprint: str = ""
    change: Change | None = None  # None: compared with nothing

    def __post_init__(self) -> None:
        for name in ("message", "subject", "other", "field", "cause"):
            if (text := getattr(self, name)) is not None:
                object.__setattr__(self, name, brief(text))


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Findings, worst first; what could not be read; how many findings are left out, and why."""

    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...] = ()
    suppressed: int = 0  # by comments and the configuration
    known: int = 0  # because they were there before
    unjudged: int = 0  # new or gone, for all that can be told: what they are about does not build in one of the states
    resolved: tuple[Finding, ...] = ()  # were there before, and are gone
    clusters: tuple[str, ...] = ()  # that were looked at; what nothing reaches only where there is nothing else
    is_compared: bool = False  # with an earlier state: findings tell what has become of them
    base: str | None = None  # the commit of that state
