"""What `flux bootstrap` writes, and a unit: how the small repositories begin that more than one room's tests read."""

from __future__ import annotations

SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 1m
  url: ssh://git@example.org/platform.git
---
"""
UNIT = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
  namespace: flux-system
spec:
  interval: 10m
  path: ./{path}
  prune: true
  sourceRef:
    kind: GitRepository
    name: flux-system
"""


def sync(cluster: str) -> dict[str, str]:
    """The file that a cluster starts with."""
    return {f"clusters/{cluster}/flux-system/gotk-sync.yaml": SOURCE + UNIT.format(name="flux-system", path=f"clusters/{cluster}")}
