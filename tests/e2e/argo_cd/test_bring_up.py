"""The sample platform on an empty cluster with Argo CD: by itself, and with reconcile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.argo_cd import platform
from tests.e2e.bed import sample, tool
from tests.e2e.bed.argo_cd import SyncHistory
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.processes import wait_until

Figure = Callable[[str, str], None]


@pytest.mark.parametrize("waves", [True, False], ids=["with the generated waves", "without waves"])
def test_argo_cd_by_itself(bed: Bed, waves: bool, figure: Figure, request: pytest.FixtureRequest) -> None:
    served = platform.serve(bed, waves=waves)
    history = SyncHistory(bed)
    platform.bootstrap(bed, served)
    seconds = wait_until(lambda: platform.is_there(bed, served), "all Applications and ExternalSecrets are well", timeout=900, interval=0.5)
    figure(f"bring-up {request.node.callspec.id}", f"{seconds:.0f} s, {len(history.failed)} failed tries")

    assert sample.secrets_in(bed, served) == served.secrets
    assert bool(history.failed) is not waves


@pytest.mark.parametrize("waves", [True, False], ids=["with the generated waves", "without waves"])
def test_reconcile_brings_it_up(bed: Bed, waves: bool, figure: Figure, request: pytest.FixtureRequest) -> None:
    served = platform.serve(bed, waves=waves)
    history = SyncHistory(bed)
    with served.repository.checkout() as tree:
        done = tool.run("reconcile", "overlays/argo", "--kubeconfig", bed.kubeconfig, "--format", "json", directory=tree)
        verified = tool.run("verify", "overlays/argo", "--kubeconfig", bed.kubeconfig, directory=tree)
    figure(f"reconcile {request.node.callspec.id}", f"{done.seconds:.0f} s, {len(history.failed)} failed tries")

    assert done.status == 0, done.output + done.errors
    assert (done.document["run"]["end"], verified.status) == ("ready", 0), verified.output + verified.errors
    assert sample.secrets_in(bed, served) == served.secrets
