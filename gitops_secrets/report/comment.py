"""The frame of a comment on a pull request: parts to unfold, within the limits of forges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

# A comment on GitHub may have 65,536 characters, one on GitLab a million.
COMMENT_LIMIT: Final = 65_000
# The summary of a step on GitHub may have 1 MiB; one that is longer is dropped. A character may take four bytes.
SUMMARY_LIMIT: Final = 260_000
SECTION: Final = 200  # characters that a section needs at least: its frame, and the line that says how much is left out


def fitting(blocks: Sequence[str], room: int, weights: Sequence[int]) -> str:
    """As many blocks as `room` characters hold, and a line that says how much is left out: `weights` are what each block stands for."""
    text = ""
    for number, block in enumerate(blocks):
        if len(text) + len(block) > room:
            return f"{text}\n… and {sum(weights[number:])} more, which the limit of a comment leaves no room for.\n"
        text += block
    return text


def folded(title: str, text: str) -> str:
    """A part to unfold. `title` is HTML."""
    return f"\n<details>\n<summary>{title}</summary>\n\n{text.strip()}\n\n</details>\n"
