from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.results import Cluster
from gitops_secrets.rendering.artifacts import folder_loader
from gitops_secrets.rendering.entry_points import find_clusters
from gitops_secrets.rendering.sources import normalised_url
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.emit import dump, dump_all

URL = "https://example.org/team/platform.git"
ROOT = "clusters/test/flux-system/gotk-sync.yaml"


def source(name: str, url: object = URL, kind: str = "GitRepository", namespace: str = "flux-system") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind, "metadata": metadata, "spec": {"interval": "1m", "url": url}}


def kustomization(name: str, path: str, source: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux-system"}
    spec = {"interval": "10m", "path": path, "prune": True, "sourceRef": source}
    return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata, "spec": spec}


def cluster(*beside: dict[str, Any], remotes: tuple[str, ...] = (), external: tuple[str, ...] = (), path: str = "./apps") -> Cluster:
    """A cluster whose Kustomization `apps` reads the source `other`; `beside` are objects in its folder."""
    sync = [source("flux-system"), kustomization("flux-system", "./clusters/test", {"kind": "GitRepository", "name": "flux-system"})]
    files = {
        ROOT: dump_all(sync),
        "clusters/test/apps.yaml": dump_all([kustomization("apps", path, {"kind": "GitRepository", "name": "other"}), *beside]),
        "apps/settings.yaml": dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}),
    }
    return find_clusters(Loader(MemoryTree(files)), default_table().is_namespaced, remotes, external)[0]


def outcome(found: Cluster) -> tuple[str | None, str | None]:
    """What `apps` builds, and why that is not known."""
    unit = next(unit for unit in found.units if unit.id.name == "apps")
    return unit.path, unit.opaque


ELSEWHERE = (None, "its content is in another repository (GitRepository/flux-system/other)")


def test_a_source_with_the_url_that_the_cluster_syncs_from_is_this_repository() -> None:
    assert outcome(cluster(source("other", "ssh://git@example.org/team/platform"))) == ("apps", None)


def test_a_source_with_the_url_of_a_remote_is_this_repository() -> None:
    assert outcome(cluster(source("other", "https://mirror.example.com/platform"), remotes=("git@mirror.example.com:platform.git",))) == ("apps", None)


def test_a_source_with_any_other_url_is_another_repository() -> None:
    found = cluster(source("other", "https://example.org/team/apps.git"))

    assert outcome(found) == ELSEWHERE
    assert [str(opaque.place) for opaque in found.opaque] == ["clusters/test/apps.yaml:4"]
    assert found.problems == ()


def test_a_source_that_nobody_declares_is_taken_for_this_repository() -> None:
    assert outcome(cluster()) == ("apps", None)


def test_a_path_that_is_not_here_of_a_source_that_nobody_declares_is_no_fault() -> None:
    found = cluster(path="./elsewhere")

    assert outcome(found) == (None, "its path ./elsewhere is not in this repository, and nothing declares GitRepository/flux-system/other")
    assert found.problems == ()


def test_a_source_that_the_configuration_calls_external_is_another_repository() -> None:
    assert outcome(cluster(external=("GitRepository/flux-system/other",))) == ELSEWHERE


@pytest.mark.parametrize("url", [None, 7, [], ""])
def test_a_declared_source_without_a_url_is_another_repository(url: object) -> None:
    assert outcome(cluster(source("other", url))) == ELSEWHERE


def test_a_source_of_the_same_name_in_another_namespace_declares_nothing() -> None:
    assert outcome(cluster(source("other", "https://example.org/else.git", namespace="tenants"))) == ("apps", None)


def read_from_a_checkout(*beside: dict[str, Any], path: str = "./web", files: dict[str, str]) -> Cluster:
    """The cluster whose Kustomization `apps` reads the source `other` from `../other`."""
    sync = [source("flux-system"), kustomization("flux-system", "./clusters/test", {"kind": "GitRepository", "name": "flux-system"})]
    own = {
        ROOT: dump_all(sync),
        "clusters/test/apps.yaml": dump_all([kustomization("apps", path, {"kind": "GitRepository", "name": "other"}), *beside]),
        "web/wrong.yaml": dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong"}}),
    }
    other = Loader(MemoryTree({f"../other/{file}": text for file, text in files.items()}))
    checkouts = {"GitRepository/flux-system/other": folder_loader(other, "../other")}
    return find_clusters(Loader(MemoryTree(own)), default_table().is_namespaced, checkouts=checkouts)[0]


CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"


def test_a_source_with_a_checkout_is_built_from_it_and_places_name_it() -> None:
    found = read_from_a_checkout(source("other", "https://example.org/else.git"), files={"web/settings.yaml": CONFIG_MAP})

    assert outcome(found) == ("../other/web", None)
    assert [str(applied.resource.place) for applied in found.resources if applied.unit.name == "apps"] == ["../other/web/settings.yaml:3"]


