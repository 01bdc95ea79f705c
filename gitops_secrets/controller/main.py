"""Puts a controller together, and ends it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Final

from gitops_secrets.cluster.port import ControlPlane
from gitops_secrets.cluster.session import PATIENCE
from gitops_secrets.controller.election import LEASE, Election
from gitops_secrets.controller.endpoint import Endpoint
from gitops_secrets.controller.logs import log_as_json
from gitops_secrets.controller.loop import Controller
from gitops_secrets.controller.metrics import Metrics
from gitops_secrets.controller.recorder import Recorder
from gitops_secrets.controller.settings import Settings
from gitops_secrets.model.ids import ResourceId

_LOG: Final = logging.getLogger(__name__)
# A server that does not answer must not hold up the end: it comes within two seconds of the signal.
_LAST_MOMENT: Final = 1.7


def serve(settings: Settings, connect: Callable[[float], ControlPlane], level: int = logging.INFO) -> None:
    """Runs one replica until SIGTERM or SIGINT. `connect` makes a connection that waits so many seconds for a server that is away.

    Raises `OutsideError` where it can't listen.
    """
    log_as_json(level)
    plane, metrics = connect(PATIENCE), Metrics()
    _LOG.info("context %s, server %s, follows %s", plane.context, plane.server, settings.source)
    recorder = Recorder(plane, settings.identity, settings.events_address)
    election: Election | None = None
    if settings.terms is not None:
        # Of its own: a renewal that comes late is worth nothing.
        lease = ResourceId(*LEASE, settings.namespace, settings.name)
        election = Election(connect(settings.terms.deadline), lease, settings.identity, settings.terms, lambda: controller.wake())
    controller = Controller(settings, plane, election, metrics, recorder)
    if settings.listen is not None:
        endpoint = Endpoint(settings.listen, metrics, is_alive=lambda: controller.is_alive, is_ready=lambda: controller.is_ready)
        _LOG.info("listens on port %s", endpoint.port)
    # Raised where the loop is, whatever it waits for.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if election is not None:
            election.start()
        controller.run()
    except KeyboardInterrupt:
        _end_soon()
    finally:
        # Also after a bug: who does nothing any more must not hold the lease.
        controller.stop()
        if election is not None:
            election.release()
        plane.close()
        _LOG.info("stopped")


def _end_soon() -> None:
    last = threading.Timer(_LAST_MOMENT, os._exit, (0,))
    last.daemon = True
    last.start()
