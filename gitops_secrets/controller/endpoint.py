"""The HTTP endpoint of a controller: /metrics, /healthz, /readyz."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gitops_secrets import __version__
from gitops_secrets.controller.metrics import Metrics
from gitops_secrets.controller.settings import Address
from gitops_secrets.errors import OutsideError

# Who asks takes milliseconds.
_TIMEOUT = 10.0
Question = Callable[[], bool]


class Endpoint:
    """Answers from threads of its own until `close`."""

    def __init__(self, address: Address, metrics: Metrics, *, is_alive: Question, is_ready: Question) -> None:
        """Listens. Raises `OutsideError` where it can't."""

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT
            server_version = f"gitops-secrets/{__version__}"
            sys_version = ""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, *metrics.exposition(self.headers.get("Accept", "")))
                elif path in ("/healthz", "/readyz"):
                    is_well = is_alive() if path == "/healthz" else is_ready()
                    self._answer(200 if is_well else 503, "text/plain; charset=utf-8", b"ok\n" if is_well else b"not yet\n")
                else:
                    self._answer(404, "text/plain; charset=utf-8", b"there are /metrics, /healthz and /readyz\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes are no news."""

        try:
            self._server = ThreadingHTTPServer((address.host, address.port), Handler)
        except OSError as error:
            raise OutsideError(f"can't listen on {address.host or '*'}:{address.port}: {error.strerror}") from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def close(self) -> None:
        """Answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()
