"""From a plan to what a run has to reach."""

from __future__ import annotations

import pytest

from gitops_secrets.cluster.apply import as_applied, comparable, inventory, is_left_alone
from gitops_secrets.cluster.direct import direct_targets, refusals
from gitops_secrets.cluster.prune import label_value, removal_order
from gitops_secrets.cluster.run import Nudge, Target
from gitops_secrets.cluster.targets import targets_of
from gitops_secrets.model.ids import ResourceId, crd_id
from gitops_secrets.pipeline.scan import ClusterAnalysis, analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree
from tests.cluster import sample
from tests.cluster.sample import DEPLOYMENT, EXTERNAL_SECRET, FILES, RELEASE, SOURCE, STORE, kustomization, platform, unit

TABLE = repository_of(MemoryTree({})).table
UNITS = "clusters/production/units.yaml"


def targets(cluster: ClusterAnalysis | None = None, **options: object) -> dict[ResourceId, Target]:
    return {target.id: target for target in targets_of((cluster or platform()).plan, TABLE, **options)}  # type: ignore[arg-type]


def test_a_unit_needs_its_source_what_it_depends_on_and_what_the_ready_of_that_does_not_prove() -> None:
    # Plain kstatus takes a store for ready at once.
    assert targets()[kustomization("weather")].needs == {SOURCE, kustomization("stores"), STORE}


def test_units_that_nothing_applies_are_applied_and_releases_asked() -> None:
    found = targets()

    assert (found[kustomization("operator")].nudge, found[RELEASE].nudge, found[RELEASE].parent) == (Nudge.APPLY, Nudge.REQUEST, kustomization("operator"))


def test_without_depends_on_a_unit_waits_for_the_things_that_it_needs() -> None:
    unordered = platform(((UNITS, unit("operator") + unit("stores") + unit("weather")),))
    needs = targets(unordered)[kustomization("stores")].needs

    # The kind must be served, and the operator's webhook answer.
    assert needs == {SOURCE, crd_id("external-secrets.io", "clustersecretstores"), RELEASE}


def test_an_external_secret_needs_its_store_and_is_refreshed() -> None:
    found = targets()[EXTERNAL_SECRET]

    assert (found.nudge, found.needs, found.fresh_only) == (Nudge.REFRESH, {STORE}, False)


def test_one_with_a_generator_is_never_made_anew() -> None:
    generated = FILES["weather/all.yaml"].replace(
        "data: [{secretKey: apiKey, remoteRef: {key: prod/weather}}]",
        "dataFrom: [{sourceRef: {generatorRef: {apiVersion: generators.external-secrets.io/v1alpha1, kind: Password, name: p}}}]",
    )
    found = targets(platform((("weather/all.yaml", generated),)), force_sync=True)[EXTERNAL_SECRET]

    assert (found.fresh_only, found.refresh) == (True, False)


def test_force_sync_is_for_external_secrets() -> None:
    assert {id for id, target in targets(force_sync=True).items() if target.refresh} == {EXTERNAL_SECRET}


def test_workloads_that_read_secrets_are_waited_for() -> None:
    assert targets()[DEPLOYMENT].goal


def test_only_takes_what_a_unit_needs_with_it_and_nothing_else() -> None:
    assert set(targets(only=kustomization("stores"))) == {SOURCE, STORE, kustomization("operator"), kustomization("stores")}


def test_needs_that_nobody_brings_are_watched() -> None:
    dangling = targets(platform(((UNITS, unit("operator") + unit("stores", "no-such") + unit("weather", "stores")),)))[kustomization("no-such")]

    assert (dangling.nudge, dangling.goal, dangling.brought) == (Nudge.NONE, False, False)


def test_a_unit_is_tried_without_a_definition_that_nothing_is_known_to_bring_and_again_once_it_is_served() -> None:
    thing = "{apiVersion: example.com/v1, kind: Thing, metadata: {name: one, namespace: weather}}"
    found = targets(platform((("weather/thing.yaml", thing),)))
    definition = crd_id("example.com", "things")

    assert found[kustomization("weather")].hopes == {definition}
    assert definition not in found[kustomization("weather")].needs
    assert (found[definition].nudge, found[definition].goal) == (Nudge.NONE, False)


