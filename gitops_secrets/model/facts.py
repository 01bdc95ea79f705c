"""What resources need and bring: the facts that the graph is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from gitops_secrets.model.brief import brief
from gitops_secrets.model.ids import ResourceId, crd_id
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping


class Effect(Enum):
    """What happens while a required thing is missing."""

    APPLY = "apply"  # the consumer is refused
    READY = "ready"  # accepted, not healthy until it is there
    ROTATE = "rotate"  # runs, but won't notice a later change


class Healing(Enum):
    """How a consumer recovers by itself once the thing is there, after it looked too early."""

    PROMPT = "prompt"  # seconds to a minute: kubelet retries, Flux sources
    SLOW = "slow"  # backs off for minutes: ExternalSecret, store, valuesFrom
    NEVER = "never"  # not without a new event: a release out of retries


class When(Enum):
    """When a provided thing is there."""

    NOW = "now"  # with the manifest itself
    LATER = "later"  # a controller or chart makes it after the manifest is applied
    BEFORE = "before"  # before the engine starts: bootstrap, or Kubernetes itself


class Confidence(Enum):
    """How sure a fact or a finding is."""

    CERTAIN = "certain"  # the repository alone proves it
    LIKELY = "likely"  # rests on the catalogue or a convention
    POSSIBLE = "possible"  # something opaque may make it otherwise


class ObjectNeed(NamedTuple):
    """An object, and one key in it if `key` is given."""

    id: ResourceId
    key: str | None = None

    def __str__(self) -> str:
        return str(self.id)


class KindNeed(NamedTuple):
    """A served kind. `plural` names its CustomResourceDefinition."""

    group: str
    kind: str
    version: str
    plural: str

    def __str__(self) -> str:
        return str(crd_id(self.group, self.plural))


class SelectionNeed(NamedTuple):
    """At least one object of a kind with these labels; namespace None means any namespace."""

    group: str
    kind: str
    namespace: str | None
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        labels = ",".join(f"{key}={value}" for key, value in self.labels)
        return f"{ResourceId(self.group, self.kind, self.namespace or '', '')}[{labels}]"


class RemoteNeed(NamedTuple):
    """A key at the provider behind a store. `find` marks a search: `key` is then a path or pattern."""

    store: ResourceId
    key: str
    property: str | None = None
    find: bool = False

    def __str__(self) -> str:
        return brief(f"key:{self.key}" + (f"#{self.property}" if self.property else ""))


Need = ObjectNeed | KindNeed | SelectionNeed | RemoteNeed


@dataclass(frozen=True, slots=True)
class Requirement:
    """`resource` needs something, as its manifest says at `field`."""

    resource: ResourceId
    need: Need
    effect: Effect
    reason: str  # a word of the public list: custom-resource-definition, secret-store, …
    field: str  # dotted path, `[0]` for items, `["a.b/c"]` for odd keys
    place: Place
    optional: bool = False
    soft: bool = False  # resolved by convention or tolerated by its consumer; never orders
    healing: Healing = Healing.PROMPT
    # A store's credential without namespace: looked up in the namespace of each ExternalSecret that uses the store.
    referent: bool = False
    # The namespace is that of the release of this chart (the cluster resource namespace of cert-manager); `need` holds the usual one.
    namespace_of_chart: str | None = None
    confidence: Confidence = Confidence.CERTAIN
    looked_for: bool = False  # a kind that the program of a release looks for when it starts, and of which the release makes no object


@dataclass(frozen=True, slots=True)
class Provision:
    """`resource` brings `provides`. `keys` None: not known which."""

    resource: ResourceId
    provides: ObjectNeed | KindNeed  # a KindNeed with version "" serves whatever version is asked for
    when: When
    place: Place
    keys: frozenset[str] | None = None
    owns: bool = True  # False: merges into an object that another one makes
    confidence: Confidence = Confidence.CERTAIN
    labels: tuple[tuple[str, str], ...] = ()
    ready_signal: bool = True  # False: Ready of `resource` does not prove that it is there (CRDs made at run time)
    note: str | None = None  # "the Cilium operator registers them after start"
    workload: str = ""  # a word in the name of the one that answers for it, where a release runs several


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that can't be read without the network or a live cluster, and what it might bring."""

    thing: str  # an id, a directory, a file
    why: str
    place: Place
    namespace: str | None = None  # it can only make namespaced objects in here; None: anywhere
    kinds: frozenset[tuple[str, str]] | None = None  # (group, kind) it can make; None: any
    applied_by: ResourceId | None = None  # the unit that applies what it makes, if it is a part of one
    names: tuple[str, ...] | None = None  # what it makes has one of these in its name, as charts do with the release's; None: any name
    foreign: bool = False  # other people's work, which knows nothing of this platform's own arrangement: its units, sources and stores
    words: frozenset[str] = frozenset()  # names that it is given all the same: it may make anything that is called so
    # A unit that can't be built: it accounts for what it lacks itself, and what units behind it lack, but for nothing else.
    broken_unit: ResourceId | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "thing", brief(self.thing))
        object.__setattr__(self, "why", brief(self.why))


