"""The one right answer, as rules say it: what to change at which object. A function gives None where no single answer is right.

A list or field that a patch in another file sets can't be changed at the object: what is written there would be replaced again.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, zip_longest

from gitops_secrets.graph.graph import Graph
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.brief import LONGEST_NAME
from gitops_secrets.model.facts import Requirement, Resource
from gitops_secrets.model.findings import AddItems, Remedy, RemoveAt, SetField, SetKey, SetValue
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place, as_mapping
from gitops_secrets.model.reach import reachable
from gitops_secrets.model.results import Dependency, Unit
from gitops_secrets.ordering.gates import Gate, GateKind, health_check
from gitops_secrets.ordering.order import Cycle, OrderedEdge
from gitops_secrets.rendering.argo.applications import WAVE
from gitops_secrets.syntax.nearest import Names, share

_SLIP = 0.85
_LIKE_WORD = 0.7
_SEPARATORS = re.compile(r"[-_.]")
_DIGITS = re.compile(r"\d+")
# Kinds whose dependsOn names units of their own kind.
_DEPENDENT = frozenset({"Kustomization", "HelmRelease"})


def slip(name: str, known: Names, *, among: int = 1) -> str | None:
    """What a name that is not there was meant to be, if there is just one thing that it can be.

    Stricter than what a message asks about: names that differ in their digits or by a whole word, or are spelled out differently, are left to people.
    `among` as for `closest`.

    >>> known = Names(["external-secrets", "cert-manager", "node-2", "api-key", "shop"])
    >>> [slip(name, known) for name in ("external-secret", "node-1", "apiKey", "shpo")]
    ['external-secrets', None, 'api-key', 'shop']
    """
    if len(name) > LONGEST_NAME:
        return None
    same = known.spelt_like(name)
    swapped = same or [other for other in _swapped(name) if other in known]
    close = swapped[0] if len(swapped) == 1 else None if swapped else known.only(name, _SLIP, share(among))
    if close is None or _DIGITS.findall(close) != _DIGITS.findall(name):
        return None
    # `tunnel-id-secret` beside `tunnel-secret` is more likely one more thing than a slip, and `shop-api` beside `shop-app`.
    return close if same or _has_like_words(name, close) else None


def _swapped(name: str) -> list[str]:
    """The name with each two neighbouring letters the other way round."""
    pairs = enumerate(pairwise(name))
    return [f"{name[:index]}{second}{first}{name[index + 2 :]}" for index, (first, second) in pairs if first != second]


def _has_like_words(name: str, other: str) -> bool:
    """Are two names alike word by word?"""
    pairs = list(zip_longest(_SEPARATORS.split(name), _SEPARATORS.split(other), fillvalue=""))
    return all(pair[1] in _swapped(pair[0]) or difflib.SequenceMatcher(None, *pair).ratio() >= _LIKE_WORD for pair in pairs)


def rename(requirements: Iterable[Requirement], target: ResourceId, meant: str | None, graph: Graph) -> Remedy | None:
    """Corrects the name where each of the requirements writes it. Not, if several ask for that name and nobody for the other: then that one is wrong."""
    if meant is None:
        return None
    asking = (entry.requirement.resource for entry in graph.unmet_by_object.get(target, ()))
    first = next(asking, None)
    if any(other != first for other in asking) and target._replace(name=meant) not in graph.required:
        return None
    steps: Iterable[SetValue | SetKey] = (SetValue(requirement.place, meant, target.name) for requirement in requirements)
    if target.kind == "Namespace":
        # An object without the field stands for it at its name.
        steps = (SetKey(requirement.place, "namespace", meant, target.name) for requirement in requirements)
    return Remedy(f"name {meant}", tuple(dict.fromkeys(steps)))


def _lies_nowhere(target: ResourceId, graph: Graph) -> bool:
    """Is its namespace made by nothing, so that it is wrong itself?"""
    namespace = ResourceId("", "Namespace", "", target.namespace)
    return any(entry.possible is None for entry in graph.unmet_by_object.get(namespace, ()))


# dependsOn


def add_dependency(unit: Unit, target: ResourceId) -> Remedy | None:
    """Writes that a unit depends on another one of its kind."""
    if unit.id.kind not in _DEPENDENT or target.kind != unit.id.kind or not _is_own(unit, "dependsOn"):
        return None
    entry = {"name": target.name}
    if target.namespace != unit.id.namespace:
        entry["namespace"] = target.namespace
    return Remedy(f"add {target.name} to dependsOn of {unit.id}", (AddItems(unit.place, ("spec", "dependsOn"), (entry,)),))


def redirect_dependency(unit: Unit, dependency: Dependency, meant: ResourceId | None, graph: Graph) -> Remedy | None:
    """Makes an entry of `dependsOn` that leads nowhere name what was meant. Not, if that would close a cycle."""
    if meant is None or meant == unit.id or unit.id in _awaited(meant, graph) or _lies_nowhere(meant, graph) or _lies_nowhere(unit.id, graph):
        return None
    if len(graph.dependents.get(dependency.target, ())) > 1 and meant not in graph.dependents:
        # Several agree on that name, and nobody says the other: then that one is wrong.
        return None
    if unit.id in graph.dependents.get(meant, ()):
        return Remedy(f"remove it: {unit.id} depends on {meant} already", (RemoveAt(dependency.place),))
    steps = []
    if meant.name != dependency.target.name:
        steps.append(SetKey(dependency.place, "name", meant.name, dependency.target.name))
    if meant.namespace != dependency.target.namespace:
        steps.append(SetKey(dependency.place, "namespace", meant.namespace))
    return Remedy(f"depend on {meant}", tuple(steps)) if steps else None


def _awaited(unit: ResourceId, graph: Graph) -> set[ResourceId]:
    """What the written dependencies, or being applied by it, lead to from a unit, itself included."""
    return reachable([unit], lambda each: (*graph.dependencies.get(each, ()), *graph.ancestors(each)))


def cut(cycle: Cycle) -> Remedy | None:
    """Removes the step of a cycle that nothing requires, if it is the only one."""
    free = [step for step in cycle.steps if step.edge.declared is not None and not step.inferred]
    if len(free) != 1 or free[0].edge.declared is None:
        return None
    step = free[0]
    return Remedy(f"remove {step.provider.name} from dependsOn of {step.consumer}, which needs nothing of it", (RemoveAt(free[0].edge.declared.place),))


def drop_dependency(dependency: Dependency) -> Remedy:
    """Removes an entry of `dependsOn` that others imply."""
    return Remedy(f"remove {dependency.target.name} from dependsOn", (RemoveAt(dependency.place),))


# Gates


def wait(unit: Unit) -> Remedy | None:
    """Makes a Kustomization wait for what it applies."""
    if unit.id.kind != "Kustomization" or not _is_own(unit, "wait"):
        return None
    return Remedy(f"set wait: true on {unit.id}", (SetField(unit.place, ("spec", "wait"), value=True),))


def gate(edge: OrderedEdge, gates: Sequence[Gate], graph: Graph, versions: Mapping[ResourceId, str]) -> Remedy | None:
    """Makes Ready of the provider prove what the gates fail to: with `wait`, or with health checks where the unit has some already."""
    if {(each.kind, each.checked) for each in gates} == {(GateKind.NOT_WAITING, gates[0].checked)}:
        return _wait_again(graph.units.get(gates[0].checked))
    units = {gating_unit(edge, each) for each in gates}
    if len(units) != 1 or any(each.kind not in (GateKind.NONE, GateKind.RUNTIME) for each in gates):
        return None
    unit = graph.units[units.pop()]
    runtime = any(each.kind is GateKind.RUNTIME for each in gates)
    if unit.id.kind != "Kustomization" or (runtime and unit.wait):
        # A unit that waits looks at none of its health checks.
        return None
    if not unit.health_checks and not runtime:
        return wait(unit)
    if not _is_own(unit, "healthChecks"):
        return None
    checked = tuple(dict.fromkeys(each.checked for each in gates))
    items = tuple(health_check(target, versions) for target in checked)
    return Remedy(f"check the health of {', '.join(map(str, checked))} in {unit.id}", (AddItems(unit.place, ("spec", "healthChecks"), items),))


def _wait_again(release: Unit | None) -> Remedy | None:
    """Lets a release wait for its own objects."""
    if release is None:
        return None
    install = as_mapping(release.spec.get("install"))
    if "disableWait" not in install:
        return None
    return Remedy(f"remove disableWait from {release.id}", (RemoveAt(install.place("disableWait")),))


def gating_unit(edge: OrderedEdge, gate: Gate) -> ResourceId:
    """The unit whose Ready has to prove what a gate is about."""
    applying = gate.edge.provider_unit
    return edge.provider if applying is None or edge.provider.kind != applying.kind else applying


def read_health(edge: OrderedEdge, gates: Sequence[Gate], graph: Graph, table: KindTable, versions: Mapping[ResourceId, str]) -> Remedy | None:
    """Says how to read the health of the kinds that the gates misread."""
    units = {gating_unit(edge, each) for each in gates}
    if len(units) != 1:
        return None
    unit = graph.units[units.pop()]
    items: dict[tuple[str, str], dict[str, str]] = {}
    for each in gates:
        row = table.row(*each.checked.group_kind)
        version = versions.get(each.checked) or _version_of(each.checked, versions)
        if row is None or row.healthy_expression is None or version is None:
            return None
        items[each.checked.group, each.checked.kind] = {"apiVersion": version, "kind": each.checked.kind, "current": row.healthy_expression}
    if unit.id.kind != "Kustomization" or not _is_own(unit, "healthCheckExprs"):
        return None
    kinds = ", ".join(sorted(kind for _, kind in items))
    return Remedy(
        f"add healthCheckExprs for {kinds} to {unit.id}", (AddItems(unit.place, ("spec", "healthCheckExprs"), tuple(items[key] for key in sorted(items))),)
    )


def _version_of(target: ResourceId, versions: Mapping[ResourceId, str]) -> str | None:
    """The version of an object that a controller makes: as others of its kind are written, else others of its group."""
    alike = sorted((id.kind != target.kind, version) for id, version in versions.items() if id.group == target.group)
    return alike[0][1] if alike else None


def _is_own(unit: Unit, field: str) -> bool:
    """Is a field of `spec` the object's own: written in its file, or not there?"""
    spec = unit.spec
    return field not in spec or spec.place(field).file == unit.place.file


