"""Repositories over HTTP on loopback: `git http-backend` behind http.server, which is what go-git, and so Flux, can clone from."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class GitServer:
    """Bare repositories below one folder, read-only over HTTP; commits come by `Repository.commit`."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = root
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(root))
        Thread(target=self._server.serve_forever, name="git server", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def repository(self, name: str) -> Repository:
        """A new, empty repository."""
        path = self.root / f"{name}.git"
        _git(self.root, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
        return Repository(path, f"{self.url}/{name}.git")

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Repository:
    """One served repository with the branch `main`."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self.url = url

    def commit(self, files: Mapping[str, str | None], message: str = "A change") -> str:
        """Commits `files`, text by path; None removes one. Returns the commit's id."""
        with self.checkout() as tree:
            for name, text in files.items():
                path = tree / name
                if text is None:
                    path.unlink()
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text)
            return self.push(tree, message)

    @contextmanager
    def checkout(self) -> Iterator[Path]:
        """A working tree of `main` in a temporary folder, to change and `push`."""
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            _git(self.path, "clone", "--quiet", str(self.path), str(tree))
            yield tree

    def push(self, tree: Path, message: str) -> str:
        """Commits all of a working tree, pushes it, and returns the commit's id."""
        _git(tree, "add", "--all")
        _git(tree, "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "--allow-empty", "--message", message)
        _git(tree, "push", "--quiet", "origin", "HEAD:main")
        return self.head

    @property
    def head(self) -> str:
        return _git(self.path, "rev-parse", "main").strip()


def _git(directory: Path, *arguments: str) -> str:
    # Whatever stands in the user's own configuration must not change what the tests commit.
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(["git", *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=True).stdout


def _handler(root: Path) -> type[BaseHTTPRequestHandler]:
    git = shutil.which("git") or "git"

    class Handler(BaseHTTPRequestHandler):
        """Hands each request to git's own CGI program."""

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

        def _serve(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            answer = subprocess.run([git, "http-backend"], input=body, capture_output=True, check=False, env=self._environment(path, query, len(body))).stdout
            head, _, content = answer.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _environment(self, path: str, query: str, length: int) -> dict[str, str]:
            return {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(length),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_ADDR": "127.0.0.1",
            }

    return Handler
