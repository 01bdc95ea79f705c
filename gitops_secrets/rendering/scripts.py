"""What people and pipelines run to set a cluster up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gitops_secrets.manifests.load import Loader
from gitops_secrets.rendering.commands import Command, commands_in, is_script_path, positionals_of, script_text, variables_in
from gitops_secrets.rendering.terraform import Terraform, read_terraform

YAML = (".yaml", ".yml", ".json")
PAGES = (".md", ".markdown", ".adoc")
TEMPLATES = (".j2", ".tpl", ".tmpl", ".gotmpl")
# Options that take no value.
KUBECTL_FLAGS = frozenset(
    "--server-side --force-conflicts --wait --force --recursive -R --overwrite --prune --all --insecure-skip-tls-verify --save-config --validate".split()
)
HELM_FLAGS = frozenset(
    """--install -i --create-namespace --wait --wait-for-jobs --atomic --debug --dry-run --force --reuse-values --reset-values --cleanup-on-fail --no-hooks
    --skip-crds --devel --dependency-update --disable-openapi-validation --include-crds --take-ownership --hide-notes --verify --insecure-skip-tls-verify
    --plain-http --pass-credentials --generate-name -g --rollback-on-failure --force-update --skip-tests --skip-deps -q --quiet""".split()
)


class Scripts(NamedTuple):
    """What people and pipelines run to set a cluster up."""

    commands: tuple[Command, ...]
    terraform: Terraform


def read_scripts(loader: Loader) -> Scripts:
    """The commands of all scripts of the tree, and its Terraform."""
    return Scripts(tuple(_script_commands(loader)), read_terraform(loader))


def _script_commands(loader: Loader) -> Iterator[Command]:
    texts = {path: script_text(loader, path) for path in loader.tree.files if is_script_path(path)}
    # Task files of sub-directories see what those above them set.
    everywhere = {name: value for path in sorted(texts, key=lambda path: -path.count("/")) for name, value in variables_in(texts[path]).items()}
    for path, text in texts.items():
        if any(program in text for program in ("kubectl", "helm", "kustomize", "oc ", "flux ")):
            yield from commands_in(text, path, everywhere | variables_in(text))


def applies(command: Command) -> bool:
    """Does a command of kubectl change a cluster?"""
    if any(word.startswith("--dry-run") and word not in ("--dry-run=none",) for word in command.words):
        return False
    return bool({"apply", "create", "replace"}.intersection(positionals_of(command, KUBECTL_FLAGS)[:1]))
