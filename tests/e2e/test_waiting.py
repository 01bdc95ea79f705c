"""What waits, waits no longer than what it waits for: beside Flux' and External Secrets Operator's own times."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e.bed import charts, tool
from tests.e2e.bed.api import GIT_REPOSITORY, KUSTOMIZATION, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.history import History
from tests.e2e.bed.operators import install_external_secrets
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.scenario import Scenario

LINKS = ("a", "b", "c", "d", "e")
AT_ONCE = 5.0  # seconds, on a machine that is busy with a whole cluster
REQUEUE = 30.0  # seconds after which Flux looks for a dependency again; whoever waits for that once is not faster


def chain(bed: Bed, name: str) -> Scenario:
    """Five units, each with one ConfigMap and `wait`, each behind the one before it."""
    case = Scenario(bed, name)
    for number, link in enumerate(LINKS):
        case.unit(link, case.config_map(link), wait=True, dependsOn=[{"name": before} for before in LINKS[max(0, number - 1) : number]])
    return case


def gate(case: Scenario) -> None:
    """Writes a unit that is not ready before `open_gate`."""
    check = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gate", "namespace": case.name}
    case.unit("gate", case.config_map("behind"), healthChecks=[check], timeout="15m")


def open_gate(case: Scenario) -> None:
    case.bed.api.apply(case.config_map("gate"))


def reconcile_behind_the_gate(bed: Bed, case: Scenario, *options: str, until: Callable[[], bool], what: str, late: float = 0.0) -> tuple[int, str]:
    """Runs the tool over a case whose gate opens so many seconds after something was seen to happen."""
    with case.repository.checkout() as tree, tool.running("reconcile", ".", *options, directory=tree, kubeconfig=bed.kubeconfig) as run:
        wait_until(until, what)
        time.sleep(late)
        open_gate(case)
        output, _ = run.communicate(timeout=300)
    return run.returncode, output


def change(case: Scenario) -> str:
    for link in LINKS:
        case.files(link, {"0.yaml": case.config_map(link, changed="yes")})
    return case.commit()


def at_revision(units: list[Object], commit: str) -> bool:
    return len(units) == len(LINKS) and all(unit.get("status", {}).get("lastAppliedRevision", "").endswith(commit) for unit in units)


@pytest.mark.full
def test_flux_alone_takes_a_requeue_for_each_edge(bed: Bed, figure: Callable[[str, str], None]) -> None:
    case = chain(bed, "chain")
    case.apply()
    first = wait_until(lambda: at_revision(bed.api.list(KUSTOMIZATION, "chain"), case.repository.head), "the chain is up", timeout=300, interval=0.5)
    commit = change(case)
    bed.api.poke(GIT_REPOSITORY, "chain", "chain")
    second = wait_until(lambda: at_revision(bed.api.list(KUSTOMIZATION, "chain"), commit), "the chain is at the commit", timeout=300, interval=0.5)
    figure("a chain of four edges by Flux alone", f"{first:.0f} s from nothing, {second:.0f} s at a commit")

    assert second > 3 * REQUEUE


@pytest.mark.parametrize("late", [pytest.param(20.0, id="twenty-seconds"), pytest.param(240.0, id="four-minutes", marks=pytest.mark.full)])
def test_an_external_secret_is_in_sync_as_soon_as_its_late_store_is_ready(bed: Bed, late: float, figure: Callable[[str, str], None]) -> None:
    install_external_secrets(bed)
    case = Scenario(bed, "late")
    case.provider.put_secret("late", "x")
    gate(case)
    case.unit("store", case.credential(), case.store("late"), dependsOn=[{"name": "gate"}])
    case.unit("app", case.external_secret("app", "late", "late"))
    case.apply()
    history = History(bed.api)

    def is_tried() -> bool:
        return any(each.kind == "ExternalSecret" for each in history.transitions)

    status, output = reconcile_behind_the_gate(bed, case, "--timeout", "15m", until=is_tried, what="the operator has tried the ExternalSecret", late=late)
    store, secret = history.ready_at("ClusterSecretStore", "late"), history.ready_at("ExternalSecret", "app")

    assert status == 0, output
    assert store is not None
    assert secret is not None
    figure(f"an ExternalSecret whose store is {late:.0f} s late", f"in sync {secret - store:.1f} s after it")
    assert secret - store < 2


def test_a_refused_unit_is_tried_again_as_soon_as_its_kind_is_served(bed: Bed, figure: Callable[[str, str], None]) -> None:
    bed.charts.add("widgets", "1.0.0", charts.definition("widgets.example.org", "Widget"))
    case = Scenario(bed, "refused")
    widget = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "refused"}, "spec": {}}
    gate(case)
    case.unit("operator", case.helm_repository(), case.helm_release("widgets", "widgets", "1.0.0"), wait=True, dependsOn=[{"name": "gate"}])
    case.unit("app", widget)
    case.apply()
    history = History(bed.api)

    def is_refused() -> bool:
        return any(each.name == "app" for each in history.failed)

    status, output = reconcile_behind_the_gate(bed, case, until=is_refused, what="the unit is refused")
    operator, app = history.ready_at("HelmRelease", "widgets"), history.ready_at("Kustomization", "app")

    assert status == 0, output
    assert operator is not None
    assert app is not None
    figure("a unit that was refused", f"ready {app - operator:.1f} s after the release with its definition (Flux alone: 600 s)")
    assert app - operator < AT_ONCE
