"""How `reconcile` and `verify` end where there is no cluster to talk to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from gitops_secrets.cli.options import Duration

Run = Callable[..., Result]
COMMANDS = ("reconcile", "verify")


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Of a server where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    file = tmp_path / "kubeconfig"
    file.write_text(
        f"""
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: me, user: {{token: canary-token}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""
    )
    return file


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_kubeconfig_the_call_is_wrong(run: Run, repository: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    ended = run(command)

    assert ended.exit_code == 2
    assert "there is no kubeconfig" in ended.output + str(ended.exception)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_context_that_is_not_there_is_wrong_and_those_that_are_are_listed(run: Run, repository: Path, kubeconfig: Path, command: str) -> None:
    ended = run(command, "--kubeconfig", str(kubeconfig), "--context", "other")

    assert ended.exit_code == 2
    assert "contexts: here" in ended.output + str(ended.exception)


def test_a_server_that_nobody_answers_for_is_the_outsides_fault(run: Run, repository: Path, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitops_secrets.cluster.session._FIRST_PATIENCE", 0.1)
    ended = run("verify", "--kubeconfig", str(kubeconfig))

    assert ended.exit_code == 3
    assert "can't reach http://127.0.0.1" in ended.output + str(ended.exception)
    assert "canary-token" not in ended.output + str(ended.exception)


@pytest.mark.parametrize(("written", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400)])
def test_a_time_limit_is_written_as_in_flux(written: str, seconds: float) -> None:
    assert Duration().convert(written, None, None) == seconds


@pytest.mark.parametrize("written", ["0", "0s", "soon", "-1m", ""])
def test_what_is_no_time_limit_is_wrong_usage(run: Run, repository: Path, kubeconfig: Path, written: str) -> None:
    assert run("reconcile", "--kubeconfig", str(kubeconfig), "--timeout", written).exit_code == 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--source", "flux-system"), "is not KIND/NAMESPACE/NAME"),
        (("--listen", "8080"), "is no [HOST]:PORT"),
        (("--listen", ":99999"), "is no [HOST]:PORT"),
        (("--events-addr", "file:///etc/passwd"), "is no address"),
        (("--events-addr", "http://"), "is no address"),
        (("--lease-duration", "1s"), "can't be renewed in time"),
    ],
)
def test_a_controller_that_is_called_wrongly_says_what_is_wrong(run: Run, kubeconfig: Path, wrong: tuple[str, str], says: str) -> None:
    ended = run("controller", "--source", "GitRepository/flux-system/flux-system", "--kubeconfig", str(kubeconfig), *wrong)

    assert ended.exit_code == 2
    assert says in " ".join((ended.output + str(ended.exception)).split())
