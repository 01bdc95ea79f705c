"""What a manifest says beside values that nothing rests on: tags of images, numbers of replicas, shares of CPU and memory, keys at a provider.

Most commits to a GitOps repository change nothing else. No fact, no order and no finding comes from these values: whatever stands there, the answers are the
same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.model.nodes import MappingNode, SequenceNode, as_mapping, as_sequence, as_text
from gitops_secrets.model.workloads import POD_TEMPLATE
from gitops_secrets.syntax.yaml import parse

# A StatefulSet makes claims for each of its replicas.
_COUNTED: Final = frozenset({"Deployment", "ReplicaSet"})
_END: Final = rb"([\"']?)(?=[ \t]*(?:#.*)?\r?$)"
# What a key and such a value look like; nothing that a variable or a template could fill in. What stands in groups is kept.
_TAG: Final = re.compile(rb"(tag:[ \t]+[\"']?)[\w.+-]+(?:@sha256:[0-9a-f]{64})?" + _END)
_DIGEST: Final = re.compile(rb"(digest:[ \t]+[\"']?)sha256:[0-9a-f]{64}" + _END)
_IMAGE: Final = re.compile(rb"(image:[ \t]+[\"']?(?:[\w.-]+:[0-9]+/)?[\w./-]+):[\w.-]+(?:@sha256:[0-9a-f]{64})?" + _END)
_NUMBER: Final = re.compile(rb"(replicas:[ \t]+)[0-9]+" + _END)
_QUANTITY: Final = re.compile(rb"((?:cpu|memory):[ \t]+[\"']?)[0-9.]+[A-Za-z]*" + _END)
_KEY: Final = re.compile(rb"((?:key|property):[ \t]+[\"']?)[A-Za-z/][\w./-]*" + _END)
_Found = tuple[MappingNode, str, re.Pattern[bytes]]


def skeleton(text: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """`text` without the values that nothing rests on; all of it where it has none, or is no YAML."""
    parsed = parse(text, "", limits)
    if parsed.problems:
        return text
    lines = text.split(b"\n")
    for node, key, pattern in (found for document in parsed.documents for found in _idle_values(as_mapping(document))):
        place = node.place(key)
        line = lines[place.line - 1]
        # Where characters before it have several bytes, the column is not that of the key, and the value stays.
        lines[place.line - 1] = line[: place.column - 1] + pattern.sub(rb"\1\2", line[place.column - 1 :], count=1)
    return b"\n".join(lines)


def _idle_values(manifest: MappingNode) -> Iterator[_Found]:
    """Each with the mapping that it is in, its key, and what both look like."""
    kind, spec = as_text(manifest.get("kind")), as_mapping(manifest.get("spec"))
    if kind == "HelmRelease":
        yield from _idle_in_values(spec.get("values"))
    elif kind == "ExternalSecret":
        references = [as_mapping(as_mapping(entry).get("remoteRef")) for entry in as_sequence(spec.get("data"))]
        references += [as_mapping(as_mapping(entry).get("extract")) for entry in as_sequence(spec.get("dataFrom"))]
        yield from ((reference, key, _KEY) for reference in references for key in ("key", "property") if key in reference)
    elif kind in POD_TEMPLATE:  # of others nothing is left out, since anything may be read from them
        if "replicas" in spec and kind in _COUNTED:
            yield spec, "replicas", _NUMBER
        pod = manifest
        for field in (*POD_TEMPLATE[kind], "spec"):
            pod = as_mapping(pod.get(field))
        for container in (as_mapping(each) for field in ("initContainers", "containers") for each in as_sequence(pod.get(field))):
            if "image" in container:
                yield container, "image", _IMAGE
            yield from _amounts(container.get("resources"))


def _amounts(resources: Any) -> Iterator[_Found]:
    """Shares of CPU and memory that a container asks for, or may have at most."""
    for amounts in map(as_mapping, as_mapping(resources).values()):
        yield from ((amounts, key, _QUANTITY) for key in ("cpu", "memory") if key in amounts)


def _idle_in_values(values: Any) -> Iterator[_Found]:
    """The tags below `image` and what is below `resources` in the values of a chart; not those for all of it, which say what version it installs."""
    if isinstance(values, SequenceNode):
        for value in values:
            yield from _idle_in_values(value)
    elif isinstance(values, MappingNode):
        for key, value in values.items():
            if key == "image" and isinstance(value, MappingNode):
                yield from ((value, field, pattern) for field, pattern in (("tag", _TAG), ("digest", _DIGEST)) if field in value)
            elif key == "resources":
                yield from _amounts(value)
            elif key != "global":
                yield from _idle_in_values(value)
