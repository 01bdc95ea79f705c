"""Values as pieces of YAML text, to be put into files that people wrote: scalars in a given style of quotes, and collections on one line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from gitops_secrets.syntax.yaml import OLD_BOOLEANS, parse_scalar

Value = str | int | float | bool | None | Mapping[str, "Value"] | Sequence["Value"]


def is_filled(value: Value) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and len(value) > 0


def flow_text(value: Value, json_style: bool) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        name = _quoted if json_style else write_scalar
        return "{" + ", ".join(f"{name(key)}: {flow_text(item, json_style)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow_text(item, json_style) for item in value) + "]"
    return write_scalar(value, '"' if json_style else "")


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends, where git ends them: a carriage return or form feed alone ends none."""
    return _LINE.findall(text)


def write_scalar(value: str | int | float | bool | None, style: str = "") -> str:
    """A scalar as YAML: text in quotes of `style`, and in quotes anyway where it would be read as something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style == '"' or not _PLAIN.match(value) or value.lower() in OLD_BOOLEANS or not isinstance(parse_scalar(value), str):
        return _quoted(value)
    return value


def _quoted(value: str) -> str:
    """In double quotes, valid as JSON as well but for characters that neither prints."""
    written = json.dumps(value, ensure_ascii=False)
    if written.isprintable():
        return written
    return "".join(character if character.isprintable() else f"\\U{ord(character):08x}" for character in written)


# A part of what may stand without quotes, in block and in flow style.
_PLAIN = re.compile(r"[A-Za-z0-9_./$(](?:[\w./+~$()@;%=-]|:(?=[\w/.])|(?<=[\w.,;)]) (?=[\w(]))*\Z", re.ASCII)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
