"""A verification, and a run, as JSON, as JUnit and as Markdown for a job's summary."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gitops_secrets.model.verdicts import Cause, RunSummary, Verdict, Verification
from gitops_secrets.report.documents import Json, json_text, place_json
from gitops_secrets.report.escape import markdown, markdown_code, visible
from gitops_secrets.report.style import took

VERIFY_SCHEMA: Final = "gitops-secrets/verify/v1"
RECONCILE_SCHEMA: Final = "gitops-secrets/reconcile/v1"


def verify_document(verification: Verification) -> str:
    """All verdicts and causes."""
    return json_text({"schema": VERIFY_SCHEMA, **_verification(verification)})


def reconcile_document(verification: Verification, run: RunSummary) -> str:
    """The same, with how the run went."""
    went: Json = {
        "end": run.end,
        "engine": run.engine,
        "seconds": round(run.seconds, 1),
        "applied": run.applied,
        "requested": run.requested,
        "refreshed": run.refreshed,
        "synced": run.synced,
        "withheld": list(run.withheld),
    }
    return json_text({"schema": RECONCILE_SCHEMA, "run": went, **_verification(verification)})


def _verification(verification: Verification) -> Json:
    well = sum(verdict.is_well for verdict in verification.verdicts)
    return {
        "cluster": verification.cluster,
        "context": verification.context,
        "server": verification.server,
        "commit": verification.commit,
        "well": verification.is_well,
        "objects": [_verdict(verdict) for verdict in verification.verdicts],
        "causes": [_cause(cause) for cause in verification.causes],
        "summary": {"well": well, "not_well": len(verification.verdicts) - well},
    }


def _verdict(verdict: Verdict) -> Json:
    return {
        "id": str(verdict.id),
        "well": verdict.is_well,
        "complaints": [{"complaint": complaint.word, "message": complaint.message} for complaint in verdict.complaints],
        "remarks": list(verdict.remarks),
        "unit": None if verdict.unit is None else str(verdict.unit),
        "place": None if verdict.place is None else place_json(verdict.place),
    }


def _cause(cause: Cause) -> Json:
    return {
        "subject": str(cause.subject),
        "title": cause.title,
        "evidence": list(cause.evidence),
        "explanation": cause.explanation,
        "advice": cause.advice,
        "affected": [str(id) for id in cause.affected],
        "place": None if cause.place is None else place_json(cause.place),
    }


def verification_junit(verification: Verification) -> str:
    """A test case for each object, for pipelines that show such reports; a failed one with the root that it hangs on."""
    suite = Element("testsuite", name=f"gitops-secrets verify {visible(verification.cluster)}")
    for verdict in verification.verdicts:
        case = SubElement(suite, "testcase", classname=f"gitops-secrets.{verdict.id.kind}", name=visible(str(verdict.id)))
        if verdict.complaints:
            told = "; ".join(f"{complaint.word}: {complaint.message}" for complaint in verdict.complaints)
            failure = SubElement(case, "failure", type=verdict.complaints[0].word, message=visible(told))
            roots = (cause for cause in verification.causes if verdict.id == cause.subject or verdict.id in cause.affected)
            failure.text = "\n".join(visible(f"{cause.title}: {cause.explanation}; do: {cause.advice}") for cause in roots)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(sum(not verdict.is_well for verdict in verification.verdicts)))
    suite.set("errors", "0")
    indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suite, encoding="unicode")}\n'


def verification_markdown(verification: Verification, run: RunSummary | None = None) -> str:
    """For the summary of a job (`>> "$GITHUB_STEP_SUMMARY"`)."""
    unwell = [verdict for verdict in verification.verdicts if not verdict.is_well]
    mark = "✅" if verification.is_well else "❌"
    commit = f" at `{verification.commit[:12]}`" if verification.commit else ""
    lines = [f"### {mark} {markdown(verification.cluster)}{commit}", ""]
    if run is not None:
        done = f"{run.applied} applied, {run.requested} asked, {run.refreshed} refreshed" + (f", {run.synced} synced" if run.synced else "")
        lines += [f"{run.end} after {took(run.seconds)} with {run.engine}: {done}", ""]
    for cause in verification.causes:
        lines += [f"**{markdown(cause.title)}**", ""]
        lines += [f"> {markdown(told)}" for told in cause.evidence]
        lines += ["", f"{markdown(cause.explanation)}. Do: {markdown(cause.advice)}.", ""]
    if unwell:
        lines += ["| object | not as it should be |", "| --- | --- |"]
        lines += [f"| {markdown_code(str(verdict.id))} | {markdown('; '.join(complaint.message for complaint in verdict.complaints))} |" for verdict in unwell]
        lines.append("")
    lines.append(f"{len(verification.verdicts) - len(unwell)} of {len(verification.verdicts)} objects are as they should be.")
    return "\n".join(lines) + "\n"
