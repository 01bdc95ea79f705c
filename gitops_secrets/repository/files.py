"""A working tree and a revision as trees of files. The one door of GitPython; nothing outside of the root is ever read.

What is asked of a working tree is asked of the program git, which takes a few milliseconds; GitPython, which takes a hundred to import, reads the objects
of revisions.
"""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_secrets.errors import OutsideError, UsageError
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.repository.git_program import NoFilesError, NoRepositoryError, run, top_level
from gitops_secrets.repository.history import resolve
from gitops_secrets.repository.tree import Index, UnreadableError, blob_id, join

if TYPE_CHECKING:
    import git


# Nanoseconds. File systems count times in steps of up to two seconds.
_COARSEST_CLOCK = 2_000_000_000
# What a file system tells of a regular file: as long as none of it changes, the content is the same. Modified, changed (nanoseconds), size, inode.
Stamp = tuple[int, int, int, int]


class WorkingTree(Index):
    """What lies on disk below `root`: in a git checkout what git tracks and what is new and not ignored, elsewhere every file.

    Symbolic links are followed only to regular files below the root. `seen` has the ids of the contents that were asked for so far; `is_steady` is false once
    a file was seen to change or could not be read, and `unread` says why it could not.
    """

    def __init__(self, root: Path, limits: Limits = DEFAULT_LIMITS) -> None:
        self.root = root.resolve()
        self.seen: dict[str, str] = {}
        self.unread: dict[str, str] = {}
        self.is_steady = True
        self._limits = limits
        self._opened = time.time_ns()
        self._stamps: dict[str, Stamp] = {}
        self._recalled: dict[str, str] = {}
        self._real_root = str(self.root) + os.sep
        self._inside = {str(self.root): True}
        listed = _git_files(self.root, self.unread)
        super().__init__(path for path in (_walk(self.root) if listed is None else listed) if self._is_readable(path))

    def read(self, path: str) -> bytes:
        if not self.is_file(path):
            raise FileNotFoundError(path)
        absolute = self._real_root + path
        is_link = path not in self._stamps
        try:
            if not self._is_inside(absolute, is_link=is_link):
                raise UnreadableError("it leads out of the repository")
            # What was no link when the files were listed must not have become one.
            content = _content_of(absolute, 0 if is_link else os.O_NOFOLLOW, self._limits)
        except OSError as error:
            self.is_steady = False
            why = self.unread[path] = error.strerror.lower() if error.strerror else str(error)
            raise UnreadableError(why) from error
        identity = blob_id(content)
        if self.seen.setdefault(path, identity) != identity:
            self.is_steady = False
        return content

    def identity(self, path: str) -> str:
        known = self.seen.get(path)
        if known is None:
            known = self._recalled.get(path)
            if known is None:
                self.read(path)
                return self.seen[path]
            self.seen[path] = known
        return known

    def changed(self, contents: Mapping[str, tuple[Stamp | None, str]], at_most: int) -> list[str] | None:
        """The files that are not as `snapshot` found them; None for more than `at_most`. Where the stamp is the same, the content is; others are read."""
        for path, (stamp, identity) in contents.items():
            if stamp is not None and self._stamps.get(path) == stamp:
                self._recalled[path] = identity
        found: list[str] = []
        try:
            for path in contents:
                if path not in self._recalled and blob_id(self.read(path)) != contents[path][1]:
                    found.append(path)
                    if len(found) > at_most:
                        return None
        except FileNotFoundError:
            return None
        return found

    def snapshot(self) -> dict[str, tuple[Stamp | None, str]]:
        """The contents that were asked for, each with the stamp of the file unless that is too fresh to tell later changes from it."""
        latest = self._opened - _COARSEST_CLOCK
        stamps = {path: stamp for path, stamp in self._stamps.items() if max(stamp[:2]) < latest}
        return {path: (stamps.get(path), identity) for path, identity in self.seen.items()}

    def _is_readable(self, path: str) -> bool:
        absolute = self._real_root + path
        try:
            found = os.lstat(absolute)
        except OSError:
            return False
        if stat.S_ISREG(found.st_mode):
            self._stamps[path] = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
            return self._is_inside(absolute, is_link=False)
        return self._is_inside(absolute, is_link=stat.S_ISLNK(found.st_mode)) and os.path.isfile(absolute)

    def _is_inside(self, absolute: str, *, is_link: bool) -> bool:
        """Is it below the root with all links followed?"""
        return self._is_folder_inside(os.path.dirname(absolute)) and (not is_link or os.path.realpath(absolute).startswith(self._real_root))

    def _is_folder_inside(self, folder: str) -> bool:
        """Asked once for each, since following links is slow: what is no link is where the folder above it is."""
        inside = self._inside.get(folder)
        if inside is None:
            is_link = os.path.islink(folder)
            inside = (os.path.realpath(folder) + os.sep).startswith(self._real_root) if is_link else self._is_folder_inside(os.path.dirname(folder))
            self._inside[folder] = inside
        return inside


