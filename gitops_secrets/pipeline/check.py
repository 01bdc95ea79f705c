"""Runs the rules over every cluster: one finding for each fault, however many clusters show it, graded as the user wants it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from gitops_secrets.checks import RULES, Context
from gitops_secrets.checks.absence import ABSENCE, proven
from gitops_secrets.checks.reading import InvalidYaml
from gitops_secrets.config import Configuration
from gitops_secrets.errors import UsageError
from gitops_secrets.model.facts import Confidence, Problem
from gitops_secrets.model.findings import CheckResult, Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Cluster
from gitops_secrets.pipeline.remedies import Remedies
from gitops_secrets.pipeline.scan import Analysis, ClusterAnalysis, Repository
from gitops_secrets.pipeline.suppress import Suppressions, matches
from gitops_secrets.pipeline.unapplied import Unapplied

# Rules that report what nothing in the cluster brings.
_MISSING = {"dangling-depends-on"} | {rule.id for rule in RULES if rule.id.startswith("missing-")} - {"missing-depends-on", "missing-key"}
_INDEX = re.compile(r"\[\d+\]")


def check(repository: Repository, analysis: Analysis, *, fixes: bool = True) -> CheckResult:
    """All findings in the clusters of an analysis; without `fixes` for who shows only some of them (see `with_fixes`).

    Raises `UsageError` for a rule in the configuration that does not exist.
    """
    _check_rules(repository.configuration)
    found: dict[tuple[object, ...], list[tuple[str, Finding]]] = {}
    reached: set[tuple[object, ...]] = set()
    others = _Others(analysis.clusters)
    bootstrapped = any(not cluster.graph.cluster.stray for cluster in analysis.clusters)
    unapplied = Unapplied(repository, analysis)
    for cluster in sorted(analysis.clusters, key=lambda cluster: cluster.graph.cluster.stray):
        context = Context(cluster.plan, repository.table, repository.catalogue, cluster.named)
        stray = bootstrapped and cluster.graph.cluster.stray
        idle = _suspended(cluster)
        for finding in (finding for rule in RULES for finding in rule().check(context)):
            found_out = _as_elsewhere(unapplied.told(_unless_elsewhere(finding, cluster, others)), cluster, others)
            found_out = _unless_suspended(found_out, idle)
            graded = _graded(found_out, repository.configuration, stray=stray)
            key = (finding.rule, finding.place, finding.subject, finding.other, finding.field)
            # What nothing reaches is read together with what is reached, and would tell all of that again.
            if graded is None or (stray and key in reached):
                continue
            found.setdefault(key, []).append((cluster.graph.cluster.name, graded))
            if not stray:
                reached.add(key)
    merged = [_merge(entries) for entries in found.values()]
    suppressions = Suppressions(repository)
    suppressed = [finding for finding in merged if suppressions.cover(finding)]
    # Where something does not build, what a suppression is for may be in there.
    if not analysis.is_limited and not any(cluster.graph.broken for cluster in analysis.clusters if not cluster.graph.cluster.stray):
        unused = (_graded(finding, repository.configuration, stray=False) for finding in suppressions.unused())
        merged += [finding for finding in unused if finding is not None]
    merged.sort(key=lambda finding: (finding.place, finding.rule, finding.subject, finding.other or "", finding.field))
    hidden = set(map(id, suppressed))
    kept = [named for finding, named in zip(merged, _fingerprinted(merged), strict=True) if id(finding) not in hidden]
    kept.sort(key=lambda finding: finding.severity.rank)
    problems = {*analysis.problems, *suppressions.problems()}
    ordered = tuple(sorted(problems, key=lambda problem: (problem.place, problem.message, problem.subject)))
    shown = [cluster.graph.cluster for cluster in analysis.clusters if not (bootstrapped and cluster.graph.cluster.stray)]
    names = tuple(cluster.name for cluster in shown)
    result = CheckResult(tuple(kept), ordered, len(suppressed), clusters=names)
    return with_fixes(result, repository) if fixes else result


def with_unread(result: CheckResult, repository: Repository, before: Analysis, after: Analysis) -> CheckResult:
    """`result` with the files that can't be read, and that are told nowhere since what reads them is known from an earlier state alone."""
    if not after.problems:
        return result
    told = {finding.place.file for finding in result.findings if finding.severity is not Severity.NOTE}
    starting: dict[str, Cluster] = {}
    for cluster in before.clusters:
        if not cluster.graph.cluster.stray:
            read = (unit.place.file for unit in cluster.graph.cluster.units if unit.parent is None)
            starting |= dict.fromkeys((*read, cluster.graph.cluster.entry_point), cluster.graph.cluster)
    unread = [problem for problem in after.problems if problem.rule == InvalidYaml.id and problem.place.file in starting and problem.place.file not in told]
    found = (InvalidYaml().unread(problem, starting[problem.place.file].entry_point) for problem in unread)
    graded = (_graded(finding, repository.configuration, stray=False) for finding in found)
    new = [replace(finding, clusters=(starting[finding.place.file].name,)) for finding in graded if finding is not None]
    files = {finding.place.file for finding in new}
    rest = (finding for finding in result.findings if finding.rule != InvalidYaml.id or finding.place.file not in files)
    return replace(result, findings=tuple(sorted((*_fingerprinted(new), *rest), key=lambda finding: finding.severity.rank)))


