"""Rules about kinds and versions that the cluster doesn't serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gitops_secrets.checks import remedies
from gitops_secrets.checks.absence import BY_THE_CLUSTER
from gitops_secrets.checks.base import Context, Rule, doubt_before
from gitops_secrets.graph.graph import Unmet
from gitops_secrets.model.facts import Confidence, KindNeed, Opaque
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping


class MissingCustomResourceDefinition(Rule):
    """A custom resource is of a kind that nothing brings.

    What it does: reports kinds in use whose CustomResourceDefinition comes from no manifest, no chart in the repository and no known chart of the
    cluster, or whose chart has its CRDs switched off.

    Why it matters: the API server refuses the object (`no matches for kind`), and Flux everything else of its unit. Nothing heals it.

    A group that no chart of the catalogue brings may come with the cluster, as a vendor's platform does: that is a warning.

    Example: before, a HelmRelease of cert-manager without values; after, `values: {crds: {enabled: true}}`.

    Options: name what is installed before the engine starts under `bootstrap` in the configuration; add kinds under `kinds`.
    """

    id = "missing-custom-resource-definition"
    symptoms = ("no matches for kind", "dry-run failed")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        groups: dict[tuple[ResourceId | Place, str], list[Unmet]] = {}
        hints: dict[str, _Hint] = {}
        for entry in context.graph.unmet:
            need, requirement = entry.requirement.need, entry.requirement
            if isinstance(need, KindNeed) and not entry.other_versions and not requirement.optional and not requirement.soft:
                if str(need) not in hints:
                    hints[str(need)] = self._hint(context, need)
                hint, place = hints[str(need)]
                # A chart that leaves its definitions out is one fault, however many kinds miss them.
                groups.setdefault((entry.unit, str(need)) if place is None else (place, hint), []).append(entry)
        for entries in groups.values():
            first, unit, crd = entries[0], entries[0].unit, str(entries[0].requirement.need)
            hint, place = hints[crd]
            more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
            need_it, refused = ("need", "they are refused for ever") if more else ("needs", "it is refused for ever")
            end = "it runs on without it" if all(entry.requirement.looked_for for entry in entries) else refused
            # Where the chart that would bring it is at hand, no other one is looked for; what is no chart may bring the definitions in its stead.
            possible = first.possible if place is None else _in_its_stead(context, first)
            confidence, doubts = doubt_before(context, unit, possible, Confidence.LIKELY)
            missing = " and ".join(sorted({str(entry.requirement.need) for entry in entries})[:2])
            what = f"{missing}, which nothing in the repository brings{hint}{doubts}"
            unless = "" if place is not None or confidence is Confidence.POSSIBLE else BY_THE_CLUSTER
            rows = [context.table.row(*entry.requirement.resource.group_kind) for entry in entries]
            yield self.finding(
                f"{first.requirement.resource}{more} {need_it} {what}; {end}{unless}",
                place or first.requirement.place,
                unit,
                other=crd,
                confidence=confidence,
                severity=Severity.NOTE if all(row is not None and row.soft for row in rows) else None if place is not None else Severity.WARNING,
                related=[Related(f"{entry.requirement.resource} is of this kind", entry.requirement.place) for entry in entries],
                field=f"apiVersion {crd}",
                cause=f"{crd} is brought by nothing in the repository{hint}" if place is None else f"kinds that nothing in the repository brings{hint}",
            )

    def _hint(self, context: Context, need: KindNeed) -> _Hint:
        charts = [chart for chart in context.catalogue.charts if any((each.group, each.kind) == (need.group, need.kind) for each in chart.provides)]
        for release in context.cluster.releases:
            chart = context.catalogue.chart(release.chart, release.repository)
            if chart is None or chart not in charts or chart.brings_definitions(release):
                continue
            if not chart.flags or release.crds == "Skip":
                return _Hint(f" ({release.resource} has its CRDs switched off)", release.place)
            path = [str(step) for step in chart.flags[0].path]
            return _Hint(f" ({release.resource} has its CRDs switched off: set {'.'.join(path)}: true)", _place_of(release.values, path) or release.place)
        return _Hint(f" (the chart {charts[0].name} would)" if charts else "")


class _Hint(NamedTuple):
    """What chart would bring a kind; the place to say so if it is there with its definitions switched off."""

    text: str
    place: Place | None = None


def _in_its_stead(context: Context, entry: Unmet) -> Opaque | None:
    """What may bring a definition that its chart leaves out: another source or a remote base, not one more chart."""
    need = entry.requirement.need
    definition = ("apiextensions.k8s.io", "CustomResourceDefinition")
    found = (opaque for opaque in context.graph.opaque if opaque.kinds is None or definition in opaque.kinds)
    return next((opaque for opaque in found if isinstance(need, KindNeed) and not opaque.thing.startswith("HelmRelease/")), None)


def _place_of(node: MappingNode, path: Sequence[str]) -> Place | None:
    """Where the deepest key of a path is written, as far as it is."""
    found = None
    for step in path:
        if step not in node:
            break
        found = node.place(step)
        node = as_mapping(node[step])
    return found


class UnservedVersion(Rule):
    """An object is written in a version that is no longer, or not yet, served.

    What it does: reports objects whose kind the cluster serves, but not in the version that they are written in, as the pinned chart or the
    CustomResourceDefinition in the repository says.

    Why it matters: the API server refuses the object with `no matches for kind`, which reads like a missing CRD, and Flux everything else of its unit.

    Example: before, `apiVersion: external-secrets.io/v1beta1` with operator 0.17 or later; after, `apiVersion: external-secrets.io/v1`.

    Options: none.
    """

    id = "unserved-version"
    fixable = True
    symptoms = ("no matches for kind", "dry-run failed")
    severity = Severity.ERROR

    def check(self, context: Context) -> Iterator[Finding]:
        for entry in context.graph.unmet:
            need, requirement = entry.requirement.need, entry.requirement
            if not isinstance(need, KindNeed) or not entry.other_versions:
                continue
            served = sorted({provision.provides.version for provision in entry.other_versions if isinstance(provision.provides, KindNeed)})
            by = entry.other_versions[0]
            versions = " or ".join(f"{need.group}/{version}" for version in served)
            server = f"Flux {context.cluster.flux_version}" if by.resource.kind == "Flux" else by.resource
            yield self.finding(
                f"{requirement.resource} is written in {need.group}/{need.version}, which {server} does not serve; it is refused with"
                f" `no matches for kind`; write {versions}",
                requirement.place,
                requirement.resource,
                other=need,
                confidence=by.confidence,
                related=[Related(f"{server} brings the kind", by.place)],
                field="apiVersion",
                cause=f"{need.group}/{need.version} is not served by {server}; write {versions}",
                remedy=remedies.serve(requirement, need.version, served, context.manifests.get(requirement.resource)),
            )