def _content_of(path: str, flags: int, limits: Limits) -> bytes:
    """The content of a file: at half of what a file object takes, which ten thousand files feel. Raises `OSError`.

    Never waits, also where a pipe took the place of the file by now.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)
    try:
        content = os.read(descriptor, _CHUNK)
        while len(content) % _CHUNK == 0 and len(content) <= limits.file_size and (more := os.read(descriptor, _CHUNK)):
            content += more
    finally:
        os.close(descriptor)
    if len(content) > limits.file_size:
        raise UnreadableError(f"too large; {limits.more('file_size')} bytes")
    return content


_CHUNK = 2**16


class GitObjects:
    """The objects of the git repository at `root`, read through one process of git for all who ask."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._git: git.Repo | None = None

    def content(self, object_id: str, limits: Limits) -> bytes:
        """The content of a blob. Raises `UnreadableError` for one that is not there, or too large."""
        from git.exc import ODBError

        if self._git is None:
            self._git = _open(self.root)
        try:
            stream = self._git.odb.stream(bytes.fromhex(object_id))
        except (ODBError, ValueError) as error:
            raise UnreadableError("git does not have its content: the clone is not complete") from error
        if stream.size > limits.file_size:
            raise UnreadableError(f"too large; {limits.more('file_size')} bytes")
        content: bytes = stream.read()
        return content


class RevisionTree(Index):
    """A commit, read from git objects: no checkout, bare repositories too."""

    def __init__(self, root: Path, revision: str, limits: Limits = DEFAULT_LIMITS, objects: GitObjects | None = None) -> None:
        if top_level(root) is None:
            raise UsageError(f"{root} is not in a git repository, so there is no revision {revision!r}\nleave out --rev to read the folder itself")
        self.root = root
        self.unread: dict[str, str] = {}
        self._limits = limits
        self.commit = resolve(root, revision)
        self.objects = objects or GitObjects(root)
        self._ids: dict[str, str] = {}
        links: dict[str, str] = {}
        for entry in run(root, "ls-tree", "-r", "-z", "--full-tree", self.commit).split("\0"):
            if entry:
                meta, _, path = entry.partition("\t")
                mode, kind, object_id = meta.split(" ")
                if kind == "blob":
                    (links if mode == "120000" else self._ids)[path] = object_id
        self._ids.update(self._linked(links))
        super().__init__(self._ids)

    def _linked(self, links: Mapping[str, str]) -> dict[str, str]:
        """The files that links lead to, as on disk: within the tree, and through other links."""
        targets = {path: join(posixpath.dirname(path), self._target(object_id)) for path, object_id in links.items()}
        found = {}
        for path in links:
            target, seen = targets[path], {path}
            while target in targets and target not in seen:
                seen.add(target)
                target = targets[target]
            if target in self._ids:
                found[path] = self._ids[target]
        return found

    def _target(self, object_id: str) -> str:
        try:
            return os.fsdecode(self.objects.content(object_id, self._limits))
        except UnreadableError:
            return "/"

    def read(self, path: str) -> bytes:
        try:
            return self.objects.content(self.identity(path), self._limits)
        except UnreadableError as error:
            self.unread[path] = str(error)
            raise

    def identity(self, path: str) -> str:
        object_id = self._ids.get(path)
        if object_id is None:
            raise FileNotFoundError(path)
        return object_id


def _open(path: Path) -> git.Repo:
    import git

    return git.Repo(path, search_parent_directories=True)


def _git_files(root: Path, unread: dict[str, str]) -> Iterable[str] | None:
    """The files of a checkout that count; None outside of git, and where git can't tell, which is noted in `unread`."""
    try:
        return run(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate").split("\0")[:-1]
    except NoRepositoryError:
        return None
    except NoFilesError:
        raise UsageError(f"{root} is a bare repository, without files of its own\nname what to read with --rev, such as --rev HEAD") from None
    except OutsideError as error:
        # A broken index, say: the files are there all the same.
        unread[".git"] = str(error).partition("\n")[0]
        return None


def _walk(root: Path) -> Iterable[str]:
    for directory, directories, files in os.walk(root):
        directories[:] = sorted(name for name in directories if name != ".git")
        relative = Path(directory).relative_to(root).as_posix()
        yield from (name if relative == "." else f"{relative}/{name}" for name in files)
