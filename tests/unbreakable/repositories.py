"""What a case is made of: a small platform with two units, `neighbour`, which is well, and `case`, which the case fills."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Stands in files beside the repository, and must never be seen.
OUTSIDE = "outside-of-the-repository"

UNIT = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
  namespace: flux-system
spec:
  interval: 10m
  path: {path}
  prune: true
  sourceRef: {{kind: GitRepository, name: flux-system}}
"""
SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 1m
  url: ssh://git@example.org/platform.git
---
"""
NEIGHBOUR_FINDING = "missing-secret neighbour/deployment.yaml:15"
PLATFORM = {
    "clusters/production/flux-system/gotk-sync.yaml": SOURCE + UNIT.format(name="flux-system", path="./clusters/production"),
    "clusters/production/neighbour.yaml": UNIT.format(name="neighbour", path="./neighbour"),
    "clusters/production/case.yaml": UNIT.format(name="case", path="./case"),
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
