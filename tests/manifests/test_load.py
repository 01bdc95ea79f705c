from __future__ import annotations

import pytest

from gitops_secrets.manifests.load import Loader, parse_documents
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.repository.tree import MemoryTree

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things.example.org
spec:
  group: example.org
  names: {kind: Thing, plural: things}
  scope: Cluster
  validation: {openAPIV3Schema: {type: object}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object}}
      subresources: {status: {}}
"""
DOCUMENTS = "a: 1\n---\n# nothing\n---\nb: [1, 2]\n"


def test_a_file_is_its_documents_with_their_places() -> None:
    loaded = Loader(MemoryTree({"a.yaml": DOCUMENTS})).load("a.yaml")
    filled = [document for document in loaded.documents if document is not None]

    assert filled == [{"a": 1}, {"b": [1, 2]}]
    assert [(str(node.place(key)), node.place(key).column) for node, key in zip(filled, "ab", strict=True)] == [("a.yaml:1", 1), ("a.yaml:5", 1)]


def test_a_file_is_parsed_once_and_shared() -> None:
    loader = Loader(MemoryTree({"a.yaml": DOCUMENTS}))

    assert loader.load("a.yaml") is loader.load("a.yaml")


def test_who_looked_at_the_text_first_gets_the_same_documents() -> None:
    loader = Loader(MemoryTree({"a.yaml": DOCUMENTS}))
    text = loader.text("a.yaml")

    assert text == DOCUMENTS.encode()
    assert loader.load("a.yaml").documents == Loader(MemoryTree({"a.yaml": DOCUMENTS})).load("a.yaml").documents
    assert loader.text("a.yaml") == text


@pytest.mark.parametrize("path", ["b.yaml", "", "a.yaml/"])
def test_what_is_no_file_cannot_be_loaded(path: str) -> None:
    with pytest.raises(FileNotFoundError):
        Loader(MemoryTree({"a.yaml": DOCUMENTS})).load(path)


def test_problems_are_those_of_the_files_that_were_loaded_in_their_order() -> None:
    loader = Loader(MemoryTree({"b.yaml": "a: 1\na: 2\n", "a.yaml": "a: [\n", "never.yaml": "a: [\n"}))
    loader.load("b.yaml")
    loader.load("a.yaml")

    assert [(problem.place.file, problem.rule) for problem in loader.problems] == [("a.yaml", "invalid-yaml"), ("b.yaml", "duplicate-key")]
    assert loader.problems[1].place.line == 2


def test_what_stands_before_a_broken_place_is_kept() -> None:
    loaded = Loader(MemoryTree({"a.yaml": "a: 1\n---\nb: [1,\n"})).load("a.yaml")

    assert loaded.documents[:1] == ({"a": 1},)
    assert [problem.rule for problem in loaded.problems] == ["invalid-yaml"]


def test_of_a_definition_only_names_scope_and_versions_are_kept() -> None:
    (document,) = Loader(MemoryTree({"crd.yaml": DEFINITION})).load("crd.yaml").documents

    assert document["spec"] == {  # type: ignore[index]
        "group": "example.org",
        "names": {"kind": "Thing", "plural": "things"},
        "scope": "Cluster",
        "versions": [{"name": "v1", "served": True, "storage": True}],
    }


def test_all_of_a_definition_is_kept_for_who_asks_for_it() -> None:
    (document,) = Loader(MemoryTree({"crd.yaml": DEFINITION}), whole=True).load("crd.yaml").documents

    assert list(document["spec"]["versions"][0]) == ["name", "served", "storage", "schema", "subresources"]  # type: ignore[index]
    assert "validation" in document["spec"]  # type: ignore[index]


@pytest.mark.parametrize("spec", ["spec: text", "spec: {versions: text}", "spec: {versions: [text, null, {}]}", "spec: []", ""])
def test_a_definition_with_wrong_types_is_kept_as_it_is(spec: str) -> None:
    text = f"kind: CustomResourceDefinition\n{spec}\n"

    assert Loader(MemoryTree({"crd.yaml": text})).load("crd.yaml").documents == parse_documents(text, "crd.yaml", DEFAULT_LIMITS).documents


def test_a_narrowed_loader_shares_documents_and_knows_fewer_files() -> None:
    loader = Loader(MemoryTree({"a.yaml": DOCUMENTS, "b.yaml": "b: 1\n"}))
    narrowed = loader.narrowed(MemoryTree({"a.yaml": DOCUMENTS}))

    assert narrowed.load("a.yaml") is loader.load("a.yaml")
    assert narrowed.tree.files == ("a.yaml",)


def test_a_text_inside_of_another_file_has_the_places_of_that_file() -> None:
    loaded = parse_documents("a: 1\na: 2\n", "kustomization.yaml", DEFAULT_LIMITS)

    assert [str(problem.place) for problem in loaded.problems] == ["kustomization.yaml:2"]


def test_what_is_the_same_in_another_state_is_not_parsed_again() -> None:
    now = Loader(MemoryTree({"a.yaml": "a: 1\n", "b.yaml": "b: 2\n", "new.yaml": "c: 3\n"}))
    for path in now.tree.files:
        now.load(path)
    then = Loader(MemoryTree({"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"}), beside=now)

    assert then.load("a.yaml") is now.load("a.yaml")
    assert then.load("b.yaml").documents == ({"b": 1},)
    with pytest.raises(FileNotFoundError):
        then.load("new.yaml")
