"""A revision or a working tree as a tree of files. The one door of GitPython; nothing outside of the root is ever read."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gitops_secrets.errors import OutsideError, UsageError

if TYPE_CHECKING:
    import git


class Tree(Protocol):
    """Files by path, relative to the root, with `/`."""

    @property
    def files(self) -> tuple[str, ...]:
        """All files, sorted."""

    def read(self, path: str) -> bytes:
        """The content of a file. Raises `FileNotFoundError` for a path that is no file of this tree."""

    def is_file(self, path: str) -> bool:
        """Is it a file of this tree?"""

    def is_directory(self, path: str) -> bool:
        """Does it have files below it? The root is ""."""

    def children(self, directory: str) -> tuple[str, ...]:
        """Names of files and directories directly in `directory`, sorted. Empty for what is no directory."""


class _Index:
    """Which paths there are, from a list of files."""

    def __init__(self, files: Iterable[str]) -> None:
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


class MemoryTree(_Index):
    """Files given as a mapping: for tests, and for changes that are not written yet."""

    def __init__(self, contents: Mapping[str, str | bytes]) -> None:
        super().__init__(contents)
        self._contents = {path: content.encode() if isinstance(content, str) else content for path, content in contents.items()}

    def read(self, path: str) -> bytes:
        try:
            return self._contents[path]
        except KeyError:
            raise FileNotFoundError(path) from None


class OverlaidTree(_Index):
    """Another tree with some files replaced, added or (None) deleted."""

    def __init__(self, below: Tree, changes: Mapping[str, bytes | None]) -> None:
        super().__init__((set(below.files) | set(changes)) - {path for path, content in changes.items() if content is None})
        self._below = below
        self._changes = changes

    def read(self, path: str) -> bytes:
        if path not in self._changes:
            return self._below.read(path)
        content = self._changes[path]
        if content is None:
            raise FileNotFoundError(path)
        return content


class JoinedTree(_Index):
    """Another tree, with further ones in folders of their own; a folder may be outside of it (`../other`)."""

    def __init__(self, tree: Tree, joined: Mapping[str, Tree]) -> None:
        super().__init__({*tree.files, *(f"{folder}/{path}" for folder, other in joined.items() for path in other.files)})
        self._tree = tree
        self._joined = joined

    def read(self, path: str) -> bytes:
        """The content of a file. Raises `FileNotFoundError`."""
        for folder, other in self._joined.items():
            if path.startswith(folder + "/"):
                return other.read(path[len(folder) + 1 :])
        return self._tree.read(path)


class WorkingTree(_Index):
    """What lies on disk below `root`: in a git checkout what git tracks and what is new and not ignored, elsewhere every file.

    Symbolic links are followed only to regular files below the root.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._real_root = str(self.root) + os.sep
        self._inside: dict[str, bool] = {}
        repository = _open(self.root)
        listed = _git_files(repository, self.root) if repository is not None else _walk(self.root)
        super().__init__(path for path in listed if self._is_readable(self._real_root + path))

    def read(self, path: str) -> bytes:
        if not self.is_file(path):
            raise FileNotFoundError(path)
        absolute = self._real_root + path
        if not self._is_inside(absolute, is_link=os.path.islink(absolute)):
            raise FileNotFoundError(path)
        try:
            with open(absolute, "rb") as file:
                return file.read()
        except (IsADirectoryError, NotADirectoryError, PermissionError, OSError) as error:
            raise FileNotFoundError(path) from error

    def _is_readable(self, absolute: str) -> bool:
        try:
            mode = os.lstat(absolute).st_mode
        except OSError:
            return False
        return self._is_inside(absolute, is_link=stat.S_ISLNK(mode)) and (stat.S_ISREG(mode) or os.path.isfile(absolute))

    def _is_inside(self, absolute: str, *, is_link: bool) -> bool:
        """Is it below the root with all links followed? Asked once for each directory: following is slow."""
        directory = os.path.dirname(absolute)
        inside = self._inside.get(directory)
        if inside is None:
            inside = self._inside[directory] = (os.path.realpath(directory) + os.sep).startswith(self._real_root)
        return inside and (not is_link or os.path.realpath(absolute).startswith(self._real_root))


class RevisionTree(_Index):
    """A commit, read from git objects: no checkout, bare repositories too."""

    def __init__(self, root: Path, revision: str) -> None:
        repository = _open(root)
        if repository is None:
            raise UsageError(f"{root} is not in a git repository, so there is no revision {revision!r}\nleave out --rev to read the folder itself")
        self.commit = resolve(repository, revision)
        self._git = repository
        listing = _run(repository, "ls-tree", "-r", "-z", "--full-tree", self.commit)
        self._objects: dict[str, str] = {}
        links: dict[str, str] = {}
        for entry in listing.split("\0"):
            if entry:
                meta, _, path = entry.partition("\t")
                mode, kind, object_id = meta.split(" ")
                if kind == "blob":
                    (links if mode == "120000" else self._objects)[path] = object_id
        self._objects.update(self._linked(links))
        super().__init__(self._objects)

    def _linked(self, links: Mapping[str, str]) -> dict[str, str]:
        """The files that links lead to, as on disk: within the tree, and through other links."""
        targets = {path: join(posixpath.dirname(path), self._content(object_id).decode(errors="surrogateescape")) for path, object_id in links.items()}
        found = {}
        for path in links:
            target, seen = targets[path], {path}
            while target in targets and target not in seen:
                seen.add(target)
                target = targets[target]
            if target in self._objects:
                found[path] = self._objects[target]
        return found

    def read(self, path: str) -> bytes:
        object_id = self._objects.get(path)
        if object_id is None:
            raise FileNotFoundError(path)
        return self._content(object_id)

    def _content(self, object_id: str) -> bytes:
        content: bytes = self._git.odb.stream(bytes.fromhex(object_id)).read()
        return content


