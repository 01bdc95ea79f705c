"""The page of `scan --format html` in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from gitops_secrets.cli.main import cli
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.findings import Change, Finding
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Dependency, Unit
from gitops_secrets.ordering.difference import plan_difference
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.html import html_page
from tests.report.conftest import NO_ROWS, STORES, Platform, kustomization

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

UNIT = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
  namespace: {name}
spec:
  path: {name}
  sourceRef: {{kind: GitRepository, name: flux-system}}
  dependsOn: [{{name: {name}}}]
"""
OPEN_PANEL = 'document.querySelectorAll("#panel details").forEach((each) => (each.open = true))'
# Of each text that is seen: the contrast of its colour and of the next background behind it, by WCAG's formula.
CONTRASTS = """
    const pixels = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour) => {
        pixels.clearRect(0, 0, 1, 1); pixels.fillStyle = colour; pixels.fillRect(0, 0, 1, 1);
        return [...pixels.getImageData(0, 0, 1, 1).data];
    };
    const light = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    const luminance = ([red, green, blue]) => 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
    const behind = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const colour = rgb(getComputedStyle(each).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255];
    };
    const found = {};
    for (const element of document.querySelectorAll("body *:not(svg *, script, option)")) {
        const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
        if (text === "" || !element.checkVisibility()) continue;
        const [one, other] = [luminance(rgb(getComputedStyle(element).color)), luminance(behind(element))];
        found[text] = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    }
    return found;"""
OPEN_EVERYTHING = """
    const open = () => document.querySelectorAll("#panel details").forEach((each) => (each.open = true));
    for (const node of [...document.querySelectorAll(".node")]) { select(node.dataset.id); open(); }
    for (const id of [...state.cluster.resources.keys()]) { selectThing(id); open(); }"""


@pytest.fixture
def page(small_plan: Plan, findings: list[Finding], opened: Open) -> webdriver.Chrome:
    return opened(html_page("platform", [small_plan], findings, [], None))


@pytest.fixture
def thousand(platform: Platform) -> Plan:
    """Two units that a thousand others wait for."""
    place = Place("clusters/production/apps.yaml", 1, 1)
    apps = [Unit(kustomization(f"app-{number:04}"), place, depends_on=(Dependency(STORES, place),)) for number in range(1000)]
    return replace(platform, units=[platform.units[1], platform.units[2], *apps], resources=(), facts=()).plan()


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
    # What unfolds is made when the browser tells that it has.
    unfolded = WebDriverWait(page, 10).until(lambda browser: [text for text in texts(browser, "#panel .need") if "apps/weather/secret.yaml:" in text])

    assert any("ExternalSecret/weather/weather-api needs" in text for text in unfolded)


def test_a_key_at_the_provider_is_found_and_leads_to_what_reads_it(page: webdriver.Chrome) -> None:
    search(page, "apiKey")

    assert texts(page, "#units .unit-name") == ["key:prod/weather/apiKey"]
    page.find_element(By.ID, "search").send_keys(Keys.ENTER)
    assert texts(page, "#panel .step .id") == ["ExternalSecret/weather/weather-api"]


def test_an_object_shows_who_makes_it_what_that_needs_and_who_needs_it(page: webdriver.Chrome) -> None:
    page.execute_script("selectThing('Secret/weather/weather-api-secrets')")

    assert texts(page, "#panel h3") == ["Made by", "Chain downwards: what needs it"]
    assert texts(page, "#panel .link")[:1] == ["ExternalSecret/weather/weather-api"]
    assert "key:prod/weather/apiKey" in texts(page, "#panel .step .id")
    assert texts(page, "#panel .step .id")[-1] == "Deployment/weather/api"


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


def test_the_tab_key_reaches_search_list_graph_and_details_in_a_few_steps(thousand: Plan, opened: Open) -> None:
    browser = opened(html_page("platform", [thousand], [], [], None))
    browser.find_element(By.ID, "search").click()
    reached = []
    for _ in range(6):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.execute_script("return document.activeElement.closest('ul.units, svg, .zoom, aside')?.id ?? ''"))

    assert [place for place in dict.fromkeys(reached) if place] == ["units", "graph"]
    assert reached.count("units") == reached.count("graph") == 1


def test_a_screen_reader_hears_what_a_node_is(page: webdriver.Chrome) -> None:
    nodes: list[dict[str, Any]] = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    names = {node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "button" and node.get("name", {}).get("value")}

    assert "apps, Kustomization, 2 findings, worst: error, waits for 2, awaited by 0" in names


def test_namespaces_filter_and_what_is_waited_for_stays_as_context(page: webdriver.Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "#namespaces summary").click()
    page.find_element(By.XPATH, "//ul[@id='namespace-list']//label[contains(., 'weather')]").click()

    assert texts(page, "#count") == ["1 of 4 units"]
    assert texts(page, "#units .unit-name") == ["apps"]
    assert sorted(texts(page, ".node.context .name")) == ["operators", "stores"]


def test_only_units_with_findings_can_be_shown(page: webdriver.Chrome) -> None:
    page.find_element(By.ID, "only-findings").click()

    assert texts(page, "#units .unit-name") == ["apps", "stores"]


def test_a_release_is_part_of_what_applies_it_until_it_is_wanted_on_its_own(page: webdriver.Chrome) -> None:
    assert "external-secrets" not in drawn(page)
    page.find_element(By.ID, "releases").click()
    assert "external-secrets" in drawn(page)


