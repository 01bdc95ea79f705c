"""`gitops-secrets controller` in a cluster: each commit is followed, and status, events, metrics and the forge say how it stands."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from urllib3.exceptions import HTTPError

from tests.e2e.bed import canary, notification, operators, permissions, replica
from tests.e2e.bed.api import CLUSTER_SECRET_STORE, CONFIG_MAP, EVENT, GIT_REPOSITORY, KUSTOMIZATION, ApiError, Kind, Object, is_ready, ready_condition
from tests.e2e.bed.bed import Bed, running
from tests.e2e.bed.control_plane import write_kubeconfig
from tests.e2e.bed.notification import Forge
from tests.e2e.bed.permissions import Permission
from tests.e2e.bed.processes import NotReadyError, wait_until
from tests.e2e.bed.programs import Programs
from tests.e2e.bed.registry import Registry
from tests.e2e.bed.replica import LEASE, SOURCE_VERIFICATION, Replica
from tests.e2e.bed.scenario import Scenario

Figure = Callable[[str, str], None]
NOBODY = "nobody"
OCI_REPOSITORY = Kind("source.toolkit.fluxcd.io/v1", "ocirepositories")


@dataclass(frozen=True, slots=True)
class Stage:
    """A bed with all that a controller talks to."""

    bed: Bed
    forge: Forge
    events: str


@pytest.fixture(scope="module")
def stage(built: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running(built, tmp_path_factory.mktemp("controller") / "bed") as bed, notification.notifying(bed) as (forge, events):
        operators.install_external_secrets(bed)
        replica.install(bed)
        yield Stage(bed, forge, events)


class Platform:
    """A store, and an ExternalSecret that needs it, followed by replicas of the controller."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage, self.bed, self.name = stage, stage.bed, name
        self.canary = secrets.token_hex(16)
        self.case = case = Scenario(self.bed, name)
        case.provider.put_secret(f"{name}/key", self.canary)
        case.unit("store", case.credential(), case.store(name))
        case.unit("app", case.external_secret("app", name, f"{name}/key"), dependsOn=[{"name": "store"}])
        notification.alert(self.bed, name)
        case.apply()

    def replica(self, name: str, *options: str) -> Replica:
        return replica.start(self.bed, f"{self.name}-{name}", f"GitRepository/{self.name}/{self.name}", f"--events-addr={self.stage.events}", *options)

    def push(self) -> str:
        """Commits what was written, and has Flux fetch it, as a webhook would; returns its revision."""
        commit = self.case.commit()
        self.bed.api.poke(GIT_REPOSITORY, self.name, self.name)
        return f"main@sha1:{commit}"

    def break_store(self) -> str:
        self.case.files("store", {"1.yaml": broken(self.case.store(self.name))})
        return self.push()

    def mend_store(self) -> str:
        self.case.files("store", {"1.yaml": self.case.store(self.name)})
        return self.push()

    @property
    def revision(self) -> str:
        """What Flux has fetched; nothing that a status may say before it has."""
        source = self.bed.api.get(GIT_REPOSITORY, self.name, self.name) or {}
        revision: str = source.get("status", {}).get("artifact", {}).get("revision", "nothing yet")
        return revision

    def is_verified(self, revision: str = "") -> bool:
        return last_good(self.bed) == (revision or self.revision)

    def forge_says(self, commit: str, context: str) -> str:
        return self.stage.forge.states(commit).get(context, "")

    def events(self, revision: str) -> list[Object]:
        """Those of the controller that carry a revision."""
        found = [event for event in self.bed.api.list(EVENT, self.name) if event.get("reportingComponent") == "gitops-secrets-controller"]
        return [event for event in found if revision in event["metadata"].get("annotations", {}).values()]


@pytest.fixture
def clean(stage: Stage) -> Iterator[str]:
    """A name for what a test is about, whose replicas end with it, and a SourceVerification that knows of nothing yet."""
    name = f"p{secrets.token_hex(3)}"
    forget(stage.bed)
    replica.install(stage.bed)
    yield name
    for process in stage.bed.processes:
        if process.name.startswith(name):
            process.kill()


