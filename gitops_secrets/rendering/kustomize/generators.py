"""ConfigMaps and Secrets that a kustomization generates from literals, env files and files."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, Hidden, scalar_text
from gitops_secrets.rendering.kustomize.texts import Texts
from gitops_secrets.syntax.budget import ENTRY, Budget

BASE64_LINE = 70
BEHAVIORS = ("create", "replace", "merge")

# Reads a file that the kustomization names; raises `BuildError` if it can't be had.
ReadFile = Callable[[str, Place], bytes]


class _Pair(NamedTuple):
    key: str
    value: bytes
    place: Place


def generate(kind: str, written: MappingNode, options: MappingNode, read: ReadFile, budget: Budget) -> Draft:
    """The ConfigMap or Secret that an entry of `configMapGenerator` or `secretGenerator` stands for.

    `options` are the `generatorOptions` of the kustomization. Every field has the place of the entry that states it. Raises `BuildError`.
    """
    entry = written.place()
    name = scalar_text(written.get("name")) or scalar_text(as_mapping(written.get("metadata")).get("name"))
    if not name:
        raise BuildError(f"a generated {kind} needs a name", entry)
    pairs = {}
    for pair in _pairs(written, read, budget):
        if pair.key in pairs:
            raise BuildError(f"{kind} {name} repeats the key {pair.key!r}", pair.place)
        pairs[pair.key] = pair
    node = _new(entry)
    name_place = written.place("name")
    node.put("apiVersion", "v1", entry)
    node.put("kind", kind, entry)
    metadata = _new(entry)
    metadata.put("name", name, name_place)
    node.put("metadata", metadata, name_place)
    namespace = scalar_text(written.get("namespace")) or scalar_text(as_mapping(written.get("metadata")).get("namespace"))
    if namespace:
        metadata.put("namespace", namespace, written.place("namespace"))
    if kind == "Secret":
        node.put("type", scalar_text(written.get("type")) or "Opaque", written.place("type"))
        node.put("data", _new(entry), entry)
    for pair in sorted(pairs.values()):
        field, value = _secret_value(pair.value) if kind == "Secret" else _config_map_value(pair.value)
        if field not in node:
            node.put(field, _new(entry), entry)
        node[field].put(pair.key, value, pair.place)
    own = as_mapping(written.get("options"))
    for field in ("labels", "annotations"):
        entries = _merged_options(own, options, field)
        if entries:
            metadata.put(field, entries, entries.place())
    if own.get("immutable") is True or options.get("immutable") is True:
        node.put("immutable", True, own.place("immutable") if own.get("immutable") is True else options.place("immutable"))
    draft = Draft(node)
    draft.hash_suffix = own.get("disableNameSuffixHash") is not True and options.get("disableNameSuffixHash") is not True
    behavior = scalar_text(written.get("behavior"))
    draft.behavior = behavior if behavior in BEHAVIORS else "unspecified"
    return draft


def _new(place: Place) -> MappingNode:
    return MappingNode(place.file, place.line << 16 | place.column)


def _merged_options(own: MappingNode, shared: MappingNode, field: str) -> MappingNode:
    entries = MappingNode(own.file, own.mark)
    for options in (shared, own):
        written = as_mapping(options.get(field))
        for key, value in written.items():
            if not entries:
                entries.file, entries.mark = written.file, written.mark
            entries.put(key, scalar_text(value), written.place(key))
    return entries


def _pairs(written: MappingNode, read: ReadFile, budget: Budget) -> Iterator[_Pair]:
    env_files = as_sequence(written.get("envs"))
    for index, path in enumerate(env_files):
        yield from _env_pairs(path, env_files.place(index), read, budget)
    if written.get("env"):
        yield from _env_pairs(written["env"], written.place("env"), read, budget)
    literals = as_sequence(written.get("literals"))
    for index, literal in enumerate(literals):
        yield _literal_pair(literal, literals.place(index))
    files = as_sequence(written.get("files"))
    for index, source in enumerate(files):
        yield _file_pair(source, files.place(index), read)


def _literal_pair(literal: Any, place: Place) -> _Pair:
    key, equals, value = scalar_text(literal).partition("=")
    if not key or not equals:
        # The literal is not quoted: it may hold a secret.
        raise BuildError("a literal must be key=value", place)
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return _Pair(key, value.encode("utf-8", "surrogatepass"), place)


def _file_pair(source: Any, place: Place, read: ReadFile) -> _Pair:
    text = scalar_text(source)
    key, equals, path = text.partition("=")
    if not equals:
        key, path = posixpath.basename(text.rstrip("/")), text
    elif "=" in path or not key or not path:
        raise BuildError(f"{text!r} is no file source: a path, or key=path", place)
    return _Pair(key, read(path, place), place)


def _env_pairs(path: Any, place: Place, read: ReadFile, budget: Budget) -> Iterator[_Pair]:
    content = read(scalar_text(path), place)
    budget.spend(ENTRY * content.count(b"\n"))
    for number, line in enumerate(content.split(b"\n")):
        if not number:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            text = line.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            raise BuildError(f"line {number + 1} of {path} is not UTF-8", place) from None
        if text and not text.startswith("#"):
            key, _, value = text.partition("=")
            if key:
                yield _Pair(key, value.encode("utf-8", "surrogatepass"), place)


def _config_map_value(value: bytes) -> tuple[str, str]:
    try:
        return "data", value.decode("utf-8")
    except UnicodeDecodeError:
        return "binaryData", _base64(value)


def _secret_value(value: bytes) -> tuple[str, Hidden]:
    return "data", Hidden(_base64(value))


def _base64(value: bytes) -> str:
    """Base64 as kustomize wraps it: lines of 70, each ended, but for a text that fits on one."""
    encoded = base64.b64encode(value).decode()
    if len(encoded) < BASE64_LINE:
        return encoded
    return "".join(encoded[start : start + BASE64_LINE] + "\n" for start in range(0, len(encoded), BASE64_LINE))


def merge_into(old: Draft, new: Draft, texts: Texts) -> None:
    """Makes `new` what it becomes where its behaviour is to merge with `old` or to replace it. Its name and namespace are those of `old`."""
    node = new.node.copy()
    metadata = as_mapping(node.get("metadata")).copy()
    before = as_mapping(old.node.get("metadata"))
    for field in ("labels", "annotations"):
        entries = _joined(as_mapping(before.get(field)), as_mapping(metadata.get(field)), texts)
        if entries:
            metadata.put(field, entries, entries.place())
        elif field in metadata:
            metadata.remove(field)
    for field in ("name", "namespace"):
        if before.get(field):
            metadata.put(field, before[field], before.place(field))
        elif field in metadata:
            metadata.remove(field)
    node["metadata"] = metadata
    if new.behavior == "merge":
        for field in ("data", "binaryData"):
            entries = _joined(as_mapping(old.node.get(field)), as_mapping(node.get(field)), texts)
            if entries:
                node.put(field, entries, entries.place())
            elif field in node:
                node.remove(field)
    new.node = node
    new.previous, new.prefixes, new.suffixes = old.previous, old.prefixes, old.suffixes
    new.variables = old.variables
    new.hash_suffix = new.hash_suffix and old.hash_suffix
    if new.behavior == "merge":
        new.origin = old.origin or new.origin
    new.behavior = old.behavior


def _joined(old: MappingNode, new: MappingNode, texts: Texts) -> MappingNode:
    if not old:
        return new
    joined = MappingNode(old.file, old.mark)
    for entries in (old, new):
        for key, value in entries.items():
            joined.put(key, value if isinstance(value, Hidden) else texts.spelling(entries, key), entries.place(key))
    return joined
