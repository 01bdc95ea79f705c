"""Which repositories of Applications are this one, which are read from a checkout, and which are somebody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.results import ArgoSettings, Destination
from gitops_secrets.rendering.urls import is_placeholder, normalised_url, owner_of


@dataclass(frozen=True, slots=True)
class Repositories:
    """What is known of the repositories and clusters of one Argo CD."""

    own: frozenset[str]  # urls of this repository, normalised
    external: frozenset[str] = frozenset()  # urls that are elsewhere for certain, normalised
    checkouts: Mapping[str, Loader] = field(default_factory=dict)  # by normalised url
    destinations: Sequence[Destination] = ()  # registered clusters
    knows_all: bool = False  # did the user say which clusters there are? Secrets of the repository show some, and not all of their labels
    here: Destination | None = None  # the cluster that is expanded; None: the one that Argo CD runs in
    settings: ArgoSettings | None = None

    def content(self, url: str, loader: Loader) -> Loader | None:
        """What the files of a repository are read from; None for one that is elsewhere."""
        normalised = normalised_url(url)
        if normalised in self.external:
            return None
        if normalised in self.checkouts:
            return self.checkouts[normalised]
        return loader if normalised in self.own or is_placeholder(url) else None

    def is_foreign(self, url: str) -> bool:
        """Does a repository belong to other people, as far as its address tells?"""
        return bool(self.own) and owner_of(normalised_url(url)) not in map(owner_of, self.own)

    def registered(self, destination: Destination) -> Destination:
        """The destination with what is known of it."""
        for known in self.destinations:
            if (destination.name and destination.name == known.name) or (destination.server and destination.server in (known.server, known.name)):
                return known
        return destination
