"""Flux Operator's ResourceSets: templates and inputs to the objects that the operator applies (API and semantics of flux-operator 0.59).

Each entry of `resources` is written out as YAML, rendered as a Go template once for each set of inputs, and read again; `resourcesTemplate` is such a text
itself. What comes out remembers where the field of the template stands that it was made of.
"""

from __future__ import annotations

import unicodedata
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from gitops_secrets.manifests.load import parse_documents
from gitops_secrets.model.facts import Problem, Resource
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_sequence, as_text, move
from gitops_secrets.rendering.objects import place_of_field, with_common_metadata
from gitops_secrets.rendering.selectors import is_selected
from gitops_secrets.rendering.units import OPERATOR_GROUP, RECONCILE
from gitops_secrets.syntax.budget import CHARACTERS, Budget, BudgetError
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.yaml import parse

_MOST_PERMUTATIONS = 10_000  # the operator's own limit
_STATIC = "Static"
# Stands for what only a cluster knows, until somebody uses it: a character of the private use area, which nobody writes.
_UNKNOWN = "\ue000"

_Inputs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ResourceSetObjects:
    """What a ResourceSet makes: objects with the places of its own fields, why it does not build, and why not all of it is known."""

    nodes: tuple[MappingNode, ...]
    problems: tuple[Problem, ...]
    opaque_reason: str | None


def is_resource_set(resource: Resource) -> bool:
    """Does Flux Operator make objects of it?"""
    return resource.id.group_kind == (OPERATOR_GROUP, "ResourceSet")


def expand_resource_set(resource: Resource, resources: Mapping[ResourceId, Resource] | None = None, budget: Budget | None = None) -> ResourceSetObjects:
    """The objects of a ResourceSet; `resources` are those of its cluster, input providers among them.

    What that takes counts against `budget`. As with
    the operator, one template that fails leaves nothing of the set. What can't be rendered here is left out and named in the reason.
    """
    spec = resource.spec
    try:
        combined = _combined_inputs(resource, spec, resources or {})
        if not isinstance(combined, list):
            return ResourceSetObjects((), (), combined)
        made = _Steps(resource, combined, budget or Budget()).make(spec)
    except _Refused as refused:
        problem = Problem(f"{resource.id} does not build: {refused}", refused.place, "build-failed", str(resource.id))
        return ResourceSetObjects((), (problem,), None)
    common = as_mapping(spec.get("commonMetadata"))
    nodes = made.nodes if not common else [with_common_metadata(node, common) for node in made.nodes]
    return ResourceSetObjects(tuple(nodes), (), made.unknown)


def lacks_inputs(resource: Resource, resources: Mapping[ResourceId, Resource]) -> bool:
    """Could an input provider of this ResourceSet still turn up? One that is selected by labels always could."""
    entries = as_sequence(resource.spec.get("inputsFrom"))
    return any(_provider_id(resource, as_mapping(entry)) not in resources for entry in entries)


def copied_from(resource: Resource) -> ResourceId | None:
    """The ConfigMap or Secret whose data the operator puts into this one, as an annotation asks for."""
    namespace, _, name = as_text(resource.annotations.get("fluxcd.controlplane.io/copyFrom")).partition("/")
    return resource.id._replace(namespace=namespace, name=name) if namespace and name else None


class _Refused(Exception):
    """The operator stops at this."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


# Inputs


def _combined_inputs(resource: Resource, spec: MappingNode, resources: Mapping[ResourceId, Resource]) -> list[_Inputs] | str | None:
    """The sets of inputs; None for none at all, of which nothing is made; a text says why they are not known."""
    own = [_with_provider(dict(entry), resource) for entry in as_sequence(spec.get("inputs")) if isinstance(entry, MappingNode)]
    providers: dict[ResourceId, Resource] = {}
    entries = as_sequence(spec.get("inputsFrom"))
    for entry in entries:
        found = _providers(resource, as_mapping(entry), resources)
        if isinstance(found, str):
            return found
        providers.update({provider.id: provider for provider in found})
    exported: list[tuple[str, list[_Inputs]]] = [(resource.id.name, own)]
    for identity in sorted(providers):
        provider = providers[identity]
        kind = as_text(provider.spec.get("type"))
        if kind != _STATIC:
            return f"its inputs come from {identity}, which asks {kind or 'somebody'} for them"
        exported.append((identity.name, [_static_inputs(provider)]))
    strategy = as_mapping(spec.get("inputStrategy"))
    if strategy.get("name") == "Permute":
        combined = _permuted(exported, keeps_empty=strategy.get("includeEmptyProviders") is True, place=place_of_field(spec, "inputStrategy", "name"))
    else:
        combined = [inputs for _, sets in exported for inputs in sets]
    return combined if combined or not entries else None


def _providers(resource: Resource, entry: MappingNode, resources: Mapping[ResourceId, Resource]) -> list[Resource] | str:
    identity = _provider_id(resource, entry)
    if identity is not None:
        return [resources[identity]] if identity in resources else f"its inputs come from {identity}, which is not in the repository"
    selector = entry.get("selector")
    if not isinstance(selector, MappingNode):
        return "its inputsFrom names no provider"
    candidates = (known for known in resources.values() if known.id.group_kind == (OPERATOR_GROUP, "ResourceSetInputProvider"))
    return [known for known in candidates if known.id.namespace == resource.id.namespace and is_selected(known.labels, selector)]


def _provider_id(resource: Resource, entry: MappingNode) -> ResourceId | None:
    name = as_text(entry.get("name"))
    return ResourceId(OPERATOR_GROUP, "ResourceSetInputProvider", resource.id.namespace, name) if name else None


def _static_inputs(provider: Resource) -> _Inputs:
    """The default values; the operator adds an `id` that it makes of the object's UID, which wins over a value of that name."""
    defaults = as_mapping(provider.spec.get("defaultValues"))
    return _with_provider({**defaults, "id": _UNKNOWN}, provider)


