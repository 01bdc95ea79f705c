"""Commands in Makefiles, justfiles, Taskfiles, mise tasks and shell scripts that install something by name.

No shell is interpreted: lines are split into pipelines and words, variables that the file itself sets are filled in, and a path counts only if it is
there in the tree.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.nodes import Place
from gitops_secrets.rendering.templated import UNKNOWN
from gitops_secrets.repository.tree import Tree, join

_NAMES = frozenset({"makefile", "gnumakefile", "justfile", ".justfile", "mise.toml", ".mise.toml", "taskfile.yaml", "taskfile.yml", "taskfile.dist.yaml"})
_SUFFIXES = (".sh", ".bash", ".just", ".mk")
_DIRECTORIES = frozenset({".taskfiles", "taskfiles", ".task", ".mise", "mise-tasks", ".mise-tasks", "scripts", "hack"})
_IN_DIRECTORIES = (".yaml", ".yml", ".toml", ".sh")
_PROGRAMS = ("kubectl", "helm", "kustomize", "helmfile", "oc", "flux")
# `for NAME in WORD WORD`, as far as the words are written out.
_LOOP = re.compile(r"\bfor ([A-Za-z_]\w{0,99}) in ([^;|&]{1,2000})")
_LOOP_END = re.compile(r"(?:^|;)[ \t]*done\b")
_MAX_LOOPS = 5
_WORD = re.compile(r"[\"']?[\w./-]+[\"']?\Z")
_OF_INTEREST = re.compile(r"\b(?:kubectl|helm|helmfile|kustomize|oc|flux)\b", re.IGNORECASE)

# Quotes in general can't be trusted: comments and texts hold apostrophes.
_QUOTED_PROGRAM = re.compile(r"\|\s*\S+ -[ce] '[^']*\Z")


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its words. `before` are the commands whose output it reads, `file` the script it stands in."""

    words: tuple[str, ...]
    place: Place
    before: tuple[Command, ...] = ()

    @property
    def program(self) -> str:
        """The name of the program, without its directory and make's prefixes."""
        return self.words[0].lstrip("@-+").rpartition("/")[2]


# Of a script, and of a line of it: what is looked for in them stands in lists and commands that people read.
MAX_SCRIPT = 1 << 17
MAX_LINE = 2048


def script_text(loader: Loader, path: str) -> str:
    """The text of a script, as far as it is looked at; its lines stay where they are."""
    return "\n".join(line[:MAX_LINE] for line in loader.content_of(path)[:MAX_SCRIPT].split("\n"))


def is_script_path(path: str) -> bool:
    """Is this a file that people run to set a cluster up, by its name?"""
    *directories, name = path.lower().split("/")
    if name in _NAMES or name.endswith(_SUFFIXES):
        return True
    inside = _DIRECTORIES.intersection(directories)
    return bool(inside) and (name.endswith(_IN_DIRECTORIES) or ("." not in name and bool(inside & {".mise", "mise-tasks", ".mise-tasks"})))


def variables_in(text: str) -> dict[str, str]:
    """Variables that a script sets to something plain, as written; of two settings the first counts."""
    found: dict[str, str] = {}
    for match in _ASSIGNMENT.finditer(text):
        found.setdefault(match["name"], _value(match["value"]))
    return found


def manifests_named_in(text: str) -> list[str]:
    """Paths and addresses of manifests and templates that a script names anywhere, in its lists and variables too; variables in them filled in."""
    variables = variables_in(text)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return list(dict.fromkeys(_MANIFEST.findall(_filled("\n".join(lines), variables))))


def listed_directories_in(text: str) -> list[str]:
    """Directories whose directories a script goes through, by `find DIRECTORY … -type d` or `DIRECTORY/*/`; variables in them filled in."""
    return [match[1] or match[2] for match in _LISTED.finditer(_filled(text, variables_in(text)))]


