"""`reconcile` takes what its units take, and gets there through kills, outages and a second run beside it, and shows no value on the way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.bed import faults, sample, tool
from tests.e2e.bed.api import KUSTOMIZATION
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.canary import sightings
from tests.e2e.bed.faults import Request
from tests.e2e.bed.history import History
from tests.e2e.bed.sample import Sample

KILLS = 20


@contextmanager
def served(bed: Bed, overlay: str = "development") -> Iterator[tuple[Sample, Path]]:
    """The platform with its source in the cluster, and a checkout: where reconcile begins."""
    platform = sample.serve(bed, overlay)
    sample.apply_source(bed, platform)
    with platform.repository.checkout() as tree:
        yield platform, tree


def longest_chain(bed: Bed, history: History) -> float:
    """Seconds of the chain of units that takes longest, each with the time between its controller's start on it and its being Ready."""
    units = {unit["metadata"]["name"]: [each["name"] for each in unit["spec"].get("dependsOn", [])] for unit in bed.api.list(KUSTOMIZATION)}

    def chain(name: str) -> float:
        started = next(each.seconds for each in history.transitions if (each.kind, each.name, each.reason) == ("Kustomization", name, "Progressing"))
        return (history.ready_at("Kustomization", name) or 0) - started + max((chain(each) for each in units[name]), default=0.0)

    return max(chain(name) for name in units)


@pytest.mark.full
@pytest.mark.parametrize("overlay", ["development", "staging", "production"])
def test_the_platform_comes_up_as_fast_as_its_units_let_it(bed: Bed, overlay: str, figure: Callable[[str, str], None]) -> None:
    with served(bed, overlay) as (platform, tree):
        history = History(bed.api)
        result = tool.run("reconcile", platform.path, "--kubeconfig", bed.kubeconfig, "--format", "json", directory=tree)
        chain = longest_chain(bed, history)
        seconds = result.document["run"]["seconds"]
        figure(f"reconcile of {overlay}", f"{seconds:.0f} s, {seconds / chain:.2f} of its longest chain, {len(history.failed)} failed reconciliations")

        assert result.status == 0, result.output
        assert sample.secrets_in(bed, platform) == platform.secrets
        assert history.failed == ()
        assert seconds <= 1.25 * chain


def test_no_value_of_the_provider_shows_anywhere(bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str, str], None]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with served(bed) as (platform, tree):
        to_cluster = ("--kubeconfig", bed.kubeconfig, "--debug")
        runs = [tool.run("reconcile", platform.path, *to_cluster, "--force-sync", "-v", directory=tree)]
        runs += [tool.run("verify", platform.path, *to_cluster, "--format", form, directory=tree) for form in ("text", "json", "junit", "markdown")]
        bed.provider.account("eu-west-1").delete_secret("dev/example")
        runs.append(tool.run("reconcile", platform.path, *to_cluster, "--force-sync", "--timeout", "20s", directory=tree))
        texts = [text for run in runs for text in (run.output, run.errors)]
        found = sightings(bed, platform.canary, texts=texts, folders=[tmp_path])
        figure("places that show a value of the provider", str(len(found)))

        assert sample.secrets_in(bed, platform) == platform.secrets
        assert found == []


@pytest.mark.full
def test_runs_that_are_killed_at_random_moments_end_where_an_undisturbed_one_does(bed: Bed, figure: Callable[[str, str], None]) -> None:
    moments = random.Random(8)
    with served(bed) as (platform, tree):
        for _ in range(KILLS):
            with tool.running("reconcile", platform.path, "--kubeconfig", bed.kubeconfig, directory=tree):
                time.sleep(moments.uniform(0.5, 5))
        last = tool.run("reconcile", platform.path, "--kubeconfig", bed.kubeconfig, directory=tree)
        figure("reconcile after kills", f"exit status {last.status} after {KILLS} kills")

        assert last.status == 0, last.output
        assert sample.secrets_in(bed, platform) == platform.secrets


@pytest.mark.full
def test_it_outlasts_an_api_server_that_is_away_watches_that_expire_and_storms_of_429(bed: Bed, figure: Callable[[str, str], None]) -> None:
    odds = random.Random(8)

    def every_third(request: Request) -> bool:
        return odds.random() < 0.3

    storm = faults.too_many_requests()
    storm.when = every_third
    expired = faults.watch_expired()
    expired.times = 5
    with served(bed) as (platform, tree), bed.proxied() as (proxy, kubeconfig):
        with tool.running("reconcile", platform.path, "--kubeconfig", kubeconfig, directory=tree) as run:
            with proxy.fault(expired), proxy.fault(storm):
                time.sleep(10)
            with proxy.away():
                time.sleep(30)
            output, _ = run.communicate(timeout=300)
        figure("reconcile through an outage of 30 s, expired watches and 429", f"exit status {run.returncode}")

        assert run.returncode == 0, output


@pytest.mark.full
def test_two_runs_at_once_do_not_fight(bed: Bed, figure: Callable[[str, str], None]) -> None:
    with served(bed) as (platform, tree):
        arguments = ("reconcile", platform.path, "--kubeconfig", bed.kubeconfig)
        with tool.running(*arguments, directory=tree) as first, tool.running(*arguments, directory=tree) as second:
            outputs = [run.communicate(timeout=600)[0] for run in (first, second)]
        ends = [first.returncode, second.returncode]
        writes = {unit["metadata"]["name"]: unit["metadata"]["generation"] for unit in bed.api.list(KUSTOMIZATION)}
        figure("two runs at once", f"exit statuses {ends[0]} and {ends[1]}")

        assert ends == [0, 0], outputs
        assert set(writes.values()) == {1}
