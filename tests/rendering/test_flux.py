from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.results import Cluster, Unit
from gitops_secrets.rendering.directories import closest_directory
from gitops_secrets.rendering.entry_points import find_clusters
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.emit import dump, dump_all

TABLE = default_table()
ROOT = "clusters/test/flux-system/gotk-sync.yaml"
SOURCE = {
    "apiVersion": "source.toolkit.fluxcd.io/v1",
    "kind": "GitRepository",
    "metadata": {"name": "flux-system", "namespace": "flux-system"},
    "spec": {"interval": "1m", "url": "https://example.org/platform.git"},
}


def kustomization(name: str, path: str = "", namespace: str = "flux-system", **spec: Any) -> dict[str, Any]:
    """A Flux Kustomization of this repository; `path` is ./NAME unless given."""
    fields = {"interval": "10m", "path": path or f"./{name}", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "flux-system"}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata, "spec": {**fields, **spec}}


def config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"a": "b"}}


def cluster(files: Mapping[str, str], *units: dict[str, Any]) -> Cluster:
    """The cluster whose bootstrap folder holds `units`."""
    sync = dump_all([SOURCE, kustomization("flux-system", "./clusters/test")])
    named = {f"clusters/test/{unit['metadata']['name']}.yaml": dump(unit) for unit in units}
    loader = Loader(MemoryTree({ROOT: sync, **named, **files}))
    found = find_clusters(loader, TABLE.is_namespaced, provisions_of=lambda resource: facts_of(resource, TABLE).provisions)
    return next(entry for entry in found if entry.entry_point == ROOT)


def unit(found: Cluster, name: str) -> Unit:
    return next(entry for entry in found.units if entry.id.name == name)


def applied(found: Cluster, name: str) -> list[str]:
    """What the unit of that name applies."""
    return [str(entry.resource.id) for entry in found.resources if entry.unit.name == name]


def resource(found: Cluster, kind: str, name: str) -> Resource:
    return next(entry.resource for entry in found.resources if (entry.resource.id.kind, entry.resource.id.name) == (kind, name))


def problems(found: Cluster) -> list[tuple[str, str, str]]:
    return [(problem.rule, str(problem.place), problem.subject.rpartition("/")[2]) for problem in found.problems]


# What a Kustomization builds


def test_a_directory_without_a_kustomization_is_all_yaml_below_it() -> None:
    files = {
        "apps/a.yaml": dump(config_map("a")),
        "apps/deep/er/b.yml": dump(config_map("b")),
        "apps/readme.md": "# no manifest\n",
        "apps/own/kustomization.yaml": "resources: [c.yaml]\nnamePrefix: own-\n",
        "apps/own/c.yaml": dump(config_map("c")),
        "apps/own/unlisted.yaml": dump(config_map("unlisted")),
    }

    assert applied(cluster(files, kustomization("apps")), "apps") == ["ConfigMap/default/a", "ConfigMap/default/b", "ConfigMap/default/own-c"]


def test_a_directory_with_a_kustomization_is_what_that_lists() -> None:
    files = {
        "apps/kustomization.yaml": "resources: [a.yaml]\n",
        "apps/a.yaml": dump(config_map("a")),
        "apps/unlisted.yaml": dump(config_map("unlisted")),
    }

    assert applied(cluster(files, kustomization("apps")), "apps") == ["ConfigMap/default/a"]


def test_nested_kustomizations_are_followed_to_the_end() -> None:
    files = {"a/unit.yaml": dump(kustomization("b")), "b/unit.yaml": dump(kustomization("c")), "c/settings.yaml": dump(config_map())}
    found = cluster(files, kustomization("a"))

    assert {entry.id.name: entry.parent and entry.parent.name for entry in found.units} == {"flux-system": None, "a": "flux-system", "b": "a", "c": "b"}
    assert applied(found, "c") == ["ConfigMap/default/settings"]


