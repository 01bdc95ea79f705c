"""Texts in the fields of an object that whoever reads them takes for YAML."""

from __future__ import annotations

from typing import Any

from gitops_secrets.kinds.paths import Found, field_text
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import Limits
from gitops_secrets.syntax.yaml import parse


class TextReader:
    """Reads the texts of one object, and keeps what is wrong with them as `problems`."""

    __slots__ = ("limits", "problems", "resource")

    def __init__(self, resource: ResourceId, limits: Limits) -> None:
        self.resource = resource
        self.limits = limits
        self.problems: list[Problem] = []

    def read(self, text: str, at: Found) -> Any:
        """The first document of a text that stands at `at`; None if there is none."""
        parsed = parse(text, "", self.limits)
        wrong = next((problem for problem in parsed.problems if not problem.duplicate_key), None)
        if wrong is not None:
            self.problems.append(Problem(f"{field_text(at.way)} of {self.resource} can't be read: {wrong.message}", at.place, subject=str(self.resource)))
        return parsed.first
