"""HTTP to an API server: what fails and passes by itself is waited out here."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from gitops_secrets.cluster.live import text
from gitops_secrets.cluster.port import ClusterError, ConflictError, ForbiddenError, RefusedError
from gitops_secrets.model.ids import ResourceId

JSON: Final = "application/json"
PASSING: Final = frozenset({429, 500, 502, 503, 504})
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
# An API server that restarts, or a load balancer that finds the next one. One that has never answered is more likely the wrong one.
PATIENCE: Final = 120.0
_FIRST_PATIENCE: Final = 5.0
_REQUEST_TIMEOUT: Final = 30.0


class Response(Protocol):
    """What a server answers. Reading raises `OSError` where the connection breaks."""

    status: int
    headers: Mapping[str, str]

    def read(self) -> bytes:
        """All of it."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """What there is, as it comes."""
        ...

    def close(self) -> None:
        """Gives the connection up."""
        ...


class Connection(Protocol):
    """An address with credentials and certificates, as a kubeconfig gives them."""

    host: str

    def headers(self) -> Mapping[str, str]:
        """Those that authenticate a request, renewed when they are about to expire."""
        ...

    def send(self, method: str, path: str, headers: Mapping[str, str], body: str | None, timeout: float) -> Response:
        """A response whose body is not read yet. Raises `OSError` where there is none."""
        ...

    def close(self) -> None:
        """Closes connections that are not in use."""
        ...


class Session:
    """Requests to one API server. Safe to use from many threads."""

    def __init__(self, connect: Callable[[], Connection], context: str, patience: float = PATIENCE) -> None:
        self.context = context
        self._patience = patience
        self.closing = threading.Event()
        self._connect = connect
        self._connection = connect()
        self._lock = threading.Lock()
        self._renewed = time.monotonic()
        self._has_answered = False

    @property
    def server(self) -> str:
        """The API server's address."""
        return self._connection.host

    def close(self) -> None:
        """Ends pauses and retries; threads that wait for the network end with the process."""
        self.closing.set()
        self._connection.close()

    def open(self, method: str, path: str, body: str | None = None, *, accept: str = JSON, content: str = JSON, timeout: float) -> Response:
        """One attempt at a request, its body not read yet."""
        headers = {"Accept": accept, "User-Agent": "gitops-secrets", **self._connection.headers()}
        if body is not None:
            headers["Content-Type"] = content
        return self._connection.send(method, path, headers, body, timeout)

    def request(self, method: str, path: str, body: str | None = None, *, accept: str = JSON, content: str = JSON) -> tuple[int, bytes]:
        """A response that does not pass by itself: overload, restarts, dropped connections and expired tokens are waited out."""
        started, attempt, last = time.monotonic(), 0, 0
        while True:
            status, answer, wait = self._try(method, path, body, accept, content)
            if status not in PASSING and status not in (0, 401):
                self._has_answered = True
                return status, answer
            attempt += 1
            if (status == 401) != (last == 401):
                # What is wrong now has only begun, whatever was before.
                started = time.monotonic()
            last = status
            # Credentials that are wrong stay wrong; those that have expired are good again once renewed.
            patience = self._patience if self._has_answered and status != 401 else min(_FIRST_PATIENCE, self._patience)
            if time.monotonic() - started > patience or self.closing.is_set():
                if status == 0:
                    raise ClusterError(f"can't reach {self.server}: {answer.decode(errors='replace')}")
                return status, answer
            self.closing.wait(wait or pause(attempt))

    def json(self, path: str) -> dict[str, Any]:
        """What there is to read at a path."""
        return self.checked(*self.request("GET", path))

    def found(self, path: str) -> dict[str, Any] | None:
        """The same; None where there is nothing."""
        status, answer = self.request("GET", path)
        return None if status == 404 else self.checked(status, answer)

    def renew(self) -> None:
        """Reads credentials anew, at most once a second; keeps what there is where they can't be read."""
        with self._lock, suppress(OSError):
            if time.monotonic() - self._renewed > 1.0:
                self._renewed = time.monotonic()
                self._connection = self._connect()

    def checked(self, status: int, body: bytes, subject: ResourceId | None = None) -> dict[str, Any]:
        """The JSON of a response that is well; raises `ClusterError` in the words of the server for any other."""
        try:
            found = json.loads(body) if body else {}
        except ValueError:
            found = {}
        if 200 <= status < 300 and isinstance(found, dict):
            return found
        message = text(found, "message") or body[:200].decode(errors="replace").strip() or f"HTTP status {status}"
        told = f"{subject}: {message}" if subject is not None else message
        if status == 401:
            raise ClusterError(f"{self.server} does not accept the credentials of context {self.context!r}: {message}")
        if status == 403 and "is forbidden: User" in message:
            raise ForbiddenError(told)
        if status == 409:
            raise ConflictError(told)
        if 400 <= status < 500:
            raise RefusedError(told)
        raise ClusterError(f"{self.server}: {told}")

    def _try(self, method: str, path: str, body: str | None, accept: str, content: str) -> tuple[int, bytes, float]:
        """Status, body, and how long the server asks to wait; status 0 for no answer at all, with the reason as body."""
        try:
            response = self.open(method, path, body, accept=accept, content=content, timeout=min(_REQUEST_TIMEOUT, self._patience))
            answer = response.read()
        except OSError as error:
            return 0, str(error).encode(), 0.0
        if response.status == 401:
            self.renew()
        wait = response.headers.get("Retry-After", "")
        return response.status, answer, float(wait) if wait.isdigit() else 0.0


def pause(attempt: int) -> float:
    """How long to wait after so many failures in a row, never the same for two who wait."""
    return min(FIRST_PAUSE * 2.0 ** min(attempt, 8), LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311  no secret hangs on it
