"""Edges and costs in words: one sentence for each reason, and what it costs at bring-up.

The figures are measured on Flux 2.9 and External Secrets Operator 0.20 with their default settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitops_secrets.graph.graph import ResourceEdge, Unmet
from gitops_secrets.model.durations import duration
from gitops_secrets.model.facts import Effect, Healing, KindNeed, ObjectNeed, Requirement
from gitops_secrets.model.findings import Related
from gitops_secrets.model.ids import ResourceId, crd_id, kind_text
from gitops_secrets.model.results import Unit


def sentence(edge: ResourceEdge) -> str:
    """Why one resource needs another, in one sentence."""
    requirement, provider = edge.requirement, edge.provision.resource
    need, consumer = requirement.need, requirement.resource
    if isinstance(need, KindNeed):
        verb = "serves" if provider == crd_id(need.group, need.plural) else "brings"
        if (need.group, need.kind) == consumer.group_kind:
            return f"{consumer} is of a kind that {provider} {verb}"
        return f"{consumer} needs the kind {kind_text(need.group, need.kind)}, which {provider} {verb} ({requirement.field})"
    if requirement.reason == "webhook":
        return f"{consumer} is admitted by the webhook of {provider}"
    made = "" if need_id(edge) == provider else f", made by {provider}"
    if isinstance(need, ObjectNeed) and need.id.kind == "Namespace" and not need.id.group:
        return f"{consumer} lives in namespace {need.id.name}{made}"
    return f"{consumer} needs {need}{made} ({requirement.field})"


def need_id(edge: ResourceEdge) -> ResourceId | None:
    """The object that an edge is about, if it is about one."""
    need = edge.requirement.need
    return need.id if isinstance(need, ObjectNeed) else None


def evidence(edges: Iterable[ResourceEdge]) -> tuple[Related, ...]:
    """One line of evidence for each edge, at the place of the requirement."""
    return tuple(Related(sentence(edge), edge.requirement.place) for edge in edges)


def worst(edges: Sequence[ResourceEdge]) -> Requirement:
    """The reason that costs most when the provider comes late."""
    return min((edge.requirement for edge in edges), key=_rank)


def _rank(requirement: Requirement) -> int:
    if requirement.effect is Effect.APPLY:
        return 0
    return {Healing.NEVER: 1, Healing.SLOW: 2, Healing.PROMPT: 3}[requirement.healing]


def delay(requirement: Requirement) -> str:
    """What happens when one requirement is met late, in words that are the same for all units."""
    kind = requirement.resource.kind
    if requirement.reason == "webhook":
        return "while that starts it is refused, and tried again only after a whole retryInterval"
    if requirement.effect is Effect.APPLY:
        return "too early it is refused, and tried again only after a whole retryInterval"
    if kind == "Kustomization":
        return "too early its build fails, and is tried again only after a whole retryInterval"
    if requirement.looked_for:
        return "too early it starts without, or not at all, until it is restarted"
    if requirement.healing is Healing.NEVER:
        return "too early the release fails, and is not tried again once its retries are used up"
    if kind == "HelmRelease" and requirement.healing is Healing.SLOW:
        if requirement.reason == "values":
            return "too early the release fails, and its retries back off up to 15 min"
        return "too early the release fails, and is tried again minutes later"
    if requirement.healing is Healing.SLOW:
        return "too early it backs off, and is then as late again as what it waits for, up to 7 min"
    return "its unit waits for it until the timeout"


def delay_in(requirement: Requirement, unit: Unit | None) -> str:
    """What happens when one requirement is met late, in the seconds of the unit that applies the consumer."""
    if requirement.effect is Effect.APPLY:
        return f"{'while that starts' if requirement.reason == 'webhook' else 'too early'} it is refused, and {_retry(unit)}"
    if requirement.resource.kind == "Kustomization":
        return f"too early its build fails, and {_retry(unit)}"
    if requirement.healing is Healing.PROMPT and unit is not None:
        return f"{unit.id} waits for it until its timeout ({duration(unit.timeout or _default_timeout(unit))}), and is {_retry(unit)}"
    return delay(requirement)


def consequence(requirement: Requirement) -> str:
    """What happens for as long as something is not there."""
    kind = requirement.resource.kind
    if requirement.effect is Effect.APPLY:
        return "it is refused for ever"
    if requirement.effect is Effect.ROTATE:
        return "it runs on without it"
    if kind in ("ExternalSecret", "ClusterExternalSecret"):
        return "it stays at SecretSyncedError"
    if kind in ("PushSecret", "ClusterPushSecret"):
        return "it stays at Errored"
    if kind in ("SecretStore", "ClusterSecretStore"):
        return "it stays at InvalidProviderConfig"
    if isinstance(requirement.need, ObjectNeed) and requirement.need.id.kind == "ServiceAccount":
        # Flux applies a unit on behalf of the account that it names.
        return "nothing of it is applied" if kind in ("Kustomization", "HelmRelease") else "its pods are refused"
    if kind == "Kustomization":
        return "it stays at ArtifactFailed" if requirement.reason == "source" else "its build fails at each interval"
    if kind == "HelmRelease":
        return "the release is never installed" if requirement.reason in ("source", "chart", "values") else "the release never gets ready"
    return "it waits for ever"


def _retry(unit: Unit | None) -> str:
    if unit is None or unit.is_overlay:
        return "not tried again by itself"
    if unit.retry_interval is not None:
        return f"tried again only after {duration(unit.retry_interval)}"
    if unit.interval is not None:
        return f"tried again only after {duration(unit.interval)} (no retryInterval)"
    return "tried again only after a whole interval"


def _default_timeout(unit: Unit) -> float:
    # kustomize-controller: the interval less 30 s, at least 30 s.
    return max(30.0, (unit.interval or 600.0) - 30.0)


def asker(requirement: Requirement) -> ResourceId | str:
    """What a finding is about: who needs something, or the file of the store that all who read through it need it for."""
    return requirement.place.file if requirement.referent else requirement.resource


def also(entries: Sequence[Unmet]) -> list[Related]:
    """Where else the same is needed."""
    first = entries[0].requirement
    return [
        Related(f"also at {other.field}" if other.resource == first.resource else f"{other.resource} needs it too", other.place)
        for other in (entry.requirement for entry in entries[1:])
    ]


def consumers(entries: Sequence[Unmet]) -> str:
    """Who needs something, in words that a verb in the singular can follow."""
    first = entries[0].requirement.resource
    others = {entry.requirement.resource for entry in entries} - {first}
    return f"{first} (and {len(others)} more)" if others else str(first)
