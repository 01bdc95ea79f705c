"""Rules about Applications themselves: who owns what, what projects forbid, what is never synced or never in sync."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule, did_you_mean, doubt, manifests, unless
from gitops_secrets.checks.remedies import slip
from gitops_secrets.model.facts import Confidence, ObjectNeed, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Finding, Related, Severity, Unit
from gitops_secrets.ordering.sync import Phase, is_hook, position
from gitops_secrets.rendering.argo.applications import destination_of, is_in_cluster, sources_of
from gitops_secrets.rendering.selectors import is_selected
from gitops_secrets.rendering.urls import is_placeholder, normalised_url
from gitops_secrets.syntax.yaml import parse

_ESO: Final = "external-secrets.io"
_TRACKING: Final = "application.resourceTrackingMethod"
_RANDOM: Final = frozenset({"Password", "SSHKey", "UUID"})
# Fields of an ExternalSecret that the API server fills in, and what with: ESO up to 2.8; those of `remoteRef` no longer since.
_DEFAULTS: Final = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}


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
        for applied in context.cluster.resources:
            id = applied.resource.id
            unit = context.graph.units.get(applied.unit)
            if id not in context.graph.units or unit is None or unit.sync is None:
                continue
            if id == unit.id:
                yield self.finding(f"{id} applies itself: removing it from git prunes all that it holds", applied.resource.place, id, severity=Severity.NOTE)
            elif id in context.graph.ancestors(unit.id):
                message = f"{id} applies {unit.id}, which applies {id} again: either may prune the other"
                yield self.finding(message, applied.resource.place, id, other=unit.id, related=[Related(f"{unit.id} is written here", unit.place)])


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
        for applied in context.cluster.resources:
            unit = context.graph.units.get(applied.unit)
            if unit is not None and unit.sync is not None and not is_hook(applied.resource):
                owners.setdefault(applied.resource.id, {}).setdefault(applied.unit, applied.resource)
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


class ProjectForbids(Rule):
    """An Application does what its project does not allow.

    What it does: reports a source, a destination or the kind of an object that the AppProject of an Application leaves out or excludes; and an Application
    in a namespace that is not among the `sourceNamespaces` of its project.

    Why it matters: Argo CD refuses the whole Application (`InvalidSpecError`), or the sync fails at the object that is not permitted.

    Example: before, `sourceRepos: [https://example.org/platform]` and an Application of another repository; after, both are listed.

    Options: none.
    """

    id = "project-forbids"
    severity = Severity.ERROR
    symptoms = ("InvalidSpecError", "is not permitted in project", "application repo is not permitted", "not allowed in project")

    def check(self, context: Context) -> Iterator[Finding]:
        # What the engine applies takes the place of what a bootstrap made.
        everything = [*context.cluster.given, *manifests(context).values()]
        projects = {(each.id.namespace, each.id.name): each for each in everything if (each.id.group, each.id.kind) == ("argoproj.io", "AppProject")}
        by_unit: dict[ResourceId, list[Resource]] = {}
        for applied in context.cluster.resources:
            by_unit.setdefault(applied.unit, []).append(applied.resource)
        for unit in context.cluster.units:
            spec = as_mapping(unit.data.get("spec"))
            name = as_text(spec.get("project"))
            # Applications may stand in other namespaces than Argo CD's own, where projects are.
            project = projects.get((unit.id.namespace, name)) or next((each for (_, other), each in projects.items() if other == name), None)
            if project is not None and unit.id.kind == "Application" and self._is_of(unit, project):
                yield from self._judge(context, unit, spec, project, by_unit.get(unit.id, []))

    @staticmethod
    def _is_of(unit: Unit, project: Resource) -> bool:
        """Is it the project of that name in the same Argo CD? Elsewhere only one that lists namespaces can be meant."""
        return unit.id.namespace == project.id.namespace or bool(as_sequence(as_mapping(project.data.get("spec")).get("sourceNamespaces")))

    def _judge(self, context: Context, unit: Unit, spec: MappingNode, project: Resource, applied: Sequence[Resource]) -> Iterator[Finding]:
        rules = as_mapping(project.data.get("spec"))
        application = Resource(unit.id, "v1alpha1", unit.data, unit.place)
        allowed = [as_text(entry) for entry in as_sequence(rules.get("sourceRepos"))]
        for source in sources_of(application):
            if source.repository and not _permits(allowed, source.repository, is_url=True):
                place = source.fields.place("repoURL")
                yield self._finding(unit, project, f"repository {source.repository}", place, "sourceRepos", "the Application is refused")
        namespaces = [as_text(entry) for entry in as_sequence(rules.get("sourceNamespaces"))]
        if unit.id.namespace != project.id.namespace and not any(fnmatchcase(unit.id.namespace, pattern) for pattern in namespaces):
            what = f"Applications in namespace {unit.id.namespace}"
            yield self._finding(unit, project, what, unit.place, "sourceNamespaces", "the Application is refused")
        destination = as_mapping(spec.get("destination"))
        if not self._serves(rules, application):
            named = as_text(destination.get("name")) or as_text(destination.get("server")) or "in-cluster"
            what = f"namespace {destination.get('namespace') or ''} of {named}"
            yield self._finding(unit, project, what, spec.place("destination"), "destinations", "the Application is refused")
        seen = set()
        for resource in applied:
            kind = (resource.id.group, resource.id.kind)
            if kind in seen:
                continue
            seen.add(kind)
            field = _forbidden(rules, kind, is_namespaced=context.table.is_namespaced(*kind))
            if field is not None:
                yield self._finding(unit, project, f"kind {resource.id.kind} ({resource.id})", resource.place, field, "the sync fails")

    def _finding(self, unit: Unit, project: Resource, what: str, place: Place, field: str, end: str) -> Finding:
        rules = as_mapping(project.data.get("spec"))
        related = [Related(f"{field} of {project.id}", rules.place(field))]
        message = f"{unit.id} is of project {project.id.name}, which does not permit {what}; {end}"
        return self.finding(message, place, unit.id, other=project.id, related=related, field=f"{field} {what}")

    @staticmethod
    def _serves(rules: MappingNode, application: Resource) -> bool:
        destination = destination_of(application)
        namespace = as_text(as_mapping(as_mapping(application.data.get("spec")).get("destination")).get("namespace"))
        local = is_in_cluster(destination)
        permitted = False
        for entry in map(as_mapping, as_sequence(rules.get("destinations"))):
            name, server, pattern = (as_text(entry.get(key)) for key in ("name", "server", "namespace"))
            denies = any(text.startswith("!") for text in (name, server, pattern))
            fits = not pattern or not namespace or fnmatchcase(namespace, pattern.removeprefix("!"))
            if local:
                where = fnmatchcase("https://kubernetes.default.svc", server) or fnmatchcase("in-cluster", name)
            elif destination.name and server and not name:
                # Which address goes by that name only Argo CD knows.
                where = True
            else:
                where = fnmatchcase(destination.name, name) if destination.name else fnmatchcase(destination.server, server or name)
            if denies:
                continue
            permitted = permitted or (fits and where)
        return permitted


def _permits(patterns: Iterable[str], url: str, *, is_url: bool) -> bool:
    """Does one of the globs stand for an address, and none that begins with `!`?"""
    written = normalised_url(url) if is_url else url
    texts = (url, written)
    positive = [pattern for pattern in patterns if not pattern.startswith("!")]
    negative = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    if any(fnmatchcase(text, pattern) or normalised_url(pattern) == written for pattern in negative for text in texts):
        return False
    return any(fnmatchcase(text, pattern) or normalised_url(pattern) == written for pattern in positive for text in texts)


def _forbidden(rules: MappingNode, kind: tuple[str, str], *, is_namespaced: bool | None) -> str | None:
    """The field of a project that keeps a kind out; cluster-scoped ones must be listed, others only where there is a list."""
    if is_namespaced is None:
        return None
    scope = "namespace" if is_namespaced else "cluster"
    black, white = f"{scope}ResourceBlacklist", f"{scope}ResourceWhitelist"
    if any(_is_kind(as_mapping(entry), kind) for entry in as_sequence(rules.get(black))):
        return black
    listed = as_sequence(rules.get(white))
    if (not is_namespaced or listed) and not any(_is_kind(as_mapping(entry), kind) for entry in listed):
        return white
    return None


def _is_kind(entry: MappingNode, kind: tuple[str, str]) -> bool:
    return fnmatchcase(kind[0], as_text(entry.get("group"))) and fnmatchcase(kind[1], as_text(entry.get("kind")))


class MissingProject(Rule):
    """An Application is of a project that is not there.

    What it does: reports `spec.project` of Applications and ApplicationSets where no AppProject of that name is in the repository, with what was probably
    meant. Where the repository holds no project at all, they are kept elsewhere, and nothing is said for certain.

    Why it matters: Argo CD refuses the Application (`InvalidSpecError: application references project x which does not exist`).

    Example: before, `project: platfrom`; after, `project: platform`.

    Options: none.
    """

    id = "missing-project"
    severity = Severity.ERROR
    fixable = True
    symptoms = ("InvalidSpecError", "which does not exist")

    def check(self, context: Context) -> Iterator[Finding]:
        known = {each.name for each in context.graph.objects_by_kind.get(("argoproj.io", "AppProject"), ())}
        for entry in context.graph.unmet:
            need = entry.requirement.need
            if not isinstance(need, ObjectNeed) or (need.id.group, need.id.kind) != ("argoproj.io", "AppProject"):
                continue
            if is_placeholder(need.id.name) or need.id.name in known:
                continue
            meant = slip(need.id.name, known, among=context.graph.lacking)
            confidence = Confidence.POSSIBLE if known <= {"default"} else doubt(entry.possible)
            what = f"project {need.id.name}, which nothing in the repository makes{did_you_mean(meant)}{unless(entry.possible)}"
            yield self.finding(
                f"{entry.requirement.resource} is of {what}; it is refused",
                entry.requirement.place,
                entry.requirement.resource,
                other=need.id,
                confidence=confidence,
                field=entry.requirement.field,
                cause=f"Applications of {what}",
                remedy=remedies.rename([entry.requirement], need.id, meant, context.graph),
            )


class ExcludedResource(Rule):
    """An object of a kind that Argo CD is told to leave alone.

    What it does: reports objects of Applications whose kind `resource.exclusions` of `argocd-cm` names, or `resource.inclusions` leaves out.

    Why it matters: Argo CD neither applies nor compares them. The Application is Synced without them (`ExcludedResourceWarning`).

    Example: before, an exclusion of `{apiGroups: ["*"], kinds: [Secret]}` and a Secret in git; after, an exclusion for just what is not in git.

    Options: none.
    """

    id = "excluded-resource"
    severity = Severity.WARNING
    symptoms = ("ExcludedResourceWarning",)

    def check(self, context: Context) -> Iterator[Finding]:
        argo = context.cluster.argo
        excluded, included = ([] if argo is None else _kinds_of(argo.data.get(f"resource.{key}"), context.table.limits) for key in ("exclusions", "inclusions"))
        for applied in context.cluster.resources:
            unit = context.graph.units.get(applied.unit)
            kind = (applied.resource.id.group, applied.resource.id.kind)
            if argo is None or unit is None or unit.sync is None or unit.id.kind != "Application":
                continue
            if any(_names(entry, kind) for entry in excluded) or (included and not any(_names(entry, kind) for entry in included)):
                yield self.finding(
                    f"{unit.id} holds {applied.resource.id}, whose kind argocd-cm tells Argo CD to leave alone; it is never applied",
                    applied.resource.place,
                    applied.resource.id,
                    other=unit.id,
                    related=[Related("the settings of Argo CD", argo.place)],
                    field="resource.exclusions",
                    cause=f"objects of kind {applied.resource.id.kind}, which argocd-cm tells Argo CD to leave alone",
                )


def _kinds_of(text: object, limits: Limits) -> list[MappingNode]:
    """The entries of `resource.exclusions` or `resource.inclusions`, which stand there as a text."""
    documents = parse(text, "", limits).documents if isinstance(text, str) else ()
    return [as_mapping(entry) for entry in as_sequence(next(iter(documents), None))]


def _names(entry: MappingNode, kind: tuple[str, str]) -> bool:
    groups, kinds = (["*"] if key not in entry else [as_text(each) for each in as_sequence(entry[key])] for key in ("apiGroups", "kinds"))
    return any(fnmatchcase(kind[0], group) for group in groups) and any(fnmatchcase(kind[1], each) for each in kinds) and "clusters" not in entry


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
            strategy = as_mapping(as_mapping(unit.data.get("spec")).get("strategy"))
            if unit.id.kind != "ApplicationSet" or unit.sync is None or strategy.get("type") != "RollingSync":
                continue
            steps = as_sequence(as_mapping(strategy.get("rollingSync")).get("steps"))
            for child in context.graph.children.get(unit.id, ()):
                labels = as_mapping(as_mapping(context.graph.units[child].data.get("metadata")).get("labels"))
                if not any(is_selected(labels, as_mapping(step)) for step in steps):
                    message = f"{child} matches no step of the RollingSync of {unit.id}; it is never synced"
                    place = strategy.place("rollingSync")
                    yield self.finding(
                        message, place, child, other=unit.id, field="spec.strategy.rollingSync", cause="Applications in no step of a RollingSync"
                    )


class TrackingCopied(Rule):
    """A Secret that Argo CD takes for its own.

    What it does: reports ExternalSecrets of an Application without `target.template`, where Argo CD tracks objects by label, and those that carry its label
    or annotation themselves.

    Why it matters: External Secrets Operator copies labels and annotations of an ExternalSecret without template onto the Secret. Argo CD sees an object
    with its mark that git does not hold: the Application is OutOfSync, and with `prune` the Secret is deleted, made again, and deleted.

    Example: before, no template; after, `target: {template: {metadata: {annotations: {argocd.argoproj.io/compare-options: IgnoreExtraneous}}}}`, or
    `application.resourceTrackingMethod: annotation` in `argocd-cm`.

    Options: none.
    """

    id = "tracking-copied"
    severity = Severity.NOTE
    symptoms = ("OutOfSync", "Pruned")

    def check(self, context: Context) -> Iterator[Finding]:
        argo = context.cluster.argo
        method = as_text(argo.data.get(_TRACKING)) if argo is not None else ""
        label = as_text(argo.data.get("application.instanceLabelKey")) if argo is not None else ""
        for unit, resource in _external_secrets(context):
            target = as_mapping(as_mapping(resource.data.get("spec")).get("target"))
            if target.get("template") is not None or as_text(target.get("creationPolicy")) in ("None", "Merge"):
                continue
            metadata = as_mapping(resource.data.get("metadata"))
            own = [key for key in (label or "app.kubernetes.io/instance",) if key in as_mapping(metadata.get("labels"))]
            marked = bool(own) or "argocd.argoproj.io/tracking-id" in as_mapping(metadata.get("annotations"))
            if method != "label" and not (marked and method != "annotation"):
                continue
            yield self.finding(
                f"the Secret of {resource.id} gets the mark of {unit.id}, which then shows or prunes it; give target.template.metadata",
                resource.place,
                resource.id,
                other=unit.id,
                confidence=Confidence.CERTAIN if method else Confidence.LIKELY,
                field="spec.target.template",
                cause="Secrets that get the tracking mark of their Application",
            )


class PermanentlyOutOfSync(Rule):
    """An object that is OutOfSync for as long as it is there.

    What it does: reports ExternalSecrets of an Application that leave out `conversionStrategy`, `decodingStrategy` or `metadataPolicy`, which the API
    server fills in up to ESO 2.8, with automated pruning or self-heal and neither server-side diff nor `ignoreDifferences` for them.

    Why it matters: git lacks what the cluster has. The Application is OutOfSync, and with `selfHeal` it syncs again and again.

    Example: before, `remoteRef: {key: shop/db}`; after, with `conversionStrategy: Default`, `decodingStrategy: None` and `metadataPolicy: None`.

    Options: none.
    """

    id = "permanently-out-of-sync"
    severity = Severity.NOTE
    symptoms = ("OutOfSync",)

    def check(self, context: Context) -> Iterator[Finding]:
        served = _operator_version(context)
        if served is None or served >= (2, 9):
            return
        argo = context.cluster.argo
        if argo is not None and any("externalsecret" in key.lower() and "ignoredifferences" in key.lower() for key in argo.data):
            return
        for unit, resource in _external_secrets(context):
            policy = as_mapping(as_mapping(as_mapping(unit.data.get("spec")).get("syncPolicy")).get("automated"))
            if policy.get("selfHeal") is not True or _compares_on_server(unit, resource) or _ignores(unit, resource):
                continue
            for index, entry in enumerate(as_sequence(as_mapping(resource.data.get("spec")).get("data"))):
                reference = as_mapping(as_mapping(entry).get("remoteRef"))
                left_out = [field for field in _DEFAULTS if field not in reference]
                if left_out:
                    message = f"{resource.id} leaves out {', '.join(left_out)}, which the cluster fills in: {unit.id} syncs it again and again"
                    place = as_mapping(entry).place("remoteRef")
                    yield self.finding(
                        message, place, resource.id, other=unit.id, field=f"spec.data[{index}].remoteRef", cause="ExternalSecrets without defaults"
                    )
                    break


def _operator_version(context: Context) -> tuple[int, int] | None:
    for release in context.cluster.releases:
        if release.chart == "external-secrets":
            parts = release.version.removeprefix("v").split(".")
            if len(parts) > 1 and parts[0].isdecimal() and parts[1].isdecimal():
                return int(parts[0]), int(parts[1])
    return None


def _compares_on_server(unit: Unit, resource: Resource) -> bool:
    annotations = (as_mapping(as_mapping(node.get("metadata")).get("annotations")) for node in (unit.data, resource.data))
    # Applying from the server's side is not enough: fields within lists are still compared as they stand in git (measured with Argo CD 3.2).
    return any("ServerSideDiff=true" in as_text(each.get("argocd.argoproj.io/compare-options")) for each in annotations)


def _ignores(unit: Unit, resource: Resource) -> bool:
    entries = map(as_mapping, as_sequence(as_mapping(unit.data.get("spec")).get("ignoreDifferences")))
    return any(as_text(entry.get("kind")) in (resource.id.kind, "*") and as_text(entry.get("group")) in (resource.id.group, "*") for entry in entries)


class PrunedWithOperator(Rule):
    """An operator is pruned before the objects whose finalizer it takes off.

    What it does: reports an Application that prunes, and applies an operator and objects with a finalizer of that operator in one wave, without
    `PruneLast=true` on the operator or the Application.

    Why it matters: removed together, the operator may be gone first. The finalizer is never taken off, and the namespace stays at Terminating.

    Example: before, operator and PushSecrets in wave 0; after, the operator in wave -1: Argo CD prunes in reverse order.

    Options: none.
    """

    id = "pruned-with-operator"
    fixable = True
    severity = Severity.NOTE
    symptoms = ("Terminating", "finalizers")

    def check(self, context: Context) -> Iterator[Finding]:
        releases = {release.unit: release for release in context.cluster.releases if release.unit is not None}
        seen: set[tuple[ResourceId, str]] = set()
        for applied in context.cluster.resources:
            unit, resource = context.graph.units.get(applied.unit), applied.resource
            row = context.table.row(resource.id.group, resource.id.kind)
            if unit is None or unit.sync is None or row is None or row.finalizer is None or unit.id not in releases or "PruneLast=true" in unit.sync.options:
                continue
            policy = as_mapping(as_mapping(as_mapping(unit.data.get("spec")).get("syncPolicy")).get("automated"))
            brought = any(
                edge.provision.resource == unit.id and edge.requirement.reason == "custom-resource-definition"
                for edge in context.graph.upstream(resource.id)
                if edge.requirement.resource == resource.id
            )
            if policy.get("prune") is not True or not brought or position(resource).step > (Phase.SYNC, 0) or (unit.id, resource.id.kind) in seen:
                continue
            seen.add((unit.id, resource.id.kind))
            yield self.finding(
                f"{unit.id} prunes {resource.id} together with the operator that takes off {row.finalizer}; put it into a later wave",
                resource.place,
                resource.id,
                other=unit.id,
                field="finalizers",
                cause="objects pruned together with the operator of their finalizer",
                remedy=remedies.set_wave(resource, 1),
            )


class RegeneratedSecret(Rule):
    """A random value that is made anew, while what uses it keeps the old one.

    What it does: reports an ExternalSecret that reads from a generator of random values (Password, SSHKey, UUID) without `refreshPolicy: CreatedOnce`
    and without `refreshInterval: "0"`.

    Why it matters: each refresh makes another value, and so does each change of a label or annotation, which Argo CD and `commonLabels` make. The database
    still has the old password.

    Example: before, `dataFrom: [{sourceRef: {generatorRef: {kind: Password, …}}}]`; after, with `refreshPolicy: CreatedOnce`.

    Options: none.
    """

    id = "regenerated-secret"
    severity = Severity.NOTE
    fixable = True
    symptoms = ("password authentication failed",)

    def check(self, context: Context) -> Iterator[Finding]:
        for applied in context.cluster.resources:
            resource, spec = applied.resource, as_mapping(applied.resource.data.get("spec"))
            if (resource.id.group, resource.id.kind) != (_ESO, "ExternalSecret"):
                continue
            if spec.get("refreshPolicy") == "CreatedOnce" or str(spec.get("refreshInterval", "")) in ("0", "0s", "0h", "0m"):
                continue
            for index, entry in enumerate(as_sequence(spec.get("dataFrom"))):
                reference = as_mapping(as_mapping(as_mapping(entry).get("sourceRef")).get("generatorRef"))
                if as_text(reference.get("kind")) in _RANDOM:
                    message = (
                        f"{resource.id} takes a new value from {reference['kind']} {reference.get('name')} at each refresh; set refreshPolicy: CreatedOnce"
                    )
                    field = f"spec.dataFrom[{index}].sourceRef.generatorRef"
                    place = reference.place("kind")
                    cause = "random values that are made anew at each refresh"
                    yield self.finding(message, place, resource.id, field=field, cause=cause, remedy=remedies.create_once(resource))


def _external_secrets(context: Context) -> Iterator[tuple[Unit, Resource]]:
    """ExternalSecrets that Argo CD applies, with their Applications."""
    for applied in context.cluster.resources:
        unit = context.graph.units.get(applied.unit)
        if unit is not None and unit.sync is not None and (applied.resource.id.group, applied.resource.id.kind) == (_ESO, "ExternalSecret"):
            yield unit, applied.resource
