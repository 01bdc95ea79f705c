from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.config import ClusterSetting
from gitops_secrets.errors import UsageError
from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Cluster
from gitops_secrets.rendering.cluster_names import unique_suffixes
from gitops_secrets.rendering.entry_points import find_clusters
from gitops_secrets.repository.ignore import FilteredTree
from gitops_secrets.repository.ignore import ignored as sourceignored
from gitops_secrets.repository.tree import MemoryTree

SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{interval: 1m, url: "{url}"}}
---
"""
UNIT = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{interval: 10m, path: "{path}", prune: true, sourceRef: {{kind: GitRepository, name: {source}}}}}
---
"""
RELEASE = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: app, namespace: apps}\nspec: {chart: {spec: {chart: app}}}\n"
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n"


def unit(name: str, path: str, *, source: str = "flux-system", namespace: str = "flux-system") -> str:
    return UNIT.format(name=name, path=path, source=source, namespace=namespace)


def source(name: str = "flux-system", url: str = "https://example.org/platform.git", namespace: str = "flux-system") -> str:
    return SOURCE.format(name=name, url=url, namespace=namespace)


def sync(path: str) -> str:
    return source() + unit("flux-system", path)


def clusters(files: Mapping[str, str], **given: Iterable[str]) -> list[Cluster]:
    return list(find_clusters(Loader(MemoryTree(files)), default_table().is_namespaced, **given))


def starts(files: Mapping[str, str]) -> dict[str, str]:
    """Entry points by the names of their clusters."""
    return {cluster.name: cluster.entry_point for cluster in clusters(files)}


def units(cluster: Cluster) -> list[str]:
    return [unit.id.name for unit in cluster.units]


# Bootstrap


def test_a_cluster_starts_where_flux_bootstrap_wrote_it() -> None:
    files = {
        "clusters/production/flux-system/gotk-sync.yaml": sync("./clusters/production"),
        "clusters/production/apps.yaml": unit("apps", "./apps"),
        "apps/settings.yaml": SETTINGS,
    }
    (cluster,) = clusters(files)

    assert (cluster.name, cluster.entry_point, cluster.engine, cluster.stray) == (
        "production",
        "clusters/production/flux-system/gotk-sync.yaml",
        "flux",
        False,
    )
    assert units(cluster) == ["apps", "flux-system"]


def test_the_parts_of_gotk_sync_may_stand_in_any_order() -> None:
    backwards = unit("flux-system", "./clusters/production") + source()

    assert starts({"clusters/production/flux-system/gotk-sync.yaml": backwards}) == {"production": "clusters/production/flux-system/gotk-sync.yaml"}


def test_all_that_gotk_sync_starts_from_one_source_is_one_cluster() -> None:
    both = sync("./clusters/production") + unit("apps", "./apps")

    assert starts({"clusters/production/flux-system/gotk-sync.yaml": both}) == {"production": "clusters/production/flux-system/gotk-sync.yaml"}


def test_each_cluster_of_a_repository_has_its_own_units_of_the_same_names() -> None:
    files = {
        "clusters/east/flux-system/gotk-sync.yaml": sync("./clusters/east"),
        "clusters/east/apps.yaml": unit("apps", "./apps/east"),
        "clusters/west/flux-system/gotk-sync.yaml": sync("./clusters/west"),
        "clusters/west/apps.yaml": unit("apps", "./apps/west"),
        "apps/east/settings.yaml": SETTINGS,
        "apps/west/settings.yaml": SETTINGS,
    }
    paths = {cluster.name: [unit.path for unit in cluster.units if unit.id.name == "apps"] for cluster in clusters(files)}

    assert paths == {"east": ["apps/east"], "west": ["apps/west"]}


@pytest.mark.parametrize("path", ["./", ".", "", "/", "./clusters/../"])
def test_a_cluster_may_be_all_of_its_repository(path: str) -> None:
    (cluster,) = clusters({"flux-system/gotk-sync.yaml": sync(path), "apps.yaml": SETTINGS})

    assert cluster.name == "root"
    assert [unit.path for unit in cluster.units] == [""]
    assert "ConfigMap/default/settings" in [str(applied.resource.id) for applied in cluster.resources]


@pytest.mark.parametrize("path", ["clusters/production", "./clusters/production", "./clusters/production/", "/clusters/production", "clusters//production"])
def test_a_path_may_be_written_with_and_without_dots_and_slashes(path: str) -> None:
    (cluster,) = clusters({"clusters/production/flux-system/gotk-sync.yaml": sync(path)})

    assert [unit.path for unit in cluster.units] == ["clusters/production"]
    assert cluster.problems == ()


