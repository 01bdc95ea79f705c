"""The one door of the package `kubernetes`: what a kubeconfig or a pod says of a cluster becomes a connection.

Its models and watches stay unused: they would drop fields that they don't know, and take most of the time of a list.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gitops_secrets.cluster.api import Api
from gitops_secrets.cluster.session import PATIENCE, Response, Session
from gitops_secrets.errors import UsageError

# Where the kubelet projects token and certificate of a pod's service account.
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONNECTIONS: Final = 64
_CONNECT_TIMEOUT: Final = 10.0
_CREDENTIALS_KEPT: Final = 1.0


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Errors of urllib3, and of credentials that can't be read for a moment, as those of the network, in few words: its own show objects."""
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ConfigException as error:
        raise ConnectionError(str(error)) from error
    except (HTTPError, OSError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        told = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause).rpartition(": ")[2]
        raise ConnectionError(told or type(cause).__name__) from error


class _Response:
    """A `session.Response` of urllib3."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.status = int(response.status)
        self.headers: Mapping[str, str] = response.headers

    def read(self) -> bytes:
        with _as_os_errors():
            body: bytes = self._response.read()
            self._response.release_conn()
            return body

    def chunks(self) -> Iterator[bytes]:
        with _as_os_errors():
            yield from self._response.stream(amt=None, decode_content=True)

    def close(self) -> None:
        self._response.close()


class _Connection:
    """A `session.Connection` of the package's configuration and connection pool."""

    def __init__(self, api: Any) -> None:
        self._configuration = api.configuration
        self._pool = api.rest_client.pool_manager
        self.host = str(api.configuration.host).rstrip("/")
        self._headers: Mapping[str, str] = {}
        self._headers_until = 0.0

    def headers(self) -> Mapping[str, str]:
        # The package sets itself up anew each time that it is asked whether a token has to be renewed: a third of what a request takes.
        now = time.monotonic()
        if now >= self._headers_until:
            with _as_os_errors():
                settings = self._configuration.auth_settings().values()
            self._headers = {setting["key"]: setting["value"] for setting in settings if setting["in"] == "header" and setting["value"]}
            self._headers_until = now + _CREDENTIALS_KEPT
        return self._headers

    def send(self, method: str, path: str, headers: Mapping[str, str], body: str | None, timeout: float) -> Response:
        from urllib3 import Timeout

        limit = Timeout(connect=_CONNECT_TIMEOUT, read=timeout)
        with _as_os_errors():
            return _Response(self._pool.request(method, self.host + path, headers=headers, body=body, preload_content=False, timeout=limit, retries=False))

    def close(self) -> None:
        self._pool.clear()


def connect(kubeconfig: Path | None = None, context: str | None = None, patience: float = PATIENCE, service_account: Path = SERVICE_ACCOUNT) -> Api:
    """A cluster as kubectl would find it: the kubeconfig given, else KUBECONFIG, else ~/.kube/config; inside of a pod its service account.

    A server that does not answer is waited for as long as `patience`. Raises `UsageError` where there is no configuration that can be used.
    """
    from kubernetes import config

    try:
        if kubeconfig is None and context is None and not _default_files() and (service_account / "token").is_file():
            in_pod = config.incluster_config.InClusterConfigLoader(str(service_account / "token"), str(service_account / "ca.crt"))
            return Api(Session(_loading(in_pod.load_and_set), "in-cluster", patience))
        files = os.pathsep.join([str(kubeconfig)] if kubeconfig is not None else _default_files())
        if not files:
            raise UsageError("there is no kubeconfig\ngive --kubeconfig, or set KUBECONFIG")
        name = _context(config.list_kube_config_contexts(files), context)
        return Api(Session(_loading(lambda made: config.load_kube_config(files, name, made, persist_config=False)), name, patience))
    except (config.ConfigException, OSError, KeyError, TypeError) as error:
        raise UsageError(f"can't use the kubeconfig: {error}") from error


def _loading(load: Callable[[Any], Any]) -> Callable[[], _Connection]:
    from kubernetes import client, config

    def connection() -> _Connection:
        made = client.Configuration()
        made.connection_pool_maxsize = _CONNECTIONS
        try:
            load(made)
        except config.ConfigException as error:
            raise ConnectionError(str(error)) from error
        return _Connection(client.ApiClient(made))

    return connection


def _default_files() -> list[str]:
    written = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    return [file for file in written.split(os.pathsep) if file and Path(file).is_file()]


def _context(known: tuple[list[dict[str, Any]], dict[str, Any]], wanted: str | None) -> str:
    contexts, current = known
    name = wanted or str(current["name"])
    names = sorted(str(each["name"]) for each in contexts)
    if name not in names:
        raise UsageError(f"there is no context {name!r}\ncontexts: {', '.join(names) or 'none'}")
    return name
