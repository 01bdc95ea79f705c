"""A verification for people: the roots first, then what is not well, then how much is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from gitops_secrets.model.verdicts import Cause, RunSummary, Verification
from gitops_secrets.report.escape import visible
from gitops_secrets.report.style import BOLD, GREEN, RED, YELLOW, Style, counted, took

_ENDS = {
    "ready": "all there",
    "stuck": "stuck: nothing that is left can get there by itself",
    "timeout": "not there at the time limit",
    "interrupted": "interrupted; run it again to go on",
}
_AFFECTED = 6


def interrupted_text(run: RunSummary, style: Style) -> str:
    """What is known of a run that was broken off."""
    return "".join(f"{line}\n" for line in _run(run, style))


def verification_text(verification: Verification, style: Style, run: RunSummary | None = None) -> str:
    """All of it. With `quiet` only what is wrong, with `verbose` also all that is well."""
    lines = [*_causes(verification.causes, style), *_verdicts(verification, style)]
    if run is not None:
        lines += _run(run, style)
    lines += _summary(verification, style)
    return "".join(f"{line}\n" for line in lines)


def _causes(causes: Iterable[Cause], style: Style) -> Iterator[str]:
    for cause in causes:
        yield from style.wrapped(visible(cause.title), style.paint("cause  ", BOLD, RED) if style.color else "cause  ", "       ")
        for told in cause.evidence:
            yield from style.wrapped(visible(told.replace("\n", " ")), "       > ", "         ")
        yield from style.wrapped(visible(cause.explanation), "       ")
        yield from style.wrapped(visible(cause.advice), "       do: ", "           ")
        if cause.place is not None:
            yield f"       at: {visible(str(cause.place))}"
        if cause.affected:
            shown = cause.affected if style.verbose else cause.affected[:_AFFECTED]
            more = len(cause.affected) - len(shown)
            named = ", ".join(visible(str(id)) for id in shown) + (f" and {more} more" if more else "")
            yield from style.wrapped(named, f"       on it {'hangs' if len(cause.affected) == 1 else 'hang'}: ", "           ")
        yield ""


def _verdicts(verification: Verification, style: Style) -> Iterator[str]:
    shown = [verdict for verdict in verification.verdicts if not verdict.is_well or style.verbose or (verdict.remarks and not style.quiet)]
    for verdict in shown:
        mark = style.paint("ok   ", GREEN) if verdict.is_well else style.paint("not  ", BOLD, RED)
        yield f"{mark} {visible(str(verdict.id))}"
        for complaint in verdict.complaints:
            yield from style.wrapped(visible(f"{complaint.word}: {complaint.message}".split("\n", 1)[0]), "        ", "          ")
        for remark in verdict.remarks:
            yield from style.wrapped(visible(remark), "        ", "          ")
    if shown:
        yield ""


def _run(run: RunSummary, style: Style) -> Iterator[str]:
    done = [(run.applied, "applied"), (run.requested, "asked to reconcile"), (run.refreshed, "refreshed"), (run.synced, "synced")]
    told = ", ".join(f"{number} {what}" for number, what in done if number) or "nothing to do"
    code = GREEN if run.end == "ready" else YELLOW
    yield f"{style.paint(_ENDS[run.end], BOLD, code)} after {took(run.seconds)} ({run.engine}: {told})"
    for message in run.withheld:
        yield from style.wrapped(visible(message), "went on without: ", "  ")


def _summary(verification: Verification, style: Style) -> Iterator[str]:
    counts = Counter(verdict.id.kind for verdict in verification.verdicts if verdict.is_well)
    unwell = sum(not verdict.is_well for verdict in verification.verdicts)
    at = f" at {verification.commit[:12]}" if verification.commit else ""
    head = style.paint(f"{counted(unwell, 'object')} not as it should be", BOLD, RED) if unwell else style.paint("all is as it should be", BOLD, GREEN)
    yield f"cluster {visible(verification.cluster)}{at}: {head}"
    if counts and not style.quiet:
        yield from style.wrapped("well: " + ", ".join(counted(number, kind) for kind, number in sorted(counts.items())), "  ", "    ")
