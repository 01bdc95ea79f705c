from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.model.findings import Edit
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.syntax.editor import Path
from gitops_secrets.syntax.spans import UneditableError, YamlText
from gitops_secrets.syntax.splice import (
    add_key,
    add_sequence_items,
    apply_edits,
    document_at,
    remove_item,
    remove_key,
    set_scalar,
)
from gitops_secrets.syntax.written import Value, write_scalar
from gitops_secrets.syntax.yaml import parse

FILE = "a.yaml"
KUSTOMIZATION = """\
# the app
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: &app weather  # anchor
spec:
  interval: 1h
  sourceRef:
    kind: GitRepository
    name: flux-system
  path: ./apps   # where
  prune: true
# the end
"""


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def documents(text: str) -> list[Any]:
    parsed = parse(text, FILE, DEFAULT_LIMITS)
    assert parsed.problems == ()
    return [plain(document) for document in parsed.documents]


def test_edits_are_applied_at_once_and_insertions_keep_their_order() -> None:
    edits = [Edit(FILE, (2, 1), (2, 1), "x\n"), Edit(FILE, (1, 2), (1, 3), "B"), Edit(FILE, (2, 1), (2, 1), "y\n"), Edit(FILE, (2, 2), (3, 1), "")]

    assert apply_edits("abc\nde\nf", edits) == "aBc\nx\ny\ndf"


def test_a_byte_order_mark_and_carriage_returns_stay() -> None:
    assert apply_edits("\ufeffa: 1\r\nb: 2\r\n", [Edit(FILE, (1, 4), (1, 5), "5"), Edit(FILE, (2, 5), (2, 5), "0")]) == "\ufeffa: 5\r\nb: 20\r\n"


def test_whole_files_are_made_and_deleted() -> None:
    assert apply_edits("", [Edit(FILE, (1, 1), (1, 1), "new\n", create=True)]) == "new\n"
    assert apply_edits("old", [Edit(FILE, (1, 1), (1, 1), "", delete=True)]) == ""


