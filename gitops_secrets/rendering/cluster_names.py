"""Names of clusters, from the paths of their entry points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gitops_secrets.model.brief import brief

# Directories that say nothing about the cluster that they belong to.
_NAMELESS = frozenset({"flux", "flux-system"})


def unique_suffixes(paths: Sequence[str]) -> list[str]:
    """For each path the shortest run of its last parts that no other path ends with; `root` for the root itself.

    >>> unique_suffixes(["clusters/eu/prod", "clusters/us/prod", "clusters/dev", "overlays/test/flux"])
    ['eu/prod', 'us/prod', 'dev', 'test']
    """
    named = [_named_parts(path) for path in paths]
    shared = Counter(map(tuple, named))
    parts = [path.split("/") if shared[tuple(own)] > 1 and path else own for path, own in zip(paths, named, strict=True)]
    endings = Counter(tuple(own[-size:]) for own in parts for size in range(1, len(own) + 1))
    names: list[str] = []
    times: Counter[str] = Counter()
    for own in parts:
        length = next((size for size in range(1, len(own) + 1) if endings[tuple(own[-size:])] == 1), len(own))
        name = brief("/".join(own[-length:])) if own else "root"
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name}-{times[name]}")
    return names


def _named_parts(path: str) -> list[str]:
    parts = path.split("/") if path else []
    while len(parts) > 1 and parts[-1] in _NAMELESS:
        parts.pop()
    return parts
