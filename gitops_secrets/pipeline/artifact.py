"""A repository as Flux fetched it: the artifact of a source, from source-controller."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.parse import urlsplit

from gitops_secrets.cluster.live import commit_of, text
from gitops_secrets.cluster.port import ControlPlane
from gitops_secrets.cluster.run import Wanted
from gitops_secrets.errors import OutsideError, UsageError
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import Limits
from gitops_secrets.pipeline.scan import Repository, configuration_of, repository_of
from gitops_secrets.rendering.units import SOURCE_GROUP
from gitops_secrets.repository.tree import MemoryTree

_KINDS: Final = ("GitRepository", "OCIRepository", "Bucket", "ExternalArtifact")
_TIMEOUT: Final = 60.0
# source-controller itself takes no larger one by default (--artifact-storage limits): a repository of manifests is a thousandth of this.
_LARGEST: Final = 512 * 1024 * 1024


class Fetched(NamedTuple):
    """What a source has fetched, and at which revision, as Flux writes it."""

    repository: Repository
    wanted: Wanted
    revision: str


def source_called(source: str) -> ResourceId:
    """The source that `KIND/NAMESPACE/NAME` names. Raises `UsageError` for what is none."""
    parts = source.split("/")
    if len(parts) != 3 or parts[0] not in _KINDS or not all(parts):
        raise UsageError(f"--source {source!r} is not KIND/NAMESPACE/NAME, such as GitRepository/flux-system/flux-system\nkinds: {', '.join(_KINDS)}")
    return ResourceId(SOURCE_GROUP, *parts)


def open_artifact(plane: ControlPlane, source: ResourceId, folder: str, limits: Limits, config: Path | None = None) -> Fetched:
    """The repository that a source has fetched, limited to entry points below `folder`.

    Raises `UsageError` for a source that has no artifact, `OutsideError` for an artifact that can't be had or is not what its digest says.
    """
    live = plane.get(source)
    if live is None:
        raise UsageError(f"{source} is not in the cluster")
    url, digest, revision = (text(live, "status", "artifact", field) for field in ("url", "digest", "revision"))
    if not url:
        raise UsageError(f"{source} has fetched nothing yet\n`gitops-secrets verify` on a checkout says why")
    tree = _unpacked(_checked(_download(url), digest, url))
    repository = repository_of(tree, configuration_of(tree, config, limits), limits=limits)
    scope = posixpath.normpath(folder).removeprefix("./").strip("/")
    return Fetched(replace(repository, revision=commit_of(revision), scope="" if scope == "." else scope), Wanted(commit_of(revision)), revision)


def _download(url: str) -> bytes:
    if urlsplit(url).scheme not in ("http", "https"):
        raise OutsideError(f"the artifact's address {url} is neither http nor https")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:  # noqa: S310  the scheme was looked at
            content: bytes = response.read(_LARGEST + 1)
    except (URLError, OSError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise OutsideError(f"can't fetch the artifact {url}: {reason}\nsource-controller is reached from inside the cluster only") from error
    if len(content) > _LARGEST:
        raise OutsideError(f"the artifact {url} is larger than {_LARGEST >> 20} MiB")
    return content


def _checked(content: bytes, digest: str, url: str) -> bytes:
    algorithm, _, expected = digest.partition(":")
    if algorithm not in ("sha256", "sha384", "sha512"):
        raise OutsideError(f"the artifact {url} has the digest {digest!r}, which is none that is known")
    if hashlib.new(algorithm, content).hexdigest() != expected:
        raise OutsideError(f"the artifact {url} is not what its digest says: {digest}")
    return content


def _unpacked(content: bytes) -> MemoryTree:
    """The files of an archive; links and whatever leaves it are none."""
    files: dict[str, str | bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                path = posixpath.normpath(member.name)
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is not None and not path.startswith(("/", "../")) and path != "..":
                    files[path] = stream.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise OutsideError(f"the artifact is no archive: {error}") from error
    return MemoryTree(files)
