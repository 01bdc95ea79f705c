"""When the absence of something is proven: the one place that tells an error about what is missing from a warning.

A repository is an open world. What it does not make, people, Terraform, an operator, a chart that is not at hand or another repository may make, and most
of what looks missing is made by one of them. Only evidence of the repository's own makes it an error: something of nearly that name is there, so that the
name is a slip; it keeps others of that kind in that place; it installs the operator whose store is asked for; or, which only the pipeline sees, it makes the
thing for another cluster, or made it before the change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gitops_secrets.checks.base import namesakes
from gitops_secrets.checks.remedies import slip
from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.facts import ObjectNeed, When
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.model.ids import ResourceId

# Rules about what nothing in the repository brings. What the repository makes elsewhere, or made before, turns their warnings into errors.
ABSENCE: Final = frozenset(
    {
        "missing-custom-resource-definition",
        "missing-namespace",
        "missing-store",
        "missing-service-account",
        "missing-secret",
        "missing-config-map",
        "missing-source",
        "wrong-namespace",
    }
)
# Of those, what people make by hand, too: the cluster of who lacks it runs with it.
BY_HAND: Final = frozenset({"missing-secret", "missing-config-map", "missing-namespace", "missing-custom-resource-definition"})
# What to do where somebody else makes it: how messages about what is not proven end.
BY_PEOPLE: Final = "; if people or the cluster make it, name it under bootstrap.objects in the configuration"
BY_THE_CLUSTER: Final = "; if the cluster comes with it, name it under bootstrap in the configuration"
FROM_ELSEWHERE: Final = "; if it is made elsewhere, name it under sources in the configuration"
STORES: Final = frozenset({"SecretStore", "ClusterSecretStore"})
_KEY_MATERIAL: Final = frozenset({"tls.crt", "tls.key", "ca.crt"})
# Kinds that are kept together: who declares some of them in a place declares them all.
_FAMILIES: Final = (
    frozenset({"GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket"}),
    STORES,
    frozenset({"Secret"}),
    frozenset({"ConfigMap"}),
    frozenset({"ServiceAccount"}),
)


def is_proven(graph: Graph, target: ResourceId, *, is_first: bool = False) -> bool:
    """Does the repository itself show that nothing anywhere brings `target`, which it does not bring?

    `is_first`: it is what a store logs in with. The first Secret of a cluster comes from people, whatever Secrets the repository keeps beside it.
    """
    is_kept = not is_first and _is_kept_here(graph, target)
    return slip(target.name, graph.names_beside(target), among=graph.lacking) is not None or is_kept or _is_operated_here(graph, target)


def _is_kept_here(graph: Graph, target: ResourceId) -> bool:
    """Does the repository hold others of its kind where this one would lie? Keys and certificates that a controller makes say nothing of a password."""
    kinds = next((family for family in _FAMILIES if target.kind in family), frozenset())
    needs = (entry.requirement.need for entry in graph.unmet_by_object.get(target, ()))
    keys = {need.key for need in needs if isinstance(need, ObjectNeed) and need.key is not None}
    others = (other for kind in kinds for other in graph.objects_by_namespace.get((target.group, kind, target.namespace), ()))
    return any(_is_made_here(graph, other) and (keys <= _KEY_MATERIAL or not _is_key_material(graph, other)) for other in others)


def _is_key_material(graph: Graph, id: ResourceId) -> bool:
    return all(provision.keys is not None and provision.resource != id and provision.keys <= _KEY_MATERIAL for provision in graph.provisions[id])


def _is_operated_here(graph: Graph, target: ResourceId) -> bool:
    """Is it a store, and does the repository install the operator? Then it is the platform, and not one of its tenants."""
    return target.kind in STORES and target.group in graph.groups_brought_by_units


def is_made_elsewhere(graph: Graph, target: ResourceId) -> bool:
    """Does the repository itself make one of that name in another namespace?"""
    return any(_is_made_here(graph, other) for other in namesakes(graph, target))


def proven(finding: Finding) -> Finding:
    """A finding of absence that the repository proves after all, since it makes the thing for another cluster, or made it before."""
    message = finding.message
    for doubt in (BY_PEOPLE, BY_THE_CLUSTER, FROM_ELSEWHERE):
        message = message.removesuffix(doubt)
    return replace(finding, severity=Severity.ERROR, message=message)


def _is_made_here(graph: Graph, id: ResourceId) -> bool:
    """Is it made by what the engine applies, and not only by what sets the cluster up?"""
    return any(provision.when is not When.BEFORE for provision in graph.provisions.get(id, ()))
