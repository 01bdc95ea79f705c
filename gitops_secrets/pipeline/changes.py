"""Writes changes of files to disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from gitops_secrets.errors import UsageError
from gitops_secrets.generate.changes import FileChange


def write(root: Path, changes: Iterable[FileChange]) -> None:
    """Writes each change as a whole file: a reader sees the old or the new one, never half of it. A link keeps pointing to what it did.

    Raises `UsageError` for a file that can't be written.
    """
    for change in changes:
        try:
            _write(root / change.path, change.after)
        except OSError as error:
            raise UsageError(f"can't write {change.path}: {error.strerror}") from error


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
        return
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
