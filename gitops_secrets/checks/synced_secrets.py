"""Rules about objects of External Secrets Operator that Argo CD applies: what it compares, copies, prunes and makes anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.kinds.charts import chart_version
from gitops_secrets.model.facts import Confidence, Resource
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Unit
from gitops_secrets.ordering.sync import Phase, position

_ESO: Final = "external-secrets.io"
_TRACKING: Final = "application.resourceTrackingMethod"
_RANDOM: Final = frozenset({"Password", "SSHKey", "UUID"})
# Fields of an ExternalSecret that the API server fills in, and what with: ESO up to 2.8; those of `remoteRef` no longer since.
_DEFAULTS: Final = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}


class TrackingCopied(Rule):
    """A Secret that Argo CD takes for its own.

    What it does: reports ExternalSecrets of an Application without `target.template`, where Argo CD tracks objects by label, and those that carry its label
    or annotation themselves.

    Why it matters: External Secrets Operator copies labels and annotations of an ExternalSecret without template onto the Secret. Argo CD sees an object
    with its mark that git does not hold: the Application is OutOfSync, and with `prune` the Secret is deleted, made again, and deleted.

    Example: before, no template; after, `target: {template: {metadata: {annotations: {argocd.argoproj.io/compare-options: IgnoreExtraneous}}}}`, or
    `application.resourceTrackingMethod: annotation` in `argocd-cm`.

    Options: none.
    """

    id = "tracking-copied"
    severity = Severity.NOTE
    symptoms = ("OutOfSync", "Pruned")

    def check(self, context: Context) -> Iterator[Finding]:
        argo = context.cluster.argo
        method = as_text(argo.data.get(_TRACKING)) if argo is not None else ""
        label = as_text(argo.data.get("application.instanceLabelKey")) if argo is not None else ""
        for unit, resource in _external_secrets(context):
            target = as_mapping(resource.spec.get("target"))
            if target.get("template") is not None or as_text(target.get("creationPolicy")) in ("None", "Merge"):
                continue
            own = [key for key in (label or "app.kubernetes.io/instance",) if key in resource.labels]
            marked = bool(own) or "argocd.argoproj.io/tracking-id" in resource.annotations
            if method != "label" and not (marked and method != "annotation"):
                continue
            yield self.finding(
                f"the Secret of {resource.id} gets the mark of {unit.id}, which then shows or prunes it; give target.template.metadata",
                resource.place,
                resource.id,
                other=unit.id,
                confidence=Confidence.CERTAIN if method else Confidence.LIKELY,
                field="spec.target.template",
                cause="Secrets that get the tracking mark of their Application",
            )


class PermanentlyOutOfSync(Rule):
    """An object that is OutOfSync for as long as it is there.

    What it does: reports ExternalSecrets of an Application that leave out `conversionStrategy`, `decodingStrategy` or `metadataPolicy`, which the API
    server fills in up to ESO 2.8, with automated pruning or self-heal and neither server-side diff nor `ignoreDifferences` for them.

    Why it matters: git lacks what the cluster has. The Application is OutOfSync, and with `selfHeal` it syncs again and again.

    Example: before, `remoteRef: {key: shop/db}`; after, with `conversionStrategy: Default`, `decodingStrategy: None` and `metadataPolicy: None`.

    Options: none.
    """

    id = "permanently-out-of-sync"
    severity = Severity.NOTE
    symptoms = ("OutOfSync",)

    def check(self, context: Context) -> Iterator[Finding]:
        served = _operator_version(context)
        if served is None or served >= (2, 9):
            return
        argo = context.cluster.argo
        if argo is not None and any("externalsecret" in key.lower() and "ignoredifferences" in key.lower() for key in argo.data):
            return
        for unit, resource in _external_secrets(context):
            policy = as_mapping(as_mapping(unit.spec.get("syncPolicy")).get("automated"))
            if policy.get("selfHeal") is not True or _compares_on_server(unit, resource) or _ignores(unit, resource):
                continue
            for index, entry in enumerate(as_sequence(resource.spec.get("data"))):
                reference = as_mapping(as_mapping(entry).get("remoteRef"))
                left_out = [field for field in _DEFAULTS if field not in reference]
                if left_out:
                    message = f"{resource.id} leaves out {', '.join(left_out)}, which the cluster fills in: {unit.id} syncs it again and again"
                    place = as_mapping(entry).place("remoteRef")
                    yield self.finding(
                        message, place, resource.id, other=unit.id, field=f"spec.data[{index}].remoteRef", cause="ExternalSecrets without defaults"
                    )
                    break


def _operator_version(context: Context) -> tuple[int, int] | None:
    versions = (chart_version(release.version) for release in context.cluster.releases if release.chart == "external-secrets")
    return next((version for version in versions if version is not None), None)


def _compares_on_server(unit: Unit, resource: Resource) -> bool:
    annotations = (as_mapping(as_mapping(node.get("metadata")).get("annotations")) for node in (unit.data, resource.data))
    # Applying from the server's side is not enough: fields within lists are still compared as they stand in git (measured with Argo CD 3.2).
    return any("ServerSideDiff=true" in as_text(each.get("argocd.argoproj.io/compare-options")) for each in annotations)


def _ignores(unit: Unit, resource: Resource) -> bool:
    entries = map(as_mapping, as_sequence(unit.spec.get("ignoreDifferences")))
    return any(as_text(entry.get("kind")) in (resource.id.kind, "*") and as_text(entry.get("group")) in (resource.id.group, "*") for entry in entries)


class PrunedWithOperator(Rule):
    """An operator is pruned before the objects whose finalizer it takes off.

    What it does: reports an Application that prunes, and applies an operator and objects with a finalizer of that operator in one wave, without
    `PruneLast=true` on the operator or the Application.

    Why it matters: removed together, the operator may be gone first. The finalizer is never taken off, and the namespace stays at Terminating.

    Example: before, operator and PushSecrets in wave 0; after, the operator in wave -1: Argo CD prunes in reverse order.

    Options: none.
    """

    id = "pruned-with-operator"
    fixable = True
    severity = Severity.NOTE
    symptoms = ("Terminating", "finalizers")

    def check(self, context: Context) -> Iterator[Finding]:
        releases = {release.unit: release for release in context.cluster.releases if release.unit is not None}
        seen: set[tuple[ResourceId, str]] = set()
        for unit, resource in context.synced_resources:
            row = context.table.row(*resource.id.group_kind)
            if row is None or row.finalizer is None or unit.id not in releases or unit.sync is None or "PruneLast=true" in unit.sync.options:
                continue
            policy = as_mapping(as_mapping(unit.spec.get("syncPolicy")).get("automated"))
            brought = any(
                edge.provision.resource == unit.id and edge.requirement.reason == "custom-resource-definition"
                for edge in context.graph.upstream(resource.id)
                if edge.requirement.resource == resource.id
            )
            if policy.get("prune") is not True or not brought or position(resource).step > (Phase.SYNC, 0) or (unit.id, resource.id.kind) in seen:
                continue
            seen.add((unit.id, resource.id.kind))
            yield self.finding(
                f"{unit.id} prunes {resource.id} together with the operator that takes off {row.finalizer}; put it into a later wave",
                resource.place,
                resource.id,
                other=unit.id,
                field="finalizers",
                cause="objects pruned together with the operator of their finalizer",
                remedy=remedies.set_wave(resource, 1),
            )


class RegeneratedSecret(Rule):
    """A random value that is made anew, while what uses it keeps the old one.

    What it does: reports an ExternalSecret that reads from a generator of random values (Password, SSHKey, UUID) without `refreshPolicy: CreatedOnce`
    and without `refreshInterval: "0"`.

    Why it matters: each refresh makes another value, and so does each change of a label or annotation, which Argo CD and `commonLabels` make. The database
    still has the old password.

    Example: before, `dataFrom: [{sourceRef: {generatorRef: {kind: Password, …}}}]`; after, with `refreshPolicy: CreatedOnce`.

    Options: none.
    """

    id = "regenerated-secret"
    severity = Severity.NOTE
    fixable = True
    symptoms = ("password authentication failed",)

    def check(self, context: Context) -> Iterator[Finding]:
        for resource in context.of_kind(_ESO, "ExternalSecret"):
            spec = resource.spec
            if spec.get("refreshPolicy") == "CreatedOnce" or str(spec.get("refreshInterval", "")) in ("0", "0s", "0h", "0m"):
                continue
            for index, entry in enumerate(as_sequence(spec.get("dataFrom"))):
                reference = as_mapping(as_mapping(as_mapping(entry).get("sourceRef")).get("generatorRef"))
                if as_text(reference.get("kind")) in _RANDOM:
                    message = (
                        f"{resource.id} takes a new value from {reference['kind']} {reference.get('name')} at each refresh; set refreshPolicy: CreatedOnce"
                    )
                    field = f"spec.dataFrom[{index}].sourceRef.generatorRef"
                    place = reference.place("kind")
                    cause = "random values that are made anew at each refresh"
                    yield self.finding(message, place, resource.id, field=field, cause=cause, remedy=remedies.create_once(resource))


def _external_secrets(context: Context) -> Iterator[tuple[Unit, Resource]]:
    """ExternalSecrets that Argo CD applies, with their Applications."""
    for unit, resource in context.synced_resources:
        if resource.id.group_kind == (_ESO, "ExternalSecret"):
            yield unit, resource
