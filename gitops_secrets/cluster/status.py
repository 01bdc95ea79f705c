"""Is an object ready? kstatus as a pure function, mended by the table of kinds where kstatus misreads.

The rules are those of kstatus (sigs.k8s.io/cli-utils/pkg/kstatus), which Flux waits with, in its order: being deleted, generation, Reconciling, Stalled, the
rules of built-in kinds, Ready. A Job counts once complete, as in Flux. For kinds that have a `ready` in the table, that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gitops_secrets.cluster import argo
from gitops_secrets.cluster.live import Live, LiveCondition, annotation, at, condition, conditions, generation, is_true, items, mapping, number, text
from gitops_secrets.kinds.paths import Path
from gitops_secrets.kinds.rows import KindRow, Readiness
from gitops_secrets.model.ids import split_api_version

_SKIPPED: Final = "argocd.argoproj.io/skip-reconcile"
# Conditions of an Application that say more than the state of its operation.
_COMPLAINTS: Final = frozenset({"InvalidSpecError", "ComparisonError", "UnknownError", "DeletionError"})
_NAMED: Final = 3


class Health(Enum):
    """What an object's status comes to."""

    CURRENT = "current"  # ready, at its present generation
    IN_PROGRESS = "in progress"
    FAILED = "failed"  # its controller has given up until something changes
    TERMINATING = "terminating"
    MISSING = "missing"
    SUSPENDED = "suspended"  # told to do nothing


@dataclass(frozen=True, slots=True)
class Status:
    """An object's health, with the words that its controller has for it."""

    health: Health
    reason: str = ""
    message: str = ""

    @property
    def is_ready(self) -> bool:
        """Can others rely on it?"""
        return self.health is Health.CURRENT

    @property
    def words(self) -> str:
        """Reason and message as one text."""
        return ": ".join(filter(None, (self.reason, self.message)))


MISSING: Final = Status(Health.MISSING, "NotFound", "it is not in the cluster")
CURRENT: Final = Status(Health.CURRENT)


def status_of(live: Live | None, row: KindRow | None = None) -> Status:
    """The status of an object; `row` is that of its kind in the table."""
    if live is None:
        return MISSING
    if at(live, "metadata", "deletionTimestamp"):
        held = ", ".join(str(each) for each in items(live, "metadata", "finalizers"))
        return Status(Health.TERMINATING, "Terminating", f"waits for the finalizers {held}" if held else "")
    kind = (split_api_version(text(live, "apiVersion"))[0], text(live, "kind"))
    if kind in _ARGO:
        return _ARGO[kind](live)
    if row is not None and row.readiness is not None:
        return _by_table(live, row.readiness)
    common = _common(live)
    if common is not None:
        return common
    rule = _BUILT_IN.get(kind)
    return rule(live) if rule is not None else _by_ready(live)


def is_observed(live: Live) -> bool:
    """Has its controller seen the present generation? True where it doesn't say."""
    observed = at(live, "status", "observedGeneration")
    return not isinstance(observed, int) or observed == generation(live)


def is_about(condition: LiveCondition, live: Live) -> bool:
    """Was a condition written for the present generation? Flux says so in the condition alone while the object fails."""
    return is_observed(live) if condition.generation is None else condition.generation == generation(live)


def _common(live: Live) -> Status | None:
    """The rules for every kind, but Ready."""
    if not is_observed(live):
        ready = condition(live, "Ready")
        if ready is not None and ready.status == "False" and is_about(ready, live):
            return Status(Health.FAILED if is_true(live, "Stalled") else Health.IN_PROGRESS, ready.reason, ready.message)
        return Status(
            Health.IN_PROGRESS,
            "GenerationNotObserved",
            f"generation {generation(live)} is there, {number(live, 'status', 'observedGeneration')} has been looked at",
        )
    for each in conditions(live):
        if each.type == "Reconciling" and each.status == "True":
            # What failed and is tried again says why in Ready.
            ready = condition(live, "Ready")
            told = ready if ready is not None and ready.status == "False" else each
            return Status(Health.IN_PROGRESS, told.reason, told.message)
        if each.type == "Stalled" and each.status == "True":
            return Status(Health.FAILED, each.reason, each.message)
    return None


def _by_ready(live: Live) -> Status:
    if at(live, "spec", "suspend") is True:
        return Status(Health.SUSPENDED, "Suspended", "spec.suspend is true")
    ready = condition(live, "Ready")
    if ready is None:
        return CURRENT
    return Status(Health.CURRENT if ready.status == "True" else Health.IN_PROGRESS, ready.reason, ready.message)


# The table of kinds


