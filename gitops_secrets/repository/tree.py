"""A revision or a working tree as a tree of files. The one door of GitPython; nothing outside of the root is ever read.

What is asked of a working tree is asked of the program git, which takes a few milliseconds; GitPython, which takes a hundred to import, reads the objects
of revisions.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
import subprocess
import time
from collections.abc import Iterable, Mapping
from hashlib import sha1
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gitops_secrets.errors import OutsideError, UsageError
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    import git

# Older commits than these are nowhere to be met.
_RECENT = 10_000


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

    def identity(self, path: str) -> str:
        return blob_id(self.read(path))


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

    def identity(self, path: str) -> str:
        return blob_id(self.read(path)) if path in self._changes else self._below.identity(path)


class JoinedTree(_Index):
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


# Nanoseconds. File systems count times in steps of up to two seconds.
_COARSEST_CLOCK = 2_000_000_000
# What a file system tells of a regular file: as long as none of it changes, the content is the same. Modified, changed (nanoseconds), size, inode.
Stamp = tuple[int, int, int, int]


class WorkingTree(_Index):
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
        self._inside: dict[str, bool] = {}
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
        """Is it below the root with all links followed? Asked once for each directory: following is slow."""
        directory = os.path.dirname(absolute)
        inside = self._inside.get(directory)
        if inside is None:
            inside = self._inside[directory] = (os.path.realpath(directory) + os.sep).startswith(self._real_root)
        return inside and (not is_link or os.path.realpath(absolute).startswith(self._real_root))


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


class RevisionTree(_Index):
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
        for entry in _run(root, "ls-tree", "-r", "-z", "--full-tree", self.commit).split("\0"):
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


def content_of(tree: Tree, path: str) -> str:
    """The text of a file, for who goes on without it: with what is no UTF-8 replaced, empty where it can't be read."""
    try:
        return tree.read(path).decode(errors="replace")
    except FileNotFoundError:
        return ""


def uncommitted(root: Path) -> list[str]:
    """The files of the checkout at `root` whose content git does not keep yet; none outside of git."""
    try:
        return [path for path in _run(root, "ls-files", "-z", "--modified", "--others", "--exclude-standard").split("\0") if path]
    except OutsideError:
        return []


def stored_content(root: Path, object_id: str) -> bytes | None:
    """The content that git keeps under an id in the repository at `root`; None for what it does not have."""
    try:
        return _output(root, "cat-file", "blob", object_id)
    except OutsideError:
        return None


def is_ignored(root: Path, path: str) -> bool:
    """Would git leave out a new file at `path` of the checkout at `root`?"""
    try:
        _run(root, "check-ignore", "--quiet", "--", path)
    except OutsideError:
        return False
    return True


def top_level(path: Path) -> Path | None:
    """The top of the git checkout that `path` lies in; the directory of a bare repository; None outside of git."""
    try:
        # The last line is missing where there are no files: in a bare repository, and inside of .git.
        bare, directory, *way_up = _run(path, "rev-parse", "--is-bare-repository", "--absolute-git-dir", "--show-cdup").split("\n")[:-1]
    except _NoRepositoryError:
        return None
    if way_up:
        return (path / way_up[0]).resolve()
    return Path(directory).resolve() if bare == "true" else Path(directory).resolve().parent


def remotes(path: Path) -> tuple[str, ...]:
    """The urls of the git remotes of the checkout at `path`, sorted."""
    try:
        lines = _run(path, "remote", "--verbose").splitlines()
    except _NoRepositoryError:
        return ()
    return tuple(sorted({line.partition("\t")[2].removesuffix(" (fetch)") for line in lines if line.endswith(" (fetch)")}))


class History(NamedTuple):
    """A commit, and what came before it."""

    commit: str
    made: int  # seconds since 1970
    ancestors: frozenset[str]  # the latest of them


def history(path: Path, revision: str) -> History | None:
    """What `revision` names in the checkout at `path`; None outside of git, and before the first commit."""
    try:
        made, *commits = _run(path, "rev-list", f"--max-count={_RECENT}", "--timestamp", "--end-of-options", revision).split()
    except (OutsideError, ValueError):
        return None
    return History(commits[0], int(made), frozenset(commits[2::2]))


def resolve(root: Path, revision: str) -> str:
    """The commit id that `revision` names in the repository at `root`. Raises `UsageError` for one that is not there."""
    try:
        return _run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}").strip()
    except OutsideError as error:
        raise UsageError(_not_there(root, revision)) from error


def base_commit(root: Path, revision: str, head: str | None = None, *, merge_base: bool = True) -> str:
    """The commit to compare `head` (None: what is checked out) with: where the histories of the two part, or without `merge_base` that of `revision`.

    Raises `UsageError` for a revision that is not there, for histories that share nothing, and with what to fetch for a clone that is too shallow to tell.
    """
    if top_level(root) is None:
        raise UsageError(f"{root} is not in a git repository, so there is no revision {revision!r} to compare with")
    base = resolve(root, revision)
    if not merge_base:
        return base
    tip = resolve(root, head or "HEAD")
    try:
        return _run(root, "merge-base", base, tip).strip()
    except OutsideError as error:
        if _is_shallow(root):
            raise UsageError(_too_shallow(root, revision, tip)) from error
        raise UsageError(f"{head or 'HEAD'} and {revision} have no commit in common\nto compare them all the same, add --no-merge-base") from error


class Commit(NamedTuple):
    """A commit, the first of its parents, and the first line of what it says."""

    id: str
    parent: str
    subject: str


