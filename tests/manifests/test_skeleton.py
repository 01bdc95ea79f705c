"""Values that nothing rests on: whatever stands there, the answers are the same."""

from __future__ import annotations

import re
from itertools import zip_longest

import pytest

from gitops_secrets.manifests.skeleton import skeleton
from gitops_secrets.ordering.order import Plan
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.report.documents import check_document, plan_document, scan_document
from gitops_secrets.repository.tree import MemoryTree
from tests.unbreakable.mutations import repositories

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: web
          image: registry.example.org:5000/web:1.27.1@sha256:{digest}  # kept up to date
          env:
            - name: image
              value: x:1
          resources:
            requests: {{cpu: 1}}
            limits:
              memory: "128Mi"
""".format(digest="0" * 64)
EXTERNAL_SECRET = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
spec:
  target: {name: web}
  data:
    - secretKey: password
      remoteRef:
        key: production/web  # in the other account
        property: password
  dataFrom:
    - extract:
        key: "/production/all"
    - find:
        path: production
"""
RELEASE = """\
kind: HelmRelease
spec:
  values:
    global:
      image:
        tag: v3.0.0
    controllers:
      - image:
          repository: ghcr.io/example/web
          tag: 1.27.1@sha256:{digest}
""".format(digest="0" * 64)


def other(text: str) -> str:
    """The same with other digits and letters in all that the skeleton leaves out."""
    lines = []
    for line, kept in zip_longest(text.split("\n"), skeleton(text.encode()).decode().split("\n")):
        start = next((index for index, (one, two) in enumerate(zip(line, kept, strict=False)) if one != two), min(len(line), len(kept)))
        end = start + len(line) - len(kept)
        lines.append(line[:start] + re.sub("[a-z]", "x", re.sub("[0-9]", "7", line[start:end])) + line[end:])
    return "\n".join(lines)


def test_what_a_workload_is_made_with_and_how_much_of_it_there_is_is_left_out() -> None:
    left = skeleton(DEPLOYMENT.encode()).decode()

    assert [line.strip() for line, before in zip(left.split("\n"), DEPLOYMENT.split("\n"), strict=True) if line != before] == [
        "replicas:",
        "image: registry.example.org:5000/web  # kept up to date",
        'memory: ""',
    ]


def test_the_tag_of_an_image_in_values_is_left_out_and_that_of_a_whole_chart_is_not() -> None:
    assert skeleton(RELEASE.encode()).decode() == RELEASE.replace(f"1.27.1@sha256:{'0' * 64}", "")


def test_what_the_pods_of_a_chart_may_take_is_left_out() -> None:
    text = "kind: HelmRelease\nspec:\n  values:\n    cpu: 1\n    web:\n      resources:\n        limits:\n          memory: 1Gi\n          cpu: {a: b}\n"

    assert skeleton(text.encode()).decode() == text.replace("1Gi", "")


def test_where_a_value_comes_from_at_the_provider_is_left_out_and_what_is_made_of_it_is_not() -> None:
    left = skeleton(EXTERNAL_SECRET.encode()).decode()

    assert [line.strip() for line, before in zip(left.split("\n"), EXTERNAL_SECRET.split("\n"), strict=True) if line != before] == [
        "key:   # in the other account",
        "property:",
        'key: ""',
    ]


def test_replicas_that_have_claims_of_their_own_are_kept() -> None:
    text = "kind: StatefulSet\nspec:\n  replicas: 2\n"

    assert skeleton(text.encode()) == text.encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("image: web:1\n", "image: other:1\n"),
        ("image: web:1\n", "image: web:${TAG}\n"),
        ("image: web:1\n", "image: web:1  # gitops-secrets: ignore\n"),
        ("image: web:1\n", "image: web:1\n          # more\n"),
        ("image: web:1\n", "image: '{{ .x }}'\n"),
        ("image: web:1\n", "image: web:1\n          env: []\n"),
    ],
)
def test_what_may_matter_is_kept(before: str, after: str) -> None:
    pod = "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n        - "

    assert skeleton((pod + before).encode()) != skeleton((pod + after).encode())


@pytest.mark.parametrize(
    "text",
    [
        "kind: Deployment\nspec: {replicas: 2}\n",
        "a: [",
        "kind: ConfigMap\ndata:\n  image: web:1\n",
        "",
        "kind: {image: web}\nspec:\n  replicas: 2\n",
        "kind: [Job]\n",
    ],
)
def test_a_text_without_such_values_stays_whole(text: str) -> None:
    assert skeleton(text.encode()) == text.encode()


@pytest.mark.parametrize("name", sorted(repositories()))
def test_no_answer_rests_on_them(name: str) -> None:
    files = repositories()[name]
    changed = {path: other(text) if path.endswith((".yaml", ".yml")) else text for path, text in files.items()}

    assert told(changed) == told(files)


def test_there_are_such_values_to_try() -> None:
    texts = [(text, other(text)) for files in repositories().values() for path, text in files.items() if path.endswith(".yaml")]
    changed = [(before, after) for before, after in texts if before != after]

    assert len(changed) > 20
    assert [before for before, after in changed if skeleton(before.encode()) != skeleton(after.encode())] == []


def told(files: dict[str, str]) -> tuple[str, str, str]:
    repository = repository_of(MemoryTree(files))
    analysis = analyse(repository)
    plans: list[Plan] = [cluster.plan for cluster in analysis.clusters]
    result = check(repository, analysis)
    return (
        scan_document(plans, analysis.problems, None, resources=True),
        check_document(result),
        plan_document(plans, analysis.problems, None),
    )