# Argo CD


def set_wave(resource: Resource, wave: int) -> Remedy | None:
    """Puts an object into a wave; not where a patch or template writes its annotations."""
    annotations = resource.annotations
    if WAVE in annotations and annotations.place(WAVE).file != resource.place.file:
        return None
    return Remedy(f"put {resource.id} into wave {wave}", (SetField(resource.place, ("metadata", "annotations", WAVE), str(wave)),))


def add_sync_option(unit: Unit, option: str) -> Remedy | None:
    """Adds a sync option to an Application that is written in a file of its own."""
    if unit.parent is not None and unit.parent.kind == "ApplicationSet":
        return None
    return Remedy(f"add {option} to {unit.id}", (AddItems(unit.place, ("spec", "syncPolicy", "syncOptions"), (option,)),))


def create_once(resource: Resource) -> Remedy | None:
    """Lets an ExternalSecret keep the value that it made first."""
    spec = resource.spec
    if "refreshPolicy" in spec and spec.place("refreshPolicy").file != resource.place.file:
        return None
    return Remedy(f"set refreshPolicy: CreatedOnce on {resource.id}", (SetField(resource.place, ("spec", "refreshPolicy"), "CreatedOnce"),))


# References

# Fields that are gone in the version that is served: an object with one of them is not the same with another `apiVersion`.
_GONE = frozenset({"validation", "patchesStrategicMerge", "patchesJson6902", "gitImplementation", "accessFrom", "valuesFile"})
_SAME = frozenset({("external-secrets.io", "v1beta1")})


