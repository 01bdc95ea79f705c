"""The kustomize binary, for what the built-in evaluator does not support."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from gitops_secrets.errors import OutsideError
from gitops_secrets.manifests.load import parse_documents
from gitops_secrets.model.limits import Limits
from gitops_secrets.repository.tree import Tree
from gitops_secrets.syntax.yaml import parse

BINARY = "kustomize"
# A port where nothing listens: remote bases fail at once instead of being fetched.
_NOWHERE = "http://127.0.0.1:9"
_NO_NETWORK = {"HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "NO_PROXY": "", "GIT_ALLOW_PROTOCOL": "none", "GIT_TERMINAL_PROMPT": "0"}


# Makes documents of what the binary has written.
Reader = Callable[[bytes, str, Limits], tuple[object, ...]]


class KustomizeRefused(Exception):
    """The binary ran, and did not build the directory. What it printed is not kept: it may quote secret values."""


def find_binary() -> str | None:
    """The kustomize binary on PATH, if there is one."""
    return shutil.which(BINARY)


def without_values(output: bytes, file: str, limits: Limits) -> tuple[object, ...]:
    """The documents that the binary has written, secret values cut."""
    return parse_documents(output, file, limits).documents


def with_values(output: bytes, file: str, limits: Limits) -> tuple[object, ...]:
    """The same with the values of Secrets: for an API server, and for nobody else to see."""
    return tuple(parse(output, file, limits).documents)


def build_with_binary(binary: str, root: Path, directory: str, limits: Limits, *, network: bool, read: Reader = without_values) -> tuple[object, ...]:
    """The documents that the binary builds of `directory` below `root`. Without `network` it fetches no remote bases.

    Raises `KustomizeRefused` for a directory that does not build, `OutsideError` where the binary can't be run or does not come to an end.
    """
    # As kustomize-controller builds: files from anywhere below the root.
    arguments = [binary, "build", "--load-restrictor", "LoadRestrictionsNone", str(root / directory)]
    environment = dict(os.environ) if network else {**os.environ, **_NO_NETWORK, **{name.lower(): value for name, value in _NO_NETWORK.items()}}
    try:
        done = subprocess.run(arguments, capture_output=True, check=False, timeout=limits.kustomize_seconds, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise OutsideError(f"kustomize did not finish {directory or '.'}; {limits.more('kustomize_seconds')} s") from error
    except OSError as error:
        raise OutsideError(f"can't run {binary}: {error.strerror}") from error
    if done.returncode != 0:
        raise KustomizeRefused(directory)
    return read(done.stdout, directory or ".", limits)


def build_from_tree(binary: str, tree: Tree, directory: str, limits: Limits, *, network: bool, read: Reader = without_values) -> tuple[object, ...]:
    """As `build_with_binary`, for a tree that is not on disk: it is written to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="gitops-secrets-") as folder:
        root = Path(folder)
        for path in tree.files:
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tree.read(path))
        return build_with_binary(binary, root, directory, limits, network=network, read=read)
