"""Every command of the program over one repository, in a process that the kernel holds to a budget of time and memory.

The processes are forked from a server that has imported the program already, so that a case costs what the commands cost.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from click.testing import CliRunner

from gitops_secrets.cli.main import cli

PROCESSOR_SECONDS = 60
MEMORY = 2 << 30
# Of the watch on the wall: only what waits for something that never comes gets there.
PATIENCE = 300
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command did."""

    arguments: tuple[str, ...]
    status: int
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Session:
    """What became of the commands of a case. `ended` says how the process did, where it did not by itself."""

    runs: tuple[Ran, ...]
    ended: str | None

    def __getitem__(self, arguments: str) -> Ran:
        return next(run for run in self.runs if " ".join(run.arguments).startswith(arguments))


def run_all(folder: Path, commands: Sequence[Sequence[str]], *, cache: Path, user: int | None = None) -> Session:
    """Runs the commands in `folder`, one after another in one process, until it is through or its budget is spent.

    `cache` is the user's cache directory. Where the tests run as root, who may read everything, `user` runs the commands instead.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.unbreakable.preload"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(str(folder), str(cache), user, [tuple(command) for command in commands], sender), daemon=True)
    process.start()
    sender.close()
    runs: list[Ran] = []
    ended = None
    try:
        while receiver.poll(PATIENCE):
            runs.append(receiver.recv())
        process.kill()
        ended = f"nothing happened for {PATIENCE} seconds"
    except EOFError:
        pass
    process.join()
    if ended is None and process.exitcode:
        ended = f"exit code {process.exitcode}"
    if ended is not None and len(runs) < len(commands):
        ended += f" in `{' '.join(commands[len(runs)])}`"
    return Session(tuple(runs), ended)


def _work(folder: str, cache: str, user: int | None, commands: Sequence[tuple[str, ...]], sender: Connection) -> None:
    os.environ["XDG_CACHE_HOME"] = cache
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(folder)
    if user is not None and os.geteuid() == 0:
        os.setgroups([])
        os.seteuid(user)
    for command in commands:
        result = CliRunner().invoke(cli, command)
        sender.send(Ran(command, result.exit_code, result.stdout, result.stderr))
        # Commands switch the collector off, since a process runs one of them.
        gc.enable()
        gc.collect()
    sender.close()