@pytest.fixture
def platform(stage: Stage, clean: str) -> Platform:
    return Platform(stage, clean)


def last_good(bed: Bed) -> str:
    """The revision at which all was as it should be, and still is."""
    standing = replica.standing(bed)
    revision: str = standing["status"].get("lastAppliedRevision", "") if is_ready(standing) else ""
    return revision


def test_a_commit_is_verified_and_status_events_metrics_and_forge_say_so(platform: Platform, figure: Figure) -> None:
    controller = platform.replica("a")
    wait_until(platform.is_verified, "the first commit is verified", timeout=180)
    case = platform.case
    case.files("app", {"second.yaml": case.external_secret("second", platform.name, f"{platform.name}/key")})
    revision = platform.push()
    took = wait_until(lambda: platform.is_verified(revision), "the second commit is verified", timeout=120)
    commit = revision.rpartition(":")[2]
    wait_until(lambda: platform.forge_says(commit, f"gitrepository/{platform.name}") == "success", "the forge has the status of the commit")
    events, metrics, standing = platform.events(revision), controller.ask("/metrics"), replica.standing(platform.bed)
    texts = [metrics, json.dumps(standing)]
    seen = canary.sightings(platform.bed, platform.canary, texts=texts)
    figure("controller: a commit is verified, told in status, events, metrics and at the forge", f"{took:.1f} s after the push, with {controller.peak} MiB")

    assert [(event["involvedObject"]["kind"], event["type"], event["reason"]) for event in events] == [("GitRepository", "Normal", "Succeeded")]
    assert events[0]["metadata"]["annotations"] == {"source.toolkit.fluxcd.io/revision": revision}
    assert standing["status"]["objects"] == {"total": 7, "notReady": 0}
    assert f'gitops_secrets_revision_info{{revision="{revision}"}} 1.0' in metrics
    assert 'gitops_secrets_ready{status="True"} 1.0' in metrics
    assert seen == []
    # Nothing is written on what git owns but Flux' own request.
    assert not [key for key in written_on(platform.bed, KUSTOMIZATION, platform.name) if key != "reconcile.fluxcd.io/requestedAt"]


def test_a_commit_that_breaks_a_store_is_reported_with_its_root(platform: Platform, figure: Figure) -> None:
    controller = platform.replica("a")
    wait_until(platform.is_verified, "the first commit is verified", timeout=180)
    revision = platform.break_store()
    store_fails = lambda: ready_condition(platform.bed.api.get(CLUSTER_SECRET_STORE, "", platform.name) or {}).get("status") == "False"  # noqa: E731
    wait_until(store_fails, "the store fails", timeout=120)
    took = wait_until(lambda: ready_condition(replica.standing(platform.bed)).get("status") == "False", "it is told")
    told, metrics = ready_condition(replica.standing(platform.bed))["message"], controller.ask("/metrics")
    commit = revision.rpartition(":")[2]
    wait_until(lambda: platform.forge_says(commit, "kustomization/store") == "failure", "the forge says so of the Kustomization concerned")
    wait_until(lambda: platform.forge_says(commit, f"gitrepository/{platform.name}") == "failure", "and of the commit as a whole")
    mended = platform.mend_store()
    wait_until(lambda: platform.is_verified(mended), "it is mended", timeout=120)
    wait_until(lambda: platform.forge_says(mended.rpartition(":")[2], "kustomization/store") == "success", "the forge says that it is mended")
    figure("controller: a broken store is reported with its root", f"{took:.1f} s after it fails")

    assert took < 10
    assert f"{platform.name}/{NOBODY}" in told.partition(";")[0]  # the root itself, before what was said of it
    assert 'gitops_secrets_ready{status="False"} 1.0' in metrics
    assert {event["involvedObject"]["kind"] for event in platform.events(revision) if event["type"] == "Warning"} == {"GitRepository", "Kustomization"}


