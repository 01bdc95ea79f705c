"""Which Flux sources are this repository, and which are somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import as_text
from gitops_secrets.rendering.urls import normalised_url, owner_of


class Origin(Enum):
    """Where a source's content is."""

    HERE = "here"
    LIKELY_HERE = "likely here"  # nobody declares the source
    ELSEWHERE = "elsewhere"
    CHECKOUT = "checkout"  # elsewhere, and the configuration names a checkout of it


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known of this repository as a source: the object the entry point syncs from, and urls that mean it (normalised)."""

    entry: ResourceId | None
    urls: frozenset[str]
    external: frozenset[str] = frozenset()  # `kind/namespace/name` that the configuration calls external
    checkouts: Mapping[str, Loader] = field(default_factory=dict)  # by the same names: what their content is read from

    def origin(self, source: ResourceId | None, resources: Mapping[ResourceId, Resource]) -> Origin:
        """Is `source` this repository? Its declaration is looked up in `resources`."""
        if source is None:
            return Origin.LIKELY_HERE
        if str(source) in self.external:
            return Origin.ELSEWHERE
        if str(source) in self.checkouts:
            return Origin.CHECKOUT
        if source == self.entry:
            return Origin.HERE
        declared = resources.get(source)
        if declared is None:
            return Origin.LIKELY_HERE
        url = as_text(declared.spec.get("url"))
        return Origin.HERE if url and normalised_url(url) in self.urls else Origin.ELSEWHERE

    def is_foreign(self, source: ResourceId | None, resources: Mapping[ResourceId, Resource]) -> bool:
        """Does what is elsewhere belong to other people than this repository? One that nobody declares brings nothing of one's own either."""
        return source not in resources or self.is_foreign_url(_url_of(source, resources), resources)

    def is_foreign_url(self, url: str, resources: Mapping[ResourceId, Resource]) -> bool:
        """Does an address belong to other people, as far as it and the addresses of this repository tell?"""
        own = {normalised_url(own) for own in [_url_of(self.entry, resources)] if own} | self.urls
        return "/" in url and bool(own) and owner_of(normalised_url(url)) not in map(owner_of, own)


def _url_of(source: ResourceId | None, resources: Mapping[ResourceId, Resource]) -> str:
    declared = resources.get(source) if source is not None else None
    return as_text(declared.spec.get("url")) if declared is not None else ""
