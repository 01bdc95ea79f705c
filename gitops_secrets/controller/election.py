"""Who of several controllers acts: the one that holds a Lease (coordination.k8s.io/v1), by the rules of client-go's leaderelection.

The package `kubernetes` has an election too; that one can neither be stopped nor give its lease back, so that a successor would wait for it to run out.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gitops_secrets.cluster.live import Live, mapping, number, text
from gitops_secrets.cluster.port import ClusterError, ConflictError, ControlPlane
from gitops_secrets.controller.settings import Terms
from gitops_secrets.model.ids import ResourceId

_LOG: Final = logging.getLogger(__name__)
LEASE: Final = ("coordination.k8s.io", "Lease")


@dataclass(frozen=True, slots=True)
class Bid:
    """A lease to be written, and whether it has to be created."""

    manifest: dict[str, Any]
    is_new: bool


class Candidate:
    """One who wants a lease. No clock in here: `now` is of one that only goes forward, `wall` is only written.

    Clocks of others are not trusted: a lease has run out when it has not changed for its whole duration while it was looked at.
    """

    def __init__(self, lease: ResourceId, identity: str, terms: Terms) -> None:
        self._lease, self._identity, self._terms = lease, identity, terms
        self._seen: tuple[str, str] | None = None
        self._seen_at = 0.0
        self._until = float("-inf")

    def leads(self, now: float) -> bool:
        """Is the lease held, and fresh enough that nobody else can have taken it?"""
        return now < self._until

    def bid(self, live: Live | None, now: float, wall: datetime) -> Bid | None:
        """What to write, having read the lease `now`; None: somebody else holds it."""
        spec = mapping(live, "spec")
        holder, version = text(spec, "holderIdentity"), text(live, "metadata", "resourceVersion")
        if (holder, version) != self._seen:
            self._seen, self._seen_at = (holder, version), now
        if holder not in ("", self._identity):
            # Also one that we held until somebody took it.
            self._until = float("-inf")
            if now < self._seen_at + number(spec, "leaseDurationSeconds", default=int(self._terms.duration)):
                return None
        moment = f"{wall:%Y-%m-%dT%H:%M:%S.%fZ}"
        is_ours = holder == self._identity
        return self._bid(
            live,
            {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(self._terms.duration),
                "acquireTime": text(spec, "acquireTime") if is_ours else moment,
                "renewTime": moment,
                "leaseTransitions": number(spec, "leaseTransitions") + (0 if is_ours or live is None else 1),
            },
        )

    def won(self, asked_at: float) -> None:
        """A bid was taken that was made `asked_at`."""
        self._until = asked_at + self._terms.deadline

    def lost(self) -> None:
        """Somebody else was faster."""
        self._until = float("-inf")

    def release(self, live: Live | None, wall: datetime) -> Bid | None:
        """What gives the lease back; None where it is not ours."""
        self._until = float("-inf")
        spec = mapping(live, "spec")
        if text(spec, "holderIdentity") != self._identity:
            return None
        return self._bid(live, {**spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": f"{wall:%Y-%m-%dT%H:%M:%S.%fZ}"})

    def _bid(self, live: Live | None, spec: dict[str, Any]) -> Bid:
        metadata = {"name": self._lease.name, "namespace": self._lease.namespace}
        if live is not None:
            metadata["resourceVersion"] = text(live, "metadata", "resourceVersion")
        return Bid({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}, live is None)


class Election:
    """Runs for a lease in a thread of its own, for as long as the process lives. `changed` is called when it may have been won or lost."""

    def __init__(self, plane: ControlPlane, lease: ResourceId, identity: str, terms: Terms, changed: Callable[[], None]) -> None:
        self._plane, self._lease, self._terms, self._changed = plane, lease, terms, changed
        self._candidate = Candidate(lease, identity, terms)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._told = ""
        self.has_tried = False
        self._thread = threading.Thread(target=self._run, name="election", daemon=True)

    @property
    def leads(self) -> bool:
        """Is it this one that acts?"""
        return self._candidate.leads(time.monotonic())

    def start(self) -> None:
        """Begins to run for it."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Does it still run for it?"""
        return self._thread.is_alive()

    def release(self) -> None:
        """Gives the lease back, for others to take at once."""
        self._over.set()
        with self._lock:
            try:
                bid = self._candidate.release(self._plane.get(self._lease), datetime.now(UTC))
                if bid is not None:
                    self._plane.replace(bid.manifest)
            except ClusterError as error:
                _LOG.warning("the lease is not given back: %s", error)

    def _run(self) -> None:
        before = False
        while not self._over.wait(self._terms.retry * random.uniform(0.8, 1.0) if self.has_tried else 0.0):  # noqa: S311  no secret hangs on it
            with self._lock:
                if not self._over.is_set():
                    self._try()
            if before != self.leads:
                before = not before
                _LOG.info("%s the lease %s", "holds" if before else "does not hold", self._lease)
            self._changed()

    def _try(self) -> None:
        now = time.monotonic()
        try:
            bid = self._candidate.bid(self._plane.get(self._lease), now, datetime.now(UTC))
            if bid is not None:
                (self._plane.create if bid.is_new else self._plane.replace)(bid.manifest)
                self._candidate.won(now)
            self._told = ""
        except ConflictError:
            self._candidate.lost()
        except ClusterError as error:
            if str(error) != self._told:
                self._told = str(error)
                _LOG.error("can't run for the lease %s: %s", self._lease, error)
        self.has_tried = True
