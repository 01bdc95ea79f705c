"""What stands around a place of a text is enough to edit it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.model.findings import Edit
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.syntax.editor import Lines, Path
from gitops_secrets.syntax.excerpt import Excerpt, excerpt
from gitops_secrets.syntax.spans import YamlText
from gitops_secrets.syntax.splice import add_sequence_items, remove_item, set_scalar

ITEMS = st.lists(
    st.sampled_from(["- name: a\n", "- # said\n  name: b\n", "# above\n- name: c\n  text: |\n    - x\n", "-\n  name: d\n", "- {name: e}\n\n"]),
    min_size=1,
    max_size=80,
)


def around(text: str, path: Path) -> Excerpt:
    source = YamlText(text, DEFAULT_LIMITS)
    return excerpt(source, Lines(source.body), 0, path)


def indented(text: str, by: int) -> str:
    return "".join(" " * by + line for line in text.splitlines(keepends=True))


@given(ITEMS, st.data())
def test_an_edit_of_the_excerpt_is_that_of_the_text(items: list[str], data: st.DataObject) -> None:
    inner = indented("".join(items), 4)
    outer = [f"- of: {number}\n  list:\n{inner}" for number in range(data.draw(st.sampled_from([1, 2, 30]), label="lists"))]
    text = f"kind: List\nitems:\n{''.join(outer)}end: true\n"
    number = data.draw(st.integers(0, len(items) - 1), label="item")
    place: Path = ("items", data.draw(st.integers(0, len(outer) - 1), label="list"), "list", number)
    source = YamlText(text, DEFAULT_LIMITS)
    part = around(text, place)
    to_name = around(text, (*place, "name"))
    below = around(text, (*place, "below"))

    assert edits_of(part, remove_item(part.source, "", 0, part.path)) == list(remove_item(source, "", 0, place))
    assert edits_of(to_name, set_scalar(to_name.source, "", 0, to_name.path, "z")) == list(set_scalar(source, "", 0, (*place, "name"), "z"))
    assert edits_of(below, add_sequence_items(below.source, "", 0, below.path, ["z"])) == list(add_sequence_items(source, "", 0, (*place, "below"), ["z"]))


def edits_of(part: Excerpt, edits: tuple[Edit, ...]) -> list[Edit]:
    return [part.in_whole(edit) for edit in edits]


def test_of_a_long_list_only_what_stands_beside_an_item_is_kept() -> None:
    text = "list:\n" + "".join(f"- {number}\n" for number in range(1000))

    assert around(text, ("list", 500)).source.text == "list:\n- 0\n- 498\n- 499\n- 500\n- 501\n- 502\n- 999\n"


def test_where_a_value_is_named_all_of_the_text_is_kept() -> None:
    text = "list:\n" + "".join(f"- {number}\n" for number in range(1000)) + "- &last 1000\n"

    assert around(text, ("list", 500)).source.text == text