def test_when_the_leader_is_killed_the_other_takes_over_and_nothing_is_lost(platform: Platform, figure: Figure) -> None:
    first, second = platform.replica("a", "--lease-duration=6s"), platform.replica("b", "--lease-duration=6s")
    wait_until(platform.is_verified, "the first commit is verified", timeout=180)
    leader, other = (first, second) if first.leads else (second, first)
    case = platform.case
    case.files("app", {"second.yaml": case.external_secret("second", platform.name, f"{platform.name}/key")})
    before = platform.revision
    revision = platform.push()
    leader.process.kill()
    took = wait_until(lambda: other.leads, "the other leads", timeout=60)
    wait_until(lambda: platform.is_verified(revision), "the commit is verified by the other", timeout=120)
    figure("controller: another replica takes over from one that is killed", f"{took:.1f} s with a lease of 6 s")

    assert [len(platform.events(each)) for each in (before, revision)] == [1, 1]


def test_it_ends_within_two_seconds_and_gives_its_lease_back(platform: Platform, figure: Figure) -> None:
    first = platform.replica("a")
    wait_until(platform.is_verified, "the first commit is verified", timeout=180)
    second = platform.replica("b")
    assert first.process.pid is not None
    started = time.monotonic()
    first.process.stop()
    ended = time.monotonic() - started
    took = wait_until(lambda: second.leads, "the other leads", timeout=60)
    figure("controller: SIGTERM", f"out after {ended:.1f} s, the other leads {took:.1f} s later")

    assert ended < 2
    assert took < 10  # less than the lease, which is 15 s
    assert json.loads(first.log.splitlines()[-1])["msg"] == "stopped"


def test_an_artifact_of_a_registry_is_followed_as_a_commit_is(stage: Stage, clean: str) -> None:
    registry, named = Registry(), {"name": clean, "namespace": clean}
    source = {"kind": "OCIRepository", "name": clean}
    unit = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": named}
    unit["spec"] = {"interval": "10m", "path": "./app", "prune": True, "sourceRef": source}
    spec = {"interval": "1m", "url": registry.url(clean), "ref": {"tag": "latest"}, "insecure": True}
    oci_repository = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": named, "spec": spec}

    def push(value: str) -> str:
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {"value": value}}
        return registry.push(clean, "latest", {"cluster/app.yaml": json.dumps(unit), "app/config-map.yaml": json.dumps(config_map)})

    try:
        first = push("first")
        for manifest in ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": clean}}, oci_repository, unit):
            stage.bed.api.apply(manifest)
        replica.start(stage.bed, f"{clean}-a", f"OCIRepository/{clean}/{clean}")
        wait_until(lambda: last_good(stage.bed) == first, "the first artifact is verified", timeout=120)
        second = push("second")
        stage.bed.api.poke(OCI_REPOSITORY, clean, clean)
        wait_until(lambda: last_good(stage.bed) == second, "the second artifact is verified", timeout=120)
    finally:
        registry.stop()

    assert (stage.bed.api.get(CONFIG_MAP, clean, clean) or {})["data"] == {"value": "second"}


def test_a_run_without_a_leader_election_needs_no_lease(platform: Platform) -> None:
    platform.replica("a", "--no-leader-election")
    wait_until(platform.is_verified, "the first commit is verified", timeout=180)

    assert platform.bed.api.get(LEASE, replica.NAMESPACE, replica.NAME) is None


@pytest.mark.full
def test_it_goes_on_after_the_api_server_was_away_for_longer_than_its_lease(platform: Platform, figure: Figure) -> None:
    controller = platform.replica("a", "--lease-duration=6s")
    wait_until(platform.is_verified, "the first commit is verified", timeout=180)
    server = platform.bed.processes["kube-apiserver"]
    server.kill()
    wait_until(lambda: not controller.leads, "it does not act any more", timeout=30)
    case = platform.case
    case.files("app", {"second.yaml": case.external_secret("second", platform.name, f"{platform.name}/key")})
    commit = case.commit()
    server.start()
    wait_until(lambda: answers(platform.bed), "the API server answers", timeout=60)
    platform.bed.api.poke(GIT_REPOSITORY, platform.name, platform.name)
    took = wait_until(lambda: platform.is_verified(f"main@sha1:{commit}"), "the commit is verified", timeout=120)
    figure("controller: a commit after the API server was away", f"{took:.1f} s")

    assert controller.process.running


