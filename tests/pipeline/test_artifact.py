"""A repository as a source has fetched it. The real source-controller serves one in tests/e2e; here are the artifacts that it never would."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from gitops_secrets.errors import OutsideError, UsageError
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.pipeline.artifact import open_artifact, source_called

SOURCE = source_called("GitRepository/flux-system/flux-system")


def archive(files: dict[str, str], link: str = "") -> bytes:
    """A gzipped tar of files, and of a link that leads out of it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    return buffer.getvalue()


class Cluster:
    """All that is asked of a cluster here: one source."""

    def __init__(self, artifact: dict[str, str] | None) -> None:
        self.artifact = artifact

    def get(self, id: ResourceId) -> dict[str, Any] | None:
        return None if id.name != "flux-system" else {"status": {"artifact": self.artifact} if self.artifact else {}}


@pytest.fixture
def serve() -> Iterator[Any]:
    """Serves bytes, and gives the cluster whose source they are the artifact of."""
    servers = []

    def served(content: bytes, digest: str | None = None) -> Cluster:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        digest = digest or f"sha256:{hashlib.sha256(content).hexdigest()}"
        return Cluster({"url": f"http://127.0.0.1:{server.server_port}/a.tar.gz", "digest": digest, "revision": "main@sha1:1f2e"})

    yield served
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_files_of_an_artifact_are_the_repository_at_its_commit(serve: Any) -> None:
    repository, wanted, _ = open_artifact(serve(archive({"./clusters/a.yaml": "a: 1", "b.yaml": ""})), SOURCE, "./clusters/", DEFAULT_LIMITS)

    assert (repository.tree.files, repository.scope, repository.revision, wanted.commit) == (("b.yaml", "clusters/a.yaml"), "clusters", "1f2e", "1f2e")


def test_an_artifact_is_looked_at_as_far_as_is_allowed(serve: Any) -> None:
    deep = "[" * 300 + "]" * 300
    problems = [
        open_artifact(serve(archive({"a.yaml": deep})), SOURCE, ".", limits)[0].loader.load("a.yaml").problems
        for limits in (DEFAULT_LIMITS, Limits(yaml_depth=400))
    ]

    assert [len(each) for each in problems] == [1, 0]


def test_what_leaves_an_archive_is_not_read(serve: Any) -> None:
    repository, _, _ = open_artifact(serve(archive({"../out.yaml": "a: 1", "in.yaml": "a: 1"}, link="link.yaml")), SOURCE, ".", DEFAULT_LIMITS)

    assert repository.tree.files == ("in.yaml",)


def test_an_artifact_that_is_not_what_its_digest_says_is_refused(serve: Any) -> None:
    with pytest.raises(OutsideError, match="not what its digest says"):
        open_artifact(serve(archive({"a.yaml": ""}), "sha256:" + "0" * 64), SOURCE, ".", DEFAULT_LIMITS)


def test_a_digest_of_an_unknown_kind_is_refused(serve: Any) -> None:
    with pytest.raises(OutsideError, match="none that is known"):
        open_artifact(serve(b"", "md5:00"), SOURCE, ".", DEFAULT_LIMITS)


def test_what_is_no_archive_is_an_error(serve: Any) -> None:
    with pytest.raises(OutsideError, match="no archive"):
        open_artifact(serve(b"text"), SOURCE, ".", DEFAULT_LIMITS)


@pytest.mark.parametrize("source", ["flux-system", "HelmRelease/a/b", "GitRepository//b", "GitRepository/a/b/c"])
def test_what_names_no_source_is_wrong_usage(source: str) -> None:
    with pytest.raises(UsageError, match="is not KIND/NAMESPACE/NAME"):
        source_called(source)


@pytest.mark.parametrize(
    ("source", "says"),
    [(source_called("GitRepository/a/b"), "is not in the cluster"), (SOURCE, "has fetched nothing yet")],
    ids=["not there", "nothing yet"],
)
def test_a_source_that_has_no_artifact_is_wrong_usage(source: ResourceId, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        open_artifact(Cluster(None), source, ".", DEFAULT_LIMITS)  # type: ignore[arg-type]


def test_an_artifact_at_no_web_address_is_refused() -> None:
    with pytest.raises(OutsideError, match="neither http nor https"):
        open_artifact(Cluster({"url": "file:///etc/passwd", "digest": "sha256:00", "revision": ""}), SOURCE, ".", DEFAULT_LIMITS)  # type: ignore[arg-type]
