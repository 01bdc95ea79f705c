"""Variables for the substitution after the build: `spec.postBuild` of a Flux Kustomization, and what it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.secrets import REDACTED
from gitops_secrets.model.facts import ObjectNeed, Provision, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.rendering.objects import ProvisionsOf
from gitops_secrets.rendering.resource_set import copied_from

_NAME: Final = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")


class Variables:
    """What defines variables, among resources that grow while units are expanded."""

    def __init__(self, resources: Mapping[ResourceId, Resource], provisions_of: ProvisionsOf, loader: Loader) -> None:
        self._resources = resources
        self._loader = loader
        self._provisions_of = provisions_of
        self._makers: dict[str, list[Resource]] = {}  # of Secrets, by namespace, until somebody asks for one of it
        self._made: dict[ObjectNeed, list[Provision]] = {}

    def add(self, resource: Resource) -> None:
        """Keeps a resource that a controller may make a Secret of."""
        # ExternalSecret, SealedSecret and all their kin have it in their name.
        if "Secret" in resource.id.kind and resource.id.group:
            self._makers.setdefault(resource.id.namespace, []).append(resource)

    def are_missing(self, resource: Resource) -> bool:
        """Does a Kustomization name something that is not there yet?"""
        return any(not optional and self._given_by(target) is None for target, optional in _substitute_from(resource))

    def may_be_more(self, resource: Resource) -> bool:
        """Does a Kustomization name something optional that is not in the repository? Where it is there, it may define any variable."""
        return any(optional and self._given_by(target) is None for target, optional in _substitute_from(resource))

    def of(self, resource: Resource) -> Mapping[str, str | None] | None:
        """The variables of a Kustomization by name, None for a value that is secret; None where Flux would not substitute at all."""
        post_build = _post_build(resource)
        if not post_build:
            return None
        values: dict[str, str | None] = {}
        complete = True
        for target, optional in _substitute_from(resource):
            given = self._given_by(target)
            if given is None:
                complete = complete and optional
            else:
                values.update(given)
        for key, value in as_mapping(post_build.get("substitute")).items():
            text = scalar_text(value)
            # An expression is left over where the parent's own variable is not known: in the cluster a value stands there.
            values[key] = None if "${" in text else text
        if not complete:
            return _Incomplete(values)
        if not values and post_build.get("substituteStrategy") != "Always":
            return None
        return values

    def misnamed(self, resource: Resource) -> Iterator[tuple[str, Place]]:
        """Names of variables that Flux refuses, and where they are written: with one of them nothing of the Kustomization is substituted."""
        post_build = _post_build(resource)
        written = [as_mapping(post_build.get("substitute"))]
        sources = as_sequence(post_build.get("substituteFrom"))
        for index, entry in enumerate(sources):
            target = _source(resource, entry)
            found = None if target is None else self._held(target)
            if found is not None:
                written += [as_mapping(found.data.get(field)) for field in ("data", "stringData")]
            elif target is not None:
                yield from ((name, sources.place(index)) for name in self._made_keys(target) or () if _is_refused(name))
        for node in written:
            yield from ((name, node.place(name)) for name in node if _is_refused(name))

    def _held(self, target: ResourceId) -> Resource | None:
        """The ConfigMap or Secret of that name, or the one that Flux Operator copies it from."""
        found = self._resources.get(target)
        origin = copied_from(found) if found is not None else None
        return found if origin is None else self._resources.get(origin)

    def _given_by(self, target: ResourceId) -> Mapping[str, str | None] | None:
        """The variables that a ConfigMap or Secret gives, None for a value that is secret; None where it is not in the repository, or not all its keys."""
        found = self._held(target)
        if found is None:
            return self._made_keys(target)
        if target.kind == "ConfigMap":
            data = as_mapping(found.data.get("data"))
            self._loader.take(*{data.place(key).file for key in data})
            texts = {key: scalar_text(value) for key, value in data.items()}
            # SOPS encrypts ConfigMaps as well.
            return {key: None if text == REDACTED else text for key, text in texts.items()}
        return dict.fromkeys(key for field in ("data", "stringData") for key in as_mapping(found.data.get(field)))

    def _made_keys(self, target: ResourceId) -> Mapping[str, None] | None:
        """The keys of a Secret that controllers make of other resources; None unless all of them are known."""
        for maker in self._makers.pop(target.namespace, ()):
            for each in self._provisions_of(maker):
                if isinstance(each.provides, ObjectNeed) and each.provides.id.namespace == target.namespace:
                    self._made.setdefault(each.provides, []).append(each)
        made = self._made.get(ObjectNeed(target), []) if target.kind == "Secret" else []
        keys = [each.keys for each in made if each.keys is not None]
        if len(keys) < len(made) or not any(each.owns for each in made):
            return None
        return dict.fromkeys(sorted(frozenset().union(*keys)))


class _Incomplete(dict[str, "str | None"]):
    """Variables of which some come from what is not in the repository: any name may be defined there."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> None:
        return None

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]  # dict's overloads say nothing more here
        return self[key]


def scalar_text(value: object) -> str:
    """A scalar as Flux writes it into a variable."""
    if value is True or value is False:
        return "true" if value else "false"
    return "" if value is None else str(value)


def _substitute_from(resource: Resource) -> list[tuple[ResourceId, bool]]:
    found = []
    for entry in as_sequence(_post_build(resource).get("substituteFrom")):
        target = _source(resource, entry)
        if target is not None:
            found.append((target, as_mapping(entry).get("optional") is True))
    return found


def _source(resource: Resource, entry: object) -> ResourceId | None:
    """What an entry of `substituteFrom` names."""
    name, kind = as_text(as_mapping(entry).get("name")), as_text(as_mapping(entry).get("kind"))
    return ResourceId("", kind, resource.id.namespace, name) if name and kind in ("ConfigMap", "Secret") else None


def _is_refused(name: str) -> bool:
    """Is it no name of a variable, as fluxcd/pkg/kustomize checks it? One that still holds an expression is not known."""
    return not _NAME.fullmatch(name) and "${" not in name and name != REDACTED


def _post_build(resource: Resource) -> MappingNode:
    return as_mapping(resource.spec.get("postBuild"))
