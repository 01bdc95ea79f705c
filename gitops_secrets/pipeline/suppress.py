"""Which findings the repository suppresses, by comments and by its configuration, and what of that suppresses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from gitops_secrets.checks import RULES
from gitops_secrets.checks.suppressions import UnusedSuppression
from gitops_secrets.config.suppress import Suppression, suppressions_in
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.findings import Finding
from gitops_secrets.model.nodes import Place
from gitops_secrets.pipeline.scan import Repository
from gitops_secrets.repository.tree import content_of


class Suppressions:
    """Asked for each finding once; remembers what was of use."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.comments: dict[str, dict[int, Suppression]] = {}
        self.used: set[tuple[Place, str]] = set()

    def cover(self, finding: Finding) -> bool:
        """Is the finding suppressed?"""
        file, line = finding.place.file, finding.place.line
        comment = self._in(file).get(line)
        found = False
        if comment is not None and comment.covers(finding.rule):
            self.used.add((_place(file, comment), finding.rule))
            found = True
        for entry in self.repository.configuration.ignore:
            subject = entry.subject is None or fnmatchcase(finding.subject, entry.subject)
            if entry.rule == finding.rule and subject and (entry.path is None or matches(file, entry.path)):
                self.used.add((entry.place, entry.rule))
                found = True
        return found

    def problems(self) -> Iterator[Problem]:
        """Comments that are not understood."""
        for file, comment in self._all():
            if comment.problem is not None:
                yield Problem(comment.problem, _place(file, comment), rule="")

    def unused(self) -> Iterator[Finding]:
        """A finding for each rule that is ignored somewhere to no effect."""
        rule, known = UnusedSuppression(), [rule.id for rule in RULES]
        written = [(_place(file, comment), ignored) for file, comment in self._all() if comment.problem is None for ignored in sorted(comment.rules)]
        written += [(entry.place, entry.rule) for entry in self.repository.configuration.ignore]
        yield from (rule.unused(ignored, place, known) for place, ignored in written if (place, ignored) not in self.used)

    def _all(self) -> Iterator[tuple[str, Suppression]]:
        for file in self.repository.loader.suppressing:
            yield from ((file, comment) for comment in self._in(file).values())

    def _in(self, file: str) -> dict[int, Suppression]:
        if file not in self.comments:
            tree = self.repository.tree
            is_read = tree.is_file(file) and self.repository.loader.may_suppress(file)
            self.comments[file] = suppressions_in(content_of(tree, file)) if is_read else {}
        return self.comments[file]


def matches(file: str, pattern: str) -> bool:
    """Is a file meant by a path of the configuration: a pattern, or a folder above it?"""
    return fnmatchcase(file, pattern) or file.startswith(pattern.rstrip("/") + "/")


def _place(file: str, comment: Suppression) -> Place:
    return Place(file, comment.line, comment.column)
