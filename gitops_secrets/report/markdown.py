"""Findings as one comment on a pull request, or the summary of a job: Markdown as GitHub and GitLab read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gitops_secrets.model.findings import CheckResult, Finding, Severity
from gitops_secrets.ordering.difference import PlanDifference
from gitops_secrets.ordering.order import Plan
from gitops_secrets.report.comment import COMMENT_LIMIT, SECTION, fitting, folded
from gitops_secrets.report.diagram import part_drawing
from gitops_secrets.report.diff_markdown import change_parts
from gitops_secrets.report.escape import html_sentence, markdown, markdown_code
from gitops_secrets.report.groups import grouped, headline, item, marks, some_clusters, summary
from gitops_secrets.report.mermaid import flowchart
from gitops_secrets.report.style import Style, counted

# First line of the comment: who posts it finds the one that is there by it, and edits that.
MARKER: Final = "<!-- gitops-secrets check -->"

_EVIDENCE_SHOWN: Final = 10
_PLACES_SHOWN: Final = 20


def check_markdown(result: CheckResult, plans: Sequence[Plan], changes: Sequence[PlanDifference] | None = None, *, limit: int = COMMENT_LIMIT) -> str:
    """All findings, each to unfold, then what the change does, or else a graph of the units that the findings are about.

    As much as fits into `limit` characters, the worst first.
    """
    text = f"{MARKER}\n### gitops-secrets: {summary(result, Style())}\n"
    if result.base is not None:
        text += f"\nCompared with {markdown_code(result.base[:12])}.\n"
    groups = grouped(finding for finding in result.findings if finding.severity is not Severity.NOTE)
    notes = grouped(finding for finding in result.findings if finding.severity is Severity.NOTE)
    text += fitting([_group(group, result.clusters) for group in groups], limit - len(text) - 3 * SECTION, [len(group) for group in groups])
    graph = _graph(result.findings, plans) if changes is None else ""
    if len(text) + len(graph) < limit - 2 * SECTION:
        text += graph
    if notes:
        inner = fitting([_line(group) for group in notes], limit - len(text) - 2 * SECTION, [len(group) for group in notes])
        text += folded(counted(sum(map(len, notes)), "note"), inner)
    if result.resolved:
        gone = grouped(result.resolved)
        lines = [f"- {markdown(headline(group))} ({markdown_code(group[0].rule)})\n" for group in gone]
        text += folded(f"{counted(len(result.resolved), 'finding')} gone", fitting(lines, limit - len(text) - SECTION, [len(group) for group in gone]))
    return text + (change_parts(changes, limit - len(text)) if changes else "")


def _group(group: Sequence[Finding], clusters: Sequence[str]) -> str:
    title = f"<b>{group[0].severity.value}</b>: {html_sentence(headline(group))} [{', '.join(map(html_sentence, marks(group)))}]"
    return folded(title, "\n".join(_details(group, clusters)))


def _line(group: Sequence[Finding]) -> str:
    place = markdown_code(str(group[0].place)) + (f" and {len(group) - 1} more" if len(group) > 1 else "")
    return f"- {markdown(headline(group))} ({markdown_code(group[0].rule)}; {place})\n"


def _details(group: Sequence[Finding], clusters: Sequence[str]) -> Iterator[str]:
    if where := some_clusters(group, clusters):
        yield f"In {', '.join(map(markdown_code, where))}."
        yield ""
    if len(group) > 1:
        for finding in group[:_PLACES_SHOWN]:
            yield f"- {markdown_code(str(finding.place))}: {markdown_code(item(finding))}"
            yield from (f"  - fix: {markdown(fix)}" for fix in _fixes([finding]))
        if len(group) > _PLACES_SHOWN:
            yield f"- … and {len(group) - _PLACES_SHOWN} more"
        return
    (finding,) = group
    yield markdown_code(str(finding.place))
    elsewhere = [related for related in finding.related if related.place != finding.place]
    if elsewhere:
        yield ""
    for related in elsewhere[:_EVIDENCE_SHOWN]:
        yield f"- {markdown_code(str(related.place))}: {markdown(related.message)}"
    if len(elsewhere) > _EVIDENCE_SHOWN:
        yield f"- … and {len(elsewhere) - _EVIDENCE_SHOWN} more"
    for fix in _fixes(group):
        yield ""
        yield f"Fix: {markdown(fix)}"


def _fixes(group: Sequence[Finding]) -> Iterator[str]:
    yield from (finding.fix.description for finding in group if finding.fix is not None)


def _graph(findings: Sequence[Finding], plans: Sequence[Plan]) -> str:
    """The units that errors and warnings are about, and what is between them; of a finding about what is not there, there is nothing to draw."""
    drawings = []
    for plan in plans:
        there = plan.graph.units.keys() | plan.graph.unit_of.keys()
        shown = [finding for finding in findings if finding.severity is not Severity.NOTE and plan.graph.cluster.name in finding.clusters]
        ids = set(map(str, there))
        named = {end for finding in shown if finding.other in ids for end in (finding.subject, finding.other)}
        drawing = part_drawing(plan, named)
        drawings += [drawing] if drawing.arrows else []
    return folded("The part of the graph that this is about", f"```mermaid\n{flowchart(drawings)}```") if drawings else ""
