from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.results import Cluster
from gitops_secrets.rendering.artifacts import artifact_loader
from gitops_secrets.rendering.entry_points import find_clusters
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.sources import Sources
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.emit import dump, dump_all
from gitops_secrets.syntax.yaml import parse

SCOPE_OF = default_table().is_namespaced
REPOSITORY = ResourceId("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "flux-system")
ARTIFACT = ResourceId("source.toolkit.fluxcd.io", "ExternalArtifact", "flux-system", "apps")
FILES = {"apps/web/a.yaml": "", "apps/web/deep/b.yaml": "", "apps/api/c.yaml": "", "apps/readme.md": "", "other/d.yaml": ""}


def generator(copy: Sequence[Mapping[str, Any]], name: str = "apps", source: str = "flux-system") -> dict[str, Any]:
    spec = {"sources": [{"alias": "repo", "kind": "GitRepository", "name": source}], "artifacts": [{"name": name, "copy": list(copy)}]}
    metadata = {"name": "generator", "namespace": "flux-system"}
    return {"apiVersion": "source.extensions.fluxcd.io/v1beta1", "kind": "ArtifactGenerator", "metadata": metadata, "spec": spec}


def files_of(manifest: Mapping[str, Any]) -> dict[str, str] | None:
    """Where each file of the artifact stands in the repository; None if nothing makes it of this repository."""
    resource = to_resource(parse(dump(manifest), "generator.yaml", DEFAULT_LIMITS).documents[0], SCOPE_OF, "flux-system")
    assert resource is not None
    loader = artifact_loader(ARTIFACT, {resource.id: resource}, Sources(REPOSITORY, frozenset()), Loader(MemoryTree(FILES)))
    return {path: loader.origin_of(path) for path in loader.tree.files} if loader is not None else None


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (
            {"from": "@repo/apps/**", "to": "@artifact/"},
            {"web/a.yaml": "apps/web/a.yaml", "web/deep/b.yaml": "apps/web/deep/b.yaml", "api/c.yaml": "apps/api/c.yaml", "readme.md": "apps/readme.md"},
        ),
        ({"from": "@repo/apps/web/*.yaml", "to": "@artifact/"}, {"a.yaml": "apps/web/a.yaml"}),
        ({"from": "@repo/apps/web/*.yaml", "to": "@artifact/here/"}, {"here/a.yaml": "apps/web/a.yaml"}),
        ({"from": "@repo/apps/web", "to": "@artifact/"}, {"web/a.yaml": "apps/web/a.yaml", "web/deep/b.yaml": "apps/web/deep/b.yaml"}),
        ({"from": "@repo/apps/readme.md", "to": "@artifact/"}, {"readme.md": "apps/readme.md"}),
        (
            {"from": "@repo/apps/**/*.yaml", "to": "@artifact/"},
            {"web/a.yaml": "apps/web/a.yaml", "web/deep/b.yaml": "apps/web/deep/b.yaml", "api/c.yaml": "apps/api/c.yaml"},
        ),
        ({"from": "@repo/apps/**", "to": "@artifact/", "exclude": ["*.md", "web/**"]}, {"api/c.yaml": "apps/api/c.yaml"}),
    ],
)
def test_an_artifact_holds_what_is_copied_into_it(copy: Mapping[str, Any], expected: Mapping[str, str]) -> None:
    assert files_of(generator([copy])) == expected


def test_a_later_copy_wins() -> None:
    copies = [{"from": "@repo/apps/web/a.yaml", "to": "@artifact/"}, {"from": "@repo/other/*.yaml", "to": "@artifact/"}]

    assert files_of(generator(copies)) == {"a.yaml": "apps/web/a.yaml", "d.yaml": "other/d.yaml"}


@pytest.mark.parametrize(
    "copy",
    [
        {"from": "@somewhere/apps/**", "to": "@artifact/"},
        {"from": "@repo/nowhere/**", "to": "@artifact/"},
        {"from": "@repo/apps/**", "to": "@artifact/../../.."},
        {"from": 7, "to": []},
        {},
    ],
    ids=["unknown alias", "no such folder", "out of the artifact", "wrong types", "empty"],
)
def test_what_copies_nothing_of_this_repository_makes_no_known_artifact(copy: Mapping[str, Any]) -> None:
    assert files_of(generator([copy])) is None


def test_an_artifact_of_another_name_is_not_it() -> None:
    assert files_of(generator([{"from": "@repo/apps/**", "to": "@artifact/"}], name="else")) is None


# In a cluster


def clusters(path: str) -> list[Cluster]:
    """With an artifact of the folder apps/web, and a Kustomization that builds `path` of it."""
    source = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "flux-system", "namespace": "flux-system"},
        "spec": {"url": "https://example.org/a.git"},
    }

    def unit(name: str, path: str, kind: str, source: str) -> dict[str, Any]:
        spec = {"path": path, "prune": True, "interval": "1m", "sourceRef": {"kind": kind, "name": source}}
        return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": name, "namespace": "flux-system"}, "spec": spec}

    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    files = {
        "clusters/test/flux-system/gotk-sync.yaml": dump_all([source, unit("flux-system", "./clusters/test", "GitRepository", "flux-system")]),
        "clusters/test/apps.yaml": dump(unit("apps", path, "ExternalArtifact", "apps")),
        "clusters/test/generator.yaml": dump(generator([{"from": "@repo/apps/web/**", "to": "@artifact/web/"}])),
        "apps/web/settings.yaml": dump(config_map),
        "apps/web/broken/kustomization.yaml": "resources: [missing.yaml]\n",
    }
    return list(find_clusters(Loader(MemoryTree(files)), SCOPE_OF))


def test_paths_are_those_of_the_artifact_and_places_those_of_the_repository() -> None:
    (found,) = clusters("./web")

    assert [(unit.id.name, unit.path) for unit in found.units] == [("apps", "apps/web"), ("flux-system", "clusters/test")]
    assert [str(entry.resource.place) for entry in found.resources if entry.unit.name == "apps"] == ["apps/web/settings.yaml:4"]


def test_a_path_that_is_in_the_repository_but_not_in_the_artifact_is_missing() -> None:
    found = {cluster.name: cluster for cluster in clusters("./apps/web")}["test"]

    assert [problem.rule for problem in found.problems] == ["missing-path"]


def test_problems_of_what_is_built_of_an_artifact_stand_where_a_person_would_edit_them() -> None:
    (found,) = clusters("./web/broken")

    assert [(problem.rule, str(problem.place)) for problem in found.problems] == [("build-failed", "apps/web/broken/kustomization.yaml:1")]


def test_a_directory_that_an_artifact_brings_is_no_overlay() -> None:
    assert [cluster.name for cluster in clusters("./web")] == ["test"]
