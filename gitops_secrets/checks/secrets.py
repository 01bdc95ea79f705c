"""Rules about who may read through a store, and who makes a Secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.checks.evidence import consequence
from gitops_secrets.kinds.external_secret import GROUP as ESO
from gitops_secrets.kinds.external_secret import NAME_LABEL, matches_labels
from gitops_secrets.model.facts import Confidence, ObjectNeed, Provision, Resource, When
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId, kind_text
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text
from gitops_secrets.syntax.pattern import PatternError, compile_pattern


class StoreNotAllowed(Rule):
    """A store doesn't serve who asks it.

    What it does: reports a reference to a ClusterSecretStore whose `conditions` leave out the namespace of who refers to it. Entries are alternatives:
    exact `namespaces`, a `namespaceSelector` over the labels of the Namespace manifest, `namespaceRegexes` (which match anywhere in the name). Also a
    store whose `controller` is a class that no operator of the cluster serves.

    Why it matters: the ExternalSecret stays at SecretSyncedError; only its event says why (`using cluster store "aws" is not allowed from namespace "shop":
    denied by spec.condition`), and the store itself says Valid. A store of a foreign class, and what reads through it, never gets a status at all, so that
    `wait: true` passes at once. Nothing heals either.

    Example: before, `conditions: [{namespaces: [billing]}]`; after, `conditions: [{namespaces: [billing, shop]}]`.

    Options: none.
    """

    id = "store-not-allowed"
    symptoms = ("SecretSyncedError", "is not allowed from namespace", "denied by spec.condition")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        resources = context.manifests
        for edge in context.graph.resource_edges:
            need, requirement = edge.requirement.need, edge.requirement
            if requirement.reason != "secret-store" or edge.is_alternative or not isinstance(need, ObjectNeed) or not requirement.resource.namespace:
                continue
            store = resources.get(need.id)
            if need.id.kind != "ClusterSecretStore" or store is None:
                continue
            namespace = requirement.resource.namespace
            spec = store.spec
            confidence = _denied(spec, namespace, _labels(context, resources, namespace))
            if confidence is None:
                continue
            doubt = ", unless its labels let it in: no manifest of it is here" if confidence is Confidence.POSSIBLE else ""
            advice = _admission(spec, namespace)
            yield self.finding(
                f"{requirement.resource} needs {need.id}, whose conditions exclude namespace {namespace}{doubt}; {consequence(requirement)}; {advice}",
                requirement.place,
                requirement.resource,
                other=need.id,
                confidence=confidence,
                related=[Related(f"conditions of {need.id}", spec.place("conditions"))],
                field=requirement.field,
                cause=f"the conditions of {need.id} exclude namespace {namespace}; {advice}",
            )
        yield from self._foreign_class(context)

    def _foreign_class(self, context: Context) -> Iterator[Finding]:
        """Stores of a class that no operator of the cluster serves, as far as its releases are in the repository."""
        served = {_controller_class(release.values): release.resource for release in context.cluster.releases if release.chart == "external-secrets"}
        for store in (*context.of_kind(ESO, "SecretStore"), *context.of_kind(ESO, "ClusterSecretStore")) if served else ():
            id, spec = store.id, store.spec
            wanted = as_text(spec.get("controller"))
            if wanted in ("", *served):
                continue
            operators = " and ".join(f"{release} serves {name}" for name, release in sorted(served.items()))
            skipped = "it and what reads through it are skipped without any status"
            yield self.finding(
                f"{id} is for the controller class {wanted}, which no operator here serves ({operators}); {skipped}; remove controller, or set controllerClass",
                spec.place("controller"),
                id,
                confidence=Confidence.LIKELY,
                field="spec.controller",
                cause=f"stores of the controller class {wanted}, which no operator here serves ({operators}); {skipped}",
            )


def _controller_class(values: MappingNode) -> str:
    """The class of stores that a release of the operator serves."""
    return as_text(as_mapping(values.get("extraArgs")).get("controller-class")) or as_text(values.get("controllerClass")) or "default"


def _labels(context: Context, resources: Mapping[ResourceId, Resource], namespace: str) -> dict[str, str] | None:
    """The labels of a namespace, with those that the API server and Flux add; None if no manifest of it is here."""
    id = ResourceId("", "Namespace", "", namespace)
    manifest = resources.get(id)
    if manifest is None:
        return None
    written = manifest.labels
    labels = {key: value for key, value in written.items() if isinstance(value, str)}
    unit = context.graph.unit_of.get(id)
    if unit is not None and unit.kind == "Kustomization":
        labels |= {"kustomize.toolkit.fluxcd.io/name": unit.name, "kustomize.toolkit.fluxcd.io/namespace": unit.namespace}
    return labels | {NAME_LABEL: namespace}


def _denied(spec: MappingNode, namespace: str, labels: Mapping[str, str] | None) -> Confidence | None:
    """How sure it is that a store's conditions exclude a namespace; None if they let it in, or can't be judged."""
    conditions = as_sequence(spec.get("conditions"))
    if not conditions:
        return None
    sure = Confidence.CERTAIN
    for condition in map(as_mapping, conditions):
        patterns = [as_text(pattern) for pattern in as_sequence(condition.get("namespaceRegexes"))]
        if namespace in as_sequence(condition.get("namespaces")) or any(_may_match(pattern, namespace) for pattern in patterns):
            return None
        selector = condition.get("namespaceSelector")
        if isinstance(selector, MappingNode):
            if matches_labels(selector, labels or {NAME_LABEL: namespace}):
                return None
            sure = Confidence.POSSIBLE if labels is None else Confidence.LIKELY if sure is Confidence.CERTAIN else sure
    return sure


def _may_match(pattern: str, namespace: str) -> bool:
    """Does a pattern match somewhere in a name, as Go's `regexp.MatchString` does? One that Go refuses counts as matching."""
    try:
        return compile_pattern(pattern).finds(namespace)
    except PatternError:
        return True


