"""What is worth an event, and events as Kubernetes and notification-controller take them.

An Alert of Flux selects by the involved object, and only among Flux' own kinds: so that is the source, or the Kustomization concerned. The revision stands
in an annotation of the involved object's group (github.com/fluxcd/pkg/apis/event), which is what notification-controller makes the status of a commit from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gitops_secrets.cluster.api import EVENT_REPORTER
from gitops_secrets.cluster.live import Live, condition, text
from gitops_secrets.controller.standing import SUCCEEDED, UNHEALTHY, Standing, Told, message_of, reported, shortened
from gitops_secrets.model.ids import ResourceId

_REVISION: Final = "revision"
# notification-controller drops what it was told in the last five minutes unless this differs.
_TOKEN: Final = "token"  # noqa: S105  a name, no secret
# Of the 253 characters of a name, so that a moment and a number fit too.
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Tiding:
    """Something happened to an object."""

    about: ResourceId
    is_warning: bool
    reason: str
    message: str
    revision: str


def tidings(resource: Live, standing: Standing, source: ResourceId) -> tuple[Tiding, ...]:
    """What is new in a standing, compared with what the SourceVerification tells of: nothing twice, also by another leader."""
    return tuple(_tidings(resource, standing, source)) if standing.is_known else ()


def _tidings(resource: Live, standing: Standing, source: ResourceId) -> Iterator[Tiding]:
    ready = condition(resource, "Ready")
    is_new = text(resource, "status", "lastAttemptedRevision") != standing.revision or ready is None
    summary = shortened(message_of(standing))
    if standing.trouble is not None:
        if is_new or ready is None or (ready.status, ready.message) != ("False", summary):
            yield Tiding(source, True, standing.trouble.reason, summary, standing.revision)
        return
    before = reported(resource)
    known = {(cause.title, cause.about, cause.revision) for cause in before}
    fresh = [told for told in standing.causes if (shortened(told.cause.title), told.about, standing.revision) not in known]
    for told in fresh:
        if told.about != source:
            yield Tiding(told.about, True, UNHEALTHY, _at_length(told), standing.revision)
    concerned = {told.about for told in standing.causes} | {source}
    for about in sorted({cause.about for cause in before} - concerned):
        yield Tiding(about, False, SUCCEEDED, f"{about.kind} {about.name} brings nothing any more that is not as it should be", standing.revision)
    if standing.is_well:
        if is_new or ready is None or ready.status != "True" or text(resource, "status", "lastAppliedRevision") != standing.revision:
            yield Tiding(source, False, SUCCEEDED, summary, standing.revision)
    elif fresh or is_new or ready is None or ready.status != "False":
        yield Tiding(source, True, UNHEALTHY, summary, standing.revision)


def _at_length(told: Told) -> str:
    cause = told.cause
    return shortened("\n".join((cause.title, *(f"> {quoted}" for quoted in cause.evidence), cause.explanation, f"do: {cause.advice}")))


def kubernetes_event(tiding: Tiding, about: Live, identity: str, now: datetime, number: int) -> dict[str, Any]:
    """The event as an object of the cluster (core/v1, as Flux' controllers write them)."""
    namespace = tiding.about.namespace or "default"
    moment = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{tiding.about.name[:_LONGEST_NAME]}.{int(now.timestamp() * 1e6):x}{number:x}",
            "namespace": namespace,
            "annotations": {f"{tiding.about.group}/{_REVISION}": tiding.revision},
        },
        "involvedObject": _reference(tiding, about),
        "type": "Warning" if tiding.is_warning else "Normal",
        "reason": tiding.reason,
        "message": tiding.message,
        "source": {"component": EVENT_REPORTER},
        "reportingComponent": EVENT_REPORTER,
        "reportingInstance": identity,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


def flux_event(tiding: Tiding, about: Live, identity: str, now: datetime, number: int) -> dict[str, Any]:
    """The event as notification-controller takes it (github.com/fluxcd/pkg/apis/event/v1beta1)."""
    return {
        "involvedObject": _reference(tiding, about),
        "severity": "error" if tiding.is_warning else "info",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "message": tiding.message,
        "reason": tiding.reason,
        "metadata": {
            f"{tiding.about.group}/{_REVISION}": tiding.revision,
            f"{tiding.about.group}/{_TOKEN}": f"{now.timestamp():.6f}-{number}",
        },
        "reportingController": EVENT_REPORTER,
        "reportingInstance": identity,
    }


def _reference(tiding: Tiding, about: Live) -> dict[str, str]:
    return {
        "apiVersion": text(about, "apiVersion"),
        "kind": tiding.about.kind,
        "namespace": tiding.about.namespace,
        "name": tiding.about.name,
        "uid": text(about, "metadata", "uid"),
        "resourceVersion": text(about, "metadata", "resourceVersion"),
    }
