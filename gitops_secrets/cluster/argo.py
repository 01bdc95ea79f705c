"""Applications in a cluster: how far one is, and how it is made to look again or to sync (Argo CD 3.5, argoproj.io/v1alpha1).

All of it goes through the API of Kubernetes, as with `argocd --core`: an annotation asks for a refresh, the field `operation` for a sync. What a project
forbids and what a sync window denies stays forbidden: the controller judges each operation, and one that it would hold back is not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from typing import Any, Final

from gitops_secrets.cluster.live import Live, annotation, at, items, mapping, moment, text
from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.results import Unit
from gitops_secrets.rendering.argo.applications import PROJECT

GROUP: Final = "argoproj.io"
APPLICATION: Final = (GROUP, "Application")
APPLICATION_SET: Final = (GROUP, "ApplicationSet")
# Our request among those of others: it is still there when the controller has taken the annotation of a refresh off.
REQUESTED_AT: Final = "gitops-secrets/requested-at"
REFRESH: Final = "argocd.argoproj.io/refresh"
_REFRESH_SET: Final = "argocd.argoproj.io/application-set-refresh"
_TRACKING: Final = "argocd.argoproj.io/tracking-id"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_FIXED: Final = re.compile(r"refs/tags/|v?\d+\.\d+|[0-9a-f]{7,40}$")
_FAILED: Final = frozenset({"Failed", "Error"})
_RUNNING: Final = frozenset({"Running", "Terminating"})
_OURS: Final = "gitops-secrets"
_SOURCE_FIELDS: Final = ("repoURL", "path", "chart", "targetRevision")


def is_application(id: ResourceId) -> bool:
    """Is it an Application?"""
    return id.group_kind == APPLICATION


def is_applied_by_argo(live: Live) -> bool:
    """Does Argo CD apply this object from git, or an ApplicationSet make it?"""
    owners = items(live, "metadata", "ownerReferences")
    return bool(annotation(live, _TRACKING)) or any(text(owner, "kind") == "ApplicationSet" for owner in owners)


def is_working(live: Live) -> bool:
    """Is its controller at it, or about to be: a refresh that is asked for, an operation that is wanted or runs?"""
    return bool(annotation(live, REFRESH)) or at(live, "operation") is not None or text(live, "status", "operationState", "phase") in _RUNNING


def has_failed(live: Live) -> bool:
    """Did the last operation on what is wanted now fail?"""
    state = mapping(live, "status", "operationState")
    return text(state, "phase") in _FAILED and (text(live, "status", "sync", "status") != "Synced" or _attempted(live))


def is_compared(live: Live) -> bool:
    """Does its sync status tell of the sources that it has now?"""
    if text(live, "status", "sync", "status") in ("", "Unknown"):
        return False
    if at(live, "spec", "sourceHydrator") is not None:
        return True
    compared = mapping(live, "status", "sync", "comparedTo")
    return [_outline(each) for each in _sources(mapping(live, "spec"))] == [_outline(each) for each in _sources(compared)]


def is_at(live: Live, commit: str | None, behind: Set[str], *, asked: bool) -> bool:
    """Is it compared with a commit, or with a newer one? Who has not `asked` for a newer one can't tell; charts have versions of their own."""
    commits = _commits(live)
    if commit is None or not commits or commit in commits:
        return True
    return asked and behind.isdisjoint(commits)


def is_behind(live: Live, behind: Set[str]) -> str | None:
    """The commit that it is compared with, if that is one of these."""
    return next((commit for commit in _commits(live) if commit in behind), None)


def is_handled(live: Live, token: str) -> bool:
    """Has the controller refreshed it since we asked?"""
    return annotation(live, REQUESTED_AT) == token and not annotation(live, REFRESH)


def wants_sync(live: Live) -> bool:
    """Is it out of sync, or did its last sync fail?"""
    return text(live, "status", "sync", "status") == "OutOfSync" or has_failed(live)


def is_in_vain(live: Live) -> bool:
    """Was it found out of sync after a sync that went well? Another one would change nothing; self-heal tries all the same."""
    state, compared = mapping(live, "status", "operationState"), moment(text(live, "status", "reconciledAt"))
    ended = moment(text(state, "finishedAt"))
    since = compared is not None and ended is not None and compared > ended
    return since and text(state, "phase") == "Succeeded" and text(live, "status", "sync", "status") == "OutOfSync" and _attempted(live) and not _heals(live)


def syncs_itself(live: Live) -> bool:
    """Does Argo CD start a sync without being asked? It does once for each revision, and with self-heal after one that went well (`autoSync`)."""
    if not _attempted(live):
        return _is_automated(live)
    return _heals(live) and text(live, "status", "operationState", "phase") == "Succeeded"


