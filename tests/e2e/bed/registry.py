"""A registry of OCI artifacts over HTTP on loopback: as much of the distribution specification as Flux reads (https://github.com/opencontainers/distribution-spec)."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """Artifacts by name and tag, each as `flux push artifact` would make it."""

    def __init__(self) -> None:
        self._manifests: dict[str, bytes] = {}  # by name:tag, and by name@digest
        self._blobs: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        Thread(target=self._server.serve_forever, name="registry", daemon=True).start()

    def url(self, name: str) -> str:
        return f"oci://127.0.0.1:{self._server.server_port}/{name}"

    def push(self, name: str, tag: str, files: Mapping[str, str]) -> str:
        """Makes an artifact of files; returns its revision as Flux writes it."""
        layers = [self._blob("application/vnd.cncf.flux.content.v1.tar+gzip", _archive(files))]
        config = self._blob("application/vnd.cncf.flux.config.v1+json", b"{}")
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).encode()
        digest = _digest(manifest)
        self._manifests |= {f"{name}:{tag}": manifest, f"{name}@{digest}": manifest}
        return f"{tag}@{digest}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _blob(self, media_type: str, content: bytes) -> dict[str, str | int]:
        self._blobs[_digest(content)] = content
        return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}

    def _find(self, path: str) -> tuple[str, bytes] | None:
        name, _, reference = path.removeprefix("/v2/").rpartition("/")
        if name.endswith("/blobs"):
            content = self._blobs.get(reference)
            return None if content is None else ("application/octet-stream", content)
        separator = "@" if reference.startswith("sha256:") else ":"
        content = self._manifests.get(f"{name.removesuffix('/manifests')}{separator}{reference}")
        return None if content is None else (MANIFEST, content)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = ("application/json", b"{}") if self.path == "/v2/" else registry._find(self.path)
                media_type, content = found or ("application/json", b"{}")
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Docker-Content-Digest", _digest(content))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


def _archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