@pytest.mark.parametrize(
    "ranges",
    [
        [((1, 1), (1, 3)), ((1, 2), (1, 4))],
        [((1, 3), (1, 2))],
        [((3, 1), (3, 1))],
        [((1, 9), (1, 9))],
        [((0, 1), (1, 1))],
        [((1, 0), (1, 1))],
        [((1, 1), (2, 3))],
    ],
)
def test_edits_that_overlap_or_miss_the_text_are_refused(ranges: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    with pytest.raises(ValueError, match=r"overlap|there is no line"):
        apply_edits("abcd\ne", [Edit(FILE, start, end, "x") for start, end in ranges])


def add_dependency(text: str, document: int = 0) -> str:
    return apply_edits(
        text, add_sequence_items(YamlText(text, DEFAULT_LIMITS), FILE, document, ("spec", "dependsOn"), [{"name": "stores", "namespace": "flux-system"}])
    )


def test_a_missing_depends_on_is_made_after_the_interval() -> None:
    before = KUSTOMIZATION
    inserted = "  dependsOn:\n    - name: stores\n      namespace: flux-system\n"

    assert add_dependency(before) == before.replace("  interval: 1h\n", "  interval: 1h\n" + inserted)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "spec:\n  dependsOn:\n  - name: a # why\n  # about b\n  path: x\n",
            "spec:\n  dependsOn:\n  - name: a # why\n  - name: stores\n    namespace: flux-system\n  # about b\n  path: x\n",
        ),
        ("spec:\n    dependsOn:\n        - name: a", "spec:\n    dependsOn:\n        - name: a\n        - name: stores\n          namespace: flux-system"),
        ("spec:\n  dependsOn: [{name: a}]  # c\n", "spec:\n  dependsOn: [{name: a}, {name: stores, namespace: flux-system}]  # c\n"),
        ("spec: {dependsOn: [ ], a: 1}\n", "spec: {dependsOn: [{name: stores, namespace: flux-system}], a: 1}\n"),
        ("spec: {a: 1}\n", "spec: {a: 1, dependsOn: [{name: stores, namespace: flux-system}]}\n"),
        ("spec: {}\n", "spec: {dependsOn: [{name: stores, namespace: flux-system}]}\n"),
        ("spec:\n  dependsOn: []\n  a: 1\n", "spec:\n  dependsOn:\n    - name: stores\n      namespace: flux-system\n  a: 1\n"),
        ("spec:\n  dependsOn:  # none yet\n  a: 1\n", "spec:\n  dependsOn:  # none yet\n    - name: stores\n      namespace: flux-system\n  a: 1\n"),
        ("spec:\n  dependsOn: null # c\n", "spec:\n  dependsOn: # c\n    - name: stores\n      namespace: flux-system\n"),
        ("kind: X\nspec:\n", "kind: X\nspec:\n  dependsOn:\n    - name: stores\n      namespace: flux-system\n"),
        ("kind: X\n", "kind: X\nspec:\n  dependsOn:\n    - name: stores\n      namespace: flux-system\n"),
        ("kind: X", "kind: X\nspec:\n  dependsOn:\n    - name: stores\n      namespace: flux-system"),
        ("kind: X\r\nl:\r\n- a\r\n", "kind: X\r\nl:\r\n- a\r\nspec:\r\n  dependsOn:\r\n  - name: stores\r\n    namespace: flux-system\r\n"),
        ('{"spec": {"path": "x"}}', '{"spec": {"path": "x", "dependsOn": [{"name": "stores", "namespace": "flux-system"}]}}'),
        (
            '{\n  "spec": {\n    "path": "x"\n  }\n}\n',
            '{\n  "spec": {\n    "path": "x",\n    "dependsOn": [{"name": "stores", "namespace": "flux-system"}]\n  }\n}\n',
        ),
        (
            "spec: {\n  dependsOn: [\n    {name: a},  # why\n  ],\n}\n",
            "spec: {\n  dependsOn: [\n    {name: a},  # why\n    {name: stores, namespace: flux-system},\n  ],\n}\n",
        ),
        ("spec:\n  dependsOn: [\n    {name: a} # c\n  ]\n", "spec:\n  dependsOn: [\n    {name: a}, # c\n    {name: stores, namespace: flux-system}\n  ]\n"),
        ("spec:\n  values: |\n    a\n\n\n# end\n", "spec:\n  values: |\n    a\n  dependsOn:\n    - name: stores\n      namespace: flux-system\n\n\n# end\n"),
        ("spec:\n  values: |+\n    a\n\n", "spec:\n  values: |+\n    a\n\n  dependsOn:\n    - name: stores\n      namespace: flux-system\n"),
        ("spec:\n  a: 1\n  e: 2\n  f: 3\n", "spec:\n  a: 1\n  dependsOn:\n    - name: stores\n      namespace: flux-system\n  e: 2\n  f: 3\n"),
        ("spec:\n  e: 1\n  f: 2\n  g: 3\n", "spec:\n  dependsOn:\n    - name: stores\n      namespace: flux-system\n  e: 1\n  f: 2\n  g: 3\n"),
        (
            "\ufeffspec:\n  dependsOn:\n    -\n      name: a\n",
            "\ufeffspec:\n  dependsOn:\n    -\n      name: a\n    - name: stores\n      namespace: flux-system\n",
        ),
    ],
)
def test_items_are_added_in_the_style_of_the_file(before: str, after: str) -> None:
    assert add_dependency(before) == after


def test_only_the_document_asked_for_changes() -> None:
    text = "---\n# nothing\n---\nspec:\n  a: 1\n---\nspec:\n  a: 2\n"

    assert document_at(YamlText(text, DEFAULT_LIMITS), 7) == 1
    assert add_dependency(text, document_at(YamlText(text, DEFAULT_LIMITS), 8)) == text + "  dependsOn:\n    - name: stores\n      namespace: flux-system\n"