def answers(bed: Bed) -> bool:
    try:
        return replica.standing(bed) != {}
    except (ApiError, OSError, HTTPError):
        return False


@pytest.mark.full
def test_without_any_one_of_its_permissions_the_controller_names_it(stage: Stage, clean: str, figure: Figure, tmp_path: Path) -> None:
    bed, case, account = stage.bed, Scenario(stage.bed, clean), (replica.NAMESPACE, replica.SERVICE_ACCOUNT)
    case.unit("store", case.credential(), broken(case.store(clean)))
    case.unit("app", case.external_secret("app", clean, "any"), reader(case, "app"))
    case.unit("late", path="./nowhere")
    case.apply()
    manifests = replica.manifests(bed)
    roles = [manifest for manifest in manifests if manifest["kind"] in ("ClusterRole", "Role")]
    standing = next(manifest for manifest in manifests if manifest["kind"] == "SourceVerification")

    def run(name: str, named: Callable[[Replica], bool], kubeconfig: Path | None = None) -> bool:
        """Whether a first run comes to that."""
        forget(bed)
        bed.api.apply(standing)
        started = replica.start(bed, f"{clean}-{name}", f"GitRepository/{clean}/{clean}", kubeconfig=kubeconfig)
        try:
            wait_until(lambda: named(started), "it says what is to be said", timeout=45)
        except NotReadyError:
            return False
        finally:
            started.process.kill()
        return True

    with bed.proxied() as (proxy, _):
        token = permissions.token_in(bed.kubeconfig_of(*account))
        proxied = write_kubeconfig(tmp_path / "proxied", proxy.url, token, bed.api.certificate_authority)
        assert run("undisturbed", lambda started: "not as they should be" in started.log, proxied)
        used = sorted(permissions.asked(proxy.requests) | {Permission("update", "coordination.k8s.io", "leases")})
    unnamed = []
    for number, permission in enumerate(used):
        for role in roles:
            permissions.replace(bed, permissions.without(role, permission))
        wait_until(partial(permissions.is_denied, bed, account, permission, replica.NAME), f"{permission} is taken away")
        if not run(str(number), partial(is_told, bed, permission.denial)):
            unnamed.append(permission)
    for role in roles:
        permissions.replace(bed, role)
    figure("permissions of the controller that are named when they are taken away", f"{len(used) - len(unnamed)} of {len(used)}")

    assert unnamed == []


def is_told(bed: Bed, message: str, started: Replica) -> bool:
    """Does the log have it, or the status?"""
    quoted = json.dumps(message)[1:-1]
    return quoted in started.log or quoted in json.dumps(replica.standing(bed))


def forget(bed: Bed) -> None:
    """Takes away what replicas have written."""
    bed.api.delete(LEASE, replica.NAMESPACE, replica.NAME)
    bed.api.delete(SOURCE_VERIFICATION, replica.NAMESPACE, replica.NAME)
    wait_until(lambda: not replica.standing(bed), "the SourceVerification is gone")


def broken(store: Object) -> Object:
    """A store whose credential is a Secret that is not there."""
    for reference in store["spec"]["provider"]["aws"]["auth"]["secretRef"].values():
        reference["name"] = NOBODY
    return store


def reader(case: Scenario, secret: str) -> Object:
    """A Deployment that reads a Secret into its environment."""
    labels = {"app": secret}
    container = {"name": "app", "image": "example.com/app:1", "envFrom": [{"secretRef": {"name": secret}}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": secret, "namespace": case.name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def written_on(bed: Bed, kind: Kind, namespace: str) -> set[str]:
    """Annotations that gitops-secrets set, by the record of field managers."""
    found = set()
    for thing in bed.api.list(kind, namespace):
        for entry in thing["metadata"].get("managedFields", []):
            if entry["manager"] == "gitops-secrets":
                fields = entry["fieldsV1"]
                found |= {key.removeprefix("f:") for key in fields.get("f:metadata", {}).get("f:annotations", {}) if key != "."}
                found |= {key for key in fields if key != "f:metadata"}
    return found
