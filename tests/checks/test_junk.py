"""Rules read fields that anybody may have written anything into."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.model.findings import Finding
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree

WORDS = st.sampled_from(["", "shop", "Owner", "Merge", "a/b", "${X}", "(", "^shop$", "db"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.sampled_from(["name", "namespace", "key", "namespaces"]), inner, max_size=3),
    max_leaves=6,
)


def findings_of(*objects: dict[str, Any]) -> tuple[Finding, ...]:
    repository = repository_of(MemoryTree({"overlays/test/kustomization.yaml": "resources: [all.yaml]", "overlays/test/all.yaml": documents(*objects)}))
    return check(repository, analyse(repository)).findings


def documents(*objects: dict[str, Any]) -> str:
    return "\n---\n".join(json.dumps(each) for each in objects)


def eso(kind: str, name: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


@settings(max_examples=40, deadline=None)
@given(conditions=JUNK, controller=JUNK, target=JUNK, policy=JUNK, provider=JUNK, annotations=JUNK)
def test_no_rule_raises_whatever_stands_in_stores_and_external_secrets(
    conditions: Any, controller: Any, target: Any, policy: Any, provider: Any, annotations: Any
) -> None:
    store = eso("ClusterSecretStore", "aws", {"conditions": conditions, "controller": controller, "provider": provider})
    own = eso("SecretStore", "own", {"provider": {"aws": {"auth": {"secretRef": {"accessKeyIDSecretRef": provider}}}}})
    first = eso("ExternalSecret", "db", {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"}, "target": target, "refreshPolicy": policy})
    second = eso("ExternalSecret", "other", {"target": {"name": "db", "creationPolicy": policy}, "refreshInterval": controller})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop", "annotations": annotations}, "stringData": provider}

    assert findings_of(store, own, first, second, secret) is not None


@settings(max_examples=40, deadline=None)
@given(field=st.sampled_from(["dependsOn", "wait", "healthChecks", "healthCheckExprs", "postBuild", "patches", "interval", "sourceRef"]), junk=JUNK)
def test_no_rule_raises_whatever_stands_in_a_kustomization(field: str, junk: Any) -> None:
    unit = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "shop", "namespace": "flux-system"},
        "spec": {"interval": "10m", "path": "./shop", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "flux-system"}, field: junk},
    }
    repository = repository_of(MemoryTree({"clusters/test/shop.yaml": json.dumps(unit), "shop/a.yaml": documents(eso("SecretStore", "aws", junk))}))

    assert check(repository, analyse(repository)).findings is not None
