"""Ways to break a chain, each with the root cause that has to stand first, though most of them show only symptoms in what is looked at first."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.bed import charts, faults, operators
from tests.e2e.bed.api import EXTERNAL_SECRET, GIT_REPOSITORY, KUSTOMIZATION, Object, is_ready, ready_condition
from tests.e2e.bed.bed import Bed, running
from tests.e2e.bed.faults import Fault
from tests.e2e.bed.flux import Settings
from tests.e2e.bed.operators import install_external_secrets
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.programs import Programs
from tests.e2e.bed.scenario import Change, Scenario, git_repository

PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Breakage:
    """A scenario, and what `verify` has to say first once it has settled: what it is about, and the pattern of its words."""

    name: str
    build: Change
    cause: str
    words: str
    then: Change | None = None  # done once the units are ready
    ready: tuple[str, ...] | None = None  # which units that are; None: all
    fault: Fault | None = None  # of the provider, from the start


def missing_key(case: Scenario) -> None:
    case.provider.put_secret("diagnosis/other", "x")
    case.unit("store", case.credential(), case.store(case.name))
    case.unit("app", case.external_secret("app", case.name, "diagnosis/nowhere"), dependsOn=[{"name": "store"}])


def missing_property(case: Scenario) -> None:
    case.provider.put_secret("diagnosis/properties", '{"there": "1"}')
    secret = case.external_secret("app", case.name, "diagnosis/properties")
    secret["spec"]["data"][0]["remoteRef"]["property"] = "nowhere"
    case.unit("store", case.credential(), case.store(case.name))
    case.unit("app", secret, dependsOn=[{"name": "store"}])


def cycle(case: Scenario) -> None:
    case.unit("first", case.config_map("first"), dependsOn=[{"name": "second"}])
    case.unit("second", case.config_map("second"), dependsOn=[{"name": "first"}])
    case.unit("third", case.config_map("third"), dependsOn=[{"name": "second"}])


def store_nowhere(case: Scenario) -> None:
    case.unit("app", case.external_secret("app", "nowhere", "any"))


def store_of_other_kind(case: Scenario) -> None:
    case.unit("store", case.credential(), case.store(case.name))
    case.unit("app", case.external_secret("app", case.name, "any", kind="SecretStore"), dependsOn=[{"name": "store"}])


def store_not_allowed(case: Scenario) -> None:
    case.unit("store", case.credential(), case.store(case.name, conditions=[{"namespaces": ["elsewhere"]}]))
    case.unit("app", case.external_secret("app", case.name, "any"), dependsOn=[{"name": "store"}])


def credential_missing(case: Scenario) -> None:
    case.unit("store", case.store(case.name))
    case.unit("app", case.external_secret("app", case.name, "any"), dependsOn=[{"name": "store"}])


def credential_without_namespace(case: Scenario) -> None:
    store = case.store(case.name)
    for reference in store["spec"]["provider"]["aws"]["auth"]["secretRef"].values():
        del reference["namespace"]
        reference["name"] = "elsewhere"
    case.unit("store", store)
    case.unit("app", case.external_secret("app", case.name, "any"), dependsOn=[{"name": "store"}])


def controller_nobody_runs(case: Scenario) -> None:
    case.unit("store", case.credential(), case.store(case.name, controller="nobody"))
    case.unit("app", case.external_secret("app", case.name, "any"), dependsOn=[{"name": "store"}])


def two_owners(case: Scenario) -> None:
    case.provider.put_secret("diagnosis/shared", "x")
    case.unit("store", case.credential(), case.store(case.name))
    case.unit("app", case.external_secret("first", case.name, "diagnosis/shared", target={"name": "shared"}), dependsOn=[{"name": "store"}])


def second_owner(case: Scenario) -> None:
    case.files("app", {"second.yaml": case.external_secret("second", case.name, "diagnosis/shared", target={"name": "shared"})})
    case.commit()
    case.bed.api.poke(GIT_REPOSITORY, case.name, case.name)


def merge_without_target(case: Scenario) -> None:
    case.provider.put_secret("diagnosis/merged", "x")
    case.unit("store", case.credential(), case.store(case.name))
    case.unit("app", case.external_secret("app", case.name, "diagnosis/merged", target={"creationPolicy": "Merge"}), dependsOn=[{"name": "store"}])


def version_not_served(case: Scenario) -> None:
    secret = case.external_secret("app", case.name, "any")
    case.unit("app", secret | {"apiVersion": "external-secrets.io/v1beta1"})


def kind_not_served(case: Scenario) -> None:
    widget = {"apiVersion": "nowhere.example.org/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": case.name}, "spec": {}}
    case.unit("app", widget, case.config_map("beside"))


def namespace_nowhere(case: Scenario) -> None:
    manifest = case.config_map("c")
    manifest["metadata"]["namespace"] = f"{case.name}-nowhere"
    case.unit("app", manifest)


def dependency_nowhere(case: Scenario) -> None:
    case.unit("app", case.config_map("c"), dependsOn=[{"name": "nowhere"}])


def dependency_of_other_kind(case: Scenario) -> None:
    case.bed.charts.add("stub", "1.0.0", charts.stub("stub"))
    case.unit("release", case.helm_repository(), case.helm_release("stub-release", "stub", "1.0.0"))
    case.unit("app", case.config_map("c"), dependsOn=[{"name": "stub-release"}])


def dependency_to_suspend(case: Scenario) -> None:
    case.unit("below", case.config_map("below"))
    case.unit("above", case.config_map("above"), dependsOn=[{"name": "below"}])


def suspend_dependency(case: Scenario) -> None:
    case.bed.api.patch(KUSTOMIZATION, case.name, "below", {"spec": {"suspend": True}})
    case.files("above", {"0.yaml": case.config_map("above", changed="yes")})
    case.commit()
    case.bed.api.poke(GIT_REPOSITORY, case.name, case.name)


def undefined_variable(case: Scenario) -> None:
    case.unit("app", case.config_map("c", value="${NOWHERE}"), postBuild={"substitute": {"OTHER": "x"}})


def variables_nowhere(case: Scenario) -> None:
    case.unit("app", case.config_map("c", value="${VALUE}"), postBuild={"substituteFrom": [{"kind": "Secret", "name": "variables"}]})


def number_for_text(case: Scenario) -> None:
    manifest = case.config_map("c")
    manifest["data"] = {"value": 1}
    case.unit("app", manifest)


def path_nowhere(case: Scenario) -> None:
    case.unit("app", case.config_map("c"), path="./nowhere")


def source_nowhere(case: Scenario) -> None:
    case.unit("app", case.config_map("c"), sourceRef={"kind": "GitRepository", "name": "nowhere"})


def branch_nowhere(case: Scenario) -> None:
    case.engine_objects("source", git_repository(case.name, case.repository.url, ref={"branch": "nowhere"}))
    case.unit("app", case.config_map("c"))


def chart_nowhere(case: Scenario) -> None:
    case.unit("app", case.helm_repository(), case.helm_release("app", "nowhere", "1.0.0"))


def values_nowhere(case: Scenario) -> None:
    case.bed.charts.add("stub", "1.0.0", charts.stub("stub"))
    release = case.helm_release("app", "stub", "1.0.0", valuesFrom=[{"kind": "Secret", "name": "values"}])
    case.unit("app", case.helm_repository(), release)


def webhook_away(case: Scenario) -> None:
    webhook = {
        "name": "away.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": case.name}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}],
    }
    case.bed.api.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": case.name},
            "webhooks": [webhook],
        }
    )
    case.unit("app", case.config_map("c"))


def source_suspended(case: Scenario) -> None:
    case.engine_objects("source", git_repository(case.name, case.repository.url, suspend=True))
    case.unit("app", case.config_map("c"))


def artifact_lost(case: Scenario) -> None:
    # Seldom looked at: source-controller mends its storage whenever it looks.
    case.engine_objects("source", git_repository(case.name, case.repository.url, interval="1h"))
    case.unit("app", case.config_map("c"))


def lose_artifact(case: Scenario) -> None:
    for artifact in (case.bed.artifacts / "gitrepository" / case.name / case.name).glob("*.tar.gz"):
        artifact.unlink()
    case.bed.api.poke(KUSTOMIZATION, case.name, "app")


def role_missing(case: Scenario) -> None:
    store = case.store(case.name)
    store["spec"]["provider"]["aws"]["auth"] = {"jwt": {"serviceAccountRef": {"name": "reader", "namespace": case.name}}}
    reader = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": case.name}}
    case.unit("store", reader, store)
    case.unit("app", case.external_secret("app", case.name, "any"), dependsOn=[{"name": "store"}])


def readable(case: Scenario) -> None:
    """Some ExternalSecrets of one store whose keys the provider has."""
    case.unit("store", case.credential(), case.store(case.name))
    for name in ("a", "b", "c"):
        case.provider.put_secret(f"diagnosis/readable-{name}", "x")
        case.unit(name, case.external_secret(name, case.name, f"diagnosis/readable-{name}"), dependsOn=[{"name": "store"}])


def find_without_match(case: Scenario) -> None:
    find = {"data": None, "dataFrom": [{"find": {"name": {"regexp": "^diagnosis/none-of-these$"}}}]}
    secret = case.external_secret("app", case.name, "any", target={"deletionPolicy": "Delete"})
    secret["spec"] = {key: value for key, value in (secret["spec"] | find).items() if value is not None}
    case.unit("store", case.credential(), case.store(case.name))
    case.unit("app", secret, dependsOn=[{"name": "store"}])


def key_nobody_makes(case: Scenario) -> None:
    case.provider.put_secret("diagnosis/keys", "x")
    case.unit("store", case.credential(), case.store(case.name))
    case.unit(
        "app", case.external_secret("app", case.name, "diagnosis/keys"), case.deployment("reader", secret="app", key="other"), dependsOn=[{"name": "store"}]
    )


def secret_nobody_makes(case: Scenario) -> None:
    case.unit("app", case.deployment("reader", secret="nowhere", key="value"))


def expression_invalid(case: Scenario) -> None:
    check = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "current": "status.conditions.exists("}
    case.unit("app", case.config_map("c"), wait=True, healthCheckExprs=[check])


def permission_missing(case: Scenario) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "applies", "namespace": case.name}}
    case.unit("account", account)
    case.unit("app", case.config_map("c"), serviceAccountName="applies", dependsOn=[{"name": "account"}])


def bystander_of_a_cycle(case: Scenario) -> None:
    case.unit("bystander", case.config_map("bystander"))
    cycle(case)


def commit_beside_a_cycle(case: Scenario) -> None:
    case.files("bystander", {"0.yaml": case.config_map("bystander", changed="yes")})
    case.commit()
    case.bed.api.poke(GIT_REPOSITORY, case.name, case.name)


def patch_invalid(case: Scenario) -> None:
    case.unit("app", case.config_map("c"), patches=[{"target": {"kind": "ConfigMap"}, "patch": '[{"op": "add", "path": "/data/added", "value": [1]}]'}])


def waits_for_what_never_comes(case: Scenario) -> None:
    never = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "namespace": case.name}
    case.unit("app", case.config_map("first"), healthChecks=[never], timeout="10m")


def repair_while_it_waits(case: Scenario) -> None:
    """Commits what the unit does not take up before it has stopped to wait."""
    wait_until(
        lambda: "Running health checks" in ready_condition(case.bed.api.get(KUSTOMIZATION, case.name, "app") or {}, "Reconciling").get("message", ""),
        "the unit waits",
    )
    case.files("app", {"0.yaml": case.config_map("first", repaired="yes")})
    case.commit()
    case.bed.api.poke(GIT_REPOSITORY, case.name, case.name)


BREAKAGES = (
    Breakage("a key that the provider does not have", missing_key, "ExternalSecret/{0}/app", "the provider has no secret diagnosis/nowhere"),
    Breakage("a property that the provider's secret does not have", missing_property, "ExternalSecret/{0}/app", "no property nowhere"),
    Breakage("units that depend on each other", cycle, "Kustomization/{0}/(first|second)", "each other|circle|cycle"),
    Breakage("a store that nobody makes", store_nowhere, "ExternalSecret/{0}/app", "store ClusterSecretStore nowhere is not there"),
    Breakage("a store of the other kind", store_of_other_kind, "ExternalSecret/{0}/app", "store SecretStore {0} is not there"),
    Breakage("a store that does not admit the namespace", store_not_allowed, "ExternalSecret/{0}/app", "does not admit namespace {0}"),
    Breakage("a store whose credential is missing", credential_missing, "Secret/{0}/credential", "it is not there"),
    Breakage(
        "a credential looked for in the wrong namespace",
        credential_without_namespace,
        "(ExternalSecret/{0}/app|Secret/{0}/elsewhere)",
        "{0}/elsewhere, is not there|it is not there",
    ),
    Breakage("a store for a controller that nobody runs", controller_nobody_runs, "ClusterSecretStore//{0}", "controller"),
    Breakage("two ExternalSecrets for one Secret", two_owners, "ExternalSecret/{0}/(first|second)", "another ExternalSecret owns", second_owner),
    Breakage("a merge into a Secret that nobody makes", merge_without_target, "ExternalSecret/{0}/app", "merges into a Secret that nobody creates"),
    Breakage("a version that is not served", version_not_served, "Kustomization/{0}/app", "ExternalSecret is not served as external-secrets.io/v1beta1"),
    Breakage("a kind that is not served", kind_not_served, "Kustomization/{0}/app", "Widget of nowhere.example.org/v1 is not served"),
    Breakage("a namespace that nobody makes", namespace_nowhere, "Kustomization/{0}/app", "namespace {0}-nowhere is not there"),
    Breakage("a dependency that is not there", dependency_nowhere, "Kustomization/{0}/app", "depends on something that is not there"),
    Breakage("a dependency of another kind", dependency_of_other_kind, "Kustomization/{0}/app", "depends on something that is not there"),
    Breakage("a dependency that is suspended", dependency_to_suspend, "Kustomization/{0}/below", "suspended", suspend_dependency),
    Breakage("a variable that is not set", undefined_variable, "Kustomization/{0}/app", "variable NOWHERE is not set"),
    Breakage("variables from a Secret that is not there", variables_nowhere, "Kustomization/{0}/app", "Secret/variables.* is not there"),
    Breakage("a number where text has to be", number_for_text, "Kustomization/{0}/app", "invalid"),
    Breakage("a path that is not in the source", path_nowhere, "Kustomization/{0}/app", "path is not in the source"),
    Breakage("a source that is not there", source_nowhere, "GitRepository/{0}/nowhere", "not there"),
    Breakage("a branch that is not there", branch_nowhere, "GitRepository/{0}/{0}", "nowhere is not in the git repository"),
    Breakage("a chart that is not there", chart_nowhere, "HelmRelease/{0}/app", "chart is not in the source"),
    Breakage("values from a Secret that is not there", values_nowhere, "Secret/{0}/values", "not there"),
    Breakage("a webhook that does not answer", webhook_away, "Kustomization/{0}/app", "webhook away.example.org does not answer"),
    Breakage("a source that is suspended", source_suspended, "GitRepository/{0}/{0}", "suspended"),
    Breakage("a source that has lost its artifact", artifact_lost, "Kustomization/{0}/app", "its source has no artifact", lose_artifact),
    Breakage("a service account without a role", role_missing, "ClusterSecretStore//{0}", "service account of the store has no role"),
    Breakage("a find that finds nothing", find_without_match, "ExternalSecret/{0}/app", "the provider gave it nothing"),
    Breakage("a key that nobody makes", key_nobody_makes, "ExternalSecret/{0}/app", "has no key 'other'"),
    Breakage("a Secret that nobody makes", secret_nobody_makes, "Secret/{0}/nowhere", "it is not there"),
    Breakage("an expression that is not valid", expression_invalid, "Kustomization/{0}/app", "not valid CEL"),
    Breakage("a permission that Flux lacks", permission_missing, "Kustomization/{0}/app", "Flux may not apply"),
    Breakage(
        "a unit beside a cycle", bystander_of_a_cycle, "Kustomization/{0}/(first|second)", "wait for each other", commit_beside_a_cycle, ready=("bystander",)
    ),
    Breakage(
        "a right that the provider denies",
        readable,
        "ExternalSecret/{0}/[abc]",
        "the provider denies .* the right to",
        fault=faults.access_denied("arn:aws:secretsmanager:eu-west-1:1:secret:any"),
    ),
    Breakage("a patch that makes an object invalid", patch_invalid, "Kustomization/{0}/app", "invalid"),
    Breakage(
        "a revision that is stuck",
        waits_for_what_never_comes,
        "Kustomization/{0}/app",
        "waits for its health checks at revision",
        repair_while_it_waits,
        ready=(),
    ),
    Breakage("a provider that throttles", readable, "ExternalSecret/{0}/[abc]", "throttles", fault=faults.throttled()),
)

QUICK = {"a key that the provider does not have", "units that depend on each other", "a store that does not admit the namespace"}


@pytest.fixture(scope="module")
def operated(built: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A cluster that External Secrets Operator runs in. Its units look for their dependencies every second: how fast is not the matter here."""
    with running(built, tmp_path_factory.mktemp("bed") / "bed", Settings(requeue_dependency="1s")) as bed:
        install_external_secrets(bed)
        yield bed