def test_kustomizations_that_apply_themselves_and_each_other_end() -> None:
    files = {"a/unit.yaml": dump_all([kustomization("a"), kustomization("b")]), "b/unit.yaml": dump(kustomization("a"))}
    found = cluster(files, kustomization("a"))

    assert [entry.id.name for entry in found.units] == ["a", "b", "flux-system"]
    assert [(entry.unit.name, entry.resource.id.name) for entry in found.resources if entry.unit.name != "flux-system"] == [
        ("a", "a"),
        ("b", "a"),
        ("a", "b"),
    ]


def test_releases_are_units_below_the_kustomization_that_applies_them() -> None:
    release = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "app", "namespace": "apps"},
        "spec": {"chart": {"spec": {"chart": "app", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}, "dependsOn": [{"name": "database"}]},
    }
    found = unit(cluster({"apps/release.yaml": dump(release)}, kustomization("apps")), "app")

    assert (str(found.id), str(found.parent)) == ("HelmRelease/apps/app", "Kustomization/flux-system/apps")
    assert [str(dependency.target) for dependency in found.depends_on] == ["HelmRelease/apps/database"]


def test_a_release_that_names_no_chart_installs_nothing() -> None:
    release = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "app", "namespace": "apps"}, "spec": {"chart": "app"}}
    found = cluster({"apps/release.yaml": dump(release)}, kustomization("apps"))

    assert found.releases == ()
    assert unit(found, "app").id.kind == "HelmRelease"


def resource_set(name: str = "sets", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "fluxcd.controlplane.io/v1", "kind": "ResourceSet", "metadata": {"name": name, "namespace": "flux-system"}, "spec": spec}


def provider(name: str, **values: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux-system"}
    return {
        "apiVersion": "fluxcd.controlplane.io/v1",
        "kind": "ResourceSetInputProvider",
        "metadata": metadata,
        "spec": {"type": "Static", "defaultValues": values},
    }


def test_what_a_resource_set_makes_is_applied_by_it_and_its_kustomizations_are_expanded() -> None:
    made = resource_set(inputs=[{"app": "a"}, {"app": "b"}], resources=[kustomization("<< inputs.app >>", "./apps/<< inputs.app >>")])
    files = {"sets/set.yaml": dump(made), "apps/a/a.yaml": dump(config_map("in-a")), "apps/b/b.yaml": dump(config_map("in-b"))}
    found = cluster(files, kustomization("sets"))
    own = unit(found, "b").parent

    assert str(own) == "ResourceSet/flux-system/sets"
    assert [str(entry.resource.id) for entry in found.resources if entry.unit == own] == ["Kustomization/flux-system/a", "Kustomization/flux-system/b"]
    assert applied(found, "b") == ["ConfigMap/default/in-b"]
    assert unit(found, "b").place.file == "sets/set.yaml"
    assert found.opaque == ()


def test_the_inputs_of_a_resource_set_may_be_applied_after_it() -> None:
    sets = dump_all(
        [
            resource_set("named", inputsFrom=[{"name": "late"}], resources=[config_map("named-<< inputs.color >>")]),
            resource_set("selected", inputsFrom=[{"selector": {}}], resources=[config_map("selected-<< inputs.color >>")]),
        ]
    )
    found = cluster({"sets/set.yaml": sets, "late/provider.yaml": dump(provider("late", color="red"))}, kustomization("sets"), kustomization("late"))

    assert applied(found, "named") == ["ConfigMap/default/named-red"]
    assert applied(found, "selected") == ["ConfigMap/default/selected-red"]


def test_a_resource_set_is_opaque_where_its_inputs_are_not_in_the_repository() -> None:
    found = cluster({"sets/set.yaml": dump(resource_set(inputsFrom=[{"name": "nobody"}]))}, kustomization("sets"))
    reason = "its inputs come from ResourceSetInputProvider/flux-system/nobody, which is not in the repository"

    assert [(opaque.thing, opaque.why) for opaque in found.opaque] == [("ResourceSet/flux-system/sets", reason)]
    assert next(entry for entry in found.units if entry.id.kind == "ResourceSet").opaque == reason


def test_a_resource_set_that_does_not_build_is_a_problem_of_it() -> None:
    found = cluster({"sets/set.yaml": dump(resource_set(resources=[config_map("<< inputs.nope >>")]))}, kustomization("sets"))

    assert [(problem.rule, problem.place.file, problem.subject) for problem in found.problems] == [
        ("build-failed", "sets/set.yaml", "ResourceSet/flux-system/sets")
    ]
    assert [str(opaque.broken_unit) for opaque in found.opaque] == ["ResourceSet/flux-system/sets"]


def test_variables_may_come_from_a_copy_that_a_resource_set_makes() -> None:
    copy = {**config_map("settings"), "metadata": {"name": "settings", "namespace": "team"}, "data": None}
    copy["metadata"]["annotations"] = {"fluxcd.controlplane.io/copyFrom": "flux-system/settings"}
    child = kustomization("child", "./child", "team", postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "settings"}]})
    original = {**config_map(color="red"), "metadata": {"name": "settings", "namespace": "flux-system"}}
    files = {"sets/set.yaml": dump(resource_set(resources=[copy, child])), "child/a.yaml": dump(config_map("is-${color}")), "late/a.yaml": dump(original)}
    found = cluster(files, kustomization("sets"), kustomization("late"))

    assert applied(found, "child") == ["ConfigMap/default/is-red"]
    assert applied(cluster({**files, "late/a.yaml": ""}, kustomization("sets"), kustomization("late")), "child") == ["ConfigMap/default/is-${color}"]


