"""The shortest loops of a graph, against the definition of one."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise

import networkx
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.graph.loops import layers, on_loops, shortest_cycles, shortest_way
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


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16))
def test_a_layer_holds_what_needs_the_layer_below_it_and_nothing_above(pairs: list[tuple[int, int]]) -> None:
    needs: dict[int, set[int]] = {node: {end for start, end in pairs if start == node} for node in range(7)}
    ordered, left = layers(needs)
    level = {node: number for number, nodes in enumerate(ordered) for node in nodes} | {7: -1}  # which is there already

    assert sorted([*level, *left]) == list(range(8))
    assert all(level[node] == max((level[target] for target in needs[node] - {7}), default=-1) + 1 for node in level if node != 7)
    assert all(needs[node] & set(left) for node in left)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16))
def test_on_loops_or_between_them_is_what_loops_lead_to_and_what_leads_to_loops(pairs: list[tuple[int, int]]) -> None:
    graph = networkx.DiGraph(pairs)
    looping = {node for loop in networkx.simple_cycles(graph) for node in loop}
    after = looping.union(*(networkx.descendants(graph, node) for node in looping))
    before = looping.union(*(networkx.ancestors(graph, node) for node in looping))

    assert on_loops({node: set(graph[node]) for node in graph}) == after & before


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=16))
def test_a_shortest_way_leads_there_in_the_fewest_steps(pairs: list[tuple[int, int]]) -> None:
    graph = networkx.DiGraph(pairs)
    start, end = pairs[0][0], pairs[-1][1]
    way = shortest_way(start, end, {node: list(graph[node]) for node in graph})
    lengths = networkx.single_source_shortest_path_length(graph, start)

    assert (None if way is None else len(way) - 1) == lengths.get(end)
    assert way is None or ((way[0], way[-1]) == (start, end) and set(pairwise(way)) <= set(pairs))
