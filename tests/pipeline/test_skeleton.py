"""What nothing rests on: whatever stands there, the answers are the same."""

from __future__ import annotations

import re

import pytest

from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.ordering.order import Plan
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.pipeline.skeleton import skeleton
from gitops_secrets.report.check_document import check_document
from gitops_secrets.report.plan_document import plan_document
from gitops_secrets.report.scan_document import scan_document
from gitops_secrets.repository.tree import MemoryTree
from tests.unbreakable.mutations import repositories

POD = """\
apiVersion: {version}
kind: {kind}
metadata: {{name: web, annotations: {{a: b}}}}
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: web
          image: registry.example.org:5000/web:1.27.1@sha256:{digest}
          args: [--verbose]
          env:
            - {{name: LEVEL, value: info}}
            - {{name: DATABASE_HOST, value: db.shop.svc}}
            - {{name: TLS_SECRET_NAME, value: web-tls}}
          ports: [{{containerPort: 8080}}]
          resources:
            requests: {{cpu: 1}}
            limits: {{memory: "128Mi"}}
"""
DEPLOYMENT = POD.format(version="apps/v1", kind="Deployment", digest="0" * 64)
RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
spec:
  chart:
    spec:
      chart: web
      version: 1.2.3
  values:
    image:
      repository: web
      tag: v3.0.0
    existingSecret: web
    global:
      image:
        tag: v3.0.0
    controllers:
      - web:
          image:
            tag: 1.27
          resources:
            requests: {memory: 1Gi}
"""
EXTERNAL_SECRET = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
spec:
  refreshInterval: 1h
  target: {name: web}
  data:
    - secretKey: password
      remoteRef: {key: production/web, property: password}
  dataFrom:
    - extract: {key: "/production/all"}
    - find: {path: production}
"""
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data:
  a.yaml: |
    level: info
    host: db.shop.svc
  program: kubectl create secret generic web
"""
OCI_REPOSITORY = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
spec: {url: "oci://ghcr.io/example/web", ref: {tag: 1.2.3}}
"""


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (DEPLOYMENT, "replicas: 2", "replicas: 3"),
        (DEPLOYMENT, "1.27.1@sha256:" + "0" * 64, "1.28.0"),
        (DEPLOYMENT, "cpu: 1", "cpu: 2"),
        (DEPLOYMENT, '"128Mi"', "256Mi"),
        (DEPLOYMENT, "value: info", "value: debug"),
        (DEPLOYMENT, "--verbose", "--quiet"),
        (DEPLOYMENT, "8080", "8081"),
        (DEPLOYMENT, "kind:", "# a word\nkind:"),
        (DEPLOYMENT, "replicas: 2", "replicas: 2  # two"),
        (DEPLOYMENT, "- {name: LEVEL", "- {name: 'LEVEL'"),
        (RELEASE, "tag: v3.0.0", "tag: v3.0.1"),
        (RELEASE, "1.27", "1.28"),
        (RELEASE, "1Gi", "2Gi"),
        (RELEASE, "1.2.3", "1.2.4"),
        (EXTERNAL_SECRET, "production/web", "staging/web"),
        (EXTERNAL_SECRET, "property: password", "property: secret"),
        (EXTERNAL_SECRET, '"/production/all"', "/staging/all"),
        (EXTERNAL_SECRET, "1h", "30m"),
        (CONFIG_MAP, "info", "debug"),
        (OCI_REPOSITORY, "1.2.3", "1.2.4"),
        ("apiVersion: v1\nkind: Secret\nstringData: {password: a}\n", "password: a", "password: b"),
    ],
)
def test_what_nothing_rests_on_is_left_out(text: str, before: str, after: str) -> None:
    changed = text.replace(before, after, 1)

    assert changed != text
    assert skeleton(changed.encode(), DEFAULT_LIMITS).content == skeleton(text.encode(), DEFAULT_LIMITS).content


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (DEPLOYMENT, "/web:1.27.1", "/other:1.27.1"),
        (DEPLOYMENT, "1.27.1@sha256:" + "0" * 64, "${TAG}"),
        (DEPLOYMENT, "1.27.1@sha256:" + "0" * 64, "1.27.1  # gitops-secrets: ignore"),
        (DEPLOYMENT, "replicas: 2", "replicas: many"),
        (DEPLOYMENT, "replicas: 2", "replicas: '2'"),
        (DEPLOYMENT, "LEVEL", "OTHER"),
        (DEPLOYMENT, "value: info", "value: ${LEVEL}"),
        (DEPLOYMENT, "value: info", "value: '{{ .level }}'"),
        (DEPLOYMENT, "db.shop.svc", "db.store.svc"),
        (DEPLOYMENT, "web-tls", "other-tls"),
        (DEPLOYMENT, "--verbose", "--secret-name=web"),
        (DEPLOYMENT, "--verbose", "--verbose, --more"),
        (DEPLOYMENT, "a: b", "a: c"),
        (POD.format(version="apps/v1", kind="StatefulSet", digest="0" * 64), "replicas: 2", "replicas: 3"),
        (POD.format(version="batch/v1", kind="Job", digest="0" * 64), "--verbose", "--quiet"),
        (RELEASE, "global:\n      image:\n        tag: v3.0.0", "global:\n      image:\n        tag: v3.0.1"),
        (RELEASE, "existingSecret: web", "existingSecret: other"),
        (RELEASE, "1.2.3", "1.3.0"),
        (EXTERNAL_SECRET, "secretKey: password", "secretKey: other"),
        (EXTERNAL_SECRET, "path: production", "path: staging"),
        (EXTERNAL_SECRET, "1h", '"0"'),
        (CONFIG_MAP, "db.shop.svc", "db.store.svc"),
        (CONFIG_MAP, "generic web", "generic other"),
        (CONFIG_MAP, "{name: web}", "{name: argocd-cm}"),
        (OCI_REPOSITORY, "1.2.3", "1.3.0"),
        ("a: [", "[", "{"),
        ("", "", "a: b"),
    ],
)
def test_what_may_matter_is_kept(text: str, before: str, after: str) -> None:
    changed = text.replace(before, after, 1)

    assert changed != text
    assert skeleton(changed.encode(), DEFAULT_LIMITS).content != skeleton(text.encode(), DEFAULT_LIMITS).content


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (CONFIG_MAP.replace("web}", "argocd-cm}"), "info", "debug"),
        (CONFIG_MAP.replace("web}", "web, annotations: {kustomize.config.k8s.io/needs-hash: 'true'}}"), "info", "debug"),
        (OCI_REPOSITORY.replace("example/web", "fluxcd/flux-manifests"), "1.2.3", "1.2.4"),
    ],
)
def test_what_the_engine_or_kustomize_reads_is_kept(text: str, before: str, after: str) -> None:
    assert skeleton(text.replace(before, after).encode(), DEFAULT_LIMITS).content != skeleton(text.encode(), DEFAULT_LIMITS).content


