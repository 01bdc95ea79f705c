"""The facts of one resource while they are gathered."""

from __future__ import annotations

from gitops_secrets.kinds.paths import Found, field_text
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.kinds.texts import TextReader
from gitops_secrets.model.facts import (
    Confidence,
    Effect,
    Facts,
    Healing,
    KindNeed,
    Need,
    ObjectNeed,
    Opaque,
    Problem,
    Provision,
    Requirement,
    Resource,
    When,
)
from gitops_secrets.model.nodes import Place


class Collector:
    """What was found of `resource` so far. `healing` is how it recovers unless a reference says otherwise."""

    __slots__ = ("healing", "opaque", "provisions", "requirements", "resource", "table", "texts")

    def __init__(self, resource: Resource, table: KindTable, healing: Healing) -> None:
        self.resource = resource
        self.table = table
        self.texts = TextReader(resource.id, table.limits)
        self.healing = healing
        self.requirements: list[Requirement] = []
        self.provisions: list[Provision] = []
        self.opaque: list[Opaque] = []

    def facts(self) -> Facts:
        """All of it."""
        return Facts(tuple(self.requirements), tuple(self.provisions), tuple(self.opaque), tuple(self.texts.problems))

    def refuse(self, at: Found, wanted: str) -> None:
        """Notes that what is written at `at` is not of the type that the API has there; a text with a variable or an expression may become anything."""
        if isinstance(at.value, str) and ("${" in at.value or "{{" in at.value):
            return
        message = f"{field_text(at.way)} of {self.resource.id} must be {wanted if wanted == 'text' else f'a {wanted}'}"
        self.texts.problems.append(Problem(message, at.place, subject=str(self.resource.id)))

    def doubt(self, kinds: frozenset[tuple[str, str]], *, named_after: bool = False) -> None:
        """Adds that the controller of this resource may make objects of these kinds in its namespace, `named_after` it or under any name."""
        why = "its controller may make objects that the table of kinds does not list"
        id = self.resource.id
        names = (id.name,) if named_after else None
        self.opaque.append(Opaque(str(id), why, self.resource.place, id.namespace or None, kinds, names=names))

    def require(
        self,
        need: Need,
        reason: str,
        at: Found,
        *,
        effect: Effect = Effect.READY,
        optional: bool = False,
        soft: bool = False,
        healing: Healing | None = None,
        referent: bool = False,
        namespace_of_chart: str | None = None,
        confidence: Confidence = Confidence.CERTAIN,
    ) -> None:
        """Adds a requirement that is written at `at`."""
        self.requirements.append(
            Requirement(
                self.resource.id,
                need,
                effect,
                reason,
                field_text(at.way),
                at.place,
                optional,
                soft,
                healing or self.healing,
                referent,
                namespace_of_chart,
                confidence,
            )
        )

    def provide(
        self,
        provides: ObjectNeed | KindNeed,
        keys: frozenset[str] | None = None,
        place: Place | None = None,
        *,
        when: When = When.LATER,
        owns: bool = True,
        labels: tuple[tuple[str, str], ...] = (),
        confidence: Confidence = Confidence.CERTAIN,
        ready_signal: bool = True,
        note: str | None = None,
    ) -> None:
        """Adds a provision; it stands where the resource does unless `place` says otherwise."""
        self.provisions.append(Provision(self.resource.id, provides, when, place or self.resource.place, keys, owns, confidence, labels, ready_signal, note))
