"""`vars`: `$(NAME)` in known fields is replaced by a value of some resource, once all names are final."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, Hidden, Identity, NotFoundError, scalar_text
from gitops_secrets.rendering.kustomize.fields import FieldSpec, edit, split_path
from gitops_secrets.syntax.budget import Budget

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\)|\()")
_INDEXED = re.compile(r"(.*)\[(\d+)\]\Z")


class Variable(NamedTuple):
    """An entry of `vars`."""

    name: str
    target: Identity
    field_path: str
    place: Place


def read_variable(written: MappingNode) -> Variable:
    """The variable that an entry states."""
    reference = as_mapping(written.get("objref"))
    group, version = scalar_text(reference.get("group")), scalar_text(reference.get("version"))
    api_version = scalar_text(reference.get("apiVersion"))
    if api_version:
        parts = api_version.split("/")
        if len(parts) == 2:
            group, version = parts
        elif len(parts) == 1:
            version = parts[0]
    target = Identity(group, version, *(scalar_text(reference.get(field)) for field in ("kind", "name", "namespace")))
    field_path = scalar_text(as_mapping(written.get("fieldref")).get("fieldPath")) or "metadata.name"
    return Variable(scalar_text(written.get("name")), target, field_path, written.place("name"))


def bind(variable: Variable, drafts: Iterable[Draft]) -> None:
    """Notes at the resource that a variable means, that it is its source. Raises `BuildError` if it could be several."""
    wanted = variable.target
    exact = bool(wanted.namespace) or wanted.is_cluster_scoped
    matches = [draft for draft in drafts if any(_is_meant(wanted, identity, exact) for identity in draft.identities)]
    if len(matches) > 1:
        raise BuildError(f"var {variable.name} could mean {len(matches)} resources", variable.place)
    for draft in matches:
        draft.variables = (*draft.variables, variable.name)


def _is_meant(wanted: Identity, identity: Identity, exact: bool) -> bool:
    return wanted.key == identity.key if exact else wanted[:4] == identity[:4]


def resolve(drafts: list[Draft], variables: Mapping[str, Variable], specs: Iterable[FieldSpec], budget: Budget) -> None:
    """Replaces all references. Raises `BuildError` for a variable without a source."""
    if not variables:
        return
    budget.spend(len(variables) * len(drafts))
    values = {name: _value(variable, drafts) for name, variable in sorted(variables.items())}
    specs = tuple(specs)
    for draft in drafts:
        for spec in specs:
            if spec.selects(draft.identity):
                draft.become(edit(draft.node, split_path(spec.path), lambda value: _replace(value, values, budget), None), budget)


def _value(variable: Variable, drafts: Iterable[Draft]) -> Any:
    for draft in drafts:
        if variable.name in draft.variables:
            return look_up(draft.node, variable)
    raise NotFoundError(f"var {variable.name} means no resource that is there", variable.place)


def look_up(node: Any, variable: Variable) -> Any:
    """The value at the field path of a variable: dots between fields, `[0]` for items. Raises `BuildError` if it is not there."""
    for part in split_path(variable.field_path, "."):
        keys = [part]
        while match := _INDEXED.match(keys[0]):
            keys[:1] = [match[1], match[2]]
        for key in keys:
            if isinstance(node, SequenceNode) and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            elif isinstance(node, MappingNode) and key in node:
                node = node[key]
            elif key:
                raise BuildError(f"var {variable.name}: there is no field {variable.field_path} in its resource", variable.place)
    return "***" if isinstance(node, Hidden) else node


def _replace(value: Any, values: Mapping[str, Any], budget: Budget) -> Any:
    if isinstance(value, str):
        return expand(value, values, budget)
    copy: Any = None
    if isinstance(value, MappingNode):
        for key, item in value.items():
            if isinstance(item, str) and (changed := expand(item, values, budget)) is not item:
                copy = copy or value.copy()
                copy[key] = changed
    elif isinstance(value, SequenceNode):
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise BuildError("a list in which variables are replaced holds something else than text", value.place(index))
            if (changed := expand(item, values, budget)) is not item:
                copy = copy or value.copy()
                copy[index] = changed
    return value if copy is None else copy


def expand(text: str, values: Mapping[str, Any], budget: Budget) -> Any:
    """`text` with `$(NAME)` replaced, `$$` read as `$`. A text that is nothing but one reference becomes the value with its type.

    >>> expand("$(A)-$$(A)-$(B)", {"A": 1}, Budget())
    '1-$(A)-$(B)'
    """
    if "$" not in text:
        return text
    whole = re.fullmatch(r"\$\(([^)]*)\)", text)
    if whole and whole[1] in values and not isinstance(values[whole[1]], MappingNode | SequenceNode):
        return values[whole[1]]

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$" if match[0] == "$$" else "$("
        value = values.get(name)
        written = f"$({name})" if value is None or isinstance(value, MappingNode | SequenceNode) else scalar_text(value)
        budget.spend_text(len(written))
        return written

    return _REFERENCE.sub(value_of, text)
