"""Which name was meant by one that is not there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cached_property, lru_cache
from typing import Final

from gitops_secrets.model.brief import LONGEST_NAME

# Looking at whether two names have the same letters is a unit of work, a tenth of a microsecond; at whether they have them in the same order is one for each
# letter; and to measure how alike they are takes their lengths by one another.
_WORK: Final = 300_000  # for one name
_WORK_IN_ALL: Final = 50_000_000
_WORK_IN_A_FOLDER: Final = 20_000  # for one name of which nobody knows how many more are not there
_LETTERS_PER_WORK: Final = 10
# Every character has a place of so many bits for each time that it may stand in a name; characters that share a place are none that names have.
_PLACES, _TIMES = 79, 16
_SEPARATORS = re.compile(r"[-_.]")
_WORDS = re.compile(r"[-_./]")
_LIKE: Final = 0.5  # of what is left of two names without the words that they share
_LITTLE: Final = 1 / 6  # of the letters of both


def share(names: int) -> int:
    """How much work may go into each of so many names that are not there."""
    return min(_WORK, _WORK_IN_ALL // max(names, 1))


class Names:
    """Names that are there, prepared once for any number that are not.

    What is alike is measured as difflib does it, which takes long. The letters that two names share bound that, and those that they have in the same order
    do so more closely. So names are compared from the most letters in common on, until none that is left can be more alike. Where the work that is allowed
    does not do for all, those of about the same length are looked at.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(sorted({name for name in names if len(name) <= LONGEST_NAME}))

    def closest(self, name: str, similarity: float, work: int = _WORK, besides: Collection[str] = ()) -> str | None:
        """The name most like `name` of those that are alike enough (1.0 would be equal) and not among `besides`; the last one in the alphabet of several.

        That they share words at their ends makes no two names alike, if what differs does so altogether.

        >>> Names(["store", "stores", "operator"]).closest("stroe", 0.6)
        'store'
        >>> Names(["cert-manager", "shop-tls-secret"]).closest("shutdown-manager", 0.6)
        """
        if len(name) > LONGEST_NAME:
            return None
        comparison = _Comparison(name, work)
        best, found = similarity, None
        for bound, other in self._bounded(name, similarity, work // 2):
            if bound < best:
                break
            if other in besides or (ratio := comparison.ratio(other, best)) is None or (ratio, other) < (best, found or ""):
                continue
            if _is_like_beside_shared_words(name, other):
                best, found = ratio, other
        return found

    def only(self, name: str, similarity: float, work: int = _WORK) -> str | None:
        """The one name that is alike enough; None where none or several are."""
        if len(name) > LONGEST_NAME:
            return None
        comparison = _Comparison(name, work)
        alike = (other for _, other in self._bounded(name, similarity, work // 2) if comparison.ratio(other, similarity) is not None)
        found = next(alike, None)
        return found if next(alike, None) is None else None

    def spelt_like(self, name: str) -> Sequence[str]:
        """The other names that differ from `name` in upper case and in what stands between words only."""
        return [other for other in self._by_spelling.get(_plain(name), ()) if other != name]

    @cached_property
    def _by_spelling(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self._names:
            found.setdefault(_plain(name), []).append(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self._names)

    @cached_property
    def _by_length(self) -> Mapping[int, list[tuple[int, str]]]:
        """The names and what letters they have."""
        found: dict[int, list[tuple[int, str]]] = {}
        for name in self._names:
            found.setdefault(len(name), []).append((_letters(name), name))
        return found

    def _bounded(self, name: str, similarity: float, work: int) -> list[tuple[float, str]]:
        """The other names that may be alike enough, with how alike they can be at most, the highest first."""
        length, letters, found = len(name), _letters(name), []
        for size in sorted(self._by_length, key=lambda size: abs(size - length)):
            if 2 * min(size, length) < similarity * (size + length):
                continue
            least = similarity * (size + length) / 2
            for other_letters, other in self._by_length[size][: max(work, 0)]:
                shared = (letters & other_letters).bit_count()
                if shared >= least and other != name:
                    found.append((2 * shared / (size + length), other))
            work -= len(self._by_length[size])
        return sorted(found, reverse=True)


class _Comparison:
    """Compares a name with others, for as long as there is work left."""

    def __init__(self, name: str, work: int) -> None:
        self._matcher = SequenceMatcher(b=name)
        self._length = len(name)
        self._work = work
        self._places: dict[str, int] = {}  # of each character in the name, as bits
        for place, character in enumerate(name):
            self._places[character] = self._places.get(character, 0) | 1 << place

    def ratio(self, other: str, least: float) -> float | None:
        """How alike the other one is, if it is so at least as much."""
        lengths = self._length + len(other)
        self._work -= lengths
        if self._work < 0 or 2 * self._in_order(other) < least * lengths:
            return None
        self._work -= self._length * len(other) // _LETTERS_PER_WORK
        self._matcher.set_seq1(other)
        ratio = self._matcher.ratio() if self._work >= 0 else 0.0
        return ratio if ratio >= least else None

    def _in_order(self, other: str) -> int:
        """The length of the longest common subsequence, as Hyyrö counts it (Bit-parallel LCS-length computation revisited, 2004)."""
        unmatched = whole = (1 << self._length) - 1
        for character in other:
            matched = unmatched & self._places.get(character, 0)
            unmatched = (unmatched + matched) | (unmatched - matched)
        return self._length - (unmatched & whole).bit_count()


def nearest(name: str, candidates: Iterable[str], among: int = 1) -> str | None:
    """The name most like `name`, if one is alike enough, as a command line would guess it; see `share` for `among`.

    >>> nearest("stroe", ["store", "stores", "operator"])
    'store'
    """
    return _prepared(tuple(candidates)).closest(name, 0.6, min(_WORK_IN_A_FOLDER, share(among)))


@lru_cache(maxsize=16)
def _prepared(names: tuple[str, ...]) -> Names:
    """Of a directory that many files are looked for in."""
    return Names(names)


def _is_like_beside_shared_words(name: str, other: str) -> bool:
    """Are two names alike in what is left of them without the words that both begin or end with, if it is more than a little? A word more is none."""
    mine, theirs = _WORDS.split(name), _WORDS.split(other)
    for end in (0, -1):
        while mine and theirs and mine[end] == theirs[end]:
            del mine[end], theirs[end]
    left = "-".join(mine), "-".join(theirs)
    is_little = sum(map(len, left)) <= _LITTLE * (len(name) + len(other))
    return not all(left) or is_little or SequenceMatcher(None, *left).ratio() >= _LIKE


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()


def _letters(name: str) -> int:
    """The letters of a name, as bits: names have as many in common as these have."""
    times: dict[int, int] = {}
    bits = 0
    for character in name:
        place = ord(character) % _PLACES
        before = times.get(place, 0)
        if before < _TIMES:
            bits |= 1 << (place * _TIMES + before)
            times[place] = before + 1
    return bits
