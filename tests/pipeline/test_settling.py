"""Whether what is wrong right after a run passes by itself."""

from __future__ import annotations

import pytest

from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import Complaint, Verdict, Verification
from gitops_secrets.pipeline.reconcile import is_settling
from tests.cluster import sample

FOR_ALL = """
apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata: {name: for-all}
spec: {externalSecretName: shared, externalSecretSpec: {secretStoreRef: {kind: ClusterSecretStore, name: aws}, data: [{secretKey: a, remoteRef: {key: b}}]}}
"""
CHILD = ResourceId("external-secrets.io", "ExternalSecret", "team", "shared")
ITS_SECRET, OTHER_SECRET = (ResourceId("", "Secret", "team", name) for name in ("shared", "other"))


@pytest.mark.parametrize(
    ("id", "words", "passes"),
    [
        (sample.kustomization("weather"), ["not-ready"], True),
        (sample.kustomization("weather"), ["not-ready", "old-revision"], False),
        (sample.EXTERNAL_SECRET, ["secret-missing"], False),
        (CHILD, ["missing"], True),
        (ITS_SECRET, ["secret-missing"], True),
        (OTHER_SECRET, ["secret-missing"], False),
    ],
)
def test_what_a_moment_heals_is_told_from_the_rest(id: ResourceId, words: list[str], passes: bool) -> None:
    graph = sample.platform((("stores/for-all.yaml", FOR_ALL),)).graph
    verdict = Verdict(id, tuple(Complaint(word, "") for word in words), (), None, None)

    assert is_settling(Verification("", "", "", None, (verdict,), ()), graph) is passes


def test_where_all_is_well_nothing_is_waited_for() -> None:
    assert not is_settling(Verification("", "", "", None, (), ()), sample.platform().graph)
