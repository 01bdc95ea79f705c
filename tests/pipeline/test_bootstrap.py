"""What is installed before the engine starts, as the whole analysis sees it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gitops_secrets.config import load_configuration
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree
from tests.flux import UNIT, sync

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: flux-system}\n"


def before(files: Mapping[str, str]) -> list[str]:
    """What the bootstrap makes."""
    (cluster,) = analyse(repository_of(MemoryTree({**sync("east"), **files}))).clusters
    return sorted(str(provision.provides) for provision in cluster.before)


@pytest.mark.parametrize("path", ["./local/east/start", "./local/$CLUSTER/start", "$ROOT/local/$CLUSTER/start"])
def test_a_script_that_makes_flux_build_a_directory_brings_all_that_lies_in_it(path: str) -> None:
    files = {
        "scripts/start.sh": f"CLUSTER=$1\nflux create kustomization local --source=GitRepository/flux-system --path={path}\n",
        "local/east/start/one.yaml": SECRET % "one",
        "local/east/start/deep/two.yaml": SECRET % "two",
        "local/east/start/built/kustomization.yaml": "resources: [three.yaml]\n",
        "local/east/start/built/three.yaml": SECRET % "three",
        "local/east/start/built/four.yaml": SECRET % "four",
    }

    assert before(files) == [f"Secret/flux-system/{name}" for name in ("one", "three", "two")]


def test_what_a_script_makes_flux_build_is_no_bootstrap_if_it_starts_the_whole_cluster() -> None:
    files = {
        "scripts/start.sh": "flux create kustomization flux-system --path=./clusters/east\n",
        "clusters/east/apps.yaml": UNIT.format(name="apps", path="apps"),
        "apps/secret.yaml": SECRET % "one",
    }

    assert before(files) == []


def test_objects_that_the_configuration_names_are_there() -> None:
    files = sync("east")
    configuration = load_configuration(b"bootstrap: {objects: [Secret/es/token, Namespace//es, StorageClass//fast]}\n", ".gitops-secrets.yaml", DEFAULT_LIMITS)
    (cluster,) = analyse(repository_of(MemoryTree(files), configuration)).clusters

    assert [str(provision.provides) for provision in cluster.before] == ["Secret/es/token", "Namespace//es", "StorageClass//fast"]
