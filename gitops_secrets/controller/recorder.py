"""Where tidings go: to the cluster as events, and to notification-controller if there is one."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import urllib.request
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from gitops_secrets.cluster.port import ClusterError, ConflictError, ControlPlane
from gitops_secrets.controller.events import Tiding, flux_event, kubernetes_event

_LOG: Final = logging.getLogger(__name__)
_TIMEOUT: Final = 5.0
_TRIES: Final = 5
_PAUSE: Final = 2.0


class Recorder:
    """Records tidings. What can't be recorded is logged, and holds nothing up."""

    def __init__(self, plane: ControlPlane, identity: str, events_address: str | None) -> None:
        self._plane, self._identity, self._has_listener = plane, identity, events_address is not None
        self._numbers = count(1)
        self._outbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        if events_address is not None:
            # One, so that what came first is told first; it ends with the process.
            threading.Thread(target=self._send_all, args=(events_address,), name="notification", daemon=True).start()

    def record(self, tiding: Tiding) -> None:
        """Tells of it. The cluster has its event when this returns."""
        _LOG.log(logging.WARNING if tiding.is_warning else logging.INFO, tiding.message, extra={"about": str(tiding.about), "revision": tiding.revision})
        now, number = datetime.now(UTC), next(self._numbers)
        try:
            about = self._plane.get(tiding.about)
            if about is None:
                return
            if self._has_listener:
                self._outbox.put(flux_event(tiding, about, self._identity, now, number))
            self._plane.create(kubernetes_event(tiding, about, self._identity, now, number))
        except ConflictError:
            return  # sent twice, since the first answer was lost
        except ClusterError as error:
            _LOG.error("an event of %s is not recorded: %s", tiding.about, error)

    def _send_all(self, address: str) -> None:
        while True:
            event = self._outbox.get()
            request = urllib.request.Request(address, json.dumps(event).encode(), {"Content-Type": "application/json"})  # noqa: S310  http or https: looked at
            for attempt in range(1, _TRIES + 1):
                try:
                    urllib.request.urlopen(request, timeout=_TIMEOUT).close()  # noqa: S310
                    break
                except OSError as error:
                    if attempt == _TRIES:
                        _LOG.error("notification-controller at %s does not take an event: %s", address, error)
                time.sleep(_PAUSE)
