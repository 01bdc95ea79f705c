"""Every rule against its table of cases: `<rule-id>.yaml`.

A case is a small Flux repository and what the rule says of it:

- `units` are Kustomizations: `stores: "dependsOn: [{name: operator}]"` is the file `clusters/test/stores.yaml`, which builds `./stores`. Its name stands
  in line 3; what is given here is the rest of its `spec`, from line 9 on.
- `applications` are Applications of Argo CD instead, below a root that reads `apps`: `stores: {wave: 1, spec: "…"}` is the file `apps/stores.yaml`, which
  reads `./stores`. Its name stands in line 4, its wave in line 7; `spec` is more of it.
- `files` are all other files, by path. `given` names files of `given.yaml` that several tables use.
- `findings` are those of the rule, as `severity file:line message`; `others` are errors and warnings of other rules, `rule file:line message`.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from gitops_secrets.checks import RULES
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree

TABLES = Path(__file__).parent
GIVEN = yaml.safe_load((TABLES / "given" / "files.yaml").read_text())
UNIT = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 10m
  path: ./{name}
  prune: true
  sourceRef: {{kind: GitRepository, name: flux-system}}
"""
APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {name}
  namespace: argocd
  annotations:
    {wave}
spec:
  project: default
  source: {{repoURL: https://git.example.org/platform, path: {name}}}
  destination: {{server: https://kubernetes.default.svc, namespace: {name}}}
"""


def cases() -> list[Any]:
    found = []
    for table in sorted(TABLES.glob("*.yaml")):
        for case in yaml.safe_load(table.read_text()):
            found.append(pytest.param(table.stem, case, id=f"{table.stem}: {case['name']}"))
    return found


def files_of(case: dict[str, Any]) -> dict[str, str]:
    files: dict[str, str] = {}
    for name in ("argo" if "applications" in case else "cluster", *case.get("given", ())):
        files |= GIVEN[name]
    for name, written in case.get("applications", {}).items():
        wave = f'argocd.argoproj.io/sync-wave: "{written["wave"]}"' if "wave" in written else "example.org/owner: platform"
        files[f"apps/{name}.yaml"] = APPLICATION.format(name=name, wave=wave) + indent(written.get("spec", "syncPolicy: {automated: {}}"), "  ")
    for name, rest in case.get("units", {}).items():
        files[f"clusters/test/{name}.yaml"] = UNIT.format(name=name) + indent(rest or "", "  ")
    return files | case.get("files", {})


@pytest.mark.parametrize(("rule", "case"), cases())
def test_rule(rule: str, case: dict[str, Any]) -> None:
    repository = repository_of(MemoryTree(files_of(case)))
    result = check(repository, analyse(repository))

    found = [f"{finding.severity.value} {finding.place} {finding.message}" for finding in result.findings if finding.rule == rule]
    others = [f"{finding.rule} {finding.place} {finding.message}" for finding in result.findings if finding.rule != rule and finding.severity.value != "note"]

    assert found == case["findings"]
    assert others == case.get("others", [])


def test_every_rule_has_a_table_and_every_table_a_rule() -> None:
    assert {table.stem for table in TABLES.glob("*.yaml")} == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_fires_and_keeps_silent_in_some_case(rule: Any) -> None:
    table = yaml.safe_load((TABLES / f"{rule.id}.yaml").read_text())

    assert any(case["findings"] for case in table)
    assert any(not case["findings"] for case in table)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_manual_of_a_rule_has_its_four_parts(rule: Any) -> None:
    manual = rule.__doc__ or ""

    assert [part for part in ("What it does:", "Why it matters:", "Example:", "Options:") if part not in manual] == []