def serve(requirement: Requirement, written: str, served: Sequence[str], manifest: Resource | None) -> Remedy | None:
    """Moves an object to the version that is served, where both read the same."""
    group = requirement.resource.group
    if len(served) != 1 or "beta" in served[0]:
        return None
    flux = group.endswith(".toolkit.fluxcd.io") and "beta" in written and not (manifest is not None and _mentions(manifest.data.get("spec")))
    if not flux and (group, written) not in _SAME:
        return None
    value = f"{group}/{served[0]}"
    return Remedy(f"write apiVersion: {value}", (SetValue(requirement.place, value, f"{group}/{written}"),))


def _mentions(node: object) -> bool:
    """Does a spec hold a field that is gone?"""
    if isinstance(node, Mapping):
        return bool(_GONE & set(node)) or any(_mentions(value) for value in node.values())
    return isinstance(node, list) and any(_mentions(item) for item in node)


def other_kind(requirements: Iterable[Requirement], kind: str) -> Remedy:
    """Sets the kind in references by name."""
    return Remedy(f"set kind: {kind}", tuple(dict.fromkeys(SetKey(requirement.place, "kind", kind) for requirement in requirements)))


def other_namespace(requirement: Requirement, candidates: Sequence[ResourceId], graph: Graph) -> Remedy | None:
    """Sets the namespace in a reference whose field for it may name any."""
    resource = requirement.resource
    to_source = requirement.reason in ("source", "chart") and resource.kind in ("Kustomization", "HelmRelease") and resource.group.endswith(".fluxcd.io")
    of_store = resource.group_kind == ("external-secrets.io", "ClusterSecretStore")
    if not (to_source or of_store) or len(candidates) != 1 or any(_lies_nowhere(each, graph) for each in (candidates[0], resource)):
        return None
    return Remedy(f"set namespace: {candidates[0].namespace}", (SetKey(requirement.place, "namespace", candidates[0].namespace),))


def other_key(requirement: Requirement, written: str, meant: str | None) -> Remedy | None:
    """Corrects the key that is asked of a Secret or ConfigMap."""
    if meant is None:
        return None
    field = "valuesKey" if "valuesFrom" in requirement.field else "key"
    return Remedy(f"ask for key {meant}", (SetKey(requirement.place, field, meant, written),))


def other_path(place: Place, written: str, meant: str) -> Remedy | None:
    """Corrects the last part of a path."""
    (parent, _, name), (other_parent, _, other) = written.strip("/").rpartition("/"), meant.strip("/").rpartition("/")
    if parent.removeprefix("./") != other_parent.removeprefix("./") or slip(name, Names([other])) is None:
        return None
    return Remedy(f"build {meant}", (SetValue(place, meant, written),))