def test_a_chain_can_be_shown_alone(page: webdriver.Chrome) -> None:
    click_node(page, "stores")
    page.find_element(By.XPATH, "//button[text()='Show only this chain']").click()

    assert drawn(page) == ["operators", "stores", "apps"]
    page.find_element(By.ID, "chain-leave").click()
    assert len(drawn(page)) == 4


def test_clusters_are_chosen_from_a_list(platform: Platform, opened: Open) -> None:
    plans = [platform.plan(), replace(platform, name="staging", units=platform.units[:3], resources=(), facts=()).plan()]
    browser = opened(html_page("platform", plans, [], [], None))

    assert texts(browser, "#panel h2") == ["production"]
    Select(browser.find_element(By.ID, "cluster")).select_by_visible_text("staging")
    assert texts(browser, "#panel h2") == ["staging"]
    assert len(drawn(browser)) == 3


def test_the_address_brings_another_reader_to_the_same_place(page: webdriver.Chrome) -> None:
    click_node(page, "stores")
    address = page.current_url
    page.get("about:blank")
    page.get(address)

    assert texts(page, "#panel h2") == ["stores"]


def test_what_a_change_does_is_marked(platform: Platform, findings: list[Finding], opened: Open) -> None:
    written = replace(platform, facts=())
    without = [each for each in platform.resources if STORES not in (each.resource.id, each.unit)]
    before, after = written.plan(), replace(written, units=[unit for unit in platform.units if unit.id != STORES], resources=without).plan()
    change = plan_difference(before, after, NO_ROWS)
    browser = opened(html_page("platform", [after], [replace(findings[0], change=Change.NEW)], [], None, base="a" * 40, changes=[change]))

    assert texts(browser, ".node.change-removed .name") == ["stores"]
    assert texts(browser, ".node.change-reconciled .name") == ["flux-system"]
    assert len(browser.find_elements(By.CSS_SELECTOR, ".line.change-removed")) > 0
    assert texts(browser, "#panel h3")[0] == "Since aaaaaaaaaaaa"
    browser.find_element(By.ID, "only-changed").click()
    assert texts(browser, "#units .unit-name") == ["flux-system", "stores"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_light_and_dark(scheme: str, page: webdriver.Chrome) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    click_node(page, "apps")
    page.execute_script(OPEN_PANEL)
    contrasts: dict[str, float] = page.execute_script(CONTRASTS)

    # https://www.w3.org/TR/WCAG22/#contrast-minimum
    assert len(contrasts) > 20
    assert {text: contrast for text, contrast in contrasts.items() if contrast < 4.5} == {}


def test_the_reader_can_switch_to_dark(page: webdriver.Chrome) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]})
    page.find_element(By.ID, "theme").click()

    assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"


def test_a_thousand_units_are_drawn_with_few_lines_and_found_by_name(thousand: Plan, opened: Open) -> None:
    browser = opened(html_page("platform", [thousand], [], [], None))

    assert len(drawn(browser)) == 1002
    assert len(browser.find_elements(By.CSS_SELECTOR, "#lines .line")) < 20
    search(browser, "app-0777")
    browser.find_element(By.ID, "search").send_keys(Keys.ENTER)
    assert texts(browser, "#panel h2") == ["app-0777"]
    assert texts(browser, "#panel .chain > li") == ["operators", "stores", "app-0777"]
    click_node(browser, "app-0777")
    node = browser.find_element(By.CSS_SELECTOR, ".node.selected").rect
    assert 0 < node["x"] < 1440
    assert 0 < node["y"] < 900


def test_a_cycle_and_a_cluster_without_units_are_drawn(platform: Platform, opened: Open) -> None:
    first, second = platform.units[1].id, platform.units[2].id
    place = Place("clusters/production/units.yaml", 1, 1)
    units = [
        replace(platform.units[1], depends_on=(Dependency(second, place), Dependency(first, place))),
        replace(platform.units[2], depends_on=(Dependency(first, place),)),
    ]
    plans = [replace(platform, units=units, resources=(), facts=()).plan(), replace(platform, name="empty", units=(), resources=(), facts=()).plan()]
    browser = opened(html_page("platform", plans, [], [], None))

    assert sorted(drawn(browser)) == ["operators", "stores"]
    Select(browser.find_element(By.ID, "cluster")).select_by_visible_text("empty")
    assert texts(browser, "#empty") == ["This cluster has no units."]


def test_no_cluster_is_a_page_too(opened: Open) -> None:
    browser = opened(html_page("platform", [], [], [Problem("can't be read", Place("a.yaml", 1, 1))], None))

    assert texts(browser, "#empty") == ["No entry point was found."]


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


def test_nothing_of_files_on_disk_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Open) -> None:
    payload = "<img src=x onerror='window.hacked = 1'>"
    (tmp_path / payload).mkdir()
    (tmp_path / payload / f"{payload}.yaml").write_text(UNIT.format(name=json.dumps(payload)))
    (tmp_path / payload / "broken.yaml").write_text(f"{json.dumps(payload)}: [\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["scan", "--format", "html", "--output", "page.html", "--no-progress"])
    browser = opened((tmp_path / "page.html").read_text(encoding="utf-8"))
    browser.execute_script(OPEN_EVERYTHING)

    assert ended.value.code == 0
    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0
    assert payload in texts(browser, "#units .unit-name")


def test_nothing_is_asked_of_a_network(page: webdriver.Chrome) -> None:
    page.execute_script(OPEN_EVERYTHING)

    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
