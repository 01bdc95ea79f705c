"""`reconcile` and `verify` on a real control plane."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.e2e import program
from tests.e2e.bed import faults, sample
from tests.e2e.bed.api import CONFIG_MAP, EXTERNAL_SECRET, GIT_REPOSITORY, KUSTOMIZATION, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.history import History
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.programs import ROOT
from tests.e2e.bed.sample import Sample

UNITS = "overlays/development/flux"
Figure = Callable[[str, str], None]


@contextmanager
def served(bed: Bed, *, ordered: bool = True) -> Iterator[tuple[Sample, Path]]:
    """The sample platform with its source in the cluster, and a checkout of it."""
    platform = sample.serve(bed, "development", ordered=ordered)
    program.apply_source(bed, platform.repository)
    with platform.repository.checkout() as checkout:
        yield platform, checkout


def chain(length: int, value: str) -> dict[str, str | None]:
    """Units that depend on each other in a row, a ConfigMap each."""
    files: dict[str, str | None] = {}
    for number in range(length):
        files[f"chain/flux/u{number}.yaml"] = program.kustomization(f"u{number}", f"chain/u{number}", *([f"u{number - 1}"] if number else []))
        files[f"chain/u{number}/c.yaml"] = program.config_map(f"u{number}", value)
    return files


def longest_chain(bed: Bed, history: History) -> float:
    """Seconds that units took from their first reconciliation until they were Ready, summed up along the slowest way of `dependsOn`."""
    needs = {each["metadata"]["name"]: [entry["name"] for entry in each["spec"].get("dependsOn", [])] for each in bed.api.list(KUSTOMIZATION)}
    first: dict[str, float] = {}
    for transition in history.transitions:
        if transition.kind == "Kustomization":
            first.setdefault(transition.name, transition.seconds)
    own = {name: (history.ready_at("Kustomization", name) or 0.0) - first[name] for name in needs}

    def along(name: str) -> float:
        return own[name] + max(map(along, needs[name]), default=0.0)

    return max(map(along, needs))


@pytest.mark.parametrize("ordered", [True, False], ids=["with the generated order", "without dependsOn"])
def test_the_sample_platform_comes_up_without_a_failed_reconciliation(bed: Bed, figure: Figure, ordered: bool) -> None:
    with served(bed, ordered=ordered) as (platform, checkout):
        history = History(bed.api)
        ran = program.run(bed.kubeconfig, "reconcile", str(checkout / UNITS), "--format", "json")

    order = "with the generated order" if ordered else "without dependsOn"
    took = ran.document["run"]["seconds"]
    told = f", {took / longest_chain(bed, history):.2f} of what the longest chain of units took by itself" if ordered else ""
    figure(f"reconcile brings development up {order}", f"{took:.0f} s, {len(history.failed)} failed reconciliations{told}")

    assert ran.status == 0, ran.log
    assert history.failed == ()
    assert sample.secrets_in(bed, platform) == platform.secrets
    assert platform.canary not in ran.output + ran.log


def test_a_chain_of_four_edges_follows_a_commit_without_waiting_for_requeues(bed: Bed, figure: Figure) -> None:
    repository = bed.git.repository("chain")
    repository.commit(chain(5, "first"))
    program.apply_source(bed, repository)
    with repository.checkout() as checkout:
        first = program.run(bed.kubeconfig, "reconcile", str(checkout), "--format", "json")
    repository.commit(chain(5, "second"))
    with repository.checkout() as checkout:
        second = program.run(bed.kubeconfig, "reconcile", str(checkout), "--format", "json")
    took = second.document["run"]["seconds"]
    figure("reconcile over a chain of four edges", f"{first.document['run']['seconds']:.1f} s to install, {took:.1f} s for a commit (Flux alone: 121 s)")

    assert (first.status, second.status) == (0, 0), first.log + second.log
    # One requeue of Flux.
    assert took < 30


def test_units_that_the_repository_drops_are_taken_away_in_reverse_order(bed: Bed) -> None:
    repository = bed.git.repository("chain")
    repository.commit(chain(4, "first"))
    program.apply_source(bed, repository)
    with repository.checkout() as checkout:
        assert program.run(bed.kubeconfig, "reconcile", str(checkout)).status == 0
    repository.commit({f"chain/flux/u{number}.yaml": None for number in (2, 3)})
    with repository.checkout() as checkout:
        unasked = program.run(bed.kubeconfig, "reconcile", str(checkout), "--prune")
        before = len(bed.api.list(KUSTOMIZATION))
        asked = program.run(bed.kubeconfig, "reconcile", str(checkout), "--prune", "--yes")

    assert (unasked.status, before, asked.status) == (2, 4, 0), unasked.log + asked.log
    assert [line for line in asked.log.splitlines() if line.endswith("is gone")] == [f"Kustomization/flux-system/u{number} is gone" for number in (3, 2)]
    assert {each["metadata"]["name"] for each in bed.api.list(KUSTOMIZATION)} == {"u0", "u1"}
    assert {each["metadata"]["name"] for each in bed.api.list(CONFIG_MAP, "default")} >= {"u0", "u1"}


def test_it_is_interrupted_within_two_seconds_and_goes_on_when_run_again(bed: Bed, figure: Figure) -> None:
    with served(bed) as (platform, checkout):
        process = program.start(bed.kubeconfig, "reconcile", str(checkout / UNITS))
        wait_until(lambda: bool(bed.api.list(KUSTOMIZATION)), "the first units are applied")
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        output, _ = process.communicate(timeout=30)
        took = time.monotonic() - started
        killed = program.start(bed.kubeconfig, "reconcile", str(checkout / UNITS))
        time.sleep(3)
        killed.kill()
        killed.communicate()
        again = program.run(bed.kubeconfig, "reconcile", str(checkout / UNITS))
    figure("reconcile after SIGTERM and a kill", f"out after {took:.1f} s; run again, exit status {again.status}")

    assert (process.returncode, again.status) == (130, 0), again.log
    assert "interrupted" in output
    assert took < 2
    assert sample.secrets_in(bed, platform) == platform.secrets


def test_it_outlasts_an_api_server_that_misbehaves(bed: Bed) -> None:
    with served(bed) as (_, checkout), bed.proxied() as (proxy, kubeconfig):
        process = program.start(kubeconfig, "reconcile", str(checkout / UNITS))
        wait_until(lambda: bool(bed.api.list(KUSTOMIZATION)), "the first units are applied")
        for fault in (faults.too_many_requests(), faults.server_error(), faults.watch_expired(), faults.token_expired()):
            with proxy.fault(fault):
                proxy.cut()
                time.sleep(2)
        with proxy.away():
            time.sleep(10)
        output, log = process.communicate(timeout=300)

    assert process.returncode == 0, output + log


def test_an_external_secret_is_in_sync_as_soon_as_its_late_store_is(bed: Bed, figure: Figure) -> None:
    with served(bed) as (platform, checkout):
        assert program.run(bed.kubeconfig, "reconcile", str(checkout / UNITS)).status == 0
        platform.repository.commit({"late/flux/store.yaml": program.kustomization("late-store", "late/store"), "late/store/all.yaml": _LATE})
        bed.api.apply({**_EXTERNAL_SECRET, "metadata": {"name": "late", "namespace": "default"}})
        time.sleep(40)
        history = History(bed.api, (EXTERNAL_SECRET,))
        with platform.repository.checkout() as later:
            ran = program.run(bed.kubeconfig, "reconcile", str(later / "late"), "--format", "json")
    synced = history.ready_at("ExternalSecret", "late")
    figure(
        "an ExternalSecret whose store is 40 s late",
        f"in sync {synced:.1f} s after reconcile was started (External Secrets Operator alone: as late again)" if synced else "never",
    )

    assert ran.status == 0, ran.log
    assert ran.document["run"]["refreshed"] >= 1


_EXTERNAL_SECRET = {
    "apiVersion": "external-secrets.io/v1",
    "kind": "ExternalSecret",
    "spec": {"refreshInterval": "1h", "secretStoreRef": {"name": "late"}, "data": [{"secretKey": "a", "remoteRef": {"key": "a"}}]},
}
_LATE = """
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: late, namespace: default}
spec: {provider: {fake: {data: [{key: a, value: b}]}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: late, namespace: default}
spec: {refreshInterval: 1h, secretStoreRef: {name: late}, data: [{secretKey: a, remoteRef: {key: a}}]}
"""


def test_the_root_of_what_is_broken_is_named_first(bed: Bed, figure: Figure) -> None:
    with served(bed) as (platform, checkout):
        assert program.run(bed.kubeconfig, "reconcile", str(checkout / UNITS)).status == 0
        well = program.run(bed.kubeconfig, "verify", str(checkout / UNITS))
        found = {
            "access denied": _with_denied_access(bed, checkout),
            "a Secret that was deleted": _with_held_operator(bed, checkout),
            "a suspended unit": _with_suspended_unit(bed, checkout),
        }
    figure("roots named first by verify", f"{len(found)} of {len(found)}")

    assert well.status == 0, well.output
    assert "denies" in found["access denied"]
    assert "secret" in found["a Secret that was deleted"].lower()
    assert found["a suspended unit"] == "cause  Kustomization/flux-system/secret-stores: it is suspended"
    assert platform.canary not in "".join(found.values())


def test_the_job_needs_no_more_than_its_role_and_reads_what_flux_has_fetched(bed: Bed, figure: Figure) -> None:
    with served(bed) as (platform, _):
        for name in ("namespace", "service-account", "role"):
            for document in yaml.safe_load_all((ROOT / "base" / "gitops-secrets" / f"{name}.yaml").read_text()):
                bed.api.apply(document)
        kubeconfig = bed.kubeconfig_of("gitops-secrets", "gitops-secrets")
        arguments = ("reconcile", "--source", "GitRepository/flux-system/flux-system", "--format", "json", UNITS)
        wait_until(lambda: bool(bed.api.list(GIT_REPOSITORY)[0].get("status", {}).get("artifact")), "the source has an artifact")
        # What Flux applies from git is only asked; the entry point is the administrator's.
        sample.bootstrap(bed, platform)
        ran = program.run(kubeconfig, *arguments)
        verified = program.run(kubeconfig, "verify", *arguments[1:])
    figure("reconcile with the role of the job", f"{ran.document['run']['seconds']:.0f} s" if ran.status == 0 else ran.log)

    assert (ran.status, verified.status) == (0, 0), ran.log + verified.output
    assert ran.document["run"]["withheld"] == []
    assert platform.canary not in ran.output + ran.log


@pytest.mark.full
def test_each_permission_that_is_taken_away_is_named(bed: Bed, figure: Figure) -> None:
    with served(bed) as (platform, _):
        for name in ("namespace", "service-account", "role"):
            for document in yaml.safe_load_all((ROOT / "base" / "gitops-secrets" / f"{name}.yaml").read_text()):
                bed.api.apply(document)
        sample.bootstrap(bed, platform)
        kubeconfig = bed.kubeconfig_of("gitops-secrets", "gitops-secrets")
        source = ("--source", "GitRepository/flux-system/flux-system", UNITS)
        assert program.run(kubeconfig, "reconcile", *source).status == 0
        (role,) = yaml.safe_load_all((ROOT / "base" / "gitops-secrets" / "role.yaml").read_text())
        unnamed = [taken for taken in _permissions(role) if taken[0] in _USED_BY_THE_SAMPLE and not _is_named(bed, kubeconfig, role, taken, source)]
        bed.api.apply(role)
    figure("permissions named when they are taken away", f"all but {unnamed}" if unnamed else "all")

    assert unnamed == []


# What a platform without these kinds never asks for.
_USED_BY_THE_SAMPLE = frozenset(
    {"kustomizations", "helmreleases", "gitrepositories", "externalsecrets", "clustersecretstores", "sealedsecrets", "deployments", "secrets"}
)
_LIST_AND_WATCH = frozenset({"list", "watch"})


def _permissions(role: Object) -> Iterator[tuple[str, str]]:
    for rule in role["rules"]:
        yield from ((resource, verb) for resource in rule["resources"] for verb in rule["verbs"] if verb in _LIST_AND_WATCH or resource == "secrets")


def _is_named(bed: Bed, kubeconfig: Path, role: Object, taken: tuple[str, str], source: tuple[str, ...]) -> bool:
    resource, verb = taken
    rules = [
        {**rule, "resources": [each], "verbs": [word for word in rule["verbs"] if (each, word) != taken]}
        for rule in role["rules"]
        for each in rule["resources"]
    ]
    bed.api.apply({**role, "rules": [rule for rule in rules if rule["verbs"]]})
    # Something to wait for, or it would be done before it watches.
    ran = program.run(kubeconfig, "reconcile", *source, "--force-sync", "--timeout", "20s", "--format", "json")
    return f'cannot {verb} resource "{resource}"' in (ran.output + ran.log).replace('\\"', '"')


def _first_line(bed: Bed, checkout: Path) -> str:
    return program.run(bed.kubeconfig, "verify", str(checkout / UNITS)).output.split("\n", 1)[0]


def _with_denied_access(bed: Bed, checkout: Path) -> str:
    with bed.provider_proxy.fault(faults.access_denied("arn:aws:secretsmanager:eu-west-1:1:secret:weather")):
        program.run(bed.kubeconfig, "reconcile", str(checkout / UNITS), "--force-sync", "--timeout", "10s")
        wait_until(lambda: not _is_synced(bed), "the provider's answer has arrived")
        line = _first_line(bed, checkout)
    program.run(bed.kubeconfig, "reconcile", str(checkout / UNITS), "--force-sync")
    return line


def _is_synced(bed: Bed) -> bool:
    found = bed.api.get(EXTERNAL_SECRET, "weather", "weather-api-secrets") or {}
    return any(each["status"] == "True" for each in found.get("status", {}).get("conditions", []))


def _with_held_operator(bed: Bed, checkout: Path) -> str:
    bed.kubelet.hold("external-secrets")
    bed.api.request("DELETE", "/api/v1/namespaces/weather/secrets/weather-api-secrets")
    line = _first_line(bed, checkout)
    bed.kubelet.release("external-secrets")
    wait_until(lambda: bed.api.request("GET", "/api/v1/namespaces/weather/secrets")["items"] != [], "the operator is back")
    return line


def _with_suspended_unit(bed: Bed, checkout: Path) -> str:
    bed.api.patch(KUSTOMIZATION, "flux-system", "secret-stores", {"spec": {"suspend": True}})
    line = _first_line(bed, checkout)
    bed.api.patch(KUSTOMIZATION, "flux-system", "secret-stores", {"spec": {"suspend": False}})
    return line
