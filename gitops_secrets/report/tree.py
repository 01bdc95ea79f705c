"""The units of each cluster as people see their platform: nested as they are applied, each with what it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gitops_secrets.model.facts import Problem
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.results import Unit
from gitops_secrets.ordering.order import Order, OrderedEdge, Plan
from gitops_secrets.report.blocks import Blocks, blocks_of
from gitops_secrets.report.escape import visible
from gitops_secrets.report.names import relative_name, resource_counts
from gitops_secrets.report.strays import without_strays
from gitops_secrets.report.style import BOLD, CYAN, YELLOW, Style, counted

PROBLEMS_SHOWN = 5
OPAQUE_SHOWN = 5


def scan_tree(plans: Sequence[Plan], problems: Sequence[Problem], style: Style, *, resources: bool = False) -> Blocks:
    """All clusters as trees of units, but for those that `without_strays` names alone. `resources` adds the objects of each unit.

    With a verbose style also what was written without a visible reason, what is used without an order, and everything that is opaque.
    """
    shown, strays = without_strays(plans, style)
    blocks = [cluster_block(plan, style, resources=resources) for plan in shown] + strays
    if problems:
        blocks.append("\n".join(_problems(problems, style)))
    parts = [part for block in blocks for part in (block, "\n\n")][:-1]
    return blocks_of([*parts, "\n"] if parts else [], {2 * number: plan.graph for number, plan in enumerate(shown)})


def cluster_block(order: Order, style: Style, *, resources: bool = False) -> str:
    """One cluster."""
    return "\n".join(_cluster(order, style, resources))


def _cluster(plan: Order, style: Style, resources: bool) -> Iterator[str]:
    graph = plan.graph
    yield f"{style.paint(visible(graph.cluster.name), BOLD)}  {style.dim(visible(graph.cluster.entry_point))}"
    written = sum(edge.edge.declared is not None for edge in plan.edges)
    missing = f", {style.paint(f'{len(plan.missing)} missing', YELLOW)}" if plan.missing else ""
    yield f"{counted(len(graph.units), 'unit')}, {counted(len(graph.unit_of), 'resource')}, {counted(written, 'dependency')} written{missing}"
    yield ""
    yield from _Tree(plan, style, resources).lines()
    yield from _opaque(plan, style)


class _Tree:
    """The lines of the units of one cluster."""

    def __init__(self, plan: Order, style: Style, resources: bool) -> None:
        self.graph = plan.graph
        self.style = style
        self.edges: dict[ResourceId, list[OrderedEdge]] = {}
        for edge in plan.edges:
            self.edges.setdefault(edge.consumer, []).append(edge)
        self.missing = {(entry.edge.consumer, entry.edge.provider) for entry in plan.missing}
        self.counts = resource_counts(plan.graph)
        self.objects: dict[ResourceId, list[ResourceId]] = {}
        if resources:
            for resource, owner in sorted(plan.graph.unit_of.items()):
                if resource not in plan.graph.units:
                    self.objects.setdefault(owner, []).append(resource)
        self.shown: set[ResourceId] = set()

    def lines(self) -> Iterator[str]:
        units = self.graph.units
        for root in sorted(unit.id for unit in units.values() if unit.parent is None or unit.parent not in units):
            yield from self.branch(root, None, "", "")
        # Units that apply each other hang on no root.
        for unit in sorted(units):
            if unit not in self.shown:
                yield from self.branch(unit, None, "", "")

    def branch(self, unit_id: ResourceId, context: ResourceId | None, first: str, following: str) -> Iterator[str]:
        """A unit and all below it. `first` begins its own line, `following` the others."""
        self.shown.add(unit_id)
        children = [child for child in self.graph.children.get(unit_id, ()) if child not in self.shown]
        releases = [child for child in children if self.is_plain_release(child)]
        self.shown.update(releases)
        children = [child for child in children if child not in releases]
        inner = following + ("│  " if children else "   ")
        yield first + self.headline(self.graph.units[unit_id], context, releases)
        for label, text in _dependencies(unit_id, self.edges.get(unit_id, ()), self.missing, self.style):
            yield from _labelled(label, text, inner, self.style)
        for resource in self.objects.get(unit_id, ()):
            yield inner + self.style.dim(f"· {visible(str(resource))}")
        for number, child in enumerate(children):
            last = number == len(children) - 1
            yield from self.branch(child, unit_id, following + ("└─ " if last else "├─ "), following + ("   " if last else "│  "))

    def is_plain_release(self, unit_id: ResourceId) -> bool:
        """Is there nothing to say of a release but its name? Then it stands beside what applies it."""
        unit = self.graph.units[unit_id]
        plain = unit_id.kind == "HelmRelease" and not unit.suspended and not unit.opaque and not self.edges.get(unit_id)
        return plain and not self.graph.children.get(unit_id) and not self.style.verbose and not self.objects

    def headline(self, unit: Unit, context: ResourceId | None, releases: Sequence[ResourceId]) -> str:
        style = self.style
        parts = [visible(relative_name(unit.id, context))]
        if unit.path is not None:
            parts.append(style.paint(visible(unit.path or "."), CYAN))
        if resources := self.counts.get(unit.id, 0):
            parts.append(style.dim(counted(resources, "resource")))
        if releases:
            names = [name for name in releases if (name.namespace, name.name) != (unit.id.namespace, unit.id.name)]
            short = ", ".join(relative_name(name, name._replace(namespace=unit.id.namespace)) for name in releases)
            parts.append(style.dim(visible(f"{counted(len(releases), 'release')}: {short}" if names else "1 release")))
        if unit.suspended:
            parts.append(style.paint("suspended", YELLOW))
        if unit.remote:
            parts.append(style.dim("for another cluster"))
        if unit.opaque:
            parts.append(style.paint(f"opaque: {visible(unit.opaque)}", YELLOW))
        return "  ".join(parts)


def _dependencies(unit: ResourceId, edges: Sequence[OrderedEdge], missing: set[tuple[ResourceId, ResourceId]], style: Style) -> Iterator[tuple[str, str]]:
    """What a unit waits for, as written; what it should wait for; what else it uses. Each as label and text."""
    written, absent, used = [], [], []
    for edge in edges:
        name = visible(relative_name(edge.provider, unit))
        if edge.edge.declared is not None:
            written.append(name + ("" if edge.inferred or not style.verbose else " (no reason found)") + (" (proves nothing)" if edge.unbacked_gates else ""))
        elif (edge.consumer, edge.provider) in missing:
            absent.append(f"{name} ({', '.join(sorted({reason.requirement.reason for reason in edge.ordering}))})")
        elif edge.inferred and (not edge.orders or style.verbose):
            used.append(name)
    if written:
        yield "after", ", ".join(written)
    if absent:
        yield "missing", ", ".join(absent)
    if used and style.verbose:
        yield "uses", ", ".join(used)


def _labelled(label: str, text: str, indent: str, style: Style) -> Iterator[str]:
    painted = style.paint(label, YELLOW) if label == "missing" else style.dim(label)
    for number, line in enumerate(style.wrapped(text, " " * (len(indent) + len(label) + 1))):
        content = line[len(indent) + len(label) + 1 :]
        yield f"{indent}{painted if number == 0 else ' ' * len(label)} {content}"


def _opaque(plan: Order, style: Style) -> Iterator[str]:
    entries = plan.graph.opaque
    if not entries:
        return
    yield ""
    yield f"not looked into: {counted(len(entries), 'thing')}"
    shown = entries if style.verbose else entries[:OPAQUE_SHOWN]
    for entry in shown:
        yield from style.wrapped(f"{visible(entry.thing)}: {visible(entry.why)} ({visible(str(entry.place))})", "  ", "    ")
    if len(shown) < len(entries):
        yield style.dim(f"  … {len(entries) - len(shown)} more (-v shows all)")


def _problems(problems: Iterable[Problem], style: Style) -> Iterator[str]:
    entries = list(dict.fromkeys((problem.place, problem.message) for problem in problems))
    yield f"could not be read or built: {counted(len(entries), 'problem')}"
    shown = entries if style.verbose else entries[:PROBLEMS_SHOWN]
    for place, message in shown:
        yield from style.wrapped(f"{visible(str(place))}: {visible(message)}", "  ", "    ")
    if len(shown) < len(entries):
        yield style.dim(f"  … {len(entries) - len(shown)} more (-v shows all)")
