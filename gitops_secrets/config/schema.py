"""Checks a document against the published JSON schema, and says where it does not fit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.resources import files
from typing import Any

from gitops_secrets.errors import UsageError
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode

_NAMES = {"object": "a mapping", "array": "a list", "string": "text", "boolean": "true or false", "number": "a number", "null": "nothing"}


def configuration_schema() -> dict[str, Any]:
    """The JSON schema of `.gitops-secrets.yaml`."""
    content: dict[str, Any] = json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8"))
    return content


def check(value: object, rules: Mapping[str, Any], place: Place, name: str) -> None:
    """Raises `UsageError` for the first thing in `value` that the schema `rules` does not allow.

    The keywords are those that the schema of this package uses. `name` is what a message calls the value.
    """
    kind = _type_of(value)
    options = [option for option in rules.get("anyOf", [rules]) if option.get("type", kind) == kind]
    if not options:
        expected = " or ".join(_NAMES[option["type"]] for option in rules.get("anyOf", [rules]))
        raise UsageError(f"{place}: {name} must be {expected}, not {_NAMES[kind]}")
    rules = options[0]
    if isinstance(value, MappingNode):
        _check_mapping(value, rules, name)
    elif isinstance(value, SequenceNode):
        for index, item in enumerate(value):
            check(item, rules.get("items", {}), value.place(index), f"{name}[{index}]")
    elif isinstance(value, str):
        if "enum" in rules and value not in rules["enum"]:
            raise UsageError(f"{place}: {name} is {value!r}, {suggestion(value, rules['enum'])}")
        if not value and rules.get("minLength"):
            raise UsageError(f"{place}: {name} is empty")


def suggestion(name: str, known: Iterable[str]) -> str:
    """What was probably meant by a wrong name, or all that there is: the end of a message."""
    choices = sorted(known)
    nearest = get_close_matches(name, choices, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"known are: {', '.join(choices)}"


def _check_mapping(value: MappingNode, rules: Mapping[str, Any], name: str) -> None:
    known = rules.get("properties", {})
    others = rules.get("additionalProperties", True)
    for key, item in value.items():
        if key in known:
            check(item, known[key], value.place(key), f"{name}.{key}".removeprefix("."))
        elif others is False:
            raise UsageError(f"{value.place(key)}: unknown key {key!r}{f' in {name}' if name else ''}, {suggestion(key, known)}")
        elif others is not True:
            check(item, others, value.place(key), f"{name}.{key}".removeprefix("."))
    missing = [key for key in rules.get("required", ()) if key not in value]
    if missing:
        raise UsageError(f"{value.place()}: {name} needs {missing[0]!r}")


def _type_of(value: object) -> str:
    if isinstance(value, MappingNode):
        return "object"
    if isinstance(value, SequenceNode):
        return "array"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "null" if value is None else "number"
