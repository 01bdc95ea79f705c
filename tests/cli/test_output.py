from __future__ import annotations

from pathlib import Path

import pytest

from gitops_secrets.cli.options import Call
from gitops_secrets.cli.output import write_file
from gitops_secrets.errors import UsageError


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text("old, and longer than the new one")
    write_file(file, "new\n")

    assert file.read_text() == "new\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_wrong_usage_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="can't write"):
        write_file(tmp_path / "folder", "text")
    with pytest.raises(UsageError, match="can't write"):
        write_file(tmp_path / "not" / "there", "text")

    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_link_keeps_pointing_to_the_file_and_the_file_keeps_its_mode(tmp_path: Path) -> None:
    file, link = tmp_path / "result.json", tmp_path / "latest.json"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    write_file(link, "new\n")

    assert link.is_symlink()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new\n", 0o600)


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    link = tmp_path / "nowhere"
    link.symlink_to("/dev/null")
    write_file(link, "text\n")

    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("flag", "variables", "on_terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_follows_the_flag_then_the_variables_then_the_terminal(
    monkeypatch: pytest.MonkeyPatch, flag: str, variables: dict[str, str], on_terminal: bool, expected: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert Call(color=flag).is_coloured(on_terminal) is expected
