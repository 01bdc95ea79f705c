"""A resource while it is being built, and the identity that kustomize tells resources apart by."""

from __future__ import annotations

from typing import Any, NamedTuple

from gitops_secrets.manifests.secrets import REDACTED
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping
from gitops_secrets.rendering.kustomize.scopes import CLUSTER_SCOPED
from gitops_secrets.syntax.budget import Budget

DEFAULT_NAMESPACE = "default"
# What kustomize takes for the namespace of an object that has none (kyaml/resid, TotallyNotANamespace); selectors can match it.
NO_NAMESPACE = "_non_namespaceable_"


class BuildError(Exception):
    """kustomize would refuse this. Caught where the step that failed is known; `place` overrides the place of that step."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


class NotFoundError(BuildError):
    """What a step is aimed at is not there; no refusal if something opaque may bring it."""


class OtherStateError(BuildError):
    """An object is not in the state that a patch is written for; no refusal if a patch that was not read may bring it there."""


class LimitError(BuildError):
    """It would take too much time or memory, so nothing of the build is known."""


class Hidden:
    """A secret value that is needed for a hash only: it never shows, and leaves a build as `***`."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__


class Identity(NamedTuple):
    """Names a resource. Unlike `ResourceId` it has the version, which kustomize compares, and the namespace as written."""

    group: str
    version: str
    kind: str
    name: str
    namespace: str

    def __str__(self) -> str:
        kind = ".".join((self.kind or "[noKind]", self.version or "[noVer]", self.group or "[noGrp]"))
        return f"{kind}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"

    @property
    def is_cluster_scoped(self) -> bool:
        """Is it of a kind that is certain to have no namespace? Unknown kinds have one."""
        return (self.group, self.version, self.kind) in CLUSTER_SCOPED

    @property
    def effective_namespace(self) -> str:
        """The namespace that ids are compared by."""
        if (self.group, self.version, self.kind) in CLUSTER_SCOPED:
            return NO_NAMESPACE
        return self.namespace or DEFAULT_NAMESPACE

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Equal for identities that kustomize takes for the same."""
        return (self.group, self.version, self.kind, self.name, self.effective_namespace)

    def is_selected(self, group: str, version: str, kind: str) -> bool:
        """Does it have this group, version and kind, where given?"""
        return (not group or group == self.group) and (not version or version == self.version) and (not kind or kind == self.kind)


class Draft:
    """A resource in the making. `node` is replaced, never changed: it may be shared with the document it was loaded from.

    What kustomize keeps in build annotations stands in fields here.
    """

    __slots__ = (
        "_identity",
        "_identity_of",
        "behavior",
        "hash_suffix",
        "is_json",
        "node",
        "origin",
        "prefixes",
        "previous",
        "suffixes",
        "transformations",
        "variables",
    )

    def __init__(self, node: MappingNode) -> None:
        self.node: MappingNode = node
        self.previous: tuple[tuple[str, str, str], ...] = ()  # (name, effective namespace, kind), oldest first
        self.prefixes: tuple[str, ...] = ()
        self.suffixes: tuple[str, ...] = ()
        self.behavior = ""
        self.hash_suffix = False
        self.variables: tuple[str, ...] = ()
        self.origin: str | None = None
        self.is_json = False  # went through JSON, in which every null is written out
        self.transformations: tuple[str, ...] = ()
        self._identity: Identity | None = None
        self._identity_of: MappingNode | None = None

    def fork(self) -> Draft:
        """A draft of its own of the same state, for another build that goes on from here."""
        other = Draft.__new__(Draft)
        for slot in Draft.__slots__:
            setattr(other, slot, getattr(self, slot))
        return other

    @property
    def identity(self) -> Identity:
        """What it is called now."""
        if self._identity_of is not self.node or self._identity is None:
            self._identity = identity_of(self.node)
            self._identity_of = self.node
        return self._identity

    @property
    def is_annotated(self) -> bool:
        """Would kustomize have annotations on it, for what it keeps of it so far?"""
        return bool(self.previous or self.prefixes or self.suffixes or self.behavior or self.hash_suffix)

    @property
    def previous_identities(self) -> list[Identity]:
        """What it was called before, oldest first. Group and version are those of now, as in kustomize."""
        if not self.previous:
            return []
        now = self.identity
        return [Identity(now.group, now.version, kind, name, namespace) for name, namespace, kind in self.previous]

    @property
    def original(self) -> Identity:
        """What it was called at first."""
        if not self.previous:
            return self.identity
        name, namespace, kind = self.previous[0]
        now = self.identity
        return Identity(now.group, now.version, kind, name, namespace)

    @property
    def identities(self) -> list[Identity]:
        """All of its names, oldest first."""
        return [*self.previous_identities, self.identity]

    def answers_to(self, wanted: Identity) -> bool:
        """Is it, or was it, called so?"""
        now = self.identity
        if now.name == wanted.name and now.key == wanted.key:
            return True
        for name, namespace, kind in self.previous:  # noqa: SIM110 - asked of every resource for every patch, where a generator costs twice the time
            if name == wanted.name and Identity(now.group, now.version, kind, name, namespace).key == wanted.key:
                return True
        return False

    def become(self, node: MappingNode, budget: Budget) -> None:
        """Takes the place of what it was; what had to be copied for it counts. Raises `BudgetError`."""
        if node is not self.node:
            budget.spend(_copied(self.node, node))
            self.node = node

    def remember(self) -> None:
        """Stores what it is called now, before a change of that."""
        now = self.identity
        self.previous = (*self.previous, (now.name, now.effective_namespace, now.kind))

    @property
    def place(self) -> Place:
        """Where its name is written."""
        metadata = self.node.get("metadata")
        return metadata.place("name") if isinstance(metadata, MappingNode) else self.node.place()


def _copied(old: MappingNode | SequenceNode, new: MappingNode | SequenceNode) -> int:
    """How many entries the containers have in which two states differ."""
    count = len(new)
    if isinstance(new, MappingNode) and isinstance(old, MappingNode):
        pairs = [(old.get(key), value) for key, value in new.items()]
    else:
        pairs = list(zip(old, new, strict=False))
    for before, after in pairs:
        if before is not after and isinstance(after, MappingNode | SequenceNode) and isinstance(before, MappingNode | SequenceNode):
            count += _copied(before, after)
    return count


def spend_size(value: Any, budget: Budget) -> None:
    """Counts all that a value holds, each time that it is reached: values that hold others twice stand for more than is there. Raises `BudgetError`."""
    if isinstance(value, MappingNode | SequenceNode):
        budget.spend(1 + len(value))
        for item in value.values() if isinstance(value, MappingNode) else value:
            spend_size(item, budget)


def identity_of(node: MappingNode) -> Identity:
    """The identity that a manifest states."""
    api_version = scalar_text(node.get("apiVersion"))
    group, slash, version = api_version.partition("/")
    if not slash:
        group, version = "", api_version
    metadata = as_mapping(node.get("metadata"))
    return Identity(group, version, scalar_text(node.get("kind")), scalar_text(metadata.get("name")), scalar_text(metadata.get("namespace")))


def scalar_text(value: Any) -> str:
    """A scalar as text; the empty string for null, mappings and lists."""
    if value.__class__ is str:
        return value
    if value is None or isinstance(value, MappingNode | SequenceNode):
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(value)


def labels_of(node: MappingNode) -> dict[str, str]:
    """Labels as text, as selectors compare them."""
    return {key: scalar_text(value) for key, value in as_mapping(as_mapping(node.get("metadata")).get("labels")).items()}


def annotations_of(node: MappingNode) -> dict[str, str]:
    """Annotations as text."""
    return {key: scalar_text(value) for key, value in as_mapping(as_mapping(node.get("metadata")).get("annotations")).items()}
