"""A real browser without a window, which downloads nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def _program(variable: str, names: tuple[str, ...]) -> str:
    found = os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"none of {', '.join(names)} is on PATH\non Debian and Ubuntu: apt-get install chromium chromium-driver")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium with a window of 1440 by 900, and without a network."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("GITOPS_SECRETS_CHROMIUM", CHROMIUM)
    # No sandbox of Chromium's own: it can't be made as root or in a container, and the pages are those of these tests.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1440,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(_program("GITOPS_SECRETS_CHROMEDRIVER", ("chromedriver",))))
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0})
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Callable[[str], webdriver.Chrome]]:
    """Opens a page; at the end nothing may have been refused or have failed in it."""

    def open_page(page: str) -> webdriver.Chrome:
        file = tmp_path / "page.html"
        file.write_text(page, encoding="utf-8")
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(file.as_uri())
        return browser

    yield open_page
    assert browser.get_log("browser") == []
