from __future__ import annotations

from pathlib import Path

import pytest

from gitops_secrets.errors import OutsideError
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.pipeline.kustomize import KustomizeRefused, build_from_tree, build_with_binary
from gitops_secrets.repository.tree import MemoryTree

FILES = {
    "base/kustomization.yaml": "resources: [settings.yaml]\n",
    "base/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n",
    "overlay/kustomization.yaml": "resources: [../base]\nsecretGenerator:\n  - name: token\n    literals: [token=canary]\n",
    "remote/kustomization.yaml": "resources: ['https://github.com/example/none?ref=v1']\n",
    "broken/kustomization.yaml": "secretGenerator:\n  - name: token\n    literals: [canary]\n",
}


def test_the_binary_builds_a_tree_that_is_not_on_disk_and_no_value_is_kept(kustomize_binary: str) -> None:
    documents = build_from_tree(kustomize_binary, MemoryTree(FILES), "overlay", DEFAULT_LIMITS, network=False)

    assert [document["kind"] for document in documents] == ["ConfigMap", "Secret"]  # type: ignore[index]
    assert "canary" not in repr(documents)
    assert "Y2FuYXJ5" not in repr(documents)


def test_without_the_network_a_remote_base_is_refused_at_once(kustomize_binary: str) -> None:
    with pytest.raises(KustomizeRefused):
        build_from_tree(kustomize_binary, MemoryTree(FILES), "remote", DEFAULT_LIMITS, network=False)


def test_what_the_binary_prints_about_a_secret_is_not_kept(kustomize_binary: str) -> None:
    with pytest.raises(KustomizeRefused) as refused:
        build_from_tree(kustomize_binary, MemoryTree(FILES), "broken", DEFAULT_LIMITS, network=False)

    assert "canary" not in repr(refused.value)


def test_a_binary_that_cannot_be_run_is_a_failure_outside(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="can't run"):
        build_with_binary(str(tmp_path / "none"), tmp_path, "", DEFAULT_LIMITS, network=False)


def test_a_binary_that_comes_to_no_end_is_ended_and_the_option_named(tmp_path: Path) -> None:
    binary = tmp_path / "kustomize"
    binary.write_text("#!/bin/sh\nexec sleep 60\n")
    binary.chmod(0o755)

    with pytest.raises(OutsideError, match="--limit kustomize-seconds=NUMBER allows more than 1 s"):
        build_with_binary(str(binary), tmp_path, "", Limits(kustomize_seconds=1), network=False)