@pytest.mark.parametrize(
    "text",
    [
        "spec: 5",
        "spec: *x",
        "a: &x {}\nspec: *x",
        "spec: [a]",
        "a: [",
        "",
        "spec:\n  dependsOn: text",
        "a: &x {b: 1}\nspec:\n  <<: *x\n",
        "? spec\n: {}\n",
        "spec: &x\n",
    ],
)
def test_what_cannot_be_edited_safely_is_refused(text: str) -> None:
    if text.startswith("?"):
        with pytest.raises(UneditableError):
            add_key(YamlText(text, DEFAULT_LIMITS), FILE, 0, (), "new", 1)
    else:
        with pytest.raises(UneditableError):
            add_dependency(text)


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("spec", "path"), "./other", "./apps   # where", "./other   # where"),
        (("spec", "prune"), False, "prune: true", "prune: false"),
        (("spec", "interval"), "10", "interval: 1h", 'interval: "10"'),
        (("metadata", "name"), "storm", "&app weather  #", "&app storm  #"),
        (("spec", "sourceRef", "namespace"), "flux-system", "    name: flux-system\n", "    name: flux-system\n    namespace: flux-system\n"),
        (("spec", "wait"), True, "  prune: true\n", "  prune: true\n  wait: true\n"),
        (("metadata", "namespace"), "apps", "  # anchor\n", "  # anchor\n  namespace: apps\n"),
    ],
)
def test_scalars_are_set_in_place(path: Path, value: str | bool, old: str, new: str) -> None:
    assert apply_edits(KUSTOMIZATION, set_scalar(YamlText(KUSTOMIZATION, DEFAULT_LIMITS), FILE, 0, path, value)) == KUSTOMIZATION.replace(old, new)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("a: 'x' # c\n", "it's", "a: 'it''s' # c\n"),
        ('a: "x"\n', 'say "hi"', 'a: "say \\"hi\\""\n'),
        ("a: 'x'\n", True, "a: true\n"),
        ("a: |\n  x\n  y\n# c\n", "z", "a: z\n# c\n"),
        ("a: one\n  two # c\n", "z", "a: z # c\n"),
        ("a:   # c\n", "z", "a: z   # c\n"),
        ("{a: x, b: y}", "1", '{a: "1", b: y}'),
        ("a: !!str 5\n", "6", 'a: !!str "6"\n'),
    ],
)
def test_scalars_keep_their_quotes(text: str, value: str | bool, expected: str) -> None:
    assert apply_edits(text, set_scalar(YamlText(text, DEFAULT_LIMITS), FILE, 0, ("a",), value)) == expected


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["", "'", '"']),
    st.sampled_from(["a: {}\nb: 1\n", "[{}, 1]\n", "{{a: {}, b: 1}}\n", "- {}\n"]),
)
@settings(max_examples=200, deadline=None)
def test_a_written_scalar_reads_back(value: str, style: str, template: str) -> None:
    document = documents(template.format(write_scalar(value, style)))[0]

    assert value == (document["a"] if isinstance(document, dict) else document[0])


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("l:\n- a\n# b is\n- b # c\n- c\n", ("l", 1), "l:\n- a\n# b is\n- c\n"),
        ("l:\n  - a: 1\n    b: 2\n  - c: 3", ("l", 1), "l:\n  - a: 1\n    b: 2"),
        ("k: 1\nl:\n  - a\nm: 2\n", ("l", 0), "k: 1\nm: 2\n"),
        ("l:\n  - a\n", ("l", 0), "{}\n"),
        ("x:\n  l: [a]\n", ("x", "l", 0), "x: {}\n"),
        ("l: [a, b, c]\n", ("l", 0), "l: [b, c]\n"),
        ("l: [a, b, c,]\n", ("l", 2), "l: [a, b,]\n"),
        ("- - a\n  - b\n- c\n", (0, 0), "- - b\n- c\n"),
        ("- a\n- b\n", (0,), "- b\n"),
        ("- [a]\n", (0, 0), "- []\n"),
    ],
)
def test_items_are_removed(text: str, path: Path, expected: str) -> None:
    assert apply_edits(text, remove_item(YamlText(text, DEFAULT_LIMITS), FILE, 0, path)) == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a: 1\nb:\n  - x\n  # y\n  - z\nc: 2\n", ("b",), "a: 1\nc: 2\n"),
        ("a: 1\r\nb: 2", ("b",), "a: 1"),
        ("- a: 1\n  # c\n  b: 2\n", (0, "a"), "- b: 2\n"),
        ("- a: 1\n", (0, "a"), "- {}\n"),
        ("x:\n  a: 1\n", ("x", "a"), "x: {}\n"),
        ("x:  # c\n  a: 1\ny: 2\n", ("x", "a"), "x:  # c\n  {}\ny: 2\n"),
        ("{a: 1, b: {c: 2}}", ("b", "c"), "{a: 1, b: {}}"),
        ("{a: 1, b: 2}", ("b",), "{a: 1}"),
        ("a: |\n  x\n\nb: 2\n", ("a",), "\nb: 2\n"),
    ],
)
def test_keys_are_removed(text: str, path: Path, expected: str) -> None:
    assert apply_edits(text, remove_key(YamlText(text, DEFAULT_LIMITS), FILE, 0, path)) == expected


