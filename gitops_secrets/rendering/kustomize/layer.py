"""What one kustomization can do to what was accumulated before it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gitops_secrets.manifests.load import Documents
from gitops_secrets.model.facts import Opaque, Problem
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize import generators, transformers
from gitops_secrets.rendering.kustomize.accumulated import Accumulated, Kustomization, SchemaInUse, Session
from gitops_secrets.rendering.kustomize.defaults import FieldTables
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, LimitError, NotFoundError, OtherStateError, scalar_text
from gitops_secrets.rendering.kustomize.origins import append_path, built_in_origin, file_origin, note_transformation
from gitops_secrets.rendering.kustomize.variables import Variable
from gitops_secrets.repository.tree import join
from gitops_secrets.syntax.budget import Budget, BudgetError
from gitops_secrets.syntax.nearest import nearest

# As kustomize takes an entry for a repository or a file elsewhere (api/internal/git, repospec).
_REMOTE = re.compile(
    r"[a-z][a-z0-9+.-]*::|[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+[:/]"
    r"|(?:github\.com|gitlab\.com|bitbucket\.org|gh:)[:/]?|[\w-]+(?:\.[\w-]+)+/.*(?:\?ref=|\.git)"
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A kustomization at work on `state`. `above` are the directories that led here, this one last."""

    session: Session
    kustomization: Kustomization
    state: Accumulated
    above: tuple[str, ...]
    schema: SchemaInUse
    origin: str | None = None

    @property
    def fields(self) -> MappingNode:
        """The fields of the kustomization."""
        return self.kustomization.fields

    @property
    def budget(self) -> Budget:
        """What of it is left."""
        return self.session.loader.budget

    @contextmanager
    def attempt(self, place: Place) -> Iterator[None]:
        """Turns a refusal of what is done inside into a problem; at `place` unless it knows better."""
        try:
            yield
        except LimitError:
            raise
        except BudgetError as spent:
            raise LimitError(str(spent), place) from spent
        except BuildError as error:
            may_be_there = isinstance(error, NotFoundError) and not self.state.is_complete
            may_differ = isinstance(error, OtherStateError) and self.state.opaque
            if not (may_be_there or may_differ):
                self.state.refuse(error.message, error.place or place)

    def load_resource(self, entry: str, place: Place) -> list[Draft]:
        """The resources that an entry of `resources` stands for: of a file, or of another kustomization. Raises `BuildError`."""
        tree = self.session.loader.tree
        path = join(self.kustomization.directory, entry)
        if path is not None and tree.is_file(path):
            self._note_outside(path, entry, place)
            return self._load_file(path, entry)
        if path is not None and tree.is_directory(path):
            return self._load_base(path, entry)
        if self.note_remote(entry, place):
            return []
        raise BuildError(self.missing(entry, path))

    def note_remote(self, entry: str, place: Place) -> bool:
        """Is an entry the address of objects elsewhere? Then it is noted as opaque."""
        return self._note(entry, place, "remote base, not fetched", None)

    def note_remote_file(self, entry: str, place: Place) -> bool:
        """Is an entry the address of a file elsewhere, that goes into an object of this layer? Then it is noted as opaque."""
        return self._note(entry, place, "remote file, not fetched", frozenset())

    def _note(self, entry: str, place: Place, why: str, kinds: frozenset[tuple[str, str]] | None) -> bool:
        if not _REMOTE.match(entry):
            return False
        # A single file is what a project publishes for everybody; a directory may be of one's own.
        self.state.opaque.append(Opaque(entry, why, place, kinds=kinds, foreign=entry.endswith((".yaml", ".yml"))))
        return True

    def missing(self, entry: str, path: str | None) -> str:
        """Says that an entry is not there, and what may have been meant."""
        if not entry:
            return "an entry is empty"
        if path is None:
            return f"{entry} is outside of the repository"
        parent, _, name = path.rpartition("/")
        self.state.inputs.add(parent + "/")
        listed = sum(len(as_sequence(entries)) for entries in self.fields.values())
        near = nearest(name, self.session.loader.tree.children(parent), listed)
        hint = f"; did you mean {entry.rstrip('/')[: -len(name)]}{near}?" if near and name and entry.rstrip("/").endswith(name) else ""
        return f"{entry} is not there{hint}"

    def _load_file(self, path: str, entry: str) -> list[Draft]:
        drafts = [Draft(node) for node in self.session.resources(path, self.load(path))]
        if self.origin is not None:
            for draft in drafts:
                draft.origin = file_origin(self.origin, entry)
        return drafts

    def _load_base(self, path: str, entry: str) -> list[Draft]:
        self.refuse_cycle(path, entry)
        origin = None if self.origin is None else append_path(self.origin, entry)
        base = self.session.accumulate(path, self.above, self.schema, origin)
        self._take_notes(base)
        if base.schema is not None and not self.schema.is_set:
            self.schema.schema, self.schema.is_set = base.schema, True
        self.state.tables = self.state.tables.merge(base.tables)
        for variable in base.variables.values():
            self.add_variable(variable)
        self.budget.spend(len(base.drafts))
        return [draft.fork() for draft in base.drafts]

    def _take_notes(self, other: Accumulated) -> None:
        # A base that is included twice at each of many levels says the same a million times.
        self.state.problems = list(dict.fromkeys((*self.state.problems, *other.problems)))
        self.state.opaque = list(dict.fromkeys((*self.state.opaque, *other.opaque)))
        self.state.charts = list({chart.place: chart for chart in (*self.state.charts, *other.charts)}.values())
        self.state.outside = list(dict.fromkeys((*self.state.outside, *other.outside)))
        self.state.inputs |= other.inputs
        self.state.directories |= other.directories
        self.state.failed |= other.failed
        self.state.lacking |= other.lacking

    def refuse_cycle(self, path: str, entry: str) -> None:
        """Raises `BuildError` for a directory that includes this one, or lies above one that does, and where too many have led here."""
        if any(directory == path or not path or directory.startswith(path + "/") for directory in self.above):
            raise BuildError(f"cycle: {entry} contains the kustomization that includes it")
        limits = self.session.loader.limits
        if len(self.above) > limits.base_depth:
            raise LimitError(f"kustomizations include one another too deeply; {limits.more('base_depth')}", self.fields.place())

    def load(self, path: str) -> Documents:
        """The documents of a file, its problems noted. Raises `BuildError` if it is not there."""
        self.state.inputs.add(path)
        try:
            documents = self.session.loader.load(path, for_units=True)
        except FileNotFoundError:
            raise BuildError(f"{path} can't be read") from None
        self.state.note(documents.problems)
        return documents

    def read_file(self, entry: str, place: Place) -> bytes:
        """The bytes of a file that the kustomization names; none of one elsewhere. Raises `BuildError` if it is not there."""
        path = join(self.kustomization.directory, entry)
        if path is None or not self.session.loader.tree.is_file(path):
            if self.note_remote_file(entry, place):
                return b""
            raise BuildError(self.missing(entry, path), place)
        self._note_outside(path, entry, place)
        self.state.inputs.add(path)
        try:
            content = self.session.loader.content(path)
        except FileNotFoundError as error:
            raise BuildError(f"{entry} can't be read: {error}", place) from None
        self.budget.spend_text(len(content))
        return content

    def text_of(self, entry: str) -> str:
        """The text of a file that was read before; nothing of one elsewhere."""
        path = join(self.kustomization.directory, entry)
        lines = self.session.texts.lines(path) if path is not None else []
        self.budget.spend(len(lines))
        return "\n".join(lines)

    def documents_at(self, entry: str, place: Place) -> Documents:
        """The documents of a file that the kustomization names; none of one elsewhere. Raises `BuildError` if it is not there."""
        path = join(self.kustomization.directory, entry)
        if path is None or not self.session.loader.tree.is_file(path):
            if self.note_remote_file(entry, place):
                return Documents((), ())
            raise BuildError(self.missing(entry, path), place)
        self._note_outside(path, entry, place)
        return self.load(path)

    def _note_outside(self, path: str, entry: str, place: Place) -> None:
        """Notes a file that is not in or below the directory of the kustomization (kustomize's `LoadRestrictionsRootOnly`)."""
        directory = self.kustomization.directory
        if directory and not path.startswith(f"{directory}/"):
            message = f"{entry} is not in or below its directory, which kustomize takes only with --load-restrictor LoadRestrictionsNone"
            self.state.outside.append(Problem(message, place, "build-failed", option="LoadRestrictionsNone"))

    def add(self, drafts: Collection[Draft], place: Place, known: set[tuple[str, ...]]) -> None:
        """Adds resources, and their keys to `known`; one whose key is known already is refused. Raises `LimitError` if there are too many."""
        self.schema.in_use = True
        limits = self.session.loader.limits
        if len(self.state.drafts) + len(drafts) > limits.objects:
            raise LimitError(f"too many objects; {limits.more('objects')}", place)
        for draft in drafts:
            key = draft.identity.key
            if key in known:
                self.state.refuse(f"{draft.identity} is there twice", place)
                continue
            known.add(key)
            self.state.drafts.append(draft)

    def absorb(self, draft: Draft, origin: str | None) -> None:
        """Adds what was generated, or lets it replace or merge with what is there. Raises `BuildError`."""
        draft.origin = draft.origin or origin
        self.state.keys = None
        matches = [one for one in self.state.drafts if one.answers_to(draft.identity)]
        if len(matches) > 1:
            raise BuildError(f"{draft.identity} could be merged with any of {len(matches)} resources")
        merges = draft.behavior in ("merge", "replace")
        if not matches:
            if merges:
                raise NotFoundError(f"{draft.identity} does not exist: there is nothing to {draft.behavior}")
            self.state.drafts.append(draft)
            return
        if not merges:
            raise BuildError(f"{draft.identity} is there already: its behavior must be merge or replace")
        old = matches[0]
        generators.merge_into(old, draft, self.session.texts)
        self.state.drafts[next(index for index, one in enumerate(self.state.drafts) if one is old)] = draft

    def read_values(self) -> None:
        """Notes that any value of these resources may have gone elsewhere, into a name say."""
        self.session.loader.take(*(path for path in self.state.inputs if not path.endswith("/")))

    def transformed(self, kind: str) -> None:
        """Notes which transformer had its hands on everything, where `buildMetadata` asks for that."""
        mark = built_in_origin(self.origin, self.kustomization.file, kind)
        if mark is not None:
            note_transformation(self.state.drafts, mark)

    def apply_replicas(self, entry: MappingNode, tables: FieldTables) -> None:
        """Applies an entry of `replicas`. Raises `BuildError`."""
        count = entry.get("count")
        number = count if isinstance(count, int) else 0
        transformers.set_replicas(self.state.drafts, scalar_text(entry.get("name")), number, entry.place("count"), tables.replicas, self.budget)

    def replacements_of(self, entry: MappingNode, place: Place) -> list[MappingNode]:
        """The replacements that an entry states, itself or in a file. Raises `BuildError`."""
        path = scalar_text(entry.get("path"))
        if not path:
            return [entry]
        if entry.get("source") is not None or entry.get("targets"):
            raise BuildError("a replacement has either a path or a source and targets", place)
        documents = self.documents_at(path, entry.place("path")).documents
        listed = documents[0] if documents else None
        if isinstance(listed, MappingNode):
            return [listed]
        if isinstance(listed, SequenceNode):
            return [as_mapping(item) for item in listed]
        raise BuildError("a file of replacements holds one or a list of them", place)

    def add_variable(self, variable: Variable) -> None:
        """Adds a variable. Raises `BuildError` if there is one of that name."""
        if variable.name in self.state.variables:
            raise BuildError(f"var {variable.name} is there twice", variable.place)
        self.state.variables[variable.name] = variable
