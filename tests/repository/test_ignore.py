from __future__ import annotations

import pytest

from gitops_secrets.repository.ignore import FilteredTree, ignored
from gitops_secrets.repository.tree import MemoryTree


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        ("*.md", "a/b.md", True),
        ("*.md", "a.mdx", False),
        ("docs", "docs/a.yaml", True),
        ("docs", "a/docs/b.yaml", True),
        ("docs/", "docs/a.yaml", True),
        ("docs/", "docs", False),
        ("/docs", "a/docs", False),
        ("/a/docs", "a/docs/x", True),
        ("a/docs", "b/a/docs", False),
        ("**/docs", "b/a/docs/x", True),
        ("a/**", "a/b/c", True),
        ("a/**/c.yaml", "a/b/b/c.yaml", True),
        ("a/**/c.yaml", "a/b/b/d.yaml", False),
        ("/**", "a/b", False),
        ("a**/b", "ab/b", False),
        ("/*\n!/kube", "kube/a.yaml", False),
        ("/*\n!/kube", "other/a.yaml", True),
        ("kube/\n!kube/a.yaml", "kube/a.yaml", False),
        ("!a\na", "a", True),
        ("# a", "# a", False),
        (r"\#a", "#a", True),
        (r"\!a", "!a", True),
        ("a ", "a", True),
        ("a\\ ", "a ", True),
        ("a\r\n", "a", True),
        ("[ab].yaml", "b.yaml", True),
        ("[^ab].yaml", "b.yaml", False),
        ("[!a].yaml", "b.yaml", False),
        ("?", "ab", False),
        ("[a", "[a", False),
        ("x", ".gitignore", True),
        ("x\n!.gitignore", ".gitignore", False),
        ("x", "photo.png", False),
        ("x", ".github/workflows/ci.yaml", False),
    ],
)
def test_patterns_are_those_of_the_source_controller(patterns: str, path: str, expected: bool) -> None:
    assert (path in ignored(MemoryTree({path: ""}), patterns)) is expected


@pytest.mark.parametrize("patterns", [None, "", "\n# only a comment\n"])
def test_without_any_pattern_the_default_exclusions_hold(patterns: str | None) -> None:
    files = [".git/config", ".gitattributes", "a/logo.png", "x.tar.gz", ".github/x.yaml", "deep/.sops.yaml", "cloudbuild.yaml", "a/appveyor.yml"]
    kept = ["a.yaml", "png/a.yaml", ".sops.yml", "git/config"]

    assert sorted(files) == sorted(ignored(MemoryTree(dict.fromkeys(files + kept, "")), patterns))


def test_an_ignore_file_holds_below_its_directory() -> None:
    tree = MemoryTree({"a/.sourceignore": "x.yaml\n/y.yaml\n", "a/x.yaml": "", "a/b/x.yaml": "", "a/y.yaml": "", "a/b/y.yaml": "", "x.yaml": ""})

    assert {"a/x.yaml", "a/b/x.yaml", "a/y.yaml"} == ignored(tree, None)


def test_a_deeper_file_wins_and_the_source_wins_over_files() -> None:
    tree = MemoryTree({".sourceignore": "*.yaml", "a/.sourceignore": "!keep.yaml", "a/keep.yaml": "", "a/other.yaml": "", "b.yaml": ""})

    assert {"a/other.yaml", "b.yaml"} == ignored(tree, None)
    assert {"a/keep.yaml", "a/other.yaml"} == ignored(tree, "a\n!b.yaml\n!.sourceignore")


def test_one_pattern_anywhere_turns_the_default_exclusions_off() -> None:
    tree = MemoryTree({"a/.sourceignore": "/**", "logo.png": "", ".gitmodules": ""})

    assert {".gitmodules"} == ignored(tree, None)


def test_a_filtered_tree_has_only_the_other_files() -> None:
    below = MemoryTree({"a/x.md": "1", "a/b/y.md": "2", "a/z.yaml": "3"})

    tree = FilteredTree(below, ignored(below, "*.md"))

    assert tree.files == ("a/z.yaml",)
    assert tree.children("a") == ("z.yaml",)
    assert not tree.is_directory("a/b")
    assert tree.read("a/z.yaml") == b"3"
    with pytest.raises(FileNotFoundError):
        tree.read("a/x.md")
