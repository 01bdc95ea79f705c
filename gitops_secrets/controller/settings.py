"""What a controller is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits

GROUP: Final = "gitops-secrets.dev"
API_VERSION: Final = f"{GROUP}/v1alpha1"
KIND: Final = "SourceVerification"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host is all interfaces."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a lease, in seconds: client-go's defaults."""

    duration: float = 15.0  # after which others take a lease that nobody renews
    deadline: float = 10.0  # after which a holder that can't renew it stops
    retry: float = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Which source to follow, where to say how it stands, and how."""

    source: ResourceId
    folder: str
    cluster: str | None
    config: Path | None
    namespace: str
    name: str  # of the SourceVerification, and of the lease
    identity: str  # this process among those that run at once
    listen: Address | None = None
    events_address: str | None = None  # of notification-controller
    terms: Terms | None = None  # None: no election
    read_secrets: bool = True
    limits: Limits = DEFAULT_LIMITS

    @property
    def resource(self) -> ResourceId:
        """The SourceVerification."""
        return ResourceId(GROUP, KIND, self.namespace, self.name)