def _by_table(live: Live, readiness: Readiness) -> Status:
    if not is_observed(live):
        return Status(Health.IN_PROGRESS, "GenerationNotObserved", "its controller has not looked at the present generation")
    reason = message = ""
    if readiness.condition is not None:
        found = condition(live, readiness.condition)
        if found is None:
            return Status(Health.IN_PROGRESS, "NoStatus", "its controller has not looked at it yet")
        reason, message = found.reason, found.message
        if found.status != "True":
            return Status(Health.IN_PROGRESS, reason, message)
        if readiness.reasons and reason not in readiness.reasons:
            return Status(Health.IN_PROGRESS, reason, message)
    for path, value in readiness.values:
        if _written(live, path) != value:
            return Status(Health.IN_PROGRESS, "NotYet", f"{'.'.join(path)} is {_written(live, path) or 'not there'}, not {value}")
    if readiness.filled is not None and not items(live, *readiness.filled):
        return Status(Health.IN_PROGRESS, "Empty", f"{'.'.join(readiness.filled)} is empty")
    if readiness.generation is not None and not any(_written(live, path) == value for path, value in readiness.once):
        seen = text(live, *readiness.generation)
        if not seen.startswith(f"{generation(live)}-"):
            return Status(Health.IN_PROGRESS, "GenerationNotObserved", f"generation {generation(live)} is there, {seen.partition('-')[0] or 'none'} is in sync")
    return Status(Health.CURRENT, reason, message)


def _written(live: Live, path: Path) -> str:
    value = at(live, *path)
    return "" if value is None else str(value)


# Built-in kinds


