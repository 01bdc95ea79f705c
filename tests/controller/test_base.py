"""What `base/` and `overlays/` say of the controller and the jobs, held against the program."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from gitops_secrets.cli.main import cli
from gitops_secrets.controller.settings import API_VERSION, KIND

ROOT = Path(__file__).parents[2]
PARTS = ("overlays/controller", "base/gitops-secrets")


def built(kustomize: str, part: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(subprocess.run([kustomize, "build", str(ROOT / part)], capture_output=True, text=True, check=True).stdout))


def pods(objects: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    found = []
    for each in objects:
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            found.append(template["spec"])
    return found


@pytest.mark.parametrize("part", PARTS)
def test_every_container_is_called_as_the_program_understands_it(kustomize_binary: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for pod in pods(built(kustomize_binary, part)):
        name, *arguments = pod["containers"][0]["args"]
        command = cli.get_command(click.Context(cli), name)

        assert command is not None
        assert command.make_context(name, arguments).params["source"] == "GitRepository/flux-system/flux-system"


@pytest.mark.parametrize("part", PARTS)
def test_every_container_may_do_as_little_as_can_be(kustomize_binary: str, part: str) -> None:
    found = pods(built(kustomize_binary, part))

    assert found
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["containers"][0]["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def test_the_definition_is_of_the_kind_that_the_controller_writes(kustomize_binary: str) -> None:
    objects = {each["kind"]: each for each in built(kustomize_binary, "overlays/controller")}
    spec = objects["CustomResourceDefinition"]["spec"]

    assert (f"{spec['group']}/{spec['versions'][0]['name']}", spec["names"]["kind"]) == (API_VERSION, KIND)
    assert objects["SourceVerification"]["apiVersion"] == API_VERSION


def test_no_role_of_the_controller_may_change_what_git_owns_but_by_a_patch(kustomize_binary: str) -> None:
    rules = [rule for each in built(kustomize_binary, "overlays/controller") if each["kind"] in ("ClusterRole", "Role") for rule in each["rules"]]
    writing = {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"] if verb not in ("get", "list", "watch")}

    assert {(verb, resource) for verb, resource in writing if verb == "patch"} == {
        ("patch", resource) for resource in ("kustomizations", "helmreleases", "gitrepositories", "ocirepositories", "buckets", "sourceverifications/status")
    }
    assert {each for each in writing if each[0] != "patch"} == {("create", "events"), ("create", "leases"), ("update", "leases")}