def test_kustomizations_of_a_checkout_may_read_both() -> None:
    children = dump_all(
        [
            kustomization("theirs", "./web", {"kind": "GitRepository", "name": "other"}),
            kustomization("ours", "./web", {"kind": "GitRepository", "name": "flux-system"}),
        ]
    )
    found = read_from_a_checkout(path="./flux", files={"flux/units.yaml": children, "web/settings.yaml": CONFIG_MAP})
    applied = {applied.unit.name: str(applied.resource.place) for applied in found.resources}

    assert (applied["theirs"], applied["ours"]) == ("../other/web/settings.yaml:3", "web/wrong.yaml:4")


def test_a_kustomization_of_a_checkout_may_use_what_lies_beside_it() -> None:
    files = {"web/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": CONFIG_MAP}
    found = read_from_a_checkout(files=files)

    assert [str(applied.resource.place) for applied in found.resources if applied.unit.name == "apps"] == ["../other/base/a.yaml:3"]


def test_a_path_that_is_not_in_the_checkout_is_a_problem() -> None:
    found = read_from_a_checkout(path="./wep", files={"web/settings.yaml": CONFIG_MAP})

    assert [(problem.rule, problem.message) for problem in found.problems] == [
        ("missing-path", "Kustomization/flux-system/apps builds ./wep, which is not in the checkout of GitRepository/flux-system/other; did you mean web?")
    ]


def test_a_problem_in_a_checkout_names_its_file() -> None:
    found = read_from_a_checkout(files={"web/kustomization.yaml": "resources: [gone.yaml]\n"})

    assert [(problem.rule, problem.place.file) for problem in found.problems] == [("build-failed", "../other/web/kustomization.yaml")]


def test_charts_of_a_checkout_bring_their_definitions() -> None:
    release = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "app", "namespace": "apps"},
        "spec": {"chart": {"spec": {"chart": "./chart", "sourceRef": {"kind": "GitRepository", "name": "other", "namespace": "flux-system"}}}},
    }
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.org"}}
    files = {"web/release.yaml": dump(release), "chart/Chart.yaml": "name: app\n", "chart/crds/things.yaml": dump(definition)}
    found = read_from_a_checkout(source("other", "https://example.org/else.git"), files=files)

    assert [(bundled.id.name, bundled.place.file) for bundled in found.releases[0].bundled] == [("things.example.org", "../other/chart/crds/things.yaml")]


@pytest.mark.parametrize(
    "url",
    [
        "https://Example.org/team/platform",
        "https://example.org/team/platform.git",
        "https://example.org:443/team/platform.git/",
        "https://user:token@example.org/team/platform.git",
        "ssh://git@example.org/team/platform.git",
        "ssh://git@example.org:22/team/platform",
        "git@example.org:team/platform.git",
        "example.org:team/platform",
        "oci://example.org/team/platform",
        " https://example.org/team/platform.git\n",
    ],
)
def test_all_ways_to_write_one_repository_are_equal(url: str) -> None:
    assert normalised_url(url) == "example.org/team/platform"


@pytest.mark.parametrize("url", ["https://example.org/team/platform-apps", "https://example.com/team/platform", "https://example.org/platform", ""])
def test_other_repositories_are_not(url: str) -> None:
    assert normalised_url(url) != "example.org/team/platform"


@given(st.text(max_size=40))
def test_any_text_may_stand_for_a_url(url: str) -> None:
    assert isinstance(normalised_url(url), str)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/team/charts.git", False),
        ("https://example.org/others/charts.git", True),
        ("https://github.com/team/platform", True),
    ],
)
def test_what_belongs_to_another_owner_is_foreign(url: str, expected: bool) -> None:
    (opaque,) = cluster(source("other", url)).opaque

    assert opaque.foreign is expected


@pytest.mark.parametrize(
    ("entry", "foreign", "makes_objects"),
    [
        ("https://example.org/team/base//crds?ref=v1", False, True),
        ("https://example.org/others/base//crds?ref=v1", True, True),
        ("https://raw.githubusercontent.com/team/platform/main/crds.yaml", True, True),
    ],
)
def test_a_remote_base_of_another_owner_is_foreign(entry: str, foreign: bool, makes_objects: bool) -> None:
    files = {
        ROOT: dump_all([source("flux-system"), kustomization("flux-system", "./clusters/test", {"kind": "GitRepository", "name": "flux-system"})]),
        "clusters/test/kustomization.yaml": dump({"resources": ["flux-system/gotk-sync.yaml", entry]}),
    }
    (found,) = find_clusters(Loader(MemoryTree(files)), default_table().is_namespaced)

    assert [(opaque.foreign, opaque.kinds is None) for opaque in found.opaque] == [(foreign, makes_objects)]


def test_a_remote_file_that_goes_into_a_config_map_makes_no_object() -> None:
    generator = {"name": "dashboards", "files": ["a.json=https://example.org/a.json"]}
    files = {
        ROOT: dump_all([source("flux-system"), kustomization("flux-system", "./clusters/test", {"kind": "GitRepository", "name": "flux-system"})]),
        "clusters/test/kustomization.yaml": dump({"resources": ["flux-system/gotk-sync.yaml"], "configMapGenerator": [generator]}),
    }
    (found,) = find_clusters(Loader(MemoryTree(files)), default_table().is_namespaced)

    assert [opaque.kinds for opaque in found.opaque] == [frozenset()]
