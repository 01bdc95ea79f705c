"""Edits of one document of a file are the same whether the others are read with it or not."""

from __future__ import annotations

import pytest

from gitops_secrets.model.findings import AddItems, Edit, Remedy, RemoveAt, SetKey
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import Place
from gitops_secrets.pipeline.remedies import Remedies
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.spans import YamlText
from gitops_secrets.syntax.splice import add_sequence_items, apply_edits

UNIT = "kind: Kustomization\nmetadata:\n    name: {name}\nspec:\n    path: ./{name}\n"
STYLED = UNIT.format(name="first") + "    dependsOn:\n    - name: other\n"


def edits(text: str, *steps: SetKey | AddItems | RemoveAt) -> tuple[Edit, ...]:
    fix = Remedies(MemoryTree({"units.yaml": text}), DEFAULT_LIMITS).fix(Remedy("", steps))
    return () if fix is None else fix.edits


def added(line: int, column: int = 5) -> AddItems:
    return AddItems(Place("units.yaml", line, column), ("spec", "dependsOn"), ({"name": "stores"},))


@pytest.mark.parametrize("between", ["---\n", "--- # the next\n", "---  \n# gitops\n", "---\n---\n", "...\n---\n", "--- !!map\n", "---\n# only this\n---\n"])
@pytest.mark.parametrize("start", ["", "---\n", "\ufeff", "# first\n", "%YAML 1.1\n---\n"])
def test_an_edit_of_a_document_is_that_of_the_whole_file(between: str, start: str) -> None:
    text = start + between.join([STYLED, *(UNIT.format(name=name) for name in ("second", "third"))])
    line = text[: text.index("name: third")].count("\n") + 1

    assert edits(text, added(line)) == add_sequence_items(YamlText(text, DEFAULT_LIMITS), "units.yaml", 2, ("spec", "dependsOn"), [{"name": "stores"}])


def test_a_document_that_shows_no_style_takes_that_of_the_file() -> None:
    text = STYLED + "---\n" + UNIT.format(name="second")

    assert apply_edits(text, edits(text, added(11))) == text + "    dependsOn:\n    - name: stores\n"


def test_the_last_document_but_one_ends_before_the_next() -> None:
    text = UNIT.format(name="first") + "---\n" + UNIT.format(name="second")

    assert apply_edits(text, edits(text, added(3))).startswith(UNIT.format(name="first") + "    dependsOn:\n")
    assert apply_edits(text, edits(text, RemoveAt(Place("units.yaml", 9, 5)))) == text.replace("    name: second\n", "").replace(
        "metadata:\nspec", "metadata: {}\nspec"
    )
