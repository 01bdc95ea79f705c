"""Admission webhooks that stand in the repository as plain manifests: whose objects they admit, and which workload answers for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gitops_secrets.model.facts import Confidence, ObjectNeed, Provision, Resource, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text
from gitops_secrets.model.workloads import ROLLED_OUT

_CONFIGURATIONS = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})


@dataclass(frozen=True, slots=True)
class ServedWebhook:
    """A webhook configuration that refuses what it can't ask about, and the workload behind its service."""

    configuration: Resource
    workload: Resource
    groups: frozenset[str]  # API groups whose objects it admits

    @property
    def provision(self) -> Provision:
        """The webhook answers once its workload is ready: until then the API server refuses each object of these groups (`failed calling webhook`)."""
        return Provision(self.workload.id, ObjectNeed(self.configuration.id), When.LATER, self.workload.place, confidence=Confidence.CERTAIN)


def served_webhooks(resources: Iterable[Resource]) -> tuple[ServedWebhook, ...]:
    """The webhooks among the manifests of a cluster whose service and workload are there too, in the order of their names."""
    found = list(resources)
    configurations = [resource for resource in found if resource.id.group == "admissionregistration.k8s.io" and resource.id.kind in _CONFIGURATIONS]
    if not configurations:
        return ()
    services = {resource.id: resource for resource in found if resource.id.group_kind == ("", "Service")}
    workloads = [resource for resource in found if resource.id.group_kind in ROLLED_OUT]
    served = (_served(configuration, services, workloads) for configuration in sorted(configurations, key=lambda each: each.id))
    return tuple(webhook for webhook in served if webhook is not None)


def _served(configuration: Resource, services: Mapping[ResourceId, Resource], workloads: Iterable[Resource]) -> ServedWebhook | None:
    groups: set[str] = set()
    names: set[tuple[str, str]] = set()
    for webhook in map(as_mapping, as_sequence(configuration.data.get("webhooks"))):
        service = as_mapping(as_mapping(webhook.get("clientConfig")).get("service"))
        if service and webhook.get("failurePolicy") != "Ignore":
            names.add((as_text(service.get("namespace")), as_text(service.get("name"))))
            groups.update(_groups(webhook))
    for namespace, name in sorted(names):
        service_id = ResourceId("", "Service", namespace, name)
        selector = as_mapping(services[service_id].spec.get("selector")) if service_id in services else None
        workload = next((each for each in workloads if selector and each.id.namespace == namespace and selector.items() <= _labels(each).items()), None)
        if workload is not None and groups:
            return ServedWebhook(configuration, workload, frozenset(groups))
    return None


def _groups(webhook: MappingNode) -> Iterator[str]:
    """Groups that are named: what concerns every group says nothing of a kind."""
    for rule in map(as_mapping, as_sequence(webhook.get("rules"))):
        for group in as_sequence(rule.get("apiGroups")):
            if isinstance(group, str) and "." in group and "*" not in group:
                yield group


def _labels(workload: Resource) -> MappingNode:
    template = as_mapping(workload.spec.get("template"))
    return as_mapping(as_mapping(template.get("metadata")).get("labels"))
