"""Where a call reads from, and whether it was answered before. It imports next to nothing: who asks again waits for little more than this."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_secrets.errors import UsageError
from gitops_secrets.model.limits import Limits
from gitops_secrets.repository.cache import Cache, digest
from gitops_secrets.repository.files import RevisionTree, WorkingTree
from gitops_secrets.repository.git_program import remotes, stored_content, top_level, uncommitted
from gitops_secrets.repository.history import base_commit


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

    def parted_from(self, revision: str, *, merge_base: bool) -> str:
        """The commit that what is read is compared with: see `base_commit`."""
        return base_commit(self.root, revision, self.revision, merge_base=merge_base)


def open_checkout(path: Path, revision: str | None, limits: Limits) -> Checkout:
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

    def __init__(self, cache: Cache, checkout: Checkout, limits: Limits) -> None:
        self._cache = cache
        self._checkout = checkout
        self._limits = limits

    def recall(self, question: tuple[Hashable, ...], *, to_the_letter: bool = False) -> Any | None:
        """The answer, if it was given before to the same files; unless it quotes them, also to files that differ only in values that nothing rests on."""
        match self._cache.get(self._name(question)):
            case (str(files), dict(contents), dict(skeletons), list(words), tuple(answer)):
                pass
            case _:
                return None
        tree = self._checkout.tree
        if isinstance(tree, RevisionTree):
            return answer
        changed = tree.changed(contents, _FEW) if files == digest(*tree.files) else None
        if changed is None or (changed and to_the_letter):
            return None
        text = answer[0]
        return answer if all(self._says_the_same(path, contents[path][1], skeletons.get(path), words, text) for path in changed) else None

    def remember(self, question: tuple[Hashable, ...], answer: tuple[str, int], taken: Collection[str] = (), words: Collection[bytes] = ()) -> None:
        """Keeps an answer, text and exit status, with what was read of the checkout for it.

        Of the files `taken` every byte counts; `words` are those that files were looked through for.
        """
        tree = self._checkout.tree
        if isinstance(tree, RevisionTree):
            if not tree.unread:
                self._cache.put(self._name(question), ("", {}, {}, [], answer))
        elif tree.is_steady:
            at_work = [path for path in uncommitted(self._checkout.root) if path in tree.seen and path.endswith(_WITH_SKELETON)]
            skeletons: dict[str, tuple[str, ...]] = {path: self._skeleton(tree.read(path), words) for path in at_work[:_FEW]}
            skeletons |= dict.fromkeys(taken, ())
            self._cache.put(self._name(question), (digest(*tree.files), tree.snapshot(), skeletons, list(words), answer))

    def _says_the_same(self, path: str, identity: str, known: tuple[str, ...] | None, words: Collection[bytes], answer: str) -> bool:
        """Does a file differ only in what nothing rests on from the content `identity`, whose skeleton may be `known`?"""
        if known == () or not path.endswith(_WITH_SKELETON):
            return False
        if known is None:
            before = stored_content(self._checkout.root, identity)
            known = None if before is None else self._skeleton(before, words)
        now = self._skeleton(self._checkout.tree.read(path), words)
        # Where an answer doesn't name a file, it tells no line of it.
        return known is not None and known[0] == now[0] and (known[1] == now[1] or not _may_name(answer, path))

    def _skeleton(self, content: bytes, words: Collection[bytes]) -> tuple[str, ...]:
        from gitops_secrets.pipeline.skeleton import skeleton

        return tuple(skeleton(content, self._limits, words))

    def _name(self, question: tuple[Hashable, ...]) -> str:
        checkout = self._checkout
        return digest(str(checkout.root), checkout.revision or "", checkout.scope, *checkout.urls, repr(question))


def _may_name(answer: str, path: str) -> bool:
    """May a text name a file? A name that some format would write otherwise may be in any."""
    name = path.rpartition("/")[2]
    return not _PLAIN.fullmatch(name) or name in answer


_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
# Beyond so many changed files it is another state, not an edit.
_FEW = 32
# JSON has no line for each value, so it has no skeleton.
_WITH_SKELETON = (".yaml", ".yml")
