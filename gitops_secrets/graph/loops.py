"""Layers of a directed graph, and the loops that have none. The one door of networkx."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from typing import TypeVar

from gitops_secrets.model.ids import ResourceId

Node = TypeVar("Node", bound=Hashable)


def layers(needs: Mapping[Node, Iterable[Node]]) -> tuple[list[list[Node]], list[Node]]:
    """Nodes by the longest way to what needs nothing, and those left: on loops, or in need of what is. What is no node itself is there already."""
    open_needs: dict[Node, int] = {}
    needed_by: dict[Node, list[Node]] = {}
    for node, targets in needs.items():
        own = {target for target in targets if target in needs}
        open_needs[node] = len(own)
        for target in own:
            needed_by.setdefault(target, []).append(node)
    found: list[list[Node]] = []
    layer = [node for node, count in open_needs.items() if not count]
    while layer:
        found.append(layer)
        above: list[Node] = []
        for user in (user for node in layer for user in needed_by.get(node, ())):
            open_needs[user] -= 1
            if not open_needs[user]:
                above.append(user)
        layer = above
    return found, [node for node, count in open_needs.items() if count]


def on_loops(needs: Mapping[Node, Iterable[Node]]) -> set[Node]:
    """Nodes on loops, and those on ways from one loop to another."""
    _, left = layers(needs)
    users: dict[Node, list[Node]] = {node: [] for node in left}
    for node in left:
        for target in needs[node]:
            if target in users:
                users[target].append(node)
    return set(layers(users)[1])


def shortest_way(start: Node, end: Node, following: Mapping[Node, Iterable[Node]]) -> tuple[Node, ...] | None:
    """The fewest nodes from `start` to `end`, both included; None where no way leads there. Of several it is that of the first steps that are given."""
    came_from: dict[Node, Node | None] = {start: None}
    for node in (pending := [start]):
        if node == end:
            way: list[Node] = [node]
            while (before := came_from[way[-1]]) is not None:
                way.append(before)
            return tuple(reversed(way))
        new = [target for target in following.get(node, ()) if target not in came_from]
        came_from.update(dict.fromkeys(new, node))
        pending.extend(dict.fromkeys(new))
    return None


def shortest_cycles(edges: Iterable[tuple[ResourceId, ResourceId]]) -> tuple[tuple[ResourceId, ...], ...]:
    """One shortest loop for each set of nodes that reach each other, smallest node first: `(a, b)` stands for a → b → a.

    Of several it is the one with the smallest node, and then with the smallest node after that.
    """
    following: dict[ResourceId, set[ResourceId]] = {}
    for start, end in edges:
        following.setdefault(start, set()).add(end)
        following.setdefault(end, set())
    left = on_loops(following)
    # Without a loop the library, which takes long to load, is not asked.
    return _cycles_among(sorted((node, target) for node in left for target in following[node] & left)) if left else ()


def _cycles_among(edges: Sequence[tuple[ResourceId, ResourceId]]) -> tuple[tuple[ResourceId, ...], ...]:
    import networkx

    graph = networkx.DiGraph(edges)
    cycles: list[tuple[ResourceId, ...]] = []
    for component in networkx.strongly_connected_components(graph):
        own = {node: sorted(component.intersection(graph[node])) for node in sorted(component)}
        loop = next((node for node, targets in own.items() if node in targets), None)
        if loop is not None:
            cycles.append((loop,))
        elif len(own) > 1:
            cycles.append(_shortest_cycle(own))
    return tuple(sorted(cycles))


def _shortest_cycle(edges: Mapping[ResourceId, Sequence[ResourceId]]) -> tuple[ResourceId, ...]:
    """That of nodes, sorted, which all reach each other, none of them itself in one step."""
    import networkx

    numbers = {node: number for number, node in enumerate(edges)}
    forth = [{numbers[target] for target in targets} for targets in edges.values()]
    back: list[set[int]] = [set() for _ in forth]
    for number, targets in enumerate(forth):
        for target in targets:
            back[target].add(number)
    smallest, length = _start_of_shortest_cycle(forth, back)
    to_start = _steps(smallest, back, length)
    following = min(number for number in forth[smallest] if to_start.get(number) == length - 1)
    nodes = list(edges)
    path = networkx.shortest_path(networkx.DiGraph(edges), nodes[following], nodes[smallest])
    return (path[-1], *path[:-1])


def _start_of_shortest_cycle(forth: Sequence[Set[int]], back: Sequence[Set[int]]) -> tuple[int, int]:
    """The smallest node on a shortest loop, and the length of that."""
    mutual = next((number for number, targets in enumerate(forth) if not targets.isdisjoint(back[number])), None)
    if mutual is not None:
        return mutual, 2
    # As seen from one node, each loop comes back to where it has been at some edge: it is enough to look at the ends of these, each without those before it.
    levels = {**_steps(0, forth, len(forth)), 0: 0}
    turns = sorted({target for number, targets in enumerate(forth) for target in targets if levels[target] <= levels[number]})
    left_forth, left_back = list(map(set, forth)), list(map(set, back))
    best = (len(forth) + 1, 0)
    for turn in turns:
        onward = _steps(turn, left_forth, best[0])
        if (length := onward.get(turn)) is not None:
            homeward = _steps(turn, left_back, length)
            best = min(best, (length, min(number for number, steps in onward.items() if number == turn or steps + homeward.get(number, length) == length)))
        for number in left_back[turn]:
            left_forth[number].discard(turn)
        for number in left_forth[turn]:
            left_back[number].discard(turn)
    return best[1], best[0]


def _steps(start: int, edges: Sequence[Set[int]], most: int) -> dict[int, int]:
    """How many steps lead to each node, at least one, of those that no more than `most` lead to."""
    found: dict[int, int] = {}
    level: Set[int] = {start}
    for steps in range(1, most + 1):
        level = set().union(*(edges[number] for number in level)).difference(found)
        if not level:
            break
        found.update(dict.fromkeys(level, steps))
    return found
