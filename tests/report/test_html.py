from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.model.facts import Problem
from gitops_secrets.model.findings import Finding
from gitops_secrets.model.nodes import Place
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report import html
from gitops_secrets.report.html import html_page
from tests.report.conftest import make_platform


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text of its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_data(self, data: str) -> None:
        last = self.found[-1][0] if self.found else ""
        if last in self.texts and self.cdata_elem == last:
            self.texts[last][-1] += data


def data_of(page: str) -> dict[str, object]:
    island = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert island is not None
    data: dict[str, object] = json.loads(island[1])
    return data


def page_of(plan: Plan, findings: list[Finding] | None = None, problems: tuple[Problem, ...] = ()) -> str:
    return html_page("platform", [plan], findings or [], problems, None)


def test_the_policy_allows_the_scripts_and_styles_of_the_page_and_nothing_else(small_plan: Plan) -> None:
    page = Elements(page_of(small_plan))
    policy = next(attributes["content"] for tag, attributes in page.found if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    directives = {name: set(values) for name, *values in (entry.split() for entry in policy.split("; "))}
    data = [index for index, attributes in enumerate(attributes for tag, attributes in page.found if tag == "script") if "type" in attributes]
    scripts = [text for index, text in enumerate(page.texts["script"]) if index not in data]

    assert directives["default-src"] == {"'none'"}
    assert directives["script-src"] == {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts}
    assert directives["style-src"] == {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in page.texts["style"]}
    assert directives["require-trusted-types-for"] == {"'script'"}
    assert len(scripts) > 1


def test_nothing_is_fetched(small_plan: Plan) -> None:
    page = Elements(page_of(small_plan))

    assert not {tag for tag, _ in page.found} & {"link", "img", "iframe", "object", "embed"}
    assert not [attributes for _, attributes in page.found if "src" in attributes]
    assert {attributes["href"] for _, attributes in page.found if "href" in attributes} == {"#search"}
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|WebSocket|import\(", "".join(page.texts["style"] + page.texts["script"][2:]))


def test_the_scripts_put_text_on_the_page_and_never_markup() -> None:
    own = list(Path(html.__file__).parent.glob("*.js"))
    sinks = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc|javascript:")

    assert len(own) == 5
    assert {file.name: sinks.findall(file.read_text()) for file in own} == {file.name: [] for file in own}


@given(st.text())
@settings(max_examples=30)
def test_no_name_adds_an_element_to_the_page(text: str) -> None:
    plan = make_platform().plan()
    harmless = html_page("title", [plan], [], [Problem("message", Place("file", 1, 1))], None)
    page = html_page(text, [plan], [], [Problem(text, Place(text, 1, 1))], None)

    assert Elements(page).found == Elements(harmless).found


def test_names_that_are_markup_are_data(named: Callable[[str], Plan]) -> None:
    page = page_of(named("</script><script>window.hacked = 1</script><!--scripts--><img src=x onerror=hacked>"))

    assert Elements(page).found == Elements(page_of(named("plain"))).found
    assert "<img" not in page


def test_every_text_is_there_once(small_plan: Plan, findings: list[Finding]) -> None:
    strings = data_of(page_of(small_plan, findings))["strings"]

    assert isinstance(strings, list)
    assert len(strings) == len(set(strings))
    assert "ExternalSecret/weather/weather-api" in strings


def test_the_same_repository_makes_the_same_page(findings: list[Finding]) -> None:
    assert page_of(make_platform().plan(), findings) == page_of(make_platform().plan(), findings)


def test_the_licence_of_the_layout_library_goes_with_the_page(small_plan: Plan) -> None:
    assert "Permission is hereby granted" in page_of(small_plan)
