"""Values to YAML text, as sigs.k8s.io/yaml would read them back: block style, keys in their order, words that some parser takes for a boolean quoted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from gitops_secrets.model.nodes import MappingNode, SequenceNode
from gitops_secrets.syntax.yaml import OLD_BOOLEANS, parse_scalar

# What GitHub Actions and Azure Pipelines take for a command on a line of its own: in quotes the text stays what it is, and no line starts with it.
_COMMAND = re.compile(r"^[^\S\n]*::|##\w*\[", re.MULTILINE)


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    if _COMMAND.search(value):
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')
    if "\n" in value and not value.isspace():
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
    # PyYAML leaves `y` and `0o7` bare; the API server reads a boolean and a number.
    quoted = value in OLD_BOOLEANS or not isinstance(parse_scalar(value), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if quoted else None)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(MappingNode, lambda dumper, value: dumper.represent_dict(value.items()))
_Dumper.add_representer(SequenceNode, lambda dumper, value: dumper.represent_list(value))


def dump(document: Any) -> str:
    """One document as YAML text, with a newline at its end and no `---`."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=4096)


def dump_all(documents: Iterable[Any]) -> str:
    """Several documents, with `---` between them."""
    return "---\n".join(dump(document) for document in documents)
