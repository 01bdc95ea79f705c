"""What kustomize would build of a directory, as YAML. Values of Secrets are cut as everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitops_secrets.errors import OutsideError, UsageError
from gitops_secrets.model.facts import Opaque, Problem
from gitops_secrets.pipeline.kustomize import KustomizeRefused, build_from_tree, build_with_binary, find_binary
from gitops_secrets.pipeline.scan import Repository
from gitops_secrets.rendering.kustomize import Build, Builder, find_kustomization
from gitops_secrets.syntax.emit import dump_all


@dataclass(frozen=True, slots=True)
class Rendered:
    """The YAML of all objects, and what a user should know about it."""

    text: str
    warnings: tuple[str, ...]


def render(repository: Repository, renderer: str = "auto") -> Rendered:
    """Builds the directory that the repository's scope names.

    `renderer` is `builtin`, `kustomize` (the binary on PATH), or `auto`: built in, and the binary where something isn't supported.
    Raises `UsageError` for a directory that does not build, `OutsideError` where the binary is asked for and is not there or fails to run.
    """
    directory = repository.scope
    if not repository.tree.is_directory(directory):
        raise UsageError(f"{directory or '.'} is not a directory of this repository{f' at {repository.revision}' if repository.revision else ''}")
    if find_kustomization(repository.tree, directory) is None:
        raise UsageError(f"{directory or '.'} has no kustomization.yaml")
    build = Builder(repository.loader).build(directory)
    if renderer == "kustomize":
        return Rendered(_yaml(_asked(repository, directory, build)), ())
    if renderer == "auto" and build.opaque:
        binary = find_binary()
        documents = _taken_over(repository, directory, binary) if binary is not None else None
        if documents is not None:
            return Rendered(_yaml(documents), ())
    if build.failed:
        raise _does_not_build(directory, build.problems)
    return Rendered(_yaml(build.resources), (*_left_out(build.opaque), *_texts(build.problems)))


def _yaml(documents: Iterable[object]) -> str:
    """With sorted keys, as kustomize writes them."""
    return dump_all(map(_sorted, documents))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def _asked(repository: Repository, directory: str, build: Build) -> tuple[object, ...]:
    binary = find_binary()
    if binary is None:
        raise OutsideError("kustomize is not on PATH\ninstall it (https://kubectl.docs.kubernetes.io/installation/kustomize), or use --renderer builtin")
    try:
        return _run(binary, repository, directory, network=True)
    except KustomizeRefused as error:
        raise _does_not_build(directory, build.problems if build.failed else ()) from error


def _taken_over(repository: Repository, directory: str, binary: str) -> tuple[object, ...] | None:
    """What the binary makes of it without the network; None where that needs it, or it fails otherwise."""
    try:
        return _run(binary, repository, directory, network=False)
    except (KustomizeRefused, OutsideError):
        return None


def _run(binary: str, repository: Repository, directory: str, *, network: bool) -> tuple[object, ...]:
    if repository.revision is not None:
        return build_from_tree(binary, repository.tree, directory, repository.loader.limits, network=network)
    return build_with_binary(binary, repository.root, directory, repository.loader.limits, network=network)


def _does_not_build(directory: str, problems: Iterable[Problem]) -> UsageError:
    found = _texts(problems)
    lines = found or (f"kustomize refuses it; `kustomize build {directory or '.'}` says why",)
    return UsageError("\n".join([f"{directory or '.'} does not build", *lines]))


def _texts(problems: Iterable[Problem]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{problem.place}: {problem.message}" for problem in problems))


def _left_out(opaque: Iterable[Opaque]) -> tuple[str, ...]:
    return tuple(f"left out: {entry.thing}: {entry.why} ({entry.place})" for entry in opaque)
