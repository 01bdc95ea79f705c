"""The page of `scan --format html` in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from gitops_secrets.model.results import Finding
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.html import html_page

Open = Callable[[str], webdriver.Chrome]

pytestmark = pytest.mark.browser

PAYLOADS = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    '" onmouseover="window.hacked = 1" x="',
    "' autofocus onfocus='window.hacked = 1",
    "<svg onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "<!--<script>",
    "]]><style>*{display:none}</style>",
    "__proto__",
    "$&$`${window.hacked = 1}",
)

OPEN_EVERYTHING = """
    const open = () => document.querySelectorAll("#panel details").forEach((each) => (each.open = true));
    for (const node of [...document.querySelectorAll(".node")]) { select(node.dataset.id); open(); }
    for (const id of [...state.cluster.resources.keys()]) { selectThing(id); open(); }"""


@pytest.fixture
def page(small_plan: Plan, findings: list[Finding], opened: Open) -> webdriver.Chrome:
    return opened(html_page("platform", [small_plan], findings, [], None))


def texts(browser: webdriver.Chrome, selector: str) -> list[str]:
    found: list[str] = browser.execute_script("return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector)
    return found


def drawn(browser: webdriver.Chrome) -> list[str]:
    """The names of the units in the graph, from left to right."""
    script = """
        const left = (node) => Number(/translate\\(([-\\d.]+)/.exec(node.getAttribute("transform"))[1]);
        return [...document.querySelectorAll(".node")].sort((a, b) => left(a) - left(b)).map((node) => node.querySelector(".name").textContent)"""
    found: list[str] = browser.execute_script(script)
    return found


def click_node(browser: webdriver.Chrome, name: str) -> None:
    browser.find_element(By.XPATH, f"//*[local-name()='g' and contains(@class, 'node')][*[local-name()='text' and text()='{name}']]").click()


def search(browser: webdriver.Chrome, text: str) -> None:
    box = browser.find_element(By.ID, "search")
    box.clear()
    box.send_keys(text)


def test_what_has_to_be_there_first_stands_left(page: webdriver.Chrome) -> None:
    shown = drawn(page)

    assert shown.index("operators") < shown.index("stores") < shown.index("apps")


def test_a_click_shows_findings_chain_and_evidence(page: webdriver.Chrome) -> None:
    click_node(page, "apps")

    assert texts(page, "#panel h2") == ["apps"]
    assert texts(page, "#panel .finding .rule") == ["missing-store", "missing-secret"]
    assert texts(page, "#panel .chain > li") == ["operators", "stores", "apps"]
    page.find_element(By.CSS_SELECTOR, "#panel .edges summary").click()
    assert any("ExternalSecret/weather/weather-api needs" in text and "apps/weather/secret.yaml:" in text for text in texts(page, "#panel .need"))


def test_a_key_at_the_provider_is_found_and_leads_to_what_reads_it(page: webdriver.Chrome) -> None:
    search(page, "apiKey")

    assert texts(page, "#units .unit-name") == ["key:prod/weather/apiKey"]
    page.find_element(By.ID, "search").send_keys(Keys.ENTER)
    assert texts(page, "#panel .step .id") == ["ExternalSecret/weather/weather-api"]


def test_all_of_it_can_be_done_by_keyboard(page: webdriver.Chrome) -> None:
    body = page.find_element(By.TAG_NAME, "body")
    body.send_keys("/")
    page.switch_to.active_element.send_keys("stores")
    page.switch_to.active_element.send_keys(Keys.ENTER)

    assert texts(page, "#panel h2") == ["stores"]
    page.execute_script("document.querySelector('.node[tabindex=\"0\"]').focus()")
    page.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert texts(page, "#panel h2") == ["operators"]
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert texts(page, "#panel h2") == ["production"]


def test_a_screen_reader_hears_what_a_node_is(page: webdriver.Chrome) -> None:
    nodes: list[dict[str, Any]] = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    names = {node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "button" and node.get("name", {}).get("value")}

    assert "apps, Kustomization, 2 findings, worst: error, waits for 2, awaited by 0" in names


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_a_repository_runs(payload: str, named: Callable[[str], Plan], opened: Open) -> None:
    plan = named(payload)
    browser = opened(html_page(payload, [plan], [], [], None))
    browser.execute_script(OPEN_EVERYTHING)
    search(browser, payload[:4])

    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.querySelectorAll('img, iframe, object, embed, main style, aside script, nav script').length") == 0
    assert payload in browser.find_element(By.ID, "title").text
    assert any(payload in label for label in texts(browser, ".node title"))
