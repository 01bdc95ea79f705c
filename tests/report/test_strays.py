"""Clusters that nothing reaches take one line, unless somebody asks for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitops_secrets.graph.build import build
from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.results import Cluster
from gitops_secrets.ordering.order import Plan, plan
from gitops_secrets.report.strays import without_strays
from gitops_secrets.report.style import Style


def cluster_plan(name: str, *, stray: bool) -> Plan:
    return plan(build(Cluster(name, f"clusters/{name}", "flux", (), (), stray=stray), ()), default_table())


PLANS = [cluster_plan("archive", stray=True), cluster_plan("old", stray=True), cluster_plan("production", stray=False)]


def test_what_nothing_reaches_is_named_in_one_line() -> None:
    shown, paragraphs = without_strays(PLANS, Style())

    assert [entry.graph.cluster.name for entry in shown] == ["production"]
    assert paragraphs == ["nothing reaches 2 more entry points (-v shows them): archive, old"]


@pytest.mark.parametrize("plans", [PLANS[:2], PLANS[2:]], ids=["only strays", "no strays"])
def test_with_clusters_of_one_sort_all_are_shown(plans: list[Plan]) -> None:
    assert without_strays(plans, Style()) == (plans, [])


def test_a_verbose_style_shows_them() -> None:
    assert without_strays(PLANS, replace(Style(), verbose=True)) == (PLANS, [])
