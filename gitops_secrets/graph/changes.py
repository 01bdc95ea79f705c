"""What a change does to one cluster, as nouns; `difference` finds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from gitops_secrets.graph.fields import FieldChange
from gitops_secrets.graph.graph import Graph
from gitops_secrets.graph.restarts import WITH_PODS, Effects
from gitops_secrets.graph.unseen import Unseen
from gitops_secrets.model.facts import Opaque, RemoteNeed, Requirement
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.model.results import Cluster


class Fate(Enum):
    """What has become of a thing."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """A unit or another object that is applied. `earlier` is its old name, where only a hash behind it changed."""

    id: ResourceId
    fate: Fate
    unit: ResourceId  # that applies it; that did, if it is gone
    place: Place
    fields: tuple[FieldChange, ...] = ()
    telling: frozenset[str] = frozenset()  # of the fields, those that are references, names or keys
    moved_from: ResourceId | None = None  # the unit that applied it before
    earlier: ResourceId | None = None

    @property
    def shown(self) -> tuple[FieldChange, ...]:
        """The changes of references, names and keys."""
        return tuple(change for change in self.fields if change.field in self.telling)


@dataclass(frozen=True, slots=True)
class EdgeChange:
    """What one unit needs of another. `written` and `needed`: is it declared, is there a reason; before and after."""

    consumer: ResourceId
    provider: ResourceId
    fate: Fate
    written: tuple[bool, bool]
    needed: tuple[bool, bool]
    reasons: tuple[str, ...]  # words for the reasons that came or went


@dataclass(frozen=True, slots=True)
class SecretChange:
    """A Secret as its consumers find it."""

    id: ResourceId
    fate: Fate
    owners: tuple[tuple[ResourceId, ...], tuple[ResourceId, ...]]  # who makes it, before and after
    keys_added: tuple[str, ...] = ()
    keys_removed: tuple[str, ...] = ()
    why: str = ""  # its values may change


@dataclass(frozen=True, slots=True)
class Impact:
    """A workload or release, and what it does because of `cause`; None: because of its own manifest."""

    id: ResourceId
    unit: ResourceId
    effect: Effects
    cause: ResourceId | None


@dataclass(frozen=True, slots=True)
class Touched:
    """A unit that applies something else than before, and why."""

    unit: ResourceId
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoteKeyChange:
    """A key at a provider that is needed now and was not before, or the other way round."""

    need: RemoteNeed
    fate: Fate
    readers: tuple[ResourceId, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Prune:
    """Something that goes although `consumers` stay and need it. `possible` names what may make it all the same."""

    thing: ResourceId  # what is needed
    key: str | None  # of it, if that alone goes
    provider: ResourceId  # what brought it
    unit: ResourceId | None
    consumers: tuple[Requirement, ...]
    possible: Opaque | None


@dataclass(frozen=True)
class Difference:
    """What a change does to one cluster. `before` or `after` is None for a cluster that comes or goes."""

    before: Graph | None
    after: Graph | None
    units: tuple[ObjectChange, ...]
    edges: tuple[EdgeChange, ...]
    resources: tuple[ObjectChange, ...]
    secrets: tuple[SecretChange, ...]
    remote_keys: tuple[RemoteKeyChange, ...]
    touched: tuple[Touched, ...]
    waiting: tuple[ResourceId, ...]  # units that depend on those that are touched
    impacts: tuple[Impact, ...]
    prunes: tuple[Prune, ...]
    unseen: Unseen  # what does not build on the other side

    @property
    def cluster(self) -> Cluster:
        """As it is after the change, or was before it."""
        graph = self.after or self.before
        assert graph is not None  # a difference has at least one side
        return graph.cluster

    @cached_property
    def held(self) -> frozenset[ResourceId]:
        """Units of before whose objects stay as they are, since they or what applies them can't be built any more."""
        return frozenset(id for id in self.unseen.held if self.before is not None and id in self.before.units)

    @cached_property
    def workloads(self) -> tuple[ObjectChange, ...]:
        """Those of the resources that run pods."""
        return tuple(change for change in self.resources if change.id.group_kind in WITH_PODS)

    @property
    def is_empty(self) -> bool:
        """Does the change do nothing to this cluster?"""
        return not (self.units or self.edges or self.resources or self.secrets or self.remote_keys or self.touched or self.impacts or self.prunes)
