"""A plan to Flux Kustomizations: one for each component of an overlay, with the fewest `dependsOn` and health checks that really gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_secrets.generate.changes import Form
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.ordering.gates import health_check, needs_health
from gitops_secrets.ordering.order import Plan
from gitops_secrets.rendering.units import KUSTOMIZE_GROUP

_MARK = "# Written by gitops-secrets generate flux."
FLUX_FORM = Form(
    KUSTOMIZE_GROUP,
    "Kustomization",
    # The source may have moved to another namespace, and takes its Kustomizations along.
    (("metadata", "namespace"), *(("spec", field) for field in ("path", "sourceRef", "dependsOn", "healthChecks", "healthCheckExprs"))),
    _MARK,
    f"{_MARK} path, sourceRef, dependsOn, healthChecks and healthCheckExprs follow the graph; all else is yours.\n",
)


@dataclass(frozen=True, slots=True)
class FluxOptions:
    """How Kustomizations are written."""

    source: ResourceId  # namespace and name; the Kustomizations stand in the same namespace
    expressions: bool = True  # does the Flux version at hand have healthCheckExprs (2.5 and later)?


def flux_kustomizations(plan: Plan, table: KindTable, options: FluxOptions) -> dict[str, dict[str, Any]]:
    """The manifest of each unit of the plan, by name."""
    checks = _checks(plan, table)
    manifests = {}
    for unit in plan.graph.cluster.units:
        if unit.parent is None:  # others are written in the components
            manifest = manifests[unit.id.name] = flux_kustomization(unit.id.name, unit.path or "", options)
            manifest["spec"] |= _order(plan, unit.id, checks.get(unit.id, ()), table, options)
    return manifests


def flux_kustomization(name: str, path: str, options: FluxOptions) -> dict[str, Any]:
    """The manifest of a component that waits for nothing."""
    source = options.source
    spec: dict[str, Any] = {
        "interval": "10m",
        "retryInterval": "1m",
        # Longer than the longest back-off of an ExternalSecret, 7 minutes.
        "timeout": "10m",
        "prune": True,
        "path": f"./{path}" if path else "./",
        "sourceRef": {"kind": source.kind, "name": source.name},
    }
    return {"apiVersion": f"{KUSTOMIZE_GROUP}/v1", "kind": "Kustomization", "metadata": {"name": name, "namespace": source.namespace}, "spec": spec}


def _order(plan: Plan, unit: ResourceId, checked: Sequence[ResourceId], table: KindTable, options: FluxOptions) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    targets = sorted(plan.depends_on.get(unit, ()))
    if targets:
        fields["dependsOn"] = [{"name": target.name} | ({} if target.namespace == unit.namespace else {"namespace": target.namespace}) for target in targets]
    if checked:
        versions = plan.graph.api_versions
        fields["healthChecks"] = [health_check(target, versions) for target in checked]
        expressions = _expressions(checked, table, versions)
        if expressions and options.expressions:
            fields["healthCheckExprs"] = expressions
    return fields


def _expressions(checked: Iterable[ResourceId], table: KindTable, versions: Mapping[ResourceId, str]) -> list[dict[str, str]]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for target in checked:
        row = table.row(*target.group_kind)
        if row is not None and row.healthy_expression is not None:
            api_version = versions.get(target, f"{target.group}/v1")
            found.setdefault(target.group_kind, {"apiVersion": api_version, "kind": target.kind, "current": row.healthy_expression})
    return [found[key] for key in sorted(found)]


def _checks(plan: Plan, table: KindTable) -> dict[ResourceId, tuple[ResourceId, ...]]:
    """For each unit the objects whose health others need to see; only those, so that nothing else can hold up the rest."""
    found: dict[ResourceId, set[ResourceId]] = {}
    for edge in plan.edges:
        if not edge.orders or edge.provider.kind != "Kustomization":
            continue
        ordering = {id(reason) for reason in edge.ordering}
        for gate in edge.gates:
            if id(gate.edge) in ordering and needs_health(gate.edge, table):
                found.setdefault(edge.provider, set()).add(gate.checked)
    return {unit: tuple(sorted(targets)) for unit, targets in found.items()}
