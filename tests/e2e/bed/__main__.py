"""`python -m tests.e2e.bed`: builds the programs, and keeps a bed running outside of tests."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from tests.e2e.bed import flux, programs, sample
from tests.e2e.bed.bed import Bed, running
from tests.e2e.bed.processes import NotReadyError

START_TIMEOUT = 180.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.bed", description=__doc__)
    parser.add_argument("--folder", type=Path, default=programs.CACHE / "cluster", help="where it keeps its files (one bed a folder)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build what is not cached").add_argument("--argo-cd", action="store_true", help="and Argo CD")
    for name, about in (("up", "start a bed and leave it running"), ("run", "the same in the foreground")):
        command = commands.add_parser(name, help=about)
        command.add_argument("--overlay", help="serve this overlay of the sample platform and bootstrap Flux with it")
        command.add_argument("--bootstrap", choices=("all", "source", "nothing"), default="all", help="with --overlay: what of it is applied")
        command.add_argument("--requeue-dependency", default=flux.Settings().requeue_dependency, help="of Flux (default: %(default)s)")
    commands.add_parser("down", help="end it")
    options = parser.parse_args()
    actions = {"build": _build, "up": _up, "run": _run, "down": _down}
    return actions[options.command](options)


def _build(options: argparse.Namespace) -> int:
    programs.build(*(programs.ARGO_CD if options.argo_cd else ()))
    return 0


def _run(options: argparse.Namespace) -> int:
    """Holds a bed until SIGTERM or SIGINT."""
    folder: Path = options.folder.absolute()
    built = programs.build()
    shutil.rmtree(folder / "bed", ignore_errors=True)
    signal.signal(signal.SIGTERM, _exit)
    (folder / "pid").write_text(str(os.getpid()))
    try:
        with running(built, folder / "bed", flux.Settings(requeue_dependency=options.requeue_dependency)) as bed:
            about = _about(bed)
            if options.overlay:
                served = sample.serve(bed, options.overlay)
                about |= {"repository": served.repository.url, "push to": str(served.repository.path), "overlay": served.path}
                if options.bootstrap == "all":
                    sample.bootstrap(bed, served)
                elif options.bootstrap == "source":
                    sample.apply_source(bed, served)
            (folder / "about.new").write_text(json.dumps(about, indent=2) + "\n")
            (folder / "about.new").rename(folder / "about.json")
            signal.pause()
    finally:
        for name in ("pid", "about.json"):
            (folder / name).unlink(missing_ok=True)
    return 0


def _up(options: argparse.Namespace) -> int:
    folder: Path = options.folder.absolute()
    if _pid(folder) is not None:
        _say(f"already running; end it with: python -m tests.e2e.bed --folder {folder} down")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    programs.build()  # here, where one can see it
    arguments = sys.argv[sys.argv.index("up") + 1 :]
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.bed", "--folder", str(folder), "run", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    started = time.monotonic()
    while not (folder / "about.json").exists():
        if child.poll() is not None or time.monotonic() - started > START_TIMEOUT:
            raise NotReadyError(f"the bed did not come up\n{(folder / 'log').read_text()[-4000:]}")
        time.sleep(0.1)
    sys.stdout.write((folder / "about.json").read_text())
    return 0


def _down(options: argparse.Namespace) -> int:
    pid = _pid(options.folder)
    if pid is None:
        _say("not running")
        return 0
    os.kill(pid, signal.SIGTERM)
    while _pid(options.folder) is not None:
        time.sleep(0.1)
    return 0


def _about(bed: Bed) -> dict[str, str]:
    return {
        "kubeconfig": str(bed.kubeconfig),
        "kubectl": str(bed.programs.binary("kubernetes", "kubectl")),
        "git": bed.git.url,
        "charts": bed.charts.url,
        "provider": bed.provider.endpoint,
        "logs": str(bed.processes.logs),
    }


def _pid(folder: Path) -> int | None:
    """Of the bed that runs in `folder`."""
    try:
        pid = int((folder / "pid").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
