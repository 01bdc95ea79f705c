"""The manual of the rules, made from their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gitops_secrets.checks import Rule
from gitops_secrets.report.style import BOLD, Style

# How the parts of a rule's docstring begin.
PARTS = ("What it does", "Why it matters", "Example", "Options")
_EXAMPLE = re.compile(r"before, (?P<before>.*?); after, (?P<after>.*)")
_PART = re.compile(rf"({'|'.join(PARTS)}):\s+")


def rule_list(rules: Sequence[type[Rule]], style: Style) -> str:
    """Every rule with its severity and its first line, worst first."""
    width = max((len(rule.id) for rule in rules), default=0)
    lines = []
    for rule in sorted(rules, key=lambda rule: (rule.severity.rank, rule.id)):
        severity = style.severity(f"{rule.severity.value:<7}", rule.severity)
        lines.append(f"{rule.id:<{width}}  {severity}  {_paragraphs(rule)[0]}")
    return "\n".join(lines) + "\n"


def rule_page(rule: type[Rule], style: Style) -> str:
    """The page of one rule: what it does, why it matters, an example, its options."""
    return "\n".join(_page(rule, style)) + "\n"


def _page(rule: type[Rule], style: Style) -> Iterator[str]:
    first, *rest = _paragraphs(rule)
    yield f"{style.paint(rule.id, BOLD)}  {style.severity(rule.severity.value, rule.severity)}"
    yield ""
    yield from style.wrapped(first)
    for paragraph in rest:
        yield ""
        part = _PART.match(paragraph)
        if part is None:
            yield from style.wrapped(paragraph)
        else:
            yield style.paint(part.group(1), BOLD)
            yield from style.wrapped(_sentence(paragraph[part.end() :]), "  ")


def summary(rule: type[Rule]) -> str:
    """What a rule is about, in one sentence."""
    return _paragraphs(rule)[0]


def rule_text(rule: type[Rule]) -> str:
    """The manual of a rule as plain text, a line a paragraph."""
    return "\n\n".join(_paragraphs(rule))


# Families, in the order in which people meet them: by the module of the rule.
_FAMILIES: Final[Mapping[str, str]] = {
    "order": "order",
    "health": "order",
    "deadlocks": "order",
    "missing": "references",
    "references": "references",
    "definitions": "references",
    "secrets": "secrets",
    "reading": "reading and building",
}


def family(rule: type[Rule]) -> str:
    """What sort of thing a rule is about."""
    module = rule.__module__.rpartition(".")[2]
    return _FAMILIES.get(module, module.replace("_", " "))


def rule_markdown(rule: type[Rule]) -> str:
    """The page of a rule for the documentation."""
    return "\n".join(_markdown(rule)) + "\n"


def _markdown(rule: type[Rule]) -> Iterator[str]:
    first, *rest = _paragraphs(rule)
    yield f"# {rule.id}"
    yield ""
    yield first
    yield ""
    fixable = " `gitops-secrets fix` mends it where one answer is right." if rule.fixable else ""
    yield f"**Severity**: {rule.severity.value}. **Family**: {family(rule)}.{fixable}"
    for paragraph in rest:
        part = _PART.match(paragraph)
        yield ""
        if part is None:
            yield paragraph
            continue
        yield f"## {part.group(1)}"
        yield ""
        example = _EXAMPLE.fullmatch(paragraph[part.end() :]) if part.group(1) == "Example" else None
        if example is None:
            yield _sentence(paragraph[part.end() :])
        else:
            for name in ("before", "after"):
                yield from _shown(name.capitalize(), example[name])
    if rule.symptoms:
        yield ""
        yield "## Symptoms"
        yield ""
        yield from (f"- `{symptom}`" for symptom in rule.symptoms)


def _shown(name: str, text: str) -> Iterator[str]:
    """One side of an example: as code where it is nothing else."""
    code = re.fullmatch(r"`([^`]+)`\.?", text)
    if code is None:
        yield f"{name}: {text}"
    else:
        yield from (f"{name}:", "", "```yaml", code[1], "```")
    if name == "Before":
        yield ""


def rule_pages(rules: Sequence[type[Rule]]) -> dict[str, str]:
    """All of `docs/rules`, by file name."""
    return {"README.md": rule_index(rules)} | {f"{rule.id}.md": rule_markdown(rule) for rule in rules}


def rule_index(rules: Sequence[type[Rule]]) -> str:
    """An index of all pages: by family, and by what a cluster shows."""
    return "\n".join(_index(rules)) + "\n"


def _index(rules: Sequence[type[Rule]]) -> Iterator[str]:
    yield "# Rules"
    yield ""
    yield "A page for each rule of `gitops-secrets check`, made from the code; `gitops-secrets explain RULE` shows the same on a terminal."
    names = dict.fromkeys([*_FAMILIES.values(), *sorted(family(rule) for rule in rules)])
    for name in names:
        members = [rule for rule in rules if family(rule) == name]
        if members:
            yield from ("", f"## {name.capitalize()}", "", "| rule | severity | reports |", "|---|---|---|")
            yield from (f"| {_link(rule)} | {rule.severity.value} | {summary(rule)} |" for rule in members)
    yield from ("", "## By symptom", "", "What a condition, an event or an error says, and the rules that find its cause. `x` stands for any name.")
    yield from ("", "| symptom | rules |", "|---|---|")
    symptoms: dict[str, list[type[Rule]]] = {}
    for rule in rules:
        for symptom in rule.symptoms:
            symptoms.setdefault(symptom, []).append(rule)
    for symptom in sorted(symptoms, key=str.casefold):
        yield f"| `{symptom}` | {', '.join(_link(rule) for rule in sorted(symptoms[symptom], key=_grade))} |"


def _grade(rule: type[Rule]) -> tuple[int, str]:
    return rule.severity.rank, rule.id


def _link(rule: type[Rule]) -> str:
    return f"[{rule.id}]({rule.id}.md)"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _paragraphs(rule: type[Rule]) -> list[str]:
    text = inspect.cleandoc(rule.__doc__ or rule.id)
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
