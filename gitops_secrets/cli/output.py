"""Where results go: standard output, or a file that is there whole or not at all."""

from __future__ import annotations

import io
import os
import stat
import sys
from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.options import Call
from gitops_secrets.errors import OutsideError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def write(text: str, call: Call, *, has_commands: bool = False) -> None:
    """Writes a result where the call wants it; `has_commands` if lines of it are meant to be commands of a CI system.

    A reader that has seen enough (`| head`) is no error.
    """
    if call.output is not None and str(call.output) != "-":
        write_file(call.output, text)
        note(f"wrote {call.output}", call)
        return
    if sys.stdout is None:
        return  # closed by the caller
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that can't show a line of a tree gets its code point instead of a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    from gitops_secrets.report.escape import inert

    try:
        # Colour was decided when the text was made.
        click.echo(text if has_commands else inert(text), nl=False, color=True)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_standard_output()
    except OSError as error:
        _silence_standard_output()
        raise OutsideError(f"can't write to standard output: {error.strerror}") from error


def _silence_standard_output() -> None:
    """The interpreter flushes once more at its end; give it somewhere to write to."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def write_file(path: Path, text: str) -> None:
    """Replaces a file in one step; a link keeps pointing to it. Raises `UsageError` where it can't be written."""
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            # A device or a pipe is written to, never replaced.
            target.write_text(text, encoding="utf-8", newline="\n")
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror}") from error


def append(path: Path, text: str) -> None:
    """Adds to the end of a file. Raises `OutsideError` where it can't be written."""
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise OutsideError(f"can't write {path}: {error.strerror}") from error


def note(message: str, call: Call) -> None:
    """A line for the user that is no result."""
    from gitops_secrets.report.escape import inert, visible

    if not call.quiet:
        click.echo(inert("\n".join(map(visible, message.split("\n")))), err=True)
