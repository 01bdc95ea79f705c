from __future__ import annotations

import pytest

from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.syntax.spans import Kind, UneditableError, YamlText
from gitops_secrets.syntax.yaml import parse


def texts(text: str) -> list[str]:
    (document,) = YamlText(text, DEFAULT_LIMITS).spans
    return [text[span.start : span.end] for span in document.walk() if span.kind in (Kind.SCALAR, Kind.ALIAS)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b # c\n", ["a", "b"]),
        ("a: 'b'  \n\n", ["a", "'b'"]),
        ("a: one\n  two\nb: &x c\nd: *x\n", ["a", "one\n  two", "b", "&x c", "d", "*x"]),
        ("a: |\n  x\n\n  y\n\n\nb: >-\n  z\n# c\n", ["a", "|\n  x\n\n  y", "b", ">-\n  z"]),
        ("a: |+\n  x\n\nb: 1\n", ["a", "|+\n  x\n", "b", "1"]),
        ("a:\nb: [c, {d: e}]\n", ["a", "", "b", "c", "d", "e"]),
        ("- é\n- 😀 x\n-\n", ["é", "😀 x", ""]),
    ],
)
def test_scalars_start_and_end_where_they_are_written(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


@pytest.mark.parametrize(
    ("text", "end"),
    [("a:\n  b: 1\n  # c\n\n# d\n", "a:\n  b: 1"), ("a:\n- b\n- c:\n\n", "a:\n- b\n- c:"), ("a: {b: 1, # c\n}\n", "a: {b: 1, # c\n}")],
)
def test_containers_end_with_their_last_value(text: str, end: str) -> None:
    (document,) = YamlText(text, DEFAULT_LIMITS).spans

    assert text[document.start : document.end] == end


def test_empty_documents_are_left_out_as_in_reading() -> None:
    text = "---\n# nothing\n---\na: 1\n---\n~\n---\n'': b\n"

    assert len(YamlText(text, DEFAULT_LIMITS).spans) == len(parse(text, "", DEFAULT_LIMITS).documents) == 2


def test_offsets_leave_out_a_byte_order_mark() -> None:
    (document,) = YamlText("\ufeffa: 1\n", DEFAULT_LIMITS).spans

    assert [(key.start, value.start, value.end) for key, value in document.entries] == [(0, 3, 4)]


@pytest.mark.parametrize(("text", "why"), [("a: [", "not valid YAML"), ("a: *x", "not valid YAML"), ("[" * 1000, "nested too deeply; --limit yaml-depth")])
def test_what_cannot_be_read_cannot_be_edited(text: str, why: str) -> None:
    with pytest.raises(UneditableError, match=why):
        YamlText(text, DEFAULT_LIMITS)
