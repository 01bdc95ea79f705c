"""Fixtures of the tests on a real control plane, and the figures that they print."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from tests.e2e.bed import programs
from tests.e2e.bed.bed import Bed, running
from tests.e2e.bed.programs import Programs

FIGURES = pytest.StashKey[dict[str, str]]()

# What `make e2e` has to show, each with a figure. One that did not run fails the run.
SHOWN = (
    "bring-up of development with the generated order",
    "bring-up of development without dependsOn",
    "reconcile brings development up with the generated order",
    "reconcile brings development up without dependsOn",
    "reconcile over a chain of four edges",
    "diagnosis of a key that the provider does not have",
    "diagnosis of units that depend on each other",
    "diagnosis of a store that does not admit the namespace",
    "reconcile after SIGTERM and a kill",
    "places that show a value of the provider",
    "reconcile with the role of the job",
    "controller: a commit is verified, told in status, events, metrics and at the forge",
    "controller: a broken store is reported with its root",
    "controller: another replica takes over from one that is killed",
    "controller: SIGTERM",
)


LIMIT, LIMIT_FULL = 600, 1800  # seconds of one test


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--complete", action="store_true", help="fail if one of the things to be shown was not")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--complete") and session.exitstatus == pytest.ExitCode.OK and set(SHOWN) - session.config.stash[FIGURES].keys():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash[FIGURES]
    missing = [what for what in SHOWN if what not in figures] if config.getoption("--complete") else []
    if figures or missing:
        terminalreporter.section("figures")
        for what, figure in [*figures.items(), *((what, "NOT SHOWN") for what in missing)]:
            terminalreporter.write_line(f"{what}: {figure}")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Notes what a test has shown, as a line under all results."""

    def note(what: str, value: str) -> None:
        request.config.stash[FIGURES][what] = value

    return note


@pytest.fixture(autouse=True)
def limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ends a test that hangs: what it waits for has limits of its own, below this one."""

    def expired(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the test took more than {seconds} s")

    seconds = LIMIT_FULL if request.node.get_closest_marker("full") else LIMIT
    signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


@pytest.fixture(scope="session")
def built() -> Programs:
    return programs.build()


@pytest.fixture
def bed(built: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """An empty cluster at Flux' default settings."""
    with running(built, tmp_path_factory.mktemp("bed") / "bed") as bed:
        yield bed
