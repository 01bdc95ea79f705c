"""A text about clusters in parts, so that one cluster can be told anew and the rest stays as it is."""

from __future__ import annotations

from typing import NamedTuple

from gitops_secrets.graph.graph import Graph


class Blocks(NamedTuple):
    """The parts of a text; `clusters` are those of a cluster alone, by their position, in the order of the text."""

    parts: list[str]
    clusters: dict[int, Graph]

    @property
    def text(self) -> str:
        """The whole."""
        return "".join(self.parts)
