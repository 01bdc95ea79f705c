"""Rules about what keeps Applications from being compared or synced as was meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import as_mapping, as_sequence, as_text
from gitops_secrets.rendering.argo.applications import PROJECT
from gitops_secrets.rendering.argo.windows import Times

# Any moment will do to see whether a window can be read.
_ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


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
        held: dict[ResourceId, dict[str, dict[str, Resource]]] = {}
        for unit, resource in context.synced_resources:
            held.setdefault(unit.id, {}).setdefault(resource.id.kind, {}).setdefault(resource.id.group, resource)
        for unit in context.cluster.units:
            entries = as_sequence(unit.spec.get("ignoreDifferences"))
            for index, entry in enumerate(map(as_mapping, entries)):
                group, kind = as_text(entry.get("group")), as_text(entry.get("kind"))
                groups = held.get(unit.id, {}).get(kind, {})
                if not groups or unit.opaque is not None or any(fnmatchcase(each, group) for each in groups):
                    continue
                other, example = min(groups.items())
                told = f"{unit.id} ignores differences of {kind} in {group or 'the core group'}, and holds them in {other or 'the core group'} only"
                yield self.finding(
                    f"{told}; name that group",
                    entries.place(index),
                    unit.id,
                    other=example.id,
                    related=[Related(str(example.id), example.place)],
                    field="spec.ignoreDifferences",
                    cause="ignoreDifferences for groups that are not there",
                )


class UnreadableSyncWindow(Rule):
    """A sync window whose times Argo CD can't read.

    What it does: reports a window of an AppProject whose schedule, duration or time zone is none.

    Why it matters: Argo CD can't tell whether the window is open, and holds back every sync of the Applications that it is for.

    Example: before, `schedule: "0 22 * *"`; after, `schedule: "0 22 * * *"`.

    Options: none.
    """

    id = "unreadable-sync-window"
    severity = Severity.NOTE
    symptoms = ("Sync operation blocked by sync window", "cannot parse schedule")

    def check(self, context: Context) -> Iterator[Finding]:
        given = (each for each in context.cluster.given if each.id.group_kind == PROJECT)
        projects = {each.place: each for each in (*context.of_kind(*PROJECT), *given)}
        for project in projects.values():
            windows = as_sequence(project.spec.get("syncWindows"))
            for index, window in enumerate(map(as_mapping, windows)):
                try:
                    Times(as_text(window.get("schedule")), as_text(window.get("duration")), as_text(window.get("timeZone"))).is_open(_ANY_TIME)
                except ValueError as error:
                    message = f"a window of {project.id} can't be read, and holds back every sync that it is for: {error}"
                    yield self.finding(message, windows.place(index), project.id, field=f"spec.syncWindows[{index}]", cause="windows that can't be read")
