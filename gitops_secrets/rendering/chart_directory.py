"""What lies where in the directory of a chart (https://helm.sh/docs/topics/charts/#the-chart-file-structure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gitops_secrets.manifests.load import YAML_SUFFIXES, Loader
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.repository.tree import Tree

CHART_FILE: Final = "Chart.yaml"
TEMPLATES: Final = "templates"


def chart_file(directory: str) -> str:
    """The file that makes a chart of `directory`."""
    return f"{directory}/{CHART_FILE}".lstrip("/")


def is_chart(tree: Tree, directory: str) -> bool:
    """Is `directory` a chart?"""
    return tree.is_file(chart_file(directory))


def template_files(tree: Tree, directory: str) -> Iterator[str]:
    """The files that Helm renders of the chart in `directory`, also those that only define what others include."""
    return _below(tree, directory, TEMPLATES)


def definitions(loader: Loader, directory: str) -> Iterator[MappingNode]:
    """The CustomResourceDefinitions that Helm installs from the `crds` folder of the chart in `directory`, before its templates and as they are."""
    for path in _below(loader.tree, directory, "crds"):
        if path.endswith(YAML_SUFFIXES):
            for document in loader.load(path).documents:
                if isinstance(document, MappingNode) and document.get("kind") == "CustomResourceDefinition":
                    yield document


def _below(tree: Tree, directory: str, folder: str) -> Iterator[str]:
    prefix = f"{directory}/{folder}/".lstrip("/")
    return (path for path in tree.files if path.startswith(prefix))
