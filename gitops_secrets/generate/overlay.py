"""A base to the files of a new environment: one directory for each component, its differences as patches in files of their own.

Which fields name a store, a key at the provider or a service account is read off the graph, so it is said once, in the table of kinds. Lists are changed by
JSON patches that test what they replace: when the base has moved on, the build stops instead of changing the wrong item.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, NamedTuple

from gitops_secrets.errors import UsageError
from gitops_secrets.graph.graph import Graph
from gitops_secrets.model.facts import RemoteNeed, Requirement, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, as_text
from gitops_secrets.syntax.emit import dump

MARK = "# Written by gitops-secrets generate overlay."
PATCH_HEADER = f"{MARK} Once you edit it, it is yours: later runs leave it alone.\n"
LISTING_HEADER = f"{MARK} What you add stays.\n"
# https://external-secrets.io/latest/api/spec/#external-secrets.io/v1.AWSProvider
_REGION = ("spec", "provider", "aws", "region")
# https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
_ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
_STORES = frozenset({("external-secrets.io", "SecretStore"), ("external-secrets.io", "ClusterSecretStore")})
_ENGINE = ".toolkit.fluxcd.io"
_STEP = re.compile(r'\["([^"]+)"\]|\[(\d+)\]|([^.\[\]"]+)')

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class OverlayOptions:
    """How the environment differs from its base."""

    namespaces: Mapping[str, str] = dataclass_field(default_factory=dict)  # by group, "" for all applications
    region: str | None = None
    role_arn: str | None = None
    store_prefix: str = ""
    stores: Mapping[str, str] = dataclass_field(default_factory=dict)  # the store to use by the one that the base names
    key_prefixes: tuple[tuple[str, str], ...] = ()  # what keys begin with in the base ("" for any), and in the overlay


@dataclass(frozen=True, slots=True)
class Component:
    """A directory of the base that is applied as a part, with what it builds to."""

    name: str  # its path below the base
    path: str
    resources: tuple[Resource, ...]

    @property
    def group(self) -> str:
        """The directory of the overlay that it goes to, with others of the same folder."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Listing:
    """A kustomization of the overlay."""

    resources: tuple[str, ...]
    patches: tuple[Mapping[str, Any], ...] = ()
    namespace: str | None = None

    def text(self) -> str:
        """The file, as it is first written."""
        content: dict[str, Any] = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        if self.namespace is not None:
            content["namespace"] = self.namespace
        content["resources"] = list(self.resources)
        if self.patches:
            content["patches"] = list(self.patches)
        return LISTING_HEADER + dump(content)


@dataclass(frozen=True, slots=True)
class Overlay:
    """The files of an overlay by their paths below it."""

    listings: Mapping[str, Listing]
    files: Mapping[str, str]


@dataclass(slots=True)
class _Patch:
    """What changes in one object."""

    resource: Resource
    operations: list[dict[str, Any]] = dataclass_field(default_factory=list)
    merged: dict[str, Any] | None = None  # a strategic merge patch beside its name

    def set(self, steps: Steps, before: Any, value: Any) -> None:
        path = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
        if any(isinstance(step, int) for step in steps):
            self.operations.append({"op": "test", "path": path, "value": before})
        self.operations.append({"op": "add" if before is None else "replace", "path": path, "value": value})


class _Named(NamedTuple):
    """A field that names something, in an object that may be patched."""

    patch: _Patch
    steps: Steps
    text: str

    def change(self, text: str) -> None:
        if text != self.text:
            self.patch.set(self.steps, self.text, text)


def overlay_of(directory: str, components: Sequence[Component], graph: Graph, options: OverlayOptions) -> Overlay:
    """The overlay in `directory` of some components of a base whose graph is `graph`.

    Raises `UsageError` for an option that changes nothing in these components, or that they can't bear.
    """
    groups: dict[str, list[Component]] = {}
    for component in components:
        groups.setdefault(component.group, []).append(component)
    patches = {resource.id: _Patch(resource) for component in components for resource in component.resources}
    _add_region(patches, options)
    _add_stores(patches, graph, options)
    _add_keys(patches, graph, options)
    _add_role(patches, graph, options)
    namespaces = _namespaces(groups, options)
    listings: dict[str, Listing] = {}
    files: dict[str, str] = {}
    shared = _shared_namespace(namespaces, options)
    for group, members in groups.items():
        namespace = namespaces.get(group)
        written: list[Mapping[str, Any]] = []
        for member in members:
            for resource in member.resources:
                is_dropped = shared is not None and namespace == shared and _is_namespace(resource)
                for name, entry, text in _patch_files(patches[resource.id], is_dropped=is_dropped, taken=files, group=group):
                    files[f"{group}/{name}"] = text
                    written.append(entry)
        bases = tuple(posixpath.relpath(member.path, f"{directory}/{group}") for member in members)
        listings[group] = Listing(bases, tuple(written), namespace)
    if shared is not None:
        home = next(name for name in ("namespace", f"namespace-{shared}") if name not in groups)
        moved = [resource for group, members in groups.items() if namespaces.get(group) == shared for member in members for resource in member.resources]
        files[f"{home}/namespace.yaml"] = PATCH_HEADER + dump(_namespace(shared, filter(_is_namespace, moved)))
        listings[home] = Listing(("namespace.yaml",))
    listings[""] = Listing(tuple(sorted(listings)))
    return Overlay(listings, files)


