"""Ways to break a chain, each with the root cause that has to stand first, though most of them show only symptoms in what is looked at first."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.bed import charts
from tests.e2e.bed.api import GIT_REPOSITORY, KUSTOMIZATION, is_ready
from tests.e2e.bed.bed import Bed, running
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
    then: Change | None = None  # done once all units that can be ready are


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


def workers_taken(case: Scenario) -> None:
    for number in range(4):
        waits = case.external_secret(f"waits-{number}", "nowhere", "any")
        case.unit(f"waits-{number}", waits, wait=True, timeout="5m")
    case.unit("app", case.config_map("c"), dependsOn=[])


BREAKAGES = (
    Breakage("a key that the provider does not have", missing_key, "ExternalSecret/{0}/app", "the provider has no secret diagnosis/nowhere"),
    Breakage("a property that the provider's secret does not have", missing_property, "ExternalSecret/{0}/app", "no property nowhere"),
    Breakage("units that depend on each other", cycle, "Kustomization/{0}/(first|second)", "each other|circle|cycle"),
    Breakage("a store that nobody makes", store_nowhere, "ExternalSecret/{0}/app", "store ClusterSecretStore nowhere is not there"),
    Breakage("a store of the other kind", store_of_other_kind, "ExternalSecret/{0}/app", "store SecretStore {0} is not there"),
    Breakage("a store that does not admit the namespace", store_not_allowed, "ExternalSecret/{0}/app", "does not admit namespace {0}"),
    Breakage("a store whose credential is missing", credential_missing, "ClusterSecretStore//{0}", "credential"),
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
)

QUICK = {"a key that the provider does not have", "units that depend on each other", "a store that does not admit the namespace"}


@pytest.fixture(scope="module")
def operated(built: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A cluster that External Secrets Operator runs in. Its units look for their dependencies every second: how fast is not the matter here."""
    with running(built, tmp_path_factory.mktemp("bed") / "bed", Settings(requeue_dependency="1s")) as bed:
        install_external_secrets(bed)
        yield bed


def first_cause(case: Scenario) -> str:
    output = case.run("verify").output
    return output.partition("\n")[0]


def names(line: str, breakage: Breakage, name: str) -> bool:
    return re.match(f"cause +{breakage.cause.format(name)}: .*({breakage.words.format(name)})", line) is not None


@pytest.mark.parametrize(
    "breakage", [pytest.param(each, id=each.name.replace(" ", "-"), marks=[] if each.name in QUICK else pytest.mark.full) for each in BREAKAGES]
)
def test_the_root_cause_stands_first(operated: Bed, breakage: Breakage, request: pytest.FixtureRequest, figure: Callable[[str, str], None]) -> None:
    case = Scenario(operated, f"case-{BREAKAGES.index(breakage)}")
    breakage.build(case)
    case.apply()
    if breakage.then is not None:
        wait_until(lambda: all(is_ready(unit) for unit in operated.api.list(KUSTOMIZATION, case.name)), "the units are ready", interval=0.5)
        breakage.then(case)
    started = time.monotonic()
    line = first_cause(case)
    while not names(line, breakage, case.name) and time.monotonic() - started < PATIENCE:
        time.sleep(1)
        line = first_cause(case)
    if breakage.name in QUICK:
        figure(f"diagnosis of {breakage.name}", f"{time.monotonic() - started:.0f} s after the break")

    assert names(line, breakage, case.name), line
