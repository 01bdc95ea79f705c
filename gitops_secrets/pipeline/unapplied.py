"""Manifests that the repository keeps and nothing applies: what would bring something that is missing, once somebody applies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Final

from gitops_secrets.checks.absence import BY_PEOPLE
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.model.facts import Confidence, ObjectNeed, Resource
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.nodes import MappingNode, as_mapping
from gitops_secrets.pipeline.scan import Analysis, Repository
from gitops_secrets.rendering.objects import to_resource

_RULES: Final = frozenset({"missing-store", "missing-secret", "missing-config-map", "missing-service-account"})
# Which namespace a manifest without one has is said by who applies it.
_ANY: Final = "*"


class Unapplied:
    """Looks for what brings an object among the manifests of a tree that no cluster applies."""

    def __init__(self, repository: Repository, analysis: Analysis) -> None:
        self._loader = repository.loader
        self._table = repository.table
        self._graphs = [cluster.graph for cluster in analysis.clusters]

    def told(self, finding: Finding) -> Finding:
        """An error about what nothing makes as a warning, if a manifest that makes it is here: people may apply that. Other findings as they are."""
        target = finding.other
        if target is None or finding.rule not in _RULES or finding.severity is not Severity.ERROR:
            return finding
        maker = self._maker(target)
        if maker is None:
            return finding
        told = f"{maker.place.file} {'has' if str(maker.id) == target else 'would bring'}, and nothing applies that"
        return replace(
            finding,
            severity=Severity.WARNING,
            confidence=Confidence.LIKELY,
            message=finding.message.replace("nothing in the repository makes", told) + BY_PEOPLE,
            related=(*finding.related, Related(f"{maker.id} is here", maker.place)),
            cause=f"{target}, which {told}",
        )

    def _maker(self, target: str) -> Resource | None:
        kind, namespace, name = target.split("/", 2)
        document = self._makers.get(target) or self._makers.get(f"{kind}/{_ANY}/{name}")
        return None if document is None else to_resource(document, self._table.is_namespaced, namespace)

    @cached_property
    def _makers(self) -> Mapping[str, MappingNode]:
        """By what it makes of all that nothing else does, the first manifest that does and is not applied."""
        needs = (entry.requirement.need for graph in self._graphs for entry in graph.unmet)
        names = frozenset(need.id.name.encode() for need in needs if isinstance(need, ObjectNeed))
        applied = {applied.resource.place for graph in self._graphs if not graph.cluster.stray for applied in graph.cluster.resources}
        found: dict[str, MappingNode] = {}
        for path in sorted(self._loader.naming(names)):
            for document in map(as_mapping, self._loader.load(path).documents):
                resource = to_resource(document, self._table.is_namespaced, _ANY)
                if resource is None or resource.place in applied:
                    continue
                for provision in facts_of(resource, self._table).provisions:
                    if provision.owns and isinstance(provision.provides, ObjectNeed):
                        found.setdefault(str(provision.provides.id), document)
        return found
