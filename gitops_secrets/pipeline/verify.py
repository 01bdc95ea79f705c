"""Looks whether a cluster is as the repository says, and where it hangs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Set
from concurrent.futures import ThreadPoolExecutor

from gitops_secrets.cluster.live import LiveEvent
from gitops_secrets.cluster.observe import observe
from gitops_secrets.cluster.port import ControlPlane, ForbiddenError
from gitops_secrets.cluster.run import Wanted
from gitops_secrets.cluster.verify import Judge, Observed, is_only_looked_at
from gitops_secrets.kinds.table import KindTable
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import Cause, Verdict, Verification
from gitops_secrets.ordering.order import Plan

_WORKERS = 8
# Seconds that a look at a unit may take that has nothing to change, and between two of ours.
_ANOTHER_LOOK = 10.0
_PAUSE = 0.5


def verify(
    plan: Plan, table: KindTable, plane: ControlPlane, wanted: Wanted, *, read_secrets: bool = True, about: Set[ResourceId] | None = None
) -> Verification:
    """Judges everything, or what `about` names and holds; where something is wrong, says what it comes from.

    Raises `ClusterError` where the cluster can't be asked.

    A controller takes the readiness of a unit back for the time of each look at it. If all that is wrong is that, what the look comes to is waited for.
    """
    until = time.monotonic() + _ANOTHER_LOOK
    while True:
        observed = observe(plane, plan.graph, table, read_secrets=read_secrets)
        judge = Judge(plan.graph, table, observed, wanted)
        verdicts = tuple(verdict for verdict in judge.verdicts() if about is None or _is_about(verdict, about, judge))
        unwell = [verdict for verdict in verdicts if not verdict.is_well]
        if not unwell or time.monotonic() > until or not all(is_only_looked_at(verdict, observed) for verdict in unwell):
            break
        time.sleep(_PAUSE)
    causes = () if not unwell else diagnose(plan, table, plane, observed, verdicts)
    return Verification(plan.graph.cluster.name, plane.context, plane.server, wanted.commit, verdicts, causes)


def _is_about(verdict: Verdict, about: Set[ResourceId], judge: Judge) -> bool:
    """Is it on one of these, on what one of them applies, or on a Secret that something of that reads?"""
    readers = judge.wishes[verdict.id].consumers if verdict.id in judge.wishes else ()
    return any(id in about or judge.graph.unit_of.get(id) in about for id in (verdict.id, *readers)) or verdict.unit in about


def diagnose(plan: Plan, table: KindTable, plane: ControlPlane, observed: Observed, verdicts: tuple[Verdict, ...]) -> tuple[Cause, ...]:
    """The roots of what is wrong, with the events that tell of them."""
    from gitops_secrets.cluster.diagnose import Diagnosis, Evidence, events_wanted, kinds_in_question

    first = Diagnosis(plan, table, Evidence(observed, verdicts))
    served = {kind: found.version for kind in kinds_in_question(first) if (found := plane.served(*kind)) is not None}
    events, unread = _events(plane, events_wanted(first, observed))
    return Diagnosis(plan, table, Evidence(observed, verdicts, events, unread, served)).causes()


def _events(plane: ControlPlane, ids: Iterable[ResourceId]) -> tuple[dict[ResourceId, tuple[LiveEvent, ...]], dict[ResourceId, str]]:
    """Events by object; and for which they may not be read, in the words of the server: a diagnosis without them is better than none."""
    wanted = list(ids)

    def read(id: ResourceId) -> tuple[LiveEvent, ...] | str:
        try:
            return plane.events(id)
        except ForbiddenError as error:
            return str(error)

    with ThreadPoolExecutor(_WORKERS, "events") as executor:
        answers = list(zip(wanted, executor.map(read, wanted), strict=True))
    return {id: found for id, found in answers if not isinstance(found, str)}, {id: found for id, found in answers if isinstance(found, str)}