def named_first(case: Scenario, cause: str, words: str) -> tuple[bool, str, float]:
    """Whether `verify` names that cause first before all patience is gone; what it said last, and the seconds that took."""
    pattern = re.compile(f"cause +{cause.format(case.name)}: .*({words.format(case.name)})")
    started = time.monotonic()
    while True:
        line = case.run("verify").first_line
        seconds = time.monotonic() - started
        if pattern.match(line) or seconds > PATIENCE:
            return pattern.match(line) is not None, line, seconds
        time.sleep(1)


def are_ready(case: Scenario, units: tuple[str, ...] | None) -> bool:
    return all(is_ready(unit) for unit in case.bed.api.list(KUSTOMIZATION, case.name) if units is None or unit["metadata"]["name"] in units)


@pytest.mark.parametrize(
    "breakage", [pytest.param(each, id=each.name.replace(" ", "-"), marks=[] if each.name in QUICK else pytest.mark.full) for each in BREAKAGES]
)
def test_the_root_cause_stands_first(operated: Bed, breakage: Breakage, figure: Callable[[str, str], None]) -> None:
    case = Scenario(operated, f"case-{BREAKAGES.index(breakage)}")
    with operated.provider_proxy.fault(breakage.fault or Fault(times=0)):
        breakage.build(case)
        case.apply()
        if breakage.then is not None:
            wait_until(lambda: are_ready(case, breakage.ready), "the units are ready", interval=0.5)
            breakage.then(case)
        named, line, seconds = named_first(case, breakage.cause, breakage.words)
    figure(f"diagnosis of {breakage.name}", f"{seconds:.0f} s after the break")

    assert named, line


