"""What a generated overlay was asked for, and what was written: the file `overlay.yaml` in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gitops_secrets.errors import BrokenError, UsageError
from gitops_secrets.generate.overlay import OverlayOptions
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import as_mapping, as_sequence, as_text
from gitops_secrets.pipeline.generate import DEFAULT_SOURCE
from gitops_secrets.repository.tree import Tree, content_of
from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.yaml import parse

STATE_FILE: Final = "overlay.yaml"
_HEADER: Final = "# What `gitops-secrets generate overlay` was asked for, and checksums of what it wrote. Run it again with other options to change it.\n"
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
_ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; None for what shall stay as it was asked for last time."""

    base: str | None = None  # relative to the root
    components: tuple[str, ...] | None = None
    namespaces: Mapping[str, str] | None = None
    region: str | None = None
    role_arn: str | None = None
    store_prefix: str | None = None
    stores: Mapping[str, str] | None = None
    key_prefixes: tuple[tuple[str, str], ...] | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What an overlay was asked for, and the checksums of its files as they were written."""

    base: str
    components: tuple[str, ...]
    options: OverlayOptions
    source: str
    written: Mapping[str, str]


def asked_for(known: State | None, request: Request) -> State:
    """What is asked for now: what the request says, else what was asked for last time. Raises `UsageError` for what can't be right."""
    if known is None and request.base is None:
        raise UsageError("--from is needed: the directory whose components the new overlay is made of, such as base")
    last = known or State(request.base or "", (), OverlayOptions(), DEFAULT_SOURCE, {})
    options = OverlayOptions(
        last.options.namespaces if request.namespaces is None else request.namespaces,
        last.options.region if request.region is None else request.region or None,
        last.options.role_arn if request.role_arn is None else request.role_arn or None,
        last.options.store_prefix if request.store_prefix is None else request.store_prefix,
        last.options.stores if request.stores is None else request.stores,
        last.options.key_prefixes if request.key_prefixes is None else request.key_prefixes,
    )
    _validate(options)
    return State(
        last.base if request.base is None else request.base,
        last.components if request.components is None else request.components,
        options,
        last.source if request.source is None else request.source,
        last.written,
    )


def _validate(options: OverlayOptions) -> None:
    for namespace in options.namespaces.values():
        if not LABEL.fullmatch(namespace):
            raise UsageError(f"--namespace: {namespace!r} can't be the name of a namespace: lower case letters, digits and dashes, 63 at most")
    if options.region is not None and not _REGION.fullmatch(options.region):
        raise UsageError(f"--region: {options.region!r} is no region of AWS, such as eu-central-1")
    if options.role_arn is not None and not _ROLE_ARN.fullmatch(options.role_arn):
        raise UsageError(f"--role-arn: {options.role_arn!r} is no role, such as arn:aws:iam::111122223333:role/external-secrets")
    if options.store_prefix and not LABEL.fullmatch(options.store_prefix.rstrip("-")):
        raise UsageError(f"--store-prefix: {options.store_prefix!r} can't begin a name: lower case letters, digits and dashes")
    if not all(text.isprintable() for pair in (*options.key_prefixes, *options.stores.items()) for text in pair):
        raise UsageError("--key-prefix and --store: only what prints")


def read_state(tree: Tree, directory: str, limits: Limits) -> State | None:
    """What the overlay in a directory was made of; None where there is none. Raises `BrokenError` where its file does not say so."""
    path = f"{directory}/{STATE_FILE}"
    if not tree.is_file(path):
        return None
    content = _first(content_of(tree, path), path, limits)
    base, components, written = content.get("from"), as_sequence(content.get("components")), as_mapping(content.get("written"))
    if not isinstance(base, str):
        raise BrokenError(f"{path}:1: does not say what the overlay was made of: `from` is missing\nbring it back, or move {directory} away and make it anew")
    options = OverlayOptions(
        _texts(content.get("namespaces")),
        as_text(content.get("region")) or None,
        as_text(content.get("role-arn")) or None,
        as_text(content.get("store-prefix")),
        _texts(content.get("stores")),
        tuple(_texts(content.get("key-prefixes")).items()),
    )
    source = as_text(content.get("source")) or DEFAULT_SOURCE
    return State("" if base == "." else base, tuple(filter(None, map(as_text, components))), options, source, _texts(written))


def state_text(state: State) -> str:
    """The file for the next run."""
    return _HEADER + dump(_content(state))


def is_stated(text: str, path: str, state: State, limits: Limits) -> bool:
    """Does a file say just that already, however it is written?"""
    return _first(text, path, limits) == _content(state)


def checksum(text: str) -> str:
    """Tells whether a file is still what was written."""
    # A checkout on Windows may have other line ends.
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def _content(state: State) -> dict[str, Any]:
    options = state.options
    content: dict[str, Any] = {
        "from": state.base or ".",
        "components": list(state.components),
        "namespaces": dict(options.namespaces),
        "region": options.region,
        "role-arn": options.role_arn,
        "store-prefix": options.store_prefix,
        "stores": dict(options.stores),
        "key-prefixes": dict(options.key_prefixes),
        "source": state.source,
        "written": dict(sorted(state.written.items())),
    }
    return {key: value for key, value in content.items() if value}


def _texts(value: Any) -> dict[str, str]:
    return {key: text for key, text in as_mapping(value).items() if isinstance(text, str)}


def _first(text: str, path: str, limits: Limits) -> Mapping[str, Any]:
    return as_mapping(parse(text, path, limits).first)
