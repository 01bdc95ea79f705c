"""How it stands with an artifact, as conditions after kstatus' rules (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus). Pure functions.

Reconciling and Stalled are there only while they are true; Ready=False with Reconciling is looked at again, with Stalled it needs a change from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gitops_secrets.cluster.flux import requested_at
from gitops_secrets.cluster.live import Live, condition, conditions, generation, items, mapping, number, text
from gitops_secrets.cluster.runner import End
from gitops_secrets.controller.settings import API_VERSION, KIND
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import Cause, Verification

SUCCEEDED: Final = "Succeeded"
PROGRESSING: Final = "Progressing"
RETRYING: Final = "ProgressingWithRetry"
UNHEALTHY: Final = "HealthCheckFailed"
# A status is read by people; all of it is in the log.
_MOST_CAUSES: Final = 10
_LONGEST: Final = 1024


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing can be said of an artifact. What is final is not tried again before something changes."""

    reason: str
    message: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A cause, and the object that Flux' alerts can be had for: the Kustomization concerned, or the source."""

    cause: Cause
    about: ResourceId


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one artifact at a moment."""

    revision: str
    ready: int = 0
    goals: int = 0
    end: End | None = None
    verification: Verification | None = None  # None: not looked at yet
    causes: tuple[Told, ...] = ()
    trouble: Trouble | None = None
    withheld: tuple[str, ...] = ()  # what permissions were missing for

    @property
    def is_known(self) -> bool:
        """Is there anything to be said but that it goes on?"""
        return self.trouble is not None or self.verification is not None

    @property
    def is_well(self) -> bool:
        """Is all as it should be?"""
        return self.trouble is None and self.verification is not None and self.verification.is_well


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of `status.conditions`, without its time."""

    type: str
    status: str
    reason: str
    message: str


def conditions_of(standing: Standing) -> tuple[Condition, ...]:
    """Ready, and Reconciling or Stalled where that is so."""
    message = shortened(message_of(standing))
    if not standing.is_known:
        return Condition("Ready", "Unknown", PROGRESSING, message), Condition("Reconciling", "True", PROGRESSING, message)
    if standing.is_well:
        return (Condition("Ready", "True", SUCCEEDED, message),)
    reason = UNHEALTHY if standing.trouble is None else standing.trouble.reason
    is_final = standing.end is End.STUCK if standing.trouble is None else standing.trouble.is_final
    rest = Condition("Stalled", "True", reason, message) if is_final else Condition("Reconciling", "True", RETRYING, message)
    return Condition("Ready", "False", reason, message), rest


def message_of(standing: Standing) -> str:
    """One sentence for all of it, the first root first."""
    if standing.trouble is not None:
        return standing.trouble.message
    verification, at = standing.verification, f"at {standing.revision}"
    if verification is None:
        return f"{standing.ready} of {standing.goals} ready {at}" if standing.goals else f"reading what the source has {at}"
    without = "".join(f"; went on without: {message}" for message in standing.withheld)
    if verification.is_well:
        return f"{len(verification.verdicts)} objects are as they should be {at}{without}"
    unwell = sum(not verdict.is_well for verdict in verification.verdicts)
    told = f"{unwell} of {len(verification.verdicts)} objects are not as they should be {at}"
    if not standing.causes:
        return f"{told}{without}"
    first, others = standing.causes[0].cause, len(standing.causes) - 1
    quoted = f"; {first.evidence[-1]}" if first.evidence else ""
    return f"{first.title}{f' (and {others} more)' if others else ''}{quoted}; do: {first.advice}; {told}{without}"


def shortened(message: str) -> str:
    """As much of a message as a status or an event holds."""
    return message if len(message) <= _LONGEST else f"{message[: _LONGEST - 1]}…"


def status_of(resource: Live, standing: Standing, source: ResourceId, now: datetime) -> dict[str, Any]:
    """The whole status of a SourceVerification. What is not known yet stays as it was; a condition that stays keeps its time."""
    before = mapping(resource, "status")
    status: dict[str, Any] = {
        "observedGeneration": generation(resource),
        "source": str(source),
        "conditions": [_dated(condition, resource, now) for condition in conditions_of(standing)],
        "lastAttemptedRevision": standing.revision,
        "lastAppliedRevision": standing.revision if standing.is_well else text(before, "lastAppliedRevision"),
        "lastHandledReconcileAt": requested_at(resource),
    }
    if standing.verification is None:
        status |= {field: before[field] for field in ("cluster", "objects", "causes") if field in before}
    else:
        unwell = sum(not verdict.is_well for verdict in standing.verification.verdicts)
        status["cluster"] = standing.verification.cluster
        status["objects"] = {"total": len(standing.verification.verdicts), "notReady": unwell}
        status["causes"] = [_cause(told, standing.revision) for told in standing.causes[:_MOST_CAUSES]]
    return {field: value for field, value in status.items() if value not in ("", [])}


def is_told(resource: Live, revision: str) -> bool:
    """Does a SourceVerification, as it is now, say already how it stands with a revision? Who goes on where another one ended has nothing to add at first."""
    ready, status = condition(resource, "Ready"), mapping(resource, "status")
    handled = requested_at(resource) in ("", text(status, "lastHandledReconcileAt"))
    is_current = handled and number(status, "observedGeneration") == generation(resource) and text(status, "lastAttemptedRevision") == revision
    return is_current and ready is not None and ready.status != "Unknown"


def status_manifest(resource: Live, status: Mapping[str, Any]) -> dict[str, Any]:
    """What applies a status from the server's side."""
    metadata = {field: text(resource, "metadata", field) for field in ("name", "namespace")}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": dict(status)}


def _dated(condition: Condition, resource: Live, now: datetime) -> dict[str, Any]:
    same = (each.since for each in conditions(resource) if (each.type, each.status) == (condition.type, condition.status))
    since = next(same, None) or now
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": generation(resource),
        "lastTransitionTime": f"{since:%Y-%m-%dT%H:%M:%SZ}",
    }


def _cause(told: Told, revision: str) -> dict[str, Any]:
    return {
        "subject": str(told.cause.subject),
        "title": shortened(told.cause.title),
        "advice": shortened(told.cause.advice),
        "affected": len(told.cause.affected),
        "about": reference(told.about),
        "revision": revision,
    }


def reference(id: ResourceId) -> dict[str, str]:
    """An object as `about` names it."""
    return {"group": id.group, "kind": id.kind, "namespace": id.namespace, "name": id.name}


@dataclass(frozen=True, slots=True)
class Reported:
    """A cause that a status tells of."""

    title: str
    about: ResourceId
    revision: str


def reported(resource: Live) -> Sequence[Reported]:
    """The causes that a SourceVerification tells of."""
    return [Reported(text(entry, "title"), _referred(entry), text(entry, "revision")) for entry in items(resource, "status", "causes")]


def _referred(entry: Live) -> ResourceId:
    return ResourceId(*(text(entry, "about", field) for field in ("group", "kind", "namespace", "name")))