@pytest.mark.parametrize("path", [("x",), ("a", "x"), ("l", "x"), ("a", 0)])
def test_removing_what_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(UneditableError):
        remove_key(YamlText("a: 1\nl: [1]\n", DEFAULT_LIMITS), FILE, 0, path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x 1\nb: *x\n", ("a",)),
        ("a: {k: &x [1]}\nb: *x\n", ("a", "k")),
        ("a: &x {k: v}\nb:\n  <<: *x\n", ("a", "k")),
        ("- a: |\n    text\n  b: 1\n    # looks like text\n", (0, "b")),
    ],
)
def test_removing_what_something_else_rests_on_is_refused(text: str, path: Path) -> None:
    with pytest.raises(UneditableError):
        remove_key(YamlText(text, DEFAULT_LIMITS), FILE, 0, path)


def test_a_value_that_aliases_mean_is_not_changed_behind_their_back() -> None:
    with pytest.raises(UneditableError, match="aliases elsewhere"):
        set_scalar(YamlText("a: &x 1\nb: *x\n", DEFAULT_LIMITS), FILE, 0, ("a",), 2)
    with pytest.raises(UneditableError, match="aliases elsewhere"):
        add_sequence_items(YamlText("a: &x [1]\nb: *x\n", DEFAULT_LIMITS), FILE, 0, ("a",), [2])


def test_what_is_shared_only_inside_may_go() -> None:
    text = "a:\n  b: &x 1\n  c: *x\nd: 1\n"

    assert apply_edits(text, remove_key(YamlText(text, DEFAULT_LIMITS), FILE, 0, ("a",))) == "d: 1\n"


# Laws: whatever the style of a file, an edit changes what it should and nothing else.

names = st.sampled_from(["a", "b-c", "name", "Zed", "x.y/z", "k8s"])
scalars: st.SearchStrategy[Any] = st.sampled_from(["text", "5", 5, True, None, "it's", "a: b", "two words", ""])
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=7,
)


def write(value: Any, column: int, style: dict[str, Any], draw: Any) -> list[str]:
    """A value as the lines of a block, the first without its indentation."""
    indent = " " * column

    def comment() -> str:
        return str(draw(st.sampled_from(["", "", "  # note"])))

    if isinstance(value, dict | list) and (not value or draw(st.integers(0, 3)) == 0):
        return [flow(value, style) + comment()]
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            nested = isinstance(item, dict | list) and len(item) > 0
            below = column + (style["dash"] if isinstance(item, list) else style["step"])
            written = write(item, below, style, draw)
            inline = not nested or written[0][:1] in "[{"
            lines += [f"{indent}{key}: {written[0]}"] if inline else [f"{indent}{key}:{comment()}", " " * below + written[0]]
            lines += written[1:]
            lines += draw(st.sampled_from([[], [], [f"{indent}# between"], [""]]))
        lines[0] = lines[0][column:]
        return lines
    if isinstance(value, list):
        lines = []
        for item in value:
            written = write(item, column + 2, style, draw)
            lines += [f"{indent}- {written[0]}", *written[1:]]
        lines[0] = lines[0][column:]
        return lines
    return [write_scalar(value, style["quote"]) + comment()]


