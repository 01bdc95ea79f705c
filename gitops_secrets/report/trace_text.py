"""The chain through one thing for people: two trees, what it needs and what needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitops_secrets.graph.trace import ClusterTrace, Link, Relation, Trace
from gitops_secrets.report.escape import visible
from gitops_secrets.report.style import BOLD, CYAN, RED, Style, counted

# Reasons that nearly everything has: they hide the chain of secrets, and are summed up.
_COMMON = frozenset({"custom-resource-definition", "namespace", "source", "chart", "webhook"})
# How many things are shown below one, by depth: a hub would fill screens else.
CHILDREN_SHOWN = (12, 6, 3)


def trace_text(trace: Trace, style: Style) -> str:
    """The chain in every cluster that knows the thing. `verbose` shows all of what is otherwise summed up."""
    blocks = ["\n".join(_cluster(trace.thing, cluster, style)) for cluster in trace.clusters]
    return "\n\n".join(blocks) + "\n"


def _cluster(thing: str, trace: ClusterTrace, style: Style) -> Iterator[str]:
    place = f"  {style.dim(visible(str(trace.place)))}" if trace.place is not None else ""
    yield f"{style.paint(visible(thing), BOLD)}{place}  {style.dim('cluster ' + visible(trace.cluster))}"
    if trace.unit is not None:
        yield style.dim(f"applied by {visible(str(trace.unit))}")
    for title, links in (("comes from", trace.upstream), ("leads to", trace.downstream)):
        if links:
            yield ""
            yield style.paint(title, BOLD)
            yield from _Branches(links, style).lines(links)
    if not trace.upstream and not trace.downstream:
        yield "needs nothing here, and nothing here needs it"


class _Branches:
    """The lines of one tree. What is summed up may be where the walk first came by a thing, so its continuation is looked up by name here."""

    def __init__(self, links: Sequence[Link], style: Style) -> None:
        self.style = style
        self.continuations: dict[str, tuple[Link, ...]] = {}
        self.shown: set[str] = set()
        pending = list(links)
        while pending:
            link = pending.pop()
            if link.links:
                self.continuations.setdefault(link.thing, link.links)
            pending.extend(link.links)

    def lines(self, links: Sequence[Link], indent: str = "", depth: int = 0) -> Iterator[str]:
        """Links and all that follows from them."""
        style = self.style
        merged = _merged(links)
        entries = merged if style.verbose else [entry for entry in merged if entry[0].reason not in _COMMON or not entry[0].met]
        closing = []
        most = len(entries) if style.verbose else CHILDREN_SHOWN[min(depth, len(CHILDREN_SHOWN) - 1)]
        if len(entries) > most:
            closing.append(f"… {len(entries) - most} more (-v shows all)")
        if len(entries) < len(merged):
            closing.append(f"and {counted(len(merged) - len(entries), 'thing')} for its kind, namespace or source (-v shows all)")
        entries = entries[:most]
        for number, (link, others) in enumerate(entries):
            last = number == len(entries) - 1 and not closing
            following = self.continuations.get(link.thing, ())
            again = link.thing in self.shown and bool(following)
            self.shown.add(link.thing)
            yield f"{indent}{'└─' if last else '├─'} {_line(link, others, again, style.width - len(indent) - 3, style)}"
            if not again:
                yield from self.lines(following, indent + ("   " if last else "│  "), depth + 1)
        for number, text in enumerate(closing):
            yield f"{indent}{'└─' if number == len(closing) - 1 else '├─'} {style.dim(text)}"


def _merged(links: Sequence[Link]) -> list[tuple[Link, int]]:
    """Links to one thing as one, with how many more places say the same."""
    found: dict[tuple[str, Relation], list[Link]] = {}
    for link in links:
        found.setdefault((link.thing, link.relation), []).append(link)
    return [(same[0], len(same) - 1) for same in found.values()]


def _line(link: Link, others: int, again: bool, room: int, style: Style) -> str:
    place = visible(str(link.place)) + (f" and {counted(others, 'more place')}" if others else "")
    notes = [word for word, holds in (("optional", link.optional), ("(see above)", again)) if holds]
    words = [link.relation.value + " " + style.paint(visible(link.thing), CYAN), style.dim(place)]
    taken = len(link.relation.value) + len(link.thing) + len(place) + sum(len(note) + 2 for note in notes) + 5
    if link.field and (style.verbose or taken + len(link.field) <= room):
        words.append(style.dim(visible(link.field)))
    if not link.met:
        words.append(style.paint("not in the repository", RED))
    return "  ".join((*words, *map(style.dim, notes)))
