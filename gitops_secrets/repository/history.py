"""Commits: which one a name means, what lies between two, and what to fetch where a clone does not have them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from gitops_secrets.errors import OutsideError, UsageError
from gitops_secrets.repository.git_program import run, top_level

# Older commits than these are nowhere to be met.
_RECENT = 10_000


class History(NamedTuple):
    """A commit, and what came before it."""

    commit: str
    made: int  # seconds since 1970
    ancestors: frozenset[str]  # the latest of them


def history(path: Path, revision: str) -> History | None:
    """What `revision` names in the checkout at `path`; None outside of git, and before the first commit."""
    try:
        made, *commits = run(path, "rev-list", f"--max-count={_RECENT}", "--timestamp", "--end-of-options", revision).split()
    except (OutsideError, ValueError):
        return None
    return History(commits[0], int(made), frozenset(commits[2::2]))


def resolve(root: Path, revision: str) -> str:
    """The commit id that `revision` names in the repository at `root`. Raises `UsageError` for one that is not there."""
    try:
        return run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}").strip()
    except OutsideError as error:
        raise UsageError(_not_there(root, revision)) from error


def base_commit(root: Path, revision: str, head: str | None, *, merge_base: bool) -> str:
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
        return run(root, "merge-base", base, tip).strip()
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
    listing = run(root, "-c", "log.showSignature=false", "log", "-z", *order, f"{base}..{head}", "--")
    commits = []
    for entry in filter(None, listing.split("\0")):
        commit, parents, subject = entry.split("\n", 2)
        if not parents:
            fetch = f"this clone is shallow; fetch more: git fetch --deepen={_FIRST_DEPTH} origin\n{_IN_CI}" if _is_shallow(root) else "it begins a history"
            raise UsageError(f"commit {commit[:12]} has no parent to compare it with\n{fetch}")
        commits.append(Commit(commit, parents.split(" ")[0], subject))
    return tuple(commits)


def renames(root: Path, base: str, head: str | None) -> dict[str, str]:
    """The new path of every file that was renamed between `base` and `head` (None: the working tree), as git sees it."""
    if top_level(root) is None:
        return {}
    listing = run(root, "diff", "--name-status", "-z", "--find-renames", "--diff-filter=R", "--no-ext-diff", base, *([head] if head else []), "--")
    fields = listing.split("\0")
    return {fields[number + 1]: fields[number + 2] for number in range(0, len(fields) - 2, 3)}


def shown_lines(root: Path, base: str, head: str | None) -> dict[str, list[range]]:
    """The lines that a diff from `base` to `head` (None: the working tree) shows of each file as it is then, three lines around each change included."""
    options = ("--unified=3", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--src-prefix=a/", "--dst-prefix=b/")
    listing = run(root, "-c", "core.quotePath=false", "diff", *options, base, *([head] if head else []), "--")
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
    return run(root, "rev-parse", "--is-shallow-repository").strip() == "true"


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
    there = int(run(root, "rev-list", "--count", tip).strip())
    fetch = f"git fetch --deepen={max(_FIRST_DEPTH, 2 * there)} origin {revision.removeprefix('origin/')}"
    commits = "1 commit" if there == 1 else f"{there} commits"
    return f"this clone is shallow: it has {commits} of the history of HEAD, and none that {revision} has too\nfetch more: {fetch}\n{_IN_CI}"


# Deep enough for nearly every pull request, and still quick to fetch.
_FIRST_DEPTH = 100
_IN_CI = "in GitHub Actions give actions/checkout `fetch-depth: 0`, in GitLab CI set GIT_DEPTH"
