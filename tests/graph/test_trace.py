from __future__ import annotations

from collections.abc import Iterable

from gitops_secrets.graph.build import build
from gitops_secrets.graph.graph import Graph
from gitops_secrets.graph.trace import Link, Relation, remote_keys, things, trace_key, trace_object
from gitops_secrets.model.facts import Effect, Facts, Need, ObjectNeed, Provision, RemoteNeed, Requirement, Resource, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, Place
from gitops_secrets.model.results import AppliedResource, Cluster, Dependency, Unit

FIRST, SECOND = (ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", name) for name in ("first", "second"))
STORE, OTHER_STORE = (ResourceId("external-secrets.io", "SecretStore", "shop", name) for name in ("aws", "vault"))
SYNC = ResourceId("external-secrets.io", "ExternalSecret", "shop", "db")
SECRET = ResourceId("", "Secret", "shop", "db")
APP = ResourceId("apps", "Deployment", "shop", "app")
KUBERNETES = ResourceId("", "Kubernetes", "", "kubernetes")
ACCOUNT = ResourceId("", "ServiceAccount", "shop", "default")
KEY = RemoteNeed(STORE, "prod/db", "password")
OTHER_KEY = RemoteNeed(OTHER_STORE, "prod/db", "user")


def place(line: int) -> Place:
    return Place("shop.yaml", line, 1)


def needs(resource: ResourceId, need: Need, line: int, reason: str = "secret") -> Requirement:
    return Requirement(resource, need, Effect.READY, reason, f"spec.line{line}", place(line))


def graph() -> Graph:
    """A store in the first unit; an ExternalSecret that reads two stores, its Secret and the workload that uses it twice in the second."""
    units = (Unit(FIRST, place(1)), Unit(SECOND, place(2), depends_on=(Dependency(FIRST, place(3)),)))
    owned = ((STORE, FIRST), (SYNC, SECOND), (APP, SECOND))
    resources = tuple(AppliedResource(Resource(resource, "v1", EMPTY_MAPPING, place(9)), unit) for resource, unit in owned)
    facts = [(unit, Facts(provisions=(Provision(resource, ObjectNeed(resource), When.NOW, place(9)),))) for resource, unit in owned]
    sync = Facts(
        requirements=(needs(SYNC, ObjectNeed(STORE), 11, "secret-store"), needs(SYNC, KEY, 12, "remote-key"), needs(SYNC, OTHER_KEY, 13, "remote-key")),
        provisions=(Provision(SYNC, ObjectNeed(SECRET), When.LATER, place(10)),),
    )
    app = Facts(
        requirements=(
            needs(APP, ObjectNeed(SECRET), 21),
            needs(APP, ObjectNeed(SECRET), 22),
            needs(APP, ObjectNeed(SECRET._replace(name="gone")), 23),
            needs(APP, ObjectNeed(ACCOUNT), 24, "service-account"),
        )
    )
    before = (Provision(KUBERNETES, ObjectNeed(ACCOUNT), When.BEFORE, place(1)),)
    return build(Cluster("production", "shop.yaml", "flux", units, resources), [*facts, (SECOND, sync), (SECOND, app)], before)


def steps(links: Iterable[Link]) -> list[tuple[str, str]]:
    """Relation and thing of all links, depth first."""
    return [step for link in links for step in ((link.relation.value, link.thing), *steps(link.links))]


def test_a_secret_comes_from_the_key_through_the_store() -> None:
    assert steps(trace_object(graph(), SECRET).upstream) == [
        ("made by", "ExternalSecret/shop/db"),
        ("needs", "SecretStore/shop/aws"),
        ("reads", "key:prod/db#password"),
        ("reads", "key:prod/db#user"),
    ]


def test_a_secret_leads_to_the_workload_and_its_unit() -> None:
    assert steps(trace_object(graph(), SECRET).downstream) == [
        ("needed by", "Deployment/shop/app"),
        ("applied by", "Kustomization/flux-system/second"),
        ("needed by", "Deployment/shop/app"),
    ]


def test_a_thing_is_followed_once() -> None:
    first, second = trace_object(graph(), SECRET).downstream

    assert (first.again, second.again) == (False, True)
    assert (first.place, second.place) == (place(21), place(22))


def test_what_is_not_there_is_said() -> None:
    unmet = [link.thing for link in trace_object(graph(), APP).upstream if not link.met]

    assert unmet == ["Secret/shop/gone"]


def test_what_kubernetes_brings_is_left_out() -> None:
    assert "ServiceAccount/shop/default" not in {thing for _, thing in steps(trace_object(graph(), APP).upstream)}
    assert ACCOUNT not in set(things(graph()))


def test_a_key_leads_through_its_store_only() -> None:
    assert steps(trace_key(graph(), [KEY]).downstream)[:3] == [
        ("read through", "SecretStore/shop/aws"),
        ("needed by", "ExternalSecret/shop/db"),
        ("makes", "Secret/shop/db"),
    ]


def test_a_store_that_nobody_declares_is_not_met() -> None:
    (link,) = trace_key(graph(), [OTHER_KEY]).downstream

    assert (link.thing, link.met) == ("SecretStore/shop/vault", False)


def test_units_follow_their_edges() -> None:
    upstream, downstream = trace_object(graph(), SECOND).upstream, trace_object(graph(), FIRST).downstream

    assert [(link.relation, link.thing, link.place) for link in upstream] == [(Relation.DEPENDS_ON, str(FIRST), place(3))]
    assert [(link.relation, link.thing, link.place) for link in downstream] == [(Relation.AWAITED_BY, str(SECOND), place(3))]


def test_every_key_is_known() -> None:
    assert set(remote_keys(graph())) == {KEY, OTHER_KEY}
