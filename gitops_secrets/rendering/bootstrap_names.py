"""What scripts, pages and tasks of Ansible name that they install, in whatever way."""

from __future__ import annotations

import re

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.nodes import Place
from gitops_secrets.rendering.commands import Command, commands_in, options_of, positionals_of
from gitops_secrets.rendering.scripts import HELM_FLAGS, PAGES, Scripts, applies

_INSTALLED = re.compile(r"[\s-]*(?:release_name|chart_ref|src):\s*(\S+)")
_PART = re.compile(r"[a-z0-9][a-z0-9-]*")


def bootstrap_names(loader: Loader, scripts: Scripts) -> dict[str, Place]:
    """What commands of scripts and pages, and tasks of Ansible, name that they install: charts, and every part of a path; with the first place.

    What such a command comes to can't always be told, through variables say. What it names may be there before the engine starts all the same.
    """
    found: dict[str, Place] = {}
    for command in scripts.commands:
        _name(found, command)
    for path in loader.tree.files:
        if path.endswith(PAGES) and (loader.holds(path, b"kubectl") or loader.holds(path, b"helm")):
            for command in commands_in(loader.content_of(path), path, {}):
                _name(found, command)
        elif path.endswith((".yaml", ".yml")) and (loader.holds(path, b"kubernetes.core.") or loader.holds(path, b"community.kubernetes.")):
            for number, line in enumerate(loader.content_of(path).splitlines(), 1):
                written = _INSTALLED.match(line)
                if written is not None:
                    _name_parts(found, written[1], Place(path, number, written.start(1) + 1))
    return found


def _name(found: dict[str, Place], command: Command) -> None:
    if command.program in ("kubectl", "oc") and applies(command):
        words = options_of(command, ("-k", "--kustomize", "-f", "--filename"))
        words += [word for before in command.before for word in before.words[1:] if not word.startswith("-")]
    elif command.program in ("helm", "helmfile") and {"install", "upgrade", "apply", "sync"}.intersection(command.words):
        words = positionals_of(command, HELM_FLAGS)
    else:
        return
    for word in words:
        _name_parts(found, word, command.place)


def _name_parts(found: dict[str, Place], word: str, place: Place) -> None:
    for part in _PART.findall(word.lower()):
        found.setdefault(part, place)
