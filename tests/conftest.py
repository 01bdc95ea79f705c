"""Fixtures that more than one room's tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

# How busy the machine is says nothing of the code.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what the code gives into the golden files; read the difference in review")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes what the user's own runs keep."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the file of that name in the folder `golden` beside the test, or writes it with `--update-golden`."""

    def compare(name: str, text: str) -> None:
        file = request.path.parent / "golden" / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")

        assert file.read_text(encoding="utf-8") == text

    return compare


@pytest.fixture(scope="session")
def kustomize_binary() -> str:
    """The real kustomize. Where the test run is meant to be complete, a missing one is a failure."""
    binary = os.environ.get("GITOPS_SECRETS_KUSTOMIZE") or shutil.which("kustomize")
    if binary and shutil.which(binary):
        return binary
    reason = "kustomize is neither in GITOPS_SECRETS_KUSTOMIZE nor on PATH"
    if os.environ.get("CI") or os.environ.get("GITOPS_SECRETS_REQUIRE_KUSTOMIZE"):
        pytest.fail(reason)
    pytest.skip(reason)
