"""The sample platform on an empty cluster, by Flux alone at its default settings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.bed import sample
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.history import History
from tests.e2e.bed.processes import wait_until

OVERLAYS = [pytest.param("development"), pytest.param("staging", marks=pytest.mark.full), pytest.param("production", marks=pytest.mark.full)]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_with_the_generated_order_all_comes_up_without_a_failed_reconciliation(bed: Bed, overlay: str, figure: Callable[[str, str], None]) -> None:
    served = sample.serve(bed, overlay)
    history = History(bed.api)
    sample.bootstrap(bed, served)
    seconds = wait_until(lambda: sample.is_ready(bed, served), "all units and ExternalSecrets are Ready", timeout=300, interval=0.5)
    figure(f"bring-up of {overlay} with the generated order", f"{seconds:.0f} s, {len(history.failed)} failed reconciliations")

    assert sample.secrets_in(bed, served) == served.secrets
    assert history.failed == ()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_without_depends_on_units_are_refused(bed: Bed, overlay: str, figure: Callable[[str, str], None]) -> None:
    served = sample.serve(bed, overlay, ordered=False)
    history = History(bed.api)
    sample.bootstrap(bed, served)
    seconds = wait_until(lambda: sample.is_ready(bed, served), "all units and ExternalSecrets are Ready", timeout=900, interval=0.5)
    figure(f"bring-up of {overlay} without dependsOn", f"{seconds:.0f} s, {len(history.failed)} failed reconciliations")

    assert {transition.reason for transition in history.failed} == {"ReconciliationFailed"}
