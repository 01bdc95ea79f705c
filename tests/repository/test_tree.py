from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.errors import UsageError
from gitops_secrets.repository.files import RevisionTree, WorkingTree
from gitops_secrets.repository.git_program import remotes, top_level
from gitops_secrets.repository.tree import JoinedTree, MemoryTree, OverlaidTree, Tree, join
from tests.git import git

FILES = {"a.yaml": "a: 1\n", "apps/web/b.yaml": "b: 1\n", "apps/c.txt": "c\n"}


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with one commit of three files."""
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    write(root, FILES)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=first")
    return root


# What every tree promises


def memory(root: Path) -> Tree:
    return MemoryTree(FILES)


def overlaid(root: Path) -> Tree:
    return OverlaidTree(
        MemoryTree({"a.yaml": "old", "gone.yaml": "gone", "apps/c.txt": "c\n"}), {"a.yaml": b"a: 1\n", "gone.yaml": None, "apps/web/b.yaml": b"b: 1\n"}
    )


def joined(_: Path) -> Tree:
    return JoinedTree(MemoryTree({"a.yaml": "a: 1\n"}), {"apps": MemoryTree({"web/b.yaml": "b: 1\n", "c.txt": "c\n"})})


def at_head(root: Path) -> Tree:
    return RevisionTree(root, "HEAD")


@pytest.mark.parametrize("tree_of", [memory, overlaid, joined, WorkingTree, at_head])
def test_files_and_directories_are_found_by_their_paths(checkout: Path, tree_of: Callable[[Path], Tree]) -> None:
    tree = tree_of(checkout)

    assert tree.files == ("a.yaml", "apps/c.txt", "apps/web/b.yaml")
    assert {path: tree.read(path).decode() for path in tree.files} == FILES
    assert [path for path in ("a.yaml", "apps", "", "apps/web/b.yaml", "nowhere", "a.yaml/x") if tree.is_file(path)] == ["a.yaml", "apps/web/b.yaml"]
    assert [path for path in ("a.yaml", "apps", "", "apps/web", "nowhere", "app") if tree.is_directory(path)] == ["apps", "", "apps/web"]
    assert [tree.children(path) for path in ("", "apps", "apps/web", "a.yaml", "nowhere")] == [("a.yaml", "apps"), ("c.txt", "web"), ("b.yaml",), (), ()]


@pytest.mark.parametrize("tree_of", [memory, overlaid, joined, WorkingTree, at_head])
@pytest.mark.parametrize("path", ["nowhere.yaml", "apps", "", "../checkout/a.yaml", "./a.yaml", "gone.yaml", "apps/../a.yaml"])
def test_what_is_no_file_of_the_tree_cannot_be_read(checkout: Path, tree_of: Callable[[Path], Tree], path: str) -> None:
    with pytest.raises(FileNotFoundError):
        tree_of(checkout).read(path)


@settings(max_examples=50)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), unique=True, max_size=8))
def test_every_file_is_reached_from_the_root_by_its_directories(paths: list[str]) -> None:
    files = [path for path in paths if not any(other.startswith(path + "/") for other in paths)]
    tree = MemoryTree(dict.fromkeys(files, ""))
    found, pending = [], [""]
    while pending:
        directory = pending.pop()
        for name in tree.children(directory):
            path = f"{directory}/{name}".lstrip("/")
            if tree.is_file(path):
                found.append(path)
            else:
                assert tree.is_directory(path)
                pending.append(path)

    assert sorted(found) == list(tree.files) == sorted(files)


# The working tree


def test_new_files_are_there_and_ignored_and_deleted_ones_are_not(checkout: Path) -> None:
    write(checkout, {".gitignore": "*.tmp\nbuild/\n", "new.yaml": "", "left.tmp": "", "build/out.yaml": ""})
    (checkout / "a.yaml").unlink()

    assert WorkingTree(checkout).files == (".gitignore", "apps/c.txt", "apps/web/b.yaml", "new.yaml")


def test_what_is_tracked_counts_although_it_is_ignored(checkout: Path) -> None:
    write(checkout, {".gitignore": "*.yaml\n"})

    assert "a.yaml" in WorkingTree(checkout).files


def test_what_lies_on_disk_counts_and_not_what_is_staged(checkout: Path) -> None:
    write(checkout, {"a.yaml": "a: 2\n"})
    git(checkout, "add", "a.yaml")
    write(checkout, {"a.yaml": "a: 3\n"})

    assert WorkingTree(checkout).read("a.yaml") == b"a: 3\n"


def test_a_folder_of_a_checkout_is_a_tree_of_its_own(checkout: Path) -> None:
    assert WorkingTree(checkout / "apps").files == ("c.txt", "web/b.yaml")


def test_odd_names_are_names(checkout: Path) -> None:
    names = ["with space.yaml", "ümläut.yaml", 'quo"te.yaml', "tab\there.yaml", "-dash.yaml"]
    write(checkout, dict.fromkeys(names, ""))
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message=odd")

    assert set(names) <= set(WorkingTree(checkout).files)
    assert WorkingTree(checkout).files == RevisionTree(checkout, "HEAD").files


def test_a_checkout_without_commits_has_its_new_files(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, FILES)

    assert WorkingTree(tmp_path).files == tuple(sorted(FILES))


def test_outside_of_git_every_file_counts(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, ".gitignore": "*", ".hidden/d.yaml": ""})

    assert top_level(tmp_path) is None
    assert WorkingTree(tmp_path).files == tuple(sorted([*FILES, ".gitignore", ".hidden/d.yaml"]))


def test_a_submodule_is_somebody_elses(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    write(other, {"theirs.yaml": ""})
    git(other, "add", "--all")
    git(other, "commit", "--quiet", "--message=theirs")
    git(checkout, "submodule", "--quiet", "add", str(other), "vendor/other")
    git(checkout, "commit", "--quiet", "--message=submodule")

    assert [path for path in WorkingTree(checkout).files if path.startswith("vendor")] == []
    assert [path for path in RevisionTree(checkout, "HEAD").files if path.startswith("vendor")] == []


# Symbolic links


@pytest.mark.parametrize("committed", [True, False])
def test_links_are_followed_to_files_of_the_tree_and_nowhere_else(checkout: Path, tmp_path: Path, committed: bool) -> None:
    (tmp_path / "secret.yaml").write_text("outside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.yaml").write_text("outside")
    links = {
        "inside.yaml": "apps/web/b.yaml",
        "apps/up.yaml": "../a.yaml",
        "apps/chain.yaml": "up.yaml",
        "out.yaml": "../secret.yaml",
        "absolute.yaml": str(tmp_path / "secret.yaml"),
        "system.yaml": "/etc/hostname",
        "dangling.yaml": "nowhere.yaml",
        "loop.yaml": "loop.yaml",
        "folder": "apps",
        "outer": "../outside",
    }
    for path, target in links.items():
        (checkout / path).symlink_to(target)
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message=links")
    tree: Tree = RevisionTree(checkout, "HEAD") if committed else WorkingTree(checkout)
    found = {path: tree.read(path).decode() for path in tree.files if path not in FILES}

    assert found == {"inside.yaml": "b: 1\n", "apps/up.yaml": "a: 1\n", "apps/chain.yaml": "a: 1\n"}


def test_outside_of_git_links_are_followed_within_the_folder_alone(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    write(root, FILES)
    (tmp_path / "secret.yaml").write_text("outside")
    (root / "inside.yaml").symlink_to("a.yaml")
    (root / "out.yaml").symlink_to("../secret.yaml")
    (root / "outer").symlink_to(tmp_path)

    assert WorkingTree(root).files == ("a.yaml", "apps/c.txt", "apps/web/b.yaml", "inside.yaml")


def test_a_file_that_became_a_link_out_of_the_tree_is_not_read(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("outside")
    tree = WorkingTree(checkout)
    (checkout / "a.yaml").unlink()
    (checkout / "a.yaml").symlink_to(tmp_path / "secret.yaml")

    with pytest.raises(FileNotFoundError):
        tree.read("a.yaml")


# Revisions


def test_a_revision_is_read_whatever_lies_on_disk(checkout: Path) -> None:
    write(checkout, {"a.yaml": "a: 2\n", "new.yaml": ""})
    tree = RevisionTree(checkout, "HEAD")

    assert tree.read("a.yaml") == b"a: 1\n"
    assert "new.yaml" not in tree.files
    assert tree.commit == git(checkout, "rev-parse", "HEAD")


def test_branches_tags_and_short_ids_name_revisions(checkout: Path) -> None:
    git(checkout, "tag", "--annotate", "--message=tag", "v1")
    commit = git(checkout, "rev-parse", "HEAD")

    assert {RevisionTree(checkout, name).commit for name in ("main", "v1", commit[:8], "HEAD~0", "refs/heads/main")} == {commit}


def test_a_bare_repository_has_revisions(checkout: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), str(bare))

    assert RevisionTree(bare, "main").files == tuple(sorted(FILES))
    assert top_level(bare) == bare.resolve()


@pytest.mark.parametrize("says_so", [True, False])
def test_a_bare_repository_has_no_files_without_a_revision(checkout: Path, tmp_path: Path, says_so: bool) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), str(bare))
    if not says_so:
        git(bare, "config", "--unset", "core.bare")

    with pytest.raises(UsageError, match="--rev"):
        WorkingTree(bare)


@pytest.mark.parametrize("revision", ["nowhere", "", "HEAD~5", "--help", "main:a.yaml", "a b"])
def test_a_revision_that_is_not_there_is_named(checkout: Path, revision: str) -> None:
    with pytest.raises(UsageError, match=f"revision '{revision}' is not in this repository"):
        RevisionTree(checkout, revision)


def test_outside_of_git_there_are_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in a git repository"):
        RevisionTree(tmp_path, "HEAD")


def test_a_repository_without_commits_has_no_revision(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")

    with pytest.raises(UsageError, match="'HEAD' is not in this repository"):
        RevisionTree(tmp_path, "HEAD")


# Where things are


def test_the_top_of_a_checkout_is_found_from_below(checkout: Path) -> None:
    assert top_level(checkout / "apps" / "web") == checkout.resolve()


def test_a_worktree_has_its_own_top(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "other")

    assert top_level(tmp_path / "tree") == (tmp_path / "tree").resolve()
    assert WorkingTree(tmp_path / "tree").files == tuple(sorted(FILES))


def test_the_remotes_of_a_checkout_are_known(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "remote", "add", "origin", "git@example.org:team/platform.git")
    git(checkout, "remote", "add", "mirror", "https://mirror.example.com/platform")

    assert remotes(checkout / "apps") == ("git@example.org:team/platform.git", "https://mirror.example.com/platform")
    assert remotes(tmp_path) == ()


@pytest.mark.parametrize(
    ("directory", "path", "expected"),
    [
        ("apps", "web", "apps/web"),
        ("apps", "./web/", "apps/web"),
        ("apps/web", "../../base", "base"),
        ("apps", "..", ""),
        ("", ".", ""),
        ("", "apps//web", "apps/web"),
        ("apps", "../..", None),
        ("", "../else", None),
        ("apps", "/etc", None),
        ("apps", "..web", "apps/..web"),
    ],
)
def test_paths_in_files_are_relative_to_them_and_never_leave_the_root(directory: str, path: str, expected: str | None) -> None:
    assert join(directory, path) == expected


def test_a_pipe_is_no_file(checkout: Path) -> None:
    os.mkfifo(checkout / "pipe.yaml")

    assert "pipe.yaml" not in WorkingTree(checkout).files
