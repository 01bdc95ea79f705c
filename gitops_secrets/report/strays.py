"""Clusters that nothing reaches, in a paragraph instead of a page."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.escape import visible
from gitops_secrets.report.style import Style, counted


def without_strays(plans: Sequence[Plan], style: Style) -> tuple[Sequence[Plan], list[str]]:
    """The clusters to show, and a paragraph that names those that nothing reaches: an archive can hold a hundred. A verbose style shows them too."""
    strays = [plan for plan in plans if plan.graph.cluster.stray]
    if style.verbose or not strays or len(strays) == len(plans):
        return plans, []
    names = ", ".join(visible(plan.graph.cluster.name) for plan in strays)
    text = f"nothing reaches {counted(len(strays), 'more entry point')} (-v shows them): {names}"
    return [plan for plan in plans if not plan.graph.cluster.stray], ["\n".join(style.wrapped(text, "", "  ")[:3])]
