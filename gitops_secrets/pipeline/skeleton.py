"""What a file of manifests says beside all that nothing rests on: comments, secret values, tags of images, amounts, texts that name nothing.

Most commits to a GitOps repository change nothing else. No fact, no order and no finding comes from these values: whatever stands there, the answers are the
same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gitops_secrets.kinds.paths import ITEMS, VALUES, Found, parse_path
from gitops_secrets.kinds.values import hosts_in
from gitops_secrets.manifests.load import SUPPRESSION, may_be_respelt, parse_documents, trim_definition
from gitops_secrets.model.ids import split_api_version
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_text, unpack
from gitops_secrets.model.workloads import POD_TEMPLATE


class Skeleton(NamedTuple):
    """Digests of what a file says, and of the places where it says so."""

    content: str
    places: str


# What is left of a value that nothing rests on; None: all of it, it is something else than it should be.
_Rest = Callable[[Any, MappingNode | SequenceNode, str], str | None]

# Stands for something else, or may be part of a program that makes objects.
_TELLING: Final = re.compile(r"\$|\{\{|\{%|<<|secret|config-?map|namespaces", re.IGNORECASE)


def _matching(pattern: str) -> _Rest:
    """The type of a value, and the first group of a pattern that its whole text matches."""
    compiled = re.compile(pattern)

    def rest(value: Any, parent: MappingNode | SequenceNode, key: str) -> str | None:
        is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        match = compiled.fullmatch(str(value)) if is_plain else None
        return None if match is None else f"{type(value).__name__} {match[1]}"

    return rest


def _text(value: Any, parent: MappingNode | SequenceNode, key: str) -> str | None:
    """The hosts that a text names, for whoever reads it."""
    called = as_text(as_mapping(parent).get("name")) if key == "value" else key
    if not isinstance(value, str) or _TELLING.search(value) or _TELLING.search(called):
        return None
    return repr([(host.namespace, host.name, host.reason, host.optional) for host in hosts_in(called, value, Found(value, parent, None))])


def _version(value: Any, parent: MappingNode | SequenceNode, key: str) -> str | None:
    """Major and minor of the version of a chart: the catalogue looks no closer."""
    from gitops_secrets.kinds.charts import chart_version

    known = chart_version(value) if isinstance(value, str) and "$" not in value else None
    return None if known is None else repr(known)


_IMAGE: Final = _matching(r"((?:[\w.-]+:[0-9]+/)?[\w./-]+):[\w.-]+(?:@sha256:[0-9a-f]{64})?")
_TAG: Final = _matching(r"()[\w.+-]+(?:@sha256:[0-9a-f]{64})?")
_NUMBER: Final = _matching(r"()[0-9]+")
_QUANTITY: Final = _matching(r"()[0-9.]+[A-Za-z]*")
_REMOTE_KEY: Final = _matching(r"()[A-Za-z/][\w./-]*")
# None at all means that it is never refreshed.
_INTERVAL: Final = _matching(r"()(?=.*[1-9])(?:[0-9.]+(?:ms|s|m|h))+")

_ANYWHERE: Final = "**"
# Of all charts of a release together: what version they install.
_GLOBAL: Final = "global"


class _Places:
    """Where such values stand: paths of the table of kinds, shared prefixes once. `**` stands for any number of keys and items, but not for `global`."""

    __slots__ = ("children", "rest")

    def __init__(self, values: Mapping[str, _Rest]) -> None:
        self.children: dict[str, _Places] = {}
        self.rest: _Rest | None = None
        for path, rest in values.items():
            node = self
            for step in parse_path(path):
                node = node.children.setdefault(step, _Places({}))
                if step == _ANYWHERE:
                    node.children[_ANYWHERE] = node
            node.rest = rest

    def below(self, key: str | int) -> Iterable[_Places]:
        """The places that go on at a key, or an item."""
        steps = (ITEMS,) if isinstance(key, int) else (key, VALUES)
        yield from (self.children[step] for step in steps if step in self.children)
        further = self.children.get(_ANYWHERE) if key != _GLOBAL else None
        if further is self:
            yield self
        elif further is not None:
            yield from further.below(key)


_CONTAINER: Final[dict[str, _Rest]] = {
    "image": _IMAGE,
    "ports[].containerPort": _NUMBER,
    **{f"resources.*.{resource}": _QUANTITY for resource in ("cpu", "memory")},
    **{
        f"{probe}Probe.{field}": _NUMBER
        for probe in ("liveness", "readiness", "startup")
        for field in ("failureThreshold", "initialDelaySeconds", "periodSeconds", "successThreshold", "timeoutSeconds")
    },
}
# What Jobs run may make objects, so every word of theirs counts.
_PROGRAM: Final[dict[str, _Rest]] = {"args[]": _text, "command[]": _text, "env[].value": _text}


def _pods(kind: str, container: Mapping[str, _Rest]) -> dict[str, _Rest]:
    spec = ".".join((*POD_TEMPLATE[kind], "spec"))
    return {f"{spec}.{field}[].{path}": rest for field in ("containers", "initContainers") for path, rest in container.items()}


_RELEASE: Final[dict[str, _Rest]] = {
    "image.digest": _TAG,
    "image.tag": _TAG,
    "replicaCount": _NUMBER,
    "replicas": _NUMBER,
    "resources.*.cpu": _QUANTITY,
    "resources.*.memory": _QUANTITY,
    "size": _QUANTITY,
}
_IDLE: Final[dict[tuple[str, str], dict[str, _Rest]]] = {
    ("", "ConfigMap"): {"data.*": _text},
    ("", "PersistentVolumeClaim"): {"spec.resources.*.storage": _QUANTITY},
    ("", "Service"): {f"spec.ports[].{field}": _NUMBER for field in ("nodePort", "port", "targetPort")},
    ("apps", "DaemonSet"): _pods("DaemonSet", _CONTAINER | _PROGRAM),
    ("apps", "Deployment"): {"spec.replicas": _NUMBER, **_pods("Deployment", _CONTAINER | _PROGRAM)},
    ("apps", "ReplicaSet"): {"spec.replicas": _NUMBER, **_pods("ReplicaSet", _CONTAINER | _PROGRAM)},
    # It makes claims for each of its replicas.
    ("apps", "StatefulSet"): _pods("StatefulSet", _CONTAINER | _PROGRAM),
    ("autoscaling", "HorizontalPodAutoscaler"): {"spec.maxReplicas": _NUMBER, "spec.minReplicas": _NUMBER},
    ("batch", "CronJob"): {"spec.schedule": _text, **_pods("CronJob", _CONTAINER)},
    ("batch", "Job"): _pods("Job", _CONTAINER),
    ("external-secrets.io", "ExternalSecret"): {
        "spec.refreshInterval": _INTERVAL,
        **{f"spec.{reference}.{field}": _REMOTE_KEY for reference in ("data[].remoteRef", "dataFrom[].extract") for field in ("key", "property")},
    },
    ("helm.toolkit.fluxcd.io", "HelmRelease"): {
        "spec.chart.spec.version": _version,
        **{f"spec.values.{_ANYWHERE}.{path}": rest for path, rest in _RELEASE.items()},
    },
    ("kustomize.config.k8s.io", "Kustomization"): {"images[].digest": _TAG, "images[].newTag": _TAG},
    ("networking.k8s.io", "Ingress"): {"spec.rules[].host": _text, "spec.rules[].http.paths[].path": _text, "spec.tls[].hosts[]": _text},
    ("source.toolkit.fluxcd.io", "HelmRepository"): {"spec.interval": _INTERVAL},
    ("source.toolkit.fluxcd.io", "OCIRepository"): {"spec.interval": _INTERVAL, "spec.ref.tag": _version},
}
_PLACES: Final = MappingProxyType({kind: _Places(values) for kind, values in _IDLE.items()})
_NOTHING: Final = _Places({})
# Argo CD's own settings; what other ConfigMaps hold for the engine is taken from them (`Loader.taken`).
_SETTINGS: Final = "argocd-"
# kustomize names such an object after its content.
_HASHED: Final = "kustomize.config.k8s.io/needs-hash"


def skeleton(text: bytes, limits: Limits, words: Collection[bytes] = ()) -> Skeleton:
    """What `text` says; all of it where it is no YAML, or steers this tool. `words` are those that anybody looks for in files before they are parsed."""
    parsed = parse_documents(text, "", limits)
    if parsed.problems or SUPPRESSION in text:
        return Skeleton(_digest([repr(text)]), "")
    found = _Saying()
    for document in parsed.documents:
        trim_definition(document)
        found.add(document, (_places_in(document),))
    left_out = found.left_out()
    # Where kustomize may spell a value otherwise than it is written, it counts how it is written.
    written = b"\n".join(line for number, line in enumerate(text.split(b"\n"), 1) if number not in left_out)
    content = [repr(sorted(word for word in words if word in text)), repr(written) if may_be_respelt(written) else "", *found.content]
    return Skeleton(_digest(content), _digest(map(repr, found.marks)))


def _places_in(document: Any) -> _Places:
    manifest = as_mapping(document)
    metadata, kind = as_mapping(manifest.get("metadata")), as_text(manifest.get("kind"))
    if "fluxcd" in as_text(as_mapping(manifest.get("spec")).get("url")):
        return _NOTHING  # the version of Flux itself
    if kind == "ConfigMap" and (as_text(metadata.get("name")).startswith(_SETTINGS) or _HASHED in as_mapping(metadata.get("annotations"))):
        return _NOTHING
    return _PLACES.get((split_api_version(as_text(manifest.get("apiVersion")))[0], kind), _NOTHING)


class _Saying:
    """What documents say, in their order, and where every key and item of it stands."""

    def __init__(self) -> None:
        self.content: list[str] = []
        self.marks: list[tuple[int, int]] = []  # lines and columns
        self._kept: set[int] = set()  # lines with a value that counts
        self._idle: list[int] = []  # where in `marks` those stand that do not
        self._seen: dict[tuple[int, tuple[int, ...]], int] = {}

    def add(self, value: Any, places: tuple[_Places, ...]) -> None:
        """Adds a value, without what stands at `places` in it."""
        if not isinstance(value, MappingNode | SequenceNode):
            self.content.append(f"{type(value).__name__} {value!r}")
            self._kept.update(line for line, _ in self.marks[-1:])
            return
        # An alias stands for what its anchor says, and need not be walked again: it may be one of aliases of aliases.
        visit = id(value), tuple(map(id, places))
        if visit in self._seen:
            self.content.append(f"*{self._seen[visit]}")
            return
        self._seen[visit] = len(self._seen)
        self._mark(type(value).__name__, unpack("", value.mark))
        entries: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, MappingNode) else enumerate(value)
        for key, item in entries:
            self._mark(repr(key), value.place(key))
            below = tuple(further for each in places for further in each.below(key))
            rest = next((rest for each in below if each.rest is not None and (rest := each.rest(item, value, str(key))) is not None), None)
            if rest is None:
                self.add(item, below)
            else:
                self._idle.append(len(self.marks) - 1)
                self.content.append(f"= {rest}")
        self.content.append("end")

    def left_out(self) -> frozenset[int]:
        """The lines on which nothing stands that counts: those of a value, up to what comes next."""
        lines = [line for line, _ in self.marks]
        ends = [*lines[1:], *(line + 1 for line in lines[-1:])]
        return frozenset(line for index in self._idle for line in range(lines[index], max(ends[index], lines[index] + 1))) - self._kept

    def _mark(self, what: str, place: Place) -> None:
        mark = place.line, place.column
        # Things are told in the order of their places, and by other rules where these are the same.
        self.content.append(f"{what} {mark in self.marks[-1:]}")
        self.marks.append(mark)


def _digest(parts: Iterable[str]) -> str:
    return blake2b("\n".join(parts).encode(errors="surrogateescape"), digest_size=20).hexdigest()
