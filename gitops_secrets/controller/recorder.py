"""Where tidings go: to the cluster as events, and to notification-controller if there is one."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException
from itertools import count
from typing import Final

from gitops_secrets.cluster.port import ClusterError, ConflictError, ControlPlane
from gitops_secrets.controller.events import Tiding, flux_event, kubernetes_event

_LOG: Final = logging.getLogger(__name__)
_TIMEOUT: Final = 2.0
_TRIES: Final = 5
_PAUSE: Final = 2.0


class Recorder:
    """Records tidings. What can't be recorded is logged, and holds nothing up for long."""

    def __init__(self, plane: ControlPlane, identity: str, events_address: str | None) -> None:
        self._plane, self._identity, self._address = plane, identity, events_address
        self._numbers = count(1)
        self._unsent: queue.Queue[bytes] = queue.Queue()
        if events_address is not None:
            threading.Thread(target=self._send_again, args=(events_address,), name="notification", daemon=True).start()

    def record(self, tiding: Tiding) -> None:
        """Tells of it: the cluster, and notification-controller unless that is away, know of it when this returns."""
        _LOG.log(logging.WARNING if tiding.is_warning else logging.INFO, tiding.message, extra={"about": str(tiding.about), "revision": tiding.revision})
        now, number = datetime.now(UTC), next(self._numbers)
        try:
            about = self._plane.get(tiding.about)
            if about is None:
                return
            if self._address is not None:
                self._notify(self._address, json.dumps(flux_event(tiding, about, self._identity, now, number)).encode())
            self._plane.create(kubernetes_event(tiding, about, self._identity, now, number))
        except ConflictError:
            return  # sent twice, since the first answer was lost
        except ClusterError as error:
            _LOG.error("an event of %s is not recorded: %s", tiding.about, error)

    def _notify(self, address: str, event: bytes) -> None:
        """At once, unless others wait: what came first is told first."""
        if self._unsent.unfinished_tasks or _sent(address, event) is not None:
            self._unsent.put(event)

    def _send_again(self, address: str) -> None:
        while True:
            event = self._unsent.get()
            for attempt in range(1, _TRIES + 1):
                time.sleep(_PAUSE)
                error = _sent(address, event)
                if error is None:
                    break
                if attempt == _TRIES:
                    _LOG.error("notification-controller at %s does not take an event: %s", address, error)
            self._unsent.task_done()


def _sent(address: str, event: bytes) -> str | None:
    """Why an event was not taken; None if it was."""
    request = urllib.request.Request(address, event, {"Content-Type": "application/json"})  # noqa: S310  http or https: looked at
    try:
        urllib.request.urlopen(request, timeout=_TIMEOUT).close()  # noqa: S310
    except (OSError, HTTPException) as error:
        return str(error)
    return None
