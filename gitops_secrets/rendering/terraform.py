"""What Terraform sets up before an engine starts: namespaces, Secrets, releases, and commands that it runs on the machine.

HCL is not evaluated. Blocks are found as `terraform fmt` writes them, each from the start of a line to a closing brace at the start of another; a name
counts if it is written plainly, as the default of a variable, as a local value, or as the name of another object of the directory.
Resource types: https://registry.terraform.io/providers/hashicorp/kubernetes and …/helm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Final

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Release, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, Place
from gitops_secrets.rendering.commands import MAX_LINE, script_text
from gitops_secrets.repository.tree import join

_SUFFIXES: Final = (".tf", ".tofu")
_BLOCK: Final = re.compile(r'^(resource|variable|locals|module)\b[ \t]*(?:"([\w-]+)"[ \t]*)?(?:"([\w-]+)"[ \t]*)?\{[ \t]*\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"^[ \t]*(\w+)[ \t]*=[ \t]*([^\n]+?)[ \t]*$", re.MULTILINE)
_LOCAL_EXEC: Final = re.compile(r'^([ \t]*)provisioner[ \t]+"local-exec"[ \t]*\{[ \t]*\n(.*?)^\1\}', re.MULTILINE | re.DOTALL)
_HEREDOC: Final = re.compile(r"\bcommand[ \t]*=[ \t]*<<[-~]?(\w+)[ \t]*\n(.*?)^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
_TEXT: Final = re.compile(r"<<[-~]?(\w+)[ \t]*\n(.*?)^[ \t]*\1\b", re.MULTILINE | re.DOTALL)
_REFERENCE: Final = re.compile(r"(var|local)\.([\w-]+)|([\w-]+)\.([\w-]+)(?:\.metadata(?:\[0\]|\.0))?\.(name|namespace|id)")
_INTERPOLATION: Final = re.compile(r"\$\{([^{}]*)\}")
_KINDS: Final[Mapping[str, str]] = {
    f"kubernetes_{name}{version}": kind
    for name, kind in (
        ("namespace", "Namespace"),
        ("secret", "Secret"),
        ("config_map", "ConfigMap"),
        ("service_account", "ServiceAccount"),
        ("storage_class", "StorageClass"),
    )
    for version in ("", "_v1")
}
_DEPTH: Final = 5  # of names that stand for others


@dataclass(frozen=True, slots=True)
class TerraformObject:
    """An object that a resource stands for."""

    kind: str
    namespace: str
    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class LocalCommand:
    """What a `local-exec` provisioner runs, in a directory of the tree."""

    text: str
    directory: str
    place: Place


@dataclass(frozen=True, slots=True)
class Terraform:
    """What the Terraform of a repository sets up."""

    objects: tuple[TerraformObject, ...]
    releases: tuple[Release, ...]
    commands: tuple[LocalCommand, ...]
    texts: tuple[tuple[str, Place], ...]  # manifests and machine configurations between markers (`<<EOT`)


def read_terraform(loader: Loader) -> Terraform:
    """All that the Terraform of a tree says plainly, directory by directory."""
    directories: dict[str, list[str]] = {}
    for path in loader.tree.files:
        if path.endswith(_SUFFIXES):
            directories.setdefault(path.rpartition("/")[0], []).append(path)
    objects: list[TerraformObject] = []
    releases: list[Release] = []
    commands: list[LocalCommand] = []
    texts: list[tuple[str, Place]] = []
    modules = {directory: _Module({path: script_text(loader, path) for path in sorted(paths)}) for directory, paths in sorted(directories.items())}
    for directory, module in modules.items():
        for source, given in module.calls():
            called = modules.get(join(directory, source) or "")
            if called is not None:
                called.values |= {("var", name): value for name, value in given.items()}
    for directory, module in modules.items():
        objects += module.objects()
        releases += module.releases()
        commands += module.commands(directory)
        texts += module.manifests()
    return Terraform(tuple(objects), tuple(releases), tuple(commands), tuple(texts))


@dataclass(frozen=True, slots=True)
class _Block:
    type: str  # of a resource: its type; of a variable: variable
    name: str
    body: str
    place: Place

    def attribute(self, name: str) -> str:
        """The expression of an attribute, of the block or of one within it."""
        return next((match[2] for match in _ATTRIBUTE.finditer(self.body) if match[1] == name), "")


class _Module:
    """The files of one directory, which see each other's values."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.blocks = tuple(block for path, text in texts.items() for block in _blocks_in(text, path))
        self.values = {("var", block.name): block.attribute("default") for block in self.blocks if block.type == "variable"}
        self.values |= {("local", match[1]): match[2] for block in self.blocks if block.type == "locals" for match in _ATTRIBUTE.finditer(block.body)}
        self.resources = {(block.type, block.name): block for block in self.blocks}

    def calls(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The modules in directories near this one that it calls, with what it gives them, as texts."""
        for block in self.blocks:
            source = self.value(block.attribute("source")) if block.type == "module" else ""
            if source.startswith("."):
                written = {match[1]: self.value(match[2]) for match in _ATTRIBUTE.finditer(block.body)}
                yield source.rstrip("/"), {name: f'"{value}"' for name, value in written.items() if value}

    def manifests(self) -> Iterator[tuple[str, Place]]:
        for path, text in self.texts.items():
            for match in _TEXT.finditer(text):
                if "kind:" in match[2]:
                    yield dedent(match[2]), Place(path, text.count("\n", 0, match.start(2)) + 1, 1)

    def objects(self) -> Iterator[TerraformObject]:
        for block in self.blocks:
            kind, name = _KINDS.get(block.type), self.value(block.attribute("name"))
            if kind is not None and name:
                written = block.attribute("namespace")
                namespace = self.value(written) if written else "default"
                if namespace or kind in ("Namespace", "StorageClass"):
                    yield TerraformObject(kind, namespace, name, block.place)

    def releases(self) -> Iterator[Release]:
        for block in self.blocks:
            chart = self.value(block.attribute("chart")) if block.type == "helm_release" else ""
            if not chart or chart.startswith("."):
                continue
            repository = chart if chart.startswith("oci://") else self.value(block.attribute("repository"))
            chart = chart.rstrip("/").rpartition("/")[2]
            name = self.value(block.attribute("name")) or chart
            written = block.attribute("namespace")
            namespace = self.value(written) if written else "default"
            yield Release(
                resource=ResourceId("", "Terraform", namespace, name),
                chart=chart,
                repository=repository,
                version=self.value(block.attribute("version")),
                name=name,
                namespace=namespace,
                values=EMPTY_MAPPING,
                values_complete=False,
                place=block.place,
                create_namespace=block.attribute("create_namespace") == "true",
                when=When.BEFORE,
                extra={"description": f"{block.place.file}: {name}"},
            )

    def commands(self, directory: str) -> Iterator[LocalCommand]:
        for path, text in self.texts.items():
            for match in _LOCAL_EXEC.finditer(text):
                attributes = {found[1]: found[2] for found in _ATTRIBUTE.finditer(match[2])}
                heredoc = _HEREDOC.search(match[2])
                command = heredoc[2] if heredoc is not None else _unquoted(attributes.get("command", ""))
                # `path.module` and `path.root` are the directory itself as far as can be told.
                folder = _INTERPOLATION.sub(".", _unquoted(attributes.get("working_dir", '"."')))
                place = Place(path, text.count("\n", 0, match.start()) + 1, len(match[1]) + 1)
                yield LocalCommand(_INTERPOLATION.sub(lambda found: self.value(found[1]) or found[0], command), f"{directory}/{folder}".lstrip("/"), place)

    def value(self, expression: str, depth: int = 0) -> str:
        """The text that an expression comes to; empty if that can't be told."""
        if depth > _DEPTH or len(expression) > MAX_LINE:
            return ""
        text = _unquoted(expression)
        if text != expression:
            parts = [self.value(part, depth + 1) if index % 2 else part for index, part in enumerate(_INTERPOLATION.split(text))]
            return "".join(parts) if all(parts[1::2]) else ""
        found = _REFERENCE.fullmatch(expression.strip())
        if found is None:
            return ""
        if found[1]:
            return self.value(self.values.get((found[1], found[2]), ""), depth + 1)
        block = self.resources.get((found[3], found[4]))
        return "" if block is None else self.value(block.attribute("name" if found[5] == "id" else found[5]), depth + 1)


def _blocks_in(text: str, path: str) -> Iterator[_Block]:
    for match in _BLOCK.finditer(text):
        place = Place(path, text.count("\n", 0, match.start()) + 1, 1)
        if match[1] == "resource":
            yield _Block(match[2] or "", match[3] or "", match[4], place)
        else:
            yield _Block(match[1], match[2] or "", match[4], place)


def _unquoted(expression: str) -> str:
    return expression[1:-1].replace('\\"', '"') if len(expression) > 1 and expression[0] == expression[-1] == '"' else expression
