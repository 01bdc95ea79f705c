"""Files of a tree to documents: parsed once, secret values cut before anyone sees them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gitops_secrets.manifests.secrets import redact
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence
from gitops_secrets.repository.tree import Tree, UnreadableError
from gitops_secrets.syntax.budget import CHARACTERS, Budget, BudgetError, Spent
from gitops_secrets.syntax.yaml import parse

T = TypeVar("T")

_STEP = 50  # files
YAML_SUFFIXES = (".yaml", ".yml", ".json")
_WORD = re.compile(rb"[\w.-]+")
SUPPRESSION = b"gitops-secrets:"
_FOLDED = re.compile(rb">[-+0-9]*[ \t\r]*(?:#[^\n]*)?$", re.MULTILINE)
_NUMBER = re.compile(rb"[0-9](?:\.0*|\.?[eE][-+]?[0-9]+)[ \t\r]*(?:[,}\]#\n]|\Z)")
_DATE = re.compile(rb"[0-9]{4}-[0-9]{1,2}-[0-9]")
_VERSION_FIELDS = frozenset({"name", "served", "storage", "deprecated"})


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one file, shared by all who ask: never change them."""

    documents: tuple[object, ...]
    problems: tuple[Problem, ...]
    # May it hold a value that kustomize writes differently: folded text, a whole number with a fraction or an exponent, a date?
    may_be_respelt: bool = True
    may_suppress: bool = False  # may a comment in it suppress findings?

    @property
    def first(self) -> object:
        """The first document; None where there is none."""
        return next(iter(self.documents), None)


class _Words:
    """Which words were looked for in which files, and which of them are there: two bits for each, since there may be many of both."""

    def __init__(self) -> None:
        self._shifts: dict[bytes, int] = {}
        self._states: dict[str, int] = {}

    def found(self, path: str, word: bytes) -> bool | None:
        """Is a word in a file? None where nobody looked."""
        shift = self._shifts.get(word)
        state = 0 if shift is None else self._states.get(path, 0) >> shift & 3
        return state == 3 if state else None

    def note(self, path: str, word: bytes, *, found: bool) -> None:
        """Somebody looked."""
        shift = self._shifts.setdefault(word, 2 * len(self._shifts))
        self._states[path] = self._states.get(path, 0) | (3 if found else 1) << shift

    def __iter__(self) -> Iterator[tuple[str, bytes, bool]]:
        """All that is known."""
        for path in self._states:
            for word in self._shifts:
                if (found := self.found(path, word)) is not None:
                    yield path, word, found


class _Reading:
    """What a piece of work reads, and what it takes."""

    def __init__(self, files: tuple[str, ...], spent: Spent) -> None:
        self.files = files  # all that there are
        self.parsed: set[str] = set()
        self.read: set[str] = set()  # as text
        self.words = _Words()
        self.taken: set[str] = set()
        self.within: list[Problem] = []
        self.spent = spent  # at first what was taken before


