"""How much of what a repository holds is looked at. Strangers write what is read here: none of it may take all time and memory.

Whoever runs the program may allow more (`--limit NAME=NUMBER`); a repository can't, so the configuration has no key for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

MEBI = 1 << 20


def _limit(default: int, counts: str, most: int = 1 << 62) -> int:
    bound: int = field(default=default, metadata={"counts": counts, "most": most})
    return bound


@dataclass(frozen=True, slots=True)
class Limits:
    """Each limit by its name, with `-` for `_`. What Python's stack bounds can't be raised at will."""

    file_size: int = _limit(8 * MEBI, "bytes of a file")
    ignore_patterns: int = _limit(1_000, "lines of a .sourceignore file, or of spec.ignore of a source")
    yaml_depth: int = _limit(200, "levels of mappings and lists in one another", most=1000)
    yaml_aliases: int = _limit(10_000, "values that the aliases of a file stand for, besides as many as it has bytes")
    base_depth: int = _limit(50, "kustomizations that include one another", most=200)
    objects: int = _limit(20_000, "objects that one directory builds, one set makes, or all ClusterExternalSecrets of a cluster")
    unit_depth: int = _limit(30, "units that make one another")
    units: int = _limit(20_000, "units of a cluster")
    expression_depth: int = _limit(100, "variable expressions in one another", most=1000)
    made_text: int = _limit(64 * MEBI, "characters that are made for a unit, by variables, generators, prefixes, replacements and templates")
    steps: int = _limit(10_000_000, "steps of building a unit: patches, transformers and templates, each times what it changes")
    template_steps: int = _limit(1_000_000, "steps of a template")
    template_text: int = _limit(4_000_000, "characters that a template makes")
    fixed_text: int = _limit(16 * MEBI, "characters that are read to make fixes, those around a place again for each fix there")
    fix_tries: int = _limit(200, "analyses of what a repository would be with fixes")
    kustomize_seconds: int = _limit(120, "seconds that the kustomize binary has for a directory")

    def more(self, name: str) -> str:
        """Says of a limit that was hit how more is allowed.

        >>> Limits().more("yaml_depth")
        '--limit yaml-depth=NUMBER allows more than 200'
        """
        return f"--limit {name.replace('_', '-')}=NUMBER allows more than {getattr(self, name)}"


def names_limit(message: str) -> bool:
    """Does a message say that a limit was hit, as `Limits.more` does?"""
    return _MORE.search(message) is not None


_MORE = re.compile(r"--limit [a-z-]+=NUMBER allows more than \d")
DEFAULT_LIMITS = Limits()


def described() -> Mapping[str, tuple[int, str, int]]:
    """Of each limit by its name on the command line: what holds if nobody says otherwise, what it counts, and the most that can be asked for."""
    return MappingProxyType(
        {bound.name.replace("_", "-"): (getattr(DEFAULT_LIMITS, bound.name), bound.metadata["counts"], bound.metadata["most"]) for bound in fields(Limits)}
    )
