"""The log: one JSON object a line on standard error, with the fields of Flux' own controllers."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

_LEVELS = {logging.WARNING: "error", logging.ERROR: "error", logging.INFO: "info", logging.DEBUG: "debug"}


class JsonFormatter(logging.Formatter):
    """A record as JSON; `about` and `revision` where it has them."""

    def format(self, record: logging.LogRecord) -> str:
        """One line: JSON escapes whatever would end it, or move a cursor."""
        told = {
            "level": _LEVELS.get(record.levelno, "info"),
            "ts": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "logger": record.name,
            "msg": record.getMessage(),
        }
        told |= {field: getattr(record, field) for field in ("about", "revision") if hasattr(record, field)}
        if record.exc_info:
            told["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(told)


def log_as_json(level: int) -> None:
    """Sends what this package logs to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("gitops_secrets")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