def test_a_resource_set_may_make_itself() -> None:
    found = cluster({"sets/set.yaml": dump(resource_set(resources=[resource_set()]))}, kustomization("sets"))

    assert [str(entry.id) for entry in found.units if entry.id.kind == "ResourceSet"] == ["ResourceSet/flux-system/sets"]


def test_a_resource_set_depends_on_objects_of_any_kind_and_is_suspended_by_an_annotation() -> None:
    made = resource_set(
        dependsOn=[
            {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "name": "apps.example.org"},
            {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "name": "app", "namespace": "apps"},
        ]
    )
    made["metadata"]["annotations"] = {"fluxcd.controlplane.io/reconcile": "Disabled"}
    found = cluster({"sets/set.yaml": dump(made)}, kustomization("sets"))
    own = next(entry for entry in found.units if entry.id.kind == "ResourceSet")

    assert [str(dependency.target) for dependency in own.depends_on] == ["CustomResourceDefinition//apps.example.org", "HelmRelease/apps/app"]
    assert own.suspended


def test_objects_of_flux_stand_in_its_namespace_unless_they_name_another_and_the_rest_in_default() -> None:
    source = {**SOURCE, "metadata": {"name": "other"}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps", "namespace": "ignored"}}
    found = cluster({"apps/all.yaml": dump_all([source, config_map(), namespace])}, kustomization("apps"))

    assert applied(found, "apps") == ["ConfigMap/default/settings", "Namespace//apps", "GitRepository/flux-system/other"]


# Fields of the unit


def test_the_fields_that_order_and_gate_are_read() -> None:
    spec = {
        "dependsOn": [{"name": "a"}, {"name": "b", "namespace": "other"}],
        "wait": True,
        "healthChecks": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "app", "namespace": "apps"}],
        "healthCheckExprs": [{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "current": "true"}],
        "interval": "1h30m",
        "retryInterval": "90s",
        "timeout": "500ms",
        "suspend": True,
    }
    found = unit(cluster({"apps/a.yaml": dump(config_map())}, kustomization("apps", **spec)), "apps")

    assert [(str(entry.target), str(entry.place)) for entry in found.depends_on] == [
        ("Kustomization/flux-system/a", "clusters/test/apps.yaml:14"),
        ("Kustomization/other/b", "clusters/test/apps.yaml:15"),
    ]
    assert (found.wait, found.suspended, found.interval, found.retry_interval, found.timeout) == (True, True, 5400, 90, 0.5)
    assert [str(check.target) for check in found.health_checks] == ["Deployment/apps/app"]
    assert [(entry.group, entry.kind, entry.current) for entry in found.health_expressions] == [("external-secrets.io", "ExternalSecret", "true")]


