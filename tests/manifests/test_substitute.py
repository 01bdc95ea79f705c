from __future__ import annotations

import pytest

from gitops_secrets.manifests.substitute import is_substituted, substitute
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode, Place
from gitops_secrets.syntax.yaml import parse


def read(text: str) -> MappingNode:
    document = parse(text, "a.yaml", DEFAULT_LIMITS).documents[0]
    assert isinstance(document, MappingNode)
    return document


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0644", 420),
        ("8080", 8080),
        ("true", True),
        ("yes", True),
        ("off", False),
        ("1e3", 1000.0),
        ("", None),
        ("~", None),
        ("2024-01-02", "2024-01-02"),
        ("1:30", "1:30"),
        ("host.example.org:80", "host.example.org:80"),
        ('["a", "b"]', ["a", "b"]),
        ("{a: b}", {"a": "b"}),
        ('"5"', "5"),
        ("a # b", "a"),
        ("5\n", 5),
    ],
)
def test_a_value_is_read_again_as_yaml(value: str, expected: object) -> None:
    node = read('key: "${x}"\nitems: ["${x}"]\n')

    substituted = substitute(node, {"x": value}).node

    assert {"key": expected, "items": [expected]} == substituted


def test_text_that_is_written_in_quotes_stays_text() -> None:
    node = read('colon: "a: ${x}"\nstar: "*${x}"\nblank: " ${x}"\nlines: "${x}\\n"\n')

    substituted = substitute(node, {"x": "5"}).node

    assert substituted == {"colon": "a: 5", "star": "*5", "blank": " 5", "lines": "5\n"}


def test_text_written_in_quotes_keeps_its_own_quotes_and_backslashes() -> None:
    node = read("""single: "it's: ${x}"\ndouble: "\\t\\"\\\\ ${x:-\\"q\\"}"\n""")

    substituted = substitute(node, {"x": ""}).node

    assert substituted == {"single": "it's: ", "double": '\t"\\ "q"'}


def test_keys_are_replaced_and_stay_text() -> None:
    node = read("labels:\n  ${domain}/part: x\n  ${port}: y\n  ${flag}: z\n")

    labels = substitute(node, {"domain": "example.org", "port": "80", "flag": "true"}).node["labels"]

    assert labels == {"example.org/part": "x", "80": "y", "true": "z"}
    assert labels.place("80").line == 3


def test_places_stay_those_of_the_source() -> None:
    node = read("a:\n  b: '${x}'\n  c:\n  - '${list}'\n")

    result = substitute(node, {"x": "v", "list": "[{k: [1]}]"}).node["a"]

    assert result.place("b") == Place("a.yaml", 2, 3)
    assert result["c"][0][0].place("k") == Place("a.yaml", 4, 5)


def test_what_holds_no_expression_is_the_same_object() -> None:
    node = read("a: {b: [1, $x, '5$']}\nc: ${x}\n")

    substituted = substitute(node, {"x": "y"}).node

    assert substituted is not node
    assert substituted["a"] is node["a"]
    assert node["c"] == "${x}"
    assert substitute(node["a"], {"x": "y"}).node is node["a"]


def test_undefined_and_unknown_variables_have_their_places() -> None:
    node = read("a: ${missing}\nb:\n- x\n- ${secret}\n")

    result = substitute(node, {"secret": None})

    assert result.undefined == (("missing", Place("a.yaml", 1, 1)),)
    assert result.unknown == (("secret", Place("a.yaml", 4, 3)),)
    assert result.node == {"a": None, "b": ["x", "${secret}"]}


@pytest.mark.parametrize(("text", "value"), [("${x", ""), ("${x-y}", ""), ("${x}", "[a"), ("${x}", "a: b: c"), ("'${x}: '", "it's"), ("${x}", "*a")])
def test_what_flux_cannot_build_is_an_error_that_quotes_nothing(text: str, value: str) -> None:
    node = read(f"ok: 1\nbad: {text}\n")

    result = substitute(node, {"x": value})

    assert result.error is not None
    assert (result.error.rule, result.error.place.line, result.node is node) == ("build-failed", 2, True)
    assert not value or value not in result.error.message


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_an_object_can_opt_out(field: str) -> None:
    node = read(f"metadata: {{{field}: {{kustomize.toolkit.fluxcd.io/substitute: disabled}}}}")

    assert not is_substituted(node)


@pytest.mark.parametrize(
    "text", ["kind: X", "metadata: {labels: 5, annotations: [x]}", "metadata: {labels: {kustomize.toolkit.fluxcd.io/substitute: enabled}}"]
)
def test_other_objects_are_substituted(text: str) -> None:
    assert is_substituted(read(text))
