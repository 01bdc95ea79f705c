"""Builds kustomization directories: each base once, whoever includes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gitops_secrets.manifests.load import Documents, Loader
from gitops_secrets.manifests.secrets import REDACTED
from gitops_secrets.model.facts import Opaque, Problem
from gitops_secrets.model.nodes import MappingNode, Place, as_mapping, as_sequence
from gitops_secrets.rendering.kustomize import order, plugins, schema, transformers, variables
from gitops_secrets.rendering.kustomize.accumulated import Accumulated, InflatedChart, Kustomization, SchemaInUse
from gitops_secrets.rendering.kustomize.defaults import FieldTables, merged_defaults
from gitops_secrets.rendering.kustomize.draft import BuildError, Draft, LimitError, NotFoundError, scalar_text
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES, check, kustomizations, require_list, with_extra
from gitops_secrets.rendering.kustomize.layer import Layer
from gitops_secrets.rendering.kustomize.manifests import expand_lists
from gitops_secrets.rendering.kustomize.names import ReferenceIndex, index_references, update_references
from gitops_secrets.rendering.kustomize.respelling import respelt
from gitops_secrets.rendering.kustomize.steps import evaluate
from gitops_secrets.rendering.kustomize.texts import Texts
from gitops_secrets.syntax.budget import OBJECT, Budget, BudgetError

VERSION = "v5.8.1"
# Of what a unit may take. A base that takes so much is not tried again for each that includes it.
_MOST_OF_IT = 0.5
_LOCAL_CONFIG = "config.kubernetes.io/local-config"
_ORIGIN = "config.kubernetes.io/origin"
_TRANSFORMATIONS = "alpha.config.kubernetes.io/transformations"


@dataclass(frozen=True, slots=True)
class Build:
    """What a kustomization directory comes to."""

    resources: tuple[MappingNode, ...]  # rendered objects, in kustomize's output order; shared nodes, never mutate
    problems: tuple[Problem, ...]  # what kustomize would refuse, patches that match nothing, and problems of the files read
    opaque: tuple[Opaque, ...]  # remote bases, charts, plugins: named, never dropped silently
    inputs: frozenset[str]  # every file read and every directory listed; directories end with "/"
    failed: bool  # kustomize would exit non-zero
    charts: tuple[InflatedChart, ...] = ()  # what it would hand to Helm; named in `opaque` as well
    outside: tuple[Problem, ...] = ()  # files above a kustomization, which kustomize refuses unless its load restrictions are off


class Builder:
    """Builds directories of one tree. What several of them include is read and accumulated once."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.texts = Texts(loader)
        self._kustomizations: dict[str, Kustomization] = {}
        self._bases: dict[tuple[str, int, bool, str | None], Accumulated] = {}
        self._too_much: dict[tuple[str, int, bool, str | None], LimitError] = {}
        self._builds: dict[str, Build] = {}
        self._default_index: ReferenceIndex | None = None
        self._resources: dict[str, tuple[MappingNode, ...]] = {}
        self._schemas: dict[tuple[str, bool], schema.Schema] = {}

    def build(self, directory: str, *, extra: MappingNode | None = None, kustomization: MappingNode | None = None) -> Build:
        """The resources of `directory`, as `kustomize build` would print them.

        `kustomization` stands in for the file of a directory that has none. `extra` has the fields that a Flux Kustomization adds to the file: namespace,
        namePrefix, nameSuffix, images, patches, components. Never raises for what is wrong in the repository: that stands in `problems`, and what can be
        built is built.
        """
        if extra is None and kustomization is None:
            found = self._builds.get(directory)
            if found is None:
                found = self._builds[directory] = self._build(directory, None, None)
        else:
            found = self._build(directory, extra, kustomization)
        self.loader.builds.update(found.inputs)
        return found

    def _build(self, directory: str, extra: MappingNode | None, written: MappingNode | None) -> Build:
        self.loader.budget.begin()
        try:
            root = self.read(directory) if written is None else self._checked(written, directory, written.file, ())
        except BuildError as error:
            return _nothing(directory, error)
        fields = root.fields if extra is None else with_extra(root.fields, extra)
        metadata = [scalar_text(option) for option in require_list(fields, "buildMetadata")]
        origin = "" if metadata else None
        in_use = SchemaInUse(schema.built_in())
        refusal = self.use_schema(root, in_use)
        try:
            if extra is None and written is None and origin is None:
                state = self.accumulate(directory, (), in_use, None)
            else:
                # fluxcd/pkg/kustomize drops fields that it doesn't know, and doesn't mind an empty file.
                root = Kustomization(fields, directory, root.file, root.problems, root.strict_problems if extra is None else ())
                state = self._accumulated(root, (), in_use, origin)
            return self._finished(state, fields, metadata, refusal)
        except LimitError as error:
            return _nothing(directory, error)
        except BudgetError as spent:
            return _nothing(directory, LimitError(str(spent), fields.place()))

    # What layers ask for

    def read(self, directory: str) -> Kustomization:
        """The kustomization of a directory. Raises `BuildError` if it has none."""
        known = self._kustomizations.get(directory)
        if known is None:
            known = self._kustomizations[directory] = self._read(directory)
        return known

    def resources(self, path: str, documents: Documents) -> tuple[MappingNode, ...]:
        """The resources that a file holds, as kustomize spells their values. Raises `BuildError` for what is none."""
        known = self._resources.get(path)
        if known is None:
            nodes = expand_lists(documents.documents)
            if documents.may_be_respelt:
                nodes = (respelt(node, self.texts) for node in nodes)
            known = self._resources[path] = tuple(nodes)
        return known

    def accumulate(self, directory: str, above: tuple[str, ...], in_use: SchemaInUse, origin: str | None) -> Accumulated:
        """What a directory comes to as a base of others; the result is shared, its drafts must be forked. Raises `BuildError` if it can't be one."""
        key = (directory, id(in_use.schema), in_use.is_set, origin)
        known = self._bases.get(key)
        if known is not None and not _would_cycle(known, above):
            return known
        if key in self._too_much:
            raise self._too_much[key]
        kustomization = self.read(directory)
        if kustomization.is_component and above:
            raise BuildError(f"{directory} is a Component: list it in components, not in resources")
        before = in_use.is_set
        wrong = self.use_schema(kustomization, in_use) if above else None
        used = self.loader.budget.used
        try:
            state = self._accumulated(kustomization, above, in_use, origin)
        except LimitError as error:
            if self.loader.budget.used - used > _MOST_OF_IT:
                self._too_much[key] = error
            raise
        if wrong is not None:
            state.note([wrong])
        if in_use.is_set and not before:
            state.schema = in_use.schema
        if known is None:
            self._bases[key] = state
        return state

    def _accumulated(self, kustomization: Kustomization, above: tuple[str, ...], in_use: SchemaInUse, origin: str | None) -> Accumulated:
        directory = kustomization.directory
        state = Accumulated(inputs={directory + "/", kustomization.file} if kustomization.file else {directory + "/"}, directories={directory})
        state.note((*kustomization.problems, *kustomization.strict_problems))
        evaluate(Layer(self, kustomization, state, (*above, directory), in_use, origin))
        return state

    def use_schema(self, kustomization: Kustomization, in_use: SchemaInUse) -> Problem | None:
        """Takes the schema that a kustomization names in `openapi`, if none is set yet; returns what is wrong with it."""
        openapi = as_mapping(kustomization.fields.get("openapi"))
        path, version = scalar_text(openapi.get("path")), scalar_text(openapi.get("version"))
        if in_use.is_set or not (path or version):
            return None
        if not path:
            if version not in schema.VERSIONS:
                return Problem(f"OpenAPI version {version} is not built in", openapi.place("version"), "build-failed")
            in_use.is_set = True
            return None
        if version:
            return Problem("openapi has either a path or a version", openapi.place("version"), "build-failed")
        layer = Layer(self, kustomization, Accumulated(), (kustomization.directory,), in_use)
        try:
            documents = layer.documents_at(path, openapi.place("path"))
        except BuildError as error:
            return Problem(error.message, error.place or openapi.place("path"), "build-failed")
        file = next(iter(layer.state.inputs), None)
        if file is None:
            return None  # it is elsewhere, and not fetched: lists of custom resources are merged as without it
        key = (file, in_use.in_use)
        known = self._schemas.get(key)
        if known is None:
            document = documents.documents[0] if documents.documents else None
            known = self._schemas[key] = schema.from_openapi(document, with_built_in=in_use.in_use)
        in_use.schema, in_use.is_set = known, True
        return None

    def _read(self, directory: str) -> Kustomization:
        paths = kustomizations(self.loader.tree, directory)
        if not paths:
            raise BuildError(f"{directory or 'the root'} has no kustomization file: none of {', '.join(FILE_NAMES)}")
        if len(paths) > 1:
            raise BuildError(f"{directory or 'the root'} has several kustomization files: {', '.join(paths)}", Place(paths[1], 1, 1))
        try:
            documents = self.loader.load(paths[0], for_units=True)
        except FileNotFoundError:
            raise BuildError(f"{paths[0]} can't be read") from None
        # A repeated key is no error here: the last one counts.
        problems = tuple(problem for problem in documents.problems if problem.rule != "duplicate-key")
        if problems and not documents.documents:
            return Kustomization(MappingNode(paths[0]), directory, paths[0], problems)
        return self._checked(documents.documents[0] if documents.documents else None, directory, paths[0], problems)

    def _checked(self, document: Any, directory: str, file: str, problems: Iterable[Problem]) -> Kustomization:
        fields, refusals = check(document, Place(file, 1, 1), self.texts)
        by_flux, others = (tuple(Problem(one.message, one.place, "build-failed") for one in refusals if one.by_flux is kept) for kept in (True, False))
        return Kustomization(fields, directory, file, (*problems, *by_flux), others)

    # The last steps, which only the root takes

    def _finished(self, state: Accumulated, fields: MappingNode, metadata: list[str], refusal: Problem | None) -> Build:
        problems = list(state.problems)
        failed = state.failed
        if refusal is not None:
            problems.append(refusal)
            failed = True
        drafts = [draft.fork() for draft in state.drafts]
        budget = self.loader.budget
        budget.spend(OBJECT * len(drafts))
        try:
            plugins.add_hashes(drafts)
            update_references(drafts, self._index(state.tables), budget)
            variables.resolve(drafts, state.variables, state.tables.variable_reference, budget)
        except BuildError as error:
            if not (isinstance(error, NotFoundError) and not state.is_complete):
                problems.append(Problem(error.message, error.place or fields.place(), "build-failed"))
                failed = True
        for draft in drafts:
            if not draft.identity.kind or not draft.identity.name:
                problems.append(Problem(f"{draft.identity} was left without a kind or name", draft.place, "build-failed"))
                failed = True
        drafts = [draft for draft in drafts if not _is_local(draft)]
        try:
            drafts = order.ordered(drafts, fields.get("sortOptions"))
            if "managedByLabel" in metadata:
                self._label_manager(drafts, fields, budget)
        except BuildError as error:
            problems.append(Problem(error.message, error.place or fields.place("sortOptions"), "build-failed"))
            failed = True
        resources = tuple(self._resource(draft, metadata) for draft in drafts)
        return Build(
            resources,
            tuple(dict.fromkeys(problems)),
            tuple(dict.fromkeys(state.opaque)),
            frozenset(state.inputs),
            failed,
            tuple(state.charts),
            tuple(dict.fromkeys(state.outside)),
        )

    def _index(self, tables: FieldTables) -> ReferenceIndex:
        if tables is merged_defaults():
            if self._default_index is None:
                self._default_index = index_references(tables.name_reference)
            return self._default_index
        return index_references(tables.name_reference)

    @staticmethod
    def _label_manager(drafts: list[Draft], fields: MappingNode, budget: Budget) -> None:
        place = as_sequence(fields.get("buildMetadata")).place()
        pairs = MappingNode(place.file, 0)
        pairs.put("app.kubernetes.io/managed-by", f"kustomize-{VERSION}", place)
        transformers.set_labels(drafts, pairs, (transformers.metadata_labels_spec(),), budget)

    def _resource(self, draft: Draft, metadata: list[str]) -> MappingNode:
        node = self._with_annotations(draft, metadata)
        return _redacted(node) if draft.identity.kind == "Secret" else node

    def _with_annotations(self, draft: Draft, metadata: list[str]) -> MappingNode:
        """The resource with annotations as kustomize writes them: all text, none if empty, and where things come from if that was asked for."""
        node = draft.node
        holder = node.get("metadata")
        annotations = as_mapping(holder).get("annotations")
        added = {}
        if draft.origin is not None and "originAnnotations" in metadata:
            added[_ORIGIN] = draft.origin
        if draft.transformations and "transformerAnnotations" in metadata:
            added[_TRANSFORMATIONS] = "".join("- " + mark.strip().replace("\n", "\n  ") + "\n" for mark in draft.transformations)
        if not isinstance(holder, MappingNode):
            return node
        all_text = isinstance(annotations, MappingNode) and annotations and all(value.__class__ is str for value in annotations.values())
        if not added and ("annotations" not in holder or all_text):
            return node
        node, holder = node.copy(), holder.copy()
        node["metadata"] = holder
        entries = annotations.copy() if isinstance(annotations, MappingNode) else MappingNode(holder.file, holder.mark)
        for key, value in entries.items():
            if value.__class__ is not str:
                entries[key] = "null" if value is None and draft.is_json else self.texts.spelling(entries, key)
        for key, value in added.items():
            entries.put(key, value, draft.place)
        if entries:
            holder.put("annotations", entries, holder.marks.get("annotations", holder.mark))
        elif "annotations" in holder:
            holder.remove("annotations")
        return node


