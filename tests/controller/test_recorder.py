"""Where tidings go, also when one of the two is away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from gitops_secrets.cluster.port import ForbiddenError
from gitops_secrets.controller import recorder
from gitops_secrets.controller.events import Tiding
from gitops_secrets.controller.recorder import Recorder
from gitops_secrets.model.ids import ResourceId
from tests.controller.sample import SOURCE

TIDINGS = [Tiding(SOURCE, False, "Succeeded", f"well {number}", "main@sha1:1") for number in range(3)]


class Cluster:
    """All that is asked of a cluster here."""

    def __init__(self, error: Exception | None = None) -> None:
        self.created: list[str] = []
        self.error = error

    def get(self, id: ResourceId) -> dict[str, Any]:
        return {"apiVersion": "source.toolkit.fluxcd.io/v1", "metadata": {"uid": "u"}}

    def create(self, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.error is not None:
            raise self.error
        self.created.append(manifest["message"])
        return manifest


class Listener:
    """Takes events as notification-controller does, but for the first few."""

    def __init__(self, refusing: int = 0) -> None:
        listener, self.taken, self._all = self, list[str](), threading.Event()
        self.refusing = refusing

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                listener.refusing -= 1
                if listener.refusing < 0:
                    listener.taken.append(event["message"])
                self.send_response(503 if listener.refusing >= 0 else 202)
                self.end_headers()
                if len(listener.taken) == len(TIDINGS):
                    listener._all.set()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/"

    def has_all(self) -> bool:
        return self._all.wait(10)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setattr(recorder, "_PAUSE", 0.01)
    listener = Listener(getattr(request, "param", 0))
    yield listener
    listener.stop()


def test_both_know_of_a_tiding_when_it_is_recorded(listener: Listener) -> None:
    cluster = Cluster()
    Recorder(cluster, "me", listener.address).record(TIDINGS[0])  # type: ignore[arg-type]

    assert (cluster.created, listener.taken) == (["well 0"], ["well 0"])


@pytest.mark.parametrize("listener", [1, 2, 3], indirect=True)
def test_who_is_away_for_a_while_is_told_all_of_it_in_order(listener: Listener) -> None:
    cluster = Cluster()
    found = Recorder(cluster, "me", listener.address)  # type: ignore[arg-type]
    for tiding in TIDINGS:
        found.record(tiding)

    assert listener.has_all()
    assert listener.taken == cluster.created == ["well 0", "well 1", "well 2"]


def test_a_cluster_that_takes_no_events_keeps_nothing_from_the_other(listener: Listener) -> None:
    Recorder(Cluster(ForbiddenError('cannot create resource "events"')), "me", listener.address).record(TIDINGS[0])  # type: ignore[arg-type]

    assert listener.taken == ["well 0"]
