"""Looks for a secret value in every place where it must not stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from tests.e2e.bed.api import Api, Kind
from tests.e2e.bed.bed import Bed

INTERVAL = 0.05


def sightings(bed: Bed, canary: str, *, texts: Iterable[str] = (), folders: Iterable[Path] = ()) -> list[str]:
    """Where the value is found: in texts, in files, in objects of the cluster but Secrets, in logs of the bed, in arguments of processes."""
    found = [f"text {number}" for number, text in enumerate(texts) if canary in text]
    found += [str(file) for folder in (*folders, bed.processes.logs) for file in _files(folder) if canary.encode() in file.read_bytes()]
    found += [f"{kind.plural} {thing['metadata']['name']}" for kind in _kinds(bed.api) for thing in bed.api.list(kind) if canary in repr(thing)]
    return found + _shown_in_arguments(canary)


@contextmanager
def in_arguments(canary: str) -> Iterator[list[str]]:
    """Looks at the arguments of all processes again and again for the time of a `with`, and gathers the names of those that show the value."""
    found: list[str] = []
    ended = Event()

    def look() -> None:
        while not ended.wait(INTERVAL):
            found.extend(_shown_in_arguments(canary))

    thread = Thread(target=look, name="canary", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _kinds(api: Api) -> Iterator[Kind]:
    """All that the server lists, but Secrets."""
    versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in api.request("GET", "/apis")["groups"])]
    for version in versions:
        for resource in api.request("GET", ("/apis/" if "/" in version else "/api/") + version)["resources"]:
            if "list" in resource["verbs"] and (version, resource["name"]) != ("v1", "secrets"):
                yield Kind(version, resource["name"], resource["namespaced"])


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _shown_in_arguments(canary: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended
        if canary in arguments:
            found.append(f"arguments of {arguments.partition(chr(0))[0]}")
    return found
