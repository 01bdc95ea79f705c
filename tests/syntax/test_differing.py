from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.syntax import differing
from gitops_secrets.syntax.differing import Change, changed_lines

LINES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=30)


@settings(max_examples=100, deadline=None)
@given(LINES, LINES, st.sampled_from([0, differing._MOST_STEPS]))
def test_what_is_no_change_is_the_same_and_lies_between_changes(before: list[str], after: list[str], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differing, "_MOST_STEPS", most)
        changes = changed_lines(before, after)
    ends = [Change(0, 0, 0, 0), *changes, Change(len(before), len(before), len(after), len(after))]
    same = [(before[last.end : change.start], after[last.new_end : change.new_start]) for last, change in pairwise(ends)]

    assert all(old == new for old, new in same)
    assert all(old for old, _ in same[1:-1])
    assert all(change.start < change.end or change.new_start < change.new_end for change in changes)


def test_changes_of_a_few_lines_are_told_alone_in_a_file_of_thousands_that_repeat_each_other() -> None:
    before = ["---", "kind: A", "spec:", "  a: 1", "  b: 2", "  c: 3"] * 3_000
    after = list(before)
    after[6_001:6_001] = ["new: 1", "new: 2"]
    after[12_005] = "changed"
    del after[15_000]

    assert changed_lines(before, after) == [Change(6_001, 6_001, 6_001, 6_003), Change(12_003, 12_004, 12_005, 12_006), Change(14_998, 14_999, 15_000, 15_000)]
