"""git in the repositories that tests make: with nobody's configuration, and as the same somebody at the same time, so that ids of commits are the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SOMEBODY = {
    **{f"GIT_{who}_NAME": "Somebody" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "somebody@example.org" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
_OPTIONS = ("-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always")  # the latter for submodules


def git(folder: Path, *arguments: str) -> str:
    """What git prints, run in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _SOMEBODY
    return subprocess.run(["git", *_OPTIONS, *arguments], cwd=folder, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def commit(folder: Path, message: str = "Change") -> str:
    """Commits all that there is in a folder, and gives the id of the commit; the folder becomes a repository if it is none."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")
