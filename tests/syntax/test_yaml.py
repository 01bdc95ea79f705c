from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.model.nodes import COLUMN_MASK, MappingNode, Place, SequenceNode
from gitops_secrets.syntax.yaml import Parsed, parse, parse_scalar


def only(text: str | bytes) -> MappingNode:
    parsed = parse(text, "a.yaml", DEFAULT_LIMITS)
    assert parsed.problems == ()
    document = parsed.documents[0]
    assert isinstance(document, MappingNode)
    return document


def problems(parsed: Parsed) -> list[tuple[str, int, int]]:
    return [(problem.message, problem.line, problem.column) for problem in parsed.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((word, word) for word in ("on", "off", "yes", "no", "y", "n", "On", "NO", "tRUE", "nulL", "nan", "inf", "None")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        ("0644", 420),
        ("0o644", 420),
        ("-0o17", -15),
        ("08", 8),
        ("0", 0),
        ("-0", 0),
        ("+5", 5),
        ("1_000", 1000),
        ("0b101", 5),
        ("0x1F", 31),
        ("0X1f", 31),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_0.5", 10.5),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("0xFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFF"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        *(
            (word, word)
            for word in (
                "1:30",
                "2024-01-02",
                "2001-12-14t21:59:43.10-05:00",
                "=",
                "-",
                "+",
                ".",
                "..",
                "-e5",
                ".e5",
                "0x_",
                "0b_",
                "0o",
                "1.2.3",
                "1e",
                "-a",
                "\u0661",
            )
        ),
    ],
)
def test_scalars_read_as_kustomize_reads_them(text: str, expected: object) -> None:
    value = parse_scalar(text)

    assert (expected, type(expected)) == (value, type(value))


@pytest.mark.parametrize(("text", "expected"), [(".inf", math.inf), ("+.Inf", math.inf), ("-.INF", -math.inf)])
def test_infinities(text: str, expected: float) -> None:
    assert parse_scalar(text) == expected


def test_quotes_and_tags_decide_the_type() -> None:
    node = only("a: '5'\nb: \"true\"\nc: !!str 5\nd: !!int '5'\ne: !Ref x\nf: !!binary aGk=\ng: |\n  5\n")

    assert node == {"a": "5", "b": "true", "c": "5", "d": 5, "e": "x", "f": "aGk=", "g": "5\n"}


def test_keys_are_always_text() -> None:
    node = only("1: a\ntrue: b\n~: c\n1.50: d\non: e\n'2': f\n")

    assert list(node) == ["1", "true", "null", "1.50", "on", "2"]


def test_places_of_keys_and_items() -> None:
    node = only("a: 1\nb:\n  - x\n  - c: 2\n    d: {e: [f]}\n")

    assert node.place("b") == Place("a.yaml", 2, 1)
    assert node["b"].place() == Place("a.yaml", 3, 3)
    assert node["b"].place(1) == Place("a.yaml", 4, 5)
    assert node["b"][1].place("d") == Place("a.yaml", 5, 5)
    assert node["b"][1]["d"].place("e") == Place("a.yaml", 5, 9)
    assert node["b"][1]["d"]["e"].place(0) == Place("a.yaml", 5, 13)


def test_columns_count_characters_not_bytes() -> None:
    assert only("{ä: 1, 😀: 2, k: 3}".encode()).place("k") == Place("a.yaml", 1, 14)


@pytest.mark.parametrize("text", ["\ufeffa: 1\nb: 2\n", "a: 1\r\nb: 2\r\n", "\ufeff---\r\na: 1\r\nb: 2"])
def test_byte_order_marks_and_carriage_returns_move_nothing(text: str) -> None:
    line = 3 if "---" in text else 2

    for given_text in (text, text.encode()):
        node = only(given_text)
        assert node == {"a": 1, "b": 2}
        assert node.place("a") == Place("a.yaml", line - 1, 1)
        assert node.place("b") == Place("a.yaml", line, 1)


def test_a_column_beyond_what_a_mark_holds_keeps_its_line_true() -> None:
    node = only('\n{"a": "' + "x" * 70_000 + '", "b": [1]}')

    assert node.place("b") == Place("a.yaml", 2, COLUMN_MASK)
    assert node["b"].place(0) == Place("a.yaml", 2, COLUMN_MASK)