# What would break the others, on a cluster of its own


def operator(case: Scenario) -> tuple[Object, Object]:
    """External Secrets Operator in the scenario's namespace, its definitions in the templates of its chart as they are published."""
    case.bed.charts.add("external-secrets", operators.VERSION, charts.external_secrets(case.bed.programs))
    return case.helm_repository(), case.helm_release("external-secrets", "external-secrets", operators.VERSION, values={"installCRDs": True})


@pytest.mark.full
def test_an_operator_and_a_store_in_one_unit_are_named(bed: Bed, figure: Callable[[str, str], None]) -> None:
    case = Scenario(bed, "together")
    case.unit("platform", *operator(case), case.store("together"))
    case.apply()
    named, line, seconds = named_first(case, "Kustomization/{0}/platform", "it holds both .* and what brings its definition")
    figure("diagnosis of an operator and a store in one unit", f"{seconds:.0f} s after the break")

    assert named, line


@pytest.mark.full
def test_an_operator_that_is_not_running_is_named_though_all_units_are_ready(bed: Bed, figure: Callable[[str, str], None]) -> None:
    install_external_secrets(bed)
    case = Scenario(bed, "down")
    case.provider.put_secret("diagnosis/down", "x")
    case.unit("store", case.credential(), case.store("down"))
    case.unit("app", case.external_secret("app", "down", "diagnosis/down"), dependsOn=[{"name": "store"}])
    bed.kubelet.hold("external-secrets")
    case.apply()
    wait_until(lambda: are_ready(case, None), "the units say that they are ready")
    named, line, seconds = named_first(case, "ClusterSecretStore//{0}", "its controller has not looked at it")
    figure("diagnosis of an operator that is not running", f"{seconds:.0f} s after the break")

    assert named, line