class _Others:
    """The clusters of a repository by what they bring, as findings name it."""

    def __init__(self, clusters: Sequence[ClusterAnalysis]) -> None:
        self._clusters = clusters

    def may_bring(self, name: str, cluster: ClusterAnalysis) -> ClusterAnalysis | None:
        """Where only folders tell what starts together, another one that may be applied to the same cluster: it has no unit in common with it."""
        own = cluster.graph.cluster
        if not own.guessed or own.stray:
            return None
        others = (other for other in self._beside.get(name, ()) if other is not cluster)
        return next((other for other in others if cluster.graph.units.keys().isdisjoint(other.graph.units)), None)

    def makes(self, name: str, cluster: ClusterAnalysis) -> ClusterAnalysis | None:
        """One of which a unit brings what another cluster lacks."""
        return next((other for other in self._making.get(name, ()) if other is not cluster), None)

    @cached_property
    def _beside(self) -> Mapping[str, Sequence[ClusterAnalysis]]:
        return _by_name((other for other in self._clusters if _may_start_beside(other.graph.cluster)), lambda other: other.graph.names_brought)

    @cached_property
    def _making(self) -> Mapping[str, Sequence[ClusterAnalysis]]:
        return _by_name((other for other in self._clusters if not other.graph.cluster.stray), lambda other: other.graph.brought_by_units)


def _by_name(clusters: Iterable[ClusterAnalysis], names: Callable[[ClusterAnalysis], Iterable[str]]) -> Mapping[str, Sequence[ClusterAnalysis]]:
    found: dict[str, list[ClusterAnalysis]] = {}
    for cluster in clusters:
        for name in names(cluster):
            found.setdefault(name, []).append(cluster)
    return found


def _may_start_beside(cluster: Cluster) -> bool:
    """A directory that nothing reaches may be what somebody applies first, before what the engine is given."""
    return cluster.guessed and (not cluster.stray or cluster.engine == "none")


def _unless_elsewhere(finding: Finding, cluster: ClusterAnalysis, others: _Others) -> Finding:
    """What is missing in a cluster is only possibly so, if another one that may be the same brings it."""
    if finding.other is None or finding.rule not in _MISSING:
        return finding
    other = others.may_bring(finding.other, cluster)
    if other is None:
        return finding
    message = f"{finding.message}, unless {other.graph.cluster.entry_point} is applied to the same cluster"
    return replace(finding, severity=Severity.NOTE, confidence=Confidence.POSSIBLE, message=message)


def _as_elsewhere(finding: Finding, cluster: ClusterAnalysis, others: _Others) -> Finding:
    """What somebody else may have made is forgotten, rather, if the repository makes it for another cluster."""
    if finding.other is None or finding.rule not in ABSENCE or finding.severity is not Severity.WARNING or finding.confidence is Confidence.POSSIBLE:
        return finding
    other = others.makes(finding.other, cluster)
    if other is None:
        return finding
    provision, name = other.graph.brought_by_units[finding.other], other.graph.cluster.name
    told = f"cluster {name} has it" if str(provision.resource) == finding.other else f"in cluster {name} {provision.resource} brings it"
    found = proven(finding)
    message, cause = (text.replace("nothing in the repository", "nothing in this cluster") for text in (found.message, found.cause))
    related = (*found.related, Related(told, provision.place))
    return replace(found, message=f"{message}; {told}", related=related, cause=cause and f"{cause}; {told}")


