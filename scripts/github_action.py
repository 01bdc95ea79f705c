"""What action.yml runs: `gitops-secrets check`, and its results where GitHub shows them.

Annotations go to the log, the report to the summary of the step and into one comment on the pull request, figures and files to the outputs. Reads the
inputs of the action as INPUT_*, and what GitHub gives every step:
https://docs.github.com/actions/reference/workflows-and-actions/variables
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

RUN: Final = (0, 1)  # the exit statuses of a check that has a result
PAUSES: Final = (1, 3)  # seconds before each further try, where the API is out of order
PAGE: Final = 100  # comments at a time, the most that the API gives
BROKEN: Final = (OSError, http.client.HTTPException, ValueError)  # a connection, what comes over it, and what it says
FORBIDDEN: Final = (401, 403, 404)  # 404: the API does not tell strangers what exists


class ActionError(Exception):
    """Ends the step with `status`; the message is for the user."""

    def __init__(self, message: str, status: int = 2) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of the action."""

    path: str
    base: str
    shared: tuple[str, ...]  # options of every run of `check`
    everything: bool
    fail_on: str
    comment: bool
    sarif: bool
    token: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Inputs:
        """Reads INPUT_*. Raises `ActionError` for a switch that is neither true nor false."""

        def text(name: str) -> str:
            return environment.get(f"INPUT_{name}", "").strip()

        def switch(name: str) -> bool:
            value = text(name).lower()
            if value not in ("true", "false", ""):
                raise ActionError(f"the input {name.lower()} is true or false, not {text(name)!r}")
            return value == "true"

        return cls(
            path=text("PATH") or ".",
            base=text("BASE"),
            shared=tuple(f"--{name.lower()}={text(name)}" for name in ("CLUSTER", "CONFIG", "BASELINE") if text(name)),
            everything=switch("ALL"),
            fail_on=text("FAIL_ON") or "error",
            comment=switch("COMMENT"),
            sarif=switch("SARIF"),
            token=text("TOKEN"),
        )


def main() -> int:
    """Runs the step and returns its exit status, that of `check`."""
    try:
        inputs = Inputs.of(os.environ)
        event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        return report(inputs, event)
    except ActionError as error:
        print(command("error", str(error)))
        return error.status


def report(inputs: Inputs, event: Mapping[str, Any]) -> int:
    """Checks, and puts the results everywhere."""
    base = base_of(inputs, event)
    compare = [*([f"--base={base}"] if base else []), *(["--all"] if inputs.everything else [])]
    folder = Path(os.environ["RUNNER_TEMP"], "gitops-secrets", secrets.token_hex(4))
    folder.mkdir(parents=True)
    files = {"json-file": folder / "findings.json", "markdown-file": folder / "report.md"}
    reports = (f"--report=json={files['json-file']}", f"--report=markdown={files['markdown-file']}")

    # The format `github` also fills the summary of the step.
    status = check(inputs.path, "--format=github", *inputs.shared, *compare, *reports, f"--fail-on={inputs.fail_on}")
    if inputs.sarif:
        # All findings, whatever the base: code scanning does the comparing, and takes what an upload leaves out for mended.
        files["sarif-file"] = folder / "findings.sarif"
        check(inputs.path, "--format=sarif", *inputs.shared, "--exit-zero", "--quiet", f"--output={files['sarif-file']}")
    found = json.loads(files["json-file"].read_text(encoding="utf-8"))
    outputs = {f"{severity}s": str(found["summary"][severity]) for severity in ("error", "warning", "note")}
    outputs |= {name: str(file) for name, file in files.items()}
    if inputs.comment and "pull_request" in event:
        marker = f"<!-- gitops-secrets: {' '.join((inputs.path, *inputs.shared)).replace('--', '')} -->"
        text = files["markdown-file"].read_text(encoding="utf-8")
        outputs["comment-url"] = comment(PullRequest.of(event, inputs.token), marker, text, is_news=any(map(found.get, ("findings", "resolved"))))
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in outputs.items())
    return status