def _deployment(live: Live) -> Status:
    progressing = condition(live, "Progressing")
    if progressing is not None and progressing.reason == "ProgressDeadlineExceeded":
        return Status(Health.FAILED, progressing.reason, progressing.message)
    wanted = number(live, "spec", "replicas", default=1)
    there, updated, ready, available = (number(live, "status", field) for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"))
    if there < wanted:
        return _less("LessReplicas", "replicas", there, wanted)
    if updated < wanted:
        return _less("LessUpdated", "updated", updated, wanted)
    if there > wanted:
        return Status(Health.IN_PROGRESS, "ExtraPods", f"{there - wanted} of the old pods are still there")
    if available < updated:
        return _less("LessAvailable", "available", available, updated)
    if ready < wanted:
        return _less("LessReady", "ready", ready, wanted)
    if not is_true(live, "Available"):
        return Status(Health.IN_PROGRESS, "DeploymentNotAvailable", "it is not Available")
    return CURRENT


def _stateful_set(live: Live) -> Status:
    if text(live, "spec", "updateStrategy", "type") == "OnDelete":
        return CURRENT
    wanted = number(live, "spec", "replicas", default=1)
    there, ready, current, updated = (number(live, "status", field) for field in ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas"))
    if there < wanted:
        return _less("LessReplicas", "replicas", there, wanted)
    if ready < wanted:
        return _less("LessReady", "ready", ready, wanted)
    if there > wanted:
        return Status(Health.IN_PROGRESS, "ExtraPods", f"{there - wanted} of the old pods are still there")
    partition = number(live, "spec", "updateStrategy", "rollingUpdate", "partition")
    if partition:
        return _less("PartitionRollout", "updated", updated, wanted - partition) if updated < wanted - partition else CURRENT
    if current < wanted:
        return _less("LessCurrent", "current", current, wanted)
    if text(live, "status", "updateRevision") != text(live, "status", "currentRevision"):
        return Status(Health.IN_PROGRESS, "RevisionMismatch", "the update is not rolled out")
    return CURRENT


def _daemon_set(live: Live) -> Status:
    if at(live, "status", "observedGeneration") is None:
        return Status(Health.IN_PROGRESS, "NoStatus", "its controller has not looked at it yet")
    wanted = number(live, "status", "desiredNumberScheduled")
    fields = (
        ("LessCurrent", "currentNumberScheduled", "scheduled"),
        ("LessUpdated", "updatedNumberScheduled", "updated"),
        ("LessAvailable", "numberAvailable", "available"),
        ("LessReady", "numberReady", "ready"),
    )
    for reason, field, word in fields:
        if number(live, "status", field) < wanted:
            return _less(reason, word, number(live, "status", field), wanted)
    return CURRENT


def _replica_set(live: Live) -> Status:
    wanted, ready = number(live, "spec", "replicas", default=1), number(live, "status", "readyReplicas")
    return _less("LessReady", "ready", ready, wanted) if ready < wanted else CURRENT


def _less(reason: str, what: str, there: int, wanted: int) -> Status:
    return Status(Health.IN_PROGRESS, reason, f"{there} of {wanted} {what}")


def _job(live: Live) -> Status:
    for each in conditions(live):
        if each.status == "True" and each.type == "Failed":
            return Status(Health.FAILED, each.reason, each.message)
        if each.status == "True" and each.type == "Complete":
            return CURRENT
    return Status(Health.IN_PROGRESS, "NotComplete", "it is not complete")


def _pod(live: Live) -> Status:
    phase = text(live, "status", "phase")
    if phase == "Succeeded" or is_true(live, "Ready"):
        return CURRENT
    waiting = next(
        (
            each
            for field in ("initContainerStatuses", "containerStatuses")
            for entry in items(live, "status", field)
            if (each := at(entry, "state", "waiting")) is not None and text(each, "reason") not in ("ContainerCreating", "PodInitializing")
        ),
        None,
    )
    if waiting is not None:
        return Status(Health.IN_PROGRESS, text(waiting, "reason"), text(waiting, "message"))
    told = condition(live, "PodScheduled")
    if told is None or told.status != "False":
        told = condition(live, "Ready")
    health = Health.FAILED if phase == "Failed" else Health.IN_PROGRESS
    return Status(health, told.reason if told else phase, told.message if told else "")


def _definition(live: Live) -> Status:
    accepted = condition(live, "NamesAccepted")
    if accepted is not None and accepted.status == "False":
        return Status(Health.FAILED, accepted.reason, accepted.message)
    if is_true(live, "Established"):
        return CURRENT
    return Status(Health.IN_PROGRESS, "NotEstablished", "it is not served yet")


def _volume_claim(live: Live) -> Status:
    phase = text(live, "status", "phase")
    return CURRENT if phase == "Bound" else Status(Health.IN_PROGRESS, "NotBound", f"its phase is {phase or 'not set'}")


def _service(live: Live) -> Status:
    if text(live, "spec", "type") == "LoadBalancer" and not items(live, "status", "loadBalancer", "ingress"):
        return Status(Health.IN_PROGRESS, "NoAddress", "its load balancer has no address yet")
    return CURRENT


def _namespace(live: Live) -> Status:
    phase = text(live, "status", "phase")
    return CURRENT if phase in ("", "Active") else Status(Health.TERMINATING, phase)


def _cron_job(live: Live) -> Status:
    return CURRENT


# Argo CD: its conditions are complaints, and have no status


def _application(live: Live) -> Status:
    """In sync, healthy, and done with its last operation, all of what its source is now; the words are those of what is furthest from it."""
    if annotation(live, _SKIPPED) == "true":
        return Status(Health.SUSPENDED, "Skipped", f"its annotation {_SKIPPED} keeps Argo CD from looking at it")
    complaint = next((each for each in conditions(live) if each.type in _COMPLAINTS), None)
    if complaint is not None:
        return Status(Health.FAILED if complaint.type == "InvalidSpecError" else Health.IN_PROGRESS, complaint.type, complaint.message)
    operation = mapping(live, "status", "operationState")
    if argo.is_working(live):
        return Status(Health.IN_PROGRESS, "Working", text(operation, "message") if at(live, "operation") is not None else "it is looked at anew")
    if argo.has_failed(live):
        return Status(Health.IN_PROGRESS, f"Sync{text(operation, 'phase')}", text(operation, "message"))
    if not argo.is_compared(live):
        return Status(Health.IN_PROGRESS, "NotCompared", "Argo CD has not compared it with its sources yet")
    sync, health = text(live, "status", "sync", "status"), mapping(live, "status", "health")
    if sync != "Synced":
        apart = [entry for entry in items(live, "status", "resources") if text(entry, "status") == "OutOfSync"]
        return Status(Health.IN_PROGRESS, sync, _few(f"{text(entry, 'kind')}/{text(entry, 'name')}" for entry in apart))
    if text(health, "status") != "Healthy":
        unwell = [entry for entry in items(live, "status", "resources") if text(entry, "health", "status") not in ("", "Healthy")]
        told = text(health, "message") or _few(f"{text(entry, 'kind')}/{text(entry, 'name')} {text(entry, 'health', 'message')}".strip() for entry in unwell)
        return Status(Health.IN_PROGRESS, text(health, "status") or "NoHealth", told)
    return CURRENT


def _application_set(live: Live) -> Status:
    wrong = condition(live, "ErrorOccurred")
    if wrong is not None and wrong.status == "True":
        return Status(Health.IN_PROGRESS, wrong.reason, wrong.message)
    made = condition(live, "ResourcesUpToDate")
    if made is None:
        return Status(Health.IN_PROGRESS, "NoStatus", "its controller has not looked at it yet")
    return Status(Health.CURRENT if made.status == "True" else Health.IN_PROGRESS, made.reason, made.message)


def _few(words: Iterable[str]) -> str:
    listed = list(words)
    return ", ".join(listed[:_NAMED]) + (f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else "")


_ARGO: Final[Mapping[tuple[str, str], Callable[[Live], Status]]] = {argo.APPLICATION: _application, argo.APPLICATION_SET: _application_set}
_BUILT_IN: Final[Mapping[tuple[str, str], Callable[[Live], Status]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _volume_claim,
    ("", "Service"): _service,
    ("", "Namespace"): _namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
