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
from collections.abc import Iterator, Mapping
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
    cluster: str
    base: str
    shared: tuple[str, ...]  # options of every run of `check`
    reading: tuple[str, ...]  # those of them that `diff` has too
    everything: bool
    fail_on: str
    comment: bool
    suggest: bool
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

        def file(name: str) -> tuple[str, ...]:
            return (f"--{name.lower()}={Path(text(name)).resolve()}",) if text(name) else ()

        reading = (*([f"--cluster={text('CLUSTER')}"] if text("CLUSTER") else []), *file("CONFIG"))
        return cls(
            path=text("PATH") or ".",
            cluster=text("CLUSTER"),
            base=text("BASE"),
            reading=reading,
            shared=(*reading, *file("BASELINE")),
            everything=switch("ALL"),
            fail_on=text("FAIL_ON") or "error",
            comment=switch("COMMENT"),
            suggest=switch("SUGGEST"),
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
    folder = Path(os.environ["RUNNER_TEMP"], "gitops-secrets", secrets.token_hex(4))
    folder.mkdir(parents=True)
    files = {"json": folder / "findings.json", "markdown": folder / "report.md", "patch": folder / "fixes.patch"}
    if base:
        files["suggestions"] = folder / "review.json"
    reports = [f"--report={form}={file}" for form, file in files.items()]
    compare = [*([f"--base={base}"] if base else []), *(["--all"] if inputs.everything else [])]

    # The format `github` also fills the summary of the step.
    status = run(".", "check", "--format=github", *inputs.shared, *compare, *reports, f"--fail-on={inputs.fail_on}", "--", inputs.path)
    if inputs.sarif:
        # All findings, whatever the base: code scanning does the comparing, and takes what an upload leaves out for mended.
        files["sarif"] = folder / "findings.sarif"
        run(".", "check", "--format=sarif", *inputs.shared, "--exit-zero", "--quiet", f"--output={files['sarif']}", "--", inputs.path)
    found = read(files["json"])
    outputs = {f"{severity}s": str(found["summary"][severity]) for severity in ("error", "warning", "note")}
    outputs |= {f"{name}-file": str(file) for name, file in files.items() if name != "suggestions"}
    if "pull_request" in event:
        pull_request = PullRequest.of(event, inputs.token)
        if inputs.comment:
            marker = f"<!-- gitops-secrets: {' '.join(filter(None, (inputs.path, inputs.cluster))).replace('--', '')} -->"
            news = has_findings(found) or (base and changes_the_graph(inputs, base, folder / "diff.json"))
            outputs["comment-url"] = comment(pull_request, marker, files["markdown"].read_text(encoding="utf-8"), is_news=bool(news))
        if inputs.suggest and base:
            suggest(pull_request, read(files["suggestions"]), inputs.path)
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in outputs.items())
    return status


def read(file: Path) -> Any:
    """A JSON document."""
    return json.loads(file.read_text(encoding="utf-8"))


def has_findings(found: Mapping[str, Any]) -> bool:
    """Is there an error or a warning, or one less?"""
    return any(finding["severity"] != "note" for finding in (*found["findings"], *found.get("resolved", ())))


def changes_the_graph(inputs: Inputs, base: str, file: Path) -> bool:
    """Does the change since `base` do more than to put new values into fields that refer to nothing?"""
    run(inputs.path, "diff", "--format=json", *inputs.reading, "--quiet", f"--output={file}", "--", base)
    return any(
        cluster["change"]
        or any(cluster[part] for part in ("edges", "secrets", "provider_keys", "prunes"))
        or any(unit["change"] != "changed" for unit in cluster["units"])
        for cluster in read(file)["clusters"]
    )


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