def flow(value: Any, style: dict[str, Any]) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item, style)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item, style) for item in value) + "]"
    return write_scalar(value, style["quote"])


@st.composite
def files(draw: Any) -> tuple[str, Any]:
    tree = draw(st.dictionaries(names, trees, min_size=1, max_size=4))
    style = {"step": draw(st.sampled_from([2, 2, 4])), "dash": draw(st.sampled_from([0, 2])), "quote": draw(st.sampled_from(["", "'", '"']))}
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    lines = [
        *draw(st.sampled_from([[], ["---"], ["# top", "---"]])),
        *write(tree, 0, style, draw),
        *draw(st.sampled_from([[], ["# end"], ["---", "other: 1"]])),
    ]
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return mark + newline.join(lines) + draw(st.sampled_from(["", newline])), tree


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(found for key, item in items for found in paths(item, (*path, key)))]


def is_subsequence(small: list[str], large: list[str]) -> bool:
    rest = iter(large)
    return all(line in rest for line in small)


def replace(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replace(value[path[0]], path[1:], new)
    return copy


@given(files(), st.data())
@settings(max_examples=60, deadline=None)
def test_adding_items_changes_only_that_list(file: tuple[str, Any], data: st.DataObject) -> None:
    text, tree = file
    assert documents(text)[0] == tree
    choices = [(path, value) for path, value in paths(tree) if isinstance(value, list) or (isinstance(value, dict) and value)]
    path, value = data.draw(st.sampled_from(choices))
    items: list[Value] = [{"name": "x", "namespace": "y z"}, "s"]
    target = path if isinstance(value, list) else (*path, "added", "list")
    expected = [*value, *items] if isinstance(value, list) else {**value, "added": {"list": items}}

    after = apply_edits(text, add_sequence_items(YamlText(text, DEFAULT_LIMITS), FILE, 0, target, items))

    assert documents(after)[0] == replace(tree, path, expected)
    assert documents(after)[1:] == documents(text)[1:]
    assert ("\r\n" in text) == ("\r\n" in after) or "\n" not in text
    before_lines, after_lines = text.split("\n"), after.split("\n")
    assert len([line for line in before_lines if line.rstrip() not in [other.rstrip() for other in after_lines]]) <= 1


@given(files(), st.data())
@settings(max_examples=60, deadline=None)
def test_setting_a_scalar_changes_only_its_line(file: tuple[str, Any], data: st.DataObject) -> None:
    text, tree = file
    choices = [path for path, value in paths(tree) if not isinstance(value, dict | list)] or [("new",)]
    path = data.draw(st.sampled_from(choices))
    value = data.draw(scalars)

    after = apply_edits(text, set_scalar(YamlText(text, DEFAULT_LIMITS), FILE, 0, path, value))

    expected = {**tree, "new": value} if path == ("new",) else replace(tree, path, value)
    assert documents(after) == [expected, *documents(text)[1:]]
    if path != ("new",):
        assert sum(one != other for one, other in zip(text.split("\n"), after.split("\n"), strict=True)) <= 1


@given(files(), st.data())
@settings(max_examples=60, deadline=None)
def test_removing_changes_only_what_it_should(file: tuple[str, Any], data: st.DataObject) -> None:
    text, tree = file
    path, _ = data.draw(st.sampled_from(paths(tree)[1:]))
    parent: Any = tree
    for part in path[:-1]:
        parent = parent[part]
    if isinstance(parent, list) and len(parent) == 1:
        return
    left = (
        {key: item for key, item in parent.items() if key != path[-1]}
        if isinstance(parent, dict)
        else [item for index, item in enumerate(parent) if index != path[-1]]
    )
    remove = remove_key if isinstance(parent, dict) else remove_item

    after = apply_edits(text, remove(YamlText(text, DEFAULT_LIMITS), FILE, 0, path))

    assert documents(after) == [replace(tree, path[:-1], left), *documents(text)[1:]]
    assert is_subsequence([line for line in after.split("\n") if line in text.split("\n")], text.split("\n"))