def test_a_suspended_kustomization_is_still_read() -> None:
    found = cluster({"apps/a.yaml": dump(config_map())}, kustomization("apps", suspend=True))

    assert applied(found, "apps") == ["ConfigMap/default/settings"]


# Patches of the parent


def parent(patch: Any, target: Mapping[str, str] | None = None) -> dict[str, Any]:
    return kustomization("parent", "./units", patches=[{"target": target or {"kind": "Kustomization"}, "patch": dump(patch)}])


def test_a_parent_can_make_its_children_wait() -> None:
    patch = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "all"},
        "spec": {"wait": True, "retryInterval": "1m"},
    }
    files = {"units/all.yaml": dump_all([kustomization("a"), kustomization("b")]), "a/a.yaml": dump(config_map("a")), "b/b.yaml": dump(config_map("b"))}
    found = cluster(files, parent(patch))

    assert [(entry.id.name, entry.wait, entry.retry_interval) for entry in found.units if entry.id.name in "ab"] == [("a", True, 60), ("b", True, 60)]


def test_a_parent_can_give_its_children_variables_and_decryption() -> None:
    spec = {"postBuild": {"substitute": {"REGION": "eu"}}, "decryption": {"provider": "sops"}}
    patch = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "all"}, "spec": spec}
    found = cluster({"units/a.yaml": dump(kustomization("a")), "a/a.yaml": dump(config_map("a", region="${REGION}"))}, parent(patch))

    assert resource(found, "ConfigMap", "a").data["data"]["region"] == "eu"
    assert unit(found, "a").data["spec"]["decryption"]["provider"] == "sops"


def test_a_parent_can_add_what_its_child_depends_on_and_the_place_is_that_of_the_patch() -> None:
    patch = [{"op": "add", "path": "/spec/dependsOn", "value": [{"name": "stores"}]}]
    found = cluster({"units/a.yaml": dump(kustomization("a")), "a/a.yaml": dump(config_map("a"))}, parent(patch, {"name": "a"}))

    assert [(str(entry.target), entry.place.file) for entry in unit(found, "a").depends_on] == [
        ("Kustomization/flux-system/stores", "clusters/test/parent.yaml")
    ]


def test_what_a_child_builds_inherits_nothing_of_its_parent() -> None:
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"patched": "yes"}}
    found = cluster({"units/a.yaml": dump(kustomization("a")), "a/a.yaml": dump(config_map("a"))}, parent(patch, {"kind": "ConfigMap"}))

    assert "patched" not in resource(found, "ConfigMap", "a").data["data"]
    assert problems(found) == [("patch-matches-nothing", "clusters/test/parent.yaml:15", "parent")]


# Fields that change what is built


def test_the_target_namespace_moves_what_is_built_into_it() -> None:
    files = {"apps/all.yaml": dump_all([config_map(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}])}

    assert applied(cluster(files, kustomization("apps", targetNamespace="web")), "apps") == ["ConfigMap/web/settings", "Namespace//web"]


def test_name_prefix_and_suffix_are_those_of_the_kustomization() -> None:
    found = cluster({"apps/a.yaml": dump(config_map())}, kustomization("apps", namePrefix="before-", nameSuffix="-after"))

    assert applied(found, "apps") == ["ConfigMap/default/before-settings-after"]


def test_components_are_built_relative_to_the_path() -> None:
    files = {
        "apps/web/a.yaml": dump(config_map()),
        "apps/part/kustomization.yaml": dump({"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": ["b.yaml"]}),
        "apps/part/b.yaml": dump(config_map("from-component")),
    }
    found = cluster(files, kustomization("apps", "./apps/web", components=["../part"]))

    assert applied(found, "apps") == ["ConfigMap/default/from-component", "ConfigMap/default/settings"]


def test_common_metadata_wins_over_what_is_written() -> None:
    manifest = config_map()
    manifest["metadata"]["labels"] = {"team": "mine", "kept": "yes"}
    metadata = {"labels": {"team": "platform"}, "annotations": {"note": "common"}}
    found = cluster({"apps/a.yaml": dump(manifest)}, kustomization("apps", commonMetadata=metadata))

    assert resource(found, "ConfigMap", "settings").data["metadata"]["labels"] == {"team": "platform", "kept": "yes"}
    assert resource(found, "ConfigMap", "settings").data["metadata"]["annotations"] == {"note": "common"}


