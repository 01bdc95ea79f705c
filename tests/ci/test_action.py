"""The action, run as GitHub runs it: the step of action.yml with its environment, on a real checkout. Only the API of the forge is a server of this test."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
import yaml

from tests.git import git

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
TOKEN = "ghs_canary"
APPS = "clusters/home/apps.yaml"
BROKEN = {
    "clusters/home/gone.yaml": """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: gone, namespace: flux-system}
spec:
  interval: 10m
  path: ./gone
  prune: true
  sourceRef: {kind: GitRepository, name: flux-system}
"""
}


@dataclass
class Forge:
    """Pull request 7 of acme/home, as far as its comments go."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # the status of the next answers, before the usual ones
    api: str = ""

    def add(self, body: str, *, login: str = "github-actions[bot]", kind: str = "Bot") -> dict[str, Any]:
        """A comment, as the API shows it."""
        number = len(self.comments) + 1
        url = f"{self.api}/repos/acme/home/issues/comments/{number}"
        comment = {"url": url, "html_url": f"https://github.example/7#{number}", "body": body, "user": {"login": login, "type": kind}}
        self.comments.append(comment)
        return comment


class Answers(BaseHTTPRequestHandler):
    """https://docs.github.com/rest/issues/comments and https://docs.github.com/rest/pulls, for a token of the app GitHub Actions."""

    forge: ClassVar[Forge]

    def do_GET(self) -> None:
        query = dict(re.findall(r"([a-z_]+)=(\d+)", self.path))
        start = (int(query.get("page", 1)) - 1) * int(query.get("per_page", 30))
        on_lines = [comment for review in self.forge.reviews for comment in review["comments"]]
        comments = on_lines if self.path.startswith("/repos/acme/home/pulls/7/comments") else self.forge.comments
        if self.path == "/user":
            self.answer(403, {"message": "Resource not accessible by integration"})
        else:
            self.answer(200, comments[start : start + int(query.get("per_page", 30))])

    def do_POST(self) -> None:
        def review(content: dict[str, Any]) -> dict[str, Any]:
            self.forge.reviews.append(content)
            return {}

        self.answer(200, review if self.path == "/repos/acme/home/pulls/7/reviews" else lambda content: self.forge.add(content["body"]))

    def do_PATCH(self) -> None:
        def replace(content: dict[str, Any]) -> dict[str, Any]:
            found = next(comment for comment in self.forge.comments if comment["url"].endswith(self.path))
            found |= content
            return found

        self.answer(200, replace)

    def answer(self, status: int, content: Any) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.forge.requests.append(f"{self.command} {self.path.split('?')[0]}")
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status = 401
        elif self.forge.answers:
            status = self.forge.answers.pop(0)
        if status >= 300:
            content = {"message": "no"}
        elif callable(content):
            content = content(json.loads(body))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def forge() -> Iterator[Forge]:
    """The API, on a port of this machine."""
    forge = Forge()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Answers,), {"forge": forge}))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    forge.api = f"http://127.0.0.1:{server.server_port}"
    yield forge
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Outcome:
    """What a step leaves."""

    status: int
    log: str
    summary: str
    outputs: Mapping[str, str]


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, repository: Path, environment: dict[str, str], forge: Forge) -> Run:
    """Runs the step `Check` for an event on the checkout, with inputs of the action."""
    python = tmp_path / "temp" / "gitops-secrets" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)

    def run(event: Mapping[str, Any], *, folder: Path = repository, **inputs: str) -> Outcome:
        given = {name: entry.get("default", "") for name, entry in ACTION["inputs"].items()} | {"token": TOKEN}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() == ACTION["inputs"].keys()
        files = {name: tmp_path / name for name in ("GITHUB_EVENT_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        files["GITHUB_EVENT_PATH"].write_text(json.dumps(event))
        step = STEPS["Check"]
        variables = {name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: given[match[1]], value) for name, value in step["env"].items()}
        runner = {
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_API_URL": forge.api,
            "GITHUB_REPOSITORY": "acme/home",
            "GITHUB_SHA": git(folder, "rev-parse", "HEAD"),
            "GITHUB_WORKSPACE": str(folder),
            "RUNNER_TEMP": str(tmp_path / "temp"),
        }
        done = subprocess.run(
            ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            cwd=folder,
            env={**environment, **{name: str(file) for name, file in files.items()}, **runner, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        assert TOKEN not in done.stdout + done.stderr
        assert done.stderr == ""
        return Outcome(done.returncode, done.stdout, files["GITHUB_STEP_SUMMARY"].read_text(), outputs)

    return run


@pytest.fixture
def pull_request(repository: Path, commit: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """Makes a pull request of some files against others, checks its merge commit out as actions/checkout does, and returns its event."""

    def pull_request(before: Mapping[str, str | None], change: Mapping[str, str | None]) -> dict[str, Any]:
        base = commit(before)
        git(repository, "checkout", "--quiet", "-b", "change")
        head = commit(change)
        git(repository, "checkout", "--quiet", "--detach", "main")
        git(repository, "merge", "--quiet", "--no-ff", "--message", f"Merge {head} into {base}", "change")
        return {"pull_request": {"number": 7, "base": {"sha": base}, "head": {"sha": head}}}

    return pull_request


Make = Callable[..., dict[str, Any]]


def test_a_pull_request_that_takes_the_order_away_is_told_so_everywhere(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge) -> None:
    event = pull_request(platform, {APPS: platform[APPS].replace("  dependsOn:\n  - name: stores\n", "")})

    outcome = run(event, fail_on="warning")

    assert outcome.status == 1
    assert f"file={APPS},line=" in outcome.log
    assert outcome.log.count("::warning ") == 1
    assert "missing-depends-on" in outcome.summary
    assert [comment["body"].split("\n", 1) for comment in forge.comments] == [["<!-- gitops-secrets: . -->", outcome.summary]]
    assert (outcome.outputs["errors"], outcome.outputs["warnings"]) == ("0", "1")
    assert outcome.outputs["comment-url"] == "https://github.example/7#1"
    assert json.loads(Path(outcome.outputs["json-file"]).read_text())["findings"][0]["rule"] == "missing-depends-on"


def test_what_was_wrong_before_is_no_matter_of_the_pull_request(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge) -> None:
    event = pull_request(platform | BROKEN, {"README.md": "# home\n"})

    outcome = run(event, sarif="true")

    assert (outcome.status, outcome.outputs["errors"], forge.comments) == (0, "0", []), outcome.log
    # Code scanning compares by itself, and takes what an upload leaves out for mended.
    assert "missing-path" in Path(outcome.outputs["sarif-file"]).read_text()
    assert "missing-path" in run(event, all="true", comment="false").summary


def test_a_second_run_edits_the_comment_of_the_first_and_no_other(
    run: Run, pull_request: Make, platform: dict[str, str], commit: Any, forge: Forge, repository: Path
) -> None:
    event = pull_request(platform, BROKEN)
    for number in range(100):
        forge.add(f"<!-- gitops-secrets: . -->\ntalk {number}", login="somebody", kind="User")

    assert run(event).status == 1
    event["pull_request"]["base"]["sha"] = commit({"clusters/home/gone.yaml": None})
    second = run(event)

    assert second.status == 0
    assert {comment["body"].split()[-2] for comment in forge.comments[:100]} == {"talk"}
    assert [comment["body"].split("\n")[0] for comment in forge.comments[100:]] == ["<!-- gitops-secrets: . -->"]
    assert "missing-path" not in forge.comments[100]["body"]
    assert second.outputs["comment-url"] == "https://github.example/7#101"


def test_two_steps_for_two_folders_keep_two_comments(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge) -> None:
    event = pull_request(platform, BROKEN)

    run(event)
    run(event, path="clusters")

    assert [comment["body"].split("\n")[0] for comment in forge.comments] == ["<!-- gitops-secrets: . -->", "<!-- gitops-secrets: clusters -->"]


def test_without_the_right_to_comment_the_report_is_in_the_summary(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge) -> None:
    event = pull_request(platform, {"README.md": "# home\n"})
    forge.answers = [403]

    outcome = run(event)

    assert outcome.status == 0
    assert "::notice title=gitops-secrets::no comment, the report is in the summary of this run: HTTP Error 403: Forbidden; give the job" in outcome.log
    assert "### gitops-secrets" in outcome.summary


def test_a_forge_that_stumbles_is_asked_again_and_one_that_refuses_fails_no_check(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge) -> None:
    event = pull_request(platform, BROKEN)
    forge.answers = [502, 200, 422]

    outcome = run(event, fail_on="never")

    assert outcome.status == 0
    assert forge.requests == ["GET /repos/acme/home/issues/7/comments"] * 2 + ["POST /repos/acme/home/issues/7/comments"]
    assert "::warning title=gitops-secrets::no comment, the report is in the summary of this run: HTTP Error 422" in outcome.log


def test_a_fix_is_suggested_once_on_the_lines_of_the_pull_request(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge) -> None:
    event = pull_request(
        {name: text for name, text in platform.items() if name != APPS}, {APPS: platform[APPS].replace("  dependsOn:\n  - name: stores\n", "")}
    )

    for _ in range(2):
        outcome = run(event, suggest="true", comment="false")
    (review,) = forge.reviews
    (suggestion,) = review["comments"]

    assert (review["event"], review["commit_id"]) == ("COMMENT", event["pull_request"]["head"]["sha"])
    assert (suggestion["path"], suggestion["side"]) == (APPS, "RIGHT")
    assert "```suggestion\n" in suggestion["body"]
    assert "  dependsOn:\n    - name: stores\n" in suggestion["body"]
    assert "+    - name: stores\n" in Path(outcome.outputs["patch-file"]).read_text()


def test_nothing_is_suggested_where_merging_moved_the_lines(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge, commit: Any) -> None:
    event = pull_request(platform, {APPS: platform[APPS].replace("  dependsOn:\n  - name: stores\n", "")})
    event["pull_request"]["head"]["sha"] = commit({APPS: "# moved\n" + platform[APPS]})

    run(event, suggest="true", comment="false", base="main")

    assert forge.reviews == []


def test_new_values_alone_start_no_comment_and_stand_in_the_summary(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge) -> None:
    event = pull_request(platform, {APPS: platform[APPS].replace("interval: 10m", "interval: 20m")})

    outcome = run(event)

    assert (outcome.status, forge.comments) == (0, [])
    assert "Kustomization/flux-system/apps" in outcome.summary


def test_a_new_object_that_reads_a_key_starts_a_comment(run: Run, pull_request: Make, platform: dict[str, str], forge: Forge) -> None:
    event = pull_request(platform, {"apps/other.yaml": platform["apps/slack.yaml"].replace("slack", "other")})

    assert run(event).status == 0
    assert "other" in forge.comments[0]["body"]


def test_a_push_is_judged_whole_and_comments_nowhere(run: Run, commit: Any, platform: dict[str, str], forge: Forge) -> None:
    commit(platform | BROKEN)
    commit({"README.md": "# home\n"})

    outcome = run({"ref": "refs/heads/main"})

    assert (outcome.status, outcome.outputs["errors"], forge.requests) == (1, "1", [])


def test_a_merge_queue_is_compared_with_its_base(run: Run, commit: Any, platform: dict[str, str]) -> None:
    base = commit(platform | BROKEN)
    commit({"README.md": "# home\n"})

    assert run({"merge_group": {"base_sha": base}}).status == 0


def test_a_checkout_of_one_commit_is_told_what_to_fetch(run: Run, pull_request: Make, platform: dict[str, str], repository: Path, tmp_path: Path) -> None:
    event = pull_request(platform, {"README.md": "# home\n"})
    git(repository, "branch", "merge")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=merge", f"file://{repository}", str(shallow))

    outcome = run(event, folder=shallow)

    assert outcome.status == 2
    assert "::error title=gitops-secrets::" in outcome.log
    assert "give actions/checkout `fetch-depth: 2`" in outcome.log


def test_a_checkout_of_two_commits_is_enough(run: Run, pull_request: Make, platform: dict[str, str], repository: Path, tmp_path: Path) -> None:
    event = pull_request(platform | BROKEN, {"README.md": "# home\n"})
    git(repository, "branch", "merge")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=2", "--branch=merge", f"file://{repository}", str(shallow))

    assert run(event, folder=shallow).status == 0


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"base": "nowhere"}, "nowhere"),
        ({"comment": "maybe"}, "the input comment is true or false, not 'maybe'"),
        ({"path": "no/such/folder"}, "no/such/folder"),
    ],
)
def test_a_wrong_input_is_an_error_with_its_name(run: Run, commit: Any, platform: dict[str, str], inputs: dict[str, str], message: str) -> None:
    commit(platform)

    outcome = run({}, **inputs)

    assert outcome.status == 2
    assert message in outcome.log
    assert "::error title=gitops-secrets::" in outcome.log


def test_a_file_name_gives_the_runner_no_command(run: Run, commit: Any, platform: dict[str, str]) -> None:
    commit({**platform, "clusters/home/\n::warning::injected.yaml": "kind: [", "clusters/home/a%0A::notice::x.yaml": "kind: ["})

    outcome = run({})
    lines = outcome.log.splitlines()

    assert [line for line in lines if line.startswith(("::warning::", "::notice::"))] == []


def test_the_inputs_reach_scripts_by_the_environment_only() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]

    assert [script for script in scripts if "${{" in script] == []


def test_every_action_is_pinned_to_a_commit() -> None:
    files = [ROOT / "action.yml", *(ROOT / ".github/workflows").glob("*.yml")]
    uses = [line.strip() for file in files for line in file.read_text(encoding="utf-8").splitlines() if re.match(r"\s*(- )?uses:", line)]

    assert len(uses) > 4
    assert [line for line in uses if not re.search(r"uses: (\./|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)", line)] == []


def test_every_input_reaches_the_script() -> None:
    assert set(STEPS["Check"]["env"]) == {f"INPUT_{name.upper().replace('-', '_')}" for name in ACTION["inputs"]}