def test_a_word_that_files_are_looked_through_for_counts_wherever_it_stands() -> None:
    text, changed = DEPLOYMENT.encode(), DEPLOYMENT.encode() + b"# argoproj.io/\n"

    assert skeleton(changed, DEFAULT_LIMITS).content == skeleton(text, DEFAULT_LIMITS).content
    assert skeleton(changed, DEFAULT_LIMITS, {b"argoproj.io/"}).content != skeleton(text, DEFAULT_LIMITS, {b"argoproj.io/"}).content


def test_where_it_is_said_is_told_apart() -> None:
    text, lower, further = (skeleton(each.encode(), DEFAULT_LIMITS) for each in (DEPLOYMENT, "# a word\n" + DEPLOYMENT, DEPLOYMENT.replace("{a", "{  a")))

    assert lower.content == further.content == text.content
    assert len({text.places, lower.places, further.places}) == 3
    assert skeleton(DEPLOYMENT.encode() + b"# a word\n", DEFAULT_LIMITS) == text


def test_an_alias_is_left_out_only_where_nothing_rests_on_it() -> None:
    text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, generation: &a 2}\nspec: {replicas: *a}\n"

    assert skeleton(text.replace("2", "3").encode(), DEFAULT_LIMITS).content != skeleton(text.encode(), DEFAULT_LIMITS).content


def test_aliases_of_aliases_are_read_once() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{number}: &a{number} [*a{number - 1}, *a{number - 1}]" for number in range(1, 60)]

    assert skeleton("\n".join(lines).encode(), DEFAULT_LIMITS).content


@pytest.mark.parametrize("name", sorted(repositories()))
def test_no_answer_rests_on_what_is_left_out(name: str) -> None:
    files = repositories()[name]
    repository = repository_of(MemoryTree(files))
    analyse(repository)
    taken, words = repository.read_whole
    changed = {path: text if path in taken or not path.endswith((".yaml", ".yml")) else other(text, words) for path, text in files.items()}

    assert changed != files or not any(path.endswith(".yaml") for path in files)
    assert told(changed) == told(files)


def other(text: str, words: set[bytes]) -> str:
    """The same with other digits, words and ends of lines wherever that is left out, on the same lines."""
    known = skeleton(text.encode(), DEFAULT_LIMITS, words)
    lines = text.split("\n")
    for number, line in enumerate(lines):
        for change in (_with_other_digits, _with_other_words, _with_a_comment):
            lines[number] = change(line)
            if lines[number] != line and skeleton("\n".join(lines).encode(), DEFAULT_LIMITS, words) == known:
                break
            lines[number] = line
    return "\n".join(lines)


def _with_other_digits(line: str) -> str:
    key, separator, value = line.partition(": ")
    return key + separator + re.sub("[1-9]", "7", value)


def _with_other_words(line: str) -> str:
    start = re.match(r"\s*(?:- )?(?:[\w.-]+: )?", line)
    end = start.end() if start else 0
    return line[:end] + re.sub("[a-z]", "x", line[end:])


def _with_a_comment(line: str) -> str:
    return f"{line}  # a word" if line.strip() else "# a word"


def told(files: dict[str, str]) -> tuple[str, str, str]:
    repository = repository_of(MemoryTree(files))
    analysis = analyse(repository)
    plans: list[Plan] = [cluster.plan for cluster in analysis.clusters]
    result = check(repository, analysis)
    return (
        scan_document(plans, analysis.problems, None, resources=True).text,
        check_document(result),
        plan_document(plans, analysis.problems, None),
    )
