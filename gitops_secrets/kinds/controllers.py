"""What objects need of the releases that run the controllers of their kinds, beside their definitions."""

from __future__ import annotations

from collections.abc import Mapping

from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.facts import Confidence, Effect, ObjectNeed, Requirement, Resource
from gitops_secrets.model.ids import ResourceId


def controller_requirement(resource: Resource, controllers: Mapping[str, ResourceId]) -> Requirement | None:
    """What a custom resource needs to be of use, beside its definition: the release that runs its controller. Nothing is refused without it.

    `controllers` comes from `controllers_of` the releases of the same cluster.
    """
    release = controllers.get(resource.id.group)
    if release is None or release == resource.id:
        return None
    place = resource.data.place("apiVersion") if "apiVersion" in resource.data else resource.place
    return Requirement(resource.id, ObjectNeed(release), Effect.READY, "operator", "apiVersion", place, soft=True, confidence=Confidence.LIKELY)


def webhook_requirement(resource: Resource, operators: Mapping[str, ResourceId], table: KindTable) -> Requirement | None:
    """What an object needs beside its definition: the webhook that admits it, refused while that has no endpoint (`failurePolicy: Fail`).

    `operators` comes from `operators_of` the releases of the same cluster: where none of them runs the operator, nothing is known of its webhook.
    """
    row = table.row(resource.id.group, resource.id.kind)
    webhook = operators.get(resource.id.group)
    if row is None or not row.webhook or webhook is None:
        return None
    place = resource.data.place("apiVersion") if "apiVersion" in resource.data else resource.place
    return Requirement(resource.id, ObjectNeed(webhook), Effect.APPLY, "webhook", "apiVersion", place, confidence=Confidence.LIKELY)
