"""A state of a repository as files by path, wherever they are kept."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from hashlib import sha1
from typing import Protocol


class UnreadableError(FileNotFoundError):
    """A file of a tree whose content can't be had: it is gone by now, too large, or its owner keeps it to himself."""


class Tree(Protocol):
    """Files by path, relative to the root, with `/`."""

    @property
    def files(self) -> tuple[str, ...]:
        """All files, sorted."""

    def read(self, path: str) -> bytes:
        """The content of a file. Raises `FileNotFoundError` for a path that is no file of this tree, `UnreadableError` for a file that can't be read."""

    def is_file(self, path: str) -> bool:
        """Is it a file of this tree?"""

    def is_directory(self, path: str) -> bool:
        """Does it have files below it? The root is ""."""

    def children(self, directory: str) -> tuple[str, ...]:
        """Names of files and directories directly in `directory`, sorted. Empty for what is no directory."""

    def identity(self, path: str) -> str:
        """The id that git gives the content of a file. Raises `FileNotFoundError` for a path that is no file of this tree."""


def blob_id(content: bytes) -> str:
    """The id that git gives a content, in repositories with SHA-1 ids."""
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Index:
    """Which paths there are, from a list of files, or as in another one."""

    files: tuple[str, ...]
    _files: frozenset[str]
    _children: dict[str, tuple[str, ...]]

    def __init__(self, files: Iterable[str] | Index) -> None:
        if isinstance(files, Index):
            self.files, self._files, self._children = files.files, files._files, files._children
            return
        self.files = tuple(sorted(files))
        self._files = frozenset(self.files)
        children: dict[str, set[str]] = {"": set()}
        for path in self.files:
            child = path
            while child:
                parent, _, name = child.rpartition("/")
                known = children.get(parent)
                if known is None:
                    children[parent] = {name}
                elif name in known:
                    break
                else:
                    known.add(name)
                child = parent
        self._children = {directory: tuple(sorted(names)) for directory, names in children.items()}

    def is_file(self, path: str) -> bool:
        return path in self._files

    def is_directory(self, path: str) -> bool:
        return path in self._children

    def children(self, directory: str) -> tuple[str, ...]:
        return self._children.get(directory, ())


class MemoryTree(Index):
    """Files given as a mapping: for tests, and for changes that are not written yet."""

    def __init__(self, contents: Mapping[str, str | bytes]) -> None:
        super().__init__(contents)
        self._contents = {path: content.encode() if isinstance(content, str) else content for path, content in contents.items()}

    def read(self, path: str) -> bytes:
        try:
            return self._contents[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def identity(self, path: str) -> str:
        return blob_id(self.read(path))


class OverlaidTree(Index):
    """Another tree with some files replaced, added or (None) deleted."""

    def __init__(self, below: Tree, changes: Mapping[str, bytes | None]) -> None:
        added = {path for path in changes if not below.is_file(path)}
        gone = {path for path, content in changes.items() if content is None}
        super().__init__((set(below.files) | added) - gone if added or gone or not isinstance(below, Index) else below)
        self._below = below
        self._changes = changes

    def read(self, path: str) -> bytes:
        if path not in self._changes:
            return self._below.read(path)
        content = self._changes[path]
        if content is None:
            raise FileNotFoundError(path)
        return content

    def identity(self, path: str) -> str:
        return blob_id(self.read(path)) if path in self._changes else self._below.identity(path)


class JoinedTree(Index):
    """Another tree, with further ones in folders of their own; a folder may be outside of it (`../other`)."""

    def __init__(self, tree: Tree, joined: Mapping[str, Tree]) -> None:
        super().__init__({*tree.files, *(f"{folder}/{path}" for folder, other in joined.items() for path in other.files)})
        self._tree = tree
        self._joined = joined

    def read(self, path: str) -> bytes:
        """The content of a file. Raises `FileNotFoundError`."""
        tree, path = self._owner(path)
        return tree.read(path)

    def identity(self, path: str) -> str:
        """The id of its content. Raises `FileNotFoundError`."""
        tree, path = self._owner(path)
        return tree.identity(path)

    def _owner(self, path: str) -> tuple[Tree, str]:
        for folder, other in self._joined.items():
            if path.startswith(folder + "/"):
                return other, path[len(folder) + 1 :]
        return self._tree, path


def content_of(tree: Tree, path: str) -> str:
    """The text of a file, for who goes on without it: with what is no UTF-8 replaced, empty where it can't be read."""
    try:
        return tree.read(path).decode(errors="replace")
    except FileNotFoundError:
        return ""


def join(directory: str, path: str) -> str | None:
    """`path` as written in a file of `directory`, relative to the root; None if it leaves the root or is absolute."""
    if path.startswith("/"):
        return None
    joined = posixpath.normpath(posixpath.join(directory, path))
    if joined == ".":
        return ""
    return None if joined == ".." or joined.startswith("../") else joined