# What differs


def _add_region(patches: Mapping[ResourceId, _Patch], options: OverlayOptions) -> None:
    if options.region is None:
        return
    stores = [patch for patch in patches.values() if _is_store_of_aws(patch.resource)]
    if not stores:
        raise UsageError("--region: no store of the chosen components is one of AWS")
    for patch in stores:
        patch.set(_REGION, _value(patch.resource.data, _REGION), options.region)


def _add_stores(patches: Mapping[ResourceId, _Patch], graph: Graph, options: OverlayOptions) -> None:
    """Other names for stores, and for whoever names them."""
    stores = [patch for patch in patches.values() if _is_store(patch.resource)]
    brought = {patch.resource.id.name for patch in stores}
    if options.store_prefix and not brought:
        raise UsageError("--store-prefix: the chosen components bring no store")
    for patch in stores if options.store_prefix else ():
        patch.set(("metadata", "name"), patch.resource.id.name, options.store_prefix + patch.resource.id.name)
    used = set()
    for named in _named(patches, _requirements(graph, "secret-store")):
        used.add(named.text)
        store = options.stores.get(named.text, named.text)
        named.change(options.store_prefix + store if store in brought else store)
    for name in options.stores:
        if name not in used:
            raise UsageError(f"--store: nothing in the chosen components uses a store {name!r}; they use {', '.join(sorted(used)) or 'none'}")


def _add_keys(patches: Mapping[ResourceId, _Patch], graph: Graph, options: OverlayOptions) -> None:
    unused = dict(options.key_prefixes)
    known = set()
    # What is searched for by a regular expression has no prefix.
    keys = (each for each in graph.remote_keys if isinstance(each.need, RemoteNeed) and (not each.need.find or each.field.endswith(".path")))
    for named in _named(patches, keys):
        known.add(named.text)
        old, new = next((pair for pair in options.key_prefixes if named.text.startswith(pair[0])), (None, ""))
        if old is not None:
            unused.pop(old, None)
            named.change(new + named.text.removeprefix(old) if old else _prefixed(new, named.text))
    for old in unused:
        raise UsageError(f"--key-prefix: no key that the chosen components read begins with {old!r}; they read {', '.join(sorted(known)) or 'none'}")


def _prefixed(prefix: str, key: str) -> str:
    """A key that is a path stays one."""
    return f"/{prefix.strip('/')}{key}" if key.startswith("/") else prefix + key


def _add_role(patches: Mapping[ResourceId, _Patch], graph: Graph, options: OverlayOptions) -> None:
    """The role goes to the accounts that stores of AWS act as: to the account itself, or to the release that makes it."""
    if options.role_arn is None:
        return
    stores = {patch.resource.id for patch in patches.values() if _is_store_of_aws(patch.resource)}
    accounts = (edge for edge in graph.resource_edges if edge.requirement.reason == "service-account" and edge.requirement.resource in stores)
    providers = {edge.provision.resource for edge in accounts}
    annotation: dict[str, Any] = {"annotations": {_ROLE_ANNOTATION: options.role_arn}}
    found = False
    for provider in sorted(providers & patches.keys()):
        if provider.kind == "ServiceAccount":
            patches[provider].merged, found = {"metadata": annotation}, True
        elif provider.kind == "HelmRelease":
            # Where the charts of operators have it, that of External Secrets Operator among them.
            patches[provider].merged, found = {"spec": {"values": {"serviceAccount": annotation}}}, True
    if not found:
        raise UsageError("--role-arn: the chosen components bring no service account that a store of AWS acts as")


def _namespaces(groups: Mapping[str, Sequence[Component]], options: OverlayOptions) -> dict[str, str]:
    """The namespace of each group that gets another one."""
    movable = {group for group, members in groups.items() if all(_is_application(member) for member in members)}
    for group in options.namespaces:
        if group and group not in groups:
            raise UsageError(f"--namespace: there is no component {group!r}; chosen are {', '.join(groups)}")
        if group and group not in movable:
            raise UsageError(f"--namespace: {group} holds more than one application in one namespace (an operator, or objects without a namespace)")
    everywhere = options.namespaces.get("")
    if everywhere is not None and not movable:
        raise UsageError("--namespace: none of the chosen components is an application in one namespace")
    chosen = dict.fromkeys(sorted(movable), everywhere) | {group: name for group, name in options.namespaces.items() if group}
    return {group: name for group, name in chosen.items() if name is not None}


