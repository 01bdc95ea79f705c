"""A plan to Argo CD Applications: one for each component of an overlay, in the fewest waves that put everything behind what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gitops_secrets.generate.changes import Form
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.ordering.order import Plan
from gitops_secrets.rendering.argo.applications import ARGO_GROUP, IN_CLUSTER, WAVE

_MARK: Final = "# Written by gitops-secrets generate argo."
ARGO_FORM: Final = Form(
    ARGO_GROUP,
    "Application",
    (
        ("metadata", "namespace"),
        ("metadata", "annotations", WAVE),
        ("spec", "project"),
        ("spec", "source", "repoURL"),
        ("spec", "source", "targetRevision"),
        ("spec", "source", "path"),
    ),
    _MARK,
    f"{_MARK} The sync wave, project, repoURL, targetRevision and path follow the graph and the options; all else is yours.\n",
)
WAVES_HEADER: Final = f"{_MARK} It puts objects of the component into later waves, and leaves the component alone.\n"


@dataclass(frozen=True, slots=True)
class ArgoOptions:
    """How Applications are written."""

    repository: str  # the url that Argo CD reads this repository under
    revision: str = "HEAD"
    namespace: str = "argocd"
    project: str = "default"


def application(name: str, path: str, wave: int, destination: str, options: ArgoOptions) -> dict[str, Any]:
    """The manifest of one Application."""
    return {
        "apiVersion": f"{ARGO_GROUP}/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": options.namespace, "annotations": {WAVE: str(wave)}},
        "spec": {
            "project": options.project,
            "source": {"repoURL": options.repository, "targetRevision": options.revision, "path": path or "."},
            "destination": {"server": IN_CLUSTER.server, "namespace": destination},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                # Definitions of operators are too large for the annotation of a client-side apply.
                "syncOptions": ["ServerSideApply=true"],
                "retry": {"limit": 10, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"}},
            },
        },
    }


def application_waves(plan: Plan) -> dict[ResourceId, int]:
    """The wave of each Application: as many as the longest chain of those that need each other is long, and no more."""
    waves: dict[ResourceId, int] = {}
    for level in plan.levels:
        for unit in level:
            waves[unit] = max((waves[target] + 1 for target in plan.depends_on.get(unit, ()) if target in waves), default=0)
    return waves


def later_objects(component: str, waves: Mapping[ResourceId, int], versions: Mapping[ResourceId, str]) -> dict[str, Any]:
    """The kustomization that puts objects of a component, at that path from its own directory, into later waves."""
    patches = []
    for id, wave in sorted(waves.items()):
        target = {key: value for key, value in (("group", id.group), ("kind", id.kind), ("name", id.name), ("namespace", id.namespace)) if value}
        annotated = f'apiVersion: {versions[id]}\nkind: {id.kind}\nmetadata:\n  name: {id.name}\n  annotations:\n    {WAVE}: "{wave}"\n'
        patches.append({"target": target, "patch": annotated})
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [component], "patches": patches}
