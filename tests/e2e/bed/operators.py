"""Installs an operator on a bed by its HelmRelease, where how it gets there is not what the test is about."""

from __future__ import annotations

from typing import Any

from tests.e2e.bed import charts
from tests.e2e.bed.api import HELM_RELEASE, is_ready
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.processes import wait_until

NAMESPACE = "external-secrets"
VERSION = "0.20.4"


def install_external_secrets(bed: Bed, **values: Any) -> None:
    """External Secrets Operator, running when this returns; with `values` of its chart."""
    bed.charts.add("external-secrets", VERSION, charts.external_secrets(bed.programs))
    named = {"name": "external-secrets", "namespace": NAMESPACE}
    bed.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    bed.api.apply(
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "HelmRepository",
            "metadata": named,
            "spec": {"interval": "1h", "url": bed.charts.url},
        }
    )
    chart = {"chart": "external-secrets", "version": VERSION, "sourceRef": {"kind": "HelmRepository", "name": "external-secrets"}}
    bed.api.apply(
        {
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "metadata": named,
            "spec": {"interval": "1h", "chart": {"spec": chart}, "values": {"installCRDs": True, **values}},
        }
    )
    wait_until(lambda: is_ready(bed.api.get(HELM_RELEASE, NAMESPACE, "external-secrets")), "the operator is installed", timeout=180, interval=0.5)
    wait_until(lambda: bed.kubelet.process("external-secrets") is not None, "the operator runs")
