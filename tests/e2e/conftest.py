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


# What `make e2e-full` has to show besides.
SHOWN_IN_FULL = (
    *(
        f"{what} {overlay} {how}"
        for overlay in ("staging", "production")
        for what, how in (
            ("bring-up of", "with the generated order"),
            ("bring-up of", "without dependsOn"),
            ("reconcile brings", "up with the generated order"),
            ("reconcile brings", "up without dependsOn"),
        )
    ),
    "generated edges without which a unit is refused",
    "a chain of four edges by Flux alone",
    "an ExternalSecret whose store is 240 s late",
    "a unit that was refused",
    "1,000 ExternalSecrets verified",
    "reconcile after kills",
    "reconcile through an outage of 30 s, expired watches and 429",
    "two runs at once",
    "permissions of the Job that are named when they are taken away",
    "permissions of the controller that are named when they are taken away",
    "controller: a commit after the API server was away",
)

LIMIT, LIMIT_FULL = 600, 1800  # seconds of one test


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--complete", action="store_true", help="fail if one of the things to be shown was not")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and _missing(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _missing(config: pytest.Config) -> list[str]:
    """What this run had to show, and has not."""
    if not config.getoption("--complete"):
        return []
    expected = SHOWN if config.getoption("-m") == "not full" else (*SHOWN, *SHOWN_IN_FULL)
    return [what for what in expected if what not in config.stash[FIGURES]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures, missing = config.stash[FIGURES], _missing(config)
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
