"""Requirements meet provisions: whom the cluster would have each thing from, and what is in doubt where nobody brings it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.graph.build import build
from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.facts import Effect, Facts, KindNeed, ObjectNeed, Opaque, Provision, Release, RemoteNeed, Requirement, Resource, SelectionNeed, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, Place
from gitops_secrets.model.results import AppliedResource, Cluster, Dependency, Unit

SECRET = ResourceId("", "Secret", "apps", "token")
STORE = ResourceId("external-secrets.io", "ClusterSecretStore", "", "shared")
STORE_KIND = KindNeed("external-secrets.io", "ClusterSecretStore", "v1", "clustersecretstores")


def at(line: int) -> Place:
    return Place("all.yaml", line, 1)


def unit_id(name: str) -> ResourceId:
    return ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", name)


def deployment(name: str) -> ResourceId:
    return ResourceId("apps", "Deployment", "apps", name)


def needs(need: ObjectNeed | KindNeed | SelectionNeed | RemoteNeed, by: ResourceId | None = None, effect: Effect = Effect.READY) -> Facts:
    return Facts((Requirement(by or deployment("user"), need, effect, "secret", f"spec.{effect.value}", at(1)),))


def brings(
    thing: ObjectNeed | KindNeed,
    by: str = "maker",
    when: When = When.NOW,
    keys: Iterable[str] | None = None,
    *,
    owns: bool = True,
    labels: tuple[tuple[str, str], ...] = (),
) -> Facts:
    provision = Provision(deployment(by), thing, when, at(2), None if keys is None else frozenset(keys), owns, labels=labels)
    return Facts((), (provision,))


def graph(
    facts: Mapping[str, Sequence[Facts]],
    *,
    parents: Mapping[str, str] | None = None,
    depends_on: Mapping[str, Sequence[str]] | None = None,
    before: Sequence[Provision] = (),
    opaque: Sequence[Opaque] = (),
    releases: Sequence[Release] = (),
) -> Graph:
    """The graph of units by name with the facts of what they apply."""
    units = tuple(
        Unit(
            unit_id(name),
            at(1),
            parent=unit_id(parents[name]) if parents and name in parents else None,
            depends_on=tuple(Dependency(unit_id(target), at(3)) for target in (depends_on or {}).get(name, ())),
        )
        for name in facts
    )
    pairs = [(unit_id(name), fact) for name, found in facts.items() for fact in found]
    return build(Cluster("test", "clusters/test", "flux", units, (), tuple(releases), tuple(opaque)), pairs, before)


def providers(found: Graph) -> list[tuple[str, str | None]]:
    """Each edge: what provides it, and in which unit."""
    return [(edge.provision.resource.name, edge.provider_unit.name if edge.provider_unit else None) for edge in found.resource_edges if not edge.is_alternative]


def pairs(found: Graph) -> list[tuple[str, str]]:
    return [(edge.consumer.name, edge.provider.name) for edge in found.unit_edges]


TOKEN = ObjectNeed(SECRET)


# Whom it is had from


def test_an_object_is_had_from_the_unit_that_brings_it() -> None:
    found = graph({"a": [needs(TOKEN)], "b": [brings(TOKEN)]})

    assert providers(found) == [("maker", "b")]
    assert pairs(found) == [("a", "b")]
    assert found.unmet == ()


def test_an_object_is_had_by_the_default_of_a_variable_that_nothing_puts_in() -> None:
    written = SECRET._replace(namespace="${NAMESPACE:-apps}")
    found = graph({"b": [needs(ObjectNeed(SECRET))], "a": [brings(ObjectNeed(written))]})

    assert (pairs(found), found.unmet) == ([("b", "a")], ())


def test_the_own_unit_comes_before_all_others() -> None:
    found = graph({"a": [brings(TOKEN, "other")], "b": [needs(TOKEN), brings(TOKEN, "own")], "c": [brings(TOKEN, "other")]})

    assert providers(found) == [("own", "b")]
    assert pairs(found) == []


def test_what_the_own_unit_brings_too_late_to_be_applied_with_is_had_from_others() -> None:
    facts = {"a": [needs(STORE_KIND, STORE, Effect.APPLY), brings(STORE_KIND, "own-chart", When.LATER)], "b": [brings(STORE_KIND, "chart", When.LATER)]}

    assert providers(graph(facts)) == [("chart", "b")]
    assert providers(graph({"a": facts["a"]})) == [("own-chart", "a")]


def test_what_the_own_unit_brings_later_is_in_time_for_what_is_only_not_ready() -> None:
    facts = {"a": [needs(TOKEN), brings(TOKEN, "own", When.LATER)], "b": [brings(TOKEN, "other")]}

    assert providers(graph(facts)) == [("own", "a")]


def test_an_ancestor_comes_before_strangers_and_joins_no_edge_with_its_descendant() -> None:
    facts = {"top": [brings(TOKEN, "above")], "middle": [], "a": [needs(TOKEN)], "b": [brings(TOKEN, "beside")]}
    found = graph(facts, parents={"middle": "top", "a": "middle"})

    assert providers(found) == [("above", "top")]
    assert pairs(found) == []


def test_what_is_there_at_once_comes_before_what_comes_later() -> None:
    found = graph({"a": [needs(TOKEN)], "b": [brings(TOKEN, "slow", When.LATER)], "c": [brings(TOKEN, "fast")]})

    assert providers(found) == [("fast", "c")]


def test_units_that_bring_the_same_are_alternatives_of_each_other() -> None:
    found = graph({"a": [needs(TOKEN)], "b": [brings(TOKEN, "slow", When.LATER)], "c": [brings(TOKEN, "fast")]})
    first, second = found.resource_edges

    assert (first.is_alternative, [unit.name for unit in first.alternatives]) == (False, ["b"])
    assert (second.is_alternative, second.provider_unit) == (True, unit_id("b"))


def test_what_is_written_in_depends_on_has_no_say() -> None:
    facts = {"a": [needs(TOKEN)], "b": [brings(TOKEN, "first")], "c": [brings(TOKEN, "second")]}

    assert providers(graph(facts, depends_on={"a": ["c"]})) == providers(graph(facts)) == [("first", "b")]


def test_what_is_there_before_the_engine_starts_needs_no_unit() -> None:
    before = Provision(deployment("bootstrap"), TOKEN, When.BEFORE, at(9))
    found = graph({"a": [needs(TOKEN)]}, before=[before])

    assert providers(found) == [("bootstrap", None)]
    assert [edge.provision.resource.name for edge in found.external] == ["bootstrap"]
    assert pairs(found) == []


def test_what_a_unit_brings_as_well_shows_an_edge_that_knows_of_the_bootstrap() -> None:
    before = Provision(deployment("bootstrap"), TOKEN, When.BEFORE, at(9))
    (edge,) = graph({"a": [needs(TOKEN)], "b": [brings(TOKEN)]}, before=[before]).resource_edges

    assert (edge.provider_unit, edge.before) == (unit_id("b"), before)


# Keys


def test_a_key_is_had_from_the_one_that_has_it() -> None:
    found = graph({"a": [needs(ObjectNeed(SECRET, "user"))], "b": [brings(TOKEN, "first", keys=["password"])], "c": [brings(TOKEN, "second", keys=["user"])]})

    assert providers(found) == [("second", "c")]


def test_a_key_may_be_in_an_object_whose_keys_are_not_known() -> None:
    found = graph({"a": [needs(ObjectNeed(SECRET, "user"))], "b": [brings(TOKEN, "first", keys=["password"])], "c": [brings(TOKEN, "second")]})

    assert providers(found) == [("second", "c")]


def test_a_key_that_an_object_does_not_have_is_missing_for_certain() -> None:
    opaque = Opaque("chart", "not rendered", at(1))
    found = graph({"a": [needs(ObjectNeed(SECRET, "user"))], "b": [brings(TOKEN, keys=["password"])]}, opaque=[opaque])

    assert [(entry.missing_key is not None, entry.possible) for entry in found.unmet] == [(True, None)]
    assert found.resource_edges == ()


def test_who_only_adds_to_an_object_does_not_bring_it_if_somebody_owns_it() -> None:
    facts = {"a": [needs(TOKEN)], "b": [brings(TOKEN, "merging", owns=False)], "c": [brings(TOKEN, "owner")]}

    assert providers(graph(facts)) == [("owner", "c")]
    assert providers(graph({name: facts[name] for name in "ab"})) == [("merging", "b")]


# Kinds and selections


def test_a_kind_is_had_in_the_version_that_is_asked_for() -> None:
    old, new = STORE_KIND._replace(version="v1beta1"), STORE_KIND
    found = graph({"a": [needs(new, STORE)], "b": [brings(old, "old")], "c": [brings(new, "new")]})

    assert providers(found) == [("new", "c")]


def test_a_kind_in_other_versions_alone_is_unmet_and_they_are_named() -> None:
    (entry,) = graph({"a": [needs(STORE_KIND, STORE)], "b": [brings(STORE_KIND._replace(version="v1beta1"), "old")]}).unmet

    assert [provision.resource.name for provision in entry.other_versions] == ["old"]


@pytest.mark.parametrize(("asked", "served"), [("", "v1"), ("v1", ""), ("", "")])
def test_a_version_that_is_not_known_fits_any(asked: str, served: str) -> None:
    found = graph({"a": [needs(STORE_KIND._replace(version=asked), STORE)], "b": [brings(STORE_KIND._replace(version=served))]})

    assert providers(found) == [("maker", "b")]


def test_a_selection_is_met_by_objects_of_the_kind_with_all_of_its_labels() -> None:
    wanted = SelectionNeed("", "Secret", "apps", (("team", "web"), ("tier", "front")))
    all_of_them = (("team", "web"), ("tier", "front"), ("more", "labels"))
    facts = {
        "few": [brings(ObjectNeed(SECRET._replace(name="a")), "few-labels", labels=(("team", "web"),))],
        "kind": [brings(ObjectNeed(ResourceId("", "ConfigMap", "apps", "b")), "other-kind", labels=all_of_them)],
        "there": [brings(ObjectNeed(SECRET._replace(namespace="else")), "elsewhere", labels=all_of_them)],
        "fits": [brings(ObjectNeed(SECRET._replace(name="c")), "fitting", labels=all_of_them)],
    }

    assert providers(graph({"a": [needs(wanted)], **facts})) == [("fitting", "fits")]
    assert len(graph({"a": [needs(wanted._replace(namespace=None))], "there": facts["there"]}).resource_edges) == 1


# Stores


def test_a_credential_without_namespace_is_looked_up_where_each_reader_of_the_store_is() -> None:
    credential = Requirement(STORE, ObjectNeed(SECRET._replace(namespace="")), Effect.READY, "store-credential", "spec.auth", at(5), referent=True)
    readers = [ResourceId("external-secrets.io", "ExternalSecret", namespace, "reader") for namespace in ("apps", "billing")]
    facts = {
        "store": [Facts((credential,))],
        "readers": [Facts((Requirement(reader, ObjectNeed(STORE), Effect.READY, "secret-store", "spec.store", at(6)),)) for reader in readers],
        "secret": [brings(TOKEN)],
    }
    found = graph(facts)

    assert [(str(edge.requirement.resource), str(edge.provision.provides)) for edge in found.resource_edges] == [
        ("ExternalSecret/apps/reader", "Secret/apps/token")
    ]
    assert sorted(str(entry.requirement.need) for entry in found.unmet) == [str(STORE), str(STORE), "Secret/billing/token"]


def test_a_credential_of_a_store_that_nobody_reads_from_is_asked_for_by_nobody() -> None:
    credential = Requirement(STORE, ObjectNeed(SECRET._replace(namespace="")), Effect.READY, "store-credential", "spec.auth", at(5), referent=True)

    assert graph({"store": [Facts((credential,))]}).unmet == ()


def test_a_namespace_of_a_chart_is_that_of_its_release() -> None:
    need = ObjectNeed(SECRET._replace(namespace="cert-manager"))
    requirement = Requirement(deployment("issuer"), need, Effect.READY, "secret", "spec", at(1), namespace_of_chart="cert-manager")
    release = Release(deployment("release"), "cert-manager", "", "", "cert-manager", "security", EMPTY_MAPPING, at(1))
    facts = {"a": [Facts((requirement,))], "b": [brings(ObjectNeed(SECRET._replace(namespace="security")))]}

    assert providers(graph(facts, releases=[release])) == [("maker", "b")]
    assert str(graph(facts).unmet[0].requirement.need) == "Secret/cert-manager/token"


def test_keys_at_a_provider_are_met_by_nobody_in_the_cluster() -> None:
    found = graph({"a": [needs(RemoteNeed(STORE, "prod/api"))]})

    assert (found.resource_edges, found.unmet) == ((), ())
    assert [str(requirement.need) for requirement in found.remote_keys] == ["key:prod/api"]


# What is in doubt


@pytest.mark.parametrize(
    ("opaque", "in_doubt"),
    [
        (Opaque("chart", "not rendered", at(1)), True),
        (Opaque("chart", "not rendered", at(1), namespace="apps"), True),
        (Opaque("chart", "not rendered", at(1), namespace="other"), False),
        (Opaque("chart", "not rendered", at(1), kinds=frozenset({("", "Secret")})), True),
        (Opaque("chart", "not rendered", at(1), kinds=frozenset({("", "ConfigMap")})), False),
        (Opaque("chart", "not rendered", at(1), names=("tok",)), True),
        (Opaque("chart", "not rendered", at(1), names=("other",)), False),
        (Opaque("Deployment/apps/user", "itself", at(1)), False),
    ],
)
def test_what_nobody_brings_is_in_doubt_if_something_opaque_may_make_it(opaque: Opaque, in_doubt: bool) -> None:
    (entry,) = graph({"a": [needs(TOKEN)]}, opaque=[opaque]).unmet

    assert (entry.possible == opaque) is in_doubt
    assert (entry.possible is None) is not in_doubt


def test_a_chart_in_a_namespace_makes_no_namespace_but_other_things_of_the_cluster() -> None:
    opaque = Opaque("chart", "not rendered", at(1), namespace="apps")
    found = graph({"a": [needs(ObjectNeed(ResourceId("", "Namespace", "", "apps"))), needs(STORE_KIND, STORE)]}, opaque=[opaque])

    assert {str(entry.requirement.need): entry.possible is not None for entry in found.unmet} == {
        "Namespace//apps": False,
        "CustomResourceDefinition//clustersecretstores.external-secrets.io": True,
    }


@pytest.mark.parametrize(
    ("depends_on", "parents", "in_doubt"),
    [
        ({}, {}, False),
        ({"a": ["broken"]}, {}, True),
        ({"a": ["b"], "b": ["broken"]}, {}, True),
        ({"top": ["broken"]}, {"a": "top"}, True),
        ({"a": ["b"]}, {"broken": "b"}, True),
        ({}, {"a": "broken"}, True),
        ({}, {"a": "b", "broken": "b"}, False),
        ({"broken": ["a"]}, {}, False),
    ],
    ids=["alone", "behind it", "behind others", "its parent is behind it", "behind its parent", "below it", "beside it", "before it"],
)
def test_a_unit_that_cannot_be_built_accounts_for_what_the_units_behind_it_lack(
    depends_on: Mapping[str, Sequence[str]], parents: Mapping[str, str], in_doubt: bool
) -> None:
    opaque = Opaque("broken", "it does not build", at(1), broken_unit=unit_id("broken"))
    found = graph({"a": [needs(TOKEN)], "b": [], "top": [], "broken": []}, depends_on=depends_on, parents=parents, opaque=[opaque])

    assert [entry.possible is not None for entry in found.unmet] == [in_doubt]


def test_a_unit_that_cannot_be_built_accounts_for_what_it_lacks_itself() -> None:
    opaque = Opaque("broken", "it does not build", at(1), broken_unit=unit_id("broken"))

    assert [entry.possible for entry in graph({"broken": [needs(TOKEN)]}, opaque=[opaque]).unmet] == [opaque]


def test_what_the_facts_call_opaque_counts_as_well() -> None:
    opaque = Opaque("operator", "makes what its objects say", at(1))
    found = graph({"a": [needs(TOKEN), Facts((), (), (opaque,))]})

    assert [entry.possible for entry in found.unmet] == [opaque]
    assert found.opaque == (opaque,)


# Edges between units


def test_a_written_edge_without_a_reason_is_an_edge() -> None:
    (edge,) = graph({"a": [], "b": []}, depends_on={"a": ["b", "nobody"]}).unit_edges

    assert (edge.consumer.name, edge.provider.name, edge.declared is not None, edge.reasons) == ("a", "b", True, ())


def test_a_written_edge_between_parents_stands_for_what_their_children_need() -> None:
    facts = {"top-a": [], "top-b": [], "a": [needs(TOKEN)], "b": [brings(TOKEN)]}
    found = graph(facts, parents={"a": "top-a", "b": "top-b"}, depends_on={"top-a": ["top-b"]})

    assert {(edge.consumer.name, edge.provider.name): len(edge.reasons) for edge in found.unit_edges} == {("a", "b"): 1, ("top-a", "top-b"): 1}


def test_releases_of_one_kustomization_are_joined_by_what_one_needs_of_the_other() -> None:
    first, second = (ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "apps", name) for name in ("first", "second"))
    owner = unit_id("apps")
    units = (Unit(owner, at(1)), Unit(first, at(2), parent=owner), Unit(second, at(3), parent=owner))
    facts = [
        (owner, Facts((Requirement(first, TOKEN, Effect.READY, "values", "spec.valuesFrom", at(4)),))),
        (owner, Facts((), (Provision(second, TOKEN, When.LATER, at(5)),))),
    ]
    found = build(Cluster("test", "clusters/test", "flux", units, ()), facts)

    assert [(str(edge.consumer), str(edge.provider)) for edge in found.unit_edges] == [(str(first), str(second))]


def test_parents_that_are_their_own_ancestors_end() -> None:
    found = graph({"a": [needs(TOKEN)], "b": [brings(TOKEN)]}, parents={"a": "b", "b": "a"})

    assert len(found.resource_edges) == 1
    assert found.unit_edges == ()


# Laws

FACTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(
            st.builds(lambda name, effect: needs(ObjectNeed(SECRET._replace(name=name)), effect=effect), st.sampled_from("xyz"), st.sampled_from(Effect)),
            st.builds(
                lambda name, by, when: brings(ObjectNeed(SECRET._replace(name=name)), f"{by}-{when.value}", when),
                st.sampled_from("xyz"),
                st.sampled_from(["m", "n"]),
                st.sampled_from([When.NOW, When.LATER]),
            ),
            st.just(needs(STORE_KIND, STORE, Effect.APPLY)),
            st.builds(lambda by: brings(STORE_KIND, by, When.LATER), st.sampled_from(["m", "n"])),
        ),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(FACTS, st.sampled_from([None, {"b": "a"}, {"b": "a", "c": "b"}]), st.integers(0, 2**16))
def test_the_order_of_the_input_changes_nothing(entries: Sequence[tuple[str, Facts]], parents: Mapping[str, str] | None, seed: int) -> None:
    units = tuple(Unit(unit_id(name), at(1), parent=unit_id(parents[name]) if parents and name in parents else None) for name in "abc")
    applied = tuple(
        AppliedResource(Resource(provision.resource, "v1", EMPTY_MAPPING, at(1)), unit_id(name)) for name, fact in entries for provision in fact.provisions
    )
    cluster = Cluster("test", "clusters/test", "flux", units, tuple(sorted(applied, key=lambda entry: (entry.resource.id, entry.unit))))
    facts = [(unit_id(name), fact) for name, fact in entries]
    shuffled = random.Random(seed)
    other = replace(cluster, units=tuple(shuffled.sample(units, len(units))))
    first, second = build(cluster, facts), build(other, shuffled.sample(facts, len(facts)))

    assert first.resource_edges == second.resource_edges
    assert first.unit_edges == second.unit_edges
    assert first.unmet == second.unmet


@settings(max_examples=80, deadline=None)
@given(FACTS)
def test_every_requirement_is_met_or_unmet_once(entries: Sequence[tuple[str, Facts]]) -> None:
    facts: dict[str, list[Facts]] = {name: [] for name in "abc"}
    for name, fact in entries:
        facts[name].append(fact)
    found = graph(facts)
    requirements = sum(len(fact.requirements) for _, fact in entries)

    assert sum(not edge.is_alternative for edge in found.resource_edges) + len(found.unmet) == requirements


@pytest.mark.parametrize(("foreign", "expected"), [(True, None), (False, "chart")])
def test_what_knows_nothing_of_the_platform_makes_none_of_its_stores(foreign: bool, expected: str | None) -> None:
    cluster = Cluster("test", "clusters/test", "flux", (), (), opaque=(Opaque("chart", "not known", at(1), foreign=foreign),))
    found = build(cluster, ()).may_be_made_by(STORE)

    assert (found.thing if found else None) == expected


def test_what_a_kustomization_needs_to_build_is_its_own_affair() -> None:
    parent, child, maker = unit_id("parent"), unit_id("child"), unit_id("maker")
    units = tuple(Unit(id, at(line), parent=None if id == parent else parent) for line, id in enumerate((parent, child, maker), 1))
    applied = tuple(AppliedResource(Resource(id, "v1", EMPTY_MAPPING, at(line)), parent) for line, id in ((2, child), (3, maker)))
    facts = [(parent, needs(ObjectNeed(SECRET), by=child)), (maker, brings(ObjectNeed(SECRET)))]
    graph = build(Cluster("test", "clusters/test", "flux", units, applied), facts)

    assert [(edge.consumer.name, edge.provider.name) for edge in graph.unit_edges] == [("child", "maker")]
