"""A HelmRelease after an edit that concerns nobody but who it names: most of them are of its values, or of the version of its chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gitops_secrets.kinds.catalogue import controllers_of, default_catalogue, operators_of, release_facts
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Facts, Release, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, Place, as_mapping, as_sequence
from gitops_secrets.model.results import Unit
from gitops_secrets.pipeline.facts import healing, is_retried
from gitops_secrets.rendering.charts import flux_release
from gitops_secrets.rendering.units import to_unit

_NOWHERE: Final = Place("", 1, 1)
# Engines are made of their values.
_ENGINES: Final = ("argo", "flux")


class Releases:
    """What HelmReleases install whose chart comes from one of these sources.

    `always_retried`: is each of them tried again, as the engine was told?
    """

    def __init__(self, sources: Mapping[ResourceId, Resource], loader: Loader, table: KindTable, *, always_retried: bool) -> None:
        self.sources = sources
        self.loader = loader
        self.table = table
        self.always_retried = always_retried
        self.catalogue = default_catalogue()

    def installed(self, before: Resource, after: Resource) -> tuple[Facts, Facts] | None:
        """What two states of a HelmRelease install; None where what is between them may concern others, whom neither of them names."""
        releases = tuple(map(self._release, (before, after)))
        old, new = releases
        if old is None or new is None or _without_values(old) != _without_values(new) or _of_itself(before) != _of_itself(after):
            return None
        chart = self.catalogue.chart(new.chart, new.repository)
        if any(word in new.chart for word in _ENGINES) or (chart is not None and (chart.network or chart.everywhere)):
            return None
        if any(told([old], self.catalogue) != told([new], self.catalogue) for told in (controllers_of, operators_of)):
            return None
        if self._is_retried(before) != self._is_retried(after):
            return None
        facts = [release_facts(each, self.catalogue, self.table) for each in (old, new)]
        if any(each.problems for each in facts):
            return None
        was, now = (healing(each) if self._is_retried(after) else each for each in facts)
        return was, now

    def _release(self, resource: Resource) -> Release | None:
        if any(as_mapping(entry).get("kind") == "ConfigMap" for entry in as_sequence(resource.spec.get("valuesFrom"))):
            return None
        release = flux_release(resource, self.sources, self.loader, self.table.is_namespaced, frozenset())
        return release if release.source in self.sources and release.chart else None

    def _is_retried(self, resource: Resource) -> bool:
        return self.always_retried or is_retried(resource)


def _without_values(release: Release) -> Release:
    return replace(release, values=EMPTY_MAPPING, version="", place=_NOWHERE)


def _of_itself(resource: Resource) -> Unit:
    """Its unit, without what only orders it and gates others."""
    unit = to_unit(resource, None)
    gates = replace(unit, depends_on=(), wait=False, health_checks=(), health_expressions=(), suspended=False)
    return replace(gates, place=_NOWHERE, interval=None, retry_interval=None, timeout=None, data=EMPTY_MAPPING)
