"""The facts of a cluster: of its resources, of its releases, and of what is only known by its address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gitops_secrets.kinds.catalogue import (
    Catalogue,
    bundle_facts,
    controllers_of,
    distributed_objects,
    operators_of,
    release_facts,
)
from gitops_secrets.kinds.charts import Chart
from gitops_secrets.kinds.controllers import controller_requirement, webhook_requirement
from gitops_secrets.kinds.external_secret import LabelledNamespace, Namespaces, expand_cluster_external_secret
from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.kinds.webhooks import served_webhooks
from gitops_secrets.model.facts import Effect, Facts, Healing, ObjectNeed, Opaque, Problem, Provision, Release, Resource, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import as_mapping, as_sequence, as_text, is_same_node
from gitops_secrets.model.results import Cluster, Unit
from gitops_secrets.pipeline.given import FLUX_MANIFESTS, used_namespaces
from gitops_secrets.rendering.units import is_source


def known_remotes(cluster: Cluster, table: KindTable, catalogue: Catalogue) -> tuple[Cluster, list[tuple[ResourceId, Facts]]]:
    """What the catalogue knows of remote bases and of other people's repositories; the rest of those stays opaque."""
    declared = [applied.resource for applied in cluster.resources if is_source(applied.resource)]
    urls = {resource.id: as_text(as_mapping(resource.data.get("spec")).get("url")) for resource in declared}
    sources = {str(unit.id): (unit.id, urls.get(unit.source, "")) for unit in cluster.units if unit.source is not None}
    flux = catalogue.remote(FLUX_MANIFESTS)  # what applies units is there before them, also where a unit keeps it up to date
    opaque: list[Opaque] = []
    facts = []
    for entry in cluster.opaque:
        unit, url = (entry.applied_by, entry.thing) if entry.applied_by is not None else sources.get(entry.thing, (None, ""))
        bundle = catalogue.remote(url) if url else None
        if bundle is None or unit is None:
            opaque.append(entry)
            continue
        opaque.append(replace(entry, names=_names_of(bundle)))
        if bundle is not flux:
            facts.append((unit, bundle_facts(bundle, unit, entry.place, table)))
    return replace(cluster, opaque=tuple(opaque)), facts


def _names_of(bundle: Chart) -> tuple[str, ...]:
    """What is in the names of its objects: that of the bundle, or its first words (`system-upgrade` of `system-upgrade-controller`)."""
    product, _, _ = bundle.name.rpartition("-")
    return (product if "-" in product else bundle.name,)


class KnownFacts:
    """The facts of resources and releases, each worked out once, also where several clusters or another state of the repository share it."""

    def __init__(self, table: KindTable, catalogue: Catalogue, beside: KnownFacts | None = None) -> None:
        self.table = table
        self.catalogue = catalogue
        self._beside = beside
        # Kept with its facts, a resource keeps its id.
        self._of_resources: dict[int, tuple[Resource, Facts]] = {}
        self._of_releases: dict[ResourceId, list[tuple[Release, Facts]]] = {}

    def of(self, resource: Resource) -> Facts:
        """What a resource requires and provides: see `facts_of`."""
        known = self._of_resources.get(id(resource))
        if known is None:
            known = None if self._beside is None else self._beside._of_resources.get(id(resource))
            known = self._of_resources[id(resource)] = known or (resource, facts_of(resource, self.table))
        return known[1]

    def of_release(self, release: Release) -> Facts:
        """What installing a release requires and provides: see `release_facts`."""
        known = self._known_release(release)
        if known is None:
            known = None if self._beside is None else self._beside._known_release(release)
            known = known or (release, release_facts(release, self.catalogue, self.table))
            self._of_releases.setdefault(release.resource, []).append(known)
        return known[1]

    def leave(self) -> None:
        """Forgets the other state."""
        self._beside = None

    def _known_release(self, release: Release) -> tuple[Release, Facts] | None:
        candidates = self._of_releases.get(release.resource, ())
        return next((known for known in candidates if known[0] == release and is_same_node(known[0].values, release.values)), None)