keys = st.text(alphabet="abcé😀_-", min_size=1, max_size=6).filter(lambda key: key[0] != "-")
trees = st.recursive(
    st.sampled_from(["x", "'5'", '"é"', "true", "12", "[1, {k: v}]"]),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(keys, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def write(value: object, indent: str) -> str:
    if isinstance(value, dict):
        return "".join(f"\n{indent}{key}: {write(item, indent + '  ')}" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"\n{indent}- {write(item, indent + '  ')}" for item in value)
    return str(value)


def check_places(value: object, lines: list[str]) -> None:
    if isinstance(value, MappingNode):
        for key in value:
            place = value.place(key)
            assert lines[place.line - 1][place.column - 1 :].startswith(key)
            check_places(value[key], lines)
    elif isinstance(value, SequenceNode):
        for index, item in enumerate(value):
            place = value.place(index)
            assert lines[place.line - 1][place.column - 1 :].strip()
            check_places(item, lines)


@given(st.dictionaries(keys, trees, min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=60, deadline=None)
def test_every_key_stands_where_its_place_says(tree: dict[str, object], newline: str) -> None:
    text = write(tree, "").lstrip("\n") + "\n"

    check_places(only(text.replace("\n", newline)), text.split("\n"))


def test_an_alias_used_twice_is_one_node() -> None:
    node = only("a: &x {b: [1]}\nc: *x\nd: *x\ne: &x 5\nf: *x\n")

    assert node["c"] is node["a"]
    assert node["d"] is node["a"]
    assert node["f"] == 5


def test_anchors_end_with_their_document() -> None:
    parsed = parse("a: &x 1\n---\nb: *x\n", "a.yaml", DEFAULT_LIMITS)

    assert parsed.documents == ({"a": 1},)
    assert problems(parsed) == [("alias of an anchor that is not there", 3, 4)]


def test_an_alias_may_be_a_key() -> None:
    assert only("a: &x k\n*x : 1\n&y l: 2\nb: *y\n") == {"a": "k", "k": 1, "l": 2, "b": "l"}


def test_merge_keys_are_merged_and_own_keys_win() -> None:
    node = only("one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\nall:\n  c: 3\n  <<: [*one, *two]\n  d: 4\n")

    assert node["all"] == {"c": 3, "d": 4, "a": 1, "b": 1}
    assert node["all"].place("a") == Place("a.yaml", 1, 12)
    assert node["one"] == {"a": 1, "b": 1}


def test_merges_in_merges() -> None:
    node = only("a: &a {x: 1}\nb: &b\n  <<: *a\n  y: 2\nc:\n  <<: *b\n  in: {<<: *b, y: 3}\n'<<': text\n")

    assert node["c"] == {"x": 1, "y": 2, "in": {"x": 1, "y": 3}}
    assert node["<<"] == "text"


def test_a_merge_key_written_twice_is_a_duplicate_and_outer_ones_still_merge() -> None:
    parsed = parse("a: &a {x: 1}\nb:\n  <<: *a\n  c:\n    <<: *a\n    <<: *a\n", "a.yaml", DEFAULT_LIMITS)

    assert parsed.documents[0]["b"] == {"c": {"x": 1}, "x": 1}
    assert problems(parsed) == [("duplicate key '<<'", 6, 5)]


@pytest.mark.parametrize("text", ["<<: 5", "<<:", "<<: [{a: 1}, 5]", "<<: text"])
def test_a_merge_of_something_else_is_a_problem(text: str) -> None:
    assert problems(parse(f"a: 1\n{text}\n", "a.yaml", DEFAULT_LIMITS)) == [("a merge key needs a mapping", 2, 1)]


def test_duplicate_keys_are_told_with_their_line_and_the_last_wins() -> None:
    parsed = parse("a: 1\nb: {c: 1, c: 2}\na: 3\n1: x\n'1': y\n", "a.yaml", DEFAULT_LIMITS)

    assert parsed.documents[0] == {"a": 3, "b": {"c": 2}, "1": "y"}
    assert parsed.documents[0].place("a").line == 3
    assert problems(parsed) == [("duplicate key 'c'", 2, 11), ("duplicate key 'a'", 3, 1), ("duplicate key '1'", 5, 1)]
    assert all(problem.duplicate_key for problem in parsed.problems)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "---\n---\n# c\n", "---\n...\n", "~\n", "\ufeff"])
def test_empty_documents_are_left_out(text: str) -> None:
    assert parse(text, "a.yaml", DEFAULT_LIMITS) == Parsed((), ())


def test_documents_before_an_error_stay() -> None:
    parsed = parse("a: 1\n---\nb: 2\n---\nc: [\n---\nd: 4\n", "a.yaml", DEFAULT_LIMITS)

    assert parsed.documents == ({"a": 1}, {"b": 2})
    assert [problem.line for problem in parsed.problems] == [6]


def test_a_merge_conflict_is_named_as_one_at_its_first_line() -> None:
    parsed = parse("a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> other\n", "a.yaml", DEFAULT_LIMITS)

    assert [(problem.message, problem.line) for problem in parsed.problems] == [("a merge conflict that nobody has resolved", 2)]


def test_a_tab_as_indentation_is_a_problem_at_its_line() -> None:
    assert [(line, column) for _, line, column in problems(parse("a:\n  b: 1\n\tc: 2\n", "a.yaml", DEFAULT_LIMITS))] == [(3, 1)]


@pytest.mark.parametrize("text", ["? {a: 1}\n: x\n", "? [a]\n: x\n", "{[a]: 1}", "a: &x [1]\n*x : 1\n"])
def test_a_container_as_a_key_is_a_problem(text: str) -> None:
    assert [message for message, _, _ in problems(parse(text, "a.yaml", DEFAULT_LIMITS))] == ["a mapping or list can't be a key"]


@pytest.mark.parametrize("text", ["[" * 30_000, "{a: " * 30_000, "- " * 30_000 + "x", "".join(f"{' ' * depth}a:\n" for depth in range(300))])
def test_deep_nesting_is_a_problem_not_a_crash(text: str) -> None:
    assert [message for message, _, _ in problems(parse(text, "a.yaml", DEFAULT_LIMITS))] == [
        "nested too deeply; --limit yaml-depth=NUMBER allows more than 200"
    ]


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert parse("[" * DEFAULT_LIMITS.yaml_depth + "]" * DEFAULT_LIMITS.yaml_depth, "a.yaml", DEFAULT_LIMITS).problems == ()


def test_depth_counts_through_aliases() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 250))

    assert [message for message, _, _ in problems(parse(text, "a.yaml", Limits(yaml_aliases=1_000_000)))] == [
        "nested too deeply; --limit yaml-depth=NUMBER allows more than 200"
    ]