def top_level(path: Path) -> Path | None:
    """The top of the git checkout that `path` lies in; the directory of a bare repository; None outside of git."""
    repository = _open(path)
    if repository is None:
        return None
    return Path(repository.working_tree_dir or repository.git_dir).resolve()


def remotes(path: Path) -> tuple[str, ...]:
    """The urls of the git remotes of the checkout at `path`, sorted."""
    repository = _open(path)
    if repository is None:
        return ()
    return tuple(sorted({url for remote in repository.remotes for url in remote.urls}))


def resolve(repository: git.Repo, revision: str) -> str:
    """The commit id that `revision` names. Raises `UsageError` for one that is not there."""
    try:
        return _run(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}").strip()
    except OutsideError as error:
        raise UsageError(_not_there(repository, revision)) from error


def fork_point(root: Path, revision: str, head: str | None = None) -> str:
    """The commit where the histories of `revision` and `head` (None: what is checked out) part.

    Raises `UsageError` for a revision that is not there, for histories that share nothing, and with what to fetch for a clone that is too shallow to tell.
    """
    repository = _open(root)
    if repository is None:
        raise UsageError(f"{root} is not in a git repository, so there is no revision {revision!r} to compare with")
    base, tip = resolve(repository, revision), resolve(repository, head or "HEAD")
    try:
        return _run(repository, "merge-base", base, tip).strip()
    except OutsideError as error:
        if _is_shallow(repository):
            raise UsageError(_too_shallow(repository, revision, tip)) from error
        raise UsageError(f"{head or 'HEAD'} and {revision} have no commit in common\nto compare them all the same, add --no-merge-base") from error


def renames(root: Path, base: str, head: str | None = None) -> dict[str, str]:
    """The new path of every file that was renamed between `base` and `head` (None: the working tree), as git sees it."""
    repository = _open(root)
    if repository is None:
        return {}
    listing = _run(repository, "diff", "--name-status", "-z", "--find-renames", "--diff-filter=R", "--no-ext-diff", base, *([head] if head else []), "--")
    fields = listing.split("\0")
    return {fields[number + 1]: fields[number + 2] for number in range(0, len(fields) - 2, 3)}


def _is_shallow(repository: git.Repo) -> bool:
    return _run(repository, "rev-parse", "--is-shallow-repository").strip() == "true"


def _not_there(repository: git.Repo, revision: str) -> str:
    branch = revision.removeprefix("origin/")
    if not _is_shallow(repository):
        return f"revision {revision!r} is not in this repository\nif it is a branch of a remote, fetch it first: git fetch origin {branch}"
    fetch = f"git fetch --depth={_FIRST_DEPTH} origin {branch}:refs/remotes/origin/{branch}"
    return f"revision {revision!r} is not in this repository, which is a shallow clone\nfetch it with its history: {fetch}\n{_IN_CI}"


def _too_shallow(repository: git.Repo, revision: str, tip: str) -> str:
    there = int(_run(repository, "rev-list", "--count", tip).strip())
    fetch = f"git fetch --deepen={max(_FIRST_DEPTH, 2 * there)} origin {revision.removeprefix('origin/')}"
    commits = "1 commit" if there == 1 else f"{there} commits"
    return f"this clone is shallow: it has {commits} of the history of HEAD, and none that {revision} has too\nfetch more: {fetch}\n{_IN_CI}"


# Deep enough for nearly every pull request, and still quick to fetch.
_FIRST_DEPTH = 100
_IN_CI = "in GitHub Actions give actions/checkout `fetch-depth: 0`, in GitLab CI set GIT_DEPTH"


def join(directory: str, path: str) -> str | None:
    """`path` as written in a file of `directory`, relative to the root; None if it leaves the root or is absolute."""
    if path.startswith("/"):
        return None
    joined = posixpath.normpath(posixpath.join(directory, path))
    if joined == ".":
        return ""
    return None if joined == ".." or joined.startswith("../") else joined


def _open(path: Path) -> git.Repo | None:
    import git

    try:
        return git.Repo(path, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        return None


def _run(repository: git.Repo, *arguments: str) -> str:
    import git

    try:
        output: str = repository.git.execute(["git", *arguments], strip_newline_in_stdout=False)
    except git.GitCommandError as error:
        raise OutsideError(f"git {arguments[0]} failed: {str(error.stderr).strip()}") from error
    except git.GitCommandNotFound as error:
        raise OutsideError("git is not on PATH") from error
    return output


def _git_files(repository: git.Repo, root: Path) -> Iterable[str]:
    if repository.bare or Path(repository.git_dir).resolve() == root:
        raise UsageError(f"{root} is a bare repository, without files of its own\nname what to read with --rev, such as --rev HEAD")
    top = Path(repository.working_tree_dir or repository.git_dir).resolve()
    prefix = "" if top == root else root.relative_to(top).as_posix() + "/"
    listing = _run(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    for path in listing.split("\0"):
        if path and path.startswith(prefix):
            yield path[len(prefix) :]


def _walk(root: Path) -> Iterable[str]:
    for directory, directories, files in os.walk(root):
        directories[:] = sorted(name for name in directories if name != ".git")
        relative = Path(directory).relative_to(root).as_posix()
        yield from (name if relative == "." else f"{relative}/{name}" for name in files)
