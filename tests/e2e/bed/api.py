"""A thin client of the API server: paths, server-side apply, watch. For the bed and its assertions; the tool has its own."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

Object = dict[str, Any]

FIELD_MANAGER = "test-bed"
TOO_MANY_REQUESTS = urllib3.Retry(
    total=10, connect=0, read=0, redirect=0, other=0, status_forcelist=(429,), allowed_methods=None, backoff_factor=0.1, raise_on_status=False
)


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as the API server serves it."""

    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "") -> str:
        """Where its objects are; all namespaces without a `namespace`, the list without a `name`."""
        group = "/api/" if "/" not in self.api_version else "/apis/"
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{group}{self.api_version}{place}/{self.plural}" + (f"/{name}" if name else "")


NAMESPACE = Kind("v1", "namespaces", namespaced=False)
NODE = Kind("v1", "nodes", namespaced=False)
SECRET = Kind("v1", "secrets")
CONFIG_MAP = Kind("v1", "configmaps")
SERVICE_ACCOUNT = Kind("v1", "serviceaccounts")
EVENT = Kind("v1", "events")
DEPLOYMENT = Kind("apps/v1", "deployments")
CUSTOM_RESOURCE_DEFINITION = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False)
GIT_REPOSITORY = Kind("source.toolkit.fluxcd.io/v1", "gitrepositories")
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io/v1", "kustomizations")
HELM_RELEASE = Kind("helm.toolkit.fluxcd.io/v2", "helmreleases")
EXTERNAL_SECRET = Kind("external-secrets.io/v1", "externalsecrets")
CLUSTER_SECRET_STORE = Kind("external-secrets.io/v1", "clustersecretstores", namespaced=False)


class Api:
    """The API server as one user sees it."""

    def __init__(self, server: str, token: str, certificate_authority: Path) -> None:
        self.server = server
        self.token = token
        self.certificate_authority = certificate_authority
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pool: urllib3.PoolManager | None = None
        self._kinds: dict[tuple[str, str], Kind] = {}

    def request(self, method: str, path: str, body: object = None, *, content_type: str = "application/json", query: dict[str, str] | None = None) -> Object:
        """One request, and the JSON that answers it. Asks again while the server says 429, as it does for a kind whose CRD is new.

        Raises:
            ApiError: the server refuses it, with the message of its Status.
        """
        response = self._connections().request(
            method,
            self.server + path + ("?" + urlencode(query) if query else ""),
            body=None if body is None else json.dumps(body),
            headers=self._headers | {"Content-Type": content_type},
            timeout=urllib3.Timeout(30),
            retries=TOO_MANY_REQUESTS,
        )
        if response.status >= 400:
            raise ApiError(response.status, _message(response.data))
        answer: Object = json.loads(response.data)
        return answer

    def is_ready(self) -> bool:
        try:
            response = self._connections().request("GET", self.server + "/readyz", headers=self._headers, timeout=urllib3.Timeout(2), retries=False)
        except (OSError, urllib3.exceptions.HTTPError):
            return False
        return response.status == 200

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None where there is none (or its kind is not served)."""
        try:
            return self.request("GET", kind.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: Kind, namespace: str = "", **query: str) -> list[Object]:
        """All objects; none where the kind is not served."""
        try:
            items: list[Object] = self.request("GET", kind.path(namespace), query=query)["items"]
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        return items

    def apply(self, manifest: Object) -> Object:
        """Server-side apply; takes over fields of others."""
        kind = self.kind_of(manifest["apiVersion"], manifest["kind"])
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace", "default"), metadata["name"])
        return self.request("PATCH", path, manifest, content_type="application/apply-patch+yaml", query={"fieldManager": FIELD_MANAGER, "force": "true"})

    def patch(self, kind: Kind, namespace: str, name: str, change: Object, subresource: str = "") -> Object:
        """A JSON merge patch."""
        path = kind.path(namespace, name) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, change, content_type="application/merge-patch+json")

    def poke(self, kind: Kind, namespace: str, name: str) -> None:
        """Has Flux look at an object now, as `flux reconcile` does."""
        self.patch(kind, namespace, name, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": datetime.now(UTC).isoformat()}}})

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Deletes the object, if it is there, in the background."""
        try:
            self.request("DELETE", kind.path(namespace, name), {"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status != 404:
                raise

    def token_of(self, namespace: str, service_account: str, seconds: int = 86400) -> str:
        """A token of a service account, as a kubelet asks for it."""
        path = SERVICE_ACCOUNT.path(namespace, service_account) + "/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
        token: str = self.request("POST", path, request)["status"]["token"]
        return token

    def kind_of(self, api_version: str, kind: str) -> Kind:
        """What the server serves for a kind, by discovery.

        Raises:
            ApiError: it serves no such kind.
        """
        if (api_version, kind) not in self._kinds:
            root = "/api/" if "/" not in api_version else "/apis/"
            for resource in self.request("GET", root + api_version)["resources"]:
                if "/" not in resource["name"]:
                    self._kinds[api_version, resource["kind"]] = Kind(api_version, resource["name"], resource["namespaced"])
        if (api_version, kind) not in self._kinds:
            raise ApiError(404, f"{api_version} {kind} is not served")
        return self._kinds[api_version, kind]

    def watch(self, kind: Kind, seconds: int = 3600) -> Iterator[tuple[str, Object]]:
        """Events of all objects of a kind, those that are there first as ADDED, until the server ends the watch.

        Raises:
            ApiError: the server refuses the watch, or ends it with an error.
        """
        query = urlencode({"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)})
        response = self._connections().request(
            "GET",
            f"{self.server}{kind.path()}?{query}",
            headers=self._headers,
            timeout=urllib3.Timeout(connect=5, read=seconds + 5),
            retries=False,
            preload_content=False,
        )
        try:
            if response.status >= 400:
                raise ApiError(response.status, _message(response.data))
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("code", 500), event["object"].get("message", ""))
                if event["type"] != "BOOKMARK":
                    yield event["type"], event["object"]
        finally:
            response.close()

    def _connections(self) -> urllib3.PoolManager:
        # Made at the first request: the server writes its certificate when it starts.
        if self._pool is None:
            secure = self.server.startswith("https:")
            self._pool = urllib3.PoolManager(maxsize=16, ssl_context=ssl.create_default_context(cafile=str(self.certificate_authority)) if secure else None)
        return self._pool


def ready_condition(thing: Object, kind: str = "Ready") -> Object:
    """The condition of that type, or an empty one."""
    conditions = thing.get("status", {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})


def is_ready(thing: Object | None) -> bool:
    """Whether Ready is True, at the object's generation where its status names one."""
    if thing is None:
        return False
    observed = thing.get("status", {}).get("observedGeneration", thing["metadata"].get("generation"))
    return ready_condition(thing).get("status") == "True" and observed == thing["metadata"].get("generation")


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    pending = b""
    for chunk in response.stream(amt=None):
        *lines, pending = (pending + chunk).split(b"\n")
        yield from (line for line in lines if line)


def _message(body: bytes) -> str:
    try:
        message: str = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
    return message