def test_paths_may_be_relative_to_a_folder_that_is_a_repository_of_its_own() -> None:
    files = {
        "platform/clusters/production/flux-system/gotk-sync.yaml": sync("./clusters/production"),
        "platform/clusters/production/apps.yaml": unit("apps", "./apps"),
        "platform/apps/settings.yaml": SETTINGS,
    }
    (cluster,) = clusters(files)

    assert [unit.path for unit in cluster.units] == ["platform/apps", "platform/clusters/production"]
    assert [str(applied.resource.place) for applied in cluster.resources if applied.unit.name == "apps"] == ["platform/apps/settings.yaml:3"]


# Flux Operator

INSTANCE = """\
apiVersion: fluxcd.controlplane.io/v1
kind: FluxInstance
metadata: {name: flux, namespace: flux-system}
spec:
  sync: {kind: OCIRepository, url: "oci://example.org/platform", ref: latest, path: clusters/edge%s}
"""
CHART_VALUES = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: flux-instance, namespace: flux-system}
spec:
  values:
    instance:
      sync: {kind: GitRepository, url: "https://example.org/platform.git", path: clusters/edge}
"""
BARE_VALUES = "instance:\n  sync: {kind: GitRepository, url: 'https://example.org/platform.git', path: ./clusters/edge}\n"


@pytest.mark.parametrize("text", [INSTANCE % "", CHART_VALUES, BARE_VALUES], ids=["object", "values of a release", "values file"])
def test_a_cluster_starts_at_the_sync_of_a_flux_instance(text: str) -> None:
    files = {"bootstrap/instance.yaml": text, "clusters/edge/apps.yaml": unit("apps", "./apps"), "apps/settings.yaml": SETTINGS}
    (cluster,) = clusters(files)

    assert (cluster.name, cluster.entry_point) == ("edge", "bootstrap/instance.yaml")
    assert [str(unit.id) for unit in cluster.units] == ["Kustomization/flux-system/apps", "Kustomization/flux-system/flux-system"]


def test_a_sync_whose_path_has_a_variable_starts_each_cluster_that_fits() -> None:
    values = "instance:\n  sync: {kind: GitRepository, url: https://example.org/fleet, path: 'clusters/${CLUSTER}/flux'}\n"
    files = {"apps/flux/values.yaml": values} | {f"clusters/{name}/flux/settings.yaml": SETTINGS for name in ("east", "west")} | {"clusters/a.yaml": "a: 1\n"}

    assert {cluster.name: [unit.path for unit in cluster.units] for cluster in clusters(files)} == {
        "east": ["clusters/east/flux"],
        "west": ["clusters/west/flux"],
    }


def test_a_sync_whose_path_is_nothing_but_a_variable_starts_nowhere() -> None:
    values = "instance:\n  sync: {kind: GitRepository, url: https://example.org/fleet, path: '${FLUX_PATH}'}\n"
    files = {"apps/flux/values.yaml": values, "clusters/east/apps.yaml": unit("apps", "./apps"), "apps/settings.yaml": SETTINGS}

    assert {cluster.name: [unit.path for unit in cluster.units] for cluster in clusters(files)} == {"east": ["apps"]}


def test_the_name_of_a_sync_is_that_of_its_source_and_kustomization() -> None:
    files = {
        "instance.yaml": INSTANCE % ", name: edge",
        "clusters/edge/apps.yaml": unit("apps", "./apps", source="edge").replace("GitRepository", "OCIRepository"),
        "apps/settings.yaml": SETTINGS,
    }
    (cluster,) = clusters(files)

    assert units(cluster) == ["apps", "edge"]
    assert [unit.path for unit in cluster.units] == ["apps", "clusters/edge"]


@pytest.mark.parametrize(
    "text",
    [
        INSTANCE.replace("flux-system", "engine") % "",
        CHART_VALUES.replace("flux-system", "engine").replace("GitRepository", "OCIRepository"),
        CHART_VALUES.replace("spec:", "spec:\n  targetNamespace: engine").replace("GitRepository", "OCIRepository"),
    ],
    ids=["object", "values of a release", "values of a release for another namespace"],
)
def test_a_sync_without_a_name_is_named_after_the_namespace_of_its_instance(text: str) -> None:
    apps = unit("apps", "./apps", source="engine", namespace="engine").replace("GitRepository", "OCIRepository")
    (cluster,) = clusters({"instance.yaml": text, "clusters/edge/apps.yaml": apps, "apps/settings.yaml": SETTINGS})

    assert [(str(unit.id), unit.path) for unit in cluster.units] == [
        ("Kustomization/engine/apps", "apps"),
        ("Kustomization/engine/engine", "clusters/edge"),
    ]


@pytest.mark.parametrize("sync_text", ["", "sync: text", "sync: {}", "sync: {path: 7}", "sync: []"])
def test_a_flux_instance_without_a_path_to_sync_starts_nothing(sync_text: str) -> None:
    text = f"apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {{name: flux, namespace: flux-system}}\nspec:\n  {sync_text}\n"

    assert clusters({"instance.yaml": text}) == []


def test_an_artifact_that_is_synced_as_a_whole_is_the_folder_whose_kustomization_applies_the_instance() -> None:
    files = {
        "kubernetes/clusters/edge/flux-system/instance.yaml": INSTANCE.replace("clusters/edge%s", "./"),
        "kubernetes/clusters/edge/flux-system/kustomization.yaml": "resources: [instance.yaml]\n",
        "kubernetes/clusters/edge/kustomization.yaml": "resources: [flux-system, settings.yaml]\n",
        "kubernetes/clusters/edge/settings.yaml": SETTINGS,
        "compose.yaml": "services: {}\n",
    }
    (cluster,) = clusters(files)

    assert [unit.path for unit in cluster.units] == ["kubernetes/clusters/edge"]
    assert cluster.problems == ()


def test_an_instance_that_syncs_another_repository_is_no_start_of_this_one() -> None:
    files = {"flux/instance.yaml": INSTANCE % "", "settings.yaml": SETTINGS}

    assert clusters(files, remote_urls=["https://example.org/template.git"]) == []
    assert [cluster.name for cluster in clusters(files, remote_urls=["https://example.org/platform"])] == ["edge"]


def test_a_path_leads_no_further_up_than_the_root() -> None:
    (cluster,) = clusters(
        {
            "clusters/edge/flux-system/gotk-sync.yaml": sync("../clusters/edge"),
            "clusters/edge/apps.yaml": unit("apps", "../../apps"),
            "apps/settings.yaml": SETTINGS,
        }
    )

    assert [unit.path for unit in cluster.units] == ["apps", "clusters/edge"]


# Kustomizations that nothing reaches


def test_kustomizations_that_nothing_reaches_are_one_cluster_for_each_folder() -> None:
    files = {
        "clusters/east/apps.yaml": unit("apps", "./apps"),
        "clusters/east/stores.yaml": unit("stores", "./stores"),
        "clusters/west/flux/apps.yaml": unit("apps", "./apps"),
        "apps/settings.yaml": SETTINGS,
        "stores/settings.yaml": SETTINGS,
    }

    assert {cluster.name: units(cluster) for cluster in clusters(files)} == {"east": ["apps", "stores"], "west": ["apps"]}


def test_kustomizations_of_one_folder_are_one_cluster() -> None:
    files = {"flux/apps.yaml": unit("apps", "./apps"), "flux/stores.yaml": unit("stores", "./stores"), "apps/a.yaml": SETTINGS, "stores/a.yaml": SETTINGS}

    assert {cluster.entry_point: units(cluster) for cluster in clusters(files)} == {"flux": ["apps", "stores"]}


def test_directories_that_render_one_kustomization_each_in_its_own_way_are_clusters() -> None:
    patch = """'[{"op": "replace", "path": "/spec/path", "value": "./apps/NAME"}]'"""
    overlay = f"resources: [../base]\npatches:\n  - patch: {patch}\n    target: {{kind: Kustomization}}\n"
    files = {"clusters/base/kustomization.yaml": "resources: [apps.yaml]\n", "clusters/base/apps.yaml": unit("apps", "./apps/none")}
    for name in ("east", "west"):
        files |= {f"clusters/{name}/kustomization.yaml": overlay.replace("NAME", name), f"apps/{name}/settings.yaml": SETTINGS}

    assert {cluster.name: [unit.path for unit in cluster.units] for cluster in clusters(files)} == {"east": ["apps/east"], "west": ["apps/west"]}


def test_releases_that_a_variant_renders_beside_its_kustomizations_are_units() -> None:
    files = {"base/kustomization.yaml": "resources: [apps.yaml, release.yaml]\n", "base/apps.yaml": unit("apps", "apps"), "base/release.yaml": RELEASE}
    for name in ("east", "west"):
        files[f"{name}/kustomization.yaml"] = "resources: [../base]\n"

    assert [[unit.id.kind for unit in cluster.units] for cluster in clusters(files)] == [["HelmRelease", "Kustomization"]] * 2


def test_a_variant_that_applies_itself_is_a_bootstrap_of_all_that_it_renders() -> None:
    """Its other Kustomizations have their variables from it, and the file that patches it is no Kustomization of its own."""
    base = unit("flux-system", "./clusters/none") + unit("apps", "./apps/${REGION}")
    patch = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux-system, namespace: flux-system}\nspec:\n"
    files = {"clusters/base/kustomization.yaml": "resources: [sync.yaml]\n", "clusters/base/sync.yaml": base}
    for name in ("east", "west"):
        files[f"clusters/{name}/kustomization.yaml"] = "resources: [../base]\npatches: [{path: ../../patches/NAME.yaml}]\n".replace("NAME", name)
        files[f"patches/{name}.yaml"] = f"{patch}  path: ./clusters/{name}\n  postBuild: {{substitute: {{REGION: {name}}}}}\n"
        files[f"apps/{name}/settings.yaml"] = SETTINGS

    assert {cluster.name: sorted(unit.path or "" for unit in cluster.units) for cluster in clusters(files)} == {
        name: [f"apps/{name}", f"clusters/{name}"] for name in ("east", "west")
    }


def test_a_directory_that_lists_the_kustomizations_of_several_folders_is_one_cluster() -> None:
    """Also where one of them is a part of what it builds itself, which would make it a bootstrap if nobody else listed it."""
    files = {
        "core/kustomization.yaml": "resources: [dns/flux.yaml, stores/flux.yaml]\n",
        "core/dns/flux.yaml": unit("dns", "./core/dns"),
        "core/dns/kustomization.yaml": "resources: [flux.yaml, settings.yaml]\n",
        "core/dns/settings.yaml": SETTINGS,
        "core/stores/flux.yaml": unit("stores", "./stores"),
        "stores/settings.yaml": SETTINGS,
    }

    assert {cluster.name: units(cluster) for cluster in clusters(files)} == {"core": ["dns", "stores"]}


@pytest.mark.parametrize("shelf", ["archive", "examples"])
def test_what_lies_in_an_archive_is_stray(shelf: str) -> None:
    found = clusters({f"{shelf}/clusters/apps.yaml": unit("apps", "./apps"), "apps/settings.yaml": SETTINGS})

    assert [cluster.stray for cluster in found] == [True]


def test_a_directory_that_an_engine_does_not_reach_is_stray() -> None:
    files = {"clusters/apps.yaml": unit("apps", "./apps"), "apps/settings.yaml": SETTINGS, "old/kustomization.yaml": "resources: [settings.yaml]\n"}
    found = clusters(files | {"old/settings.yaml": SETTINGS})

    assert {cluster.name: (cluster.stray, cluster.guessed) for cluster in found} == {"clusters": (False, True), "old": (True, True)}


def test_two_kustomizations_of_one_id_never_share_a_cluster() -> None:
    files = {"flux/apps.yaml": unit("apps", "./apps"), "flux/other.yaml": unit("apps", "./other"), "apps/a.yaml": SETTINGS, "other/a.yaml": SETTINGS}

    assert [[unit.path for unit in cluster.units] for cluster in clusters(files)] == [["apps"], ["other"]]


def test_folders_that_mix_clusters_are_taken_apart_further_down() -> None:
    files = {
        "infrastructure/east/stores.yaml": unit("stores", "./stores"),
        "infrastructure/west/stores.yaml": unit("stores", "./stores"),
        "apps/east/apps.yaml": unit("apps", "./content"),
        "stores/settings.yaml": SETTINGS,
        "content/settings.yaml": SETTINGS,
    }

    assert starts(files) == {
        "apps": "apps/east/apps.yaml",
        "east": "infrastructure/east/stores.yaml",
        "west": "infrastructure/west/stores.yaml",
    }


def test_what_a_kustomization_applies_starts_no_cluster_of_its_own() -> None:
    files = {"flux/root.yaml": unit("root", "./units"), "units/apps.yaml": unit("apps", "./apps"), "apps/settings.yaml": SETTINGS}
    (cluster,) = clusters(files)

    assert {unit.id.name: unit.parent and unit.parent.name for unit in cluster.units} == {"root": None, "apps": "root"}


def test_a_kustomization_that_applies_itself_is_a_bootstrap_under_another_name() -> None:
    files = {
        "clusters/home/root.yaml": unit("root", "./clusters/home", source="home"),
        "clusters/home/apps.yaml": unit("apps", "./apps", source="home"),
        "archive/old.yaml": unit("old", "./apps", source="home"),
        "apps/settings.yaml": SETTINGS,
    }
    found = {cluster.name: cluster for cluster in clusters(files)}

    assert units(found["clusters"]) == ["apps", "root"]
    assert {name: cluster.stray for name, cluster in found.items()} == {"clusters": False, "archive": True}


def test_a_copy_of_a_kustomization_that_applies_itself_starts_nothing() -> None:
    files = {
        "cluster/sync.yaml": source("home") + unit("cluster", "cluster", source="home"),
        "cluster/settings.yaml": SETTINGS,
        "bootstrap/sync.yaml": source("home", url="${URL}") + unit("cluster", "cluster", source="home"),
    }

    assert [(cluster.name, cluster.entry_point, len(cluster.resources)) for cluster in clusters(files)] == [("cluster", "cluster/sync.yaml", 3)]


def test_a_source_that_a_bootstrap_leaves_out_of_its_folder_is_not_given() -> None:
    files = {
        "cluster/kustomization.yaml": "resources: [sync.yaml]\n",
        "cluster/sync.yaml": source("home") + unit("cluster", "cluster", source="home"),
        "cluster/charts.yaml": source("charts"),
    }

    assert [given.id.name for cluster in clusters(files) for given in cluster.given] == ["home"]


def test_what_is_read_from_a_declared_repository_with_other_folders_is_elsewhere() -> None:
    files = {"apps/app/sync.yaml": source("tool", url="https://example.org/tool.git") + unit("app", "deploy", source="tool")}

    assert [(len(cluster.problems), [opaque.why for opaque in cluster.opaque]) for cluster in clusters(files)] == [
        (0, ["its content is in another repository (GitRepository/flux-system/tool)"])
    ]


def test_a_record_of_a_kustomization_starts_nothing_beside_a_cluster() -> None:
    record = unit("apps", "apps").replace("{name: apps, ", "{name: apps, uid: 21e0b446-665f-45c7-b984-f92ae1b71af8, ")
    files = {"records/apps.yaml": record, "apps/settings.yaml": SETTINGS}

    assert starts(files) == {"records": "records/apps.yaml"}
    assert starts({**files, "cluster/flux-system/gotk-sync.yaml": sync("cluster"), "cluster/settings.yaml": SETTINGS}).keys() == {"cluster"}


def test_one_may_apply_what_was_applied_by_hand_once() -> None:
    """The Kustomization in `hand` was: it applies another one of its id, which keeps applying itself."""
    files = {"hand/all.yaml": unit("all", "./all"), "all/all.yaml": unit("all", "./all"), "top/top.yaml": unit("top", "./hand")}

    assert {cluster.name: units(cluster) for cluster in clusters(files)} == {"all": ["all"], "top": ["all", "top"]}


def test_what_is_read_from_a_declared_repository_that_is_a_folder_of_this_one_is_here() -> None:
    files = {"repos/app/clusters/sync.yaml": source("tool", url="https://example.org/tool.git") + unit("app", "deploy", source="tool")}
    files["repos/app/deploy/settings.yaml"] = SETTINGS

    assert [(len(cluster.resources), cluster.opaque) for cluster in clusters(files)] == [(1, ())]


def test_kustomizations_that_apply_each_other_start_once() -> None:
    files = {"a/b.yaml": unit("b", "./b"), "b/a.yaml": unit("a", "./a")}

    assert [units(cluster) for cluster in clusters(files)] == [["a", "b"]]


def test_clusters_that_nothing_reaches_are_stray_beside_a_bootstrapped_one() -> None:
    files = {
        "clusters/production/flux-system/gotk-sync.yaml": sync("./clusters/production"),
        "archive/apps.yaml": unit("apps", "./apps"),
        "apps/settings.yaml": SETTINGS,
        "overlays/test/kustomization.yaml": "resources: [settings.yaml]\n",
        "overlays/test/settings.yaml": SETTINGS,
    }

    assert {cluster.name: cluster.stray for cluster in clusters(files)} == {"production": False, "archive": True, "test": True}


def test_clusters_that_nothing_reaches_are_not_stray_by_themselves() -> None:
    files = {"flux/apps.yaml": unit("apps", "./apps"), "apps/settings.yaml": SETTINGS}

    assert [cluster.stray for cluster in clusters(files)] == [False]


SWITCHED_OFF = {
    "cluster/flux/cluster.yaml": unit("cluster", "./cluster/flux/settings"),
    "cluster/flux/settings/apps.yaml": unit("apps", "./cluster/apps"),
    "cluster/apps/kustomization.yaml": "resources:\n  - web/unit.yaml\n  # - shop/unit.yaml\n",
    "cluster/apps/web/unit.yaml": unit("web", "./cluster/apps/web/app"),
    "cluster/apps/web/app/settings.yaml": SETTINGS,
    "cluster/apps/shop/unit.yaml": unit("shop", "./cluster/apps/shop/app"),
    "cluster/apps/shop/app/settings.yaml": SETTINGS,
}


def test_units_that_were_taken_off_the_list_of_their_folder_are_a_stray_cluster() -> None:
    found = clusters(SWITCHED_OFF)

    assert [(cluster.name, units(cluster), cluster.stray) for cluster in found] == [
        ("cluster", ["apps", "cluster", "web"], False),
        ("shop", ["apps", "cluster", "shop", "web"], True),
    ]


def test_units_below_one_that_is_switched_off_are_switched_off_too() -> None:
    files = SWITCHED_OFF | {"cluster/apps/shop/app/extra/unit.yaml": unit("extra", "./extra"), "extra/settings.yaml": SETTINGS}
    files["cluster/apps/shop/app/kustomization.yaml"] = "resources: [settings.yaml]\n"

    assert {cluster.stray: units(cluster) for cluster in clusters(files)} == {
        False: ["apps", "cluster", "web"],
        True: ["apps", "cluster", "extra", "shop", "web"],
    }


def test_units_that_lie_where_each_other_builds_are_both_in_use() -> None:
    files = {
        "one/unit.yaml": unit("one", "./two"),
        "two/unit.yaml": unit("two", "./one"),
        "one/kustomization.yaml": "resources: [settings.yaml]\n",
        "two/kustomization.yaml": "resources: [settings.yaml]\n",
        "one/settings.yaml": SETTINGS,
        "two/settings.yaml": SETTINGS,
    }

    assert [cluster.stray for cluster in clusters(files)] == [False, False]


@pytest.mark.parametrize(("folder", "path", "stray"), [("template", "cluster-name", True), ("template", "template", False), ("edge", "cluster-name", False)])
def test_a_template_for_new_clusters_is_stray(folder: str, path: str, stray: bool) -> None:
    files = {f"clusters/{folder}/flux-system/gotk-sync.yaml": sync(f"./clusters/{path}"), f"clusters/{folder}/settings.yaml": SETTINGS}

    assert [cluster.stray for cluster in clusters(files)] == [stray]


def test_sources_beside_kustomizations_that_nothing_reaches_are_given() -> None:
    files = {"flux/apps.yaml": unit("apps", "./apps"), "flux/source.yaml": source(), "apps/settings.yaml": SETTINGS}
    (cluster,) = clusters(files)

    assert [str(resource.id) for resource in cluster.given] == ["GitRepository/flux-system/flux-system"]


def test_a_patch_for_a_kustomization_is_no_cluster() -> None:
    files = {
        "clusters/production/flux-system/gotk-sync.yaml": sync("./clusters/production"),
        "clusters/production/kustomization.yaml": "resources: [flux-system/gotk-sync.yaml, ../../base]\npatches: [{path: patch.yaml}]\n",
        "clusters/production/patch.yaml": unit("apps", "./apps/production"),
        "base/kustomization.yaml": "resources: [apps.yaml]\n",
        "base/apps.yaml": unit("apps", "./apps/base"),
        "apps/production/settings.yaml": SETTINGS,
        "apps/base/settings.yaml": SETTINGS,
    }
    (cluster,) = clusters(files)

    assert [unit.path for unit in cluster.units if unit.id.name == "apps"] == ["apps/production"]


# Directories without an engine


def test_a_directory_that_no_engine_reaches_is_a_cluster_of_its_own() -> None:
    files = {
        "base/kustomization.yaml": "resources: [settings.yaml]\n",
        "base/settings.yaml": SETTINGS,
        "overlays/test/kustomization.yaml": "resources: [../../base]\n",
        "overlays/production/kustomization.yaml": "resources: [../../base]\nnamePrefix: production-\n",
    }
    found = clusters(files)

    assert [(cluster.name, cluster.entry_point, cluster.engine) for cluster in found] == [
        ("production", "overlays/production", "none"),
        ("test", "overlays/test", "none"),
    ]
    assert [str(unit.id) for cluster in found for unit in cluster.units] == ["Overlay//overlays/production", "Overlay//overlays/test"]


def test_a_directory_below_which_an_engine_builds_is_no_cluster() -> None:
    files = {
        "clusters/production/flux-system/gotk-sync.yaml": sync("./clusters/production"),
        "clusters/production/apps.yaml": unit("apps", "./apps/web"),
        "apps/kustomization.yaml": "resources: [web]\n",
        "apps/web/kustomization.yaml": "resources: [settings.yaml]\n",
        "apps/web/settings.yaml": SETTINGS,
    }

    assert [cluster.name for cluster in clusters(files)] == ["production"]


@pytest.mark.parametrize(
    "kustomization",
    [
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [settings.yaml]\n",
        "apiVersion: example.org/v1\nkind: Something\nresources: [settings.yaml]\n",
        "resources: []\n",
    ],
    ids=["component", "other kind", "empty"],
)
def test_what_cannot_be_applied_by_itself_is_no_cluster(kustomization: str) -> None:
    assert clusters({"part/kustomization.yaml": kustomization, "part/settings.yaml": SETTINGS}) == []


def test_a_directory_that_is_applied_by_hand_before_the_engine_is_no_cluster() -> None:
    files = {"bootstrap/kustomization.yaml": "resources: [settings.yaml]\n", "bootstrap/settings.yaml": SETTINGS}

    assert clusters(files, not_overlays=["bootstrap"]) == []


def test_an_overlay_that_does_not_build_is_still_a_cluster_with_its_problem() -> None:
    (cluster,) = clusters({"overlay/kustomization.yaml": "resources: [missing.yaml]\n"})

    assert [(problem.rule, problem.subject) for problem in cluster.problems] == [("build-failed", "Overlay//overlay")]


def test_releases_of_an_overlay_are_units_in_it() -> None:
    (cluster,) = clusters({"overlay/kustomization.yaml": "resources: [release.yaml]\n", "overlay/release.yaml": RELEASE})

    assert [str(unit.id) for unit in cluster.units] == ["Overlay//overlay", "HelmRelease/apps/app"]
    assert [release.chart for release in cluster.releases] == ["app"]


# Names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["clusters/production"], ["production"]),
        (["clusters/eu/production", "clusters/us/production", "clusters/test"], ["eu/production", "us/production", "test"]),
        (["a", "b/a"], ["a", "b/a"]),
        (["", "clusters/production"], ["root", "production"]),
        (["kubernetes/main/flux", "kubernetes/utility/flux-system"], ["main", "utility"]),
        (["overlays/test", "overlays/test/flux"], ["test", "flux"]),
        (["flux"], ["flux"]),
        ([], []),
    ],
)
def test_a_name_is_the_shortest_end_of_the_path_that_no_other_has(paths: list[str], names: list[str]) -> None:
    assert unique_suffixes(paths) == names


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "flux", "flux-system"]), max_size=3).map("/".join), unique=True, max_size=6))
def test_no_two_clusters_share_a_name(paths: list[str]) -> None:
    names = unique_suffixes(paths)

    assert len(set(names)) == len(paths)


# Entry points that the configuration names


CONFIGURED = {
    "clusters/production/flux-system/gotk-sync.yaml": sync("./clusters/production"),
    "clusters/production/apps.yaml": unit("apps", "./apps"),
    "stray/one/units.yaml": source("other") + unit("web", "./apps", source="other") + unit("db", "./apps", source="other") + SETTINGS,
    "stray/two/units.yaml": unit("web", "./apps"),
    "apps/settings.yaml": SETTINGS,
    "overlays/test/kustomization.yaml": "resources: [../../apps/settings.yaml]\n",
    "wrong/kustomization.yaml": "resources: [gone.yaml, ../stray/two/units.yaml]\n",
}


def configured(path: str, engine: str | None = None, files: Mapping[str, str] = CONFIGURED) -> Cluster:
    settings = {"chosen": ClusterSetting(path, engine, Place(".gitops-secrets.yaml", 3, 5))}
    (cluster,) = find_clusters(Loader(MemoryTree(files)), default_table().is_namespaced, settings=settings)
    return cluster


@pytest.mark.parametrize(
    ("path", "engine", "expected"),
    [
        ("clusters/production/flux-system/gotk-sync.yaml", None, ["apps", "flux-system"]),
        ("clusters/production", "flux", ["apps", "flux-system"]),
        ("clusters/production", None, ["apps", "flux-system"]),
        ("clusters/production/flux-system", None, ["apps", "flux-system"]),
        ("clusters/production/apps.yaml", None, ["apps"]),
        ("stray/one", None, ["db", "web"]),
        ("stray/one/units.yaml", "flux", ["db", "web"]),
        ("overlays/test", None, ["overlays/test"]),
        ("overlays/test", "none", ["overlays/test"]),
        ("apps", "none", ["apps"]),
    ],
)
def test_a_configured_cluster_starts_at_a_file_or_a_directory(path: str, engine: str | None, expected: list[str]) -> None:
    cluster = configured(path, engine)

    assert (cluster.name, cluster.entry_point, units(cluster)) == ("chosen", path, expected)
    assert not cluster.stray


def test_only_configured_clusters_are_read_and_under_their_names() -> None:
    place = Place(".gitops-secrets.yaml", 3, 5)
    settings = {
        "two": ClusterSetting("stray/two", None, place),
        "one": ClusterSetting("stray/one", "flux", place),
        "again": ClusterSetting("stray/one", None, place),
    }
    found = find_clusters(Loader(MemoryTree(CONFIGURED)), default_table().is_namespaced, settings=settings)

    assert [(cluster.name, cluster.entry_point) for cluster in found] == [("again", "stray/one"), ("one", "stray/one"), ("two", "stray/two")]


def test_what_lies_beside_the_kustomizations_of_a_configured_cluster_is_given() -> None:
    assert sorted(str(resource.id) for resource in configured("stray/one").given) == ["ConfigMap/default/settings", "GitRepository/flux-system/other"]


def test_a_configured_directory_that_does_not_build_is_a_cluster_with_its_problem() -> None:
    assert [problem.rule for problem in configured("wrong").problems] == ["build-failed"]


@pytest.mark.parametrize(
    ("path", "engine", "message"),
    [
        ("clusters/nowhere", None, "clusters/nowhere is not in the repository"),
        ("apps", "flux", "apps holds no Flux Kustomization\nwith `engine: none` it is applied as it is"),
        ("apps/settings.yaml", None, "apps/settings.yaml holds no Flux Kustomization\nit must be a directory to be applied as it is"),
        ("apps/settings.yaml", "none", "apps/settings.yaml holds no Flux Kustomization\nit must be a directory to be applied as it is"),
        ("apps", "argo", "apps holds no Application"),
    ],
)
def test_a_configured_cluster_that_is_none_is_wrong_usage_with_its_place(path: str, engine: str | None, message: str) -> None:
    with pytest.raises(UsageError) as error:
        configured(path, engine)

    assert str(error.value) == f".gitops-secrets.yaml:3: clusters.chosen: {message}"


# What is left out


@pytest.mark.parametrize("ignored", ["spec.ignore", ".sourceignore"])
def test_what_the_source_leaves_out_is_not_there_for_the_cluster(ignored: str) -> None:
    files = {
        "clusters/production/flux-system/gotk-sync.yaml": sync("./clusters/production"),
        "clusters/production/apps.yaml": unit("apps", "./apps"),
        "clusters/production/notes.yaml": SETTINGS,
        "apps/settings.yaml": SETTINGS,
        "apps/draft.yaml": SETTINGS.replace("settings", "draft"),
    }
    if ignored == "spec.ignore":
        text = files["clusters/production/flux-system/gotk-sync.yaml"]
        files["clusters/production/flux-system/gotk-sync.yaml"] = text.replace("spec: {interval: 1m,", 'spec: {interval: 1m, ignore: "draft.yaml",')
        (cluster,) = clusters(files)
    else:
        files["apps/.sourceignore"] = "draft.yaml\n"
        tree = MemoryTree(files)
        (cluster,) = find_clusters(Loader(FilteredTree(tree, sourceignored(tree, None))), default_table().is_namespaced)

    assert [applied.resource.id.name for applied in cluster.resources if applied.unit.name == "apps"] == ["settings"]


@pytest.mark.parametrize(("chart", "stray"), [("name: shop\n", True), (None, False)])
def test_a_kustomization_for_what_a_chart_renders_is_stray(chart: str | None, stray: bool) -> None:
    files = {
        "clusters/a/kustomization.yaml": "resources: [settings.yaml]\n",
        "clusters/a/settings.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
        "charts/shop/kustomization.yaml": "resources: [all.yaml]\n",
        **({"charts/shop/Chart.yaml": chart} if chart is not None else {}),
    }
    found = {cluster.entry_point: cluster.stray for cluster in find_clusters(Loader(MemoryTree(files)), default_table().is_namespaced)}

    assert found["charts/shop"] is stray


def test_a_source_beside_what_nothing_reaches_says_what_it_leaves_out() -> None:
    given = source().replace("spec: {interval: 1m,", 'spec: {interval: 1m, ignore: "draft.yaml",')
    files = {"setup/source.yaml": given, "setup/apps.yaml": unit("apps", "./apps"), "apps/settings.yaml": SETTINGS}
    (cluster,) = clusters({**files, "apps/draft.yaml": SETTINGS.replace("settings", "draft")})

    assert [applied.resource.id.name for applied in cluster.resources if applied.unit.name == "apps"] == ["settings"]
