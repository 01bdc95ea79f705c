from __future__ import annotations

import pytest

from gitops_secrets.syntax.glob import compile_glob


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("a*", "a/b\n", True),
        ("*a*b", "xaxbxb", True),
        ("*a*b", "xaxbx", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        (r"[\]]", "]", True),
        ("[c-a]", "b", False),
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("a.c", "abc", False),
    ],
)
def test_patterns_match_the_whole_text(pattern: str, text: str, expected: bool) -> None:
    expression = compile_glob(pattern)

    assert expression is not None
    assert (expression.match(text) is not None) is expected


@pytest.mark.parametrize("pattern", ["[", "[]", "[a", "[a-", "[a-]", "[-a]", "a\\", "[\\"])
def test_a_malformed_pattern_is_none(pattern: str) -> None:
    assert compile_glob(pattern) is None


def test_many_stars_take_no_exponential_time() -> None:
    expression = compile_glob("*a" * 200 + "b")

    assert expression is not None
    assert expression.match("a" * 20_000) is None
