"""`fix`: writes what the findings' fixes say, in rounds, and keeps of it what does what it should.

After each round the repository is analysed as it would be. A fix stays if its finding is gone and nothing new is wrong; else it is dropped, and named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops_secrets.checks import RULES
from gitops_secrets.errors import UsageError
from gitops_secrets.generate.changes import FileChange
from gitops_secrets.model.facts import Confidence, Problem
from gitops_secrets.model.findings import AddItems, Edit, Finding, Remedy, Severity, Step
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import names_limit
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.remedies import Remedies
from gitops_secrets.pipeline.scan import Analysis, ClusterAnalysis, Progress, Repository, analyse, with_contents
from gitops_secrets.pipeline.split import split
from gitops_secrets.rendering.units import is_kustomization
from gitops_secrets.repository.tree import UnreadableError
from gitops_secrets.syntax.splice import apply_edits

ROUNDS = 10
SPLIT_RULE = "unit-needs-split"
# What is wrong with the order shows only once things are found and units build: these may come to light when something else is mended, and are mended next.
_REVEALED = frozenset({"missing-depends-on", "dependency-not-gated", "misread-health-check", "redundant-depends-on"})
# While a directory is not found, nothing of what is in it can be looked at.
_HIDING = frozenset({"missing-path"})
# What people wrote and others imply stays, unless somebody asks for just that.
_ON_REQUEST = frozenset({"redundant-depends-on"})
_INDEX = re.compile(r"\[\d+\]")

Contents = Mapping[str, str | None]  # None: the file is gone
Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Applied:
    """A finding that is mended, and how."""

    finding: Finding
    description: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A finding whose fix is not written, and why."""

    finding: Finding
    why: str


@dataclass(frozen=True, slots=True)
class Fixed:
    """What `fix` would write, and what stays."""

    changes: tuple[FileChange, ...]
    applied: tuple[Applied, ...]
    dropped: tuple[Dropped, ...]
    remaining: tuple[Finding, ...]
    limited: tuple[Problem, ...]  # where there is more than was looked at


@dataclass(frozen=True, slots=True)
class _State:
    """The repository with the changes made so far."""

    repository: Repository
    contents: Contents
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    analysis: Analysis

    @property
    def identities(self) -> Counter[Identity]:
        return Counter(map(_identity, self.findings))


def fix(
    repository: Repository,
    *,
    cluster: str | None = None,
    rules: Collection[str] = (),
    only: Iterable[Finding] | None = None,
    splits: bool = False,
    progress: Progress | None = None,
) -> Fixed:
    """Mends what has one right answer that is more than possible, in all clusters or in one; of `rules` or `only` the findings given, if any are.

    `splits` also splits units that can't be applied as one, where that can be done without changing what is applied. Writes nothing. A second run
    changes nothing. Raises `UsageError` for a rule or cluster that is not there.
    """
    unknown = sorted(set(rules) - {rule.id for rule in RULES})
    if unknown:
        raise UsageError(f"there is no rule {unknown[0]!r}\n`gitops-secrets explain` lists them")
    wanted = None if only is None else frozenset(map(_identity, only))
    return _Fixer(repository, cluster, frozenset(rules), wanted, progress).run(splits=splits)