def _with_provider(inputs: _Inputs, provider: Resource) -> _Inputs:
    identity = provider.id
    inputs["provider"] = {"apiVersion": provider.api_version, "kind": identity.kind, "name": identity.name, "namespace": identity.namespace}
    return inputs


def _permuted(exported: Sequence[tuple[str, list[_Inputs]]], *, keeps_empty: bool, place: Place) -> list[_Inputs]:
    """The Cartesian product; each set of inputs stands under the name of who exports it."""
    scoped = [(_normalised(name), sets) for name, sets in exported if sets or keeps_empty]
    expected = 1
    for _, sets in scoped:
        expected *= len(sets)
    if expected > _MOST_PERMUTATIONS:
        raise _Refused(f"its inputs have more than {_MOST_PERMUTATIONS} permutations", place)
    if not scoped:
        return []
    combined = []
    for choice in product(*(list(enumerate(sets)) for _, sets in scoped)):
        names = [name for name, _ in scoped]
        identity = "/".join(f"{name}={index}" for name, (index, _) in zip(names, choice, strict=True))
        inputs = {name: values for name, (_, values) in zip(names, choice, strict=True)}
        combined.append({**inputs, "id": str(zlib.adler32(identity.encode()))})
    return combined


def _normalised(name: str) -> str:
    """A name as a key that templates can write: lower case, anything but letters and digits an underscore."""
    spaced = ("_" if character.isspace() or unicodedata.category(character).startswith("P") else character for character in name.lower())
    kept = "".join(character for character in spaced if character == "_" or (character.isascii() and character.isalnum()))
    return "_".join(word for word in kept.split("_") if word)


# Templates


@dataclass(frozen=True, slots=True)
class _Template:
    """The text of a template, and the place of the field that each of its lines was made of, for those lines where one begins."""

    text: str
    lines: tuple[int, ...]
    places: tuple[Place, ...]
    makes_one: bool  # an entry of `resources`, which is one object

    def place_of(self, line: int) -> Place:
        """The place of the field that `line` belongs to."""
        return self.places[max(bisect_right(self.lines, line) - 1, 0)]


