"""The whole bed: control plane, Flux, operators, provider, git and charts, each on a free port of loopback."""

from __future__ import annotations

import base64
import datetime
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.bed import control_plane, flux, provider
from tests.e2e.bed.api import Api, Object
from tests.e2e.bed.charts import ChartServer
from tests.e2e.bed.faults import Proxy
from tests.e2e.bed.git_server import GitServer
from tests.e2e.bed.kubelet import Kubelet, Operator
from tests.e2e.bed.processes import Processes, free_port
from tests.e2e.bed.programs import Programs
from tests.e2e.bed.provider import Provider


@dataclass(frozen=True, slots=True)
class Bed:
    """A running bed."""

    programs: Programs
    folder: Path
    api: Api
    kubeconfig: Path
    processes: Processes
    kubelet: Kubelet
    git: GitServer
    charts: ChartServer
    provider: Provider
    provider_proxy: Proxy  # what the operators talk to
    sealing_certificate: Path

    @property
    def artifacts(self) -> Path:
        """Where source-controller keeps them."""
        return self.folder / flux.ARTIFACTS

    @contextmanager
    def proxied(self) -> Iterator[tuple[Proxy, Path]]:
        """A proxy before the API server, and a kubeconfig of the administrator that goes through it."""
        proxy = Proxy(self.api.server, self.api.certificate_authority)
        kubeconfig = control_plane.write_kubeconfig(self.folder / f"proxied-{free_port()}", proxy.url, self.api.token, self.api.certificate_authority)
        try:
            yield proxy, kubeconfig
        finally:
            proxy.stop()

    def kubeconfig_of(self, namespace: str, service_account: str) -> Path:
        """A kubeconfig with the token of a service account, and so with no more than its permissions."""
        path = self.folder / f"{namespace}.{service_account}.kubeconfig"
        return control_plane.write_kubeconfig(path, self.api.server, self.api.token_of(namespace, service_account), self.api.certificate_authority)

    def seal(self, secret: Object) -> str:
        """The SealedSecret of a Secret, as YAML, for this bed's controller."""
        command = [str(self.programs.binary("sealed-secrets", "kubeseal")), "--cert", str(self.sealing_certificate), "--format", "yaml"]
        return subprocess.run(command, input=json.dumps(secret), capture_output=True, text=True, check=True).stdout


@contextmanager
def running(programs: Programs, folder: Path, settings: flux.Settings | None = None) -> Iterator[Bed]:
    """Starts a bed in `folder`, which keeps its logs, and ends all of it afterwards."""
    logs = folder / "logs"
    logs.mkdir(parents=True)
    with ExitStack() as stack:
        processes = Processes(logs)
        stack.callback(processes.stop)
        git = GitServer(folder / "repositories")
        stack.callback(git.stop)
        chart_server = ChartServer()
        stack.callback(chart_server.stop)
        aws = Provider(programs, processes)
        provider_proxy = Proxy(aws.endpoint)
        stack.callback(provider_proxy.stop)
        cluster = control_plane.start(programs, processes, folder)
        flux.start(programs, processes, cluster, folder, settings or flux.Settings())
        key, certificate = _sealing_key(folder)
        kubelet = Kubelet(cluster.api, _operators(programs, cluster.api, provider_proxy.url, key, certificate), folder / "kubelet", logs)
        stack.callback(kubelet.stop)
        yield Bed(
            programs, folder, cluster.api, cluster.kubeconfig, processes, kubelet, git, chart_server, aws, provider_proxy, sealing_certificate=certificate
        )


def _operators(programs: Programs, api: Api, provider_url: str, key: Path, certificate: Path) -> tuple[Operator, ...]:
    def restore_sealing_key(namespace: str) -> None:
        # As after a disaster: with the key restored, the controller can open what the repository holds.
        data = {name: base64.b64encode(path.read_bytes()).decode() for name, path in (("tls.key", key), ("tls.crt", certificate))}
        metadata = {"name": "sealing-key", "namespace": namespace, "labels": {"sealedsecrets.bitnami.com/sealed-secrets-key": "active"}}
        api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data})

    def loopback() -> str:
        return f"127.0.0.1:{free_port()}"

    return (
        Operator(
            "external-secrets",
            "external-secrets/external-secrets",
            programs.binary("external-secrets", "external-secrets"),
            lambda: (f"--metrics-addr={loopback()}", f"--live-addr={loopback()}"),
            provider.environment(provider_url),
        ),
        Operator(
            "sealed-secrets",
            "sealed-secrets-controller",
            programs.binary("sealed-secrets", "sealed-secrets"),
            lambda: (f"--listen-addr={loopback()}", f"--listen-metrics-addr={loopback()}"),
            {},
            restore_sealing_key,
        ),
    )


def _sealing_key(folder: Path) -> tuple[Path, Path]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test bed")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    paths = folder / "sealing.key", folder / "sealing.crt"
    paths[0].touch(mode=0o600)
    paths[0].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
    paths[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return paths
