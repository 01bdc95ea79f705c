"""Programs of the bed as child processes that never outlive it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

LOG_TAIL = 20


class NotReadyError(Exception):
    """Something of the bed did not come up, or not to the state that was waited for."""


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60.0, interval: float = 0.05) -> float:
    """Waits for `condition` and returns the seconds that it took.

    Raises:
        NotReadyError: it does not hold within `timeout` seconds. The message names `what`.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout:
            raise NotReadyError(f"not within {timeout:g} s: {what}")
        time.sleep(interval)
    return time.monotonic() - started


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """One program, in a process group of its own.

    The kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG), so that not even a SIGKILL of the tests leaves it behind.
    So start it from a thread that lives as long as the bed.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], *, logs: Path, environment: Mapping[str, str] | None = None, directory: Path | None = None
    ) -> None:
        """`environment` is all that the program gets beside PATH and HOME. What it writes is appended to `name`.log in `logs`."""
        self.name = name
        self.log = logs / f"{name}.log"
        self._command = [str(part) for part in command]
        self._environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ} | dict(environment or {})
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    @property
    def running(self) -> bool:
        return self.pid is not None

    @property
    def command(self) -> tuple[str, ...]:
        """Program and arguments, as `ps` shows them."""
        return tuple(self._command)

    def start(self) -> None:
        if self.running:
            return
        leash = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*leash, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._directory,
                start_new_session=True,
            )

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, and SIGKILL for what is still there after `grace` seconds."""
        if self._child is None:
            return
        self._signal_group(signal.SIGTERM)
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if self._child is None:
            return
        self._signal_group(signal.SIGKILL)
        self._child.wait()

    def wait_until_ready(self, ready: Callable[[], bool], timeout: float = 60.0) -> None:
        """Waits for `ready`.

        Raises:
            NotReadyError: the program ended, or is not ready in time. The message ends with the tail of its log.
        """

        def ready_or_ended() -> bool:
            return not self.running or ready()

        try:
            wait_until(ready_or_ended, f"{self.name} is ready", timeout)
        except NotReadyError as error:
            raise NotReadyError(f"{error}\n{self._tail()}") from None
        if not self.running:
            raise NotReadyError(f"{self.name} ended with status {self._child.returncode if self._child else None}\n{self._tail()}")

    def _signal_group(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.poll() is None:
            os.killpg(self._child.pid, number)

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:])


class Processes:
    """All programs of one bed, by name, in the order of their start."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._processes: dict[str, Process] = {}

    def __getitem__(self, name: str) -> Process:
        return self._processes[name]

    def __iter__(self) -> Iterator[Process]:
        return iter(tuple(self._processes.values()))

    def start(
        self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, ready: Callable[[], bool] | None = None
    ) -> Process:
        """Starts a program and waits until it is `ready`.

        Raises:
            NotReadyError: it does not come up.
        """
        process = Process(name, command, logs=self.logs, environment=environment)
        self._processes[name] = process
        process.start()
        if ready is not None:
            process.wait_until_ready(ready)
        return process

    def stop(self) -> None:
        """Ends all, the last first. The control plane is not asked to finish anything: nothing of it is kept."""
        for process in reversed(tuple(self)):
            process.kill()