class _Fixer:
    def __init__(
        self, repository: Repository, cluster: str | None, rules: frozenset[str], only: frozenset[Identity] | None, progress: Progress | None = None
    ) -> None:
        # What is limited to some clusters is judged by all: they may share a base.
        self.repository = replace(repository, scope="")
        self.clusters = _names(repository, cluster) if repository.scope or cluster is not None else None
        self.rules = rules
        self.only = only
        self.progress = progress
        self.applied: list[Applied] = []
        self.dropped: dict[Identity, Dropped] = {}
        self.tries = 0

    def run(self, *, splits: bool) -> Fixed:
        state = self._state({})
        if splits:
            state = self._split(state)
        for _ in range(ROUNDS):
            batch = self._batch(state)
            if not batch:
                break
            state = self._accept(state, batch)
        state = self._without_surplus(state)
        changes = (FileChange(path, self._before(path), text) for path, text in sorted(state.contents.items()))
        remaining = tuple(filter(self._is_in_scope, state.findings))
        dropped = (self.dropped[_identity(finding)] for finding in remaining if _identity(finding) in self.dropped)
        left = tuple(entry for entry in dropped if entry.finding.rule in self.rules or entry.finding.rule not in _ON_REQUEST)
        limited = tuple(problem for problem in state.problems if names_limit(problem.message))
        return Fixed(tuple(change for change in changes if change.is_needed), tuple(self.applied), left, remaining, limited)

    def _before(self, path: str) -> str | None:
        return self.repository.tree.read(path).decode() if self.repository.tree.is_file(path) else None

    def _is_in_scope(self, finding: Finding) -> bool:
        return self.clusters is None or not self.clusters.isdisjoint(finding.clusters)

    def _is_asked_for(self, finding: Finding) -> bool:
        """Is it of the rules and clusters asked for, more than possible, and not given up yet?"""
        if finding.confidence is Confidence.POSSIBLE or _identity(finding) in self.dropped or (self.only is not None and _identity(finding) not in self.only):
            return False
        return (finding.rule in self.rules or not (self.rules or finding.rule in _ON_REQUEST)) and self._is_in_scope(finding)

    def _state(self, contents: Contents) -> _State:
        self.tries += 1
        repository = with_contents(self.repository, contents)
        analysis = analyse(repository, progress=self.progress)
        found = check(repository, analysis)
        return _State(repository, contents, found.findings, found.problems, analysis)

    # Rounds

    def _batch(self, state: _State) -> list[Finding]:
        """Findings to mend at once: their fixes touch different places, or add to the same list.

        The order is mended once all names are right: an edge may be missing only because its entry is misspelt.
        """
        asked = [finding for finding in state.findings if self._is_asked_for(finding)]
        return _together(finding for finding in asked if not _is_revealed(finding)) or _together(asked)

    def _without_surplus(self, state: _State) -> _State:
        """The state without entries that were written in one round and are implied by those of a later one."""
        for _ in range(ROUNDS):
            written = {_pair(entry.finding) for entry in self.applied if entry.finding.rule == "missing-depends-on"}
            surplus = _together(finding for finding in state.findings if finding.rule == "redundant-depends-on" and _pair(finding) in written)
            if not surplus:
                break
            count = len(self.applied)
            state = self._accept(state, surplus)
            gone = {_pair(entry.finding) for entry in self.applied[count:]}
            self.applied = [entry for entry in self.applied[:count] if entry.finding.rule != "missing-depends-on" or _pair(entry.finding) not in gone]
            if not gone:
                break
        return state

    def _accept(self, state: _State, batch: Sequence[Finding]) -> _State:
        """The state with the whole batch if all is well then, else without those that are plainly at fault, else with what can stay of each half."""
        if not batch or self._gives_up(batch):
            return state
        after = self._with(state, batch)
        why = "it can't be written together with others" if after is None else _fault(state, after, batch)
        if after is not None and why is None:
            self.applied += [Applied(finding, finding.fix.description) for finding in batch if finding.fix is not None]
            return after
        if len(batch) == 1:
            self.dropped[_identity(batch[0])] = Dropped(batch[0], why or "")
            return state
        if after is not None and (at_fault := _at_fault(state, after, batch)):
            self.dropped |= {_identity(finding): Dropped(finding, reason) for finding, reason in at_fault}
            return self._accept(state, [finding for finding in batch if _identity(finding) not in self.dropped])
        middle = len(batch) // 2
        state = self._accept(state, batch[:middle])
        # Lines may have moved.
        others = set(map(_identity, batch[middle:]))
        again = _together(finding for finding in state.findings if _identity(finding) in others)
        return self._accept(state, again) if again else state

    def _gives_up(self, findings: Sequence[Finding]) -> bool:
        """Drops fixes unseen once so many were tried that it takes too long."""
        limits = self.repository.loader.limits
        if self.tries < limits.fix_tries:
            return False
        why = f"too much had to be tried out before; {limits.more('fix_tries')}"
        self.dropped |= {_identity(finding): Dropped(finding, why) for finding in findings}
        return True

    def _with(self, state: _State, batch: Sequence[Finding]) -> _State | None:
        remedy = Remedy("", tuple(_joined(step for finding in batch if finding.remedy is not None for step in finding.remedy.steps)))
        made = Remedies(state.repository.tree, state.repository.loader.limits).fix(remedy)
        if made is None:
            return None
        contents = dict(state.contents)
        for file in {edit.file for edit in made.edits}:
            try:
                text = state.repository.tree.read(file).decode()
                contents[file] = apply_edits(text, [edit for edit in made.edits if edit.file == file])
            except (UnreadableError, ValueError):
                return None
        return self._state(contents)

    # Splits

    def _split(self, state: _State) -> _State:
        for finding in [finding for finding in state.findings if finding.rule == SPLIT_RULE]:
            if _identity(finding) not in state.identities or not self._is_asked_for(finding):
                continue
            if self._gives_up([finding]):
                continue
            made = split(state.repository, state.analysis, finding.subject)
            if isinstance(made, str):
                self.dropped[_identity(finding)] = Dropped(finding, made)
                continue
            after = self._state({**state.contents, **made.contents})
            why = _difference(state, after) or _fault(state, after, [finding])
            if why is None:
                state = after
                self.applied.append(Applied(finding, made.description))
            else:
                self.dropped[_identity(finding)] = Dropped(finding, why)
        return state


