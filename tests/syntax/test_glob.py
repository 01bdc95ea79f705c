from __future__ import annotations

import pytest

from gitops_secrets.syntax.glob import compile_glob, compile_path_glob


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


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("{shop/*,*.yaml}", "shop/a/b.json", True),
        ("{shop/*,*.yaml}", "mail/a.json", False),
        ("apps/*", "apps/a/b", True),
        ("apps/**/c", "apps/a/b/c", True),
        ("apps/**/c", "apps/c", True),
        ("{a,b{c,d}}x", "bdx", True),
        ("[", "[", False),
        ("a,b", "a,b", True),
    ],
)
def test_patterns_over_paths(pattern: str, path: str, matches: bool) -> None:
    expression = compile_path_glob(pattern)

    assert (expression is not None and expression.match(path) is not None) is matches


def test_a_pattern_over_paths_that_asks_for_too_much_matches_nothing() -> None:
    assert compile_path_glob("{a,b}" * 20) is None
    assert compile_path_glob("**" * 20) is None