def _admission(spec: MappingNode, namespace: str) -> str:
    """What lets a namespace in."""
    selectors = [as_mapping(as_mapping(condition).get("namespaceSelector")) for condition in as_sequence(spec.get("conditions"))]
    labels = [f"{key}: {value}" for selector in selectors for key, value in as_mapping(selector.get("matchLabels")).items() if isinstance(value, str)]
    named = any("namespaces" in as_mapping(condition) for condition in as_sequence(spec.get("conditions")))
    if labels and not named:
        return f"label the namespace {labels[0]}"
    return f"add {namespace} to the store's conditions"


class DuplicateOwner(Rule):
    """A Secret has two makers.

    What it does: reports a Secret that an ExternalSecret or SealedSecret makes and that another one, a manifest or a Certificate makes as well. Not: an
    ExternalSecret with `creationPolicy: Merge` or `CreateOrMerge` beside a manifest, a manifest without keys or with
    `kustomize.toolkit.fluxcd.io/ssa: IfNotPresent`, an `Orphan` that is `CreatedOnce`, Secrets that a SealedSecret may take over.

    Why it matters: of two ExternalSecrets the first one gets the Secret, the other stays at SecretSyncedError (`target is owned by another ExternalSecret`);
    which one that is, changes from cluster to cluster. A manifest and an ExternalSecret overwrite each other: the operator takes the Secret over and wipes
    foreign keys, and at each interval the unit puts them back for a moment, while both say Ready.

    Example: before, two ExternalSecrets with `target: {name: db}`; after, one with two entries under `dataFrom`, or two targets.

    Options: none.
    """

    id = "duplicate-owner"
    symptoms = ("SecretSyncedError", "target is owned by another ExternalSecret")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        resources = context.manifests
        for target in sorted(context.graph.provisions):
            found = context.graph.provisions[target]
            if target.group_kind == ("", "Secret") and len(found) > 1:
                yield from self._rivals(target, [_Maker(provision, resources.get(provision.resource)) for provision in found])

    def _rivals(self, target: ResourceId, found: list[_Maker]) -> Iterator[Finding]:
        makers: dict[ResourceId, _Maker] = {}
        for maker in found:
            if maker.counts:
                makers.setdefault(maker.id, maker)
        ordered = sorted(makers.values(), key=lambda maker: (not maker.is_external, maker.kind == "Secret", maker.provision.place))
        for position, rival in enumerate(ordered[1:], start=1):
            # The one that a person would take away stands first: of two alike the one that is written later.
            first = next((other for other in ordered[:position] if _collide(other, rival)), None)
            if first is None:
                continue
            edited, other = (rival, first) if rival.is_external or first.kind == rival.kind else (first, rival)
            yield self.finding(
                f"{edited.id} and {_named(other)} both make {target}: {_quarrel(edited, other)}",
                edited.provision.place,
                edited.id,
                other=other.id,
                confidence=Confidence.CERTAIN if other.kind in _CERTAIN else Confidence.LIKELY,
                related=[Related(f"{target} is made here as well", other.provision.place)],
                field="spec.target.name",
                cause=f"{target} has two makers: {_quarrel(edited, other)}",
            )


