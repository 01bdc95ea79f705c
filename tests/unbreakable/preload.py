"""Imported once by the server of processes: the program, with all that it loads on its way through every command."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
from pathlib import Path

from click.testing import CliRunner

from gitops_secrets.cli.main import cli
from tests.unbreakable.commands import commands
from tests.unbreakable.repositories import PLATFORM, make

with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
    make(Path(folder), PLATFORM)
    for command in commands():
        CliRunner().invoke(cli, command)
gc.enable()
gc.collect()
gc.freeze()
