"""What is asked of the program git about the checkout that a path lies in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from gitops_secrets.errors import OutsideError


class NoRepositoryError(OutsideError):
    """There is no git repository."""


class NoFilesError(OutsideError):
    """The repository is bare, or the folder is git's own."""


def run(folder: Path, *arguments: str) -> str:
    """What git prints, as text. Raises `OutsideError` where it fails."""
    return os.fsdecode(output(folder, *arguments))


def output(folder: Path, *arguments: str) -> bytes:
    """What git prints. Raises `OutsideError` where it fails."""
    if not any(os.path.exists(above / name) for above in (folder, *folder.parents) for name in (".git", "HEAD")):
        raise NoRepositoryError(f"{folder} is not in a git repository")
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
    {"not a git repository": NoRepositoryError, "invalid gitfile format": NoRepositoryError, "must be run in a work tree": NoFilesError}
)


def top_level(path: Path) -> Path | None:
    """The top of the git checkout that `path` lies in; the directory of a bare repository; None outside of git."""
    try:
        # The last line is missing where there are no files: in a bare repository, and inside of .git.
        bare, directory, *way_up = run(path, "rev-parse", "--is-bare-repository", "--absolute-git-dir", "--show-cdup").split("\n")[:-1]
    except NoRepositoryError:
        return None
    if way_up:
        return (path / way_up[0]).resolve()
    return Path(directory).resolve() if bare == "true" else Path(directory).resolve().parent


def remotes(path: Path) -> tuple[str, ...]:
    """The urls of the git remotes of the checkout at `path`, sorted."""
    try:
        lines = run(path, "remote", "--verbose").splitlines()
    except NoRepositoryError:
        return ()
    return tuple(sorted({line.partition("\t")[2].removesuffix(" (fetch)") for line in lines if line.endswith(" (fetch)")}))


def uncommitted(root: Path) -> list[str] | None:
    """The files of the checkout at `root` whose content git does not keep yet; None where there is no git, which are all of them."""
    try:
        return [path for path in run(root, "ls-files", "-z", "--modified", "--others", "--exclude-standard").split("\0") if path]
    except OutsideError:
        return None


def stored_content(root: Path, object_id: str) -> bytes | None:
    """The content that git keeps under an id in the repository at `root`; None for what it does not have."""
    try:
        return output(root, "cat-file", "blob", object_id)
    except OutsideError:
        return None


def is_ignored(root: Path, path: str) -> bool:
    """Would git leave out a new file at `path` of the checkout at `root`?"""
    try:
        run(root, "check-ignore", "--quiet", "--", path)
    except OutsideError:
        return False
    return True
