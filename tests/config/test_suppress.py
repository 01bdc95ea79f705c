from __future__ import annotations

import pytest

from gitops_secrets.config import suppressions_in


def test_a_comment_suppresses_on_its_own_line() -> None:
    found = suppressions_in("a: 1\nb: 2  # gitops-secrets: ignore[missing-secret] made by hand\n")

    assert list(found) == [2]
    assert found[2].covers("missing-secret")
    assert not found[2].covers("missing-store")
    assert (found[2].line, found[2].column, found[2].reason) == (2, 7, "made by hand")


@pytest.mark.parametrize("between", ["", "  # why\n", "# one\n\t# two\n"])
def test_a_comment_alone_suppresses_on_the_next_line(between: str) -> None:
    found = suppressions_in(f"a: 1\n  # gitops-secrets: ignore[rule-a, rule-b]: because\n{between}b: 2\n")

    line = 3 + between.count("\n")
    assert list(found) == [line]
    assert found[line].rules == {"rule-a", "rule-b"}
    assert found[line].reason == "because"


def test_two_comments_for_one_line_add_up() -> None:
    found = suppressions_in("# gitops-secrets: ignore[a] one\n# gitops-secrets: ignore[b] two\nx: 1 # gitops-secrets: ignore[c] three\n")

    assert {3: {"a", "b", "c"}} == {line: suppression.rules for line, suppression in found.items()}


def test_carriage_returns_are_no_reason() -> None:
    assert suppressions_in("a: 1 # gitops-secrets: ignore[x]\r\n")[1].problem is not None
    assert suppressions_in("a: 1 # gitops-secrets: ignore[x] why\r\n")[1].reason == "why"


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        ("ignore[x]", "needs a reason"),
        ("ignore[x] -", "needs a reason"),
        ("ignore because", "missing or misspelt"),
        ("ignore[] because", "missing or misspelt"),
        ("ignore[Missing_Key] because", "missing or misspelt"),
        ("ignores[x] because", "not understood"),
        ("", "not understood"),
    ],
)
def test_a_comment_that_suppresses_nothing_is_a_problem(comment: str, problem: str) -> None:
    suppression = suppressions_in(f"a: 1 # gitops-secrets: {comment}\n")[1]

    assert suppression.problem is not None
    assert problem in suppression.problem
    assert not suppression.covers("x")


@pytest.mark.parametrize("text", ["", "a: b#gitops-secrets: ignore[x] y", "gitops-secrets: ignore[x] y", "# other: ignore[x] y"])
def test_other_text_is_no_suppression(text: str) -> None:
    assert suppressions_in(text) == {}
