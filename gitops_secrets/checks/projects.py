"""Rules about what an Application may hold: what its project allows, and what Argo CD is told to leave alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule, did_you_mean, doubt, unless
from gitops_secrets.checks.remedies import slip
from gitops_secrets.model.facts import Confidence, ObjectNeed, Resource
from gitops_secrets.model.findings import Finding, Related, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text
from gitops_secrets.model.results import Unit
from gitops_secrets.rendering.argo.applications import PROJECT, destination_of, is_in_cluster, sources_of
from gitops_secrets.rendering.urls import is_placeholder, normalised_url
from gitops_secrets.syntax.nearest import Names


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
        projects: dict[tuple[str, str], list[Resource]] = {}
        for each in context.cluster.given:
            if each.id.group_kind == PROJECT:
                projects.setdefault((each.id.namespace, each.id.name), []).append(each)
        # What the engine applies takes the place of what a bootstrap made.
        projects |= {(each.id.namespace, each.id.name): [each] for each in context.of_kind(*PROJECT)}
        by_unit: dict[ResourceId, list[Resource]] = {}
        for unit, resource in context.synced_resources:
            by_unit.setdefault(unit.id, []).append(resource)
        for unit in context.cluster.units:
            spec = unit.spec
            name = as_text(spec.get("project"))
            # Applications may stand in other namespaces than Argo CD's own, where projects are.
            found = projects.get((unit.id.namespace, name)) or next((each for (_, other), each in projects.items() if other == name), [])
            if unit.id.kind != "Application":
                continue
            judged = [list(self._judge(context, unit, spec, each, by_unit.get(unit.id, []))) for each in found if self._is_of(unit, each)]
            # Of several bootstraps that each make one of this name, nobody can tell which was run.
            yield from (finding for finding in judged[0] if all(finding.message in {other.message for other in others} for others in judged)) if judged else ()

    @staticmethod
    def _is_of(unit: Unit, project: Resource) -> bool:
        """Is it the project of that name in the same Argo CD? Elsewhere only one that lists namespaces can be meant."""
        return unit.id.namespace == project.id.namespace or bool(as_sequence(project.spec.get("sourceNamespaces")))

    def _judge(self, context: Context, unit: Unit, spec: MappingNode, project: Resource, applied: Sequence[Resource]) -> Iterator[Finding]:
        rules = project.spec
        application = Resource(unit.id, "v1alpha1", unit.data, unit.place)
        allowed = [as_text(entry) for entry in as_sequence(rules.get("sourceRepos"))]
        for source in sources_of(application):
            if source.repository and not _permits(allowed, source.repository):
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
            kind = resource.id.group_kind
            if kind in seen:
                continue
            seen.add(kind)
            field = _forbidden(rules, kind, is_namespaced=context.table.is_namespaced(*kind))
            if field is not None:
                yield self._finding(unit, project, f"kind {resource.id.kind} ({resource.id})", resource.place, field, "the sync fails")

    def _finding(self, unit: Unit, project: Resource, what: str, place: Place, field: str, end: str) -> Finding:
        rules = project.spec
        related = [Related(f"{field} of {project.id}", rules.place(field))]
        message = f"{unit.id} is of project {project.id.name}, which does not permit {what}; {end}"
        return self.finding(message, place, unit.id, other=project.id, related=related, field=f"{field} {what}")

    @staticmethod
    def _serves(rules: MappingNode, application: Resource) -> bool:
        destination = destination_of(application)
        namespace = as_text(as_mapping(application.spec.get("destination")).get("namespace"))
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


def _permits(patterns: Iterable[str], url: str) -> bool:
    """Does one of the globs stand for an address, and none that begins with `!`?"""
    written = normalised_url(url)
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
        known = Names(each.name for each in context.graph.objects_by_kind.get(PROJECT, ()))
        for entry in context.graph.unmet:
            need = entry.requirement.need
            if not isinstance(need, ObjectNeed) or need.id.group_kind != PROJECT:
                continue
            if is_placeholder(need.id.name) or need.id.name in known:
                continue
            meant = slip(need.id.name, known, among=context.graph.lacking)
            # Argo CD looks for projects in its own namespace, whichever the Application lies in.
            possible = entry.possible or next((opaque for opaque in context.graph.opaque if need.id.name in opaque.words), None)
            confidence = Confidence.POSSIBLE if set(known) <= {"default"} else doubt(possible)
            what = f"project {need.id.name}, which nothing in the repository makes{did_you_mean(meant)}{unless(possible)}"
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
        for unit, resource in context.synced_resources if argo is not None else ():
            kind = resource.id.group_kind
            if argo is None or unit.id.kind != "Application":
                continue
            if any(_names(entry, kind) for entry in argo.excluded) or (argo.included and not any(_names(entry, kind) for entry in argo.included)):
                yield self.finding(
                    f"{unit.id} holds {resource.id}, whose kind argocd-cm tells Argo CD to leave alone; it is never applied",
                    resource.place,
                    resource.id,
                    other=unit.id,
                    related=[Related("the settings of Argo CD", argo.place)],
                    field="resource.exclusions",
                    cause=f"objects of kind {resource.id.kind}, which argocd-cm tells Argo CD to leave alone",
                )


def _names(entry: MappingNode, kind: tuple[str, str]) -> bool:
    groups, kinds = (["*"] if key not in entry else [as_text(each) for each in as_sequence(entry[key])] for key in ("apiGroups", "kinds"))
    return any(fnmatchcase(kind[0], group) for group in groups) and any(fnmatchcase(kind[1], each) for each in kinds) and "clusters" not in entry