def commits_since(root: Path, base: str, head: str) -> tuple[Commit, ...]:
    """The commits after `base` up to `head`, along first parents, as the branch saw them; the oldest first. Raises `UsageError` where the clone ends."""
    order = ("--first-parent", "--reverse", "--format=%H%n%P%n%s")
    listing = _run(root, "-c", "log.showSignature=false", "log", "-z", *order, f"{base}..{head}", "--")
    commits = []
    for entry in filter(None, listing.split("\0")):
        commit, parents, subject = entry.split("\n", 2)
        if not parents:
            fetch = f"this clone is shallow; fetch more: git fetch --deepen={_FIRST_DEPTH} origin\n{_IN_CI}" if _is_shallow(root) else "it begins a history"
            raise UsageError(f"commit {commit[:12]} has no parent to compare it with\n{fetch}")
        commits.append(Commit(commit, parents.split(" ")[0], subject))
    return tuple(commits)


def renames(root: Path, base: str, head: str | None = None) -> dict[str, str]:
    """The new path of every file that was renamed between `base` and `head` (None: the working tree), as git sees it."""
    if top_level(root) is None:
        return {}
    listing = _run(root, "diff", "--name-status", "-z", "--find-renames", "--diff-filter=R", "--no-ext-diff", base, *([head] if head else []), "--")
    fields = listing.split("\0")
    return {fields[number + 1]: fields[number + 2] for number in range(0, len(fields) - 2, 3)}


def shown_lines(root: Path, base: str, head: str | None = None) -> dict[str, list[range]]:
    """The lines that a diff from `base` to `head` (None: the working tree) shows of each file as it is then, three lines around each change included."""
    options = ("--unified=3", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--src-prefix=a/", "--dst-prefix=b/")
    listing = _run(root, "-c", "core.quotePath=false", "diff", *options, base, *([head] if head else []), "--")
    found: dict[str, list[range]] = {}
    lines: list[range] = []
    for line in listing.split("\n"):
        if line.startswith("+++ b/"):
            lines = found.setdefault(line[len("+++ b/") :].rstrip("\t"), [])
        elif match := _HUNK.match(line):
            start, count = int(match[1]), int(match[2] or 1)
            lines.append(range(start, start + count))
    return found


_HUNK = re.compile(r"@@ -[0-9,]+ \+([0-9]+)(?:,([0-9]+))? @@")


def _is_shallow(root: Path) -> bool:
    return _run(root, "rev-parse", "--is-shallow-repository").strip() == "true"


def _not_there(root: Path, revision: str) -> str:
    branch = revision.removeprefix("origin/") if _BRANCH.fullmatch(revision) else None
    if not _is_shallow(root):
        advice = "" if branch is None else f"\nif it is a branch of a remote, fetch it first: git fetch origin {branch}"
        return f"revision {revision!r} is not in this repository{advice}"
    if branch is None:
        fetch = f"git fetch --deepen={_FIRST_DEPTH}"
    elif _COMMIT.fullmatch(branch):
        fetch = f"git fetch --depth={_FIRST_DEPTH} origin {branch}"
    else:
        fetch = f"git fetch --depth={_FIRST_DEPTH} origin {branch}:refs/remotes/origin/{branch}"
    return f"revision {revision!r} is not in this repository, which is a shallow clone\nfetch it with its history: {fetch}\n{_IN_CI}"


# What can name a branch (git help check-ref-format): not an ancestor like HEAD~1, nor an option.
_BRANCH = re.compile(r"(?!-)(?!HEAD\b)[^\s~^:?*\[\\@{]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def _too_shallow(root: Path, revision: str, tip: str) -> str:
    there = int(_run(root, "rev-list", "--count", tip).strip())
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


def _open(path: Path) -> git.Repo:
    import git

    return git.Repo(path, search_parent_directories=True)


class _NoRepositoryError(OutsideError):
    """There is no git repository."""


class _NoFilesError(OutsideError):
    """The repository is bare, or the folder is git's own."""


def _run(folder: Path, *arguments: str) -> str:
    """What git prints, as text. Raises `OutsideError` where it fails."""
    return os.fsdecode(_output(folder, *arguments))


def _output(folder: Path, *arguments: str) -> bytes:
    """What git prints. Raises `OutsideError` where it fails."""
    if not any(os.path.exists(above / name) for above in (folder, *folder.parents) for name in (".git", "HEAD")):
        raise _NoRepositoryError(f"{folder} is not in a git repository")
    # The folder says which repository it is, not the hook that this may run in.
    environment = {name: value for name, value in os.environ.items() if name not in _LOCAL_VARIABLES}
    try:
        command = ["git", *_NO_PROGRAMS, "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, env={**environment, "LC_ALL": "C"})  # noqa: S603
    except OSError as error:
        raise OutsideError("git is not on PATH") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        kind = next((error for words, error in _FAILURES.items() if words in reason), OutsideError)
        raise kind(f"git {arguments[0]} failed: {reason}")
    return done.stdout


# A folder of a repository can look like git's own, with a configuration that names programs to be run. What a clone lacks is not fetched.
_NO_PROGRAMS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never")
# Of `git rev-parse --local-env-vars`: those that say where a repository is.
_LOCAL_VARIABLES = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE"})
_FAILURES: Mapping[str, type[OutsideError]] = MappingProxyType(
    {"not a git repository": _NoRepositoryError, "invalid gitfile format": _NoRepositoryError, "must be run in a work tree": _NoFilesError}
)


def _git_files(root: Path, unread: dict[str, str]) -> Iterable[str] | None:
    """The files of a checkout that count; None outside of git, and where git can't tell, which is noted in `unread`."""
    try:
        return _run(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate").split("\0")[:-1]
    except _NoRepositoryError:
        return None
    except _NoFilesError:
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