# Rules of problems with which a unit does not build: its engine applies nothing of it.
UNBUILT: Final = frozenset({"invalid-yaml", "duplicate-key", "build-failed", "missing-path"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the repository could not be read or built. `rule` is the finding it becomes; "" for none."""

    message: str
    place: Place
    rule: str = "invalid-yaml"
    subject: str = ""  # id of the unit or resource it is about, if it is about one
    other: str | None = None  # id of what it names, if anything
    written: str = ""  # the value that is wrong, where one other is likely to be meant
    meant: str = ""  # that one
    limit: bool = False  # no fault: it is more than this program looks at unless told to
    option: str = ""  # of kustomize, with which it is none: whether Argo CD sets it is known when its settings are

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", brief(self.message))


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the graph knows of a resource."""

    requirements: tuple[Requirement, ...] = ()
    provisions: tuple[Provision, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    problems: tuple[Problem, ...] = ()  # texts of the resource that could not be read


class Manifest:
    """What stands for an object of which `data` is the manifest."""

    __slots__ = ()
    data: MappingNode

    @property
    def spec(self) -> MappingNode:
        """What is wanted of it; empty where that is written in other fields."""
        return as_mapping(self.data.get("spec"))

    @property
    def metadata(self) -> MappingNode:
        """Its name, and what else the API server keeps of every object."""
        return as_mapping(self.data.get("metadata"))


@dataclass(frozen=True, slots=True)
class Resource(Manifest):
    """A rendered object. `data` is shared: never change it."""

    id: ResourceId
    version: str
    data: MappingNode
    place: Place  # of metadata.name, where a person would edit it

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.id.group}/{self.version}" if self.id.group else self.version

    @property
    def labels(self) -> MappingNode:
        """Its labels, as written."""
        return as_mapping(self.metadata.get("labels"))

    @property
    def annotations(self) -> MappingNode:
        """Its annotations, as written."""
        return as_mapping(self.metadata.get("annotations"))


@dataclass(frozen=True, slots=True)
class Release:
    """A Helm release as an engine would install it."""

    resource: ResourceId  # the HelmRelease, or whatever installs the chart
    chart: str  # name of the chart, "" if it can't be told
    repository: str  # url of the chart repository, "" if it can't be told
    version: str
    name: str  # of the release
    namespace: str
    values: MappingNode
    place: Place
    create_namespace: bool = False
    crds: str = "Create"  # Skip, Create, CreateReplace: only the crds/ folder of the chart
    when: When = When.LATER
    bundled: tuple[Resource, ...] = ()  # CustomResourceDefinitions in the crds/ folder of a chart in this repository
    source: ResourceId | None = None  # the HelmRepository, OCIRepository, … it comes from
    extra: Mapping[str, str] = field(default_factory=dict)
    unit: ResourceId | None = None  # that applies what the chart makes; None: the one that applies `resource`
    values_complete: bool = True  # False: more values come from what is not in the repository, or is secret
    namespaces: Mapping[str, str] = field(default_factory=dict)  # of what is named by a value of a chart in this repository, where its templates write it out
