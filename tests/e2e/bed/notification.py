"""Flux' notification-controller, and a forge that it sets the status of commits at: the one thing here that can't be had for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import yaml

from tests.e2e.bed import flux
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.processes import free_port, listens


class Forge:
    """Commit statuses by the REST API of GitHub Enterprise (https://docs.github.com/rest/commits/statuses)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._statuses: dict[str, list[dict[str, str]]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        Thread(target=self._server.serve_forever, name="forge", daemon=True).start()

    @property
    def repository_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/owner/repository"

    def states(self, commit: str) -> dict[str, str]:
        """The state of each context of a commit, without the part of it that only tells providers apart."""
        with self._lock:
            return {status["context"].rpartition("/")[0]: status["state"] for status in self._statuses.get(commit, [])}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                commit = self.path.partition("/commits/")[2].partition("/")[0]
                with forge._lock:
                    self._answer(200, forge._statuses.get(commit, [])[::-1])

            def do_POST(self) -> None:
                status = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                commit = self.path.rpartition("/statuses/")[2]
                with forge._lock:
                    forge._statuses.setdefault(commit, []).append(status)
                self._answer(201, status)

            def _answer(self, status: int, body: object) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


@contextmanager
def notifying(bed: Bed) -> Iterator[tuple[Forge, str]]:
    """notification-controller on a bed, and a forge that its provider `forge` in flux-system is about; yields that and where events go."""
    crds = [
        document
        for file in sorted(bed.programs.asset("notification", "crds").rglob("*.yaml"))
        for document in yaml.load_all(file.read_text(), yaml.CSafeLoader)
        if document
    ]
    for crd in crds:
        bed.api.apply(crd)
    flux.wait_until_established(bed.api, crds)
    forge, events = Forge(), free_port()
    ports = {"--metrics-addr": free_port(), "--health-addr": free_port(), "--receiverAddr": free_port(), "--events-addr": events}
    try:
        bed.processes.start(
            "notification-controller",
            [bed.programs.binary("notification", "notification-controller"), *(f"{option}=127.0.0.1:{port}" for option, port in ports.items())],
            environment={"KUBECONFIG": str(bed.kubeconfig), "RUNTIME_NAMESPACE": flux.NAMESPACE},
            ready=partial(listens, events),
        )
        named = {"name": "forge", "namespace": flux.NAMESPACE}
        bed.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": {"token": "any"}})
        provider = {"type": "github", "address": forge.repository_url, "secretRef": {"name": "forge"}}
        bed.api.apply({"apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": "Provider", "metadata": named, "spec": provider})
        yield forge, f"http://127.0.0.1:{events}/"
    finally:
        forge.stop()


def alert(bed: Bed, namespace: str) -> None:
    """Has the forge be told of all that happens to sources and Kustomizations of a namespace."""
    sources = [{"kind": kind, "name": "*", "namespace": namespace} for kind in ("GitRepository", "Kustomization")]
    bed.api.apply(
        {
            "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
            "kind": "Alert",
            "metadata": {"name": namespace, "namespace": flux.NAMESPACE},
            "spec": {"providerRef": {"name": "forge"}, "eventSources": sources},
        }
    )