def commands_in(text: str, file: str, variables: Mapping[str, str]) -> Iterator[Command]:
    """The commands of a script that run one of the programs of interest, as far as they can be told; in a loop over words, once for each."""
    loops: list[tuple[str, list[str]]] = []
    for number, line in _logical_lines(text):
        if "for " in line:
            loops += [(loop[1], [word.strip("\"'") for word in loop[2].split() if _WORD.match(word)]) for loop in _LOOP.finditer(line)]
        if _OF_INTEREST.search(line):
            name, words = next(((name, words) for name, words in reversed(loops) if re.search(rf"\${{?{name}\b", line)), ("", []))
            for word in words or [""]:
                given = {**variables, name: word} if word else variables
                yield from _commands_of(_filled(line, given), Place(file, number, len(line) - len(line.lstrip()) + 1))
        if loops:
            del loops[len(loops) - len(_LOOP_END.findall(line)) :], loops[:-_MAX_LOOPS]


def _commands_of(line: str, place: Place) -> Iterator[Command]:
    before: list[Command] = []
    for separator, words in _segments(line):
        if separator != "|":
            before = []
        # A command line in quotes: of TOML, or of `bash -c`.
        for word in words:
            if " " in word and _OF_INTEREST.search(word) and word != line:
                yield from _commands_of(word, place)
        start = next((index for index, word in enumerate(words) if word.lstrip("@-+").rpartition("/")[2] in _PROGRAMS), 0)
        if words:
            command = Command(tuple(words[start:]), place, tuple(before))
            if command.program in _PROGRAMS:
                yield command
            before.append(command)


def options_of(command: Command, names: Iterable[str]) -> list[str]:
    """The values of an option in all its spellings: `-k x`, `--kustomize x`, `--kustomize=x`."""
    wanted = tuple(names)
    found = []
    words = command.words
    for index, word in enumerate(words):
        if word in wanted and index + 1 < len(words):
            found.append(words[index + 1])
        elif word.startswith("-") and "=" in word and word.partition("=")[0] in wanted:
            found.append(word.partition("=")[2])
    return found


def positionals_of(command: Command, flags: frozenset[str]) -> list[str]:
    """The words that are neither options nor their values; `flags` are the options that take none."""
    found = []
    skip = False
    for word in command.words[1:]:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = "=" not in word and word not in flags
        else:
            found.append(word)
    return found


def resolve(tree: Tree, path: str, file: str) -> str | None:
    """The path in the tree that a script means; None if there is none.

    Where a script runs is not known, so its own directory, those above it and the root are tried, and so for a path below an unknown directory.
    """
    if path.startswith(UNKNOWN):
        path = path.lstrip(UNKNOWN)
        # Only a directory may be unknown, not the start of a name.
        path = path.lstrip("/") if path.startswith("/") else ""
    if not path or UNKNOWN in path or "://" in path or path.startswith(("/", "~", "-")) or "\n" in path:
        return None
    directory = file.rpartition("/")[0]
    while True:
        target = join(directory, path)
        if target and (tree.is_file(target) or tree.is_directory(target)):
            return target
        if not directory:
            return None
        directory = directory.rpartition("/")[0]


def resolve_each(tree: Tree, path: str, file: str) -> list[str]:
    """The paths that a script may mean; a directory that only a variable names (`clusters/$CLUSTER/bootstrap`) is any directory in that place."""
    segments = path.rstrip("/").split("/")
    unknown = [index for index, segment in enumerate(segments) if index and UNKNOWN in segment]
    if not unknown:
        target = resolve(tree, path, file)
        return [] if target is None else [target]
    # More than one, or one at the end, would be nearly everything.
    index = unknown[0]
    above = resolve(tree, "/".join(segments[:index]), file) if len(unknown) == 1 and index < len(segments) - 1 and segments[index] == UNKNOWN else None
    candidates = ["/".join((above, name, *segments[index + 1 :])) for name in tree.children(above)] if above is not None else []
    return [candidate for candidate in candidates if tree.is_directory(candidate)]


