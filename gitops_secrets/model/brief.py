"""Texts of the repository as they are told: nobody reads a name of a megabyte."""

from __future__ import annotations

import re
from typing import Final

# No id, path or address that a cluster takes has so many characters in one word.
_ENDLESS: Final = re.compile(r"\S{1001,}")
_SHOWN: Final = 200
_MOST: Final = 10_000


def brief(text: str) -> str:
    """`text`, but for words without an end, which are cut, and what is left that fills pages.

    >>> brief("Secret/shop/db"), brief("needs " + "n" * 2000)[-40:]
    ('Secret/shop/db', 'nnnnnnnnnnnnnnnnnnnnn… (2000 characters)')
    """
    if len(text) <= 1000:
        return text
    cut = _ENDLESS.sub(lambda word: f"{word[0][:_SHOWN]}… ({len(word[0])} characters)", text)
    return cut if len(cut) <= _MOST else f"{cut[:_MOST]}…"
