"""Watches that several share."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.cluster.informers import Informers
from gitops_secrets.cluster.live import live_id
from gitops_secrets.cluster.port import Appeared, ClusterError, Listed, Lost, Notice, Sink, Vanished
from gitops_secrets.cluster.targets import DEFINITION
from gitops_secrets.model.ids import ResourceId

KIND = ("external-secrets.io", "ExternalSecret")


class Server:
    """Who would tell of a cluster: tells what it is made to."""

    def __init__(self) -> None:
        self.watches: list[tuple[tuple[str, str], Sink, Set[str]]] = []

    def follow(self, kinds: Iterable[tuple[str, str]], sink: Sink, definitions: Set[str] = frozenset()) -> None:
        self.watches += [(kind, sink, definitions) for kind in kinds]

    def tell(self, notice: Notice) -> None:
        for _, sink, _ in self.watches:
            sink(notice)


def live(name: str, version: int = 0) -> dict[str, Any]:
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": name, "namespace": "a", "resourceVersion": str(version)}}


def state(notices: Iterable[Notice]) -> dict[ResourceId, object]:
    """What one knows who was told these."""
    found: dict[ResourceId, object] = {}
    for notice in notices:
        if isinstance(notice, Appeared):
            found[live_id(notice.live)] = notice.live
        elif isinstance(notice, Vanished):
            found.pop(notice.id, None)
    return found


CHANGES = st.lists(st.tuples(st.sampled_from("xyz"), st.booleans()), max_size=12)


@given(CHANGES, CHANGES)
@settings(max_examples=60)
def test_who_comes_later_knows_as_much_as_who_came_first(before: list[tuple[str, bool]], after: list[tuple[str, bool]]) -> None:
    server, first, second = Server(), list[Notice](), list[Notice]()
    informers = Informers(server)
    informers.follow([KIND], first.append)
    for number, (name, there) in enumerate([*before, *after]):
        if number == len(before):
            server.tell(Listed(*KIND))
            informers.follow([KIND], second.append)
        server.tell(Appeared(live(name, number)) if there else Vanished(live_id(live(name))))

    assert len(server.watches) == 1
    assert not after or state(first) == state(second)
    assert not after or Listed(*KIND) in second


def test_who_has_left_is_told_nothing() -> None:
    server, told = Server(), list[Notice]()
    informers = Informers(server)
    informers.follow([KIND], told.append)
    informers.leave(told.append)
    server.tell(Appeared(live("x")))

    assert told == []


def test_what_is_kept_of_an_object_is_what_it_is_judged_by() -> None:
    server, told = Server(), list[Notice]()
    informers = Informers(server)
    informers.follow([KIND], told.append)
    whole = {**live("x"), "spec": {"replicas": 2, "suspend": True, "template": {"spec": {}}, "values": {}}, "status": {"readyReplicas": 1}}
    server.tell(Appeared(whole))

    assert isinstance(told[0], Appeared)
    assert (told[0].live["spec"], told[0].live["status"]) == ({"replicas": 2, "suspend": True}, {"readyReplicas": 1})


def test_a_watch_that_was_lost_is_begun_anew_for_who_comes_next() -> None:
    server, told = Server(), list[Notice]()
    informers = Informers(server)
    informers.follow([KIND], told.append)
    server.tell(Lost(*KIND, ClusterError("forbidden")))
    informers.follow([KIND], told.append)

    assert len(server.watches) == 2
    assert isinstance(told[0], Lost)


def test_definitions_are_watched_by_name_and_only_once() -> None:
    server = Server()
    informers = Informers(server)
    for names in ({"a"}, {"a", "b"}, {"b"}):
        informers.follow([DEFINITION], list[Notice]().append, frozenset(names))

    assert [names for _, _, names in server.watches] == [{"a"}, {"b"}]
