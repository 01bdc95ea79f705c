"""What the documents promise is what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml

import gitops_secrets
from gitops_secrets.checks import RULES
from gitops_secrets.cli.main import COMMANDS, cli
from gitops_secrets.config import load_configuration
from gitops_secrets.config.schema import configuration_schema
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.report.rules import rule_pages

ROOT = Path(gitops_secrets.__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
INTERFACE = (ROOT / "docs" / "interface.md").read_text(encoding="utf-8")


def test_the_interface_lists_every_rule_and_no_other() -> None:
    section = INTERFACE.split("## Rules")[1].split("\n## ")[0]
    documented = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", section))

    assert documented == {rule.id for rule in RULES}


def test_the_interface_lists_every_command_and_no_other() -> None:
    documented = set(re.findall(r"^\| `gitops-secrets ([a-z]+)", INTERFACE, re.MULTILINE))

    assert documented == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_interface_names_every_option(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    nested = command.commands.values() if isinstance(command, click.Group) else [command]
    options = {
        option for each in nested for parameter in each.params if isinstance(parameter, click.Option) for option in parameter.opts if option.startswith("--")
    }
    # The short form stands for the long one in the table.
    known = {"--quiet": "-q", "--verbose": "-v"}

    undocumented = sorted(option for option in options if f"`{known.get(option, option)}" not in INTERFACE)

    assert undocumented == []


def test_the_interface_lists_every_key_of_the_configuration_and_no_other() -> None:
    section = INTERFACE.split("## Configuration")[1]
    documented = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)

    assert documented == list(configuration_schema()["properties"])


def test_the_example_of_a_configuration_is_a_good_one() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", INTERFACE.split("## Configuration")[1], re.DOTALL)

    configuration = load_configuration(example.encode(), ".gitops-secrets.yaml", DEFAULT_LIMITS)

    assert list(configuration.clusters) == ["production"]
    assert configuration.rules["redundant-depends-on"].severity == "off"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_that_is_shown_is_there_with_its_options(document: Path) -> None:
    shown = re.findall(r"^ *(?:\$ |- run: |- )?gitops-secrets ([a-z][^#\n]*)", document.read_text(encoding="utf-8"), re.MULTILINE)

    assert [call for call in shown if not _is_a_command(call.split())] == []


@pytest.mark.parametrize("file", sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("templates/*.yml")]), ids=lambda path: path.name)
def test_every_command_that_a_pipeline_runs_is_there_with_its_options(file: Path) -> None:
    run = re.findall(r"gitops-secrets ((?:check|diff|reconcile|verify) [^>|\n]*)", file.read_text(encoding="utf-8"))

    assert [call for call in run if not _is_a_command(call.split())] == []


def _is_a_command(words: list[str]) -> bool:
    command = cli.get_command(click.Context(cli), words[0])
    if isinstance(command, click.Group):
        command = command.commands.get(words[1])
    known = {option for parameter in command.params for option in parameter.opts} if command else set()
    return command is not None and {word.partition("=")[0] for word in words if word.startswith("-")} <= known | {"--"}


def test_the_page_on_continuous_integration_lists_what_the_action_takes_and_gives() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    outputs = page.split("\nOutputs: ")[1].split("\n\n")[0]

    assert re.findall(r"^\| `([a-z-]+)` \| (?:`([^`]*)`)?", page, re.MULTILINE)[: len(action["inputs"])] == [
        (name, entry.get("default", "") if "{" not in entry.get("default", "") else "") for name, entry in action["inputs"].items()
    ]
    assert [name for name in action["outputs"] if f"`{name}`" not in outputs] == []


def test_the_page_on_continuous_integration_lists_every_hook_of_pre_commit() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))

    assert re.findall(r"^\| `(gitops-secrets-[a-z-]+)` \|", page, re.MULTILINE) == [hook["id"] for hook in hooks]


def test_the_pages_of_the_rules_are_up_to_date() -> None:
    """`make docs` writes them."""
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "rules").glob("*.md")}

    assert sorted(written) == sorted(rule_pages(RULES))
    assert [name for name, text in rule_pages(RULES).items() if written[name] != text] == []


@pytest.mark.parametrize("symptom", ["no matches for kind", "SecretSyncedError", "DependencyNotReady", "BuildFailed", "ArtifactFailed"])
def test_the_index_of_rules_has_the_symptom(symptom: str) -> None:
    assert f"\n| `{symptom}` | [" in rule_pages(RULES)["README.md"]


def test_every_dependency_is_pinned_to_one_version_of_a_registry() -> None:
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    pinned = {_normal(pin.partition("==")[0]) for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = {_normal(re.split(r"[<>=!~ ;\[]", entry)[0]) for entry in [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]}

    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin)] == []
    assert named - pinned == set()


def _normal(name: str) -> str:
    """Names of packages, as PyPI compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()
