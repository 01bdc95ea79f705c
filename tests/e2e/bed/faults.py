"""A proxy that misbehaves on demand, before the API server or before the provider."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authorization", "proxy-authenticate"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a fault may look at."""

    method: str
    path: str  # with its query
    action: str = ""  # X-Amz-Target, of calls of AWS

    @property
    def is_watch(self) -> bool:
        return "watch=true" in self.path.lower() or "watch=1" in self.path


def always(request: Request) -> bool:
    return True


@dataclass(slots=True)
class Fault:
    """What happens to the requests that `when` picks."""

    when: Callable[[Request], bool] = always
    delay: float = 0.0  # seconds before anything else
    drop: bool = False  # the connection is closed without an answer
    cut_after: float | None = None  # seconds after which an answer that still streams is cut
    status: int | None = None  # answered instead of asking the server
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    times: int | None = None  # how many requests it hits; None: all


def kubernetes_error(status: int, reason: str, message: str, *, retry_after: int | None = None) -> Fault:
    """The API server answers with a Status."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": status}
    headers = {"Content-Type": "application/json"} | ({"Retry-After": str(retry_after)} if retry_after is not None else {})
    return Fault(status=status, body=json.dumps(body).encode(), headers=headers)


def too_many_requests(retry_after: int = 1) -> Fault:
    return kubernetes_error(429, "TooManyRequests", "too many requests, please try again later", retry_after=retry_after)


def server_error() -> Fault:
    return kubernetes_error(500, "InternalError", "Internal error occurred: etcdserver: request timed out")


def token_expired() -> Fault:
    return kubernetes_error(401, "Unauthorized", "Unauthorized")


def watch_expired() -> Fault:
    """A watch starts, and ends at once because its resource version is compacted."""
    status = json.loads(kubernetes_error(410, "Expired", "too old resource version").body)
    fault = Fault(status=200, body=json.dumps({"type": "ERROR", "object": status}).encode() + b"\n", headers={"Content-Type": "application/json"})
    fault.when = lambda request: request.is_watch
    return fault


def aws_error(code: str, message: str, *, status: int = 400, action: str = "") -> Fault:
    """The provider answers with an error to the calls whose X-Amz-Target ends with `action` (to all: no action)."""
    body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amzn-ErrorType": code}
    return Fault(when=lambda request: request.action.endswith(action), status=status, body=body, headers=headers)


def access_denied(arn: str) -> Fault:
    message = f"User: arn:aws:sts::111122223333:assumed-role/test/test is not authorized to perform: secretsmanager:GetSecretValue on resource: {arn}"
    return aws_error("AccessDeniedException", message, action=".GetSecretValue")


def throttled() -> Fault:
    return aws_error("ThrottlingException", "Rate exceeded")


class Proxy:
    """Forwards to `upstream`, and applies the faults that are set, the first that matches."""

    def __init__(self, upstream: str, certificate_authority: Path | None = None) -> None:
        self._upstream = urlsplit(upstream)
        self._trust = ssl.create_default_context(cafile=str(certificate_authority)) if certificate_authority else None
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True).start()
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[Fault]:
        """Sets a fault for the time of a `with`."""
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            with self._lock:
                self._faults.remove(fault)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody answers, and what was open is cut."""
        with self.fault(Fault(drop=True)):
            self.cut()
            yield

    def cut(self) -> None:
        """Cuts all open connections, watches too."""
        with self._lock:
            connections = tuple(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._server.shutdown()
        self.cut()
        self._server.server_close()

    def _fault_for(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times != 0 and fault.when(request):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._upstream.hostname or "", self._upstream.port
        return http.client.HTTPConnection(host, port) if self._trust is None else http.client.HTTPSConnection(host, port, context=self._trust)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: apart, the second waits 40 ms for the first's acknowledgement

            def setup(self) -> None:
                super().setup()
                with proxy._lock:
                    proxy._open.add(self.connection)

            def finish(self) -> None:
                with proxy._lock:
                    proxy._open.discard(self.connection)
                with suppress(OSError):
                    super().finish()

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy._fault_for(Request(self.command, self.path, self.headers.get("X-Amz-Target", ""))) or Fault()
                time.sleep(fault.delay)
                if fault.drop:
                    self.close_connection = True
                    return
                if fault.status is not None:
                    self._answer(fault.status, fault.headers, fault.body)
                    return
                connection = proxy._connect()
                try:
                    self._forward(connection, body, fault.cut_after)
                except (OSError, http.client.HTTPException):
                    self.close_connection = True
                finally:
                    connection.close()

            do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def _forward(self, connection: http.client.HTTPConnection, body: bytes, cut_after: float | None) -> None:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP | {"host"}}
                connection.request(self.command, self.path, body=body or None, headers=headers)
                response = connection.getresponse()
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                streams = response.getheader("Content-Length") is None and self.command != "HEAD"
                if streams:
                    self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                ends = None if cut_after is None else time.monotonic() + cut_after
                while chunk := response.read1(65536):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if streams else chunk)
                    self.wfile.flush()
                    if ends is not None and time.monotonic() > ends:
                        self.close_connection = True
                        return
                if streams:
                    self.wfile.write(b"0\r\n\r\n")

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what the tests are about."""