def _is_application(component: Component) -> bool:
    """Is all of it in one namespace, but for the Namespace itself, and is none of it the engine's?"""
    inside = [resource.id for resource in component.resources if not _is_namespace(resource)]
    return (
        bool(inside) and len({target.namespace for target in inside}) == 1 and all(target.namespace and not target.group.endswith(_ENGINE) for target in inside)
    )


def _shared_namespace(namespaces: Mapping[str, str], options: OverlayOptions) -> str | None:
    """The namespace that several groups would bring, each for itself: it becomes a part of its own."""
    shared = options.namespaces.get("")
    return shared if shared is not None and sum(name == shared for name in namespaces.values()) > 1 else None


def _namespace(name: str, namespaces: Iterable[Resource]) -> dict[str, Any]:
    """One Namespace for several, with the labels that all of them have."""
    labels = [set(resource.labels.items()) for resource in namespaces]
    common = sorted(set.intersection(*labels)) if labels else []
    metadata: dict[str, Any] = {"name": name}
    if common:
        metadata["labels"] = dict(common)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


# Files


def _patch_files(patch: _Patch, *, is_dropped: bool, taken: Mapping[str, str], group: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """The files that patch one object: path below the group, entry of `patches`, text."""
    resource = patch.resource
    identity: dict[str, Any] = {"apiVersion": as_text(resource.data.get("apiVersion")), "kind": resource.id.kind}
    metadata: dict[str, Any] = {"name": resource.id.name}
    if "namespace" in resource.metadata:
        metadata["namespace"] = resource.id.namespace
    base = _file_name(resource.id)
    if f"{group}/patches/{base}.yaml" in taken:
        base = f"{base}-{_plain(resource.id.namespace)}"
    if is_dropped:
        yield f"patches/{base}.yaml", {"path": f"patches/{base}.yaml"}, PATCH_HEADER + dump({"$patch": "delete", **identity, "metadata": metadata})
        return
    if patch.operations:
        # By kind, not by version: a target with a version silently stops matching with the next one. The name is a regular expression.
        target: dict[str, Any] = {"kind": resource.id.kind, "name": re.escape(resource.id.name).replace("\\-", "-")}
        if resource.id.group:
            target = {"group": resource.id.group, **target}
        yield f"patches/{base}.yaml", {"path": f"patches/{base}.yaml", "target": target}, PATCH_HEADER + dump(patch.operations)
    if patch.merged is not None:
        merged = {
            **identity,
            "metadata": {**metadata, **patch.merged.get("metadata", {})},
            **{key: value for key, value in patch.merged.items() if key != "metadata"},
        }
        yield f"patches/{base}.yaml", {"path": f"patches/{base}.yaml"}, PATCH_HEADER + dump(merged)


def _file_name(target: ResourceId) -> str:
    kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", target.kind).lower()
    return f"{_plain(kind)}-{_plain(target.name)}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-.") or "object"


# Objects and their fields


def _requirements(graph: Graph, reason: str) -> Iterator[Requirement]:
    """All requirements of a kind, met or not, in the order of the graph; each once."""
    found = [edge.requirement for edge in graph.resource_edges] + [entry.requirement for entry in graph.unmet]
    yield from dict.fromkeys(requirement for requirement in found if requirement.reason == reason)


def _named(patches: Mapping[ResourceId, _Patch], requirements: Iterable[Requirement]) -> Iterator[_Named]:
    """The fields that requirements were read from, as far as they are text and in an object of the chosen components."""
    for requirement in requirements:
        patch, steps = patches.get(requirement.resource), _steps(requirement.field)
        if patch is not None and isinstance(text := _value(patch.resource.data, steps), str):
            yield _Named(patch, steps, text)


def _steps(field: str) -> Steps:
    """The way to a field as a requirement writes it: `spec.data[0]["a.b"]`."""
    return tuple(int(index) if index else quoted or key for quoted, index, key in _STEP.findall(field))


def _value(node: Any, steps: Sequence[str | int]) -> Any:
    """What stands there, None for nothing."""
    for step in steps:
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else None
        else:
            node = node.get(step) if isinstance(node, MappingNode) else None
    return node


def _is_store(resource: Resource) -> bool:
    return resource.id.group_kind in _STORES


def _is_store_of_aws(resource: Resource) -> bool:
    return _is_store(resource) and _value(resource.data, _REGION[:-1]) is not None


def _is_namespace(resource: Resource) -> bool:
    return resource.id.group_kind == ("", "Namespace")
