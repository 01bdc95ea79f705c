"""Looks for a secret value in every place where it must not stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.e2e.bed.api import CLUSTER_SECRET_STORE, CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, EVENT, EXTERNAL_SECRET, HELM_RELEASE, KUSTOMIZATION, SEALED_SECRET
from tests.e2e.bed.bed import Bed

KINDS = (EVENT, CONFIG_MAP, KUSTOMIZATION, HELM_RELEASE, EXTERNAL_SECRET, CLUSTER_SECRET_STORE, SEALED_SECRET, CUSTOM_RESOURCE_DEFINITION)


def sightings(bed: Bed, canary: str, *, texts: Iterable[str] = (), folders: Iterable[Path] = ()) -> list[str]:
    """Where the value is found: in texts, in files, in objects of the cluster but Secrets, in logs of the bed, in arguments of processes."""
    found = [f"text {number}" for number, text in enumerate(texts) if canary in text]
    found += [str(file) for folder in (*folders, bed.processes.logs) for file in _files(folder) if canary.encode() in file.read_bytes()]
    found += [f"{kind.plural} {thing['metadata']['name']}" for kind in KINDS for thing in bed.api.list(kind) if canary in repr(thing)]
    return found + [f"arguments of process {number}" for number, arguments in _arguments() if canary in arguments]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _arguments() -> Iterator[tuple[str, str]]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            yield entry.name, (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended
