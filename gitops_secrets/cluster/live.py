"""Objects as the API server gives them: plain JSON, read without trusting its shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gitops_secrets.model.ids import ResourceId, split_api_version

Live = Mapping[str, Any]
_NOTHING: Final[Live] = {}


@dataclass(frozen=True, slots=True)
class LiveCondition:
    """An entry of `status.conditions`."""

    type: str
    status: str  # True, False, Unknown
    reason: str
    message: str
    since: datetime | None
    generation: int | None  # that it was written for, where it says so


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """A warning, or anything else, that a controller said of an object."""

    reason: str
    message: str
    warning: bool
    last: datetime | None


def live_id(live: Live) -> ResourceId:
    """The name of an object."""
    group, _ = split_api_version(text(live, "apiVersion"))
    return ResourceId(group, text(live, "kind"), text(live, "metadata", "namespace"), text(live, "metadata", "name"))


def at(live: object, *path: str) -> Any:
    """The value at a path; None if there is none."""
    for step in path:
        if not isinstance(live, Mapping):
            return None
        live = live.get(step)
    return live


def text(live: object, *path: str) -> str:
    """The text at a path; empty if there is none."""
    value = at(live, *path)
    return value if isinstance(value, str) else ""


def number(live: object, *path: str, default: int = 0) -> int:
    """The whole number at a path."""
    value = at(live, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def items(live: object, *path: str) -> Sequence[Any]:
    """The list at a path; empty if there is none."""
    value = at(live, *path)
    return value if isinstance(value, list) else ()


def mapping(live: object, *path: str) -> Live:
    """The mapping at a path; empty if there is none."""
    value = at(live, *path)
    return value if isinstance(value, Mapping) else _NOTHING


def conditions(live: Live) -> Iterable[LiveCondition]:
    """All conditions of an object."""
    for entry in items(live, "status", "conditions"):
        if isinstance(entry, Mapping):
            generation = entry.get("observedGeneration")
            yield LiveCondition(
                text(entry, "type"),
                text(entry, "status"),
                text(entry, "reason"),
                text(entry, "message"),
                moment(text(entry, "lastTransitionTime")),
                generation if isinstance(generation, int) else None,
            )


def condition(live: Live, type_: str) -> LiveCondition | None:
    """The condition of one type; None if there is none."""
    return next((each for each in conditions(live) if each.type == type_), None)


def is_true(live: Live, type_: str) -> bool:
    """Is the condition of that type there and True?"""
    found = condition(live, type_)
    return found is not None and found.status == "True"


def generation(live: Live) -> int:
    """The generation of the object's specification."""
    return number(live, "metadata", "generation")


def annotation(live: Live, name: str) -> str:
    """The value of an annotation; empty if there is none."""
    return text(mapping(live, "metadata", "annotations"), name)


def slim(live: Live) -> dict[str, Any]:
    """An object without the record of its field managers, which is most of it."""
    metadata = {key: value for key, value in mapping(live, "metadata").items() if key != "managedFields"}
    return {**live, "metadata": metadata} if metadata else dict(live)


def moment(written: str) -> datetime | None:
    """A time as the API server writes it (RFC 3339); None for anything else."""
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def commit_of(revision: str) -> str:
    """The commit or digest of a Flux revision.

    >>> commit_of("main@sha1:1f2e"), commit_of("sha256:ab"), commit_of("main/1f2e")
    ('1f2e', 'ab', '1f2e')
    """
    return revision.rpartition(":")[2] if ":" in revision else revision.rpartition("/")[2]
