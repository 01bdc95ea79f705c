"""One kustomization laid over what was accumulated before it, in the order of kustomize (api/internal/target)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gitops_secrets.manifests.load import Documents
from gitops_secrets.model.facts import Opaque
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize import generators, plugins, replacements, transformers
from gitops_secrets.rendering.kustomize.accumulated import Accumulated, Kustomization, SchemaInUse, Session
from gitops_secrets.rendering.kustomize.configuration import read_configuration, read_crds, read_specs
from gitops_secrets.rendering.kustomize.defaults import FieldTables, default_tables
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, NotFoundError, scalar_text
from gitops_secrets.rendering.kustomize.fields import merge_specs
from gitops_secrets.rendering.kustomize.kustomization import require_list
from gitops_secrets.rendering.kustomize.patching import Patching
from gitops_secrets.rendering.kustomize.variables import Variable, bind, read_variable
from gitops_secrets.repository.tree import join

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

    def run(self) -> None:
        """Adds and changes resources in kustomize's order. What can't be done is noted, the rest is done."""
        self._add_resources(require_list(self.fields, "resources"))
        self._add_resources(require_list(self.fields, "bases"))
        self._add_tables()
        self._generate()
        self._apply_components()
        self._transform()
        self._bind_variables()

    @property
    def fields(self) -> MappingNode:
        """The fields of the kustomization."""
        return self.kustomization.fields

    @contextmanager
    def attempt(self, place: Place) -> Iterator[None]:
        """Turns a refusal of what is done inside into a problem; at `place` unless it knows better."""
        try:
            yield
        except BuildError as error:
            if not (isinstance(error, NotFoundError) and self.state.opaque):
                self.state.refuse(error.message, error.place or place)

    # Resources

    def _add_resources(self, entries: SequenceNode) -> None:
        for index, entry in enumerate(entries):
            place = entries.place(index)
            with self.attempt(place):
                self.add(self.load_resource(scalar_text(entry), place), place)

    def load_resource(self, entry: str, place: Place) -> list[Draft]:
        """The resources that an entry of `resources` stands for: of a file, or of another kustomization. Raises `BuildError`."""
        tree = self.session.loader.tree
        path = join(self.kustomization.directory, entry)
        if path is not None and tree.is_file(path):
            return self._load_file(path, entry)
        if path is not None and tree.is_directory(path):
            return self._load_base(path, entry, place)
        if self.note_remote(entry, place):
            return []
        raise BuildError(self._missing(entry, path))

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

    def _missing(self, entry: str, path: str | None) -> str:
        if not entry:
            return "an entry is empty"
        if path is None:
            return f"{entry} is outside of the repository"
        parent, _, name = path.rpartition("/")
        self.state.inputs.add(parent + "/")
        near = difflib.get_close_matches(name, self.session.loader.tree.children(parent), 1)
        hint = f"; did you mean {entry.rstrip('/')[: -len(name)]}{near[0]}?" if near and name and entry.rstrip("/").endswith(name) else ""
        return f"{entry} is not there{hint}"

    def _load_file(self, path: str, entry: str) -> list[Draft]:
        drafts = [Draft(node) for node in self.session.resources(path, self.load(path).documents)]
        if self.origin is not None:
            for draft in drafts:
                draft.origin = plugins.file_origin(self.origin, entry)
        return drafts

    def _load_base(self, path: str, entry: str, place: Place) -> list[Draft]:
        self._refuse_cycle(path, entry)
        origin = None if self.origin is None else plugins.append_path(self.origin, entry)
        base = self.session.accumulate(path, self.above, self.schema, origin)
        self._take_notes(base)
        if base.schema is not None and not self.schema.is_set:
            self.schema.schema, self.schema.is_set = base.schema, True
        self.state.tables = self.state.tables.merge(base.tables)
        for variable in base.variables.values():
            self._add_variable(variable)
        return [draft.fork() for draft in base.drafts]

    def _take_notes(self, other: Accumulated) -> None:
        self.state.problems += other.problems
        self.state.opaque += other.opaque
        self.state.inputs |= other.inputs
        self.state.directories |= other.directories
        self.state.failed |= other.failed

    def _refuse_cycle(self, path: str, entry: str) -> None:
        if any(directory == path or not path or directory.startswith(path + "/") for directory in self.above):
            raise BuildError(f"cycle: {entry} contains the kustomization that includes it")

    def load(self, path: str) -> Documents:
        """The documents of a file, its problems noted. Raises `BuildError` if it is not there."""
        self.state.inputs.add(path)
        try:
            documents = self.session.loader.load(path)
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
            raise BuildError(self._missing(entry, path), place)
        self.state.inputs.add(path)
        try:
            return self.session.loader.tree.read(path)
        except FileNotFoundError:
            raise BuildError(f"{entry} can't be read", place) from None

    def text_of(self, entry: str) -> str:
        """The text of a file that was read before; nothing of one elsewhere."""
        path = join(self.kustomization.directory, entry)
        return "\n".join(self.session.texts.lines(path)) if path is not None else ""

    def documents_at(self, entry: str, place: Place) -> Documents:
        """The documents of a file that the kustomization names; none of one elsewhere. Raises `BuildError` if it is not there."""
        path = join(self.kustomization.directory, entry)
        if path is None or not self.session.loader.tree.is_file(path):
            if self.note_remote_file(entry, place):
                return Documents((), ())
            raise BuildError(self._missing(entry, path), place)
        return self.load(path)

    def add(self, drafts: Iterable[Draft], place: Place) -> None:
        """Adds resources; one that is there already is refused."""
        self.schema.in_use = True
        known = {draft.identity.key for draft in self.state.drafts}
        for draft in drafts:
            key = draft.identity.key
            if key in known:
                self.state.refuse(f"{draft.identity} is there twice", place)
                continue
            known.add(key)
            self.state.drafts.append(draft)

    # Configuration

    def _add_tables(self) -> None:
        configured = self._read_tables("configurations", read_configuration)
        place = self.fields.place("configurations")
        with self.attempt(place):
            self.state.tables = self.state.tables.merge(default_tables().merge(configured))
        with self.attempt(place):
            self.state.tables = self.state.tables.merge(self._read_tables("crds", read_crds))

    def _read_tables(self, key: str, read: Callable[[Any], FieldTables]) -> FieldTables:
        tables = FieldTables()
        entries = require_list(self.fields, key)
        for index, entry in enumerate(entries):
            with self.attempt(entries.place(index)):
                documents = self.documents_at(scalar_text(entry), entries.place(index)).documents
                tables = tables.merge(read(documents[0] if documents else None))
        return tables

    # Generators

    def _generate(self) -> None:
        options = as_mapping(self.fields.get("generatorOptions"))
        for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
            entries = require_list(self.fields, key)
            for index, entry in enumerate(entries):
                with self.attempt(entries.place(index)):
                    draft = generators.generate(kind, as_mapping(entry), options, self.read_file)
                    self.absorb(draft, plugins.built_in_origin(self, f"{kind}Generator"))
        self._note_charts()
        plugins.run_generators(self)

    def _note_charts(self) -> None:
        for key in ("helmCharts", "helmChartInflationGenerator"):
            entries = as_sequence(self.fields.get(key))
            for index, entry in enumerate(entries):
                chart = as_mapping(entry)
                name = scalar_text(chart.get("name")) or scalar_text(chart.get("chartName")) or "?"
                self.state.opaque.append(Opaque(f"chart {name}", "helm chart of a kustomization, not rendered", entries.place(index), foreign=True))

    def absorb(self, draft: Draft, origin: str | None = None) -> None:
        """Adds what was generated, or lets it replace or merge with what is there. Raises `BuildError`."""
        draft.origin = draft.origin or origin
        wanted = draft.identity.key
        matches = [one for one in self.state.drafts if any(identity.key == wanted for identity in one.identities)]
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

    # Components

    def _apply_components(self) -> None:
        entries = require_list(self.fields, "components")
        for index, entry in enumerate(entries):
            place = entries.place(index)
            with self.attempt(place):
                self._apply_component(scalar_text(entry), place)

    def _apply_component(self, entry: str, place: Place) -> None:
        path = join(self.kustomization.directory, entry)
        if path is None or not self.session.loader.tree.is_directory(path):
            if self.note_remote(entry, place):
                return
            raise BuildError(self._missing(entry, path))
        self._refuse_cycle(path, entry)
        self.state.inputs.add(path + "/")
        component = self.session.read(path)
        if not component.is_component:
            raise BuildError(f"{entry} is no Component, but listed in components")
        self.state.inputs.add(component.file)
        self.state.directories.add(path)
        for problem in component.problems:
            self.state.problems.append(problem)
            self.state.failed = True
        wrong = self.session.use_schema(component, self.schema)
        if wrong is not None:
            self.state.note([wrong])
        origin = None if self.origin is None else plugins.append_path(self.origin, entry)
        Layer(self.session, component, self.state, (*self.above, path), self.schema, origin).run()

    # Transformers

    def _transform(self) -> None:
        tables, fields = self.state.tables, self.fields
        patching = Patching(self)
        patching.merge_old_patches()
        patching.apply_patches()
        namespace = scalar_text(fields.get("namespace"))
        if namespace:
            place = fields.place("namespace")
            with self.attempt(place):
                transformers.set_namespace(self.state.drafts, namespace, place, tables.namespace)
            self.transformed("NamespaceTransformer")
        for key, specs, at_end in (("namePrefix", tables.name_prefix, False), ("nameSuffix", tables.name_suffix, True)):
            affix = scalar_text(fields.get(key))
            if affix:
                with self.attempt(fields.place(key)):
                    transformers.add_affix(self.state.drafts, affix, specs, at_end=at_end)
                self.transformed("SuffixTransformer" if at_end else "PrefixTransformer")
        self._set_labels()
        annotations = as_mapping(fields.get("commonAnnotations"))
        if annotations:
            with self.attempt(fields.place("commonAnnotations")):
                transformers.set_labels(self.state.drafts, annotations, tables.common_annotations)
            self.transformed("AnnotationsTransformer")
        patching.apply_old_json_patches()
        self._set_replicas()
        self._set_images()
        self._replace()
        plugins.run_transformers(self)

    def transformed(self, kind: str) -> None:
        """Notes which transformer had its hands on everything, where `buildMetadata` asks for that."""
        mark = plugins.built_in_origin(self, kind)
        if mark is not None:
            plugins.note_transformation(self.state.drafts, mark)

    def _set_labels(self) -> None:
        tables = self.state.tables
        entries = require_list(self.fields, "labels")
        for index, entry in enumerate(entries):
            place = entries.place(index)
            with self.attempt(place):
                label = as_mapping(entry)
                specs = merge_specs(read_specs(label.get("fields")), tables.labels)
                if label.get("includeSelectors") is True:
                    specs = merge_specs(specs, tables.common_labels)
                else:
                    if label.get("includeTemplates") is True:
                        specs = merge_specs(specs, tables.template_labels)
                    specs = merge_specs(specs, (transformers.metadata_labels_spec(),))
                transformers.set_labels(self.state.drafts, transformers.label_pairs(label), specs)
            self.transformed("LabelTransformer")
        common = as_mapping(self.fields.get("commonLabels"))
        if entries or common:
            with self.attempt(self.fields.place("commonLabels")):
                transformers.set_labels(self.state.drafts, common, tables.common_labels)
            self.transformed("LabelTransformer")

    def _set_replicas(self) -> None:
        entries = require_list(self.fields, "replicas")
        for index, entry in enumerate(entries):
            with self.attempt(entries.place(index)):
                self.apply_replicas(as_mapping(entry), self.state.tables)
            self.transformed("ReplicaCountTransformer")

    def apply_replicas(self, entry: MappingNode, tables: FieldTables) -> None:
        """Applies an entry of `replicas`. Raises `BuildError`."""
        count = entry.get("count")
        number = count if isinstance(count, int) else 0
        transformers.set_replicas(self.state.drafts, scalar_text(entry.get("name")), number, entry.place("count"), tables.replicas)

    def _set_images(self) -> None:
        for key in ("images", "imageTags"):
            entries = require_list(self.fields, key)
            for index, entry in enumerate(entries):
                with self.attempt(entries.place(index)):
                    transformers.set_images(self.state.drafts, transformers.read_image(as_mapping(entry)), self.state.tables.images)
                self.transformed("ImageTagTransformer")

    def _replace(self) -> None:
        entries = require_list(self.fields, "replacements")
        for index, entry in enumerate(entries):
            with self.attempt(entries.place(index)):
                for written in self.replacements_of(as_mapping(entry), entries.place(index)):
                    replacements.replace(self.state.drafts, written)
        if entries:
            self.transformed("ReplacementTransformer")

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

    # Variables

    def _bind_variables(self) -> None:
        entries = require_list(self.fields, "vars")
        for index, entry in enumerate(entries):
            with self.attempt(entries.place(index)):
                variable = read_variable(as_mapping(entry))
                bind(variable, self.state.drafts)
                self._add_variable(variable)

    def _add_variable(self, variable: Variable) -> None:
        if variable.name in self.state.variables:
            raise BuildError(f"var {variable.name} is there twice", variable.place)
        self.state.variables[variable.name] = variable
