"""Rules about things that are required and not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule, closest, did_you_mean, doubt, manifests, same_kind, unless
from gitops_secrets.checks.evidence import consequence
from gitops_secrets.graph.graph import Unmet
from gitops_secrets.model.facts import Confidence, KindNeed, ObjectNeed, Requirement, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence
from gitops_secrets.model.results import Finding, Related, Remedy, Severity

# Put into the cluster by hand before anything is in git that could: the key that decrypts git, the credential that reads it.
_BY_HAND = frozenset({"decryption"})
_STORES = frozenset({"SecretStore", "ClusterSecretStore"})
# The steps of a dotted path: `name`, `["odd.name"]`, `[0]`.
_STEP = re.compile(r'([^.\[\]"]+)(?=[.\[]|$)|\["([^"]*)"\]|\[(\d+)\]')


class _MissingObject(Rule):
    """A required object that nothing brings. Subclasses say which."""

    severity = Severity.ERROR
    reasons: frozenset[str] = frozenset()
    kinds: frozenset[tuple[str, str]] = frozenset()

    def check(self, context: Context) -> Iterator[Finding]:
        found: dict[tuple[ResourceId, ResourceId], list[Unmet]] = {}
        for entry in context.graph.unmet:
            need = entry.requirement.need
            if not isinstance(need, ObjectNeed) or entry.missing_key is not None or not self._is_mine(entry, need.id):
                continue
            if entry.requirement.optional or entry.requirement.soft or in_other_namespace(context, need.id) is not None:
                continue
            found.setdefault((entry.requirement.resource, need.id), []).append(entry)
        for (_, target), entries in found.items():
            yield self._missing(context, entries, target)

    def _is_mine(self, entry: Unmet, target: ResourceId) -> bool:
        return entry.requirement.reason in self.reasons or (target.group, target.kind) in self.kinds

    def _missing(self, context: Context, entries: Sequence[Unmet], target: ResourceId) -> Finding:
        entry = entries[0]
        requirement = entry.requirement
        by_hand = requirement.reason in _BY_HAND
        confidence = Confidence.POSSIBLE if by_hand else doubt(entry.possible, requirement.confidence)
        ending = "; it has to be there before the engine starts" if by_hand else ""
        hint = self._hint(context, target)
        if confidence is Confidence.POSSIBLE and not by_hand and self._is_slip(context, target):
            # Something of nearly that name is there: a slip of the pen is likelier than a chart that makes just this.
            confidence = Confidence.LIKELY
        doubts = "" if by_hand else unless(entry.possible)
        message = f"{requirement.resource} needs {target}, which nothing in the repository makes{hint}{doubts}; {consequence(requirement)}{ending}"
        return self.finding(
            message,
            requirement.place,
            requirement.resource,
            other=target,
            confidence=confidence,
            related=[Related(f"also at {other.requirement.field}", other.requirement.place) for other in entries[1:]],
            field=requirement.field,
            cause=f"{target} is made by nothing in the repository{hint}",
            remedy=self._remedy(context, [entry.requirement for entry in entries], target),
        )

    def _remedy(self, context: Context, requirements: Sequence[Requirement], target: ResourceId) -> Remedy | None:
        names = (other.name for other in same_kind(context.graph, target) if other.namespace == target.namespace)
        return remedies.rename(requirements, target.name, remedies.slip(target.name, names))

    def _is_slip(self, context: Context, target: ResourceId) -> bool:
        names = (other.name for other in same_kind(context.graph, target) if other.namespace == target.namespace)
        return closest(target.name, names, 0.93) is not None

    def _hint(self, context: Context, target: ResourceId) -> str:
        known = [other for other in same_kind(context.graph, target) if other.namespace == target.namespace]
        near = closest(target.name, (other.name for other in known))
        return did_you_mean(near)


def in_other_namespace(context: Context, target: ResourceId) -> ResourceId | None:
    """The object of the same kind and name that exists in another namespace, if there is one."""
    return next(iter(_namesakes(context, target)), None)


def _namesakes(context: Context, target: ResourceId) -> list[ResourceId]:
    if not target.namespace:
        return []
    return [other for other in same_kind(context.graph, target) if other.name == target.name and other.namespace != target.namespace]


class MissingStore(_MissingObject):
    """An ExternalSecret or PushSecret names a store that is not there.

    What it does: reports a `secretStoreRef` that matches no SecretStore of the namespace or no ClusterSecretStore, with a hint where one of the other
    kind or of a similar name exists: `kind` defaults to SecretStore.

    Why it matters: the ExternalSecret stays at SecretSyncedError (`could not get secret data from provider`) and its Secret never comes.

    Example: before, `secretStoreRef: {name: aws}`; after, `secretStoreRef: {name: aws, kind: ClusterSecretStore}`.

    Options: none.
    """

    id = "missing-store"
    fixable = True
    symptoms = ("SecretSyncedError", "could not get SecretStore", "could not get secret data from provider")
    reasons = frozenset({"secret-store"})

    def _hint(self, context: Context, target: ResourceId) -> str:
        for other in sorted(context.graph.provisions):
            if other.kind in _STORES and other.kind != target.kind and other.name == target.name:
                return f" (a {other.kind} of that name is there: set kind: {other.kind})"
        return super()._hint(context, target)

    def _remedy(self, context: Context, requirements: Sequence[Requirement], target: ResourceId) -> Remedy | None:
        consumer = requirements[0].resource
        for other in sorted(context.graph.provisions):
            if other.kind in _STORES and other.kind != target.kind and other.name == target.name and other.namespace in ("", consumer.namespace):
                return remedies.other_kind(requirements, other.kind)
        return super()._remedy(context, requirements, target)


class MissingSecret(_MissingObject):
    """A Secret that is required and that nothing makes.

    What it does: reports a reference to a Secret that no manifest, ExternalSecret, SealedSecret, Certificate, generator or known operator brings.

    Why it matters: a pod waits for it for ever (CreateContainerConfigError), a store can't log in, a HelmRelease has no values. Nothing heals it.

    Example: before, `secretKeyRef: {name: db-credential}`; after, `secretKeyRef: {name: db-credentials}`.

    Options: name what is installed before the engine starts under `bootstrap` in the configuration.
    """

    id = "missing-secret"
    fixable = True
    symptoms = ("CreateContainerConfigError", "InvalidProviderConfig", "cannot get Kubernetes secret", 'secrets "x" not found')
    kinds = frozenset({("", "Secret")})


class MissingConfigMap(_MissingObject):
    """A ConfigMap that is required and that nothing makes.

    What it does: reports a reference to a ConfigMap that no manifest, generator or known operator brings.

    Why it matters: a pod waits for it for ever, a Kustomization's build fails, a HelmRelease has no values.

    Example: before, `configMapRef: {name: setting}`; after, `configMapRef: {name: settings}`.

    Options: none.
    """

    id = "missing-config-map"
    fixable = True
    symptoms = ("CreateContainerConfigError", 'configmaps "x" not found', "BuildFailed")
    kinds = frozenset({("", "ConfigMap")})


class MissingServiceAccount(_MissingObject):
    """A service account that is required and that nothing makes.

    What it does: reports a reference to a ServiceAccount that no manifest and no known chart brings.

    Why it matters: pods are refused, and a store that logs in with its token gets none.

    Example: before, `serviceAccountRef: {name: eso}`; after, `serviceAccountRef: {name: external-secrets}`.

    Options: none.
    """

    id = "missing-service-account"
    fixable = True
    symptoms = ('serviceaccounts "x" not found', "InvalidProviderConfig", "FailedCreate")
    kinds = frozenset({("", "ServiceAccount")})


class MissingSource(_MissingObject):
    """A Flux source that is required and that nothing declares.

    What it does: reports the source of a Kustomization or chart that no manifest of the cluster declares and that the bootstrap doesn't make.

    Why it matters: the unit stays at ArtifactFailed or SourceNotReady until the source appears.

    Example: before, `sourceRef: {kind: HelmRepository, name: jetstak}`; after, `sourceRef: {kind: HelmRepository, name: jetstack}`.

    Options: `sources` in the configuration names sources that are made elsewhere.
    """

    id = "missing-source"
    fixable = True
    symptoms = ("ArtifactFailed", "SourceNotReady", "failed to get source")
    reasons = frozenset({"source", "chart"})


class MissingObject(_MissingObject):
    """Something else that is required and that nothing makes.

    What it does: reports references to an issuer, a generator, a storage class, a volume claim, a project or another named object that no manifest and no
    known chart brings. Secrets, ConfigMaps, stores, service accounts, sources and namespaces have rules of their own.

    Why it matters: the Certificate, ExternalSecret or claim that refers to it is accepted and waits for ever.

    Example: before, `issuerRef: {name: lets-encrypt, kind: ClusterIssuer}`; after, `issuerRef: {name: letsencrypt, kind: ClusterIssuer}`.

    Options: name what is installed before the engine starts under `bootstrap` in the configuration.
    """

    id = "missing-object"
    fixable = True
    symptoms = ("IssuerNotFound", "ProvisioningFailed", "could not get generator")
    severity = Severity.NOTE

    def _is_mine(self, entry: Unmet, target: ResourceId) -> bool:
        named_elsewhere = (target.group, target.kind) in {("", kind) for kind in ("Secret", "ConfigMap", "ServiceAccount", "Namespace")}
        return not named_elsewhere and entry.requirement.reason not in ("secret-store", "source", "chart", "webhook")


class MissingNamespace(_MissingObject):
    """The namespace of an object is made by nothing.

    What it does: reports objects in a namespace that no manifest, no chart with `createNamespace` and no bootstrap makes.

    Why it matters: the API server refuses the object, and Flux with it everything else of its unit (`namespaces "x" not found`). Nothing heals it.

    Example: before, `metadata: {namespace: shop}`; after, a Namespace manifest `shop` in the unit or in one before it.

    Options: name what is installed before the engine starts under `bootstrap` in the configuration.
    """

    id = "missing-namespace"
    symptoms = ('namespaces "x" not found', "ReconciliationFailed")
    kinds = frozenset({("", "Namespace")})

    def check(self, context: Context) -> Iterator[Finding]:
        seen: dict[tuple[ResourceId, ResourceId], list[Unmet]] = {}
        for entry in context.graph.unmet:
            need = entry.requirement.need
            if isinstance(need, ObjectNeed) and self._is_mine(entry, need.id) and not entry.requirement.optional and not entry.requirement.soft:
                seen.setdefault((entry.unit, need.id), []).append(entry)
        for (unit, target), entries in seen.items():
            first = entries[0]
            near = closest(target.name, (other.name for other in same_kind(context.graph, target)))
            hint = did_you_mean(near)
            more = f" and {len(entries) - 1} more of {unit}" if len(entries) > 1 else ""
            live, be = ("live", "they are") if more else ("lives", "it is")
            where = f"namespace {target.name}, which nothing in the repository makes{hint}{unless(first.possible)}"
            yield self.finding(
                f"{first.requirement.resource}{more} {live} in {where}; {be} refused for ever",
                first.requirement.place,
                unit,
                other=target,
                confidence=doubt(first.possible),
                related=[Related(f"{entry.requirement.resource} lives there", entry.requirement.place) for entry in entries],
                field="metadata.namespace",
                cause=f"{target} is made by nothing in the repository{hint}",
            )


class WrongNamespace(Rule):
    """Something is required in one namespace and exists in another.

    What it does: reports references to an object that is not there, where one of the same kind and name exists in another namespace.

    Why it matters: references to Secrets, ConfigMaps, service accounts and SecretStores never cross a namespace: the consumer waits for ever.

    Example: before, an ExternalSecret in `shop` whose SecretStore lies in `stores`; after, a SecretStore in `shop`, or a ClusterSecretStore.

    Options: none.
    """

    id = "wrong-namespace"
    fixable = True
    symptoms = ("could not get SecretStore", "cannot get Kubernetes secret", "CreateContainerConfigError", "SourceNotReady")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        found: dict[tuple[ResourceId, ResourceId, ResourceId], list[Unmet]] = {}
        for entry in context.graph.unmet:
            need, requirement = entry.requirement.need, entry.requirement
            if not isinstance(need, ObjectNeed) or entry.missing_key is not None or requirement.optional or requirement.soft:
                continue
            other = in_other_namespace(context, need.id)
            if other is not None:
                found.setdefault((requirement.resource, need.id, other), []).append(entry)
        for (consumer, target, other), entries in found.items():
            requirement, possible = entries[0].requirement, entries[0].possible
            advice = _across(requirement, target, other)
            brought = [Related(f"{other} is made here", provision.place) for provision in context.graph.provisions[other][:1]]
            yield self.finding(
                f"{consumer} needs {target}, which is not there ({other} is){unless(possible)}; {consequence(requirement)}; {advice}",
                requirement.place,
                consumer,
                other=target,
                confidence=doubt(possible, Confidence.LIKELY),
                related=[*brought, *(Related(f"also at {entry.requirement.field}", entry.requirement.place) for entry in entries[1:])],
                field=requirement.field,
                cause=f"{target} is not there ({other} is); {advice}",
                remedy=remedies.other_namespace(requirement, _namesakes(context, target)),
            )


def _across(requirement: Requirement, target: ResourceId, other: ResourceId) -> str:
    """What to do about something that exists in another namespace."""
    if requirement.reason in ("source", "chart"):
        return f"the namespace of the reference is {other.namespace}"
    if target.kind == "SecretStore":
        return f"make it a ClusterSecretStore, or one in {target.namespace}"
    if requirement.resource.namespace in ("", other.namespace):
        return f"it is looked for in {target.namespace}: move it there"
    return f"references don't cross namespaces: make it in {target.namespace}"


class MissingKey(Rule):
    """A key is asked of a Secret or ConfigMap that doesn't have it.

    What it does: reports a reference to a key where the object's keys are all known and this one is not among them: an ExternalSecret's `data` and
    template, a generator's output, the literals of a kustomize generator.

    Why it matters: the pod stays at CreateContainerConfigError, the store can't log in, the release has no value. Nothing heals it.

    Example: before, `secretKeyRef: {name: db, key: passwd}`; after, `secretKeyRef: {name: db, key: password}`.

    Options: none.
    """

    id = "missing-key"
    fixable = True
    symptoms = ("CreateContainerConfigError", "couldn't find key")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        resources = manifests(context)
        for entry in context.graph.unmet:
            provision, need, requirement = entry.missing_key, entry.requirement.need, entry.requirement
            if provision is None or not isinstance(need, ObjectNeed) or requirement.optional or requirement.soft:
                continue
            keys = sorted(provision.keys or ())
            near = closest(need.key or "", keys)
            hint = did_you_mean(near) or (f" (it has {', '.join(keys)})" if 0 < len(keys) <= 6 else "")
            is_itself = provision.resource == need.id
            lacks = "which has no such key" if is_itself else f"which {provision.resource} doesn't make"
            place, field = _key_place(resources.get(requirement.resource), requirement, need.key or "")
            # A Secret without any key is there to be filled: by a replicator, by hand, by a controller of its type.
            doubts = "" if keys else ", unless something fills it"
            yield self.finding(
                f"{requirement.resource} needs key {need.key} of {need.id}, {lacks}{hint}{doubts}; {consequence(requirement)}",
                place,
                requirement.resource,
                other=need.id,
                confidence=requirement.confidence if keys else Confidence.POSSIBLE,
                related=[Related(f"{need.id} is made here", provision.place)],
                field=field,
                cause=f"{provision.resource} {'has no' if is_itself else 'does not make'} key {need.key}{'' if is_itself else f' of {need.id}'}{hint}",
                remedy=remedies.other_key(requirement, need.key or "", remedies.slip(need.key or "", keys)),
            )


def _key_place(resource: Resource | None, requirement: Requirement, key: str) -> tuple[Place, str]:
    """Where a key is written that is asked of an object, and its field: beside the name of the object, or among the items there."""
    steps = [name or quoted or int(index) for name, quoted, index in _STEP.findall(requirement.field)]
    node: Any = resource.data if resource is not None else None
    for step in steps[:-1]:
        sequence = as_sequence(node)
        node = as_mapping(node).get(step) if isinstance(step, str) else sequence[step] if step < len(sequence) else None
    parent, field = as_mapping(node), requirement.field.rpartition(".")[0]
    for name, value in parent.items():
        if value == key and name != "name":
            return parent.place(name), f"{field}.{name}"
        for index, item in enumerate(as_sequence(value)):
            if as_mapping(item).get("key") == key:
                return as_mapping(item).place("key"), f"{field}.{name}[{index}].key"
    return requirement.place, requirement.field


class MissingCustomResourceDefinition(Rule):
    """A custom resource is of a kind that nothing brings.

    What it does: reports kinds in use whose CustomResourceDefinition comes from no manifest, no chart in the repository and no known chart of the
    cluster, or whose chart has its CRDs switched off.

    Why it matters: the API server refuses the object (`no matches for kind`), and Flux everything else of its unit. Nothing heals it.

    Example: before, a HelmRelease of cert-manager without values; after, `values: {crds: {enabled: true}}`.

    Options: name what is installed before the engine starts under `bootstrap` in the configuration; add kinds under `kinds`.
    """

    id = "missing-custom-resource-definition"
    symptoms = ("no matches for kind", "dry-run failed")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        groups: dict[tuple[ResourceId, str], list[Unmet]] = {}
        for entry in context.graph.unmet:
            if isinstance(entry.requirement.need, KindNeed) and not entry.other_versions:
                groups.setdefault((entry.unit, str(entry.requirement.need)), []).append(entry)
        for (unit, crd), entries in groups.items():
            first = entries[0]
            if first.requirement.optional or first.requirement.soft:
                continue
            need = first.requirement.need
            assert isinstance(need, KindNeed)  # grouped by just these above
            hint, place = self._hint(context, need)
            more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
            need_it, be = ("need", "they are") if more else ("needs", "it is")
            what = f"{crd}, which nothing in the repository brings{hint}{unless(first.possible)}"
            soft = context.table.row(first.requirement.resource.group, first.requirement.resource.kind)
            yield self.finding(
                f"{first.requirement.resource}{more} {need_it} {what}; {be} refused for ever",
                place or first.requirement.place,
                unit,
                other=crd,
                confidence=doubt(first.possible, Confidence.LIKELY),
                severity=Severity.NOTE if soft is not None and soft.soft else None,
                related=[Related(f"{entry.requirement.resource} is of this kind", entry.requirement.place) for entry in entries],
                field=f"apiVersion {crd}",
                cause=f"{crd} is brought by nothing in the repository{hint}" if place is None else f"kinds that nothing in the repository brings{hint}",
            )

    def _hint(self, context: Context, need: KindNeed) -> tuple[str, Place | None]:
        """What chart would bring a kind, and the place to say so if that chart is there with its definitions switched off."""
        charts = [chart for chart in context.catalogue.charts if any((each.group, each.kind) == (need.group, need.kind) for each in chart.provides)]
        for release in context.cluster.releases:
            chart = context.catalogue.chart(release.chart, release.repository)
            if chart is not None and chart in charts and not chart.brings_definitions(release.values, release.crds):
                if not chart.flags or release.crds == "Skip":
                    return f" ({release.resource} has its CRDs switched off)", release.place
                path = [str(step) for step in chart.flags[0].path]
                return f" ({release.resource} has its CRDs switched off: set {'.'.join(path)}: true)", _place_of(release.values, path) or release.place
        return (f" (the chart {charts[0].name} would)" if charts else ""), None


def _place_of(node: MappingNode, path: Sequence[str]) -> Place | None:
    """Where the deepest key of a path is written, as far as it is."""
    found = None
    for step in path:
        if step not in node:
            break
        found = node.place(step)
        node = as_mapping(node[step])
    return found


class UnservedVersion(Rule):
    """An object is written in a version that is no longer, or not yet, served.

    What it does: reports objects whose kind the cluster serves, but not in the version that they are written in, as the pinned chart or the
    CustomResourceDefinition in the repository says.

    Why it matters: the API server refuses the object with `no matches for kind`, which reads like a missing CRD, and Flux everything else of its unit.

    Example: before, `apiVersion: external-secrets.io/v1beta1` with operator 0.17 or later; after, `apiVersion: external-secrets.io/v1`.

    Options: none.
    """

    id = "unserved-version"
    fixable = True
    symptoms = ("no matches for kind", "dry-run failed")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        specs = {applied.resource.id: applied.resource.data.get("spec") for applied in context.cluster.resources}
        for entry in context.graph.unmet:
            need, requirement = entry.requirement.need, entry.requirement
            if not isinstance(need, KindNeed) or not entry.other_versions:
                continue
            served = sorted({provision.provides.version for provision in entry.other_versions if isinstance(provision.provides, KindNeed)})
            by = entry.other_versions[0]
            versions = " or ".join(f"{need.group}/{version}" for version in served)
            yield self.finding(
                f"{requirement.resource} is written in {need.group}/{need.version}, which {by.resource} does not serve; it is refused with"
                f" `no matches for kind`; write {versions}",
                requirement.place,
                requirement.resource,
                other=need,
                confidence=by.confidence,
                related=[Related(f"{by.resource} brings the kind", by.place)],
                field="apiVersion",
                cause=f"{need.group}/{need.version} is not served by {by.resource}; write {versions}",
                remedy=remedies.serve(requirement, need.version, served, specs.get(requirement.resource)),
            )
