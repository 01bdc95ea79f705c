"""Rules about what could not be read or built. The rooms that read report the problems; these rules grade them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Final

from gitops_secrets.checks import remedies
from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.model.facts import Problem
from gitops_secrets.model.findings import Finding, Severity
from gitops_secrets.model.nodes import Place, as_mapping, as_sequence


class _FromProblems(Rule):
    """One finding for each problem of the rule's own id. `cost` is what it leads to, before what to do about it."""

    severity: ClassVar[Severity] = Severity.ERROR
    cost: ClassVar[str]

    def check(self, context: Context) -> Iterator[Finding]:
        for problem in context.cluster.problems:
            if problem.rule == self.id:
                subject = problem.subject or context.cluster.entry_point
                remedy = remedies.other_path(problem.place, problem.written, problem.meant)
                fault, hint, meant = problem.message.partition("; did you mean")
                cost, severity = self._cost(context, subject)
                message = f"{self._named(subject, fault)}; {cost}{hint}{meant}"
                cause = f"{fault}; {cost}{hint}{meant}"
                yield self.finding(message, problem.place, subject, other=problem.other, severity=severity, field=problem.message, cause=cause, remedy=remedy)

    def _cost(self, context: Context, subject: str) -> tuple[str, Severity | None]:
        """What it leads to, and how bad that is where it is not as bad as usual."""
        return self.cost, None

    def _named(self, subject: str, fault: str) -> str:
        """What is wrong, with the unit that it is wrong with."""
        return fault if subject in fault else f"{subject} does not build: {fault}"


# What an undefined variable was before substitution became strict.
_EMPTIED: Final = "it becomes empty without a word"
_ALL_EMPTIED: Final = "they become empty without a word"
_UNSURE: Final = "from Flux 2.9 on the build fails, before it becomes empty without a word"


class MissingPath(_FromProblems):
    """A Kustomization or an Application reads a directory that is not there.

    What it does: reports a `spec.path` that this repository doesn't have, with the closest directory that it has; the path of an Application; and, as a
    warning, what a generator of an ApplicationSet looks for and does not find.

    Why it matters: the unit stays at ArtifactFailed (`kustomization path not found`), again at each interval; an Application at Unknown. A warning where
    most paths of the source are not there: then it will be another repository, or have another root.

    Example: before, `path: ./infrastructure/store`; after, `path: ./infrastructure/stores`.

    Options: `sources` in the configuration, for paths of other repositories.
    """

    id = "missing-path"
    fixable = True
    symptoms = ("ArtifactFailed", "kustomization path not found", "ComparisonError", "app path does not exist")
    cost = "it stays at ArtifactFailed"

    def _cost(self, context: Context, subject: str) -> tuple[str, Severity | None]:
        if subject.startswith("ApplicationSet/"):
            return "it makes no Application of it", Severity.WARNING
        cost = "its sync status stays at Unknown (ComparisonError)" if subject.startswith("Application/") else self.cost
        source = context.foreign_sources.get(subject)
        if source is None:
            return cost, None
        return f"{cost}, unless {source} is not this repository as it is here: most of its paths are not here; name it under sources", Severity.WARNING


class BuildFailed(_FromProblems):
    """A directory does not build.

    What it does: reports what kustomize refuses: a resource file that is not there, a patch that can't be applied, a bad generator, a cycle of bases.

    Why it matters: the unit stays at BuildFailed, and nothing of it is applied.

    Example: before, `resources: [deploymnet.yaml]`; after, `resources: [deployment.yaml]`.

    Options: none.
    """

    id = "build-failed"
    symptoms = ("BuildFailed", "kustomize build failed")
    cost = "nothing of it is applied"


