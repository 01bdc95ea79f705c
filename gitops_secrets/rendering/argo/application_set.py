"""ApplicationSets: one Application for each set of parameters that the generators yield (applicationset controller of Argo CD 3.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gitops_secrets.manifests.load import Loader, parse_documents
from gitops_secrets.model.facts import Problem, Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import MappingNode, Place, SequenceNode, as_mapping, as_sequence, as_text, placed
from gitops_secrets.rendering.argo.applications import ARGO_GROUP
from gitops_secrets.rendering.argo.generators import Generated, Generation, NotKnown, Parameters, Refused
from gitops_secrets.rendering.argo.repositories import Repositories
from gitops_secrets.rendering.selectors import is_selected
from gitops_secrets.syntax.budget import ENTRY, Budget, BudgetError
from gitops_secrets.syntax.go_functions import go_text
from gitops_secrets.syntax.go_template import ARGO_CD, ARGO_CD_LENIENT, Dialect, TemplateError, render

_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


@dataclass(slots=True)
class Made:
    """The Applications of a set with the places of its template, what is wrong with it, and why not all is known."""

    applications: list[MappingNode] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unknown: str | None = None
    inputs: set[str] = field(default_factory=set)
    steps: dict[ResourceId, int] = field(default_factory=dict)  # of a RollingSync, for those that are in one


def expand_application_set(resource: Resource, repositories: Repositories, loader: Loader) -> Made:
    """What an ApplicationSet makes. As with the controller, one template that fails leaves nothing of the set."""
    spec = resource.spec
    templates = _Templates(spec, loader.budget)
    generation = Generation(repositories, loader, templates.render, templates.dialect is not None)
    made = Made(inputs=generation.inputs)
    try:
        generators = as_sequence(spec.get("generators"))
        names: dict[str, None] = {}
        for generated in generation.run(generators):
            application = templates.application(generated, resource)
            name = str(as_mapping(application.get("metadata")).get("name"))
            if name in names:
                raise Refused(f"it makes two Applications called {name}", resource.place)
            names[name] = None
            made.applications.append(application)
    except BudgetError as spent:
        made.applications.clear()
        made.problems.append(Problem(f"{resource.id} makes no Applications: {spent}", resource.place, "build-failed", str(resource.id)))
    except NotKnown as unknown:
        made.applications.clear()
        made.unknown = str(unknown)
    except Refused as refused:
        made.applications.clear()
        made.problems.append(Problem(f"{resource.id} makes no Applications: {refused}", refused.place, "build-failed", str(resource.id)))
    for pattern, place in generation.unmatched:
        message = f"{resource.id} looks for {pattern}, and nothing in the repository matches"
        made.problems.append(Problem(message, place, "missing-path", str(resource.id), written=pattern))
    made.steps = _rolling_steps(spec, made.applications, resource.id.namespace)
    return made


def _rolling_steps(spec: MappingNode, applications: Sequence[MappingNode], namespace: str) -> dict[ResourceId, int]:
    """The step of a RollingSync that each Application matches first."""
    strategy = as_mapping(spec.get("strategy"))
    if strategy.get("type") != "RollingSync":
        return {}
    steps = as_sequence(as_mapping(strategy.get("rollingSync")).get("steps"))
    found = {}
    for application in applications:
        metadata = as_mapping(application.get("metadata"))
        step = next((index for index, entry in enumerate(steps) if is_selected(as_mapping(metadata.get("labels")), as_mapping(entry))), None)
        if step is not None:
            found[ResourceId(ARGO_GROUP, "Application", namespace, str(metadata.get("name")))] = step
    return found


class _Templates:
    """The template of an ApplicationSet, in Go's language or in the older one of `{{name}}` alone (valyala/fasttemplate)."""

    def __init__(self, spec: MappingNode, budget: Budget) -> None:
        self.spec = spec
        self.budget = budget
        options = [as_text(option) for option in as_sequence(spec.get("goTemplateOptions"))]
        is_strict = "missingkey=error" in options
        self.dialect: Dialect | None = (ARGO_CD if is_strict else ARGO_CD_LENIENT) if spec.get("goTemplate") is True else None

    def application(self, generated: Generated, owner: Resource) -> MappingNode:
        """One Application. Raises `Refused` and `NotKnown`."""
        template = as_mapping(self.spec.get("template"))
        if generated.template:
            template = _patched(template, generated.template)
        rendered = as_mapping(self.render(template, generated.parameters))
        mark = template.mark
        node = MappingNode(template.file, mark)
        node.put("apiVersion", f"{ARGO_GROUP}/v1alpha1", template.place())
        node.put("kind", "Application", template.place())
        metadata = as_mapping(rendered.get("metadata")).copy()
        metadata.put("namespace", owner.id.namespace, metadata.place("namespace"))
        node.put("metadata", metadata, rendered.place("metadata"))
        node.put("spec", as_mapping(rendered.get("spec")), rendered.place("spec"))
        patch = self.spec.get("templatePatch")
        if isinstance(patch, str) and patch.strip():
            node = _patched(node, self._patch(patch, generated.parameters))
        if not as_mapping(node.get("metadata")).get("name"):
            raise Refused("its template makes an Application without a name", template.place())
        return node

    def _patch(self, text: str, parameters: Parameters) -> MappingNode:
        place = self.spec.place("templatePatch")
        documents = parse_documents(self._text(text, parameters, place), place.file, self.budget.limits)
        if documents.problems:
            raise Refused(f"its templatePatch makes what is no YAML: {documents.problems[0].message}", place)
        return as_mapping(placed(as_mapping(documents.first), place))

    def render(self, value: Any, parameters: Mapping[str, Any], place: Place | None = None) -> Any:
        """Every text in a value rendered, keys included; places stay those of the template."""
        if isinstance(value, str):
            return self._text(value, parameters, place or self.spec.place("template")) if "{{" in value else value
        if isinstance(value, MappingNode | SequenceNode):
            self.budget.spend(ENTRY * len(value))
        if isinstance(value, MappingNode):
            mapping = MappingNode(value.file, value.mark)
            for key, item in value.items():
                at = value.place(key)
                mapping.put(self.render(key, parameters, at), self.render(item, parameters, at), value.marks.get(key, value.mark))
            return mapping
        if isinstance(value, SequenceNode):
            sequence = SequenceNode(value.file, value.mark)
            for index, item in enumerate(value):
                sequence.add(self.render(item, parameters, value.place(index)), value.marks[index] if index < len(value.marks) else value.mark)
            return sequence
        return value

    def _text(self, text: str, parameters: Mapping[str, Any], place: Place) -> str:
        if self.dialect is None:
            # Behind the last tag that ends, none has to be looked for.
            end = text.rfind("}}") + 2 if "}}" in text else 0
            return _TAG.sub(lambda match: self._known(parameters, match), text[:end]) + text[end:]
        try:
            return render(text, parameters, self.dialect, self.budget)
        except TemplateError as error:
            if error.unsupported:
                raise NotKnown(f"its template can't be rendered here: {error.message}") from None
            raise Refused(f"its template can't be rendered: {error.message}", place) from None

    def _known(self, parameters: Mapping[str, Any], match: re.Match[str]) -> str:
        """What stands for `{{name}}`: the parameter, or the text itself where there is none."""
        name = match[1].strip()
        text = go_text(parameters[name]) if name in parameters else match[0]
        self.budget.spend_text(len(text))
        return text


def _patched(node: MappingNode, patch: MappingNode) -> MappingNode:
    """A merge patch: mappings key by key, null takes away, everything else replaces."""
    result = node.copy()
    for key, value in patch.items():
        below = result.get(key)
        if value is None:
            if key in result:
                result.remove(key)
        elif isinstance(value, MappingNode) and isinstance(below, MappingNode):
            result.put(key, _patched(below, value), result.place(key))
        else:
            result.put(key, value, patch.place(key))
    return result
