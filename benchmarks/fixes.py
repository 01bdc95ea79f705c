"""Fixes: of the commits that mended an order or a reference, at how many parents the fault is reported, and gone at the commit.

    python benchmarks/fixes.py FIX-COMMITS.csv OWNER/NAME=MIRROR …

FIX-COMMITS.csv has the columns repo, parent, commit, file, class, to_report_at_parent, determinable_from_repo. A MIRROR is a git repository, a bare one too,
with both commits. A row counts as reported if a rule that fits its class says something of the row's file at the parent which it no longer says at the
commit: as a finding, or as evidence of one. A unit that lacks two edges has a finding for the one that implies the other, and evidence for both; a loop
stands in the files of all its units.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.scan import analyse, open_repository

# The rules that fit a class of fault. A row tells what people mended, not how it is called here.
RULES: Mapping[str, frozenset[str]] = {
    "cyclic": frozenset({"dependency-cycle", "parent-waits-for-child"}),
    "dangling-dependsOn": frozenset({"dangling-depends-on"}),
    "missing-dependsOn": frozenset({"missing-depends-on"}),
    "missing-healthCheck": frozenset({"dependency-not-gated", "misread-health-check"}),
    "missing-store": frozenset({"missing-store", "wrong-namespace"}),
    "missing-wait": frozenset({"dependency-not-gated", "misread-health-check"}),
    "other:dangling-path": frozenset({"missing-path"}),
    "other:dangling-resource": frozenset({"build-failed"}),
    "wrong-key": frozenset({"missing-key"}),
    "wrong-namespace": frozenset({"dangling-depends-on", "missing-source", "wrong-namespace"}),
    "wrong-secret-name": frozenset({"missing-secret", "wrong-namespace"}),
}


Said = tuple[str, str, str]  # rule, file, message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row's fault is at the parent and at the commit."""

    severity: Severity | None  # the worst that is reported at the parent and gone at the commit
    stays: bool = False  # something is reported, and still there at the commit
    elsewhere: tuple[str, ...] = ()  # what a fitting rule says of other files, and what is gone at the commit

    @property
    def word(self) -> str:
        """How it stands, in a word or two."""
        if self.severity is not None:
            return self.severity.value
        return "stays" if self.stays else "other file" if self.elsewhere else "missed"


@lru_cache(maxsize=8)
def findings_at(mirror: str, revision: str) -> tuple[Finding, ...]:
    """All findings in a revision."""
    repository = open_repository(Path(mirror), revision=revision)
    return check(repository, analyse(repository)).findings


def said_by(finding: Finding) -> Iterator[Said]:
    """What a finding says: itself, and of a missing edge or a loop each piece of its evidence."""
    yield finding.rule, finding.place.file, finding.message
    for related in finding.related:
        if finding.rule == "missing-depends-on":
            yield finding.rule, finding.place.file, related.message
        elif finding.rule == "dependency-cycle":
            yield finding.rule, related.place.file, finding.message


def outcome_of(row: Mapping[str, str], mirror: str) -> Outcome:
    """How the fault of a row shows."""
    rules = RULES[row["class"]]
    before = [finding for finding in findings_at(mirror, row["parent"]) if finding.rule in rules]
    after = {said for finding in findings_at(mirror, row["commit"]) for said in said_by(finding)}
    gone = [(finding, said) for finding in before for said in said_by(finding) if said not in after]
    at_file = [finding.severity for finding, (_, file, _) in gone if file == row["file"]]
    if at_file:
        return Outcome(min(at_file, key=lambda severity: severity.rank))
    elsewhere = (f"{finding.severity.value} {rule} {file} {message}" for finding, (rule, file, message) in gone)
    return Outcome(None, any(finding.place.file == row["file"] for finding in before), tuple(dict.fromkeys(elsewhere)))


def main(arguments: Sequence[str]) -> int:
    """Prints the rows that are missed, then a line for each class, and the total."""
    rows = list(csv.DictReader(Path(arguments[0]).read_text(encoding="utf-8").splitlines()))
    mirrors = dict(argument.split("=", 1) for argument in arguments[1:])
    judged: Counter[str] = Counter()
    reported: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    for row in rows:
        if row["determinable_from_repo"] != "yes" or row["repo"] not in mirrors:
            continue
        outcome = outcome_of(row, mirrors[row["repo"]])
        for key in (row["class"], "total"):
            judged[key] += 1
            reported[key] += outcome.severity in (Severity.ERROR, Severity.WARNING)
            noted[key] += outcome.severity is not None
        if outcome.severity not in (Severity.ERROR, Severity.WARNING):
            print(f"{outcome.word}: {row['class']} {row['repo']} {row['parent'][:10]} {row['file']}\n  {row['to_report_at_parent']}")
            for said in outcome.elsewhere[:3]:
                print(f"  instead: {said}")
    for key in sorted(judged, key=lambda key: (key == "total", key)):
        percent = 100 * reported[key] / judged[key]
        print(f"{key:26} {reported[key]:3} of {judged[key]:3}  {percent:5.1f} %   with notes {noted[key]:3}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
