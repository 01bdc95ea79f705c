"""The suffix that kustomize gives the names of generated ConfigMaps and Secrets."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from gitops_secrets.model.nodes import MappingNode, SequenceNode
from gitops_secrets.rendering.kustomize.draft import Hidden

# No vowels and nothing that looks like one, so that no word comes out (api/hasher).
_ALPHABET = str.maketrans("013ae", "ghkmt")
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def suffix_of(node: MappingNode) -> str:
    """The hash of a ConfigMap or Secret, ten letters and digits. The name goes in as the empty string, as it does in kustomize."""
    kind = node.get("kind")
    content: dict[str, Any] = {"kind": kind, "name": "", "data": _plain(node["data"]) if "data" in node else ""}
    if kind == "ConfigMap":
        optional = "binaryData"
    else:
        optional = "stringData"
        content["type"] = _plain(node.get("type", ""))
    if isinstance(node.get(optional), MappingNode):
        content[optional] = _plain(node[optional])
    return hashlib.sha256(_encode(content).encode("utf-8", "surrogatepass")).hexdigest()[:10].translate(_ALPHABET)


def _plain(value: Any) -> Any:
    if isinstance(value, Hidden):
        return value.text
    if isinstance(value, MappingNode):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, SequenceNode):
        return [_plain(item) for item in value]
    return value


def _encode(content: dict[str, Any]) -> str:
    # As Go's encoding/json writes it: keys sorted, no blanks, HTML escaped.
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text