def test_two_units_that_build_one_directory_do_not_disturb_each_other() -> None:
    files = {"apps/a.yaml": dump(config_map(region="${REGION}"))}
    units = [kustomization(name, "./apps", targetNamespace=name, postBuild={"substitute": {"REGION": name}}) for name in ("east", "west")]
    found = cluster(files, *units)

    assert {str(entry.resource.id): entry.resource.data["data"]["region"] for entry in found.resources if entry.resource.id.kind == "ConfigMap"} == {
        "ConfigMap/east/settings": "east",
        "ConfigMap/west/settings": "west",
    }


# Variables


def substituted(found: Cluster) -> dict[str, Any]:
    return dict(resource(found, "ConfigMap", "app").data["data"])


APP = {"apps/app.yaml": dump(config_map("app", region="${REGION}", zone="${ZONE:=a}"))}


def test_variables_come_from_a_config_map_that_another_kustomization_applies_whatever_the_order() -> None:
    variables = {**config_map("variables", REGION="eu", ZONE="b"), "metadata": {"name": "variables", "namespace": "flux-system"}}
    units = [kustomization("apps", postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]}), kustomization("settings")]
    found = cluster({**APP, "settings/variables.yaml": dump(variables)}, *units)

    assert substituted(found) == {"region": "eu", "zone": "b"}
    assert found.problems == ()


def test_variables_of_the_kustomization_itself_win() -> None:
    variables = {**config_map("variables", REGION="eu"), "metadata": {"name": "variables", "namespace": "flux-system"}}
    build = {"substitute": {"REGION": "us"}, "substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]}
    found = cluster({**APP, "clusters/test/variables.yaml": dump(variables)}, kustomization("apps", postBuild=build))

    assert substituted(found) == {"region": "us", "zone": "a"}


def test_names_that_hold_variables_are_known_after_substitution() -> None:
    files = {"apps/app.yaml": dump(config_map("${REGION}-settings"))}
    found = cluster(files, kustomization("apps", postBuild={"substitute": {"REGION": "eu"}}))

    assert applied(found, "apps") == ["ConfigMap/default/eu-settings"]


def test_a_variable_from_a_secret_leaves_the_text_as_it_is_and_is_no_problem() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "variables", "namespace": "flux-system"}, "stringData": {"REGION": "hidden"}}
    build = {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}
    found = cluster({**APP, "clusters/test/variables.yaml": dump(secret)}, kustomization("apps", postBuild=build))

    assert "hidden" not in repr(found)
    assert substituted(found)["zone"] == "a"
    assert found.problems == ()


def test_a_secret_that_is_not_in_the_repository_may_define_any_variable() -> None:
    found = cluster(APP, kustomization("apps", postBuild={"substituteFrom": [{"kind": "Secret", "name": "elsewhere"}]}))

    assert found.problems == ()


def external_secret(*keys: str, policy: str = "Owner", **spec: Any) -> dict[str, Any]:
    data = [{"secretKey": key, "remoteRef": {"key": "variables"}} for key in keys]
    spec = {"secretStoreRef": {"name": "store"}, "target": {"name": "variables", "creationPolicy": policy}, "data": data, **spec}
    metadata = {"name": f"{policy}-{'-'.join(keys)}".lower(), "namespace": "flux-system"}
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("made_of", "expected"),
    [
        ([external_secret("ZONE")], ["undefined-variable"]),
        ([external_secret("ZONE"), external_secret("REGION", policy="Merge")], []),
        ([external_secret("ZONE", dataFrom=[{"extract": {"key": "all"}}])], []),
        ([external_secret("ZONE", policy="Merge")], []),
    ],
    ids=["its own keys", "keys of two", "keys that are not known", "a Secret that somebody else makes"],
)
def test_a_secret_that_an_external_secret_makes_defines_the_variables_of_its_keys(made_of: list[dict[str, Any]], expected: list[str]) -> None:
    units = [kustomization("apps", postBuild={"substituteFrom": [{"kind": "Secret", "name": "variables"}]}), kustomization("secrets")]
    found = cluster({**APP, "secrets/all.yaml": dump_all(made_of)}, *units)

    assert [rule for rule, _, _ in problems(found)] == expected
    assert substituted(found) == {"region": None if expected else "${REGION}", "zone": "${ZONE:=a}"}