def _template_of(node: MappingNode, limits: Limits) -> _Template:
    """An entry of `resources` as the operator writes it down, keys sorted."""
    ordered = _sorted(node)
    text = dump(ordered)
    places: dict[int, Place] = {1: node.place()}
    parsed = parse(text, node.file, limits)
    if parsed.documents:
        _note_places(parsed.documents[0], node, places)
    lines = sorted(places)
    return _Template(text, tuple(lines), tuple(places[line] for line in lines), makes_one=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _note_places(written: Any, original: Any, places: dict[int, Place]) -> None:
    """For each line of `written` the place of what it is in `original`; a key wins over the list item that it begins."""
    if isinstance(written, MappingNode) and isinstance(original, MappingNode):
        for key, value in written.items():
            places[written.place(key).line] = original.place(key)
            _note_places(value, original.get(key), places)
    elif isinstance(written, SequenceNode) and isinstance(original, SequenceNode):
        for index, value in enumerate(written):
            if index < len(original):
                places[written.place(index).line] = original.place(index)
                _note_places(value, original[index], places)


@dataclass
class _Made:
    """What came of templates so far."""

    nodes: list[MappingNode]
    unknown: str | None = None


class _Steps:
    """The objects of a ResourceSet, or of each of its steps."""

    def __init__(self, resource: Resource, combined: Sequence[_Inputs], budget: Budget) -> None:
        self.budget = budget
        self.resource = resource
        self.combined = combined
        self.made = _Made([])
        self.rendered = 0

    def make(self, spec: MappingNode) -> _Made:
        """All objects, in order. Raises `_Refused`."""
        steps = as_sequence(spec.get("steps"))
        if not steps:
            self.made.nodes = self._make_step(spec)
            return self.made
        if spec.get("resources") or spec.get("resourcesTemplate"):
            raise _Refused("steps exclude resources and resourcesTemplate", spec.place("steps"))
        owners: dict[ResourceId, str] = {}
        for index, entry in enumerate(steps):
            step = as_mapping(entry)
            name = as_text(step.get("name"))
            nodes = self._make_step(step)
            for node in nodes:
                identity = _identity(node)
                if owners.setdefault(identity, name) != name:
                    raise _Refused(f"{identity} is in two steps, {owners[identity]} and {name}", steps.place(index))
            self.made.nodes.extend(nodes)
        return self.made

    def _make_step(self, spec: MappingNode) -> list[MappingNode]:
        """An object that is made again is left out, but where there are no inputs: the list is taken as it is then."""
        nodes: list[MappingNode] = []
        known: set[ResourceId] = set()
        entries = as_sequence(spec.get("resources"))
        for index, entry in enumerate(entries):
            if not isinstance(entry, MappingNode):
                raise _Refused(f"resources[{index}] is no mapping", entries.place(index))
            template = _template_of(entry, self.budget.limits)
            for node in self._render_all(template):
                if self.combined and (_identity(node) in known or _is_excluded(node)):
                    continue
                known.add(_identity(node))
                nodes.append(node)
        text = spec.get("resourcesTemplate")
        if isinstance(text, str) and text:
            for node in self._render_all(_Template(text, (1,), (spec.place("resourcesTemplate"),), makes_one=False)):
                if _identity(node) not in known and not _is_excluded(node):
                    known.add(_identity(node))
                    nodes.append(node)
        return nodes

    def _render_all(self, template: _Template) -> Iterator[MappingNode]:
        from gitops_secrets.syntax.go_template import FLUX_OPERATOR, TemplateError  # a language that most repositories don't use

        # Without an expression it is the same for all inputs.
        combined = self.combined if FLUX_OPERATOR.delimiters[0] in template.text else self.combined[:1]
        for inputs in combined or [{}]:
            try:
                for node in self._render(template, inputs):
                    self.rendered += 1
                    if self.rendered > self.budget.limits.objects:
                        raise _Refused(f"it makes too many objects; {self.budget.limits.more('objects')}", template.places[0])
                    yield node
            except BudgetError as spent:
                raise _Refused(str(spent), template.places[0]) from None
            except TemplateError as error:
                if not error.unsupported:
                    raise _Refused(error.message, template.place_of(error.line)) from None
                self.made.unknown = self.made.unknown or f"a template of it can't be rendered here: {error.message}"

    def _render(self, template: _Template, inputs: _Inputs) -> list[MappingNode]:
        from gitops_secrets.syntax.go_template import FLUX_OPERATOR, render_lines

        rendered = render_lines(template.text, {"inputs": inputs}, FLUX_OPERATOR, self.budget)
        if _UNKNOWN in rendered.text:
            self.made.unknown = "a template of it uses the id of an input provider, which only the cluster knows"
            return []
        first = template.places[0]
        self.budget.spend(len(rendered.text) // CHARACTERS)
        documents = parse_documents(rendered.text, first.file, self.budget.limits)
        for problem in documents.problems:
            if problem.rule == "invalid-yaml":
                raise _Refused(f"a template makes what is no YAML: {problem.message}", template.place_of(rendered.line_of(problem.place.line)))
        nodes: list[MappingNode] = []
        for document in documents.documents[: 1 if template.makes_one else None]:
            move(document, lambda place: template.place_of(rendered.line_of(place.line)))
            nodes.extend(_objects(document))
        if template.makes_one and not nodes:
            raise _Refused("an entry of resources makes no object: it has no apiVersion, kind or name", first)
        return nodes


# Objects


def _objects(document: object) -> Iterator[MappingNode]:
    """The objects of a document: the items of a list, nothing of what names no object or is a kustomize file."""
    node = as_mapping(document)
    kind, items = as_text(node.get("kind")), node.get("items")
    if kind.endswith("List") and isinstance(items, SequenceNode):
        for item in items:
            yield from _objects(item)
        return
    api_version = as_text(node.get("apiVersion"))
    if kind and api_version and as_mapping(node.get("metadata")).get("name") and not api_version.startswith("kustomize.config.k8s.io/"):
        yield node


def _identity(node: MappingNode) -> ResourceId:
    metadata = as_mapping(node.get("metadata"))
    group, _ = split_api_version(as_text(node.get("apiVersion")))
    return ResourceId(group, as_text(node.get("kind")), as_text(metadata.get("namespace")), str(metadata.get("name")))


def _is_excluded(node: MappingNode) -> bool:
    """Does a set leave out what it would make? In lower case only (internal/builder/resourceset.go), unlike what an object says of itself."""
    annotations = as_mapping(as_mapping(node.get("metadata")).get("annotations"))
    return annotations.get(RECONCILE) == "disabled"
