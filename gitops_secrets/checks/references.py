"""Rules about references that lead to the wrong place: another namespace, a key that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from gitops_secrets.checks import remedies
from gitops_secrets.checks.absence import is_made_elsewhere
from gitops_secrets.checks.base import Context, Rule, closest, did_you_mean, doubt, namesakes, unless
from gitops_secrets.checks.evidence import also, asker, consequence, consumers
from gitops_secrets.graph.graph import Unmet
from gitops_secrets.kinds.external_secret import GROUP as ESO
from gitops_secrets.kinds.paths import field_text, find
from gitops_secrets.model.facts import Confidence, Effect, ObjectNeed, Requirement, Resource
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place, as_mapping, as_sequence, as_text
from gitops_secrets.rendering.argo.applications import PROJECT
from gitops_secrets.syntax.nearest import Names

# The steps of a dotted path: `name`, `["odd.name"]`, `[0]`.
_STEP = re.compile(r'([^.\[\]"]+)(?=[.\[]|$)|\["([^"]*)"\]|\[(\d+)\]')


class WrongNamespace(Rule):
    """Something is required in one namespace and exists in another.

    What it does: reports references to an object that is not there, where one of the same kind and name exists in another namespace; references of a
    SecretStore into a foreign namespace; and those of a ClusterSecretStore without a namespace, where its provider must have one. It is a warning
    where only what sets the cluster up makes the other one.

    Why it matters: references to Secrets, ConfigMaps, service accounts and SecretStores never cross a namespace: the consumer waits for ever. A store with a
    namespace that it may not name, or without one that it must, is refused or stays at InvalidProviderConfig.

    Example: before, an ExternalSecret in `shop` whose SecretStore lies in `stores`; after, a SecretStore in `shop`, or a ClusterSecretStore.

    Options: none.
    """

    id = "wrong-namespace"
    fixable = True
    symptoms = ("could not get SecretStore", "cannot get Kubernetes secret", "CreateContainerConfigError", "SourceNotReady")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        found: dict[tuple[ResourceId | str, ResourceId, ResourceId], list[Unmet]] = {}
        for entry in context.graph.unmet:
            need, requirement = entry.requirement.need, entry.requirement
            if not isinstance(need, ObjectNeed) or entry.missing_key is not None or requirement.optional or requirement.soft:
                continue
            if need.id.group_kind == PROJECT:
                # Projects stay with Argo CD, whatever namespace an Application is in.
                continue
            other = next(namesakes(context.graph, need.id), None)
            if other is not None:
                found.setdefault((asker(requirement), need.id, other), []).append(entry)
        for (_, target, other), entries in found.items():
            requirement, possible = entries[0].requirement, entries[0].possible
            chosen = _chosen_by_hand(context, entries[0])
            advice = _across(requirement, target, other)
            brought = [Related(f"{other} is made here", provision.place) for provision in context.graph.provisions[other][:1]]
            proven = requirement.effect is not Effect.ROTATE and is_made_elsewhere(context.graph, target)
            yield self.finding(
                f"{consumers(entries)} needs {target}, which is not there ({other} is){chosen or unless(possible)}; {consequence(requirement)}; {advice}",
                requirement.place,
                requirement.resource,
                other=target,
                # What only a bootstrap makes, people may make here as well: for another environment, say.
                severity=None if proven else Severity.WARNING,
                confidence=Confidence.POSSIBLE if chosen else doubt(possible, Confidence.LIKELY),
                related=[*brought, *also(entries)],
                field=requirement.field,
                cause=f"{target} is not there ({other} is); {advice}",
                remedy=remedies.other_namespace(requirement, tuple(islice(namesakes(context.graph, target), 2)), context.graph),
            )
        for store in (*context.of_kind(ESO, "SecretStore"), *context.of_kind(ESO, "ClusterSecretStore")):
            yield from self._store(context, store)

    def _store(self, context: Context, store: Resource) -> Iterator[Finding]:
        """References of a store whose namespace is one that it may not name, or is missing where it must not be."""
        row = context.table.row(*store.id.group_kind)
        for reference in row.references if row is not None else ():
            for found in find(store.data, reference.path) if reference.foreign_refused and reference.namespace_field else ():
                node, name = as_mapping(found.parent), as_text(found.value)
                field = reference.namespace_field or ""
                written = as_text(node.get(field))
                if not name or "${" in written:
                    continue
                if store.id.namespace and written not in ("", store.id.namespace):
                    fault = f"in namespace {written}, but a SecretStore reads only its own"
                    advice = f"remove the {field}, or make it a ClusterSecretStore"
                    place, target = node.place(field), ResourceId(reference.group, reference.kind, written, name)
                elif not store.id.namespace and not written and reference.without_namespace == "skip":
                    there = context.graph.objects_by_name.get((reference.group, reference.kind, name), ())
                    fault, place, target = (
                        "without a namespace, which its provider must have",
                        found.place,
                        ResourceId(reference.group, reference.kind, "", name),
                    )
                    advice = f"add {field}: {there[0].namespace}" if len(there) == 1 else f"add the {field}"
                else:
                    continue
                yield self.finding(
                    f"{store.id} refers to {reference.kind} {name} {fault}; it is refused, or stays at InvalidProviderConfig; {advice}",
                    place,
                    store.id,
                    other=target,
                    confidence=Confidence.LIKELY,
                    field=f"{field_text(found.way)}:{field}",
                )


def _chosen_by_hand(context: Context, entry: Unmet) -> str:
    """The end of a message about what lies in another namespace, where whoever applies the directory says which one is meant; else empty."""
    requirement, unit = entry.requirement, context.graph.units.get(entry.unit)
    if unit is None or not unit.is_overlay:
        return ""
    if requirement.namespace_of_chart is not None:
        return f", unless {requirement.namespace_of_chart} runs there"
    resource = context.manifests.get(requirement.resource)
    is_written = resource is None or "namespace" in resource.metadata
    return "" if is_written else ", unless the directory is applied to that namespace"


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
    template, a generator's output, the literals of a kustomize generator. A Secret that is written out may get more keys from a controller: a warning,
    unless the key is a slip.

    Why it matters: the pod stays at CreateContainerConfigError, the store can't log in, the release has no value. Nothing heals it.

    Example: before, `secretKeyRef: {name: db, key: passwd}`; after, `secretKeyRef: {name: db, key: password}`.

    Options: none.
    """

    id = "missing-key"
    fixable = True
    symptoms = ("CreateContainerConfigError", "couldn't find key")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        resources = context.manifests
        known_in: dict[int, Names] = {}
        for entry in context.graph.unmet:
            provision, need, requirement = entry.missing_key, entry.requirement.need, entry.requirement
            if provision is None or not isinstance(need, ObjectNeed) or requirement.optional or requirement.soft:
                continue
            known = known_in.get(id(provision))
            if known is None:
                known = known_in[id(provision)] = Names(provision.keys or ())
            keys = provision.keys or ()
            slip = remedies.slip(need.key or "", known, among=context.graph.lacking)
            near = closest(need.key or "", known, among=context.graph.lacking)
            hint = did_you_mean(near) or (f" (it has {', '.join(sorted(keys))})" if 0 < len(keys) <= 6 else "")
            is_itself = provision.resource == need.id
            lacks = "which has no such key" if is_itself else f"which {provision.resource} doesn't make"
            place, field = _key_place(resources.get(requirement.resource), requirement, need.key or "")
            # Controllers add keys to a Secret that is written out, as Argo CD does to its own: a slip they don't explain.
            is_open = is_itself and need.id.kind == "Secret" and slip is None
            # A Secret without any key is there to be filled: by a replicator, by hand, by a controller of its type.
            doubts = "" if keys else ", unless something fills it"
            yield self.finding(
                f"{requirement.resource} needs key {need.key} of {need.id}, {lacks}{hint}{doubts}; {consequence(requirement)}",
                place,
                requirement.resource,
                other=need.id,
                severity=Severity.WARNING if is_open else None,
                confidence=requirement.confidence if keys else Confidence.POSSIBLE,
                related=[Related(f"{need.id} is made here", provision.place)],
                field=field,
                cause=f"{provision.resource} {'has no' if is_itself else 'does not make'} key {need.key}{'' if is_itself else f' of {need.id}'}{hint}",
                remedy=remedies.other_key(requirement, need.key or "", slip),
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
