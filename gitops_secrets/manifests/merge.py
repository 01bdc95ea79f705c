"""Values of charts, merged as Helm does it."""

from __future__ import annotations

from gitops_secrets.model.nodes import MappingNode


def merge(base: MappingNode, changes: MappingNode) -> MappingNode:
    """Helm's merge of values: mappings key by key, everything else replaced. Neither argument changes."""
    if not base or not changes:
        return changes or base
    result = base.copy()
    for key, value in changes.items():
        below = base.get(key)
        if isinstance(value, MappingNode) and isinstance(below, MappingNode):
            value = merge(below, value)
        result.put(key, value, changes.place(key))
    return result
