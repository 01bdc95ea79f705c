"""Texts of the repository as they are told: nobody reads a name of a megabyte."""

from __future__ import annotations

import re
from typing import Final

# Names have no more, nor have parts of paths: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
LONGEST_NAME: Final = 253
# No id, path or address that a cluster takes has so many characters in one word.
_ENDLESS: Final = re.compile(rf"[^\s/]{{{LONGEST_NAME + 1},}}|\S{{1001,}}")
_SHOWN: Final = 200
_MOST: Final = 10_000


def brief(text: str) -> str:
    """`text`, but for names and words without an end, which are cut, and what is left that fills pages.

    >>> brief("Secret/shop/db"), brief("Secret/" + "n" * 300 + "/db")[-28:]
    ('Secret/shop/db', 'nnnnnn… (300 characters)/db')
    """
    if len(text) <= LONGEST_NAME:
        return text
    cut = _ENDLESS.sub(lambda word: f"{word[0][:_SHOWN]}… ({len(word[0])} characters)", text)
    return cut if len(cut) <= _MOST else f"{cut[:_MOST]}…"
