"""Where a call reads from, and whether it was answered before. It imports next to nothing: who asks again waits for little more than this."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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


class Known(NamedTuple):
    """An answer that was given before, and what it rests on."""

    files: str
    contents: dict[str, Any]
    skeletons: dict[str, tuple[str, ...]]
    words: list[bytes]
    answer: tuple[str, int]

    @property
    def state(self) -> str:
        """Stands for all files as they were."""
        return digest(self.files, *(identity for _, identity in self.contents.values()))


class Edited(NamedTuple):
    """What has changed in a few files since an answer was given."""

    answer: tuple[str, int]  # as it was
    kept: Any  # of the analysis, with the answer
    before: dict[str, bytes]  # the contents that these files had
    words: list[bytes]  # that files were looked through for


class Answers:
    """Answers to questions about one checkout. `question` holds all that they rest on beside its files."""

    def __init__(self, cache: Cache, checkout: Checkout, limits: Limits) -> None:
        self._cache = cache
        self._checkout = checkout
        self._limits = limits
        self._read: dict[tuple[Hashable, ...], Known] = {}
        self._before: dict[str, bytes | None] = {}

    def recall(self, question: tuple[Hashable, ...], *, to_the_letter: bool = False) -> Any | None:
        """The answer, if it was given before to the same files; unless it quotes them, also to files that differ only in values that nothing rests on."""
        known = self._known(question)
        if known is None:
            return None
        tree = self._checkout.tree
        if isinstance(tree, RevisionTree):
            return known.answer
        changed = self._changed(known, tree)
        if changed is None or (changed and to_the_letter):
            return None
        try:
            return known.answer if all(self._says_the_same(path, known) for path in changed) else None
        except FileNotFoundError:
            return None  # it has gone since

    def edited(self, question: tuple[Hashable, ...]) -> Edited | None:
        """What has changed since the answer was given, where that is known and little."""
        known, tree = self._known(question), self._checkout.tree
        changed = None if known is None or isinstance(tree, RevisionTree) else self._changed(known, tree)
        if known is None or not changed or any(known.skeletons.get(path) == () for path in changed):
            return None
        before = {path: content for path in changed if (content := self._content_before(known.contents[path][1])) is not None}
        if len(before) < len(changed):
            return None
        match self._cache.get(self._kept(question)):
            case (state, kept) if state == known.state:
                return Edited(known.answer, kept, before, known.words)
        return None

    def remember(
        self,
        question: tuple[Hashable, ...],
        answer: tuple[str, int],
        taken: Collection[str] = (),
        words: Collection[bytes] = (),
        keep: Callable[[], Any] = lambda: None,
    ) -> None:
        """Keeps an answer, text and exit status, with what was read of the checkout for it.

        Of the files `taken` every byte counts; `words` are those that files were looked through for. `keep` makes what `edited` gives.
        """
        tree = self._checkout.tree
        if isinstance(tree, RevisionTree):
            if not tree.unread:
                self._cache.put(self._name(question), tuple(Known("", {}, {}, [], answer)))
        elif tree.is_steady:
            skeletons: dict[str, tuple[str, ...]] = dict.fromkeys(taken, ())
            skeletons |= {path: self._skeleton(content, words) for path, content in self._keep_contents(tree, taken)}
            known = Known(digest(*tree.files), tree.snapshot(), skeletons, list(words), answer)
            self._cache.put(self._name(question), tuple(known))
            # After what stands above was written: both are large.
            if (kept := keep()) is not None:
                self._cache.put(self._kept(question), (known.state, kept))

    def _known(self, question: tuple[Hashable, ...]) -> Known | None:
        if question not in self._read:
            match self._cache.get(self._name(question)):
                case (str(), dict(), dict(), list(), tuple()) as row:
                    self._read[question] = Known(*row)
        return self._read.get(question)

    def _changed(self, known: Known, tree: WorkingTree) -> list[str] | None:
        return tree.changed(known.contents, _FEW) if known.files == digest(*tree.files) else None

    def _keep_contents(self, tree: WorkingTree, taken: Collection[str]) -> Iterable[tuple[str, bytes]]:
        """Keeps the contents that git does not have; yields the first of those in which secret values may stand, and which are therefore not kept."""
        at_work = uncommitted(self._checkout.root)
        paths = tree.seen if at_work is None else [path for path in at_work if path in tree.seen]
        contents: dict[str, bytes] = {}
        secret = size = 0
        for path in paths:
            if path in taken or not path.endswith(_WITH_SKELETON):
                continue
            content = tree.read(path)
            if _MAY_BE_SECRET.search(content):
                secret += 1
                if secret <= _FEW:
                    yield path, content
            elif size + len(content) <= _MOST_BYTES:
                size += len(content)
                contents[tree.identity(path)] = content
        if contents:
            self._cache.put(self._contents, contents)

    def _says_the_same(self, path: str, known: Known) -> bool:
        """Does a file differ only in what nothing rests on from what it was when an answer was given?"""
        earlier = known.skeletons.get(path)
        if earlier == () or not path.endswith(_WITH_SKELETON):
            return False
        if earlier is None:
            before = self._content_before(known.contents[path][1])
            earlier = None if before is None else self._skeleton(before, known.words)
        now = self._skeleton(self._checkout.tree.read(path), known.words)
        # Where an answer doesn't name a file, it tells no line of it.
        return earlier is not None and earlier[0] == now[0] and (earlier[1] == now[1] or not may_name(known.answer[0], path))

    def _content_before(self, identity: str) -> bytes | None:
        """A content that was read before, by its id: what git does not have of it is kept."""
        if identity not in self._before:
            match self._cache.get(self._contents):
                case {**contents} if isinstance(content := contents.get(identity), bytes):
                    self._before[identity] = content
                case _:
                    self._before[identity] = stored_content(self._checkout.root, identity)
        return self._before[identity]

    @property
    def _contents(self) -> str:
        return digest("contents", str(self._checkout.root))

    def _skeleton(self, content: bytes, words: Collection[bytes]) -> tuple[str, ...]:
        from gitops_secrets.pipeline.skeleton import skeleton

        return tuple(skeleton(content, self._limits, words))

    def _kept(self, question: tuple[Hashable, ...]) -> str:
        return digest("kept", self._name(question))

    def _name(self, question: tuple[Hashable, ...]) -> str:
        checkout = self._checkout
        return digest(str(checkout.root), checkout.revision or "", checkout.scope, *checkout.urls, repr(question))


def may_name(answer: str, path: str) -> bool:
    """May a text name a file? A name that some format would write otherwise may be in any."""
    name = path.rpartition("/")[2]
    return not _PLAIN.fullmatch(name) or name in answer


_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
# Beyond so many changed files it is another state, not an edit.
_FEW = 32
# Bytes of all contents together that are kept because git does not have them.
_MOST_BYTES = 64 * 2**20
# A Secret, what makes one, or what is encrypted as one; also within a text.
_MAY_BE_SECRET = re.compile(rb"\bSecret(?:List)?\b|secretGenerator|stringData|sops|ENC\[")
# JSON has no line for each value, so it has no skeleton.
_WITH_SKELETON = (".yaml", ".yml")
