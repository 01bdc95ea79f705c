"""`reconcile` gets there through interruptions, kills, outages and a second run beside it, and shows no value on the way."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.bed import faults, sample, tool
from tests.e2e.bed.api import KUSTOMIZATION
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.canary import in_arguments, sightings
from tests.e2e.bed.faults import Request
from tests.e2e.bed.processes import wait_until

KILLS = 20


def generations(bed: Bed) -> set[int]:
    """How often the units' specs were written."""
    return {unit["metadata"]["generation"] for unit in bed.api.list(KUSTOMIZATION)}


def test_it_is_out_within_two_seconds_of_sigterm_and_goes_on_after_a_kill(bed: Bed, figure: Callable[[str, str], None]) -> None:
    def units() -> int:
        return len(bed.api.list(KUSTOMIZATION))

    with sample.served(bed) as (platform, tree):
        with tool.running("reconcile", platform.path, directory=tree, kubeconfig=bed.kubeconfig) as interrupted:
            wait_until(lambda: units() > 0, "the first units are applied")
            interrupted.send_signal(signal.SIGTERM)
            started = time.monotonic()
            output, _ = interrupted.communicate(timeout=30)
            took = time.monotonic() - started
        with tool.running("reconcile", platform.path, directory=tree, kubeconfig=bed.kubeconfig):
            there = units()
            wait_until(lambda: units() > there, "further units are applied")
        again = tool.run("reconcile", platform.path, directory=tree, kubeconfig=bed.kubeconfig)
    figure("reconcile after SIGTERM and a kill", f"out after {took:.1f} s; run again, exit status {again.status}")

    assert (interrupted.returncode, again.status) == (130, 0), again.output + again.errors
    assert "interrupted" in output
    assert took < 2
    assert sample.secrets_in(bed, platform) == platform.secrets
    assert generations(bed) == {1}


def test_no_value_of_the_provider_shows_anywhere(bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str, str], None]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with sample.served(bed) as (platform, tree):

        def run(command: str, *arguments: str) -> tool.Result:
            return tool.run(command, platform.path, "--debug", *arguments, directory=tree, kubeconfig=bed.kubeconfig)

        with in_arguments(platform.canary) as found:
            runs = [run("reconcile", "--force-sync", "-v")]
            runs += [run("verify", "--format", form) for form in ("text", "json", "junit", "markdown")]
            runs.append(run("reconcile", "--dry-run"))
            bed.provider.account("eu-west-1").delete_secret("dev/example")
            runs.append(run("reconcile", "--force-sync", "--timeout", "20s"))
        found += sightings(bed, platform.canary, texts=[text for each in runs for text in (each.output, each.errors)], folders=[tmp_path])
    figure("places that show a value of the provider", str(len(found)))

    assert sample.secrets_in(bed, platform) == platform.secrets
    assert [each.status for each in runs] == [0, 0, 0, 0, 0, 0, 4], "".join(each.errors for each in runs)
    assert found == []


@pytest.mark.full
def test_runs_that_are_killed_at_random_moments_end_where_an_undisturbed_one_does(bed: Bed, figure: Callable[[str, str], None]) -> None:
    moments = random.Random(8)
    killed = runs = 0
    with sample.served(bed) as (platform, _):
        while killed < KILLS and runs < 3 * KILLS:
            runs += 1
            # Each commit has all units apply again, so that there is something to do.
            platform.repository.commit({"README.md": f"{runs}\n"})
            with platform.repository.checkout() as tree, tool.running("reconcile", platform.path, directory=tree, kubeconfig=bed.kubeconfig) as run:
                try:
                    run.wait(moments.uniform(0.5, 8))
                except subprocess.TimeoutExpired:
                    killed += 1
        with platform.repository.checkout() as tree:
            last = tool.run("reconcile", platform.path, directory=tree, kubeconfig=bed.kubeconfig)
            written = {file.stem for file in (tree / platform.path / "flux").glob("*.yaml")} - {"kustomization"}
    figure("reconcile after kills", f"exit status {last.status} after {killed} kills")

    assert killed == KILLS
    assert last.status == 0, last.output + last.errors
    assert {unit["metadata"]["name"] for unit in bed.api.list(KUSTOMIZATION)} == written
    assert sample.secrets_in(bed, platform) == platform.secrets
    assert generations(bed) == {1}


@pytest.mark.full
def test_it_outlasts_an_api_server_that_is_away_watches_that_expire_and_storms_of_429(bed: Bed, figure: Callable[[str, str], None]) -> None:
    odds = random.Random(8)

    def every_third(request: Request) -> bool:
        return odds.random() < 0.3

    storm = faults.too_many_requests()
    storm.when = every_third
    with (
        sample.served(bed) as (platform, tree),
        bed.proxied() as (proxy, kubeconfig),
        tool.running("reconcile", platform.path, directory=tree, kubeconfig=kubeconfig) as run,
    ):
        wait_until(lambda: bool(bed.api.list(KUSTOMIZATION)), "the first units are applied")
        for fault in (storm, faults.server_error(), faults.watch_expired(), faults.token_expired()):
            with proxy.fault(fault):
                proxy.cut()
                time.sleep(2)
        with proxy.away():
            time.sleep(30)
        output, errors = run.communicate(timeout=300)
    figure("reconcile through an outage of 30 s, expired watches and 429", f"exit status {run.returncode}")

    assert run.returncode == 0, output + errors
    assert sample.secrets_in(bed, platform) == platform.secrets


@pytest.mark.full
def test_two_runs_at_once_do_not_fight(bed: Bed, figure: Callable[[str, str], None]) -> None:
    with sample.served(bed) as (platform, tree):
        arguments = ("reconcile", platform.path)
        with (
            tool.running(*arguments, directory=tree, kubeconfig=bed.kubeconfig) as first,
            tool.running(*arguments, directory=tree, kubeconfig=bed.kubeconfig) as second,
        ):
            outputs = [run.communicate(timeout=600)[0] for run in (first, second)]
    ends = [first.returncode, second.returncode]
    figure("two runs at once", f"exit statuses {ends[0]} and {ends[1]}")

    assert ends == [0, 0], outputs
    assert generations(bed) == {1}
