"""Options that commands share, and what they add up to."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits, described

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.report.style import Style

Command = TypeVar("Command", bound=Callable[..., Any])
# Where there is no terminal to ask: wide enough for a log, narrow enough for a diff of two of them.
WIDTH_OFF_TERMINAL = 120


class PathType(click.Path):
    """A path on disk. `--help` feels the import of pathlib, so it is imported for a value only."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that was given."""
        from pathlib import Path

        return Path(super().convert(value, param, ctx))  # type: ignore[arg-type]


READABLE_FILE = PathType(exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True)
class Call:
    """What the shared options of one call say."""

    config: Path | None = None
    limits: Limits = DEFAULT_LIMITS
    cluster: str | None = None
    revision: str | None = None
    output: Path | None = None
    cache: bool = True
    renderer: str = "auto"
    quiet: bool = False
    verbose: bool = False
    progress: bool = True
    color: str = "auto"

    @property
    def style(self) -> Style:
        """How text for people is to look where the result of this call goes."""
        from gitops_secrets.report.style import Style

        return Style(*self.look)

    @property
    def look(self) -> tuple[bool, int, bool, bool]:
        """The same, before anything is to be laid out: coloured, columns, verbose, quiet."""
        import shutil

        on_terminal = self.output is None and sys.stdout is not None and sys.stdout.isatty()
        width = shutil.get_terminal_size((WIDTH_OFF_TERMINAL, 40)).columns if on_terminal else WIDTH_OFF_TERMINAL
        return self.is_coloured(on_terminal), width, self.verbose, self.quiet

    def is_coloured(self, on_terminal: bool) -> bool:
        """The flag wins over NO_COLOR (https://no-color.org), that over FORCE_COLOR, that over what the output is."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return on_terminal and os.environ.get("TERM") != "dumb"


_OUTPUT_OPTIONS = (
    click.option("--output", metavar="FILE", type=PathType(dir_okay=False), help="Write the result to FILE instead of standard output."),
    click.option("-q", "--quiet", is_flag=True, help="Only what matters most."),
    click.option("-v", "--verbose", is_flag=True, help="Everything."),
    click.option("--debug", is_flag=True, help="Show tracebacks."),
    click.option("--no-progress", is_flag=True, help="No progress bar on standard error."),
    click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True, help="Colour the text."),
)


class _Limit(click.ParamType[tuple[str, int]]):
    """A limit with its number, as in `file-size=100000000`."""

    name = "limit"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        name, _, number = value.partition("=")
        known = described()
        if name not in known:
            self.fail(f"there is no limit {name!r}; there are {', '.join(known)}", param, ctx)
        most = known[name][2]
        if not (number.isascii() and number.isdigit() and len(number) < 20 and 0 < int(number) <= most):
            self.fail(f"{name} is a whole number" + ("" if most > 1_000_000 else f" up to {most}"), param, ctx)
        return name.replace("-", "_"), int(number)


limit_option = click.option("--limit", "limits", metavar="NAME=NUMBER", type=_Limit(), multiple=True, help="Look at more, or less, of what strangers wrote.")
_READING_OPTIONS = (
    click.option("--config", metavar="FILE", type=PathType(dir_okay=False), help="Configuration, instead of .gitops-secrets.yaml."),
    click.option("--rev", "revision", metavar="REV", help="Read this revision from git instead of the files on disk."),
    limit_option,
    click.option("--no-cache", is_flag=True, help="Neither read nor write the cache."),
    click.option("--renderer", type=click.Choice(["auto", "builtin", "kustomize"]), default="auto", show_default=True, help="What builds kustomizations."),
)
_CLUSTER_OPTION = click.option("--cluster", metavar="NAME", help="Only this entry point; all by default.")

_CONNECTION_OPTIONS = (
    click.option("--context", "context_name", metavar="NAME", help="The kubeconfig's context; its current one by default."),
    click.option("--kubeconfig", metavar="FILE", type=PathType(dir_okay=False), help="The kubeconfig, as in kubectl."),
)


class Duration(click.ParamType[float]):
    """Seconds, or a Go duration such as 10m or 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """How many seconds were given."""
        from gitops_secrets.rendering.objects import seconds

        text = str(value)
        found = float(text) if text.isdigit() else seconds(text)
        if not found or found <= 0:
            self.fail(f"{text!r} is no duration; write 90s, 10m or 1h30m", param, ctx)
        return found


def path_argument(command: Command) -> Command:
    """Adds PATH: any folder of the repository; results are limited to entry points below it."""
    return click.argument("path", type=PathType(), default=".", required=False)(command)


def merge_base_option(command: Command) -> Command:
    """Adds `--no-merge-base`."""
    text = "Compare with the base itself, not with the commit where it and this parted."
    return click.option("--no-merge-base", "merge_base", is_flag=True, default=True, flag_value=False, help=text)(command)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Adds `--format`, the first of `formats` being the default."""
    return click.option("--format", "format_", type=click.Choice(formats), default=formats[0], show_default=True, help="How the result is written.")


def common_options(command: Command) -> Command:
    """Adds the options of every command that looks at clusters, handed to it as one `Call`."""
    return _with_options(command, (_CLUSTER_OPTION, *_READING_OPTIONS, *_OUTPUT_OPTIONS))


def reading_options(command: Command) -> Command:
    """Adds the options of commands that read a repository but know no clusters."""
    return _with_options(command, (*_READING_OPTIONS, *_OUTPUT_OPTIONS))


def output_options(command: Command) -> Command:
    """Adds the options of commands that read no repository."""
    return _with_options(command, _OUTPUT_OPTIONS)


def source_option(command: Command) -> Command:
    """Adds `--source`."""
    text = "Read what this source has fetched instead of a checkout; PATH is then a folder in it. Inside of the cluster only."
    return click.option("--source", metavar="KIND/NAMESPACE/NAME", help=text)(command)


def connection_options(command: Command) -> Command:
    """Adds the options of commands that act on a live cluster."""
    for option in reversed(_CONNECTION_OPTIONS):
        command = option(command)
    return command


def _with_options(command: Command, options: tuple[Callable[[Any], Any], ...]) -> Command:
    @functools.wraps(command)
    def wrapper(**given: Any) -> Any:
        given.pop("debug")  # seen by `Program.main`, before any command runs
        call = Call(
            config=given.pop("config", None),
            limits=Limits(**dict(given.pop("limits", ()))),
            cluster=given.pop("cluster", None),
            revision=given.pop("revision", None),
            output=given.pop("output"),
            cache=not given.pop("no_cache", False),
            renderer=given.pop("renderer", "auto"),
            quiet=given.pop("quiet"),
            verbose=given.pop("verbose"),
            progress=not given.pop("no_progress"),
            color=given.pop("color"),
        )
        return command(call=call, **given)

    for option in reversed(options):
        wrapper = option(wrapper)
    return wrapper  # type: ignore[return-value]
