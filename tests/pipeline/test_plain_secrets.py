"""Objects with values of Secrets, read again for an API server."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops_secrets.cluster.apply import as_applied
from gitops_secrets.errors import UsageError
from gitops_secrets.graph.graph import Graph
from gitops_secrets.pipeline.plain_secrets import read_again
from gitops_secrets.pipeline.scan import Repository, analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree

ENCRYPTED = "password=ENC[AES256_GCM,data:Tr7o=,iv:1=,tag:1=,type:str]"
FILES = {
    "app/kustomization.yaml": "resources: [secret.yaml, config.yaml]\nsecretGenerator: [{name: made, namespace: web, literals: [key=canary]}]\n",
    "app/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: plain}\nstringData: {key: canary}\n",
    "app/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {key: value}\n",
}


@pytest.fixture(autouse=True)
def on_path(kustomize_binary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kustomize").symlink_to(kustomize_binary)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def revision(files: dict[str, str]) -> tuple[Repository, Graph, dict[Any, Any]]:
    """A state of a repository that is not on disk, its graph, and its objects as the graph has them."""
    repository = replace(repository_of(MemoryTree(files)), revision="main")
    graph = analyse(repository).clusters[0].graph
    objects = (applied.resource for applied in graph.cluster.resources)
    return repository, graph, {resource.id: as_applied(resource.data, resource.id.namespace) for resource in objects}


def test_what_holds_a_value_is_read_again_and_nothing_else() -> None:
    repository, graph, manifests = revision(FILES)
    found = {str(id): manifest for id, manifest in read_again(repository, graph, manifests).items()}
    generated = next(name for name in found if name.startswith("Secret/web/made-"))

    assert sorted(found) == ["Secret/default/plain", generated]
    assert found["Secret/default/plain"]["stringData"] == {"key": "canary"}
    assert base64.b64decode(found[generated]["data"]["key"]) == b"canary"
    assert "canary" not in repr(manifests)


def test_where_nothing_holds_a_value_no_kustomize_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert read_again(*revision({**FILES, "app/kustomization.yaml": "resources: [config.yaml]"})) == {}


def test_a_kustomize_that_is_not_there_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(UsageError, match=r"kustomize is needed on PATH .*: Secret/default/plain, Secret/web/made-"):
        read_again(*revision(FILES))


def test_a_secret_of_a_file_that_is_encrypted_is_refused() -> None:
    files = {"app/kustomization.yaml": "secretGenerator: [{name: made, envs: [.env.enc]}]", "app/.env.enc": ENCRYPTED}

    with pytest.raises(UsageError, match=r"Secret/default/made-.*: it is encrypted, and only Flux decrypts it"):
        read_again(*revision(files))
