"""The rule about what suppresses findings. What is used is known only once all other rules have run, so their runner asks it."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_secrets.checks.base import Context, Rule, closest, did_you_mean
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.model.nodes import Place
from gitops_secrets.syntax.nearest import Names


class UnusedSuppression(Rule):
    """A comment or an entry of the configuration ignores findings that are not there.

    What it does: reports each rule in a comment `# gitops-secrets: ignore[rule] reason` that suppresses nothing at its place, and each entry of `ignore` in
    the configuration that suppresses nothing at all. Not reported where only a part of the clusters is looked at, or a
    unit does not build: what it is for may be in there.

    Why it matters: what it was there for is mended, moved, or never was; it stays silent, and hides the next finding at that place.

    Example: before, a comment that ignores `missing-secret` above a reference to a Secret that has come into the repository since; after, the same without
    the comment.

    Options: none.
    """

    id = "unused-suppression"
    severity = Severity.NOTE

    def check(self, context: Context) -> Iterator[Finding]:
        """Nothing: it is not about one cluster."""
        yield from ()

    def unused(self, ignored: str, place: Place, known: list[str]) -> Finding:
        """The finding for the rule `ignored`, which is suppressed at `place` to no effect; `known` are the rules that there are."""
        if ignored not in known:
            message = f"there is no rule {ignored} that this could ignore{did_you_mean(closest(ignored, Names(known)))}"
        else:
            message = f"this ignores {ignored}, which finds nothing here; remove it"
        return self.finding(message, place, place.file, field=ignored)
