"""The order of each cluster for people: what can start together, what each waits for, what is missing, what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitops_secrets.model.durations import duration
from gitops_secrets.model.ids import ResourceId, kind_text
from gitops_secrets.ordering.delay import Delay, planned_delay, present_delay
from gitops_secrets.ordering.gates import Gate, GateKind
from gitops_secrets.ordering.order import Cycle, OrderedEdge, Plan, Split
from gitops_secrets.report.escape import visible
from gitops_secrets.report.names import name_within_kind, relative_name
from gitops_secrets.report.strays import without_strays
from gitops_secrets.report.style import BOLD, GREEN, RED, YELLOW, Style, counted

_GATES = {
    GateKind.APPLIED: "there once applied",
    GateKind.BEFORE: "there before the engine starts",
    GateKind.WAIT: "wait",
    GateKind.HEALTH_CHECK: "health check",
    GateKind.NONE: "not gated: Ready means applied only",
    GateKind.RUNTIME: "not gated: made at run time",
    GateKind.MISREAD: "not gated: its status is misread without healthCheckExprs",
    GateKind.NOT_WAITING: "not gated: the release does not wait",
}


def plan_text(plans: Sequence[Plan], style: Style) -> str:
    """The order of all clusters. Edges that are written and gated are shown as names only, unless `verbose`."""
    shown, strays = without_strays(plans, style)
    blocks = ["\n".join(_cluster(plan, style)) for plan in shown] + strays
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _cluster(plan: Plan, style: Style) -> Iterator[str]:
    cluster = plan.graph.cluster
    yield f"{style.paint(visible(cluster.name), BOLD)}  {style.dim(visible(cluster.entry_point))}"
    yield f"{counted(len(plan.graph.units), 'unit')} in {counted(len(plan.levels), 'level')}"
    yield from _Levels(plan, style).lines()
    for split in plan.splits:
        yield ""
        yield from _split(split, style)
    for cycle in plan.cycles:
        yield ""
        yield from _cycle(cycle, style)
    if not plan.splits and not plan.cycles:
        yield ""
        yield from _delays(plan, style)


class _Levels:
    """The lines of the units of one cluster, in the order in which they can start."""

    def __init__(self, plan: Plan, style: Style) -> None:
        self.plan = plan
        self.style = style
        self.missing = {(entry.edge.consumer, entry.edge.provider) for entry in plan.missing}
        self.awaited = {target for targets in plan.depends_on.values() for target in targets}

    def lines(self) -> Iterator[str]:
        for number, level in enumerate(self.plan.levels):
            yield ""
            yield self.style.paint(f"level {number + 1}", BOLD) + self.style.dim("" if number else "  (waits for nothing)")
            yield from self.level(level)

    def level(self, level: Sequence[ResourceId]) -> Iterator[str]:
        """Units without a dependency of their own as one list; of the releases only those that somebody waits for."""
        free: dict[str, list[ResourceId]] = {}
        hidden = 0
        for unit in sorted(level):
            if not self.plan.depends_on.get(unit):
                free.setdefault(kind_text(*unit.group_kind), []).append(unit)
        for kind, units in free.items():
            shown = [unit for unit in units if self.style.verbose or unit in self.awaited or kind != "HelmRelease"]
            names = ", ".join(name_within_kind(unit) for unit in shown)
            if shown:
                yield from self.style.wrapped(visible(f"{kind} {names}"), "  ", "    ")
            hidden += len(units) - len(shown)
        for unit in sorted(level):
            if self.plan.depends_on.get(unit):
                yield from self.unit(unit)
        if hidden:
            yield self.style.dim(f"  and {counted(hidden, 'more release')}, each after what applies it (-v shows all)")

    def unit(self, unit: ResourceId) -> Iterator[str]:
        plan, style = self.plan, self.style
        plain: list[str] = []
        lines: list[str] = []
        for target in sorted(plan.depends_on[unit]):
            edge = plan.by_pair.get((unit, target))
            name = visible(relative_name(target, unit))
            if (unit, target) in self.missing and edge is not None:
                lines.extend(_wrapped(f"+ {name}", f"not written ({_reasons(edge)}); {_gate(edge)}", YELLOW, style))
            elif edge is not None and edge.unbacked_gates:
                lines.extend(_wrapped(f"! {name}", _gate(edge), RED, style))
            elif style.verbose and edge is not None:
                lines.extend(_wrapped(f"  {name}", _gate(edge), GREEN, style))
            else:
                plain.append(name)
        head = visible(relative_name(unit, None))
        first, *rest = style.wrapped(head + (f"  after {', '.join(plain)}" if plain else ""), "  ", "      ")
        yield first
        yield from rest
        yield from lines


def _wrapped(head: str, text: str, code: str, style: Style) -> Iterator[str]:
    lines = style.wrapped(f"{head}  {text}", "    ", "        ")
    yield "    " + style.paint(lines[0][4 : 4 + len(head)], code) + lines[0][4 + len(head) :]
    yield from lines[1:]


def _reasons(edge: OrderedEdge) -> str:
    return ", ".join(sorted({reason.requirement.reason for reason in edge.ordering}))


def _gate(edge: OrderedEdge) -> str:
    """What an edge is gated by: what fails first, then each way once."""
    ordering = set(map(id, edge.ordering))
    relevant = [gate for gate in edge.gates if id(gate.edge) in ordering] or list(edge.gates)
    if not relevant:
        return "no reason found"
    failing = [gate for gate in relevant if not gate.backs]
    return "; ".join(dict.fromkeys(_sentence(gate) for gate in failing or relevant))


def _sentence(gate: Gate) -> str:
    text = _GATES[gate.kind]
    if gate.kind not in (GateKind.APPLIED, GateKind.BEFORE):
        text += f" ({visible(str(gate.checked))})"
    return f"{text}, but its expression {gate.weakness}" if gate.weakness else text


def _split(split: Split, style: Style) -> Iterator[str]:
    consumers = sorted({visible(str(edge.consumer_unit)) for edge in split.edges})
    if all(edge.provider_unit == edge.consumer_unit == split.unit for edge in split.edges):
        sentence = f"{visible(str(split.unit))} can't be applied as one unit: it holds both what needs these things and what brings them"
    else:
        sentence = f"{' and '.join(consumers)} {'need' if len(consumers) > 1 else 'needs'} of other units what those bring only afterwards"
    yield from style.wrapped(sentence, "", "  ")
    for edge in split.edges[: None if style.verbose else 3]:
        text = f"{visible(str(edge.requirement.place))}: {visible(str(edge.requirement.resource))} needs {visible(str(edge.requirement.need))}"
        yield from style.wrapped(f"{text} of {visible(str(edge.provision.resource))}", "  ", "    ")
    if len(split.edges) > 3 and not style.verbose:
        yield style.dim(f"  … {len(split.edges) - 3} more (-v shows all)")


def _cycle(cycle: Cycle, style: Style) -> Iterator[str]:
    yield style.paint("these wait for each other, so none of them ever starts:", RED)
    for step in cycle.steps:
        declared = step.edge.declared
        why = f"written at {declared.place}" if declared is not None else f"needed at {step.edge.reasons[0].requirement.place}"
        cut = "; cut it here" if cycle.cut is step else ""
        yield from style.wrapped(f"{visible(str(step.consumer))} → {visible(str(step.provider))}  {visible(why)}{cut}", "  ", "    ")


def _delays(plan: Plan, style: Style) -> Iterator[str]:
    planned, present = planned_delay(plan), present_delay(plan)
    if present.seconds > planned.seconds:
        yield from _delay("worst case as it stands", present, style)
    yield from _delay("worst case in this order", planned, style)


def _delay(label: str, delay: Delay, style: Style) -> Iterator[str]:
    if not delay.seconds:
        yield f"{label}: no waiting"
        return
    names = [relative_name(unit, before) for unit, before in zip(delay.chain, (None, *delay.chain), strict=False)]
    yield from style.wrapped(f"{label}: {duration(delay.seconds)} of waiting, along {visible(' → '.join(names))}", "", "  ")