class Loader:
    """Documents of the files of one tree. Each file is read once.

    Of a CustomResourceDefinition only what the graph needs is kept (names, scope, versions), unless `whole` asks for all of it: schemas are most of the
    bytes of a repository that carries them.

    `beside` loads another state of the same repository: what is the same there is not read from the objects of a revision, nor parsed, again. `budget` counts
    what all that is built of these documents takes.
    """

    def __init__(self, tree: Tree, *, whole: bool = False, beside: Loader | None = None, budget: Budget | None = None) -> None:
        self.tree = tree
        self._beside = beside
        self.whole = whole
        self.budget = budget or Budget()
        self._loaded: dict[str, Documents] = {}
        self._texts: dict[str, bytes] = {}  # read, but not parsed yet
        self._same: dict[str, bool] = {}  # as beside
        self._words = _Words()
        self.words: set[bytes] = set()  # what was looked for, by all that read the same files
        self.taken: set[str] = set()  # files of which more counts than the objects in them: they were read as text, or something was made of their values
        self.apart: set[str] = set()  # files that somebody looked into for something else than units
        self.builds: Counter[str] = Counter()  # how many builds read a file, other than to look for units in it
        self._within: dict[Problem, None] = {}  # of texts within files
        self.on_load: Callable[[int], None] | None = None  # told now and then how many files were loaded
        self._kept: dict[Hashable, tuple[_Reading, Any]] = {}
        self._reading: _Reading | None = None

    def kept(self, name: Hashable, work: Callable[[], T]) -> T:
        """What a piece of work comes to that rests on nothing but this loader; or what it came to beside, if all that it read there is the same here.

        It is known by `name`, and must not be changed.
        """
        own = self._kept.get(name)
        if own is not None and own[0].files == tuple(self.tree.files):
            kept: T = own[1]
            return kept
        known: tuple[_Reading, T] | None = None if self._beside is None else self._beside._kept.get(name)
        if known is not None and self._reads_the_same(known[0]):
            self._read_again(known[0])
        else:
            reading = self._reading = _Reading(tuple(self.tree.files), self.budget.spent)
            try:
                known = reading, work()
            finally:
                self._reading = None
            reading.spent = self.budget.spent.since(reading.spent)
        self._kept[name] = known
        return known[1]

    def leave(self) -> None:
        """Forgets the state beside this one."""
        self._beside = None

    def _reads_the_same(self, known: _Reading) -> bool:
        if known.files != tuple(self.tree.files) or not all(map(self.is_same_beside, known.read | known.parsed)) or not self.budget.allows(known.spent):
            return False
        return all(self.is_same_beside(path) or self.holds(path, word) is found for path, word, found in known.words)

    def _read_again(self, known: _Reading) -> None:
        for path in known.parsed:
            self.load(path)
        self.taken |= known.taken
        self._within.update(dict.fromkeys(known.within))
        self.budget.spend_all(known.spent)

    def text(self, path: str) -> bytes:
        """The bytes of a file, for who wants to look before it is parsed; none of one that can't be read. Raises `FileNotFoundError` for what is no file."""
        self.take(path)
        if self._reading is not None:
            self._reading.read.add(path)
        return self._text(path)

    def content_of(self, path: str) -> str:
        """The text of a file, for who goes on without it: with what is no UTF-8 replaced, empty where it can't be read."""
        return self.text(path).decode(errors="replace") if self.tree.is_file(path) else ""

    def _text(self, path: str) -> bytes:
        text = self._texts.get(path)
        if text is None:
            try:
                text = self._read(path)
            except UnreadableError as error:
                self._loaded[path] = Documents((), (unreadable(path, str(error)),))
                return b""
            if path not in self._loaded:
                self._texts[path] = text
        return text

    def holds(self, path: str, word: bytes) -> bool:
        """Does a text occur in a file? For who wants to know before it is parsed. Raises `FileNotFoundError` for what is no file."""
        found = self._words.found(path, word)
        if found is None:
            there = self._same_beside(path)
            found = None if there is None else there._words.found(path, word)
            found = word in self._text(path) if found is None else found
            self._words.note(path, word, found=found)
            self.words.add(word)
        if self._reading is not None:
            self._reading.words.note(path, word, found=found)
        return found

    def naming(self, words: frozenset[bytes]) -> list[str]:
        """The manifests in which one of these words stands, whole; each is looked through once, however many words there are."""
        self.words |= words
        return [path for path in self.tree.files if path.endswith(YAML_SUFFIXES) and not words.isdisjoint(_WORD.findall(self._text(path)))]

    def load(self, path: str, *, for_units: bool = False) -> Documents:
        """The documents of `path`, without the values of Secrets and SOPS files. Raises `FileNotFoundError`.

        `for_units`: to build them, or to look for units and sources of Flux and what kustomizations include, and for nothing else.
        """
        if not for_units:
            self.apart.add(path)
        if self._reading is not None:
            self._reading.parsed.add(path)
        known = self._loaded.get(path)
        if known is None:
            known = self._loaded[path] = self._parse(path)
            if self.on_load is not None and len(self._loaded) % _STEP == 0:
                self.on_load(len(self._loaded))
        return known

    def content(self, path: str) -> bytes:
        """The bytes of a file, for what is made of them. Raises `FileNotFoundError`."""
        self.take(path)
        if self._reading is not None:
            self._reading.read.add(path)
        return self.tree.read(path)

    def take(self, *paths: str) -> None:
        """Notes files of which something is made: whatever stands in them may count."""
        origins = set(map(self.origin_of, paths))
        self.taken |= origins
        if self._reading is not None:
            self._reading.taken |= origins

    @property
    def limits(self) -> Limits:
        """How much of a file is looked at."""
        return self.budget.limits

    def parse_values(self, text: str, path: str, at: Place | None = None) -> Documents:
        """As `parse`, for a text that must be YAML: where it is none, that is a problem of the repository."""
        documents = self.parse(text, path, at)
        self.note(problem for problem in documents.problems if problem.rule == "invalid-yaml")
        return documents

    def parse(self, text: str | bytes, path: str, at: Place | None = None) -> Documents:
        """The documents of a text that stands in a file, or was made of one. It may stand for many: what it takes counts.

        A limit that is hit is a problem of the repository, whatever the text was thought to be; it stands at `at` where the lines of the text are not those
        of the file.
        """
        try:
            self.budget.spend(len(text) // CHARACTERS)
            documents = parse_documents(text, path, self.limits)
        except BudgetError as spent:
            documents = Documents((), (Problem(str(spent), Place(path, 1, 1), "invalid-yaml", limit=True),))
        if at is not None:
            documents = replace(documents, problems=tuple(replace(problem, place=at) for problem in documents.problems))
        self.note(problem for problem in documents.problems if problem.limit)
        return documents

    def note(self, problems: Iterable[Problem]) -> None:
        """Adds problems of texts within files."""
        found = dict.fromkeys(problems)
        self._within.update(found)
        if self._reading is not None:
            self._reading.within += found

    def is_same_beside(self, path: str) -> bool:
        """Is it a file here and in the state beside this one, with the same content?"""
        return self._same_beside(path) is not None

    def _read(self, path: str) -> bytes:
        there = self._same_beside(path)
        if there is None:
            return self.tree.read(path)
        known = there._texts.get(path)
        return there.tree.read(path) if known is None else known

    def _same_beside(self, path: str) -> Loader | None:
        """The loader beside this one, if the file is the same there."""
        if self._beside is None:
            return None
        same = self._same.get(path)
        if same is None:
            here, there = self.tree, self._beside.tree
            same = self._same[path] = there.is_file(path) and here.is_file(path) and there.identity(path) == here.identity(path)
        return self._beside if same else None

    def _parse(self, path: str) -> Documents:
        there = self._same_beside(path)
        if there is not None and there.whole == self.whole and path in there._loaded:
            return there._loaded[path]
        text = self._texts.pop(path, None)
        try:
            if text is None:
                text = self._read(path)
        except UnreadableError as error:
            return Documents((), (unreadable(path, str(error)),))
        loaded = parse_documents(text, path, self.limits)
        if not self.whole:
            for document in loaded.documents:
                trim_definition(document)
        return replace(loaded, may_be_respelt=may_be_respelt(text), may_suppress=SUPPRESSION in text)

    def narrowed(self, tree: Tree) -> Loader:
        """The same documents for a tree with fewer files."""
        other = Loader(tree, whole=self.whole, beside=self._beside, budget=self.budget)
        other._loaded, other._within, other.taken, other.on_load = self._loaded, self._within, self.taken, self.on_load
        other._kept, other.words, other.apart, other.builds = self._kept, self.words, self.apart, self.builds
        return other

    def origin_of(self, path: str) -> str:
        """Where the file or directory that this loader knows as `path` stands in the repository."""
        return path

    def origins_of(self, inputs: frozenset[str]) -> frozenset[str]:
        """The same for files and directories that a build read."""
        return inputs

    def may_suppress(self, path: str) -> bool:
        """May a comment in a file suppress findings? One that was not loaded may."""
        loaded = self._loaded.get(path)
        return loaded is None or loaded.may_suppress

    @property
    def suppressing(self) -> tuple[str, ...]:
        """The files loaded so far that may hold a comment which suppresses findings, sorted."""
        return tuple(path for path in sorted(self._loaded) if self._loaded[path].may_suppress)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of all files loaded so far, by file, and of texts within them."""
        return (*(problem for path in sorted(self._loaded) for problem in self._loaded[path].problems), *self._within)


def may_be_respelt(text: bytes) -> bool:
    """Could a text hold one of the values that `Documents.may_be_respelt` is about? Most hold nothing that looks like it."""
    return bool((b">" in text and _FOLDED.search(text)) or _NUMBER.search(text) or _DATE.search(text))


def unreadable(path: str, why: str) -> Problem:
    """Says of a file that it can't be read."""
    return Problem(f"can't be read: {why}", Place(path, 1, 1), "invalid-yaml")


def trim_definition(document: object) -> None:
    """Drops the schemas of a CustomResourceDefinition that was just parsed, in place."""
    if not isinstance(document, MappingNode) or document.get("kind") != "CustomResourceDefinition":
        return
    spec = as_mapping(document.get("spec"))
    if "validation" in spec:
        spec.remove("validation")
    for version in as_sequence(spec.get("versions")):
        if isinstance(version, MappingNode):
            for key in [key for key in version if key not in _VERSION_FIELDS]:
                version.remove(key)


def is_trimmed(field: Sequence[str]) -> bool:
    """Does a path into a CustomResourceDefinition lead to what `trim_definition` drops?"""
    return tuple(field[:2]) == ("spec", "validation") or (tuple(field[:2]) == ("spec", "versions") and len(field) > 3 and field[3] not in _VERSION_FIELDS)


def parse_documents(text: str | bytes, path: str, limits: Limits) -> Documents:
    """The documents of a text that stands in `path` (a patch inside of a kustomization, say), secret values cut."""
    parsed = parse(text, path, limits)
    problems = tuple(
        Problem(problem.message, Place(path, problem.line, problem.column), "duplicate-key" if problem.duplicate_key else "invalid-yaml", limit=problem.limit)
        for problem in parsed.problems
    )
    return Documents(tuple(redact(document) for document in parsed.documents), problems)
