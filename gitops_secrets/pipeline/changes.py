"""Writes changes of files to disk."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from gitops_secrets.errors import UsageError
from gitops_secrets.generate.changes import FileChange


def write(root: Path, changes: Iterable[FileChange]) -> None:
    """Writes each change as a whole file: a reader sees the old or the new one, never half of it. A link keeps pointing to what it did.

    All new texts are on the disk before the first takes its place: where one can't be written, none is. Raises `UsageError` for that.
    """
    staged: list[tuple[str, Path, Path | None]] = []
    path = ""
    try:
        for change in changes:
            path = change.path
            target = root / path
            if change.after is not None:
                target = _inside(root, target)
            staged.append((path, target, None if change.after is None else _staged(target, change.after)))
        for written, target, temporary in staged:
            path = written
            if temporary is None:
                target.unlink(missing_ok=True)
            else:
                temporary.replace(target)
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror}") from error
    finally:
        for _, _, temporary in staged:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


def _inside(root: Path, target: Path) -> Path:
    """What a link points to. Raises `UsageError` where that is outside: a repository decides nothing about other files."""
    resolved = target.resolve()
    if root.resolve() not in resolved.parents:
        raise UsageError(f"can't write {target}: it leads out of the repository")
    return resolved


def _staged(target: Path, text: str) -> Path:
    """A file beside `target` with its rights and the new text."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
