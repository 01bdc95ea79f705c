"""What a case is made of: a small platform with two units, `neighbour`, which is well, and `case`, which the case fills."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.flux import UNIT, sync
from tests.git import commit, git

# Stands in files beside the repository, and must never be seen.
OUTSIDE = "outside-of-the-repository"

NEIGHBOUR_FINDING = "missing-secret neighbour/deployment.yaml:15"
PLATFORM = {
    **sync("production"),
    "clusters/production/neighbour.yaml": UNIT.format(name="neighbour", path="neighbour"),
    "clusters/production/case.yaml": UNIT.format(name="case", path="case"),
    "neighbour/kustomization.yaml": "resources: [namespace.yaml, deployment.yaml]\n",
    "neighbour/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: neighbour\n",
    "neighbour/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: neighbour
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: example.org/web:1
          envFrom:
            - secretRef: {name: nobody-makes-this}
""",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str

    def make(self, path: Path) -> None:
        """Puts it at `path`."""
        path.symlink_to(self.target)


@dataclass(frozen=True, slots=True)
class Sparse:
    """A file of so many bytes that takes no room: `start`, then zeros."""

    size: int
    start: bytes = b""

    def make(self, path: Path) -> None:
        """Puts it at `path`."""
        path.write_bytes(self.start)
        os.truncate(path, self.size)


@dataclass(frozen=True, slots=True)
class Special:
    """What is neither a file nor a directory."""

    kind: str  # fifo, socket

    def make(self, path: Path) -> None:
        """Puts it at `path`."""
        if self.kind == "fifo":
            os.mkfifo(path)
            return
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket may have a hundred characters only
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
        finally:
            os.chdir(here)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that its owner may not read."""

    text: str

    def make(self, path: Path) -> None:
        """Puts it at `path`."""
        path.write_text(self.text)
        path.chmod(0)


Content = str | bytes | Link | Sparse | Special | Unreadable


def make(root: Path, files: Mapping[str, Content]) -> None:
    """Writes files below `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.exists():
            path.unlink()
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8", errors="surrogateescape", newline="")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.make(path)


def with_broken_index(root: Path) -> None:
    """The index is garbage."""
    commit(root)
    (root / ".git" / "index").write_bytes(b"DIRC" + bytes(range(256)))


def without_objects(root: Path) -> None:
    """Git's objects are gone, as of a clone that was cut off."""
    commit(root)
    shutil.rmtree(root / ".git" / "objects")
    (root / ".git" / "objects").mkdir()


def shallow(root: Path) -> None:
    """A clone with the last commit only."""
    commit(root)
    git(root, "commit", "--quiet", "--allow-empty", "--message=more")
    origin = root.rename(root.with_name("origin"))
    git(origin.parent, "clone", "--quiet", "--depth=1", origin.as_uri(), root.name)


def bare(root: Path) -> None:
    """A repository without files."""
    commit(root)
    origin = root.rename(root.with_name("origin"))
    git(origin.parent, "clone", "--quiet", "--bare", str(origin), root.name)


def with_submodule(root: Path) -> None:
    """`case/module` is a submodule that nobody has fetched."""
    commit(root)
    make(root, {".gitmodules": '[submodule "module"]\n\tpath = case/module\n\turl = https://example.org/module.git\n'})
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},case/module")
    git(root, "add", ".gitmodules")
    git(root, "commit", "--quiet", "--message=module")


def with_programs(root: Path) -> None:
    """The repository's own git configuration names programs to be run."""
    commit(root)
    program = root / "program.sh"
    program.write_text(f"#!/bin/sh\necho {OUTSIDE} >> {root.parent}/was-run\n")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "diff.external", "filter.lfs.smudge", "alias.ls-files"):
        git(root, "config", name, str(program))