def test_a_variable_that_a_parent_leaves_as_it_is_has_no_known_value() -> None:
    child = kustomization("child", "./child", postBuild={"substitute": {"NAMES": "${q:='}${NAMES}${q:='}"}})
    files = {"apps/child.yaml": dump(child), "child/app.yaml": dump(config_map("app", names="[${NAMES}]"))}
    found = cluster(files, kustomization("apps", postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "elsewhere"}]}))

    assert found.problems == ()
    assert substituted(found) == {"names": "[${NAMES}]"}


def test_an_optional_source_of_variables_that_is_not_in_the_repository_may_define_any() -> None:
    build = {"substitute": {"ZONE": "c"}, "substituteFrom": [{"kind": "ConfigMap", "name": "elsewhere", "optional": True}]}
    found = cluster(APP, kustomization("apps", postBuild=build))

    assert problems(found) == []
    assert substituted(found)["zone"] == "c"


def test_a_value_of_an_encrypted_config_map_is_there_and_not_known() -> None:
    settings = {**config_map("variables", REGION="ENC[AES256_GCM,data:aa]"), "sops": {"mac": "ENC[mac]"}}
    settings["metadata"]["namespace"] = "flux-system"
    build = {"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]}
    units = (kustomization("apps", postBuild=build), kustomization("settings"))
    found = cluster({**APP, "settings/variables.yaml": dump(settings)}, *units)

    assert problems(found) == []
    assert substituted(found)["region"] == "${REGION}"


def test_without_any_variable_flux_does_not_substitute() -> None:
    found = cluster(APP, kustomization("apps", postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "elsewhere", "optional": True}]}))

    assert substituted(found) == {"region": "${REGION}", "zone": "${ZONE:=a}"}


def test_kustomizations_that_wait_for_each_others_variables_are_expanded_all_the_same() -> None:
    units = [
        kustomization("a", postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "of-b"}]}),
        kustomization("b", postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "of-a"}]}),
    ]
    files = {f"{name}/settings.yaml": dump({**config_map(), "metadata": {"name": f"of-{name}", "namespace": "flux-system"}}) for name in "ab"}
    found = cluster(files, *units)

    assert applied(found, "a") == ["ConfigMap/flux-system/of-a"]
    assert applied(found, "b") == ["ConfigMap/flux-system/of-b"]


def test_an_encrypted_manifest_is_an_object_without_its_sops_block() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token"},
        "stringData": {"token": "ENC[AES256_GCM,data:c2VjcmV0,type:str]"},
        "sops": {"age": [{"recipient": "age1", "enc": "wrapped"}], "mac": "ENC[mac]"},
    }
    found = cluster({"apps/secret.yaml": dump(secret)}, kustomization("apps", decryption={"provider": "sops"}))
    node = resource(found, "Secret", "token").data

    assert "sops" not in node
    assert list(node["stringData"]) == ["token"]
    assert "c2VjcmV0" not in repr(found)


# Other clusters


def test_what_goes_to_another_cluster_is_not_applied_here_and_its_children_neither() -> None:
    files = {"remote/all.yaml": dump_all([config_map(), kustomization("child")]), "child/settings.yaml": dump(config_map("of-child"))}
    found = cluster(files, kustomization("remote", kubeConfig={"secretRef": {"name": "other-cluster"}}))

    assert {entry.id.name: entry.remote for entry in found.units} == {"flux-system": False, "remote": True, "child": True}
    assert applied(found, "remote") == applied(found, "child") == []


# Broken ones