def _names(repository: Repository, cluster: str | None) -> frozenset[str]:
    return frozenset(each.graph.cluster.name for each in analyse(repository, cluster=cluster).clusters)


def _pair(finding: Finding) -> tuple[str, str | None]:
    return finding.subject, finding.other


def _together(findings: Iterable[Finding]) -> list[Finding]:
    """Those with fixes that can be made at once: they touch different places, or add to the same list."""
    chosen: list[Finding] = []
    taken: dict[tuple[str, int], list[tuple[Edit, frozenset[Step]]]] = {}  # by file and line
    for finding in findings:
        if finding.fix is None or finding.remedy is None:
            continue
        lists = frozenset(step._replace(items=()) for step in finding.remedy.steps if isinstance(step, AddItems))
        edits = finding.fix.edits
        lines = [(edit, (edit.file, line)) for edit in edits for line in range(edit.start[0], edit.end[0] + 1)]
        if any(_touch(edit, other) and lists != own for edit, line in lines for other, own in taken.get(line, ())):
            continue
        for edit, line in lines:
            taken.setdefault(line, []).append((edit, lists))
        chosen.append(finding)
    return chosen


def _identity(finding: Finding) -> Identity:
    """What a finding is about, wherever it stands."""
    return finding.rule, finding.subject, finding.other or "", _INDEX.sub("[]", finding.field)


def _touch(first: Edit, second: Edit) -> bool:
    """Do two ranges overlap or meet? Two insertions at one point do: which of them comes first would matter."""
    return first.start <= second.end and second.start <= first.end


def _joined(steps: Iterable[Step]) -> Iterable[Step]:
    """Each step once, those that add to one list as one."""
    lists: dict[AddItems, list[Mapping[str, str] | str]] = {}
    order: dict[Step, None] = {}
    for step in steps:
        if isinstance(step, AddItems):
            key = step._replace(items=())
            order[key] = None
            lists.setdefault(key, []).extend(item for item in step.items if item not in lists.get(key, ()))
        else:
            order[step] = None
    return [step._replace(items=tuple(lists[step])) if isinstance(step, AddItems) else step for step in order]


def _fault(before: _State, after: _State, batch: Sequence[Finding]) -> str | None:
    """Why the changes of a batch can't stay, if they can't."""
    old, new = before.identities, after.identities
    mended = Counter(map(_identity, batch))
    still = [identity for identity, count in mended.items() if new[identity] > old[identity] - count]
    if still:
        return "the finding would still be there"
    return next((_brings(finding) for finding in _brought(before, after, batch)), None)


def _brought(before: _State, after: _State, batch: Sequence[Finding]) -> Iterator[Finding]:
    """What is wrong only with the changes of a batch, and not just told only then."""
    old, new = before.identities, after.identities
    rules = {finding.rule for finding in batch}
    for finding in after.findings:
        if new[_identity(finding)] > old[_identity(finding)] and not (rules & _HIDING or (_is_revealed(finding) and not rules & _ON_REQUEST)):
            yield finding


def _brings(finding: Finding) -> str:
    return f"it would bring {finding.rule} at {finding.place}: {finding.message}"


def _at_fault(before: _State, after: _State, batch: Sequence[Finding]) -> list[tuple[Finding, str]]:
    """Those of a batch whose own change leads to something else that is wrong in the same place, and to what."""
    brought = {(finding.subject, finding.place.file, finding.place.line): finding for finding in _brought(before, after, batch)}
    found = ((finding, brought.get((finding.subject, finding.place.file, finding.place.line))) for finding in batch)
    return [(finding, _brings(wrong)) for finding, wrong in found if wrong is not None]


def _difference(before: _State, after: _State) -> str | None:
    """What a split would change about the objects that are applied, if it would: it may only add Kustomizations, and change those."""
    for cluster, other in zip(before.analysis.clusters, after.analysis.clusters, strict=False):
        old, new = _objects(cluster), _objects(other)
        changed = sorted(id for id in old.keys() | new.keys() if old.get(id) != new.get(id))
        if changed:
            return f"{changed[0]} would not be the same afterwards"
    return None if len(before.analysis.clusters) == len(after.analysis.clusters) else "there would be other entry points"


def _objects(cluster: ClusterAnalysis) -> dict[ResourceId, list[MappingNode]]:
    found: dict[ResourceId, list[MappingNode]] = {}
    for applied in cluster.graph.cluster.resources:
        if not is_kustomization(applied.resource):
            found.setdefault(applied.resource.id, []).append(applied.resource.data)
    return found


def _is_revealed(finding: Finding) -> bool:
    return finding.rule in _REVEALED


def fails(findings: Iterable[Finding]) -> bool:
    """Is an error left that is more than possible?"""
    return any(finding.severity is Severity.ERROR and finding.confidence is not Confidence.POSSIBLE for finding in findings)
