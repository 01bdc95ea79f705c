"""Cuts secret values at the moment of loading: of a Secret the keys stay, of a SOPS file the structure."""

from __future__ import annotations

import json
from typing import Any

from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_sequence

REDACTED = "***"
# kubectl puts the whole object, values included, into this annotation.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def redact(document: Any) -> Any:
    """`document` without secret values. Nodes that were just parsed are changed in place; the result may be shared."""
    if isinstance(document, SequenceNode):
        for index, item in enumerate(document):
            document[index] = redact(item)
        return document
    if not isinstance(document, MappingNode):
        return document
    if "sops" in document and isinstance(document["sops"], MappingNode):
        _redact_encrypted(document)
    kind = document.get("kind")
    if kind == "Secret" and document.get("apiVersion") in ("v1", None):
        redact_secret(document)
    elif kind == "SecretList":
        # Items of a typed list need no kind of their own.
        for item in as_sequence(document.get("items")):
            if isinstance(item, MappingNode):
                redact_secret(item)
    elif kind == "ResourceSet":
        _redact_templates(as_mapping(document.get("spec")))
    elif kind is not None and isinstance(document.get("items"), SequenceNode):
        redact(document["items"])
    return document


def is_cut(manifest: Any) -> bool:
    """Was a value cut from an object, be it only one that a replacement took out of a Secret?"""
    return REDACTED in json.dumps(manifest)


def _redact_templates(spec: MappingNode) -> None:
    """Cuts the values of the Secrets that Flux Operator makes; what holds an expression of its templates stays, since it may say what keys there are."""
    for part in (spec, *as_sequence(spec.get("steps"))):
        for secret in as_sequence(as_mapping(part).get("resources")):
            if as_mapping(secret).get("kind") == "Secret":
                for field in ("data", "stringData"):
                    values = as_mapping(secret.get(field))
                    for key, value in values.items():
                        if not (isinstance(value, str) and "<<" in value):
                            values[key] = REDACTED


def redact_secret(secret: MappingNode) -> None:
    """Cuts the values of one Secret, in place."""
    for field in ("data", "stringData"):
        values = secret.get(field)
        if isinstance(values, MappingNode):
            for key in values:
                values[key] = REDACTED
        elif values is not None:
            secret[field] = None
    annotations = as_mapping(as_mapping(secret.get("metadata")).get("annotations"))
    if LAST_APPLIED in annotations:
        annotations[LAST_APPLIED] = REDACTED


def _redact_encrypted(node: Any) -> None:
    """Cuts every encrypted scalar of a SOPS file and all of its `sops` block but the fact that it is there."""
    if isinstance(node, MappingNode):
        for key, value in node.items():
            if key == "sops" and isinstance(value, MappingNode):
                node[key] = MappingNode(node.file, value.mark)
            elif isinstance(value, MappingNode | SequenceNode):
                _redact_encrypted(value)
            elif isinstance(value, str) and value.startswith("ENC["):
                node[key] = REDACTED
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node):
            if isinstance(value, MappingNode | SequenceNode):
                _redact_encrypted(value)
            elif isinstance(value, str) and value.startswith("ENC["):
                node[index] = REDACTED
