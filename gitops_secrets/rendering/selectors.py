"""Kubernetes' label selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_secrets.model.nodes import MappingNode, as_mapping, as_sequence, as_text


def is_selected(labels: Mapping[str, Any], selector: MappingNode) -> bool:
    """Does all of a selector hold, `matchLabels` and `matchExpressions`? An empty one selects everything."""
    if any(labels.get(key) != value for key, value in as_mapping(selector.get("matchLabels")).items()):
        return False
    return all(_holds(labels, as_mapping(entry)) for entry in as_sequence(selector.get("matchExpressions")))


def _holds(labels: Mapping[str, Any], expression: MappingNode) -> bool:
    key, operator, values = as_text(expression.get("key")), expression.get("operator"), as_sequence(expression.get("values"))
    holds = key in labels
    if operator in ("In", "NotIn"):
        holds = holds and labels[key] in values
    return holds is not (operator in ("NotIn", "DoesNotExist"))
