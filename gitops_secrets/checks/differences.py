"""Rules about what Applications leave out of a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Finding, Related, Severity


class InertIgnoreDifferences(Rule):
    """An Application ignores differences of a kind that it holds in another group only.

    What it does: reports entries of `ignoreDifferences` whose kind the Application applies, but in none of the group that the entry names.

    Why it matters: the entry was written for objects that have moved on, `kubernetes-client.io` or `extensions` most often. It says nothing of those that
    are there, which are OutOfSync again.

    Example: before, `{group: kubernetes-client.io, kind: ExternalSecret, …}` beside objects of `external-secrets.io`; after, that group.

    Options: none.
    """

    id = "inert-ignore-differences"
    severity = Severity.NOTE
    symptoms = ("OutOfSync",)

    def check(self, context: Context) -> Iterator[Finding]:
        held: dict[ResourceId, dict[str, dict[str, ResourceId]]] = {}
        for applied in context.cluster.resources:
            id = applied.resource.id
            held.setdefault(applied.unit, {}).setdefault(id.kind, {}).setdefault(id.group, id)
        for unit in context.cluster.units:
            entries = as_sequence(as_mapping(unit.data.get("spec")).get("ignoreDifferences"))
            for index, entry in enumerate(map(as_mapping, entries)):
                group, kind = as_text(entry.get("group")), as_text(entry.get("kind"))
                groups = held.get(unit.id, {}).get(kind, {})
                if not groups or unit.opaque is not None or any(fnmatchcase(each, group) for each in groups):
                    continue
                other, example = sorted(groups.items())[0]
                told = f"{unit.id} ignores differences of {kind} in {group or 'the core group'}, and holds them in {other or 'the core group'} only"
                yield self.finding(
                    f"{told}; name that group",
                    entries.place(index),
                    unit.id,
                    other=example,
                    related=[Related(str(example), next(each.resource.place for each in context.cluster.resources if each.resource.id == example))],
                    field="spec.ignoreDifferences",
                    cause="ignoreDifferences for groups that are not there",
                )
