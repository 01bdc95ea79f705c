"""Selectors of patches and replacements: regular expressions for kind and name, label and annotation selectors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, Identity, annotations_of, labels_of, scalar_text
from gitops_secrets.syntax.pattern import Pattern, PatternError, compile_pattern

_GROUP_FIELDS = ("group", "version", "kind", "name", "namespace")


class Selector(NamedTuple):
    """What a patch or replacement is aimed at. Empty parts select everything."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    labels: str = ""
    annotations: str = ""

    @property
    def is_empty(self) -> bool:
        """Does it name neither kind nor name nor namespace?"""
        return not any(self[:5])

    def selects_kind(self, identity: Identity) -> bool:
        """Do group, version and kind match?"""
        return _matches(self.group, identity.group) and _matches(self.version, identity.version) and _matches(self.kind, identity.kind)

    def selects_identity(self, identity: Identity) -> bool:
        """Does all of the identity match, the namespace as written? How replacements select."""
        return self.selects_kind(identity) and _matches(self.name, identity.name) and _matches(self.namespace, identity.namespace)

    def selects_metadata(self, node: MappingNode) -> bool:
        """Do labels and annotations match?"""
        if self.labels and not matches_labels(self.labels, labels_of(node)):
            return False
        return not self.annotations or matches_labels(self.annotations, annotations_of(node))


def read_selector(written: Any) -> Selector:
    """The selector that a mapping states."""
    if not isinstance(written, MappingNode):
        return Selector()
    group, version, kind, name, namespace = (scalar_text(written.get(field)) for field in _GROUP_FIELDS)
    labels, annotations = (scalar_text(written.get(field)) for field in ("labelSelector", "annotationSelector"))
    return Selector(group, version, kind, name, namespace, labels, annotations)


def select(drafts: Iterable[Draft], selector: Selector) -> list[Draft]:
    """Those that `selector` means, by the name and namespace they have or had at first. Raises `BuildError` for a bad pattern."""
    for pattern in selector[:5]:
        read_pattern(pattern)
    for expression in (selector.labels, selector.annotations):
        _requirements(expression)
    return [draft for draft in drafts if _selects(selector, draft)]


def _selects(selector: Selector, draft: Draft) -> bool:
    now = draft.identity
    if not selector.selects_kind(now):
        return False
    before = draft.original
    if selector.name and not _matches(selector.name, before.name) and not _matches(selector.name, now.name):
        return False
    if selector.namespace and not (_matches(selector.namespace, before.effective_namespace) or _matches(selector.namespace, now.effective_namespace)):
        return False
    return selector.selects_metadata(draft.node)


def read_pattern(text: str) -> Pattern:
    """The pattern. Raises `BuildError` for one that is no regular expression of Go's."""
    try:
        return compile_pattern(text)
    except PatternError as error:
        raise BuildError(f"{text!r} is no regular expression: {error}") from error


def _matches(pattern: str, text: str) -> bool:
    return not pattern or pattern == text or compile_pattern(pattern).matches(text)


class _Requirement(NamedTuple):
    key: str
    operator: str  # in, notin, exists, !
    values: frozenset[str] = frozenset()


_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"\s*({_KEY})\s+(in|notin)\s*\(([^()]*)\)\s*\Z")
_EQUALITY = re.compile(rf"\s*({_KEY})\s*(==|=|!=)\s*({_VALUE})\s*\Z")
_COMPARISON = re.compile(rf"\s*({_KEY})\s*([<>])\s*(-?[0-9]+)\s*\Z")
_EXISTENCE = re.compile(rf"\s*(!?)\s*({_KEY})\s*\Z")


_SEPARATORS = re.compile(r"[,()]")


@cache
def _requirements(expression: str) -> tuple[_Requirement, ...]:
    if not expression.strip():
        return ()
    return tuple(_read_requirement(part.strip()) for part in _parts(expression))


def _parts(expression: str) -> Iterator[str]:
    """What stands between commas that are not in parentheses."""
    start, is_open = 0, False
    for found in _SEPARATORS.finditer(expression):
        if found[0] == ",":
            if not is_open:
                yield expression[start : found.start()]
                start = found.end()
        else:
            is_open = found[0] == "("
    yield expression[start:]


def _read_requirement(text: str) -> _Requirement:
    if match := _SET.match(text):
        return _Requirement(match[1], match[2], frozenset(value.strip() for value in match[3].split(",")))
    if match := _EQUALITY.match(text):
        return _Requirement(match[1], "notin" if match[2] == "!=" else "in", frozenset((match[3],)))
    if match := _COMPARISON.match(text):
        return _Requirement(match[1], match[2], frozenset((match[3],)))
    if match := _EXISTENCE.match(text):
        return _Requirement(match[2], match[1] or "exists")
    raise BuildError(f"{text!r} is no label selector")


def matches_labels(expression: str, labels: Mapping[str, str]) -> bool:
    """Does a set of labels meet a label selector as kubectl reads it? Raises `BuildError` for one that can't be read."""
    return all(_is_met(requirement, labels) for requirement in _requirements(expression))


def _is_met(requirement: _Requirement, labels: Mapping[str, str]) -> bool:
    key, operator, values = requirement
    if operator == "exists":
        return key in labels
    if operator == "!":
        return key not in labels
    if operator == "notin":
        return labels.get(key) not in values
    if key not in labels:
        return False
    if operator == "in":
        return labels[key] in values
    try:
        number, bound = int(labels[key]), int(next(iter(values)))
    except ValueError:
        return False
    return number > bound if operator == ">" else number < bound