def cluster_facts(cluster: Cluster, known: KnownFacts) -> Iterable[tuple[ResourceId, Facts]]:
    """What each resource and release of a cluster requires and provides, with the unit that applies it."""
    table, catalogue = known.table, known.catalogue
    unit_of = {applied.resource.id: applied.unit for applied in cluster.resources}
    served = {webhook.configuration.id: webhook for webhook in served_webhooks(applied.resource for applied in cluster.resources)}
    written = {group: id for id, webhook in served.items() for group in sorted(webhook.groups)}
    controllers = controllers_of(cluster.releases, catalogue)
    operators = {**written, **operators_of(cluster.releases, catalogue)}
    namespaces = []
    selecting: list[tuple[ResourceId, Resource]] = []
    for applied in cluster.resources:
        resource = applied.resource
        if resource.id in served:
            # It is there at once, and of use only later.
            answering = served[resource.id]
            yield unit_of[answering.workload.id], Facts(provisions=(answering.provision,))
            yield applied.unit, replace(known.of(resource), provisions=())
        else:
            yield applied.unit, known.of(resource)
        beside = (webhook_requirement(resource, operators, table), controller_requirement(resource, controllers))
        requirements = tuple(requirement for requirement in beside if requirement is not None)
        if requirements:
            yield applied.unit, Facts(requirements=requirements)
        if resource.id.kind == "Namespace" and not resource.id.group:
            labels = as_mapping(as_mapping(resource.data.get("metadata")).get("labels"))
            namespaces.append(LabelledNamespace(resource.id.name, tuple((key, str(value)) for key, value in labels.items())))
        elif resource.id.kind == "ClusterExternalSecret":
            selecting.append((applied.unit, resource))
    made = 0
    labelled = Namespaces(namespaces if selecting else ())
    for unit, resource in selecting:
        children = expand_cluster_external_secret(resource, labelled)
        made += len(children)
        if made > table.limits.objects:
            yield unit, _left_out(resource, table.limits)
            break
        for child in children:
            # The operator makes it: what it needs to be accepted keeps nothing of the unit itself waiting.
            facts = facts_of(child, table)
            requirements = tuple(replace(each, optional=True) if each.effect is Effect.APPLY else each for each in facts.requirements)
            yield unit, replace(facts, requirements=requirements)
    for applying in cluster.units:
        if applying.sync is not None and not applying.remote:
            yield applying.id, Facts(provisions=tuple(_made_namespace(applying)))
        if applying.sync is not None and applying.id not in unit_of and applying.parent is None:
            # Nothing here applies a root, but what it names has to be there all the same.
            named = facts_of(Resource(applying.id, "v1alpha1", applying.data, applying.place), table)
            requirements = tuple(requirement for requirement in named.requirements if isinstance(requirement.need, ObjectNeed))
            yield applying.id, Facts(requirements, problems=named.problems)
    used, retried = used_namespaces(cluster), _retried(cluster)
    for release in cluster.releases:
        unit = release.unit or unit_of.get(release.resource, release.resource)
        facts = known.of_release(release)
        yield unit, healing(facts) if release.resource in retried else facts
        yield unit, Facts(provisions=(*_bundled(release, table), *distributed_objects(release, used, catalogue)))


def _left_out(resource: Resource, limits: Limits) -> Facts:
    """What is known of a ClusterExternalSecret that makes more than is looked at."""
    why = f"with the others it makes too many ExternalSecrets; {limits.more('objects')}"
    kinds = frozenset({("", "Secret"), ("external-secrets.io", "ExternalSecret")})
    opaque = Opaque(str(resource.id), why, resource.place, kinds=kinds)
    return Facts(opaque=(opaque,), problems=(Problem(f"{resource.id} is left out, with those after it: {why}", resource.place, subject=str(resource.id)),))


def _retried(cluster: Cluster) -> frozenset[ResourceId]:
    """Releases that never run out of retries: by their strategy or remediation, or because helm-controller does so by default.

    https://fluxcd.io/flux/components/helm/helmreleases/#install-strategy; DefaultToRetryOnFailure is a feature gate of helm-controller since Flux 2.8.
    """
    releases = [applied.resource for applied in cluster.resources if applied.resource.id.kind == "HelmRelease"]
    always = are_all_retried(cluster)
    return frozenset(resource.id for resource in releases if always or is_retried(resource))


def are_all_retried(cluster: Cluster) -> bool:
    """Is helm-controller told to try every release again?"""
    engine = [applied.resource.spec for applied in cluster.resources if applied.resource.id.kind == "FluxInstance"]
    engine += [as_mapping(release.values.get("instance")) for release in cluster.releases if release.chart == "flux-instance"]
    patches = (as_text(as_mapping(patch).get("patch")) for spec in engine for patch in as_sequence(as_mapping(spec.get("kustomize")).get("patches")))
    return any(_RETRIED_BY_DEFAULT in patch for patch in patches)


def is_retried(resource: Resource) -> bool:
    """Does a HelmRelease say that it is tried again and again?"""
    install = as_mapping(resource.spec.get("install"))
    return as_mapping(install.get("strategy")).get("name") == "RetryOnFailure" or as_mapping(install.get("remediation")).get("retries") == -1


_RETRIED_BY_DEFAULT = "DefaultToRetryOnFailure=true"


def healing(facts: Facts) -> Facts:
    """The facts of a release that is tried again and again, minutes apart."""
    requirements = tuple(replace(each, healing=Healing.SLOW) if each.healing is Healing.NEVER else each for each in facts.requirements)
    return replace(facts, requirements=requirements)


def _bundled(release: Release, table: KindTable) -> Iterable[Provision]:
    """What the crds/ folder of a chart in this repository brings, as the release's own."""
    if release.crds == "Skip":
        return
    for resource in release.bundled:
        for provision in facts_of(resource, table).provisions:
            yield replace(provision, resource=release.resource, when=release.when)


def _made_namespace(unit: Unit) -> Iterable[Provision]:
    """The namespace of its destination, which Argo CD makes before a sync where an Application asks for it; that it lives in itself is there already."""
    if unit.sync is None or unit.sync.namespace in ("", unit.id.namespace) or "CreateNamespace=true" not in unit.sync.options:
        return
    policy = as_mapping(as_mapping(unit.data.get("spec")).get("syncPolicy"))
    written = as_mapping(as_mapping(policy.get("managedNamespaceMetadata")).get("labels"))
    labels = {"kubernetes.io/metadata.name": unit.sync.namespace, **{key: str(value) for key, value in written.items()}}
    need = ObjectNeed(ResourceId("", "Namespace", "", unit.sync.namespace))
    yield Provision(unit.id, need, When.NOW, policy.place("syncOptions"), labels=tuple(sorted(labels.items())), note="CreateNamespace=true")
