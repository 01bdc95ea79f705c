"""Finds what a user means by a name, and follows the chain through it in every cluster."""

from __future__ import annotations

import difflib

from gitops_secrets.errors import UsageError
from gitops_secrets.graph.graph import Graph
from gitops_secrets.graph.trace import Trace, remote_keys, things, trace_key, trace_object
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.pipeline.scan import Analysis

KEY_PREFIX = "key:"
_CANDIDATES_SHOWN = 20


class AmbiguousThing(UsageError):
    """The name stands for several things, or for none; the message lists those that were meant perhaps."""

    def __init__(self, message: str, candidates: tuple[str, ...]) -> None:
        shown = [f"  {candidate}" for candidate in candidates[:_CANDIDATES_SHOWN]]
        if len(candidates) > len(shown):
            shown.append(f"  … and {len(candidates) - len(shown)} more")
        super().__init__("\n".join([message, *shown]))


def trace(analysis: Analysis, thing: str) -> Trace:
    """The chain through `thing`: an id, `key:…` for a key at a provider, or a bare name that only one thing has.

    Raises `AmbiguousThing` with the candidates for a name of several things, and for one that nothing has.
    """
    graphs = [cluster.graph for cluster in analysis.clusters]
    if thing.startswith(KEY_PREFIX):
        return _trace_key(graphs, thing)
    known = [set(things(graph)) for graph in graphs]
    target = _resolve(sorted(set().union(*known)), thing)
    found = tuple(trace_object(graph, target) for graph, ids in zip(graphs, known, strict=True) if target in ids)
    return Trace(str(target), found)


def _trace_key(graphs: list[Graph], thing: str) -> Trace:
    clusters = []
    for graph in graphs:
        # `key:a` names the whole remote secret, `key:a#b` one property of it.
        needs = {need for need in remote_keys(graph) if thing in (str(need), KEY_PREFIX + need.key)}
        if needs:
            clusters.append(trace_key(graph, needs))
    if not clusters:
        known = sorted({str(need) for graph in graphs for need in remote_keys(graph)})
        raise AmbiguousThing(*_nothing(thing, known))
    return Trace(thing, tuple(clusters))


def _resolve(known: list[ResourceId], thing: str) -> ResourceId:
    for target in known:
        if str(target) == thing:
            return target
    named = [target for target in known if target.name == thing]
    if len(named) == 1:
        return named[0]
    if named:
        raise AmbiguousThing(f"{thing!r} is the name of {len(named)} things; say which one:", tuple(sorted(map(str, named))))
    raise AmbiguousThing(*_nothing(thing, sorted({str(target) for target in known}), sorted({target.name for target in known})))


def _nothing(thing: str, known: list[str], names: list[str] | None = None) -> tuple[str, tuple[str, ...]]:
    """What to say where nothing has that name: the nearest ones, if there are any."""
    near = [*difflib.get_close_matches(thing, known, 5, 0.7)]
    for name in difflib.get_close_matches(thing, names or [], 3, 0.7):
        near.extend(candidate for candidate in known if candidate.rpartition("/")[2] == name and candidate not in near)
    if near:
        return f"nothing here is called {thing!r}; near to it are:", tuple(near)
    advice = "a thing is an id as in `gitops-secrets scan --format json --resources`, key:<key at the provider>, or a bare name"
    return f"nothing here is called {thing!r}\n{advice}", ()