def _suspended(cluster: ClusterAnalysis) -> dict[str, ResourceId]:
    """What is not applied as long as a unit is suspended, with that unit: all that its descendants apply, and they themselves."""
    graph = cluster.graph
    paused = {unit.id for unit in cluster.graph.cluster.units if unit.suspended and unit.id.kind == "Kustomization"}
    if not paused:
        return {}
    by = {unit: next((each for each in (unit, *graph.ancestors(unit)) if each in paused), None) for unit in graph.units}
    found = {str(id): by[unit] for id, unit in graph.unit_of.items() if unit in by}
    found |= {str(unit): stopped for unit, stopped in by.items()}
    return {id: stopped for id, stopped in found.items() if stopped is not None}


def _unless_suspended(finding: Finding, idle: Mapping[str, ResourceId]) -> Finding:
    """What nobody applies now breaks nothing yet."""
    stopped = idle.get(finding.subject)
    if finding.severity is not Severity.ERROR or stopped is None:
        return finding
    return replace(finding, severity=Severity.WARNING, message=f"{finding.message}; {stopped} is suspended, it comes to bear once that is resumed")


def with_fixes(result: CheckResult, repository: Repository) -> CheckResult:
    """Each finding with its remedy as edits of the text at hand, where one is right and can be made."""
    limits = repository.loader.limits
    remedies = Remedies(repository.tree, limits)
    findings = list(result.findings)
    skipped: Place | None = None
    for number in sorted(range(len(findings)), key=lambda number: findings[number].place):
        if (remedy := findings[number].remedy) is not None:
            findings[number] = replace(findings[number], fix=remedies.fix(remedy))
            if remedies.are_spent and skipped is None:
                skipped = findings[number].place
    if skipped is None:
        return replace(result, findings=tuple(findings))
    told = f"no fixes are made from here on: too much would be read for them; {limits.more('fixed_text')} characters"
    return replace(result, findings=tuple(findings), problems=(*result.problems, Problem(told, skipped, rule="")))


def _check_rules(configuration: Configuration) -> None:
    known = {rule.id for rule in RULES}
    named = [(name, setting.place) for name, setting in configuration.rules.items()] + [(entry.rule, entry.place) for entry in configuration.ignore]
    for name, place in named:
        if name not in known:
            raise UsageError(f"{place}: there is no rule {name!r}\n`gitops-secrets explain` lists them")


def _graded(finding: Finding, configuration: Configuration, *, stray: bool) -> Finding | None:
    """The finding as severe as the user wants it; None if its rule is off. What nothing reaches is worth a note, if anything."""
    if stray:
        finding = replace(finding, severity=Severity.NOTE, confidence=Confidence.POSSIBLE)
    if finding.retried and all(configuration.accepts_retry(reason) for reason in finding.retried):
        finding = replace(finding, severity=Severity.NOTE)
    setting = configuration.rules.get(finding.rule)
    if setting is None or (setting.paths and not any(matches(finding.place.file, pattern) for pattern in setting.paths)):
        return finding
    return None if setting.severity == "off" else replace(finding, severity=Severity(setting.severity))


def _merge(entries: list[tuple[str, Finding]]) -> Finding:
    """The same finding in several clusters, at its worst, with all of them."""
    worst = min((finding for _, finding in entries), key=lambda finding: finding.severity.rank)
    return replace(worst, clusters=tuple(sorted({cluster for cluster, _ in entries})))


def _fingerprinted(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Each with an identity that survives moved lines, renamed files and other severities."""
    seen: dict[str, int] = {}
    for finding in findings:
        identity = "\0".join((finding.rule, finding.subject, finding.other or "", _INDEX.sub("[]", finding.field)))
        ordinal = seen[identity] = seen.get(identity, -1) + 1
        yield replace(finding, fingerprint=hashlib.sha256(f"{identity}\0{ordinal}".encode(errors="surrogateescape")).hexdigest())