def refresh_request(id: ResourceId, token: str) -> Mapping[str, str]:
    """The annotations that ask for a refresh: new revisions are looked for, and what is there is compared with them."""
    return {REQUESTED_AT: token, **({REFRESH: "normal"} if is_application(id) else {_REFRESH_SET: "true"})}


def sync_request(live: Live, token: str) -> Mapping[str, Any]:
    """A merge patch that starts a sync to what the Application was compared with, as its own policy says: retries, options, and whether it prunes.

    It names the version of the object, so that it is refused where somebody else has started one in the meantime.
    """
    policy, compared = mapping(live, "spec", "syncPolicy"), mapping(live, "status", "sync")
    wanted = {"revision": at(compared, "revision"), "revisions": at(compared, "revisions"), "syncOptions": at(policy, "syncOptions")}
    sync = {"prune": at(policy, "automated", "prune") is True, **{key: value for key, value in wanted.items() if value}}
    operation: dict[str, Any] = {"sync": sync, "initiatedBy": {"username": _OURS}, "info": [{"name": _OURS, "value": token}]}
    if at(policy, "retry") is not None:
        operation["retry"] = at(policy, "retry")
    return {"metadata": {"resourceVersion": text(live, "metadata", "resourceVersion")}, "operation": operation}


def is_superseded(live: Live, behind: Set[str]) -> bool:
    """Is it still being synced to an older commit, with no hook under way? Argo CD takes up no new one before that ends, which a wave may never do."""
    state = mapping(live, "status", "operationState")
    hooks = any(text(entry, "hookPhase") == "Running" and text(entry, "hookType") not in ("", "Sync") for entry in items(state, "syncResult", "resources"))
    return text(state, "phase") == "Running" and not hooks and not behind.isdisjoint(_revisions(mapping(state, "syncResult")))


def is_backing_off(live: Live) -> bool:
    """Has a try of its operation failed, and the next one not begun?"""
    state = mapping(live, "status", "operationState")
    return text(state, "phase") == "Running" and bool(text(state, "finishedAt"))


def end_request(live: Live) -> Mapping[str, Any]:
    """A merge patch that ends an operation, as `argocd app terminate-op` does."""
    return {"metadata": {"resourceVersion": text(live, "metadata", "resourceVersion")}, "status": {"operationState": {"phase": "Terminating"}}}


def project_of(unit: Unit, graph: Graph) -> ResourceId | None:
    """The AppProject that says what a unit may do; None for what is no Application."""
    if unit.sync is None or not is_application(unit.id):
        return None
    name = text(unit.data, "spec", "project") or "default"
    known = (*(applied.resource.id for applied in graph.cluster.resources), *(resource.id for resource in graph.cluster.given))
    # With Applications in other namespaces than Argo CD's, projects stay with Argo CD.
    return next((id for id in known if id.group_kind == PROJECT and id.name == name), ResourceId(*PROJECT, unit.id.namespace, name))


def _is_automated(live: Live) -> bool:
    automated = at(live, "spec", "syncPolicy", "automated")
    return isinstance(automated, Mapping) and automated.get("enabled") is not False


def _heals(live: Live) -> bool:
    return _is_automated(live) and at(live, "spec", "syncPolicy", "automated", "selfHeal") is True


def _attempted(live: Live) -> bool:
    """Was the last operation on the revisions that it is compared with?"""
    state = mapping(live, "status", "operationState")
    tried = _revisions(mapping(state, "syncResult")) or _revisions(mapping(state, "operation", "sync"))
    return bool(state) and tried == _revisions(mapping(live, "status", "sync"))


def _revisions(node: Live) -> list[str]:
    return [str(each) for each in items(node, "revisions")] or list(filter(None, [text(node, "revision")]))


def _commits(live: Live) -> list[str]:
    """The commits that it is compared with, but for those of sources that stay at one by what is written: a tag, or the commit itself."""
    pairs = zip(_sources(mapping(live, "spec")), _revisions(mapping(live, "status", "sync")), strict=False)
    return [revision for source, revision in pairs if _COMMIT.fullmatch(revision) and not _FIXED.match(text(source, "targetRevision"))]


def _sources(node: Live) -> list[Live]:
    return [each for each in items(node, "sources") if isinstance(each, Mapping)] or [mapping(node, "source")]


def _outline(source: Live) -> tuple[str, ...]:
    return tuple(text(source, field) for field in _SOURCE_FIELDS)
