"""Objects of Argo CD among the templates of a chart in the repository: an app of apps is often a chart. What else a chart makes is not rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from gitops_secrets.manifests.load import YAML_SUFFIXES, Loader, parse_documents
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_text, move
from gitops_secrets.rendering.argo.applications import ARGO_GROUP
from gitops_secrets.rendering.chart_directory import template_files

_KIND: Final = re.compile(rb"^kind:[ \t]*(?:Application|ApplicationSet|AppProject)[ \t]*\r?$", re.MULTILINE)


class ChartTemplates(NamedTuple):
    """What the templates of a chart come to: its objects of Argo CD, and whether these are all that it makes."""

    nodes: tuple[MappingNode, ...]
    is_complete: bool


def argo_templates(loader: Loader, directory: str, data: Mapping[str, Any]) -> ChartTemplates:
    """The objects of Argo CD that the templates of the chart in `directory` make of `data` (`Values`, `Release`, `Chart`).

    A template that takes more than is known here (other templates, files, the cluster) makes nothing, and neither does a document with a gap in it.
    """
    nodes: list[MappingNode] = []
    is_complete = True
    for path in template_files(loader.tree, directory):
        # Templates whose name begins with an underscore make no objects.
        if not path.endswith(YAML_SUFFIXES) or path.rpartition("/")[2].startswith("_"):
            continue
        rendered = list(_rendered(loader, path, data)) if _KIND.search(loader.text(path)) is not None else [None]
        nodes += [node for node in rendered if node is not None]
        is_complete = is_complete and None not in rendered
    return ChartTemplates(tuple(nodes), is_complete)


def _rendered(loader: Loader, path: str, data: Mapping[str, Any]) -> Iterator[MappingNode | None]:
    """The objects of Argo CD of a template; None for each part of it that is something else, or not known."""
    from gitops_secrets.syntax.go_template import HELM, NO_VALUE, TemplateError, render_lines  # a language that most repositories don't use

    try:
        rendered = render_lines(loader.content_of(path), data, HELM, loader.budget)
    except TemplateError:
        yield None
        return
    documents = parse_documents(rendered.text, path, loader.limits)
    if documents.problems or NO_VALUE in rendered.text:
        yield None
        return
    for document in documents.documents:
        node = as_mapping(document)
        if not as_text(node.get("apiVersion")).startswith(ARGO_GROUP):
            yield None if node else node
            continue
        move(node, lambda place: Place(path, rendered.line_of(place.line), 1))
        yield node
