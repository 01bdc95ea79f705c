"""What was found out before, in the user's cache directory. Without it everything is only slower.

A value is there whole, unchanged, written by this user and by these very sources of the tool, or it is not there. So whatever may befall a cache (two runs
at once, a kill, a full or read-only disk, a broken or foreign file, another version) ends in computing the value again, never in a wrong one, and is never
worth a word to the user.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
import time
from collections.abc import Iterable
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_SEAL_SIZE = 32
# Of all files of the cache together; the oldest go first.
_MOST_BYTES = 512 * 2**20
_DAY = 24 * 60 * 60
# Of what nobody has written again for so long, versions of the tool that are gone say.
_KEPT_SECONDS = 30 * _DAY
_TEMPORARY = ".new"


class Cache:
    """Values by name: texts, bytes, numbers, and tuples, lists and dicts of those."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, name: str) -> Any | None:
        """The value that was put there under a name; None if there is none that can be trusted."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or not _is_ours(status, stat.S_IWGRP | stat.S_IWOTH) or status.st_size > _MOST_BYTES:
                    return None
                content = file.read()
            payload = memoryview(content)[_SEAL_SIZE:]
            if content[:_SEAL_SIZE] != _seal(name, payload):
                return None
            # Makes plain values only, and the seal says that it is what `put` wrote.
            return marshal.loads(payload)  # noqa: S302
        except (OSError, ValueError, EOFError, TypeError):
            return None

    def put(self, name: str, value: Any) -> None:
        """Keeps a value, in one step: a reader sees the old one or this one."""
        payload = marshal.dumps(value)
        temporary = self._path(f"{name}.{os.getpid()}{_TEMPORARY}")
        try:
            self._prepare()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with open(descriptor, "wb") as file:
                    file.write(_seal(name, payload))
                    file.write(payload)
                os.replace(temporary, self._path(name))
            except BaseException:
                os.unlink(temporary)
                raise
            self._tidy_up()
        except OSError:
            return

    def _path(self, name: str) -> str:
        return f"{self._directory}{os.sep}{name}"

    def _prepare(self) -> None:
        """Makes the directories, open to nobody else. Raises `OSError` where they are not ours to make."""
        for directory in (self._directory.parent, self._directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = os.lstat(directory)
            if not stat.S_ISDIR(status.st_mode) or not _is_ours(status, 0):
                raise PermissionError(directory)
            if not _is_ours(status, 0o077):
                directory.chmod(0o700)

    def _tidy_up(self) -> None:
        """Removes what is old, and the oldest of what is too much."""
        now, total = time.time(), 0
        for written, size, path in sorted(_files_below(self._directory.parent), reverse=True):
            total += size
            left_behind = path.endswith(_TEMPORARY) and now - written > _DAY
            if left_behind or total > _MOST_BYTES or now - written > _KEPT_SECONDS:
                os.unlink(path)


def user_cache() -> Cache | None:
    """The cache of this user for these sources of the tool; None where there is no place for one."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        # As the XDG Base Directory Specification has it: what is not absolute does not count.
        home = os.path.expanduser("~")
        base = os.path.join(home, ".cache")
    version = _version()
    return Cache(Path(base, "gitops-secrets", version)) if os.path.isabs(base) and version else None


def digest(*parts: str) -> str:
    """A name for what these texts say together."""
    return blake2b("".join(f"{len(part)}:{part}" for part in parts).encode(errors="surrogateescape"), digest_size=20).hexdigest()


def _version() -> str:
    """Stands for all that an answer comes from beside its inputs: the sources and data of this package, Python, the libraries that are installed."""
    found = blake2b(f"{sys.implementation.cache_tag} {sys.hexversion}".encode(), digest_size=10)
    package = Path(__file__).parent.parent
    parser = find_spec("yaml")
    try:
        if parser is not None and parser.origin is not None:
            found.update(" ".join(sorted(name for name in os.listdir(Path(parser.origin).parent.parent) if name.endswith(".dist-info"))).encode())
        for path in sorted(_sources_below(str(package))):
            with open(path, "rb") as file:
                content = file.read()
            found.update(f"{path[len(str(package)) :]} {len(content)}\n".encode(errors="surrogateescape"))
            found.update(content)
    except OSError:
        return ""
    return found.hexdigest()


def _sources_below(directory: str) -> Iterable[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _sources_below(entry.path)
            elif entry.is_file():
                yield entry.path


def _files_below(directory: Path) -> Iterable[tuple[float, int, str]]:
    """When they were written, how large they are, and their paths."""
    with os.scandir(directory) as versions:
        for version in versions:
            if version.is_dir(follow_symlinks=False):
                with os.scandir(version.path) as entries:
                    for entry in entries:
                        if entry.is_file(follow_symlinks=False):
                            status = entry.stat(follow_symlinks=False)
                            yield status.st_mtime, status.st_size, entry.path


def _seal(name: str, payload: bytes | memoryview) -> bytes:
    return blake2b(payload, digest_size=_SEAL_SIZE, key=blake2b(name.encode()).digest()).digest()


def _is_ours(status: os.stat_result, unwanted: int) -> bool:
    """Does it belong to this user, with none of the `unwanted` permissions?"""
    return status.st_uid == os.geteuid() and not status.st_mode & unwanted
