"""Rules about Applications themselves: who holds what, and what is never synced."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import as_mapping, as_sequence
from gitops_secrets.model.results import Unit
from gitops_secrets.ordering.sync import is_hook
from gitops_secrets.rendering.selectors import is_selected


class ApplicationContainsItself(Rule):
    """An Application applies itself, or one that applies it.

    What it does: reports an Application whose sources hold its own manifest (a note: many keep a root that manages itself), and Applications that apply
    each other.

    Why it matters: two that apply each other prune each other; deleting one, with its finalizer, deletes everything below both.

    Example: before, `root` reads `apps/`, where `apps/root.yaml` is `root` itself; after, `root.yaml` outside of that directory.

    Options: none.
    """

    id = "application-contains-itself"
    severity = Severity.WARNING
    symptoms = ("SharedResourceWarning",)

    def check(self, context: Context) -> Iterator[Finding]:
        for unit, resource in context.synced_resources:
            id = resource.id
            if id not in context.graph.units:
                continue
            if id == unit.id:
                yield self.finding(f"{id} applies itself: removing it from git prunes all that it holds", resource.place, id, severity=Severity.NOTE)
            elif id in context.graph.ancestors(unit.id):
                message = f"{id} applies {unit.id}, which applies {id} again: either may prune the other"
                yield self.finding(message, resource.place, id, other=unit.id, related=[Related(f"{unit.id} is written here", unit.place)])


class SharedResource(Rule):
    """Two Applications apply the same object.

    What it does: reports objects that several Applications of a cluster apply, one finding for each pair of Applications.

    Why it matters: the object belongs to whoever synced last. The other one is OutOfSync for ever (`SharedResourceWarning`), each self-heal takes it back,
    and pruning one takes it from both. With `FailOnSharedResource=true` the sync fails.

    Example: before, two Applications that read one directory; after, one of them excludes the object.

    Options: none.
    """

    id = "shared-resource"
    severity = Severity.WARNING
    symptoms = ("SharedResourceWarning", "is part of applications", "FailOnSharedResource")

    def check(self, context: Context) -> Iterator[Finding]:
        owners: dict[ResourceId, dict[ResourceId, Resource]] = {}
        for unit, resource in context.synced_resources:
            if not is_hook(resource):
                owners.setdefault(resource.id, {}).setdefault(unit.id, resource)
        pairs: dict[tuple[ResourceId, ResourceId], list[tuple[Resource, Resource]]] = {}
        for id, found in sorted(owners.items()):
            # A parent that holds what its child applies is a matter for another rule.
            first, *others = sorted(found)
            for other in others:
                if id not in (first, other):
                    pairs.setdefault((first, other), []).append((found[first], found[other]))
        for (first, other), shared in pairs.items():
            refused = any("FailOnSharedResource=true" in _options(context.graph.units[unit]) for unit in (first, other))
            more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
            end = "the sync of one of them fails (FailOnSharedResource)" if refused else "the one that synced last owns it, and the other is OutOfSync"
            yield self.finding(
                f"{first} and {other} both apply {shared[0][0].id}{more}: {end}",
                shared[0][1].place,
                other,
                other=first,
                severity=Severity.ERROR if refused else None,
                related=[Related(f"{each.id}, applied by {first}", each.place) for each, _ in shared],
                field=str(shared[0][0].id),
            )


def _options(unit: Unit) -> frozenset[str]:
    return unit.sync.options if unit.sync is not None else frozenset()


class NeverSynced(Rule):
    """An Application that no step of its RollingSync matches.

    What it does: reports Applications of an ApplicationSet with `strategy: RollingSync` whose labels no step selects.

    Why it matters: a RollingSync turns the automated sync of its Applications off and syncs them itself, step by step. One that is in no step is never
    synced.

    Example: before, steps for `env` in `[dev]` and `[prod]`, and an Application with `env: staging`; after, a step for that as well.

    Options: none.
    """

    id = "never-synced"
    severity = Severity.ERROR
    symptoms = ("OutOfSync",)

    def check(self, context: Context) -> Iterator[Finding]:
        for unit in context.cluster.units:
            strategy = as_mapping(unit.spec.get("strategy"))
            if unit.id.kind != "ApplicationSet" or unit.sync is None or strategy.get("type") != "RollingSync":
                continue
            steps = as_sequence(as_mapping(strategy.get("rollingSync")).get("steps"))
            for child in context.graph.children.get(unit.id, ()):
                labels = as_mapping(context.graph.units[child].metadata.get("labels"))
                if not any(is_selected(labels, as_mapping(step)) for step in steps):
                    message = f"{child} matches no step of the RollingSync of {unit.id}; it is never synced"
                    place = strategy.place("rollingSync")
                    yield self.finding(
                        message, place, child, other=unit.id, field="spec.strategy.rollingSync", cause="Applications in no step of a RollingSync"
                    )
