from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.repository import cache as module
from gitops_secrets.repository.cache import Cache, digest, user_cache

VALUE = ("text", {"a.yaml": ((1, 2, 3, 4), "id")}, [None, True, 1.5, b"bytes"])


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty one."""
    return Cache(tmp_path / "gitops-secrets" / "version")


def file_of(tmp_path: Path, name: str = "name") -> Path:
    return tmp_path / "gitops-secrets" / "version" / name


def test_what_was_put_is_there(cache: Cache) -> None:
    cache.put("name", VALUE)

    assert cache.get("name") == VALUE
    assert cache.get("other") is None


def test_the_last_value_counts(cache: Cache) -> None:
    cache.put("name", 1)
    cache.put("name", 2)

    assert cache.get("name") == 2


def test_nobody_else_can_read_it(cache: Cache, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        cache.put("name", VALUE)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "gitops-secrets", tmp_path / "gitops-secrets/version", file_of(tmp_path))]

    assert modes == [0o700, 0o700, 0o600]


def test_a_directory_that_others_may_enter_is_closed(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "gitops-secrets").mkdir(mode=0o755)
    cache.put("name", VALUE)

    assert stat.S_IMODE((tmp_path / "gitops-secrets").stat().st_mode) == 0o700


@settings(max_examples=60)
@given(st.binary(max_size=80), st.integers(min_value=0, max_value=120))
def test_a_broken_file_is_no_value(tmp_path_factory: pytest.TempPathFactory, garbage: bytes, position: int) -> None:
    root = tmp_path_factory.mktemp("cache")
    cache = Cache(root / "gitops-secrets" / "version")
    cache.put("name", VALUE)
    content = file_of(root).read_bytes()
    broken = content[:position] + garbage + content[position + len(garbage) :]
    file_of(root).write_bytes(broken)

    assert cache.get("name") == (VALUE if broken == content else None)


def test_half_a_file_is_no_value(cache: Cache, tmp_path: Path) -> None:
    cache.put("name", VALUE)
    content = file_of(tmp_path).read_bytes()
    found = set()
    for size in range(len(content)):
        file_of(tmp_path).write_bytes(content[:size])
        found.add(cache.get("name"))

    assert found == {None}


def test_a_value_under_another_name_is_no_value(cache: Cache, tmp_path: Path) -> None:
    cache.put("name", VALUE)
    file_of(tmp_path).rename(file_of(tmp_path, "other"))

    assert cache.get("other") is None


def test_a_link_is_not_followed(cache: Cache, tmp_path: Path) -> None:
    cache.put("name", VALUE)
    file_of(tmp_path).rename(tmp_path / "elsewhere")
    file_of(tmp_path).symlink_to(tmp_path / "elsewhere")

    assert cache.get("name") is None


def test_a_file_that_others_may_write_is_no_value(cache: Cache, tmp_path: Path) -> None:
    cache.put("name", VALUE)
    file_of(tmp_path).chmod(0o666)

    assert cache.get("name") is None


@pytest.mark.parametrize("obstacle", ["file", "link", "directory"])
def test_what_is_in_the_way_is_left_alone(cache: Cache, tmp_path: Path, obstacle: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    if obstacle == "file":
        (tmp_path / "gitops-secrets").write_text("mine")
    elif obstacle == "link":
        (tmp_path / "gitops-secrets").symlink_to(tmp_path / "elsewhere")
    else:
        file_of(tmp_path).mkdir(parents=True)
    cache.put("name", VALUE)

    assert cache.get("name") is None
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_takes_nothing_is_done_without(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(module, "_seal", refuse)
    cache.put("name", VALUE)

    assert list(file_of(tmp_path).parent.iterdir()) == []


def test_the_oldest_go_when_it_is_too_much(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("old", "a" * 1000)
    os.utime(file_of(tmp_path, "old"), (1, 1))
    cache.put("fairly new", "b")
    monkeypatch.setattr(module, "_MOST_BYTES", 500)
    cache.put("new", "c")

    assert [cache.get(name) for name in ("old", "fairly new", "new")] == [None, "b", "c"]


def test_what_a_killed_run_and_an_old_version_left_behind_goes(cache: Cache, tmp_path: Path) -> None:
    other = tmp_path / "gitops-secrets" / "other version"
    other.mkdir(parents=True)
    for path in (other / "old", other / "name.1.new"):
        path.write_text("x")
        os.utime(path, (1, 1))
    (other / "recent").write_text("x")
    cache.put("name", VALUE)

    assert [path.name for path in other.iterdir()] == ["recent"]


def test_runs_at_once_leave_one_whole_value(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gitops_secrets.repository.cache import Cache; cache = Cache(Path(sys.argv[1]))\n"
        "for number in range(50):\n    cache.put('name', sys.argv[2] * 100000)\n    assert len(set(cache.get('name') or 'x')) == 1"
    )
    directory = tmp_path / "gitops-secrets" / "version"
    runs = [subprocess.Popen([sys.executable, "-c", program, str(directory), letter]) for letter in "ab"]

    assert [run.wait() for run in runs] == [0, 0]
    assert Cache(directory).get("name") in ("a" * 100000, "b" * 100000)
    assert [path.name for path in directory.iterdir()] == ["name"]


@pytest.mark.parametrize(("variable", "place"), [("xdg", "xdg/gitops-secrets"), ("", "home/.cache/gitops-secrets"), ("relative", "home/.cache/gitops-secrets")])
def test_it_stands_where_the_user_keeps_such_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, place: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / variable) if variable == "xdg" else variable)
    cache = user_cache()
    assert cache is not None
    cache.put("name", VALUE)
    (version,) = (tmp_path / place).iterdir()

    assert [path.name for path in version.iterdir()] == ["name"]


def test_texts_that_only_add_up_to_the_same_have_different_names() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a\udcff") != digest("a")