@pytest.mark.parametrize(
    ("path", "hint"),
    [("./infrastructure/store", "did you mean infrastructure/stores?"), ("./infrastracture/stores", "did you mean infrastructure?"), ("./nowhere", None)],
)
def test_a_path_that_is_not_there_is_a_problem_with_the_closest_directory(path: str, hint: str | None) -> None:
    found = cluster({"infrastructure/stores/a.yaml": dump(config_map())}, kustomization("stores", path))

    assert problems(found) == [("missing-path", "clusters/test/stores.yaml:8", "stores")]
    assert found.problems[0].message.endswith(hint or "not in the repository")
    assert unit(found, "stores").opaque == "its path is not in the repository"


@pytest.mark.parametrize("files", [{}, {"stores/kustomization.yaml": "resources: [missing.yaml]\n"}], ids=["no path", "no build"])
def test_a_unit_that_cannot_be_built_accounts_for_what_is_missing_behind_it(files: Mapping[str, str]) -> None:
    (opaque,) = cluster(files, kustomization("stores")).opaque

    assert (str(opaque.broken_unit), opaque.namespace, opaque.kinds) == ("Kustomization/flux-system/stores", None, None)


def test_a_path_with_a_variable_that_nobody_sets_is_opaque() -> None:
    found = cluster({}, kustomization("stores", "./clusters/${CLUSTER}/stores"))

    assert found.problems == ()
    assert [opaque.why for opaque in found.opaque] == ["its path holds a variable that is not known: ./clusters/${CLUSTER}/stores"]


def test_a_path_that_leaves_the_repository_is_opaque() -> None:
    assert unit(cluster({}, kustomization("stores", "../../stores")), "stores").opaque is not None


def test_a_build_that_fails_is_a_problem_of_its_unit_and_everything_else_goes_on() -> None:
    files = {"broken/kustomization.yaml": "resources: [missing.yaml]\n", "apps/a.yaml": dump(config_map())}
    found = cluster(files, kustomization("broken"), kustomization("apps"))

    assert problems(found) == [("build-failed", "broken/kustomization.yaml:1", "broken")]
    assert applied(found, "apps") == ["ConfigMap/default/settings"]


@pytest.mark.parametrize("manifest", ["apiVersion: v1\nkind: ConfigMap\n", "kind: ConfigMap\nmetadata: {name: a}\n", "- a\n- list\n", "text\n"])
def test_what_is_no_object_is_a_problem_of_its_unit(manifest: str) -> None:
    found = cluster({"apps/a.yaml": manifest}, kustomization("apps"))

    assert [(rule, subject) for rule, _, subject in problems(found)] == [("build-failed", "apps")]


@pytest.mark.parametrize(
    ("path", "closest"),
    [("apps/wbe", "apps/web"), ("app", "apps"), ("apps/completely-else", None), ("x/y/z", None)],
)
def test_the_closest_directory_is_a_sibling_of_similar_name(path: str, closest: str | None) -> None:
    assert closest_directory(MemoryTree({"apps/web/a.yaml": "", "apps/api/a.yaml": ""}), path) == closest


def test_a_kustomization_file_is_no_unit() -> None:
    found = cluster({"apps/kustomization.yaml": "resources: [a.yaml]\n", "apps/a.yaml": dump(config_map())}, kustomization("apps"))

    assert ResourceId("kustomize.config.k8s.io", "Kustomization", "", "") not in [entry.id for entry in found.units]
    assert len(found.units) == 2


def test_a_patch_on_the_schema_of_a_definition_is_no_fault_although_no_schema_is_kept() -> None:
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"properties": {"spec": {"type": "object"}}}}}]
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {"group": "example.org", "scope": "Cluster", "names": {"kind": "Thing", "plural": "things"}, "versions": versions},
    }
    patch = [
        {"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/type", "value": "string"},
        {"op": "replace", "path": "/spec/versions/0/served", "value": False},
        {"op": "remove", "path": "/spec/validation"},
    ]
    target = {"kind": "CustomResourceDefinition"}
    found = cluster({"crds/things.yaml": dump(definition)}, kustomization("crds", patches=[{"target": target, "patch": dump(patch)}]))

    assert found.problems == ()
    assert resource(found, "CustomResourceDefinition", "things.example.org").data["spec"]["versions"] == [{"name": "v1", "served": False, "storage": True}]
