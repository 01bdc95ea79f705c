"""The graph as one page that needs no network: filter, search, a unit's chain with its evidence and findings.

The page is made of the files beside this module. What it shows is a JSON island, read by the scripts and put on the page as text only. A content security
policy names the page's own scripts and styles by their hashes and allows nothing else, so a name in a repository that is markup, or a script, stays a name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from importlib import resources

from gitops_secrets.model.facts import Problem
from gitops_secrets.model.findings import Finding
from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.html.data import page_data

_SCRIPTS = ("vendor/dagre.js", "model.js", "layout.js", "graph.js", "panel.js", "page.js")
_STYLES = ("page.css",)
# What would end the island, or begin something else in it, for the parser of HTML.
_MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_PLACEHOLDER = re.compile(r"<!--(\w+)-->")


def html_page(
    title: str,
    plans: Iterable[Plan],
    findings: Sequence[Finding],
    problems: Iterable[Problem],
    revision: str | None,
    *,
    base: str | None = None,
    changes: Sequence[PlanDifference] = (),
) -> str:
    """The page: the graph of every cluster with what `check` finds in it. `title` is how people call the repository.

    With `changes` since the commit `base`, it marks what they do to the graph.
    """
    scripts = [_source(name) for name in _SCRIPTS]
    styles = [_source(name) for name in _STYLES]
    parts = {
        "policy": _policy(scripts, styles),
        "styles": "".join(f"<style>{text}</style>\n" for text in styles),
        "scripts": "".join(f"<script>{text}</script>\n" for text in scripts),
        "data": json.dumps(page_data(title, plans, findings, problems, revision, base, changes), separators=(",", ":")).translate(_MARKUP),
        "licence": _source("vendor/dagre.LICENSE"),
    }
    # In one pass: what is put in is never looked at again.
    return _PLACEHOLDER.sub(lambda found: parts[found[1]], _source("page.html"))


def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """https://www.w3.org/TR/CSP3/ and https://www.w3.org/TR/trusted-types/, as a `meta` element can say it."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(scripts)}",
            f"style-src {_hashes(styles)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hashes(texts: Iterable[str]) -> str:
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)
