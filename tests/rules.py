"""The tables of cases of the rules, `checks/<rule-id>.yaml`, as repositories.

A case is a small repository and what the rule says of it:

- `units` are Kustomizations: `stores: "dependsOn: [{name: operator}]"` is the file `clusters/test/stores.yaml`, which builds `./stores`. Its name stands
  in line 3; what is given here is the rest of its `spec`, from line 9 on.
- `applications` are Applications of Argo CD instead, below a root that reads `apps`: `stores: {wave: 1, spec: "…"}` is the file `apps/stores.yaml`, which
  reads `./stores`. Its name stands in line 4, its wave in line 7; `spec` is more of it.
- `files` are all other files, by path. `given` names files of `checks/given/files.yaml` that several tables use.
- `findings` are those of the rule, as `severity file:line message`; `others` are errors and warnings of other rules, `rule file:line message`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Case = dict[str, Any]

_FOLDER = Path(__file__).parent / "checks"
_GIVEN = yaml.safe_load((_FOLDER / "given" / "files.yaml").read_text())
_UNIT = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 10m # as all of them
  path: ./{name}
  prune: true
  sourceRef: {{kind: GitRepository, name: flux-system}}
"""
_APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: # as all of them
  name: {name}
  namespace: argocd
  annotations:
    {wave}
spec:
  project: default
  source: {{repoURL: https://git.example.org/platform, path: {name}}}
  destination: {{server: https://kubernetes.default.svc, namespace: {name}}}
"""


def tables() -> Mapping[str, list[Case]]:
    """The cases of each rule."""
    return {table.stem: yaml.safe_load(table.read_text(encoding="utf-8")) for table in sorted(_FOLDER.glob("*.yaml"))}


def cases() -> Iterator[tuple[str, Case]]:
    """Every case, with its rule."""
    return ((rule, case) for rule, table in tables().items() for case in table)


def files_of(case: Case) -> dict[str, str]:
    """The repository of a case."""
    files = _given("argo" if "applications" in case else "cluster", *case.get("given", ()))
    for name, written in case.get("applications", {}).items():
        wave = f'argocd.argoproj.io/sync-wave: "{written["wave"]}"' if "wave" in written else "example.org/owner: platform"
        files[f"apps/{name}.yaml"] = _APPLICATION.format(name=name, wave=wave) + _indented(written.get("spec", "syncPolicy: {automated: {}}"))
    for name, rest in case.get("units", {}).items():
        files[f"clusters/test/{name}.yaml"] = _unit(name, rest or "")
    return files | case.get("files", {})


def units(*given: str, **specs: str) -> dict[str, str]:
    """A small Flux repository: given files, and a Kustomization for each of `specs` with this at the end of its `spec`."""
    return _given("cluster", *given) | {f"clusters/test/{name}.yaml": _unit(name, rest) for name, rest in specs.items()}


def _given(*names: str) -> dict[str, str]:
    return {path: text for name in names for path, text in _GIVEN[name].items()}


def _unit(name: str, rest: str) -> str:
    return _UNIT.format(name=name) + _indented(rest)


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