def _nothing(directory: str, error: BuildError) -> Build:
    """What a directory comes to that can't even be started with, or that would take too much."""
    problem = Problem(error.message, error.place or Place(directory or ".", 1, 1), "build-failed")
    return Build((), (problem,), (), frozenset({directory + "/"}), True)


def _would_cycle(known: Accumulated, above: tuple[str, ...]) -> bool:
    return any(directory == one or directory.startswith(one + "/") for directory in above for one in known.directories)


def _is_local(draft: Draft) -> bool:
    annotations = as_mapping(as_mapping(draft.node.get("metadata")).get("annotations"))
    return _LOCAL_CONFIG in annotations and scalar_text(annotations[_LOCAL_CONFIG]) != "false"


def _redacted(secret: MappingNode) -> MappingNode:
    """A Secret without values, whatever set them."""
    result = secret
    for field in ("data", "stringData"):
        values = secret.get(field)
        if isinstance(values, MappingNode):
            if all(value is None or (value.__class__ is str and value == REDACTED) for value in values.values()):
                continue
            cut: MappingNode | None = values.copy()
            for key, value in values.items():
                if cut is not None and value is not None:
                    cut[key] = REDACTED
        elif values is None:
            continue
        else:
            cut = None
        if result is secret:
            result = secret.copy()
        result[field] = cut
    return result
