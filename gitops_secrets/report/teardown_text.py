"""The reverse order for people: what to suspend, what to delete after what, and what has to outlive what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gitops_secrets.model.ids import ResourceId, kind_text
from gitops_secrets.ordering.teardown import Hold, Teardown
from gitops_secrets.rendering.argo.applications import ARGO_GROUP
from gitops_secrets.report.escape import visible
from gitops_secrets.report.names import name_within_kind
from gitops_secrets.report.style import BOLD, RED, YELLOW, Style, counted


def teardown_text(teardowns: Sequence[Teardown], style: Style) -> str:
    """The reverse order of all clusters."""
    blocks = ["\n".join(_cluster(teardown, style)) for teardown in teardowns]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _cluster(teardown: Teardown, style: Style) -> Iterator[str]:
    cluster = teardown.plan.graph.cluster
    yield f"{style.paint(visible(cluster.name), BOLD)}  {style.dim(visible(cluster.entry_point))}"
    yield f"{counted(sum(map(len, teardown.steps)), 'unit')} in {counted(len(teardown.steps), 'step')}; go on once everything of a step is gone"
    if teardown.suspend:
        yield ""
        argo = any(unit.group == ARGO_GROUP for unit in teardown.suspend)
        first = "switch automated sync off first" if argo else "suspend first"
        yield style.paint(first, BOLD) + style.dim("  (while they run they bring back what they apply)")
        yield from _units(teardown.suspend, style)
    # An Application without automated sync still takes its objects along.
    resumed = {unit for unit in teardown.suspend if unit.group != ARGO_GROUP}
    for number, step in enumerate(teardown.steps):
        yield ""
        yield style.paint(f"step {number + 1}", BOLD)
        yield from _units((unit for unit in step if unit not in resumed), style)
        yield from _units((unit for unit in step if unit in resumed), style, " (resume it just before: deleted while suspended, it leaves what it applied)")
    if teardown.engine:
        yield ""
        yield style.paint("last", BOLD) + style.dim("  (these apply Flux itself: leave them, and let `flux uninstall` take it away)")
        yield from _units(teardown.engine, style)
    if teardown.holds:
        yield ""
        yield style.paint("finalizers", BOLD) + style.dim("  (what takes them off has to go last)")
        for hold in teardown.holds:
            yield from _hold(hold, style)
    reasons: dict[str, list[str]] = {}
    for keep in teardown.keeps:
        reasons.setdefault(keep.why, []).append(str(keep.unit))
    for why, units in reasons.items():
        yield ""
        yield from style.wrapped(f"{style.paint('stays', YELLOW)}: what {visible(', '.join(units))} applied ({why})", "", "  ")


def _units(units: Iterable[ResourceId], style: Style, remark: str = "") -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for unit in sorted(units):
        kinds.setdefault(kind_text(*unit.group_kind), []).append(name_within_kind(unit))
    for kind, names in kinds.items():
        yield from style.wrapped(visible(f"{kind} {', '.join(names)}{remark}"), "  ", "    ")


def _hold(hold: Hold, style: Style) -> Iterator[str]:
    objects = counted(len(hold.objects), hold.kind)
    units = ", ".join(map(str, hold.units)) if style.verbose or len(hold.units) <= 4 else f"{counted(len(hold.units), 'unit')} (-v names them)"
    yield from style.wrapped(visible(f"{hold.operator} outlives {objects} of {units}: {hold.finalizer}"), "  ", "    ")
    for unit in hold.hangs:
        how = "are taken away together with it" if unit == hold.unit else "go after it"
        lines = style.wrapped(visible(f"would hang: those of {unit} {how}; delete them by hand first, or split the unit"), "    ", "      ")
        yield style.paint(lines[0], RED)
        yield from lines[1:]
