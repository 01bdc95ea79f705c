"""/metrics, /healthz and /readyz, over HTTP."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from urllib.error import HTTPError

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gitops_secrets.controller.endpoint import Endpoint
from gitops_secrets.controller.metrics import Metrics
from gitops_secrets.controller.settings import Address
from gitops_secrets.errors import OutsideError
from tests.controller.sample import BROKEN, STORES, WELL


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def endpoint(metrics: Metrics) -> Iterator[Endpoint]:
    endpoint = Endpoint(Address("127.0.0.1", 0), metrics, is_alive=lambda: True, is_ready=lambda: False)
    yield endpoint
    endpoint.close()


def ask(endpoint: Endpoint, path: str, accept: str = "application/openmetrics-text") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{endpoint.port}{path}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, ""


def samples(endpoint: Endpoint) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    _, text = ask(endpoint, "/metrics")
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def test_metrics_are_open_metrics_and_say_how_it_stands(endpoint: Endpoint, metrics: Metrics) -> None:
    metrics.stands(WELL)
    metrics.stands(BROKEN)
    found = samples(endpoint)

    assert found["gitops_secrets_ready", frozenset({("status", "False")})] == 1
    assert found["gitops_secrets_objects", frozenset({("kind", "ClusterSecretStore"), ("state", "not-ready")})] == 1
    assert found["gitops_secrets_unit_ready", frozenset({("kind", "Kustomization"), ("namespace", "flux-system"), ("name", "stores")})] == 0
    assert found["gitops_secrets_failures_total", frozenset({("reason", "HealthCheckFailed")})] == 1
    assert found["gitops_secrets_causes", frozenset()] == 1


def test_what_is_broken_for_long_is_one_failure(endpoint: Endpoint, metrics: Metrics) -> None:
    for standing in (BROKEN, replace(BROKEN, ready=3), WELL, BROKEN):
        metrics.stands(standing)

    assert samples(endpoint)["gitops_secrets_failures_total", frozenset({("reason", "HealthCheckFailed")})] == 2


def test_only_the_last_revision_is_there(endpoint: Endpoint, metrics: Metrics) -> None:
    metrics.took_up("main@sha1:1")
    metrics.took_up("main@sha1:2")
    revisions = [dict(labels) for name, labels in samples(endpoint) if name == "gitops_secrets_revision_info"]

    assert revisions == [{"revision": "main@sha1:2"}]


def test_nothing_counted_up_has_the_name_of_an_object_in_it(endpoint: Endpoint, metrics: Metrics) -> None:
    metrics.asked(STORES)
    metrics.stands(BROKEN)

    assert not [name for name, labels in samples(endpoint) if name.endswith("_total") and {"name", "namespace"} & dict(labels).keys()]


def test_alive_and_not_ready_yet_are_two_things(endpoint: Endpoint) -> None:
    assert [ask(endpoint, path)[0] for path in ("/healthz", "/readyz", "/other")] == [200, 503, 404]


def test_a_port_that_is_taken_is_the_outsides_fault(endpoint: Endpoint, metrics: Metrics) -> None:
    with pytest.raises(OutsideError, match=r"can't listen on 127\.0\.0\.1"):
        Endpoint(Address("127.0.0.1", endpoint.port), metrics, is_alive=lambda: True, is_ready=lambda: True)
