"""The template for GitLab, its script run with the variables that a merge request pipeline has."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

SPECIFICATION, JOBS = yaml.safe_load_all((Path(__file__).resolve().parents[2] / "templates" / "check.yml").read_text(encoding="utf-8"))
INPUTS = SPECIFICATION["spec"]["inputs"]
JOB = JOBS["gitops-secrets"]


class GitLab:
    """The notes of a merge request, as GitLab's REST API keeps them (https://docs.gitlab.com/api/notes/)."""

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []
        self.refuses = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, content: object, status: int = 200) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                page = int(dict(part.split("=") for part in query.split("&"))["page"]) if query else 1
                if outer.refuses or self.headers["PRIVATE-TOKEN"] != "glpat-x":
                    self.answer({"message": "403 Forbidden"}, 403)
                else:
                    self.answer({"id": 5} if path.endswith("/user") else outer.notes[(page - 1) * 100 : page * 100])

            def do_POST(self) -> None:
                assert self.path.endswith("/projects/1/merge_requests/7/notes")
                outer.notes.append({"id": len(outer.notes), "author": {"id": 5}, **self.body()})
                self.answer(outer.notes[-1])

            def do_PUT(self) -> None:
                note = outer.notes[int(self.path.rpartition("/")[2])]
                note.update(self.body())
                self.answer(note)

            def body(self) -> dict[str, Any]:
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[no-any-return]

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v4"

    def __enter__(self) -> GitLab:
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def run(repository: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the script of the job, with the defaults of its inputs."""

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        given = {name: entry.get("default", "") for name, entry in INPUTS.items()}
        own = {name: re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda match: given[match[1]], value) for name, value in JOB["variables"].items()}
        script = "\n".join(JOB["script"])
        return subprocess.run(("sh", "-e", "-c", script), cwd=repository, env={**environment, **own, **variables}, capture_output=True, text=True, check=False)

    return run


def test_a_merge_request_fails_for_what_it_brings_and_code_quality_has_everything(
    run: Callable[..., subprocess.CompletedProcess[str]], commit: Callable[..., str], platform: dict[str, str], repository: Path
) -> None:
    apps = "clusters/home/apps.yaml"
    base = commit({**platform, apps: platform[apps].replace("name: stores", "name: nowhere")})
    commit({"stores/store.yaml": None})

    done = run(CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    quality = json.loads((repository / "gl-code-quality-report.json").read_text())
    cases = ElementTree.parse(repository / "gitops-secrets.xml").getroot().iter("failure")

    assert done.returncode == 1, done.stdout + done.stderr
    assert {entry["check_name"] for entry in quality} >= {"dangling-depends-on", "missing-store"}
    assert "dangling-depends-on" not in done.stdout
    assert list(cases) != []


def test_a_branch_is_judged_whole(run: Callable[..., subprocess.CompletedProcess[str]], commit: Callable[..., str], platform: dict[str, str]) -> None:
    commit(platform)

    done = run()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing found" in done.stdout


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    """The API of a GitLab, on this machine."""
    with GitLab() as server:
        yield server


@pytest.fixture
def request_of(run: Callable[..., subprocess.CompletedProcess[str]], gitlab: GitLab) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the job of merge request 7."""
    return partial(run, CI_API_V4_URL=gitlab.url, CI_PROJECT_ID="1", CI_MERGE_REQUEST_IID="7", GITOPS_SECRETS_TOKEN="glpat-x")


def test_one_comment_is_kept_on_a_merge_request(
    request_of: Callable[..., subprocess.CompletedProcess[str]], gitlab: GitLab, commit: Callable[..., str], platform: dict[str, str]
) -> None:
    gitlab.notes += [{"id": number, "body": "<!-- gitops-secrets: . --> quoted", "author": {"id": 9}} for number in range(100)]
    base = commit(platform)
    commit({"stores/store.yaml": None})
    first = request_of(CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    broken = gitlab.notes[-1]["body"]
    commit(platform)
    second = request_of(CI_MERGE_REQUEST_DIFF_BASE_SHA=base)

    assert (first.returncode, second.returncode) == (1, 0), first.stderr + second.stderr
    assert "missing-path" in broken
    assert len(gitlab.notes) == 101
    assert gitlab.notes[-1]["body"].startswith("<!-- gitops-secrets: . -->\n")
    assert "missing-store" not in gitlab.notes[-1]["body"]


def test_nothing_to_tell_makes_no_comment(
    request_of: Callable[..., subprocess.CompletedProcess[str]], gitlab: GitLab, commit: Callable[..., str], platform: dict[str, str]
) -> None:
    base = commit(platform)
    commit({"README.md": "hello"})

    assert request_of(CI_MERGE_REQUEST_DIFF_BASE_SHA=base).returncode == 0
    assert gitlab.notes == []


def test_a_token_that_may_not_comment_fails_no_job(
    request_of: Callable[..., subprocess.CompletedProcess[str]], gitlab: GitLab, commit: Callable[..., str], platform: dict[str, str]
) -> None:
    gitlab.refuses = True
    base = commit(platform)
    commit({"README.md": "hello"})

    done = request_of(CI_MERGE_REQUEST_DIFF_BASE_SHA=base)

    assert done.returncode == 0
    assert "no comment on the merge request: HTTP Error 403" in done.stdout


def test_the_inputs_reach_the_script_by_variables_only() -> None:
    assert [line for line in (*JOB["before_script"], *JOB["script"]) if "$[[" in line] == []
