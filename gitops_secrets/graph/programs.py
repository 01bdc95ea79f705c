"""Jobs and scripts, and what they name: programs that run once make objects that no manifest has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from re import compile as pattern
from typing import Final, NamedTuple

from gitops_secrets.graph.restarts import template_of
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place, as_mapping, as_sequence

_WORD: Final = pattern(r"[\w.-]+")
_MAKES: Final = ("create secret", "create configmap", "kind: Secret", "kind: ConfigMap", '"kind":"Secret"', "api/v1/namespaces")


class Program(NamedTuple):
    """A Job, or a script that a ConfigMap holds, with the words of what it runs."""

    id: ResourceId
    place: Place
    words: frozenset[str]


def programs_in(resources: Iterable[Resource]) -> Iterator[Program]:
    """Jobs, by their commands and plain environment, and ConfigMaps with scripts that make Secrets or ConfigMaps."""
    for resource in resources:
        if resource.id.kind in ("Job", "CronJob"):
            texts = list(_of_containers(resource))
        elif resource.id.kind == "ConfigMap":
            data = as_mapping(resource.data.get("data")).values()
            texts = [text for text in data if isinstance(text, str) and any(words in text for words in _MAKES)]
        else:
            continue
        if texts:
            yield Program(resource.id, resource.place, frozenset(_WORD.findall("\n".join(texts))))


def _of_containers(job: Resource) -> Iterator[str]:
    pod = as_mapping(as_mapping(template_of(job)).get("spec"))
    for containers in ("initContainers", "containers"):
        for container in map(as_mapping, as_sequence(pod.get(containers))):
            values = (as_mapping(variable).get("value") for variable in as_sequence(container.get("env")))
            for text in (*values, *as_sequence(container.get("command")), *as_sequence(container.get("args"))):
                if isinstance(text, str):
                    yield text