class UndefinedVariable(_FromProblems):
    """A variable that nothing defines.

    What it does: reports `${NAME}` in what a Kustomization builds, where neither `substitute` nor `substituteFrom` has it and no default stands there.

    Why it matters: since Flux 2.9 the build fails (`variable not set (strict mode)`); before, the text became empty without a word. An error only where the
    repository tells that its Flux is that new.

    Example: before, `host: app.${DOMAIN}`; after, `DOMAIN` in `postBuild.substitute`, a default `${DOMAIN:=example.org}`, or the escape `$${DOMAIN}`.

    Options: none.
    """

    id = "undefined-variable"
    symptoms = ("BuildFailed", "variable not set (strict mode)")
    cost = "its build fails"

    def check(self, context: Context) -> Iterator[Finding]:
        is_strict = _is_strict(context.cluster.flux_version)
        cost, plural = {True: (self.cost, self.cost), False: (_EMPTIED, _ALL_EMPTIED), None: (_UNSURE, _UNSURE)}[is_strict]
        for finding in super().check(context):
            message = finding.message.replace(self.cost, cost)
            cause = f"{finding.subject} builds objects with variables that nothing defines; {plural}"
            yield replace(finding, severity=Severity.ERROR if is_strict else Severity.WARNING, message=message, cause=cause)


def _is_strict(version: str | None) -> bool | None:
    """Is substitution strict by default: from kustomize-controller 1.9, Flux 2.9? None where the repository does not tell the version."""
    parts = (version or "").split(".")
    try:
        return (int(parts[0]), int(parts[1])) >= (2, 9)
    except (ValueError, IndexError):
        return None


class PatchMatchesNothing(_FromProblems):
    """A patch that changes nothing.

    What it does: reports a patch with a target that matches no object of the build, often because the version or name in it is an old one. A patch of a
    component or base that lies elsewhere is a note: it may be for others that use it.

    Why it matters: kustomize says nothing: what the patch should set is not set.

    Example: before, `target: {kind: Kustomization, version: v1beta2}`; after, `target: {kind: Kustomization}`.

    Options: none.
    """

    id = "patch-matches-nothing"
    cost = "what it should set is not set"
    severity = Severity.WARNING

    def _named(self, subject: str, fault: str) -> str:
        return f"in {subject} {fault}"

    def check(self, context: Context) -> Iterator[Finding]:
        findings: dict[Place, list[Finding]] = {}
        for finding in super().check(context):
            findings.setdefault(finding.place, []).append(finding)
        shared = _patch_owners(context)
        paths = {str(unit.id): unit.path for unit in context.cluster.units}
        for place, found in findings.items():
            # A parent often gives one patch to all of its children, a component one to all who use it: it is for those that have what it is about.
            if place in shared:
                if len({finding.subject for finding in found}) >= shared[place]:
                    yield found[0]
            elif any(_lies_in(place.file, paths.get(finding.subject)) for finding in found):
                yield found[0]
            else:
                yield replace(found[0], severity=Severity.NOTE)


def _lies_in(file: str, folder: str | None) -> bool:
    return folder in (None, "", ".") or file.startswith(f"{folder}/")


def _patch_owners(context: Context) -> dict[Place, int]:
    """How many Kustomizations carry the patch that is written at a place."""
    owners: dict[Place, int] = {}
    for unit in context.cluster.units:
        patches = as_sequence(unit.spec.get("patches"))
        places = {patches.place(index) for index in range(len(patches))}
        places |= {as_mapping(as_mapping(patch).get("target")).place() for patch in patches}
        for place in places:
            owners[place] = owners.get(place, 0) + 1
    return owners


class InvalidYaml(_FromProblems):
    """A file is not YAML.

    What it does: reports files that a cluster's build reads and that do not parse, with the line. Everything else is still analysed.

    Why it matters: the unit stays at BuildFailed.

    Example: before, `key: [a, b`; after, `key: [a, b]`.

    Options: none.
    """

    id = "invalid-yaml"
    symptoms = ("BuildFailed",)
    cost = "nothing of it is applied"

    def unread(self, problem: Problem, subject: str) -> Finding:
        """The finding for a file that `subject` was read from in an earlier state, and that keeps all of it from being read now."""
        message = f"{self._named(subject, problem.message)}; {self.cost}"
        return self.finding(message, problem.place, subject, field=problem.message, cause=f"{problem.message}; {self.cost}")


class DuplicateKey(_FromProblems):
    """A key stands twice in one mapping.

    What it does: reports the second one.

    Why it matters: kustomize refuses the file (`mapping key already defined`); other tools silently take the last one.

    Example: before, two `labels:` in one `metadata`; after, one.

    Options: none.
    """

    id = "duplicate-key"
    symptoms = ("BuildFailed", "mapping key already defined")
    cost = "kustomize refuses the file"
