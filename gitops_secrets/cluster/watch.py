"""The list and watch of one kind, as client-go's reflectors do it: on after a dropped connection, anew after one that lasted too long."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Set
from typing import Any, Final
from urllib.parse import urlencode

from gitops_secrets.cluster.kinds import Kinds
from gitops_secrets.cluster.live import Live, at, mapping, slim, text
from gitops_secrets.cluster.port import Appeared, ClusterError, Listed, Lost, Served, Sink, Vanished
from gitops_secrets.cluster.session import JSON, PASSING, Response, Session, pause
from gitops_secrets.model.ids import ResourceId

DEFINITION: Final = ("apiextensions.k8s.io", "CustomResourceDefinition")
# A definition's schema would be most of what a watch of all of them sends.
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# The server sends a bookmark about once a minute: silence for longer is a dead connection.
_SILENCE: Final = 90.0
_SECONDS: Final = (240, 300)
_PAGE: Final = 500


class Watch:
    """Hands what happens to the objects of one kind to a sink. Of definitions only those in `definitions` are handed on."""

    def __init__(self, session: Session, kinds: Kinds, kind: tuple[str, str], sink: Sink, definitions: Set[str]) -> None:
        self._session = session
        self._kinds = kinds
        self._kind = kind
        self._sink = sink
        self._definitions = definitions
        self._version = ""
        self._known: set[ResourceId] = set()
        self._failures = 0

    def run(self) -> None:
        """Until the session is closed, or the cluster refuses for good."""
        while not self._session.closing.is_set():
            try:
                self._round()
            except ClusterError as error:
                if not self._session.closing.is_set():
                    self._sink(Lost(*self._kind, error))
                return

    def _round(self) -> None:
        changes = self._kinds.changes(self._kind[0])
        served = self._kinds.served(*self._kind)
        if served is None:
            self._replace([])
            self._kinds.await_change(self._kind[0], changes)
            return
        if not self._version:
            listed, self._version = pages(self._session, served, accept=_METADATA_LIST if self._kind == DEFINITION else JSON)
            self._replace(listed)
        try:
            self._listen(served)
        except (OSError, ValueError):
            self._pause()

    def _listen(self, served: Served) -> None:
        seconds = random.randint(*_SECONDS)  # noqa: S311  spreads reconnections
        query = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": self._version, "timeoutSeconds": str(seconds)}
        accept = _METADATA_ONLY if self._kind == DEFINITION else JSON
        response = self._session.open("GET", f"{served.path()}?{urlencode(query)}", accept=accept, timeout=_SILENCE)
        try:
            if response.status != 200:
                self._failed(response.status, response.read())
                return
            for line in _lines(response):
                self._failures = 0
                if not self._take(json.loads(line)):
                    return
        finally:
            response.close()

    def _take(self, event: Mapping[str, Any]) -> bool:
        """One event of the stream. False: it is over."""
        type_, found = text(event, "type"), slim(mapping(event, "object"))
        if type_ == "ERROR":
            code = at(found, "code")
            self._failed(code if isinstance(code, int) else 500, b"")
            return False
        self._version = text(found, "metadata", "resourceVersion") or self._version
        if type_ in ("ADDED", "MODIFIED"):
            self._appeared(found)
        elif type_ == "DELETED":
            self._vanished(self._named(found))
        return True

    def _failed(self, status: int, body: bytes) -> None:
        if status == 410:
            # The events since that version are forgotten.
            self._version = ""
        elif status == 404:
            self._version = ""
            self._kinds.forget(*self._kind)
        elif status in PASSING or status == 401:
            if status == 401:
                self._session.renew()
            self._pause()
        else:
            self._session.checked(status, body)

    def _pause(self) -> None:
        self._failures += 1
        self._session.closing.wait(pause(self._failures))

    def _replace(self, listed: list[Live]) -> None:
        now = {self._named(live) for live in listed}
        for gone in sorted(self._known - now):
            self._vanished(gone)
        for live in listed:
            self._appeared(live)
        self._sink(Listed(*self._kind))

    def _appeared(self, live: Live) -> None:
        id = self._named(live)
        self._known.add(id)
        if self._kind == DEFINITION:
            self._kinds.changed(id)
            if id.name in self._definitions:
                whole = self._kinds.definition(id.name)
                if whole is not None:
                    self._sink(Appeared(whole))
            return
        self._sink(Appeared({**live, "kind": id.kind}))

    def _vanished(self, id: ResourceId) -> None:
        self._known.discard(id)
        if self._kind == DEFINITION:
            self._kinds.changed(id)
        self._sink(Vanished(id))

    def _named(self, live: Live) -> ResourceId:
        return ResourceId(*self._kind, text(live, "metadata", "namespace"), text(live, "metadata", "name"))


def pages(session: Session, served: Served, namespace: str = "", labels: str = "", accept: str = JSON) -> tuple[list[Live], str]:
    """All objects of a kind, and the version of the list."""
    found: list[Live] = []
    token = ""
    while True:
        query = {"limit": str(_PAGE)} | ({"continue": token} if token else {}) | ({"labelSelector": labels} if labels else {})
        status, body = session.request("GET", f"{served.path(namespace)}?{urlencode(query)}", accept=accept)
        if status == 410 and token:
            # The list has grown too old between two pages.
            found, token = [], ""
            continue
        page = session.checked(status, body)
        # Items of a list don't say what they are.
        found += [{**slim(entry), "apiVersion": served.api_version, "kind": served.kind} for entry in page.get("items") or ()]
        token = text(page, "metadata", "continue")
        if not token:
            return found, text(page, "metadata", "resourceVersion")


def _lines(response: Response) -> Iterator[bytes]:
    rest = b""
    for chunk in response.chunks():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
