from __future__ import annotations

import doctest
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.report.escape import dot_quoted, mermaid_quoted, visible


@given(st.text())
def test_what_is_visible_prints_and_what_prints_stays(text: str) -> None:
    shown = visible(text)

    assert shown.isprintable()
    assert visible(shown) == shown
    assert not text.isprintable() or shown == text


@given(st.text())
def test_a_string_of_dot_ends_where_it_should(text: str) -> None:
    inner = dot_quoted(text)[1:-1]

    assert inner.replace("\\\\", "").replace('\\"', "").count('"') == 0
    assert inner.replace("\\\\", "").replace('\\"', "").count("\\") == 0
    assert inner.replace('\\"', '"').replace("\\\\", "\\") == visible(text)


@given(st.text())
def test_a_label_of_mermaid_holds_nothing_that_ends_it_or_is_markup(text: str) -> None:
    assert not set(mermaid_quoted(text)[1:-1]) & set('"<>`\\&')


@pytest.mark.parametrize("module", ["escape", "style", "names"])
def test_the_examples_in_the_code_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"gitops_secrets.report.{module}"))

    assert (result.failed, result.attempted > 0) == (0, True)
