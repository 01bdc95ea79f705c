"""Which kinds a cluster serves, and since when: a kind that is not served may be at any moment, once its definition is there."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

from gitops_secrets.cluster.live import Live, at, is_true, items, mapping, text
from gitops_secrets.cluster.port import Served
from gitops_secrets.cluster.session import Session
from gitops_secrets.model.ids import ResourceId

# A definition that is established is in discovery a moment later.
_LOOKS: Final = 40
_BETWEEN_LOOKS: Final = 0.05
# Where nobody may watch definitions.
_WITHOUT_A_SIGN: Final = 5.0


class Kinds:
    """Discovery, group by group, as it is needed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._served: dict[tuple[str, str], Served] = {}
        self._condition = threading.Condition()
        self._changes: Counter[str] = Counter()

    def served(self, group: str, kind: str) -> Served | None:
        """How a kind is addressed; None if it is not served. Looked up again while it is not."""
        if (group, kind) not in self._served:
            self._look(group)
        return self._served.get((group, kind))

    def forget(self, group: str, kind: str) -> None:
        """A kind was not there though it should be."""
        self._served.pop((group, kind), None)

    def definition(self, name: str) -> Live | None:
        """A CustomResourceDefinition without its schema; Established only once its kind is in discovery too, where Flux looks."""
        found = self._session.found(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
        if found is None:
            return None
        status = mapping(found, "status")
        if is_true(found, "Established") and not at(found, "metadata", "deletionTimestamp"):
            group, kind = text(found, "spec", "group"), text(found, "spec", "names", "kind")
            for _ in range(_LOOKS):
                self.forget(group, kind)
                if self.served(group, kind) is not None or self._session.closing.wait(_BETWEEN_LOOKS):
                    break
            else:
                status = {}
        metadata = {key: value for key, value in mapping(found, "metadata").items() if key not in ("managedFields", "annotations")}
        return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata, "status": status}

    def changes(self, group: str) -> int:
        """How many changes of definitions of a group were seen."""
        with self._condition:
            return self._changes[group]

    def changed(self, definition: ResourceId) -> None:
        """A definition came, changed or went."""
        with self._condition:
            self._changes[definition.name.partition(".")[2]] += 1
            self._condition.notify_all()

    def await_change(self, group: str, seen: int) -> None:
        """Waits for a change after the `seen`-th of a group; not for ever, since not all changes are seen by all."""
        with self._condition:
            self._condition.wait_for(lambda: self._changes[group] != seen or self._session.closing.is_set(), _WITHOUT_A_SIGN)

    def wake(self) -> None:
        """Ends all waiting."""
        with self._condition:
            self._condition.notify_all()

    def _look(self, group: str) -> None:
        versions = [("", "v1")] if not group else self._versions(group)
        for _, version in reversed(versions):
            listed = self._session.found(f"/apis/{group}/{version}" if group else "/api/v1")
            for entry in items(listed, "resources"):
                plural, kind = text(entry, "name"), text(entry, "kind")
                if "/" not in plural:
                    # The preferred version comes last.
                    self._served[group, kind] = Served(group, version, kind, plural, at(entry, "namespaced") is True)

    def _versions(self, group: str) -> list[tuple[str, str]]:
        found = self._session.found(f"/apis/{group}")
        preferred = text(found, "preferredVersion", "version")
        versions = [text(entry, "version") for entry in items(found, "versions")]
        return [(group, version) for version in sorted(versions, key=lambda version: version != preferred)]