class _Maker:
    """Who makes a Secret, and how."""

    def __init__(self, provision: Provision, resource: Resource | None) -> None:
        self.provision = provision
        self.id = provision.resource
        self.kind = kind_text(*self.id.group_kind)
        self.is_external = self.id.group_kind == (ESO, "ExternalSecret")
        data = resource.data if resource is not None else MappingNode()
        self.annotations = as_mapping(as_mapping(data.get("metadata")).get("annotations"))
        spec = as_mapping(data.get("spec"))
        self.policy = as_text(as_mapping(spec.get("target")).get("creationPolicy")) or "Owner"
        self.writes_once = spec.get("refreshPolicy") == "CreatedOnce" or as_text(spec.get("refreshInterval")) in ("0", "0s")

    @property
    def is_copied(self) -> bool:
        """Does it lie in another namespace? Then a controller copies what it makes, and leaves alone what is there already."""
        need = self.provision.provides
        return isinstance(need, ObjectNeed) and need.id.namespace != self.id.namespace

    @property
    def counts(self) -> bool:
        """Does it claim the Secret's content again and again? What is applied once, or has no content, does not."""
        if self.provision.when is When.BEFORE or self.kind not in _MAKERS or self.is_copied:
            return False
        if self.is_external and self.policy == "Orphan" and self.writes_once:
            return False  # hands over what it restored: a backup of a certificate, say
        if self.kind != "Secret":
            return True
        applied_once = self.annotations.get("kustomize.toolkit.fluxcd.io/ssa") in ("IfNotPresent", "Ignore")
        return bool(self.provision.keys) and not applied_once and self.annotations.get("kustomize.toolkit.fluxcd.io/reconcile") != "disabled"

    @property
    def may_be_taken_over(self) -> bool:
        """Has a Secret's manifest given its consent to be written by a SealedSecret?"""
        return any(self.annotations.get(f"sealedsecrets.bitnami.com/{word}") == "true" for word in ("managed", "patch"))


_CERTAIN: Final = frozenset({"ExternalSecret", "Secret"})
_MAKERS: Final = _CERTAIN | {"SealedSecret.bitnami.com", "ExternalSecret.kubernetes-client.io", "Certificate.cert-manager.io"}


def _collide(first: _Maker, second: _Maker) -> bool:
    if first.is_external and second.is_external:
        # An ExternalSecret refuses a Secret that another one owns, to merge into it as well. Two that only merge get along.
        return "Owner" in (first.policy, second.policy) or {first.policy, second.policy} == {"Orphan"}
    if first.is_external or second.is_external:
        return (first if first.is_external else second).policy in ("Owner", "Orphan")
    if {first.kind, second.kind} == {"SealedSecret.bitnami.com", "Secret"}:
        return not (first.may_be_taken_over or second.may_be_taken_over)
    return "SealedSecret.bitnami.com" in (first.kind, second.kind)


def _named(maker: _Maker) -> str:
    return f"a manifest ({maker.provision.place})" if maker.kind == "Secret" else str(maker.id)


def _quarrel(edited: _Maker, other: _Maker) -> str:
    """What comes of it, and what to do."""
    if other.is_external:
        return "the first one gets it, the other stays at SecretSyncedError; make it with one of them, or give each its own target.name"
    if other.kind == "ExternalSecret.kubernetes-client.io":
        return "the old operator writes it every 10 s and the new one refuses it; hand it over first"
    if not edited.is_external:
        return "the SealedSecret stays at Synced=False and does not touch it; remove one, or annotate the Secret sealedsecrets.bitnami.com/managed"
    if other.kind == "Secret":
        return "the operator wipes the manifest's keys, and each interval puts them back for a moment; use creationPolicy: Merge, or another target.name"
    if other.kind == "SealedSecret.bitnami.com":
        return "the first one gets it, the other refuses to touch it; use one of them, or another target.name"
    if edited.policy == "Orphan":
        return "each overwrites what the other wrote; if it only restores what was saved, refreshPolicy: CreatedOnce does that"
    return "each overwrites what the other wrote; use creationPolicy: Merge, or another target.name"
