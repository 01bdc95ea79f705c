"""Charts that a kustomization hands to Helm (`helmCharts`), as releases."""

from __future__ import annotations

from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.merge import merge
from gitops_secrets.model.facts import Release
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text
from gitops_secrets.rendering.kustomize.accumulated import InflatedChart
from gitops_secrets.repository.tree import join


def inflated_release(chart: InflatedChart, owner: ResourceId, namespace: str, loader: Loader) -> Release:
    """The release of `owner` that an entry of `helmCharts` stands for, with what can be told of its values.

    `namespace` is where it goes if neither the kustomization nor the entry says so.
    """
    fields = chart.fields
    values, complete = MappingNode(), True
    for written in (as_text(fields.get("valuesFile")), *(as_text(entry) for entry in as_sequence(fields.get("additionalValuesFiles")))):
        if written:
            found = _values_file(join(chart.directory, written), loader)
            complete = complete and found is not None
            values = merge(values, found) if found is not None else values
    inline = as_mapping(fields.get("valuesInline"))
    values = merge(inline, values) if fields.get("valuesMerge") == "merge" else merge(values, inline)
    name = as_text(fields.get("name"))
    return Release(
        resource=owner,
        chart=name,
        repository=as_text(fields.get("repo")),
        version=str(fields.get("version") or ""),
        name=as_text(fields.get("releaseName")) or name,
        namespace=chart.namespace or as_text(fields.get("namespace")) or namespace,
        values=values,
        place=chart.place,
        crds="Create" if fields.get("includeCRDs") is True else "Skip",
        values_complete=complete,
    )


def _values_file(path: str | None, loader: Loader) -> MappingNode | None:
    if path is None or not loader.tree.is_file(path):
        return None
    return as_mapping(loader.load(path).first)