def test_an_alias_bomb_is_a_problem() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))

    assert [message for message, _, _ in problems(parse(text, "a.yaml", DEFAULT_LIMITS))] == [
        "aliases stand for too many values; --limit yaml-aliases=NUMBER allows more than 10000"
    ]


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: {c: *a}}", "&a {<<: *a}"])
def test_an_alias_inside_of_its_anchor_is_a_problem(text: str) -> None:
    assert [message for message, _, _ in problems(parse(text, "a.yaml", DEFAULT_LIMITS))] == ["an alias contains itself"]


@pytest.mark.parametrize(
    ("text", "line"),
    [(b"a: 1\nb: \xff\xfe\n", 2), ("a: 1\nb: é\nc: \x00\n", 3), ("a: \ud800", 1), (b"\xff", 1)],
)
def test_what_is_no_text_is_a_problem_at_its_line(text: str | bytes, line: int) -> None:
    parsed = parse(text, "a.yaml", DEFAULT_LIMITS)

    assert [problem.line for problem in parsed.problems] == [line]


secrets = st.text(alphabet="hunter2*&!%@`[]{}:,#'\"\\|>- \t\n", min_size=1, max_size=12)


@given(secrets, st.sampled_from(["password: {}", "- {}", "{}", "a: &x 1\nb: {}", "{{a: {}", "x: '{}", 'x: "{}']))
@settings(max_examples=150, deadline=None)
def test_no_error_quotes_the_value_it_stumbles_over(secret: str, template: str) -> None:
    parsed = parse(template.format(f"*hunter2{secret}"), "a.yaml", DEFAULT_LIMITS)

    assert not any("hunter2" in problem.message for problem in parsed.problems if not problem.duplicate_key)


@given(st.binary(max_size=40) | st.text(alphabet="ab:-[]{}&*!|>'\"%@#?, \n\t\r\ufeff<0_.", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_documents_or_problems(text: str | bytes) -> None:
    parsed = parse(text, "a.yaml", DEFAULT_LIMITS)

    assert all(problem.line >= 1 and problem.column >= 1 for problem in parsed.problems)
