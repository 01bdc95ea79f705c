"""Where a call reads from, and whether it was answered before. It imports next to nothing: who asks again waits for little more than this."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_secrets.errors import UsageError
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.repository.cache import Cache, digest
from gitops_secrets.repository.tree import RevisionTree, WorkingTree, remotes, top_level


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files of a repository, as they are on disk or in a revision."""

    root: Path
    scope: str  # what was asked about lies below it; "" is the whole repository
    tree: WorkingTree | RevisionTree
    urls: tuple[str, ...]  # under which the repository is known

    @property
    def revision(self) -> str | None:
        """The commit that is read; None for the files on disk."""
        return self.tree.commit if isinstance(self.tree, RevisionTree) else None


def open_checkout(path: Path, revision: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Checkout:
    """The repository that `path` lies in. Raises `UsageError` for a path or revision that is not there."""
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    folder = (path if path.is_dir() else path.parent).resolve()
    root = _root_of(folder)
    tree = WorkingTree(root, limits) if revision is None else RevisionTree(root, revision, limits)
    scope = "" if folder == root or root not in folder.parents else folder.relative_to(root).as_posix()
    return Checkout(root, scope, tree, remotes(root))


def _root_of(folder: Path) -> Path:
    root = top_level(folder)
    if root is not None:
        return root
    here = Path.cwd().resolve()
    return here if here == folder or here in folder.parents else folder


class Answers:
    """Answers to questions about one checkout. `question` holds all that they rest on beside its files."""

    def __init__(self, cache: Cache, checkout: Checkout) -> None:
        self._cache = cache
        self._checkout = checkout

    def recall(self, question: tuple[Hashable, ...]) -> Any | None:
        """The answer, if it was given before to the same files."""
        found = self._cache.get(self._name(question))
        if found is None:
            return None
        files, contents, answer = found
        tree = self._checkout.tree
        if isinstance(tree, RevisionTree):
            return answer
        return answer if files == digest(*tree.files) and tree.holds(contents) else None

    def remember(self, question: tuple[Hashable, ...], answer: Any) -> None:
        """Keeps an answer, a value as a `Cache` takes it, with what was read of the checkout for it."""
        tree = self._checkout.tree
        if isinstance(tree, RevisionTree):
            if not tree.unread:
                self._cache.put(self._name(question), ("", {}, answer))
        elif tree.is_steady:
            self._cache.put(self._name(question), (digest(*tree.files), tree.snapshot(), answer))

    def _name(self, question: tuple[Hashable, ...]) -> str:
        checkout = self._checkout
        return digest(str(checkout.root), checkout.revision or "", checkout.scope, *checkout.urls, repr(question))
