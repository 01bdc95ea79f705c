"""etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok for a node whose pods become Ready."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.bed.api import NODE, SERVICE_ACCOUNT, Api, Object
from tests.e2e.bed.processes import Processes, free_port, listens, wait_until
from tests.e2e.bed.programs import Programs


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server and its administrator."""

    api: Api
    kubeconfig: Path


def start(programs: Programs, processes: Processes, folder: Path) -> ControlPlane:
    """Starts all five and waits until the API server answers, a node is there and service accounts are made."""
    data = folder / "control-plane"
    data.mkdir(parents=True)
    port = free_port()
    token = secrets.token_urlsafe(24)
    api = Api(f"https://127.0.0.1:{port}", token, data / "certificates" / "apiserver.crt")
    kubeconfig = write_kubeconfig(folder / "kubeconfig", api.server, token, api.certificate_authority)
    etcd = _start_etcd(programs, processes, data)
    key = _service_account_key(data)
    processes.start(
        "kube-apiserver",
        [
            programs.binary("kubernetes", "kube-apiserver"),
            *(f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={port}"),
            *("--cert-dir", data / "certificates", "--token-auth-file", _users(data, token), "--authorization-mode=RBAC", "--allow-privileged=true"),
            *("--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none", "--service-account-issuer=https://kubernetes.default.svc"),
            *("--service-account-key-file", key, "--service-account-signing-key-file", key),
        ],
        ready=api.is_ready,
    )
    common = ("--kubeconfig", kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1")
    processes.start(
        "kube-controller-manager",
        [
            *(programs.binary("kubernetes", "kube-controller-manager"), *common, f"--secure-port={free_port()}"),
            *("--cert-dir", data / "controller-manager", "--service-account-private-key-file", key),
        ],
    )
    processes.start(
        "kube-scheduler", [programs.binary("kubernetes", "kube-scheduler"), *common, f"--secure-port={free_port()}", "--cert-dir", data / "scheduler"]
    )
    processes.start(
        "kwok",
        [
            programs.binary("kwok", "kwok"),
            "--kubeconfig",
            kubeconfig,
            "--config",
            _stages(programs, data),
            "--manage-all-nodes=true",
            "--node-ip=127.0.0.1",
            "--node-lease-duration-seconds=40",
        ],
    )
    api.request("POST", NODE.path(), _node())
    wait_until(lambda: api.get(SERVICE_ACCOUNT, "default", "default") is not None, "the controller manager makes service accounts")
    return ControlPlane(api, kubeconfig)


def write_kubeconfig(path: Path, server: str, token: str, certificate_authority: Path, namespace: str = "default") -> Path:
    """Writes a kubeconfig for one user of one cluster, for its owner's eyes only."""
    cluster = {"server": server} | ({"certificate-authority": str(certificate_authority)} if server.startswith("https:") else {})
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test-bed", "cluster": cluster}],
        "users": [{"name": "test-bed", "user": {"token": token}}],
        "contexts": [{"name": "test-bed", "context": {"cluster": "test-bed", "user": "test-bed", "namespace": namespace}}],
        "current-context": "test-bed",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1))
    return path


def _start_etcd(programs: Programs, processes: Processes, data: Path) -> str:
    port = free_port()
    address, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    processes.start(
        "etcd",
        [
            programs.binary("etcd", "etcd"),
            *("--data-dir", data / "etcd", "--unsafe-no-fsync", "--log-level=warn", f"--listen-client-urls={address}", f"--advertise-client-urls={address}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"),
        ],
        ready=lambda: listens(port),
    )
    return address


def _users(data: Path, token: str) -> Path:
    path = data / "users.csv"
    path.touch(mode=0o600)
    path.write_text(f"{token},admin,admin,system:masters\n")
    return path


def _service_account_key(data: Path) -> Path:
    path = data / "service-account.key"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
    return path


def _stages(programs: Programs, data: Path) -> Path:
    """The Stage documents that the module carries, in one file: kwok reads no folders."""
    documents = []
    for file in sorted(programs.asset("kwok", "stages").rglob("*.yaml")):
        documents += [document for document in yaml.safe_load_all(file.read_text()) if document["kind"] == "Stage"]
    path = data / "stages.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def _node() -> Object:
    resources = {"cpu": "64", "memory": "256Gi", "pods": "2000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-0", "labels": {"kubernetes.io/hostname": "node-0", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
        "status": {"allocatable": resources, "capacity": resources},
    }