def run(folder: str, *arguments: str) -> int:
    """Runs `gitops-secrets` and returns its exit status. Raises `ActionError` where it has no result."""
    environment = {name: value for name, value in os.environ.items() if name != "INPUT_TOKEN"}
    done = subprocess.run(("gitops-secrets", *arguments), cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in RUN:
        raise ActionError(done.stderr.strip().removeprefix("error: "), done.returncode)
    if done.stderr:
        # Names from the repository stand in it, and a line that looks like a command would be one.
        fence = secrets.token_hex(16)
        print(f"::stop-commands::{fence}", done.stderr.rstrip(), f"::{fence}::", sep="\n", flush=True)
    return done.returncode


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The comments of a pull request, by GitHub's REST API (https://docs.github.com/rest/issues/comments, https://docs.github.com/rest/pulls/comments)."""

    api: str  # of the repository
    number: int
    head: str
    token: str

    @classmethod
    def of(cls, event: Mapping[str, Any], token: str) -> PullRequest:
        """The one of the event."""
        pull_request = event["pull_request"]
        api = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}"
        return cls(api, pull_request["number"], pull_request["head"]["sha"], token)

    def find(self, marker: str) -> str | None:
        """The URL, in the API, of the comment that starts with `marker` and is the work of a bot or of the token's owner: not a quotation of it."""
        for found in self.all("issues"):
            if found["body"].startswith(marker) and (found["user"]["type"] == "Bot" or found["user"]["login"] == self.owner()):
                return str(found["url"])
        return None

    def all(self, kind: str) -> Iterator[Any]:
        """The comments of the conversation (`issues`), or those on lines (`pulls`)."""
        page, number = [None] * PAGE, 0
        while len(page) == PAGE:
            number += 1
            page = self.ask("GET", f"{self.api}/{kind}/{self.number}/comments?per_page={PAGE}&page={number}")
            yield from page

    def owner(self) -> str | None:
        """Whose token it is; None for those of apps, GitHub Actions among them, which belong to nobody."""
        try:
            return str(self.ask("GET", f"{os.environ['GITHUB_API_URL']}/user")["login"])
        except urllib.error.HTTPError as error:
            if is_forbidden(error):
                return None
            raise

    def write(self, url: str | None, body: str) -> str:
        """Replaces the comment at `url`, or makes one; returns where people see it."""
        target = ("POST", f"{self.api}/issues/{self.number}/comments") if url is None else ("PATCH", url)
        return str(self.ask(*target, {"body": body})["html_url"])

    def review(self, review: Mapping[str, Any]) -> None:
        """Comments on lines, all at once."""
        self.ask("POST", f"{self.api}/pulls/{self.number}/reviews", review)

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
        print(command("notice" if is_forbidden(error) else "warning", f"no comment, the report is in the summary of this run: {why(error)}"))
    return ""


def suggest(pull_request: PullRequest, review: Mapping[str, Any], folder: str) -> None:
    """Puts fixes as suggestions on lines of the pull request, each once."""
    try:
        if wanted := [each for each in review["comments"] if is_as_in(pull_request.head, each["path"], folder)]:
            there = {found["body"].partition("\n")[0] for found in pull_request.all("pulls")}
            if new := [each for each in wanted if each["body"].partition("\n")[0] not in there]:
                body = "gitops-secrets can mend what it found in these lines."
                pull_request.review({**review, "commit_id": pull_request.head, "body": body, "comments": new})
    except BROKEN as error:
        print(command("notice" if is_forbidden(error) else "warning", f"no suggestions: {why(error)}"))


def is_as_in(commit: str, path: str, folder: str) -> bool:
    """Has a file the same lines in the pull request as merged? Suggestions count lines of the former, and were made from the latter."""
    top = git(folder, "rev-parse", "--show-toplevel")
    try:
        return git(top, "rev-parse", f"HEAD:{path}") == git(top, "rev-parse", f"{commit}:{path}")
    except ActionError:
        return False


def why(error: BaseException) -> str:
    """What went wrong with the forge, and what to do."""
    if is_forbidden(error):
        return f"{error}; give the job the permission `pull-requests: write`, which a pull request from a fork never has"
    return str(error)


def is_forbidden(error: BaseException) -> bool:
    """Did GitHub answer that the token may not?"""
    return isinstance(error, urllib.error.HTTPError) and error.code in FORBIDDEN


def command(name: str, message: str) -> str:
    """A workflow command; `message` may be anything."""
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{name} title=gitops-secrets::{escaped}"


if __name__ == "__main__":
    sys.exit(main())
