"""Every rule against its table of cases (see `tests.rules`)."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_secrets.checks import RULES
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree
from tests.rules import cases, files_of, tables


@pytest.mark.parametrize(("rule", "case"), [pytest.param(rule, case, id=f"{rule}: {case['name']}") for rule, case in cases()])
def test_rule(rule: str, case: dict[str, Any]) -> None:
    repository = repository_of(MemoryTree(files_of(case)))
    result = check(repository, analyse(repository))

    found = [f"{finding.severity.value} {finding.place} {finding.message}" for finding in result.findings if finding.rule == rule]
    others = [f"{finding.rule} {finding.place} {finding.message}" for finding in result.findings if finding.rule != rule and finding.severity.value != "note"]

    assert found == case["findings"]
    assert others == case.get("others", [])


def test_every_rule_has_a_table_and_every_table_a_rule() -> None:
    assert tables().keys() == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_fires_and_keeps_silent_in_some_case(rule: Any) -> None:
    table = tables()[rule.id]

    assert any(case["findings"] for case in table)
    assert any(not case["findings"] for case in table)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_manual_of_a_rule_has_its_four_parts(rule: Any) -> None:
    manual = rule.__doc__ or ""

    assert [part for part in ("What it does:", "Why it matters:", "Example:", "Options:") if part not in manual] == []
