"""What a change brings: the findings of a repository beside those of an earlier state of it, or of a list that a team has accepted."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gitops_secrets.checks import RULES
from gitops_secrets.checks.absence import ABSENCE, BY_HAND, proven
from gitops_secrets.checks.definitions import MissingCustomResourceDefinition
from gitops_secrets.checks.health import DependencyNotGated, MisreadHealthCheck
from gitops_secrets.checks.order import MissingDependsOn
from gitops_secrets.config import Configuration
from gitops_secrets.errors import UsageError
from gitops_secrets.model.facts import Confidence
from gitops_secrets.model.findings import Change, CheckResult, Finding, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Unit, overlay_id
from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.pipeline.check import check, with_unread
from gitops_secrets.pipeline.diff import diff, paired
from gitops_secrets.pipeline.scan import Analysis, Repository
from gitops_secrets.pipeline.sight import CLEAR, Sight, sight_between
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES
from gitops_secrets.report.check_document import CHECK_SCHEMA
from gitops_secrets.repository.history import renames


def check_since(result: CheckResult, repository: Repository, after: Analysis, base: Repository, before: Analysis, *, everything: bool = False) -> CheckResult:
    """What has become of the findings since `base`, an earlier revision of `repository`, of which `before` is the analysis: see `compared`."""
    earlier = with_unread(check(base, before, fixes=False), base, after, before).findings
    result = with_unread(result, repository, before, after)
    unwritten = {(str(edge.consumer), str(edge.provider)) for cluster in before.clusters for edge in cluster.plan.unwritten}
    excuses, adrift, sight = _poor_excuses(repository, before, after), _adrift(before, after), sight_between(base, before, repository, after)
    compare = partial(compared, result, earlier, everything=everything, unwritten=unwritten, excuses=excuses, adrift=adrift, sight=sight)
    first = compare()
    if first.resolved and any(finding.change is Change.NEW for finding in first.findings):
        # Only what moved can be on both sides.
        renamed = renames(repository.root, base.revision or "", repository.revision)
        first = compare(renamed=renamed | _renamed_units(before, after))
    if any(finding.change in _BROUGHT for finding in first.findings):
        taken = _taken(diff(base, before, repository, after).clusters)
        first = replace(first, findings=tuple(_taken_away(finding, taken, repository.configuration) for finding in first.findings))
    # Entries of today's configuration that were of no use then: they have come into use.
    entries = {entry.place for entry in repository.configuration.ignore}
    return replace(first, base=base.revision, resolved=tuple(finding for finding in first.resolved if finding.place not in entries))


def _renamed_units(before: Analysis, after: Analysis) -> dict[str, str]:
    """The new ids of units that build what another one built, which is gone."""
    found: dict[str, str] = {}
    for old, new in paired(before, after):
        if old is not None and new is not None:
            gone, come = (_by_path(one.graph.units, other.graph.units) for one, other in ((old, new), (new, old)))
            found |= {str(ids[0]): str(come[path][0]) for path, ids in gone.items() if len(ids) == len(come.get(path, ())) == 1}
    return found


def _by_path(units: Mapping[ResourceId, Unit], others: Collection[ResourceId]) -> dict[tuple[str, str], list[ResourceId]]:
    """Those that are not among `others`, by kind and by the directory that they build."""
    found: dict[tuple[str, str], list[ResourceId]] = {}
    for unit in units.values():
        if unit.path and unit.id not in others:
            found.setdefault((unit.id.kind, unit.path), []).append(unit.id)
    return found


def _adrift(before: Analysis, after: Analysis) -> frozenset[str]:
    """Clusters that nothing is known to start, where others were bootstrapped before: nothing that was found beside these was more than a note then."""
    if not any(cluster.graph.cluster.stray for cluster in before.clusters):
        return frozenset()
    return frozenset(cluster.graph.cluster.name for cluster in after.clusters if cluster.graph.cluster.guessed and not cluster.graph.cluster.stray)


def _poor_excuses(repository: Repository, before: Analysis, after: Analysis) -> frozenset[tuple[str, str]]:
    """Clusters and groups of kinds that the catalogue knows a chart for: that some other chart goes makes it no surer that nobody brings them."""
    left = {cluster.graph.cluster.name: {opaque.thing for opaque in cluster.graph.opaque} for cluster in after.clusters}
    excused = set()
    for cluster in before.clusters:
        name = cluster.graph.cluster.name
        gone = {opaque.thing for opaque in cluster.graph.opaque} - left.get(name, set())
        if all(thing.startswith("HelmRelease/") for thing in gone):
            excused.add(name)
    groups = {kind.group for chart in repository.catalogue.charts for kind in chart.provides}
    return frozenset((name, group) for name in excused for group in groups)


def _taken(clusters: Iterable[PlanDifference]) -> dict[tuple[str, str], ResourceId]:
    """What brought a thing that is still needed, by cluster and thing; not where what came with the change may bring it now."""
    taken = {}
    for cluster in clusters:
        there = {opaque.thing for opaque in cluster.graph.before.opaque} if cluster.graph.before is not None else set()
        for prune in cluster.graph.prunes:
            if prune.key is None and (prune.possible is None or prune.possible.thing in there):
                taken[cluster.graph.cluster.name, str(prune.thing)] = prune.provider
    return taken


def _taken_away(finding: Finding, taken: Mapping[tuple[str, str], ResourceId], configuration: Configuration) -> Finding:
    """A finding about something that the change takes away, and says so.

    Nobody knows what an opaque chart brings, and what people make, but what was brought by something else was not brought by these: such a finding is as
    grave as its rule.
    """
    thing = finding.other or ""
    providers = [taken[name, thing] for name in finding.clusters if (name, thing) in taken]
    if not providers or finding.change not in _BROUGHT:
        return finding
    told = "this change takes it away" if str(providers[0]) == thing else f"{providers[0]} brought it, and goes with this change"
    usual = finding.severity if finding.rule in configuration.rules else next(rule.severity for rule in RULES if rule.id == finding.rule)
    finding = proven(finding) if finding.rule in ABSENCE else finding
    finding = replace(finding, message=f"{finding.message}; {told}", cause=f"{finding.cause}; {told}")
    if finding.confidence is Confidence.POSSIBLE:
        return replace(finding, severity=usual, confidence=Confidence.LIKELY)
    if finding.rule in ABSENCE:
        return replace(finding, severity=usual)
    # That something is not there may be as it should be, that it goes from under who needs it is not.
    is_note = finding.severity is Severity.NOTE and finding.rule not in configuration.rules
    return replace(finding, severity=Severity.WARNING) if is_note else finding


def compared(
    result: CheckResult,
    earlier: Sequence[Finding],
    *,
    everything: bool = False,
    renamed: Mapping[str, str] | None = None,
    unwritten: Collection[tuple[str, str | None]] = (),
    excuses: Collection[tuple[str, str]] = (),
    adrift: Collection[str] = (),
    sight: Sight = CLEAR,
) -> CheckResult:
    """A result beside the findings of an earlier state: what is new or worse, what is gone; with `everything` also what was there before.

    `renamed` has the new paths of files and ids of units: what was found about one still is. `unwritten` are the pairs of units that lacked an order before; of
    those that others implied nothing was found then. `excuses` are clusters and groups of kinds: a definition of such a group was as missing there as now,
    though only possibly so. In the clusters `adrift` nothing was more than a note then, whatever it is. `sight` is what either state can't tell of the other.
    """
    moved = [_moved(finding, _names(renamed)) for finding in earlier] if renamed else list(earlier)
    moved = [_unexcused(finding, excuses) for finding in moved] if excuses else moved
    pairs = _matched(result.findings, moved)
    faults = frozenset[Hashable]().union(*map(_faults, moved))
    changes = (
        _change_of_old(finding, pairs[number], adrift, sight) if number in pairs else _change_of_new(finding, unwritten, faults, sight)
        for number, finding in enumerate(result.findings)
    )
    findings = tuple(replace(finding, change=change) for finding, change in zip(result.findings, changes, strict=True))
    kept = tuple(finding for finding in findings if everything or finding.change in _BROUGHT)
    known = sum(finding.change is Change.KNOWN for finding in findings)
    matched = set(map(id, pairs.values()))
    lost = [before for before, after in zip(earlier, moved, strict=True) if id(after) not in matched and not sight.may_have_been_none(before)]
    resolved = tuple(before for before in lost if not sight.may_remain(before))
    unjudged = sum(finding.change is Change.UNJUDGED for finding in findings) + len(lost) - len(resolved)
    return replace(result, findings=kept, known=0 if everything else known, unjudged=unjudged, resolved=resolved, is_compared=True)


# What the change is to blame for.
_BROUGHT = (Change.NEW, Change.WORSENED)

# What a finding is recognised by: what is alike in all comes first, so that the tie among several of one identity goes to the one that did not change.
_KEYS: tuple[Callable[[Finding], Hashable], ...] = (
    lambda finding: (finding.rule, finding.subject, finding.other, finding.message, finding.place.file),
    lambda finding: (finding.rule, finding.subject, finding.other, finding.message),
    lambda finding: finding.fingerprint,
    # Of several of one identity, some may have become graver, and others be gone.
    lambda finding: (finding.rule, finding.subject, finding.other),
)


def _matched(findings: Sequence[Finding], earlier: Sequence[Finding]) -> dict[int, Finding]:
    """The earlier finding of each, by its number, if it had one."""
    pairs: dict[int, Finding] = {}
    left = list(earlier)
    for key in _KEYS:
        waiting: dict[Hashable, list[Finding]] = {}
        for before in reversed(left):
            waiting.setdefault(key(before), []).append(before)
        for number, finding in enumerate(findings):
            if number not in pairs and waiting.get(key(finding)):
                pairs[number] = waiting[key(finding)].pop()
        left = [before for before in left if any(before is other for other in waiting.get(key(before), ()))]
    return pairs


# What is wrong stands in the provider, and is mended there: one more consumer brings nothing new.
_OF_PROVIDER = frozenset({DependencyNotGated.id, MisreadHealthCheck.id})


def _faults(finding: Finding) -> frozenset[Hashable]:
    """What is wrong in each cluster whoever the consumer is, and so is nothing new for one more of them; nothing where each has a fault of its own.

    What people may have made by hand others did without before: the cluster runs with it.
    """
    if finding.rule in _OF_PROVIDER:
        said = finding.message.replace(finding.subject, "")
    elif finding.rule in BY_HAND and finding.severity is not Severity.ERROR:
        said = ""
    else:
        return frozenset()
    is_possible = finding.confidence is Confidence.POSSIBLE
    return frozenset((finding.rule, finding.other, said, finding.severity, is_possible, cluster) for cluster in finding.clusters)


def _is_one_of(finding: Finding, faults: Collection[Hashable]) -> bool:
    own = _faults(finding)
    return bool(own) and all(fault in faults for fault in own)


def _change_of_new(finding: Finding, unwritten: Collection[tuple[str, str | None]], faults: Collection[Hashable], sight: Sight) -> Change:
    """What a finding is that was not told before."""
    was_unwritten = finding.rule == MissingDependsOn.id and (finding.subject, finding.other) in unwritten
    if was_unwritten or _is_one_of(finding, faults):
        return Change.KNOWN
    return Change.UNJUDGED if sight.may_be_old(finding) else Change.NEW


def _change_of_old(finding: Finding, before: Finding, adrift: Collection[str], sight: Sight) -> Change:
    """What a finding is that was `before`."""
    graver = finding.severity.rank < before.severity.rank
    surer = before.confidence is Confidence.POSSIBLE and finding.confidence is not Confidence.POSSIBLE
    was_note = before.severity is Severity.NOTE and before.confidence is Confidence.POSSIBLE
    is_graver = (graver or surer) and not (was_note and finding.clusters and all(name in adrift for name in finding.clusters))
    # A renamed cluster is no further one.
    wider = before.clusters != () and sum(name not in adrift for name in finding.clusters) > len(before.clusters)
    if not (is_graver or wider):
        return Change.KNOWN
    fresh = finding.clusters if is_graver else [name for name in finding.clusters if name not in before.clusters]
    return Change.UNJUDGED if sight.may_be_as_old(finding, fresh) else Change.WORSENED


def _unexcused(finding: Finding, excuses: Collection[tuple[str, str]]) -> Finding:
    """A finding as it would have been without the doubt."""
    if finding.rule != MissingCustomResourceDefinition.id or finding.confidence is not Confidence.POSSIBLE:
        return finding
    group = (finding.other or "").partition(".")[2]
    if not all((cluster, group) in excuses for cluster in finding.clusters):
        return finding
    return replace(finding, severity=Severity.ERROR, confidence=Confidence.LIKELY)


def _names(renamed: Mapping[str, str]) -> dict[str, str]:
    """Old and new names, also of the overlays whose kustomization moved."""
    names = dict(renamed)
    for old, new in renamed.items():
        (folder, _, file), (other, _, other_file) = old.rpartition("/"), new.rpartition("/")
        if file in FILE_NAMES and other_file in FILE_NAMES:
            names[str(overlay_id(folder))] = str(overlay_id(other))
    return names


def _moved(finding: Finding, names: Mapping[str, str]) -> Finding:
    """A finding as it would be told of the new names."""
    message = finding.message
    for end in (finding.subject, finding.other):
        if end in names and end is not None:
            message = message.replace(end, names[end])
    return replace(
        finding,
        message=message,
        place=finding.place._replace(file=names.get(finding.place.file, finding.place.file)),
        subject=names.get(finding.subject, finding.subject),
        other=names.get(finding.other or "", finding.other),
    )


def read_baseline(path: Path) -> tuple[Finding, ...]:
    """The findings that a team has accepted: what `check --format json` wrote. Raises `UsageError` for anything else."""
    try:
        document = json.loads(path.read_bytes())
        if document["schema"] != CHECK_SCHEMA:
            raise UsageError(f"{path}: the schema is {document['schema']!r}, not {CHECK_SCHEMA!r}")
        return tuple(map(_read, document["findings"]))
    except OSError as error:
        raise UsageError(f"can't read the baseline {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is no baseline\nwrite one: gitops-secrets check --format json --output {path}") from error


def _read(entry: Mapping[str, Any]) -> Finding:
    place = entry["place"]
    return Finding(
        str(entry["rule"]),
        Severity(entry["severity"]),
        Confidence(entry["confidence"]),
        str(entry["message"]),
        Place(str(place["file"]), int(place["line"]), int(place["column"])),
        str(entry["subject"]),
        other=None if entry["object"] is None else str(entry["object"]),
        clusters=tuple(map(str, entry["clusters"])),
        fingerprint=str(entry["fingerprint"]),
    )
