"""Real manifests, changed as no editor would: fields replaced, removed, renamed, retyped and swapped, documents cut, repeated and torn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.rules import cases, files_of
from tests.unbreakable.cases import HOSTILE_NAMES

ROOT = Path(__file__).parents[2]
# Folders that hold a repository each; those of a cluster that the sample does not have come from the tests.
SOURCES = (*sorted((ROOT / "tests" / "repositories").iterdir()), ROOT)
SAMPLE = ("base", "overlays")
LARGEST = 40  # files of one repository

# Of every type that YAML has, and of those that look like another one.
WRONG_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    1.5,
    "",
    " ",
    "~",
    "0x1F",
    "2024-01-02",
    "on",
    "${x}",
    "${x:-${y:-z}}",
    "{{ .x }}",
    "<< inputs.x >>",
    "*",
    "(",
    "/",
    "../..",
    "a\nb",
    [],
    [None],
    [[]],
    ["a", "a"],
    [{}],
    {},
    {"": ""},
    {"name": None},
    {"a": {"b": {"c": ["d"]}}},
    *HOSTILE_NAMES.values(),
)
# What people and tools leave behind in files.
TORN = ("", "\0", "\t", "---\n", "<<<<<<< HEAD\n", "&a *a", "{{", "[", "\ufeff", "\r", "!!python/object:os.system x", '"', "%YAML 9\n")


@cache
def repositories() -> Mapping[str, Mapping[str, str]]:
    """The text files of each source, by name."""
    found = {}
    for source in SOURCES:
        below = [source / name for name in SAMPLE] if source == ROOT else [source]
        paths = sorted(path for folder in below for path in folder.rglob("*") if path.is_file())
        found[source.name] = {path.relative_to(source).as_posix(): path.read_text(encoding="utf-8", errors="surrogateescape") for path in paths}
    return found


@cache
def all_repositories() -> Mapping[str, Mapping[str, str]]:
    """With those of the tables of rules, which hold kinds and fields that no other repository has."""
    return {**repositories(), **{f"{rule}: {case['name']}": files_of(case) for rule, case in cases()}}


@cache
def documents(text: str) -> tuple[Any, ...] | None:
    """The documents of a text; None if it is no YAML, or holds nothing to change."""
    try:
        found = tuple(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError):
        return None
    return found if any(isinstance(document, dict | list) for document in found) else None


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    """A copy with `change` of what stands at `path`; `change` gets the container and the key."""
    if isinstance(value, dict | list):
        copy = value.copy()
        if len(path) == 1:
            change(copy, path[0])
        else:
            copy[path[0]] = replaced(copy[path[0]], path[1:], change)
        return copy
    return value


def _set(new: Any) -> Any:
    def change(container: Any, key: Any) -> None:
        container[key] = new

    return change


def _remove(container: Any, key: Any) -> None:
    del container[key]


def _rename(name: str) -> Any:
    def change(container: Any, key: Any) -> None:
        if isinstance(container, dict):
            container[name] = container.pop(key)

    return change


def _wrap(container: Any, key: Any) -> None:
    container[key] = [container[key], {"name": container[key]}]


def _repeat(container: Any, key: Any) -> None:
    if isinstance(container[key], list):
        container[key] = container[key] * 3


@st.composite
def mutated_repositories(draw: st.DrawFn) -> dict[str, str]:
    """A part of a real repository with a few changes."""
    found = draw(st.sampled_from([repositories(), all_repositories()]))
    files = dict(found[draw(st.sampled_from(sorted(found)))])
    names = sorted(files)
    if len(names) > LARGEST:
        start = draw(st.integers(0, len(names) - LARGEST))
        files = {name: files[name] for name in names[start : start + LARGEST]}
    for _ in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from(sorted(files)))
        parsed = documents(files[name])
        if parsed is None or draw(st.integers(0, 9)) == 0:
            files[name] = _torn(draw, files[name])
        else:
            files[name] = _changed(draw, parsed)
    return files


def _torn(draw: st.DrawFn, text: str) -> str:
    at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 40))
    inserted = draw(st.sampled_from(TORN))
    return text[:at] + inserted + text[at + length :]


def _changed(draw: st.DrawFn, parsed: tuple[Any, ...]) -> str:
    found = list(parsed)
    index = draw(st.sampled_from([index for index, document in enumerate(found) if isinstance(document, dict | list)]))
    ways = list(paths(found[index]))
    if ways:
        new = draw(st.sampled_from(WRONG_VALUES))
        change = draw(st.sampled_from([_set(new), _set(new), _set(new), _remove, _rename("name"), _rename("path"), _wrap, _repeat]))
        found[index] = replaced(found[index], draw(st.sampled_from(ways)), change)
    if draw(st.integers(0, 9)) == 0:
        found.append(found[index])
    return yaml.dump_all(found, Dumper=yaml.CSafeDumper, allow_unicode=True)