@pytest.mark.full
def test_what_hangs_on_a_finalizer_is_named_though_its_unit_is_ready(bed: Bed, figure: Callable[[str, str], None]) -> None:
    case = Scenario(bed, "finalizer")
    case.provider.put_secret("diagnosis/finalizer", "x")
    secrets = [case.external_secret(name, "finalizer", "diagnosis/finalizer") for name in ("a", "b", "c")]
    case.unit("operator", *operator(case), wait=True)
    case.unit("app", case.credential(), case.store("finalizer"), *secrets, retryInterval="2s")
    case.apply()

    def in_sync() -> bool:
        found = bed.api.list(EXTERNAL_SECRET, "finalizer")
        return len(found) == 3 and all(map(is_ready, found)) and are_ready(case, None)

    wait_until(in_sync, "all is in sync", timeout=120, interval=0.5)
    case.repository.commit({"cluster/operator.yaml": None, "operator/0.yaml": None, "operator/1.yaml": None})
    bed.api.delete(KUSTOMIZATION, "finalizer", "operator")
    wait_until(lambda: bed.kubelet.process("external-secrets") is None, "the operator is gone")
    named, line, seconds = named_first(case, "ExternalSecret/{0}/a", "a finalizer holds it")
    figure("diagnosis of objects that hang on a finalizer", f"{seconds:.0f} s after the break")

    assert named, line
    assert is_ready(bed.api.get(KUSTOMIZATION, "finalizer", "app"))


@pytest.mark.full
def test_units_that_wait_for_a_worker_are_named(bed: Bed, figure: Callable[[str, str], None]) -> None:
    case = Scenario(bed, "workers")
    never = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "namespace": "workers"}
    for number in range(Settings().concurrent):
        case.unit(f"waits-{number}", case.config_map(f"waits-{number}"), healthChecks=[never], timeout="10m")
    case.apply()
    wait_until(
        lambda: all("Running health checks" in ready_condition(unit, "Reconciling").get("message", "") for unit in bed.api.list(KUSTOMIZATION, "workers")),
        "all workers wait",
    )
    for number in range(3):
        case.unit(f"late-{number}", case.config_map(f"late-{number}"))
    case.apply()
    named, line, seconds = named_first(case, "Kustomization/{0}/late-0", "no worker of kustomize-controller is free")
    figure("diagnosis of units that wait for a worker", f"{seconds:.0f} s after the break")

    assert named, line
