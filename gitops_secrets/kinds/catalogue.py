"""A Helm release to its facts, by what the catalogue knows of the chart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from gitops_secrets.kinds.charts import Catalogue, Chart, ChartNames, default_catalogue, full_name
from gitops_secrets.kinds.paths import Way, field_text
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.kinds.texts import TextReader
from gitops_secrets.kinds.values import monitors_in, references_in, with_defaults
from gitops_secrets.model.facts import (
    Confidence,
    Effect,
    Facts,
    Healing,
    KindNeed,
    ObjectNeed,
    Opaque,
    Provision,
    Release,
    Requirement,
    When,
)
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_text
from gitops_secrets.model.scopes import BUILT_IN_KINDS

__all__ = [
    "CHART_PRODUCTS",
    "Catalogue",
    "Chart",
    "bundle_facts",
    "default_catalogue",
    "distributed_objects",
    "network_definitions",
    "operators_of",
    "release_facts",
]

# A chart that the catalogue knows may still make any of these; it is no secret which definitions it brings, and none makes a Namespace.
_KNOWN_ELSEWHERE: Final = frozenset({("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition")})
CHART_PRODUCTS: Final = frozenset(key for key in BUILT_IN_KINDS if key not in _KNOWN_ELSEWHERE) | {
    ("cert-manager.io", "Certificate"),
    ("cert-manager.io", "Issuer"),
    ("cert-manager.io", "ClusterIssuer"),
    ("external-secrets.io", "ExternalSecret"),
    ("external-secrets.io", "SecretStore"),
    ("external-secrets.io", "ClusterSecretStore"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
    ("k8s.cni.cncf.io", "NetworkAttachmentDefinition"),
    ("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
}
_RELEASE_NAME: Final = re.compile(r"\{\{-?\s*\$?\.Release\.Name\s*-?\}\}")
_RELEASE_NAMESPACE: Final = re.compile(r"\{\{-?\s*\$?\.Release\.Namespace\s*-?\}\}")
_MONITORING: Final = "monitoring.coreos.com"
_SERVICE_ACCOUNT: Final = ("", "ServiceAccount")


def release_facts(release: Release, catalogue: Catalogue, table: KindTable) -> Facts:
    """What installing `release` requires and provides.

    Of a chart that the catalogue doesn't know only this is certain: it may make anything in its namespace, and anything cluster-scoped.
    """
    provisions = [*_namespace(release)]
    texts = TextReader(release.resource, table.limits)
    requirements = [*_value_references(release, table, texts)]
    chart = catalogue.chart(release.chart, release.repository) if release.chart else None
    if chart is None or not chart.complete:
        provisions += _likely_services(release)
    requirements += _monitors(chart, release, table)
    if chart is None:
        name = f"chart {release.chart!r}" if release.chart else "a chart"
        why = f"{name} is not known: what it makes is not in the repository"
        foreign, words = not _carries_manifests(release), frozenset(_names_in(release.values))
        opaque = Opaque(str(release.resource), why, release.place, release.namespace or None, foreign=foreign, words=words)
        return Facts(tuple(requirements), tuple(provisions), (opaque,), tuple(texts.problems))
    provisions += _definitions(chart, release, table)
    provisions += _objects(chart, release, table)
    if chart.has_webhook(release.values):
        webhook = ObjectNeed(webhook_id(chart, release))
        provisions.append(Provision(release.resource, webhook, release.when, release.place, confidence=Confidence.LIKELY, workload=chart.answers))
    requirements += _consumed(chart, release, table)
    if chart.complete:
        return Facts(tuple(requirements), (*provisions, *_registered(release, catalogue, table)), problems=tuple(texts.problems))
    kinds = CHART_PRODUCTS - {_SERVICE_ACCOUNT} if chart.knows_service_accounts else CHART_PRODUCTS
    why = f"chart {release.chart!r} is not rendered"
    # By the conventions of `helm create` everything that a chart makes has the release or the chart in its name.
    names = tuple(dict.fromkeys((release.name, chart.name, as_text(release.values.get("fullnameOverride")) or release.name)))
    opaque = Opaque(str(release.resource), why, release.place, release.namespace or None, kinds, names=names, foreign=not _carries_manifests(release))
    return Facts(tuple(requirements), tuple(provisions), (opaque,), tuple(texts.problems))


def _carries_manifests(release: Release) -> bool:
    """Does a chart pass on whole objects, as its values show, or its name says so?"""
    words = ("store", "raw", "flux", "secret", "eso-")
    return any(word in name for name in (release.chart or "", release.name) for word in words) or _holds_manifest(release.values)


def _holds_manifest(value: object) -> bool:
    if isinstance(value, MappingNode):
        return ("apiVersion" in value and "kind" in value) or any(map(_holds_manifest, value.values()))
    if isinstance(value, str):
        return "apiVersion:" in value
    return isinstance(value, SequenceNode) and any(map(_holds_manifest, value))


def _names_in(value: object) -> Iterator[str]:
    """What values call by a name: keys of mappings in mappings (`projects: {platform: {…}}`), and `name`."""
    if isinstance(value, MappingNode):
        yield from (key for key, item in value.items() if isinstance(item, MappingNode))
        if isinstance(value.get("name"), str):
            yield value["name"]
    if isinstance(value, MappingNode | SequenceNode):
        for item in value.values() if isinstance(value, MappingNode) else value:
            yield from _names_in(item)


def _namespace(release: Release) -> list[Provision]:
    if not release.create_namespace or not release.namespace:
        return []
    namespace = ResourceId("", "Namespace", "", release.namespace)
    # The API server puts this label on every Namespace.
    labels = (("kubernetes.io/metadata.name", release.namespace),)
    return [Provision(release.resource, ObjectNeed(namespace), release.when, release.place, labels=labels, note="made by the release")]


def _definitions(chart: Chart, release: Release, table: KindTable) -> list[Provision]:
    confidence = chart.brings_definitions(release)
    if confidence is None:
        return []
    runtime = chart.crds == "runtime"
    note = chart.note or (f"the controller of chart {chart.name!r} registers it after start" if runtime else None)
    provisions = []
    for brought in chart.provides:
        if brought.switch is not None and not brought.switch.is_on(release.values):
            continue
        for version in chart.served(brought.group, brought.kind, release.version, release.values):
            need = KindNeed(brought.group, brought.kind, version, table.plural(brought.group, brought.kind))
            provisions.append(
                Provision(
                    release.resource,
                    need,
                    release.when,
                    release.place,
                    confidence=confidence,
                    ready_signal=not runtime,
                    note=note,
                )
            )
    return provisions


def _registered(release: Release, catalogue: Catalogue, table: KindTable) -> Iterator[Provision]:
    """Kinds that the programs in a release of a chart for anything register once they run."""
    for name in dict.fromkeys(_images(release.values)):
        program = catalogue.image(name)
        for brought in program.provides if program is not None else ():
            need = KindNeed(brought.group, brought.kind, "", table.plural(brought.group, brought.kind))
            note = f"{name} registers it after start"
            yield Provision(release.resource, need, release.when, release.place, confidence=Confidence.LIKELY, ready_signal=False, note=note)


def _images(values: object) -> Iterator[str]:
    """The names of container images in values, without their tags."""
    if isinstance(values, MappingNode):
        for key, value in values.items():
            if key == "image":
                text = as_text(as_mapping(value).get("repository")) or (value if isinstance(value, str) else "")
                yield re.sub(r":[^/:]*\Z", "", text.partition("@")[0])
            else:
                yield from _images(value)
    elif isinstance(values, SequenceNode):
        for value in values:
            yield from _images(value)


def _objects(chart: Chart, release: Release, table: KindTable) -> list[Provision]:
    names = ChartNames(chart, release.name, release.namespace, release.values)
    provisions = []
    for each in chart.objects:
        namespace = "" if table.is_namespaced(each.group, each.kind) is False else release.namespace
        for name in dict.fromkeys(_rendered(name, release) for name in each.names(release.values, names)):
            if name is None:
                continue
            need = ObjectNeed(ResourceId(each.group, each.kind, namespace, name))
            provisions.append(
                Provision(release.resource, need, release.when, release.place, confidence=Confidence.LIKELY, ready_signal=each.note is None, note=each.note)
            )
    return provisions


def distributed_objects(release: Release, namespaces: Iterable[str], catalogue: Catalogue) -> Iterator[Provision]:
    """What the controller of a chart writes into each of these namespaces, whoever made them."""
    chart = catalogue.chart(release.chart, release.repository) if release.chart else None
    if chart is None:
        return
    for name, keys in chart.everywhere:
        for namespace in namespaces:
            need = ObjectNeed(ResourceId("", "ConfigMap", namespace, name))
            note = f"the controller of chart {chart.name!r} writes it into every namespace"
            yield Provision(release.resource, need, release.when, release.place, keys, confidence=Confidence.LIKELY, note=note)


def _likely_services(release: Release) -> Iterator[Provision]:
    """A chart names its Service after itself, nearly always. Good enough for those who name it as a host."""
    names = {full_name(release.chart, release.name, release.values), *_overrides(release.values)}
    for name in sorted(each for each in (_rendered(name, release) for name in names) if each):
        need = ObjectNeed(ResourceId("", "Service", release.namespace, name))
        yield Provision(release.resource, need, release.when, release.place, confidence=Confidence.POSSIBLE, note="charts name their Service so")


def _overrides(values: MappingNode) -> Iterator[str]:
    for key, value in values.items():
        if key == "fullnameOverride" and isinstance(value, str) and value:
            yield value
        elif isinstance(value, MappingNode):
            yield from _overrides(value)


def _monitors(chart: Chart | None, release: Release, table: KindTable) -> Iterator[Requirement]:
    own = {each.kind for each in chart.provides if each.group == _MONITORING} if chart is not None else set()
    for kind, found in monitors_in(release.values, ((None, "spec"), "values")):
        if kind not in own:
            need = KindNeed(_MONITORING, kind, "", table.plural(_MONITORING, kind))
            yield Requirement(
                release.resource,
                need,
                Effect.READY,
                "custom-resource-definition",
                field_text(found.way),
                found.place,
                # Most charts ask the cluster whether the kind is there, and leave the monitor out otherwise.
                soft=True,
                healing=Healing.NEVER,
                confidence=Confidence.LIKELY,
            )


def _value_references(release: Release, table: KindTable, texts: TextReader) -> Iterator[Requirement]:
    values: Way = ((None, "spec"), "values")
    below = f"{field_text(values)}."
    for reference in references_in(release.values, texts, values):
        namespaced = table.is_namespaced(reference.group, reference.kind) is not False
        name = _rendered(with_defaults(reference.name), release)
        own = release.namespaces.get(field_text(reference.at.way).removeprefix(below), release.namespace)
        namespace = _rendered(reference.namespace or own, release) if namespaced else ""
        if name is None or namespace is None or (namespaced and not namespace):
            continue
        id = ResourceId(reference.group, reference.kind, namespace, name)
        # A variable that nothing here puts in: the name is not known, so nothing can be said to be missing.
        unknown = "${" in name or "${" in namespace
        yield Requirement(
            release.resource,
            ObjectNeed(id, reference.key),
            Effect.READY,
            reference.reason,
            field_text(reference.at.way),
            reference.at.place,
            reference.optional or unknown,
            reference.soft,
            # A release whose pods wait too long for it runs out of retries.
            Healing.NEVER,
            confidence=Confidence.POSSIBLE if unknown else reference.confidence,
        )


def _rendered(text: str, release: Release) -> str | None:
    """A name with the release put in, where a chart renders its values as templates; None if it takes more than that."""
    if "{{" not in text:
        return text
    text = _RELEASE_NAME.sub(release.name, _RELEASE_NAMESPACE.sub(release.namespace, text))
    return None if "{{" in text else text


def _consumed(chart: Chart, release: Release, table: KindTable) -> Iterator[Requirement]:
    # An install that meets an unknown kind fails; without retries in the release it is not tried again.
    for group, kind in chart.consumes:
        yield _kind_requirement(release, KindNeed(group, kind, "", table.plural(group, kind)), "spec.chart")
    # A program that finds a kind missing when it starts does without, or starts again.
    for switch, group, kind in chart.looks_for:
        if switch is None or switch.is_on(release.values):
            field = "spec.chart" if switch is None else f"spec.values.{'.'.join(switch.path)}"
            yield replace(_kind_requirement(release, KindNeed(group, kind, "", table.plural(group, kind)), field), looked_for=True)


def _kind_requirement(release: Release, need: KindNeed, field: str) -> Requirement:
    reason, confidence = "custom-resource-definition", Confidence.LIKELY
    return Requirement(release.resource, need, Effect.READY, reason, field, release.place, healing=Healing.NEVER, confidence=confidence)


def webhook_id(chart: Chart, release: Release) -> ResourceId:
    """The admission webhook that a release of a chart registers."""
    name = ChartNames(chart, release.name, release.namespace, release.values).fill(chart.webhook or "")
    return ResourceId("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", _rendered(name, release) or release.name)


def controllers_of(releases: Iterable[Release], catalogue: Catalogue) -> Mapping[str, ResourceId]:
    """By group, the release that runs the controller of its kinds without bringing their definitions; of several the first by name.

    Definitions often come from a chart of their own (`toolhive-operator-crds` beside `toolhive-operator`), or are switched off and installed before.
    """
    found: dict[str, ResourceId] = {}
    for release in sorted(releases, key=lambda each: str(each.resource)):
        chart = catalogue.chart(release.chart, release.repository) if release.chart else None
        if chart is not None and chart.brings_definitions(release) is None:
            beside = (catalogue.chart(chart.name + suffix, release.repository) for suffix in ("-crds", "-crd"))
            for known in (chart, *(each for each in beside if each is not None)):
                for brought in known.provides:
                    found.setdefault(brought.group, release.resource)
    return found


def operators_of(releases: Iterable[Release], catalogue: Catalogue) -> Mapping[str, ResourceId]:
    """By group, the admission webhook of the release that runs its operator; of several the first by name."""
    found: dict[str, ResourceId] = {}
    for release in sorted(releases, key=lambda each: str(each.resource)):
        chart = catalogue.chart(release.chart, release.repository) if release.chart else None
        if chart is not None:
            for group in chart.admits(release.values):
                found.setdefault(group, webhook_id(chart, release))
    return found


def network_definitions(releases: Iterable[Release], catalogue: Catalogue, table: KindTable) -> Iterator[Provision]:
    """Definitions that are there before the engine, since no pod of it would run without: those of the pod network, if it is not another one's addition."""
    for release in releases:
        chart = catalogue.chart(release.chart, release.repository) if release.chart else None
        if chart is not None and chart.network and as_mapping(release.values.get("cni")).get("chainingMode") in (None, "", "none"):
            for provision in _definitions(chart, release, table):
                yield replace(provision, when=When.BEFORE, note=f"chart {chart.name!r}, without which no pod has a network")


def bundle_facts(bundle: Chart, applied_by: ResourceId, place: Place, table: KindTable, when: When = When.NOW) -> Facts:
    """What the manifests of a remote base or source provide, by what the catalogue knows of their repository (`Catalogue.remote`)."""
    return Facts(
        provisions=tuple(
            Provision(
                applied_by,
                KindNeed(brought.group, brought.kind, "", table.plural(brought.group, brought.kind)),
                when,
                place,
                confidence=Confidence.LIKELY,
                note=f"in the manifests of {bundle.remotes[0] if bundle.remotes else bundle.name}",
            )
            for brought in bundle.provides
        )
    )
