"""YAML with template expressions in it, read without evaluating them: an expression becomes a text that is known to be unknown.

Helmfiles hold Go templates, bootstrap manifests Jinja; most of what they say stands there plainly all the same.
"""

from __future__ import annotations

import re

from gitops_secrets.manifests.load import Loader

# Characters of the private use area, which YAML allows and nobody writes.
UNKNOWN = "\ue000"
RELEASE_NAME = "\ue001"
RELEASE_NAMESPACE = "\ue002"

_OPENING = re.compile(r"(?=(\{[{%#]))\{")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_ONLY_EXPRESSIONS = re.compile(f"^[ \\t]*(?:{UNKNOWN}[{UNKNOWN} \\t]*)$", re.MULTILINE)
_SPECIAL = {".Release.Name": RELEASE_NAME, ".Release.Namespace": RELEASE_NAMESPACE}


def neutralised(text: str) -> str:
    """`text` with every expression replaced by as many characters that stand for it, lines and columns kept.

    A line that holds nothing else is emptied: it is a condition or a loop, or makes more lines than one.
    """
    if "{{" not in text and "{%" not in text:
        return text
    parts: list[str] = []
    position = 0
    unclosed: set[str] = set()  # looked for to the end of the text: once is enough
    for opening in _OPENING.finditer(text):
        start, closing = opening.start(), _CLOSING[opening[1]]
        if start < position or closing in unclosed:
            continue
        end = text.find(closing, start + 2)
        if end < 0:
            unclosed.add(closing)
            continue
        parts += (text[position:start], _placeholder(text[start : end + 2]))
        position = end + 2
    return _ONLY_EXPRESSIONS.sub("", "".join((*parts, text[position:])))


def read_templated(loader: Loader, path: str) -> tuple[object, ...]:
    """The documents of a file that may be a template; none where it can't be read as YAML. Secret values are cut, as ever."""
    if not loader.tree.is_file(path):
        return ()
    if path.endswith((".yaml", ".yml")) and not loader.holds(path, b"{{") and not loader.holds(path, b"{%"):
        return loader.load(path).documents
    return loader.parse(neutralised(loader.content_of(path)), path).documents


def known(value: object) -> str:
    """A text that holds nothing unknown, else the empty string; numbers as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value)
    return "" if UNKNOWN in text else text


def with_release(text: str, name: str, namespace: str) -> str:
    """`text` with the two expressions that every release knows filled in."""
    text = re.sub(f"{RELEASE_NAME}+", lambda _: name, text)
    return re.sub(f"{RELEASE_NAMESPACE}+", lambda _: namespace, text)


def _placeholder(expression: str) -> str:
    inner = expression[2:-2].strip("-~ \t\n")
    return re.sub(r"[^\r\n]", _SPECIAL.get(inner, UNKNOWN), expression)