THINGS = """
apiVersion: v1
kind: Namespace
metadata: {name: things}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
apiVersion: example.com/v1
kind: Thing
metadata: {name: one, namespace: things}
"""


def overlay(text: str) -> ClusterAnalysis:
    tree = MemoryTree({"app/all.yaml": text, "app/kustomization.yaml": "resources: [all.yaml]"})
    (cluster,) = analyse(repository_of(tree)).clusters
    return cluster


def test_without_an_engine_every_object_waits_for_what_it_needs() -> None:
    found = {target.id.kind: target for target in direct_targets(overlay(THINGS).graph, TABLE)}

    assert {str(need) for need in found["Thing"].needs} == {"CustomResourceDefinition//things.example.com", "Namespace//things"}
    assert all(target.nudge is Nudge.APPLY for target in found.values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (sample.FILES["operator/all.yaml"], "it is Flux that makes something of it"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {a: b}\nsops: {version: 3.8.1}", "it is encrypted"),
    ],
)
def test_what_only_an_engine_can_apply_is_refused_with_the_reason(text: str, says: str) -> None:
    assert says in " ".join(refusals(overlay(text).graph))


def test_a_manifest_is_sent_in_its_namespace_and_without_what_the_server_writes() -> None:
    sent = as_applied({"kind": "A", "metadata": {"name": "a", "uid": "1", "creationTimestamp": None}, "status": {}}, "here")

    assert sent == {"kind": "A", "metadata": {"name": "a", "namespace": "here"}}


def test_a_request_to_reconcile_is_no_difference() -> None:
    live = {"kind": "A", "metadata": {"name": "a", "annotations": {"reconcile.fluxcd.io/requestedAt": "now"}, "generation": 2}}

    assert comparable(live) == {"kind": "A", "metadata": {"name": "a"}}


def depending(name: str, *needs: str) -> dict[str, object]:
    id = kustomization(name)
    return sample.live(id, spec={"dependsOn": [{"name": each} for each in needs]})


def test_what_a_unit_has_applied_is_read_from_its_status() -> None:
    ids = ("weather_api_external-secrets.io_ExternalSecret", "_system__reader_rbac.authorization.k8s.io_ClusterRole", "weather_c__ConfigMap")
    found = inventory({"status": {"inventory": {"entries": [{"id": id, "v": "v1"} for id in ids]}}})

    assert list(found) == [
        EXTERNAL_SECRET,
        ResourceId("rbac.authorization.k8s.io", "ClusterRole", "", "system:reader"),
        ResourceId("", "ConfigMap", "weather", "c"),
    ]


@pytest.mark.parametrize(
    ("annotation", "value", "is_there", "expected"),
    [("reconcile", "disabled", False, True), ("ssa", "Ignore", False, True), ("ssa", "IfNotPresent", True, True), ("ssa", "IfNotPresent", False, False)],
)
def test_flux_leaves_alone_what_it_is_told_to(annotation: str, value: str, is_there: bool, expected: bool) -> None:
    manifest = {"metadata": {"annotations": {f"kustomize.toolkit.fluxcd.io/{annotation}": value}}}

    assert is_left_alone(manifest, {} if is_there else None) is expected


def test_units_are_taken_away_after_what_depends_on_them() -> None:
    levels = removal_order([depending("operator"), depending("stores", "operator"), depending("weather", "stores"), depending("other", "operator")])

    assert [[id.name for id in level] for level in levels] == [["other", "weather"], ["stores"], ["operator"]]


def test_units_that_wait_for_each_other_are_taken_away_together() -> None:
    assert [len(level) for level in removal_order([depending("a", "b"), depending("b", "a")])] == [2]


@pytest.mark.parametrize(("name", "value"), [("production", "production"), ("clusters/eu/production", "clusters.eu.production"), ("", "root")])
def test_the_name_of_an_entry_point_as_a_label(name: str, value: str) -> None:
    assert label_value(name) == value


def test_a_long_name_is_cut_to_what_a_label_may_hold_and_stays_unique() -> None:
    first, second = label_value("a" * 80), label_value("a" * 81)

    assert (len(first), len(second)) == (63, 63)
    assert first != second
