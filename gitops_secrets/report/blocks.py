"""A text about clusters in parts, so that one cluster can be told anew and the rest stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gitops_secrets.graph.graph import Graph


class Blocks(NamedTuple):
    """A text, and how long its parts are; `clusters` are those of a cluster alone, by their position, in the order of the text."""

    text: str
    lengths: list[int]
    clusters: dict[int, Graph]


def blocks_of(parts: Sequence[str], clusters: dict[int, Graph]) -> Blocks:
    """The blocks of these parts: large ones are not kept beside the text."""
    return Blocks("".join(parts), list(map(len, parts)), clusters)
