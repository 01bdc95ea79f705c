"""What is asked of an API server over HTTP, and what is made of its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gitops_secrets.cluster.api import EVENT_REPORTER, Api
from gitops_secrets.cluster.client import connect
from gitops_secrets.cluster.port import ClusterError, ConflictError, RefusedError
from gitops_secrets.cluster.session import Session
from gitops_secrets.model.ids import ResourceId

UNIT = ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "stores")
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a", "namespace": "b", "resourceVersion": "1"}}
LEASES = {"resources": [{"name": "leases", "kind": "Lease", "namespaced": True}]}
GROUP = {"preferredVersion": {"version": "v1"}, "versions": [{"version": "v1"}]}
Serve = Callable[[dict[tuple[str, str], tuple[int, Any]]], Api]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A server with these answers by method and path, and a connection to it."""
    servers = []

    def served(answers: dict[tuple[str, str], tuple[int, Any]]) -> Api:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                status, body = answers.get((self.command, self.path.partition("?")[0]), (404, {}))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815  the names that http.server looks for

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        kubeconfig = tmp_path / "kubeconfig"
        cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
        users = [{"name": "me", "user": {"token": "any"}}]
        kubeconfig.write_text(
            json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "here", "clusters": [cluster], "users": users, "contexts": [context]})
        )
        return connect(kubeconfig)

    yield served
    for server in servers:
        server.shutdown()
        server.server_close()


def test_what_the_controller_concluded_is_no_evidence(serve: Serve) -> None:
    about = {"involvedObject": {"apiVersion": "kustomize.toolkit.fluxcd.io/v1"}, "type": "Warning"}
    events = [
        {**about, "reason": "BuildFailed", "message": "no such file", "reportingComponent": "kustomize-controller"},
        {**about, "reason": "HealthCheckFailed", "message": "no such file; do: correct it", "reportingComponent": EVENT_REPORTER},
    ]
    plane = serve({("GET", "/api/v1/namespaces/flux-system/events"): (200, {"items": events})})

    assert [event.message for event in plane.events(UNIT)] == ["no such file"]


@pytest.mark.parametrize("write", ["create", "replace"])
def test_who_comes_second_is_told(serve: Serve, write: str) -> None:
    refused = 409, {"kind": "Status", "message": "the object has been modified"}
    collection = "/apis/coordination.k8s.io/v1/namespaces/b/leases"
    plane = serve(
        {
            ("GET", "/apis/coordination.k8s.io"): (200, GROUP),
            ("GET", "/apis/coordination.k8s.io/v1"): (200, LEASES),
            ("POST", collection): refused,
            ("PUT", f"{collection}/a"): refused,
        }
    )

    with pytest.raises(ConflictError, match="Lease/b/a: the object has been modified"):
        getattr(plane, write)(LEASE)


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}, "data": {"key": "canary"}}
CORE = {("GET", "/api/v1"): (200, {"resources": [{"name": "secrets", "kind": "Secret", "namespaced": True}]})}


def test_of_a_secret_that_was_applied_nothing_comes_back_but_what_names_it(serve: Serve) -> None:
    answer = {**SECRET, "metadata": {"name": "a", "namespace": "b", "uid": "1", "annotations": {"last": "canary"}}}
    plane = serve({**CORE, ("PATCH", "/api/v1/namespaces/b/secrets/a"): (200, answer)})

    assert plane.apply(SECRET, confidential=True) == {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b", "uid": "1"}}


def test_why_an_object_with_values_is_refused_is_not_quoted(serve: Serve) -> None:
    plane = serve({**CORE, ("PATCH", "/api/v1/namespaces/b/secrets/a"): (422, {"message": "data.key: Invalid value: canary"})})

    with pytest.raises(RefusedError) as refused:
        plane.apply(SECRET, confidential=True)

    assert str(refused.value) == "Secret/b/a: the API server refuses it; what it says is not shown, since it may quote a value"
    assert refused.value.__cause__ is None


def test_credentials_that_cannot_be_read_for_a_moment_are_no_end() -> None:
    attempts = []

    class Refusing:
        host = "https://here"

        def headers(self) -> dict[str, str]:
            return {}

        def send(self, *request: Any) -> Any:
            return type("Unauthorized", (), {"status": 401, "headers": {}, "read": lambda self: b'{"message": "Unauthorized"}'})()

        def close(self) -> None:
            pass

    def connecting() -> Refusing:
        attempts.append(1)
        if len(attempts) > 1:
            raise ConnectionError("Token file exists but empty.")
        return Refusing()

    session = Session(connecting, "here", patience=1.3)

    with pytest.raises(ClusterError, match="does not accept the credentials of context 'here': Unauthorized"):
        session.json("/api/v1")

    assert len(attempts) > 1
