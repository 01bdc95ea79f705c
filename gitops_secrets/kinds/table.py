"""The table of kinds: what the tool knows of each, as data of the package and of the user's configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from gitops_secrets.errors import UsageError
from gitops_secrets.kinds.compile import Raw, RowError, compile_row, kinds_of
from gitops_secrets.kinds.paths import Path
from gitops_secrets.kinds.rows import KindRow, Reference
from gitops_secrets.model import scopes
from gitops_secrets.model.ids import guess_plural
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.syntax.yaml import parse

__all__ = ["FAMILIES", "KindRow", "KindTable", "Trie", "default_table", "table_with"]

# The files of the table, one a family; a test compares them with the files that are there.
FAMILIES: Final = (
    "core.yaml",
    "external-secrets.yaml",
    "secrets.yaml",
    "cert-manager.yaml",
    "flux.yaml",
    "argo.yaml",
    "gateway.yaml",
    "storage.yaml",
    "databases.yaml",
    "monitoring.yaml",
    "platform.yaml",
)


# A row for all kinds of a group that have none of their own.
ALL_KINDS: Final = "*"


class Trie:
    """References by their paths, shared prefixes once: what is not in a manifest costs nothing."""

    __slots__ = ("children", "references", "type")

    def __init__(self) -> None:
        self.children: dict[str, Trie] = {}
        self.references: list[Reference] = []
        self.type: str | None = None  # that a row says

    def at(self, path: Path) -> Trie:
        """What is filed under a path."""
        node = self
        for step in path:
            node = node.children.setdefault(step, Trie())
        return node


class KindTable:
    """All rows, compiled when first asked for."""

    def __init__(self, rows: Mapping[tuple[str, str], tuple[Raw, ...]], shapes: Mapping[str, Any], limits: Limits = DEFAULT_LIMITS) -> None:
        self.raw_rows = rows
        self.shapes = shapes
        self.limits = limits  # of the texts in objects that are read as YAML
        self._rows: dict[tuple[str, str], KindRow | None] = {}
        self._scopes: dict[tuple[str, str], bool | None] = {}
        self._tries: dict[tuple[str, str], Trie | None] = {}

    def row(self, group: str, kind: str) -> KindRow | None:
        """The row of a kind; None if there is none."""
        key = (group, kind)
        if key not in self._rows:
            raws = self.raw_rows.get(key) or self.raw_rows.get((group, ALL_KINDS))
            self._rows[key] = None if raws is None else compile_row(group, kind, raws, self.plural(group, kind), self.shapes)
        return self._rows[key]

    def within(self, limits: Limits) -> KindTable:
        """The same rows, for a run with these limits."""
        if limits == self.limits:
            return self
        other = KindTable(self.raw_rows, self.shapes, limits)
        other._rows, other._scopes, other._tries = self._rows, self._scopes, self._tries
        return other

    def rows(self) -> Iterator[KindRow]:
        """All rows, sorted by group and kind."""
        for group, kind in sorted(self.raw_rows):
            row = self.row(group, kind)
            if row is not None and kind != ALL_KINDS:
                yield row

    def plural(self, group: str, kind: str) -> str:
        """The plural of a kind: from the table, else as apimachinery guesses it."""
        built_in = scopes.built_in(group, kind)
        if built_in is not None:
            return built_in.plural
        for raw in self.raw_rows.get((group, kind), ()):
            if isinstance(plural := raw.get("plural"), str):
                return plural
        return guess_plural(kind)

    def is_namespaced(self, group: str, kind: str) -> bool | None:
        """Do objects of this kind live in a namespace? None if that is not known."""
        key = (group, kind)
        if key not in self._scopes:
            known = scopes.is_namespaced(group, kind)
            for raw in self.raw_rows.get(key, ()):
                if known is None and "scope" in raw:
                    known = raw["scope"] == "namespaced"
            self._scopes[key] = known
        return self._scopes[key]

    def trie(self, group: str, kind: str) -> Trie | None:
        """The references and types of a kind by path; None if it has none."""
        key = (group, kind)
        if key not in self._tries:
            row = self.row(group, kind)
            trie = None
            if row is not None and (row.references or row.types):
                trie = Trie()
                for reference in row.references:
                    trie.at(reference.path).references.append(reference)
                for path, type_ in row.types:
                    trie.at(path).type = type_
            self._tries[key] = trie
        return self._tries[key]


@cache
def default_table() -> KindTable:
    """The table that comes with the package."""
    rows: dict[tuple[str, str], tuple[Raw, ...]] = {}
    shapes: dict[str, Any] = {}
    folder = resources.files(__package__)
    for family in FAMILIES:
        content = parse(folder.joinpath(family).read_bytes(), family, DEFAULT_LIMITS).documents[0]
        shapes.update(content.get("shapes", {}))
        _add(rows, content["kinds"])
    return KindTable(MappingProxyType(rows), MappingProxyType(shapes))


def table_with(rows: Sequence[Mapping[str, Any]]) -> KindTable:
    """The table of the package with rows of the user's configuration; for a kind that has a row already, the two add up.

    Raises `UsageError` for a wrong row; it names the row and the field.
    """
    base = default_table()
    if not rows:
        return base
    merged = dict(base.raw_rows)
    for index, row in enumerate(rows):
        try:
            _add(merged, [row])
            table = KindTable(merged, base.shapes)
            for group, kind in kinds_of(row):
                table.row(group, kind)
        except RowError as error:
            written: Any = row.get("kind") if hasattr(row, "get") else None
            name = f" ({written})" if isinstance(written, str) else ""
            raise UsageError(f"kinds[{index}]{name}: {error}") from error
    return KindTable(MappingProxyType(merged), base.shapes)


def _add(rows: dict[tuple[str, str], tuple[Raw, ...]], added: Sequence[Raw]) -> None:
    for row in added:
        for key in kinds_of(row):
            rows[key] = (*rows.get(key, ()), row)
