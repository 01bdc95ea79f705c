"""The bed itself: its faults reach those that they are meant for, and nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from tests.e2e.bed import faults
from tests.e2e.bed.api import NAMESPACE, Api, ApiError
from tests.e2e.bed.bed import Bed, running
from tests.e2e.bed.faults import Fault, Proxy
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.programs import CACHE, ROOT, Programs


@pytest.fixture(scope="module")
def shared_bed(built: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with running(built, tmp_path_factory.mktemp("bed") / "bed") as bed:
        yield bed


@pytest.fixture
def proxy(shared_bed: Bed) -> Iterator[Proxy]:
    with shared_bed.proxied() as (proxy, _):
        yield proxy


def through(proxy: Proxy, bed: Bed) -> Api:
    return Api(proxy.url, bed.api.token, bed.api.certificate_authority)


def namespaces_of(api: Api) -> set[str]:
    return {each["metadata"]["name"] for each in api.list(NAMESPACE)}


def processes_of(folder: Path) -> list[str]:
    """The command lines that name a folder, of all processes that live."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found


def test_what_a_killed_bed_started_ends_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.e2e.bed", "--folder", str(tmp_path), "run"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(CACHE.parents[1])}
    bed = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    try:
        wait_until((tmp_path / "about.json").exists, "the bed runs", timeout=120)
        while_running = processes_of(tmp_path)
    finally:
        os.kill(bed.pid, signal.SIGKILL)
        bed.wait()

    assert len(while_running) > 5
    wait_until(lambda: not processes_of(tmp_path), "its programs have ended", timeout=10)


def test_a_killed_api_server_comes_back_with_what_it_held(shared_bed: Bed) -> None:
    api = shared_bed.api
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
    for name in ("kube-apiserver", "etcd"):
        shared_bed.processes[name].kill()
        shared_bed.processes[name].start()
    wait_until(api.is_ready, "the API server is back")

    assert "kept" in namespaces_of(api)


def test_the_proxy_passes_on_what_no_fault_picks(shared_bed: Bed, proxy: Proxy) -> None:
    assert namespaces_of(through(proxy, shared_bed)) == namespaces_of(shared_bed.api)


@pytest.mark.parametrize(("fault", "status"), [(faults.token_expired(), 401), (faults.server_error(), 500)])
def test_the_proxy_answers_with_the_error_of_a_fault(shared_bed: Bed, proxy: Proxy, fault: Fault, status: int) -> None:
    with proxy.fault(fault), pytest.raises(ApiError) as refused:
        namespaces_of(through(proxy, shared_bed))

    assert refused.value.status == status


def test_a_fault_hits_as_often_as_it_says(shared_bed: Bed, proxy: Proxy) -> None:
    busy = faults.too_many_requests()
    busy.times = 2
    with proxy.fault(busy):
        found = namespaces_of(through(proxy, shared_bed))

    assert found == namespaces_of(shared_bed.api)
    assert len(proxy.requests) == 3


def test_an_expired_watch_ends_with_410(shared_bed: Bed, proxy: Proxy) -> None:
    with proxy.fault(faults.watch_expired()), pytest.raises(ApiError) as refused:
        list(through(proxy, shared_bed).watch(NAMESPACE))

    assert refused.value.status == 410


def test_while_the_server_is_away_open_watches_end_too(shared_bed: Bed, proxy: Proxy) -> None:
    events = through(proxy, shared_bed).watch(NAMESPACE)
    next(events)
    with proxy.away(), pytest.raises(urllib3.exceptions.ProtocolError):
        for _ in events:
            pass
