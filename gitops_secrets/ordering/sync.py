"""Order within an Application: phases, waves, kinds, names (gitops-engine, `sync_tasks.go`; Argo CD 3.5)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from gitops_secrets.model.facts import Resource
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_text
from gitops_secrets.rendering.argo.applications import WAVE

HOOK: Final = "argocd.argoproj.io/hook"
HOOK_DELETION: Final = "argocd.argoproj.io/hook-delete-policy"
SYNC_OPTIONS: Final = "argocd.argoproj.io/sync-options"
_HELM_HOOK: Final = "helm.sh/hook"
_HELM_WEIGHT: Final = "helm.sh/hook-weight"
_KINDS: Final = """
    Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget ServiceAccount Secret SecretList ConfigMap StorageClass
    PersistentVolume PersistentVolumeClaim CustomResourceDefinition ClusterRole ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList
    RoleBinding RoleBindingList Service DaemonSet Pod ReplicationController ReplicaSet Deployment HorizontalPodAutoscaler StatefulSet Job CronJob
    IngressClass Ingress APIService
    """.split()
_RANKS: Final = {kind: number for number, kind in enumerate(_KINDS)}


class Phase(IntEnum):
    """Phases of a sync, in their order."""

    PRE_SYNC = 0
    SYNC = 1
    POST_SYNC = 2
    OTHER = 3  # on failure or deletion, or never: no part of a sync that goes well

    def __str__(self) -> str:
        return ("PreSync", "Sync", "PostSync", "no phase")[self]


_PHASES: Final = {"PreSync": Phase.PRE_SYNC, "Sync": Phase.SYNC, "PostSync": Phase.POST_SYNC}
_HELM_PHASES: Final = {
    "crd-install": Phase.SYNC,
    "pre-install": Phase.PRE_SYNC,
    "pre-upgrade": Phase.PRE_SYNC,
    "post-install": Phase.POST_SYNC,
    "post-upgrade": Phase.POST_SYNC,
}


class Position(NamedTuple):
    """When an object is applied in a sync of its Application. What has the same phase and wave is applied at once, kind by kind, without a wait."""

    phase: Phase
    wave: int
    rank: int
    name: str

    @property
    def step(self) -> tuple[Phase, int]:
        """Argo CD waits for all of one step to be healthy before the next one."""
        return self.phase, self.wave

    @property
    def text(self) -> str:
        """As people speak of it."""
        return f"wave {self.wave}" if self.phase is Phase.SYNC else f"{self.phase} wave {self.wave}" if self.wave else str(self.phase)


# Where everything stands that a chart makes, as far as is known.
RELEASE: Final = Position(Phase.SYNC, 0, 0, "")


def position(resource: Resource) -> Position:
    """When an object is applied."""
    annotations = _annotations(resource.data)
    return Position(_phase(annotations), _wave(annotations), _RANKS.get(resource.id.kind, len(_KINDS)), resource.id.name)


def is_hook(resource: Resource) -> bool:
    """Is it made anew for each sync, and no part of what the Application holds?"""
    annotations = _annotations(resource.data)
    return HOOK in annotations or as_text(annotations.get(_HELM_HOOK)) in _HELM_PHASES


def deletion_policy(resource: Resource) -> frozenset[str]:
    """When a hook is deleted: BeforeHookCreation unless written."""
    written = as_text(_annotations(resource.data).get(HOOK_DELETION))
    return frozenset(part.strip() for part in written.split(",") if part.strip()) or frozenset({"BeforeHookCreation"})


def order_place(resource: Resource) -> Place:
    """Where a person would change when an object is applied."""
    annotations = _annotations(resource.data)
    return next((annotations.place(key) for key in (WAVE, HOOK, _HELM_WEIGHT, _HELM_HOOK) if key in annotations), resource.place)


def options(resource: Resource) -> frozenset[str]:
    """The sync options of an object."""
    return frozenset(part.strip() for part in as_text(_annotations(resource.data).get(SYNC_OPTIONS)).split(","))


def _phase(annotations: MappingNode) -> Phase:
    hooks = [part.strip() for part in as_text(annotations.get(HOOK)).split(",") if part.strip()]
    if hooks:
        return min((_PHASES[hook] for hook in hooks if hook in _PHASES), default=Phase.OTHER)
    helm = [part.strip() for part in as_text(annotations.get(_HELM_HOOK)).split(",") if part.strip()]
    return min((_HELM_PHASES[hook] for hook in helm if hook in _HELM_PHASES), default=Phase.OTHER) if helm else Phase.SYNC


def _wave(annotations: MappingNode) -> int:
    for key in (WAVE, _HELM_WEIGHT):
        try:
            return int(as_text(annotations.get(key)))
        except ValueError:
            continue
    return 0


def _annotations(node: MappingNode) -> MappingNode:
    return as_mapping(as_mapping(node.get("metadata")).get("annotations"))
