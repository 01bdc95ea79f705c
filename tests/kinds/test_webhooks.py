"""Admission webhooks among plain manifests."""

from __future__ import annotations

import pytest

from gitops_secrets.kinds.webhooks import served_webhooks
from gitops_secrets.model.facts import Resource, When
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.scopes import is_namespaced
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.syntax.yaml import parse

MANIFESTS = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: cert-manager-webhook}
webhooks:
  - name: webhook.cert-manager.io
    failurePolicy: Fail
    clientConfig: {service: {name: webhook, namespace: cert-manager}}
    rules: [{apiGroups: [cert-manager.io, acme.cert-manager.io, "*"], apiVersions: [v1], operations: [CREATE], resources: ["*/*"]}]
---
apiVersion: v1
kind: Service
metadata: {name: webhook, namespace: cert-manager}
spec: {selector: {app: webhook}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: webhook, namespace: cert-manager}
spec: {template: {metadata: {labels: {app: webhook, part-of: cert-manager}}}}
"""


def resources(text: str) -> list[Resource]:
    found = [to_resource(document, is_namespaced, "default") for document in parse(text, "webhook.yaml", DEFAULT_LIMITS).documents]
    return [resource for resource in found if resource is not None]


def test_the_workload_behind_its_service_answers_for_a_webhook() -> None:
    (webhook,) = served_webhooks(resources(MANIFESTS))

    assert str(webhook.configuration.id) == "ValidatingWebhookConfiguration//cert-manager-webhook"
    assert str(webhook.provision.resource) == "Deployment/cert-manager/webhook"
    assert webhook.provision.when is When.LATER
    assert webhook.groups == {"cert-manager.io", "acme.cert-manager.io"}


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("failurePolicy: Fail", "failurePolicy: Ignore"),
        ('apiGroups: [cert-manager.io, acme.cert-manager.io, "*"]', 'apiGroups: ["*"]'),
        ("selector: {app: webhook}", "selector: {app: other}"),
        ("clientConfig: {service: {name: webhook, namespace: cert-manager}}", "clientConfig: {url: https://example.org}"),
        ("webhooks:\n", "others:\n"),
        ("failurePolicy: Fail\n    clientConfig: {service: {name: webhook", "clientConfig: {service: {name: [webhook]"),
    ],
)
def test_a_webhook_that_refuses_nothing_or_answers_elsewhere_says_nothing(written: str, instead: str) -> None:
    assert written in MANIFESTS
    assert served_webhooks(resources(MANIFESTS.replace(written, instead))) == ()
