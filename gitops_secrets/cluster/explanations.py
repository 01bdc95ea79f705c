"""What controllers say when something is wrong, and what it means: a table, first match wins.

The texts are those of Flux 2.9, Argo CD 3.2, External Secrets Operator 0.20 and Kubernetes 1.35, read in conditions and events of a real cluster. An
ExternalSecret's condition never says why; its events do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

_ESO: Final = frozenset({"ExternalSecret", "SecretStore", "ClusterSecretStore", "PushSecret"})
_UNIT: Final = frozenset({"Kustomization"})
_RELEASE: Final = frozenset({"HelmRelease"})
_APPLICATION: Final = frozenset({"Application", "ApplicationSet"})
_SOURCE: Final = frozenset({"GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart"})


class Words(NamedTuple):
    """What is wrong, in one line; what that means; what to do. `is_of_store`: what uses the same store and says the same does so for the same reason."""

    title: str
    meaning: str
    advice: str
    is_of_store: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """The words for what a pattern finds; its named groups may stand in each of the texts."""

    pattern: re.Pattern[str]
    words: Words
    kinds: frozenset[str] | None  # None: any


def _says(pattern: str, title: str, meaning: str, advice: str, kinds: frozenset[str] | None = None, *, is_of_store: bool = False) -> Explanation:
    return Explanation(re.compile(pattern, re.IGNORECASE | re.DOTALL), Words(title, meaning, advice, is_of_store), kinds)


EXPLANATIONS: Final = (
    # External Secrets Operator and the providers behind it
    _says(
        r"could not get (?P<kind>\w*SecretStore) \"(?P<name>[^\"]+)\",? .*not found",
        "its store {kind} {name} is not there",
        "an ExternalSecret names a store of its own namespace unless it says kind: ClusterSecretStore",
        "correct secretStoreRef, or create the store",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"using cluster store \"(?P<name>[^\"]+)\" is not allowed from namespace \"(?P<namespace>[^\"]+)\"",
        "ClusterSecretStore {name} does not admit namespace {namespace}",
        "spec.conditions of the store lists which namespaces may use it",
        "add the namespace to the store's conditions, or give it the label that they ask for",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"cannot get Kubernetes secret \"(?P<name>[^\"]+)\" from namespace \"(?P<namespace>[^\"]+)\"",
        "the credential of its store, Secret {namespace}/{name}, is not there",
        "where a ClusterSecretStore names no namespace for its credential, that is looked up in the namespace of each ExternalSecret",
        "create the Secret there, or write the namespace into the store",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"AccessDenied\w*:? .*?(?P<who>arn:\S+) is not authorized to perform:? (?P<what>\S+)(?: on resource:? (?P<on>\S+))?",
        "the provider denies {who} the right to {what}",
        "the identity of the store is known to the provider, and its policy does not allow this",
        "allow {what} on {on} in the policy of that role",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"AccessDenied|not authorized|permission ?denied|status code: 403|Forbidden",
        "the provider denies access",
        "the identity of the store is known to the provider, and may not do this",
        "allow it in the provider's policy, for the identity that the store uses",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"(?:missing|no|does not have|without) .{0,40}(?:role.?arn|annotation)|eks\.amazonaws\.com/role-arn|an IAM role must be associated",
        "the service account of the store has no role",
        "the store takes its identity from the annotation eks.amazonaws.com/role-arn of its service account",
        "write the annotation on the service account, or name another one in the store",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|ExpiredToken|invalid[_ ]?(?:grant|token|credential)|Unauthenticated|status code: 401",
        "the provider does not accept the credential of the store",
        "the credential is there, and wrong or expired",
        "renew the credential that the store names",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"Throttl|TooManyRequests|Rate exceeded|rate limit|status code: 429",
        "the provider throttles the operator",
        "too many requests in too short a time; the operator tries again, slower each time",
        "raise refreshInterval, or the quota at the provider",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"key (?P<property>\S+) does not exist in secret (?P<key>\S+)",
        "the provider's secret {key} has no property {property}",
        "the secret is there, and its JSON has no such field",
        "correct remoteRef.property, or add it at the provider",
        _ESO,
    ),
    _says(
        r"\(key: (?P<key>[^),]+)\)?,? .*?(?:does not exist|not ?found|can't find)",
        "the provider has no secret {key}",
        "the store answers, and knows no secret under that key",
        "correct remoteRef.key, or create the secret at the provider",
        _ESO,
    ),
    _says(
        r"Secret does not exist|ResourceNotFoundException|ParameterNotFound|secret .*not found at the provider",
        "the provider has no such secret",
        "the store answers, and knows no secret under one of the keys",
        "correct remoteRef.key, or create the secret at the provider",
        _ESO,
    ),
    _says(
        r"target is owned by another ExternalSecret",
        "another ExternalSecret owns its Secret",
        "two ExternalSecrets write one Secret; the first one has it",
        "give one of them another target.name, or put both into one ExternalSecret",
        _ESO,
    ),
    _says(
        r"secret will not be created due to CreationPolicy=Merge",
        "it merges into a Secret that nobody creates",
        "creationPolicy: Merge only adds keys to a Secret that is there",
        "let somebody create the Secret, or use creationPolicy: Owner",
        _ESO,
    ),
    _says(
        r"secret retained due to DeletionPolicy|SecretDeleted",
        "the provider gave it nothing",
        "find matched no secret, so there is none to write",
        "correct the name or tags of find",
        _ESO,
    ),
    _says(
        r"dial tcp|no such host|connection refused|i/o timeout|context deadline exceeded|TLS handshake",
        "the provider can't be reached",
        "the operator gets no answer from the provider's address",
        "check the address in the store, and what is between: DNS, network policies, proxies",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"unable to create client|InvalidProviderConfig|InvalidStoreConfiguration",
        "the store has no usable credential",
        "the operator can't make a client from what the store says: a Secret, key or service account that it names is not there or not right",
        "check what the store names under auth; the operator looks again only after minutes, unless the store is annotated",
        _ESO,
        is_of_store=True,
    ),
    _says(
        r"no key could decrypt secret|cannot decrypt|illegal base64",
        "it can't be decrypted with this cluster's key",
        "a SealedSecret is sealed for one controller's key, and unless its scope is wider for one name and namespace",
        "seal it anew: kubeseal with this cluster's certificate, under its present name and namespace",
        frozenset({"SealedSecret"}),
    ),
    _says(
        r"already exists and is not managed by SealedSecret",
        "a Secret of its name is there already, and not its own",
        "the controller does not take over a Secret without the annotation sealedsecrets.bitnami.com/managed",
        "delete that Secret, or annotate it",
        frozenset({"SealedSecret"}),
    ),
    # Flux
    _says(
        r"failed calling webhook \"(?P<webhook>[^\"]+)\"",
        "the webhook {webhook} does not answer",
        "the API server asks it before it takes the object, and refuses the object while there is no answer",
        "wait for the operator behind it, and let the unit depend on the one that brings it; a failed unit is tried again after retryInterval only",
    ),
    _says(
        r"create not allowed while custom resource definition is terminating",
        "its definition is being deleted",
        "objects of the kind are still held by finalizers, and no new ones are taken until the definition is gone",
        "let the operator run until it has taken its finalizers off, or take them off by hand; then install it anew",
    ),
    _says(
        r"namespaces \"(?P<namespace>[^\"]+)\" not found",
        "namespace {namespace} is not there",
        "objects are refused while their namespace is missing, and with them all of the unit's",
        "let the unit bring the Namespace, or depend on the unit that does",
        _UNIT,
    ),
    _says(
        r"dependency '(?P<dependency>[^']+)' revision is not up to date",
        "its dependency {dependency} is not at the commit",
        "units of one source wait until what they depend on has applied the same revision",
        "resume or repair {dependency}",
    ),
    _says(
        r"unable to get '(?P<dependency>[^']+)' dependency: .*not found|dependency '(?P<named>[^']+)' not found",
        "it depends on something that is not there",
        "dependsOn of a Kustomization names Kustomizations only, that of a HelmRelease only HelmReleases",
        "correct name, namespace or kind in dependsOn",
    ),
    _says(
        r"dependency '(?P<dependency>[^']+)' is not ready",
        "its dependency {dependency} is not ready",
        "it is not tried before",
        "repair {dependency}",
    ),
    _says(
        r"(?P<object>\S+) dry-run failed: no matches for kind \"(?P<kind>[^\"]+)\" in version \"(?P<version>[^\"]+)\"",
        "{kind} of {version} is not served",
        "the definition of the kind is not there, or not in this version; nothing of the unit is applied",
        "let the unit depend on the one that brings the definition, or correct apiVersion",
        _UNIT,
    ),
    _says(
        r"no matches for kind \"(?P<kind>[^\"]+)\" in version \"(?P<version>[^\"]+)\"",
        "{kind} of {version} is not served",
        "the definition of the kind is not there, or not in this version",
        "install what brings the definition first, or correct apiVersion",
    ),
    _says(
        r"variable not set \(strict mode\): \"(?P<variable>[^\"]+)\"",
        "variable {variable} is not set",
        "Flux 2.9 refuses undefined variables; ${{{variable}}} stands in what the unit builds",
        "set it in postBuild, give it a default, ${{{variable}:=value}}, or escape it, $${{{variable}}}",
        _UNIT,
    ),
    _says(
        r"substitute from '(?P<object>[^']+)' error: .*not found",
        "{object}, which its variables come from, is not there",
        "the unit is built only with all its variables, and tried again after retryInterval",
        "let it depend on the unit that brings it; with the label reconcile.fluxcd.io/watch: Enabled on it Flux looks at once",
        _UNIT,
    ),
    _says(
        r"(?P<object>\S+) dry-run failed.*failed to create typed patch object.*?: (?P<field>\.\S+): (?P<what>expected [^,]+)",
        "{object} is invalid: {field}: {what}",
        "a patch or a variable has made something of it that its schema does not allow: a number or true without quotes, most often",
        "quote it where it is written",
        _UNIT,
    ),
    _says(
        r"(?P<object>\S+) dry-run failed \(Invalid\): (?P<what>[^\n]+)",
        "{object} is invalid",
        "the API server refuses it: {what}",
        "correct the manifest, or the patch that made it so",
        _UNIT,
    ),
    _says(
        r"(?P<object>\S+) dry-run failed \(Forbidden\): (?P<what>[^\n]+)",
        "Flux may not apply {object}",
        "the API server refuses it: {what}",
        "give the service account of the unit that permission",
        _UNIT,
    ),
    _says(
        r"kustomization path not found|path not found: stat",
        "its path is not in the source",
        "spec.path is read from the root of the source's artifact",
        "correct path, or check what the source leaves out (spec.ignore, .sourceignore)",
        _UNIT,
    ),
    _says(
        r"accumulating resources|kustomize build failed|kustomization file not found",
        "it does not build",
        "kustomize can't make the unit's manifests",
        "run `gitops-secrets check`: it names file and line",
        _UNIT,
    ),
    _says(
        r"(?P<kind>\w+)\.source\.toolkit\.fluxcd\.io \"(?P<name>[^\"]+)\" not found|failed to get source: (?P<other>.*) not found",
        "its source is not there",
        "there is no source of that kind and name in the namespace",
        "correct sourceRef, or create the source",
    ),
    _says(
        r"couldn't find remote ref \"?(?P<ref>[^\"\s]+)",
        "{ref} is not in the git repository",
        "the source names a branch or tag that the remote does not have",
        "correct spec.ref, or push it",
        _SOURCE,
    ),
    _says(
        r"authentication required|invalid credentials|authorization failed|ssh: handshake failed|Permission denied \(publickey\)",
        "its server does not accept the credential",
        "the Secret in secretRef has no valid credential for this url",
        "renew that Secret",
        _SOURCE,
    ),
    _says(
        r"could not resolve (?P<kind>\w+) chart values reference '(?P<object>[^']+)'.*not found",
        "{kind} {object}, which its values come from, is not there",
        "helm-controller tries again, each time after twice as long, up to 15 min",
        "let the unit depend on the one that brings it; with the label reconcile.fluxcd.io/watch: Enabled on it Flux looks at once",
        _RELEASE,
    ),
    _says(
        r"invalid chart reference|no chart version found|chart \"(?P<chart>[^\"]+)\" .*not found|chart metadata",
        "its chart is not in the source",
        "the source is there, and has no chart of that name or version",
        "correct chart and version",
        frozenset({*_RELEASE, *_SOURCE}),
    ),
    _says(
        r"is not ready: latest generation of object has not been reconciled",
        "its chart has not been fetched yet",
        "source-controller has not made the chart's artifact",
        "look at the HelmChart and its source",
        _RELEASE,
    ),
    _says(
        r"RetriesExceeded|retries? (?:exhausted|exceeded)",
        "the release has failed and is not tried again",
        "its remediation allows no more retries",
        "repair the cause, then: flux reconcile helmrelease --reset; give install.remediation.retries: -1",
        _RELEASE,
    ),
    _says(
        r"timeout waiting for: \[(?P<objects>.*)\]",
        "it waits for {objects}",
        "it has applied them, and they do not become ready",
        "look at these objects",
    ),
    _says(
        r"failed early due to stalled resources: \[(?P<objects>.*)\]",
        "its health check gave {objects} up",
        "a `failed` expression ends the wait at the first failure, though the object may heal",
        "take the `failed` expression away",
    ),
    _says(
        r"InvalidCELExpression",
        "one of its health check expressions is not valid CEL",
        "the unit is not tried again before it is changed",
        "correct healthCheckExprs",
    ),
    # Argo CD
    _says(
        r"blocked by sync window",
        "a sync window holds it back",
        "its project has a window in which it may not be synced",
        "wait for the window, or let who owns the project change it",
        _APPLICATION,
    ),
    _says(
        r"referencing project (?P<project>\S+) which does not exist",
        "its project {project} is not there",
        "an Application without its AppProject is not looked at",
        "apply the AppProject before it, or correct spec.project",
        _APPLICATION,
    ),
    _says(
        r"(?P<what>(?:application (?:repo|destination|source)|resource|namespace|cluster) .*?(?:not permitted|not allowed)[^\n]*)",
        "its project does not allow what it does",
        "{what}",
        "allow it in the AppProject, or move what is not allowed into an Application of another project",
        _APPLICATION,
    ),
    _says(
        r"The Kubernetes API could not find (?P<group>[^/\s]+)/(?P<kind>\S+) for requested resource",
        "{kind} of {group} is not served",
        "Argo CD checks all of a wave before it applies any of it, and the definition comes from elsewhere, or later",
        "order what brings the definition before it, or set SkipDryRunOnMissingResource=true on the object; `gitops-secrets fix` writes either",
        _APPLICATION,
    ),
    _says(
        r"(?P<path>\S+): app path does not exist",
        "its path {path} is not in the repository",
        "spec.source.path is read from the root of the repository, at targetRevision",
        "correct path, or targetRevision",
        _APPLICATION,
    ),
    _says(
        r"failed to generate manifest|Manifest generation error",
        "it does not build",
        "the repo-server can't make its manifests",
        "run `gitops-secrets check`: it names file and line",
        _APPLICATION,
    ),
    _says(
        r"is part of applications (?P<others>[^\n]+)",
        "another Application holds the same objects",
        "an object belongs to whoever synced last: {others}",
        "leave the object to one of them",
        _APPLICATION,
    ),
    # Workloads
    _says(
        r"CreateContainerConfigError|secret \"(?P<name>[^\"]+)\" not found|couldn't find key",
        "its pods can't start without a Secret",
        "a container reads a Secret, or a key of one, that is not there",
        "look at what makes the Secret",
    ),
    _says(
        r"ImagePullBackOff|ErrImagePull",
        "its image can't be pulled",
        "the name is wrong, or the credential in imagePullSecrets",
        "correct the image, or the pull Secret",
    ),
    _says(
        r"ProgressDeadlineExceeded",
        "its pods did not become ready in time",
        "the rollout has passed progressDeadlineSeconds",
        "look at its pods",
    ),
    _says(
        r"no artifact|artifact .*(?:not found|missing)|Source is not ready",
        "its source has no artifact",
        "source-controller has fetched nothing that can be applied, or lost it",
        "look at the source; `flux reconcile source` fetches anew",
    ),
)


def explain(kind: str, texts: Iterable[str]) -> Words | None:
    """The words for what was said of an object of that kind; None for what nobody has explained yet."""
    said = [text for text in texts if text]
    for entry in EXPLANATIONS:
        if entry.kinds is not None and kind not in entry.kinds:
            continue
        for text in said:
            found = entry.pattern.search(text)
            if found is not None:
                groups = {name: (value or "").rstrip(".,;:") for name, value in found.groupdict().items()}
                title, meaning, advice, is_of_store = entry.words
                return Words(title.format(**groups), meaning.format(**groups), advice.format(**groups), is_of_store)
    return None
