from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.report.suggestions import MOST_SUGGESTIONS, Mended, suggestions_document

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "```\n", "````yaml\n"]), min_size=1, max_size=8)


def comments(before: str, after: str, *shown: range) -> list[dict[str, Any]]:
    document = json.loads(suggestions_document([Mended("a.yaml", before, after, [(2, "add operator to dependsOn")])], {"a.yaml": shown}))
    assert document["event"] == "COMMENT"
    found: list[dict[str, Any]] = document["comments"]
    return found


def suggested(body: str) -> str:
    match = re.search(r"^(`{3,})suggestion\n(.*?)^\1$", body, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[2]


@given(LINES, LINES)
def test_accepting_all_suggestions_gives_the_mended_file(before: list[str], after: list[str]) -> None:
    lines = list(before)
    for comment in reversed(comments("".join(before), "".join(after), range(1, 100))):
        lines[comment.get("start_line", comment["line"]) - 1 : comment["line"]] = [suggested(comment["body"])]

    assert "".join(lines) == "".join(after)


def test_a_suggestion_says_what_it_is_for_and_can_be_found_again() -> None:
    (comment,) = comments("a\nb\nc\n", "a\nb\nnew\nc\n", range(1, 4))

    assert (comment["path"], comment["line"], comment["side"], suggested(comment["body"])) == ("a.yaml", 2, "RIGHT", "b\nnew\n")
    assert re.match(r"<!-- gitops-secrets fix [0-9a-f]{16} -->\nadd operator to `?dependsOn`?\n", comment["body"])


def test_lines_that_the_change_does_not_show_get_no_suggestion() -> None:
    assert comments("a\nb\nc\n", "a\nX\nc\n", range(1, 2), range(3, 4)) == []


def test_there_are_never_more_than_a_reviewer_reads() -> None:
    before = "".join(f"{number}\nkeep {number}\n" for number in range(100))

    assert len(comments(before, before.replace("\nkeep", " more\nkeep"), range(1, 1000))) == MOST_SUGGESTIONS