def base_of(inputs: Inputs, event: Mapping[str, Any]) -> str:
    """The revision to compare with; empty: none. A pull request is compared with what its merge commit was made from, which its event may lag behind."""
    if any(option.startswith("--baseline=") for option in inputs.shared):
        return ""
    if inputs.base or not event.keys() & {"pull_request", "merge_group"}:
        return inputs.base
    if "merge_group" in event:
        return str(event["merge_group"]["base_sha"])
    head, *parents = git(inputs.path, "rev-list", "--parents", "--max-count=1", "HEAD").split()
    if head == os.environ["GITHUB_SHA"]:
        if len(parents) > 1:
            return parents[0]
        if git(inputs.path, "rev-parse", "--is-shallow-repository") == "true":
            raise ActionError("the commit that the pull request is merged into is not in this checkout: give actions/checkout `fetch-depth: 2`")
    return str(event["pull_request"]["base"]["sha"])


def git(folder: str, *arguments: str) -> str:
    """What git prints."""
    done = subprocess.run(("git", "-C", folder, *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ActionError(f"{folder} is no git checkout that can be read: {done.stderr.strip()}")
    return done.stdout.strip()


def check(path: str, *options: str) -> int:
    """Runs `gitops-secrets check` and returns its exit status. Raises `ActionError` where it has no result."""
    environment = {name: value for name, value in os.environ.items() if name != "INPUT_TOKEN"}
    done = subprocess.run(("gitops-secrets", "check", *options, "--", path), env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in RUN:
        raise ActionError(done.stderr.strip().removeprefix("error: "), done.returncode)
    if done.stderr:
        # Names from the repository stand in it, and a line that looks like a command would be one.
        fence = secrets.token_hex(16)
        print(f"::stop-commands::{fence}", done.stderr.rstrip(), f"::{fence}::", sep="\n", flush=True)
    return done.returncode


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The comments of a pull request, by GitHub's REST API (https://docs.github.com/rest/issues/comments)."""

    api: str  # of the repository
    number: int
    token: str

    @classmethod
    def of(cls, event: Mapping[str, Any], token: str) -> PullRequest:
        """The one of the event."""
        return cls(f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}", event["pull_request"]["number"], token)

    def find(self, marker: str) -> str | None:
        """The URL, in the API, of the comment that starts with `marker` and is the work of a bot or of the token's owner: not a quotation of it."""
        page = 0
        while True:
            page += 1
            comments = self.ask("GET", f"{self.api}/issues/{self.number}/comments?per_page={PAGE}&page={page}")
            for found in comments:
                if found["body"].startswith(marker) and (found["user"]["type"] == "Bot" or found["user"]["login"] == self.owner()):
                    return str(found["url"])
            if len(comments) < PAGE:
                return None

    def owner(self) -> str | None:
        """Whose token it is; None for those of apps, GitHub Actions among them, which belong to nobody."""
        try:
            return str(self.ask("GET", f"{os.environ['GITHUB_API_URL']}/user")["login"])
        except urllib.error.HTTPError as error:
            if error.code in FORBIDDEN:
                return None
            raise

    def write(self, url: str | None, body: str) -> str:
        """Replaces the comment at `url`, or makes one; returns where people see it."""
        target = ("POST", f"{self.api}/issues/{self.number}/comments") if url is None else ("PATCH", url)
        return str(self.ask(*target, {"body": body})["html_url"])

    def ask(self, method: str, url: str, content: object = None) -> Any:
        """The answer of the API, tried again where the server is out of order. Raises one of `BROKEN`."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        data = None if content is None else json.dumps(content).encode()
        for pause in (*PAUSES, None):
            try:
                with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
                    return json.load(answer)
            except BROKEN as error:
                if pause is None or (isinstance(error, urllib.error.HTTPError) and error.code < 500):
                    raise
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def comment(pull_request: PullRequest, marker: str, text: str, *, is_news: bool) -> str:
    """Keeps one comment up to date and returns its address. Nothing to tell is no reason for a first one; what goes wrong here fails no check."""
    try:
        existing = pull_request.find(marker)
        return pull_request.write(existing, f"{marker}\n{text}") if existing or is_news else ""
    except BROKEN as error:
        name, why = "warning", f"GitHub can't be asked: {error}"
        if isinstance(error, urllib.error.HTTPError) and error.code in FORBIDDEN:
            name, why = "notice", f"GitHub answers {error.code}; give the job the permission `pull-requests: write`, which a pull request from a fork never has"
        print(command(name, f"no comment on the pull request: {why}. The report is in the summary of this run."))
    return ""


def command(name: str, message: str) -> str:
    """A workflow command; `message` may be anything."""
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{name} title=gitops-secrets::{escaped}"


if __name__ == "__main__":
    sys.exit(main())
