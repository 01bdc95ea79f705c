"""What the rest of the tool asks of a cluster, and how that fails. `client.py` answers with a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from gitops_secrets.cluster.live import Live, LiveEvent
from gitops_secrets.errors import OutsideError
from gitops_secrets.model.ids import ResourceId

FIELD_MANAGER: Final = "gitops-secrets"


class ClusterError(OutsideError):
    """The cluster can't be reached, or does not let us."""


class ForbiddenError(ClusterError):
    """A permission is missing; the message is the API server's, which names it."""


class RefusedError(ClusterError):
    """The API server does not take an object: what it is told is wrong, not who tells it."""


class ConflictError(RefusedError):
    """Somebody else was first: the object is there already, or was written since it was read."""


@dataclass(frozen=True, slots=True)
class Served:
    """How a kind is addressed."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of its objects, or of one, at the API server."""
        parts = ["/apis", self.group] if self.group else ["/api"]
        parts.append(self.version)
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        return "/".join([*parts, name] if name else parts)


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A Secret without its values, which nobody here gets to see."""

    keys: frozenset[str]
    owners: tuple[tuple[str, str], ...]  # kind and name; the one that controls it first
    labels: Mapping[str, str]
    created: datetime | None
    changed: datetime | None  # when its data was last written


@dataclass(frozen=True, slots=True)
class Appeared:
    """An object was listed, added or changed."""

    live: Live


@dataclass(frozen=True, slots=True)
class Vanished:
    """An object was deleted, or was not there at a new list."""

    id: ResourceId


@dataclass(frozen=True, slots=True)
class Listed:
    """Everything of a kind that is there has appeared: what has not, is not there. Also where the kind is not served."""

    group: str
    kind: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A kind can't be watched, and trying again would not help."""

    group: str
    kind: str
    error: ClusterError


Notice = Appeared | Vanished | Listed | Lost
Sink = Callable[[Notice], None]


class Watches(Protocol):
    """Who tells what happens to objects."""

    def follow(self, kinds: Iterable[tuple[str, str]], sink: Sink, definitions: Set[str] = frozenset()) -> None:
        """Hands all that happens to objects of these kinds to `sink`, from other threads, until `close`; of definitions only to those of these names."""
        ...


class ControlPlane(Watches, Protocol):
    """A cluster's API. Every method may raise `ClusterError`; failures that pass by themselves are waited out in here."""

    @property
    def context(self) -> str:
        """The name under which the user knows it."""
        ...

    @property
    def server(self) -> str:
        """Its address."""
        ...

    def served(self, group: str, kind: str) -> Served | None:
        """How a kind is addressed; None if it is not served."""
        ...

    def get(self, id: ResourceId) -> Live | None:
        """One object; None if it, or its kind, is not there. Refuses Secrets: see `secret`."""
        ...

    def secret(self, namespace: str, name: str) -> SecretFacts | None:
        """A Secret without its values; None if it is not there."""
        ...

    def objects(self, group: str, kind: str, namespace: str = "", labels: str = "") -> Iterable[Live]:
        """All objects of a kind, in a namespace if one is given, with these labels."""
        ...

    def events(self, id: ResourceId) -> tuple[LiveEvent, ...]:
        """What controllers said of an object, latest first."""
        ...

    def annotate(self, id: ResourceId, annotations: Mapping[str, str]) -> None:
        """Sets annotations of an object, and nothing else."""
        ...

    def merge(self, id: ResourceId, patch: Mapping[str, Any]) -> None:
        """Sets the fields of `patch`, and no others; with `metadata.resourceVersion` only where the object is still at that version."""
        ...

    def apply(self, manifest: Mapping[str, Any], *, status: bool = False, confidential: bool = False) -> Live:
        """Applies an object from the server's side, as our one field manager; or only its status.

        Of a Secret only what names it comes back. Why a `confidential` one is refused is not told: the server's words may quote a value.
        """
        ...

    def create(self, manifest: Mapping[str, Any]) -> Live:
        """Creates an object. Raises `ConflictError` where it is there."""
        ...

    def replace(self, manifest: Mapping[str, Any]) -> Live:
        """Replaces an object by the one that was made of it. Raises `ConflictError` where somebody has written it since."""
        ...

    def dry_run(self, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> Live:
        """What the object would be if a field manager applied it. Changes nothing; refuses Secrets."""
        ...

    def delete(self, id: ResourceId) -> None:
        """Deletes an object; none that is not there is no error."""
        ...

    def close(self) -> None:
        """Ends all that is under way."""
        ...
