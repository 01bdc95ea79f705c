"""Manifests that the repository keeps and nothing applies: what would bring something that is missing, once somebody applies it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Final

from gitops_secrets.checks.absence import BY_PEOPLE
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.manifests.load import YAML_SUFFIXES
from gitops_secrets.model.facts import Confidence, ObjectNeed, Resource
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.nodes import MappingNode, Place
from gitops_secrets.pipeline.scan import Analysis, Repository
from gitops_secrets.rendering.objects import to_resource

_RULES: Final = frozenset({"missing-store", "missing-secret", "missing-config-map", "missing-service-account"})


class Unapplied:
    """Looks for what brings an object among the manifests of a tree that no cluster applies."""

    def __init__(self, repository: Repository, analysis: Analysis) -> None:
        self._loader = repository.loader
        self._table = repository.table
        self._clusters = [cluster.graph.cluster for cluster in analysis.clusters if not cluster.graph.cluster.stray]
        self._known: dict[str, Resource | None] = {}

    def told(self, finding: Finding) -> Finding:
        """An error about what nothing makes as a warning, if a manifest that makes it is here: people may apply that. Other findings as they are."""
        target = finding.other
        if target is None or finding.rule not in _RULES or finding.severity is not Severity.ERROR:
            return finding
        if target not in self._known:
            self._known[target] = next(self._makers(target), None)
        maker = self._known[target]
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

    def _makers(self, target: str) -> Iterator[Resource]:
        _, namespace, name = target.split("/", 2)
        word = name.encode()
        for path in self._loader.tree.files:
            if not path.endswith(YAML_SUFFIXES) or not self._loader.holds(path, word):
                continue
            for document in self._loader.load(path).documents:
                # Which namespace one without has is said by who applies it.
                resource = to_resource(document, self._table.is_namespaced, namespace) if isinstance(document, MappingNode) else None
                if resource is not None and resource.place not in self._applied and self._makes(resource, target):
                    yield resource

    def _makes(self, resource: Resource, target: str) -> bool:
        provided = (provision.provides for provision in facts_of(resource, self._table).provisions if provision.owns)
        return any(isinstance(need, ObjectNeed) and str(need.id) == target for need in provided)

    @cached_property
    def _applied(self) -> frozenset[Place]:
        return frozenset(applied.resource.place for cluster in self._clusters for applied in cluster.resources)
