"""The API of one cluster, as `port.ControlPlane` asks for it. Values of Secrets are dropped before anything else sees them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from gitops_secrets.cluster.kinds import Kinds
from gitops_secrets.cluster.live import Live, LiveEvent, at, items, live_id, mapping, moment, slim, text
from gitops_secrets.cluster.port import FIELD_MANAGER, ConflictError, ForbiddenError, RefusedError, SecretFacts, Served, Sink
from gitops_secrets.cluster.session import Session
from gitops_secrets.cluster.watch import Watch, pages
from gitops_secrets.model.ids import ResourceId, split_api_version

# Who our own events are from: what was concluded is no evidence.
EVENT_REPORTER: Final = "gitops-secrets-controller"
_SECRET: Final = ("", "Secret")


class Api:
    """A `port.ControlPlane` over HTTP. Safe to use from many threads."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kinds = Kinds(session)

    @property
    def context(self) -> str:
        """The name of the kubeconfig's context."""
        return self._session.context

    @property
    def server(self) -> str:
        """The API server's address."""
        return self._session.server

    def served(self, group: str, kind: str) -> Served | None:
        """How a kind is addressed; None if it is not served."""
        return self._kinds.served(group, kind)

    def get(self, id: ResourceId) -> Live | None:
        """One object; None if it is not there."""
        assert id.group_kind != _SECRET, "Secrets are read without their values"
        path = self._path(id)
        found = None if path is None else self._session.found(path)
        return None if found is None else slim(found)

    def secret(self, namespace: str, name: str) -> SecretFacts | None:
        """A Secret without its values."""
        found = self._session.found(f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}")
        return None if found is None else _facts_of(found)

    def objects(self, group: str, kind: str, namespace: str = "", labels: str = "") -> Iterable[Live]:
        """All objects of a kind; none where it is not served."""
        assert (group, kind) != _SECRET, "Secrets are read one by one, by name"
        served = self.served(group, kind)
        return () if served is None else pages(self._session, served, namespace, labels)[0]

    def events(self, id: ResourceId) -> tuple[LiveEvent, ...]:
        """What controllers said of an object, latest first."""
        selector = urlencode({"fieldSelector": f"involvedObject.kind={id.kind},involvedObject.name={id.name}", "limit": "100"})
        # Events of cluster-scoped objects stand in `default`.
        listed = self._session.json(f"/api/v1/namespaces/{quote(id.namespace or 'default')}/events?{selector}")
        found = [
            LiveEvent(text(entry, "reason"), text(entry, "message"), text(entry, "type") == "Warning", _last(entry))
            for entry in items(listed, "items")
            if split_api_version(text(entry, "involvedObject", "apiVersion"))[0] == id.group and text(entry, "reportingComponent") != EVENT_REPORTER
        ]
        return tuple(sorted(found, key=lambda event: event.last.timestamp() if event.last else 0.0, reverse=True))

    def follow(self, kinds: Iterable[tuple[str, str]], sink: Sink, definitions: Set[str] = frozenset()) -> None:
        """Watches each kind in a thread of its own, which ends with the process."""
        for kind in dict.fromkeys(kinds):
            assert kind != _SECRET, "Secrets are never listed"
            watch = Watch(self._session, self._kinds, kind, sink, definitions)
            threading.Thread(target=watch.run, name=f"watch {kind[1]}", daemon=True).start()

    def annotate(self, id: ResourceId, annotations: Mapping[str, str]) -> None:
        """Sets annotations by a merge patch."""
        self.merge(id, {"metadata": {"annotations": dict(annotations)}})

    def merge(self, id: ResourceId, patch: Mapping[str, Any]) -> None:
        """Sets fields by a merge patch."""
        path = self._path(id)
        if path is None:
            raise RefusedError(f"{id}: its kind is not served")
        answer = self._session.request("PATCH", f"{path}?fieldManager={FIELD_MANAGER}", json.dumps(patch), content="application/merge-patch+json")
        self._session.checked(*answer, subject=id)

    def apply(self, manifest: Mapping[str, Any], *, status: bool = False, confidential: bool = False) -> Live:
        """Server-side apply; fields of others that the manifest names become ours, as with Flux."""
        try:
            found = self._apply(manifest, {"fieldManager": FIELD_MANAGER}, "/status" if status else "")
        except (ForbiddenError, ConflictError):
            raise
        except RefusedError:
            if not confidential:
                raise
            raise RefusedError(f"{live_id(manifest)}: the API server refuses it; what it says is not shown, since it may quote a value") from None
        return _without_values(found)

    def dry_run(self, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> Live:
        """What server-side apply by a field manager would make of an object. Refuses Secrets, whose values would be in the answer."""
        assert live_id(manifest).group_kind != _SECRET, "Secrets are read without their values"
        return self._apply(manifest, {"fieldManager": manager, "dryRun": "All"})

    def _apply(self, manifest: Mapping[str, Any], query: Mapping[str, str], subresource: str = "") -> Live:
        id = live_id(manifest)
        path = self._served_as(manifest).path(quote(id.namespace), quote(id.name)) + subresource
        # JSON is YAML.
        answer = self._session.request("PATCH", f"{path}?{urlencode({**query, 'force': 'true'})}", json.dumps(manifest), content="application/apply-patch+yaml")
        return slim(self._session.checked(*answer, subject=id))

    def create(self, manifest: Mapping[str, Any]) -> Live:
        """A POST, which is refused where the object is there."""
        id = live_id(manifest)
        path = self._served_as(manifest).path(quote(id.namespace))
        answer = self._session.request("POST", f"{path}?fieldManager={FIELD_MANAGER}", json.dumps(manifest))
        return slim(self._session.checked(*answer, subject=id))

    def replace(self, manifest: Mapping[str, Any]) -> Live:
        """A PUT, which is refused where the object has another `resourceVersion` by now."""
        id = live_id(manifest)
        path = self._served_as(manifest).path(quote(id.namespace), quote(id.name))
        answer = self._session.request("PUT", f"{path}?fieldManager={FIELD_MANAGER}", json.dumps(manifest))
        return slim(self._session.checked(*answer, subject=id))

    def delete(self, id: ResourceId) -> None:
        """Deletes in the background; what is not there is no error."""
        path = self._path(id)
        if path is None:
            return
        status, body = self._session.request("DELETE", path, json.dumps({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}))
        if status != 404:
            self._session.checked(status, body, subject=id)

    def close(self) -> None:
        """Ends watches and retries."""
        self._session.close()
        self._kinds.wake()

    def _served_as(self, manifest: Mapping[str, Any]) -> Served:
        """How the kind of a manifest is addressed, in the manifest's version. Raises `RefusedError` where it is not served."""
        id, (_, version) = live_id(manifest), split_api_version(text(manifest, "apiVersion"))
        served = self.served(*id.group_kind)
        if served is None:
            raise RefusedError(f'{id}: no matches for kind "{id.kind}" in version "{text(manifest, "apiVersion")}"')
        return replace(served, version=version)

    def _path(self, id: ResourceId) -> str | None:
        served = self.served(*id.group_kind)
        return None if served is None else served.path(quote(id.namespace), quote(id.name))


def _without_values(live: Live) -> Live:
    """Any object but a Secret as it is; of that what names it."""
    if live_id(live).group_kind != _SECRET:
        return live
    metadata = {key: value for key, value in mapping(live, "metadata").items() if key != "annotations"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}


def _facts_of(secret: Live) -> SecretFacts:
    owners = sorted(items(secret, "metadata", "ownerReferences"), key=lambda owner: at(owner, "controller") is not True)
    return SecretFacts(
        frozenset(mapping(secret, "data")),
        tuple((text(owner, "kind"), text(owner, "name")) for owner in owners),
        {key: value for key, value in mapping(secret, "metadata", "labels").items() if isinstance(value, str)},
        moment(text(secret, "metadata", "creationTimestamp")),
        _data_changed(secret),
    )


def _data_changed(secret: Live) -> datetime | None:
    """When its data was last written: the API server notes it for each field manager."""
    written = [
        found
        for entry in items(secret, "metadata", "managedFields")
        if "f:data" in mapping(entry, "fieldsV1") and (found := moment(text(entry, "time"))) is not None
    ]
    return max(written, default=None) or moment(text(secret, "metadata", "creationTimestamp"))


def _last(event: Live) -> datetime | None:
    for path in (("lastTimestamp",), ("series", "lastObservedTime"), ("eventTime",), ("metadata", "creationTimestamp")):
        found = moment(text(event, *path))
        if found is not None:
            return found
    return None
