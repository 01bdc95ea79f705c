"""Directories that are named and not there."""

from __future__ import annotations

from gitops_secrets.repository.tree import Tree
from gitops_secrets.syntax.nearest import nearest


def closest_directory(tree: Tree, path: str) -> str | None:
    """The directory that was most likely meant by a path that is not there."""
    parent, _, name = path.rpartition("/")
    while parent and not tree.is_directory(parent):
        parent, _, name = parent.rpartition("/")
    siblings = [child for child in tree.children(parent) if tree.is_directory(f"{parent}/{child}" if parent else child)]
    close = nearest(name, siblings)
    return None if close is None else f"{parent}/{close}".lstrip("/")
