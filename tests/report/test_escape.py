from __future__ import annotations

import doctest
import importlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.report.escape import dot_quoted, html, html_sentence, markdown, markdown_code, mermaid_quoted, visible, workflow_data, workflow_property


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


CODE = re.compile(r"`[^`|\\\n]*`|<code>[^<>]*</code>")


@given(st.text())
def test_a_sentence_of_markdown_holds_signs_only_as_code(text: str) -> None:
    prose = CODE.sub("", markdown(text))

    assert all(character.isalnum() or character in " (),;:.?\u2026\u2192-'\u2019" for character in prose)


@given(st.text())
def test_code_of_markdown_ends_where_it_should(text: str) -> None:
    shown = markdown_code(text)

    assert not shown or CODE.fullmatch(shown)


@given(st.text())
def test_html_holds_no_sign_of_html_or_markdown(text: str) -> None:
    assert set(re.sub(r"&#[0-9]+;", "", html(text))) & set("<>&\"'`*_[]()!#@|~\\\n") == set()
    assert set(re.sub(r"</?code>|&#[0-9]+;", "", html_sentence(text))) & set('<>&"`*_[]!#@|~\\\n') == set()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see @team, #12 and GH-12", "see `@team`, `#12` and `GH-12`"),
        ("https://example.org/x or www.example.org", "`https://example.org/x` or `www.example.org`"),
        ("![x](y) <img src=x>", "`![x](y) <img src=x>`"),
        ("add it: a.exists(e, e.type == 'Ready' && e.x in ['a', 'b']) (b); now", "add it: `a.exists(e, e.type == 'Ready' && e.x in ['a', 'b'])` (b); now"),
        ("did you mean A_B?); or (did you mean x/y?)", "did you mean `A_B`?); or (did you mean `x/y`?)"),
        ("Kustomization a/b \u2192 c-d", "Kustomization `a/b` \u2192 c-d"),
        ("never closed: a(b, (c.d is) e/f", "never closed: `a(b`, (`c.d` is) `e/f`"),
        ("a needs b (`c`); it isn't there.", "a needs b (<code>&#96;c&#96;</code>); it isn't there."),
        ("spec.values.a[0] (spec.b)", "`spec.values.a[0]` (`spec.b`)"),
    ],
)
def test_a_sentence_keeps_its_words_and_sets_the_rest_as_code(text: str, shown: str) -> None:
    assert markdown(text) == shown


@given(st.text())
def test_a_workflow_command_is_one_line_and_its_properties_end_where_they_should(text: str) -> None:
    assert "\n" not in workflow_data(text)
    assert not set(workflow_property(text)) & set(":,\n\r")


@pytest.mark.parametrize("module", ["escape", "style", "names"])
def test_the_examples_in_the_code_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"gitops_secrets.report.{module}"))

    assert (result.failed, result.attempted > 0) == (0, True)
