"""All rooms together on repositories that somebody broke."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import git
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.errors import UsageError
from gitops_secrets.manifests.load import parse_documents
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import Analysis, analyse, open_repository, repository_of
from gitops_secrets.report.check_document import check_document
from gitops_secrets.report.plan_document import plan_document
from gitops_secrets.report.scan_document import scan_document
from gitops_secrets.repository.tree import MemoryTree

REPOSITORIES = Path(__file__).parents[1] / "repositories"
NAMES = sorted(path.name for path in REPOSITORIES.iterdir() if path.name not in ("broken", "secrets-canary"))  # all whose files parse
# JSON, so that each use is a value of its own.
JUNK = st.sampled_from(
    ["null", "true", "7", "-0.5", '""', '"text"', '"./"', '"../.."', '"${PATH}"', "[]", "{}", "[{}]", "[7]", "[null]", '{"a": {}}', '{"name": []}']
)


@cache
def documents_of(name: str) -> Mapping[str, str]:
    """Each file of a repository as JSON: a list of its documents."""
    files = sorted(path for path in (REPOSITORIES / name).rglob("*.yaml") if path.is_file())
    return {
        path.relative_to(REPOSITORIES / name).as_posix(): json.dumps(parse_documents(path.read_bytes(), path.name, DEFAULT_LIMITS).documents) for path in files
    }


def spoil(node: Any, data: st.DataObject) -> None:
    """Puts something else in the place of one value, anywhere inside."""
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else list(range(len(node)))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.integers(0, 4)) == 0:
            node[key] = json.loads(data.draw(JUNK))
            return
        node = node[key]


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_a_wrong_type_in_any_field_never_raises(name: str, data: st.DataObject) -> None:
    files = dict(documents_of(name))
    written = sorted(path for path, content in files.items() if content != "[]")
    for path in data.draw(st.lists(st.sampled_from(written), min_size=1, max_size=3)):
        documents = json.loads(files[path])
        spoil(documents, data)
        files[path] = json.dumps(documents)
    texts = {path: "---\n".join(json.dumps(document) + "\n" for document in json.loads(content)) for path, content in files.items()}
    repository = repository_of(MemoryTree(texts))
    analysis = analyse(repository)
    result = check(repository, analysis)
    plans = [cluster.plan for cluster in analysis.clusters]

    assert scan_document(plans, analysis.problems, None, resources=True).text
    assert plan_document(plans, analysis.problems, None)
    assert check_document(result)


# Checkouts and entry points of the configuration


def source(name: str, url: str) -> str:
    return f"apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: {name}, namespace: flux-system}}\nspec: {{url: {url}}}\n---\n"


def unit(name: str, path: str, source: str) -> str:
    head = f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\n"
    return f"{head}spec: {{path: {path}, prune: true, sourceRef: {{kind: GitRepository, name: {source}}}}}\n---\n"


OWN = {
    "clusters/test/flux-system/gotk-sync.yaml": source("flux-system", "https://example.org/own.git") + unit("flux-system", "./clusters/test", "flux-system"),
    "clusters/test/apps.yaml": source("other", "https://example.org/other.git") + unit("apps", "./web", "other"),
    "clusters/stray/web.yaml": unit("web", "./web", "flux-system"),
    "web/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n",
}
OTHER = {
    "web/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n",
    "web/draft.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: draft}\n",
    "clusters/theirs/flux-system/gotk-sync.yaml": source("flux-system", "https://example.org/other.git")
    + unit("flux-system", "./clusters/theirs", "flux-system"),
    ".sourceignore": "draft.yaml\n",
}


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def scanned(folder: Path, configuration: str, checkout: str = "../other") -> Analysis:
    """The analysis of a repository beside which, or in which, another one lies."""
    root = folder / "own"
    write(root, {**OWN, ".gitops-secrets.yaml": configuration})
    write(root / checkout, OTHER)
    git.Repo.init((root / checkout).resolve()).close()
    return analyse(open_repository(root))


@pytest.mark.parametrize(("checkout", "shown"), [("../other", "../other"), ("vendor/other", "vendor/other"), ("./vendor/../vendor/other/", "vendor/other")])
def test_a_configured_source_is_read_from_its_checkout(tmp_path: Path, checkout: str, shown: str) -> None:
    analysis = scanned(tmp_path, f"sources:\n  GitRepository/flux-system/other: {{path: {checkout}}}\n", checkout)
    named = {cluster.graph.cluster.name: cluster.graph.cluster for cluster in analysis.clusters}

    assert sorted(named) == ["stray", "test"]
    assert [(str(entry.resource.id), str(entry.resource.place)) for entry in named["test"].resources if entry.unit.name == "apps"] == [
        ("ConfigMap/default/other", f"{shown}/web/settings.yaml:3")
    ]


def test_without_a_checkout_another_repository_is_opaque(tmp_path: Path) -> None:
    analysis = scanned(tmp_path, "{}\n")
    cluster = next(entry.graph.cluster for entry in analysis.clusters if entry.graph.cluster.name == "test")

    assert [opaque.thing for opaque in cluster.opaque] == ["Kustomization/flux-system/apps"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../gone", "there are no files in ../gone\nthe path is relative to the root of the repository"),
        ("/other", "the path must be relative to the root of the repository"),
    ],
)
def test_a_checkout_that_is_not_there_is_wrong_usage_with_its_place(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        scanned(tmp_path, f"sources:\n  GitRepository/flux-system/other: {{path: {path}}}\n")

    assert str(error.value) == f".gitops-secrets.yaml:2: sources.GitRepository/flux-system/other: {message}"


def test_configured_clusters_are_the_only_ones(tmp_path: Path) -> None:
    analysis = scanned(tmp_path, "clusters:\n  live: {path: ./clusters/stray/web.yaml}\n")

    assert [(cluster.graph.cluster.name, cluster.graph.cluster.entry_point) for cluster in analysis.clusters] == [("live", "clusters/stray/web.yaml")]


def test_a_configured_cluster_that_is_not_there_is_wrong_usage_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^\.gitops-secrets\.yaml:2: clusters\.live: clusters/gone is not in the repository$"):
        scanned(tmp_path, "clusters:\n  live: {path: clusters/gone}\n")


# Scripts outside of what Flux reads


@pytest.mark.parametrize("ignore", ["/*\n!/clusters\n!/web\n", ""])
def test_scripts_are_read_whatever_the_source_leaves_out(tmp_path: Path, ignore: str) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\nstringData: {a: b}\n"
    files = {**OWN, "web/secret.yaml": secret, "Makefile": "up:\n\tkubectl create namespace shop\n", ".sourceignore": ignore}
    write(tmp_path, files | {"clusters/test/apps.yaml": unit("apps", "./web", "flux-system")})
    repository = open_repository(tmp_path)

    assert [finding.message for finding in check(repository, analyse(repository)).findings if finding.rule == "missing-namespace"] == []


def test_long_work_is_reported_file_by_file_and_cluster_by_cluster() -> None:
    files = {f"apps/{number}.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: a}}\n" for number in range(120)}
    files["apps/kustomization.yaml"] = "resources:\n" + "".join(f"  - {number}.yaml\n" for number in range(120))
    reported: list[tuple[str, int, int]] = []

    analyse(repository_of(MemoryTree(files)), progress=lambda *step: reported.append(step))

    assert reported == [("reading", 0, 121), ("reading", 50, 121), ("reading", 100, 121), ("ordering", 0, 1)]
