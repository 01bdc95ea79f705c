"""Rules about things that are required and not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from gitops_secrets.checks import remedies
from gitops_secrets.checks.absence import BY_PEOPLE, FROM_ELSEWHERE, STORES, is_proven
from gitops_secrets.checks.base import Context, Rule, closest, did_you_mean, doubt_before, namesakes
from gitops_secrets.checks.evidence import also, asker, consequence, consumers
from gitops_secrets.graph.graph import Graph, Unmet
from gitops_secrets.model.facts import Confidence, Effect, ObjectNeed, Requirement
from gitops_secrets.model.findings import Finding, Related, Remedy, Severity
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.rendering.argo.applications import PROJECT

# Put into the cluster by hand before anything is in git that could: the key that decrypts git, the credential that reads it.
_BY_HAND = frozenset({"decryption"})
_MANY: Final = 3  # that lack one thing, or names after one pattern: a program or a person makes it, rather than that many slips
_SLIP: Final = 0.93  # so alike that it is likelier a slip of the pen than one more thing


class _MissingObject(Rule):
    """A required object that nothing brings. Subclasses say which."""

    severity = Severity.ERROR
    reasons: frozenset[str] = frozenset()
    kinds: frozenset[tuple[str, str]] = frozenset()
    made_elsewhere: str = BY_PEOPLE  # what to do where somebody else makes it

    def check(self, context: Context) -> Iterator[Finding]:
        found: dict[tuple[ResourceId | str, ResourceId], list[Unmet]] = {}
        for entry in context.graph.unmet:
            need = entry.requirement.need
            if not isinstance(need, ObjectNeed) or entry.missing_key is not None or not self._is_mine(entry, need.id):
                continue
            if entry.requirement.optional or entry.requirement.soft or any(namesakes(context.graph, need.id)):
                continue
            found.setdefault((asker(entry.requirement), need.id), []).append(entry)
        readers = Counter(target for (_, target), entries in found.items() if entries[0].requirement.reason == "substitution")
        for (_, target), entries in found.items():
            yield self._missing(context, entries, target, readers[target])

    def _is_mine(self, entry: Unmet, target: ResourceId) -> bool:
        return entry.requirement.reason in self.reasons or target.group_kind in self.kinds

    def _missing(self, context: Context, entries: Sequence[Unmet], target: ResourceId, readers: int) -> Finding:
        entry = entries[0]
        requirement = entry.requirement
        by_hand = requirement.reason in _BY_HAND
        confidence, doubts = doubt_before(context, entry.unit, entry.possible, requirement.confidence)
        if by_hand:
            confidence, doubts = Confidence.POSSIBLE, ""
        elif readers >= _MANY:
            # A platform whose variables nobody defines would not exist: what sets up the cluster writes them.
            confidence, doubts = Confidence.POSSIBLE, f", unless it is there before the engine starts ({readers} Kustomizations take variables from it)"
        ending = "; it has to be there before the engine starts" if by_hand else ""
        hint = self._hint(context, target)
        is_graded = confidence is not Confidence.POSSIBLE and self.severity is Severity.ERROR
        proven = is_graded and self._is_proven(context, requirement, target)
        if confidence is Confidence.POSSIBLE and not by_hand and _near(context.graph, target, _SLIP) is not None:
            # Something of nearly that name is there: a slip of the pen is likelier than a chart that makes just this.
            confidence = Confidence.LIKELY
        elif is_graded and not proven:
            confidence = Confidence.LIKELY
            ending += self.made_elsewhere
        message = f"{consumers(entries)} needs {target}, which nothing in the repository makes{hint}{doubts}; {consequence(requirement)}{ending}"
        return self.finding(
            message,
            requirement.place,
            requirement.resource,
            other=target,
            # What runs on without it holds nothing up.
            severity=None if (proven and requirement.effect is not Effect.ROTATE) or self.severity is Severity.NOTE else Severity.WARNING,
            confidence=confidence,
            related=also(entries),
            field=requirement.field,
            cause=f"{target} is made by nothing in the repository{hint}",
            remedy=self._remedy(context, [entry.requirement for entry in entries], target),
        )

    def _remedy(self, context: Context, requirements: Sequence[Requirement], target: ResourceId) -> Remedy | None:
        meant = remedies.slip(target.name, context.graph.names_beside(target), among=context.graph.lacking)
        return remedies.rename(requirements, target, meant, context.graph)

    def _is_proven(self, context: Context, requirement: Requirement, target: ResourceId) -> bool:
        return is_proven(context.graph, target, is_first=requirement.reason == "store-credential" and requirement.resource.kind in STORES)

    def _hint(self, context: Context, target: ResourceId) -> str:
        return did_you_mean(_near(context.graph, target))


def _near(graph: Graph, target: ResourceId, similarity: float = 0.75) -> str | None:
    """The name of an object of that kind, beside `target`, that was probably meant."""
    return closest(target.name, graph.names_beside(target), similarity, among=graph.lacking)


class MissingStore(_MissingObject):
    """An ExternalSecret or PushSecret names a store that is not there.

    What it does: reports a `secretStoreRef` that matches no SecretStore of the namespace or no ClusterSecretStore, with a hint where one of the other
    kind or of a similar name exists: `kind` defaults to SecretStore. A warning where the repository keeps neither a store there nor the
    operator, or has it in a file that nothing applies: somebody may.

    Why it matters: the ExternalSecret stays at SecretSyncedError (`could not get secret data from provider`) and its Secret never comes.

    Example: before, `secretStoreRef: {name: aws}`; after, `secretStoreRef: {name: aws, kind: ClusterSecretStore}`.

    Options: none.
    """

    id = "missing-store"
    fixable = True
    symptoms = ("SecretSyncedError", "could not get SecretStore", "could not get secret data from provider")
    reasons = frozenset({"secret-store"})

    def _hint(self, context: Context, target: ResourceId) -> str:
        for other in _of_the_other_kind(context, target):
            return f" (a {other.kind} of that name is there: set kind: {other.kind})"
        return super()._hint(context, target)

    def _is_proven(self, context: Context, requirement: Requirement, target: ResourceId) -> bool:
        return bool(_of_the_other_kind(context, target)) or super()._is_proven(context, requirement, target)

    def _remedy(self, context: Context, requirements: Sequence[Requirement], target: ResourceId) -> Remedy | None:
        consumer = requirements[0].resource
        for other in _of_the_other_kind(context, target):
            if other.namespace in ("", consumer.namespace):
                return remedies.other_kind(requirements, other.kind)
        return super()._remedy(context, requirements, target)


def _of_the_other_kind(context: Context, target: ResourceId) -> list[ResourceId]:
    """Stores of that name, whatever their namespace, that are ClusterSecretStores where a SecretStore is looked for, or the other way round."""
    return [other for kind in STORES - {target.kind} for other in context.graph.objects_by_name.get((target.group, kind, target.name), ())]


class MissingSecret(_MissingObject):
    """A Secret that is required and that nothing makes.

    What it does: reports a reference to a Secret that no manifest, ExternalSecret, SealedSecret, Certificate, generator or known operator brings.

    Why it matters: a pod waits for it for ever (CreateContainerConfigError), a store can't log in, a HelmRelease has no values. Nothing heals it. An
    error where the repository makes other Secrets of that namespace, or this one for another cluster; else a warning: people and Terraform make some, too,
    and nearly always what a store logs in with. So do people with a manifest of it that is here and that nothing applies.

    Example: before, `secretKeyRef: {name: db-credential}`; after, `secretKeyRef: {name: db-credentials}`.

    Options: name what is there before the engine starts under `bootstrap` in the configuration: a path that makes it, or the object itself in `objects`.
    """

    id = "missing-secret"
    fixable = True
    symptoms = ("CreateContainerConfigError", "InvalidProviderConfig", "cannot get Kubernetes secret", 'secrets "x" not found')
    kinds = frozenset({("", "Secret")})

    def check(self, context: Context) -> Iterator[Finding]:
        found = [(finding, _pattern(finding)) for finding in super().check(context)]
        objects: dict[str, set[str | None]] = {}
        for finding, pattern in found:
            objects.setdefault(pattern, set()).add(finding.other)
        for finding, pattern in found:
            if pattern and len(objects[pattern]) >= _MANY and finding.confidence is not Confidence.POSSIBLE:
                message = f"{finding.message}, unless what makes the {len(objects[pattern])} Secrets called {pattern} does"
                finding = replace(finding, message=message, confidence=Confidence.POSSIBLE, severity=Severity.NOTE)
            yield finding


def _pattern(finding: Finding) -> str:
    """What is left of the name of a missing Secret without that of its consumer: `login-*-token`; empty if it does not hold that or is all of it."""
    consumer, secret = (identity.split("/", 2)[-1] for identity in (finding.subject, finding.other or ""))
    before, found, after = secret.partition(consumer or "/")
    return f"{before}*{after}" if found and before.strip("-") and after.strip("-") else ""


class MissingConfigMap(_MissingObject):
    """A ConfigMap that is required and that nothing makes.

    What it does: reports a reference to a ConfigMap that no manifest, generator or known operator brings.

    Why it matters: a pod waits for it for ever, a Kustomization's build fails, a HelmRelease has no values. An error where the
    repository makes other ConfigMaps of that namespace, or this one for another cluster; else a warning, since others make some, too.

    Example: before, `configMapRef: {name: setting}`; after, `configMapRef: {name: settings}`.

    Options: none.
    """

    id = "missing-config-map"
    fixable = True
    symptoms = ("CreateContainerConfigError", 'configmaps "x" not found', "BuildFailed")
    kinds = frozenset({("", "ConfigMap")})


class MissingServiceAccount(_MissingObject):
    """A service account that is required and that nothing makes.

    What it does: reports a reference to a ServiceAccount that no manifest and no known chart brings.

    Why it matters: pods are refused, and a store that logs in with its token gets none. An error where the repository makes other accounts of that
    namespace, or this one for another cluster; else a warning, since what sets up the access to a cloud makes some, too.

    Example: before, `serviceAccountRef: {name: eso}`; after, `serviceAccountRef: {name: external-secrets}`.

    Options: none.
    """

    id = "missing-service-account"
    fixable = True
    symptoms = ('serviceaccounts "x" not found', "InvalidProviderConfig", "FailedCreate")
    kinds = frozenset({("", "ServiceAccount")})


class MissingSource(_MissingObject):
    """A Flux source that is required and that nothing declares.

    What it does: reports the source of a Kustomization or chart that no manifest of the cluster declares and that the bootstrap doesn't make.

    Why it matters: the unit stays at ArtifactFailed or SourceNotReady until the source appears. A warning where the repository declares no other source
    there.

    Example: before, `sourceRef: {kind: HelmRepository, name: jetstak}`; after, `sourceRef: {kind: HelmRepository, name: jetstack}`.

    Options: `sources` in the configuration names sources that are made elsewhere.
    """

    id = "missing-source"
    fixable = True
    symptoms = ("ArtifactFailed", "SourceNotReady", "failed to get source")
    reasons = frozenset({"source", "chart"})
    made_elsewhere = FROM_ELSEWHERE


class MissingObject(_MissingObject):
    """Something else that is required and that nothing makes.

    What it does: reports references to an issuer, a generator, a storage class, a volume claim, a project or another named object that no manifest and no
    known chart brings. Secrets, ConfigMaps, stores, service accounts, sources and namespaces have rules of their own.

    Why it matters: the Certificate, ExternalSecret or claim that refers to it is accepted and waits for ever.

    Example: before, `issuerRef: {name: lets-encrypt, kind: ClusterIssuer}`; after, `issuerRef: {name: letsencrypt, kind: ClusterIssuer}`.

    Options: name what is there before the engine starts under `bootstrap` in the configuration: a path that makes it, or the object itself in `objects`.
    """

    id = "missing-object"
    fixable = True
    symptoms = ("IssuerNotFound", "ProvisioningFailed", "could not get generator")
    severity = Severity.NOTE

    def _is_mine(self, entry: Unmet, target: ResourceId) -> bool:
        # Rules of their own tell of these.
        named_elsewhere = target.group_kind in {("", kind) for kind in ("Secret", "ConfigMap", "ServiceAccount", "Namespace")} | {PROJECT}
        return not named_elsewhere and entry.requirement.reason not in ("secret-store", "source", "chart", "webhook")


class MissingNamespace(_MissingObject):
    """The namespace of an object is made by nothing.

    What it does: reports objects in a namespace that no manifest, no chart with `createNamespace` and no bootstrap makes.

    Why it matters: the API server refuses the object, and Flux with it everything else of its unit (`namespaces "x" not found`). Nothing heals it. A
    warning, since people and clusters make namespaces, too; an error where the name is a slip of one that is there, or another cluster has it.

    Example: before, `metadata: {namespace: shop}`; after, a Namespace manifest `shop` in the unit or in one before it.

    Options: name what is there before the engine starts under `bootstrap` in the configuration: a path that makes it, or the object itself in `objects`.
    """

    id = "missing-namespace"
    fixable = True
    symptoms = ('namespaces "x" not found', "ReconciliationFailed")
    kinds = frozenset({("", "Namespace")})

    def check(self, context: Context) -> Iterator[Finding]:
        seen: dict[tuple[ResourceId, ResourceId], list[Unmet]] = {}
        for entry in context.graph.unmet:
            need = entry.requirement.need
            if isinstance(need, ObjectNeed) and self._is_mine(entry, need.id) and not entry.requirement.optional and not entry.requirement.soft:
                seen.setdefault((entry.unit, need.id), []).append(entry)
        for (unit, target), entries in seen.items():
            first = entries[0]
            hint = did_you_mean(_near(context.graph, target))
            more = f" and {len(entries) - 1} more of {unit}" if len(entries) > 1 else ""
            live, be = ("live", "they are") if more else ("lives", "it is")
            confidence, doubts = doubt_before(context, unit, first.possible)
            where = f"namespace {target.name}, which nothing in the repository makes{hint}{doubts}"
            proven = is_proven(context.graph, target)
            ending = "" if proven or confidence is Confidence.POSSIBLE else BY_PEOPLE
            yield self.finding(
                f"{first.requirement.resource}{more} {live} in {where}; {be} refused for ever{ending}",
                first.requirement.place,
                unit,
                other=target,
                severity=None if proven else Severity.WARNING,
                confidence=confidence,
                related=[Related(f"{entry.requirement.resource} lives there", entry.requirement.place) for entry in entries],
                field="metadata.namespace",
                cause=f"{target} is made by nothing in the repository{hint}",
                remedy=self._remedy(context, [entry.requirement for entry in entries], target),
            )