_MANIFEST = re.compile(rf"https?://[^\s\"'`()<>|;]+|[\w./@+{UNKNOWN}-]+\.(?:ya?ml|json)(?:\.(?:j2|tpl|tmpl|gotmpl))?(?![\w.])")
_LISTED = re.compile(rf"\bfind\s+[\"']?([\w./@+{UNKNOWN}-]+)[^\n]*\s-type d\b|([\w./@+{UNKNOWN}-]+)[\"']?/\*/")
_ASSIGNMENT = re.compile(
    r"^[ \t]*(?:(?:export|readonly|local|declare)[ \t]+(?:-\w+[ \t]+)*)?"
    r"(?P<name>[A-Za-z_]\w*)[ \t]*(?:[:?+]?=|:[ \t])[ \t]*(?P<value>[^\n]*)",
    re.MULTILINE,
)
_REFERENCE = re.compile(r"\{\{-?\s*+\.?(\w+)\s*+(?:\(\s*+\))?\s*+-?\}\}|\{\{.*?\}\}|\$\{(\w+)[^}\n]*\}|\$\((\w+)\)|\$\([^()]*\)|\$(\w+)|`[^`]*`")
# Functions and variables of just, task and make that name the directory of the script or the root: both are tried anyway.
_ROOTS = re.compile(r"\b(?:justfile_dir(?:ectory)?|source_dir(?:ectory)?|invocation_directory)\(\)")


def _value(written: str) -> str:
    """The plain part of an assignment: without quotes and comments; concatenations of just joined."""
    written = written.strip()
    if not written.startswith(('"', "'")):
        written = re.sub(r"\s+#.*", "", written)
    written = _ROOTS.sub(f"'{UNKNOWN}'", written)
    parts = re.findall(r""""([^"]*)"|'([^']*)'""", written)
    if parts and re.fullmatch(r"""\s*(?:"[^"]*"|'[^']*')(?:\s*[+/]?\s*(?:"[^"]*"|'[^']*'))*\s*""", written):
        return "".join(one or other for one, other in parts)
    return written


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """`text` with variables filled in; an expression that is not known becomes one character."""
    return _filled_in(text, variables, 0, {})


def _filled_in(text: str, variables: Mapping[str, str], depth: int, values: dict[tuple[str, int], str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = next((group for group in match.groups() if group), "")
        known = variables.get(name)
        if known is not None and depth < 5:
            if (name, depth) not in values:
                values[name, depth] = _filled_in(known, variables, depth + 1, values)[:MAX_LINE]
            return values[name, depth]
        # A name like BOOTSTRAP_DIR tells more than nothing: a directory of that name counts if it is there.
        directory = re.fullmatch(r"(\w+?)_(?:DIR|PATH|dir|path)", name)
        return f"{UNKNOWN}/{directory[1].lower()}" if directory and directory[1].lower() not in ("root", "script", "project", "repo") else UNKNOWN

    return _REFERENCE.sub(value, _ROOTS.sub(UNKNOWN, text))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their number, continued ones joined: by a backslash, a pipe at the start of the next, or a program in quotes (`python3 -c '…`)."""
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        number = index + 1
        line = lines[index]
        while index + 1 < len(lines) and len(line) < MAX_LINE and _goes_on(line, lines[index + 1]):
            index += 1
            line = line.removesuffix("\\") + " " + lines[index].strip()
        index += 1
        if not line.lstrip().startswith("#"):
            yield number, line


def _goes_on(line: str, following: str) -> bool:
    return line.endswith("\\") or _QUOTED_PROGRAM.search(line) is not None or following.lstrip().startswith(("| ", "|& "))


def _segments(line: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a line with the operator before each."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        words = line.replace("|", " | ").split()
    separator = ""
    current: list[str] = []
    for word in words:
        if word and set(word) <= set("|&;"):
            yield separator, current
            separator, current = "|" if word == "|&" else word, []
        else:
            current.append(word)
    yield separator, current
