"""Spans of time, as people write them."""

from __future__ import annotations


def duration(value: float) -> str:
    """Seconds as people write them.

    >>> duration(600), duration(90), duration(3600)
    ('10m', '1m30s', '1h')
    """
    total = int(value)
    parts = [(total // 3600, "h"), (total % 3600 // 60, "m"), (total % 60, "s")]
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"
