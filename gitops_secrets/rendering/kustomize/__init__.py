"""kustomize v5.8.1's `build` in process: what a directory comes to, with the file and line of every field. Nothing is fetched and nothing is run."""

from gitops_secrets.rendering.kustomize.accumulated import InflatedChart
from gitops_secrets.rendering.kustomize.build import Build, Builder
from gitops_secrets.rendering.kustomize.kustomization import find_kustomization

__all__ = ["Build", "Builder", "InflatedChart", "find_kustomization"]
