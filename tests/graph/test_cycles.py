"""The shortest loops of a graph, against the definition of one."""

from __future__ import annotations

import random
from collections.abc import Iterable

import networkx
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.graph.graph import shortest_cycles
from gitops_secrets.model.ids import ResourceId

NODES = [ResourceId("", "Unit", "", f"{number:04}") for number in range(3_000)]
Edges = list[tuple[ResourceId, ResourceId]]


def edges(pairs: Iterable[tuple[int, int]]) -> Edges:
    return [(NODES[start], NODES[end]) for start, end in pairs]


def best_loops(given: Edges) -> list[tuple[int, ResourceId, ResourceId]]:
    """Of each set of nodes that reach each other: how long its shortest loop is, with the smallest nodes that one can start and go on with."""
    graph = networkx.DiGraph(given)
    loops: dict[frozenset[ResourceId], tuple[int, ResourceId, ResourceId]] = {}
    for component in map(frozenset, networkx.strongly_connected_components(graph)):
        for loop in networkx.simple_cycles(graph.subgraph(component)):
            start = loop.index(min(loop))
            found = len(loop), loop[start], loop[(start + 1) % len(loop)]
            loops[component] = min(loops.get(component, found), found)
    return sorted(loops.values(), key=lambda loop: loop[1])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16), st.randoms(use_true_random=False))
def test_a_shortest_loop_of_each_set_is_found_whatever_the_order_of_the_edges(pairs: list[tuple[int, int]], chance: random.Random) -> None:
    given = edges(pairs)
    found = shortest_cycles(given)

    assert [(len(loop), loop[0], loop[1 % len(loop)]) for loop in found] == best_loops(given)
    assert {step for loop in found for step in zip(loop, (*loop[1:], loop[0]), strict=True)} <= set(given)
    assert shortest_cycles(chance.sample(given, len(given))) == found


def test_one_ring_is_one_loop() -> None:
    count = len(NODES)

    assert shortest_cycles(edges((number, (number + 1) % count) for number in range(count))) == (tuple(NODES),)


def test_of_rings_that_meet_the_shortest_is_told() -> None:
    whole = [(number, (number + 1) % 2_000) for number in range(2_000)]

    assert shortest_cycles(edges([*whole, (1_500, 700), (900, 2_500), (2_500, 400)])) == ((*NODES[400:901], NODES[2_500]),)
