"""Manifests that are applied before the engine starts: by name, by a script, a helmfile or Terraform, or out of a machine configuration.

These are providers outside of the graph: their objects are there before any unit is applied.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gitops_secrets.manifests.load import Loader, parse_documents
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence, as_text, placed
from gitops_secrets.rendering.commands import (
    Command,
    commands_in,
    listed_directories_in,
    manifests_named_in,
    options_of,
    positionals_of,
    resolve,
    resolve_each,
    script_text,
)
from gitops_secrets.rendering.helmfile import DEFINITIONS_ONLY, is_helmfile_path, read_helmfile
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES
from gitops_secrets.rendering.scripts import KUBECTL_FLAGS, PAGES, TEMPLATES, YAML, Scripts, applies
from gitops_secrets.rendering.templated import UNKNOWN, neutralised, read_templated

_INTERPOLATED = re.compile(r"\$\{[^{}]*\}")
# Options that take no value.
_KUSTOMIZE_FLAGS = frozenset("--enable-helm --enable-alpha-plugins --enable-exec --enable-star --network --as-current-user".split())
_FLUX_FLAGS = frozenset("--prune --wait --force --silent --verbose".split())


@dataclass(frozen=True, slots=True)
class BootstrapManifest:
    """A kustomization directory or a file of manifests that a script applies; `place` is the command. With `only`, just objects of that kind.

    One that is `synced` is built by a Flux Kustomization that the script creates.
    """

    path: str
    is_kustomization: bool
    place: Place
    only: str | None = None
    synced: bool = False


@dataclass(frozen=True, slots=True)
class BootstrapObjects:
    """Objects that are written in something else than a manifest: a template, a machine configuration, the words of a command."""

    path: str
    place: Place
    nodes: tuple[MappingNode, ...]


def bootstrap_directories(loader: Loader, scripts: Scripts, paths: Iterable[tuple[str, Place]] = ()) -> tuple[BootstrapManifest, ...]:
    """Kustomization directories and manifests that scripts and hooks of helmfiles apply by name, and `paths` that the user names."""
    found = [manifest for path, place in paths for manifest in _manifests(loader, path, place)]
    for command in scripts.commands:
        found += [*_applied(loader, command), *_synced(loader, command)]
    for local in scripts.terraform.commands:
        for command in commands_in(local.text, local.place.file, {}):
            found += _applied(loader, replace(command, place=local.place), f"{local.directory}/")
    for path in loader.tree.files:
        if is_helmfile_path(path):
            for hook in read_helmfile(loader, path).hooks:
                found += _applied(loader, Command(hook.words, hook.place), f"{hook.directory}/")
    return tuple({(manifest.path, manifest.only): manifest for manifest in reversed(found)}.values())[::-1]


def bootstrap_objects(loader: Loader, scripts: Scripts) -> tuple[BootstrapObjects, ...]:
    """Objects of templates that scripts apply, of Talos machine configurations (`inlineManifests`), and of `kubectl create namespace` and `secret`.

    A comment beside a reference that says how to create the Secret by hand counts as such a command, and so does a page that says it.
    """
    found = []
    for command in scripts.commands:
        found += [*_created(loader, command), *_templated(loader, command)]
    found += _beside_helmfiles(loader)
    for made in scripts.terraform.objects:
        found += _written(made.kind, made.name, made.namespace, made.place)
    for written, place in scripts.terraform.texts:
        for document in loader.parse(neutralised(_INTERPOLATED.sub(UNKNOWN, written)), place.file, place).documents:
            found += _inline(loader, as_mapping(document), place.file, place)
    for local in scripts.terraform.commands:
        for command in commands_in(local.text, local.place.file, {}):
            found += _created(loader, replace(command, place=local.place))
    for path in loader.tree.files:
        if path.endswith((".yaml", ".yml")) and loader.holds(path, b"create secret"):
            for command in _commented(loader.content_of(path), path):
                found += _created(loader, command)
        elif path.endswith(PAGES) and loader.holds(path, b"kubectl"):
            for command in commands_in(loader.content_of(path), path, {}):
                found += _created(loader, command)
    for path in loader.tree.files:
        if path.endswith((".yaml", ".yml")) and "talos" in path.lower() and loader.holds(path, b"inlineManifests"):
            found += _inline_manifests(loader, path)
    return tuple(found)


def bootstrap_remotes(loader: Loader, scripts: Scripts) -> tuple[tuple[str, Place], ...]:
    """Addresses of manifests that a script applies (`kubectl apply -f https://…`) or a Talos machine configuration names (`extraManifests`)."""
    found: list[tuple[str, Place]] = []
    for command in scripts.commands:
        if command.program in ("kubectl", "oc") and applies(command):
            paths = [*options_of(command, ("-f", "--filename", "-k", "--kustomize")), *_named_elsewhere(loader, command)]
            found += [(path, command.place) for path in paths if "://" in path or path.startswith("github.com/")]
    for path in loader.tree.files:
        if "talos" in path.lower() and path.endswith((".yaml", ".yml", ".tf", *TEMPLATES)) and loader.holds(path, b"extraManifests:"):
            found += _extra_manifests(loader.content_of(path), path)
    return tuple(found)


def _beside_helmfiles(loader: Loader) -> Iterator[BootstrapObjects]:
    """Manifests, templates or not, below the folder of a helmfile of the bootstrap: whoever runs the one applies the others, in whatever way."""
    helmfiles = {path for path in loader.tree.files if is_helmfile_path(path) and "/helmfile" in path.lower()}
    folders = {path[: path.lower().index("/helmfile")] for path in helmfiles}
    starts = tuple(f"{folder}/" for folder in folders if "bootstrap" in folder.lower())
    for path in loader.tree.files:
        if starts and path.startswith(starts) and path.removesuffix(".j2").endswith(YAML) and path not in helmfiles:
            documents = read_templated(loader, path)
            nodes = tuple(document for document in documents if isinstance(document, MappingNode) and document.get("kind") and "metadata" in document)
            if nodes:
                yield BootstrapObjects(path, nodes[0].place(), nodes)


def _extra_manifests(text: str, path: str) -> Iterator[tuple[str, Place]]:
    """The entries of `extraManifests`, from the text: such files are often templates or encrypted, these lines are neither."""
    within = False
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if words == "extraManifests:":
            within = True
        elif within and words and not words.startswith("#"):
            entry = words.removeprefix("-").strip().strip("\"'")
            within = words.startswith("-")
            if within and "://" in entry:
                yield entry, Place(path, number, line.index(entry) + 1)


def _commented(text: str, path: str) -> Iterator[Command]:
    """Commands that a comment of a manifest tells people to run, each in its line."""
    comments = (line.lstrip().lstrip("#").strip() if line.lstrip().startswith("#") else "" for line in text.splitlines())
    return commands_in("\n".join(comments), path, {})


def _applied(loader: Loader, command: Command, base: str | None = None) -> Iterator[BootstrapManifest]:
    """What `kubectl apply` is given: directories, files, or the output of `kustomize build`."""
    if command.program not in ("kubectl", "oc") or not applies(command):
        return
    file = base or command.place.file
    for path in options_of(command, ("-k", "--kustomize")):
        for directory in resolve_each(loader.tree, path, file):
            yield from _manifests(loader, directory, command.place)
    for paths in options_of(command, ("-f", "--filename")):
        for path in paths.split(","):
            if path != "-":
                yield from _manifests(loader, resolve(loader.tree, path, file), command.place, plain=True)
    for path in _named_elsewhere(loader, command):
        target = resolve(loader.tree, path, file) if path.endswith(YAML) else None
        if target is not None and "bootstrap" in f"{target} {file}".lower():
            yield from _manifests(loader, target, command.place, plain=True)
    if "-" in options_of(command, ("-f", "--filename")):
        yield from _piped(loader, command, file)


def _piped(loader: Loader, command: Command, file: str) -> Iterator[BootstrapManifest]:
    """What the commands before it hand to `kubectl apply -f -`: a build of kustomize, or files that they read."""
    only = _only_kind(command.before)
    for before in command.before:
        words = positionals_of(before, _KUSTOMIZE_FLAGS)
        if (before.program == "kustomize" and words[:1] == ["build"]) or (before.program == "kubectl" and words[:1] == ["kustomize"]):
            for path in words[1:2]:
                yield from _manifests(loader, resolve(loader.tree, path, file), command.place, only=only)
        elif before.program not in ("helm", "helmfile", "kubectl"):
            for word in before.words[1:]:
                if word.endswith(YAML):
                    yield from _manifests(loader, resolve(loader.tree, word, file), command.place, plain=True, only=only)


def _named_elsewhere(loader: Loader, command: Command) -> list[str]:
    """What the script of a command names, if the command applies what a variable holds: that was read from files or addresses of a list, or rendered."""
    given = options_of(command, ("-f", "--filename"))
    piped = {word for before in command.before for word in before.words[1:]} if "-" in given else set()
    # `sops exec-file FILE 'kubectl apply -f {}'` puts the file there.
    if not {UNKNOWN, "{}"}.intersection((*given, *piped)):
        return []
    return manifests_named_in(script_text(loader, command.place.file))


def _synced(loader: Loader, command: Command) -> Iterator[BootstrapManifest]:
    """`flux create kustomization NAME --path=DIRECTORY`."""
    if command.program != "flux" or "--export" in command.words:
        return
    if positionals_of(command, _FLUX_FLAGS)[:2] in (["create", "kustomization"], ["create", "ks"]):
        for path in options_of(command, ("--path",)):
            for directory in resolve_each(loader.tree, path, command.place.file):
                yield BootstrapManifest(directory, True, command.place, synced=True)


def _manifests(loader: Loader, path: str | None, place: Place, *, plain: bool = False, only: str | None = None) -> Iterator[BootstrapManifest]:
    """A kustomization directory as it is; of another directory, or with `plain`, the files."""
    tree = loader.tree
    if path is None:
        return
    if tree.is_file(path):
        if path.endswith(YAML) and posixpath.basename(path) not in FILE_NAMES:
            yield BootstrapManifest(path, False, place, only)
    elif not plain and any(tree.is_file(f"{path}/{name}") for name in FILE_NAMES):
        yield BootstrapManifest(path, True, place, only)
    elif tree.is_directory(path):
        for name in tree.children(path):
            if name.endswith(YAML) and name not in FILE_NAMES and tree.is_file(f"{path}/{name}"):
                yield BootstrapManifest(f"{path}/{name}", False, place, only)


def _only_kind(commands: Iterable[Command]) -> str | None:
    """The kind that a filter between lets through."""
    for command in commands:
        for word in command.words[1:]:
            if ".kind ==" in word:
                return next((kind for kind in (DEFINITIONS_ONLY, "Namespace", "Secret") if kind in word), None)
    return None


_CREATED: Final = MappingProxyType(
    {
        "namespace": "Namespace",
        "ns": "Namespace",
        "secret": "Secret",
        "configmap": "ConfigMap",
        "cm": "ConfigMap",
        "serviceaccount": "ServiceAccount",
        "sa": "ServiceAccount",
    }
)


def _created(loader: Loader, command: Command) -> Iterator[BootstrapObjects]:
    """`kubectl create namespace NAME`, `kubectl create secret generic NAME -n NAMESPACE` and its like, and `flux create secret git NAME`."""
    if command.program == "flux" and "--export" not in command.words:
        words = positionals_of(command, _FLUX_FLAGS)
        if words[:2] == ["create", "secret"] and len(words) > 3 and UNKNOWN not in words[3]:
            yield from _written("Secret", words[3], next(iter(options_of(command, ("-n", "--namespace"))), "flux-system"), command.place)
        return
    words = positionals_of(command, KUBECTL_FLAGS) if command.program == "kubectl" else []
    if words[:1] != ["create"] or len(words) < 3:
        return
    kind = _CREATED.get(words[1])
    # Only a Secret has a type before its name.
    name = words[-1] if kind == "Namespace" else words[2] if kind != "Secret" else words[3] if len(words) > 3 else ""
    namespace = next(iter(options_of(command, ("-n", "--namespace"))), "default" if kind != "Namespace" else "")
    names = _listed(loader, command) if kind == "Namespace" and name in (UNKNOWN, "{}") else [name]
    for name in names:
        if kind and name and UNKNOWN not in name + namespace:
            yield from _written(kind, name, namespace, command.place)


def _written(kind: str, name: str, namespace: str, place: Place) -> Iterator[BootstrapObjects]:
    """An object of which only the name is known."""
    version = "storage.k8s.io/v1" if kind == "StorageClass" else "v1"
    within = f", namespace: {namespace!r}" if kind not in ("Namespace", "StorageClass") else ""
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name!r}{within}}}\n"
    nodes = (as_mapping(document) for document in parse_documents(text, place.file, DEFAULT_LIMITS).documents)
    yield BootstrapObjects(place.file, place, tuple(placed(node, place) for node in nodes))


def _listed(loader: Loader, command: Command) -> list[str]:
    """What the script of a command goes through: directories that are called as their namespaces are."""
    tree = loader.tree
    found = []
    for path in listed_directories_in(script_text(loader, command.place.file)):
        directory = resolve(tree, path, command.place.file)
        if directory is not None:
            found += [name for name in tree.children(directory) if tree.is_directory(f"{directory}/{name}")]
    return found


def _templated(loader: Loader, command: Command) -> Iterator[BootstrapObjects]:
    """Templates that a script of the bootstrap renders and pipes into `kubectl apply`."""
    if command.program != "kubectl" or "-" not in options_of(command, ("-f", "--filename")) or not applies(command):
        return
    words = [word for before in command.before for word in before.words[1:]] + _named_elsewhere(loader, command)
    for word in [word for word in words if word.endswith(TEMPLATES)]:
        path = resolve(loader.tree, word, command.place.file)
        if path is not None and loader.tree.is_file(path) and "bootstrap" in f"{path} {command.place.file}".lower():
            nodes = tuple(document for document in read_templated(loader, path) if isinstance(document, MappingNode) and document.get("kind"))
            yield BootstrapObjects(path, command.place, nodes)


def _inline_manifests(loader: Loader, path: str) -> Iterator[BootstrapObjects]:
    for document in read_templated(loader, path):
        yield from _inline(loader, as_mapping(document), path)


def _inline(loader: Loader, document: MappingNode, path: str, place: Place | None = None) -> Iterator[BootstrapObjects]:
    """The manifests of a machine configuration, or the document itself where it is one; all at `place` if that is given."""
    entries = [as_mapping(entry) for entry in as_sequence(as_mapping(document.get("cluster")).get("inlineManifests"))]
    for entry in entries:
        at = place or entry.place("contents")
        nodes = loader.parse(as_text(entry.get("contents")), path, at).documents
        yield BootstrapObjects(path, at, tuple(placed(node, at) for node in nodes if isinstance(node, MappingNode)))
    if place is not None and "apiVersion" in document and UNKNOWN not in as_text(as_mapping(document.get("metadata")).get("name")):
        yield BootstrapObjects(path, place, (placed(document, place),))
