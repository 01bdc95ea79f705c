"""Files that a Flux source leaves out of its artifact: `.sourceignore` files, `spec.ignore`, and what is left out by default.

The rules are those of github.com/fluxcd/pkg/sourceignore 0.22, which took its patterns from go-git. They differ from git's own: a file below an excluded
directory can be included again, a pattern that holds `**` inside of a name matches nothing, and `**` needs a name after it. That is why no gitignore
library is used here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.repository.tree import Index, Tree, content_of
from gitops_secrets.syntax.glob import compile_glob

IGNORE_FILE = ".sourceignore"
# Left out whatever the patterns say, unless they include it again.
VERSION_CONTROL = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
# Left out where neither a file nor the source has any pattern.
DEFAULT = (
    *("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip"),
    *(".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml"),
    *("codeship-services.yml", "codeship-steps.yml", "**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml"),
)

_NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class _Rule:
    """One pattern, which holds for the paths below the directory of its file (`domain`)."""

    domain: tuple[str, ...]
    includes: bool
    directories_only: bool
    name: re.Pattern[str] | None  # of a pattern without a slash: any segment of a path may match
    segments: tuple[tuple[re.Pattern[str], bool], ...]  # of a path; the flag says that `**` stands before

    @property
    def is_simple(self) -> bool:
        """Does it look at single names only, wherever they stand?"""
        return self.name is not None and not self.domain

    def matches(self, path: Sequence[str]) -> bool:
        """Does a file with these segments match, or a directory above it?"""
        depth = len(self.domain)
        if len(path) <= depth or (depth and tuple(path[:depth]) != self.domain):
            return False
        rest = path[depth:]
        if self.name is None:
            return self._matches_path(rest)
        return self.matches_name(rest[-1], is_file=True) or any(self.matches_name(segment, is_file=False) for segment in rest[:-1])

    def matches_name(self, segment: str, *, is_file: bool) -> bool:
        """For a pattern without a slash: is this the name that it means?"""
        return self.name is not None and not (self.directories_only and is_file) and self.name.match(segment) is not None

    def _matches_path(self, path: Sequence[str]) -> bool:
        """From the left; after `**` the first segment that fits is taken, with no way back."""
        at = 0
        for expression, anywhere in self.segments:
            match = expression.match
            candidates = range(at, len(path) if anywhere else min(at + 1, len(path)))
            found = next((index for index in candidates if match(path[index])), None)
            if found is None:
                return False
            at = found + 1
        return at > 0 and not (self.directories_only and at == len(path))


def ignored(tree: Tree, patterns: str | None, limits: Limits = DEFAULT_LIMITS) -> frozenset[str]:
    """The files of `tree` that a Flux source leaves out: by its `.sourceignore` files and by `patterns`, the source's `spec.ignore`, which win.

    Where neither has a pattern, the default ones hold. Who has too many of them leaves nothing out: see `overfull` and `has_too_many`.
    """
    left_aside = overfull(tree, limits)
    files = [path for path in _ignore_files(tree) if path not in left_aside]
    written = [rule for path in files for rule in _read(content_of(tree, path), tuple(path.split("/")[:-1]))]
    written += [] if patterns is None or has_too_many(patterns, limits) else _read(patterns, ())
    fallback = () if written else DEFAULT
    rules = [*(_rule(pattern, ()) for pattern in (*VERSION_CONTROL, *fallback)), *written]
    return frozenset(_excluded(tree.files, rules))


def overfull(tree: Tree, limits: Limits) -> frozenset[str]:
    """The `.sourceignore` files with more patterns than are looked at: each is compared with every path."""
    return frozenset(path for path in _ignore_files(tree) if has_too_many(content_of(tree, path), limits))


def has_too_many(patterns: str, limits: Limits) -> bool:
    """Are these more patterns than are looked at?"""
    return patterns.count("\n") > limits.ignore_patterns


def ignored_by_default(tree: Tree) -> frozenset[str]:
    """The files of `tree` that a Flux source leaves out where nobody says otherwise."""
    return frozenset(_excluded(tree.files, [_rule(pattern, ()) for pattern in (*VERSION_CONTROL, *DEFAULT)]))


class FilteredTree(Index):
    """Another tree without the files that its source leaves out."""

    def __init__(self, below: Tree, without: frozenset[str]) -> None:
        super().__init__(below if isinstance(below, Index) and not without else (path for path in below.files if path not in without))
        self._below = below
        self.without = without

    @property
    def whole(self) -> Tree:
        """The tree with all that is left out here."""
        return self._below

    def read(self, path: str) -> bytes:
        """The content of a file that is not left out. Raises `FileNotFoundError` for any other path."""
        if not self.is_file(path):
            raise FileNotFoundError(path)
        return self._below.read(path)

    def identity(self, path: str) -> str:
        """The id of the content of a file that is not left out. Raises `FileNotFoundError` for any other path."""
        if not self.is_file(path):
            raise FileNotFoundError(path)
        return self._below.identity(path)


def _ignore_files(tree: Tree) -> list[str]:
    """In the order of reading, a directory before those in it: what is read later wins."""
    found = (path for path in tree.files if path == IGNORE_FILE or path.endswith("/" + IGNORE_FILE))
    return sorted((path for path in found if ".git" not in path.split("/")), key=lambda path: path.split("/")[:-1])


def _excluded(files: Iterable[str], rules: Sequence[_Rule]) -> Iterator[str]:
    """The files whose last matching rule excludes them.

    Most rules look at single names, of which a tree has far fewer than paths: each name is matched once.
    """
    others = [(index, rule) for index, rule in enumerate(rules) if not rule.is_simple]
    others.reverse()
    last: dict[tuple[str, bool], int] = {}
    for path in files:
        segments = path.split("/")
        name = segments.pop()
        best = -1
        for segment, is_file in (*((directory, False) for directory in segments), (name, True)):
            index = last.get((segment, is_file))
            if index is None:
                matching = (index for index, rule in enumerate(rules) if rule.is_simple and rule.matches_name(segment, is_file=is_file))
                index = last[segment, is_file] = max(matching, default=-1)
            best = max(best, index)
        segments.append(name)
        for index, rule in others:
            if index < best:
                break
            if rule.matches(segments):
                best = index
                break
        if best >= 0 and not rules[best].includes:
            yield path


def _read(text: str, domain: tuple[str, ...]) -> list[_Rule]:
    """The rules of a file; a comment starts in the first column."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return [_rule(line, domain) for line in lines if line.strip() and not line.startswith("#")]


def _rule(pattern: str, domain: tuple[str, ...]) -> _Rule:
    """The rule of one line; one that can match nothing is kept, since its presence turns the default patterns off."""
    includes = pattern.startswith("!")
    pattern = pattern[includes:]
    if not pattern.endswith("\\ "):
        pattern = pattern.rstrip(" ")
    directories_only = pattern.endswith("/")
    pattern = pattern[: len(pattern) - directories_only]
    if "/" not in pattern:
        return _Rule(domain, includes, directories_only, compile_glob(pattern) or _NOTHING, ())
    segments: list[tuple[re.Pattern[str], bool]] = []
    anywhere = False
    for segment in pattern.split("/"):
        if segment in ("", "**"):
            anywhere = segment == "**"
            continue
        expression = None if "**" in segment else compile_glob(segment)
        segments.append((expression or _NOTHING, anywhere))
        anywhere = False
    if len(segments) == 1 and segments[0][1]:
        return _Rule(domain, includes, directories_only, segments[0][0], ())
    return _Rule(domain, includes, directories_only, None, tuple(segments))
