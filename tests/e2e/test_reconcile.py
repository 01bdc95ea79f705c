"""`reconcile` brings the sample platform up from nothing, follows commits, and takes away what it applied."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.bed import sample, tool
from tests.e2e.bed.api import CONFIG_MAP, KUSTOMIZATION
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.history import History
from tests.e2e.bed.scenario import Scenario

OVERLAYS = [pytest.param("development"), pytest.param("staging", marks=pytest.mark.full), pytest.param("production", marks=pytest.mark.full)]
CHAIN = 8.0  # seconds for four edges


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_platform_comes_up_as_fast_as_its_units_let_it(bed: Bed, overlay: str, figure: Callable[[str, str], None]) -> None:
    with sample.served(bed, overlay) as (platform, tree):
        history = History(bed.api)
        result = tool.run("reconcile", platform.path, "--format", "json", directory=tree, kubeconfig=bed.kubeconfig)
    assert result.status == 0, result.output + result.errors
    seconds, chain = result.document["run"]["seconds"], history.longest_chain()
    figure(
        f"reconcile brings {overlay} up with the generated order",
        f"{seconds:.0f} s, {seconds / chain:.2f} of what its longest chain of units took by itself, {len(history.failed)} failed reconciliations",
    )

    assert sample.secrets_in(bed, platform) == platform.secrets
    assert history.failed == ()
    assert seconds <= 1.25 * chain


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_without_depends_on_the_platform_comes_up_in_order_all_the_same(bed: Bed, overlay: str, figure: Callable[[str, str], None]) -> None:
    with sample.served(bed, overlay, ordered=False) as (platform, tree):
        history = History(bed.api)
        result = tool.run("reconcile", platform.path, "--format", "json", directory=tree, kubeconfig=bed.kubeconfig)
    assert result.status == 0, result.output + result.errors
    figure(
        f"reconcile brings {overlay} up without dependsOn",
        f"{result.document['run']['seconds']:.0f} s, {len(history.failed)} failed reconciliations",
    )

    assert sample.secrets_in(bed, platform) == platform.secrets
    assert history.failed == ()


def chain(case: Scenario, length: int) -> None:
    """Writes units that depend on each other in a row, a ConfigMap each."""
    for number in range(length):
        before = [{"name": f"u{number - 1}"}] if number else []
        case.unit(f"u{number}", case.config_map(f"u{number}", value="first"), wait=True, dependsOn=before)


def test_a_chain_of_four_edges_follows_a_commit_without_waiting_for_requeues(bed: Bed, figure: Callable[[str, str], None]) -> None:
    case = Scenario(bed, "chain")
    chain(case, 5)
    case.apply_source()
    first = case.run("reconcile", "--format", "json")
    for number in range(5):
        case.files(f"u{number}", {"0.yaml": case.config_map(f"u{number}", value="second")})
    case.commit()
    second = case.run("reconcile", "--format", "json")
    assert (first.status, second.status) == (0, 0), first.errors + second.errors
    install, commit = (run.document["run"]["seconds"] for run in (first, second))
    figure("reconcile over a chain of four edges", f"{install:.1f} s to install, {commit:.1f} s for a commit (Flux alone: 121 s)")

    assert max(install, commit) < CHAIN


@pytest.mark.full
def test_only_a_unit_and_what_it_needs_are_brought_up(bed: Bed) -> None:
    case = Scenario(bed, "only")
    chain(case, 3)
    case.unit("beside", case.config_map("beside"))
    case.apply_source()
    run = case.run("reconcile", "--only", "u1")

    assert run.status == 0, run.output + run.errors
    assert {each["metadata"]["name"] for each in bed.api.list(KUSTOMIZATION)} == {"u0", "u1"}


@pytest.mark.full
def test_a_newer_commit_counts_as_arrived_and_an_older_one_does_not(bed: Bed) -> None:
    case = Scenario(bed, "newer")
    chain(case, 2)
    case.apply_source()
    with case.repository.checkout() as tree:
        case.files("u1", {"0.yaml": case.config_map("u1", value="second")})
        newer = case.commit()
        overtaken = tool.run("reconcile", ".", directory=tree, kubeconfig=bed.kubeconfig)
    case.files("u1", {"0.yaml": case.config_map("u1", value="third")})
    case.commit()
    behind = case.run("verify")

    assert overtaken.status == 0, overtaken.output + overtaken.errors
    assert f"is superseded by main@sha1:{newer[:12]}" in overtaken.output
    assert behind.status == 1
    assert f"it is at main@sha1:{newer[:12]}, not yet at {case.repository.head[:12]}" in behind.output


@pytest.mark.full
def test_units_that_the_repository_drops_are_taken_away_in_reverse_order(bed: Bed) -> None:
    case = Scenario(bed, "dropped")
    chain(case, 4)
    case.apply_source()
    first = case.run("reconcile")
    case.repository.commit({f"cluster/u{number}.yaml": None for number in (2, 3)})
    unasked = case.run("reconcile", "--prune")
    before = len(bed.api.list(KUSTOMIZATION))
    asked = case.run("reconcile", "--prune", "--yes")

    assert (first.status, unasked.status, before, asked.status) == (0, 2, 4, 0), first.errors + unasked.errors + asked.errors
    assert [line for line in asked.errors.splitlines() if line.endswith("is gone")] == [f"Kustomization/dropped/u{number} is gone" for number in (3, 2)]
    assert {each["metadata"]["name"] for each in bed.api.list(KUSTOMIZATION)} == {"u0", "u1"}
    assert {each["metadata"]["name"] for each in bed.api.list(CONFIG_MAP, "dropped")} & {"u0", "u1", "u2", "u3"} == {"u0", "u1"}


def changes(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line.startswith(("-", "+")) and not line.startswith(("---", "+++"))]


@pytest.mark.full
def test_a_dry_run_shows_what_a_commit_would_change_and_changes_nothing(bed: Bed) -> None:
    case = Scenario(bed, "dry")
    case.unit("a", case.config_map("a", value="first"), case.config_map("goes", value="first"))
    case.unit("b", case.config_map("b", value="first"), dependsOn=[{"name": "a"}])
    case.apply_source()
    empty = case.run("reconcile", "--dry-run")
    up = case.run("reconcile")
    same = case.run("reconcile", "--dry-run")
    case.files("b", {"0.yaml": case.config_map("b", value="second")})
    case.files("a", {"1.yaml": None})
    case.commit()
    changed = case.run("reconcile", "--dry-run")

    assert [run.status for run in (empty, up, same, changed)] == [0, 0, 0, 0], up.errors + changed.errors
    assert "+++ b/Kustomization/dry/a" in empty.output
    assert "+++ b/ConfigMap/dry/a" in empty.output
    assert same.output == ""
    assert changed.output.startswith("--- a/ConfigMap/dry/b\n+++ b/ConfigMap/dry/b\n")
    assert changes(changed.output)[:2] == ["-  value: first", "+  value: second"]
    assert "--- a/ConfigMap/dry/goes\n+++ /dev/null\n" in changed.output
    assert (bed.api.get(CONFIG_MAP, "dry", "b") or {})["data"] == {"value": "first"}


@pytest.mark.full
def test_a_dry_run_of_a_platform_that_is_up_shows_no_difference(bed: Bed) -> None:
    with sample.served(bed) as (platform, tree):
        up = tool.run("reconcile", platform.path, directory=tree, kubeconfig=bed.kubeconfig)
        same = tool.run("reconcile", platform.path, "--dry-run", directory=tree, kubeconfig=bed.kubeconfig)

    assert (up.status, same.status) == (0, 0), up.errors + same.errors
    # The operator writes `1h` as `1h0m0s`, and Flux writes it back.
    assert [line for line in changes(same.output) if "refreshInterval: 1h" not in line] == []
    assert platform.canary not in same.output + same.errors
